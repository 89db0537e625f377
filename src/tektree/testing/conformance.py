"""The promises of the ports as checks, for a storage of your own.

A check has a name that is a sentence. It takes empty storages; it returns when they keep the promise, and raises an
``AssertionError`` that says which one they break. ``python -O`` does not silence it.

>>> from tektree.backends.memory import memory_backends
>>> for check in checks():
...     run(check, memory_backends)
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

_OPTIONAL: Final[Mapping[str, tuple[str, ...]]] = {
    port: tuple([each.__name__ for each in (*plain, *races)])
    for port, (plain, races) in async_conformance.OPTIONAL.items()
}
_ASYNC: Final[Mapping[str, async_conformance.Check]] = {
    each.__name__: each
    for plain in (async_conformance.CHECKS, *[plain for plain, _ in async_conformance.OPTIONAL.values()])
    for each in plain
}
_ASYNC_RACES: Final[Mapping[str, async_conformance.Race]] = {
    each.__name__: each
    for races in (async_conformance.RACES, *[races for _, races in async_conformance.OPTIONAL.values()])
    for each in races
}
_SYNC: Final[Mapping[str, sync_conformance.Check]] = {
    each.__name__: each
    for plain in (sync_conformance.CHECKS, *[plain for plain, _ in sync_conformance.OPTIONAL.values()])
    for each in plain
}
_SYNC_RACES: Final[Mapping[str, sync_conformance.Race]] = {
    each.__name__: each
    for races in (sync_conformance.RACES, *[races for _, races in sync_conformance.OPTIONAL.values()])
    for each in races
}


def checks(*ports: str) -> tuple[str, ...]:
    """The names of checks, to parametrise a test with. They are the same in both flavours.

    Without ``ports``, those of the ports that all storages have; else those of the named ports, which storages may
    leave out, such as ``rate_limits``. Raises `ConfigurationError` for another name.
    """
    if not ports:
        optional = {name for names in _OPTIONAL.values() for name in names}
        return tuple([name for name in (*_ASYNC, *_ASYNC_RACES) if name not in optional])
    if unknown := set(ports) - _OPTIONAL.keys():
        raise ConfigurationError("ports", f"{min(unknown)!r} is none of {', '.join(_OPTIONAL)}")
    return tuple([name for port in ports for name in _OPTIONAL[port]])


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
