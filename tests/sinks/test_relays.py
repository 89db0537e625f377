"""A relay with sinks: who shares the work, what is refused, what ends the process, and how it runs and ends."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from tektree import AsyncTekTree, ConfigurationError, InvalidInput, Policy, TekTree, Unavailable
from tektree._sync.backends.memory.streams import MemoryStreams
from tektree._sync.services.publishing import Publisher, StreamSink
from tektree.catalog import Payload
from tektree.models.events import PARTITIONS, Event, Swept, partition_of
from tektree.testing import Crash, ManualClock, SeededIds
from tektree.wire.collections import DELIVERIES, LEASES
from tests.backends.mongo.worlds import USED, Heard
from tests.backends.mongo.worlds import World as MongoWorld
from tests.lanes import PYMONGO, enter

POLICY = Policy(events={"sinks": ["out"], "attempts": 3}, reactions={}, achievements=())
LEASE = timedelta(seconds=30)


class Sold(Payload, event="shop.sold", by="shop", stream="shop:{shop_id}"):
    """Something was sold in a shop."""

    shop_id: str
    item: int


@dataclass
class Sink:
    """Takes everything, but for what ``fault`` says."""

    fault: Callable[[Event], Exception | BaseException | None] = lambda event: None
    name: str = "out"
    taken: list[tuple[str, int]] = field(default_factory=list)
    calls: list[tuple[int, bool]] = field(default_factory=list)

    def publish(self, events: Sequence[Event], again: bool) -> Mapping[str, Exception]:
        self.calls.append((len(events), again))
        refused: dict[str, Exception] = {}
        behind: set[str] = set()
        for event in [each for each in events if each.event_type == "shop.sold"]:
            stream = event.metadata["stream"]
            found = self.fault(event)
            if isinstance(found, Unavailable) or (found is not None and not isinstance(found, Exception)):
                raise found
            if found is not None and stream not in behind:
                refused[event.event_id] = found
                behind.add(stream)
            if stream not in behind:
                self.taken.append((event.payload["shop_id"], event.payload["item"]))
        return refused


@dataclass
class World:
    clock: ManualClock = field(default_factory=ManualClock)
    sink: Sink = field(default_factory=Sink)

    def __post_init__(self) -> None:
        enter("memory")
        self.tek = self.process()
        self.tek.events.relay.add(self.sink)

    def process(self, seed: int = 1) -> TekTree:
        backends = self.tek._backends if seed > 1 else None
        made = TekTree.in_memory(POLICY, self.clock, SeededIds(seed))
        if backends is not None:
            made = TekTree(backends, POLICY, self.clock, SeededIds(seed))
        made.events.register(Sold)
        return made

    def sell(self, shop: str, item: int) -> None:
        self.tek.events.emit(Sold(shop_id=shop, item=item), key=f"{shop}{item}")

    def run(self, seconds: float = 0) -> Swept:
        self.clock.advance(timedelta(seconds=seconds))
        return self.tek.events.relay.run_once(due_only=True)


def refusing(shop: str, item: int) -> Callable[[Event], Exception | None]:
    wrong = ValueError("no")
    return lambda event: wrong if (event.payload["shop_id"], event.payload["item"]) == (shop, item) else None


def test_what_is_refused_holds_up_its_stream_alone_and_can_be_redriven() -> None:
    world = World(sink=Sink(refusing("one", 1)))
    for shop, item in (("one", 1), ("one", 2), ("two", 1)):
        world.sell(shop, item)
    world.run()
    assert world.sink.taken == [("two", 1)]
    world.sell("one", 3)
    world.sell("two", 2)
    for _ in range(5):
        world.run(10)
    assert world.sink.taken == [("two", 1), ("two", 2)]
    (dead,) = world.tek.events.dead_letters.list().items
    assert (dead.handler, dead.attempts) == ("out", 3)
    world.sink.fault = lambda event: None
    world.tek.events.dead_letters.redrive(dead.id)
    world.run()
    assert [item for shop, item in world.sink.taken if shop == "one"] == [1, 2, 3]


def test_an_event_that_ends_the_process_is_found_out_and_given_up() -> None:
    """The others of its batch are brought one by one."""
    world = World(sink=Sink(lambda event: Crash("deadly") if event.payload["item"] == 7 else None))
    for shop, item in (("one", 1), ("one", 7), ("one", 8), ("two", 1)):
        world.sell(shop, item)
    crashes = 0
    for _ in range(30):
        try:
            world.run(31)
        except Crash:
            crashes += 1
    assert crashes == 2 * 1 + 3, "two batches, and then its own attempts"
    assert {("one", 1), ("two", 1)} <= set(world.sink.taken)
    assert ("one", 8) not in world.sink.taken
    (dead,) = world.tek.events.dead_letters.list(handler="out").items
    assert (dead.event.payload["item"], dead.reason) == (7, "the process ended while it ran")


def test_a_sink_that_is_away_gets_everything_later_and_is_not_hurried() -> None:
    world = World(sink=Sink(lambda event: Unavailable("out")))
    world.sell("one", 1)
    waits = []
    for _ in range(4):
        before = len(world.sink.calls)
        waited = 0.0
        while len(world.sink.calls) == before:
            world.run(0.25)
            waited += 0.25
        waits.append(waited)
    for number, waited in enumerate(waits[1:]):
        assert 0.5 * 2**number - 0.25 <= waited <= 2**number + 0.25, waits
    world.sink.fault = lambda event: None
    world.run(60)
    assert world.sink.taken == [("one", 1)]
    assert world.sink.calls[-1][1], "some may have been taken before"
    assert not world.tek.events.dead_letters.list().items


def test_several_relays_share_the_partitions() -> None:
    world = World()
    shops = [f"s{at}" for at in range(60)]
    for shop in shops:
        world.sell(shop, 1)
    assert len({partition_of(f"shop:{shop}") for shop in shops}) == PARTITIONS
    other = world.process(2)
    second = Sink()
    first_publish = world.sink.publish
    done: list[int] = []

    def meanwhile(events: Sequence[Event], again: bool) -> Mapping[str, Exception]:
        if not done:
            other.events.relay.add(second)
            done.append(other.events.relay.run_once().published)
        return first_publish(events, again)

    world.sink.publish = meanwhile  # type: ignore[method-assign]
    world.run()
    assert sorted([*world.sink.taken, *second.taken]) == sorted([(shop, 1) for shop in shops])
    assert min(len(world.sink.taken), len(second.taken)) > 10


@pytest.mark.parametrize(
    "wrong", [lambda tek: tek.events.relay.add(Sink(name="other")), lambda tek: tek.events.relay.add(Sink())]
)
def test_a_sink_that_is_not_named_or_is_there_is_refused(wrong: Callable[[TekTree], None]) -> None:
    with pytest.raises(ConfigurationError):
        wrong(World().tek)


@pytest.mark.parametrize("options", [{"poll": 0}, {"poll": True}, {"every": -1}, {"poll": "1"}, {"every": 10_000}])
def test_a_relay_refuses_what_is_no_time(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        World().tek.events.relay.run(**options)


def test_it_runs_until_it_is_stopped_and_reports() -> None:
    world = World()
    told: list[Swept] = []
    for item in range(1, 4):
        world.sell("one", item)
    relay = world.tek.events.relay

    def taken(events: Sequence[Event], again: bool) -> Mapping[str, Exception]:
        with pytest.raises(ConfigurationError):
            relay.run()  # it is running already
        relay.stop()
        return {}

    world.sink.publish = taken  # type: ignore[method-assign]
    relay.run(poll=0.01, report=told.append)
    assert told[-1].published == 3
    assert relay.how == "polling"
    assert world.run() == Swept(), "it may be run again"


def test_a_relay_that_fails_in_one_part_ends_as_a_whole() -> None:
    world = World(sink=Sink(lambda event: Crash("over")))
    world.sell("one", 1)
    with pytest.raises(Crash):
        world.tek.events.relay.run(poll=0.01)


def test_an_async_relay_can_be_cancelled() -> None:
    class Slow(Sink):
        async def publish(self, events: Sequence[Event], again: bool) -> Mapping[str, Exception]:  # type: ignore[override]
            begun.set()
            await asyncio.sleep(3_600)
            return {}

    async def scenario() -> None:
        tek = AsyncTekTree.in_memory(POLICY, ManualClock(), SeededIds(1))
        tek.events.register(Sold)
        tek.events.relay.add(Slow())  # type: ignore[arg-type]
        await tek.events.emit(Sold(shop_id="one", item=1))
        running = asyncio.create_task(tek.events.relay.run(poll=0.01))
        await begun.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    enter("memory")
    begun = asyncio.Event()
    asyncio.run(scenario())


def test_the_streams_are_trimmed_on_the_way() -> None:
    """Of what the group has done; what it has not done stays, however much it is."""
    enter("memory")
    streams = MemoryStreams(ManualClock())
    streams.join("g")
    sink = StreamSink(streams)
    tek = TekTree.in_memory(POLICY, ids=SeededIds(1))
    told = tek.events.emit(Sold(shop_id="one", item=1))
    events = [told.evolve(event_id=f"evt_{at}", metadata={"stream": "shop:one", "seq": at + 1}) for at in range(1_000)]

    def there() -> int:
        return sum([len(part.entries) for part in streams._parts])

    sink.publish(events, False)
    streams.acknowledge("g", streams.take("g", "c", 600))
    assert there() == 1_000
    sink.publish(events, False)
    assert there() == 1_400
    sink.publish(events, False)
    sink.publish(events, False)
    assert there() == 3_400


# -- on MongoDB --------------------------------------------------------------------------------------------------------


def on_mongo(scenario: Callable[[MongoWorld, TekTree], None], listener: Any = None) -> None:
    world = MongoWorld.made(PYMONGO).indexed((*USED, DELIVERIES, LEASES))
    client = world.client(event_listeners=[listener]) if listener else None
    try:
        tek = TekTree(world.backends(client or world._looking), POLICY, world.clock, SeededIds(1))
        tek.events.register(Sold)
        scenario(world, tek)
    finally:
        if client is not None:
            client.close()
        world.over()


def test_a_batch_takes_seven_commands_and_an_idle_relay_one() -> None:
    """Behind, lease (two), events, held, marks off, lease given back."""
    heard = Heard()

    def scenario(world: MongoWorld, tek: TekTree) -> None:
        its = tek._backends
        assert its.leases is not None
        ids = SeededIds(9)
        publisher = Publisher(its.events, its.deliveries, its.leases, tek.events._handlers, POLICY, world.clock, ids)
        sink = Sink()
        publisher.add(sink)
        publisher.turn(sink)
        tek.events.emit(Sold(shop_id="one", item=0))
        publisher.turn(sink)  # makes the leases
        heard.names()
        publisher.turn(sink)
        assert heard.names() == ["distinct events"]
        for item in range(1, 30):
            tek.events.emit(Sold(shop_id="one", item=item))
        heard.names()
        assert publisher.turn(sink).published == 29
        assert heard.names() == [
            "distinct events",
            "update leases",
            "find leases",
            "find events",
            "find deliveries",
            "update events",
            "update leases",
        ]

    on_mongo(scenario, heard)


def test_what_a_relay_asks_is_served_by_indexes() -> None:
    def scenario(world: MongoWorld, tek: TekTree) -> None:
        for item in range(3):
            tek.events.emit(Sold(shop_id="one", item=item))
        marks = {"_sinks": {"$in": ["out/00", "out/01"], "$gt": ""}}
        lower = {"metadata.stream": {"$in": ["a"]}, "metadata.seq": {"$gt": 0, "$lt": 3}}
        for query in (marks, lower):  # a batch, and what a full one is looked at by: a real server serves both at once
            plan = str(world.look.events.find(query).limit(2).explain()["queryPlanner"]["winningPlan"])
            assert "IXSCAN" in plan
            assert "COLLSCAN" not in plan

    on_mongo(scenario)


def test_it_says_that_it_hears_of_events_by_a_change_stream() -> None:
    def scenario(world: MongoWorld, tek: TekTree) -> None:
        relay, seen = tek.events.relay, list[str]()

        class Stopping(Sink):
            def publish(self, events: Sequence[Event], again: bool) -> Mapping[str, Exception]:
                seen.append(relay.how)
                relay.stop()
                return super().publish(events, again)

        relay.add(Stopping())
        tek.events.emit(Sold(shop_id="one", item=1))
        relay.run(poll=0.05)
        assert seen == ["change stream"]

    on_mongo(scenario)
