"""Insights: long-form articles and tutorials."""

from typing import Annotated, Literal

from pydantic import Field

from tektree.models.base import LISTED, Count, Draft, HexId, Instant, Record, Tags, Uid
from tektree.models.content import AreaIds, Body, NewBody, NewTitle, Slug, Slugs, Title, Visibility

__all__ = ["Insight", "InsightDraft", "InsightType"]

InsightType = Literal["article", "tutorial", "case_study", "tool_review"]


class Insight(Record):
    """A long text. ``published_at`` is None until it is published for the first time."""

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
