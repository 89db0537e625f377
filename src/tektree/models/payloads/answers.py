"""What is told of answers. ``user_id`` is the author."""

from typing import Literal

from tektree.models.base import HexId, Uid
from tektree.models.payloads.base import Changed, Payload

__all__ = [
    "AnswerAccepted",
    "AnswerDeleted",
    "AnswerDownvoted",
    "AnswerPosted",
    "AnswerRestored",
    "AnswerUnaccepted",
    "AnswerUpdated",
    "AnswerUpvoted",
    "AnswerVoteRemoved",
]


class _Answer(Payload, by="content-service", stream="answer:{answer_id}"):
    user_id: Uid
    answer_id: HexId


class AnswerPosted(_Answer, event="answer.posted"):
    """There is a new answer."""

    question_id: HexId
    question_author_id: Uid


class AnswerUpdated(_Answer, event="answer.updated"):
    """An answer was edited."""

    changed: Changed


class AnswerDeleted(_Answer, event="answer.deleted"):
    """An answer is gone. ``by`` is null when the system decided."""

    question_id: HexId
    by: Uid | None


class AnswerRestored(_Answer, event="answer.restored"):
    """An answer that was gone is back, as it was. ``by`` is null when the system decided."""

    question_id: HexId
    by: Uid | None


class _Accepted(_Answer, stream="question:{question_id}"):
    question_id: HexId
    accepted_by: Uid


class AnswerAccepted(_Accepted, event="answer.accepted"):
    """The asker chose this answer; the question says so."""


class AnswerUnaccepted(_Accepted, event="answer.unaccepted"):
    """The asker chose it no more."""


class _Vote(_Answer, stream="answer:{answer_id}:vote:{voter_id}"):
    question_id: HexId
    voter_id: Uid


class AnswerUpvoted(_Vote, event="answer.upvoted"):
    """Somebody found an answer good. ``previous`` is how they had voted before, 0 for not at all.

    Told again when an answer that was deleted is restored.
    """

    value: Literal[1]
    previous: Literal[-1, 0]


class AnswerDownvoted(_Vote, event="answer.downvoted"):
    """Somebody found an answer bad. Told again when one that was deleted is restored."""

    value: Literal[-1]
    previous: Literal[0, 1]


class AnswerVoteRemoved(_Vote, event="answer.vote_removed"):
    """A vote counts no more: it was taken back, or the answer was deleted."""

    value: Literal[0]
    previous: Literal[-1, 1]
