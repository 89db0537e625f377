"""`tek.admit`: session, limit and quota of a request, all or nothing; in memory, on one server, on a cluster."""

import asyncio
import hashlib
import json
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree import AsyncTekTree, Policy, Principal, TekTree
from tektree._async.backends.redis import admissions as async_admissions
from tektree._async.backends.redis import rate_limits as async_limits
from tektree._async.backends.redis.faults import foreign
from tektree._sync.backends.redis import admissions
from tektree._sync.backends.redis import rate_limits as limits
from tektree._sync.backends.redis.admissions import _ADMIT
from tektree.errors import (
    CorruptDocument,
    Forbidden,
    InvalidInput,
    InvalidSession,
    QuotaExhausted,
    RateLimited,
    TekTreeError,
    Unavailable,
)
from tektree.models.admissions import Admitted
from tektree.wire.keys import companion, quota, ratelimit, user_sessions
from tektree.wire.keys import session as session_key
from tektree.wire.scripts import Script
from tests.backends.redis.proxy import Proxy, Strike
from tests.backends.redis.worlds import CLUSTERS, SERVERS, World, trips_of
from tests.examples import AGAINST_SERVERS
from tests.lanes import FAKE, FAKE_ASYNC, REDIS, REDIS_ASYNC, enter
from tests.servers import shared_redis

ONE_SERVER = (FAKE, FAKE_ASYNC, REDIS, REDIS_ASYNC)
ADA = Principal("64b0c0ffee64b0c0ffee64b0", "usr_ada")
BEN = Principal("64b0c0ffee64b0c0ffee64b1", "usr_ben", tier="pro")
POLICY = Policy.from_toml("""
rate_limits.tiers.free = { "*" = { limit = 5 }, "/never" = { limit = 0 }, "/wide" = { limit = 100 } }
rate_limits.tiers.pro = {}
quotas.free = { questions = 4, areas = 0 }
quotas.pro = { questions = "unlimited", areas = 30 }
""")


REAL = {"_ADMIT": _ADMIT, "_TAKE": limits._TAKE}


def counted(world: World) -> dict[str, Any]:
    """All that is used: hits and units."""
    keys = [*world.look.scan_iter("ratelimit:*"), *world.look.scan_iter("quota:*")]
    return {key: int(world.look.get(key)) for key in keys}


def test_all_three_are_counted_by_who_asks(world: World) -> None:
    async def asked(world: World) -> None:
        tek = world.tek(policy=POLICY)
        token = (await tek.sessions.open(ADA)).token
        for turn in range(1, 4):
            actor, decision, usage = await tek.admit(token, "/a", "questions")
            assert (actor.id, actor.uid, actor.tier) == (ADA.id, ADA.uid, "free")
            assert actor.genuine
            assert (decision.allowed, decision.remaining, usage.used, usage.remaining) == (
                True,
                5 - turn,
                turn,
                4 - turn,
            )
            assert decision.headers["RateLimit-Policy"] == '"default";q=5;w=60'
        found = await tek.admit(token, "/b")
        assert (found.decision.remaining, found.usage) == (4, None)
        ben = await tek.admit((await tek.sessions.open(BEN)).token, "/a", "questions", n=9)
        assert (ben.decision.counted, ben.usage.used, ben.usage.remaining) == (False, 9, None)

    world.run(asked)
    period = next(iter(world.look.scan_iter("quota:usr_ada:*"))).rpartition(":")[2]
    assert counted(world) == {
        ratelimit("usr_ada", "/a"): 3,
        ratelimit("usr_ada", "/b"): 1,
        quota("usr_ada", "questions", period): 3,
        quota("usr_ben", "questions", period): 9,
    }


def test_who_is_refused_has_used_nothing(world: World) -> None:
    async def refused(world: World) -> None:
        tek = world.tek(policy=POLICY)
        token = (await tek.sessions.open(ADA)).token
        await tek.admit(token, "/a", "questions")
        before = counted(world)
        for error, call in (
            (QuotaExhausted, partial(tek.admit, token, "/a", "questions", 4)),
            (InvalidSession, partial(tek.admit, token[:-43] + "A" * 43, "/a", "questions")),
            (InvalidSession, partial(tek.admit, "usr_ada.nonsense", "/a", "questions")),
            (Forbidden, partial(tek.admit, token, "/never", "questions")),
            (InvalidInput, partial(tek.admit, token, "/a", "nothing")),
            (InvalidInput, partial(tek.admit, token, "/a", "questions", 0)),
            (InvalidInput, partial(tek.admit, token, "", "questions")),
        ):
            with pytest.raises(error):
                await call()
            assert counted(world) == before, error
        for _ in range(4):
            await tek.admit(token, "/a")
        with pytest.raises(RateLimited) as raised:
            await tek.admit(token, "/a", "questions")
        assert 0 < raised.value.retry_after <= 60
        assert raised.value.headers["RateLimit-Policy"] == '"default";q=5;w=60'
        assert raised.value.headers["RateLimit"].startswith('"default";r=0;')
        assert int(raised.value.headers["Retry-After"]) >= raised.value.retry_after
        assert (await tek.quotas.usage(ADA, "questions")).used == 1
        assert (await tek.admit(token, "/b", "questions", 3)).usage.remaining == 0
        with pytest.raises(QuotaExhausted):
            await tek.admit(token, "/b", "questions")
        with pytest.raises(QuotaExhausted):
            await tek.admit(token, "/fresh", "areas")
        assert (await tek.rate_limits.peek("usr_ada", "/b")).remaining == 4
        assert (await tek.rate_limits.peek("usr_ada", "/fresh")).remaining == 5
        await tek.sessions.revoke(token)
        with pytest.raises(InvalidSession):
            await tek.admit(token, "/b")

    world.run(refused)


@pytest.mark.lanes(*ONE_SERVER)
def test_a_count_lasts_as_long_as_the_later_of_two_periods_that_share_it(world: World) -> None:
    """Also for a session that the process knows, where nothing but the period is another one."""

    async def asked(world: World) -> None:
        world.clock.set(datetime(2025, 1, 10, tzinfo=UTC))
        tek = world.tek(policy=POLICY)
        profile = await tek.gamification.enroll(uid="usr_ben")
        ben = Principal(profile.user_id, "usr_ben", tier="pro")
        await tek.subscriptions.start(ben, "pro")
        token = (await tek.sessions.open(ben)).token
        left = []
        for day in (12, 15):
            world.clock.set(datetime(2025, 1, day, tzinfo=UTC))
            if day == 15:
                await tek.subscriptions.change(ben, cycle="annual")
                world.clock.advance(timedelta(minutes=2))  # the period is known for a minute
            for _ in range(3):
                usage = (await tek.admit(token, "/a", "questions")).usage
            [key] = world.look.scan_iter("quota:*:questions:2025-01")
            left.append(timedelta(milliseconds=world.look.pttl(key)) - (usage.resets_at - world.clock()))
        assert usage.used == 6
        # The server's clock stands where this one was moved.
        assert all(timedelta(days=1) < each <= timedelta(days=2, minutes=2) for each in left), left

    world.run(asked)


def test_another_tier_has_its_own_months_at_once(world: World) -> None:
    """Also in a session that this process has not read yet."""

    async def asked(world: World) -> None:
        world.clock.set(datetime(2025, 1, 20, tzinfo=UTC))
        tek = world.tek(policy=POLICY)
        ben = Principal((await tek.gamification.enroll(uid="usr_ben")).user_id, "usr_ben")
        await tek.subscriptions.start(ben, "pro")
        token = (await tek.sessions.open(Principal(ben.id, ben.uid, tier="pro"))).token
        world.clock.set(datetime(2025, 4, 8, tzinfo=UTC))
        token = (await tek.sessions.open(Principal(ben.id, ben.uid, tier="pro"))).token
        for _ in range(2):
            assert (await tek.admit(token, "/a", "questions", 30)).usage.period == "2025-03"
        await tek.subscriptions.cancel(ben, at_period_end=False)
        token = (await tek.sessions.open(ben)).token
        usage = (await tek.admit(token, "/a", "questions")).usage
        assert (usage.used, usage.period, usage.resets_at) == (1, "2025-04", datetime(2025, 5, 1, tzinfo=UTC))

    world.run(asked)


@pytest.mark.parametrize("wrong", [[], {}, set(), 5, "question"])
def test_what_is_no_quota_is_refused(world: World, wrong: Any) -> None:
    async def asked(world: World) -> None:
        tek = world.tek(policy=POLICY)
        token = (await tek.sessions.open(ADA)).token
        for _ in range(2):
            with pytest.raises(InvalidInput, match="quota_type"):
                await tek.admit(token, "/a", wrong)

    world.run(asked)


@pytest.mark.lanes(*ONE_SERVER)
def test_one_server_needs_one_round_trip(world: World) -> None:
    async def asked(world: World) -> None:
        backends = world.backends()
        tek = world.over_backends(backends, policy=POLICY)
        token = (await tek.sessions.open(ADA)).token
        await tek.admit(token, "/a", "questions")  # loads the quota, and learns the id of the user
        await tek.admit(token, "/b")  # sends the script
        trips = trips_of(backends)
        await tek.admit(token, "/a", "questions")
        await tek.admit(token, "/a")
        with pytest.raises(QuotaExhausted):
            await tek.admit(token, "/a", "questions", 4)
        for _ in range(2):
            await tek.admit(token, "/a")
        with pytest.raises(RateLimited):
            await tek.admit(token, "/a", "questions")
        assert trips == [1] * 6

    world.run(asked)


LIMITED = Policy.from_toml("""
rate_limits.tiers.pro = { "*" = { limit = 9 } }
quotas.pro = { areas = 30 }
""")
WRONG = ["user_sessions", "log", "quota", "told", "held", "session"]


async def blamed(which: str, world: World) -> None:
    """Something else is under one of the keys of a request, and that one is named."""
    tek = world.tek(policy=LIMITED)
    token = (await tek.sessions.open(BEN)).token
    for _ in range(2):
        await tek.admit(token, "/a", "areas")  # the quota is loaded, and the session is known
    limit, digest = ratelimit("usr_ben", "/a"), hashlib.sha256(token.partition(".")[2].encode()).hexdigest()
    count = quota("usr_ben", "areas", world.clock().strftime("%Y-%m"))
    keys = {
        "user_sessions": user_sessions("usr_ben"),
        "session": session_key(digest),
        "log": companion(limit, "log"),
        "quota": count,
        "told": companion(count, "told"),
        "held": companion(count, "held"),
    }
    world.look.delete(keys[which])
    world.look.hset(keys[which], "a", "b")
    if which == "user_sessions":
        world.look.delete(keys[which])
        world.look.rpush(keys[which], "x")
    error: type[TekTreeError] = InvalidSession if which == "session" else CorruptDocument
    with pytest.raises(error) as raised:
        # Enough for the threshold and more than there is: each of the keys is needed.
        await tek.admit(token, "/a", "areas", {"told": 25, "held": 99}.get(which, 1))
    if isinstance(raised.value, CorruptDocument):
        assert raised.value.id == keys[which]
        assert "delete the key" in raised.value.reason


@pytest.mark.lanes(*ONE_SERVER)
@pytest.mark.parametrize("which", WRONG)
def test_a_key_that_holds_something_else_is_named(world: World, which: str) -> None:
    world.run(partial(blamed, which))


@pytest.mark.lanes(FAKE)
def test_a_key_that_is_named_in_the_place_of_another_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the first key is blamed, whichever it was."""
    monkeypatch.setattr(admissions, "foreign", lambda _: foreign(user_sessions("usr_ben")))
    with pytest.raises(AssertionError):
        world.run(partial(blamed, "quota"))


@pytest.mark.lanes(*ONE_SERVER)
def test_what_no_key_is_the_wrong_kind_of_blames_none(world: World) -> None:
    """A log of what are no instants."""

    async def asked(world: World) -> None:
        tek = world.tek(policy=POLICY)
        token = (await tek.sessions.open(ADA)).token
        await tek.admit(token, "/a")
        log = companion(ratelimit("usr_ada", "/a"), "log")
        world.look.delete(log)
        world.look.rpush(log, "soon")
        with pytest.raises(CorruptDocument) as raised:
            await tek.admit(token, "/a")
        assert "usr_ada" not in str(raised.value)

    world.run(asked)


def test_a_session_of_another_kind_is_none(world: World) -> None:
    """C14, on every path; and who is wrong with the other key is told which that is."""

    async def asked(world: World) -> None:
        tek = world.tek(policy=POLICY)
        token = (await tek.sessions.open(ADA)).token
        digest = hashlib.sha256(token.partition(".")[2].encode()).hexdigest()
        assert world.look.delete(session_key(digest)) == 1
        world.look.rpush(session_key(digest), "x")
        for call in (partial(tek.sessions.resolve, token), partial(tek.admit, token, "/a")):
            with pytest.raises(InvalidSession):
                await call()
        token = (await tek.sessions.open(ADA)).token
        world.look.delete(user_sessions("usr_ada"))
        world.look.set(user_sessions("usr_ada"), "x")
        for call in (partial(tek.sessions.resolve, token), partial(tek.admit, token, "/a")):
            with pytest.raises(CorruptDocument) as raised:
                await call()
            assert raised.value.id == user_sessions("usr_ada")

    world.run(asked)


@pytest.mark.lanes(*CLUSTERS)
def test_a_cluster_gives_back_what_a_later_step_refuses(world: World) -> None:
    """In the order session, quota, limit."""

    async def asked(world: World) -> None:
        tek = world.tek(policy=POLICY)
        token = (await tek.sessions.open(ADA)).token
        for _ in range(5):
            await tek.admit(token, "/a")
        for _ in range(3):
            with pytest.raises(RateLimited):
                await tek.admit(token, "/a", "questions")
        assert (await tek.quotas.usage(ADA, "questions")).used == 0

    world.run(asked)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ada", "ben", "nobody"]),
        st.sampled_from(["/a", "/b", "/never", "/wide"]),
        st.sampled_from([None, "questions", "areas"]),
        st.integers(1, 3),
    ),
    max_size=25,
)


async def outcome(tek: Any, token: str, endpoint: str, quota: str | None, n: int) -> tuple[Any, ...]:
    try:
        actor, decision, usage = await tek.admit(token, endpoint, quota, n)
    except TekTreeError as error:
        return (type(error).__name__,)
    return actor.uid, decision.remaining, decision.counted, usage and (usage.used, usage.remaining, usage.period)


async def compared(steps: list[Any], world: World) -> None:
    theirs, ours = world.tek(policy=POLICY), AsyncTekTree.in_memory(POLICY, world.clock)
    tokens: list[dict[str, str]] = []
    for tek in (theirs, ours):
        opened = {who: (await tek.sessions.open(user)).token for who, user in (("ada", ADA), ("ben", BEN))}
        tokens.append({"nobody": f"usr_ada.{'A' * 43}", **opened})
    for who, *asked in steps:
        expected = await outcome(ours, tokens[1][who], *asked)
        assert await outcome(theirs, tokens[0][who], *asked) == expected, (who, asked)


@pytest.mark.lanes(FAKE, REDIS, REDIS_ASYNC, *CLUSTERS)
@AGAINST_SERVERS
@given(STEPS)
def test_memory_and_redis_in_lock_step(world: World, steps: list[Any]) -> None:
    """One script says what session, quota and limit say one after the other (J20)."""
    world.look.flushall()
    world.run(partial(compared, steps))


@pytest.mark.lanes(REDIS, REDIS_ASYNC, *CLUSTERS)
@pytest.mark.parametrize(("endpoint", "units"), [("/a", 1), ("/wide", 1)])
def test_of_many_at_once_no_more_get_in_than_there_is_room(world: World, endpoint: str, units: int) -> None:
    async def raced(world: World) -> None:
        tek = world.tek(policy=POLICY)
        token = (await tek.sessions.open(ADA)).token
        await tek.quotas.usage(ADA, "questions")
        found = await asyncio.gather(*[outcome(tek, token, endpoint, "questions", units) for _ in range(64)])
        let_in = [each for each in found if len(each) > 1]
        assert len(let_in) == 4
        assert (await tek.quotas.usage(ADA, "questions")).used == 4
        assert (await tek.rate_limits.peek("usr_ada", endpoint)).remaining == {"/a": 1, "/wide": 96}[endpoint]

    world.run(raced)


@pytest.mark.lanes(*SERVERS)
@pytest.mark.parametrize("strike", list(Strike))
def test_a_lost_reply_never_counts_twice(world: World, strike: Strike) -> None:
    """I5."""
    proxy = Proxy(shared_redis().port)

    async def asked(world: World) -> None:
        tek = world.tek(world.client(proxy.uri), deadline=0.5, policy=POLICY)
        token = (await tek.sessions.open(ADA)).token
        await tek.admit(token, "/a", "questions")
        await tek.admit(token, "/b")
        proxy.arm(b"EVALSHA", strike)
        with pytest.raises(Unavailable):
            await tek.admit(token, "/a", "questions")
        counted = 1 if strike is Strike.BEFORE else 2
        found = await tek.admit(token, "/a", "questions")
        assert (found.decision.remaining, found.usage.used) == (4 - counted, counted + 1)

    try:
        world.run(asked)
    finally:
        proxy.close()


@pytest.mark.lanes(*ONE_SERVER)
def test_a_session_that_only_redis_can_read_lets_nobody_in(world: World) -> None:
    """What is no session to the letter is none; what the script counted for it is given back.

    Who has seen the session before has it compared, who has not has it read.
    """

    async def asked(world: World) -> None:
        tek = world.tek(policy=POLICY)
        opened = await tek.sessions.open(ADA)
        await tek.admit(opened.token, "/a", "questions")
        id = (await tek.admit(opened.token, "/b")).actor.session_id
        stored, before = world.look.get(session_key(id)), counted(world)
        good = json.loads(stored)
        for wrong in (
            stored.replace('"role"', '"role":"admin","role"', 1),
            json.dumps({key: value for key, value in good.items() if key != "role"}),
            json.dumps({**good, "role": "owner"}),
            json.dumps({**good, "tier": "emperor"}),
            json.dumps({**good, "user_id": "usr_ben"}),
            json.dumps({**good, "expires_at": 5}),
            json.dumps({**good, "expires_at": "later"}),
            "[]",
            "5",
            "",
            "{",
            "[" * 5000,
        ):
            world.look.set(session_key(id), wrong, keepttl=True)
            with pytest.raises(InvalidSession):
                await tek.admit(opened.token, "/a", "questions")
            with pytest.raises(InvalidSession):
                await world.tek(policy=POLICY).admit(opened.token, "/a")
            assert counted(world) == before, wrong
            log = companion(ratelimit("usr_ada", "/a"), "log")
            assert world.look.llen(log) == 1

    world.run(asked)


@pytest.mark.lanes(*ONE_SERVER)
def test_a_change_of_role_or_tier_is_looked_at_first(world: World) -> None:
    """C: the very next request sees it, and nothing is counted by what was."""

    async def asked(world: World) -> None:
        backends = world.backends()
        tek = world.over_backends(backends, policy=POLICY)
        token = (await tek.sessions.open(ADA)).token
        await tek.admit(token, "/a")
        await tek.rate_limits.hit("usr_ada", "/b")  # sends that script as well
        await tek.sessions.changed("usr_ada")
        trips = trips_of(backends)
        await tek.admit(token, "/a")
        assert len(trips) == 3, "asked at once, in vain; then the session, then the limit"

    world.run(asked)


async def tier_by_text(world: World) -> str:
    """The tier that a session speaks for after somebody has written another one into it."""
    tek = world.tek(policy=POLICY)
    token = (await tek.sessions.open(ADA)).token
    id = (await tek.admit(token, "/a")).actor.session_id
    await tek.admit(token, "/a")
    key = session_key(id)
    world.look.set(key, world.look.get(key).replace('"free"', '"pro"'), keepttl=True)
    return str((await tek.admit(token, "/a")).actor.tier)


@pytest.mark.lanes(*ONE_SERVER)
def test_a_session_that_is_known_is_compared(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It need not be read again, but nobody is let in by what it was. The control: a script that does not compare."""
    assert world.run(tier_by_text) == "pro"
    careless = _ADMIT.text.replace("text ~= known or ", "")
    assert careless != _ADMIT.text
    sha = hashlib.sha1(careless.encode(), usedforsecurity=False).hexdigest()
    for module in (async_admissions, admissions):
        monkeypatch.setattr(module, "_ADMIT", Script("careless", careless, sha))
    assert world.run(tier_by_text) == "free"


WINDOWS = Policy.from_toml("""
rate_limits.tiers.free = { "*" = { limit = 5, window_seconds = 100 } }
rate_limits.tiers.pro = { "*" = { limit = 20, window_seconds = 500 } }
""")


async def passed_as_pro(world: World) -> int:
    """How many requests get in as pro in less than its window, when the user was free in between.

    Of two requests as free the first finds that the tier has changed, and takes more steps.
    """
    tek = world.tek(policy=WINDOWS)
    user = await tek.accounts.register(email="eve@example.org", handle="eve", password="correct horse battery")
    token, passed = (await tek.sessions.open(user)).token, 0
    for second, tier, times in ((0, "pro", 30), (105, "free", 2), (105, "pro", 30)):
        world.look.delete("clock")
        world.look.rpush("clock", 1_765_893_600 + second, 0)
        if tier == "pro":
            await tek.subscriptions.start(user, "pro")
        else:
            await tek.subscriptions.cancel(user, at_period_end=False)
        for _ in range(times):
            let_in = len(await outcome(tek, token, "/a", None, 1)) > 1
            assert let_in or tier == "pro"
            passed += let_in and tier == "pro"
    return passed


@pytest.mark.lanes(*ONE_SERVER)
def test_a_change_of_tier_forgets_no_hits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """I6: 20 in any window of pro, though that of free is shorter. The control: a script that keeps hits for less."""

    def told(change: tuple[str, str] = ("", "")) -> None:
        for name, modules in (("_ADMIT", (async_admissions, admissions)), ("_TAKE", (async_limits, limits))):
            text = REAL[name].text.replace("redis.call('TIME')", "redis.call('LRANGE', 'clock', 0, 1)").replace(*change)
            sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
            for each in modules:
                monkeypatch.setattr(each, name, Script("told", text, sha))

    told()
    assert world.run(passed_as_pro) == 20
    world.look.flushall()
    told((" + kept <= now", " + window <= now"))
    assert world.run(passed_as_pro) > 20


async def told_of_quotas(tek: Any) -> list[str]:
    items = (await tek.events.log(user_id="usr_ada")).items
    return sorted([each.event_type for each in items if each.event_type.startswith("quota.")])


def test_of_a_quota_is_told_what_was_used_and_not_what_came_back(world: World) -> None:
    """Refused by the limit: nothing is consumed, so nothing runs out; also where the three follow each other."""

    async def scenario(world: World) -> None:
        tek = world.tek(policy=POLICY)
        token = (await tek.sessions.open(ADA)).token
        for _ in range(5):
            await tek.admit(token, "/a")
        await tek.quotas.consume(ADA, "questions", 3)
        with pytest.raises(RateLimited):
            await tek.admit(token, "/a", "questions")
        assert (await tek.quotas.usage(ADA, "questions")).used == 3
        assert await told_of_quotas(tek) == []
        await tek.admit(token, "/b", "questions")
        assert await told_of_quotas(tek) == ["quota.threshold_reached"]

    world.run(scenario)


def test_what_a_quota_comes_to_is_told_once(world: World) -> None:
    async def asked(world: World) -> None:
        tek = world.tek(policy=POLICY)
        token = (await tek.sessions.open(ADA)).token
        await tek.admit(token, "/wide", "questions", 4)
        for _ in range(2):
            with pytest.raises(QuotaExhausted):
                await tek.admit(token, "/wide", "questions")
        told = [each.event_type for each in (await tek.events.log(user_id="usr_ada")).items]
        assert sorted(told) == ["quota.exceeded", "quota.threshold_reached", "user.logged_in"]

    world.run(asked)


def test_in_memory_it_is_the_same() -> None:
    enter("memory")
    tek = TekTree.in_memory(POLICY)
    token = tek.sessions.open(ADA).token
    for _ in range(5):
        tek.admit(token, "/a")
    with pytest.raises(RateLimited):
        tek.admit(token, "/a", "questions")
    assert tek.quotas.usage(ADA, "questions").used == 0
    usage = tek.admit(token, "/b", "questions", 4).usage
    assert usage is not None
    assert usage.remaining == 0
    with pytest.raises(QuotaExhausted):
        tek.admit(token, "/b", "questions")
    assert tek.rate_limits.peek("usr_ada", "/b").remaining == 4


def test_a_step_that_counts_for_the_refused_is_found() -> None:
    """The control: an admission that takes the hit though the quota refuses."""
    enter("memory")

    class Careless:
        def admit(self, request: Any, now: Any) -> Admitted | None:
            made.rate_limits.hit(request.uid, request.endpoint)
            return None

    made = TekTree.in_memory(POLICY)
    made._admissions._store = Careless()
    token = made.sessions.open(ADA).token
    made.admit(token, "/b", "questions", 4)
    with pytest.raises(QuotaExhausted):
        made.admit(token, "/b", "questions")
    assert made.rate_limits.peek("usr_ada", "/b").remaining != 4


@pytest.mark.lanes(*ONE_SERVER)
def test_the_day_of_a_subscription_is_read_once_a_minute(world: World) -> None:
    """Who has come again asks Redis alone; another tier is seen at once, another day of the month a minute later."""

    async def asked(world: World) -> None:
        backends = world.backends()
        reads: list[str] = []
        get = backends.subscriptions.get

        def counting(user_id: str) -> Any:
            reads.append(user_id)
            return get(user_id)

        backends.subscriptions.get = counting
        tek = world.over_backends(backends, policy=POLICY)
        token = (await tek.sessions.open(ADA)).token
        for _ in range(3):
            await tek.admit(token, "/wide", "questions")
        reads.clear()
        await tek.admit(token, "/wide", "questions")
        assert reads == []
        world.clock.advance(timedelta(minutes=1))
        with pytest.raises(QuotaExhausted):
            await tek.admit(token, "/wide", "questions")
        assert reads == [ADA.id]
        user = await tek.accounts.register(email="eve@example.org", handle="eve", password="correct horse battery")
        token = (await tek.sessions.open(user)).token
        before = [(await tek.admit(token, "/a", "questions")).usage for _ in range(2)]
        world.clock.advance(timedelta(days=1))
        await tek.subscriptions.start(user, "pro")
        after = [(await tek.admit(token, "/a", "questions")).usage for _ in range(2)]
        assert {each.resets_at.day for each in before} == {1}
        assert {each.resets_at.day for each in after} == {world.clock().day}

    world.run(asked)
