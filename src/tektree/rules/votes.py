"""Votes: one for each user and thing.

The law: whoever votes again changes their vote, 0 takes it back, and to vote as one did changes nothing. Nobody votes
on what is their own. What is told says how they had voted before, so whoever counts can follow. A vote on what is
deleted has lapsed: to whoever is told, it is as if it had been taken back, until its thing is restored.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, Literal, cast

from tektree.errors import InvalidInput
from tektree.ids import derived_id, hex_id
from tektree.models.accounts import Principal
from tektree.models.answers import Answer
from tektree.models.gamification import EntityRef
from tektree.models.insights import Insight
from tektree.models.payloads import (
    AnswerDownvoted,
    AnswerUpvoted,
    AnswerVoteRemoved,
    InsightLiked,
    InsightUnliked,
    Payload,
    QuestionDownvoted,
    QuestionUpvoted,
    QuestionVoteRemoved,
)
from tektree.models.questions import Question
from tektree.models.votes import Votable, Vote
from tektree.rules import inputs

__all__ = ["Thing", "Value", "cast_again", "first", "id_of", "said", "settled", "target", "value"]

Value = Literal[-1, 0, 1]
Thing = Question | Answer | Insight

_QUESTION: Final[Mapping[int, Callable[..., Payload]]] = {
    1: QuestionUpvoted,
    -1: QuestionDownvoted,
    0: QuestionVoteRemoved,
}
_ANSWER: Final[Mapping[int, Callable[..., Payload]]] = {1: AnswerUpvoted, -1: AnswerDownvoted, 0: AnswerVoteRemoved}


def target(value: object) -> tuple[Votable, str]:
    """What is voted on: a question, an answer, or an `EntityRef` of one. Raises `InvalidInput`."""
    if isinstance(value, Question):
        return "question", value.id
    if isinstance(value, Answer):
        return "answer", value.id
    if isinstance(value, EntityRef) and value.type in ("question", "answer"):
        return cast("Votable", value.type), hex_id(value.id, "target.id")
    raise InvalidInput("target", "must be a question or an answer, or its EntityRef, such as EntityRef('answer', id)")


def value(given: object) -> Value:
    """How somebody votes. Raises `InvalidInput`."""
    return cast("Value", inputs.whole(given, "value", -1, 1))


def id_of(kind: Votable, target_id: str, user_id: str) -> str:
    """The id of the one vote of a user on a thing."""
    return derived_id("vote", kind, target_id, user_id)


def first(kind: Votable, target_id: str, by: Principal, now: datetime) -> Vote:
    """The vote of who has not voted yet."""
    return Vote(
        id=id_of(kind, target_id, by.id),
        target_type=kind,
        target_id=target_id,
        user_id=by.id,
        uid=by.uid,
        value=0,
        at=now,
    )


def cast_again(vote: Vote, wanted: Value, now: datetime) -> Vote | None:
    """The vote as it is wanted; None where it is so."""
    return None if vote.value == wanted else vote.evolve(value=wanted, at=now)


def settled(vote: Vote, thing: Thing) -> Vote | None:
    """The vote as it is on its thing, as that is now; None where it is so. A co-author's like is taken back."""
    deleted = thing.deleted_at is not None
    if not deleted and vote.value and isinstance(thing, Insight) and vote.user_id in thing.co_authors:
        return vote.evolve(value=0, lapsed=False)
    lapsed = deleted and vote.value != 0
    return None if vote.lapsed == lapsed else vote.evolve(lapsed=lapsed)


def said(thing: Thing, author: str, old: Vote, new: Vote) -> Payload:
    """What is told of a vote that was ``old``; ``author`` is the uid of whose the thing is."""
    before, now = _weight(old), _weight(new)
    if isinstance(thing, Insight):
        like = InsightLiked if now else InsightUnliked
        return like(user_id=author, insight_id=thing.id, by=new.uid)
    common: dict[str, Any] = {"user_id": author, "voter_id": new.uid, "value": now, "previous": before}
    if isinstance(thing, Question):
        return _QUESTION[now](question_id=thing.id, **common)
    return _ANSWER[now](answer_id=thing.id, question_id=thing.question_id, **common)


def _weight(vote: Vote) -> Value:
    return 0 if vote.lapsed else vote.value
