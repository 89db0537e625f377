"""What the store of rate limits promises, check by check."""

from functools import partial
from typing import Any, Final

from tektree._async.conformance.samples import Check, Race, Together, fails, same
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.ports.rate_limits import AsyncRateLimitStore
from tektree.models.rate_limits import Bucket, Fill

__all__ = ["CHECKS", "RACES"]

_DAY: Final = 86_400
_PATIENCE: Final = 100_000
"""So often a clock may say the same."""


def _store(backends: AsyncBackends) -> AsyncRateLimitStore:
    if backends.rate_limits is None:
        fails("these storages have no rate_limits")
    return backends.rate_limits


def _bucket(name: str, limit: int = 3, endpoint: str = "/a", window: int = _DAY) -> Bucket:
    """One whose window outlasts the check."""
    return Bucket(f"usr_{name}", endpoint, limit, window)


async def _taken(store: AsyncRateLimitStore, *buckets: Bucket, cost: int = 1, times: int = 1) -> list[list[int]]:
    """What was used in each bucket after each of ``times`` calls; −1 where the call had no room."""
    found = []
    for _ in range(times):
        fills = await store.take(buckets, cost)
        found.append([-1 if each.wait else each.used for each in fills])
    return found


async def a_bucket_takes_as_many_as_its_limit(backends: AsyncBackends) -> None:
    """``take`` lets exactly ``limit`` hits pass in a window, and says how many there are."""
    found = await _taken(_store(backends), _bucket("limit"), times=5)
    same("what was used", found, [[1], [2], [3], [-1], [-1]])


async def a_refusal_says_how_long_to_wait(backends: AsyncBackends) -> None:
    """``wait`` is until the hits that stand in the way have left the window, and never longer than the window."""
    store, bucket = _store(backends), _bucket("wait", limit=2)
    first = (await store.take([bucket], 1))[0]
    second = (await store.take([bucket], 1))[0]
    refused = (await store.take([bucket], 1))[0]
    same("the wait for one", refused.now + refused.wait, first.newest + _DAY * 1_000_000)
    refused = (await store.take([bucket], 2))[0]
    same("the wait for two", refused.now + refused.wait, second.newest + _DAY * 1_000_000)
    same("the newest hit", refused.newest, second.newest)


async def a_fill_is_in_microseconds_of_one_clock(backends: AsyncBackends) -> None:
    """``now`` never goes back, and a hit is as new as the call that made it."""
    store, before = _store(backends), 0
    for _ in range(3):
        fill = (await store.take([_bucket("clock")], 1))[0]
        if fill.now < before or fill.newest < fill.now or fill.now < 10**15:
            fails(f"the clock says {fill!r} after {before}")
        before = fill.now


async def a_refused_hit_consumes_nothing(backends: AsyncBackends) -> None:
    """Hits that have no room together are not counted in part."""
    store, bucket = _store(backends), _bucket("refused")
    found = await _taken(store, bucket, cost=2, times=3)
    same("what was used by two at once", found, [[2], [-1], [-1]])
    same("what was used by one", await _taken(store, bucket, times=2), [[3], [-1]])


async def several_buckets_take_together_or_not_at_all(backends: AsyncBackends) -> None:
    """``take`` counts in every bucket, or in none when one has no room."""
    store, wide, narrow = _store(backends), _bucket("wide", 10), _bucket("narrow", 2)
    same("together", await _taken(store, wide, narrow, times=4), [[1, 1], [2, 2], [2, -1], [2, -1]])
    same("the wide one alone", await _taken(store, wide), [[3]])
    same("the narrow one first", await _taken(store, narrow, wide), [[-1, 3]])


async def looking_counts_nothing(backends: AsyncBackends) -> None:
    """``look`` says what ``take`` would, and changes nothing."""
    store, bucket = _store(backends), _bucket("look", 2)
    same("an empty one", [(each.used, each.wait) for each in await store.look([bucket], 1)], [(0, 0)])
    await store.take([bucket], 1)
    for cost, waits in ((1, False), (2, True)):
        fill = (await store.look([bucket], cost))[0]
        same(f"room for {cost}", (fill.used, fill.wait > 0), (1, waits))
    same("what was used", await _taken(store, bucket, times=2), [[2], [-1]])


async def a_cleared_bucket_is_empty(backends: AsyncBackends) -> None:
    """``clear`` forgets the hits of the buckets it names, and no others; twice does no harm."""
    store, gone, kept = _store(backends), _bucket("gone"), _bucket("kept")
    await _taken(store, gone, kept, times=3)
    await store.clear([gone])
    await store.clear([gone, _bucket("never")])
    same("the cleared one", await _taken(store, gone), [[1]])
    same("the other", await _taken(store, kept), [[-1]])


async def a_bucket_is_its_subject_and_its_endpoint(backends: AsyncBackends) -> None:
    """No two pairs share a count, whatever stands in their names."""
    store = _store(backends)
    names = ["a:b", "a", ":", "{a}", "%3A", "a\x00", "A", "é", "*", "a" * 10_000, "a" * 10_001, "%~" + "a" * 64]
    pairs = [("usr_a:b", "c"), ("usr_a", "b:c"), *[("usr_a", name) for name in names]]
    for subject, endpoint in pairs:
        same(f"{subject} {endpoint[:8]}", await _taken(store, Bucket(subject, endpoint, 9, _DAY)), [[1]])


async def a_limit_may_change(backends: AsyncBackends) -> None:
    """What was counted stays when the limit is another one, as after a change of tier."""
    store = _store(backends)
    await _taken(store, _bucket("tier", 3), times=3)
    same("a higher limit", await _taken(store, _bucket("tier", 5), times=3), [[4], [5], [-1]])
    fill = (await store.take([_bucket("tier", 2)], 1))[0]
    same("a lower one", (fill.used, fill.wait > 0), (5, True))


async def a_narrow_window_forgets_nothing(backends: AsyncBackends) -> None:
    """What a narrow window has left counts in a wider one, as after a change of tier, for as long as hits are kept."""
    store, wide = _store(backends), _bucket("kept", 2)
    narrow = wide._replace(window=1, kept=_DAY)
    await _taken(store, wide, times=2)
    await _over(store, narrow)
    same("the wide one after a look", await _taken(store, wide), [[-1]])
    same("the narrow one", await _taken(store, narrow), [[1]])
    same("the wide one after a hit", [each.used for each in await store.look([wide], 1)], [3])


async def _over(store: AsyncRateLimitStore, bucket: Bucket) -> None:
    """Looks until the window of a bucket, of a second, is over by the clock of the store."""
    before = (await store.look([bucket], 1))[0].now
    over, stood = before + 1_000_000, 0
    while before < over:
        fill = (await store.look([bucket], 1))[0]
        stood = stood + 1 if fill.now <= before else 0
        if stood > _PATIENCE:
            fails(f"the clock stands still at {fill.now}")
        before = fill.now


async def as_many_as_the_limit_pass_of_those_who_come_at_once(backends: AsyncBackends, together: Together) -> None:
    """``take`` looks and counts in one step."""
    store, bucket = _store(backends), _bucket("race", 15)
    found: Any = await together([partial(store.take, [bucket], 1)] * 64)
    passed = sorted([fills[0].used for fills in found if not fills[0].wait])
    same("the hits that passed", passed, list(range(1, 16)))


async def buckets_stay_together_when_many_come_at_once(backends: AsyncBackends, together: Together) -> None:
    """Two buckets that are always taken together are always equally full; their order makes no difference."""
    store, left, right = _store(backends), _bucket("left", 7), _bucket("right", 9)
    pairs = [[left, right], [right, left]] * 16
    found: Any = await together([partial(store.take, pair, 1) for pair in pairs])
    same("how often they passed", len([fills for fills in found if not any(each.wait for each in fills)]), 7)
    after: list[Fill] = list(await store.look([left, right], 1))
    same("how full they are", [each.used for each in after], [7, 7])


CHECKS: Final[tuple[Check, ...]] = (
    a_bucket_takes_as_many_as_its_limit,
    a_refusal_says_how_long_to_wait,
    a_fill_is_in_microseconds_of_one_clock,
    a_refused_hit_consumes_nothing,
    several_buckets_take_together_or_not_at_all,
    looking_counts_nothing,
    a_cleared_bucket_is_empty,
    a_bucket_is_its_subject_and_its_endpoint,
    a_limit_may_change,
    a_narrow_window_forgets_nothing,
)

RACES: Final[tuple[Race, ...]] = (
    as_many_as_the_limit_pass_of_those_who_come_at_once,
    buckets_stay_together_when_many_come_at_once,
)
