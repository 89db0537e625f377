"""Rate limits in memory keep every promise of their port, in both flavours; a store that breaks one is found."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from tektree._async.backends.memory.bundles import memory_backends as async_memory_backends
from tektree._sync.backends.memory.bundles import memory_backends
from tektree.backends.memory import AsyncMemoryRateLimits, MemoryRateLimits
from tektree.errors import ConfigurationError
from tektree.models.rate_limits import Bucket, Fill
from tektree.ports import AsyncBackends, Backends
from tektree.testing import checks, run, run_async
from tests.lanes import enter

CHECKS = checks("rate_limits")


def hasty() -> Callable[[], datetime]:
    """A clock that is a millisecond later each time it is read, so nobody waits for a window to pass."""
    begin, readings = datetime.now(UTC), count()
    return lambda: begin + timedelta(milliseconds=next(readings))


def memory(store: type[MemoryRateLimits] = MemoryRateLimits) -> Backends:
    return replace(memory_backends(), rate_limits=store(hasty()))


def async_memory() -> AsyncBackends:
    return replace(async_memory_backends(), rate_limits=AsyncMemoryRateLimits(hasty()))


@pytest.mark.parametrize("check", CHECKS)
def test_memory_keeps(check: str) -> None:
    enter("memory")
    run(check, memory)


@pytest.mark.parametrize("check", CHECKS)
def test_async_memory_keeps(check: str) -> None:
    enter("memory")
    asyncio.run(run_async(check, async_memory))


def test_the_checks_of_ports_that_may_be_left_out_are_asked_for_by_name() -> None:
    assert len(CHECKS) > 10
    assert not set(CHECKS) & set(checks())
    with pytest.raises(ConfigurationError, match="'boards' is none of"):
        checks("boards")
    with pytest.raises(AssertionError, match="have no rate_limits"):
        run(CHECKS[0], memory_backends)


class OneMore(MemoryRateLimits):
    def take(self, buckets: Sequence[Bucket], cost: int) -> Sequence[Fill]:
        return super().take([each._replace(limit=each.limit + 1) for each in buckets], cost)


class WaitsForTheNewest(MemoryRateLimits):
    def take(self, buckets: Sequence[Bucket], cost: int) -> Sequence[Fill]:
        return [
            each._replace(wait=each.newest + 86_400_000_000 - each.now) if each.wait else each
            for each in super().take(buckets, cost)
        ]


class Milliseconds(MemoryRateLimits):
    def take(self, buckets: Sequence[Bucket], cost: int) -> Sequence[Fill]:
        return [each._replace(now=each.now // 1000, newest=each.newest // 1000) for each in super().take(buckets, cost)]


class TakesInPart(MemoryRateLimits):
    def take(self, buckets: Sequence[Bucket], cost: int) -> Sequence[Fill]:
        for _ in range(cost - 1):
            super().take(buckets, 1)
        return super().take(buckets, 1)


class OneAfterTheOther(MemoryRateLimits):
    def take(self, buckets: Sequence[Bucket], cost: int) -> Sequence[Fill]:
        return [super(OneAfterTheOther, self).take([each], cost)[0] for each in buckets]


class LooksByTaking(MemoryRateLimits):
    def look(self, buckets: Sequence[Bucket], cost: int) -> Sequence[Fill]:
        return self.take(buckets, cost)


class ClearsAll(MemoryRateLimits):
    def clear(self, buckets: Sequence[Bucket]) -> None:
        self._logs.clear()


class ClearsNothing(MemoryRateLimits):
    def clear(self, buckets: Sequence[Bucket]) -> None:
        pass


class KeepsForTheWindow(MemoryRateLimits):
    def take(self, buckets: Sequence[Bucket], cost: int) -> Sequence[Fill]:
        return super().take([each._replace(kept=0) for each in buckets], cost)


class ForgetsWhenLookedAt(MemoryRateLimits):
    def look(self, buckets: Sequence[Bucket], cost: int) -> Sequence[Fill]:
        fills = super().look(buckets, cost)
        self.clear([each for each, fill in zip(buckets, fills, strict=True) if not fill.used])
        return fills


class StandsStill(MemoryRateLimits):
    def __init__(self, clock: Callable[[], datetime]) -> None:
        now = clock()
        super().__init__(lambda: now)


class Joins(MemoryRateLimits):
    def take(self, buckets: Sequence[Bucket], cost: int) -> Sequence[Fill]:
        return super().take(
            [each._replace(subject=f"{each.subject}:{each.endpoint}", endpoint="") for each in buckets], cost
        )


class CutsLongNames(MemoryRateLimits):
    def take(self, buckets: Sequence[Bucket], cost: int) -> Sequence[Fill]:
        return super().take([each._replace(endpoint=each.endpoint[:512]) for each in buckets], cost)


class ByLimit(MemoryRateLimits):
    def take(self, buckets: Sequence[Bucket], cost: int) -> Sequence[Fill]:
        return super().take([each._replace(endpoint=f"{each.endpoint}{each.limit}") for each in buckets], cost)


@pytest.mark.parametrize(
    "kind",
    [
        OneMore,
        WaitsForTheNewest,
        Milliseconds,
        TakesInPart,
        OneAfterTheOther,
        LooksByTaking,
        ClearsAll,
        ClearsNothing,
        KeepsForTheWindow,
        ForgetsWhenLookedAt,
        StandsStill,
        Joins,
        CutsLongNames,
        ByLimit,
    ],
)
def test_a_store_that_breaks_a_promise_is_found(kind: type[MemoryRateLimits]) -> None:
    enter("memory")
    broken = []
    for check in CHECKS:
        try:
            run(check, lambda: memory(kind))
        except AssertionError as error:
            broken.append(str(error))
    assert broken
    assert all(len(each) > 10 for each in broken), "a check that fails says what is wrong"
