"""Erasures: what of somebody's content goes with them, and what stays.

The law: what everybody may read belongs to all by now; it stays, under a uid behind which is nobody any more, and so do
what others wrote below it, and votes, which others earned by. What only its author and a few might see is emptied of
all that it says, its names and files included, and deleted; so is what was deleted before. What others have a part in
stays: a draft with co-authors, an answer to somebody else. Again: nothing changes.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

from tektree.models.answers import Answer
from tektree.models.areas import Area
from tektree.models.base import Record
from tektree.models.insights import Insight
from tektree.models.payloads import AnswerDeleted, AreaDeleted, InsightDeleted, Payload, QuestionDeleted
from tektree.models.questions import Question
from tektree.rules.content import open_to_all
from tektree.rules.insights import status

__all__ = ["Emptied", "of_answer", "of_area", "of_insight", "of_question"]

K = TypeVar("K", Area, Question, Answer, Insight)
S = TypeVar("S", Area, Question, Insight)
R = TypeVar("R", bound=Record)


class Emptied(NamedTuple, Generic[R]):
    """A record that says nothing any more, and what is told of it: nothing where it was deleted before."""

    record: R
    said: tuple[Payload, ...]


def of_area(area: Area, uid: str, now: datetime) -> Emptied[Area] | None:
    """An area of somebody who is erased, whose uid this is; None where it stays as it is."""
    if open_to_all(area) and area.deleted_at is None:
        return None
    new = _nameless(area, "area").evolve(details="", breadcrumbs="")
    return _emptied(area, new, now, lambda: AreaDeleted(user_id=uid, area_id=area.id))


def of_question(question: Question, uid: str, now: datetime) -> Emptied[Question] | None:
    """A question, as `of_area`."""
    if open_to_all(question) and question.deleted_at is None:
        return None
    new = _nameless(question, "question").evolve(body="", areas=(), files=())
    return _emptied(question, new, now, lambda: QuestionDeleted(user_id=uid, question_id=question.id, by=None))


def of_insight(insight: Insight, uid: str, now: datetime) -> Emptied[Insight] | None:
    """An insight, as `of_area`."""
    read = open_to_all(insight) and status(insight, now) == "published"
    if (read or insight.co_authors) and insight.deleted_at is None:
        return None
    new = _nameless(insight, "insight").evolve(
        body="", areas=(), co_authors=(), invitations=(), due=None, estimated_read_time_minutes=0
    )
    kind = insight.insight_type
    return _emptied(
        insight, new, now, lambda: InsightDeleted(user_id=uid, insight_id=insight.id, insight_type=kind, by=None)
    )


def of_answer(answer: Answer, question: Question | None, uid: str, now: datetime) -> Emptied[Answer] | None:
    """An answer to this ``question``, as `of_area`: that to a question of one's own goes with it."""
    alone = question is None or (question.created_by == answer.created_by and question.deleted_at is not None)
    if answer.deleted_at is None and not alone:
        return None
    said = AnswerDeleted(user_id=uid, answer_id=answer.id, question_id=answer.question_id, by=None)
    return _emptied(answer, answer.evolve(body="", code_snippets=()), now, lambda: said)


def _nameless(record: S, kind: str) -> S:
    """Without title, tags and the slugs that they made; with one that says nothing, and is never another's."""
    slug = f"{kind}-{record.id}"
    return record.evolve(title="", tags=(), slug=slug, slugs=(slug,), visibility="private")


def _emptied(old: K, new: K, now: datetime, said: Callable[[], Payload]) -> Emptied[Any] | None:
    if old.deleted_at is not None:
        return None if new == old else Emptied(_changed(new), ())
    return Emptied(_changed(new.evolve(deleted_at=now, deleted_by=old.created_by)), (said(),))


def _changed(record: K) -> K:
    return record.evolve(revision=record.revision + 1)
