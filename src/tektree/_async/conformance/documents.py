"""What the storage of every kind of content promises of its documents, check by check.

`checks_of` and `races_of` give the checks of one kind, by names that say so.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple

from tektree._async.conformance.samples import Check, Race, Together, fails, later, refused, same
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.ports.documents import AsyncDocuments
from tektree.errors import Stale, Taken
from tektree.ids import derived_id, event_id
from tektree.models.base import Frozen
from tektree.models.content import Stored
from tektree.models.events import Event

__all__ = ["Kind", "checks_of", "races_of"]


def _made_by(record: Any, user_id: str) -> Any:
    return record.evolve(**{"created_by" if hasattr(record, "created_by") else "user_id": user_id})


class Kind(NamedTuple):
    """A kind of content: what its checks are called, its port, a record of a name, another state of it, its counts.

    ``made_by`` gives a record that a user made, of another's.
    """

    name: str
    port: Callable[[AsyncBackends], Any]
    make: Callable[..., Any]
    changes: dict[str, Any]
    counts: tuple[str, ...] = ()
    slugs: bool = False
    made_by: Callable[[Any, str], Any] = _made_by

    def store(self, backends: AsyncBackends) -> AsyncDocuments[Any]:
        """The port of these storages."""
        found: AsyncDocuments[Any] | None = self.port(backends)
        if found is None:
            fails(f"the storages have no {self.name}")
        return found


def _event(record: Any, number: int) -> Event:
    id = event_id(f"conformance:{record.id}:{number}", "area.updated")
    return Event(
        id=id[4:],
        event_id=id,
        event_type="area.updated",
        timestamp=later(seconds=number),
        source_service="conformance",
        metadata=Frozen(stream=f"area:{record.id}", recorded_at=later(seconds=number).isoformat()),
        payload=Frozen(user_id="usr_conformance", area_id=record.id, changed={}),
    )


def _whole(what: str, found: Stored[Any] | None, record: Any, version: int, events: list[Event] | None = None) -> None:
    if found is None:
        fails(f"{what}: nothing was found")
    same(what, found.record, record)
    same(f"{what}: the version", found.version, version)
    same(f"{what}: the events", [each.event for each in found.left], events or [])


# -- the promises ------------------------------------------------------------------------------------------------------


async def are_stored_with_their_events(backends: AsyncBackends, kind: Kind) -> None:
    """``insert`` stores the whole record at version 1 with its events and whom they are for."""
    store, record = kind.store(backends), kind.make("ada").evolve(**kind.changes)
    one, two = _event(record, 1), _event(record, 2)
    _whole("insert", await store.insert(record, [one, two], [("somebody",), ()]), record, 1, [one, two])
    found = await store.by_id(record.id)
    _whole("by_id", found, record, 1, [one, two])
    same("whom they are for", [] if found is None else [each.to for each in found.left], [("somebody",), ()])
    same("another id", await store.by_id(derived_id("nothing")), None)


async def are_inserted_once(backends: AsyncBackends, kind: Kind) -> None:
    """``insert`` of an ``id`` that is there changes nothing and gives back what is there."""
    store, record = kind.store(backends), kind.make("ben")
    event = _event(record, 1)
    first = await store.insert(record, [event])
    await store.told(record.id, [event.event_id])
    changed = await store.swap(first, record.evolve(**kind.changes))
    _whole("the second insert", await store.insert(record, [event]), changed.record, 2)
    _whole("what is there", await store.by_id(record.id), changed.record, 2)


async def are_swapped_as_a_whole(backends: AsyncBackends, kind: Kind) -> None:
    """``swap`` sets all fields at once, one version up, and leaves its events behind those that stand there."""
    store, record = kind.store(backends), kind.make("cyd")
    one, two = _event(record, 1), _event(record, 2)
    old, wanted = await store.insert(record, [one]), record.evolve(**kind.changes)
    swapped = await store.swap(old, wanted, [two], [("somebody",)])
    _whole("swap", swapped, wanted, 2, [one, two])
    _whole("what is there", await store.by_id(record.id), wanted, 2, [one, two])
    _whole("back at the defaults", await store.swap(swapped, record), record, 3, [one, two])
    _whole("what is there at the defaults", await store.by_id(record.id), record, 3, [one, two])


async def are_not_swapped_when_stale(backends: AsyncBackends, kind: Kind) -> None:
    """``swap`` raises `Stale` unless the version is the one that was read, and changes nothing."""
    store, record = kind.store(backends), kind.make("dan")
    old = await store.insert(record, [])
    newer = await store.swap(old, record.evolve(**kind.changes))
    await refused("a stale swap", Stale, store.swap, old, record, [_event(record, 2)])
    nothing: Stored[Any] = Stored(kind.make("nothing"), 1)
    await refused("a swap of nothing", Stale, store.swap, nothing, nothing.record)
    _whole("what is there", await store.by_id(record.id), newer.record, 2)


async def hold_events_until_they_are_told(backends: AsyncBackends, kind: Kind) -> None:
    """``told`` takes off the events that it names, and `unfinished` names who holds any, up to ``limit``."""
    store = kind.store(backends)
    records = [kind.make(name) for name in ("eve", "fay", "gus")]
    events = {record.id: [_event(record, number) for number in (1, 2)] for record in records}
    for record in records[:2]:
        await store.insert(record, events[record.id])
    await store.insert(records[2], [])
    same("who is unfinished", set(await store.unfinished(9)), {record.id for record in records[:2]})
    same("up to a limit", len(await store.unfinished(1)), 1)
    eve = records[0]
    one, two = events[eve.id]
    await store.told(eve.id, [one.event_id])
    _whole("after the first", await store.by_id(eve.id), eve, 1, [two])
    await store.told(eve.id, [one.event_id, two.event_id])
    await store.told(eve.id, [two.event_id])
    _whole("after both", await store.by_id(eve.id), eve, 1)
    same("who is left", list(await store.unfinished(9)), [records[1].id])
    await store.told(derived_id("nothing"), [one.event_id])


async def are_found_by_who_made_them(backends: AsyncBackends, kind: Kind) -> None:
    """``of_user`` gives all that a user made and nothing else, in pages, in the order of ids."""
    store, user = kind.store(backends), derived_id("conformance", "maker")
    made = [kind.make(f"made{number}") for number in range(5)]
    theirs = sorted([kind.made_by(each, user) for each in made[:3]], key=lambda each: each.id)
    for each in (*theirs, *made[3:]):
        await store.insert(each, [])
    same("all", list(await store.of_user(user, None, 9)), theirs)
    same("a page", list(await store.of_user(user, None, 2)), theirs[:2])
    same("the next", list(await store.of_user(user, theirs[1].id, 2)), theirs[2:])
    same("nobody's", list(await store.of_user(derived_id("nothing"), None, 9)), [])


async def are_read_by_ids_and_all(backends: AsyncBackends, kind: Kind) -> None:
    """``by_ids`` gives those that are there; ``every`` all, in pages, in the order of ids, with what stands on them."""
    store = kind.store(backends)
    records = sorted([kind.make(f"every{number}") for number in range(5)], key=lambda each: each.id)
    stored = [await store.insert(each, [_event(each, 1)] if at else []) for at, each in enumerate(records[::-1])][::-1]
    wanted = [records[3].id, derived_id("nothing"), records[1].id, records[3].id]
    found = sorted(await store.by_ids(wanted), key=lambda each: each.record.id)
    same("by ids", found, [stored[1], stored[3]])
    same("by no ids", list(await store.by_ids([])), [])
    for size in (1, 2, 5, 9):
        pages, after = list[Stored[Any]](), None
        for _ in records:
            page = await store.every(after, size)
            pages += page.items
            same("what cannot be read", page.damaged, ())
            if page.last is None:
                break
            same("a page with others behind it", (len(page.items), page.last[1]), (size, page.items[-1].record.id))
            after = page.last[1]
        same(f"all, {size} at a time", pages, stored)
        same("behind the last", list((await store.every(records[-1].id, size)).items), [])
    await store.insert(kind.make("more"), [])
    same("with one more", len((await store.every(None, 9)).items), 6)


async def have_slugs_of_their_own(backends: AsyncBackends, kind: Kind) -> None:
    """``insert`` and `swap` raise `Taken` for a slug that another has or had, and store nothing."""
    store = kind.store(backends)
    record = kind.make("hal", slug="new", slugs=("old", "new"))
    stored = await store.insert(record, [])
    for slugs in (("old",), ("new",), ("free", "old")):
        other = kind.make("ida", slug=slugs[-1], slugs=slugs)
        error = await refused(f"a second owner of {slugs}", Taken, store.insert, other, [_event(other, 1)])
        same("what is taken", getattr(error, "field", None), "slug")
        same("what was refused", await store.by_id(other.id), None)
    other = await store.insert(kind.make("ida", slug="free", slugs=("free",)), [])
    moved = other.record.evolve(slug="old", slugs=("free", "old"))
    await refused("a swap to what is taken", Taken, store.swap, other, moved, [_event(other.record, 2)])
    _whole("what was refused", await store.by_id(other.record.id), other.record, 1)
    swapped = await store.swap(stored, record.evolve(slug="old", slugs=("new", "old")))
    _whole("one's own", swapped, record.evolve(slug="old", slugs=("new", "old")), 2)
    await store.swap(swapped, record.evolve(slug="new", slugs=("new",)))
    try:
        await store.swap(other, moved)
    except Taken:
        fails("a slug that its record has no more was refused to another")


async def are_counted_apart(backends: AsyncBackends, kind: Kind) -> None:
    """``counted`` sets counts, at the `tally` that was read and no other; `swap` never touches them."""
    store, record = kind.store(backends), kind.make("jan")
    same("the tally of nothing", await store.tally(record.id), None)
    old = await store.insert(record, [])
    same("the first tally", await store.tally(record.id), 0)
    counts = {name: at + 3 for at, name in enumerate(kind.counts)}
    same("counted", await store.counted(record.id, 0, **counts), True)
    same("counted at the tally before", await store.counted(record.id, 0, **dict.fromkeys(counts, 9)), False)
    same("counted at another", await store.counted(record.id, 2, **dict.fromkeys(counts, 9)), False)
    same("nothing counted", await store.counted(derived_id("nothing"), 0, **counts), False)
    same("the tally", await store.tally(record.id), 1)
    _whole("after it", await store.by_id(record.id), record.evolve(**counts), 1)
    await store.swap(old, record.evolve(**kind.changes))
    _whole("after a swap", await store.by_id(record.id), record.evolve(**kind.changes, **counts), 2)
    same("counted again", await store.counted(record.id, 1, **dict.fromkeys(counts, 0)), True)
    _whole("none left", await store.by_id(record.id), record.evolve(**kind.changes, **dict.fromkeys(counts, 0)), 2)


async def are_swapped_by_one_of_many(backends: AsyncBackends, kind: Kind, together: Together) -> None:
    """The version is compared in the write: of many swaps at once, one counts."""
    store, record = kind.store(backends), kind.make("kim")
    old, wanted = await store.insert(record, []), record.evolve(**kind.changes)
    ends = await together([partial(store.swap, old, wanted, [_event(record, at)]) for at in range(8)])
    same("how many were stale", sum([isinstance(end, Stale) for end in ends]), 7)
    won = [_event(record, at) for at, end in enumerate(ends) if isinstance(end, Stored)]
    _whole("what is there", await store.by_id(record.id), wanted, 2, won)


async def give_a_slug_to_one_of_many(backends: AsyncBackends, kind: Kind, together: Together) -> None:
    """A slug is unique in the store, not by looking first."""
    store = kind.store(backends)
    records = [kind.make(f"l{at}", slug="same", slugs=("same",)) for at in range(8)]
    ends = await together([partial(store.insert, record, []) for record in records])
    same("how many were refused", sum([isinstance(end, Taken) for end in ends]), 7)


_PLAIN = (
    are_stored_with_their_events,
    are_inserted_once,
    are_swapped_as_a_whole,
    are_not_swapped_when_stale,
    hold_events_until_they_are_told,
    are_found_by_who_made_them,
    are_read_by_ids_and_all,
)


def checks_of(kind: Kind) -> tuple[Check, ...]:
    """The checks of one kind."""
    more = [have_slugs_of_their_own] * kind.slugs + [are_counted_apart] * bool(kind.counts)
    return tuple([_named(kind, check) for check in (*_PLAIN, *more)])


def races_of(kind: Kind) -> tuple[Race, ...]:
    """The races of one kind."""
    more = [give_a_slug_to_one_of_many] * kind.slugs
    return tuple([_named(kind, race) for race in (are_swapped_by_one_of_many, *more)])


def _named(kind: Kind, promise: Callable[..., Awaitable[None]]) -> Any:
    async def check(backends: AsyncBackends, *together: Together) -> None:
        await promise(backends, kind, *together)

    check.__name__ = check.__qualname__ = f"{kind.name}_{promise.__name__}"
    check.__doc__ = promise.__doc__
    return check
