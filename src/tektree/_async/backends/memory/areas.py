"""Areas in dictionaries, and who follows which of them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from tektree._async.backends.memory.documents import AsyncMemoryDocuments
from tektree.models.areas import Area, Follow
from tektree.models.base import milliseconds
from tektree.models.pages import Position, Slice
from tektree.models.visibility import Sight

__all__ = ["AsyncMemoryAreas", "AsyncMemoryFollows"]

_TOP: Final = ""


class AsyncMemoryAreas(AsyncMemoryDocuments[Area]):
    """The tree of areas, by parent and by author."""

    def __init__(self) -> None:
        super().__init__("area", ("follower_count", "content_count"))

    def _places(self, record: Area) -> Iterable[tuple[object, Position]]:
        place = _place(record)
        return (("below", record.parent_id or _TOP), place), (("by", record.created_by), place)

    def _said(self, record: Area) -> tuple[str, ...]:
        return record.title, record.details

    async def by_slug(self, slug: str) -> Area | None:
        return self._slugged(slug)

    async def below(self, ids: Sequence[str]) -> Sequence[str]:
        with self._lock:
            return [id for each in dict.fromkeys(ids) for _, id in self._shelves.read(("below", each), None)]

    async def children(self, parent_id: str | None, sight: Sight, before: Position | None, limit: int) -> Slice[Area]:
        with self._lock:
            return self._page(self._shelves.read(("below", parent_id or _TOP), before), sight.admits, limit)

    async def search(self, words: Sequence[str], sight: Sight, before: Position | None, limit: int) -> Slice[Area]:
        return self._found(words, sight, before, limit)

    async def made(self, user_id: str, since: datetime, until: datetime) -> int:
        with self._lock:
            return self._shelves.count(("by", user_id), milliseconds(since), milliseconds(until))


def _place(record: Area) -> Position:
    return milliseconds(record.created_at), record.id


class AsyncMemoryFollows(AsyncMemoryDocuments[Follow]):
    """Who follows which area."""

    _maker = "user_id"

    def __init__(self) -> None:
        super().__init__("follow")

    def _places(self, record: Follow) -> Iterable[tuple[object, Position]]:
        return ((record.area_id, (0, record.user_id)),) if record.active else ()

    async def followers(self, area_id: str) -> int:
        with self._lock:
            return self._shelves.count(area_id)

    async def followers_of(self, area_ids: Sequence[str]) -> Mapping[str, int]:
        with self._lock:
            return {id: self._shelves.count(id) for id in area_ids}
