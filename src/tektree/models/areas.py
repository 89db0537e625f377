"""Areas: the tree of subjects that questions and insights are filed under."""

from typing import Annotated

from tektree.models.base import Count, Draft, HexId, Instant, Record, Tags, Text
from tektree.models.content import BODY, Body, NewTitle, Slug, Title, Visibility

__all__ = ["Area", "AreaDraft"]


class Area(Record):
    """A subject. ``parent_id`` is None at the top; ``breadcrumbs`` are the titles on the way down to it."""

    id: HexId
    title: Title
    slug: Slug
    parent_id: HexId | None = None
    details: Body = ""
    tags: Tags = ()
    breadcrumbs: Annotated[str, Text(100_000)] = ""
    visibility: Visibility
    created_by: HexId
    created_at: Instant
    updated_at: Instant
    follower_count: Count = 0
    content_count: Count = 0


class AreaDraft(Draft):
    """An area to be made. Slug and breadcrumbs follow from the title and the parent. Raises `InvalidInput`.

    >>> AreaDraft(title="Event-Driven Architecture", tags=["events"]).visibility
    'public'
    """

    title: NewTitle
    details: Annotated[str, Text(BODY)] = ""
    parent_id: HexId | None = None
    tags: Tags = ()
    visibility: Visibility = "public"
