"""How far each listener is in each line of events, and how it goes on.

A line is known to be whole by its numbers. What was there already is passed over; what is missing is read from the log,
which has everything. What fails is a delivery, tried again later, and in the end a dead letter; what comes behind it in
its line waits in the log.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from tektree._async.ports.events import AsyncDeliveries, AsyncEventLog
from tektree._async.ports.streams import AsyncEffects
from tektree._async.services.effects import AsyncListener, Failure, Work
from tektree._async.services.handlers import AsyncHandlers
from tektree.clock import Clock, read
from tektree.errors import NotFound, UnknownVersion
from tektree.ids import Ids
from tektree.models.events import Change, Consumed, Delivery, Effect, Event, Timing, alone, in_line

__all__ = ["AsyncProgress"]

_PAGE: Final = 500
_KNOWN: Final = 50_000
"""Lines whose numbers are remembered."""
_ALL: Final = 1 << 62
"""Behind every number: nothing of the line is to be brought here."""
_NOTHING: Final = Effect(0)


class AsyncProgress:
    """Brings events to listeners, each once and those of a line in order."""

    def __init__(
        self,
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
        self.counts = Consumed()
        """What came of it since somebody began to count."""
        self.stopping = False
        """Whether it is to end soon."""
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
        self._gaps: dict[tuple[str, str], datetime] = {}
        self._tried: datetime | None = None

    def forget(self) -> None:
        """How far lines are is read anew: the streams were lost."""
        self._known.clear()

    # -- taking effect ------------------------------------------------------------------------------------------------

    async def bring(
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
        name = listener.handler.name
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
        name, now = listener.handler.name, read(self._clock)
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
        name, known, now = listener.handler.name, self._known[listener.handler.name], read(self._clock)
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

    async def retry(self, listeners: Sequence[AsyncListener]) -> None:
        """Tries what failed before, and is due again; also what was redriven."""
        now = read(self._clock)
        if self._tried is not None and now - self._tried < timedelta(seconds=self._timing.patience):
            return
        self._tried = now
        by = {each.handler.name: each for each in listeners}
        for delivery in await self._deliveries.heads(list(by), self._limit):
            if delivery.due <= now and not self.stopping:
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
            await self.follow(listener, claimed.line)
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
        name = listener.handler.name
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

    async def follow(self, listener: AsyncListener, line: str) -> None:
        """What waited in the log behind something that took effect now."""
        while not self.stopping:
            effect = (await self._stands(listener, [line])).get(line, _NOTHING)
            events = await self._log.stream(line, effect.number, _PAGE)
            if not events:
                return
            reached = await self.bring(listener, {line: events}, patient=False)
            if reached[line] in (effect.number, _ALL):
                return

    async def _given_up(self, listener: AsyncListener, delivery: Delivery) -> None:
        """The dead letter is there, so the line may go on behind it, where that is wanted."""
        await self._handlers.mourn(delivery)
        if listener.handler.on_failure == "skip":
            await self.pass_over(listener, delivery)
            await self.follow(listener, delivery.line)

    async def pass_over(self, listener: AsyncListener, delivery: Delivery) -> None:
        """Moves a line behind an event that is not to take effect."""
        name, line, now = listener.handler.name, delivery.line, read(self._clock)
        effect = (await self._effects.read(name, [line])).get(line)
        number = max(delivery.seq, 1)
        if _old(effect) == number - 1 or (self._from_now and effect is None):
            state = None if effect is None else effect.state
            await self._effects.write(name, [Change(line, _old(effect), number, state)], now)
        self._known.setdefault(name, {}).pop(line, None)

    def _add_up(self, **more: int) -> None:
        counts = self.counts
        self.counts = counts._replace(**{name: getattr(counts, name) + number for name, number in more.items()})


def _old(effect: Effect | None) -> int:
    return 0 if effect is None else effect.number
