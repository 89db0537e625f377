"""A database of its own for a test, in one lane: reached by that lane's driver, looked at by PyMongo or mongomock.

Tests are written once, as coroutines; where the driver is sync, `Awaited` runs each call in a thread.
"""

import asyncio
import os
import secrets
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import pytest
from pymongo import AsyncMongoClient, MongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from tektree import AsyncTekTree, TekTree
from tektree._async.backends.mongo.connecting import mongo_backends as async_mongo_backends
from tektree._async.backends.mongo.setup import _model, _options
from tektree._sync.backends.mongo.connecting import mongo_backends
from tektree.testing import ManualClock, SeededIds, run, run_async
from tektree.wire.collections import (
    DELIVERIES,
    EVENTS,
    GAMIFICATION_PROFILES,
    INDEXES,
    SUBSCRIPTIONS,
    USERS,
    XP_TRANSACTIONS,
)
from tests.lanes import MOCK, MOTOR, PYMONGO, PYMONGO_ASYNC, REAL, close, enter
from tests.servers import DidNotStart, shared_mongo

__all__ = ["ALL", "PROMISED", "RACED", "USED", "Awaited", "Heard", "World", "base_uri"]

T = TypeVar("T")

ALL = [MOCK, PYMONGO, PYMONGO_ASYNC, MOTOR, REAL]
PROMISED = pytest.mark.lanes(MOCK, PYMONGO_ASYNC, REAL, long=[PYMONGO, MOTOR])
"""For the promises of content: by default one lane for each flavour; all other tests meet every driver."""
RACED = pytest.mark.lanes(PYMONGO, PYMONGO_ASYNC, REAL, long=[MOTOR])
"""For races, and what is as long: by default one server lane for each flavour."""
USED = (USERS, GAMIFICATION_PROFILES, XP_TRANSACTIONS, SUBSCRIPTIONS, EVENTS, DELIVERIES)
"""The collections that the services use so far."""


class Awaited:
    """What is sync, as if it were async: each call runs in a thread of its own."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.inner, name)
        if not callable(value):
            return Awaited(value) if type(value).__module__.startswith("tektree._sync") else value

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await asyncio.to_thread(partial(value, *args, **kwargs))

        return call


class Heard(CommandListener):
    """Every command that was sent, but for those that drivers send on their own."""

    def __init__(self) -> None:
        self.commands: list[tuple[str, dict[str, Any]]] = []

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name not in {"endSessions", "killCursors", "hello"}:
            self.commands.append((event.command_name, dict(event.command)))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass

    def names(self) -> list[str]:
        """Their names and collections; what was heard is forgotten."""
        heard, self.commands[:] = [f"{name} {command[name]}" for name, command in self.commands], []
        return heard


def base_uri(lane: str) -> str:
    """Where the lane's server is; the lane is entered."""
    enter(lane)
    if lane == REAL:
        return os.environ["TEKTREE_TEST_MONGO"]
    try:
        return shared_mongo().uri
    except DidNotStart as reason:
        close(lane, str(reason))
        raise


@dataclass
class World:
    """A database that nobody else uses, in one lane."""

    lane: str
    uri: str
    name: str = field(default_factory=lambda: f"tektree_{secrets.token_hex(6)}")
    clock: ManualClock = field(default_factory=ManualClock)

    def __post_init__(self) -> None:
        self.is_async = self.lane in {PYMONGO_ASYNC, MOTOR}
        self._looking: Any
        if self.lane == MOCK:
            import mongomock

            self._looking = mongomock.MongoClient()
        else:
            self._looking = MongoClient(self.uri, tz_aware=True)
        self.look: Any = self._looking[self.name]
        """The database, to look at and to plant in."""
        self._clients: list[Any] = []

    @classmethod
    def made(cls, lane: str) -> "World":
        """An empty one. The test is skipped when the lane is closed."""
        if lane == MOCK:
            enter(lane)
            return cls(lane, "")
        return cls(lane, base_uri(lane))

    def indexed(self, collections: Sequence[str] = USED) -> "World":
        """With the indexes of these collections, as `setup` makes them: in a fraction of its commands."""
        for name in collections:
            indexes = [index for index in INDEXES[name] if not index.text]
            if self.lane != MOCK:
                self.look[name].create_indexes([_model(index) for index in indexes])
                continue
            for index in indexes:
                self.look[name].create_index(list(index.keys), **_options(index))
        return self

    def over(self) -> None:
        """Drops the database."""
        if self.lane != MOCK:
            self._looking.drop_database(self.name)
            self._looking.close()

    def run(self, scenario: Callable[["World"], Coroutine[Any, Any, T]], threads: int = 72) -> T:
        """What ``scenario`` comes to, on an event loop of its own. Clients that it opened are closed."""

        async def whole() -> T:
            asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(threads))
            try:
                return await scenario(self)
            finally:
                for client in self._clients:
                    closing = client.close()
                    if isinstance(closing, Awaitable):
                        await closing
                self._clients.clear()

        return asyncio.run(whole())

    def keeps(self, check: str, made: Callable[[], Any] | None = None) -> None:
        """That our backends, or those that are ``made``, keep a promise of their ports, in the driver's flavour."""

        async def asked(world: "World") -> None:
            ready = replace((made or world.backends)(), on_setup=None)  # the world has its indexes
            if world.is_async:
                await run_async(check, ready)
            else:
                run(check, ready)

        self.run(asked)

    def client(self, uri: str | None = None, **options: Any) -> Any:
        """A client of the lane's driver."""
        if self.lane == MOCK:
            return self._looking
        if self.lane == MOTOR:
            from motor.motor_asyncio import AsyncIOMotorClient

            made: Any = AsyncIOMotorClient(uri or self.uri, **options)
        else:
            made = (AsyncMongoClient if self.is_async else MongoClient)(uri or self.uri, **options)
        self._clients.append(made)
        return made

    def backends(self, client: Any = None, deadline: float = 10.0) -> Any:
        """Our backends, in the driver's flavour."""
        database = (self.client() if client is None else client)[self.name]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Motor: has its own test
            return (async_mongo_backends if self.is_async else mongo_backends)(database, deadline)

    def tek(self, client: Any = None, deadline: float = 10.0, **options: Any) -> Any:
        """A ``tek`` whose calls are awaited, whatever the driver."""
        backends = self.backends(client, deadline)
        options = {"clock": self.clock, "ids": SeededIds(secrets.token_hex(4)), **options}
        if self.is_async:
            return AsyncTekTree(backends, **options)
        return Awaited(TekTree(backends, **options))

    def sync_tek(self, **options: Any) -> TekTree:
        """A plain ``tek`` on the database that is looked at."""
        return TekTree(mongo_backends(self.look), clock=self.clock, **options)
