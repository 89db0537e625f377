"""All interleavings of a few workers over one storage, with crashes, lost replies and cancellations, tried out.

Workers are coroutines that run by hand. Storage behind `stepping` stops them before each call; which worker makes its
call next, and what befalls it, is chosen here, and every choice is tried. Between two calls a worker does nothing that
another could see, so that is all there is to choose.

Two ways that lead to the same state are followed once. A state is what storage holds and, of each worker, what it was
told so far, or how it ended: a coroutine depends on nothing else. So nothing is left out, and what is counted as
`Exploration.schedules` are the schedules that were covered, not those that were run.
"""

from asyncio import Runner
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Iterator, Sequence, Sized
from contextvars import copy_context
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Lock
from typing import Any, Final, NamedTuple, Protocol

from tektree.errors import OutcomeUnknown, Unavailable
from tektree.models.base import Value
from tektree.ports import AsyncBackends
from tektree.testing.faults import Call, around

__all__ = ["EVERY_STRIKE", "Choice", "End", "Exploration", "Strike", "World", "digest", "explore", "pause", "stepping"]


class Strike(StrEnum):
    """What befalls a worker at a call."""

    CRASH = "crash"
    """It is gone: the call is not made, and no line of it runs any more."""
    REFUSED = "refused"
    """The call is not made: `Unavailable`."""
    LOST = "lost"
    """The call is made, and its reply is lost: `OutcomeUnknown`."""
    CANCELLED = "cancelled"
    """The worker is cancelled before the call is made."""
    CANCELLED_AFTER = "cancelled_after"
    """The worker is cancelled while it waits for the reply of a call that was made."""


EVERY_STRIKE: Final = tuple(Strike)


class _Cancelled(BaseException):
    """As ``asyncio.CancelledError``, without a loop that could swallow it."""


class Choice(NamedTuple):
    """One step of a schedule: this worker goes on, or meets a strike."""

    worker: int
    strike: Strike | None = None
    call: Call | None = None

    def __str__(self) -> str:
        return f"{self.worker}: {self.call}{f' ({self.strike})' if self.strike else ''}"


class End(NamedTuple):
    """How a worker ended: with a ``value``, with an ``error``, or (neither) struck down."""

    value: object = None
    error: BaseException | None = None
    struck: bool = False


class World(Protocol):
    """One storage, and the workers on it, at the beginning."""

    @property
    def workers(self) -> Sequence[Coroutine[Any, Any, object]]:
        """What is to be interleaved. Nothing else may call storage meanwhile."""
        ...

    def state(self) -> object:
        """All that storage holds, as a value: `digest` of it, for instance."""
        ...

    def judge(self, ends: Sequence[End]) -> Iterable[str]:
        """What is wrong now that all have ended: one line each. It may go on using storage, directly."""
        ...


@dataclass
class Exploration:
    """What was found, and how much was looked at."""

    states: int = 0
    schedules: int = 0
    """The ways through those states, from beginning to end."""
    runs: int = 0
    """How often the workers were started anew."""
    ends: int = 0
    """Different ends, each of which was judged."""
    longest: int = 0
    """The calls of the longest schedule."""
    violations: list[tuple[str, tuple[Choice, ...]]] = field(default_factory=list)
    """What was wrong, and a schedule that leads there."""

    def told(self) -> str:
        """The counts in one line."""
        return (
            f"{self.states:,} states, {self.ends:,} ends, {self.schedules:,} schedules of up to {self.longest} calls, "
            f"{len(self.violations)} violations"
        )

    def story(self, most: int = 3) -> str:
        """The first violations with their schedules, for the message of a test."""
        stories = ["\n".join([said, *[f"    {choice}" for choice in path]]) for said, path in self.violations[:most]]
        return "\n".join([self.told(), *stories])


class _Point:
    """Where a worker stops: before a call. It goes on when it is told what befalls the call."""

    __slots__ = ("call", "given", "outcome")

    def __init__(self, call: Call, given: object = None) -> None:
        self.call, self.given = call, given
        self.outcome: object = None

    def __await__(self) -> Generator["_Point", Strike | None, Strike | None]:
        return (yield self)


def stepping(backends: AsyncBackends) -> AsyncBackends:
    """The same storages; each call is a step of `explore`. They must not wait for anything themselves."""

    async def step(call: Call, made: Callable[[], Awaitable[Any]]) -> Any:
        point = _Point(call)
        strike = await point
        try:
            if strike in {Strike.REFUSED, Strike.CANCELLED}:
                raise _error(strike, call)
            point.outcome = found = await made()
            if strike is not None:
                raise _error(strike, call)
        except BaseException as error:
            point.outcome = error
            raise
        return found

    return around(backends, step)


async def pause(attempt: int) -> None:
    """To be given to services as their ``pause``: the others may go on, or not."""
    strike = await _Point(Call("a worker", "pauses"))
    if strike is not None:
        raise _error(strike, Call("a worker", "pauses"))


def _error(strike: Strike | None, call: Call) -> BaseException:
    if strike is Strike.REFUSED:
        return Unavailable(call.port)
    return OutcomeUnknown(call.port) if strike is Strike.LOST else _Cancelled(str(call))


class _Worker:
    """A coroutine on its way: where it stands, and a digest of all that it was told.

    It has context variables of its own, as a task has.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, object]) -> None:
        self._coroutine = coroutine
        self._context = copy_context()
        self.point: _Point | None = None
        self.end: End | None = None
        self.told = 0
        self._send(None)

    def step(self, strike: Strike | None) -> None:
        point = self.point
        self.repeat(strike)
        if strike is not Strike.CRASH:
            assert point is not None
            self.told = hash((self.told, point.call, strike, digest(point.outcome)))

    def repeat(self, strike: Strike | None) -> None:
        """A step that was taken before: what the worker is told is known, and not looked at again."""
        if strike is Strike.CRASH:
            self.point, self.end, self.told = None, End(struck=True), 0
        else:
            self._send(strike)

    def _send(self, strike: Strike | None) -> None:
        try:
            self.point = self._context.run(self._coroutine.send, strike)
        except StopIteration as stop:
            self.point, self.end = None, End(value=stop.value)
        except _Cancelled:
            self.point, self.end = None, End(struck=True)
        except Exception as error:
            self.point, self.end = None, End(error=error)

    def known(self) -> object:
        """What it is about to do depends on this alone; when it has ended, how is all that is left of it."""
        return self.told if self.end is None else tuple([digest(each) for each in self.end])

    def leave(self) -> None:
        """Throws the coroutine away; what its clean-up would call is not made."""
        self._context.run(self._coroutine.close)


class _Run:
    """One world, at some point of a schedule."""

    def __init__(self, world: World, strikes: int) -> None:
        self.world = world
        self.workers = [_Worker(each) for each in world.workers]
        self.left = strikes

    def key(self) -> object:
        return digest(self.world.state()), self.left, *[each.known() for each in self.workers]

    def choices(self, strikes: Sequence[Strike]) -> list[Choice]:
        found = []
        for at, worker in enumerate(self.workers):
            if worker.point is not None:
                kinds: list[Strike | None] = [None, *(strikes if self.left else ())]
                found += [Choice(at, strike, worker.point.call) for strike in kinds]
        return found

    def step(self, choice: Choice) -> None:
        self.left -= choice.strike is not None
        self.workers[choice.worker].step(choice.strike)

    def repeat(self, path: Sequence[Choice], told: Sequence[int]) -> None:
        """Goes where the same path led before, and the workers had been ``told`` this."""
        for choice in path:
            self.left -= choice.strike is not None
            self.workers[choice.worker].repeat(choice.strike)
        for worker, known in zip(self.workers, told, strict=True):
            worker.told = known

    def told(self) -> list[int]:
        return [worker.told for worker in self.workers]

    def leave(self) -> None:
        for worker in self.workers:
            worker.leave()


def explore(
    make: Callable[[], World],
    strikes: Sequence[Strike] = EVERY_STRIKE,
    most_strikes: int = 1,
    longest: int = 400,
    first_only: bool = False,
) -> Exploration:
    """Every schedule of the workers of ``make()``, with up to ``most_strikes`` strikes in each.

    ``make`` is called over and over and must make the same world each time. A schedule of more than ``longest`` calls
    is a violation: somebody waits for something that never comes. ``first_only`` ends the search at the first one.
    """
    search = _Search(make, strikes, most_strikes, longest, first_only)
    with Runner() as runner:  # its loop runs nothing; some locks ask which one it is
        return runner.run(search.all())


class _Search:
    """A depth-first search; it goes down one world as far as it leads, and starts anew for the other branches."""

    def __init__(
        self, make: Callable[[], World], strikes: Sequence[Strike], most: int, longest: int, first_only: bool
    ) -> None:
        self._make, self._strikes, self._most = make, strikes, most
        self._longest, self._first_only = longest, first_only
        self._known: dict[object, int] = {}
        self._found = Exploration()

    async def all(self) -> Exploration:
        self._found.schedules = self._below(self._anew(), ())
        self._found.states = len(self._known)
        return self._found

    def _anew(self) -> _Run:
        self._found.runs += 1
        return _Run(self._make(), self._most)

    def _over(self) -> bool:
        return self._first_only and bool(self._found.violations)

    def _below(self, run: _Run, path: tuple[Choice, ...]) -> int:
        """How many schedules go on from here."""
        key = run.key()
        if key in self._known or self._over():
            run.leave()
            return self._known.get(key, 0)
        choices = run.choices(self._strikes)
        if not choices or len(path) >= self._longest:
            return self._ended(run, key, path)
        count, told = 0, run.told()
        for choice in choices:
            here = run
            if choice is not choices[0]:
                here = self._anew()
                here.repeat(path, told)
            here.step(choice)
            count += self._below(here, (*path, choice))
            if self._over():
                break
        self._known[key] = count
        return count

    def _ended(self, run: _Run, key: object, path: tuple[Choice, ...]) -> int:
        self._known[key] = 1
        self._found.ends += 1
        self._found.longest = max(self._found.longest, len(path))
        run.leave()
        ends = [worker.end for worker in run.workers if worker.end is not None]
        if len(ends) < len(run.workers):
            said: Iterable[str] = [f"does not end within {self._longest} calls"]
        else:
            said = run.world.judge(ends)
        self._found.violations += [(each, path) for each in said]
        return 1


def digest(value: object) -> object:
    """``value`` as something hashable that is equal for equal contents: of stores, a fingerprint of what they hold.

    Raises `TypeError` for a container that cannot be looked into: two that differ might be taken for one.
    """
    kind = type(value)
    if value is None or kind is str:
        return value
    if kind.__hash__ not in {None, object.__hash__}:
        try:
            return _hashed(value) if isinstance(value, Value) else hash(value)
        except TypeError:  # a tuple of what cannot be hashed
            pass
    if isinstance(value, BaseException):
        return kind, str(value)
    if isinstance(value, _LOCK):
        return None
    held, inside = _held(value), _attributes(value)
    if held is None:
        if not inside and isinstance(value, Sized | Iterator):
            raise TypeError(f"what a {kind.__qualname__} holds cannot be told from what another does")
        return kind, digest(inside)
    return (held, digest(inside)) if inside else held


def _held(value: object) -> object:
    """What stands in a container; None of what is none."""
    if isinstance(value, dict):
        return frozenset([(key, digest(item)) for key, item in value.items()])
    if isinstance(value, list | tuple | deque):
        return tuple([digest(item) for item in value])
    return frozenset([digest(item) for item in value]) if isinstance(value, set) else None


_LOCK: Final = type(Lock())
_HASHES: Final[dict[int, tuple[Value, int]]] = {}
"""Hashes of records, by their ``id``; they are kept here with them, so that nothing else comes to have it."""
_MOST: Final = 20_000


def _hashed(record: Value) -> int:
    """The hash of a record, which never changes. Most of what storage holds is looked at again after every call."""
    known = _HASHES.get(id(record))
    if known is None:
        if len(_HASHES) >= _MOST:
            _HASHES.clear()
        known = _HASHES[id(record)] = record, hash(record)
    return known[1]


def _attributes(value: object) -> dict[str, object]:
    """All of an object's own, those of slots as well."""
    slots = [name for name in _slots(type(value)) if hasattr(value, name)]
    return {name: getattr(value, name) for name in slots} | getattr(value, "__dict__", {})


def _slots(kind: type) -> Iterator[str]:
    for base in kind.__mro__:
        found = vars(base).get("__slots__", ())
        for name in (found,) if isinstance(found, str) else found:
            private = name.startswith("__") and not name.endswith("__")
            yield f"_{base.__name__.lstrip('_')}{name}" if private else name
