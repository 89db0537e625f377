"""What the storage of areas promises, and that of who follows them, check by check."""

from typing import Any, Final

from tektree._async.conformance import documents
from tektree._async.conformance.documents import Kind
from tektree._async.conformance.samples import NOON, Check, Race, fails, later, same
from tektree._async.conformance.searches import searches_of
from tektree._async.ports.areas import AsyncAreaRepository, AsyncFollowRepository
from tektree._async.ports.bundles import AsyncBackends
from tektree.ids import derived_id
from tektree.models.areas import Area, Follow
from tektree.models.pages import Position, Slice
from tektree.rules import visibility
from tektree.rules.visibility import Viewer

__all__ = ["CHECKS", "RACES"]

OWNER: Final = derived_id("user", "owner")
ANYBODY: Final = visibility.sight(visibility.ANYBODY, NOON)
ADMIN: Final = visibility.sight(Viewer(derived_id("user", "admin"), "admin"), NOON)
_NOON: Final = 1_765_886_400_000


def area(name: str, parent: str | None = None, **more: Any) -> Area:
    """An area of that name."""
    fields: dict[str, Any] = {
        "id": derived_id("area", name),
        "title": name,
        "slug": name.lower(),
        "parent_id": None if parent is None else derived_id("area", parent),
        "visibility": "public",
        "created_by": OWNER,
        "created_at": NOON,
        "updated_at": NOON,
    }
    return Area(**{**fields, **more})


def follow(name: str, **more: Any) -> Follow:
    """That somebody of that name follows an area."""
    fields: dict[str, Any] = {
        "id": derived_id("follow", name),
        "area_id": derived_id("area", "followed"),
        "user_id": derived_id("user", name),
        "uid": f"usr_{name}",
        "active": True,
        "at": NOON,
    }
    return Follow(**{**fields, **more})


_AREAS: Final = Kind(
    "areas",
    lambda backends: backends.areas,
    area,
    {
        "title": "Ünïcode ∑ 𝄞",
        "parent_id": derived_id("area", "parent"),
        "details": "é\n∑",
        "tags": ("go", "c++"),
        "breadcrumbs": "A > B",
        "visibility": "private",
        "updated_at": later(1),
        "author": "usr_ada",
        "path": (derived_id("area", "top"), derived_id("area", "parent")),
        "revision": 3,
        "deleted_at": later(2),
        "deleted_by": derived_id("user", "moderator"),
    },
    ("follower_count", "content_count"),
    slugs=True,
)
_FOLLOWS: Final = Kind("follows", lambda backends: backends.follows, follow, {"active": False, "at": later(1)})


def _areas(backends: AsyncBackends) -> AsyncAreaRepository:
    return backends.areas or fails("the storages have no areas")


def _follows(backends: AsyncBackends) -> AsyncFollowRepository:
    return backends.follows or fails("the storages have no follows")


async def _put(backends: AsyncBackends, *records: Area) -> None:
    for record in records:
        await _areas(backends).insert(record, [])


def _titles(found: Slice[Area]) -> list[str]:
    return [each.title for each in found.items]


async def an_area_is_found_by_every_slug_it_had(backends: AsyncBackends) -> None:
    """``by_slug`` finds an area by its slug and by those before it, and nothing by what no area has."""
    store = _areas(backends)
    record = area("Rust", slug="rust", slugs=("iron", "rust"))
    await _put(backends, record, area("Go", slug="go", slugs=("go",)))
    for slug in ("rust", "iron"):
        same(slug, await store.by_slug(slug), record)
    for slug in ("ru", "", "rust-", "RUST"):
        same(f"by {slug!r}", await store.by_slug(slug), None)


async def an_area_from_before_is_found_by_its_slug(backends: AsyncBackends) -> None:
    """``by_slug`` finds an area whose only slug is the data model's; who has one of ours comes first."""
    store = _areas(backends)
    before = area("Old", slug="same")
    await _put(backends, before)
    found = await store.by_slug("same")
    if found is not None:  # storages that keep nothing from before us need not
        same("the old one", found, before)
        ours = area("New", slug="same", slugs=("same",))
        await _put(backends, ours)
        same("of both", await store.by_slug("same"), ours)


async def what_is_below_is_found_whoever_may_see_it(backends: AsyncBackends) -> None:
    """``below`` gives the ids directly below any of these, private and deleted ones too."""
    await _put(
        backends,
        area("top"),
        area("a", "top"),
        area("b", "top", visibility="private"),
        area("c", "a", deleted_at=NOON),
        area("d", "c"),
    )
    store = _areas(backends)
    for parents, expected in (("t", ""), (("top",), "ab"), (("top", "a"), "abc"), (("b",), ""), ((), "")):
        ids = [derived_id("area", name) for name in parents]
        same(
            f"below {parents}", sorted(await store.below(ids)), sorted([derived_id("area", name) for name in expected])
        )


async def children_come_newest_first(backends: AsyncBackends) -> None:
    """``children`` gives those directly below, newest first, of one instant the greatest id first, page by page."""
    records = [area(f"c{at}", "top", created_at=later(seconds=at // 3)) for at in range(10)]
    await _put(backends, area("top"), area("below", "c1"), *records)
    expected = [each.title for each in sorted(records, key=lambda each: (each.created_at, each.id), reverse=True)]
    store, parent = _areas(backends), derived_id("area", "top")
    same("all", _titles(await store.children(parent, ANYBODY, None, 99)), expected)
    same("nothing behind it", (await store.children(parent, ANYBODY, None, 10)).last, None)
    for size in (1, 3, 9):
        found: list[str] = []
        before: Position | None = None
        while True:
            page = await store.children(parent, ANYBODY, before, size)
            found += _titles(page)
            before = page.last
            if before is None:
                break
        same(f"pages of {size}", found, expected)
    same("at the top", _titles(await store.children(None, ANYBODY, None, 99)), ["top"])
    same("below nothing", _titles(await store.children(derived_id("area", "x"), ANYBODY, None, 99)), [])


async def pages_are_full_of_what_is_seen(backends: AsyncBackends) -> None:
    """What a viewer does not see neither shows nor takes up room: it is left out before the limit is."""
    hidden = [area(f"h{at}", visibility="private", created_at=later(seconds=at)) for at in range(12)]
    shown = [area(f"s{at}", created_at=later(seconds=-at)) for at in range(3)]
    await _put(backends, *hidden, *shown, area("gone", deleted_at=NOON), area("friends", visibility="connections"))
    store = _areas(backends)
    page = await store.children(None, ANYBODY, None, 3)
    same("a page", (_titles(page), page.last), (["s0", "s1", "s2"], None))
    page = await store.children(None, ANYBODY, None, 2)
    same("a shorter one", (_titles(page), page.last), (["s0", "s1"], (_NOON - 1_000, shown[1].id)))
    same("for an admin", len((await store.children(None, ADMIN, None, 99)).items), 16)
    owner = visibility.sight(Viewer(OWNER), NOON)
    same("for their author", len((await store.children(None, owner, None, 99)).items), 16)
    friend = visibility.sight(Viewer(derived_id("user", "x"), connected=frozenset({OWNER})), NOON)
    same("for a connection", len((await store.children(None, friend, None, 99)).items), 4)


async def what_changed_is_found_as_it_is_now(backends: AsyncBackends) -> None:
    """After a swap, lists and slugs are those of what stands there; after counting, they are as before."""
    store = _areas(backends)
    record = area("Before", "top", slug="before", slugs=("before",))
    old = await store.insert(record, [])
    moved = record.evolve(title="After", parent_id=None, slug="after", slugs=("before", "after"))
    await store.swap(old, moved)
    for _ in range(2):
        top, below = await store.children(None, ANYBODY, None, 9), await store.below([derived_id("area", "top")])
        same("at the top", _titles(top), ["After"])
        same("below", list(below), [])
        await store.counted(record.id, 0, follower_count=7)
    same("the count", [each.follower_count for each in (await store.children(None, ANYBODY, None, 9)).items], [7])
    same("by slug", getattr(await store.by_slug("before"), "title", None), "After")


async def what_somebody_made_is_counted(backends: AsyncBackends) -> None:
    """``made`` counts one user's areas of a period, half open, deleted ones too."""
    other = derived_id("user", "other")
    await _put(
        backends,
        area("a", created_at=later(seconds=0)),
        area("b", created_at=later(seconds=1), visibility="private"),
        area("c", created_at=later(seconds=2), deleted_at=NOON),
        area("d", created_at=later(seconds=1), created_by=other),
    )
    store = _areas(backends)
    same("all", await store.made(OWNER, later(-1), later(1)), 3)
    same("half open", await store.made(OWNER, later(seconds=0), later(seconds=2)), 2)
    same("of another", await store.made(other, later(-1), later(1)), 1)
    same("of nobody", await store.made(derived_id("user", "x"), later(-1), later(1)), 0)


async def those_who_follow_now_are_counted(backends: AsyncBackends) -> None:
    """``followers`` counts who follows an area and has not stopped; ``followers_of`` those of several."""
    store = _follows(backends)
    stored = [await store.insert(follow(name), []) for name in "abc"]
    await store.insert(follow("d", area_id=derived_id("area", "other")), [])
    await store.insert(follow("e", active=False), [])
    followed = derived_id("area", "followed")
    same("at first", await store.followers(followed), 3)
    ended = await store.swap(stored[0], stored[0].record.evolve(active=False))
    same("after one ended", await store.followers(followed), 2)
    await store.swap(ended, ended.record.evolve(active=True))
    same("after one began again", await store.followers(followed), 3)
    same("of an area that is not there", await store.followers(derived_id("area", "x")), 0)
    other = derived_id("area", "other")
    found = await store.followers_of([followed, other, derived_id("area", "x")])
    same("of several", {id: count for id, count in found.items() if count}, {followed: 3, other: 1})
    same("of none", dict(await store.followers_of([])), {})


CHECKS: Final[tuple[Check, ...]] = (
    *documents.checks_of(_AREAS),
    *documents.checks_of(_FOLLOWS),
    an_area_is_found_by_every_slug_it_had,
    an_area_from_before_is_found_by_its_slug,
    what_is_below_is_found_whoever_may_see_it,
    children_come_newest_first,
    pages_are_full_of_what_is_seen,
    *searches_of(_AREAS, "details"),
    what_changed_is_found_as_it_is_now,
    what_somebody_made_is_counted,
    those_who_follow_now_are_counted,
)
RACES: Final[tuple[Race, ...]] = (*documents.races_of(_AREAS), *documents.races_of(_FOLLOWS))
