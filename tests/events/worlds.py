"""Worlds in which commands with handlers and relays meet, and what must be true when all has been made good.

Each worker is a process of its own over one storage in memory. A handler stops before its effect, as at a call of
storage: others may go on meanwhile, and a fault may befall it.
"""

from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, NamedTuple

from tektree._async.backends.memory.bundles import memory_backends
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.services.content_recounts import AsyncContentRecounts
from tektree._async.services.events import AsyncEvents
from tektree._async.services.gamification import AsyncGamification
from tektree._async.services.handlers import AsyncHandlers
from tektree._async.services.relay import AsyncRelay
from tektree.catalog import Payload
from tektree.errors import Conflict, OutcomeUnknown, Unavailable
from tektree.models.events import Event, EventFilter
from tektree.policy import Policy
from tektree.rules.catalog import CATALOG
from tektree.testing import ManualClock, SeededIds
from tektree.testing.explorer import End, digest, pause, stepping
from tektree.testing.faults import Call, around
from tests.protocol.worlds import ADA, NOW, PRINCIPAL, RIGHT, Variant, _copied, done

POLICY = Policy(events={"attempts": 4}, reactions={})
LATE = timedelta(minutes=5)
"""Behind every lease of what was begun at `NOW`, and by far."""


class Sold(Payload, event="shop.sold", by="shop", stream="shop:{shop_id}"):
    """Something was sold in a shop."""

    shop_id: str
    item: int


SHOP = CATALOG.register(Sold)


class Heard(NamedTuple):
    """One call of a handler that had its effect."""

    handler: str
    line: str
    seq: int
    event_id: str


Kind = Literal["well", "raises once", "raises"]


@dataclass(frozen=True)
class Listener:
    """A handler of all events, registered in every process."""

    name: str
    kind: Kind = "well"
    attempts: int = 4
    on_failure: Literal["skip", "park", "halt"] = "skip"


class Effects:
    """What handlers did: every call, and those that had an effect."""

    def __init__(self) -> None:
        self.called: list[tuple[str, str]] = []
        self.heard: list[Heard] = []
        self.faults = 0

    def of(self, listener: Listener) -> Callable[[Event], Awaitable[None]]:
        """The function of a handler."""

        async def handle(event: Event) -> None:
            before = (listener.name, event.event_id) in self.called
            self.called.append((listener.name, event.event_id))
            try:
                await pause(0)
            except (OutcomeUnknown, Unavailable):
                self.faults += 1
                raise
            if listener.kind == "raises" or (listener.kind == "raises once" and not before):
                raise ValueError(listener.name)
            line = event.metadata.get("stream") or event.event_id
            self.heard.append(Heard(listener.name, line, event.metadata.get("seq", 0), event.event_id))

        return handle

    def disorder(self) -> Iterator[str]:
        """Where a handler heard of something for the first time after what stands behind it in its line."""
        last: dict[tuple[str, str], int] = {}
        for each in dict.fromkeys(self.heard):
            key = each.handler, each.line
            if each.seq < last.get(key, 0):
                yield f"{each.handler} heard number {each.seq} of {each.line} after {last[key]}"
            last[key] = max(each.seq, last.get(key, 0))


@dataclass(frozen=True)
class Tek:
    """The services of one process."""

    gamification: AsyncGamification
    events: AsyncEvents


Command = Callable[[Tek], Awaitable[object]]


def tek_over(backends: AsyncBackends, seed: int, late: timedelta = timedelta(), policy: Policy = POLICY) -> Tek:
    """A process over this storage, whose clock shows `NOW` and so much more."""
    clock, ids = ManualClock(NOW + late), SeededIds(seed)
    handlers = AsyncHandlers(backends.events, backends.deliveries, SHOP, policy, clock, ids)
    gamification = AsyncGamification(backends, policy, clock, ids, pause, handlers)
    sources = gamification.commits, gamification.settings
    relay = AsyncRelay(backends, handlers, sources, policy, clock, ids)
    return Tek(gamification, AsyncEvents(backends, handlers, relay, AsyncContentRecounts([]), policy, clock, ids))


@dataclass
class Meeting:
    """Commands that meet, each with how late its process is; what was before; who listens."""

    name: str
    commands: Sequence[tuple[Command, timedelta]]
    before: Sequence[Command] = ()
    listeners: Sequence[Listener] = (Listener("first"), Listener("second"))
    variant: Variant = RIGHT
    once: bool = True
    """Whether every handler is called once for each event, when nothing is amiss."""
    _base: list[Any] = field(default_factory=list)
    _before: Effects = field(default_factory=Effects)

    def __post_init__(self) -> None:
        if not self._base:
            backends = memory_backends()
            tek = self.tek(backends, self._before, 99)
            done(tek.gamification.enroll("usr_ada"))
            for command in self.before:
                done(command(tek))
            self._base = [getattr(backends, port) for port in PORTS]

    def tek(self, backends: AsyncBackends, effects: Effects, seed: int, late: timedelta = timedelta()) -> Tek:
        """A process in which all listeners are registered."""
        tek = tek_over(backends, seed, late)
        for each in self.listeners:
            on = tek.events.on("*", name=each.name, attempts=each.attempts, on_failure=each.on_failure)
            on(effects.of(each))
        return tek

    def __call__(self) -> "Played":
        return Played(self)


PORTS = ("gamification", "ledger", "leaderboards", "events", "deliveries", "accounts", "subscriptions")


class Played:
    """One world of a meeting."""

    def __init__(self, meeting: Meeting) -> None:
        self.meeting = meeting
        self.parts = _copied(meeting._base, {})
        self.store = AsyncBackends(*self.parts)
        self.amiss = False
        """Whether storage was away for anybody, who may have ended well all the same."""
        self.effects = Effects()
        self.effects.called += meeting._before.called
        self.effects.heard += meeting._before.heard
        shared = meeting.variant.store(self.store)
        self.plain = meeting.variant.worker(shared)
        teks = [
            meeting.tek(meeting.variant.worker(around(stepping(shared), self._noting)), self.effects, seed, late)
            for seed, (_, late) in enumerate(meeting.commands)
        ]
        self.workers: Sequence[Coroutine[Any, Any, object]] = [
            _run(command, tek) for (command, _), tek in zip(meeting.commands, teks, strict=True)
        ]

    async def _noting(self, call: Call, made: Callable[[], Awaitable[Any]]) -> Any:
        try:
            return await made()
        except (Unavailable, OutcomeUnknown):
            self.amiss = True
            raise

    def state(self) -> object:
        return digest(self.parts), tuple(self.effects.called), tuple(self.effects.heard), self.effects.faults

    def judge(self, ends: Sequence[End]) -> Iterator[str]:
        for end in ends:
            if end.error is not None and not isinstance(end.error, Conflict | OutcomeUnknown | Unavailable):
                yield f"a worker raised {end.error!r}"
        struck = self.amiss or self.effects.faults > 0 or any(end.struck or end.error is not None for end in ends)
        later = self.meeting.tek(self.plain, self.effects, 50, 2 * LATE)
        for command, _ in self.meeting.commands:
            done(command(later))
        for _ in range(12):
            if not any(done(later.events.relay.run_once())):
                break
        yield from self._log(later)
        yield from self._left()
        yield from self.effects.disorder()
        yield from self._heard(struck)

    def _log(self, later: Tek) -> Iterator[str]:
        """Whether the log is whole: what rows and settings told, without a gap."""
        profile = done(self.store.gamification.profile(ADA))
        told = sum([row.told for row in done(self.store.ledger.rows(ADA, 0, 99))])
        for stream, expected in (("xp", told), ("settings", profile.settings_told)):
            found = done(self.store.events.stream(f"user:usr_ada:{stream}", 0, 99))
            numbers = [event.metadata["seq"] for event in found]
            if numbers != list(range(1, expected + 1)):
                yield f"the log has the events {numbers} of {stream}, {expected} were told"
        if not done(later.gamification.verify(ADA)):
            yield "verify says no"

    def _left(self) -> Iterator[str]:
        """What is still open, though relays ran."""
        if done(self.store.gamification.unfinished(9)) or done(self.store.ledger.unfinished(9)):
            yield "a document still carries events"
        if done(self.store.events.posted("", NOW + timedelta(days=1), 9)):
            yield "an event is still marked"
        if done(self.store.deliveries.waiting()):
            yield "a delivery is still waiting"

    def _heard(self, struck: bool) -> Iterator[str]:
        """Whether all heard of everything, or it stands in dead letters with all its attempts."""
        dead = {(each.handler, each.event_id): each for each in done(self.store.deliveries.dead(None, None, 99))}
        heard = {(each.handler, each.event_id) for each in self.effects.heard}
        for event in done(self.store.events.newest(EventFilter(), None, 99)):
            for listener in self.meeting.listeners:
                key = listener.name, event.event_id
                calls = self.effects.called.count(key)
                if key in dead:
                    if dead[key].attempts != listener.attempts:
                        yield f"{listener.name} was given up at {dead[key].attempts} attempts"
                    if calls > listener.attempts or (calls < listener.attempts and not struck):
                        yield f"{listener.name} was called {calls} times, counted were {dead[key].attempts}"
                elif key not in heard:
                    yield f"{listener.name} never heard of {event.event_type}"
                elif self.meeting.once and not struck and calls > 1 + (listener.kind == "raises once"):
                    yield f"{listener.name} was called {calls} times for {event.event_type} with nothing amiss"


async def _run(command: Command, tek: Tek) -> object:
    return await command(tek)


# Commands


def award(amount: int, key: str) -> Command:
    return lambda tek: tek.gamification.award(ADA, "manual", amount=amount, key=key)


def opt_out() -> Command:
    return lambda tek: tek.gamification.opt_out(PRINCIPAL)


def sell(item: int) -> Command:
    return lambda tek: tek.events.emit(Sold(shop_id="one", item=item), key=f"sold-{item}")


def relay() -> Command:
    return lambda tek: tek.events.relay.run_once()
