"""Crash points 9 to 22: what relays and consumers leave when they end, and what Redis may lose.

After each, the next relay and the next consumer bring all to an end: no event is lost, none takes effect twice, and the
order of each stream is kept. In memory, and on a MongoDB-wire server with a redis-server.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
import redis

from tektree import Policy, TekTree, Unavailable
from tektree._sync.backends.memory.bundles import memory_backends
from tektree._sync.backends.memory.streams import MemoryEffects, MemoryStreams
from tektree.backends.redis import with_redis
from tektree.catalog import Payload, Upcast
from tektree.models.events import Event, EventFilter, Timing
from tektree.testing import Call, Crash, Fault, ManualClock, SeededIds
from tektree.testing.faults import around
from tektree.wire.collections import DELIVERIES
from tests.backends.mongo.worlds import USED
from tests.backends.mongo.worlds import World as MongoWorld
from tests.backends.redis.worlds import World as RedisWorld
from tests.events.test_crash_points import Named
from tests.lanes import PYMONGO, REDIS, enter
from tests.sinks import variants

POLICY = Policy(events={"sinks": ["streams"], "attempts": 3}, reactions={}, achievements=())
LEASE = timedelta(seconds=POLICY.events.lease)
TIMING = Timing(idle=30, patience=0, check=60, settle=30)
STREAM = "user:usr_ada:xp"


@dataclass
class Place:
    """Storages, and processes on them."""

    store: Any
    clock: ManualClock
    redis: Any = None
    started: int = 0
    called: list[int] = field(default_factory=list)

    def tek(self, backends: Any = None, clock: Any = None) -> TekTree:
        """A process that has just started."""
        self.started += 1
        return TekTree(backends or self.store, POLICY, clock or self.clock, SeededIds(self.started))

    def award(self, amount: int) -> None:
        tek = self.tek()
        tek.gamification.award(
            tek.gamification.enroll(uid="usr_ada").user_id, "manual", amount=amount, key=f"k{amount}"
        )

    def relay(self, backends: Any = None, clock: Any = None) -> int:
        """One run; how many events were published."""
        return self.tek(backends, clock).events.relay.run_once(due_only=True).published

    def consumer(self, name: str = "c", backends: Any = None, **options: Any) -> Any:
        """A consumer with a fold of the numbers that took effect."""
        made = self.tek(backends).events.consumer("g", name=name, timing=options.pop("timing", TIMING), **options)
        made.fold("*", name="fold", start=[], attempts=3)(lambda state, event: [*state, event.metadata["seq"]])
        return made

    def published(self) -> list[int]:
        """The numbers that stand in the streams."""
        if self.redis is None:
            return [event.metadata["seq"] for part in self.store.streams._parts for event in part.entries.values()]
        keys = sorted(self.redis.keys("{tek:evt:*}:s"))
        found = [entry for key in keys for _, entry in self.redis.xrange(key)]
        return [json.loads(entry["event"])["metadata"]["seq"] for entry in found]

    def logged(self) -> list[int]:
        return [event.metadata["seq"] for event in self.store.events.stream(STREAM, 0, 1_000)]

    def state(self) -> list[int]:
        found: list[int] = self.consumer("look").state("fold", STREAM)
        return found or []

    def forget(self, last: bool = False) -> None:
        """What the streams hold is lost; with ``last`` only the newest entry."""
        if self.redis is None:
            for part in self.store.streams._parts:
                for id in list(part.entries)[-1:] if last else list(part.entries):
                    del part.entries[id]
        elif last:
            for key in self.redis.keys("{tek:evt:*}:s"):
                for id, _ in self.redis.xrevrange(key, count=1):
                    self.redis.xdel(key, id)
        else:
            self.redis.flushall()

    def whole(self) -> None:
        """Whoever comes next brings all to an end, and then all is as it should be."""
        self.clock.advance(timedelta(minutes=5))
        self.tek().events.relay.run_once()
        consumer = self.consumer("last")
        for _ in range(3):
            consumer.run_once()
            self.clock.advance(timedelta(minutes=2))
        assert self.state() == self.logged()
        assert list(self.store.events.behind("streams")) == []


@contextmanager
def opened(lane: str) -> Iterator[Place]:
    if lane == "memory":
        enter("memory")
        clock = ManualClock()
        yield Place(replace(memory_backends(), streams=MemoryStreams(clock), stream_effects=MemoryEffects()), clock)
        return
    other = RedisWorld(REDIS)  # where there is none the test is skipped, and nothing is open yet
    world = MongoWorld.made(PYMONGO).indexed((*USED, DELIVERIES))
    try:
        store = with_redis(world.backends(world._looking), redis.Redis.from_url(other.uri))
        yield Place(store, world.clock, other.look)
    finally:
        other.over()
        world.over()


@pytest.fixture(params=["memory", "servers"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with opened(request.param) as made:
        made.award(1)
        yield made


def struck(place: Place, call: str, fault: Fault, work: Callable[[Any], object]) -> None:
    """A process that ends at its first call of that name."""
    faulty = Named(place.store, call, fault)
    with pytest.raises(Crash):
        work(faulty.backends)


def held(place: Place, call: str, meanwhile: Callable[[], Any], *, after: bool) -> Any:
    """Storages whose first call of that name is held up while something happens."""
    done: list[Call] = []

    def step(made: Call, make: Callable[[], Any]) -> Any:
        mine = str(made) == call and not done
        if mine:
            done.append(made)
        if mine and not after:
            meanwhile()
        found = make()
        if mine and after:
            meanwhile()
        return found

    return around(place.store, step)


# -- relays ------------------------------------------------------------------------------------------------------------


def test_crash_point_9_a_relay_ends_behind_its_claim(place: Place) -> None:
    struck(place, "events.unpublished", Fault.CRASH, place.relay)
    assert place.relay() == 0, "somebody has it still"
    place.clock.advance(LEASE)
    assert place.relay() == len(place.logged())
    assert place.published() == place.logged()
    place.whole()


def test_crash_point_10_a_relay_ends_behind_the_publishing(place: Place) -> None:
    """It is published again, and known there."""
    struck(place, "events.published", Fault.CRASH, place.relay)
    assert place.published() == place.logged()
    place.clock.advance(LEASE)
    assert place.relay() == len(place.logged())
    assert place.published() == place.logged()
    place.whole()


def test_crash_point_10_without_dedupe_consumers_pass_over_what_they_have(place: Place) -> None:
    struck(place, "events.published", Fault.CRASH, place.relay)
    place.clock.advance(LEASE)

    def step(call: Call, make: Any) -> Any:
        return make.func(make.args[0], False) if str(call) == "streams.publish" else make()

    assert place.relay(around(place.store, step)) == len(place.logged())
    assert place.published() == 2 * place.logged()
    found = place.consumer().run_once()
    assert found.applied == len(place.logged())
    place.whole()


@pytest.mark.parametrize("call", ["events.unpublished", "streams.publish", "events.published"])
def test_crash_point_11_a_relay_that_was_held_up_beyond_its_lease(place: Place, call: str) -> None:
    def other() -> None:
        later = ManualClock(place.clock.now + LEASE)
        assert place.relay(clock=later) == len(place.logged())
        place.award(2)
        place.relay(clock=later)

    place.relay(held(place, call, other, after=call == "events.unpublished"))
    firsts = list(dict.fromkeys(place.published()))
    assert firsts == place.logged()
    place.whole()


def test_crash_point_12_a_mark_that_is_taken_off_first_loses_the_event(place: Place) -> None:
    """Which is why it is not done so: the event is in no stream, and no relay knows of it."""
    wrong: Any = variants.sync_marks_first(place.store)
    struck(replace_store(place, wrong), "streams.publish", Fault.CRASH, place.relay)
    place.clock.advance(LEASE)
    assert place.relay() == 0
    assert place.published() == []
    place.whole()  # all the same: the consumer compares the log


def replace_store(place: Place, store: Any) -> Place:
    return replace(place, store=store)


def test_crash_point_13_redis_is_away(place: Place) -> None:
    """Writers go on; the relay waits longer each time, and then brings everything."""

    def away(call: Call, make: Any) -> Any:
        if call.port == "streams":
            raise Unavailable("Redis")
        return make()

    broken = around(place.store, away)
    for failures in (1, 2, 3):
        assert place.relay(broken) == 0
        place.award(failures + 1)
        assert place.relay() == 0, "it is not due yet"
        place.clock.advance(timedelta(seconds=2**failures))
    assert place.published() == []
    assert place.relay() == len(place.logged())
    place.whole()


@pytest.mark.parametrize("last", [False, True], ids=["all", "the last one"])
def test_crash_point_14_redis_loses_what_it_had_confirmed(place: Place, last: bool) -> None:
    """A gap is filled from the log when something comes behind it; the last ones when the log is compared."""
    consumer = place.consumer()
    consumer.run_once()
    place.relay()
    consumer.run_once()
    before = place.state()
    place.award(2)
    place.relay()
    place.forget(last=True)
    if not last:
        place.award(3)
        place.relay()
    consumer.run_once()
    assert place.state() == (before if last else place.logged())
    place.clock.advance(timedelta(minutes=2))
    consumer.run_once()
    assert place.state() == place.logged()
    place.whole()


# -- consumers ---------------------------------------------------------------------------------------------------------


def begun(place: Place) -> list[int]:
    """A group that is there, and a new event in the streams. Gives what took effect so far."""
    place.consumer().run_once()
    before = place.state()
    place.award(2)
    place.relay()
    return before


@pytest.mark.parametrize("same", [True, False], ids=["it comes back", "another one takes over"])
def test_crash_point_15_a_consumer_ends_before_its_effect(place: Place, same: bool) -> None:
    before = begun(place)
    struck(place, "effects.write", Fault.CRASH, lambda backends: place.consumer("c", backends).run_once())
    assert place.state() == before
    if not same:
        wait_idle(place)
    place.consumer("c" if same else "d", timing=TIMING if same else TIMING._replace(idle=0)).run_once()
    assert place.state() == place.logged()
    place.whole()


def wait_idle(place: Place) -> None:
    """A server has its own clock; there ``idle`` is nothing."""
    place.clock.advance(timedelta(seconds=31))


def test_crash_point_16_a_consumer_ends_behind_its_effect(place: Place) -> None:
    begun(place)
    struck(place, "streams.acknowledge", Fault.CRASH, lambda backends: place.consumer("c", backends).run_once())
    assert place.state() == place.logged()
    found = place.consumer().run_once()
    assert (found.applied, found.repeated) == (0, len(place.logged()))
    place.whole()


@pytest.mark.parametrize("after", [True, False])
def test_crash_point_17_two_consumers_have_the_same(place: Place, after: bool) -> None:
    begun(place)

    def other() -> None:
        place.consumer("d", timing=TIMING._replace(idle=0)).run_once()

    place.consumer("c", held(place, "effects.read" if after else "effects.write", other, after=after)).run_once()
    assert place.state() == place.logged()
    place.whole()


def test_crash_point_18_a_handler_that_ends_the_process_every_time_is_given_up(place: Place) -> None:
    place.award(2)
    place.consumer().run_once()
    place.relay()

    def process() -> Any:
        made = place.tek().events.consumer("g", name="c", timing=TIMING)

        @made.on("xp.awarded", name="deadly", attempts=3)
        def deadly(event: Event) -> None:
            if event.payload["amount"] == 1:
                raise Crash("deadly")
            place.called.append(event.payload["amount"])

        return made

    crashes = 0
    for _ in range(8):
        try:
            process().run_once()
        except Crash:
            crashes += 1
    assert crashes == 3
    (dead,) = place.store.deliveries.dead("g:deadly", None, 9)
    assert (dead.state, dead.reason) == ("dead", "the process ended while it ran")
    assert place.called == [], "what comes behind it in its stream waits"
    consumer = process()
    consumer.skip(dead.id)
    assert place.called == [2]
    assert list(place.store.deliveries.dead("g:deadly", None, 9)) == []


@pytest.mark.parametrize("loss", ["trimmed", "the consumer is deleted", "everything is gone"])
def test_crash_point_19_redis_is_emptied(place: Place, loss: str) -> None:
    begun(place)
    if loss == "the consumer is deleted":
        struck(place, "effects.write", Fault.CRASH, lambda backends: place.consumer("c", backends).run_once())
        if place.redis is None:
            for part in place.store.streams._parts:
                part.groups["g"].pending.clear()
        else:
            for key in place.redis.keys("{tek:evt:*}:s"):
                place.redis.xgroup_delconsumer(key, "g", "c")
    elif loss == "trimmed" and place.redis is not None:
        for key in place.redis.keys("{tek:evt:*}:s"):
            place.redis.xtrim(key, maxlen=0, approximate=False)
    else:
        place.forget()
    place.award(3)
    place.relay()
    consumer = place.consumer()
    for _ in range(2):
        consumer.run_once()
    assert place.state() == place.logged()
    place.whole()


def test_crash_point_20_the_dead_letter_is_there_and_the_acknowledgement_is_lost(place: Place) -> None:
    place.consumer().run_once()
    place.relay()

    def refusing(backends: Any = None) -> Any:
        made = place.tek(backends).events.consumer("g", name="c", timing=TIMING)

        @made.on("xp.awarded", name="refuses", attempts=1)
        def refuse(event: Event) -> None:
            place.called.append(1)
            raise ValueError("no")

        return made

    struck(place, "streams.acknowledge", Fault.CRASH, lambda backends: refusing(backends).run_once())
    for _ in range(3):
        refusing().run_once()
    (dead,) = place.store.deliveries.dead("g:refuses", None, 9)
    assert dead.reason.startswith("ValueError")
    assert place.called == [1]
    told = place.store.events.newest(EventFilter(event_type="event.dead_lettered"), None, 9)
    assert len(told) == 1


@pytest.mark.parametrize("jump", [timedelta(days=1), -timedelta(days=1)], ids=["ahead", "back"])
def test_crash_point_21_the_clock_of_a_relay_jumps(place: Place, jump: timedelta) -> None:
    """Then a lease is over too early, or too late: something comes twice, or waits."""
    struck(
        place,
        "events.published",
        Fault.CRASH,
        lambda backends: place.relay(backends, ManualClock(place.clock.now + jump)),
    )
    place.award(2)
    place.relay()
    place.clock.advance(timedelta(days=2))
    place.relay()
    assert list(dict.fromkeys(place.published())) == place.logged()
    place.whole()


class OldRelease(Payload, event="quiz.passed", by="quiz-service", stream="quiz:{quiz_id}"):
    """A quiz was passed, as an older release knows it."""

    quiz_id: str


def test_crash_point_22_an_event_of_a_newer_release_waits_for_it(place: Place) -> None:
    class Newer(
        Payload,
        event="quiz.passed",
        by="quiz-service",
        stream="quiz:{quiz_id}",
        version="2.0.0",
        upcasts={1: Upcast(lambda payload: {**payload, "points": 0})},
    ):
        """As a newer release tells it."""

        quiz_id: str
        points: int

    def release(payload: type[Payload]) -> Any:
        made = place.tek().events.consumer("g", name="c", timing=TIMING)
        made.on(payload, name="quiz")(lambda passed: place.called.append(getattr(passed, "points", -1)))
        return made

    release(OldRelease).run_once()
    place.tek().events.emit(Newer(quiz_id="q7", points=9), key="a")
    place.relay()
    release(OldRelease).run_once()
    (dead,) = place.store.deliveries.dead("g:quiz", None, 9)
    assert dead.reason.startswith("UnknownVersion")
    assert place.store.events.newest(EventFilter(event_type="schema.unknown_version"), None, 9)
    assert place.called == []
    release(Newer).run_once()
    assert place.called == [9]
    assert list(place.store.deliveries.dead("g:quiz", None, 9)) == []
