"""Caches in memory keep every promise of their port, in both flavours; a store that breaks one is found."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tektree._async.backends.memory.bundles import memory_backends as async_memory_backends
from tektree._sync.backends.memory.bundles import memory_backends
from tektree.backends.memory import AsyncMemoryCaches, MemoryCaches
from tektree.clock import system_clock
from tektree.models.base import Record
from tektree.models.caches import Found, Place
from tektree.ports import AsyncBackends, Backends
from tektree.testing import checks, run, run_async
from tests.lanes import enter

CHECKS = checks("caches")


def memory(store: type[MemoryCaches] = MemoryCaches) -> Backends:
    return replace(memory_backends(), caches=store(system_clock))


def async_memory() -> AsyncBackends:
    return replace(async_memory_backends(), caches=AsyncMemoryCaches(system_clock))


@pytest.mark.parametrize("check", CHECKS)
def test_memory_keeps(check: str) -> None:
    enter("memory")
    run(check, memory)


@pytest.mark.parametrize("check", CHECKS)
def test_async_memory_keeps(check: str) -> None:
    enter("memory")
    asyncio.run(run_async(check, async_memory))


class EverybodyLoads(MemoryCaches):
    """No lease: the stampede."""

    def begin(self, place: Place, token: str, lease: int) -> Found | bool:
        self._loads.pop(place, None)
        return super().begin(place, token, lease)


class SetsBlindly(MemoryCaches):
    """What was loaded is kept, whatever has happened since: the stale set."""

    def keep(self, place: Place, record: Record | None, token: str, lasts: int) -> bool:
        self._loads.pop(place, None)
        super().begin(place, token, lasts)
        return super().keep(place, record, token, lasts)


class DeletesAlone(MemoryCaches):
    """An invalidation deletes what is there, and lets the load go on."""

    def invalidate(self, place: Place) -> None:
        self._texts.pop(place, None)


class EndsOnly(MemoryCaches):
    """An invalidation ends the load alone."""

    def invalidate(self, place: Place) -> None:
        self._loads.pop(place, None)


class OneLeaseForAll(MemoryCaches):
    """Any load may keep while one is under way, as where a lease is a flag without a token."""

    def keep(self, place: Place, record: Record | None, token: str, lasts: int) -> bool:
        begun = self._loads.get(place)
        return begun is not None and super().keep(place, record, begun[0], lasts)


class LeavesForOthers(MemoryCaches):
    def leave(self, place: Place, token: str) -> None:
        self._loads.pop(place, None)


class NeverLate(MemoryCaches):
    """A lease does not end by time."""

    def begin(self, place: Place, token: str, lease: int) -> Found | bool:
        return super().begin(place, token, 10**9)


class ForgetsNone(MemoryCaches):
    def read(self, place: Place) -> Found | None:
        found = super().read(place)
        return None if found is None or found.record is None else found


class KeepsAll(MemoryCaches):
    """It keeps the record itself, with its secrets."""

    def __init__(self, clock: Any) -> None:
        super().__init__(clock)
        self.records: dict[Place, Record | None] = {}

    def keep(self, place: Place, record: Record | None, token: str, lasts: int) -> bool:
        self.records[place] = record
        return super().keep(place, record, token, lasts)

    def read(self, place: Place) -> Found | None:
        found = super().read(place)
        return None if found is None else Found(self.records[place])


class OneKind(MemoryCaches):
    def begin(self, place: Place, token: str, lease: int) -> Found | bool:
        return super().begin(place._replace(kind="user"), token, lease)


BROKEN = [
    EverybodyLoads,
    SetsBlindly,
    DeletesAlone,
    EndsOnly,
    OneLeaseForAll,
    LeavesForOthers,
    NeverLate,
    ForgetsNone,
    KeepsAll,
    OneKind,
]


@pytest.mark.parametrize("kind", BROKEN)
def test_a_store_that_breaks_a_promise_is_found(kind: type[MemoryCaches]) -> None:
    enter("memory")
    broken = []
    for check in CHECKS:
        try:
            run(check, lambda: memory(kind))
        except AssertionError as error:
            broken.append(str(error))
    assert broken
    assert all(len(each) > 10 for each in broken), "a check that fails says what is wrong"
