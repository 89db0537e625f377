"""What connections need from storage. Methods are atomic intents."""

from collections.abc import Sequence
from typing import Protocol

from tektree._async.ports.documents import AsyncDocuments
from tektree.models.connections import Connection, ContactStatus
from tektree.models.pages import Position, Slice

__all__ = ["AsyncConnectionRepository"]


class AsyncConnectionRepository(AsyncDocuments[Connection], Protocol):
    """Connections. The id of one follows from the two users, so there is one for each pair; both have made it."""

    async def connected(self, user_id: str, limit: int) -> Sequence[str]:
        """The ids of up to ``limit`` users whom this one is connected with, the latest first."""
        ...

    async def page(self, user_id: str, status: ContactStatus, before: Position | None, limit: int) -> Slice[Connection]:
        """Up to ``limit`` connections that are in this status for this user, the latest first, at one instant the
        greatest id first. Positions are milliseconds since 1970.
        """
        ...

    async def count(self, user_id: str, status: ContactStatus) -> int:
        """How many connections are in this status for this user."""
        ...
