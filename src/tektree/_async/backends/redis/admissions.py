"""Admission on one Redis server, which has the keys of session, limit and quota: one script, one round trip."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

from tektree._async.backends.redis.driver import AsyncRedis
from tektree._async.backends.redis.faults import foreign
from tektree._async.backends.redis.nodes import Written, written
from tektree._async.backends.redis.quotas import AsyncRedisQuotas, quota_keys
from tektree._async.backends.redis.rate_limits import AsyncRedisRateLimits, limit_keys
from tektree._async.backends.redis.sessions import stored_session
from tektree.errors import CorruptDocument, InvalidSession, TekTreeError
from tektree.models.admissions import Admitted, Request, Tariff, Terms
from tektree.models.base import milliseconds
from tektree.models.quotas import Counter, Taken
from tektree.models.rate_limits import LONGEST_KEPT, Bucket, Fill
from tektree.models.sessions import Session
from tektree.wire.keys import session as session_key
from tektree.wire.keys import user_sessions
from tektree.wire.scripts import script

__all__ = ["AsyncRedisAdmissions"]

_ADMIT: Final = script("admit")
_NO_SESSION: Final = 0
_MORE: Final = 1
_NO_QUOTA: Final = (2, 3)
_FIRST: Final = (3, 6)
_ADMITTED: Final = (5, 6)

_KNOWN: Final = 4096
"""Sessions whose text is kept, so that a server that has the same one need not read it, nor send it."""

_ENDING: Final = b"$64\r\n%b\r\n$12\r\n%012d\r\n$15\r\n%015d\r\n"
"""The arguments that are others each time, written at once: the digest of a session, seconds up to the year 9999, and
milliseconds.
"""


_KINDS: Final = (b"hash", b"string", b"list", b"string", b"set", b"zset")
"""What Redis calls what the script's keys hold, in its order."""


class _Beginning(NamedTuple):
    """What is the same whenever a user asks for the same, with the same session."""

    call: Written
    about: str
    lasts: int
    """When the count of the quota may be forgotten, in milliseconds since 1970."""


class AsyncRedisAdmissions:
    """Sessions, limits and quotas of one server, as one. On a cluster they share no slot."""

    def __init__(self, redis: AsyncRedis) -> None:
        self._redis = redis
        self._limits = AsyncRedisRateLimits(redis)
        self._quotas = AsyncRedisQuotas(redis)
        self._sessions: dict[str, tuple[bytes, Session]] = {}
        """Those that are known: as they are kept, and what that says."""

    async def admit(self, request: Request, now: datetime) -> Admitted | None:
        uid, session_id, endpoint, tariff, counter, n, percent = request
        known = self._sessions.get(session_id)
        if known is not None and (known[1].expires_at <= now or known[1].tier not in tariff.terms):
            known = None
        begin = _begun if len(endpoint) <= LONGEST_KEPT else _beginning
        call, about, lasts = begin(uid, endpoint, tariff, counter, n, percent, None if known is None else known[0])
        time = milliseconds(now)
        ending = _ENDING % (session_id.encode(), time // 1000, max(1, lasts - time))
        try:
            reply: bytes = await self._redis.call(_ADMIT, (call, Written(3, ending)), about)
        except CorruptDocument:  # of any of its keys: the script does not say which
            raise await self._foreign(request) from None
        numbers, text = reply.split(b" ", 6), b""
        if len(numbers) > 6:
            text = numbers.pop()
        said, *found = map(int, numbers)
        if said == _NO_SESSION:
            raise InvalidSession
        if said == _MORE:
            self._sessions.pop(session_id, None)  # it may be another one by now
            return None
        if known is None:
            try:
                known = self._know(session_id, text)
            except InvalidSession:  # the script reads less closely
                if said in _ADMITTED:
                    await self._give_back(request, found[3], now)
                raise
        return _admitted(request, said, known[1], found)

    async def _foreign(self, request: Request) -> TekTreeError:
        """What is wrong where a script could not read one of its keys: they are asked what they hold."""
        kinds = dict(zip(_keys(request.uid, request.endpoint, request.counter), _KINDS, strict=False))
        kinds[session_key(request.session_id)] = b"string"
        found = await self._redis.ask(*[("TYPE", key) for key in kinds])
        wrong = [key for (key, kind), its in zip(kinds.items(), found, strict=True) if its not in {kind, b"none"}]
        if session_key(request.session_id) in wrong:
            return InvalidSession()
        return foreign(wrong[0] if wrong else None)

    def _know(self, session_id: str, text: bytes) -> tuple[bytes, Session]:
        if len(self._sessions) >= _KNOWN:
            self._sessions.clear()
        found = self._sessions[session_id] = text, stored_session(text)
        return found

    async def _give_back(self, request: Request, newest: int, now: datetime) -> None:
        await self._limits.give(Bucket(request.uid, request.endpoint, 1, 1), 1, newest)
        if request.counter is not None:
            await self._quotas.give(request.counter, request.n, f"back {newest}", now)


def _beginning(
    uid: str, endpoint: str, tariff: Tariff, counter: Counter | None, n: int, percent: int, known: bytes | None
) -> _Beginning:
    keys = _keys(uid, endpoint, counter)
    if known is None:
        tiers = [f"{tier},{','.join(_terms(each))}\n\n" for tier, each in tariff.terms.items()]
        session = ["", "", "".join(["\n", *tiers]), "", "", ""]
    else:
        found = stored_session(known)
        session = [known.decode(), str(found.version or 0), *_terms(tariff.terms[found.tier])]
    call = written([len(keys), *keys, uid, n, percent, *session])
    return _Beginning(call, keys[0], 0 if counter is None else milliseconds(counter.lasts))


def _keys(uid: str, endpoint: str, counter: Counter | None) -> list[str]:
    """The keys that the script is given, in its order."""
    keys = [user_sessions(uid), *limit_keys(uid, endpoint)]
    if counter is not None:
        count, told, _, held = quota_keys(counter)
        keys += [count, told, held]
    return keys


_begun: Final = lru_cache(maxsize=4096)(_beginning)


def _terms(terms: Terms) -> tuple[str, str, str, str]:
    """Limit, window, quota, and for how long hits are kept, as the script reads them."""
    limit, window, most, kept = terms
    return (
        "" if limit is None else str(limit),
        str(window * 1_000_000),
        "" if most is None else str(most),
        str(max(window, kept) * 1_000_000),
    )


def _admitted(request: Request, said: int, session: Session, found: Sequence[int]) -> Admitted:
    used, now, hits, newest, wait = found
    refused, taken = said in _NO_QUOTA, None
    if request.counter is not None:
        first = said in _FIRST
        taken = Taken(True, said in _ADMITTED, used, first and not refused, first and refused)
    if refused or request.tariff.terms[session.tier].limit is None:
        return Admitted(session, None, taken)
    return Admitted(session, Fill(hits, now, newest, wait), taken)
