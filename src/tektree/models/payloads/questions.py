"""What is told of questions. ``user_id`` is the author."""

from typing import Literal

from tektree.models.base import HexId, Uid
from tektree.models.content import Slug, Visibility
from tektree.models.payloads.base import Changed, Ids, Payload, Why, Words

__all__ = [
    "QuestionAsked",
    "QuestionClosed",
    "QuestionDeleted",
    "QuestionDownvoted",
    "QuestionReopened",
    "QuestionResolved",
    "QuestionRestored",
    "QuestionUpdated",
    "QuestionUpvoted",
    "QuestionVoteRemoved",
]


class _Question(Payload, by="content-service", stream="question:{question_id}"):
    user_id: Uid
    question_id: HexId


class QuestionAsked(_Question, event="question.asked"):
    """There is a new question. The slug is null, and there are no tags, when not everybody may see it."""

    slug: Slug | None
    areas: Ids
    tags: Words
    visibility: Visibility


class QuestionUpdated(_Question, event="question.updated"):
    """A question was edited."""

    changed: Changed


class QuestionDeleted(_Question, event="question.deleted"):
    """A question is gone. ``by`` is null when the system decided."""

    by: Uid | None


class QuestionRestored(_Question, event="question.restored", version="1.1.0"):
    """A question that was gone is back, as it was. ``by`` is null when the system decided."""

    by: Uid | None
    accepted: bool = False
    """Whether it has an accepted answer of somebody else."""


class _Decided(_Question):
    by: Uid | None
    """Null when the system decided."""
    reason: Why | None


class QuestionClosed(_Decided, event="question.closed"):
    """A question takes no more answers."""


class QuestionReopened(_Decided, event="question.reopened"):
    """A question takes answers again."""


class QuestionResolved(_Decided, event="question.resolved"):
    """A question has its answer."""


class _Vote(_Question, stream="question:{question_id}:vote:{voter_id}"):
    voter_id: Uid


class QuestionUpvoted(_Vote, event="question.upvoted"):
    """Somebody found a question good. ``previous`` is how they had voted before, 0 for not at all.

    Told again when a question that was deleted is restored.
    """

    value: Literal[1]
    previous: Literal[-1, 0]


class QuestionDownvoted(_Vote, event="question.downvoted"):
    """Somebody found a question bad. Told again when one that was deleted is restored."""

    value: Literal[-1]
    previous: Literal[0, 1]


class QuestionVoteRemoved(_Vote, event="question.vote_removed"):
    """A vote counts no more: it was taken back, or the question was deleted."""

    value: Literal[0]
    previous: Literal[-1, 1]
