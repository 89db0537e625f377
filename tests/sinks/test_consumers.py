"""Consumers: where a group begins, what fails and is redriven or skipped, and projections that they keep."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from tektree import AsyncTekTree, Board, ConfigurationError, InvalidInput, NotFound, Policy, Principal, TekTree
from tektree._sync.backends.memory.bundles import memory_backends
from tektree.backends.memory import MemoryCaches
from tektree.catalog import Payload
from tektree.models.events import Event, Timing
from tektree.models.payloads import XPAwarded
from tektree.testing import ManualClock, SeededIds
from tests.lanes import enter

TIMING = Timing(patience=0, check=60, settle=30)
POLICY = Policy(events={"sinks": ["streams"], "boards": "consumer", "caches": "consumer"}, achievements=())


class Rung(Payload, event="bell.rung", by="bell"):
    """A bell was rung. It has no stream."""

    bell: int


@dataclass
class World:
    clock: ManualClock = field(default_factory=ManualClock)
    heard: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        enter("memory")
        self.tek = TekTree(
            replace(memory_backends(), caches=MemoryCaches(self.clock)), POLICY, self.clock, SeededIds(1)
        )
        self.tek.events.register(Rung)

    def award(self, amount: int, uid: str = "usr_ada") -> str:
        user: str = self.tek.gamification.enroll(uid=uid).user_id
        self.tek.gamification.award(user, "manual", amount=amount, key=f"{uid}{amount}")
        return user

    def run(self, consumer: Any, seconds: float = 0) -> Any:
        self.clock.advance(timedelta(seconds=seconds))
        self.tek.events.relay.run_once(due_only=True)
        return consumer.run_once()


def test_a_group_begins_with_the_first_event_or_with_those_from_now_on() -> None:
    world = World()
    world.award(1)
    consumers = [world.tek.events.consumer(start, name="c", start=start, timing=TIMING) for start in ("first", "now")]
    heard: dict[str, list[int]] = {"first": [], "now": []}
    for each in consumers:
        each.on("xp.awarded", name="amounts")(
            lambda event, group=each.group: heard[group].append(event.payload["amount"])
        )
        world.run(each)
    assert heard == {"first": [1], "now": []}
    world.clock.advance(timedelta(seconds=1))
    world.award(2)
    for each in consumers:
        world.run(each)
        world.run(each, 120)
    assert heard == {"first": [1, 2], "now": [2]}


def test_an_event_without_a_stream_comes_once() -> None:
    world = World()
    consumer = world.tek.events.consumer("g", name="c", timing=TIMING)
    consumer.on("bell.rung", name="bells")(lambda event: world.heard.append(event.payload["bell"]))
    world.run(consumer)
    for bell in range(3):
        world.tek.events.emit(Rung(bell=bell))
    for _ in range(4):
        world.run(consumer, 50)
    assert sorted(world.heard) == [0, 1, 2]


def test_what_fails_holds_its_stream_until_it_is_redriven() -> None:
    world, broken = World(), [True]
    consumer = world.tek.events.consumer("g", name="c", timing=TIMING)

    @consumer.on(XPAwarded, name="typed", attempts=2)
    def typed(payload: XPAwarded, event: Event) -> None:
        if payload.amount == 2 and broken:
            raise ValueError("no")
        world.heard.append((payload.user_id, payload.amount))

    world.run(consumer)
    for amount in (1, 2, 3):
        world.award(amount)
    world.award(9, "usr_ben")
    world.run(consumer)
    assert sorted(world.heard) == [("usr_ada", 1), ("usr_ben", 9)]
    world.run(consumer, 5)
    (dead,) = world.tek.events.dead_letters.list().items
    assert (dead.handler, dead.attempts) == ("g:typed", 2)
    world.award(4)
    world.run(consumer, 5)
    assert world.heard[2:] == []
    broken.clear()
    world.tek.events.dead_letters.redrive(dead.id)
    world.run(consumer, 5)
    assert world.heard[2:] == [("usr_ada", 2), ("usr_ada", 3), ("usr_ada", 4)]
    assert not world.tek.events.dead_letters.list().items


@pytest.mark.parametrize("by_itself", [True, False])
def test_what_fails_is_skipped_by_itself_or_by_hand(by_itself: bool) -> None:
    world = World()
    consumer = world.tek.events.consumer("g", name="c", timing=TIMING)

    @consumer.fold("*", name="sum", start=0, attempts=1, on_failure="skip" if by_itself else "park")
    def add(state: int, event: Event) -> int:
        amount = event.payload.get("amount", 0)
        if amount == 2:
            raise ValueError("no")
        return state + int(amount)

    world.run(consumer)
    for amount in (1, 2, 4):
        world.award(amount)
    world.run(consumer)
    if not by_itself:
        assert consumer.state("sum", "user:usr_ada:xp") == 1
        (dead,) = world.tek.events.dead_letters.list().items
        consumer.skip(dead.id)
        assert not world.tek.events.dead_letters.list().items
        with pytest.raises(NotFound):
            consumer.skip(dead.id)
    assert consumer.state("sum", "user:usr_ada:xp") == 5
    world.award(8)
    world.run(consumer)
    assert consumer.state("sum", "user:usr_ada:xp") == 13
    assert consumer.state("sum", "user:usr_nobody:xp") is None


def test_a_state_that_is_no_json_is_the_fault_of_its_event() -> None:
    world = World()
    consumer = world.tek.events.consumer("g", name="c", timing=TIMING)
    consumer.fold("xp.*", name="odd", start=[], attempts=1)(lambda state, event: [*state, {1, 2}])
    world.run(consumer)
    world.award(1)
    world.run(consumer)
    (dead,) = world.tek.events.dead_letters.list().items
    assert dead.reason.startswith("TypeError")
    assert consumer.state("odd", "user:usr_ada:xp") in (None, [])


def test_the_log_tells_what_is_missing_when_it_is_asked() -> None:
    world = World()
    consumer = world.tek.events.consumer(
        "g", {"xp.awarded": lambda event: world.heard.append(1)}, name="c", timing=TIMING
    )
    world.run(consumer)
    world.award(1)
    assert consumer.heal() > 0
    assert world.heard == [1]
    assert world.run(consumer).repeated > 0
    assert consumer.heal() == 0


def test_boards_that_a_consumer_keeps_never_show_who_opted_out() -> None:
    world = World()
    consumer = world.tek.events.consumer("g", name="c", keep="streams", timing=TIMING)
    consumer.feed(world.tek.leaderboards, name="boards")
    ada = world.award(30)
    world.award(20, "usr_ben")
    assert world.tek.leaderboards.top(Board.GLOBAL) == [], "no command writes them"
    world.run(consumer)
    assert [each.uid for each in world.tek.leaderboards.top(Board.GLOBAL)] == ["usr_ada", "usr_ben"]
    world.tek.gamification.opt_out(Principal(ada, "usr_ada"))
    world.award(5)
    assert [each.uid for each in world.tek.leaderboards.top(Board.GLOBAL)] == ["usr_ben"], "at once"
    world.run(consumer)
    assert [each.uid for each in world.tek.leaderboards.top(Board.GLOBAL)] == ["usr_ben"]
    world.tek.gamification.opt_in(Principal(ada, "usr_ada"))
    world.run(consumer)
    assert world.tek.leaderboards.rank(Board.GLOBAL, "usr_ada") == (1, "usr_ada", 35)


def test_caches_that_a_consumer_keeps_are_invalidated_by_it() -> None:
    world = World()
    accounts = world.tek.accounts
    user = accounts.register(email="ada@example.com", handle="ada", password="correct horse battery")
    consumer = world.tek.events.consumer("g", name="c", keep="streams", timing=TIMING)
    consumer.feed(world.tek.caches, name="caches")
    world.run(consumer)
    assert "user.profile_updated" in world.tek.caches.follows
    taken: list[Sequence[Event]] = []
    follow = world.tek.caches.follow

    def following(events: Sequence[Event]) -> None:
        taken.append(events)
        follow(events)

    consumer.listeners[0].handler = replace(consumer.listeners[0].handler, function=following)
    before = accounts.get(user.id)
    accounts.update_profile(user, bio="hello")
    world.run(consumer)
    assert [event.event_type for events in taken for event in events] == ["user.profile_updated"]
    assert (before.bio, accounts.get(user.id).bio) == (None, "hello")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda tek: tek.events.consumer(""),
        lambda tek: tek.events.consumer("g", keep="nowhere"),
        lambda tek: tek.events.consumer("g", start="later"),
        lambda tek: tek.events.consumer("g", limit=0),
        lambda tek: tek.events.consumer("g").run(poll=0),
        lambda tek: tek.events.consumer("g").on("no.such", name="n"),
        lambda tek: tek.events.consumer("g").on("xp.*", name="n", on_failure="halt")(print),
        lambda tek: tek.events.consumer("g").on("xp.*", name="n", attempts=0)(print),
        lambda tek: tek.events.consumer("g").on("xp.*", name="")(print),
        lambda tek: tek.events.consumer("g").on("xp.*", name="n")(7),
    ],
)
def test_what_is_wrong_is_said_at_once(wrong: Any) -> None:
    with pytest.raises((InvalidInput, ConfigurationError)):
        wrong(World().tek)


def test_two_listeners_of_one_name_are_refused() -> None:
    consumer = World().tek.events.consumer("g")
    consumer.on("xp.*", name="n")(print)
    with pytest.raises(ConfigurationError):
        consumer.fold("xp.*", name="n")(lambda state, event: state)


def test_it_runs_until_it_is_stopped_awaited_as_well() -> None:
    async def scenario() -> list[int]:
        clock, heard = ManualClock(), list[int]()
        tek = AsyncTekTree.in_memory(POLICY, clock, SeededIds(1))
        consumer = tek.events.consumer("g", name="c", timing=TIMING)

        @consumer.on("xp.awarded", name="amounts")
        async def amounts(event: Event) -> None:
            heard.append(event.payload["amount"])
            if len(heard) == 3:
                consumer.stop()

        ada = (await tek.gamification.enroll(uid="usr_ada")).user_id
        for amount in (1, 2, 3):
            await tek.gamification.award(ada, "manual", amount=amount, key=f"{amount}")
        async with asyncio.timeout(20):
            await consumer.run(poll=0.01)
        return heard

    enter("memory")
    assert asyncio.run(scenario()) == [1, 2, 3]
