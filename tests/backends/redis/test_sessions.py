"""Sessions on Redis where replies are lost and servers restart."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tektree import Policy, Principal
from tektree._async.backends.redis.driver import AsyncRedis
from tektree._sync.backends.redis.driver import Redis
from tektree.errors import InvalidSession, Unavailable
from tektree.ids import derived_id
from tests.backends.redis.proxy import Proxy, Strike
from tests.backends.redis.worlds import SERVERS, World
from tests.lanes import REDIS
from tests.servers import RedisServer, shared_redis

ADA = Principal(derived_id("ada"), "usr_ada", "pro", "user")

WRITES = [b"NX", b"EVALSHA", b"DEL"]
"""What is sent to rotate a token: its session, its place, and the end of the one before."""


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """Between the tek of a test and the server of the run."""
    made = Proxy(shared_redis().port)
    yield made
    made.close()


async def dead(tek: Any, token: str) -> bool:
    try:
        await tek.sessions.resolve(token)
    except InvalidSession:
        return True
    return False


@pytest.mark.lanes(*SERVERS)
@pytest.mark.parametrize("strike", [Strike.BEFORE, Strike.AFTER])
@pytest.mark.parametrize("word", WRITES)
def test_a_lost_reply_does_not_undo_a_rotation(world: World, proxy: Proxy, word: bytes, strike: Strike) -> None:
    """C4: what is sent again finds that it was done. One session is open then, and nothing else is left."""

    async def rotated(world: World) -> None:
        tek = world.tek(world.client(proxy.uri), deadline=2.0)
        old = (await tek.sessions.open(ADA)).token
        old = (await tek.sessions.rotate(old)).token  # now the server knows the scripts
        proxy.arm(word, strike)
        new = (await tek.sessions.rotate(old)).token
        assert proxy.seen >= 2, "nothing was sent again"
        assert await dead(tek, old)
        actor = await tek.sessions.resolve(new)
        assert [each.session_id for each in await tek.sessions.list(actor)] == [actor.session_id]
        assert len(world.look.keys("session:*")) == 1

    world.run(rotated)


@pytest.mark.lanes(*SERVERS)
def test_a_session_whose_reply_was_lost_is_opened_once(world: World, proxy: Proxy) -> None:
    async def opened(world: World) -> None:
        tek = world.tek(world.client(proxy.uri), deadline=2.0)
        await tek.sessions.open(ADA)
        proxy.arm(b"NX", Strike.AFTER)
        actor = await tek.sessions.resolve((await tek.sessions.open(ADA)).token)
        assert len(await tek.sessions.list(actor)) == len(world.look.keys("session:*")) == 2

    world.run(opened)


@pytest.mark.lanes(*SERVERS)
def test_a_rotation_that_goes_by_the_first_reply_alone_is_found(
    world: World, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: where what was found is not asked for, the driver's repetition finds its own write, and gives up."""
    kind: Any = AsyncRedis if world.is_async else Redis
    ask = kind.ask

    async def blind(self: Any, *commands: Any) -> list[Any]:
        replies: list[Any] = await ask(self, *commands)
        return [replies[0], None] if commands[0][0] == "SET" else replies

    def sync_blind(self: Any, *commands: Any) -> list[Any]:
        replies: list[Any] = ask(self, *commands)
        return [replies[0], None] if commands[0][0] == "SET" else replies

    async def rotated(world: World) -> None:
        tek = world.tek(world.client(proxy.uri), deadline=2.0)
        old = (await tek.sessions.open(ADA)).token
        monkeypatch.setattr(kind, "ask", blind if world.is_async else sync_blind)
        proxy.arm(b"NX", Strike.AFTER)
        with pytest.raises(InvalidSession):
            await tek.sessions.rotate(old)

    world.run(rotated)


@pytest.mark.lanes(*SERVERS)
@pytest.mark.parametrize("word", [b"EVALSHA", b"DEL"])
def test_who_logs_out_with_the_old_token_is_out(world: World, proxy: Proxy, word: bytes) -> None:
    """C5: under whatever token the session goes by now, also when a reply is lost."""

    async def revoked(world: World) -> None:
        tek = world.tek(world.client(proxy.uri), deadline=2.0)
        first = (await tek.sessions.open(ADA)).token
        second = (await tek.sessions.rotate(first)).token
        third = (await tek.sessions.rotate(second)).token
        other = (await tek.sessions.open(ADA)).token
        await tek.sessions.revoke((await tek.sessions.open(ADA)).token)  # now the server knows the script
        proxy.arm(word, Strike.AFTER)
        await tek.sessions.revoke(first)
        assert proxy.seen >= 2, "nothing was sent again"
        assert [await dead(tek, each) for each in (first, second, third, other)] == [True, True, True, False]

    world.run(revoked)


async def stolen(world: World, proxy: Proxy, times: int) -> tuple[Any, str]:
    """A session whose user changes the password while so many messages about their sessions do not get through."""
    tek = world.tek(world.client(proxy.uri), deadline=2.0, policy=Policy(events={"deliver": "relay"}))
    user = await tek.accounts.register(email="ada@example.com", handle="ada", password="correct horse")
    token = (await tek.sessions.open(user)).token
    proxy.arm(f"user_sessions:{user.uid}".encode(), Strike.BEFORE, times)
    await tek.accounts.change_password(user, "correct horse", "battery staple")
    proxy.arm(b"", Strike.BEFORE, 0)
    return tek, token


@pytest.mark.lanes(*SERVERS)
@pytest.mark.parametrize("call", ["resolve", "rotate", "admit"])
def test_a_new_password_ends_sessions_though_redis_fails_at_it(world: World, proxy: Proxy, call: str) -> None:
    """C6: the epoch is looked at before the next one is let in, once for all."""

    async def changed(world: World) -> None:
        tek, token = await stolen(world, proxy, times=2)  # the call, and its repetition
        calls = {"resolve": tek.sessions.resolve, "rotate": tek.sessions.rotate}
        calls["admit"] = lambda token: tek.admit(token, "/a")
        with pytest.raises(InvalidSession):
            await calls[call](token)
        assert not world.look.keys("session:*")
        await tek.events.relay.run_once()
        assert not list((await tek.events.dead_letters.list()).items)

    world.run(changed)


@pytest.mark.lanes(*SERVERS)
def test_of_many_log_ins_at_once_no_more_are_open_than_may_be(world: World) -> None:
    """C18: 64 at once, over two processes' connections, and five stay; never more on the way."""

    async def raced(world: World) -> None:
        policy = Policy(sessions={"per_user": 5})
        teks = [world.tek(policy=policy) for _ in range(2)]
        opened = await asyncio.gather(*[teks[at % 2].sessions.open(ADA) for at in range(64)])
        alive = [each.token for each in opened if not await dead(teks[0], each.token)]
        assert len(alive) == 5
        actor = await teks[0].sessions.resolve(alive[0])
        assert len(await teks[1].sessions.list(actor)) == 5
        assert len(world.look.keys("session:*")) == 5

    world.run(raced)


@pytest.mark.lanes(REDIS)
def test_a_reset_while_the_server_is_away_is_one(world: World, tmp_path: Path) -> None:
    """C6: the password is another one though all of Redis is away, and what was open is over when it comes back."""
    server = RedisServer(tmp_path).start()
    try:

        async def away(world: World) -> None:
            tek = world.tek(world.client(server.uri), deadline=5.0)
            user = await tek.accounts.register(email="ada@example.com", handle="ada", password="correct horse")
            token = (await tek.sessions.open(user)).token
            mailed = await tek.accounts.request_password_reset("ada@example.com")
            server.kill()
            assert (await tek.accounts.reset_password(mailed, "battery staple")).epoch == 1
            with pytest.raises(Unavailable):
                await tek.sessions.resolve(token)
            server.start()
            assert await dead(tek, token)
            again = await tek.accounts.authenticate("ada", "battery staple")
            opened = await tek.sessions.open(again)
            await tek.events.relay.run_once()
            assert (await tek.sessions.resolve(opened.token)).id == user.id

        world.run(away)
    finally:
        server.stop()


@pytest.mark.lanes(REDIS)
def test_what_was_revoked_stays_so_when_the_server_comes_back(world: World, tmp_path: Path) -> None:
    """C20: a server that writes each command down is killed, and started again on what it wrote."""
    server = RedisServer(tmp_path).start()
    try:

        async def restarted(world: World) -> None:
            tek = world.tek(world.client(server.uri), deadline=5.0)
            revoked, rotated, kept, ended = [(await tek.sessions.open(ADA)).token for _ in range(4)]
            successor = (await tek.sessions.rotate(rotated)).token
            await tek.sessions.revoke(revoked)
            ben = Principal(derived_id("ben"), "usr_ben")
            bens = [(await tek.sessions.open(ben)).token for _ in range(2)]
            await tek.sessions.revoke_all("usr_ben")
            await tek.sessions.revoke(ended)
            server.kill()
            with pytest.raises(Unavailable):
                await tek.sessions.resolve(revoked)
            server.start()
            for token in (revoked, rotated, ended, *bens):
                assert await dead(tek, token)
            for token in (kept, successor):
                assert (await tek.sessions.resolve(token)).uid == "usr_ada", "what was open is there as well"

        world.run(restarted)
    finally:
        server.stop()
