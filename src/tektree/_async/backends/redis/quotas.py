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
_SETTLE: Final = script("quotas_settle")
_LOAD: Final = script("quotas_load")
_KEEP: Final = script("quotas_keep")
_CORRUPT: Final = -2
_NEVER: Final = 10**6
"""A percent that nobody reaches."""


class AsyncRedisQuotas:
    """Counts that last until a while after their period. A reply that is lost is asked for again, by the name of the
    call.
    """

    def __init__(self, redis: AsyncRedis) -> None:
        self._redis = redis

    async def take(
        self, counter: Counter, n: int, limit: int | None, percent: int, request: str, now: datetime
    ) -> Taken:
        return _taken(await self._change(counter, n, "" if limit is None else limit, percent, request, now))

    async def hold(
        self, counter: Counter, n: int, limit: int | None, request: str, seconds: int, now: datetime
    ) -> Taken:
        most = "" if limit is None else limit
        return _taken(await self._change(counter, n, most, _NEVER, request, now, seconds * 1000))

    async def settle(
        self, counter: Counter, n: int, request: str, used: bool, limit: int | None, percent: int, now: datetime
    ) -> Taken:
        count, threshold = await self._settle(counter, f"{request} {n}", int(used), limit or 0, percent, now)
        return Taken(False, False, 0) if count < 0 else Taken(True, used, count, bool(threshold))

    async def give(self, counter: Counter, n: int, request: str, now: datetime) -> int | None:
        said, used, *_ = await self._change(counter, -n, "", 0, request, now)
        return used if said == 1 else None

    async def count(
        self, counter: Counter, n: int, limit: int | None, percent: int, cause: str, now: datetime
    ) -> Taken:
        key, told, _, held = quota_keys(counter)
        arguments: list[str | int] = [n, "" if limit is None else limit, percent, cause, quota_rest(counter, now)]
        return _taken(await self._run(_COUNT, [key, told, companion(key, "causes"), held], arguments))

    async def load(self, counter: Counter, used: int, now: datetime) -> int:
        return await self._load(counter, used, now, over=0)

    async def put(self, counter: Counter, used: int, now: datetime) -> None:
        await self._load(counter, used, now, over=1)

    async def keep(self, counters: Sequence[Counter], now: datetime) -> None:
        calls = []
        for counter in counters:
            key, told, _, held = quota_keys(counter)
            calls.append(((key, told, held, companion(key, "causes")), (quota_rest(counter, now),)))
        await self._redis.run_each(_KEEP, calls)

    async def read(self, counters: Sequence[Counter], now: datetime) -> Sequence[int | None]:
        found = [(await self._settle(each, "", 0, 0, _NEVER, now))[0] for each in counters]
        return [None if count < 0 else count for count in found]

    async def _load(self, counter: Counter, used: int, now: datetime, over: int) -> int:
        key, _, _, held = quota_keys(counter)
        arguments: list[str | int] = [count_to_text(used), quota_rest(counter, now), over]
        return count_from_text(key, await self._redis.run(_LOAD, [key, held], arguments, again=True)) or 0

    async def _settle(
        self, counter: Counter, reservation: str, used: int, limit: int, percent: int, now: datetime
    ) -> list[int]:
        """What is used, without reservations whose time is over; one of them is settled before, if it is named."""
        key, told, _, held = quota_keys(counter)
        arguments: list[str | int] = [reservation, used, limit, percent, quota_rest(counter, now)]
        return await self._run(_SETTLE, [key, held, told], arguments, reads=not reservation)

    async def _change(
        self,
        counter: Counter,
        n: int,
        limit: int | str,
        percent: int,
        request: str,
        now: datetime,
        lease: int | str = "",
    ) -> list[int]:
        arguments: list[str | int] = [n, limit, percent, request, quota_rest(counter, now), lease]
        return await self._run(_CHANGE, quota_keys(counter), arguments)

    async def _run(self, script: Script, keys: list[str], arguments: list[str | int], reads: bool = False) -> list[int]:
        reply: list[int] = await self._redis.run(script, keys, arguments, again=True, reads=reads)
        if reply[0] == _CORRUPT:
            raise _corrupt(keys[0])
        return reply


def _taken(reply: Sequence[int]) -> Taken:
    said, used, threshold, exceeded = reply
    return Taken(said >= 0, said == 1, used, bool(threshold), bool(exceeded))


def _corrupt(key: str) -> CorruptDocument:
    return CorruptDocument("redis", key, "(value)", "must be a whole number")


def quota_keys(counter: Counter) -> list[str]:
    """The count of a quota, what was told of it, the calls of the last minute, and what is reserved."""
    key = quota(counter.uid, counter.quota_type, counter.period)
    return [key, companion(key, "told"), companion(key, "calls"), companion(key, "held")]


def quota_rest(counter: Counter, now: datetime) -> int:
    """Milliseconds that it lasts; one at the least, so that what is over goes."""
    left = counter.lasts - now
    return max(1, left.days * 86_400_000 + left.seconds * 1000 + left.microseconds // 1000)
