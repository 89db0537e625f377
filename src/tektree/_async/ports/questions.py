"""What questions need from storage. Methods are atomic intents."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from tektree._async.ports.documents import AsyncDocuments
from tektree.models.pages import Position, Slice
from tektree.models.questions import Order, Question, QuestionFilter
from tektree.models.visibility import Sight

__all__ = ["AsyncQuestionRepository"]


class AsyncQuestionRepository(AsyncDocuments[Question], Protocol):
    """Questions. Lists give what a `Sight` admits and nothing else, of equals the greatest id first.

    Positions are milliseconds since 1970 in what is sorted by age, and votes in what is sorted by votes.
    """

    async def by_slug(self, slug: str) -> Question | None:
        """The question that has this slug or had it."""
        ...

    async def page(
        self, which: QuestionFilter, order: Order, sight: Sight, before: Position | None, limit: int
    ) -> Slice[Question]:
        """Up to ``limit`` questions that are of all that ``which`` asks for, in this order."""
        ...

    async def search(self, words: Sequence[str], sight: Sight, before: Position | None, limit: int) -> Slice[Question]:
        """Up to ``limit`` questions in whose title or body every one of these words begins a word, newest first."""
        ...

    async def made(self, user_id: str, since: datetime, until: datetime) -> int:
        """How many questions the user asked while ``since ≤ created_at < until``, deleted ones too."""
        ...

    async def in_area(self, area_id: str) -> int:
        """How many questions that everybody may see are filed under this area, and not deleted."""
        ...

    async def in_areas(self, area_ids: Sequence[str]) -> Mapping[str, int]:
        """The same of several areas; one that has none may be left out."""
        ...

    async def of_others(self, user_id: str, files: Sequence[str]) -> Sequence[str]:
        """Those of these files that somebody else's questions hold, deleted ones too."""
        ...

    async def viewed(self, id: str, times: int) -> None:
        """Adds so many views; nothing happens where the question is not there, or they would be too many."""
        ...
