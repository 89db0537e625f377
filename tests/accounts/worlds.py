"""A ``tek`` in memory for tests of accounts, in either flavour, and what must be true of it when nobody is at work.

Tests are written once, as coroutines; where the ``tek`` is sync, each call runs in a thread. bcrypt is counted and, but
for a few tests, made quick: what it comes to is of the same form and depends on the same things.
"""

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import pytest

from tektree import AsyncTekTree, Policy, Principal, TekTree
from tektree._async.backends.memory.bundles import memory_backends as async_memory
from tektree._sync.backends.memory.bundles import memory_backends
from tektree.models.accounts import User
from tektree.testing import ManualClock, SeededIds, yielding
from tests.lanes import enter

__all__ = ["COST", "POLICY", "ROOT", "Awaited", "Hasher", "World", "names"]

T = TypeVar("T")

COST = 10
OFTEN = {"login_per_account": {"limit": 100_000}, "login_per_source": {"limit": 100_000}}
"""Tests guess more often than anybody may; how often that is, is tested in `test_guessing`."""
POLICY = Policy(passwords={"bcrypt_cost": COST}, rate_limits=OFTEN)
ROOT = Principal("0" * 24, "usr_root", role="admin")
"""The host itself."""


class Hasher:
    """Stands for the module ``bcrypt``: counts what is hashed at which cost."""

    def __init__(self, real: Any = None) -> None:
        self.costs: list[int] = []
        self.running = self.most = 0
        self._real = real

    def hashpw(self, secret: bytes, salt: bytes) -> bytes:
        self.costs.append(int(salt[4:6]))
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            if self._real is not None:
                hashed: bytes = self._real.hashpw(secret, salt)
                return hashed
            digest = hashlib.sha512(secret + salt[:29]).digest()
            return salt[:29] + base64.b64encode(digest)[:31].replace(b"+", b".")
        finally:
            self.running -= 1

    def work(self) -> int:
        """What all that was hashed since the last call took, in units of cost 0."""
        costs, self.costs = self.costs, []
        return sum([2**cost for cost in costs])


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


class World:
    """Storage in memory, in one flavour, and what is done over it."""

    def __init__(self, flavour: str) -> None:
        enter("memory")
        self.is_async = flavour == "async"
        self.clock = ManualClock()
        self.backends: Any = async_memory() if self.is_async else memory_backends()
        self._seeds = iter(range(1_000_000))

    def tek(self, policy: Policy = POLICY, backends: Any = None) -> Any:
        """Another process over the same storage; its calls are awaited, whatever the flavour."""
        over = self.backends if backends is None else backends
        options: dict[str, Any] = {"clock": self.clock, "ids": SeededIds(next(self._seeds)), "policy": policy}
        return AsyncTekTree(over, **options) if self.is_async else Awaited(TekTree(over, **options))

    def rival(self, policy: Policy = POLICY) -> Any:
        """As `tek`; but storage in memory, which never waits, lets others run around each of its calls."""
        return self.tek(policy, yielding(self.backends))

    @property
    def store(self) -> Any:
        """The storage itself, awaited."""
        return self.backends if self.is_async else _Ports(self.backends)

    def run(self, scenario: Callable[["World"], Coroutine[Any, Any, T]]) -> T:
        """What ``scenario`` comes to, on an event loop of its own."""

        async def whole() -> T:
            asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(72))
            return await scenario(self)

        return asyncio.run(whole())


class _Ports:
    def __init__(self, backends: Any) -> None:
        self._backends = backends

    def __getattr__(self, name: str) -> Any:
        return Awaited(getattr(self._backends, name))


def names(number: int | str = "ada", **more: str) -> dict[str, str]:
    """What somebody registers with."""
    fields = {"email": f"{number}@example.com", "handle": f"the_{number}", "password": f"correct horse {number}"}
    return {**fields, **more}


async def registered(tek: Any, name: int | str = "ada", **more: str) -> User:
    """Somebody who has an account."""
    user: User = await tek.accounts.register(**names(name, **more))
    return user


async def refused(error: type[T], call: Awaitable[object]) -> T:
    """The error that a call must raise."""
    with pytest.raises(error) as caught:  # type: ignore[call-overload]
        await call
    found: T = caught.value
    assert type(found) is error
    return found


async def whole(world: World, *users: User) -> list[str]:
    """What is amiss: each user has one of everything, and nothing is left to do."""
    found: list[str] = []
    store = world.store
    if left := list(await store.accounts.unfinished(99)):
        found.append(f"events stand on {left}")
    for user in users:
        stored = await store.accounts.by_id(user.id)
        if stored is None:
            found.append(f"{user.handle} is not there")
            continue
        profile, subscription = (
            await store.gamification.profile(user.id),
            await store.subscriptions.get(user.id),
        )
        if profile is None or profile.uid != user.uid:
            found.append(f"{user.handle} has no profile")
        if subscription is None or subscription.tier != "free":
            found.append(f"{user.handle} has no subscription")
        else:
            told = [each.event_type for each in await store.events.stream(f"subscription:{subscription.id}", 0, 9)]
            if told != ["subscription.created"] or subscription.untold:
                found.append(f"of the subscription of {user.handle} it is told {told}")
        numbers = [each.metadata["seq"] for each in await store.events.stream(f"user:{user.uid}", 0, 99)]
        if numbers != list(range(1, len(numbers) + 1)):
            found.append(f"the events of {user.handle} are numbered {numbers}")
    return found
