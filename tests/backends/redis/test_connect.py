"""What `connect` takes as ``redis``, whose it is, and what never gets out."""

import asyncio
import multiprocessing
import os
from typing import Any

import fakeredis
import pytest
import redis
import redis.asyncio

from tektree import AsyncTekTree, Policy, TekTree
from tektree._async.backends.memory.bundles import memory_backends as async_memory_backends
from tektree._sync.backends.memory.bundles import memory_backends
from tektree._sync.backends.redis.connecting import connected
from tektree.backends.redis import async_with_redis, with_redis
from tektree.errors import ConfigurationError, Unavailable
from tests.backends.redis.worlds import SERVERS, World
from tests.lanes import MOCK, REDIS, REDIS_ASYNC, enter
from tests.servers import RedisServer, free_port

CLOSED = Policy(rate_limits={"tiers": {"free": {"*": {"limit": 60, "away": "closed"}}}})
SECRET = "hunter2-the-password"


def test_a_tek_takes_both() -> None:
    import mongomock

    enter(MOCK)
    look = fakeredis.FakeRedis(server=(server := fakeredis.FakeServer()), decode_responses=True)
    with TekTree.connect(mongomock.MongoClient()["app"], redis=fakeredis.FakeRedis(server=server)) as tek:
        assert tek.rate_limits.hit("usr_a", "/a").remaining == 59
        user = tek.gamification.enroll(uid="usr_a").user_id
        assert tek.gamification.profile(user).total_xp == 0
    assert look.get("ratelimit:usr_a:/a") == "1"


@pytest.mark.lanes(*SERVERS)
def test_a_uri_is_taken_and_closed(world: World) -> None:
    async def hit(world: World) -> None:
        backends: Any = (async_with_redis if world.is_async else with_redis)(
            async_memory_backends() if world.is_async else memory_backends(),  # type: ignore[arg-type]
            world.uri,
        )
        before = len(world.look.client_list())
        tek: Any = (AsyncTekTree if world.is_async else TekTree)(backends)
        if world.is_async:
            async with tek:
                await tek.rate_limits.hit("usr_a", "/a")
        else:
            with tek:
                tek.rate_limits.hit("usr_a", "/a")
        while len(world.look.client_list()) > before:
            await asyncio.sleep(0)

    world.run(hit)
    assert world.look.get("ratelimit:usr_a:/a") == "1"


@pytest.mark.lanes(*SERVERS)
@pytest.mark.parametrize("protocol", [2, 3])
def test_what_the_server_has_closed_meanwhile_is_opened_again(world: World, protocol: int) -> None:
    """Before anything is sent, so what counts may be sent: its limit is closed while the server is away."""

    async def hits(world: World) -> None:
        tek = world.tek(world.client(protocol=protocol), policy=CLOSED)
        for remaining in (59, 58, 57):
            assert (await tek.rate_limits.hit("usr_a", "/a")).remaining == remaining
            world.look.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            while len(world.look.client_list()) > 1:
                await asyncio.sleep(0)
            await asyncio.to_thread(world.look.ping)  # the end has come by then

    world.run(hits)


def test_a_client_that_was_passed_in_stays_open(world: World) -> None:
    async def used(world: World) -> None:
        client = world.client()
        tek = world.tek(client)
        await tek.rate_limits.hit("usr_a", "/a")
        await tek.close()
        found = client.get("ratelimit:usr_a:/a")
        assert (await found if world.is_async else found) == b"1"

    world.run(used)


def test_how_a_client_decodes_makes_no_difference(world: World) -> None:
    async def used(world: World) -> None:
        for options in ({"decode_responses": True}, {"protocol": 2}, {"protocol": 3, "decode_responses": True}):
            tek = world.tek(world.client(**options))
            assert (await tek.rate_limits.hit("usr_a", "/a")).allowed

    world.run(used)


@pytest.mark.parametrize(
    "wrong",
    [5, b"redis://localhost", object(), redis.ConnectionPool(), "http://localhost", "localhost", "redis://h:port"],
)
def test_anything_else_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^redis: "):
        connected(wrong)


def test_a_client_of_the_other_flavour_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="AsyncTekTree takes it"):
        with_redis(memory_backends(), redis.asyncio.Redis())
    with pytest.raises(ConfigurationError, match="; TekTree takes it"):
        async_with_redis(async_memory_backends(), redis.Redis())


def test_a_uri_that_is_none_is_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as raised:
        connected(f"redis://:{SECRET}@localhost:port/0")
    assert SECRET not in str(raised.value) + repr(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


@pytest.mark.lanes(*SERVERS)
def test_a_password_that_is_wrong_or_missing_is_a_matter_of_the_set_up(world: World) -> None:
    server = RedisServer(None, "--requirepass", "another").start()

    async def hit(world: World) -> None:
        wrong = server.uri.replace("//", f"//:{SECRET}@")
        for uri, said in (
            (server.uri, "asks for a password, and none was given"),
            (f"{server.uri}?protocol=2", "asks for a password, and none was given"),
            (wrong, "does not know this user and password"),
            (f"{wrong}?protocol=2", "does not know this user and password"),
        ):
            tek = world.tek(world.client(uri), deadline=5)
            with pytest.raises(ConfigurationError, match=said) as raised:
                await tek.rate_limits.hit("usr_a", "/a")
            assert SECRET not in repr(raised.value)
            assert raised.value.__suppress_context__

    try:
        world.run(hit)
    finally:
        server.stop()


@pytest.mark.lanes(*SERVERS)
def test_who_may_not_run_scripts_is_told(world: World) -> None:
    async def hit(world: World) -> None:
        world.look.acl_setuser(
            "poor", enabled=True, nopass=True, categories=["+@all"], commands=["-evalsha"], keys=["*"]
        )
        tek = world.tek(world.client(username="poor", password="x"))
        with pytest.raises(ConfigurationError, match="permissions"):
            await tek.rate_limits.hit("usr_a", "/a")

    try:
        world.run(hit)
    finally:
        world.look.acl_deluser("poor")


@pytest.mark.lanes(*SERVERS)
def test_a_server_that_is_not_there_is_unavailable(world: World) -> None:
    async def hit(world: World) -> None:
        tek = world.tek(world.client(f"redis://127.0.0.1:{free_port()}"), deadline=0.5, policy=CLOSED)
        with pytest.raises(Unavailable) as raised:
            await tek.rate_limits.hit("usr_a", "/a")
        assert raised.value.store == "Redis"
        assert raised.value.__suppress_context__

    world.run(hit)


def _hit_in_the_child(tek: TekTree, told: Any) -> None:
    try:
        tek.rate_limits.hit("usr_a", "/a")
        told.put("went through")
    except ConfigurationError as error:
        told.put(str(error))
    tek.close()
    os._exit(0)


@pytest.mark.lanes(REDIS)
def test_a_fork_is_noticed(world: World) -> None:
    tek = TekTree(world.backends())
    tek.rate_limits.hit("usr_a", "/a")
    context = multiprocessing.get_context("fork")
    told = context.SimpleQueue()
    child = context.Process(target=_hit_in_the_child, args=(tek, told))
    child.start()
    assert "forked" in told.get()
    child.join()
    assert tek.rate_limits.hit("usr_a", "/a").remaining == 58
    tek.close()


@pytest.mark.lanes(REDIS_ASYNC)
def test_another_event_loop_is_noticed(world: World) -> None:
    made: list[Any] = []

    async def first(world: World) -> None:
        made.append(world.tek(world.client()))
        await made[0].rate_limits.hit("usr_a", "/a")

    async def second(world: World) -> None:
        with pytest.raises(ConfigurationError, match="event loop"):
            await made[0].rate_limits.hit("usr_a", "/a")

    world.run(first)
    world.run(second)


@pytest.mark.lanes(REDIS)
def test_a_connection_that_the_server_closed_is_not_used_again(world: World) -> None:
    tek = TekTree(world.backends(), policy=CLOSED)
    tek.rate_limits.hit("usr_a", "/a")
    world.look.client_kill_filter(_type="normal", skipme=True)
    assert tek.rate_limits.hit("usr_a", "/a").remaining == 58
    tek.close()
