"""Admission on one Redis server, which has the keys of session, limit and quota: one script, one round trip."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final

from tektree._async.backends.redis.driver import AsyncRedis
from tektree._async.backends.redis.quotas import AsyncRedisQuotas, quota_keys, quota_rest
from tektree._async.backends.redis.rate_limits import AsyncRedisRateLimits, limit_keys
from tektree._async.backends.redis.sessions import stored_session
from tektree.errors import InvalidSession
from tektree.models.admissions import Admitted, Request, Terms
from tektree.models.quotas import Taken
from tektree.models.rate_limits import Bucket, Fill
from tektree.models.sessions import Session
from tektree.wire.keys import session as session_key
from tektree.wire.keys import user_sessions
from tektree.wire.scripts import script

__all__ = ["AsyncRedisAdmissions"]

_ADMIT: Final = script("admit")
_NO_SESSION: Final = 0
_MORE: Final = 1
_NO_QUOTA: Final = 2
_ADMITTED: Final = 4


class AsyncRedisAdmissions:
    """Sessions, limits and quotas of one server, as one. On a cluster they share no slot."""

    def __init__(self, redis: AsyncRedis) -> None:
        self._redis = redis
        self._limits = AsyncRedisRateLimits(redis)
        self._quotas = AsyncRedisQuotas(redis)

    async def admit(self, request: Request, now: datetime) -> Admitted | None:
        uid, session_id, endpoint, terms, counter, n, percent = request
        keys = [session_key(session_id), user_sessions(uid), *limit_keys(uid, endpoint)]
        arguments: list[str | int] = [uid, session_id, int(now.timestamp()), n, percent]
        if counter is None:
            arguments.append(0)
        else:
            count, told, _, held = quota_keys(counter)
            keys += [count, told, held]
            arguments.append(quota_rest(counter, now))
        arguments.append(_written(tuple(terms.items())))
        reply: bytes = await self._redis.run(_ADMIT, keys, arguments)
        numbers, text = reply.split(b" ", 8), b""
        if len(numbers) > 1:
            text = numbers.pop()
        said, *found = map(int, numbers)
        if said == _NO_SESSION:
            raise InvalidSession
        if said == _MORE:
            return None
        try:
            session = stored_session(text)
        except InvalidSession:  # the script reads less closely
            if said == _ADMITTED:
                await self._give_back(request, found[5], now)
            raise
        return _admitted(request, said, session, found)

    async def _give_back(self, request: Request, newest: int, now: datetime) -> None:
        await self._limits.give(Bucket(request.uid, request.endpoint, 1, 1), 1, newest)
        if request.counter is not None:
            await self._quotas.give(request.counter, request.n, f"back {newest}", now)


@lru_cache(maxsize=1024)
def _written(terms: Sequence[tuple[str, Terms]]) -> str:
    """What holds for each tier, as the script reads it. It is the same for all requests to an endpoint."""
    lines = [
        f"{tier},{'' if limit is None else limit},{window * 1_000_000},{'' if most is None else most}\n\n"
        for tier, (limit, window, most) in terms
    ]
    return "".join(["\n", *lines])


def _admitted(request: Request, said: int, session: Session, found: Sequence[int]) -> Admitted:
    used, threshold, exceeded, now, hits, newest, wait = found
    taken = None
    if request.counter is not None:
        taken = Taken(True, said == _ADMITTED, used, bool(threshold), bool(exceeded))
    if said == _NO_QUOTA or request.terms[session.tier].limit is None:
        return Admitted(session, None, taken)
    return Admitted(session, Fill(hits, now, newest, wait), taken)
