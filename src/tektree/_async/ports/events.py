"""What events need from storage."""

from collections.abc import Sequence
from typing import Protocol

from tektree.models.events import Event

__all__ = ["AsyncEventLog"]


class AsyncEventLog(Protocol):
    """The log of what happened. It only grows."""

    async def append(self, events: Sequence[Event]) -> None:
        """Adds ``events`` in their order.

        One whose ``event_id`` is there already is passed over: telling it twice is telling it once.
        """
        ...

    async def stream(self, stream: str, after: int, limit: int) -> Sequence[Event]:
        """Up to ``limit`` events of one stream behind number ``after``, in the order of their numbers."""
        ...
