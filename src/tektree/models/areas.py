"""Areas: the tree of subjects that questions and insights are filed under."""

from collections.abc import Sequence
from typing import Annotated, TypedDict

from tektree.models.base import Count, Draft, HexId, Instant, Record, Tags, Text, Uid
from tektree.models.content import BODY, AreaIds, Body, NewTitle, Slug, Slugs, Title, Visibility

__all__ = ["Area", "AreaDraft", "AreaFields", "Follow"]


class Area(Record):
    """A subject. ``parent_id`` is None at the top; ``breadcrumbs`` are the titles on the way down to it, its own last.

    Stored ``breadcrumbs`` leave out what not everybody may see; whoever reads an area gets those that they may see.
    """

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
    author: Uid | None = None
    """The uid of ``created_by``; None for what was there before us."""
    path: AreaIds = ()
    """The areas above it, from the top down."""
    slugs: Slugs = ()
    revision: Count = 0
    """How often it was changed: what an edit is based on."""
    deleted_at: Instant | None = None
    deleted_by: HexId | None = None


class Follow(Record):
    """That a user wants to hear of an area, or, when it is not ``active``, does not any more."""

    id: HexId
    area_id: HexId
    user_id: HexId
    uid: Uid
    active: bool
    at: Instant
    """Since when it is so."""


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


class AreaFields(TypedDict, total=False):
    """What can be edited of an area. A field that is left out stays as it is."""

    title: str
    details: str
    tags: Sequence[str]
    visibility: Visibility
