"""What areas need from storage: the tree, and who follows which of them.

Methods are atomic intents. What happens together is the first sentence of each.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from tektree._async.ports.documents import AsyncDocuments
from tektree.models.areas import Area, Follow
from tektree.models.pages import Position, Slice
from tektree.models.visibility import Sight

__all__ = ["AsyncAreaRepository", "AsyncFollowRepository"]


class AsyncAreaRepository(AsyncDocuments[Area], Protocol):
    """Areas. Lists give what a `Sight` admits and nothing else, newest first, of one instant the greatest id first.

    Their positions are milliseconds since 1970.
    """

    async def by_slug(self, slug: str) -> Area | None:
        """The area that has this slug or had it."""
        ...

    async def below(self, ids: Sequence[str]) -> Sequence[str]:
        """The ids of all areas directly below any of these, deleted ones too, in no order."""
        ...

    async def children(self, parent_id: str | None, sight: Sight, before: Position | None, limit: int) -> Slice[Area]:
        """Up to ``limit`` areas directly below this one, or at the top (None)."""
        ...

    async def search(self, words: Sequence[str], sight: Sight, before: Position | None, limit: int) -> Slice[Area]:
        """Up to ``limit`` areas in whose title or details every one of these words begins a word."""
        ...

    async def made(self, user_id: str, since: datetime, until: datetime) -> int:
        """How many areas the user created while ``since ≤ created_at < until``, deleted ones too."""
        ...


class AsyncFollowRepository(AsyncDocuments[Follow], Protocol):
    """Who follows which area."""

    async def followers(self, area_id: str) -> int:
        """How many follow this area now."""
        ...

    async def followers_of(self, area_ids: Sequence[str]) -> Mapping[str, int]:
        """The same of several areas; one that nobody follows may be left out."""
        ...
