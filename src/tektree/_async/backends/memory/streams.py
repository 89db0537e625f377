"""What events need beyond this process, in this process's memory: for tests, and for consumers beside the commands."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from tektree.errors import NotFound
from tektree.models.events import PARTITIONS, Change, Effect, Entry, Event, Lease, Pending, line_of, partition_of

__all__ = ["AsyncMemoryEffects", "AsyncMemoryLeases", "AsyncMemoryStreams"]

_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


class AsyncMemoryLeases:
    """Leases by name and partition."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._leases: dict[tuple[str, int], Lease] = {}

    async def claim(
        self, name: str, partitions: Collection[int], token: str, now: datetime, until: datetime, due: datetime
    ) -> Sequence[Lease]:
        found = []
        with self._lock:
            for partition in sorted(partitions):
                lease = self._leases.get((name, partition)) or Lease(name, partition, "", _ALWAYS, _ALWAYS)
                if lease.due <= due and (not lease.token or lease.until <= now):
                    claimed = lease._replace(token=token, until=until, attempts=lease.attempts + 1)
                    self._leases[name, partition] = claimed
                    found.append(claimed)
        return found

    async def renew(self, name: str, token: str, now: datetime, until: datetime) -> Collection[int]:
        with self._lock:
            mine = [each for each in self._of(name, token) if each.until > now]
            for each in mine:
                self._leases[name, each.partition] = each._replace(until=until)
            return {each.partition for each in mine}

    async def release(self, name: str, token: str, due: datetime, failures: int) -> None:
        with self._lock:
            for each in self._of(name, token):
                back = each._replace(token="", due=due, attempts=0, failures=failures)
                self._leases[name, each.partition] = back

    def _of(self, name: str, token: str) -> list[Lease]:
        return [each for each in self._leases.values() if (each.name, each.token) == (name, token)]


class _Group:
    """How far a group got in one partition, and which entries it has not acknowledged: whose, since when, how often."""

    def __init__(self) -> None:
        self.last = 0
        self.pending: dict[int, tuple[str, datetime, int]] = {}


class _Part:
    """A partition: its entries by number, and its groups."""

    def __init__(self) -> None:
        self.entries: dict[int, Event] = {}
        self.next = 1
        self.groups: dict[str, _Group] = {}


class AsyncMemoryStreams:
    """Streams in lists. ``clock`` says for how long a consumer has had an entry."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._parts: list[_Part] = [_Part() for _ in range(PARTITIONS)]

    async def publish(self, events: Sequence[Event], again: bool) -> None:
        with self._lock:
            for event in events:
                part = self._parts[partition_of(line_of(event))]
                if again and any(each.event_id == event.event_id for each in part.entries.values()):
                    continue
                part.entries[part.next] = event
                part.next += 1

    async def join(self, group: str, behind: bool = False) -> bool:
        with self._lock:
            missing = [part for part in self._parts if group not in part.groups]
            for part in missing:
                part.groups[group] = its = _Group()
                its.last = part.next - 1 if behind else 0
            return bool(missing)

    async def pending(self, group: str, consumer: str | None, idle: timedelta, limit: int) -> Sequence[Pending]:
        before = self._clock() - idle
        with self._lock:
            return [
                each
                for at, part in enumerate(self._parts)
                for each in [
                    Pending(at, str(id), times)
                    for id, (whose, since, times) in sorted(_in(part, group).pending.items())
                    if consumer in (None, whose) and since <= before
                ][:limit]
            ]

    async def again(self, group: str, consumer: str, pending: Sequence[Pending], idle: timedelta) -> Sequence[Entry]:
        before = self._clock() - idle
        found = []
        with self._lock:
            for each in pending:
                part, id = self._parts[each.partition], int(each.id)
                its = _in(part, group).pending
                if id not in part.entries:
                    its.pop(id, None)
                elif id in its and its[id][1] <= before:
                    found.append(self._hand_out(each.partition, group, id, consumer))
        return found

    async def take(self, group: str, consumer: str, limit: int) -> Sequence[Entry]:
        found = []
        with self._lock:
            for at, part in enumerate(self._parts):
                its = _in(part, group)
                for id in [id for id in part.entries if id > its.last][:limit]:
                    its.last = id
                    found.append(self._hand_out(at, group, id, consumer))
        return found

    async def acknowledge(self, group: str, entries: Sequence[Entry]) -> None:
        with self._lock:
            for each in entries:
                its = self._parts[each.partition].groups.get(group)
                if its is not None:
                    its.pending.pop(int(each.id), None)

    async def trim(self, spare: int) -> int:
        gone = 0
        with self._lock:
            for part in self._parts:
                kept = [min([its.last + 1, *its.pending]) for its in part.groups.values()]
                first = min(kept) if kept else part.next - spare
                for id in [id for id in part.entries if id < first]:
                    del part.entries[id]
                    gone += 1
        return gone

    def _hand_out(self, at: int, group: str, id: int, consumer: str) -> Entry:
        part = self._parts[at]
        pending = part.groups[group].pending
        times = pending[id][2] + 1 if id in pending else 1
        pending[id] = consumer, self._clock(), times
        return Entry(at, str(id), part.entries[id], times)


def _in(part: _Part, group: str) -> _Group:
    if group not in part.groups:
        raise NotFound("group", group)
    return part.groups[group]


class AsyncMemoryEffects:
    """Effects by name and line."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._effects: dict[tuple[str, str], Effect] = {}

    async def read(self, name: str, lines: Collection[str]) -> Mapping[str, Effect]:
        with self._lock:
            return {line: self._effects[name, line] for line in lines if (name, line) in self._effects}

    async def write(self, name: str, changes: Sequence[Change], now: datetime) -> Collection[str]:
        left = set()
        with self._lock:
            for each in changes:
                known = self._effects.get((name, each.line))
                if (0 if known is None else known.number) == each.old:
                    self._effects[name, each.line] = Effect(each.number, each.state)
                else:
                    left.add(each.line)
        return left
