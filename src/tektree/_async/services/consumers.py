"""Consumers: events from the streams take effect, each once and those of a line in order, whatever is lost on the way.

A stream that was trimmed, emptied or lost with its server costs time, never events: from time to time the log, which
has everything, is compared with what took effect, for what nothing comes behind. What ends the process is known by how
often it was handed out, and is given up.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Protocol, TypeVar

from tektree._async.ports.events import AsyncDeliveries, AsyncEventLog
from tektree._async.ports.streams import AsyncEffects, AsyncStreams
from tektree._async.services.effects import AsyncBatches, AsyncCalls, AsyncFolds, AsyncListener
from tektree._async.services.handlers import AsyncHandlers, Handler, Registered, takes_two
from tektree._async.services.progress import AsyncProgress
from tektree._flavour import async_call, async_handler, async_sleep
from tektree.clock import Clock, read
from tektree.errors import BackendError, ConfigurationError, InvalidInput, NotFound, UnknownVersion
from tektree.ids import Ids
from tektree.models.events import (
    Change,
    Consumed,
    Effect,
    Entry,
    Event,
    EventFilter,
    Pending,
    Timing,
    in_line,
    line_of,
)
from tektree.models.payloads import Payload
from tektree.rules import inputs

__all__ = ["AsyncConsumer", "AsyncProjection"]

H = TypeVar("H", bound=Handler)

_PAGE: Final = 500
_CHECKPOINT: Final = "~checkpoint"
_BEGIN: Final = "~begin"
_NOTHING: Final = Effect(0)
_AT_ONCE: Final = timedelta()
_SLICE: Final = 0.02


class AsyncProjection(Protocol):
    """What is kept by a consumer, such as the leaderboards. What it does is harmless to repeat."""

    @property
    def follows(self) -> tuple[str, ...]:
        """The types of events that it is made of."""
        ...

    async def follow(self, events: Sequence[Event]) -> None:
        """Takes events in, those of a stream in their order."""
        ...


class AsyncConsumer:
    """One consumer of a group. Others of the group share the work, in this process or another one."""

    def __init__(
        self,
        group: str,
        name: str,
        meant: Callable[[Any], tuple[type[Payload] | None, str]],
        streams: AsyncStreams,
        log: AsyncEventLog,
        deliveries: AsyncDeliveries,
        effects: AsyncEffects,
        handlers: AsyncHandlers,
        clock: Clock,
        ids: Ids,
        lease: timedelta,
        limit: int,
        from_now: bool,
        timing: Timing,
    ) -> None:
        self.group = group
        self.name = name
        self.listeners: list[AsyncListener] = []
        """What events are brought to."""
        self._meant = meant
        self._streams = streams
        self._log = log
        self._deliveries = deliveries
        self._effects = effects
        self._handlers = handlers
        self._clock = clock
        self._limit = limit
        self._from_now = from_now
        self._timing = timing
        self._progress = AsyncProgress(
            log, deliveries, effects, handlers, clock, ids, lease, limit=limit, from_now=from_now, timing=timing
        )
        self._left: dict[tuple[int, str], Entry] = {}
        self._joined = self._recovered = False
        self._lost = False
        self._reclaimed: datetime | None = None
        self._checked: datetime | None = None
        self._total = Consumed()

    # -- who listens --------------------------------------------------------------------------------------------------

    def on(
        self,
        which: str | type[Payload],
        *,
        name: str,
        on_failure: Literal["skip", "park"] = "park",
        attempts: int = 5,
    ) -> Callable[[H], H]:
        """The function below it is called with every event of a type, as below `AsyncEvents.on`, at least once.

        Those of a stream come in their order. ``name`` is its own in the group. What it raises is tried again,
        ``attempts`` times in all, and then is a dead letter of ``group:name``: ``"park"`` keeps its stream waiting for
        it, ``"skip"`` goes on without it. Raises `InvalidInput`, and `ConfigurationError` for a name that is taken.
        """
        payload, pattern = self._meant(which)

        def registered(function: H) -> H:
            handler = self._registered(name, (pattern,), function, on_failure, attempts, payload)
            self.listeners.append(AsyncCalls(handler, self._handlers))
            return function

        return registered

    def fold(
        self,
        which: str,
        *,
        name: str,
        start: Any = None,
        on_failure: Literal["skip", "park"] = "park",
        attempts: int = 5,
    ) -> Callable[[H], H]:
        """The function below it makes of the state of a stream and its next event the state after it.

        Each event counts exactly once: the state is written together with the event's number. States are JSON,
        ``start`` is the first one; `state` reads them. The rest is as below `on`.
        """
        _, pattern = self._meant(which)

        def registered(function: H) -> H:
            handler = self._registered(name, (pattern,), function, on_failure, attempts)
            self.listeners.append(AsyncFolds(handler, start))
            return function

        return registered

    def feed(self, projection: AsyncProjection, *, name: str, attempts: int = 5) -> None:
        """Keeps a projection: ``tek.leaderboards``, ``tek.caches``, or one of the host. It is given many events at
        once.

        The rest is as below `on`.
        """
        handler = self._registered(name, projection.follows, projection.follow, "park", attempts)
        self.listeners.append(AsyncBatches(handler))

    def _registered(
        self,
        name: str,
        patterns: tuple[str, ...],
        function: Handler,
        on_failure: Literal["skip", "park"],
        attempts: int,
        payload: type[Payload] | None = None,
    ) -> Registered:
        async_handler(function)
        if on_failure not in ("skip", "park"):
            raise InvalidInput("on_failure", "must be 'skip' or 'park'")
        inputs.whole(attempts, "attempts", 1, 100)
        called = f"{self.group}:{inputs.text(name, 'name', 1, 60)}"
        if any(each.handler.name == called for each in self.listeners):
            raise ConfigurationError("name", f"{name!r} listens in this group already")
        return Registered(
            called, patterns, function, payload, takes_two(function) if payload else False, on_failure, attempts
        )

    # -- running ------------------------------------------------------------------------------------------------------

    async def run_once(self) -> Consumed:
        """Brings about everything that there is to do now: first what this consumer had taken before, then what others
        left, then what is new; from time to time what the log says is missing, and what failed.

        Raises `BackendError` when storage is away; the next run goes on where this one was.
        """
        self._progress.counts = Consumed()
        try:
            await self._join()
            await self._again()
            await self._recover()
            await self._reclaim()
            await self._take()
        except NotFound as lost:  # somebody emptied Redis, or took the group away
            if lost.kind != "group":
                raise
            self._joined = False
            await self._join()
        except BackendError:
            self._recovered = False  # a reply may be lost that handed something out
            raise
        await self._progress.retry(self.listeners)
        await self._compare()
        counts = self._progress.counts._replace(left=len(self._left))
        self._total = Consumed(*[one + other for one, other in zip(self._total, counts, strict=True)])._replace(
            left=counts.left
        )
        return counts

    async def run(self, poll: float = 0.05, report: Any = None, every: float = 10.0) -> None:
        """Goes on running until `stop` is called, and ends when what was begun is done.

        ``poll`` is how many seconds it waits where there is nothing to do. ``report`` is told every so many seconds
        what came of it so far, and once in the end. When storage is away, it is tried again, in the end every 5 s.
        Raises `InvalidInput`.
        """
        for name, value in (("poll", poll), ("every", every)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 3_600:
                raise InvalidInput(name, "must be seconds, more than 0 and 3,600 at the most")
        self._progress.stopping, self._total = False, Consumed()
        away, told = 0, read(self._clock)
        while not self._progress.stopping:
            try:
                done, away = await self.run_once(), 0
            except BackendError:
                done, away = Consumed(), away + 1
            if report is not None and read(self._clock) - told >= timedelta(seconds=every):
                told = read(self._clock)
                await async_call(report, self._total)
            if not done.applied:
                await self._rest(min(5.0, poll * 2 ** min(away, 10)))
        if report is not None:
            await async_call(report, self._total)

    def stop(self) -> None:
        """Lets `run` end. May be called from anywhere, a signal's handler as well."""
        self._progress.stopping = True

    async def _rest(self, seconds: float) -> None:
        while seconds > 0 and not self._progress.stopping:
            await async_sleep(min(seconds, _SLICE))
            seconds -= _SLICE

    # -- what is to be done -------------------------------------------------------------------------------------------

    async def _join(self) -> None:
        """Makes the group. Where it was missing, what the streams had is missing too, and comes from the log."""
        if self._joined:
            return
        begins = self._from_now and await self._begin()
        missing = await self._streams.join(self.group, begins)
        self._joined, self._lost = True, self._lost or (missing and not begins)
        if missing:
            self._left.clear()
            self._progress.forget()
        await self._revive()

    async def _begin(self) -> bool:
        """Whether the group begins now. From then on it is one that has begun."""
        now, begins = read(self._clock), False
        for each in self.listeners:
            if not await self._effects.read(each.handler.name, [_BEGIN]):
                begins = True
                await self._effects.write(each.handler.name, [Change(_BEGIN, 0, 1, now.isoformat())], now)
        return begins

    async def _revive(self) -> None:
        """What an older release could not read may be read by this one."""
        now = read(self._clock)
        for each in self.listeners:
            for dead in await self._deliveries.dead(each.handler.name, None, _PAGE):
                if dead.reason.startswith(UnknownVersion.__name__):
                    await self._deliveries.revive(dead.id, now)

    async def _recover(self) -> None:
        """What this consumer had before it ended, or before a reply was lost."""
        while not self._recovered:
            pending = await self._streams.pending(self.group, self.name, _AT_ONCE, self._limit + len(self._left))
            if not await self._hand_out(pending, _AT_ONCE):
                self._recovered = True

    async def _reclaim(self) -> None:
        """What other consumers have had for too long."""
        now, idle = read(self._clock), timedelta(seconds=self._timing.idle)
        if self._reclaimed is None or now - self._reclaimed >= idle / 2:
            self._reclaimed = now
            await self._hand_out(await self._streams.pending(self.group, None, idle, self._limit), idle)

    async def _hand_out(self, pending: Sequence[Pending], idle: timedelta) -> bool:
        """What was handed out before, once more. What was so more than once goes alone: it may end the process."""
        mine = [each for each in pending if (each.partition, each.id) not in self._left]
        first = [each for each in mine if each.times <= 1]
        for some in [first, *[[each] for each in mine if each.times > 1]]:
            if some:
                await self._deal(await self._streams.again(self.group, self.name, some, idle))
        return bool(mine)

    async def _again(self) -> None:
        """What was not done before: something in its line was missing, or storage was away."""
        if self._left:
            await self._deal(list(self._left.values()))

    async def _take(self) -> None:
        if len(self._left) < 10 * self._limit:
            await self._deal(await self._streams.take(self.group, self.name, self._limit))

    async def _deal(self, entries: Sequence[Entry]) -> None:
        """Lets entries take effect, and acknowledges those that are done with."""
        if not entries:
            return
        places, lines = _placed(entries)
        try:
            reached = [await self._progress.bring(each, lines, self._doomed(each, entries)) for each in self.listeners]
            done = _done(entries, places, reached)
            if done:
                await self._streams.acknowledge(self.group, done)
        except BaseException:
            self._left.update({(each.partition, each.id): each for each in entries})
            raise
        if self._left:
            for each in done:
                self._left.pop((each.partition, each.id), None)
        if len(done) < len(entries):
            ended = {(each.partition, each.id) for each in done}
            left = {(each.partition, each.id): each for each in entries}
            self._left.update({key: each for key, each in left.items() if key not in ended})

    def _doomed(self, listener: AsyncListener, entries: Sequence[Entry]) -> Collection[str]:
        return {each.event.event_id for each in entries if each.times > listener.handler.attempts}

    async def skip(self, id: str) -> None:
        """Gives a dead letter of this group up for good, and goes on behind it. Raises `NotFound`."""
        found = await self._deliveries.get(id)
        listener = next((each for each in self.listeners if found and each.handler.name == found.handler), None)
        if found is None or listener is None or found.state != "dead":
            raise NotFound("dead letter", id)
        await self._progress.pass_over(listener, found)
        await self._deliveries.discard(id)
        await self._progress.follow(listener, found.line)

    # -- what is missing ----------------------------------------------------------------------------------------------

    async def _compare(self) -> None:
        now, check = read(self._clock), timedelta(seconds=self._timing.check)
        if self._lost:
            await self._heal(now)
            self._lost = False
        elif self._checked is None or now - self._checked >= check:
            await self._heal(now - timedelta(seconds=self._timing.settle))
        else:
            return
        self._checked = now

    async def heal(self) -> int:
        """Compares all that the log has with what took effect, and brings about what did not. Gives back how many."""
        self._progress.counts = Consumed()
        await self._join()
        await self._heal(read(self._clock), everything=True)
        return self._progress.counts.applied

    async def _heal(self, until: datetime, everything: bool = False) -> None:
        """Goes through the log from a little before the last checkpoint on, and moves that."""
        names = [each.handler.name for each in self.listeners]
        found = [(await self._effects.read(name, [_CHECKPOINT])).get(_CHECKPOINT, _NOTHING) for name in names]
        begins = [each.state or "" for each in found]
        begin = "" if everything else min(begins, default="")
        if begin:
            begin = (datetime.fromisoformat(begin) - timedelta(seconds=self._timing.settle)).isoformat()
        last = max(begin, await self._first())
        while page := [
            each
            for each in await self._log.recorded(EventFilter(), last, _PAGE)
            if each.metadata["recorded_at"] <= until.isoformat()
        ]:
            lines: dict[str, list[Event]] = {}
            for event in sorted(page, key=in_line):  # clocks differ, so the order of recording is not that of lines
                lines.setdefault(line_of(event), []).append(event)
            for each in self.listeners:
                before = self._progress.counts
                await self._progress.bring(each, lines, patient=False)
                self._progress.counts = self._progress.counts._replace(
                    healed=before.healed + self._progress.counts.applied - before.applied, repeated=before.repeated
                )
            last = page[-1].metadata["recorded_at"]
        now = read(self._clock)
        for name, effect in zip(names, found, strict=True):
            if last > (effect.state or ""):
                change = Change(_CHECKPOINT, effect.number, effect.number + 1, last)
                await self._effects.write(name, [change], now)

    async def _first(self) -> str:
        """Behind which instant a group begins that began with what came from then on."""
        if not self._from_now:
            return ""
        found = [await self._effects.read(each.handler.name, [_BEGIN]) for each in self.listeners]
        return min([each[_BEGIN].state or "" for each in found if _BEGIN in each], default="")

    async def state(self, name: str, stream: str) -> Any:
        """What the fold called ``name`` came to in a stream; None where nothing took effect yet. It is JSON."""
        found = (await self._effects.read(f"{self.group}:{name}", [stream])).get(stream, _NOTHING)
        return None if found.state is None else json.loads(found.state)


def _placed(entries: Sequence[Entry]) -> tuple[list[tuple[str, int]], dict[str, list[Event]]]:
    """Line and number of each entry, and the events of each line in their order, each once."""
    places = [in_line(each.event) for each in entries]
    lines: dict[str, list[Event]] = {}
    lasts: dict[str, int] = {}
    mixed: set[str] = set()
    for (line, number), entry in zip(places, entries, strict=True):
        events = lines.get(line)
        if events is None:
            lines[line] = [entry.event]
        else:
            events.append(entry.event)
            if number <= lasts[line]:
                mixed.add(line)
        lasts[line] = number
    for line in mixed:
        by = {in_line(each)[1]: each for each in lines[line]}
        lines[line] = [by[number] for number in sorted(by)]
    return places, lines


def _done(
    entries: Sequence[Entry], places: Sequence[tuple[str, int]], reached: Sequence[Mapping[str, int]]
) -> Sequence[Entry]:
    """The entries that all are done with, by how far each got in their lines."""
    done = [*zip(entries, places, strict=True)]
    for each in reached:
        done = [(entry, place) for entry, place in done if each.get(place[0], 0) >= place[1]]
    return [entry for entry, _ in done]
