"""Questions, and the state that one is in."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypedDict

from tektree.models.base import Count, Draft, HexId, Instant, Record, Tags, Uid
from tektree.models.content import AreaIds, Body, FileIds, NewBody, NewTitle, Slug, Slugs, Title, Visibility

__all__ = ["Order", "Question", "QuestionDraft", "QuestionFields", "QuestionFilter", "QuestionStatus"]

QuestionStatus = Literal["open", "closed", "resolved"]
Order = Literal["newest", "most_voted"]
"""How a list is sorted: newest first, or by votes for it, most first."""


class Question(Record):
    """A question. ``accepted_answer_id`` is the one truth about which answer is accepted."""

    id: HexId
    title: Title
    slug: Slug
    body: Body
    tags: Tags = ()
    areas: AreaIds = ()
    visibility: Visibility
    created_by: HexId
    created_at: Instant
    updated_at: Instant
    view_count: Count = 0
    upvote_count: Count = 0
    downvote_count: Count = 0
    answer_count: Count = 0
    accepted_answer_id: HexId | None = None
    files: FileIds = ()
    status: QuestionStatus = "open"
    author: Uid | None = None
    """The uid of ``created_by``; None for what was there before us."""
    slugs: Slugs = ()
    let_go_id: HexId | None = None
    """The answer that was accepted until it was deleted; where that is restored, it is accepted again."""
    revision: Count = 0
    """How often it was changed: what an edit is based on."""
    deleted_at: Instant | None = None
    deleted_by: HexId | None = None


class QuestionDraft(Draft):
    """A question to be asked. Raises `InvalidInput`.

    >>> QuestionDraft(title="How do I implement event sourcing?", body="I'm building …", tags=["go"]).tags
    ('go',)
    """

    title: NewTitle
    body: NewBody
    tags: Tags = ()
    areas: AreaIds = ()
    visibility: Visibility = "public"
    files: FileIds = ()


class QuestionFields(TypedDict, total=False):
    """What can be edited of a question. A field that is left out stays as it is."""

    title: str
    body: str
    tags: Sequence[str]
    areas: Sequence[str]
    visibility: Visibility
    files: Sequence[str]


class QuestionFilter(NamedTuple):
    """Which questions; None: any. ``area`` and ``author`` are ids, ``tag`` is in its normal form."""

    area: str | None = None
    tag: str | None = None
    author: str | None = None
    status: QuestionStatus | None = None
