"""Quotas in memory keep every promise of their port, in both flavours; a store that breaks one is found."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from tektree._async.backends.memory.bundles import memory_backends as async_memory_backends
from tektree._sync.backends.memory.bundles import memory_backends
from tektree.backends.memory import AsyncMemoryQuotas, MemoryQuotas
from tektree.models.quotas import Counter, Taken
from tektree.ports import AsyncBackends, Backends
from tektree.testing import checks, run, run_async
from tests.lanes import enter

CHECKS = checks("quotas")


def memory(store: type[MemoryQuotas] = MemoryQuotas) -> Backends:
    return replace(memory_backends(), quotas=store())


def async_memory() -> AsyncBackends:
    return replace(async_memory_backends(), quotas=AsyncMemoryQuotas())


@pytest.mark.parametrize("check", CHECKS)
def test_memory_keeps(check: str) -> None:
    enter("memory")
    run(check, memory)


@pytest.mark.parametrize("check", CHECKS)
def test_async_memory_keeps(check: str) -> None:
    enter("memory")
    asyncio.run(run_async(check, async_memory))


class Fresh(MemoryQuotas):
    """What is missing counts as zero."""

    def take(self, counter: Counter, n: int, limit: int | None, percent: int, request: str, now: datetime) -> Taken:
        self.load(counter, 0, now)
        return super().take(counter, n, limit, percent, request, now)


class LoadsAgain(MemoryQuotas):
    def load(self, counter: Counter, used: int, now: datetime) -> int:
        self.put(counter, used, now)
        return used


class PutsOnce(MemoryQuotas):
    def put(self, counter: Counter, used: int, now: datetime) -> None:
        self.load(counter, used, now)


class OneMore(MemoryQuotas):
    def take(self, counter: Counter, n: int, limit: int | None, percent: int, request: str, now: datetime) -> Taken:
        return super().take(counter, n, None if limit is None else limit + 1, percent, request, now)


class ZeroIsNoLimit(MemoryQuotas):
    def take(self, counter: Counter, n: int, limit: int | None, percent: int, request: str, now: datetime) -> Taken:
        return super().take(counter, n, limit or None, percent, request, now)


class Forgetful(MemoryQuotas):
    """It counts a call again."""

    def _remember(self, request: str) -> None:
        pass


class BelowZero(MemoryQuotas):
    def give(self, counter: Counter, n: int, request: str, now: datetime) -> int | None:
        used = super().give(counter, n, request, now)
        return None if used is None else used - max(0, n - 5)


class TellsAlways(MemoryQuotas):
    def take(self, counter: Counter, n: int, limit: int | None, percent: int, request: str, now: datetime) -> Taken:
        found = super().take(counter, n, limit, percent, request, now)
        return found._replace(exceeded=found.known and not found.taken)


class Whispers(MemoryQuotas):
    def take(self, counter: Counter, n: int, limit: int | None, percent: int, request: str, now: datetime) -> Taken:
        return super().take(counter, n, limit, percent, request, now)._replace(threshold=False)


class HoldsForGood(MemoryQuotas):
    def hold(self, counter: Counter, n: int, limit: int | None, request: str, seconds: int, now: datetime) -> Taken:
        return self.take(counter, n, limit, 10**6, request, now)


class TellsWhatIsHeld(MemoryQuotas):
    def hold(self, counter: Counter, n: int, limit: int | None, request: str, seconds: int, now: datetime) -> Taken:
        found = super().hold(counter, n, limit, request, seconds, now)
        return found._replace(threshold=found.taken and self._counts[counter[:3]].near(limit, 80))


class SettlesAgain(MemoryQuotas):
    def settle(self, counter: Counter, n: int, request: str, used: bool, *more: Any) -> Taken:
        found = super().settle(counter, n, request, used, *more)
        if not used:
            self.give(counter, n, f"settled {len(self._requests)}", more[-1])
        return found


class ForgetsWhoIsLate(MemoryQuotas):
    def settle(self, *call: Any) -> Taken:
        for count in self._counts.values():
            count.held = {name: one for name, one in count.held.items() if one[1] is not None}
        return super().settle(*call)


class CountsAgain(MemoryQuotas):
    """It counts a cause anew."""

    def count(self, counter: Counter, n: int, limit: int | None, percent: int, cause: str, now: datetime) -> Taken:
        found = self._counts.get(counter[:3])
        if found is not None:
            found.causes.clear()
        return super().count(counter, n, limit, percent, cause, now)


class CountsToTheLimit(MemoryQuotas):
    def count(self, counter: Counter, n: int, limit: int | None, percent: int, cause: str, now: datetime) -> Taken:
        used = self.read([counter], now)[0] or 0
        return super().count(counter, n if limit is None else min(n, limit - used), limit, percent, cause, now)


class ForgetsNothings(MemoryQuotas):
    def count(self, counter: Counter, n: int, limit: int | None, percent: int, cause: str, now: datetime) -> Taken:
        if n:
            return super().count(counter, n, limit, percent, cause, now)
        return Taken(True, True, self.read([counter], now)[0] or 0)


class LetsGo(MemoryQuotas):
    """What is counted lasts as long as it said first."""

    def keep(self, counters: Sequence[Counter], now: datetime) -> None:
        pass


class Shortens(MemoryQuotas):
    """It lasts as long as whoever came last has said."""

    def put(self, counter: Counter, used: int, now: datetime) -> None:
        super().put(counter, used, now)
        self._counts[counter[:3]].lasts = counter.lasts


class OfAllPeriods(MemoryQuotas):
    def load(self, counter: Counter, used: int, now: datetime) -> int:
        return super().load(counter._replace(uid=f"{counter.uid}:{counter.quota_type}", quota_type=""), used, now)


BROKEN = [
    Shortens,
    LetsGo,
    Fresh,
    LoadsAgain,
    PutsOnce,
    OneMore,
    ZeroIsNoLimit,
    Forgetful,
    BelowZero,
    TellsAlways,
    Whispers,
    HoldsForGood,
    TellsWhatIsHeld,
    SettlesAgain,
    ForgetsWhoIsLate,
    CountsAgain,
    CountsToTheLimit,
    ForgetsNothings,
    OfAllPeriods,
]


@pytest.mark.parametrize("kind", BROKEN)
def test_a_store_that_breaks_a_promise_is_found(kind: type[MemoryQuotas]) -> None:
    enter("memory")
    broken = []
    for check in CHECKS:
        try:
            run(check, lambda: memory(kind))
        except AssertionError as error:
            broken.append(str(error))
    assert broken
    assert all(len(each) > 10 for each in broken), "a check that fails says what is wrong"
