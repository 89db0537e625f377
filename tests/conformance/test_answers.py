"""Answers in memory keep every promise of their port, in both flavours; a store that breaks one is found."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from tektree._async.sdk import memory_backends as async_memory_backends
from tektree._sync.sdk import memory_backends
from tektree.backends.memory import MemoryAnswers
from tektree.models.answers import Answer
from tektree.models.pages import Position
from tektree.testing import checks, run, run_async
from tests.lanes import enter

CHECKS = checks("answers")


@pytest.mark.parametrize("check", CHECKS)
def test_memory_keeps(check: str) -> None:
    enter("memory")
    run(check, memory_backends)


@pytest.mark.parametrize("check", CHECKS)
def test_async_memory_keeps(check: str) -> None:
    enter("memory")
    asyncio.run(run_async(check, async_memory_backends))


class ShowsTheDeleted(MemoryAnswers):
    def _places(self, record: Answer) -> Iterable[tuple[object, Position]]:
        return super()._places(record.evolve(deleted_at=None))


class OfAllQuestions(MemoryAnswers):
    def _places(self, record: Answer) -> Iterable[tuple[object, Position]]:
        return super()._places(record.evolve(question_id="a" * 24))

    def page(self, question_id: str, *more: Any) -> Any:
        return super().page("a" * 24, *more)


class AlwaysNewest(MemoryAnswers):
    def page(self, question_id: str, order: Any, *more: Any) -> Any:
        return super().page(question_id, "newest", *more)


class SwapsAcceptance(MemoryAnswers):
    def __init__(self) -> None:
        super().__init__()
        self._counts = ("upvote_count", "downvote_count")

    def counted(self, id: str, tally: int, **counts: Any) -> bool:
        return super().counted(id, tally, **counts)


class CountsToTheEnd(MemoryAnswers):
    def made(self, user_id: str, since: datetime, until: datetime) -> int:
        return super().made(user_id, since, until.replace(year=2100))


class CountsEveryAnswer(MemoryAnswers):
    def of_questions(self, question_ids: Sequence[str]) -> Mapping[str, int]:
        every = [each.record.question_id for each in self._stored.values()]
        return {id: every.count(id) for id in question_ids}


BROKEN = [CountsEveryAnswer, ShowsTheDeleted, OfAllQuestions, AlwaysNewest, SwapsAcceptance, CountsToTheEnd]


@pytest.mark.parametrize("kind", BROKEN, ids=[kind.__name__ for kind in BROKEN])
def test_a_storage_that_breaks_a_promise_is_found(kind: type[MemoryAnswers]) -> None:
    enter("memory")
    said = []
    for check in CHECKS:
        try:
            run(check, lambda: replace(memory_backends(), answers=kind()))
        except AssertionError as error:
            said.append(str(error))
    assert said
    assert all(len(each) > 10 for each in said), "a check that fails says what is wrong"
