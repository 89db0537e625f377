"""Handlers: who is told of which events, in which order, and what happens to a call that fails.

Behind a commit its events go to the log, in the same write marked with the handlers that they are for. Then the
handlers are called, each line's events one after the other, and the mark is taken off. A call that fails becomes a
delivery of its own, which the relay tries again; what comes behind it in its line waits. A process that ends in between
leaves the mark, and the relay makes deliveries of it. So every handler gets every event at least once.
"""

import inspect
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from math import inf
from types import TracebackType
from typing import Final, Literal

from tektree import context, tracing
from tektree._async.ports.events import AsyncDeliveries, AsyncEventLog
from tektree._async.services.aftermath import left_to
from tektree._flavour import async_call, async_loop
from tektree.clock import Clock, read
from tektree.errors import (
    BackendError,
    ConfigurationError,
    GivenUp,
    InvalidInput,
    OutcomeUnknown,
    Unavailable,
    Undelivered,
    UnknownVersion,
)
from tektree.ids import Ids, derived_id, event_id, fresh_id
from tektree.models.events import Delivery, Event, Posting, Recipients, Told, line_of
from tektree.models.payloads import EventDeadLettered, Payload, SchemaUnknownVersion
from tektree.policy import Policy
from tektree.rules import reactions
from tektree.rules.catalog import Catalog
from tektree.rules.reactions import LEDGER, fits

__all__ = ["AsyncHandlers", "Handler", "OnFailure", "Registered", "takes_two"]

OnFailure = Literal["skip", "park", "halt"]
"""What becomes of a line whose event was given up: it goes on, or waits, or the handler gets nothing any more."""

Handler = Callable[..., object]

_LOG: Final = logging.getLogger("tektree")
_DEEPEST: Final = 32
"""How many events may cause one another before it is taken for a circle."""

_BLOCKS: Final[dict[OnFailure, Literal["nothing", "line", "handler"]]] = {
    "skip": "nothing",
    "park": "line",
    "halt": "handler",
}

_POSITIONAL: Final = frozenset({inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD})

_Key = tuple[object, str]
_Item = tuple[Event, Recipients]


@dataclass(frozen=True, slots=True)
class Registered:
    """A handler as it was registered.

    ``payload``: it wants the typed payload, ``both``: and the event as well.
    """

    name: str
    patterns: tuple[str, ...]
    function: Handler
    payload: type[Payload] | None = None
    both: bool = False
    on_failure: OnFailure = "skip"
    attempts: int = 5
    longest: float = inf
    """After an attempt that failed it is not called later than after so many seconds, whatever the policy."""
    elsewhere: bool = False
    """It stands for what is beyond this process, and is called by a relay alone."""

    def wants(self, event_type: str) -> bool:
        """Whether it is called for events of this type."""
        return _wants(self.patterns, event_type)


@lru_cache(maxsize=4_096)
def _wants(patterns: tuple[str, ...], event_type: str) -> bool:
    return any(fits(each, event_type) for each in patterns)


def takes_two(function: Handler) -> bool:
    """Whether a function is to get the event beside its payload."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    needed = [each for each in parameters if each.kind in _POSITIONAL and each.default is each.empty]
    return len(needed) == 2


_LEDGERS: Final = ""
"""In the place of a type: all that ledger rows tell."""


class AsyncHandlers:
    """The handlers of one process, and the way of events to them."""

    def __init__(
        self, log: AsyncEventLog, deliveries: AsyncDeliveries, catalog: Catalog, policy: Policy, clock: Clock, ids: Ids
    ) -> None:
        self.catalog = catalog
        self.token = ids()
        """The name that this process claims under."""
        self._log = log
        self._deliveries = deliveries
        self._policy = policy.events
        self._inline = policy.events.deliver == "inline"
        self._lease = timedelta(seconds=policy.events.lease)
        self._producer = policy.events.producer_id
        self._sinks = policy.events.sinks
        self._clock = clock
        self._ids = ids
        self._by_name: dict[str, Registered] = {}
        self._recipients: dict[str, Recipients] = {_LEDGERS: ()}
        """By type, as far as they were asked for. Who finds them out fills in the one they began with, so that what was
        found before a registration is forgotten with it.
        """
        self._lines: dict[_Key, list[_Item]] = {}
        self._busy: set[_Key] = set()
        self._here: set[str] = set()
        self._lock = threading.Lock()

    # -- who ----------------------------------------------------------------------------------------------------------

    def register(self, handler: Registered) -> None:
        """Adds a handler. Raises `ConfigurationError` where its name is taken."""
        with self._lock:
            if handler.name in self._by_name:
                raise ConfigurationError("name", f"{handler.name!r} is registered already; give this one name=…")
            self._by_name[handler.name] = handler
            self._forget()

    def remove(self, name: str) -> None:
        """Takes a handler away. Its deliveries wait until one of its name is registered again."""
        with self._lock:
            if self._by_name.pop(name, None) is None:
                raise InvalidInput("name", "is no handler that is registered here")
            self._forget()

    def _forget(self) -> None:
        self._recipients = {}

    def named(self, name: str) -> Registered | None:
        """The handler of that name."""
        return self._by_name.get(name)

    @property
    def names(self) -> Sequence[str]:
        """The names of all handlers that are registered here, and of those beyond this process."""
        return tuple(self._by_name)

    @property
    def here(self) -> Sequence[str]:
        """The names of the handlers of this process."""
        return tuple([each.name for each in list(self._by_name.values()) if not each.elsewhere])

    def recipients(self, event_type: str) -> Recipients:
        """The handlers of a type, in the order of their registration."""
        known = self._recipients
        found = known.get(event_type)
        if found is None:
            here = [each for each in list(self._by_name.values()) if not each.elsewhere]
            found = known[event_type] = tuple([each.name for each in here if each.wants(event_type)])
        return found

    def to(self, events: Sequence[Event]) -> Sequence[Recipients]:
        """Whom each of the events is for; empty: nobody of any of them.

        Most often nobody wants what ledger rows tell, and then their events are not even made.
        """
        if type(events) is Told:
            known = self._recipients
            heard = known.get(_LEDGERS)
            if heard is None:
                heard = known[_LEDGERS] = tuple([name for type in LEDGER for name in self.recipients(type)])
            if not heard:
                return ()
        to = [self.recipients(event.event_type) for event in events]
        return to if any(to) else ()

    # -- their way ----------------------------------------------------------------------------------------------------

    async def tell(self, payload: Payload, id: str, at: datetime, now: datetime) -> Event:
        """Tells what stands on no document: adds its event to the log, and calls the handlers. Gives back the event.

        Where one of the same id is there already, that is given back, and nobody is called. Where the type has a
        stream, the event is numbered in it. Once it is in the log, what storage cannot do is left to the relay.
        """
        event = self.catalog.told(payload, id, at, now, context.current(), self._producer)
        to = self.recipients(event.event_type)
        if not to:
            return (await self._log.tell(event, self.posting((to,), now)))[0]
        posting, here = self.posting((to,), now), self._here
        here.add(event.event_id)  # before it is marked, or a relay in another thread might take it
        new = False
        try:
            stored, new = await self._log.tell(event, posting)
            if new and "stream" not in stored.metadata and self._inline:
                with left_to("the relay", "event", stored.event_id):
                    await self._deliver([(stored, to)], stored.event_id)  # it is alone in its line
                return stored
        finally:
            here.discard(event.event_id)
        if new:
            await self.run(self.queue([stored], [to]))
        return stored

    async def say(self, payload: Payload) -> Event:
        """Tells what happens now, once for each call."""
        now = read(self._clock)
        return await self.tell(payload, fresh_id(self._ids), now, now)

    def posting(self, to: Sequence[Recipients], now: datetime) -> Posting | None:
        """The mark of events that this process is about to deliver; None where nobody and no sink is to get any."""
        if not self._sinks and not any(to):
            return None
        return Posting(to, self.token, now + self._lease if self._inline else now, self._sinks)

    def posting_for_sinks(self, events: Sequence[Event], now: datetime) -> Posting | None:
        """The mark of events that no handler wants."""
        return self.posting([()] * len(events), now) if self._sinks else None

    def is_here(self, event_id: str) -> bool:
        """Whether this process is delivering the event right now."""
        return event_id in self._here

    def queue(self, events: Sequence[Event], to: Sequence[Recipients]) -> Sequence[str]:
        """Puts events behind those of their lines. Gives back the lines; `run` delivers what stands in them."""
        if not self._inline:
            return ()
        loop = async_loop()
        lines: dict[str, None] = {}
        with self._lock:
            for event, recipients in zip(events, to, strict=True):
                if recipients:
                    line = line_of(event)
                    lines[line] = None
                    self._here.add(event.event_id)
                    self._lines.setdefault((loop, line), []).append((event, recipients))
        return list(lines)

    async def run(self, lines: Sequence[str]) -> None:
        """Calls the handlers of all that stands in these lines, except in one where that is being done already.

        Who is called may cause more events of the same line: they are delivered after it, not within. The events are
        told already, so nothing is raised where storage is away: the relay finds by their marks what is left.
        """
        for at, line in enumerate(lines):
            try:
                await self._run(line)
            except BaseException as error:
                self.leave(lines[at + 1 :])
                if not isinstance(error, BackendError):
                    raise
                _LOG.warning("the handlers of what stands in %s are left to the relay: %s", line, error.code)
                return

    async def _run(self, line: str) -> None:
        key = (async_loop(), line)
        batch = self._begun(key)
        try:
            while batch:
                await self._deliver(batch, line)
                batch = self._more(key, batch)
        except BaseException:
            self._left(key, batch)
            raise

    def leave(self, lines: Sequence[str]) -> None:
        """Leaves these lines to the relay."""
        loop = async_loop()
        for line in lines:
            with self._lock:
                left = self._lines.pop((loop, line), ())
                self._here.difference_update([event.event_id for event, _ in left])

    def _begun(self, key: _Key) -> Sequence[_Item]:
        with self._lock:
            if key in self._busy or key not in self._lines:
                return ()
            self._busy.add(key)
            return self._lines.pop(key)

    def _more(self, key: _Key, done: Sequence[_Item]) -> Sequence[_Item]:
        """What came into the line meanwhile; when there is nothing, the line is over."""
        with self._lock:
            self._here.difference_update([event.event_id for event, _ in done])
            more = self._lines.pop(key, ())
            if not more:
                self._busy.discard(key)
            return more

    def _left(self, key: _Key, batch: Sequence[_Item]) -> None:
        """What stands in a line that broke off is left to the relay, which finds it by its mark."""
        with self._lock:
            left = [*batch, *self._lines.pop(key, ())]
            self._here.difference_update([event.event_id for event, _ in left])
            self._busy.discard(key)

    async def _deliver(self, batch: Sequence[_Item], line: str) -> None:
        """Calls the handlers of these events, unless some before them in their stream were begun by another process.

        That may be at it still, or gone: then these are left to the relay, which keeps the order.
        """
        first = batch[0][0].metadata
        if first.get("seq", 0) > 1 and await self._log.awaited(line, first["seq"]):
            return
        wanted = batch[0][1] if len(batch) == 1 else list({name: None for _, to in batch for name in to})
        blocked = await self._deliveries.blocked(wanted, line)
        late: list[Delivery] = []
        for event, to in batch:
            for name in to:
                handler = self._by_name.get(name)
                if handler is None or name in blocked:
                    late.append(self.delivery(name, event))
                    continue
                try:
                    await self.call(handler, event)
                except Exception as error:
                    failed = self.failed(self.delivery(name, event).evolve(attempts=1), handler, error)
                    late.append(failed)
                    if failed.blocks != "nothing":
                        blocked = {*blocked, name}
        if late:
            await self._deliveries.add(late)
        await self._log.delivered([event.event_id for event, _ in batch])
        for each in late:
            if each.state == "dead":
                await self.mourn(each)

    async def call(self, handler: Registered, event: Event) -> None:
        """Calls a handler with what it asks for, in the context of the event."""
        if "hops" in event.metadata and context.depth(event) > _DEEPEST:
            raise ConfigurationError("handlers", "cause one another in a circle; break it, or declare emits=…")
        token = context.answer(event)
        try:
            if not tracing.spans():
                if handler.payload is None:
                    await async_call(handler.function, event)
                else:
                    await self._called(handler, event)
                return
            with tracing.span(f"handle {event.event_type}", {"handler": handler.name, "event_id": event.event_id}):
                await self._called(handler, event)
        finally:
            context.leave(token)

    async def _called(self, handler: Registered, event: Event) -> None:
        if handler.payload is None:
            await async_call(handler.function, event)
        elif handler.both:
            await async_call(handler.function, self.catalog.decode(event), event)
        else:
            await async_call(handler.function, self.catalog.decode(event))

    # -- what failed --------------------------------------------------------------------------------------------------

    def delivery(self, handler: str, event: Event) -> Delivery:
        """An event that is still due to a handler."""
        now = read(self._clock)
        return Delivery(
            id=derived_id("delivery", handler, event.event_id),
            handler=handler,
            line=line_of(event),
            seq=event.metadata.get("seq", 0),
            event_id=event.event_id,
            event_type=event.event_type,
            due=now,
            until=now,
        )

    def failed(self, delivery: Delivery, handler: Registered, error: Exception | None) -> Delivery:
        """The delivery behind an attempt that failed: due again later, or dead. No ``error``: the process ended.

        What is beyond this process and away for now has no attempt counted, and what says so is given up at once.
        """
        now = read(self._clock)
        reason = "the process ended while it ran" if error is None else _reason(error)
        attempts = delivery.attempts
        if handler.elsewhere and isinstance(error, Unavailable | OutcomeUnknown):
            attempts = max(0, attempts - 1)
        if attempts < handler.attempts and not isinstance(error, GivenUp):
            wait = min(float(reactions.wait(self._policy, delivery.attempts)), handler.longest)
            if handler.elsewhere:
                wait = self.spread(wait)
            due = now + timedelta(seconds=wait)
            return delivery.evolve(token="", until=now, due=due, attempts=attempts, reason=reason)
        blocks = "line" if isinstance(error, UnknownVersion) else _BLOCKS[handler.on_failure]
        return delivery.evolve(token="", until=now, due=now, state="dead", blocks=blocks, reason=reason)

    def spread(self, seconds: float) -> float:
        """A wait of about so long, at random between half of it and all: who failed together does not come together."""
        return seconds * (0.5 + int(self._ids()[:8], 16) / 2**33)

    async def mourn(self, dead: Delivery) -> None:
        """Tells that an event was given up. Of events about events it is not told: that would go on for ever."""
        if dead.event_type.startswith(("event.", "schema.")):
            return
        payload: Payload = EventDeadLettered(
            event_id=dead.event_id, handler=dead.handler, attempts=dead.attempts, reason=dead.reason
        )
        await self._told(payload, dead.event_id, f"{dead.handler}:{dead.attempts}")
        if dead.reason.startswith(UnknownVersion.__name__):
            event = await self._log.event(dead.event_id)
            version = "0" if event is None else event.event_version
            payload = SchemaUnknownVersion(event_type=dead.event_type, version=version)
            await self._told(payload, dead.event_id, version)

    async def _told(self, payload: Payload, cause: str, subject: str) -> None:
        now = read(self._clock)
        id = event_id(cause, self.catalog.kind(payload).event_type, subject)
        await self.tell(payload, id[4:], now, now)


def _reason(error: Exception) -> str:
    """The kind of an error and where it came from. What it says may be anybody's secret, so it is left out.

    Of a receiver it is known what it answered.
    """
    if isinstance(error, GivenUp | Undelivered):
        return f"{type(error).__name__}: {error.reason}"[:1_024]
    trace: TracebackType | None = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else f" at {trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}"
    return f"{type(error).__name__}{where}"[:1_024]
