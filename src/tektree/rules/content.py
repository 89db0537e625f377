"""What areas, questions, answers and insights have in common when they are made, edited, deleted and restored.

The law: only what is declared can be given, and a field that is left out stays; nothing is told of what not everybody
may see; what is deleted is brought back as it was, and who deleted it against its author's will keeps it deleted.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

from tektree.errors import Forbidden, InvalidInput, InvalidTransition, Stale
from tektree.models.answers import Answer
from tektree.models.areas import Area
from tektree.models.base import Draft, Frozen, Record, checked
from tektree.models.insights import Insight
from tektree.models.payloads.base import Change
from tektree.models.questions import Question
from tektree.rules import inputs, slugs, tags

__all__ = ["based_on", "brought_back", "changed", "drafted", "fields", "gone", "open_to_all", "renamed", "retitled"]

D = TypeVar("D", bound=Draft)
K = TypeVar("K", Area, Question, Answer, Insight)
S = TypeVar("S", Area, Question, Insight)

_LONGEST_TOLD: Final = 200
"""Of texts; longer ones stand on the entity."""


def drafted(value: object, model: type[D]) -> D:
    """A draft as a caller handed it in, with its tags in their normal form. Raises `InvalidInput`.

    It is checked once more: one that was forced past its constructor may hold anything.
    """
    if type(value) is not model:
        raise InvalidInput("draft", f"must be of type {model.__name__}")
    draft = checked(model, value.__dict__)
    given = getattr(draft, "tags", ())
    return draft.evolve(tags=tags.normal(given)) if given else draft


def fields(model: type[D], given: Mapping[str, object], allowed: Collection[str], whole: D) -> dict[str, Any]:
    """The ``given`` fields of an edit, checked as those of a draft are. ``whole`` is any sound draft.

    Raises `InvalidInput` for one that is not ``allowed``, and where there is none.
    """
    inputs.declared(given, allowed)
    if not given:
        raise InvalidInput("fields", f"must be one or more of {', '.join(allowed)}")
    draft = checked(model, {**whole.__dict__, **given})
    found = {name: getattr(draft, name) for name in given}
    return found | ({"tags": tags.normal(found["tags"])} if "tags" in found else {})


def open_to_all(record: Any) -> bool:
    """Whether everybody may see it, if it is not deleted and published."""
    return bool(record.visibility == "public")


def changed(old: Record, new: Record, names: Sequence[str], *, open: bool) -> Frozen[str, Change]:
    """What is told of an edit: the fields that differ, with their values where these are short and ``open`` to all.

    Of areas the ids are always told: they say nothing of what is hidden, and it is counted where they are told.
    """
    differing = [(name, getattr(old, name), getattr(new, name)) for name in names]
    return Frozen(
        {
            name: Change(old=before, new=after)
            if name == "areas" or (open and _short(before) and _short(after))
            else Change()
            for name, before, after in differing
            if before != after
        }
    )


def _short(value: object) -> bool:
    return len(str(value)) <= _LONGEST_TOLD


def based_on(first: K, record: K, kind: str, names: Collection[str], revision: int | None) -> None:
    """Raises `Stale` where an edit is based on what is not so any more, and somebody must look.

    ``revision`` is what its author saw; None: only what ``first`` was found is asked to be so still, field by field.
    """
    if revision is not None and record.revision != revision:
        raise Stale(kind, record.id)
    if any(getattr(first, name) != getattr(record, name) for name in names):
        raise Stale(kind, record.id)


def gone(record: K, by: str, now: datetime) -> K | None:
    """The record once ``by`` has deleted it; None where it is deleted."""
    if record.deleted_at is not None:
        return None
    return record.evolve(deleted_at=now, deleted_by=by, revision=record.revision + 1)


def brought_back(record: K, kind: str, by: str) -> K:
    """The record once ``by`` has restored it.

    Raises `Forbidden` for its author where somebody else deleted it, `InvalidTransition` where it is not deleted.
    """
    if record.deleted_at is None:
        raise InvalidTransition(kind, "is not deleted")
    if by == record.created_by and record.deleted_by not in (None, by):
        raise Forbidden(f"{kind}.restore")
    return record.evolve(deleted_at=None, deleted_by=None, revision=record.revision + 1)


def retitled(old: S, new: S, kind: str, *, open: bool) -> Sequence[str]:
    """The slugs to try when ``old`` becomes ``new``, which is ``open`` to all; none when it keeps its own."""
    if new.title == old.title:
        return ()
    tried = slugs.candidates(kind, new.title, new.id, open=open)
    return () if old.slug in tried else tried


def renamed(record: S, slug: str) -> S:
    """The record under this slug. It keeps those that it had; when these are too many, it keeps the present one."""
    held = slugs.kept(record.slugs or ((record.slug,) if record.slug else ()), slug)
    return record if held is None else record.evolve(slug=slug, slugs=held)
