"""Searches that break a promise are found by the checks that all kinds of content share."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tektree._sync.sdk import memory_backends
from tektree.backends.memory import MemoryQuestions
from tektree.models.pages import Position, Slice
from tektree.models.questions import Question
from tektree.models.visibility import Sight
from tektree.models.words import words
from tektree.testing import checks, run
from tests.lanes import enter

CHECKS = [each for each in checks("questions") if "are_found_" in each and "who_made" not in each]

Found = Slice[Question]


def test_every_kind_that_is_searched_is_checked() -> None:
    assert len(CHECKS) == 3
    for kind in ("areas", "questions", "insights"):
        assert {each.replace("questions", kind) for each in CHECKS} <= set(checks(kind))


class Scans(MemoryQuestions):
    """Looks at all questions one by one: right, and no index."""

    def search(self, words: Sequence[str], sight: Sight, before: Position | None, limit: int) -> Found:
        every = sorted([(self._rank(each.record), each.record) for each in self._stored.values()], reverse=True)
        left = [each for at, each in every if (before is None or at < before) and self.has(each, words)]
        seen = [each for each in left if self.sees(sight, each)]
        return Slice(tuple(seen[:limit]), self._rank(seen[limit - 1]) if len(seen) > limit else None, by="words")

    def has(self, record: Question, sought: Sequence[str]) -> bool:
        said = [word for text in (record.title, record.body) for word in words(text)]
        return all(any(self.fits(word, each) for word in said) for each in sought)

    def fits(self, word: str, sought: str) -> bool:
        return word.startswith(sought)

    def sees(self, sight: Sight, record: Question) -> bool:
        return sight.admits(record)


class FindsInside(Scans):
    def fits(self, word: str, sought: str) -> bool:
        return sought in word


class FindsWholeWords(Scans):
    def fits(self, word: str, sought: str) -> bool:
        return word == sought


class FindsAny(Scans):
    def has(self, record: Question, sought: Sequence[str]) -> bool:
        return any(super(FindsAny, self).has(record, [each]) for each in sought)


class ReadsTitles(Scans):
    def has(self, record: Question, sought: Sequence[str]) -> bool:
        return super().has(record.evolve(body=""), sought)


class ShowsWhatIsDeleted(Scans):
    def sees(self, sight: Sight, record: Question) -> bool:
        return super().sees(sight, record.evolve(deleted_at=None))


class ShowsWhatIsHidden(Scans):
    def sees(self, sight: Sight, record: Question) -> bool:
        return record.deleted_at is None


class ShortPages(Scans):
    def search(self, words: Sequence[str], sight: Sight, before: Position | None, limit: int) -> Found:
        class Everything:
            def admits(self, record: Any) -> bool:
                return True

        found = super().search(words, Everything(), before, limit)  # type: ignore[arg-type]
        return found._replace(items=tuple([each for each in found.items if sight.admits(each)]))


class BeginsAgain(Scans):
    def search(self, words: Sequence[str], sight: Sight, before: Position | None, limit: int) -> Found:
        return super().search(words, sight, None if before is None else (before[0], "f" * 24), limit)


class SaysNothing(Scans):
    def search(self, *given: Any) -> Found:
        return super().search(*given)._replace(by=None)


class NeverForgets(MemoryQuestions):
    def __init__(self) -> None:
        super().__init__()
        self._words.take = lambda position: None  # type: ignore[method-assign]


class NeverLearns(MemoryQuestions):
    def _say(self, old: Question | None, new: Question) -> None:
        if old is None:
            super()._say(old, new)


BROKEN = [
    FindsInside,
    FindsWholeWords,
    FindsAny,
    ReadsTitles,
    ShowsWhatIsDeleted,
    ShowsWhatIsHidden,
    ShortPages,
    BeginsAgain,
    SaysNothing,
    NeverForgets,
    NeverLearns,
]


def said_of(kind: type[MemoryQuestions]) -> list[str]:
    """What the checks say of such a store."""
    found = []
    for check in CHECKS:
        try:
            run(check, lambda: replace(memory_backends(), questions=kind()))
        except AssertionError as error:
            found.append(str(error))
    return found


def test_who_looks_at_everything_keeps_the_promise() -> None:
    enter("memory")
    assert said_of(Scans) == []


@pytest.mark.parametrize("kind", BROKEN, ids=[kind.__name__ for kind in BROKEN])
def test_a_search_that_breaks_a_promise_is_found(kind: type[MemoryQuestions]) -> None:
    enter("memory")
    assert said_of(kind)
