"""Sinks, streams and effects in memory keep every promise, in both flavours; a storage that breaks one is found."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tektree._async.backends.memory.bundles import memory_backends as async_memory_backends
from tektree._async.backends.memory.streams import AsyncMemoryStreams
from tektree._sync.backends.memory.bundles import memory_backends
from tektree._sync.backends.memory.events import MemoryDeliveries, MemoryEventLog
from tektree._sync.backends.memory.streams import MemoryEffects, MemoryLeases, MemoryStreams
from tektree.models.events import Change, Effect, Entry, Event, Lease, Pending, Posting, in_line
from tektree.ports import AsyncBackends, Backends
from tektree.testing import ManualClock, checks, run, run_async
from tests.lanes import enter

CHECKS = checks("sinks", "streams", "effects")


def memory(**kinds: Any) -> Backends:
    made = {
        "events": MemoryEventLog,
        "deliveries": MemoryDeliveries,
        "leases": MemoryLeases,
        "effects": MemoryEffects,
        "streams": lambda: MemoryStreams(ManualClock()),
        **kinds,
    }
    return replace(memory_backends(), **{name: kind() for name, kind in made.items()})


def async_memory() -> AsyncBackends:
    return replace(async_memory_backends(), streams=AsyncMemoryStreams(ManualClock()))


@pytest.mark.parametrize("check", CHECKS)
def test_memory_keeps(check: str) -> None:
    enter("memory")
    run(check, memory)


@pytest.mark.parametrize("check", CHECKS)
def test_async_memory_keeps(check: str) -> None:
    enter("memory")
    asyncio.run(run_async(check, async_memory))


class ForgetsTell(MemoryEventLog):
    def tell(self, event: Event, posting: Posting | None = None) -> tuple[Event, bool]:
        return super().tell(event)


class OneForAll(MemoryEventLog):
    """A sink's mark is every sink's."""

    def published(self, sink: str, event_ids: Sequence[str]) -> None:
        for each in self._sinks:
            super().published(each, event_ids)


class MarksAgain(MemoryEventLog):
    def append(self, events: Sequence[Event], posting: Posting | None = None) -> Collection[str]:
        known = super().append(events, posting)
        for each in events if posting else ():
            self._sink(each, posting)  # type: ignore[arg-type]
        return known


class AsTheyCame(MemoryEventLog):
    def unpublished(self, sink: str, partitions: Collection[int], limit: int) -> Sequence[Event]:
        marked = [id for id, partition in self._sinks.get(sink, {}).items() if partition in partitions]
        return [self._by_id[id] for id in marked[:limit]]


class CutsFirst(MemoryEventLog):
    """A batch is cut before it is put in order."""

    def unpublished(self, sink: str, partitions: Collection[int], limit: int) -> Sequence[Event]:
        marked = [id for id, partition in self._sinks.get(sink, {}).items() if partition in partitions]
        return sorted([self._by_id[id] for id in marked[:limit]], key=in_line)


class Anywhere(MemoryEventLog):
    def unpublished(self, sink: str, partitions: Collection[int], limit: int) -> Sequence[Event]:
        return super().unpublished(sink, range(16), limit)


class HoldsNothing(MemoryDeliveries):
    def held(self, handler: str, lines: Collection[str]) -> Collection[str]:
        return ()


class NeverHalted(MemoryDeliveries):
    def held(self, handler: str, lines: Collection[str]) -> Collection[str]:
        return {each.line for each in self._by_id.values() if each.handler == handler and each.line in lines}


class GivesToAll(MemoryLeases):
    def claim(
        self, name: str, partitions: Collection[int], token: str, now: datetime, until: datetime, due: datetime
    ) -> Sequence[Lease]:
        for key, each in list(self._leases.items()):
            self._leases[key] = each._replace(token="")
        return super().claim(name, partitions, token, now, until, due)


class CountsNothing(MemoryLeases):
    def claim(
        self, name: str, partitions: Collection[int], token: str, now: datetime, until: datetime, due: datetime
    ) -> Sequence[Lease]:
        found = super().claim(name, partitions, token, now, until, due)
        self._leases.update({(each.name, each.partition): each._replace(attempts=1) for each in found})
        return [each._replace(attempts=1) for each in found]


class NeverDue(MemoryLeases):
    def release(self, name: str, token: str, due: datetime, failures: int) -> None:
        super().release(name, token, due - timedelta(days=1), failures)


class RenewsAnyones(MemoryLeases):
    def _of(self, name: str, token: str) -> list[Lease]:
        return [each for each in self._leases.values() if each.name == name]


class OneGroup(MemoryStreams):
    """All groups are one."""

    def take(self, group: str, consumer: str, limit: int) -> Sequence[Entry]:
        return super().take("g", consumer, limit)


class TakesNothingDown(MemoryStreams):
    def take(self, group: str, consumer: str, limit: int) -> Sequence[Entry]:
        found = super().take(group, consumer, limit)
        self.acknowledge(group, found)
        return found


class HandsOutUncounted(MemoryStreams):
    def again(self, group: str, consumer: str, pending: Sequence[Pending], idle: timedelta) -> Sequence[Entry]:
        return [each._replace(times=1) for each in super().again(group, consumer, pending, idle)]


class MakesGroups(MemoryStreams):
    def take(self, group: str, consumer: str, limit: int) -> Sequence[Entry]:
        self.join(group)
        return super().take(group, consumer, limit)


class AddsAgain(MemoryStreams):
    def publish(self, events: Sequence[Event], again: bool) -> None:
        super().publish(events, False)


class TrimsByLength(MemoryStreams):
    def trim(self, spare: int) -> int:
        for part in self._parts:
            part.entries = dict(list(part.entries.items())[-1:])
        return 0


class ForgetsPending(MemoryStreams):
    """It trims behind the last entry that was handed out, done with or not."""

    def trim(self, spare: int) -> int:
        for part in self._parts:
            last = min([each.last for each in part.groups.values()], default=0)
            part.entries = {id: event for id, event in part.entries.items() if id > last}
        return 0


class Blind(MemoryEffects):
    def write(self, name: str, changes: Sequence[Change], now: datetime) -> Collection[str]:
        self._effects.update({(name, each.line): Effect(each.number, each.state) for each in changes})
        return ()


class OneName(MemoryEffects):
    def write(self, name: str, changes: Sequence[Change], now: datetime) -> Collection[str]:
        return super().write("", changes, now)

    def read(self, name: str, lines: Collection[str]) -> Any:
        return super().read("", lines)


class AllOrNothing(MemoryEffects):
    def write(self, name: str, changes: Sequence[Change], now: datetime) -> Collection[str]:
        stands = self.read(name, [each.line for each in changes])
        wrong = {each.line for each in changes if stands.get(each.line, Effect(0)).number != each.old}
        return {each.line for each in changes} if wrong else super().write(name, changes, now)


BROKEN = {
    "events": [ForgetsTell, OneForAll, MarksAgain, AsTheyCame, CutsFirst, Anywhere],
    "deliveries": [HoldsNothing, NeverHalted],
    "leases": [GivesToAll, CountsNothing, NeverDue, RenewsAnyones],
    "effects": [Blind, OneName, AllOrNothing],
    "streams": [OneGroup, TakesNothingDown, HandsOutUncounted, MakesGroups, AddsAgain, TrimsByLength, ForgetsPending],
}
PLANTED = [(port, kind) for port, kinds in BROKEN.items() for kind in kinds]


@pytest.mark.parametrize(("port", "kind"), PLANTED, ids=[kind.__name__ for _, kind in PLANTED])
def test_a_storage_that_breaks_a_promise_is_found(port: str, kind: Any) -> None:
    enter("memory")
    make = (lambda: kind(ManualClock())) if port == "streams" else kind
    broken = []
    for check in CHECKS:
        try:
            run(check, lambda: memory(**{port: make}))
        except AssertionError as error:
            broken.append(str(error))
    assert broken
    assert all(len(each) > 10 for each in broken), "a check that fails says what is wrong"
