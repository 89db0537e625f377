"""The event log in a list."""

import threading
from collections.abc import Sequence

from tektree.models.events import Event

__all__ = ["AsyncMemoryEventLog"]


class AsyncMemoryEventLog:
    """Events in the order of their arrival, and by stream in the order of their numbers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_id: dict[str, Event] = {}
        self._streams: dict[str, dict[int, Event]] = {}

    async def append(self, events: Sequence[Event]) -> None:
        with self._lock:
            for event in events:
                if event.event_id not in self._by_id:
                    self._by_id[event.event_id] = event
                    self._streams.setdefault(event.metadata["stream"], {})[event.metadata["seq"]] = event

    async def stream(self, stream: str, after: int, limit: int) -> Sequence[Event]:
        with self._lock:
            numbered = self._streams.get(stream, {})
            numbers = range(after + 1, min(after + limit, max(numbered, default=0)) + 1)
            return [numbered[number] for number in numbers if number in numbered]
