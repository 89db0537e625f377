"""Connections on each driver: the promises of their port, what is sent, and both sides alike whatever meets."""

import asyncio
from typing import Any

import pytest

from tektree.testing import checks
from tektree.wire.collections import AREAS, CONNECTIONS, EVENTS, FOLLOWS, QUESTIONS, USERS
from tests.backends.mongo.test_areas import without_reactions
from tests.backends.mongo.worlds import MOTOR, PROMISED, PYMONGO, PYMONGO_ASYNC, REAL, Heard, World
from tests.content.test_areas import ADA, BEN
from tests.content.test_connections import both, connect, seen
from tests.content.worlds import POLICY

SERVERS = pytest.mark.lanes(PYMONGO, PYMONGO_ASYNC, MOTOR, REAL)


@pytest.fixture(autouse=True)
def indexed(world: World) -> None:
    """With the indexes of content as well."""
    world.indexed((AREAS, FOLLOWS, QUESTIONS, CONNECTIONS))


@PROMISED
@pytest.mark.parametrize("check", checks("connections"))
def test_promise(check: str, world: World) -> None:
    world.keeps(check)


def test_a_life(world: World) -> None:
    """From the request to the block, and back."""

    async def scenario(world: World) -> None:
        tek = world.tek(policy=POLICY)
        await connect(tek, ADA, BEN)
        assert await both(tek) == ("connected", "connected")
        await tek.connections.block(ADA, BEN.id)
        await tek.connections.request(BEN, ADA.id)
        assert await both(tek) == ("blocked", "sent")
        await tek.connections.unblock(ADA, BEN.id)
        assert await both(tek) == ("received", "sent")
        await tek.connections.remove(ADA, BEN.id)
        assert await both(tek) == ("none", "none")
        [document] = world.look[CONNECTIONS].find()
        assert document["_outbox"] == []
        assert (document["asked"], document["blocked"], document["status"]) == ([], [], "none")

    world.run(scenario)


@SERVERS
def test_round_trips(world: World) -> None:
    async def scenario(world: World) -> None:
        heard = Heard()
        tek = world.tek(world.client(event_listeners=[heard]), policy=without_reactions())
        who, found = [f"find {USERS}"] * 2, f"find {CONNECTIONS}"
        room = [f"aggregate {CONNECTIONS}"]
        tell = [f"find {EVENTS}", f"insert {EVENTS}", f"update {CONNECTIONS}"]

        async def sent(call: Any) -> list[str]:
            await call
            return heard.names()

        calls = tek.connections
        changed = [*who, found, found]
        assert await sent(calls.request(ADA, BEN.id)) == [*who, found, *room, f"insert {CONNECTIONS}", *tell]
        assert await sent(calls.request(ADA, BEN.id)) == changed
        assert await sent(calls.accept(BEN, ADA.id)) == [*changed, *room, *room, f"update {CONNECTIONS}", *tell]
        assert await sent(calls.list(ADA)) == [found]
        assert await sent(calls.block(ADA, BEN.id)) == [*changed, *room, f"update {CONNECTIONS}", *tell]
        assert await sent(calls.request(BEN, ADA.id)) == [*changed, *room, f"update {CONNECTIONS}"], "it is not told"
        assert await sent(calls.unblock(ADA, BEN.id)) == [*changed, f"update {CONNECTIONS}", *tell]
        assert await sent(calls.remove(ADA, BEN.id)) == [*changed, f"update {CONNECTIONS}", *tell]

    world.run(scenario)


@SERVERS
def test_what_meets_has_one_outcome(world: World) -> None:
    """G14: crossing requests connect; of an accept and a block the block stands."""

    async def scenario(world: World) -> None:
        teks = [world.tek(policy=without_reactions()) for _ in range(2)]
        await asyncio.gather(
            *[teks[at % 2].connections.request(*((ADA, BEN.id) if at % 2 else (BEN, ADA.id))) for at in range(8)]
        )
        assert await both(teks[0]) == ("connected", "connected")
        await teks[0].connections.remove(ADA, BEN.id)
        await teks[0].connections.request(ADA, BEN.id)
        await asyncio.gather(
            *[teks[0].connections.accept(BEN, ADA.id), teks[1].connections.block(ADA, BEN.id)] * 4,
            return_exceptions=True,
        )
        assert await seen(teks[0], ADA, BEN) == "blocked"
        assert await seen(teks[0], BEN, ADA) == "none"
        assert world.look[CONNECTIONS].count_documents({}) == 1

    world.run(scenario)
