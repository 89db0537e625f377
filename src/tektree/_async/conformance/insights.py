"""What the storage of insights promises, check by check."""

from typing import Any, Final

from tektree._async.conformance import documents
from tektree._async.conformance.areas import ADMIN, ANYBODY, OWNER
from tektree._async.conformance.documents import Kind
from tektree._async.conformance.samples import NOON, Check, Race, fails, later, same
from tektree._async.conformance.searches import searches_of
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.ports.insights import AsyncInsightRepository
from tektree.ids import derived_id
from tektree.models.base import milliseconds
from tektree.models.insights import Insight, InsightFilter, InsightOrder, Invitation
from tektree.models.pages import Position, Slice
from tektree.models.visibility import Sight
from tektree.rules import visibility
from tektree.rules.visibility import Viewer

__all__ = ["CHECKS", "RACES"]

_ANY: Final = InsightFilter()
_OTHER: Final = derived_id("user", "other")
_SHARER: Final = derived_id("user", "sharer")
_MINE: Final = visibility.sight(Viewer(OWNER), NOON)


def insight(name: str, **more: Any) -> Insight:
    """A published insight of that name."""
    fields: dict[str, Any] = {
        "id": derived_id("insight", name),
        "title": name,
        "slug": name.lower(),
        "body": "body",
        "insight_type": "article",
        "visibility": "public",
        "created_by": OWNER,
        "created_at": NOON,
        "updated_at": NOON,
        "published_at": NOON,
    }
    return Insight(**{**fields, **more})


_INSIGHTS: Final = Kind(
    "insights",
    lambda backends: backends.insights,
    insight,
    {
        "title": "Ünïcode ∑ 𝄞",
        "body": "é\n∑",
        "insight_type": "case_study",
        "tags": ("go", "c++"),
        "areas": (derived_id("area", "a"), derived_id("area", "b")),
        "co_authors": (_SHARER,),
        "visibility": "private",
        "updated_at": later(1),
        "published_at": None,
        "estimated_read_time_minutes": 7,
        "featured": True,
        "author": "usr_ada",
        "invitations": (
            Invitation(user_id=_SHARER, uid="usr_sharer", at=NOON, consented_at=later(1)),
            Invitation(user_id=_OTHER, uid=None, at=later(2)),
        ),
        "submitted_at": later(1),
        "first_published_at": later(2),
        "due": milliseconds(later(3)),
        "revision": 3,
        "deleted_at": later(2),
        "deleted_by": derived_id("user", "moderator"),
    },
    ("view_count", "like_count", "comment_count"),
    slugs=True,
)


def _store(backends: AsyncBackends) -> AsyncInsightRepository:
    return backends.insights or fails("the storages have no insights")


async def _put(backends: AsyncBackends, *records: Insight) -> None:
    for record in records:
        await _store(backends).insert(record, [])


def _titles(found: Slice[Insight]) -> list[str]:
    return [each.title for each in found.items]


async def _pages(
    store: AsyncInsightRepository, which: InsightFilter, order: InsightOrder, sight: Sight, size: int
) -> list[str]:
    found: list[str] = []
    before: Position | None = None
    while True:
        page = await store.page(which, order, sight, before, size)
        found += _titles(page)
        before = page.last
        if before is None:
            return found


async def an_insight_is_found_by_every_slug_it_had(backends: AsyncBackends) -> None:
    """``by_slug`` finds an insight by its slug and by those before it, and nothing by what no insight has."""
    record = insight("Rust", slug="rust", slugs=("iron", "rust"))
    await _put(backends, record, insight("Go", slug="go", slugs=("go",)))
    for slug in ("rust", "iron"):
        same(slug, await _store(backends).by_slug(slug), record)
    for slug in ("ru", "", "RUST"):
        same(f"by {slug!r}", await _store(backends).by_slug(slug), None)


async def insights_are_of_all_that_is_asked_for(backends: AsyncBackends) -> None:
    """``page`` gives the insights of all that the filter asks for, alone and together; what is planned, as of now."""
    a, b = derived_id("area", "a"), derived_id("area", "b")
    await _put(
        backends,
        insight("1", areas=(a,), tags=("go",), published_at=None),
        insight("2", areas=(a, b), tags=("go", "c++"), published_at=later(seconds=-2)),
        insight("3", tags=("c++",), created_by=_OTHER, published_at=NOON),
        insight("4", areas=(b,), published_at=later(seconds=1)),
        insight("5", areas=(a,), tags=("go",), deleted_at=NOON),
    )
    sight = visibility.sight(Viewer(OWNER), NOON)
    for which, expected in (
        (_ANY, "4321"),
        (InsightFilter(area=a), "21"),
        (InsightFilter(area=b), "42"),
        (InsightFilter(tag="go"), "21"),
        (InsightFilter(tag="g"), ""),
        (InsightFilter(author=_OTHER), "3"),
        (InsightFilter(author=OWNER), "421"),
        (InsightFilter(status="draft"), "1"),
        (InsightFilter(status="scheduled"), "4"),
        (InsightFilter(status="published"), "32"),
        (InsightFilter(area=a, tag="c++"), "2"),
        (InsightFilter(area=a, author=_OTHER), ""),
        (InsightFilter(a, "go", OWNER, "published"), "2"),
        (InsightFilter(area=derived_id("area", "x")), ""),
    ):
        found = await _store(backends).page(which, "newest", sight, None, 99)
        same(f"{which}", "".join(_titles(found)), expected)
    at = visibility.sight(visibility.ANYBODY, later(seconds=1))
    same("a second later", "".join(_titles(await _store(backends).page(_ANY, "newest", at, None, 99))), "432")


async def insights_come_in_their_order(backends: AsyncBackends) -> None:
    """``page`` gives them as they were published, newest first and drafts last, by likes, or those featured; of equals
    the greatest id first, page by page."""
    records = [
        insight(
            str(at),
            published_at=None if at % 5 == 4 else later(seconds=at // 3 - 9),
            like_count=at % 4,
            tags=("t",),
            featured=at % 3 == 1,
        )
        for at in range(15)
    ]
    await _put(backends, *records)

    def newest(each: Insight) -> tuple[int, str]:
        return -1 if each.published_at is None else milliseconds(each.published_at), each.id

    by: dict[InsightOrder, Any] = {"newest": newest, "most_liked": lambda each: (each.like_count, each.id)}
    by["featured"] = newest
    for order, key in by.items():
        wanted = [each for each in records if each.featured or order != "featured"]
        expected = [each.title for each in sorted(wanted, key=key, reverse=True)]
        for which in (_ANY, InsightFilter(tag="t"), InsightFilter(author=OWNER)):
            for size in (1, 4, 15):
                found = await _pages(_store(backends), which, order, _MINE, size)
                same(f"{order}, pages of {size} of {which}", found, expected)


async def what_was_liked_is_sorted_anew(backends: AsyncBackends) -> None:
    """After `counted`, a list by likes is that of the new counts."""
    await _put(backends, insight("a", like_count=2), insight("b", like_count=1))
    store = _store(backends)
    same("before", _titles(await store.page(_ANY, "most_liked", ANYBODY, None, 9)), ["a", "b"])
    await store.counted(derived_id("insight", "b"), 0, like_count=5)
    same("after", _titles(await store.page(_ANY, "most_liked", ANYBODY, None, 9)), ["b", "a"])


async def a_page_of_insights_is_full_of_what_is_seen(backends: AsyncBackends) -> None:
    """What a viewer does not see neither shows nor takes up room: private ones, drafts, and what is still planned."""
    hidden = [insight(f"h{at}", visibility="private", published_at=later(seconds=-at)) for at in range(4)]
    drafts = [insight(f"d{at}", published_at=None, co_authors=(_SHARER,)) for at in range(4)]
    planned = [insight(f"p{at}", published_at=later(seconds=at + 1)) for at in range(4)]
    shown = [insight(f"s{at}", published_at=later(seconds=-at - 9)) for at in range(3)]
    friends = insight("f", visibility="connections", published_at=later(seconds=-99))
    await _put(backends, *hidden, *drafts, *planned, *shown, friends, insight("gone", deleted_at=NOON))
    store = _store(backends)
    page = await store.page(_ANY, "newest", ANYBODY, None, 3)
    same("a page", (_titles(page), page.last), (["s0", "s1", "s2"], None))
    for who, expected in (
        (Viewer(_OTHER, connected=frozenset({OWNER})), 4),
        (Viewer(_OTHER, "moderator"), 4),
        (Viewer(_SHARER), 7),
        (Viewer(OWNER), 16),
    ):
        for which in (_ANY, InsightFilter(author=OWNER)):
            found = await _pages(store, which, "newest", visibility.sight(who, NOON), 3)
            same(f"{who}, {which}", len(found), expected)
    same("of an admin", len((await store.page(_ANY, "newest", ADMIN, None, 99)).items), 8)
    page = await store.page(InsightFilter(status="draft"), "newest", visibility.sight(Viewer(_SHARER), NOON), None, 99)
    same("a co-author's drafts", len(page.items), 4)


async def drafts_are_found_last(backends: AsyncBackends) -> None:
    """``search`` gives its author drafts behind all that was published, page by page, and nobody else."""
    await _put(
        backends,
        insight("Event Sourcing", published_at=later(seconds=-1)),
        insight("Events", published_at=later(seconds=-2)),
        insight("Hidden event", visibility="private"),
        insight("Draft of an event", published_at=None),
    )
    found: list[str] = []
    before: Position | None = None
    for _ in range(4):
        page = await _store(backends).search(("event",), _MINE, before, 1)
        found, before = found + _titles(page), page.last
    same("page by page", found, ["Hidden event", "Event Sourcing", "Events", "Draft of an event"])
    same("at last", before, None)
    same("of anybody", len((await _store(backends).search(("event",), ANYBODY, None, 9)).items), 2)


async def what_was_published_is_counted(backends: AsyncBackends) -> None:
    """``made`` counts what one user handed in in a period, half open; ``in_area`` what everybody may see there, and was
    told of; ``in_areas`` the same of several."""
    a, b = derived_id("area", "a"), derived_id("area", "b")
    first = insight("1", areas=(a, b), submitted_at=NOON)
    await _put(
        backends,
        insight("2", areas=(a,), submitted_at=later(seconds=1), visibility="private"),
        insight("3", areas=(a,), submitted_at=later(seconds=2), deleted_at=NOON),
        insight("4", areas=(a,), submitted_at=NOON, created_by=_OTHER),
        insight("5", areas=(a,), submitted_at=NOON, due=milliseconds(NOON)),
        insight("6", areas=(a,), published_at=None),
    )
    store = _store(backends)
    stored = await store.insert(first, [])
    same("all", await store.made(OWNER, later(-1), later(1)), 4)
    same("half open", await store.made(OWNER, later(0), later(seconds=2)), 3)
    same("of nobody", await store.made(derived_id("user", "x"), later(-1), later(1)), 0)
    same("in an area", [await store.in_area(each) for each in (a, b, derived_id("area", "x"))], [2, 1, 0])
    await store.swap(stored, first.evolve(areas=(b,)))
    same("after it left", [await store.in_area(each) for each in (a, b)], [1, 1])
    found = await store.in_areas([a, derived_id("area", "x"), b])
    same("in several", {id: count for id, count in found.items() if count}, {a: 1, b: 1})
    same("in none", dict(await store.in_areas([])), {})


async def plans_that_are_due_are_found(backends: AsyncBackends) -> None:
    """``due`` gives what is by then, what waits longest first; neither what is later, nor deleted, nor was told."""
    await _put(
        backends,
        insight("late", due=milliseconds(later(seconds=3))),
        insight("gone", due=milliseconds(NOON), deleted_at=NOON),
        insight("told"),
    )
    store = _store(backends)
    stored = [await store.insert(insight(str(at), due=milliseconds(later(seconds=-at))), []) for at in range(3)]
    ids = [each.record.id for each in stored]
    same("by now", list(await store.due(milliseconds(NOON), 9)), ids[::-1])
    same("up to a limit", list(await store.due(milliseconds(NOON), 1)), ids[2:])
    same("before", list(await store.due(milliseconds(later(seconds=-3)), 9)), [])
    await store.swap(stored[2], stored[2].record.evolve(due=None))
    same("after one was told", list(await store.due(milliseconds(NOON), 9)), [ids[1], ids[0]])


async def what_is_shared_with_somebody_is_found(backends: AsyncBackends) -> None:
    """``shared_with`` gives what a user is a co-author of, or invited to be, deleted ones too, up to a limit."""
    asked = (Invitation(user_id=_SHARER, uid=None, at=NOON), Invitation(user_id=_OTHER, uid=None, at=NOON))
    records = [
        insight("joined", co_authors=(_OTHER, _SHARER), published_at=None),
        insight("asked", invitations=asked),
        insight("gone", co_authors=(_SHARER,), deleted_at=NOON),
    ]
    await _put(backends, *records, insight("theirs", created_by=_SHARER), insight("other", invitations=asked[1:]))
    store = _store(backends)
    same("all", set(await store.shared_with(_SHARER, 9)), {each.id for each in records})
    same("up to a limit", len(await store.shared_with(_SHARER, 2)), 2)
    same("with nobody", list(await store.shared_with(OWNER, 9)), [])


async def views_of_insights_add_up(backends: AsyncBackends) -> None:
    """``viewed`` adds views, and changes nothing else."""
    store, record = _store(backends), insight("1", view_count=3)
    stored = await store.insert(record, [])
    await store.viewed(record.id, 2)
    await store.viewed(record.id, 5)
    await store.viewed(derived_id("insight", "x"), 1)
    same("after views", getattr(await store.by_id(record.id), "record", None), record.evolve(view_count=10))
    swapped = await store.swap(stored, record.evolve(body="other"))
    same("the version", swapped.version, 2)
    found = await store.by_id(record.id)
    same("after a swap", getattr(found, "record", None), record.evolve(body="other", view_count=10))


CHECKS: Final[tuple[Check, ...]] = (
    *documents.checks_of(_INSIGHTS),
    an_insight_is_found_by_every_slug_it_had,
    insights_are_of_all_that_is_asked_for,
    insights_come_in_their_order,
    what_was_liked_is_sorted_anew,
    a_page_of_insights_is_full_of_what_is_seen,
    *searches_of(_INSIGHTS, "body", "published_at"),
    drafts_are_found_last,
    what_was_published_is_counted,
    plans_that_are_due_are_found,
    what_is_shared_with_somebody_is_found,
    views_of_insights_add_up,
)
RACES: Final[tuple[Race, ...]] = documents.races_of(_INSIGHTS)
