"""`tek.quotas`: what hosts call, in memory and on Redis, in both flavours."""

import asyncio
import inspect
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import fakeredis
import pytest

from tektree import AsyncTekTree, Policy, Principal, TekTree
from tektree._async.services.quotas import LEASE, AsyncQuotas
from tektree._sync.backends.memory.bundles import memory_backends
from tektree._sync.services.quotas import Quotas
from tektree.backends.memory import AsyncMemoryQuotas, MemoryQuotas
from tektree.backends.redis import with_redis
from tektree.errors import (
    ConfigurationError,
    CorruptDocument,
    InvalidInput,
    OutcomeUnknown,
    QuotaExhausted,
    Unavailable,
)
from tektree.ids import derived_id
from tektree.models.payloads.quotas import QuotaExceeded, QuotaThresholdReached
from tektree.models.quotas import Period
from tektree.rules import quotas
from tektree.testing import Crash, Fault, Faulty, ManualClock, SeededIds
from tests.lanes import FAKE, enter
from tests.records import REDIS as MODEL

ADA = Principal(derived_id("ada"), "usr_abc123")
ANCHOR = datetime(2025, 1, 31, 10, tzinfo=UTC)


class Store:
    """What a host keeps: insights by user. Questions are counted nowhere else."""

    def __init__(self) -> None:
        self.insights: list[datetime] = []
        self.asked: list[tuple[datetime, datetime]] = []

    def created(self, user_id: str, quota_type: str, since: datetime, until: datetime) -> int | None:
        self.asked.append((since, until))
        if quota_type != "insights":
            return None
        return len([at for at in self.insights if user_id == ADA.id and since <= at < until])


class AsyncStore:
    def __init__(self, inner: Store) -> None:
        self.inner = inner

    async def created(self, user_id: str, quota_type: str, since: datetime, until: datetime) -> int | None:
        return self.inner.created(user_id, quota_type, since, until)


class World:
    """Quotas in one place and flavour, whose calls wait for their result."""

    def __init__(self, place: str, policy: Policy | None = None, anchor: datetime | None = None) -> None:
        enter("memory" if "memory" in place else FAKE)
        self.clock, self.durable = ManualClock(), Store()
        self.told: list[Any] = []
        self.ids: set[str] = set()
        self.log_is_away = False
        server = fakeredis.FakeServer()
        self.look = fakeredis.FakeRedis(server=server, decode_responses=True)
        policy, ids = policy or Policy(), SeededIds(1)

        def months(user_id: str, at: datetime) -> Period | None:
            return None if anchor is None else quotas.period(at, anchor)

        self._async = place == "async memory"
        if self._async:

            async def async_months(user_id: str, at: datetime) -> Period | None:
                return months(user_id, at)

            self.store: Any = AsyncMemoryQuotas()
            self._made: Any = AsyncQuotas(
                self.store, policy, self.clock, ids, AsyncStore(self.durable), async_months, self.tell
            )
            return
        self.store = (
            MemoryQuotas()
            if place == "memory"
            else with_redis(memory_backends(), fakeredis.FakeRedis(server=server)).quotas
        )
        self._made = Quotas(self.store, policy, self.clock, ids, self.durable, months, self.tell)

    def tell(self, payload: Any, id: str, at: datetime, now: datetime) -> None:
        if self.log_is_away:
            raise Unavailable("events")
        if id not in self.ids:
            self.ids.add(id)
            self.told.append(payload)

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._made, name)

        def made(*args: Any, **options: Any) -> Any:
            found = call(*args, **options)

            async def awaited() -> Any:
                return await found

            return asyncio.run(awaited()) if inspect.isawaitable(found) else found

        return made

    def reserved(self, body: Any, *args: Any) -> Any:
        """``body`` inside a reservation."""
        if not self._async:
            with self._made.reserve(*args) as usage:
                return body(usage)

        async def inside() -> Any:
            async with self._made.reserve(*args) as usage:
                return body(usage)

        return asyncio.run(inside())

    def lose(self) -> None:
        """Everything that is kept for a while only."""
        self.look.flushall()
        if hasattr(self.store, "_counts"):
            self.store._counts.clear()


PLACES = ["memory", "async memory", "redis"]


@pytest.fixture(params=PLACES)
def world(request: pytest.FixtureRequest) -> Iterator[Any]:
    made = World(request.param)
    yield made
    made.look.close()


def test_as_much_is_consumed_as_the_tier_may(world: Any) -> None:
    for used in range(1, 21):
        usage = world.consume(ADA, "questions")
        assert (usage.used, usage.limit, usage.remaining) == (used, 20, 20 - used)
        assert usage.resets_at == datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(QuotaExhausted) as raised:
        world.consume(ADA, "questions")
    assert (raised.value.quota_type, raised.value.limit) == ("questions", 20)
    assert raised.value.resets_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert str(raised.value).endswith("it resets at 2026-01-01T00:00:00+00:00, and never has room for more than 20")
    assert world.usage(ADA, "questions").used == 20
    assert world.usage(ADA, "answers") == world.usage(ADA, "answers")
    assert world.consume(ADA, "answers", 100).remaining == 0


def test_what_redis_holds_is_the_data_models() -> None:
    made: Any = World("redis")
    made.consume(ADA, "questions", 15)
    ((key, used),) = MODEL["quota"]["sample"].items()
    assert int(made.look.get(key)) == used
    end = datetime(2026, 1, 1, tzinfo=UTC) - made.clock.now
    assert abs(made.look.pttl(key) - (end + timedelta(days=2)) / timedelta(milliseconds=1)) < 5_000
    assert all(made.look.pttl(each) > 0 for each in made.look.scan_iter())


def test_what_has_no_room_consumes_nothing(world: Any) -> None:
    world.consume(ADA, "areas", 2)
    with pytest.raises(QuotaExhausted):
        world.consume(ADA, "areas", 2)
    with pytest.raises(QuotaExhausted):
        world.consume(ADA, "areas", 4)
    assert world.consume(ADA, "areas").remaining == 0


def test_a_quota_of_nothing_bids_nobody_to_wait() -> None:
    error = QuotaExhausted("exports", 0, datetime(2026, 1, 1, tzinfo=UTC))
    assert str(error) == "quota of 0 exports has no room for that; it never has any"
    assert error.resets_at == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_change_of_tier_changes_the_limit_and_not_the_use(world: Any) -> None:
    """I13."""
    world.consume(Principal(ADA.id, ADA.uid, "pro"), "questions", 150)
    usage = world.usage(ADA, "questions")
    assert (usage.used, usage.limit, usage.remaining) == (150, 20, 0)
    with pytest.raises(QuotaExhausted):
        world.consume(ADA, "questions")
    usage = world.consume(Principal(ADA.id, ADA.uid, "enterprise"), "questions", 1000)
    assert (usage.used, usage.limit, usage.remaining) == (1150, None, None)


def test_nothing_means_never() -> None:
    """I16."""
    for place in PLACES:
        world: Any = World(place, Policy(quotas={"free": {"questions": 0}}))
        with pytest.raises(QuotaExhausted):
            world.consume(ADA, "questions")
        assert world.usage(ADA, "questions").remaining == 0


def test_a_refund_gives_back_and_never_below_nothing(world: Any) -> None:
    world.consume(ADA, "questions", 3)
    assert world.refund(ADA, "questions", 2).used == 1
    assert world.refund(ADA, "questions", 2).used == 0
    assert world.refund(ADA, "questions").remaining == 20
    assert world.refund(ADA, "areas").used == 0


def test_a_reservation_is_given_back_once_when_its_body_fails(world: Any) -> None:
    """I2: used = what came off."""

    def body(usage: Any) -> int:
        if usage.used % 2:
            raise OSError("no")
        used: int = usage.used
        return used

    world.consume(ADA, "questions")
    came_off = 0
    for at in range(12):
        try:
            world.reserved(body if at % 3 else lambda usage: usage.used, ADA, "questions")
            came_off += 1
        except OSError:
            pass
    assert 0 < came_off < 12
    assert world.usage(ADA, "questions").used == 1 + came_off
    with pytest.raises(QuotaExhausted):
        world.reserved(body, ADA, "questions", 20)
    assert world.usage(ADA, "questions").used == 1 + came_off


class Died(BaseException):
    """The process is gone: nothing of it runs any more."""


@pytest.mark.parametrize("place", ["memory", "async memory"])
def test_what_a_process_that_died_reserved_is_given_back_after_its_time(place: str) -> None:
    """I2: the lease."""
    world: Any = World(place, Policy(quotas={"free": {"questions": 2}}))
    settle = world.store.settle

    def dies(*_: Any) -> Any:
        raise Died

    for lease in (60, 600):
        world.store.settle = dies
        with pytest.raises(Died):
            world.reserved(lambda usage: usage, ADA, "questions", 1, lease)
        world.store.settle = settle
    for after, used in ((59_999, 2), (1, 1), (539_999, 1), (1, 0)):
        world.clock.advance(timedelta(milliseconds=after))
        assert world.usage(ADA, "questions").used == used
    assert world.consume(ADA, "questions", 2).used == 2


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.LOST, Fault.CRASH, Fault.CRASH_AFTER])
def test_whatever_breaks_in_a_reservation_as_much_is_used_as_came_off(fault: Fault, fails: bool) -> None:
    """I2: at each call of the storage; after the lease, and a count where the end was not heard of."""
    enter("memory")
    clock, durable = ManualClock(), Store()
    for at in range(9):
        backends = replace(memory_backends(), quotas=MemoryQuotas(), created=durable)
        durable.insights = []
        faulty = Faulty(backends, at, fault)
        tek = TekTree(faulty.backends, clock=clock)
        with suppress(Crash, Unavailable, OutcomeUnknown, OSError), tek.quotas.reserve(ADA, "insights"):
            if fails:
                raise OSError("no")
            durable.insights.append(clock())
        after = TekTree(backends, clock=clock)
        clock.advance(timedelta(seconds=LEASE))
        used = after.quotas.usage(ADA, "insights").used
        assert used == 0 or (used == 1 and not fails), (at, faulty.struck)
        assert after.quotas.reconcile(ADA, "insights").used == len(durable.insights) <= (not fails)
        if faulty.struck is None:
            assert used == len(durable.insights) == (not fails)
            assert at >= 4
            return
    raise AssertionError("it never ends")


def test_what_took_longer_than_its_lease_is_counted_all_the_same() -> None:
    for place in ("memory", "async memory"):
        world: Any = World(place, Policy(quotas={"free": {"questions": 1}}))

        def slow(usage: Any, world: Any = world) -> None:
            world.clock.advance(timedelta(seconds=61))
            world._async or world.consume(ADA, "questions")

        world.reserved(slow, ADA, "questions", 1, 60)
        assert world.usage(ADA, "questions").used == (1 if world._async else 2)


@pytest.mark.parametrize("fails", [False, True])
def test_a_store_that_is_away_in_the_end_leaves_it_to_the_lease(fails: bool, caplog: pytest.LogCaptureFixture) -> None:
    """The body came off, or its own error is what is heard."""
    world: Any = World("memory")
    settle = world.store.settle

    def away(*_: Any) -> Any:
        raise Unavailable("quotas")

    def body(usage: Any) -> str:
        if fails:
            raise OSError("no")
        return "done"

    world.store.settle = away
    if fails:
        with pytest.raises(OSError, match="no"):
            world.reserved(body, ADA, "questions")
    else:
        assert world.reserved(body, ADA, "questions") == "done"
    world.store.settle = settle
    assert "was not settled" in caplog.text
    assert world.usage(ADA, "questions").used == 1
    world.clock.advance(timedelta(seconds=600))
    assert world.usage(ADA, "questions").used == 0


@pytest.mark.parametrize("lease", [0, -1, 86_401, True, "60", None])
def test_a_lease_that_is_none_is_refused(world: Any, lease: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^lease: "):
        world.reserved(lambda usage: usage, ADA, "questions", 1, lease)
    assert world.usage(ADA, "questions").used == 0


def test_a_reservation_is_given_back_to_its_own_period(world: Any) -> None:
    """I3."""

    def body(usage: Any) -> None:
        world.clock.set(usage.resets_at)
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        world.reserved(body, ADA, "questions", 2)
    assert world.consume(ADA, "questions").used == 1
    world.clock.advance(-timedelta(milliseconds=1))
    assert world.usage(ADA, "questions").used == 0


def test_a_period_ends_at_its_end() -> None:
    """I15, with the anchor of a subscription."""
    for place in PLACES:
        world: Any = World(place, anchor=ANCHOR)
        world.clock.set(datetime(2025, 3, 1, tzinfo=UTC))
        usage = world.consume(ADA, "areas", 3)
        assert usage.period == "2025-02"
        assert usage.resets_at == datetime(2025, 3, 31, 10, tzinfo=UTC)
        world.clock.set(usage.resets_at - timedelta(milliseconds=1))
        with pytest.raises(QuotaExhausted):
            world.consume(ADA, "areas")
        world.clock.set(usage.resets_at)
        assert world.consume(ADA, "areas").used == 1


def test_what_is_lost_is_loaded_from_what_exists(world: Any) -> None:
    """I11: for types that somebody counts. The others begin anew."""
    now = world.clock.now
    world.durable.insights = [now - timedelta(days=16), *[now - timedelta(days=1)] * 3, now + timedelta(days=30)]
    assert world.usage(ADA, "insights").used == 3
    assert world.durable.asked[-1] == (datetime(2025, 12, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))
    world.consume(ADA, "insights")
    world.durable.insights.append(now)
    world.consume(ADA, "questions", 7)
    world.lose()
    assert world.consume(ADA, "insights").used == 5
    with pytest.raises(QuotaExhausted):
        world.consume(ADA, "insights")
    assert world.usage(ADA, "questions").used == 0


def test_reconcile_counts_anew(world: Any) -> None:
    world.consume(ADA, "insights", 4)
    world.durable.insights = [world.clock.now]
    assert world.reconcile(ADA, "insights").used == 1
    assert world.usage(ADA, "insights").used == 1
    with pytest.raises(ConfigurationError, match=r"quotas\.questions"):
        world.reconcile(ADA, "questions")


def test_threshold_and_excess_are_told_once_a_period(world: Any) -> None:
    for _ in range(5):
        world.consume(ADA, "insights")
    for _ in range(2):
        with pytest.raises(QuotaExhausted):
            world.consume(ADA, "insights", 46)
    world.refund(ADA, "insights", 5)
    world.consume(ADA, "insights", 5)
    assert world.told == [
        QuotaThresholdReached(
            user_id="usr_abc123", quota_type="insights", period="2025-12", used=4, limit=5, percent=80
        ),
        QuotaExceeded(
            user_id="usr_abc123",
            quota_type="insights",
            period="2025-12",
            used=5,
            limit=5,
            tier="free",
            resets_at=datetime(2026, 1, 1, tzinfo=UTC),
            upgrade_tier="team",
        ),
    ]
    world.clock.advance(timedelta(days=30))
    world.consume(ADA, "insights", 5)
    assert len(world.told) == 3


def test_that_a_quota_runs_out_is_told_once_in_a_period_also_where_counts_are_lost(world: Any) -> None:
    world.durable.insights = [world.clock.now] * 5
    for _ in range(2):
        with pytest.raises(QuotaExhausted):
            world.consume(ADA, "insights")
        world.lose()
    assert [type(each) for each in world.told] == [QuotaExceeded]


def test_what_could_not_be_told_takes_nothing_back_and_is_told_with_the_next_call(world: Any) -> None:
    world.log_is_away = True
    assert world.consume(ADA, "insights", 4).used == 4
    with pytest.raises(QuotaExhausted):
        world.consume(ADA, "insights", 2)
    assert world.told == []
    world.log_is_away = False
    world.consume(ADA, "questions")
    assert [type(each) for each in world.told] == [QuotaThresholdReached, QuotaExceeded]
    world.consume(ADA, "insights")
    assert len(world.told) == 2


@pytest.mark.parametrize("call", ["consume", "usage", "refund", "reconcile"])
@pytest.mark.parametrize("wrong", [(None, "questions"), ("usr_a", "questions"), (ADA, "question"), (ADA, None)])
def test_bad_input_is_refused(world: Any, call: str, wrong: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidInput):
        getattr(world, call)(*wrong)
    assert world.look.keys() == []


@pytest.mark.parametrize("call", ["consume", "refund"])
@pytest.mark.parametrize("n", [0, -1, True, "1", 10**10])
def test_a_bad_amount_is_refused(world: Any, call: str, n: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^n: "):
        getattr(world, call)(ADA, "questions", n)


@pytest.mark.parametrize("stored", ["", "abc", "-1", "1.5", "9" * 20, " 1"])
def test_what_is_no_count_is_corrupt(stored: str) -> None:
    made: Any = World("redis")
    made.look.set("quota:usr_abc123:questions:2025-12", stored)
    for call in (made.consume, made.refund, made.usage):
        with pytest.raises(CorruptDocument):
            call(ADA, "questions")


@pytest.mark.parametrize("times", [20, pytest.param(1000, marks=pytest.mark.long)])
@pytest.mark.parametrize("place", ["memory", "redis"])
def test_of_64_takers_of_15_exactly_15_get_through(place: str, times: int) -> None:
    """I1: and with bodies that fail, as many are used as came off."""
    policy = Policy(quotas={"free": {"questions": 15}})
    with ThreadPoolExecutor(64) as pool:
        for _ in range(times):
            world: Any = World(place, policy)

            def taker(at: int, world: Any = world) -> bool:
                try:
                    world.consume(ADA, "questions")
                except QuotaExhausted:
                    return False
                return True

            assert list(pool.map(taker, range(64))).count(True) == 15
            assert world.usage(ADA, "questions").used == 15
            world.refund(ADA, "questions", 15)

            def failing(at: int, world: Any = world) -> bool:
                try:
                    with world._made.reserve(ADA, "questions"):
                        if at % 2:
                            raise OSError
                except (QuotaExhausted, OSError):
                    return False
                return True

            came_off = list(pool.map(failing, range(64))).count(True)
            assert world.usage(ADA, "questions").used == came_off <= 15
            world.look.close()


def test_a_tek_has_quotas() -> None:
    enter("memory")
    tek = TekTree.in_memory()
    with tek.quotas.reserve(ADA, "questions", 2) as usage:
        assert usage.remaining == 18

    async def same() -> int | None:
        tek = AsyncTekTree.in_memory()
        async with tek.quotas.reserve(ADA, "questions"):
            return (await tek.quotas.usage(ADA, "questions")).remaining

    assert asyncio.run(same()) == 19
