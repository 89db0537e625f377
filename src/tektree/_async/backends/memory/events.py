"""The event log, and the calls of handlers that are due, in lists and dictionaries."""

import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final

from tektree.models.events import (
    Delivery,
    Event,
    EventFilter,
    Posted,
    Posting,
    Recipients,
    Told,
    in_line,
    line_of,
    partition_of,
    recording,
)

__all__ = ["AsyncMemoryDeliveries", "AsyncMemoryEventLog"]


class AsyncMemoryEventLog:
    """Events by id and by stream, and for who reads the log in the orders that it reads them in.

    Those that are not made yet wait until somebody looks. Their ids are derived from their rows, so none of another
    row can be the same; any other event may, so before one is taken in, all that wait are made.
    """

    def __init__(self, lock: "threading.Lock | None" = None) -> None:
        self._lock = lock or threading.Lock()
        self._by_id: dict[str, Event] = {}
        self._streams: dict[str, dict[int, Event]] = {}
        self._lasts: dict[str, int] = {}
        self._waiting: list[tuple[Any, ...]] = []
        """What makes them, and of what: less to keep than what has it."""
        self._marks: dict[str, tuple[Recipients, Posting]] = {}
        self._marked: dict[str, set[int]] = {}
        self._sinks: dict[str, dict[str, int]] = {}
        self._orders = _Orders()

    async def append(self, events: Sequence[Event], posting: Posting | None = None) -> Collection[str]:
        with self._lock:
            if posting is None and type(events) is Told:
                self.add(events)
                return ()
            self._make()
            new = [self._add(event) for event in events]
            if posting is not None:
                for event, is_new, to in zip(events, new, posting.to, strict=True):
                    if is_new:
                        self._mark(event, to, posting)
                        self._sink(event, posting)
            return [event.event_id for event, is_new in zip(events, new, strict=True) if not is_new]

    def add(self, events: Sequence[Event]) -> None:
        """Takes in events that nobody in particular waits for. For who holds the lock.

        Those that are not made yet are put in under it too: making takes longer, and who looks would never catch up.
        """
        if type(events) is Told:
            self._waiting.append(events.facts)
            return
        self._make()
        for event in events:
            self._add(event)

    async def tell(self, event: Event, posting: Posting | None = None) -> tuple[Event, bool]:
        with self._lock:
            self._make()
            first = self._by_id.get(event.event_id)
            if first is not None:
                return first, False
            stream = event.metadata.get("stream")
            if stream is not None:
                number = self._lasts.get(stream, 0) + 1
                event = event.evolve(metadata={**event.metadata, "seq": number})
            self._add(event)
            if posting is not None:
                self._mark(event, posting.to[0], posting)
                self._sink(event, posting)
            return event, True

    async def event(self, event_id: str) -> Event | None:
        with self._lock:
            self._make()
            return self._by_id.get(event_id)

    async def events(self, event_ids: Sequence[str]) -> Sequence[Event]:
        with self._lock:
            self._make()
            return [self._by_id[id] for id in dict.fromkeys(event_ids) if id in self._by_id]

    async def stream(self, stream: str, after: int, limit: int) -> Sequence[Event]:
        with self._lock:
            self._make()
            numbered = self._streams.get(stream, {})
            numbers = range(after + 1, self._lasts.get(stream, 0) + 1)
            return list(islice((numbered[number] for number in numbers if number in numbered), limit))

    async def newest(self, which: EventFilter, before: tuple[datetime, str] | None, limit: int) -> Sequence[Event]:
        with self._lock:
            return self._read().newest(which, before, limit)

    async def recorded(self, which: EventFilter, after: str, limit: int) -> Sequence[Event]:
        with self._lock:
            return self._read().recorded(which, after, limit)

    async def amend(self, events: Sequence[Event]) -> None:
        with self._lock:
            self._make()
            for event in events:
                first = self._by_id.get(event.event_id)
                if first is None:
                    continue
                amended = first.evolve(payload=event.payload, metadata=event.metadata)
                self._by_id[event.event_id] = amended
                numbered, number = self._streams.get(first.metadata.get("stream", ""), {}), first.metadata.get("seq", 0)
                if number in numbered:
                    numbered[number] = amended
            self._orders = _Orders()
            self._orders.arrived.extend(self._by_id.values())

    async def effects(self, event_ids: Sequence[str], limit: int) -> Sequence[Event]:
        with self._lock:
            return self._read().effects(event_ids, limit)

    async def count(self) -> int:
        with self._lock:
            self._make()
            return len(self._by_id)

    async def delivered(self, event_ids: Sequence[str]) -> None:
        with self._lock:
            for id in event_ids:
                if self._marks.pop(id, None) is not None:
                    self._unmark(self._by_id[id])

    async def posted(self, by: str, now: datetime, limit: int) -> Sequence[Posted]:
        with self._lock:
            due = [(id, to, mark) for id, (to, mark) in self._marks.items() if mark.by == by or mark.until <= now]
            due.sort(key=lambda each: each[2].until)
            return sorted([Posted(self._by_id[id], to) for id, to, _ in due[:limit]], key=_posted)

    async def awaited(self, stream: str, before: int) -> bool:
        with self._lock:
            return any(number < before for number in self._marked.get(stream, ()))

    async def behind(self, sink: str) -> Collection[int]:
        with self._lock:
            return set(self._sinks.get(sink, {}).values())

    async def unpublished(self, sink: str, partitions: Collection[int], limit: int) -> Sequence[Event]:
        with self._lock:
            marked = [id for id, partition in self._sinks.get(sink, {}).items() if partition in partitions]
            return sorted([self._by_id[id] for id in marked], key=in_line)[:limit]

    async def published(self, sink: str, event_ids: Sequence[str]) -> None:
        with self._lock:
            marked = self._sinks.get(sink, {})
            for id in event_ids:
                marked.pop(id, None)

    def _sink(self, event: Event, posting: Posting) -> None:
        for sink in posting.sinks:
            self._sinks.setdefault(sink, {})[event.event_id] = partition_of(line_of(event))

    def _mark(self, event: Event, to: Recipients, posting: Posting) -> None:
        if to:
            self._marks[event.event_id] = to, posting
            stream = event.metadata.get("stream")
            if stream is not None:
                self._marked.setdefault(stream, set()).add(event.metadata.get("seq", 0))

    def _unmark(self, event: Event) -> None:
        stream = event.metadata.get("stream")
        if stream is not None:
            marked = self._marked[stream]
            marked.discard(event.metadata.get("seq", 0))
            if not marked:
                del self._marked[stream]

    def _make(self) -> None:
        if self._waiting:
            for tell, *facts in self._waiting:
                for event in tell(*facts):
                    self._add(event)
            self._waiting.clear()  # not before: whoever is interrupted begins again

    def _add(self, event: Event) -> bool:
        """Whether it was not there yet."""
        id, metadata = event.event_id, event.metadata
        if id in self._by_id:
            return False
        stream, number = metadata.get("stream"), metadata.get("seq")
        if stream is not None and number is not None:
            numbered = self._streams.get(stream)
            if numbered is None:
                numbered = self._streams[stream] = {}
            if number in numbered:
                return False
            numbered[number] = event
            self._lasts[stream] = max(number, self._lasts.get(stream, 0))
        self._by_id[id] = event
        self._orders.arrived.append(event)
        return True

    def _read(self) -> "_Orders":
        self._make()
        return self._orders


class _Orders:
    """Events in the orders that they are read in. Each order takes in what is new when it is asked for."""

    def __init__(self) -> None:
        self.arrived: list[Event] = []
        self._dated: dict[tuple[str, str], list[Event]] = {}
        self._recorded: list[Event] = []
        self._effects: dict[str, list[Event]] = {}
        self._seen = {"dated": 0, "recorded": 0, "effects": 0}

    def _unseen(self, order: str) -> Sequence[Event]:
        start = self._seen[order]
        self._seen[order] = len(self.arrived)
        return self.arrived[start:]

    def newest(self, which: EventFilter, before: tuple[datetime, str] | None, limit: int) -> list[Event]:
        for event in self._unseen("dated"):
            self._date(event)
        keys = [(name, value) for name, value in zip(which._fields, which, strict=True) if value is not None]
        lists = [self._dated.get(key, []) for key in keys or [("", "")]]
        events = min(lists, key=len)
        end = len(events) if before is None else bisect_left(events, before, key=_date)
        found: list[Event] = []
        for at in range(end - 1, -1, -1):
            if _fits(events[at], which):
                found.append(events[at])
                if len(found) == limit:
                    break
        return found

    def _date(self, event: Event) -> None:
        for key in (
            ("", ""),
            ("uid", event.payload.get("user_id", "")),
            ("event_type", event.event_type),
            ("correlation_id", event.correlation_id),
            *([("traced", event.metadata["user_id"])] if _is_traced(event) else []),
        ):
            insort(self._dated.setdefault(key, []), event, key=_date)

    def recorded(self, which: EventFilter, after: str, limit: int) -> list[Event]:
        events = self._recorded
        for event in self._unseen("recorded"):
            at = event.metadata.get("recorded_at")
            if at is None:
                continue
            if not events or at > events[-1].metadata["recorded_at"]:
                events.append(event)
            else:
                insort(events, event, key=recording)
        found: list[Event] = []
        last = None
        for number in range(bisect_right(events, (after, _LAST, 0, ""), key=recording), len(events)):
            event = events[number]
            if _fits(event, which):
                at = event.metadata["recorded_at"]
                if at != last and len(found) >= limit:
                    break
                found.append(event)
                last = at
        return found

    def effects(self, event_ids: Sequence[str], limit: int) -> list[Event]:
        for event in self._unseen("effects"):
            if "causation_id" in event.metadata:
                insort(self._effects.setdefault(event.metadata["causation_id"], []), event, key=recording)
        found = [event for id in dict.fromkeys(event_ids) for event in self._effects.get(id, ())]
        return sorted(found, key=recording)[:limit]


_LAST: Final = "\U0010ffff"
"""Behind every stream."""


def _date(event: Event) -> tuple[datetime, str]:
    return event.timestamp, event.id


def _posted(posted: Posted) -> tuple[str, str, int, str]:
    return recording(posted.event)


def _fits(event: Event, which: EventFilter) -> bool:
    return (
        (which.uid is None or event.payload.get("user_id") == which.uid)
        and (which.event_type is None or event.event_type == which.event_type)
        and (which.correlation_id is None or event.correlation_id == which.correlation_id)
        and (which.traced is None or (_is_traced(event) and event.metadata["user_id"] == which.traced))
    )


def _is_traced(event: Event) -> bool:
    return bool(event.metadata.get("ip_address")) and isinstance(event.metadata.get("user_id"), str)


class AsyncMemoryDeliveries:
    """Deliveries by id. There are only those that failed and those behind them, so they are looked through."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_id: dict[str, Delivery] = {}

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        with self._lock:
            for delivery in deliveries:
                self._by_id.setdefault(delivery.id, delivery)

    async def blocked(self, handlers: Sequence[str], line: str) -> Collection[str]:
        if not self._by_id:
            return ()
        with self._lock:
            return {
                each.handler
                for each in self._by_id.values()
                if each.handler in handlers
                and (each.blocks == "handler" or (each.blocks == "line" and each.line == line))
            }

    async def held(self, handler: str, lines: Collection[str]) -> Collection[str]:
        if not self._by_id:
            return ()
        with self._lock:
            mine = [each for each in self._by_id.values() if each.handler == handler]
        if any(each.blocks == "handler" for each in mine):
            return lines
        return {each.line for each in mine if each.blocks == "line" and each.line in lines}

    async def heads(self, handlers: Sequence[str], limit: int) -> Sequence[Delivery]:
        with self._lock:
            mine = [each for each in self._by_id.values() if each.handler in handlers and each.blocks != "nothing"]
        halted = {each.handler for each in mine if each.blocks == "handler"}
        heads: dict[tuple[str, str], Delivery] = {}
        for each in sorted(mine, key=lambda each: (each.seq, each.id)):
            heads.setdefault((each.handler, each.line), each)
        waiting = [each for each in heads.values() if each.state == "waiting" and each.handler not in halted]
        return sorted(waiting, key=lambda each: (each.due, each.id))[:limit]

    async def claim(self, id: str, token: str, now: datetime, until: datetime) -> Delivery | None:
        with self._lock:
            found = self._by_id.get(id)
            if found is None or found.state != "waiting" or (found.token and found.until > now):
                return None
            claimed = found.evolve(token=token, until=until, attempts=found.attempts + 1)
            self._by_id[id] = claimed
            return claimed

    async def put(self, delivery: Delivery, token: str) -> None:
        with self._lock:
            found = self._by_id.get(delivery.id)
            if found is not None and found.token == token:
                self._by_id[delivery.id] = delivery

    async def remove(self, id: str, token: str) -> None:
        with self._lock:
            found = self._by_id.get(id)
            if found is not None and found.token == token:
                del self._by_id[id]

    async def get(self, id: str) -> Delivery | None:
        return self._by_id.get(id)

    async def dead(self, handler: str | None, after: str | None, limit: int) -> Sequence[Delivery]:
        with self._lock:
            found = [each for each in self._by_id.values() if each.state == "dead" and handler in (None, each.handler)]
        return sorted([each for each in found if after is None or each.id > after], key=lambda each: each.id)[:limit]

    async def revive(self, id: str, now: datetime) -> bool:
        with self._lock:
            found = self._by_id.get(id)
            if found is None or found.state != "dead":
                return False
            self._by_id[id] = found.evolve(
                state="waiting", blocks="line", attempts=0, due=now, token="", until=now, reason=""
            )
            return True

    async def discard(self, id: str) -> bool:
        with self._lock:
            found = self._by_id.get(id)
            if found is None or found.state != "dead":
                return False
            del self._by_id[id]
            return True

    async def waiting(self) -> int:
        with self._lock:
            return sum(each.state == "waiting" for each in self._by_id.values())
