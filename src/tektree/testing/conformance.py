"""The promises of the ports as checks, for a storage of your own.

A check has a name that is a sentence. It takes empty storages; it returns when they keep the promise, and raises an
``AssertionError`` that says which one they break. ``python -O`` does not silence it.

>>> from tektree.backends import memory
>>> def make():
...     profiles, accounts = memory.MemoryGamification(), memory.MemoryAccounts()
...     ledger, boards = memory.MemoryLedger(profiles), memory.MemoryLeaderboards()
...     log, deliveries = memory.MemoryEventLog(), memory.MemoryDeliveries()
...     return Backends(profiles, ledger, boards, log, deliveries, accounts, memory.MemorySubscriptions())
>>> for check in checks():
...     run(check, make)
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import tektree._async.conformance as async_conformance
import tektree._sync.conformance as sync_conformance
from tektree.errors import ConfigurationError
from tektree.ports import AsyncBackends, Backends

__all__ = ["checks", "promise", "run", "run_async"]

_ASYNC: Final[Mapping[str, async_conformance.Check]] = {each.__name__: each for each in async_conformance.CHECKS}
_ASYNC_RACES: Final[Mapping[str, async_conformance.Race]] = {each.__name__: each for each in async_conformance.RACES}
_SYNC: Final[Mapping[str, sync_conformance.Check]] = {each.__name__: each for each in sync_conformance.CHECKS}
_SYNC_RACES: Final[Mapping[str, sync_conformance.Race]] = {each.__name__: each for each in sync_conformance.RACES}


def checks() -> tuple[str, ...]:
    """The names of all checks, to parametrise a test with. They are the same in both flavours."""
    return (*_ASYNC, *_ASYNC_RACES)


def promise(check: str) -> str:
    """The sentence of the port that a check is about."""
    return inspect.getdoc(_ASYNC.get(_named(check)) or _ASYNC_RACES[check]) or check


def run(check: str, backends: Backends | Callable[[], Backends]) -> None:
    """Runs one check on empty storages, or on those that a factory makes, which are closed at the end.

    Raises ``AssertionError`` when the promise is broken, `ConfigurationError` for a name that no check has.
    """
    _named(check)
    made = backends if isinstance(backends, Backends) else backends()
    if made.on_setup is not None:
        made.on_setup()
    try:
        if check in _SYNC:
            _SYNC[check](made)
        else:
            _SYNC_RACES[check](made, _in_threads)
    finally:
        if made is not backends and made.on_close is not None:
            made.on_close()


async def run_async(
    check: str, backends: AsyncBackends | Callable[[], AsyncBackends | Awaitable[AsyncBackends]]
) -> None:
    """As `run`, for async storages; their factory may be ``async``."""
    _named(check)
    made = backends if isinstance(backends, AsyncBackends) else backends()
    if not isinstance(made, AsyncBackends):
        made = await made
    if made.on_setup is not None:
        await made.on_setup()
    try:
        if check in _ASYNC:
            await _ASYNC[check](made)
        else:
            await _ASYNC_RACES[check](made, _in_tasks)
    finally:
        if made is not backends and made.on_close is not None:
            await made.on_close()


def _named(check: str) -> str:
    if check not in _ASYNC and check not in _ASYNC_RACES:
        raise ConfigurationError("check", "must be one of tektree.testing.checks()")
    return check


async def _in_tasks(calls: Sequence[Callable[[], Awaitable[object]]]) -> list[object]:
    return list(await asyncio.gather(*[call() for call in calls], return_exceptions=True))


def _in_threads(calls: Sequence[Callable[[], object]]) -> list[object]:
    with ThreadPoolExecutor(len(calls)) as pool:
        return [_outcome(future) for future in [pool.submit(call) for call in calls]]


def _outcome(future: Future[object]) -> object:
    error = future.exception()
    return future.result() if error is None else error
