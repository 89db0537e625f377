"""Insights in memory keep every promise of their port, in both flavours; a store that breaks one is found."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from tektree._async.sdk import memory_backends as async_memory_backends
from tektree._sync.sdk import memory_backends
from tektree.backends.memory import MemoryInsights
from tektree.models.insights import Insight, InsightFilter
from tektree.testing import checks, run, run_async
from tests.lanes import enter

CHECKS = checks("insights")


@pytest.mark.parametrize("check", CHECKS)
def test_memory_keeps(check: str) -> None:
    enter("memory")
    run(check, memory_backends)


@pytest.mark.parametrize("check", CHECKS)
def test_async_memory_keeps(check: str) -> None:
    enter("memory")
    asyncio.run(run_async(check, async_memory_backends))


def test_storages_without_insights_are_found() -> None:
    for check in CHECKS:
        with pytest.raises(AssertionError, match="the storages have no"):
            run(check, replace(memory_backends(), insights=None))


class KnowsOnlyPresentSlugs(MemoryInsights):
    def by_slug(self, slug: str) -> Insight | None:
        found = super().by_slug(slug)
        return found if found is not None and found.slug == slug else None


class AsksForTheFirstThing(MemoryInsights):
    def page(self, which: InsightFilter, *more: Any) -> Any:
        given = [(name, value) for name, value in zip(which._fields, which, strict=True) if value is not None]
        return super().page(InsightFilter(**dict(given[:1])), *more)  # type: ignore[arg-type]


class AlwaysNewest(MemoryInsights):
    def page(self, which: InsightFilter, order: Any, *more: Any) -> Any:
        return super().page(which, "newest", *more)


class DraftsAreNowhere(MemoryInsights):
    def page(self, which: InsightFilter, *more: Any) -> Any:
        found = super().page(which, *more)
        return found._replace(items=tuple([each for each in found.items if each.published_at is not None]))


class ShowsEverything(MemoryInsights):
    def page(self, which: InsightFilter, order: Any, sight: Any, *more: Any) -> Any:
        class Everything:
            now = sight.now

            def admits(self, record: Any) -> bool:
                return record.deleted_at is None

        return super().page(which, order, Everything(), *more)  # type: ignore[arg-type]


class StaysWhereItWas(MemoryInsights):
    def counted(self, id: str, tally: int, **counts: int) -> bool:
        stored = self._stored.get(id)
        if stored is None or self._tallies.get(id, 0) != tally:
            return False
        self._tallies[id] = tally + 1
        self._stored[id] = stored._replace(record=stored.record.evolve(**counts))
        return True


class CountsWhatIsHidden(MemoryInsights):
    def in_area(self, area_id: str) -> int:
        return self._shelves.count(("newest", "area", area_id))


class CountsToTheEnd(MemoryInsights):
    def made(self, user_id: str, since: datetime, until: datetime) -> int:
        return super().made(user_id, since, until.replace(year=2100))


class CountsDrafts(MemoryInsights):
    def made(self, user_id: str, since: datetime, until: datetime) -> int:
        made = [each.record for each in self._stored.values() if each.record.created_by == user_id]
        return len([each for each in made if since <= each.created_at < until])


class EverythingIsDue(MemoryInsights):
    def due(self, by: int, limit: int) -> Sequence[str]:
        return [id for id, each in self._stored.items() if each.record.due is not None][:limit]


class TheNewestIsDueFirst(MemoryInsights):
    def due(self, by: int, limit: int) -> Sequence[str]:
        return list(reversed(super().due(by, 99)))[:limit]


class InvitationsAreForgotten(MemoryInsights):
    def shared_with(self, user_id: str, limit: int) -> Sequence[str]:
        return [id for id, each in self._stored.items() if user_id in each.record.co_authors][:limit]


class OneViewAtATime(MemoryInsights):
    def viewed(self, id: str, times: int) -> None:
        super().viewed(id, 1)


class SwapsViewsAway(MemoryInsights):
    def __init__(self) -> None:
        super().__init__()
        self._counts = ()


class SearchesTitles(MemoryInsights):
    def _said(self, record: Insight) -> tuple[str, ...]:
        return (record.title,)


BROKEN = [
    KnowsOnlyPresentSlugs,
    AsksForTheFirstThing,
    AlwaysNewest,
    DraftsAreNowhere,
    ShowsEverything,
    StaysWhereItWas,
    CountsWhatIsHidden,
    CountsToTheEnd,
    CountsDrafts,
    EverythingIsDue,
    TheNewestIsDueFirst,
    InvitationsAreForgotten,
    OneViewAtATime,
    SwapsViewsAway,
    SearchesTitles,
]


@pytest.mark.parametrize("kind", BROKEN, ids=[kind.__name__ for kind in BROKEN])
def test_a_storage_that_breaks_a_promise_is_found(kind: type[MemoryInsights]) -> None:
    enter("memory")
    said = []
    for check in CHECKS:
        try:
            run(check, lambda: replace(memory_backends(), insights=kind()))
        except AssertionError as error:
            said.append(str(error))
        except Exception as error:  # a swap that is stale where none should be
            said.append(f"raised {error!r}")
    assert said
    assert all(len(each) > 10 for each in said), "a check that fails says what is wrong"
