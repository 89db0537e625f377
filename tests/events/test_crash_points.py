"""Crash points 1 to 8, and the ledger's: after each, the next writer, the relay or its command brings all to an end.

No event is lost, no effect doubled, and the order of each stream is kept in the log and in the calls of the handler.
For the ledger the row is what the guarded write is for a document, and its key what the history is.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from tektree import AsyncTekTree, Policy, TekTree
from tektree._async.backends.memory.bundles import memory_backends as async_memory
from tektree._sync.backends.memory.bundles import memory_backends
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

POLICY = Policy(reactions={})
"""Processes start by the hundred here, and each would make the table of all reactions anew."""

LEASE = timedelta(seconds=POLICY.events.lease)
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
        tek = kind(backends, POLICY, clock=clock or self.clock, ids=SeededIds(self.started))
        tek.events.on("*", name="effects")(self.effects)
        return tek

    def complaints(self) -> list[str]:
        return list(complaints(self.process(), self.store, [ADA], self.effects))


@contextmanager
def opened(lane: str) -> Iterator[Place]:
    """A place in this lane, where a user has some XP and something was sold."""
    if lane != PYMONGO:
        enter("memory")
        yield started(Place(async_memory() if lane == ASYNC else memory_backends()))
        return
    world = World.made(PYMONGO).indexed((*USED, DELIVERIES))
    try:
        yield started(Place(world.backends(world._looking), f"{world.uri}{world.name}", world.clock))
    finally:
        world.over()


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


COMMANDS: dict[str, Callable[[int], Command]] = {
    "award": lambda number: award(30, f"a{number}"),
    "opt_out": lambda number: opt_in if number % 2 else opt_out,
    "emit": lambda number: sell(number),
}
"""Each by number, 2 and up; the next number is what the next writer does."""

Finish = Callable[["Place", str, int], None]


# Who finishes.


def next_writer(place: Place, command: str, number: int) -> None:
    """It brings to the log what was left, before its own; what stands in the log but was not handled is the relay's."""
    value(COMMANDS[command](number + 1)(place.process()))
    assert list(complaints(place.process(), place.store, [ADA])) == []
    assert list(place.effects.disorder()) == []
    by_relay(place, command, number)


def by_relay(place: Place, command: str, number: int) -> None:
    place.clock.advance(LEASE)
    value(place.process().events.relay.run_once())


def by_command(place: Place, command: str, number: int) -> None:
    """By the clock of this machine, long after."""
    assert place.uri is not None
    assert main(["relay", "--once", "--mongo", place.uri, "--load", "tests.events.effects:register", "--json"]) == 0


FINISHERS: dict[str, Finish] = {
    "the next writer": next_writer,
    "the relay": by_relay,
    "tektree relay --once": by_command,
}
ASYNC = "async memory"
WAYS = [("memory", "the next writer"), ("memory", "the relay"), (ASYNC, "the relay")]
WAYS += [(PYMONGO, finisher) for finisher in FINISHERS]


@pytest.fixture
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with opened(request.param) as made:
        monkeypatch.setattr(effects, "EFFECTS", made.effects)  # of what the command line loads
        yield made


@pytest.fixture
def finish(request: pytest.FixtureRequest) -> Finish:
    return FINISHERS[request.param]


IN_LONG = [way for way in WAYS if way[0] == PYMONGO]


def ways(*in_long: tuple[str, str]) -> pytest.MarkDecorator:
    """In every way to finish; in some with ``--long`` only."""
    each = [pytest.param(*way, id=", ".join(way), marks=[pytest.mark.long] if way in in_long else []) for way in WAYS]
    return pytest.mark.parametrize(("place", "finish"), each, indirect=True)


in_sync = pytest.mark.parametrize("place", ["memory", PYMONGO], indirect=True)


def crashed(place: Place, command: Command, at: int, fault: Fault) -> Call | None:
    """A process that ends at its call number ``at``. Gives that call; None where it makes no such call."""
    faulty = Faulty(place.store, at, fault)
    try:
        value(command(place.process(faulty.backends)))
    except Crash:
        return faulty.struck
    return None


class Named(Faulty[Any]):
    """Storage whose first call of this name meets a fault."""

    def __init__(self, store: Any, name: str, fault: Fault) -> None:
        self._name = name
        super().__init__(store, None, fault)

    def _counted(self, call: Call) -> bool:
        if self.at is None and str(call) == self._name:
            self.at = len(self.calls)
        return super()._counted(call)


def struck(place: Place, command: Command, call: str, fault: Fault) -> None:
    """A process that ends at its first call of that name, which it comes to."""
    faulty = Named(place.store, call, fault)
    with pytest.raises(Crash):
        value(command(place.process(faulty.backends)))


def finished(place: Place, command: str, number: int) -> None:
    """Whoever asked asks again; then all is whole."""
    if command != "opt_out":  # which is not known again by a key
        value(COMMANDS[command](number)(place.process()))
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


@ways()
@pytest.mark.parametrize("point", POINTS)
def test_crash_point(place: Place, point: str, finish: Finish) -> None:
    command, call, fault = POINTS[point]
    struck(place, COMMANDS[command](2), call, fault)
    finish(place, command, 2)
    if point == LAGGING and finish is not next_writer:
        assert not value(place.process().gamification.verify(ADA))
        assert list(complaints(place.process(), place.store, [], place.effects)) == []
        value(award(7, "next")(place.process()))
    assert place.complaints() == []
    finished(place, command, 2)


@ways(*IN_LONG)
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("fault", [Fault.CRASH, Fault.CRASH_AFTER])
def test_a_crash_at_every_call(place: Place, command: str, fault: Fault, finish: Finish) -> None:
    """One after the other on the same storage, so what one left is there when the next one comes."""
    for at in range(40):
        number = 2 * at + 2
        if crashed(place, COMMANDS[command](number), at, fault) is None:
            break
        finish(place, command, number)
        finished(place, command, number)
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


@in_sync
@pytest.mark.parametrize("command", ["award", "emit"])
def test_crash_point_3_two_workers_with_one_cause(place: Place, command: str) -> None:
    commit = "ledger.append" if command == "award" else "events.tell"
    cause, other = COMMANDS[command](2), list[Any]()
    mine = cause(place.process(held(place, commit, lambda: other.append(cause(place.process())), after=False)))
    assert place.complaints() == []
    assert place.effects.repeated == 0
    if command == "award":
        assert mine.transaction == other[0].transaction
    else:
        assert mine == other[0]


@ways()
@pytest.mark.parametrize("command", ["award", "opt_out"])
def test_crash_point_5_some_events_are_in_the_log_and_some_not(place: Place, command: str, finish: Finish) -> None:
    """Storage ends in the middle of adding them: the first is there."""

    def some(make: Any) -> tuple[Any, ...]:
        events, posting = make.args
        return events[:1], posting._replace(to=posting.to[:1])

    def step(call: Call, make: Any) -> Any:
        if str(call) != "events.append":
            return make()
        make.func(*some(make))
        raise Crash(str(call))

    async def async_step(call: Call, make: Any) -> Any:
        if str(call) != "events.append":
            return await make()
        await make.func(*some(make))
        raise Crash(str(call))

    torn = around(place.store, async_step if isinstance(place.store, AsyncBackends) else step)
    with pytest.raises(Crash):
        value(COMMANDS[command](2)(place.process(torn)))
    finish(place, command, 2)
    finished(place, command, 2)


@in_sync
@pytest.mark.parametrize("command", ["award", "opt_out"])
@pytest.mark.parametrize("call", ["events.append", "deliveries.blocked", "events.delivered"])
@pytest.mark.parametrize("after", [False, True])
def test_crash_point_7_two_drainers_interleave(place: Place, command: str, call: str, after: bool) -> None:
    def other() -> None:
        place.process().events.relay.run_once()
        COMMANDS[command](3)(place.process())

    COMMANDS[command](2)(place.process(held(place, call, other, after=after)))
    place.clock.advance(LEASE)
    for _ in range(3):
        place.process().events.relay.run_once()
    assert place.complaints() == []


@in_sync
@pytest.mark.parametrize("drainer", ["a command", "a relay", "a change of settings"])
def test_crash_point_8_a_drainer_that_was_held_up_leaves_the_events_to_others(place: Place, drainer: str) -> None:
    """For more than a minute. Meanwhile they were told, and went from the log into an archive: they do not come back.

    Nor does it bring the profile forward over what it did not tell, so the next writer finds that out.
    """
    calls: list[Call] = []
    own = ManualClock(place.clock.now)

    def minutes() -> None:
        own.advance(timedelta(seconds=61))

    if drainer == "a relay":
        struck(place, award(30, "a"), "events.append", Fault.CRASH)
    call = {
        "a command": "ledger.append",
        "a relay": "ledger.tail",
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
    assert list(place.effects.disorder()) == []
    value(award(7, "b")(place.process()))
    place.process().events.relay.run_once()
    place.clock.advance(LEASE)
    place.process().events.relay.run_once()
    assert place.complaints() == []
    assert place.effects.repeated == 0
