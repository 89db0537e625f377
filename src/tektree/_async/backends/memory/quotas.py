"""Quotas in memory."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
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
    causes: set[str] = field(default_factory=set)

    def first(self, word: str) -> bool:
        """Whether this is told for the first time."""
        fresh = word not in self.told
        self.told.add(word)
        return fresh


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
        with self._lock:
            count = self._counts.get(counter[:3])
            if count is None or count.lasts <= now:
                return Taken(False, False, 0)
            if request in self._requests:
                return Taken(True, True, count.used)
            if limit is not None and count.used + n > limit:
                return Taken(True, False, count.used, exceeded=count.first("exceeded"))
            count.used += n
            self._remember(request)
            near = bool(limit) and count.used * 100 >= (limit or 0) * percent
            return Taken(True, True, count.used, threshold=near and count.first("threshold"))

    async def give(self, counter: Counter, n: int, request: str, now: datetime) -> int | None:
        with self._lock:
            count = self._counts.get(counter[:3])
            if count is None or count.lasts <= now:
                return None
            if request not in self._requests:
                count.used = max(0, count.used - n)
                self._remember(request)
            return count.used

    async def count(
        self, counter: Counter, n: int, limit: int | None, percent: int, cause: str, now: datetime
    ) -> Taken:
        with self._lock:
            count = self._counts.get(counter[:3])
            if count is None or count.lasts <= now:
                return Taken(False, False, 0)
            if cause in count.causes:
                return Taken(True, False, count.used)
            count.causes.add(cause)
            count.used = max(0, count.used + n)
            if n <= 0 or limit is None:
                return Taken(True, True, count.used)
            near = bool(limit) and count.used * 100 >= limit * percent
            threshold = near and count.first("threshold")
            return Taken(True, True, count.used, threshold, count.used > limit and count.first("exceeded"))

    async def load(self, counter: Counter, used: int, now: datetime) -> int:
        with self._lock:
            count = self._counts.get(counter[:3])
            if count is None or count.lasts <= now:
                self._sweep(now)
                count = self._counts[counter[:3]] = _Count(used, counter.lasts)
            return count.used

    async def put(self, counter: Counter, used: int, now: datetime) -> None:
        with self._lock:
            self._counts.setdefault(counter[:3], _Count(used, counter.lasts)).used = used

    async def read(self, counters: Sequence[Counter]) -> Sequence[int | None]:
        with self._lock:
            found = [self._counts.get(each[:3]) for each in counters]
            return [None if each is None else each.used for each in found]

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
