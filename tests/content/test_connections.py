"""Connections: asked for, accepted, ended, blocked, and listed. In memory, in both flavours."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from tektree import Policy, Principal, TekTree
from tektree.backends.memory import memory_backends
from tektree.errors import ConfigurationError, Forbidden, InvalidCursor, InvalidInput, InvalidTransition, NotFound
from tektree.ids import derived_id
from tektree.models.accounts import User
from tests.accounts.worlds import registered
from tests.content.test_areas import ADA, ADMIN, BEN, HOSTILE, MOD, refused_as
from tests.content.worlds import POLICY, World, principal, refused, stored

CYD = principal("cyd")
STATUSES = ("connected", "sent", "received", "blocked")


async def listed(tek: Any, who: Principal | User, status: str = "connected") -> list[str]:
    return [each.user_id for each in await tek.connections.list(who, status=status)]


async def seen(tek: Any, who: Principal | User, other: Principal | User) -> str:
    """What ``other`` is to somebody, by their lists."""
    found = [status for status in STATUSES if other.id in await listed(tek, who, status)]
    assert len(found) <= 1
    return found[0] if found else "none"


async def both(tek: Any) -> tuple[str, str]:
    return await seen(tek, ADA, BEN), await seen(tek, BEN, ADA)


async def connect(tek: Any, one: Principal | User, other: Principal | User) -> None:
    await tek.connections.request(one, other.id)
    await tek.connections.accept(other, one.id)


async def types(tek: Any, who: Principal) -> list[str]:
    """What is told of somebody, in no order: most of it at one instant."""
    return sorted([each.event_type for each in (await tek.events.log(user_id=who.uid)).items])


def test_a_life(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        sent = await tek.connections.request(ADA, BEN.id)
        assert (sent.user_id, sent.uid, sent.status) == (BEN.id, None, "sent")
        assert await both(tek) == ("sent", "received")
        assert (await tek.connections.request(ADA, BEN.id)).status == "sent"
        assert (await tek.connections.accept(BEN, ADA.id)).uid == ADA.uid
        assert await both(tek) == ("connected", "connected")
        assert (await tek.connections.list(ADA)).items[0].uid == BEN.uid, "known since they acted"
        assert (await tek.connections.accept(BEN, ADA.id)).status == "connected"
        assert (await tek.connections.remove(BEN, ADA.id)).status == "none"
        assert await both(tek) == ("none", "none")
        assert (await tek.connections.remove(ADA, BEN.id)).status == "none"
        assert (await tek.connections.unblock(ADA, BEN.id)).status == "none"
        assert await types(tek, ADA) == ["connection.requested"]
        assert await types(tek, BEN) == ["connection.accepted", "connection.removed"]

    world.run(scenario)


def test_crossing_requests_connect(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        await tek.connections.request(ADA, BEN.id)
        assert (await tek.connections.request(BEN, ADA.id)).status == "connected"
        assert await both(tek) == ("connected", "connected")

    world.run(scenario)


def test_a_request_is_declined_and_taken_back(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        for who in (ADA, BEN):
            await tek.connections.request(ADA, BEN.id)
            other = BEN if who is ADA else ADA
            assert (await tek.connections.remove(who, other.id)).status == "none"
            assert await both(tek) == ("none", "none")
            await refused(NotFound, tek.connections.accept(BEN, ADA.id))

    world.run(scenario)


def test_a_block_wins_and_does_not_show(world: World) -> None:
    """G14: who is blocked hears what one hears of somebody who never answers; there is no event of it about them."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        await connect(tek, ADA, BEN)
        assert (await tek.connections.block(ADA, BEN.id)).status == "blocked"
        assert await both(tek) == ("blocked", "none")
        before = await types(tek, BEN)
        assert (await tek.connections.request(BEN, ADA.id)).status == "sent"
        assert await both(tek) == ("blocked", "sent")
        await refused(NotFound, tek.connections.accept(BEN, ADA.id))
        await refused(NotFound, tek.connections.accept(ADA, BEN.id))
        await refused(InvalidTransition, tek.connections.request(ADA, BEN.id))
        assert (await tek.connections.block(ADA, BEN.id)).status == "blocked"
        assert await types(tek, BEN) == before
        assert (await tek.connections.unblock(ADA, BEN.id)).status == "received"
        assert await both(tek) == ("received", "sent")
        await tek.connections.block(BEN, ADA.id)
        await tek.connections.block(ADA, BEN.id)
        assert await both(tek) == ("blocked", "blocked")
        await tek.connections.unblock(ADA, BEN.id)
        assert await both(tek) == ("none", "blocked")

    world.run(scenario)


def test_what_cannot_be_accepted_all_sounds_the_same(world: World) -> None:
    """E9, G20: no request, one's own, one that was taken back, and a block, by either."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        people = [principal(f"p{at}") for at in range(5)]
        await tek.connections.request(ADA, people[1].id)
        await tek.connections.request(people[2], ADA.id)
        await tek.connections.remove(people[2], ADA.id)
        await tek.connections.block(people[3], ADA.id)
        await tek.connections.block(ADA, people[4].id)
        said = set()
        for each in people:
            error = await refused(NotFound, tek.connections.accept(ADA, each.id))
            assert (error.kind, error.id) == ("request", each.id)
            said.add(str(error).replace(each.id, "…"))
        assert len(said) == 1

    world.run(scenario)


def test_nobody_is_connected_with_themselves(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        for who in (ADA, MOD, ADMIN):
            for verb in ("request", "block"):
                await refused(Forbidden, getattr(tek.connections, verb)(who, who.id))
            for verb in ("accept", "remove", "unblock"):
                await refused(InvalidInput, getattr(tek.connections, verb)(who, who.id))

    world.run(scenario)


def test_who_acts_and_who_is_meant_is_there(world: World) -> None:
    """E8, E18: of accounts that are stored, by what is stored now; who keeps them elsewhere vouches for both."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        ada, ben = await registered(tek), await registered(tek, "ben")
        gone, off = await registered(tek, "gone"), await stored(world, "off", status="disabled")
        await tek.accounts.erase(gone, gone.id)
        assert (await tek.connections.request(ada, ben.id)).uid == ben.uid
        for nobody in (CYD.id, gone.id, off.id):
            await refused(NotFound, tek.connections.request(ada, nobody))
        await refused(NotFound, tek.connections.block(ada, CYD.id))
        assert (await tek.connections.block(ada, off.id)).status == "blocked"
        for verb in ("request", "accept", "remove", "block", "unblock"):
            await refused(Forbidden, getattr(tek.connections, verb)(off, ada.id))
            await refused(Forbidden, getattr(tek.connections, verb)(Principal(ada.id, "usr_x"), ben.id))
        session = await tek.sessions.open(ben)
        actor = await tek.sessions.resolve(session.token)
        assert (await tek.connections.accept(actor, ada.id)).status == "connected"

    world.run(scenario)


def test_who_is_erased_is_connected_with_nobody(world: World) -> None:
    """J35: an erasure ends requests, connections and blocks; who blocks them still does, and sees no more of them."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        ada = await registered(tek)
        others = [await registered(tek, name) for name in ("ben", "cyd", "dan", "eve")]
        ben, cyd, dan, eve = others
        await connect(tek, ada, ben)
        await tek.connections.request(cyd, ada.id)
        await tek.connections.block(ada, dan.id)
        await tek.connections.block(eve, ada.id)
        await tek.connections.request(ada, eve.id)
        exported = (await tek.accounts.export(ada, ada.id))["connections"]
        assert {each["user_id"]: each["status"] for each in exported} == {
            ben.id: "connected", cyd.id: "received", dan.id: "blocked", eve.id: "sent"
        }  # fmt: skip
        assert (await tek.accounts.export(eve, eve.id))["connections"][0]["status"] == "blocked"
        await tek.accounts.erase(ada, ada.id)
        for each in (ben, cyd, dan):
            assert await seen(tek, each, ada) == "none"
        assert await seen(tek, eve, ada) == "blocked"
        for status in STATUSES:
            assert await listed(tek, ada, status) == []

    world.run(scenario)


def test_there_may_be_so_many(world: World) -> None:
    """Requests that wait, connections and blocks each end somewhere, for either of the two."""

    async def scenario(world: World) -> None:
        tek = world.tek(Policy(**{**dict(POLICY), "connections": {"most": 2, "requests": 2, "blocks": 1}}))
        a, b, c, d = [principal(name) for name in "abcd"]
        for other in (b, c):
            await tek.connections.request(a, other.id)
        assert "you have as many sent" in str(await refused(InvalidTransition, tek.connections.request(a, d.id)))
        assert (await tek.connections.request(a, b.id)).status == "sent", "it is so already"
        await tek.connections.request(d, a.id)
        for other in (b, c):
            await tek.connections.accept(other, a.id)
        assert "you have as many connected" in str(await refused(InvalidTransition, tek.connections.accept(a, d.id)))
        await tek.connections.remove(d, a.id)
        await tek.connections.request(a, d.id)
        assert "the other has" in str(await refused(InvalidTransition, tek.connections.accept(d, a.id)))
        await tek.connections.block(a, b.id)
        assert "as many blocked" in str(await refused(InvalidTransition, tek.connections.block(a, c.id)))
        assert (await tek.connections.accept(d, a.id)).status == "connected"

    world.run(scenario)


def test_lists_come_in_pages(world: World) -> None:
    """G1, G3, G5: each once, also of one instant; a cursor is for this list of this user."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        people = [principal(f"p{at}") for at in range(7)]
        for at, each in enumerate(people):
            await connect(tek, ADA, each)
            world.clock.advance(timedelta(seconds=at % 3))
        page = await tek.connections.list(ADA, limit=3)
        found, after = [each.user_id for each in page], ""
        while page.next is not None:
            after = page.next
            page = await tek.connections.list(ADA, after=after, limit=3)
            found += [each.user_id for each in page]
        assert sorted(found) == sorted([each.id for each in people])
        assert found[-1] in {each.id for each in people[:2]}
        for call in (
            tek.connections.list(BEN, after=after),
            tek.connections.list(ADA, status="sent", after=after),
            tek.connections.list(ADA, after=after[:-1]),
        ):
            await refused(InvalidCursor, call)
        for limit in (0, 101, True, None, "10"):
            await refused(InvalidInput, tek.connections.list(ADA, limit=limit))
        for status in ("none", "CONNECTED", "", None, ["sent"]):
            await refused(InvalidInput, tek.connections.list(ADA, status=status))

    world.run(scenario)


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
def test_bad_input_is_refused(world: World, value: Any) -> None:
    """F1, F25."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        for verb in ("request", "accept", "remove", "block", "unblock"):
            await refused_as(InvalidInput, getattr(tek.connections, verb)(ADA, value))
            await refused_as(InvalidInput, getattr(tek.connections, verb)(value, ADA.id))
        await refused_as(InvalidInput, tek.connections.list(value))

    world.run(scenario)


# -- at the same time --------------------------------------------------------------------------------------------------


def test_crossing_requests_at_once_connect(world: World) -> None:
    async def scenario(world: World) -> None:
        teks = [world.rival(POLICY) for _ in range(2)]
        size = 32 if world.is_async else 8
        calls = [
            teks[at % 2].connections.request(*((ADA, BEN.id) if at % 4 < 2 else (BEN, ADA.id))) for at in range(size)
        ]
        assert {(await each).status for each in asyncio.as_completed(calls)} <= {"sent", "connected"}
        assert await both(teks[0]) == ("connected", "connected")
        told = sorted(await types(teks[0], ADA) + await types(teks[0], BEN))
        assert told == ["connection.accepted", "connection.requested"]

    world.run(scenario)


def test_an_accept_and_a_block_at_once(world: World) -> None:
    """G14: in whatever order they came, the block stands in the end."""

    async def scenario(world: World) -> None:
        teks = [world.rival(POLICY) for _ in range(2)]
        await teks[0].connections.request(ADA, BEN.id)
        await asyncio.gather(
            *[teks[0].connections.accept(BEN, ADA.id), teks[1].connections.block(ADA, BEN.id)] * 8,
            return_exceptions=True,
        )
        assert (await both(teks[0]))[0] == "blocked"
        assert await world.store.connections.connected(BEN.id, 9) == []

    world.run(scenario)


def test_many_at_once_have_one_outcome(world: World) -> None:
    """Sixty-four calls of both: one document, both sides agree, every event is told once, in one sequence."""

    async def scenario(world: World) -> None:
        teks = [world.rival(POLICY) for _ in range(2)]
        verbs = ("request", "accept", "remove", "block", "unblock")
        size = 64 if world.is_async else 16
        await asyncio.gather(
            *[
                getattr(teks[at % 2].connections, verbs[at % 5])(*((ADA, BEN.id) if at % 3 else (BEN, ADA.id)))
                for at in range(size)
            ],
            return_exceptions=True,
        )
        await teks[0].events.relay.run_once()
        mirrored = {("none", "none"), ("sent", "received"), ("connected", "connected"), ("blocked", "none")}
        mirrored |= {("blocked", "sent"), ("blocked", "blocked")}
        now = await both(teks[0])
        assert now in mirrored or now[::-1] in mirrored
        stream = await world.store.events.stream(
            f"connection:{derived_id('connection', *sorted([ADA.id, BEN.id]))}", 0, 99
        )
        assert [each.metadata["seq"] for each in stream] == list(range(1, len(stream) + 1))

    world.run(scenario)


def test_every_order_of_five_steps_is_consistent(world: World) -> None:
    """Whatever comes first: after a block nobody is connected until both have asked again."""

    async def scenario(world: World) -> None:
        for number, order in enumerate(permutations(range(4))):
            tek = world.tek(POLICY)
            ada, ben = principal(f"ada{number}"), principal(f"ben{number}")
            calls = [
                lambda tek=tek, ada=ada, ben=ben: tek.connections.request(ada, ben.id),
                lambda tek=tek, ada=ada, ben=ben: tek.connections.request(ben, ada.id),
                lambda tek=tek, ada=ada, ben=ben: tek.connections.block(ada, ben.id),
                lambda tek=tek, ada=ada, ben=ben: tek.connections.remove(ben, ada.id),
            ]
            for at in order:
                await asyncio.gather(calls[at](), return_exceptions=True)
            assert await seen(tek, ada, ben) == "blocked"
            assert await seen(tek, ben, ada) in ("none", "sent")

    world.run(scenario)


def test_storages_without_connections_say_so() -> None:
    with pytest.raises(ConfigurationError, match="keep no connections"):
        _ = TekTree(replace(memory_backends(), connections=None)).connections
