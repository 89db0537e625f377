"""What the storage of questions promises, check by check."""

from typing import Any, Final

from tektree._async.conformance import documents
from tektree._async.conformance.areas import ADMIN, ANYBODY, OWNER
from tektree._async.conformance.documents import Kind
from tektree._async.conformance.samples import NOON, Check, Race, fails, later, same
from tektree._async.conformance.searches import searches_of
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.ports.questions import AsyncQuestionRepository
from tektree.ids import derived_id
from tektree.models.base import INT53
from tektree.models.pages import Position, Slice
from tektree.models.questions import Order, Question, QuestionFilter
from tektree.rules import visibility
from tektree.rules.visibility import Viewer

__all__ = ["CHECKS", "RACES"]

_ANY: Final = QuestionFilter()
_OTHER: Final = derived_id("user", "other")


def question(name: str, **more: Any) -> Question:
    """A question of that name."""
    fields: dict[str, Any] = {
        "id": derived_id("question", name),
        "title": name,
        "slug": name.lower(),
        "body": "body",
        "visibility": "public",
        "created_by": OWNER,
        "created_at": NOON,
        "updated_at": NOON,
    }
    return Question(**{**fields, **more})


_QUESTIONS: Final = Kind(
    "questions",
    lambda backends: backends.questions,
    question,
    {
        "title": "Ünïcode ∑ 𝄞",
        "body": "é\n∑",
        "tags": ("go", "c++"),
        "areas": (derived_id("area", "a"), derived_id("area", "b")),
        "visibility": "private",
        "updated_at": later(1),
        "accepted_answer_id": derived_id("answer", "a"),
        "files": ("file_abc123", "file_ü"),
        "status": "resolved",
        "author": "usr_ada",
        "revision": 3,
        "deleted_at": later(2),
        "deleted_by": derived_id("user", "moderator"),
    },
    ("view_count", "upvote_count", "downvote_count", "answer_count"),
    slugs=True,
)


def _store(backends: AsyncBackends) -> AsyncQuestionRepository:
    return backends.questions or fails("the storages have no questions")


async def _put(backends: AsyncBackends, *records: Question) -> None:
    for record in records:
        await _store(backends).insert(record, [])


def _titles(found: Slice[Question]) -> list[str]:
    return [each.title for each in found.items]


async def a_question_is_found_by_every_slug_it_had(backends: AsyncBackends) -> None:
    """``by_slug`` finds a question by its slug and by those before it, and nothing by what no question has."""
    record = question("Rust", slug="rust", slugs=("iron", "rust"))
    await _put(backends, record, question("Go", slug="go", slugs=("go",)))
    for slug in ("rust", "iron"):
        same(slug, await _store(backends).by_slug(slug), record)
    for slug in ("ru", "", "RUST"):
        same(f"by {slug!r}", await _store(backends).by_slug(slug), None)


async def questions_are_of_all_that_is_asked_for(backends: AsyncBackends) -> None:
    """``page`` gives the questions of all that the filter asks for, alone and together."""
    a, b = derived_id("area", "a"), derived_id("area", "b")
    await _put(
        backends,
        question("1", areas=(a,), tags=("go",), status="open", created_at=later(seconds=1)),
        question("2", areas=(a, b), tags=("go", "c++"), status="closed", created_at=later(seconds=2)),
        question("3", tags=("c++",), created_by=_OTHER, status="closed", created_at=later(seconds=3)),
        question("4", areas=(b,), created_by=_OTHER, created_at=later(seconds=4)),
        question("5", areas=(a,), tags=("go",), deleted_at=NOON),
    )
    for which, expected in (
        (_ANY, "4321"),
        (QuestionFilter(area=a), "21"),
        (QuestionFilter(area=b), "42"),
        (QuestionFilter(tag="go"), "21"),
        (QuestionFilter(tag="g"), ""),
        (QuestionFilter(author=_OTHER), "43"),
        (QuestionFilter(status="closed"), "32"),
        (QuestionFilter(area=a, tag="c++"), "2"),
        (QuestionFilter(area=a, author=_OTHER), ""),
        (QuestionFilter(a, "go", OWNER, "closed"), "2"),
        (QuestionFilter(area=derived_id("area", "x")), ""),
    ):
        for sight in (ANYBODY, ADMIN, visibility.sight(Viewer(OWNER), NOON)):
            found = await _store(backends).page(which, "newest", sight, None, 99)
            same(f"{which}", "".join(_titles(found)), expected)


async def questions_come_in_their_order(backends: AsyncBackends) -> None:
    """``page`` gives them newest first, or most voted first, of equals the greatest id first, page by page."""
    records = [
        question(str(at), created_at=later(seconds=at // 3), upvote_count=at % 4, tags=("t",)) for at in range(12)
    ]
    await _put(backends, *records)
    by = {
        "newest": lambda each: (each.created_at, each.id),
        "most_voted": lambda each: (each.upvote_count, each.id),
    }
    orders: tuple[Order, ...] = ("newest", "most_voted")
    for order in orders:
        expected = [each.title for each in sorted(records, key=by[order], reverse=True)]
        for which in (_ANY, QuestionFilter(tag="t")):
            for size in (1, 5, 12):
                found: list[str] = []
                before: Position | None = None
                while True:
                    page = await _store(backends).page(which, order, ANYBODY, before, size)
                    found += _titles(page)
                    before = page.last
                    if before is None:
                        break
                same(f"{order}, pages of {size}", found, expected)


async def what_was_counted_is_sorted_anew(backends: AsyncBackends) -> None:
    """After `counted`, a list by votes is that of the new counts."""
    await _put(backends, question("a", upvote_count=2), question("b", upvote_count=1))
    store = _store(backends)
    same("before", _titles(await store.page(_ANY, "most_voted", ANYBODY, None, 9)), ["a", "b"])
    await store.counted(derived_id("question", "b"), 0, upvote_count=5, downvote_count=1)
    same("after", _titles(await store.page(_ANY, "most_voted", ANYBODY, None, 9)), ["b", "a"])


async def a_page_of_questions_is_full_of_what_is_seen(backends: AsyncBackends) -> None:
    """What a viewer does not see neither shows nor takes up room."""
    hidden = [question(f"h{at}", visibility="private", created_at=later(seconds=at)) for at in range(12)]
    shown = [question(f"s{at}", created_at=later(seconds=-at)) for at in range(3)]
    friends = question("f", visibility="connections", created_at=later(seconds=-9))
    await _put(backends, *hidden, *shown, friends, question("gone", deleted_at=NOON))
    store = _store(backends)
    page = await store.page(_ANY, "newest", ANYBODY, None, 3)
    same("a page", (_titles(page), page.last), (["s0", "s1", "s2"], None))
    friend = visibility.sight(Viewer(_OTHER, connected=frozenset({OWNER})), NOON)
    same("of a connection", len((await store.page(_ANY, "newest", friend, None, 99)).items), 4)
    same("of an author", len((await store.page(QuestionFilter(author=OWNER), "newest", friend, None, 99)).items), 4)
    moderator = visibility.sight(Viewer(_OTHER, "moderator"), NOON)
    same("of a moderator", len((await store.page(_ANY, "newest", moderator, None, 99)).items), 4)
    same("of an admin", len((await store.page(_ANY, "newest", ADMIN, None, 99)).items), 16)


async def what_was_asked_is_counted(backends: AsyncBackends) -> None:
    """``made`` counts one user's questions of a period, half open; ``in_area`` what everybody may see there now.

    ``in_areas`` gives the same of several.
    """
    a, b = derived_id("area", "a"), derived_id("area", "b")
    first = question("1", areas=(a, b))
    await _put(
        backends,
        question("2", areas=(a,), created_at=later(seconds=1), visibility="private"),
        question("3", areas=(a,), created_at=later(seconds=2), deleted_at=NOON),
        question("4", areas=(a,), created_by=_OTHER, status="closed"),
    )
    store = _store(backends)
    stored = await store.insert(first, [])
    same("all", await store.made(OWNER, later(-1), later(1)), 3)
    same("half open", await store.made(OWNER, later(0), later(seconds=2)), 2)
    same("of nobody", await store.made(derived_id("user", "x"), later(-1), later(1)), 0)
    same("in an area", [await store.in_area(each) for each in (a, b, derived_id("area", "x"))], [2, 1, 0])
    await store.swap(stored, first.evolve(areas=(b,)))
    same("after it left", [await store.in_area(each) for each in (a, b)], [1, 1])
    await _put(backends, question("5", areas=(a, b)), question("6", areas=(b, b), created_by=_OTHER))
    found = await store.in_areas([a, derived_id("area", "x"), b])
    same("in several", {id: count for id, count in found.items() if count}, {a: 2, b: 3})
    same("in one of them", dict(await store.in_areas([b])), {b: 3})
    same("in none", dict(await store.in_areas([])), {})


async def a_file_is_whose_questions_hold_it(backends: AsyncBackends) -> None:
    """``of_others`` gives those files that somebody else's questions hold, deleted ones too."""
    await _put(
        backends,
        question("1", files=("f1", "f2")),
        question("2", files=("f3",), created_by=_OTHER, deleted_at=NOON),
        question("3", files=("f2",), created_by=_OTHER),
    )
    store = _store(backends)
    wanted = ["f3", "f2", "f1", "f9", "f3"]
    same("for the owner", list(await store.of_others(OWNER, wanted)), ["f3", "f2"])
    same("for the other", list(await store.of_others(_OTHER, wanted)), ["f2", "f1"])
    same("for somebody", list(await store.of_others(derived_id("user", "x"), wanted)), ["f3", "f2", "f1"])
    same("of no files", list(await store.of_others(OWNER, [])), [])


async def views_add_up(backends: AsyncBackends) -> None:
    """``viewed`` adds views, and changes nothing else; more than 2**53 it does not add up to."""
    store, record = _store(backends), question("1", view_count=3)
    stored = await store.insert(record, [])
    await store.viewed(record.id, 2)
    await store.viewed(record.id, 5)
    await store.viewed(derived_id("question", "x"), 1)
    same("after views", getattr(await store.by_id(record.id), "record", None), record.evolve(view_count=10))
    swapped = await store.swap(stored, record.evolve(body="other"))
    same("the version", swapped.version, 2)
    found = await store.by_id(record.id)
    same("after a swap", getattr(found, "record", None), record.evolve(body="other", view_count=10))
    many = (await store.insert(question("2", view_count=INT53 - 1), [])).record
    await store.viewed(many.id, 2)
    await store.viewed(many.id, 1)
    same("very many", getattr(await store.by_id(many.id), "record", None), many.evolve(view_count=INT53))


CHECKS: Final[tuple[Check, ...]] = (
    *documents.checks_of(_QUESTIONS),
    a_question_is_found_by_every_slug_it_had,
    questions_are_of_all_that_is_asked_for,
    questions_come_in_their_order,
    what_was_counted_is_sorted_anew,
    a_page_of_questions_is_full_of_what_is_seen,
    *searches_of(_QUESTIONS, "body"),
    what_was_asked_is_counted,
    a_file_is_whose_questions_hold_it,
    views_add_up,
)
RACES: Final[tuple[Race, ...]] = documents.races_of(_QUESTIONS)
