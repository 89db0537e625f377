"""Worlds in which relays and consumers meet over one storage in memory, and what must be true in the end.

Each worker is a process of its own. A relay makes one turn, a consumer one run; later ones, whom nothing befalls,
bring all to an end, and then it is judged what stands in the streams and what took effect.
"""

from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from tektree._async.backends.memory.bundles import memory_backends
from tektree._async.backends.memory.streams import AsyncMemoryStreams
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.services.consumers import AsyncConsumer
from tektree._async.services.handlers import AsyncHandlers
from tektree._async.services.publishing import AsyncPublisher, AsyncStreamSink
from tektree.catalog import CATALOG, Payload
from tektree.errors import InvalidInput
from tektree.models.events import Event, Posting, Timing, in_line
from tektree.policy import Policy
from tektree.testing import ManualClock, SeededIds
from tektree.testing.explorer import End, digest, pause, stepping
from tests.protocol.worlds import NOW, RIGHT, Variant, _copied, done

POLICY = Policy(events={"sinks": ["streams"], "attempts": 3}, reactions={})
LATE = timedelta(minutes=5)
"""Behind every lease of what was begun at `NOW`."""
NEVER = 1e8
PORTS = ("gamification", "ledger", "leaderboards", "events", "deliveries", "accounts", "subscriptions")
MORE = ("leases", "effects", "streams", "stream_effects")


class Sold(Payload, event="shop.sold", by="shop", stream="shop:{shop_id}"):
    """Something was sold in a shop."""

    shop_id: str
    item: int


SHOP = CATALOG.register(Sold)


def sold(shop: str, number: int) -> Event:
    """The event of that number of a shop's stream."""
    found = SHOP.event(Sold(shop_id=shop, item=number), f"{ord(shop[0]):08x}{number:016x}", NOW)
    return found.evolve(metadata={"stream": f"shop:{shop}", "seq": number, "recorded_at": NOW.isoformat()})


class Effects:
    """What is not kept by the package: each call of a handler, and of a sink that refuses."""

    def __init__(self) -> None:
        self.called: list[tuple[str, int]] = []
        self.refused: list[str] = []


class Refusing(AsyncStreamSink):
    """A sink that does not take the first event that it is given, the first time."""

    def __init__(self, streams: Any, effects: Effects) -> None:
        super().__init__(streams)
        self._effects = effects

    async def publish(self, events: Sequence[Event], again: bool) -> Mapping[str, Exception]:
        if self._effects.refused:
            return await super().publish(events, again)
        self._effects.refused.append(events[0].event_id)
        line = in_line(events[0])[0]
        await super().publish([each for each in events if in_line(each)[0] != line], again)
        return {events[0].event_id: InvalidInput("event", "is refused")}


Worker = Callable[["Played", AsyncBackends, int], Coroutine[Any, Any, object]]
Consuming = Callable[["Played", AsyncBackends, int], AsyncConsumer]


def handlers_of(backends: AsyncBackends, clock: ManualClock, seed: int) -> AsyncHandlers:
    return AsyncHandlers(backends.events, backends.deliveries, SHOP, POLICY, clock, SeededIds(seed))


def publisher(
    played: "Played", backends: AsyncBackends, seed: int, late: timedelta
) -> tuple[AsyncPublisher, AsyncStreamSink]:
    """A relay's part with the sink of the streams."""
    clock = ManualClock(NOW + late)
    assert backends.leases is not None
    made = AsyncPublisher(
        backends.events,
        backends.deliveries,
        backends.leases,
        handlers_of(backends, clock, seed),
        POLICY,
        clock,
        SeededIds(seed),
        batch=played.meeting.batch,
    )
    refuses = played.meeting.refuses
    sink = Refusing(backends.streams, played.effects) if refuses else AsyncStreamSink(backends.streams)  # type: ignore[arg-type]
    made.add(sink)
    return made, sink


def relay(late: timedelta = timedelta()) -> Worker:
    """Makes one turn."""

    async def turn(played: "Played", backends: AsyncBackends, seed: int) -> object:
        made, sink = publisher(played, backends, seed, late)
        return await made.turn(sink)

    return turn


def consumer_of(played: "Played", backends: AsyncBackends, seed: int, idle: float = 0.0) -> AsyncConsumer:
    """A consumer that has joined, and takes from others at once what they have not acknowledged."""
    clock = ManualClock(NOW)
    handlers = handlers_of(backends, clock, seed)
    timing = Timing(idle, 0.0, NEVER, 0.0)
    made = AsyncConsumer(
        "g",
        f"c{seed}",
        lambda which: (None, which),
        backends.streams,  # type: ignore[arg-type]
        backends.events,
        backends.deliveries,
        backends.effects,  # type: ignore[arg-type]
        handlers,
        clock,
        SeededIds(seed),
        timedelta(seconds=30),
        10,
        False,
        timing,
    )
    made._joined, made._checked, made._tried = True, NOW, NOW
    made.fold("*", name="fold", start=[])(lambda state, event: [*state, in_line(event)[1]])
    return made


def calling(played: "Played", backends: AsyncBackends, seed: int) -> AsyncConsumer:
    """A consumer that calls a function whose effect nobody guards."""
    made = consumer_of(played, backends, seed)
    made.listeners.clear()

    @made.on("*", name="call")
    async def call(event: Event) -> None:
        await pause(0)
        played.effects.called.append(in_line(event))

    return made


def consumer(make: Consuming = consumer_of) -> Worker:
    """Makes one run."""

    async def run(played: "Played", backends: AsyncBackends, seed: int) -> object:
        return await make(played, backends, seed).run_once()

    return run


@dataclass
class Meeting:
    """Workers that meet, over events of one shop that are marked for the streams, or stand there already."""

    name: str
    workers: Sequence[Worker]
    events: int = 2
    published: int = 0
    batch: int = 10
    refuses: bool = False
    variant: Variant = RIGHT
    make: Consuming = consumer_of
    called: bool = False
    """Whether effects are calls, not a fold."""
    _base: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self._base:
            backends = memory_backends()
            streams = AsyncMemoryStreams(ManualClock(NOW))
            events = [sold("one", number) for number in range(1, self.events + 1)]
            done(backends.events.append(events, Posting([()] * self.events, "x", NOW, ("streams",))))
            done(backends.events.published("streams", [each.event_id for each in events[: self.published]]))
            done(streams.publish(events[: self.published], False))
            done(streams.join("g"))
            whole = replace(backends, streams=streams, stream_effects=None)
            self._base = [getattr(whole, port) for port in (*PORTS, *MORE)]

    def __call__(self) -> "Played":
        return Played(self)


class Played:
    """One world of a meeting."""

    def __init__(self, meeting: Meeting) -> None:
        self.meeting = meeting
        self.parts = _copied(meeting._base, {})
        named = dict(zip((*PORTS, *MORE), self.parts, strict=True))
        self.store = AsyncBackends(**{name: named[name] for name in PORTS}, **{name: named[name] for name in MORE})
        self.effects = Effects()
        shared = meeting.variant.store(self.store)
        self.plain = meeting.variant.worker(shared)
        self.workers: Sequence[Coroutine[Any, Any, object]] = [
            worker(self, meeting.variant.worker(stepping(shared)), seed) for seed, worker in enumerate(meeting.workers)
        ]

    def state(self) -> object:
        return digest(self.parts), tuple(self.effects.called), tuple(self.effects.refused)

    def judge(self, ends: Sequence[End]) -> Iterator[str]:
        for end in ends:
            if end.error is not None:
                yield f"a worker raised {end.error!r}"
        yield from self._brought()
        yield from self._in_streams()
        yield from self._effects()

    def _brought(self) -> Iterator[str]:
        """Later relays and consumers finish; nobody stands in their way."""
        for turn in range(8):
            made, sink = publisher(self, self.plain, 50 + turn, (turn + 2) * LATE)
            done(made.turn(sink, due_only=False))
            for delivery in done(self.plain.deliveries.heads(["streams"], 9)):
                clock = NOW + (turn + 2) * LATE
                claimed = done(self.plain.deliveries.claim(delivery.id, "late", clock, clock))
                event = done(self.plain.events.event(delivery.event_id))
                if claimed is not None and not done(sink.publish([event], True)):
                    done(self.plain.deliveries.remove(delivery.id, "late"))
        if done(self.store.events.behind("streams")):
            yield "an event is still marked for the streams"
        for seed in (70, 71, 72):
            done(self.meeting.make(self, self.plain, seed).run_once())

    def _in_streams(self) -> Iterator[str]:
        streams: Any = self.store.streams
        found = [event for part in streams._parts for event in part.entries.values()]
        firsts = list(dict.fromkeys([in_line(event) for event in found]))
        expected = [in_line(sold("one", number)) for number in range(1, self.meeting.events + 1)]
        if missing := set(expected) - set(firsts):
            yield f"marked as published, but not in the streams: {sorted(missing)}"
        elif firsts != expected:
            yield f"the streams have {firsts}"

    def _effects(self) -> Iterator[str]:
        numbers = list(range(1, self.meeting.events + 1))
        if self.meeting.called:
            called = [number for _, number in self.effects.called]
            if set(called) != set(numbers):
                yield f"an effect is lost: {called}"
            elif called != numbers:
                yield f"an effect came twice: {called}"
            return
        state = done(consumer_of(self, self.store, 90).state("fold", "shop:one"))
        if state != numbers:
            yield f"the fold came to {state}"
