"""Areas in memory keep every promise of their ports, in both flavours; a store that breaks one is found."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from tektree._async.sdk import memory_backends as async_memory_backends
from tektree._sync.sdk import memory_backends
from tektree.backends.memory import MemoryAreas, MemoryFollows
from tektree.errors import Stale, Taken
from tektree.models.areas import Area
from tektree.models.pages import Position, Slice
from tektree.models.visibility import Sight
from tektree.ports import Backends
from tektree.testing import checks, run, run_async
from tests.lanes import enter

CHECKS = checks("areas")


@pytest.mark.parametrize("check", CHECKS)
def test_memory_keeps(check: str) -> None:
    enter("memory")
    run(check, memory_backends)


@pytest.mark.parametrize("check", CHECKS)
def test_async_memory_keeps(check: str) -> None:
    enter("memory")
    asyncio.run(run_async(check, async_memory_backends))


def test_storages_without_areas_are_found() -> None:
    for check in CHECKS:
        with pytest.raises(AssertionError, match="the storages have no"):
            run(check, replace(memory_backends(), areas=None, follows=None))


class InsertsOver(MemoryAreas):
    def insert(self, record: Any, *more: Any) -> Any:
        there = self.by_id(record.id)
        return super().insert(record, *more) if there is None else self.swap(there, record)


class SwapsAnything(MemoryAreas):
    def swap(self, old: Any, new: Any, *more: Any) -> Any:
        return super().swap(self.by_id(old.record.id) or old, new, *more)


class InSilence(MemoryAreas):
    def swap(self, old: Any, new: Any, *more: Any) -> Any:
        with suppress(Stale):
            return super().swap(old, new, *more)
        return old


class SwapsEventsAway(MemoryAreas):
    def swap(self, old: Any, new: Any, *more: Any) -> Any:
        self.told(old.record.id, [each.event.event_id for each in old.left])
        return super().swap(old, new, *more)


class SwapsCountsToo(MemoryAreas):
    def __init__(self) -> None:
        super().__init__()
        self._counts = ()


class KnowsOnlyPresentSlugs(MemoryAreas):
    def by_slug(self, slug: str) -> Area | None:
        found = super().by_slug(slug)
        return found if found is not None and found.slug == slug else None


class SlugsAreAnybodys(MemoryAreas):
    def _put(self, old: Any, new: Any) -> Any:
        with suppress(Taken):
            return super()._put(old, new)
        self._owners.clear()
        return super()._put(old, new)


class SlugsAreForEver(MemoryAreas):
    def _put(self, old: Any, new: Any) -> Any:
        held = dict(self._owners)
        found = super()._put(old, new)
        self._owners = {**held, **self._owners}
        return found


class CountsAtAnyTally(MemoryAreas):
    def counted(self, id: str, tally: int, **counts: int) -> bool:
        return super().counted(id, self.tally(id) or 0, **counts)


class NeverTells(MemoryAreas):
    def told(self, id: str, event_ids: Sequence[str]) -> None:
        pass


class TellsAll(MemoryAreas):
    def told(self, id: str, event_ids: Sequence[str]) -> None:
        stored = self.by_id(id)
        super().told(id, [] if stored is None else [each.event.event_id for each in stored.left])


class EverythingIsUnfinished(MemoryAreas):
    def unfinished(self, limit: int) -> Sequence[str]:
        return list(self._stored)[:limit]


class HidesWhatIsBelow(MemoryAreas):
    def below(self, ids: Sequence[str]) -> Sequence[str]:
        return [id for id in super().below(ids) if self._stored[id].record.deleted_at is None]


class ShowsEverything(MemoryAreas):
    def _page(self, positions: Iterable[Position], admits: Any, limit: int) -> Slice[Area]:
        return super()._page(positions, lambda record: True, limit)


class LimitsFirst(MemoryAreas):
    def _page(self, positions: Iterable[Position], admits: Any, limit: int) -> Slice[Area]:
        found = super()._page(positions, lambda record: True, limit)
        return found._replace(items=tuple([each for each in found.items if admits(each)]))


class ForgetsTies(MemoryAreas):
    def children(self, parent_id: str | None, sight: Sight, before: Position | None, limit: int) -> Slice[Area]:
        return super().children(parent_id, sight, None if before is None else (before[0], ""), limit)


class OldestFirst(MemoryAreas):
    def children(self, parent_id: str | None, sight: Sight, before: Position | None, limit: int) -> Slice[Area]:
        found = super().children(parent_id, sight, before, limit)
        return found._replace(items=found.items[::-1])


class MoreThanThereIs(MemoryAreas):
    def children(self, parent_id: str | None, sight: Sight, before: Position | None, limit: int) -> Slice[Area]:
        found = super().children(parent_id, sight, before, limit)
        return found._replace(last=found.last or (1, "f" * 24)) if len(found.items) == limit else found


class FindsWithin(MemoryAreas):
    def search(self, words: Sequence[str], sight: Sight, before: Position | None, limit: int) -> Slice[Area]:
        every = [each.record for each in self._stored.values()]
        hits = [each for each in every if all(word in f"{each.title} {each.details}".lower() for word in words)]
        return Slice(tuple([each for each in hits if sight.admits(each)][:limit]))


class FindsAny(MemoryAreas):
    def search(self, words: Sequence[str], sight: Sight, before: Position | None, limit: int) -> Slice[Area]:
        return super().search(words[:1], sight, before, limit)


class CountsToTheEnd(MemoryAreas):
    def made(self, user_id: str, since: datetime, until: datetime) -> int:
        return super().made(user_id, since, until.replace(year=2100))


class ReadsTwice(MemoryAreas):
    def by_ids(self, ids: Sequence[str]) -> Any:
        return [self._stored[id] for id in ids if id in self._stored]


class CountsThoseWhoLeft(MemoryFollows):
    def _places(self, record: Any) -> Any:
        return super()._places(record.evolve(active=True))


class FollowsEverything(MemoryFollows):
    def followers(self, area_id: str) -> int:
        return sum(stored.record.active for stored in self._stored.values())


class CountsThoseWhoEverFollowed(MemoryFollows):
    def followers_of(self, area_ids: Sequence[str]) -> Mapping[str, int]:
        every = [each.record.area_id for each in self._stored.values()]
        return {id: every.count(id) for id in area_ids}


BROKEN = [
    CountsThoseWhoEverFollowed,
    InsertsOver,
    SwapsAnything,
    InSilence,
    SwapsEventsAway,
    SwapsCountsToo,
    KnowsOnlyPresentSlugs,
    SlugsAreAnybodys,
    SlugsAreForEver,
    CountsAtAnyTally,
    NeverTells,
    TellsAll,
    EverythingIsUnfinished,
    HidesWhatIsBelow,
    ShowsEverything,
    LimitsFirst,
    ForgetsTies,
    OldestFirst,
    MoreThanThereIs,
    FindsWithin,
    FindsAny,
    CountsToTheEnd,
    ReadsTwice,
    CountsThoseWhoLeft,
    FollowsEverything,
]


@pytest.mark.parametrize("kind", BROKEN, ids=[kind.__name__ for kind in BROKEN])
def test_a_storage_that_breaks_a_promise_is_found(kind: type[Any]) -> None:
    enter("memory")

    def broken() -> Backends:
        port = "areas" if issubclass(kind, MemoryAreas) else "follows"
        return replace(memory_backends(), **{port: kind()})

    said = []
    for check in CHECKS:
        try:
            run(check, broken)
        except AssertionError as error:
            said.append(str(error))
    assert said
    assert all(len(each) > 10 for each in said), "a check that fails says what is wrong"
