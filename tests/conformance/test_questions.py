"""Questions in memory keep every promise of their port, in both flavours; a store that breaks one is found."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from tektree._async.sdk import memory_backends as async_memory_backends
from tektree._sync.sdk import memory_backends
from tektree.backends.memory import MemoryQuestions
from tektree.models.questions import Question, QuestionFilter
from tektree.testing import checks, run, run_async
from tests.lanes import enter

CHECKS = checks("questions")


@pytest.mark.parametrize("check", CHECKS)
def test_memory_keeps(check: str) -> None:
    enter("memory")
    run(check, memory_backends)


@pytest.mark.parametrize("check", CHECKS)
def test_async_memory_keeps(check: str) -> None:
    enter("memory")
    asyncio.run(run_async(check, async_memory_backends))


def test_storages_without_questions_are_found() -> None:
    for check in CHECKS:
        with pytest.raises(AssertionError, match="the storages have no"):
            run(check, replace(memory_backends(), questions=None))


class KnowsOnlyPresentSlugs(MemoryQuestions):
    def by_slug(self, slug: str) -> Question | None:
        found = super().by_slug(slug)
        return found if found is not None and found.slug == slug else None


class AsksForTheFirstThing(MemoryQuestions):
    def page(self, which: QuestionFilter, *more: Any) -> Any:
        given = [(name, value) for name, value in zip(which._fields, which, strict=True) if value is not None]
        return super().page(QuestionFilter(**dict(given[:1])), *more)  # type: ignore[arg-type]


class AlwaysNewest(MemoryQuestions):
    def page(self, which: QuestionFilter, order: Any, *more: Any) -> Any:
        return super().page(which, "newest", *more)


class ShowsEverything(MemoryQuestions):
    def page(self, which: QuestionFilter, order: Any, sight: Any, *more: Any) -> Any:
        class Everything:
            def admits(self, record: Any) -> bool:
                return record.deleted_at is None

        return super().page(which, order, Everything(), *more)  # type: ignore[arg-type]


class StaysWhereItWas(MemoryQuestions):
    def counted(self, id: str, tally: int, **counts: int) -> bool:
        stored = self._stored.get(id)
        if stored is None or self._tallies.get(id, 0) != tally:
            return False
        self._tallies[id] = tally + 1
        self._stored[id] = stored._replace(record=stored.record.evolve(**counts))
        return True


class CountsWhatIsHidden(MemoryQuestions):
    def in_area(self, area_id: str) -> int:
        return self._shelves.count(("newest", "area", area_id))


class CountsToTheEnd(MemoryQuestions):
    def made(self, user_id: str, since: datetime, until: datetime) -> int:
        return super().made(user_id, since, until.replace(year=2100))


class FilesOfTheDeletedAreFree(MemoryQuestions):
    def _is_of_others(self, user_id: str, file: str) -> bool:
        records = [each.record for each in self._stored.values() if file in each.record.files]
        return any(each.created_by != user_id and each.deleted_at is None for each in records)


class FilesAreAnybodys(MemoryQuestions):
    def of_others(self, user_id: str, files: Sequence[str]) -> Sequence[str]:
        return []


class OneViewAtATime(MemoryQuestions):
    def viewed(self, id: str, times: int) -> None:
        super().viewed(id, 1)


class SwapsViewsAway(MemoryQuestions):
    def __init__(self) -> None:
        super().__init__()
        self._counts = ()


class ViewsAreVersions(MemoryQuestions):
    def viewed(self, id: str, times: int) -> None:
        super().viewed(id, times)
        if id in self._stored:
            self._stored[id] = self._stored[id]._replace(version=9)


class SearchesTitles(MemoryQuestions):
    def _said(self, record: Question) -> tuple[str, ...]:
        return (record.title,)


class FilesTwice(MemoryQuestions):
    def in_areas(self, area_ids: Sequence[str]) -> Mapping[str, int]:
        every = [area for each in self._stored.values() for area in each.record.areas]
        return {id: every.count(id) for id in area_ids}


BROKEN = [
    FilesTwice,
    KnowsOnlyPresentSlugs,
    AsksForTheFirstThing,
    AlwaysNewest,
    ShowsEverything,
    StaysWhereItWas,
    CountsWhatIsHidden,
    CountsToTheEnd,
    FilesOfTheDeletedAreFree,
    FilesAreAnybodys,
    OneViewAtATime,
    SwapsViewsAway,
    ViewsAreVersions,
    SearchesTitles,
]


@pytest.mark.parametrize("kind", BROKEN, ids=[kind.__name__ for kind in BROKEN])
def test_a_storage_that_breaks_a_promise_is_found(kind: type[MemoryQuestions]) -> None:
    enter("memory")
    said = []
    for check in CHECKS:
        try:
            run(check, lambda: replace(memory_backends(), questions=kind()))
        except AssertionError as error:
            said.append(str(error))
        except Exception as error:  # a swap that is stale where none should be
            said.append(f"raised {error!r}")
    assert said
    assert all(len(each) > 10 for each in said), "a check that fails says what is wrong"
