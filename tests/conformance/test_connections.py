"""Connections in memory keep every promise of their port, in both flavours; a store that breaks one is found."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest

from tektree._async.sdk import memory_backends as async_memory_backends
from tektree._sync.sdk import memory_backends
from tektree.backends.memory import MemoryConnections
from tektree.models.connections import Connection, ContactStatus, contact
from tektree.models.pages import Position, Slice
from tektree.testing import checks, run, run_async
from tests.lanes import enter

CHECKS = checks("connections")


@pytest.mark.parametrize("check", CHECKS)
def test_memory_keeps(check: str) -> None:
    enter("memory")
    run(check, memory_backends)


@pytest.mark.parametrize("check", CHECKS)
def test_async_memory_keeps(check: str) -> None:
    enter("memory")
    asyncio.run(run_async(check, async_memory_backends))


def found_in(kind: type[MemoryConnections], check: str) -> None:
    enter("memory")
    with pytest.raises(AssertionError):
        run(check, lambda: replace(memory_backends(), connections=kind()))


class TellsOfBlocks(MemoryConnections):
    """Who is blocked sees it: a request of theirs is sent no more."""

    def page(self, user_id: str, status: ContactStatus, before: Position | None, limit: int) -> Slice[Connection]:
        found = super().page(user_id, status, before, limit)
        return found._replace(
            items=tuple([each for each in found.items if user_id in each.blocked or not each.blocked])
        )


class ShowsWhatIsBlocked(MemoryConnections):
    """A request of who is blocked is received."""

    def _places(self, record: Connection) -> Iterable[tuple[object, Position]]:
        return super()._places(record.evolve(blocked=()))


class TakesOneSideForBoth(MemoryConnections):
    """Whoever asked is connected."""

    def _places(self, record: Connection) -> Iterable[tuple[object, Position]]:
        return super()._places(record.evolve(asked=record.users) if record.asked and not record.blocked else record)


@pytest.mark.parametrize("kind", [TellsOfBlocks, ShowsWhatIsBlocked, TakesOneSideForBoth])
def test_a_storage_that_mixes_up_what_they_are_is_found(kind: type[MemoryConnections]) -> None:
    found_in(kind, "connections_are_found_by_what_they_are_to_a_user")


class OldestFirst(MemoryConnections):
    def connected(self, user_id: str, limit: int) -> Sequence[str]:
        return super().connected(user_id, 99)[::-1][:limit]


class RemembersWhatEnded(MemoryConnections):
    def connected(self, user_id: str, limit: int) -> Sequence[str]:
        every = [each.record for each in self._stored.values() if user_id in each.record.users]
        known = [each for each in every if each.status in ("connected", "none")]
        known.sort(key=lambda each: each.at, reverse=True)
        return [contact(each, user_id).user_id for each in known][:limit]


class WithoutALimit(MemoryConnections):
    def connected(self, user_id: str, limit: int) -> Sequence[str]:
        return super().connected(user_id, 99)


@pytest.mark.parametrize("kind", [OldestFirst, RemembersWhatEnded, WithoutALimit])
def test_a_storage_that_gives_others_is_found(kind: type[MemoryConnections]) -> None:
    found_in(kind, "connections_are_known_by_who_is_connected")


class OneOfAnInstant(MemoryConnections):
    def page(self, user_id: str, status: ContactStatus, before: Position | None, limit: int) -> Slice[Connection]:
        return super().page(user_id, status, None if before is None else (before[0], ""), limit)


class NeverEnds(MemoryConnections):
    def page(self, user_id: str, status: ContactStatus, before: Position | None, limit: int) -> Slice[Connection]:
        return super().page(user_id, status, None, limit)


@pytest.mark.parametrize("kind", [OneOfAnInstant, NeverEnds])
def test_a_storage_that_loses_some_between_pages_is_found(kind: type[MemoryConnections]) -> None:
    found_in(kind, "connections_are_paged_by_when_they_came")


class GivesTheFirstOnly(MemoryConnections):
    def of_user(self, user_id: str, after: str | None, limit: int) -> Sequence[Connection]:
        return super().of_user(user_id, None, limit)


def test_a_storage_that_gives_other_connections_of_a_user_is_found() -> None:
    found_in(GivesTheFirstOnly, "connections_are_found_by_who_made_them")
