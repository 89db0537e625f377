"""Rate limits on Redis: for each bucket the count that others read, and the log that it is computed from."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from tektree._async.backends.redis.driver import AsyncRedis
from tektree._async.backends.redis.nodes import Written, written
from tektree.models.rate_limits import LONGEST_KEPT, Bucket, Fill
from tektree.wire.keys import companion, ratelimit
from tektree.wire.scripts import script

__all__ = ["AsyncRedisRateLimits", "limit_keys"]

_TAKE: Final = script("rate_limits_take")
_GIVE: Final = script("rate_limits_give")


class AsyncRedisRateLimits:
    """Sliding windows by the server's clock, one round trip for all buckets of a call.

    On a cluster, whose buckets do not share a slot, each has its own, and gives back when a later one refuses.
    """

    def __init__(self, redis: AsyncRedis) -> None:
        self._redis = redis

    async def take(self, buckets: Sequence[Bucket], cost: int) -> Sequence[Fill]:
        if self._redis.is_cluster and len(buckets) > 1:
            return await self._each(buckets, cost)
        return await self._run(buckets, cost, 1)

    async def look(self, buckets: Sequence[Bucket], cost: int) -> Sequence[Fill]:
        if self._redis.is_cluster:
            return [(await self._run([each], cost, 0))[0] for each in buckets]
        return await self._run(buckets, cost, 0)

    async def clear(self, buckets: Sequence[Bucket]) -> None:
        for each in buckets:
            await self._redis.ask(("DEL", *_keys(each)))

    async def give(self, bucket: Bucket, cost: int, newest: int) -> None:
        """Gives hits back that were counted at that instant."""
        await self._redis.run(_GIVE, _keys(bucket), [cost, newest])

    async def _each(self, buckets: Sequence[Bucket], cost: int) -> Sequence[Fill]:
        """One after the other, all callers in the same order, so that none is refused for what another gives back."""
        fills: dict[Bucket, Fill] = {}
        refused = False
        for each in sorted(buckets):
            fills[each] = (await self._run([each], cost, 0 if refused else 1, begun=bool(fills)))[0]
            if fills[each].wait and not refused:
                refused = True
                for earlier in list(fills)[:-1]:
                    await self.give(earlier, cost, fills[earlier].newest)
                    fills[earlier] = fills[earlier]._replace(used=fills[earlier].used - cost)
        return [fills[each] for each in buckets]

    async def _run(self, buckets: Sequence[Bucket], cost: int, counts: int, begun: bool = False) -> Sequence[Fill]:
        short = all(len(each.endpoint) <= LONGEST_KEPT for each in buckets)  # a long one may be anybody's
        call, about = (_called if short else _call)(cost, counts, *buckets)
        reply = await self._redis.call(_TAKE, (call,), about, reads=not counts and not begun, begun=begun)
        now, *found = map(int, reply.split())
        return [Fill(found[at], now, found[at + 1], found[at + 2]) for at in range(0, len(found), 3)]


def _call(cost: int, counts: int, *buckets: Bucket) -> tuple[Written, str]:
    """What the script is given, and its first key. Windows are in seconds here, and in microseconds there."""
    keys = [key for each in buckets for key in _keys(each)]
    limits = [number for each in buckets for number in (each.limit, *_widths(each))]
    return written((len(keys), *keys, cost, counts, *limits)), keys[0]


def _widths(bucket: Bucket) -> tuple[int, int]:
    """For how many microseconds hits count, and for how many they are kept."""
    return bucket.window * 1_000_000, max(bucket.window, bucket.kept) * 1_000_000


_called: Final = lru_cache(maxsize=4096)(_call)
"""Whoever hits one limit hits it again and again."""


def _keys(bucket: Bucket) -> tuple[str, str]:
    return limit_keys(bucket.subject, bucket.endpoint)


def limit_keys(subject: str, endpoint: str) -> tuple[str, str]:
    """The count of a limit and its log."""
    count = ratelimit(subject, endpoint)
    return count, companion(count, "log")
