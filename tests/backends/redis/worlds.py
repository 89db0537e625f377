"""An empty Redis for a test, in one lane: faked or real, sync or asyncio, looked at by a plain client.

Tests are written once, as coroutines; where the client is sync, `Awaited` runs each call in a thread.
"""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import fakeredis
import redis
import redis.asyncio

from tektree import AsyncTekTree, TekTree
from tektree._async.backends.memory.bundles import memory_backends as async_memory_backends
from tektree._async.backends.redis.connecting import with_redis as async_with_redis
from tektree._sync.backends.memory.bundles import memory_backends
from tektree._sync.backends.redis.connecting import with_redis
from tektree.testing import ManualClock
from tests.backends.mongo.worlds import Awaited
from tests.lanes import CLUSTER, CLUSTER_ASYNC, FAKE, FAKE_ASYNC, REDIS, REDIS_ASYNC, close, enter
from tests.servers import DidNotStart, shared_cluster, shared_redis

__all__ = ["ALL", "CLUSTERS", "SERVERS", "World"]

T = TypeVar("T")

CLUSTERS = [CLUSTER, CLUSTER_ASYNC]
ALL = [FAKE, FAKE_ASYNC, REDIS, REDIS_ASYNC, *CLUSTERS]
SERVERS = [REDIS, REDIS_ASYNC]


@dataclass
class World:
    """A Redis that nobody else uses meanwhile, in one lane."""

    lane: str
    clock: ManualClock = field(default_factory=ManualClock)

    def __post_init__(self) -> None:
        enter(self.lane)
        self.is_async = self.lane in {FAKE_ASYNC, REDIS_ASYNC, CLUSTER_ASYNC}
        self._fake: Any = None
        self.uri = ""
        self.look: Any
        if self.lane in {FAKE, FAKE_ASYNC}:
            self._fake = fakeredis.FakeServer()
            self.look = fakeredis.FakeRedis(server=self._fake, decode_responses=True)
        elif self.lane in CLUSTERS:
            try:
                self._port = shared_cluster().port
            except DidNotStart as reason:
                close(self.lane, str(reason))
                raise
            self.look = redis.RedisCluster("127.0.0.1", self._port, decode_responses=True)
            self.look.flushall()
        else:
            try:
                self.uri = shared_redis().uri
            except DidNotStart as reason:
                close(self.lane, str(reason))
                raise
            self.look = redis.Redis.from_url(self.uri, decode_responses=True)
            self.look.flushall()
        self._closing: list[Any] = []

    def over(self) -> None:
        """Lets go of the client that looks."""
        self.look.close()

    def run(self, scenario: Callable[["World"], Coroutine[Any, Any, T]], threads: int = 72) -> T:
        """What ``scenario`` comes to, on an event loop of its own. What it opened is closed."""

        async def whole() -> T:
            asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(threads))
            try:
                return await scenario(self)
            finally:
                for each in self._closing:
                    closed = each()
                    if asyncio.iscoroutine(closed):
                        await closed
                self._closing.clear()

        return asyncio.run(whole())

    def client(self, uri: str | None = None, **options: Any) -> Any:
        """A client of the lane's flavour, as a host would make it."""
        if self._fake is not None:
            made: Any = (fakeredis.FakeAsyncRedis if self.is_async else fakeredis.FakeRedis)(
                server=self._fake, **options
            )
        elif self.lane in CLUSTERS:
            made = (redis.asyncio.RedisCluster if self.is_async else redis.RedisCluster)(
                "127.0.0.1", self._port, **options
            )
        else:
            library: Any = redis.asyncio if self.is_async else redis
            made = library.Redis.from_url(uri or self.uri, **options)
        self._closing.append(made.aclose if self.is_async else made.close)
        return made

    def backends(self, client: Any = None, deadline: float = 10.0) -> Any:
        """Storages of the lane's flavour: in memory, but for what Redis has."""
        client = self.client() if client is None else client
        if self.is_async:
            made: Any = async_with_redis(async_memory_backends(), client, deadline)
        else:
            made = with_redis(memory_backends(), client, deadline)
        self._closing.insert(0, made.on_close)
        return made

    def store(self, port: str, client: Any = None, deadline: float = 10.0) -> Any:
        """One of the stores, whose calls are awaited whatever the flavour."""
        made = getattr(self.backends(client, deadline), port)
        return made if self.is_async else Awaited(made)

    def tek(self, client: Any = None, deadline: float = 10.0, **options: Any) -> Any:
        """A ``tek`` whose calls are awaited whatever the flavour."""
        return self.over_backends(self.backends(client, deadline), **options)

    def over_backends(self, backends: Any, **options: Any) -> Any:
        """The same over storages that were made before."""
        options = {"clock": self.clock, **options}
        return AsyncTekTree(backends, **options) if self.is_async else Awaited(TekTree(backends, **options))


def trips_of(backends: Any) -> list[int]:
    """Of how many commands each round trip is, from now on."""
    nodes, trips = backends.rate_limits._redis._nodes, []
    exchange = nodes.exchange

    def counting(commands: Any, about: str) -> Any:
        trips.append(len(commands))
        return exchange(commands, about)

    nodes.exchange = counting
    return trips
