"""From what a host passes as ``redis`` to our backends over it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from importlib import import_module
from typing import Any, Final
from urllib.parse import urlsplit

from redis.exceptions import RedisError

from tektree._async.backends.redis.admissions import AsyncRedisAdmissions
from tektree._async.backends.redis.caches import AsyncRedisCaches
from tektree._async.backends.redis.driver import DEADLINE, AsyncRedis, client_of, stranger
from tektree._async.backends.redis.leaderboards import AsyncRedisLeaderboards
from tektree._async.backends.redis.quotas import AsyncRedisQuotas
from tektree._async.backends.redis.rate_limits import AsyncRedisRateLimits
from tektree._async.backends.redis.servers import facts, primaries
from tektree._async.backends.redis.sessions import AsyncRedisSessions
from tektree._async.backends.redis.streams import AsyncRedisEffects, AsyncRedisStreams
from tektree._async.ports.bundles import AsyncBackends
from tektree._flavour import async_redis
from tektree.errors import ConfigurationError, Unavailable
from tektree.models.servers import Facts

__all__ = ["connected", "facts_of", "facts_of_each", "with_redis"]

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


async def facts_of_each(uri: str, now: Callable[[], datetime], deadline: float = DEADLINE) -> dict[str, Facts | None]:
    """What each server behind a URI says of itself, by host and port: in a cluster that is every primary.

    None: it could not be reached. Raises, for the server of the URI, as `facts_of`.
    """
    asked = connected(uri, deadline)
    try:
        first = await facts(asked, now)
        others = await primaries(asked) if first.info.get("cluster_enabled") == "1" else []
    finally:
        await asked.close()
    if not others:
        return {_address(uri): first}
    found: dict[str, Facts | None] = {}
    for host, port in others:
        other = _beside(uri, host, port)
        try:
            found[_address(other)] = await facts_of(other, now, deadline)
        except Unavailable:
            found[_address(other)] = None
    return found


def _beside(uri: str, host: str, port: int) -> str:
    """The URI of another server of the same kind, for the same user."""
    parts = urlsplit(uri)
    user, at, _ = parts.netloc.rpartition("@")
    name = host or parts.hostname or ""
    return parts._replace(netloc=f"{user}{at}{f'[{name}]' if ':' in name else name}:{port}").geturl()


def _address(uri: str) -> str:
    """Host and port of a URI, or its path where it has none: no user, and no password."""
    parts = urlsplit(uri)
    return parts.netloc.rpartition("@")[2] or parts.path


def _opened(uri: str) -> Any:
    """A client of our own. What is wrong with a URI is said without repeating it: it may hold a password."""
    try:
        return _LIBRARY.Redis.from_url(uri)
    except (RedisError, ValueError, TypeError, UnicodeError) as error:
        raise ConfigurationError("redis", f"is no valid Redis URI ({type(error).__name__})") from None
