"""Caches on Redis: the data model's JSON of each record, and beside it who is loading it."""

from typing import Final

from tektree._async.backends.redis.driver import AsyncRedis
from tektree.errors import CorruptDocument
from tektree.models.base import Record
from tektree.models.caches import Found, Place
from tektree.wire.caches import cached_text, found_in, key_of, lease_of
from tektree.wire.scripts import script

__all__ = ["AsyncRedisCaches"]

_BEGIN: Final = script("caches_begin")
_END: Final = script("caches_end")


class AsyncRedisCaches:
    """Records that Redis lets go after their time. A hit is one ``GET``."""

    def __init__(self, redis: AsyncRedis) -> None:
        self._redis = redis

    async def read(self, place: Place) -> Found | None:
        try:
            text = (await self._redis.ask(("GET", key_of(place)), reads=True))[0]
        except CorruptDocument:  # it holds no text at all
            return None
        return None if text is None else found_in(place, text)

    async def begin(self, place: Place, token: str, lease: int) -> Found | bool:
        keys = _keys(place)
        reply = await self._redis.run(_BEGIN, keys, [token, lease, 0], again=True)
        if isinstance(reply, bytes):
            found = found_in(place, reply)
            if found is not None:
                return found
            reply = await self._redis.run(_BEGIN, keys, [token, lease, 1], again=True)
        return bool(reply)

    async def keep(self, place: Place, record: Record | None, token: str, lasts: int) -> bool:
        reply = await self._redis.run(_END, _keys(place), [token, cached_text(record), lasts], again=True)
        return bool(reply)

    async def leave(self, place: Place, token: str) -> None:
        await self._redis.run(_END, _keys(place), [token, "", 0], again=True)

    async def invalidate(self, place: Place) -> None:
        await self._redis.ask(("DEL", *_keys(place)))


def _keys(place: Place) -> tuple[str, str]:
    key = key_of(place)
    return key, lease_of(key)
