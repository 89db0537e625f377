"""Storages that are slow, fail, lose a reply or hang, around any storage that works.

A wrapper has the same ports as what it wraps, method by method, in either flavour. Storage in memory never waits, so
races and cancellation prove something only behind `yielding`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import fields, replace
from enum import StrEnum
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar, cast

from tektree.errors import ConfigurationError, OutcomeUnknown, Unavailable
from tektree.ports import AsyncBackends, Backends

__all__ = ["Call", "Crash", "Fault", "Faulty", "around", "yielding"]

B = TypeVar("B", AsyncBackends, Backends)


class Call(NamedTuple):
    """One call of a port's method: the port by its name in the bundle, such as ``ledger``."""

    port: str
    method: str

    def __str__(self) -> str:
        return f"{self.port}.{self.method}"


class Crash(BaseException):
    """The process ends here. No ``except Exception`` stops it."""


class Fault(StrEnum):
    """What befalls a call."""

    REFUSED = "refused"
    """It is not made: `Unavailable`."""
    LOST = "lost"
    """It is made, and its reply is lost: `OutcomeUnknown`."""
    CRASH = "crash"
    """It is not made, nor anything after it: `Crash`."""
    CRASH_AFTER = "crash_after"
    """It is made, and nothing after it: `Crash`."""
    HANG = "hang"
    """It is not made and never comes back, until the task is cancelled. Async only."""
    HANG_AFTER = "hang_after"
    """It is made and never comes back, until the task is cancelled. Async only."""


Made = Callable[[], Any]
Around = Callable[[Call, Made], Any]


class _Port:
    """A port whose every method goes through ``around``."""

    def __init__(self, name: str, inner: object, around: Around) -> None:
        self._name, self._inner, self._around = name, inner, around

    def __getattr__(self, method: str) -> Any:
        made = getattr(self._inner, method)
        if not callable(made):
            return made
        call = Call(self._name, method)

        def through(*args: Any, **kwargs: Any) -> Any:
            return self._around(call, partial(made, *args, **kwargs))

        return through


def around(backends: B, step: Around) -> B:
    """The same storages; each call is handed to ``step``, which makes it by calling its second argument, or not.

    For async storages ``step`` returns an awaitable, and so does what it calls.
    """
    hooks = ("on_", "created", "news")
    names: Iterator[str] = (each.name for each in fields(backends) if not each.name.startswith(hooks))
    ports = [name for name in names if getattr(backends, name) is not None]
    return replace(backends, **{name: cast(Any, _Port(name, getattr(backends, name), step)) for name in ports})


def yielding(backends: B) -> B:
    """The same storages; whoever calls them lets others run before the call and after it."""
    if isinstance(backends, AsyncBackends):

        async def step(call: Call, made: Callable[[], Awaitable[Any]]) -> Any:
            await asyncio.sleep(0)
            found = await made()
            await asyncio.sleep(0)
            return found

        return around(backends, step)

    def sync_step(call: Call, made: Made) -> Any:
        time.sleep(0)
        found = made()
        time.sleep(0)
        return found

    return around(backends, sync_step)


class Faulty(Generic[B]):
    """Storages whose call number ``at`` (from 0) meets a fault; with ``at`` None, none does, and calls are counted.

    ``backends`` is what to hand on, ``calls`` what was called. Raises `ConfigurationError` for sync storages that are
    to hang.
    """

    def __init__(self, backends: B, at: int | None = None, fault: Fault = Fault.LOST) -> None:
        is_async = isinstance(backends, AsyncBackends)
        if not is_async and fault in {Fault.HANG, Fault.HANG_AFTER}:
            raise ConfigurationError("fault", "must not be to hang where nobody can cancel; use async storages")
        self.at, self.fault = at, fault
        self.calls: list[Call] = []
        """What was called so far, in order."""
        self.hanging = asyncio.Event()
        """Set as soon as a call hangs."""
        self.backends: B = around(backends, self._async_step if is_async else self._sync_step)
        """The storages to use."""

    @property
    def struck(self) -> Call | None:
        """The call that met the fault; None as long as none did."""
        return self.calls[self.at] if self.at is not None and self.at < len(self.calls) else None

    def _counted(self, call: Call) -> bool:
        self.calls.append(call)
        return len(self.calls) - 1 == self.at

    def _sync_step(self, call: Call, made: Made) -> Any:
        if not self._counted(call):
            return made()
        if self.fault in {Fault.LOST, Fault.CRASH_AFTER}:
            made()
        raise self._error(call)

    async def _async_step(self, call: Call, made: Callable[[], Awaitable[Any]]) -> Any:
        if not self._counted(call):
            return await made()
        if self.fault in {Fault.LOST, Fault.CRASH_AFTER, Fault.HANG_AFTER}:
            await made()
        if self.fault in {Fault.HANG, Fault.HANG_AFTER}:
            self.hanging.set()
            await asyncio.get_running_loop().create_future()
        raise self._error(call)

    def _error(self, call: Call) -> BaseException:
        if self.fault is Fault.REFUSED:
            return Unavailable(call.port)
        return OutcomeUnknown(call.port) if self.fault is Fault.LOST else Crash(str(call))
