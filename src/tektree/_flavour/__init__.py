"""What truly differs between the flavours, side by side.

The async source imports the names that begin with ``async_``. The generator of the twins writes ``sync_`` in their
place, and drops the ``await`` before their calls. A pair has one signature and one promise.
"""

import asyncio
import inspect
import os
import random
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import Final, ParamSpec, TypeVar, cast
from weakref import WeakKeyDictionary

from tektree._flavour.lines import async_lines, sync_lines
from tektree.errors import ConfigurationError, RateLimited

__all__ = [
    "async_backoff",
    "async_call",
    "async_cancellations",
    "async_databases",
    "async_handler",
    "async_heed",
    "async_lines",
    "async_locks",
    "async_loop",
    "async_offload",
    "async_redis",
    "async_redis_clients",
    "async_redis_stranger",
    "async_sleep",
    "async_stranger",
    "async_together",
    "async_turns",
    "sync_backoff",
    "sync_call",
    "sync_cancellations",
    "sync_databases",
    "sync_handler",
    "sync_heed",
    "sync_lines",
    "sync_locks",
    "sync_loop",
    "sync_offload",
    "sync_redis",
    "sync_redis_clients",
    "sync_redis_stranger",
    "sync_sleep",
    "sync_stranger",
    "sync_together",
    "sync_turns",
]

P = ParamSpec("P")
T = TypeVar("T")

_LOCKS: Final = 64


async_databases: Final = {
    ("pymongo.asynchronous.database", "AsyncDatabase"): "PyMongo Async",
    ("motor.core", "AgnosticDatabase"): "Motor",
}
"""The classes of MongoDB databases that can be awaited, by module and name, so that no driver has to be loaded to
know them.
"""

sync_databases: Final = {
    ("pymongo.synchronous.database", "Database"): "PyMongo",
    ("mongomock.database", "Database"): "mongomock",
}
"""The classes of MongoDB databases that cannot be awaited."""

async_stranger: Final = ("TekTree", sync_databases)
"""The class for databases that cannot be awaited, and those."""

sync_stranger: Final = ("AsyncTekTree", async_databases)
"""The class for databases that can be awaited, and those."""


async_redis: Final = "redis.asyncio"
"""Where redis-py keeps what can be awaited."""

sync_redis: Final = "redis"
"""Where redis-py keeps what cannot be awaited."""

async_redis_clients: Final = {
    ("redis.asyncio.client", "Redis"): "Redis",
    ("redis.asyncio.cluster", "RedisCluster"): "RedisCluster",
}
"""The classes of clients of redis-py that can be awaited, by module and name."""

sync_redis_clients: Final = {
    ("redis.client", "Redis"): "Redis",
    ("redis.cluster", "RedisCluster"): "RedisCluster",
}
"""The classes of clients of redis-py that cannot be awaited."""

async_redis_stranger: Final = ("TekTree", sync_redis_clients)
"""The class for clients that cannot be awaited, and those."""

sync_redis_stranger: Final = ("AsyncTekTree", async_redis_clients)
"""The class for clients that can be awaited, and those."""


class async_locks:  # noqa: N801 - one of a pair
    """Locks by key, for ``with``: one holder at a time for each key. They are not reentrant; some keys share a lock.

    A lock of asyncio belongs to one event loop, so each loop has its own; storage decides between them.
    """

    def __init__(self) -> None:
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, list[asyncio.Lock]] = WeakKeyDictionary()

    def of(self, key: str) -> asyncio.Lock:
        """The lock of ``key`` on the running loop."""
        loop = asyncio.get_running_loop()
        locks = self._by_loop.get(loop)
        if locks is None:
            locks = self._by_loop[loop] = [asyncio.Lock() for _ in range(_LOCKS)]
        return locks[hash(key) % _LOCKS]


class sync_locks:  # noqa: N801 - one of a pair
    """Locks by key, for ``with``: one holder at a time for each key. They are not reentrant; some keys share a lock."""

    def __init__(self) -> None:
        self._locks = [threading.Lock() for _ in range(_LOCKS)]

    def of(self, key: str) -> threading.Lock:
        """The lock of ``key``."""
        return self._locks[hash(key) % _LOCKS]


def async_loop() -> object:
    """The event loop that this runs on. Raises ``RuntimeError`` where there is none."""
    return asyncio.get_running_loop()


def sync_loop() -> object:
    """There is none."""
    return None


def async_cancellations() -> int:
    """How often the running task was asked to end."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def sync_cancellations() -> int:
    """Nobody can ask."""
    return 0


def async_heed(cancellations: int) -> None:
    """Raises ``CancelledError`` if the running task was asked to end more often than so; some drivers swallow that."""
    if async_cancellations() > cancellations:
        raise asyncio.CancelledError


def sync_heed(cancellations: int) -> None:
    """Nobody can ask."""


async def async_sleep(seconds: float) -> None:
    """Let ``seconds`` pass while others run. 0 only lets them run."""
    await asyncio.sleep(seconds)


def sync_sleep(seconds: float) -> None:
    """Let ``seconds`` pass while others run. 0 only lets them run."""
    time.sleep(seconds)


async def async_backoff(attempt: int) -> None:
    """Wait before trying again: about 1 ms · 2^attempt, at random between none and all of it, 100 ms at the most."""
    await asyncio.sleep(_spread(attempt))


def sync_backoff(attempt: int) -> None:
    """Wait before trying again: about 1 ms · 2^attempt, at random between none and all of it, 100 ms at the most."""
    time.sleep(_spread(attempt))


def _spread(attempt: int) -> float:
    most = 0.001 * float(1 << min(attempt, 7))
    return min(0.1, most) * random.random()  # noqa: S311 - spreads retries, keeps no secret


async def async_offload(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """What ``work`` returns, without holding up the event loop meanwhile. It sees the caller's context variables.

    A cancelled caller stops waiting; ``work`` itself runs to its end.
    """
    return await asyncio.to_thread(work, *args, **kwargs)


def sync_offload(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """What ``work`` returns. There is nobody to hold up but the caller."""
    return work(*args, **kwargs)


class async_turns:  # noqa: N801 - one of a pair
    """Heavy work off the event loop: ``at_once`` pieces at a time, and ``waiting`` more that wait for their turn.

    Raises `RateLimited`, which names ``what``, for one more than that. A cancelled caller stops waiting; work that has
    begun runs to its end, and its turn is not over before.
    """

    def __init__(self, what: str, at_once: int, waiting: int) -> None:
        self._what, self._at_once, self._most = what, at_once, at_once + waiting
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._room = threading.BoundedSemaphore(self._most)
        self._pool = ThreadPoolExecutor(self._at_once, "tektree")

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """What ``work`` returns."""
        if self._pid != os.getpid():  # the threads stayed with the parent
            self._begin()
        room = self._room
        if not room.acquire(blocking=False):
            raise RateLimited(self._what, 1)
        future = self._pool.submit(work, *args, **kwargs)
        future.add_done_callback(lambda _: room.release())
        return await asyncio.wrap_future(future)


class sync_turns:  # noqa: N801 - one of a pair
    """Heavy work in the caller's thread: ``at_once`` pieces at a time, and ``waiting`` more that wait for their turn.

    Raises `RateLimited`, which names ``what``, for one more than that.
    """

    def __init__(self, what: str, at_once: int, waiting: int) -> None:
        self._what = what
        self._room = threading.BoundedSemaphore(at_once + waiting)
        self._turns = threading.BoundedSemaphore(at_once)

    def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """What ``work`` returns."""
        if not self._room.acquire(blocking=False):
            raise RateLimited(self._what, 1)
        try:
            with self._turns:
                return work(*args, **kwargs)
        finally:
            self._room.release()


async def async_together(works: Sequence[Callable[[], Awaitable[None]]], stop: Callable[[], None]) -> None:
    """Does all ``works`` at the same time. When one fails, ``stop`` is called so that the others end, and it is raised.

    Who is cancelled meanwhile cancels them.
    """
    tasks = [asyncio.ensure_future(work()) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        stop()
        await asyncio.gather(*tasks, return_exceptions=True)
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
    for task in tasks:
        task.result()


def sync_together(works: Sequence[Callable[[], None]], stop: Callable[[], None]) -> None:
    """Does all ``works`` at the same time, in threads. When one fails, ``stop`` is called so that the others end, and
    it is raised. So it is when the waiting thread is interrupted.
    """
    with ThreadPoolExecutor(len(works), "tektree") as pool:
        futures = [pool.submit(copy_context().run, work) for work in works]
        try:
            left = set(futures)
            while left and not any(each.done() and each.exception() for each in futures):
                left = wait(left, timeout=0.1, return_when=FIRST_EXCEPTION).not_done  # signals come in between
        finally:
            stop()
    for each in futures:
        each.result()


def async_handler(handler: object) -> None:
    """Raises `ConfigurationError` for what cannot be called. It may be a plain function or an ``async`` one."""
    if not callable(handler):
        raise ConfigurationError("handler", "must be a function that takes what happened")


def sync_handler(handler: object) -> None:
    """Raises `ConfigurationError` for what cannot be called, and for an ``async`` function: nobody awaits it here."""
    if not callable(handler):
        raise ConfigurationError("handler", "must be a function that takes what happened")
    if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(type(handler).__call__):
        raise ConfigurationError("handler", "is async; pass a plain function, or use AsyncTekTree")


_PLAIN: Final = frozenset({type(None), bool, int, float, str, dict, list, tuple})
"""Of what handlers return, what nobody can await."""


async def async_call(handler: Callable[P, T | Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """What a host's ``handler`` returns, be it a plain function or an ``async`` one."""
    result = handler(*args, **kwargs)
    if type(result) not in _PLAIN and inspect.isawaitable(result):  # what most return is seen at once
        awaited: T = await result
        return awaited
    return cast("T", result)


def sync_call(handler: Callable[P, T | Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """What a host's ``handler`` returns. Raises `ConfigurationError` for an ``async`` one: nobody here can await it."""
    result = handler(*args, **kwargs)
    if type(result) not in _PLAIN and inspect.isawaitable(result):  # what most return is seen at once
        if inspect.iscoroutine(result):
            result.close()
        raise ConfigurationError("handler", "returned something to await; pass a plain function, or use AsyncTekTree")
    return cast("T", result)
