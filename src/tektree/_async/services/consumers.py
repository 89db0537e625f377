"""Consumers: events from the streams take effect, each once and those of a line in order, whatever is lost on the way.

A line is known to be whole by its numbers. What was there already is passed over; what is missing is read from the
log, which has everything: so a stream that was trimmed, emptied or lost with its server costs time, never events. From
time to time the log is compared with what took effect, for what nothing comes behind.

What fails is a delivery, tried again later, and in the end a dead letter; what comes behind it in its line waits in
the log. What ends the process is known by how often it was handed out, and is given up as well.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Protocol, TypeVar

from tektree._async.ports.events import AsyncDeliveries, AsyncEventLog
from tektree._async.ports.streams import AsyncEffects, AsyncStreams
from tektree._async.services.effects import AsyncBatches, AsyncCalls, AsyncFolds, AsyncListener, Failure, Work
from tektree._async.services.handlers import AsyncHandlers, Handler, Registered, takes_two
from tektree._flavour import async_call, async_handler, async_sleep
from tektree.clock import Clock, read
from tektree.errors import BackendError, ConfigurationError, InvalidInput, NotFound, UnknownVersion
from tektree.ids import Ids
from tektree.models.events import (
    Change,
    Consumed,
    Delivery,
    Effect,
    Entry,
    Event,
    EventFilter,
    Pending,
    Timing,
    alone,
    in_line,
    line_of,
)
from tektree.models.payloads import Payload
from tektree.rules import inputs

__all__ = ["AsyncConsumer", "AsyncProjection"]

H = TypeVar("H", bound=Handler)

_PAGE: Final = 500
_KNOWN: Final = 50_000
"""Lines whose numbers are remembered."""
_CHECKPOINT: Final = "~checkpoint"
_BEGIN: Final = "~begin"
_ALL: Final = 1 << 62
"""Behind every number: nothing of the line is to be brought here."""
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
        self._ids = ids
        self._lease = lease
        self._limit = limit
        self._from_now = from_now
        self._timing = timing
        self._known: dict[str, dict[str, Effect]] = {}
        self._left: dict[tuple[int, str], Entry] = {}
        self._gaps: dict[tuple[str, str], datetime] = {}
        self._joined = self._recovered = self._stopping = False
        self._lost = False
        self._reclaimed: datetime | None = None
        self._checked: datetime | None = None
        self._tried: datetime | None = None
        self._counts = Consumed()
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
        self._counts = Consumed()
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
        await self._retry()
        await self._compare()
        counts = self._counts._replace(left=len(self._left))
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
        self._stopping, self._total = False, Consumed()
        away, told = 0, read(self._clock)
        while not self._stopping:
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
        self._stopping = True

    async def _rest(self, seconds: float) -> None:
        while seconds > 0 and not self._stopping:
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
            self._known.clear()
        await self._revive()

    async def _begin(self) -> bool:
        """Whether the group begins now. From then on it is one that has begun."""
        now, begins = read(self._clock), False
        for each in self.listeners:
            if not await self._effects.read(self._called(each), [_BEGIN]):
                begins = True
                await self._effects.write(self._called(each), [Change(_BEGIN, 0, 1, now.isoformat())], now)
        return begins

    async def _revive(self) -> None:
        """What an older release could not read may be read by this one."""
        now = read(self._clock)
        for each in self.listeners:
            for dead in await self._deliveries.dead(self._called(each), None, _PAGE):
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
            reached = [await self._bring(each, lines, self._doomed(each, entries)) for each in self.listeners]
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

    # -- taking effect ------------------------------------------------------------------------------------------------

    async def _bring(
        self,
        listener: AsyncListener,
        lines: Mapping[str, Sequence[Event]],
        doomed: Collection[str] = (),
        patient: bool = True,
    ) -> Mapping[str, int]:
        """Brings the events of lines to a listener. Gives up to which number each line is done with."""
        stands = await self._stands(listener, lines)
        work: dict[str, Work] = {}
        gaps: dict[str, Sequence[Event]] = {}
        reached: dict[str, int] = {}
        repeated = 0
        for line, events in lines.items():
            effect = stands.get(line) or self._start(events[0])
            reached[line] = number = effect.number
            fresh = events if in_line(events[0])[1] > number else [each for each in events if in_line(each)[1] > number]
            repeated += len(events) - len(fresh)
            if not fresh:
                continue
            if in_line(fresh[-1])[1] == number + len(fresh):
                work[line] = Work(effect, fresh, _old(stands.get(line)))
            else:
                gaps[line] = fresh
        self._add_up(repeated=repeated)
        if gaps:
            await self._mend(listener, gaps, work, reached, patient)
        if work:
            await self._apply(listener, work, reached, doomed)
        return reached

    def _start(self, first: Event) -> Effect:
        """Where a line stands in which nothing took effect: before its first event, or before what came first."""
        return Effect(in_line(first)[1] - 1) if self._from_now else _NOTHING

    async def _stands(self, listener: AsyncListener, lines: Collection[str]) -> Mapping[str, Effect]:
        name = self._called(listener)
        known = self._known.setdefault(name, {})
        unknown = [line for line in lines if line not in known]
        if len(known) + len(unknown) > _KNOWN:
            known.clear()
            unknown = list(lines)
        if unknown:
            known.update(await self._effects.read(name, unknown))
        return known

    async def _mend(
        self,
        listener: AsyncListener,
        gaps: Mapping[str, Sequence[Event]],
        work: dict[str, Work],
        reached: dict[str, int],
        patient: bool,
    ) -> None:
        """Fills lines with what is missing, from the log; unless they wait behind what failed."""
        name, now = self._called(listener), read(self._clock)
        known = self._known[name]
        for line in gaps:
            known.pop(line, None)
        known.update(await self._effects.read(name, list(gaps)))  # somebody else may have got further
        held = await self._deliveries.held(name, list(gaps))
        for line, events in gaps.items():
            if line in held:
                reached[line] = _ALL
                self._add_up(held=len(events))
                continue
            effect = known.get(line) or self._start(events[0])
            reached[line] = effect.number
            since = self._gaps.setdefault((name, line), now)
            if patient and now - since < timedelta(seconds=self._timing.patience):
                continue
            self._gaps.pop((name, line), None)
            whole = await self._whole(line, effect.number, events)
            if whole:
                work[line] = Work(effect, whole, _old(known.get(line)))
                there = {each.event_id for each in events}
                self._add_up(healed=sum([each.event_id not in there for each in whole]))

    async def _whole(self, line: str, after: int, events: Sequence[Event]) -> Sequence[Event]:
        """The events of a line behind a number, without a gap, as far as the log has them."""
        by, last = {in_line(each)[1]: each for each in events}, in_line(events[-1])[1]
        missing = after
        while missing < last:
            page = await self._log.stream(line, missing, _PAGE)
            if not page:
                break
            by = {in_line(each)[1]: each for each in page} | by
            missing = in_line(page[-1])[1]
        whole: list[Event] = []
        while after + 1 + len(whole) in by:
            whole.append(by[after + 1 + len(whole)])
        return whole

    async def _apply(
        self, listener: AsyncListener, work: Mapping[str, Work], reached: dict[str, int], doomed: Collection[str] = ()
    ) -> Mapping[str, Failure]:
        name, known, now = self._called(listener), self._known[self._called(listener)], read(self._clock)
        changes, failures = await listener.effect(work, doomed)
        left = await self._effects.write(name, changes, now) if changes else ()
        applied = 0
        for line, _, number, state in changes:
            if line in left:  # somebody else brought it further meanwhile
                known.pop(line, None)
                continue
            reached[line] = number
            applied += number - work[line].effect.number
            if not alone(line):
                known[line] = Effect(number, state)
        self._add_up(applied=applied, failed=len(failures))
        for line, failure in failures.items():
            await self._failed(listener, failure)
            reached[line] = _ALL
        return failures

    async def _failed(self, listener: AsyncListener, failure: Failure) -> None:
        """What failed becomes a delivery; its line waits for it, in the log."""
        handler = listener.handler
        gone = failure.error is None or isinstance(failure.error, UnknownVersion)
        delivery = self._handlers.delivery(handler.name, failure.event)
        delivery = delivery.evolve(attempts=handler.attempts if gone else 1)
        failed = self._handlers.failed(delivery, handler, failure.error)
        await self._deliveries.add([failed])
        known = await self._deliveries.get(failed.id)
        if known is not None and known.state == "dead":
            await self._given_up(listener, known)

    # -- what failed --------------------------------------------------------------------------------------------------

    async def _retry(self) -> None:
        """Tries what failed before, and is due again; also what was redriven."""
        now = read(self._clock)
        if self._tried is not None and now - self._tried < timedelta(seconds=self._timing.patience):
            return
        self._tried = now
        by = {each.handler.name: each for each in self.listeners}
        for delivery in await self._deliveries.heads(list(by), self._limit):
            if delivery.due <= now and not self._stopping:
                await self._try(by[delivery.handler], delivery)

    async def _try(self, listener: AsyncListener, delivery: Delivery) -> None:
        token, now = self._ids(), read(self._clock)
        claimed = await self._deliveries.claim(delivery.id, token, now, now + self._lease)
        if claimed is None:
            return
        if claimed.attempts > listener.handler.attempts:  # the last one ended the process; this one is not made
            last = claimed.evolve(attempts=claimed.attempts - 1)
            await self._put(listener, self._handlers.failed(last, listener.handler, None), token)
            return
        failure = await self._catch_up(listener, claimed)
        if failure is None:
            await self._deliveries.remove(claimed.id, token)
            await self._follow(listener, claimed.line)
        else:
            await self._put(listener, self._handlers.failed(claimed, listener.handler, failure.error), token)

    async def _put(self, listener: AsyncListener, delivery: Delivery, token: str) -> None:
        await self._deliveries.put(delivery, token)
        if delivery.state == "dead":
            await self._given_up(listener, delivery)

    async def _catch_up(self, listener: AsyncListener, delivery: Delivery) -> Failure | None:
        """Brings the line forward up to a delivery's event. Gives what stopped it."""
        event = await self._log.event(delivery.event_id)
        if event is None:  # it was taken out of the log: there is nothing left to tell
            return None
        name = self._called(listener)
        self._known.setdefault(name, {}).pop(delivery.line, None)
        stands = (await self._stands(listener, [delivery.line])).get(delivery.line)
        effect = stands or self._start(event)
        if in_line(event)[1] <= effect.number:
            return None
        whole = await self._whole(delivery.line, effect.number, [event])
        if not whole:
            return Failure(event, NotFound("event", delivery.event_id))
        upto = [each for each in whole if in_line(each)[1] <= in_line(event)[1]]
        work = {delivery.line: Work(effect, upto, _old(stands))}
        changes, failures = await listener.effect(work, ())
        if changes:
            await self._effects.write(name, changes, read(self._clock))
            self._add_up(applied=sum([each.number - each.old for each in changes]))
        self._known[name].pop(delivery.line, None)
        self._add_up(failed=len(failures))
        return failures.get(delivery.line)

    async def _follow(self, listener: AsyncListener, line: str) -> None:
        """What waited in the log behind something that took effect now."""
        while not self._stopping:
            effect = (await self._stands(listener, [line])).get(line, _NOTHING)
            events = await self._log.stream(line, effect.number, _PAGE)
            if not events:
                return
            reached = await self._bring(listener, {line: events}, patient=False)
            if reached[line] in (effect.number, _ALL):
                return

    async def _given_up(self, listener: AsyncListener, delivery: Delivery) -> None:
        """The dead letter is there, so the line may go on behind it, where that is wanted."""
        await self._handlers.mourn(delivery)
        if listener.handler.on_failure == "skip":
            await self._pass(listener, delivery)
            await self._follow(listener, delivery.line)

    async def _pass(self, listener: AsyncListener, delivery: Delivery) -> None:
        """Moves a line behind an event that is not to take effect."""
        name, line, now = self._called(listener), delivery.line, read(self._clock)
        effect = (await self._effects.read(name, [line])).get(line)
        number = max(delivery.seq, 1)
        if _old(effect) == number - 1 or (self._from_now and effect is None):
            state = None if effect is None else effect.state
            await self._effects.write(name, [Change(line, _old(effect), number, state)], now)
        self._known.setdefault(name, {}).pop(line, None)

    async def skip(self, id: str) -> None:
        """Gives a dead letter of this group up for good, and goes on behind it. Raises `NotFound`."""
        found = await self._deliveries.get(id)
        listener = next((each for each in self.listeners if found and each.handler.name == found.handler), None)
        if found is None or listener is None or found.state != "dead":
            raise NotFound("dead letter", id)
        await self._pass(listener, found)
        await self._deliveries.discard(id)
        await self._follow(listener, found.line)

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
        self._counts = Consumed()
        await self._join()
        await self._heal(read(self._clock), everything=True)
        return self._counts.applied

    async def _heal(self, until: datetime, everything: bool = False) -> None:
        """Goes through the log from a little before the last checkpoint on, and moves that."""
        names = [self._called(each) for each in self.listeners]
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
                before = self._counts
                await self._bring(each, lines, patient=False)
                self._counts = self._counts._replace(
                    healed=before.healed + self._counts.applied - before.applied, repeated=before.repeated
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
        found = [await self._effects.read(self._called(each), [_BEGIN]) for each in self.listeners]
        return min([each[_BEGIN].state or "" for each in found if _BEGIN in each], default="")

    async def state(self, name: str, stream: str) -> Any:
        """What the fold called ``name`` came to in a stream; None where nothing took effect yet. It is JSON."""
        found = (await self._effects.read(f"{self.group}:{name}", [stream])).get(stream, _NOTHING)
        return None if found.state is None else json.loads(found.state)

    def _called(self, listener: AsyncListener) -> str:
        """What its effects and deliveries are kept under: the group, and its own name."""
        return listener.handler.name

    def _add_up(self, **more: int) -> None:
        counts = self._counts
        self._counts = counts._replace(**{name: getattr(counts, name) + number for name, number in more.items()})


def _old(effect: Effect | None) -> int:
    return 0 if effect is None else effect.number


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
