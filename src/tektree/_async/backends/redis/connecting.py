"""From what a host passes as ``redis`` to our backends over it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from importlib import import_module
from typing import Any, Final

from redis.exceptions import RedisError

from tektree._async.backends.redis.admissions import AsyncRedisAdmissions
from tektree._async.backends.redis.caches import AsyncRedisCaches
from tektree._async.backends.redis.driver import DEADLINE, AsyncRedis, client_of, stranger
from tektree._async.backends.redis.leaderboards import AsyncRedisLeaderboards
from tektree._async.backends.redis.quotas import AsyncRedisQuotas
from tektree._async.backends.redis.rate_limits import AsyncRedisRateLimits
from tektree._async.backends.redis.servers import facts
from tektree._async.backends.redis.sessions import AsyncRedisSessions
from tektree._async.backends.redis.streams import AsyncRedisEffects, AsyncRedisStreams
from tektree._async.ports.bundles import AsyncBackends
from tektree._flavour import async_redis
from tektree.errors import ConfigurationError
from tektree.models.servers import Facts

__all__ = ["connected", "facts_of", "with_redis"]

_LIBRARY: Final[Any] = import_module(async_redis)


def connected(redis: Any, deadline: float = DEADLINE) -> AsyncRedis:
    """A server by a URI ``redis://host`` (also ``rediss://`` and ``unix://``), or by a client of redis-py.

    Nothing is sent yet. A client that is opened here is closed with the SDK, one that was passed in is not. Raises
    `ConfigurationError` for anything else.
    """
    if isinstance(redis, str):
        return AsyncRedis(_opened(redis), deadline, owned=True)
    if client_of(redis) is not None:
        return AsyncRedis(redis, deadline)
    reason = stranger(redis) or "must be a URI 'redis://host', a redis.Redis or a redis.RedisCluster"
    raise ConfigurationError("redis", reason)


def with_redis(backends: AsyncBackends, redis: Any, deadline: float = DEADLINE) -> AsyncBackends:
    """``backends`` with the leaderboards and what is kept for a while on Redis. Raises `ConfigurationError`."""
    found = connected(redis, deadline)
    inner = backends.on_close

    async def close() -> None:
        try:
            await found.close()
        finally:
            if inner is not None:
                await inner()

    return replace(
        backends,
        leaderboards=AsyncRedisLeaderboards(found),
        rate_limits=AsyncRedisRateLimits(found),
        sessions=AsyncRedisSessions(found),
        quotas=AsyncRedisQuotas(found),
        caches=AsyncRedisCaches(found),
        streams=AsyncRedisStreams(found),
        stream_effects=AsyncRedisEffects(found),
        admissions=None if found.is_cluster else AsyncRedisAdmissions(found),
        on_close=close,
    )


async def facts_of(redis: Any, now: Callable[[], datetime], deadline: float = DEADLINE) -> Facts:
    """What a server says of itself, by the clock ``now``. What is opened here is closed.

    Raises `ConfigurationError`, `Unavailable`.
    """
    found = connected(redis, deadline)
    try:
        return await facts(found, now)
    finally:
        await found.close()


def _opened(uri: str) -> Any:
    """A client of our own. What is wrong with a URI is said without repeating it: it may hold a password."""
    try:
        return _LIBRARY.Redis.from_url(uri)
    except (RedisError, ValueError, TypeError, UnicodeError) as error:
        raise ConfigurationError("redis", f"is no valid Redis URI ({type(error).__name__})") from None
