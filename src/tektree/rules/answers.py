"""Answers, and which of them the asker accepted.

The law: the question's ``accepted_answer_id`` is the one truth about that, so a switch from one answer to another is
one change; ``is_accepted`` of the answers follows it. A question is resolved when one is accepted, and open again when
that is taken back, unless it is closed. A closed question takes no answers, and what is deleted is not accepted; it is
again when it is restored, unless the asker has decided otherwise since.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from tektree.errors import InvalidTransition
from tektree.models.accounts import Principal
from tektree.models.answers import Answer, AnswerDraft, AnswerFields
from tektree.models.payloads import (
    AnswerAccepted,
    AnswerDeleted,
    AnswerPosted,
    AnswerRestored,
    AnswerUnaccepted,
    AnswerUpdated,
    Payload,
    QuestionReopened,
    QuestionResolved,
)
from tektree.models.questions import Question
from tektree.rules import content

__all__ = [
    "accepted",
    "announced",
    "Candidate",
    "deleted",
    "edited",
    "fields",
    "let_go",
    "posted",
    "restored",
    "taken_up",
    "taking",
    "unaccepted",
    "updated",
]

_FIELDS: Final = tuple(AnswerFields.__annotations__)
_SAMPLE: Final = AnswerDraft(body="any")


class Candidate(NamedTuple):
    """An answer, and the uid of its author."""

    id: str
    author: str


def fields(given: Mapping[str, object]) -> dict[str, Any]:
    """The given fields of an edit. Raises `InvalidInput`."""
    return content.fields(AnswerDraft, given, _FIELDS, _SAMPLE)


def taking(question: Question) -> None:
    """Raises `InvalidTransition` where the question is closed."""
    if question.status == "closed":
        raise InvalidTransition("question", "is closed, and takes no answers; reopen it first")


def posted(draft: AnswerDraft, question: Question, id: str, by: Principal, now: datetime) -> Answer:
    """A new answer. Raises as `taking`."""
    taking(question)
    return Answer(
        id=id,
        question_id=question.id,
        body=draft.body,
        code_snippets=draft.code_snippets,
        created_by=by.id,
        created_at=now,
        updated_at=now,
        author=by.uid,
        revision=1,
    )


def announced(answer: Answer, uid: str, asker: str) -> AnswerPosted:
    """What is told of a new answer."""
    return AnswerPosted(user_id=uid, answer_id=answer.id, question_id=answer.question_id, question_author_id=asker)


def edited(answer: Answer, changes: Mapping[str, Any], now: datetime) -> Answer | None:
    """The answer with these fields; None where nothing changes."""
    new = answer.evolve(**changes)
    return None if new == answer else new.evolve(updated_at=now, revision=answer.revision + 1)


def updated(old: Answer, new: Answer, uid: str) -> AnswerUpdated:
    """What is told of an edit: which fields; what stands in them is for those who see the question."""
    return AnswerUpdated(user_id=uid, answer_id=new.id, changed=content.changed(old, new, _FIELDS, open=False))


def deleted(answer: Answer, by: Principal, uid: str, now: datetime) -> tuple[Answer, AnswerDeleted] | None:
    """The answer once it is deleted; None where it is."""
    new = content.gone(answer, by.id, now)
    said = AnswerDeleted(user_id=uid, answer_id=answer.id, question_id=answer.question_id, by=by.uid)
    return None if new is None else (new, said)


def restored(answer: Answer, by: Principal, uid: str) -> tuple[Answer, AnswerRestored]:
    """The answer once it is restored. Raises `Forbidden`, `InvalidTransition`."""
    said = AnswerRestored(user_id=uid, answer_id=answer.id, question_id=answer.question_id, by=by.uid)
    return content.brought_back(answer, "answer", by.id), said


def accepted(
    question: Question, answer: Candidate, before: Candidate | None, uid: str, by: str, now: datetime
) -> tuple[Question, Sequence[Payload]] | None:
    """The question once this answer is its accepted one; None where it is.

    ``before`` is the answer that was accepted so far, ``uid`` the question's author, ``by`` who accepts.
    """
    if question.accepted_answer_id == answer.id:
        return None
    said: list[Payload] = [] if before is None else [_taken_back(question, before, by)]
    said.append(AnswerAccepted(user_id=answer.author, answer_id=answer.id, question_id=question.id, accepted_by=by))
    status = question.status
    if status == "open":
        status = "resolved"
        said.append(QuestionResolved(user_id=uid, question_id=question.id, by=by, reason=None))
    return _accepting(question, answer.id, status, now), said


def unaccepted(
    question: Question, answer: Candidate, uid: str, by: str, now: datetime
) -> tuple[Question, Sequence[Payload]] | None:
    """The question once this answer is accepted no more; None where it is not."""
    if question.accepted_answer_id != answer.id:
        return None
    said: list[Payload] = [_taken_back(question, answer, by)]
    status = question.status
    if status == "resolved":
        status = "open"
        said.append(QuestionReopened(user_id=uid, question_id=question.id, by=by, reason=None))
    return _accepting(question, None, status, now), said


def let_go(question: Question, answer: Candidate, uid: str, now: datetime) -> tuple[Question, Sequence[Payload]] | None:
    """The question once its accepted answer is deleted; None where this is not it. ``uid`` is the question's author."""
    decided = unaccepted(question, answer, uid, uid, now)
    return None if decided is None else (decided[0].evolve(let_go_id=answer.id), decided[1])


def taken_up(
    question: Question, answer: Candidate, uid: str, now: datetime
) -> tuple[Question, Sequence[Payload]] | None:
    """The question once an answer is restored that it let go; None where it did not, or accepts another."""
    if question.let_go_id != answer.id:
        return None
    return accepted(question, answer, None, uid, uid, now)


def _accepting(question: Question, answer_id: str | None, status: str, now: datetime) -> Question:
    changes = {"accepted_answer_id": answer_id, "status": status, "let_go_id": None}
    return question.evolve(**changes, updated_at=now, revision=question.revision + 1)


def _taken_back(question: Question, answer: Candidate, by: str) -> AnswerUnaccepted:
    return AnswerUnaccepted(user_id=answer.author, answer_id=answer.id, question_id=question.id, accepted_by=by)
