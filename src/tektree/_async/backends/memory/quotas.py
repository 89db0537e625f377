"""Quotas in memory."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from tektree.models.quotas import Counter, Taken

__all__ = ["AsyncMemoryQuotas"]

_REMEMBERED: Final = 4096
"""Calls whose names are kept."""
_FEW: Final = 1024


@dataclass(slots=True)
class _Count:
    used: int
    lasts: datetime
    told: set[str] = field(default_factory=set)
    held: dict[str, tuple[int, datetime | None]] = field(default_factory=dict)
    """Of each reservation how much it is of, and when it ends; None: it has ended, and its holder is still awaited."""
    causes: set[str] = field(default_factory=set)

    def last(self, counter: Counter) -> None:
        """It lasts no shorter for a caller who knows of an earlier end."""
        self.lasts = max(self.lasts, counter.lasts)

    def first(self, word: str) -> bool:
        """Whether this is told for the first time."""
        fresh = word not in self.told
        self.told.add(word)
        return fresh

    def near(self, limit: int | None, percent: int | None) -> bool:
        """Whether so much of the limit is used for the first time."""
        if not limit or percent is None or self.used * 100 < limit * percent:
            return False
        return self.first("threshold")

    def over(self, now: datetime) -> None:
        """Gives back what was reserved for longer."""
        for name, (n, until) in self.held.items():
            if until is not None and until <= now:
                self.used = max(0, self.used - n)
                self.held[name] = n, None


class AsyncMemoryQuotas:
    """Counts in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str, str], _Count] = {}
        self._requests: dict[str, None] = {}
        self._many = _FEW

    async def take(
        self, counter: Counter, n: int, limit: int | None, percent: int, request: str, now: datetime
    ) -> Taken:
        return self._taken(counter, n, limit, percent, request, now)

    async def hold(
        self, counter: Counter, n: int, limit: int | None, request: str, seconds: int, now: datetime
    ) -> Taken:
        return self._taken(counter, n, limit, None, request, now, now + timedelta(seconds=seconds))

    def _taken(
        self,
        counter: Counter,
        n: int,
        limit: int | None,
        percent: int | None,
        request: str,
        now: datetime,
        until: datetime | None = None,
    ) -> Taken:
        with self._lock:
            count = self._counted(counter, now)
            if count is None:
                return Taken(False, False, 0)
            if request in self._requests:
                return Taken(True, True, count.used)
            if limit is not None and count.used + n > limit:
                return Taken(True, False, count.used, exceeded=count.first("exceeded"))
            count.used += n
            count.last(counter)
            self._remember(request)
            if until is not None:
                count.held[request] = n, until
            return Taken(True, True, count.used, threshold=count.near(limit, percent))

    async def settle(
        self, counter: Counter, n: int, request: str, used: bool, limit: int | None, percent: int, now: datetime
    ) -> Taken:
        with self._lock:
            count = self._counts.get(counter[:3])
            if count is None or count.lasts <= now:
                return Taken(False, False, 0)
            held, until = count.held.pop(request, (0, None))
            if used and until is None:
                count.used += held
            elif not used and until is not None:
                count.used = max(0, count.used - n)
            count.over(now)
            return Taken(True, used, count.used, threshold=used and count.near(limit, percent))

    async def give(self, counter: Counter, n: int, request: str, now: datetime) -> int | None:
        with self._lock:
            count = self._counted(counter, now)
            if count is None:
                return None
            if request not in self._requests:
                count.used = max(0, count.used - n)
                count.last(counter)
                self._remember(request)
            return count.used

    async def count(
        self, counter: Counter, n: int, limit: int | None, percent: int, cause: str, now: datetime
    ) -> Taken:
        with self._lock:
            count = self._counted(counter, now)
            if count is None:
                return Taken(False, False, 0)
            if cause in count.causes:
                return Taken(True, False, count.used)
            count.causes.add(cause)
            count.used = max(0, count.used + n)
            count.last(counter)
            if n <= 0 or limit is None:
                return Taken(True, True, count.used)
            threshold, over = count.near(limit, percent), count.used > limit and count.first("exceeded")
            return Taken(True, True, count.used, threshold, over)

    async def load(self, counter: Counter, used: int, now: datetime) -> int:
        with self._lock:
            count = self._counts.get(counter[:3])
            if count is None or count.lasts <= now:
                self._sweep(now)
                count = self._counts[counter[:3]] = _Count(used, counter.lasts)
            return count.used

    async def put(self, counter: Counter, used: int, now: datetime) -> None:
        with self._lock:
            count = self._counts.setdefault(counter[:3], _Count(used, counter.lasts))
            count.used, count.held = used, {}
            count.last(counter)

    async def keep(self, counters: Sequence[Counter], now: datetime) -> None:
        with self._lock:
            for counter in counters:
                count = self._counted(counter, now)
                if count is not None:
                    count.last(counter)

    async def read(self, counters: Sequence[Counter], now: datetime) -> Sequence[int | None]:
        with self._lock:
            found = [self._counted(each, now) for each in counters]
            return [None if each is None else each.used for each in found]

    def _counted(self, counter: Counter, now: datetime) -> _Count | None:
        """The count of a period that is not forgotten, without reservations whose time is over."""
        count = self._counts.get(counter[:3])
        if count is None or count.lasts <= now:
            return None
        count.over(now)
        return count

    def _remember(self, request: str) -> None:
        self._requests[request] = None
        if len(self._requests) > _REMEMBERED:
            del self._requests[next(iter(self._requests))]

    def _sweep(self, now: datetime) -> None:
        """Lets go of periods that are over, each time their number has doubled."""
        if len(self._counts) < self._many:
            return
        self._counts = {key: count for key, count in self._counts.items() if count.lasts > now}
        self._many = max(_FEW, 2 * len(self._counts))
