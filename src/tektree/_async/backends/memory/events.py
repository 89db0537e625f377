"""The event log in a list."""

import threading
from collections.abc import Iterable, Sequence

from tektree.models.events import Event, Told

__all__ = ["AsyncMemoryEventLog"]


class AsyncMemoryEventLog:
    """Events in the order of their arrival, and by stream in the order of their numbers.

    Those that are not made yet wait by stream, until somebody looks at it. Their ids are derived from their rows, so
    none of another stream can be the same; any other event may, so before one is taken in, all that wait are made.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_id: dict[str, Event] = {}
        self._streams: dict[str, dict[int, Event]] = {}
        self._waiting: dict[str, list[Told]] = {}

    async def append(self, events: Sequence[Event]) -> None:
        with self._lock:
            if type(events) is Told:
                self._waiting.setdefault(events.stream, []).append(events)
                return
            for stream in list(self._waiting):
                self._make(stream)
            self._add(events)

    async def stream(self, stream: str, after: int, limit: int) -> Sequence[Event]:
        with self._lock:
            self._make(stream)
            numbered = self._streams.get(stream, {})
            numbers = range(after + 1, min(after + limit, max(numbered, default=0)) + 1)
            return [numbered[number] for number in numbers if number in numbered]

    def _make(self, stream: str) -> None:
        for told in self._waiting.pop(stream, ()):
            self._add(told)

    def _add(self, events: Iterable[Event]) -> None:
        for event in events:
            if event.event_id not in self._by_id:
                self._by_id[event.event_id] = event
                self._streams.setdefault(event.metadata["stream"], {})[event.metadata["seq"]] = event
