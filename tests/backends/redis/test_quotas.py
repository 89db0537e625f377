"""Quotas on Redis: what loss does to them."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tektree import Policy, Principal
from tektree.errors import QuotaExhausted, Unavailable
from tektree.ids import derived_id
from tektree.models.quotas import Counter
from tests.backends.mongo.worlds import Awaited
from tests.backends.redis.proxy import Proxy, Strike
from tests.backends.redis.worlds import SERVERS, World
from tests.servers import RedisServer, shared_redis

ADA = Principal(derived_id("ada"), "usr_ada")
START = datetime(2025, 12, 16, tzinfo=UTC)
KEY = "quota:usr_ada:questions:2025-12"


@pytest.mark.lanes(*SERVERS)
@pytest.mark.parametrize("strike", [Strike.BEFORE, Strike.AFTER])
def test_a_lost_reply_is_asked_for_again_and_counts_once(world: World, strike: Strike) -> None:
    """I5."""
    proxy = Proxy(shared_redis().port)

    async def consumed(world: World) -> None:
        quotas = world.tek(world.client(proxy.uri), deadline=2).quotas
        assert (await quotas.consume(ADA, "questions")).used == 1
        proxy.arm(b"EVALSHA", strike)
        assert (await quotas.consume(ADA, "questions")).used == 2
        assert proxy.seen == 2
        proxy.arm(b"EVALSHA", strike)
        assert (await quotas.refund(ADA, "questions")).used == 1

    try:
        world.run(consumed)
    finally:
        proxy.close()
    assert world.look.get(KEY) == "1"


@pytest.mark.lanes(*SERVERS)
def test_a_reply_that_is_lost_for_good_counts_once(world: World) -> None:
    proxy = Proxy(shared_redis().port)

    async def consumed(world: World) -> None:
        quotas = world.tek(world.client(proxy.uri), deadline=0.5).quotas
        await quotas.consume(ADA, "questions")
        for strike, times in ((Strike.AFTER, 2), (Strike.HANG_AFTER, 1)):
            proxy.arm(b"EVALSHA", strike, times)
            with pytest.raises(Unavailable):
                await quotas.consume(ADA, "questions")

    try:
        world.run(consumed)
    finally:
        proxy.close()
    assert world.look.get(KEY) == "3"


@pytest.mark.lanes(*SERVERS)
@pytest.mark.parametrize("fails", [False, True])
def test_a_lost_reply_at_the_end_of_a_reservation_counts_once(world: World, fails: bool) -> None:
    """I2 I5."""
    proxy = Proxy(shared_redis().port)

    async def reserved(world: World) -> None:
        backends = world.backends(world.client(proxy.uri), deadline=2)
        store = backends.quotas if world.is_async else Awaited(backends.quotas)
        counter = Counter("usr_ada", "questions", "2025-12", START + timedelta(days=18))
        await store.load(counter, 0, START)
        await store.hold(counter, 2, 20, "one", 600, START)
        proxy.arm(b"EVALSHA", Strike.AFTER)
        assert (await store.settle(counter, 2, "one", not fails, 20, 80, START)).used == (0 if fails else 2)
        assert proxy.seen == 2

    try:
        world.run(reserved)
    finally:
        proxy.close()
    assert world.look.get(KEY) == ("0" if fails else "2")


@pytest.mark.lanes(*SERVERS)
def test_a_hung_server_is_unavailable(world: World) -> None:
    server = RedisServer().start()

    async def consumed(world: World) -> None:
        tek = world.tek(world.client(server.uri), deadline=0.3)
        await tek.quotas.consume(ADA, "questions")
        opened = await tek.sessions.open(ADA)
        server.pause()
        for call in (
            lambda: tek.quotas.consume(ADA, "questions"),
            lambda: tek.quotas.usage(ADA, "questions"),
            lambda: tek.sessions.resolve(opened.token),
            lambda: tek.sessions.open(ADA),
            lambda: tek.sessions.revoke(opened.token),
        ):
            with pytest.raises(Unavailable):
                await call()
        server.resume()
        assert (await tek.sessions.resolve(opened.token)).uid == "usr_ada"

    try:
        world.run(consumed)
    finally:
        server.stop()


@pytest.mark.lanes(*SERVERS)
def test_of_64_takers_of_15_exactly_15_get_through(world: World) -> None:
    """I1: on a real server, from many connections."""
    policy = Policy(quotas={"free": {"questions": 15}})

    async def takers(world: World) -> int:
        tek = world.tek(policy=policy)

        async def taker() -> Any:
            try:
                return await tek.quotas.consume(ADA, "questions")
            except QuotaExhausted:
                return None

        return len([each for each in await asyncio.gather(*[taker() for _ in range(64)]) if each])

    for _ in range(5):
        world.look.flushall()
        assert world.run(takers) == 15
        assert world.look.get(KEY) == "15"


def test_where_a_subscription_begins_counts_last_as_long_as_its_month(world: World) -> None:
    """They share it with the month of the calendar; what was told and which causes were counted last as long."""
    policy = Policy(quotas={tier: {"exports": 5} for tier in ("free", "pro")})

    async def used(world: World) -> None:
        tek = world.tek(policy=policy)
        ada = Principal((await tek.gamification.enroll(uid="usr_ada")).user_id, "usr_ada")
        await tek.quotas.usage(ada, "exports")
        await tek.quotas.count(ada, "exports", 5, cause="one", at=START)
        await tek.subscriptions.start(ada, "pro")

    world.clock.set(START)
    world.run(used)
    keys = [key for key in world.look.scan_iter() if "exports" in key]
    assert len(keys) == 3
    assert {round(world.look.ttl(key) / 86_400) for key in keys} == {31 + 2}


async def _reserved(world: World, tek: Any) -> None:
    """Units that are reserved, and used."""
    if world.is_async:
        async with tek.quotas.reserve(ADA, "insights"):
            pass
    else:
        with await tek.quotas.reserve(ADA, "insights"):
            pass


def test_a_count_that_others_wrote_to_last_for_ever_does_not(world: World) -> None:
    """I4: whoever looks at it next gives it its time."""

    async def used(world: World) -> None:
        tek = world.tek()
        token = (await tek.sessions.open(ADA)).token
        for call in (
            lambda: tek.quotas.usage(ADA, "questions"),
            lambda: tek.quotas.consume(ADA, "questions"),
            lambda: tek.admit(token, "/a", "questions"),
        ):
            for _ in range(3):  # by then the session is known
                await tek.admit(token, "/a", "questions")
            world.look.set(KEY, 5)
            await call()
            assert world.look.ttl(KEY) > 0

    world.clock.set(START)
    world.run(used)


def test_no_key_is_immortal(world: World) -> None:
    """I4."""

    async def used(world: World) -> None:
        tek = world.tek()
        await tek.quotas.consume(ADA, "questions")
        await tek.quotas.refund(ADA, "questions")
        await tek.rate_limits.hit("usr_ada", "/a")
        opened = await tek.sessions.open(ADA)
        await tek.sessions.revoke_all("usr_ada")
        await tek.sessions.changed("usr_ben")
        rotated = await tek.sessions.rotate((await tek.sessions.open(ADA)).token)
        for _ in range(2):
            await tek.admit(rotated.token, "/b", "answers")
        await _reserved(world, tek)
        assert opened

    world.run(used)
    keys = list(world.look.scan_iter())
    assert len(keys) > 12
    assert [key for key in keys if world.look.ttl(key) < 0] == []
