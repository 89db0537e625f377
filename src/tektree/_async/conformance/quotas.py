"""What the store of quotas promises, check by check."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from tektree._async.conformance.samples import Check, Race, Together, fails, same
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.ports.quotas import AsyncQuotaStore
from tektree.models.quotas import Counter, Taken

__all__ = ["CHECKS", "RACES"]

_NOW: Final = datetime(2099, 12, 16, 12, tzinfo=UTC)
_LIMIT: Final = 5


def _store(backends: AsyncBackends) -> AsyncQuotaStore:
    if backends.quotas is None:
        fails("these storages have no quotas")
    return backends.quotas


def _counter(name: str, quota_type: str = "questions", period: str = "2099-12") -> Counter:
    return Counter(f"usr_{name}", quota_type, period, _NOW + timedelta(days=30))


async def _taken(store: AsyncQuotaStore, counter: Counter, *requests: str, n: int = 1) -> list[Taken]:
    return [await store.take(counter, n, _LIMIT, 80, each, _NOW) for each in requests]


async def _held(store: AsyncQuotaStore, counter: Counter, request: str, seconds: int, n: int = 1) -> Taken:
    return await store.hold(counter, n, _LIMIT, request, seconds, _NOW)


async def _settled(store: AsyncQuotaStore, counter: Counter, n: int, request: str, used: bool) -> int | None:
    """What is used then; None where there is no counter."""
    found = await store.settle(counter, n, request, used, _LIMIT, 80, _NOW)
    return found.used if found.known else None


async def a_counter_that_is_not_there_gives_nothing(backends: AsyncBackends) -> None:
    """A missing counter is not a fresh budget: ``take`` and ``give`` do nothing, and say so."""
    store, counter = _store(backends), _counter("missing")
    same("what was taken", await _taken(store, counter, "a"), [Taken(False, False, 0)])
    same("what was given back", await store.give(counter, 1, "b", _NOW), None)
    same("what is read", list(await store.read([counter], _NOW)), [None])


async def a_counter_is_loaded_once(backends: AsyncBackends) -> None:
    """``load`` makes a counter, and leaves one that is there as it is; ``put`` does not."""
    store, counter = _store(backends), _counter("load")
    same("the first", await store.load(counter, 3, _NOW), 3)
    same("the second", await store.load(counter, 0, _NOW), 3)
    same("what is read", list(await store.read([counter, _counter("load", "answers")], _NOW)), [3, None])
    await store.put(counter, 1, _NOW)
    same("what was put", list(await store.read([counter], _NOW)), [1])
    await store.put(_counter("put"), 2, _NOW)
    same("what was put where nothing was", list(await store.read([_counter("put")], _NOW)), [2])


async def no_more_is_taken_than_the_limit(backends: AsyncBackends) -> None:
    """``take`` adds all units or none, and says what is used."""
    store, counter = _store(backends), _counter("limit")
    await store.load(counter, 0, _NOW)
    found = [*await _taken(store, counter, "a", "b", n=2), *await _taken(store, counter, "c", n=2)]
    same("twos", [(each.taken, each.used) for each in found], [(True, 2), (True, 4), (False, 4)])
    found = await _taken(store, counter, "d", "e")
    same("ones", [(each.taken, each.used) for each in found], [(True, 5), (False, 5)])


async def without_a_limit_all_is_taken(backends: AsyncBackends) -> None:
    """A limit of None is none; one of 0 lets nothing through."""
    store, counter = _store(backends), _counter("none")
    await store.load(counter, 10**9, _NOW)
    same("None", await store.take(counter, 7, None, 80, "a", _NOW), Taken(True, True, 10**9 + 7))
    await store.put(counter, 0, _NOW)
    found = await store.take(counter, 1, 0, 80, "b", _NOW)
    same("0", (found.taken, found.used, found.threshold), (False, 0, False))


async def one_call_counts_once(backends: AsyncBackends) -> None:
    """The same ``request`` again changes nothing, of ``take`` as of ``give``."""
    store, counter = _store(backends), _counter("once")
    await store.load(counter, 0, _NOW)
    found = await _taken(store, counter, "a", "a", "b", "a")
    same("what was used", [(each.taken, each.used) for each in found], [(True, 1), (True, 1), (True, 2), (True, 2)])
    same("what was given back", [await store.give(counter, 1, "c", _NOW) for _ in range(2)], [1, 1])


async def what_is_given_back_may_be_taken_again(backends: AsyncBackends) -> None:
    """``give`` takes units off, and never below 0."""
    store, counter = _store(backends), _counter("give")
    await store.load(counter, 5, _NOW)
    same("a refusal", (await _taken(store, counter, "a"))[0].taken, False)
    same("what is used", await store.give(counter, 2, "b", _NOW), 3)
    same("again", (await _taken(store, counter, "a"))[0][:3], (True, True, 4))
    same("more than there is", await store.give(counter, 9, "c", _NOW), 0)


async def threshold_and_excess_are_told_once(backends: AsyncBackends) -> None:
    """Once in a period, also when units are given back and taken again."""
    store, counter = _store(backends), _counter("told")
    await store.load(counter, 0, _NOW)
    found = await _taken(store, counter, *"abcdefg")
    same("the threshold", [each.threshold for each in found], [False, False, False, True, False, False, False])
    same("the excess", [each.exceeded for each in found], [False, False, False, False, False, True, False])
    await store.give(counter, 5, "back", _NOW)
    found = await _taken(store, counter, *"hijklmn")
    same("after that", [each for each in found if each.threshold or each.exceeded], [])


async def what_is_held_is_settled_once(backends: AsyncBackends) -> None:
    """``hold`` takes units as ``take`` does; ``settle`` uses them up, or gives them back, and again does nothing."""
    store, counter = _store(backends), _counter("held")
    same("where there is no counter", await _held(store, counter, "a", 60), Taken(False, False, 0))
    same("settled there", await _settled(store, counter, 1, "a", False), None)
    await store.load(counter, 0, _NOW)
    for request, used in (("a", 2), ("a", 2), ("b", 4)):
        same(f"what {request} holds", (await _held(store, counter, request, 60, n=2))[:3], (True, True, used))
    same("without room", (await _held(store, counter, "c", 60, n=2))[:3], (True, False, 4))
    same("given back", [await _settled(store, counter, 2, "a", False) for _ in range(2)], [2, 2])
    same("used up", [await _settled(store, counter, 2, "b", True) for _ in range(2)], [2, 2])
    same("what was used up is not given back", await _settled(store, counter, 2, "b", False), 2)
    same("what nobody held", await _settled(store, counter, 2, "x", False), 2)


async def what_is_held_for_longer_is_given_back(backends: AsyncBackends) -> None:
    """Whoever asks next finds the units there, once; a holder who comes late and used them has them counted again."""
    store, counter = _store(backends), _counter("lease")
    await store.load(counter, 1, _NOW)
    for request in "abcd":
        same(f"what {request} holds", (await _held(store, counter, request, 0))[:3], (True, True, 2))
        same("what is read", list(await store.read([counter], _NOW)), [1])
    same("taken by another", (await _taken(store, counter, "e", n=4))[0][:3], (True, True, 5))
    same("the holder failed", await _settled(store, counter, 1, "a", False), 5)
    same("the holder used it", [await _settled(store, counter, 1, "b", True) for _ in range(2)], [6, 6])
    await _held(store, counter, "f", 0)
    same("given back before units are", await store.give(counter, 1, "g", _NOW), 5)
    await store.put(counter, 4, _NOW)
    same("a holder of what was put over", await _settled(store, counter, 1, "c", True), 4)
    same("within its time", (await _held(store, counter, "h", 3600))[:3], (True, True, 5))
    same("what is read then", list(await store.read([counter], _NOW)), [5])


async def what_is_held_is_told_when_it_is_used(backends: AsyncBackends) -> None:
    """The threshold is told by ``settle``, of what is used, once; that there is no room is told by ``hold``."""
    store, counter = _store(backends), _counter("held and told")
    await store.load(counter, 3, _NOW)
    found = []
    for request, used in (("a", False), ("b", True), ("c", True)):
        held = await _held(store, counter, request, 60)
        settled = await store.settle(counter, 1, request, used, _LIMIT, 80, _NOW)
        found.append((held.threshold, settled.taken, settled.threshold))
    same("the threshold", found, [(False, False, False), (False, True, True), (False, True, False)])
    same("the excess", [(await _held(store, counter, each, 60)).exceeded for each in "de"], [True, False])
    without = await store.settle(counter, 1, "x", True, None, 80, _NOW)
    same("without a limit", without, Taken(True, True, 5))


async def what_has_a_cause_counts_once(backends: AsyncBackends) -> None:
    """``count`` adds whatever the limit, or takes off, once for each cause; an ``n`` of 0 remembers the cause alone."""
    store, counter = _store(backends), _counter("causes")

    async def counted(n: int, cause: str) -> tuple[bool, bool, int]:
        return (await store.count(counter, n, _LIMIT, 80, cause, _NOW))[:3]

    same("where no counter is", await counted(1, "a"), (False, False, 0))
    await store.load(counter, 3, _NOW)
    same("a cause", [await counted(4, "a") for _ in range(2)], [(True, True, 7), (True, False, 7)])
    same("what is given back", [await counted(-2, "b") for _ in range(2)], [(True, True, 5), (True, False, 5)])
    same("more than there is", await counted(-9, "c"), (True, True, 0))
    same("nothing", await counted(0, "d"), (True, True, 0))
    same("what was remembered", await counted(3, "d"), (True, False, 0))
    await store.put(counter, 2, _NOW)
    same("a cause that was counted before", await counted(4, "a"), (True, False, 2))
    await _held(store, counter, "h", 0)
    same("what is held no more", await counted(1, "e"), (True, True, 3))
    same("another period", (await store.count(_counter("causes", period="2100-01"), 1, 5, 80, "a", _NOW)).known, False)


async def what_is_counted_is_told_once(backends: AsyncBackends) -> None:
    """``count`` tells threshold and excess, as `take` does: once in a period."""
    store, counter = _store(backends), _counter("counted")
    await store.load(counter, 0, _NOW)
    found = [await store.count(counter, 1, _LIMIT, 80, each, _NOW) for each in "abcdefg"]
    same("the threshold", [each.threshold for each in found], [False, False, False, True, False, False, False])
    same("the excess", [each.exceeded for each in found], [False, False, False, False, False, True, False])
    found = [await store.count(counter, 9, limit, 80, str(limit), _NOW) for limit in (None, 0, 5)]
    same("after that", [each for each in found if each.threshold or each.exceeded], [])
    await store.load(_counter("zero"), 0, _NOW)
    found = [await store.count(_counter("zero"), 1, 0, 80, "a", _NOW)]
    same("a limit of 0", [each[1:] for each in found], [(True, 1, False, True)])


async def what_is_kept_lasts_longer(backends: AsyncBackends) -> None:
    """``keep`` lets a counter last longer, with what was told of it and its causes; it makes none, and nothing makes it
    last shorter.
    """
    store, counter = _store(backends), _counter("kept")
    await store.load(counter, 3, _NOW)
    same("the threshold and the excess", (await store.count(counter, 9, _LIMIT, 80, "a", _NOW))[2:], (12, True, True))
    longer = counter._replace(lasts=counter.lasts + timedelta(days=30))
    await store.keep([longer, _counter("kept", "answers")], _NOW)
    await store.keep([counter], _NOW)
    await store.take(counter, 1, None, 80, "late", _NOW)
    await store.give(counter, 1, "later", _NOW)
    await store.put(counter, 12, _NOW)
    later = counter.lasts + timedelta(days=1)
    same("what is read later", list(await store.read([longer, _counter("kept", "answers")], later)), [12, None])
    same("the same cause", (await store.count(longer, 9, _LIMIT, 80, "a", later))[1:3], (False, 12))
    same("what was told", (await store.count(longer, 1, _LIMIT, 80, "b", later))[2:], (13, False, False))


async def counters_are_apart(backends: AsyncBackends) -> None:
    """A counter is its user, its type and its period."""
    store = _store(backends)
    pairs = [("a:b", "c"), ("a", "b:c"), ("a", "{c}"), ("a", "%7Bc%7D"), ("a", "c"), ("A", "c"), ("a", "c\x00")]
    for at, pair in enumerate(pairs):
        same(f"{pair}", await store.load(_counter(*pair), at, _NOW), at)
    same("another period", list(await store.read([_counter("a", "c", "2100-01")], _NOW)), [None])


async def exactly_as_many_get_through_as_there_are_units(backends: AsyncBackends, together: Together) -> None:
    """``take`` looks and counts in one step."""
    store, counter = _store(backends), _counter("race")
    await store.load(counter, 0, _NOW)
    calls = [partial(store.take, counter, 1, 15, 80, f"r{at}", _NOW) for at in range(64)]
    found: Any = await together(calls)
    same("what was used", sorted([each.used for each in found if each.taken]), list(range(1, 16)))
    same("how often the excess was told", len([each for each in found if each.exceeded]), 1)
    same("how often the threshold was told", len([each for each in found if each.threshold]), 1)


async def one_cause_of_many_callers_counts_once(backends: AsyncBackends, together: Together) -> None:
    """``count`` looks for the cause and adds in one step."""
    store, counter = _store(backends), _counter("callers")
    await store.load(counter, 0, _NOW)
    found: Any = await together([partial(store.count, counter, 1, 9, 80, f"c{at % 4}", _NOW) for at in range(24)])
    same("who counted", len([each for each in found if each.taken]), 4)
    same("what is used", list(await store.read([counter], _NOW)), [4])


async def many_load_the_same(backends: AsyncBackends, together: Together) -> None:
    """Of many that load a counter one makes it, and all are told what it counts."""
    store, counter = _store(backends), _counter("loads")
    found: Any = await together([partial(store.load, counter, at, _NOW) for at in range(16)])
    same("what they were told", len(set(found)), 1)


CHECKS: Final[tuple[Check, ...]] = (
    a_counter_that_is_not_there_gives_nothing,
    a_counter_is_loaded_once,
    no_more_is_taken_than_the_limit,
    without_a_limit_all_is_taken,
    one_call_counts_once,
    what_is_given_back_may_be_taken_again,
    threshold_and_excess_are_told_once,
    what_is_held_is_settled_once,
    what_is_held_for_longer_is_given_back,
    what_is_held_is_told_when_it_is_used,
    what_has_a_cause_counts_once,
    what_is_counted_is_told_once,
    what_is_kept_lasts_longer,
    counters_are_apart,
)

RACES: Final[tuple[Race, ...]] = (
    exactly_as_many_get_through_as_there_are_units,
    one_cause_of_many_callers_counts_once,
    many_load_the_same,
)
