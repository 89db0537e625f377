"""Insights: long-form articles and tutorials."""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple, TypedDict

from pydantic import Field

from tektree.models.base import LISTED, Count, Draft, HexId, Instant, Record, Tags, Uid, Value
from tektree.models.content import AreaIds, Body, NewBody, NewTitle, Slug, Slugs, Title, Visibility

__all__ = [
    "Insight",
    "InsightDraft",
    "InsightFields",
    "InsightFilter",
    "InsightOrder",
    "InsightStatus",
    "InsightType",
    "Invitation",
]

InsightType = Literal["article", "tutorial", "case_study", "tool_review"]
InsightStatus = Literal["draft", "scheduled", "published"]
"""Not published, to be published at a time that is still to come, or published."""
InsightOrder = Literal["newest", "most_liked", "featured"]
"""How a list is sorted: as they were published, newest first; by likes, most first; or those featured, newest first."""


class Invitation(Value):
    """That somebody is asked to be a co-author; they are one from ``consented_at`` on."""

    user_id: HexId
    uid: Uid | None
    """None where it is not known before they consent."""
    at: Instant
    consented_at: Instant | None = None


class Insight(Record):
    """A long text. ``published_at`` is None while it is a draft, and may be still to come. ``co_authors`` consented."""

    id: HexId
    title: Title
    slug: Slug
    body: Body
    insight_type: InsightType
    tags: Tags = ()
    areas: AreaIds = ()
    co_authors: Annotated[tuple[HexId, ...], Field(max_length=50), LISTED] = ()
    visibility: Visibility
    created_by: HexId
    created_at: Instant
    updated_at: Instant
    published_at: Instant | None = None
    view_count: Count = 0
    like_count: Count = 0
    comment_count: Count = 0
    estimated_read_time_minutes: Count = 0
    featured: bool = False
    author: Uid | None = None
    """The uid of ``created_by``; None for what was there before us."""
    slugs: Slugs = ()
    invitations: Annotated[tuple[Invitation, ...], Field(max_length=50), LISTED] = ()
    """Who was asked to be a co-author, those too who consented. Only the author is shown them."""
    submitted_at: Instant | None = None
    """When publishing it was first asked for: since then it counts for the quota."""
    first_published_at: Instant | None = None
    """When it could be read for the first time."""
    due: Count | None = None
    """When its publication is to be told, in milliseconds since 1970; None: it was told, or there is none."""
    revision: Count = 0
    """How often it was changed: what an edit is based on."""
    deleted_at: Instant | None = None
    deleted_by: HexId | None = None


class InsightDraft(Draft):
    """An insight to be kept unpublished. Co-authors are invited later, by themselves consenting. Raises `InvalidInput`.

    >>> InsightDraft(title="Best Practices", body="# Introduction", insight_type="tutorial").visibility
    'public'
    """

    title: NewTitle
    body: NewBody
    insight_type: InsightType = "article"
    tags: Tags = ()
    areas: AreaIds = ()
    visibility: Visibility = "public"


class InsightFields(TypedDict, total=False):
    """What can be edited of an insight. A field that is left out stays as it is."""

    title: str
    body: str
    insight_type: InsightType
    tags: Sequence[str]
    areas: Sequence[str]
    visibility: Visibility


class InsightFilter(NamedTuple):
    """Which insights; None: any. ``area`` and ``author`` are ids, ``tag`` is in its normal form."""

    area: str | None = None
    tag: str | None = None
    author: str | None = None
    status: InsightStatus | None = None
