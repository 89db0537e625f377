"""What is told of insights. ``user_id`` is the author."""

from typing import Annotated

from pydantic import Field

from tektree.models.base import LISTED, Count, HexId, Uid
from tektree.models.insights import InsightType
from tektree.models.payloads.base import Changed, Ids, Payload, Words

__all__ = [
    "InsightCoAuthorInvited",
    "InsightCoAuthorJoined",
    "InsightCoAuthorLeft",
    "InsightCommented",
    "InsightCreated",
    "InsightDeleted",
    "InsightFeatured",
    "InsightLiked",
    "InsightPublished",
    "InsightRestored",
    "InsightUnliked",
    "InsightUnpublished",
    "InsightUpdated",
]


class _Insight(Payload, by="content-service", stream="insight:{insight_id}"):
    user_id: Uid
    insight_id: HexId


class InsightCreated(_Insight, event="insight.created"):
    """There is a new insight, not published yet."""

    insight_type: InsightType


class InsightUpdated(_Insight, event="insight.updated"):
    """An insight was edited."""

    insight_type: InsightType
    changed: Changed


class InsightPublished(_Insight, event="insight.published"):
    """An insight can be read, or again, once it is restored. Tags and co-authors are left out when not everybody may.

    Only the first publication earns XP. One that was planned is told when it is due, and dated so.
    """

    insight_type: InsightType
    areas: Ids
    tags: Words
    co_authors: Annotated[tuple[Uid, ...], Field(max_length=50), LISTED]
    first_publication: bool
    read_time: Count
    """The estimate, in minutes."""


class InsightUnpublished(_Insight, event="insight.unpublished"):
    """An insight is a draft again."""

    insight_type: InsightType


class InsightDeleted(_Insight, event="insight.deleted"):
    """An insight is gone. ``by`` is null when the system decided."""

    insight_type: InsightType
    by: Uid | None


class InsightRestored(_Insight, event="insight.restored"):
    """An insight that was gone is back, as it was: if it was published, that is told as well."""

    insight_type: InsightType
    by: Uid | None


class InsightCoAuthorInvited(_Insight, event="insight.co_author_invited"):
    """Somebody was asked to be a co-author. ``co_author`` is null where only the id is known."""

    co_author: Uid | None


class InsightCoAuthorJoined(_Insight, event="insight.co_author_joined"):
    """Somebody who was invited consented, and is a co-author."""

    co_author: Uid


class InsightCoAuthorLeft(_Insight, event="insight.co_author_left"):
    """Somebody is a co-author no more, or was invited and is not any more; by themselves, or by the author."""

    co_author: Uid | None
    by: Uid


class InsightLiked(_Insight, event="insight.liked", stream="insight:{insight_id}:like:{by}"):
    """Somebody likes an insight. Told again when one that was deleted is restored."""

    by: Uid


class InsightUnliked(_Insight, event="insight.unliked", stream="insight:{insight_id}:like:{by}"):
    """A like counts no more: it was taken back, or the insight was deleted."""

    by: Uid


class InsightCommented(_Insight, event="insight.commented", stream="insight:{insight_id}:comment:{comment_id}"):
    """Somebody wrote a comment."""

    by: Uid
    comment_id: HexId


class InsightFeatured(_Insight, event="insight.featured"):
    """An insight is shown to everybody. ``by`` is null when the system decided."""

    by: Uid | None
