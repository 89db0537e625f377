"""Questions, and the state that one is in."""

from typing import Literal

from tektree.models.base import Count, Draft, HexId, Instant, Record, Tags
from tektree.models.content import AreaIds, Body, FileIds, NewBody, NewTitle, Slug, Title, Visibility

__all__ = ["Question", "QuestionDraft", "QuestionStatus"]

QuestionStatus = Literal["open", "closed", "resolved"]


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
