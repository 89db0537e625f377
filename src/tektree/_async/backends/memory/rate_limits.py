"""Rate limits in memory: the instants of the hits of each bucket, in order."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Final

from tektree.clock import microseconds
from tektree.models.rate_limits import Bucket, Fill

__all__ = ["AsyncMemoryRateLimits"]

_FILL: Final[Callable[[tuple[int, int, int, int]], Fill]] = partial(tuple.__new__, Fill)
"""A fill, in half the time that its class takes."""
_FEW: Final = 1024
"""So many buckets are kept before anyone looks which of them are over."""


class _Log:
    """The hits of one bucket, and when the last of them is over."""

    __slots__ = ("hits", "over")

    def __init__(self) -> None:
        self.hits: deque[int] = deque()
        self.over = 0


class AsyncMemoryRateLimits:
    """Sliding windows in this process, by ``clock``: anything that returns the time as an aware datetime."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._now = microseconds(clock)
        self._lock = threading.Lock()
        self._logs: dict[tuple[str, str], _Log] = {}
        self._many = _FEW

    async def take(self, buckets: Sequence[Bucket], cost: int) -> Sequence[Fill]:
        with self._lock:
            now = self._now()
            if len(buckets) == 1:
                return [self._took(buckets[0], cost, now)]
            fills = [self._fill(each, cost, now) for each in buckets]
            if any(each.wait for each in fills):
                return fills
            return [self._took(each, cost, now) for each in buckets]

    async def look(self, buckets: Sequence[Bucket], cost: int) -> Sequence[Fill]:
        with self._lock:
            now = self._now()
            return [self._fill(each, cost, now) for each in buckets]

    async def clear(self, buckets: Sequence[Bucket]) -> None:
        with self._lock:
            for each in buckets:
                self._logs.pop((each.subject, each.endpoint), None)

    def _took(self, bucket: Bucket, cost: int, now: int) -> Fill:
        """The fill after ``cost`` hits, if they have room."""
        subject, endpoint, limit, window, kept = bucket
        log = self._logs.get((subject, endpoint))
        if log is None:
            self._sweep(now)
            log = self._logs[subject, endpoint] = _Log()
        longest, hits, gone = window * 1_000_000, log.hits, 0
        since = forgotten = now - longest
        if kept > window:
            longest = kept * 1_000_000
            forgotten = now - longest
        while hits and hits[0] <= forgotten:
            hits.popleft()
        if kept > window:
            gone = _gone(hits, since)
        used = len(hits) - gone
        over = used + cost - limit
        if over > 0 and used:
            return Fill(used, now, hits[-1], hits[gone + over - 1] - since)
        newest = hits[-1] if hits and hits[-1] > now else now  # a clock that goes back does not
        hits.extend((newest,) * cost)
        log.over = newest + longest
        return _FILL((used + cost, now, newest, 0))

    def _fill(self, bucket: Bucket, cost: int, now: int) -> Fill:
        """The fill as it is. Who looks forgets nothing."""
        log = self._logs.get((bucket.subject, bucket.endpoint))
        if log is None:
            return Fill(0, now, now, 0)
        since, hits = now - bucket.window * 1_000_000, log.hits
        gone = _gone(hits, since)
        used = len(hits) - gone
        if not used:
            return Fill(0, now, now, 0)
        over = used + cost - bucket.limit
        return Fill(used, now, hits[-1], hits[gone + over - 1] - since if over > 0 else 0)

    def _sweep(self, now: int) -> None:
        """Lets go of buckets that are over, each time their number has doubled: little work for each hit."""
        if len(self._logs) < self._many:
            return
        self._logs = {key: log for key, log in self._logs.items() if log.over > now}
        self._many = max(_FEW, 2 * len(self._logs))


def _gone(hits: deque[int], since: int) -> int:
    """How many hits at the front came at ``since`` or before."""
    for at, hit in enumerate(hits):
        if hit > since:
            return at
    return len(hits)
