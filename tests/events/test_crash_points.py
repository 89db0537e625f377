"""Crash points 1 to 8, and the ledger's: after each, the next writer, the relay or its command brings all to an end.

No event is lost, no effect doubled, and the order of each stream is kept in the log and in the calls of the handler.
For the ledger the row is what the guarded write is for a document, and its key what the history is.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from tektree import AsyncTekTree, Policy, TekTree
from tektree._async.sdk import memory_backends as async_memory
from tektree._sync.sdk import memory_backends
from tektree.cli import main
from tektree.ports import AsyncBackends
from tektree.testing import Call, Crash, Fault, Faulty, ManualClock, SeededIds
from tektree.testing.faults import around
from tektree.wire.collections import DELIVERIES
from tests.backends.mongo.worlds import USED, World
from tests.events import effects
from tests.events.effects import Effects, complaints, value
from tests.events.worlds import Sold
from tests.lanes import PYMONGO, enter
from tests.protocol.worlds import ADA, PRINCIPAL

LEASE = timedelta(seconds=Policy().events.lease)
Command = Callable[[Any], Any]


@dataclass
class Place:
    """A storage, and processes on it, each with the handler of all events."""

    store: Any
    uri: str | None = None
    clock: ManualClock = field(default_factory=ManualClock)
    effects: Effects = field(default_factory=Effects)
    started: int = 0

    def process(self, backends: Any = None, clock: Any = None) -> Any:
        """A process that has just started."""
        self.started += 1
        backends = self.store if backends is None else backends
        kind: Any = AsyncTekTree if isinstance(backends, AsyncBackends) else TekTree
        tek = kind(backends, clock=clock or self.clock, ids=SeededIds(self.started))
        tek.events.on("*", name="effects")(self.effects)
        return tek

    def complaints(self) -> list[str]:
        return list(complaints(self.process(), self.store, [ADA], self.effects))


@pytest.fixture(params=["memory", "async memory", PYMONGO])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    if request.param == PYMONGO:
        world = World.made(PYMONGO).indexed((*USED, DELIVERIES))
        try:
            made = Place(world.backends(world._looking), f"{world.uri}{world.name}", world.clock)
            yield started(made)
        finally:
            world.over()
    else:
        enter("memory")
        yield started(Place(memory_backends() if request.param == "memory" else async_memory()))


def started(place: Place) -> Place:
    tek = place.process()
    value(tek.gamification.enroll("usr_ada"))
    value(award(100, "before")(tek))
    value(sell(0)(tek))
    place.clock.advance(timedelta(seconds=1))
    return place


# Commands.


def award(amount: int, key: str) -> Command:
    return lambda tek: tek.gamification.award(ADA, "manual", amount=amount, key=key)


def sell(item: int) -> Command:
    return lambda tek: tek.events.emit(Sold(shop_id="one", item=item), key=f"sold-{item}")


def opt_out(tek: Any) -> Any:
    return tek.gamification.opt_out(PRINCIPAL)


def opt_in(tek: Any) -> Any:
    return tek.gamification.opt_in(PRINCIPAL)


COMMANDS: dict[str, tuple[Command, Command]] = {
    "award": (award(30, "a"), award(7, "b")),
    "opt_out": (opt_out, opt_in),
    "emit": (sell(1), sell(2)),
}
"""Each with what the next writer does."""


# Who finishes.


def next_writer(place: Place, command: str) -> None:
    """It brings to the log what was left, before its own; what stands in the log but was not handled is the relay's."""
    value(COMMANDS[command][1](place.process()))
    found = list(complaints(place.process(), place.store, [ADA]))
    assert found == []
    if command == "award":
        assert list(place.effects.disorder()) == []
    by_relay(place, command)


def by_relay(place: Place, command: str) -> None:
    place.clock.advance(LEASE)
    value(place.process().events.relay.run_once())


def by_command(place: Place, command: str) -> None:
    """By the clock of this machine, long after."""
    if place.uri is None:
        pytest.skip("only what is on a server can be reached by the command line")
    assert main(["relay", "--once", "--mongo", place.uri, "--load", "tests.events.effects:register", "--json"]) == 0


FINISHERS = {"the next writer": next_writer, "the relay": by_relay, "tektree relay --once": by_command}


@pytest.fixture(params=FINISHERS)
def finish(request: pytest.FixtureRequest) -> Callable[[Place, str], None]:
    return FINISHERS[request.param]


@pytest.fixture(autouse=True)
def loaded(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command line loads has the effects of this place."""
    monkeypatch.setattr(effects, "EFFECTS", place.effects)


def crashed(place: Place, command: str, at: int, fault: Fault) -> Call | None:
    """A process that ends at its call number ``at``. Gives that call; None where it makes no such call."""
    faulty = Faulty(place.store, at, fault)
    try:
        value(COMMANDS[command][0](place.process(faulty.backends)))
    except Crash:
        return faulty.struck
    return None


def finished(place: Place, command: str) -> None:
    """Whoever asked asks again; then all is whole."""
    if command != "opt_out":  # which is not known again by a key
        value(COMMANDS[command][0](place.process()))
    place.clock.advance(LEASE)
    value(place.process().events.relay.run_once())
    assert place.complaints() == []


POINTS: dict[str, tuple[str, str, Fault]] = {
    "1 before the row": ("award", "ledger.append", Fault.CRASH),
    "1 before the guarded write": ("opt_out", "gamification.swap", Fault.CRASH),
    "1 before the event": ("emit", "events.tell", Fault.CRASH),
    "2 the row's reply is lost": ("award", "ledger.append", Fault.CRASH_AFTER),
    "2 the guarded write's reply is lost": ("opt_out", "gamification.swap", Fault.CRASH_AFTER),
    "2 the event's reply is lost": ("emit", "events.tell", Fault.CRASH_AFTER),
    "4 after the row, before the drain": ("award", "events.append", Fault.CRASH),
    "4 after the guarded write, before the drain": ("opt_out", "gamification.outbox", Fault.CRASH),
    "6 after the events, before the row lets go": ("award", "ledger.told", Fault.CRASH),
    "6 after the events, before the document lets go": ("opt_out", "gamification.told", Fault.CRASH),
    "ledger: after the row, before the boards and the profile": ("award", "leaderboards.put", Fault.CRASH),
    "ledger: after the row let go, before the profile": ("award", "gamification.project", Fault.CRASH),
    "handler: before it is called": ("award", "deliveries.blocked", Fault.CRASH),
    "handler: behind its call, before the mark is taken off": ("award", "events.delivered", Fault.CRASH),
}


LAGGING = "ledger: after the row let go, before the profile"
"""Nothing on the row tells the relay of it: the profile's numbers wait for the next award, or for `rebuild`."""


@pytest.mark.parametrize("point", POINTS)
def test_crash_point(place: Place, point: str, finish: Callable[[Place, str], None]) -> None:
    command, call, fault = POINTS[point]
    assert struck(place, command, call, fault) is not None
    finish(place, command)
    if point == LAGGING and finish is not next_writer:
        assert not value(place.process().gamification.verify(ADA))
        assert list(complaints(place.process(), place.store, [], place.effects)) == []
        value(award(7, "b")(place.process()))
    assert place.complaints() == []
    finished(place, command)


def struck(place: Place, command: str, call: str, fault: Fault) -> Call | None:
    """A process that ends at its first call of that name."""

    class Named(Faulty[Any]):
        def _counted(self, made: Call) -> bool:
            self.calls.append(made)
            if self.at is None and str(made) == call:
                self.at = len(self.calls) - 1
                return True
            return False

    faulty = Named(place.store, None, fault)
    with pytest.raises(Crash):
        value(COMMANDS[command][0](place.process(faulty.backends)))
    return faulty.struck


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("fault", [Fault.CRASH, Fault.CRASH_AFTER])
def test_a_crash_at_every_call(place: Place, command: str, fault: Fault, finish: Callable[[Place, str], None]) -> None:
    """One after the other on the same storage, so what one left is there when the next one comes."""
    for at in range(40):
        if crashed(place, command, at, fault) is None:
            break
        finish(place, command)
        finished(place, command)
        if command == "opt_out":
            value(opt_in(place.process()))
    else:
        pytest.fail("it never ended")
    assert at > (8 if command == "award" else 3)


# Points that need somebody else, or another time.


def held(place: Place, call: str, meanwhile: Callable[[], Any], *, after: bool) -> Any:
    """Storage whose first call of that name is held up, before it is made or ``after``, while something happens."""
    done: list[Call] = []

    def happens(made: Call) -> None:
        if str(made) == call and not done:
            done.append(made)
            meanwhile()

    def sync_step(made: Call, make: Callable[[], Any]) -> Any:
        if not after:
            happens(made)
        found = make()
        if after:
            happens(made)
        return found

    return around(place.store, sync_step)


@pytest.fixture
def sync_place(place: Place) -> Place:
    if isinstance(place.store, AsyncBackends):
        pytest.skip("who is held up in the middle of a call is told of in the sync flavour")
    return place


@pytest.mark.parametrize("finish", ["-"], indirect=False)
@pytest.mark.parametrize("command", ["award", "emit"])
def test_crash_point_3_two_workers_with_one_cause(sync_place: Place, command: str, finish: str) -> None:
    commit = "ledger.append" if command == "award" else "events.tell"
    other: list[Any] = []
    backends = held(sync_place, commit, lambda: other.append(COMMANDS[command][0](sync_place.process())), after=False)
    mine = COMMANDS[command][0](sync_place.process(backends))
    assert sync_place.complaints() == []
    assert sync_place.effects.repeated == 0
    if command == "award":
        assert mine.transaction == other[0].transaction
    else:
        assert mine == other[0]


@pytest.mark.parametrize("command", ["award", "opt_out"])
def test_crash_point_5_some_events_are_in_the_log_and_some_not(
    place: Place, command: str, finish: Callable[[Place, str], None]
) -> None:
    """Storage ends in the middle of adding them: the first is there."""
    value(award(1, "many")(place.process()))
    big = Faulty(place.store, None)
    backends = big.backends
    log: Any = backends.events

    class Half:
        def __getattr__(self, name: str) -> Any:
            return getattr(log, name)

        def append(self, events: Any, posting: Any = None) -> Any:
            first = posting if posting is None else posting._replace(to=posting.to[:1])
            value(place.store.events.append(events[:1], first))
            raise Crash("events.append")

    from dataclasses import replace

    half: Any = Half()
    with pytest.raises(Crash):
        value(COMMANDS[command][0](place.process(replace(backends, events=half))))
    finish(place, command)
    finished(place, command)


@pytest.mark.parametrize("command", ["award", "opt_out"])
@pytest.mark.parametrize("call", ["events.append", "deliveries.blocked", "events.delivered"])
@pytest.mark.parametrize("after", [False, True])
def test_crash_point_7_two_drainers_interleave(sync_place: Place, command: str, call: str, after: bool) -> None:
    def other() -> None:
        sync_place.process().events.relay.run_once()
        COMMANDS[command][1](sync_place.process())

    COMMANDS[command][0](sync_place.process(held(sync_place, call, other, after=after)))
    sync_place.clock.advance(LEASE)
    for _ in range(3):
        sync_place.process().events.relay.run_once()
    assert sync_place.complaints() == []


@pytest.mark.parametrize("drainer", ["a command", "a relay", "a change of settings"])
def test_crash_point_8_a_drainer_that_was_held_up_leaves_the_events_to_others(sync_place: Place, drainer: str) -> None:
    """For more than a minute. Meanwhile they were told, and went from the log into an archive: they do not come back.

    Nor does it bring the profile forward over what it did not tell, so the next writer finds that out.
    """
    calls: list[Call] = []
    place = sync_place
    own = ManualClock(place.clock.now)

    def minutes() -> None:
        own.advance(timedelta(seconds=61))

    if drainer == "a relay":
        struck(place, "award", "events.append", Fault.CRASH)
    call = {
        "a command": "ledger.append",
        "a relay": "gamification.profile",
        "a change of settings": "gamification.outbox",
    }
    slow = held(place, call[drainer], minutes, after=True)
    slow = around(slow, lambda made, make: (calls.append(made), make())[1])
    process = place.process(slow, own)
    if drainer == "a command":
        assert award(30, "a")(process).transaction.amount == 30
    elif drainer == "a relay":
        process.events.relay.run_once()
    else:
        opt_out(process)
    assert Call("events", "append") not in calls
    assert Call("gamification", "project") not in calls
    assert place.effects.known and not list(place.effects.disorder())
    value(award(7, "b")(place.process()))
    place.process().events.relay.run_once()
    place.clock.advance(LEASE)
    place.process().events.relay.run_once()
    assert place.complaints() == []
    assert place.effects.repeated == 0
