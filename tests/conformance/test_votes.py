"""Votes in memory keep every promise of their port, in both flavours; a store that breaks one is found."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import pytest

from tektree._async.sdk import memory_backends as async_memory_backends
from tektree._sync.sdk import memory_backends
from tektree.backends.memory import MemoryVotes
from tektree.models.content import Stored
from tektree.models.pages import Position, Slice
from tektree.models.votes import Tally, Vote
from tektree.testing import checks, run, run_async
from tests.lanes import enter

CHECKS = checks("votes")


@pytest.mark.parametrize("check", CHECKS)
def test_memory_keeps(check: str) -> None:
    enter("memory")
    run(check, memory_backends)


@pytest.mark.parametrize("check", CHECKS)
def test_async_memory_keeps(check: str) -> None:
    enter("memory")
    asyncio.run(run_async(check, async_memory_backends))


class CountsWhatWasTakenBack(MemoryVotes):
    def of_target(self, target_id: str) -> Tally:
        return super().of_target(target_id)._replace(down=self._shelves.count((target_id, 0)))


class CountsAllThings(MemoryVotes):
    def _places(self, record: Vote) -> Iterable[tuple[object, Position]]:
        return super()._places(record.evolve(target_id="a" * 24))

    def of_target(self, target_id: str) -> Tally:
        return super().of_target("a" * 24)


@pytest.mark.parametrize("kind", [CountsWhatWasTakenBack, CountsAllThings])
def test_a_storage_that_breaks_a_promise_is_found(kind: type[MemoryVotes]) -> None:
    enter("memory")
    with pytest.raises(AssertionError, match=r"at first|after a change"):
        run("votes_are_counted_as_they_are_now", lambda: replace(memory_backends(), votes=kind()))


class GivesEverybodys(MemoryVotes):
    def of_user(self, user_id: str, after: str | None, limit: int) -> Sequence[Vote]:
        every = sorted([each.record for each in self._stored.values()], key=lambda vote: vote.id)
        return [each for each in every if after is None or each.id > after][:limit]


class BeginsAgain(MemoryVotes):
    def of_user(self, user_id: str, after: str | None, limit: int) -> Sequence[Vote]:
        return super().of_user(user_id, None, limit)


class GivesTheLatestFirst(MemoryVotes):
    def of_user(self, user_id: str, after: str | None, limit: int) -> Sequence[Vote]:
        return super().of_user(user_id, after, limit)[::-1]


@pytest.mark.parametrize("kind", [GivesEverybodys, BeginsAgain, GivesTheLatestFirst])
def test_a_storage_that_gives_other_votes_of_a_user_is_found(kind: type[MemoryVotes]) -> None:
    enter("memory")
    with pytest.raises(AssertionError, match=r"all|a page|the next|nobody's"):
        run("votes_are_found_by_who_made_them", lambda: replace(memory_backends(), votes=kind()))


class SkipsOne(MemoryVotes):
    def every(self, after: str | None, limit: int) -> Slice[Stored[Vote]]:
        found = super().every(after, limit)
        return found._replace(last=None if found.last is None else (0, found.last[1][:-1] + "f"))


class NeverEnds(MemoryVotes):
    def every(self, after: str | None, limit: int) -> Slice[Stored[Vote]]:
        found = super().every(after, limit)
        return found._replace(last=found.last or (0, "f" * 24))


class AsTheyCame(MemoryVotes):
    def every(self, after: str | None, limit: int) -> Slice[Stored[Vote]]:
        begin = 0 if after is None else list(self._stored).index(after) + 1
        ids = list(self._stored)[begin : begin + limit]
        last = (0, ids[-1]) if begin + limit < len(self._stored) else None
        return Slice(tuple([self._stored[id] for id in ids]), last)


class ListsOnce(MemoryVotes):
    def every(self, after: str | None, limit: int) -> Slice[Stored[Vote]]:
        self._ids = self._ids or sorted(self._stored)
        stored, self._stored = self._stored, {id: self._stored[id] for id in self._ids}
        found = super().every(after, limit)
        self._stored = stored
        return found


class ReadsNothingTwice(MemoryVotes):
    def by_ids(self, ids: Sequence[str]) -> Sequence[Stored[Vote]]:
        return [found for found in map(self.by_id, ids) if found is not None]


@pytest.mark.parametrize("kind", [SkipsOne, NeverEnds, AsTheyCame, ListsOnce, ReadsNothingTwice])
def test_a_storage_that_gives_other_votes_at_once_is_found(kind: type[MemoryVotes]) -> None:
    enter("memory")
    with pytest.raises(AssertionError, match=r"by ids|all, |with others|behind the last|one more"):
        run("votes_are_read_by_ids_and_all", lambda: replace(memory_backends(), votes=kind()))


class AddsThemUp(MemoryVotes):
    def of_targets(self, target_ids: Sequence[str]) -> Mapping[str, Tally]:
        found = [self.of_target(id) for id in target_ids]
        return dict.fromkeys(target_ids, Tally(sum([each.up for each in found]), sum([each.down for each in found])))


def test_a_storage_that_adds_up_things_is_found() -> None:
    enter("memory")
    with pytest.raises(AssertionError, match="of several"):
        run("votes_are_counted_as_they_are_now", lambda: replace(memory_backends(), votes=AddsThemUp()))


class LeavesOutWhatWasTakenBack(MemoryVotes):
    def on_target(self, target_id: str, after: str | None, limit: int) -> Sequence[Vote]:
        return [each for each in super().on_target(target_id, after, limit) if each.value]


class FindsTheLatestFirst(MemoryVotes):
    def on_target(self, target_id: str, after: str | None, limit: int) -> Sequence[Vote]:
        return super().on_target(target_id, after, limit)[::-1]


@pytest.mark.parametrize("kind", [LeavesOutWhatWasTakenBack, FindsTheLatestFirst])
def test_a_storage_that_finds_other_votes_on_a_thing_is_found(kind: type[MemoryVotes]) -> None:
    enter("memory")
    with pytest.raises(AssertionError, match=r"all|a page"):
        run("votes_on_a_thing_are_found", lambda: replace(memory_backends(), votes=kind()))
