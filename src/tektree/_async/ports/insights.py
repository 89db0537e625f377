"""What insights need from storage. Methods are atomic intents."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from tektree._async.ports.documents import AsyncDocuments
from tektree.models.insights import Insight, InsightFilter, InsightOrder
from tektree.models.pages import Position, Slice
from tektree.models.visibility import Sight

__all__ = ["AsyncInsightRepository"]


class AsyncInsightRepository(AsyncDocuments[Insight], Protocol):
    """Insights. Lists give what a `Sight` admits and nothing else, of equals the greatest id first.

    Positions are likes in what is sorted by likes, else milliseconds since 1970 of the publication, and -1 for drafts,
    which stand behind all that has one.
    """

    async def by_slug(self, slug: str) -> Insight | None:
        """The insight that has this slug or had it."""
        ...

    async def page(
        self, which: InsightFilter, order: InsightOrder, sight: Sight, before: Position | None, limit: int
    ) -> Slice[Insight]:
        """Up to ``limit`` insights that are of all that ``which`` asks for, in this order.

        ``featured`` gives those that are, as they were published, newest first. What is planned and what is published,
        is so as of the sight's ``now``.
        """
        ...

    async def search(self, words: Sequence[str], sight: Sight, before: Position | None, limit: int) -> Slice[Insight]:
        """Up to ``limit`` insights in whose title or body every one of these words begins a word, newest first."""
        ...

    async def made(self, user_id: str, since: datetime, until: datetime) -> int:
        """How many insights the user handed in while ``since ≤ submitted_at < until``, deleted ones too."""
        ...

    async def in_area(self, area_id: str) -> int:
        """How many insights that everybody may see, and whose publication was told, are filed under this area, and not
        deleted."""
        ...

    async def in_areas(self, area_ids: Sequence[str]) -> Mapping[str, int]:
        """The same of several areas; one that has none may be left out."""
        ...

    async def due(self, by: int, limit: int) -> Sequence[str]:
        """The ids of up to ``limit`` insights that are ``due`` by then and not deleted, what waits longest first."""
        ...

    async def shared_with(self, user_id: str, limit: int) -> Sequence[str]:
        """The ids of up to ``limit`` insights that this user is a co-author of, or invited to be; deleted ones too."""
        ...

    async def viewed(self, id: str, times: int) -> None:
        """Adds so many views; nothing happens where the insight is not there, or they would be too many."""
        ...
