"""Publishing: events of the log go to sinks, those of a line in order, by one relay at a time.

The log is the outbox: what is marked for a sink has not been taken by it yet. A relay takes a lease of some partitions,
brings what is marked there to the sink, and then takes the marks off, never before. Who is held up for longer than the
lease only repeats what others brought meanwhile.

A sink that is away gets the same again, later. What it never takes, or what ends the process that brings it, becomes a
delivery of its own: attempts are counted before they are made, and what stands behind it in its line waits. Other
lines go on.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, NamedTuple

from tektree._async.ports.events import AsyncDeliveries, AsyncEventLog
from tektree._async.ports.streams import AsyncLeases, AsyncOutlets, AsyncSink, AsyncStreams
from tektree._async.services.handlers import AsyncHandlers, Registered
from tektree.clock import Clock, read
from tektree.errors import BackendError, ConfigurationError
from tektree.ids import Ids
from tektree.models.events import PARTITIONS, Delivery, Event, Lease, line_of, partition_of
from tektree.policy import Policy
from tektree.rules import reactions

__all__ = ["STREAMS", "AsyncPublisher", "AsyncStreamSink", "Turn"]

STREAMS: Final = "streams"
"""The sink of that name are the streams that consumers read."""

_BATCH: Final = 200
_MOST_BATCHES: Final = 50
"""In one turn; then others have theirs."""
_SHARE: Final = PARTITIONS // 2
"""So many partitions are taken at once, so that two relays share the work."""
_UNFINISHED: Final = 2
"""How often a partition may be left behind by a relay that ended, before its events are tried one by one."""
_TRIM: Final = 2_000
"""After so many events a relay lets streams go of what everybody has."""
_SPARE: Final = 10_000
"""So many entries of each partition stay where there is no consumer yet."""
_WHENEVER: Final = datetime.max.replace(tzinfo=UTC)


class Turn(NamedTuple):
    """What came of a turn: events that the sink took, calls that failed, events that were given up."""

    published: int = 0
    failed: int = 0
    dead: int = 0
    away: bool = False
    """Whether the sink, or storage, was away."""


class AsyncStreamSink:
    """The streams as a sink. They are trimmed on the way, never of what a group of consumers has not done."""

    name = STREAMS

    def __init__(self, streams: AsyncStreams) -> None:
        self._streams = streams
        self._since = 0

    async def publish(self, events: Sequence[Event], again: bool) -> Mapping[str, Exception]:
        """Adds the events to the streams; they take all of them. Raises `Unavailable`, `OutcomeUnknown`."""
        await self._streams.publish(events, again)
        self._since += len(events)
        if self._since >= _TRIM:
            self._since = 0
            await self._streams.trim(_SPARE)
        return {}


class AsyncPublisher:
    """Brings what is marked for sinks to them."""

    def __init__(
        self,
        log: AsyncEventLog,
        deliveries: AsyncDeliveries,
        leases: AsyncLeases,
        handlers: AsyncHandlers,
        policy: Policy,
        clock: Clock,
        ids: Ids,
        batch: int = _BATCH,
    ) -> None:
        self._log = log
        self._deliveries = deliveries
        self._leases = leases
        self._handlers = handlers
        self._policy = policy.events
        self._lease = timedelta(seconds=policy.events.lease)
        self._clock = clock
        self._ids = ids
        self._batch = batch
        self.sinks: dict[str, AsyncSink | AsyncOutlets] = {}
        """Those that this process has, by name."""

    def add(self, sink: AsyncSink | AsyncOutlets) -> None:
        """Takes a sink. Raises `ConfigurationError` for one that the policy does not name, or that is there already."""
        if sink.name not in self._policy.sinks:
            raise ConfigurationError("sink", f"{sink.name!r} is not one of Policy.events.sinks; name it there")
        if sink.name in self.sinks:
            raise ConfigurationError("sink", f"{sink.name!r} is there already")
        if isinstance(sink, AsyncOutlets):
            for each in sink.outlets:
                self._handlers.register(
                    Registered(each.name, ("*",), each.send, attempts=each.attempts, elsewhere=True)
                )
        else:
            one = partial(_publish_one, sink)
            attempts = self._policy.attempts
            self._handlers.register(
                Registered(sink.name, ("*",), one, on_failure="park", attempts=attempts, elsewhere=True)
            )
        self.sinks[sink.name] = sink

    async def turn(self, sink: AsyncSink | AsyncOutlets, due_only: bool = True) -> Turn:
        """Brings what is marked to one sink, of some partitions that nobody else has."""
        behind = sorted(await self._log.behind(sink.name))
        if not behind:
            return Turn()
        token, now = self._ids(), read(self._clock)
        first = int(token[:8], 16) % len(behind)
        turned, until = [*behind[first:], *behind[:first]], now + self._lease
        for some in (turned[:_SHARE], turned[_SHARE:]):
            due = now if due_only else _WHENEVER
            held = await self._leases.claim(sink.name, some, token, now, until, due) if some else ()
            if held:
                return await self._taken(sink, held, token)
        return Turn()

    async def _taken(self, sink: AsyncSink | AsyncOutlets, held: Sequence[Lease], token: str) -> Turn:
        """What was claimed is given back in the end, unless this process ends."""
        failures = max([each.failures for each in held])
        again = failures > 0 or any(each.attempts > 1 for each in held)
        one_by_one = {each.partition for each in held if each.attempts > _UNFINISHED}
        done = Turn()
        try:
            done = await self._bring(sink, held, token, again, one_by_one)
        except BackendError:
            now = read(self._clock)
            wait = self._handlers.spread(reactions.wait(self._policy, failures + 1))
            await self._leases.release(sink.name, token, now + timedelta(seconds=wait), failures + 1)
            return Turn(away=True)
        await self._leases.release(sink.name, token, read(self._clock), 0)
        return done

    async def _bring(
        self,
        sink: AsyncSink | AsyncOutlets,
        held: Sequence[Lease],
        token: str,
        again: bool,
        one_by_one: Collection[int],
    ) -> Turn:
        partitions: Collection[int] = {each.partition for each in held}
        renewed, total = read(self._clock), Turn()
        for _ in range(_MOST_BATCHES):
            events = await self._log.unpublished(sink.name, partitions, self._batch)
            if not events:
                break
            found = await self._publish(sink, events, token, again, one_by_one)
            if found is None:
                break
            one_by_one = ()
            total = Turn(total.published + found.published, total.failed + found.failed, total.dead + found.dead)
            now = read(self._clock)
            if len(events) < self._batch:
                break
            if now - renewed > self._lease / 2:
                renewed = now
                partitions = await self._leases.renew(sink.name, token, now, now + self._lease)
        return total

    async def _publish(
        self,
        sink: AsyncSink | AsyncOutlets,
        events: Sequence[Event],
        token: str,
        again: bool,
        one_by_one: Collection[int],
    ) -> Turn | None:
        """Brings the events there; then, and only then, takes their marks off.

        None: it took too long. Whose turn it is now does the same, and what it does counts.
        """
        left = await self._brought(sink, events, again, one_by_one)
        if left:
            now = read(self._clock)
            mine = await self._leases.renew(sink.name, token, now, now + self._lease)
            if any(partition_of(each.line) not in mine for each in left):
                return None
            await self._deliveries.add(left)
        await self._log.published(sink.name, [event.event_id for event in events])
        dead = [each for each in left if each.state == "dead"]
        for each in dead:
            await self._handlers.mourn(each)
        if isinstance(sink, AsyncOutlets):
            return Turn(len(events))
        return Turn(len(events) - len(left), len([each for each in left if each.attempts]), len(dead))

    async def _brought(
        self, sink: AsyncSink | AsyncOutlets, events: Sequence[Event], again: bool, one_by_one: Collection[int]
    ) -> list[Delivery]:
        """What of the events becomes deliveries; the sink has the others."""
        if isinstance(sink, AsyncOutlets):
            return [
                self._handlers.delivery(each.name, event)
                for event in events
                for each in sink.outlets
                if each.wants(event.event_type)
            ]
        lines = {line_of(event) for event in events}
        held = {each for each in lines if partition_of(each) in one_by_one}
        held |= set(await self._deliveries.held(sink.name, lines))
        fresh = [event for event in events if line_of(event) not in held]
        found = [self._handlers.delivery(sink.name, event) for event in events if line_of(event) in held]
        if not fresh:
            return found
        try:
            refused = await sink.publish(fresh, again)
        except BackendError:
            raise
        except Exception:  # one of them, and it does not say which
            return [*found, *[self._handlers.delivery(sink.name, event) for event in fresh]]
        behind: set[str] = set()
        handler = self._handlers.named(sink.name)
        for event in fresh if refused else ():
            delivery = self._handlers.delivery(sink.name, event)
            error = refused.get(event.event_id)
            if line_of(event) in behind:
                found.append(delivery)
            elif error is not None and handler is not None:
                behind.add(line_of(event))
                found.append(self._handlers.failed(delivery.evolve(attempts=1), handler, error))
        return found


async def _publish_one(sink: AsyncSink, event: Event) -> None:
    """One event alone. It may have been taken before."""
    refused = await sink.publish([event], True)
    if refused:
        raise refused[event.event_id]
