"""Subscriptions in memory keep every promise of their port, in both flavours; a store that breaks one is found."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import pytest

from tektree._async.sdk import memory_backends as async_memory_backends
from tektree._sync.sdk import memory_backends
from tektree.backends.memory import AsyncMemorySubscriptions, MemorySubscriptions
from tektree.errors import Stale
from tektree.models.subscriptions import Subscription
from tektree.ports import AsyncBackends, Backends
from tektree.testing import checks, run, run_async
from tests.lanes import enter

CHECKS = checks("subscriptions")


def memory(store: type[MemorySubscriptions] = MemorySubscriptions) -> Backends:
    return replace(memory_backends(), subscriptions=store())


def async_memory() -> AsyncBackends:
    return replace(async_memory_backends(), subscriptions=AsyncMemorySubscriptions())


@pytest.mark.parametrize("check", CHECKS)
def test_memory_keeps(check: str) -> None:
    enter("memory")
    run(check, memory)


@pytest.mark.parametrize("check", CHECKS)
def test_async_memory_keeps(check: str) -> None:
    enter("memory")
    asyncio.run(run_async(check, async_memory))


class SwapsAnything(MemorySubscriptions):
    def swap(self, old: Subscription | None, new: Subscription) -> None:
        super().swap(self.get(new.user_id), new)


class InSilence(MemorySubscriptions):
    def swap(self, old: Subscription | None, new: Subscription) -> None:
        with suppress(Stale):
            super().swap(old, new)


class OfAllUsers(MemorySubscriptions):
    def get(self, user_id: str) -> Subscription | None:
        return next(iter(self._by_user.values()), None)


class KeepsTheFirst(MemorySubscriptions):
    def swap(self, old: Subscription | None, new: Subscription) -> None:
        stored = self.get(new.user_id)
        super().swap(old, new if stored is None else stored.evolve(version=new.version))


class NoVersionIsAny(MemorySubscriptions):
    def swap(self, old: Subscription | None, new: Subscription) -> None:
        super().swap(old if old is None or old.version else self.get(new.user_id), new)


class AllAreDue(MemorySubscriptions):
    def due(self, by: int, limit: int) -> Sequence[str]:
        return super().due(10**15, limit)


class NewestFirst(MemorySubscriptions):
    def due(self, by: int, limit: int) -> Sequence[str]:
        return super().due(by, 10**6)[::-1][:limit]


KINDS = [SwapsAnything, InSilence, OfAllUsers, KeepsTheFirst, NoVersionIsAny, AllAreDue, NewestFirst]


@pytest.mark.parametrize("kind", KINDS)
def test_a_store_that_breaks_a_promise_is_found(kind: type[MemorySubscriptions]) -> None:
    enter("memory")
    broken = []
    for check in CHECKS:
        try:
            run(check, lambda: memory(kind))
        except AssertionError as error:
            broken.append(str(error))
    assert broken
    assert all(len(each) > 10 for each in broken), "a check that fails says what is wrong"
