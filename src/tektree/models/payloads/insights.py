"""What is told of insights. ``user_id`` is the author."""

from typing import Annotated

from pydantic import Field

from tektree.models.base import LISTED, Count, HexId, Uid
from tektree.models.insights import InsightType
from tektree.models.payloads.base import Changed, Ids, Payload, Words

__all__ = [
    "InsightCommented",
    "InsightCreated",
    "InsightDeleted",
    "InsightFeatured",
    "InsightLiked",
    "InsightPublished",
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
    """An insight can be read. There are no tags when not everybody may. Only the first publication earns XP."""

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


class InsightLiked(_Insight, event="insight.liked", stream="insight:{insight_id}:like:{by}"):
    """Somebody likes an insight."""

    by: Uid


class InsightUnliked(_Insight, event="insight.unliked", stream="insight:{insight_id}:like:{by}"):
    """Somebody likes it no more."""

    by: Uid


class InsightCommented(_Insight, event="insight.commented", stream="insight:{insight_id}:comment:{comment_id}"):
    """Somebody wrote a comment."""

    by: Uid
    comment_id: HexId


class InsightFeatured(_Insight, event="insight.featured"):
    """An insight is shown to everybody. ``by`` is null when the system decided."""

    by: Uid | None
