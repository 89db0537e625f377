"""Quotas on Redis: the data model's count, and beside it what was told, which calls were made lately, and what was
counted by its cause.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from tektree._async.backends.redis.driver import AsyncRedis
from tektree.errors import CorruptDocument
from tektree.models.quotas import Counter, Taken
from tektree.wire.keys import companion, quota
from tektree.wire.scripts import Script, script
from tektree.wire.values import count_from_text, count_to_text

__all__ = ["AsyncRedisQuotas", "quota_keys", "quota_rest"]

_CHANGE: Final = script("quotas_change")
_COUNT: Final = script("quotas_count")


class AsyncRedisQuotas:
    """Counts that last until a while after their period. A reply that is lost is asked for again, by the name of the
    call.
    """

    def __init__(self, redis: AsyncRedis) -> None:
        self._redis = redis

    async def take(
        self, counter: Counter, n: int, limit: int | None, percent: int, request: str, now: datetime
    ) -> Taken:
        said, used, threshold, exceeded = await self._change(
            counter, n, "" if limit is None else limit, percent, request, now
        )
        return Taken(said >= 0, said == 1, used, bool(threshold), bool(exceeded))

    async def give(self, counter: Counter, n: int, request: str, now: datetime) -> int | None:
        said, used, *_ = await self._change(counter, -n, "", 0, request, now)
        return used if said == 1 else None

    async def count(
        self, counter: Counter, n: int, limit: int | None, percent: int, cause: str, now: datetime
    ) -> Taken:
        key = _key(counter)
        said, used, threshold, exceeded = await self._run(
            _COUNT,
            [key, companion(key, "told"), companion(key, "causes")],
            [n, "" if limit is None else limit, percent, cause, quota_rest(counter, now)],
        )
        return Taken(said >= 0, said == 1, used, bool(threshold), bool(exceeded))

    async def load(self, counter: Counter, used: int, now: datetime) -> int:
        key = _key(counter)
        await self._redis.ask(("SET", key, count_to_text(used), "PX", quota_rest(counter, now), "NX"))
        found = count_from_text(key, (await self._redis.ask(("GET", key)))[0])
        return used if found is None else found

    async def put(self, counter: Counter, used: int, now: datetime) -> None:
        await self._redis.ask(("SET", _key(counter), count_to_text(used), "PX", quota_rest(counter, now)))

    async def read(self, counters: Sequence[Counter]) -> Sequence[int | None]:
        found = []
        for each in counters:
            key = _key(each)
            found.append(count_from_text(key, (await self._redis.ask(("GET", key)))[0]))
        return found

    async def _change(
        self, counter: Counter, n: int, limit: int | str, percent: int, request: str, now: datetime
    ) -> list[int]:
        arguments: list[str | int] = [n, limit, percent, request, quota_rest(counter, now)]
        return await self._run(_CHANGE, quota_keys(counter), arguments)

    async def _run(self, script: Script, keys: list[str], arguments: list[str | int]) -> list[int]:
        reply: list[int] = await self._redis.run(script, keys, arguments, again=True)
        if reply[0] == -2:
            raise CorruptDocument("redis", keys[0], "(value)", "must be a whole number")
        return reply


def quota_keys(counter: Counter) -> list[str]:
    """The count of a quota, what was told of it, and the calls of the last minute."""
    key = _key(counter)
    return [key, companion(key, "told"), companion(key, "calls")]


def _key(counter: Counter) -> str:
    return quota(counter.uid, counter.quota_type, counter.period)


def quota_rest(counter: Counter, now: datetime) -> int:
    """Milliseconds that it lasts; one at the least, so that what is over goes."""
    left = counter.lasts - now
    return max(1, left.days * 86_400_000 + left.seconds * 1000 + left.microseconds // 1000)
