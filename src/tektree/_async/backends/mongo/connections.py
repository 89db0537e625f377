"""Connections in MongoDB."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from bson import ObjectId

from tektree._async.backends.mongo.documents import AsyncMongoDocuments, behind
from tektree._async.backends.mongo.driver import AsyncMongo
from tektree.models.connections import Connection, ContactStatus
from tektree.models.pages import Position, Slice
from tektree.wire.collections import CONNECTIONS

__all__ = ["AsyncMongoConnections"]

_BY: Final = "at"
_STANDING: Final[Mapping[str, Callable[[ObjectId], dict[str, Any]]]] = {
    "connected": lambda user: {"users": user, "status": "connected"},
    "sent": lambda user: {"users": user, "status": "requested", "asked": user},
    "received": lambda user: {"users": user, "status": "requested", "asked": {"$ne": user}, "blocked": {"$ne": user}},
    "blocked": lambda user: {"blocked": user},
    "none": lambda user: {"users": user, "status": "none", "blocked": {"$ne": user}},
}
"""What a connection looks like that is in a status for a user."""


class AsyncMongoConnections(AsyncMongoDocuments[Connection]):
    """Connections in ``connections``. Every method is one command."""

    _maker = "users"

    def __init__(self, mongo: AsyncMongo) -> None:
        super().__init__(mongo, CONNECTIONS, Connection, "connection")

    async def connected(self, user_id: str, limit: int) -> Sequence[str]:
        user = ObjectId(user_id)
        with self._mongo.reading(CONNECTIONS):
            found = self._documents.find(_STANDING["connected"](user), {"users": 1})
            documents = await self._mongo.listed(found.sort([(_BY, -1), ("_id", -1)]).limit(limit))
        return [str(other) for document in documents for other in document["users"] if other != user]

    async def page(self, user_id: str, status: ContactStatus, before: Position | None, limit: int) -> Slice[Connection]:
        return await self._page({**_STANDING[status](ObjectId(user_id)), **behind(before, _BY)}, _BY, limit)

    async def count(self, user_id: str, status: ContactStatus) -> int:
        with self._mongo.reading(CONNECTIONS):
            return int(await self._documents.count_documents(_STANDING[status](ObjectId(user_id))))
