"""Connections in dictionaries, by user and by what the other is to them."""

from collections.abc import Iterable, Sequence

from tektree._async.backends.memory.documents import AsyncMemoryDocuments
from tektree.models.base import milliseconds
from tektree.models.connections import Connection, ContactStatus, contact
from tektree.models.pages import Position, Slice

__all__ = ["AsyncMemoryConnections"]


class AsyncMemoryConnections(AsyncMemoryDocuments[Connection]):
    """Connections of each user."""

    def __init__(self) -> None:
        super().__init__("connection")

    def _places(self, record: Connection) -> Iterable[tuple[object, Position]]:
        place = milliseconds(record.at), record.id
        for user in record.users:
            yield user, (0, record.id)
            yield (user, contact(record, user).status), place

    async def of_user(self, user_id: str, after: str | None, limit: int) -> Sequence[Connection]:
        with self._lock:
            theirs = [id for _, id in self._shelves.read(user_id, None)][::-1]
            return [self._stored[id].record for id in theirs if after is None or id > after][:limit]

    async def connected(self, user_id: str, limit: int) -> Sequence[str]:
        found = (await self.page(user_id, "connected", None, limit)).items
        return [contact(each, user_id).user_id for each in found]

    async def page(self, user_id: str, status: ContactStatus, before: Position | None, limit: int) -> Slice[Connection]:
        with self._lock:
            return self._page(self._shelves.read((user_id, status), before), lambda _: True, limit)

    async def count(self, user_id: str, status: ContactStatus) -> int:
        with self._lock:
            return self._shelves.count((user_id, status))
