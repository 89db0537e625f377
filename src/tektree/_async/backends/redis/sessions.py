"""Sessions on Redis: the data model's JSON of each, and for each user one hash that says which of them are open.

A session is open if it stands in both. So one command on the hash ends any number of them, whatever is still written to
the others; also on a cluster, where the two do not share a slot.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from tektree._async.backends.redis.driver import AsyncRedis
from tektree._async.backends.redis.nodes import Command, written
from tektree.errors import CorruptDocument, InvalidSession, Unavailable
from tektree.models.sessions import REMEMBERED, Kept, Marks, Rotated, Session
from tektree.wire.keys import session as session_key
from tektree.wire.keys import user_sessions
from tektree.wire.scripts import script
from tektree.wire.values import count_from_text, session_from_json, session_to_json

__all__ = ["AsyncRedisSessions", "stored_session"]

_JOIN: Final = script("sessions_join")
_END: Final = script("sessions_end")
_END_ALL: Final = script("sessions_end_all")
_CHANGED: Final = script("sessions_changed")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class AsyncRedisSessions:
    """Sessions by the digest of their secret. Redis lets them go when they expire."""

    def __init__(self, redis: AsyncRedis) -> None:
        self._redis = redis

    async def marks(self, uid: str) -> Marks:
        key = user_sessions(uid)
        return _marks(key, (await self._redis.ask(("HMGET", key, "epoch", "version"), reads=True))[0])

    async def open(
        self, session_id: str, session: Session, epoch: int, most: int, now: datetime, instead_of: str | None = None
    ) -> bool:
        key, rest = session_key(session_id), _rest(session, now)
        if rest <= 0:
            return False
        text = session_to_json(session)
        made, found = await self._redis.ask(("SET", key, text, "PX", rest, "NX"), ("GET", key))
        if made is None and found != text.encode():  # else it is ours: the reply to it was lost, and it was sent again
            return False
        ends = int(session.expires_at.timestamp())
        time = int(now.timestamp()) * 1000 + now.microsecond // 1000
        place: list[str | int] = [epoch, session_id, ends, most, instead_of or "", time, REMEMBERED]
        joined, *ended = await self._redis.run(
            _JOIN, [user_sessions(session.user_id)], place, again=instead_of is not None
        )
        if joined:
            gone = [*[id.decode() for id in ended], *([instead_of] if instead_of else [])]
        else:
            gone = [] if made is None else [session_id]  # what was there before may be somebody's
        await self._drop(gone)
        return bool(joined)

    async def read(self, uid: str, session_id: str, now: datetime) -> Kept | Rotated | None:
        session, places, keys = _reading(uid, session_id)
        try:
            text, found = await self._redis.both(session, places, keys, reads=True)
        except CorruptDocument as error:
            if error.id == keys[0]:  # it holds no text at all
                raise InvalidSession from None
            raise
        if found[3] is not None:
            return _rotated(found[3])
        if text is None or found[2] is None:
            return None
        return Kept(stored_session(text), _marks(keys[1], found))

    async def update(self, session_id: str, session: Session, now: datetime) -> None:
        rest = _rest(session, now)
        if rest > 0:
            await self._redis.ask(("SET", session_key(session_id), session_to_json(session), "PX", rest, "XX"))

    async def end(self, uid: str, session_id: str) -> bool:
        """One that is in one place only is over: it was ended with all others, or has expired."""
        ended = [id.decode() for id in await self._redis.run(_END, [user_sessions(uid)], [session_id], again=True)]
        kept = await self._drop(list(dict.fromkeys([session_id, *ended])))
        return bool(ended and kept)

    async def end_all(self, uid: str, but: str | None = None) -> int:
        ended = await self._redis.run(_END_ALL, [user_sessions(uid)], [but or ""])
        await self._drop([id.decode() for id in ended])
        return len(ended)

    async def changed(self, uid: str) -> None:
        await self._redis.run(_CHANGED, [user_sessions(uid)])

    async def all(self, uid: str, now: datetime) -> Sequence[tuple[str, Session]]:
        fields = (await self._redis.ask(("HGETALL", user_sessions(uid)), reads=True))[0]
        places = sorted([(_place(value), id) for id, value in _sessions(fields)])
        found = []
        for _, id in places:
            kept = await self.read(uid, id, now)
            if isinstance(kept, Kept) and kept.session.expires_at > now:
                found.append((id, kept.session))
        return found

    async def _drop(self, session_ids: Sequence[str]) -> int:
        """Deletes what is ended already, which stands; what is not deleted now, Redis lets go when it expires.

        Says how many were there.
        """
        dropped = 0
        with suppress(Unavailable):
            for id in session_ids:
                dropped += (await self._redis.ask(("DEL", session_key(id))))[0]
        return dropped


@lru_cache(maxsize=4096)
def stored_session(text: bytes) -> Session:
    """The session that a text holds: the same text is read again and again, and what it holds never changes."""
    return session_from_json(text)


@lru_cache(maxsize=4096)
def _reading(uid: str, session_id: str) -> tuple[Command, Command, tuple[str, str]]:
    """What is asked for a session, and about which keys: it is read again and again."""
    key, places = session_key(session_id), user_sessions(uid)
    asked = written(("HMGET", places, "epoch", "version", f"s:{session_id}", f"r:{session_id}"))
    return (written(("GET", key)),), (asked,), (key, places)


def _rest(session: Session, now: datetime) -> int:
    """Milliseconds until it expires."""
    left = session.expires_at - now
    return left.days * 86_400_000 + left.seconds * 1000 + left.microseconds // 1000


def _marks(key: str, values: Sequence[Any]) -> Marks:
    return Marks(count_from_text(key, values[0]) or 0, count_from_text(key, values[1]) or 0)


def _sessions(fields: Any) -> list[tuple[str, bytes]]:
    """The sessions of a hash; RESP2 gives it as a list, RESP3 as a map."""
    pairs = fields.items() if isinstance(fields, dict) else zip(fields[::2], fields[1::2], strict=True)
    return [(name[2:].decode(), value) for name, value in pairs if name.startswith(b"s:")]


def _rotated(value: bytes) -> Rotated | None:
    time = value.partition(b":")[2]
    return Rotated(_EPOCH + timedelta(milliseconds=int(time))) if time.isdigit() and len(time) < 16 else None


def _place(value: bytes) -> int:
    digits = value.partition(b":")[0]
    return int(digits) if digits.isdigit() else 0
