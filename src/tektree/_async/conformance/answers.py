"""What the storage of answers promises, check by check."""

from typing import Any, Final

from tektree._async.conformance import documents
from tektree._async.conformance.areas import OWNER
from tektree._async.conformance.documents import Kind
from tektree._async.conformance.samples import NOON, Check, Race, fails, later, same
from tektree._async.ports.answers import AsyncAnswerRepository
from tektree._async.ports.bundles import AsyncBackends
from tektree.ids import derived_id
from tektree.models.answers import Answer, CodeSnippet
from tektree.models.pages import Position
from tektree.models.questions import Order

__all__ = ["CHECKS", "RACES"]

_ASKED: Final = derived_id("question", "asked")


def answer(name: str, **more: Any) -> Answer:
    """An answer of that name."""
    fields: dict[str, Any] = {
        "id": derived_id("answer", name),
        "question_id": _ASKED,
        "body": name,
        "created_by": OWNER,
        "created_at": NOON,
        "updated_at": NOON,
    }
    return Answer(**{**fields, **more})


_ANSWERS: Final = Kind(
    "answers",
    lambda backends: backends.answers,
    answer,
    {
        "body": "é\n∑ 𝄞",
        "code_snippets": (CodeSnippet(language="go", code="x := 1"), CodeSnippet(language="", code="")),
        "updated_at": later(1),
        "author": "usr_ada",
        "revision": 3,
        "deleted_at": later(2),
        "deleted_by": derived_id("user", "moderator"),
    },
    ("upvote_count", "downvote_count"),
)


def _store(backends: AsyncBackends) -> AsyncAnswerRepository:
    return backends.answers or fails("the storages have no answers")


async def _put(backends: AsyncBackends, *records: Answer) -> None:
    for record in records:
        await _store(backends).insert(record, [])


async def answers_come_in_their_order(backends: AsyncBackends) -> None:
    """``page`` gives those that are not deleted, newest or most voted first, of equals the greatest id first."""
    records = [answer(str(at), created_at=later(seconds=at // 3), upvote_count=at % 4) for at in range(10)]
    other = answer("other", question_id=derived_id("question", "other"))
    await _put(backends, *records, other, answer("gone", deleted_at=NOON))
    by = {
        "newest": lambda each: (each.created_at, each.id),
        "most_voted": lambda each: (each.upvote_count, each.id),
    }
    orders: tuple[Order, ...] = ("newest", "most_voted")
    for order in orders:
        expected = [each.body for each in sorted(records, key=by[order], reverse=True)]
        for size in (1, 4, 10):
            found: list[str] = []
            before: Position | None = None
            while True:
                page = await _store(backends).page(_ASKED, order, before, size)
                found += [each.body for each in page.items]
                before = page.last
                if before is None:
                    break
            same(f"{order}, pages of {size}", found, expected)
    same("of no question", (await _store(backends).page(derived_id("x"), "newest", None, 9)).items, ())


async def answers_are_counted(backends: AsyncBackends) -> None:
    """``of_question`` counts those that are there now, ``made`` one user's of a period, half open, deleted ones too.

    ``of_questions`` gives the former of several.
    """
    store, other = _store(backends), derived_id("user", "other")
    stored = await store.insert(answer("1"), [])
    await _put(
        backends,
        answer("2", created_at=later(seconds=1), deleted_at=NOON),
        answer("3", created_at=later(seconds=2), created_by=other),
        answer("4", question_id=derived_id("question", "other")),
    )
    same("of the question", await store.of_question(_ASKED), 2)
    same("made", await store.made(OWNER, later(-1), later(1)), 3)
    same("half open", await store.made(OWNER, later(0), later(seconds=1)), 2)
    same("of another", await store.made(other, later(-1), later(1)), 1)
    gone = await store.swap(stored, stored.record.evolve(deleted_at=NOON))
    same("after one was deleted", await store.of_question(_ASKED), 1)
    await store.swap(gone, stored.record)
    same("after it was restored", await store.of_question(_ASKED), 2)
    elsewhere = derived_id("question", "other")
    found = await store.of_questions([_ASKED, derived_id("x"), elsewhere])
    same("of several", {id: count for id, count in found.items() if count}, {_ASKED: 2, elsewhere: 1})
    same("of none", dict(await store.of_questions([])), {})


async def what_is_accepted_is_set_as_counts_are(backends: AsyncBackends) -> None:
    """``counted`` sets ``is_accepted``, at the tally that was read; no `swap` touches it."""
    store, record = _store(backends), answer("1")
    old = await store.insert(record, [])
    same("set", await store.counted(record.id, 0, is_accepted=True), True)
    same("set at the tally before", await store.counted(record.id, 0, is_accepted=False), False)
    swapped = await store.swap(old, record.evolve(body="other"))
    found = await store.by_id(record.id)
    expected = record.evolve(body="other", is_accepted=True)
    same("after a swap", getattr(found, "record", None), expected)
    same("taken back", await store.counted(record.id, 1, is_accepted=False), True)
    same("the version", swapped.version, 2)
    same("at last", getattr(await store.by_id(record.id), "record", None), record.evolve(body="other"))


CHECKS: Final[tuple[Check, ...]] = (
    *documents.checks_of(_ANSWERS),
    answers_come_in_their_order,
    answers_are_counted,
    what_is_accepted_is_set_as_counts_are,
)
RACES: Final[tuple[Race, ...]] = documents.races_of(_ANSWERS)
