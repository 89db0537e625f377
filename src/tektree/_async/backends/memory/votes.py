"""Votes in dictionaries, by what they are about."""

from collections.abc import Iterable, Mapping, Sequence

from tektree._async.backends.memory.documents import AsyncMemoryDocuments
from tektree.models.pages import Position
from tektree.models.votes import Tally, Vote

__all__ = ["AsyncMemoryVotes"]


class AsyncMemoryVotes(AsyncMemoryDocuments[Vote]):
    """Votes on each thing, for it and against it."""

    _maker = "user_id"

    def __init__(self) -> None:
        super().__init__("vote")

    def _places(self, record: Vote) -> Iterable[tuple[object, Position]]:
        yield (record.target_id, record.value), (0, record.id)
        yield ("on", record.target_id), (0, record.id)

    async def of_target(self, target_id: str) -> Tally:
        with self._lock:
            return self._tally(target_id)

    async def of_targets(self, target_ids: Sequence[str]) -> Mapping[str, Tally]:
        with self._lock:
            return {id: self._tally(id) for id in target_ids}

    async def on_target(self, target_id: str, after: str | None, limit: int) -> Sequence[Vote]:
        with self._lock:
            ids = [id for _, id in self._shelves.read(("on", target_id), None) if after is None or id > after]
            return [self._stored[id].record for id in ids[::-1][:limit]]

    def _tally(self, target_id: str) -> Tally:
        return Tally(self._shelves.count((target_id, 1)), self._shelves.count((target_id, -1)))
