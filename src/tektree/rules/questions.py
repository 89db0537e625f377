"""Questions: open, then resolved or closed, and open again.

The law: a question that is closed takes no answers, and is resolved only once it is open again; a step to where it is
already changes nothing. A question names only areas that its author saw, and shows only those that its reader sees.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, get_args

from tektree.errors import InvalidTransition
from tektree.ids import hex_id
from tektree.models.accounts import Principal
from tektree.models.base import lessened
from tektree.models.payloads.questions import (
    QuestionAsked,
    QuestionClosed,
    QuestionDeleted,
    QuestionReopened,
    QuestionResolved,
    QuestionRestored,
    QuestionUpdated,
)
from tektree.models.questions import Order, Question, QuestionDraft, QuestionFields, QuestionFilter, QuestionStatus
from tektree.rules import content, inputs, slugs, tags

__all__ = [
    "ORDERS",
    "announced",
    "asked",
    "closed",
    "deleted",
    "edited",
    "fields",
    "listed",
    "recounted",
    "reopened",
    "resolved",
    "restored",
    "shown",
    "updated",
]

_FIELDS: Final = tuple(QuestionFields.__annotations__)
_TOLD: Final = (*_FIELDS, "slug")
_STATUSES: Final[tuple[QuestionStatus, ...]] = get_args(QuestionStatus)
ORDERS: Final[tuple[Order, ...]] = get_args(Order)
_SAMPLE: Final = QuestionDraft(title="any", body="any")

Decided = QuestionClosed | QuestionReopened | QuestionResolved


def fields(given: Mapping[str, object]) -> dict[str, Any]:
    """The given fields of an edit. Raises `InvalidInput`."""
    found = content.fields(QuestionDraft, given, _FIELDS, _SAMPLE)
    return found | {name: once(found[name]) for name in ("areas", "files") if name in found}


def once(values: Sequence[str]) -> tuple[str, ...]:
    """The values, each once, in their order."""
    return tuple(dict.fromkeys(values))


def asked(draft: QuestionDraft, id: str, by: Principal, now: datetime) -> tuple[Question, Sequence[str]]:
    """A new question, and the slugs to try for it."""
    question = Question(
        id=id,
        title=draft.title,
        slug="",
        body=draft.body,
        tags=draft.tags,
        areas=once(draft.areas),
        visibility=draft.visibility,
        created_by=by.id,
        created_at=now,
        updated_at=now,
        files=once(draft.files),
        author=by.uid,
        revision=1,
    )
    return question, slugs.candidates("question", question.title, id, open=content.open_to_all(question))


def announced(question: Question, uid: str) -> QuestionAsked:
    """What is told of a new question."""
    is_open = content.open_to_all(question)
    return QuestionAsked(
        user_id=uid,
        question_id=question.id,
        slug=question.slug if is_open else None,
        areas=question.areas,
        tags=question.tags if is_open else (),
        visibility=question.visibility,
    )


def edited(question: Question, changes: Mapping[str, Any], now: datetime) -> tuple[Question, Sequence[str]] | None:
    """The question with these fields, and the slugs to try for another title; None where nothing changes."""
    new = question.evolve(**changes)
    if new == question:
        return None
    new = new.evolve(updated_at=now, revision=question.revision + 1)
    return new, content.retitled(question, new, "question", open=content.open_to_all(new))


def updated(old: Question, new: Question, uid: str) -> QuestionUpdated:
    """What is told of an edit."""
    is_open = content.open_to_all(old) and content.open_to_all(new)
    return QuestionUpdated(user_id=uid, question_id=new.id, changed=content.changed(old, new, _TOLD, open=is_open))


def closed(
    question: Question, uid: str, by: str, reason: str | None, now: datetime
) -> tuple[Question, QuestionClosed] | None:
    """The question when it takes no more answers; None where it does not."""
    if question.status == "closed":
        return None
    said = QuestionClosed(user_id=uid, question_id=question.id, by=by, reason=reason)
    return _become(question, "closed", now), said


def reopened(
    question: Question, uid: str, by: str, reason: str | None, now: datetime
) -> tuple[Question, QuestionReopened] | None:
    """The question when it takes answers again; None where it is open. What was accepted stays accepted."""
    if question.status == "open":
        return None
    said = QuestionReopened(user_id=uid, question_id=question.id, by=by, reason=reason)
    return _become(question, "open", now), said


def resolved(
    question: Question, uid: str, by: str, reason: str | None, now: datetime
) -> tuple[Question, QuestionResolved] | None:
    """The question when it has its answer; None where it has. Raises `InvalidTransition` for a closed one."""
    if question.status == "resolved":
        return None
    if question.status == "closed":
        raise InvalidTransition("question", "is closed; reopen it first")
    said = QuestionResolved(user_id=uid, question_id=question.id, by=by, reason=reason)
    return _become(question, "resolved", now), said


def _become(question: Question, status: str, now: datetime) -> Question:
    return question.evolve(status=status, updated_at=now, revision=question.revision + 1)


def deleted(question: Question, by: Principal, uid: str, now: datetime) -> tuple[Question, QuestionDeleted] | None:
    """The question once it is deleted; None where it is."""
    new = content.gone(question, by.id, now)
    return None if new is None else (new, QuestionDeleted(user_id=uid, question_id=question.id, by=by.uid))


def restored(question: Question, by: Principal, uid: str, accepted: bool) -> tuple[Question, QuestionRestored]:
    """The question once it is restored; ``accepted``: an answer of somebody else. Raises `Forbidden`,
    `InvalidTransition`.
    """
    said = QuestionRestored(user_id=uid, question_id=question.id, by=by.uid, accepted=accepted)
    return content.brought_back(question, "question", by.id), said


def recounted(question: Question, event_type: str, payload: Mapping[str, Any]) -> frozenset[str]:
    """The areas whose content has to be counted anew behind an event of a question."""
    if event_type in ("question.asked", "question.deleted", "question.restored"):
        return frozenset(question.areas)
    moved = payload.get("changed", {})
    if event_type == "question.updated" and not {"areas", "visibility"}.isdisjoint(moved):
        return frozenset((*question.areas, *moved.get("areas", {}).get("old", ())))
    return frozenset()


def listed(area: object, tag: object, author: object, status: object, order: object) -> tuple[QuestionFilter, Order]:
    """Which questions a caller wants, and how they are sorted. Raises `InvalidInput`."""
    which = QuestionFilter(
        None if area is None else hex_id(area, "area"),
        None if tag is None else tags.sought(tag),
        None if author is None else hex_id(author, "author"),
        inputs.choice(status, "status", _STATUSES) if status is not None else None,
    )
    return which, inputs.choice(order, "order", ORDERS)


def shown(question: Question, areas: Collection[str], *, own: bool) -> Question:
    """The question as somebody may see it, who sees these ``areas``.

    Slugs that were given up may say what it was called when it was hidden: they are its author's ``own``, and so is
    which answer it let go.
    """
    named = tuple([each for each in question.areas if each in areas])
    if own:
        return question if named == question.areas else lessened(question, areas=named)
    if named == question.areas and not question.slugs and question.let_go_id is None:
        return question
    return lessened(question, areas=named, slugs=(), let_go_id=None)
