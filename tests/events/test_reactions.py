"""Reactions that count units of a quota: in the period of the event, once for each cause; in memory and on Redis."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import fakeredis
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from tektree import AsyncTekTree, Policy, TekTree
from tektree.backends.memory import MemoryQuotas, memory_backends
from tektree.backends.redis import async_with_redis, with_redis
from tektree.catalog import Payload
from tektree.errors import InvalidInput, InvalidPolicy, QuotaExhausted, Unavailable
from tektree.models.accounts import Principal
from tektree.models.events import Event
from tektree.models.quotas import Counter, Taken
from tektree.ports import Backends
from tektree.rules import passwords
from tektree.testing import ManualClock, SeededIds
from tektree.wire.keys import companion, quota
from tests.accounts.worlds import Hasher
from tests.lanes import FAKE, REDIS, close, enter
from tests.servers import DidNotStart, shared_redis


class ExportFinished(Payload, event="export.finished", by="export-service"):
    user_id: str
    export_id: str


class ExportFailed(Payload, event="export.failed", by="export-service"):
    user_id: str
    export_id: str


TABLE = {
    "export.finished": {"effect": "quota", "quota": "exports"},
    "export.failed": {"effect": "quota", "quota": "exports", "units": -2},
}
QUOTAS: dict[str, dict[str, int | str]] = {"free": {"exports": 5}, "pro": {"exports": 50}, "team": {"exports": 10**6}}
POLICY = Policy(quotas=QUOTAS, reactions={**Policy().reactions, **TABLE})


class Exports:
    """A host that counts its exports."""

    def __init__(self) -> None:
        self.made: list[datetime] = []

    def created(self, user_id: str, quota_type: str, since: datetime, until: datetime) -> int | None:
        return len([at for at in self.made if since <= at < until])


class World:
    """A ``tek`` with quotas in one place, and Ada on it."""

    def __init__(self, place: str, created: Exports | None = None, store: MemoryQuotas | None = None) -> None:
        enter(place)
        self.clock, self.look = ManualClock(), None
        self._client: Any = None
        backends: Backends = replace(memory_backends(), created=created)
        if place == FAKE:
            server = fakeredis.FakeServer()
            self._client = fakeredis.FakeRedis(server=server)
            self.look = fakeredis.FakeRedis(server=server, decode_responses=True)
        elif place == REDIS:
            try:
                uri = shared_redis().uri
            except DidNotStart as reason:
                close(place, str(reason))
                raise
            self._client, self.look = redis.Redis.from_url(uri), redis.Redis.from_url(uri, decode_responses=True)
            self.look.flushall()
        if self._client is not None:
            backends = with_redis(backends, self._client)
        elif store is not None:
            backends = replace(backends, quotas=store)
        self.tek = TekTree(backends, POLICY, self.clock, SeededIds(1))
        self.ada = Principal(self.tek.gamification.enroll("usr_ada").user_id, "usr_ada")

    def over(self) -> None:
        self.tek.close()
        for each in (self._client, self.look):
            if each is not None:
                each.close()

    def finish(self, at: datetime | None = None) -> Event:
        return self.tek.events.emit(ExportFinished(user_id="usr_ada", export_id="e"), at=at)

    def fail(self) -> Event:
        return self.tek.events.emit(ExportFailed(user_id="usr_ada", export_id="e"))

    def again(self, event: Event) -> None:
        """The event is delivered once more."""
        handlers: Any = self.tek.events._handlers
        names = handlers.recipients(event.event_type)
        assert names
        for name in names:
            handlers.call(handlers.named(name), event)

    def used(self) -> int:
        return self.tek.quotas.usage(self.ada, "exports").used

    def told(self, event_type: str) -> list[Event]:
        return list(self.tek.events.log(event_type=event_type).items)


@pytest.fixture(params=["memory", FAKE, REDIS])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    made = World(request.param)
    yield made
    made.over()


def test_what_was_used_counts_once_for_each_event(world: World) -> None:
    first, second = world.finish(), world.finish()
    assert world.used() == 2
    for event in (first, second, first):
        world.again(event)
    assert world.used() == 2
    world.clock.advance(timedelta(days=3))
    world.again(first)
    assert world.used() == 2, "a cause is known as long as the count"


def test_what_was_given_back_counts_and_is_told_once(world: World) -> None:
    for _ in range(3):
        world.finish()
    failed = world.fail()
    assert world.used() == 1
    for _ in range(3):
        world.again(failed)
    assert world.used() == 1
    (told,) = world.told("quota.refunded")
    assert told.payload == {
        "user_id": "usr_ada",
        "quota_type": "exports",
        "period": "2025-12",
        "amount": 2,
        "reason": "export_failed",
        "cause_event_id": failed.event_id,
    }
    assert told.metadata["causation_id"] == failed.event_id
    world.fail()
    assert world.used() == 0, "never below 0"


def test_what_was_used_counts_beyond_the_limit_and_is_told(world: World) -> None:
    """The event has happened; who asks next is refused."""
    for _ in range(7):
        world.finish()
    assert world.used() == 7
    with pytest.raises(QuotaExhausted):
        world.tek.quotas.consume(world.ada, "exports")
    (near,), (over,) = world.told("quota.threshold_reached"), world.told("quota.exceeded")
    assert (near.payload["used"], near.payload["percent"]) == (4, 80)
    assert (over.payload["used"], over.payload["limit"], over.payload["upgrade_tier"]) == (6, 5, "pro")


def test_it_counts_in_the_period_of_the_event_and_not_when_that_is_over(world: World) -> None:
    """I3: however late it is heard of."""
    november, october = datetime(2025, 11, 30, 23, tzinfo=UTC), datetime(2025, 10, 31, tzinfo=UTC)
    world.clock.set(datetime(2025, 12, 1, 12, tzinfo=UTC))
    for at in (november, october, None):
        world.finish(at)
    assert world.used() == 1
    if world.look is not None:
        assert world.look.get(quota("usr_ada", "exports", "2025-11")) == "1"
        assert world.look.get(quota("usr_ada", "exports", "2025-10")) is None
        assert not [key for key in world.look.scan_iter() if world.look.ttl(key) < 0]
        assert world.look.ttl(companion(quota("usr_ada", "exports", "2025-11"), "causes")) <= 2 * 86_400


def test_the_limit_is_that_of_the_tier_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an account, or of a subscription where the host keeps the users."""
    monkeypatch.setattr(passwords, "bcrypt", Hasher())
    world = World("memory")
    world.tek.subscriptions.start(world.ada, "pro")
    for _ in range(7):
        world.finish()
    assert world.told("quota.exceeded") == []
    ben = world.tek.accounts.register(email="b@example.com", handle="ben", password="correct horse")
    for at in range(7):
        world.tek.events.emit(ExportFinished(user_id=ben.uid, export_id=str(at)))
    assert [each.payload["tier"] for each in world.told("quota.exceeded")] == ["free"]
    assert world.tek.quotas.usage(ben, "exports").used == 7


@pytest.mark.parametrize("place", ["memory", FAKE])
def test_a_count_that_was_lost_has_what_happened_already(place: str) -> None:
    """It is loaded from what exists; what made it load is part of that."""
    exports = Exports()
    world = World(place, exports)
    exports.made = [world.clock.now] * 3
    event = world.finish()
    assert world.used() == 3
    world.again(event)
    exports.made.append(world.clock.now)
    world.finish()
    assert world.used() == 4
    world.over()


def test_whoever_is_not_there_yet_is_counted_later() -> None:
    """Its line waits, as that of every reaction that is owed."""
    world = World("memory")
    world.tek.events.emit(ExportFinished(user_id="usr_ben", export_id="e"))
    ben = world.tek.gamification.enroll("usr_ben")
    world.clock.advance(timedelta(minutes=1))
    world.tek.events.relay.run_once()
    assert world.tek.quotas.usage(Principal(ben.user_id, "usr_ben"), "exports").used == 1


class Fails(MemoryQuotas):
    """Its reply is lost: it has counted, and nobody knows."""

    losses = 1

    def count(self, counter: Counter, n: int, limit: int | None, percent: int, cause: str, now: datetime) -> Taken:
        found = super().count(counter, n, limit, percent, cause, now)
        if found.known and self.losses:
            self.losses -= 1
            raise Unavailable("Redis")
        return found


class Forgets(Fails):
    """The control: no cause is remembered."""

    def count(self, counter: Counter, n: int, limit: int | None, percent: int, cause: str, now: datetime) -> Taken:
        for each in self._counts.values():
            each.causes.clear()
        return super().count(counter, n, limit, percent, cause, now)


def used_behind_a_lost_reply(store: MemoryQuotas) -> int:
    world = World("memory", store=store)
    world.finish()
    world.clock.advance(timedelta(seconds=1))
    world.tek.events.relay.run_once()
    assert world.tek.events.dead_letters.list().items == ()
    return world.used()


def test_a_reply_that_is_lost_counts_once() -> None:
    assert used_behind_a_lost_reply(Fails()) == 1


def test_a_store_that_forgets_causes_counts_twice() -> None:
    assert used_behind_a_lost_reply(Forgets()) == 2


@given(st.lists(st.tuples(st.sampled_from(["finish", "fail", "again"]), st.integers(0, 9)), max_size=30))
def test_whatever_is_delivered_again_the_sum_is_that_of_the_events(steps: list[tuple[str, int]]) -> None:
    world, events, expected = World("memory"), [], 0
    for name, at in steps:
        if name == "again":
            if events:
                world.again(events[at % len(events)])
        elif name == "finish":
            events.append(world.finish())
            expected += 1
        else:
            events.append(world.fail())
            expected = max(0, expected - 2)
        assert world.used() == expected


def test_the_table_is_written_and_read() -> None:
    assert Policy.from_toml(POLICY.to_toml()) == Policy.from_json(POLICY.to_json()) == POLICY


def test_async_counts_as_well() -> None:
    enter("fakeredis: asyncio")

    async def counted() -> int:
        from tektree.backends.memory import async_memory_backends

        client = fakeredis.FakeAsyncRedis()
        tek = AsyncTekTree(async_with_redis(async_memory_backends(), client), POLICY, ManualClock(), SeededIds(1))
        ada = Principal((await tek.gamification.enroll("usr_ada")).user_id, "usr_ada")
        for made in (ExportFinished, ExportFinished, ExportFinished, ExportFailed):
            await tek.events.emit(made(user_id="usr_ada", export_id="e"))
        used = (await tek.quotas.usage(ada, "exports")).used
        await tek.close()
        await client.aclose()
        return used

    assert asyncio.run(counted()) == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda tek, ada: tek.quotas.count(ada, "exports", 0, "c", tek.quotas._clock()),
        lambda tek, ada: tek.quotas.count(ada, "exports", 1.5, "c", tek.quotas._clock()),
        lambda tek, ada: tek.quotas.count(ada, "exports", 1, "", tek.quotas._clock()),
        lambda tek, ada: tek.quotas.count(ada, "exports", 1, "c", datetime(2025, 12, 16)),  # noqa: DTZ001
        lambda tek, ada: tek.quotas.count(ada, "imports", 1, "c", tek.quotas._clock()),
        lambda tek, ada: tek.quotas.count(None, "exports", 1, "c", tek.quotas._clock()),
    ],
)
def test_bad_input_counts_nothing(call: Callable[[TekTree, Principal], object]) -> None:
    world = World("memory")
    with pytest.raises(InvalidInput):
        call(world.tek, world.ada)
    assert world.used() == 0


def test_a_circle_of_quotas_is_found() -> None:
    """What counts as used may tell that a quota is exceeded, and what gives back, that it was refunded."""
    own = {"quota": "exports", "effect": "quota"}
    for table in (
        {"quota.exceeded": own},
        {"quota.threshold_reached": own},
        {"quota.refunded": {**own, "units": -1}},
        {"quota.refunded": own, "quota.exceeded": {**own, "units": -1}},
    ):
        with pytest.raises(InvalidPolicy, match="circle"):
            TekTree.in_memory(Policy(quotas=QUOTAS, reactions=table))
    TekTree.in_memory(Policy(quotas=QUOTAS, reactions={"quota.exceeded": {**own, "units": -1}}))
