"""`tek.rate_limits`: what hosts call, in memory and in both flavours."""

import asyncio
import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from threading import Barrier
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree import AsyncTekTree, Policy, Principal, TekTree
from tektree._async.backends.memory.bundles import memory_backends as async_memory_backends
from tektree._sync.backends.memory.bundles import memory_backends
from tektree.backends.memory import MemoryRateLimits
from tektree.errors import Forbidden, InvalidInput, Unavailable
from tektree.models.rate_limits import Bucket, Decision, Hit
from tektree.ports import AsyncBackends
from tektree.rules.rate_limits import take
from tektree.testing import Fault, Faulty, ManualClock
from tests.lanes import enter

ENDPOINT = "/api/v1/questions"


class Flavour:
    """A ``tek`` in memory whose calls are made in one flavour, and wait for their result."""

    def __init__(self, is_async: bool, clock: ManualClock, policy: Policy | None = None) -> None:
        enter("memory")
        made: Any = AsyncTekTree if is_async else TekTree
        self._limits = made.in_memory(policy, clock).rate_limits

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._limits, name)

        def made(*args: Any, **options: Any) -> Any:
            found = call(*args, **options)

            async def awaited() -> Any:
                return await found

            return asyncio.run(awaited()) if inspect.isawaitable(found) else found

        return made


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def limits(request: pytest.FixtureRequest, clock: ManualClock) -> Flavour:
    return Flavour(request.param, clock)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_a_minute_holds_as_many_as_the_tier_allows(limits: Any, clock: ManualClock) -> None:
    for tier, limit in (("free", 60), ("pro", 120), ("team", 300), ("enterprise", 600), (None, 60)):
        subject = f"usr_{tier}"
        found = [limits.hit(subject, ENDPOINT, tier=tier) for _ in range(limit + 1)]
        assert [each.allowed for each in found] == [True] * limit + [False]
        assert [each.remaining for each in found] == [*range(limit - 1, -1, -1), 0]
        assert {each.limit for each in found} == {limit}
        assert found[-1].retry_after == 60.0
        assert found[-1].reset_at == clock.now + timedelta(seconds=60)


def test_who_waits_comes_through(limits: Any, clock: ManualClock) -> None:
    """I17."""
    for _ in range(6):
        limits.hit("usr_a", ENDPOINT, cost=10)
        clock.advance(timedelta(seconds=1, microseconds=7))
    refused = limits.hit("usr_a", ENDPOINT, cost=15)
    assert not refused.allowed
    clock.advance(timedelta(seconds=refused.retry_after) - timedelta(microseconds=1))
    assert not limits.hit("usr_a", ENDPOINT, cost=15).allowed
    clock.advance(timedelta(microseconds=1))
    assert limits.hit("usr_a", ENDPOINT, cost=15).allowed


def test_peek_counts_nothing_and_reset_forgets(limits: Any) -> None:
    limits.hit("usr_a", ENDPOINT, cost=59)
    for _ in range(3):
        assert limits.peek("usr_a", ENDPOINT).allowed
        assert not limits.peek("usr_a", ENDPOINT, cost=2).allowed
    assert limits.hit("usr_a", ENDPOINT).allowed
    assert not limits.peek("usr_a", ENDPOINT).allowed
    assert limits.peek("usr_a", "/other").remaining == 60
    limits.reset("usr_a", ENDPOINT)
    assert limits.peek("usr_a", ENDPOINT).remaining == 60


def test_a_cost_above_the_limit_is_refused_and_consumes_nothing(limits: Any) -> None:
    """I18."""
    with pytest.raises(InvalidInput, match="more than the limit of 60"):
        limits.hit("usr_a", ENDPOINT, cost=61)
    assert limits.peek("usr_a", ENDPOINT).remaining == 60


BOTH = [Hit("usr_a", ENDPOINT, "pro"), Hit("ip:192.0.2.7", ENDPOINT), ("usr_a", "/other")]


def test_several_limits_count_together_or_not_at_all(limits: Any, clock: ManualClock) -> None:
    found = limits.hit_all(BOTH, cost=3)
    assert (found.allowed, found.refused) == (True, ())
    assert [each.remaining for each in found.each] == [117, 57, 57]
    assert found.tightest == found.each[1]
    limits.hit("ip:192.0.2.7", ENDPOINT, cost=57)
    clock.advance(timedelta(seconds=1))
    refused = limits.hit_all(BOTH)
    assert (refused.allowed, refused.refused) == (False, (1,))
    assert [each.allowed for each in refused.each] == [True, False, True]
    assert [each.remaining for each in refused.each] == [117, 0, 57]
    assert refused.tightest == refused.each[1]
    assert refused.tightest.headers["Retry-After"] == "59"
    assert [limits.peek(*each).remaining for each in (("usr_a", "/other"), ("ip:192.0.2.7", ENDPOINT))] == [57, 0]
    clock.advance(timedelta(seconds=refused.tightest.retry_after))
    assert limits.hit_all(BOTH).allowed


@pytest.mark.parametrize("is_async", [False, True])
def test_limits_that_count_each_on_its_own_are_found(
    is_async: bool, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: a store that takes from one after the other."""
    limits: Any = Flavour(is_async, clock)
    take = limits._limits._store.take

    def one_by_one(buckets: Any, cost: int) -> Any:
        return [take([each], cost)[0] for each in buckets]

    async def async_one_by_one(buckets: Any, cost: int) -> Any:
        return [(await take([each], cost))[0] for each in buckets]

    monkeypatch.setattr(limits._limits._store, "take", async_one_by_one if is_async else one_by_one)
    with pytest.raises(AssertionError):
        test_several_limits_count_together_or_not_at_all(limits, clock)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        *[
            ("hits", (each,))
            for each in ([], (), None, 5, "usr_a", {}, [("usr_a",)], ["usr_a"], [Hit("usr_a", "/a")] * 2)
        ],
        ("hits", ([Hit("usr_a", f"/{at}") for at in range(11)],)),
        ("hits", ([("usr_a", "/a", None, 1)],)),
        ("hits", ([Hit("ip:::ffff:1.2.3.4", "/a"), Hit("ip:1.2.3.4", "/a", "pro")],)),
        ("subject", ([Hit("usr_a", "/a"), Hit("ada", "/a")],)),
        ("endpoint", ([Hit("usr_a", "/a"), Hit("usr_a", "")],)),
        ("tier", ([Hit("usr_a", "/a"), Hit("usr_a", "/b", "gold")],)),
        ("cost", ([Hit("usr_a", "/a", "pro"), Hit("usr_a", "/b")], 61)),
        ("cost", ([Hit("usr_a", "/a")], 0)),
    ],
)
def test_what_several_limits_may_not_be_asked(limits: Any, field: str, wrong: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidInput) as caught:
        limits.hit_all(*wrong)
    assert caught.value.field == field
    assert limits.peek("usr_a", "/a").remaining == 60
    assert len(limits.hit_all([Hit("usr_a", f"/{at}") for at in range(10)]).each) == 10


@pytest.mark.parametrize("is_async", [False, True])
def test_of_several_limits_some_may_not_be_counted(is_async: bool, clock: ManualClock) -> None:
    policy = Policy(rate_limits={"tiers": {"free": {"/a": {"limit": 1}, "/never": {"limit": 0}}}})
    limits: Any = Flavour(is_async, clock, policy)
    asked = [Hit("usr_a", "/b"), Hit("usr_a", "/a"), Hit("usr_a", "/a/b", "pro")]
    found = limits.hit_all(asked)
    assert [each.counted for each in found.each] == [False, True, False]
    assert found.tightest == found.each[1]
    assert limits.hit_all(asked).refused == (1,)
    found = limits.hit_all(asked[:1])
    assert (found.allowed, found.tightest.limit) == (True, None)
    with pytest.raises(Forbidden):
        limits.hit_all([Hit("usr_b", "/a"), Hit("usr_b", "/never")])
    assert limits.peek("usr_b", "/a").remaining == 1


@pytest.mark.parametrize("call", ["hit", "peek"])
@pytest.mark.parametrize(
    "wrong",
    [
        ("ada", ENDPOINT),
        ("usr_a", ""),
        ("usr_a", ENDPOINT, 0),
        ("usr_a", ENDPOINT, 1, "gold"),
        ("usr_a", ENDPOINT, 1, 5),
    ],
)
def test_bad_input_is_refused(limits: Any, call: str, wrong: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidInput):
        getattr(limits, call)(*wrong)


def test_sources_are_counted_in_one_form(limits: Any) -> None:
    """B13."""
    for subject in ["ip:2001:DB8::1", "ip:2001:db8:0:0:0:0:0:1", "ip:2001:db8::ffff"]:
        found = limits.hit(subject, ENDPOINT)
    assert found.remaining == 57
    limits.hit("ip:::ffff:1.2.3.4", ENDPOINT)
    assert limits.hit("ip:1.2.3.4", ENDPOINT).remaining == 58


WINDOWS = Policy.from_toml("""
rate_limits.tiers.free = { "*" = { limit = 10, window_seconds = 1 } }
rate_limits.tiers.pro = { "*" = { limit = 20, window_seconds = 5 } }
""")


def passed_as_pro(limits: Any, clock: ManualClock, call: str) -> int:
    """How many hits pass as pro in less than five seconds, when somebody asks as free in between."""
    passed = [limits.hit("usr_a", ENDPOINT, tier="pro").allowed for _ in range(30)]
    clock.advance(timedelta(seconds=1, milliseconds=50))
    assert getattr(limits, call)("usr_a", ENDPOINT, tier="free").allowed
    passed += [limits.hit("usr_a", ENDPOINT, tier="pro").allowed for _ in range(30)]
    return passed.count(True)


@pytest.mark.parametrize("call", ["hit", "peek"])
@pytest.mark.parametrize("is_async", [False, True])
def test_a_tier_of_a_narrow_window_forgets_nothing(
    is_async: bool, call: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I6. The control: hits that are kept for the window of who asks."""
    limits: Any = Flavour(is_async, clock, WINDOWS)
    assert passed_as_pro(limits, clock, call) == 20
    clock.advance(timedelta(seconds=5))
    assert limits.peek("usr_a", ENDPOINT, tier="pro").remaining == 20
    if call == "hit":
        careless: Any = Flavour(is_async, clock, WINDOWS)
        monkeypatch.setattr(careless._limits, "kept", lambda _: 0)
        assert passed_as_pro(careless, clock, call) > 20


def test_hits_are_kept_for_the_widest_window_of_their_endpoint(clock: ManualClock) -> None:
    policy = Policy.from_toml("""
    rate_limits.tiers.free = { "*" = { limit = 1, window_seconds = 3 }, "/a" = { limit = 1, window_seconds = 9 } }
    rate_limits.tiers.team = { "/a*" = { limit = 1, window_seconds = 7 } }
    rate_limits.login_per_source = { limit = 1, window_seconds = 5 }
    """)
    limits: Any = Flavour(False, clock, policy)
    assert [limits.kept(each) for each in ("/a", "/ab", "/b", "login")] == [9, 7, 3, 60]
    assert Flavour(False, clock, Policy(rate_limits={"tiers": {}})).kept("/a") == 0


@pytest.mark.parametrize("is_async", [False, True])
def test_a_policy_names_limits_by_endpoint(is_async: bool, clock: ManualClock) -> None:
    free = {"/search": {"limit": 1, "window_seconds": 5}, "/admin/*": {"limit": 0}}
    policy = Policy(rate_limits={"tiers": {"free": free}})
    limits: Any = Flavour(is_async, clock, policy)
    assert limits.hit("usr_a", "/search").allowed
    assert limits.hit("usr_a", "/search").retry_after == 5
    for call in (limits.hit, limits.peek):
        with pytest.raises(Forbidden):
            call("usr_a", "/admin/users")
    for tier, endpoint in (("free", "/else"), ("pro", "/search")):
        found = limits.hit("usr_a", endpoint, tier=tier, cost=5)
        assert (found.allowed, found.limit, found.remaining, found.counted) == (True, None, None, False)
        with pytest.raises(InvalidInput):
            limits.hit("usr_a", endpoint, cost=0, tier=tier)


@pytest.mark.parametrize("tier", ["", "gold", "FREE", b"free", 5, True, [], {}, ("free",)])
def test_a_tier_that_there_is_not(limits: Any, tier: Any) -> None:
    for call in (limits.hit, limits.peek):
        with pytest.raises(InvalidInput, match="tier: must be free, pro, team or enterprise"):
            call("usr_a", ENDPOINT, tier=tier)


def test_a_tier_of_an_enumeration_is_one(limits: Any) -> None:
    class Plan(StrEnum):
        FREE = "free"

    assert limits.hit("usr_a", ENDPOINT, tier=Plan.FREE).limit == limits.hit("usr_a", ENDPOINT).limit


def test_log_ins_are_counted_per_account_and_per_source(limits: Any, clock: ManualClock) -> None:
    """B10, B12: five guesses at an account, twenty from a source, in both or in neither."""
    assert [limits.login("ada", "192.0.2.7").allowed for _ in range(6)] == [True] * 5 + [False]
    assert not limits.login(" ADA", "192.0.2.8").allowed
    assert not limits.login("ada").allowed
    found = [limits.login(f"user{at}", "192.0.2.7") for at in range(16)]
    assert [each.allowed for each in found] == [True] * 15 + [False]
    assert limits.login("user15", "ip:192.0.2.9").allowed  # what was refused above took none of its five
    assert [limits.login("user15").allowed for _ in range(5)] == [True] * 4 + [False]
    limits.forget_login("ada")
    assert limits.login("ada", "192.0.2.8").allowed
    clock.advance(timedelta(seconds=60))
    assert limits.login("user16", "192.0.2.7").allowed


def test_a_log_in_of_who_is_known_is_counted_by_uid(limits: Any) -> None:
    """B10: address and handle of one user together, and apart from whoever only types the uid."""
    names = ["ada@example.org", "the_ada", "ADA@EXAMPLE.ORG", "ada@example\u3002org", "THE_ADA"]
    assert all(limits.login(each, uid="usr_ada").allowed for each in names)
    assert not limits.login("the_ada", uid="usr_ada").allowed
    assert limits.login("usr_ada").allowed
    limits.forget_login("ada@example.org", uid="usr_ada")
    assert limits.login("the_ada", uid="usr_ada").allowed


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        *[("account", (each,)) for each in ("", "a" * 321, 5)],
        *[("source", ("ada", each)) for each in ("somewhere", 5, "1.1.1.1:90", "", "usr_ada")],
        *[("uid", ("ada", None, each)) for each in ("", 5, "ada")],
    ],
)
def test_a_log_in_names_an_account_and_an_address(limits: Any, field: str, wrong: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidInput) as caught:
        limits.login(*wrong)
    assert caught.value.field == field


def test_a_store_that_is_away_opens_or_closes_as_the_policy_says(clock: ManualClock) -> None:
    """I10."""
    good = memory_backends()
    closed = {"limit": 5, "away": "closed"}
    policy = Policy(rate_limits={"tiers": {"free": {"*": {"limit": 5}, "/pay": closed}}})

    def tek() -> TekTree:
        backends = replace(good, rate_limits=MemoryRateLimits(clock))
        return TekTree(Faulty(backends, 0, Fault.REFUSED).backends, policy, clock)

    for call in ("hit", "peek"):
        found = getattr(tek().rate_limits, call)("usr_a", "/a")
        assert found == Decision(True, 5, 5, clock.now, 0.0, 60, counted=False)
        with pytest.raises(Unavailable):
            getattr(tek().rate_limits, call)("usr_a", "/pay")
    found = tek().rate_limits.hit_all([("usr_a", "/a"), ("usr_a", "/b")])
    assert (found.allowed, [each.counted for each in found.each]) == (True, [False, False])
    with pytest.raises(Unavailable):
        tek().rate_limits.hit_all([("usr_a", "/a"), ("usr_a", "/pay")])
    for source in (None, "192.0.2.7"):
        with pytest.raises(Unavailable):
            tek().rate_limits.login("ada", source)


LIMITS = [(5, 30), (4, 7), (9, 60)]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["usr_a", "usr_b"]), st.integers(0, 20_000_000), st.integers(1, 4), st.sampled_from(LIMITS)
    ),
    max_size=50,
)


@given(STEPS)
def test_memory_says_what_the_rule_says(steps: list[tuple[str, int, int, tuple[int, int]]]) -> None:
    enter("memory")
    clock = ManualClock()
    logs: dict[str, tuple[int, ...]] = {"usr_a": (), "usr_b": ()}
    store = MemoryRateLimits(clock)
    for subject, pause, cost, (limit, window) in steps:
        clock.advance(timedelta(microseconds=pause - 1_000_000))
        now = int(clock.now.timestamp()) * 1_000_000 + clock.now.microsecond
        for asked, width in LIMITS:  # who looks changes nothing, whatever the tier
            looked = store.look([Bucket(subject, "/a", asked, width)], cost)[0]
            assert looked.wait == take(logs[subject], now, asked, width, cost, 60)[1].wait
        logs[subject], expected = take(logs[subject], now, limit, window, cost, 60)
        assert store.take([Bucket(subject, "/a", limit, window, 60)], cost) == [expected]


THREADS = 32


def together(call: Callable[[], bool], each: int) -> int:
    """How many calls come to True, of so many in each of the threads."""
    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(lambda _: sum([call() for _ in range(each)]), range(THREADS)))


@pytest.mark.parametrize("each", [100, pytest.param(10_000, marks=pytest.mark.long)])
def test_threads_that_share_it_pass_as_many_as_the_limit_and_count_to_the_unit(each: int) -> None:
    """J19: 32 threads, 10^4 operations in each."""
    enter("memory")
    limits = {"tiers": {"free": {"*": {"limit": 100, "window_seconds": 86_400}}}}
    tek = TekTree.in_memory(Policy(rate_limits=limits, quotas={"free": {"exports": "unlimited"}}))
    assert together(lambda: tek.rate_limits.hit("usr_a", ENDPOINT).allowed, each) == 100
    user = Principal("64b0c0ffee64b0c0ffee64b0", "usr_a")
    assert together(lambda: tek.quotas.consume(user, "exports").used > 0, each) == THREADS * each
    assert tek.quotas.usage(user, "exports").used == THREADS * each


def test_threads_that_get_through_once_too_often_are_found() -> None:
    """The control: who looks first and counts then lets as many through as look at the same time."""
    enter("memory")
    tek = TekTree.in_memory(Policy(rate_limits={"tiers": {"free": {"*": {"limit": 100, "window_seconds": 86_400}}}}))
    met = Barrier(THREADS)

    def looked() -> bool:
        allowed = tek.rate_limits.peek("usr_a", ENDPOINT).allowed
        met.wait()
        tek.rate_limits.hit("usr_a", ENDPOINT)
        return allowed

    assert together(looked, 10) > 100


def test_what_is_over_is_let_go(clock: ManualClock) -> None:
    """I9: many endpoints of one attacker do not stay."""
    store = MemoryRateLimits(clock)
    for at in range(20_000):
        store.take([Bucket("usr_a", f"/{at}", 5, 60)], 1)
        clock.advance(timedelta(milliseconds=100))
    assert len(store._logs) < 2500
    assert store.take([Bucket("usr_a", "/19999", 5, 60)], 1)[0].used == 2


def test_storages_of_a_host_need_no_rate_limits() -> None:
    async def hit(backends: AsyncBackends) -> Decision:
        return await AsyncTekTree(backends).rate_limits.hit("usr_a", ENDPOINT)

    assert asyncio.run(hit(async_memory_backends())).allowed
    assert TekTree(memory_backends()).rate_limits.hit("usr_a", ENDPOINT).allowed
