"""What is said where a reply is lost: of what counts or writes, that it may have been done; of what reads, that not.

And where there was no connection at all, that nothing was done.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest
import redis
from redis.exceptions import BusyLoadingError, MaxConnectionsError, ResponseError, TimeoutError

import tektree._async.backends.redis.driver as async_driver
import tektree._sync.backends.redis.driver as sync_driver
from tektree import Policy, Principal
from tektree._async.backends.redis.faults import is_unsent
from tektree.errors import Unavailable
from tektree.ids import derived_id
from tektree.models.leaderboards import Board, BoardEntry
from tests.backends.redis.proxy import Proxy, Strike
from tests.backends.redis.worlds import SERVERS, World
from tests.servers import free_port, shared_redis

POLICY = Policy(rate_limits={"tiers": {"free": {"*": {"limit": 60, "away": "closed"}}}})
ADA = Principal(derived_id("ada"), "usr_ada")
DRIVERS: list[ModuleType] = [async_driver, sync_driver]
DEADLINE = 0.2
MAYBE = "it may have been done, once"
NOTHING = "nothing was done"

Call = Callable[[Any, str], Awaitable[Any]]

WRITES: dict[str, Call] = {
    "hit": lambda tek, _: tek.rate_limits.hit("usr_ada", "/a"),
    "consume": lambda tek, _: tek.quotas.consume(ADA, "questions"),
    "refund": lambda tek, _: tek.quotas.refund(ADA, "questions"),
    "admit": lambda tek, token: tek.admit(token, "/a", quota="questions"),
    "open": lambda tek, _: tek.sessions.open(ADA),
    "rotate": lambda tek, token: tek.sessions.rotate(token),
    "revoke": lambda tek, token: tek.sessions.revoke(token),
    "revoke_all": lambda tek, _: tek.sessions.revoke_all("usr_ada"),
}
READS: dict[str, Call] = {
    "peek": lambda tek, _: tek.rate_limits.peek("usr_ada", "/a"),
    "usage": lambda tek, _: tek.quotas.usage(ADA, "questions"),
    "resolve": lambda tek, token: tek.sessions.resolve(token),
    "top": lambda tek, _: tek.leaderboards.top(Board.GLOBAL),
    "rank": lambda tek, _: tek.leaderboards.rank(Board.GLOBAL, "usr_ada"),
    "around": lambda tek, _: tek.leaderboards.around(Board.GLOBAL, "usr_ada"),
}
LAST_WORDS = {"open": b"EVALSHA", "rotate": b"EVALSHA"}
"""The word in that message of a call by which it is done; of the others there is but one, or it is the first."""


def snapshot(world: World) -> dict[bytes, object]:
    """All that the server holds."""
    with redis.Redis.from_url(world.uri) as look:
        return {key: look.dump(key) for key in look.scan_iter()}


async def said(world: World, proxy: Proxy, call: Call, word: bytes, strike: Strike) -> tuple[Unavailable, bool]:
    """What a call raises that meets the strike as often as it is tried, and whether the server holds others since."""
    proxy.arm(b"", Strike.BEFORE, 0)
    world.look.flushall()
    tek = world.tek(world.client(proxy.uri), deadline=DEADLINE, policy=POLICY)
    await tek.sessions.revoke((await tek.sessions.open(ADA)).token)
    await tek.sessions.revoke_all("usr_ada")  # so that the server knows all scripts
    await tek.rate_limits.hit("usr_ada", "/a")
    await tek.quotas.consume(ADA, "questions", 2)
    token = (await tek.sessions.rotate((await tek.sessions.open(ADA)).token)).token
    for _ in range(2):
        await tek.admit(token, "/a", quota="questions")
    before = snapshot(world)
    proxy.arm(word, strike, 99)
    with pytest.raises(Unavailable) as raised:
        await call(tek, token)
    return raised.value, snapshot(world) != before


async def untrue(world: World, proxy: Proxy, calls: dict[str, Call]) -> list[str]:
    wrong = []
    for name, call in calls.items():
        for strike in Strike:
            error, changed = await said(world, proxy, call, LAST_WORDS.get(name, b"*"), strike)
            where = f"{name}, {strike}: {error}"
            if changed and (NOTHING in str(error) or not error.maybe_done):
                wrong.append(where)
            if name in READS and (MAYBE in str(error) or error.maybe_done):
                wrong.append(where)
            assert (MAYBE in str(error)) is error.maybe_done
            assert changed or strike is Strike.BEFORE or name in READS, where
    return wrong


@pytest.mark.lanes(*SERVERS)
def test_a_lost_reply_is_said_to_be_one_where_it_matters(world: World) -> None:
    """I5: once, because nothing is sent twice that would count twice."""
    proxy = Proxy(shared_redis().port)
    try:
        assert world.run(lambda world: untrue(world, proxy, WRITES)) == []
        assert world.run(lambda world: untrue(world, proxy, READS)) == []
    finally:
        proxy.close()


@pytest.mark.lanes(*SERVERS)
def test_a_driver_that_takes_everything_for_unsent_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The positive control."""
    for module in DRIVERS:
        monkeypatch.setattr(module, "is_unsent", lambda _: True)
    proxy = Proxy(shared_redis().port)
    try:
        found = world.run(lambda world: untrue(world, proxy, WRITES))
    finally:
        proxy.close()
    assert {each.partition(",")[0] for each in found} == set(WRITES)


async def refused(world: World, calls: dict[str, Call]) -> list[str]:
    """What is said where there is no server."""
    token = (await world.tek().sessions.open(ADA)).token
    found = []
    for call in calls.values():
        uri = f"redis://127.0.0.1:{free_port()}"
        tek = world.tek(world.client(uri), deadline=DEADLINE, policy=POLICY)
        with pytest.raises(Unavailable) as raised:
            await call(tek, token)
        found.append(str(raised.value))
    return found


@pytest.mark.lanes(*SERVERS)
def test_where_there_is_no_connection_nothing_was_done(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The positive control takes everything for sent."""
    calls = WRITES | READS
    assert all(NOTHING in each for each in world.run(lambda world: refused(world, calls)))
    for module in DRIVERS:
        monkeypatch.setattr(module, "is_unsent", lambda _: False)
    at_once = {name: WRITES[name] for name in ("hit", "consume", "refund")}
    assert all(MAYBE in each for each in world.run(lambda world: refused(world, at_once)))


@pytest.mark.lanes(*SERVERS)
def test_what_was_lost_before_the_server_was_gone_may_have_been_done(world: World) -> None:
    """A call that is made again, and finds no server then."""
    proxy = Proxy(shared_redis().port)

    async def consumed(world: World) -> None:
        quotas = world.tek(world.client(proxy.uri), deadline=DEADLINE).quotas
        await quotas.consume(ADA, "questions")
        proxy.arm(b"EVALSHA", Strike.AFTER)
        proxy.refuse()
        with pytest.raises(Unavailable, match=MAYBE):
            await quotas.consume(ADA, "questions")

    try:
        world.run(consumed)
    finally:
        proxy.close()
    assert world.look.get("quota:usr_ada:questions:2025-12") == "2"


@pytest.mark.lanes(*SERVERS)
def test_boards_that_lose_a_reply_say_so(world: World) -> None:
    proxy = Proxy(shared_redis().port)
    now = datetime(2025, 12, 16, tzinfo=UTC)

    async def put(world: World) -> None:
        boards = world.store("leaderboards", world.client(proxy.uri), DEADLINE)
        await boards.top(Board.GLOBAL, 1, now)
        proxy.arm(b"EVALSHA", Strike.HANG_AFTER)
        with pytest.raises(Unavailable, match=MAYBE):
            await boards.put([BoardEntry(Board.GLOBAL, "usr_ada", 5, now, 1, 0, False)], now)

    try:
        world.run(put)
    finally:
        proxy.close()


@pytest.mark.lanes(*SERVERS)
def test_a_session_that_was_ended_is_ended_though_its_rest_cannot_be_deleted(world: World) -> None:
    proxy = Proxy(shared_redis().port)

    async def ended(world: World) -> tuple[int, list[Any]]:
        tek = world.tek(world.client(proxy.uri), deadline=DEADLINE, policy=POLICY)
        for _ in range(3):
            await tek.sessions.open(ADA)
        proxy.arm(b"DEL\r\n", Strike.HANG_AFTER, 99)
        gone = await tek.sessions.revoke_all("usr_ada")
        return gone, list(await world.store("sessions").all("usr_ada", world.clock()))

    try:
        assert world.run(ended) == (3, [])
    finally:
        proxy.close()


@pytest.mark.parametrize(
    ("error", "unsent"),
    [
        (redis.ConnectionError("Error 111 connecting to host:6379. Connection refused."), True),
        (redis.ConnectionError("Error 2 connecting to unix socket: /secret. No such file."), True),
        (TimeoutError("Timeout connecting to server"), True),
        (MaxConnectionsError("Too many connections"), True),
        (redis.ConnectionError("No connection available."), True),
        (BusyLoadingError("Redis is loading the dataset in memory"), True),
        (ResponseError("CLUSTERDOWN"), True),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"), True),
        (TimeoutError("Timeout reading from socket"), False),
        (redis.ConnectionError("Connection closed by server."), False),
        (ConnectionResetError("the server closed the connection"), False),
        (OSError("connecting to"), False),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_was_surely_not_done(error: Exception, unsent: bool) -> None:
    assert is_unsent(error) is unsent
