"""Accounts on each driver: one account for one address, whatever happens at once; and nothing left after an erasure."""

import asyncio
import json
import logging
from dataclasses import replace
from typing import Any

import bcrypt
import pytest

from tektree import AsyncTekTree, Board, TekTree
from tektree.backends.memory import AsyncMemoryCaches, MemoryCaches
from tektree.errors import InvalidCredentials, Taken
from tektree.models.accounts import PasswordHash, User
from tektree.redaction import _without_documents, watch
from tektree.rules import passwords, tokens
from tektree.wire.collections import (
    DELIVERIES,
    EVENTS,
    GAMIFICATION_PROFILES,
    INDEXES,
    SUBSCRIPTIONS,
    USERS,
    XP_TRANSACTIONS,
)
from tests.accounts.worlds import POLICY, ROOT, Hasher, names, refused, registered
from tests.backends.mongo.test_commands import _is_ordered as is_ordered
from tests.backends.mongo.test_commands import _is_served as is_served
from tests.backends.mongo.test_commands import _parts as parts
from tests.backends.mongo.test_commands import _shape as shape
from tests.backends.mongo.test_commands import orders, queries
from tests.backends.mongo.worlds import MOCK, MOTOR, PYMONGO, PYMONGO_ASYNC, RACED, REAL, USED, Awaited, Heard, World

PLANTED = "Zaphod"
DELIVERED = [f"find {EVENTS}", f"find {DELIVERIES}", f"update {EVENTS}"]
SERVERS = pytest.mark.lanes(PYMONGO, PYMONGO_ASYNC, MOTOR, REAL)


@pytest.fixture(autouse=True)
def hasher(monkeypatch: pytest.MonkeyPatch) -> Hasher:
    found = Hasher()
    monkeypatch.setattr(passwords, "bcrypt", found)
    assert bcrypt is not found
    return found


@SERVERS
def test_of_64_at_once_one_has_the_account(world: World) -> None:
    """D12: one user, one profile, one subscription, 63 refused, and no orphan."""

    async def scenario(world: World) -> None:
        teks = [world.tek(policy=POLICY) for _ in range(4)]
        calls = [teks[at % 4].accounts.register(**names("same", handle=f"user_{at}")) for at in range(64)]
        ends = await asyncio.gather(*calls, return_exceptions=True)
        users = [end for end in ends if isinstance(end, User)]
        assert len(users) == 1
        assert [type(end) for end in ends if not isinstance(end, User)] == [Taken] * 63
        assert {end.field for end in ends if isinstance(end, Taken)} == {"email"}
        counted = {name: world.look[name].count_documents({}) for name in (USERS, GAMIFICATION_PROFILES, SUBSCRIPTIONS)}
        assert set(counted.values()) == {1}, counted
        told = sorted([each["event_type"] for each in world.look[EVENTS].find()])
        assert told == ["subscription.created", "user.registered"]
        assert world.look[USERS].find_one()["_outbox"] == []
        assert "same@" not in "".join([repr(end) for end in ends if isinstance(end, Taken)])

    world.run(scenario)


def test_a_life(world: World) -> None:
    """From the registration to the erasure: what each step stores is what the next one finds."""

    async def scenario(world: World) -> None:
        tek = world.tek(policy=POLICY)
        user = await registered(tek, "ada", timezone="Europe/Berlin")
        assert (await refused(Taken, tek.accounts.register(**names("ben", handle="THE_ada")))).field == "handle"
        ben = await registered(tek, "ben")
        assert await tek.accounts.get(user.id) == user
        await tek.accounts.verify_email(await tek.accounts.request_email_verification(user.id))
        assert (await tek.gamification.profile(user.id)).total_xp == 10
        token = await tek.accounts.request_password_reset("ADA@example.com")
        assert token not in repr(world.look[USERS].find_one({"uid": user.uid}))
        await tek.accounts.reset_password(token, "battery staple")
        user = await tek.accounts.authenticate("The_Ada", "battery staple")
        await refused(InvalidCredentials, tek.accounts.authenticate("the_ada", names()["password"]))
        user = await tek.accounts.change_handle(user, "countess")
        assert (await refused(Taken, tek.accounts.change_handle(ben, "the_ada"))).field == "handle"
        user = await tek.accounts.update_profile(user, bio="é", avatar="https://example.com/a.png")
        assert await tek.accounts.update_profile(user, bio=None) == await tek.accounts.get(user.id)
        assert (await tek.accounts.disable(ROOT, user.id)).status == "disabled"
        assert not (await tek.accounts.account(user.uid)).enabled
        assert (await tek.accounts.enable(ROOT, user.id)).status == "active"
        assert (await tek.accounts.set_role(ROOT, ben.id, "moderator")).role == "moderator"
        found = await tek.accounts.export(user, user.id)
        assert found["profile"]["timezone"] == "Europe/Berlin"
        assert len(found["events"]) == world.look[EVENTS].count_documents({"payload.user_id": user.uid})
        stored = world.look[USERS].find_one({"uid": user.uid})
        assert (stored["_outbox"], stored["_v"]) == ([], 10)

    world.run(scenario)


@SERVERS
def test_round_trips(world: World) -> None:
    """A read is one command, a log-in two, whether it fails or not; a change is read, written, told and taken off."""

    async def scenario(world: World) -> None:
        heard = Heard()
        tek = world.tek(world.client(event_listeners=[heard]), policy=POLICY)
        tell = [f"find {EVENTS}", f"insert {EVENTS}", f"update {USERS}"]
        user = await registered(tek)
        assert heard.names() == [
            f"insert {USERS}", f"insert {GAMIFICATION_PROFILES}", f"insert {SUBSCRIPTIONS}",
            f"find {EVENTS}", f"insert {EVENTS}", f"update {SUBSCRIPTIONS}", *tell
        ]  # fmt: skip
        failed = [f"find {USERS}", f"insert {EVENTS}"]
        await tek.accounts.disable(ROOT, (await registered(tek, "ben")).id)
        heard.names()
        for name in ("the_ada", "ada@example.com", "nobody", "nobody@example.com", "the_ben"):
            await refused(InvalidCredentials, tek.accounts.authenticate(name, "wrong"))
            assert heard.names() == failed, name
        for call, sent in (
            (tek.accounts.get(user.id), [f"find {USERS}"]),
            (tek.accounts.by_uid(user.uid), [f"find {USERS}"]),
            (tek.accounts.by_handle("THE_ada"), [f"find {USERS}"]),
            (tek.accounts.account(user.uid), [f"find {USERS}"]),
            (tek.accounts.authenticate("the_ada", names()["password"]), [f"find {USERS}", f"update {USERS}"]),
            (tek.accounts.update_profile(user, bio="x"), [f"find {USERS}", f"update {USERS}", *tell]),
            (tek.accounts.update_profile(user, bio="x"), [f"find {USERS}"]),
        ):
            await call
            assert heard.names() == sent

    world.run(scenario)


@pytest.mark.lanes(PYMONGO, REAL)
def test_every_query_is_served_by_an_index(world: World) -> None:
    """And every order is that of an index: of all calls, also those of an adopted user, a taken handle, an erasure."""

    world.indexed([name for name in INDEXES if name not in USED])  # the relay looks at all that carries events

    async def scenario(world: World) -> list[Any]:
        heard = Heard()
        tek = world.tek(world.client(event_listeners=[heard]), policy=POLICY)
        call = tek.accounts
        ada, ben = await registered(tek, "ada"), await registered(tek, "ben")
        for name in ("the_ada", "ada@example.com", "n o b o d y"):
            await refused(InvalidCredentials, call.authenticate(name, "wrong"))
        await refused(Taken, call.register(**names("ada", handle="else_where")))
        for reading in (call.get(ada.id), call.by_uid(ada.uid), call.by_handle("the_ada"), call.account(ada.uid)):
            await reading
        ada = await call.authenticate("the_ada", names()["password"])
        await call.change_handle(ada, "countess")
        await refused(Taken, call.change_handle(ben, "the_ada"))
        await call.verify_email(await call.request_email_verification(ada.id))
        await call.reset_password(await call.request_password_reset("ada@example.com"), "battery staple")
        await call.change_password(ada, "battery staple", "staple battery")
        await call.verify_email(await call.request_email_change(ada, "new@example.com", "staple battery"))
        await call.set_role(ROOT, ben.id, "moderator")
        await call.disable(ROOT, ada.id)
        await call.enable(ROOT, ada.id)
        await call.export(ROOT, ada.id)
        await tek.subscriptions.start(ada, "pro")
        await call.erase(ada, ada.id)
        await tek.events.relay.run_once()
        return heard.commands

    commands = world.run(scenario)
    asked = {repr((name, shape(query), order)): (name, query, order) for name, query, order in queries(commands)}
    assert {name for name, _, _ in asked.values()} >= {USERS, EVENTS, GAMIFICATION_PROFILES, SUBSCRIPTIONS}
    assert len(asked) > 25
    for name, query, order in asked.values():
        order = {} if query else order
        assert any(is_served(world, name, part, order) for part in parts(world, query)), (name, query, order)
    disorder = [(name, order) for name, query, order in orders(commands) if not is_ordered(name, query, order)]
    assert {name for name, _ in disorder} <= {XP_TRANSACTIONS, DELIVERIES}, "see the commands of gamification"


DRIVERS = pytest.mark.lanes(PYMONGO, PYMONGO_ASYNC, MOTOR)


@DRIVERS
@pytest.mark.parametrize("watched", [True, False], ids=["watched", "the positive control"])
def test_what_drivers_log_holds_no_document(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, watched: bool
) -> None:
    """K7: with all drivers at ``DEBUG``, nothing of a life is in the log; what the host does with the client is."""
    logger = logging.getLogger("pymongo.command")
    monkeypatch.setenv("MONGOB_LOG_MAX_DOCUMENT_LENGTH", "100000")

    async def scenario(world: World) -> None:
        client = world.client()
        tek = world.tek(client, policy=POLICY)
        if not watched:
            logger.removeFilter(_without_documents)
        with caplog.at_level(logging.DEBUG):
            secrets = await lived(tek)
            found = client[world.name]["theirs"].find_one({"of": "the host"})
            if world.is_async:
                await found
        shown = [name for name, secret in secrets.items() if secret in caplog.text]
        if not watched:
            assert shown == [*secrets]
            return
        assert shown == []
        told = [json.loads(record.getMessage()) for record in caplog.records if record.name == "pymongo.command"]
        whole = [each for each in told if {"command", "reply", "failure"} & set(each)]
        assert [(each["message"], "theirs" in str(each)) for each in whole] == [
            ("Command started", True),
            ("Command succeeded", True),
        ]
        assert {each["commandName"] for each in told} >= {"find", "insert", "update"}
        assert all(each["durationMS"] >= 0 for each in told if each["message"] == "Command succeeded")

    try:
        world.run(scenario)
    finally:
        watch("pymongo.command")


async def lived(tek: Any) -> dict[str, str]:
    """A life at whose every step something secret or personal is sent; gives all of it."""
    user = await registered(tek, PLANTED)
    await refused(Taken, tek.accounts.register(**names(PLANTED, handle="another")))
    reset = await tek.accounts.request_password_reset(f"{PLANTED}@example.com")
    await refused(InvalidCredentials, tek.accounts.authenticate(f"the_{PLANTED}", "wrong"))
    await tek.accounts.reset_password(reset, "battery staple")
    await tek.accounts.update_profile(user, bio=f"I am {PLANTED}")
    await tek.accounts.erase(user, user.id)
    return {
        "address": f"{PLANTED}@example.com",
        "hash": user.password_hash.get_secret_value(),
        "digest": tokens.digest(reset, "reset"),
        "bio": f"I am {PLANTED}",
    }


@SERVERS
def test_a_user_who_is_cached_costs_nothing(world: World) -> None:
    """By id from the second time on: the cache knows users by uid. A change costs three commands more."""

    async def scenario(world: World) -> None:
        heard = Heard()
        caches: Any = (AsyncMemoryCaches if world.is_async else MemoryCaches)(world.clock)
        backends = replace(world.backends(world.client(event_listeners=[heard])), caches=caches)
        options: dict[str, Any] = {"clock": world.clock, "policy": POLICY}
        tek: Any = AsyncTekTree(backends, **options) if world.is_async else Awaited(TekTree(backends, **options))
        user = await registered(tek)
        heard.names()
        for sent in ([f"find {USERS}"], [f"find {USERS}"], []):
            assert (await tek.accounts.get(user.id)).bio is None
            assert heard.names() == sent
        await tek.accounts.by_uid(user.uid)
        assert heard.names() == []
        await tek.accounts.update_profile(user, bio="x")
        told = [f"find {EVENTS}", f"insert {EVENTS}", f"update {USERS}"]
        assert heard.names() == [f"find {USERS}", f"update {USERS}", *told, *DELIVERED]
        for sent in ([f"find {USERS}"], []):
            assert (await tek.accounts.by_uid(user.uid)).bio == "x"
            assert heard.names() == sent

    world.run(scenario)


def planted_in(world: World) -> list[str]:
    """The collections in whose documents the planted text stands."""
    return [
        name
        for name in world.look.list_collection_names()
        if any(PLANTED.lower() in repr(document).lower() for document in world.look[name].find())
    ]


def test_after_an_erasure_no_document_holds_anything_personal(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek(policy=POLICY)
        user = await tek.accounts.register(
            email=f"{PLANTED}@example.com",
            handle=f"{PLANTED}_1",
            password="battery staple",
            first_name=PLANTED,
            last_name=PLANTED,
        )
        ben = await registered(tek, "ben")
        await tek.accounts.update_profile(user, bio=PLANTED, avatar=f"https://example.com/{PLANTED}")
        await tek.accounts.verify_email(await tek.accounts.request_email_verification(user.id))
        await tek.accounts.change_handle(user, f"{PLANTED}_2")
        await tek.accounts.request_email_change(user, f"{PLANTED}@two.example.com", "battery staple")
        await tek.gamification.award(ben.id, "manual", amount=5, key="k")
        world.look[USERS].update_one({"uid": user.uid}, {"$set": {"theirs": {"nick": PLANTED}}})
        assert planted_in(world) == [name for name in world.look.list_collection_names() if name in (USERS, EVENTS)]
        await tek.accounts.erase(user, user.id)
        assert planted_in(world) == []
        assert await tek.gamification.verify(user.id)
        assert await tek.gamification.verify(ben.id)
        assert (await tek.gamification.profile(user.id)).total_xp == 10
        assert [each.uid for each in await tek.leaderboards.top(Board.GLOBAL)] == [ben.uid]
        document = world.look[USERS].find_one({"uid": user.uid})
        assert (document["status"], document["_outbox"]) == ("erased", [])
        await tek.accounts.erase(ROOT, user.id)
        assert world.look[USERS].find_one({"uid": user.uid}) == document

    world.run(scenario)


@RACED
def test_of_two_admins_who_demote_each_other_one_is_left(world: World) -> None:
    """E11 E18: ten times, from different processes."""

    async def scenario(world: World) -> None:
        teks = [world.tek(policy=POLICY) for _ in range(2)]
        for turn in range(10):
            admins: list[Any] = []
            for side in range(2):
                user = await registered(teks[side], f"x{turn}{side}")
                admins.append(await teks[side].accounts.set_role(ROOT, user.id, "admin"))
            await asyncio.gather(
                *[teks[at].accounts.set_role(admins[at], admins[1 - at].id, "user") for at in range(2)],
                return_exceptions=True,
            )
            roles = [(await teks[0].accounts.get(admin.id)).role for admin in admins]
            assert "admin" in roles

    world.run(scenario)


@pytest.mark.lanes(MOCK, PYMONGO)
def test_who_was_there_before_logs_in_and_gets_what_is_missing(world: World) -> None:
    """A user of an existing database, without any field of ours: found to the letter, then by the canonical form."""

    async def scenario(world: World) -> None:
        tek = world.tek(policy=POLICY)
        hash: PasswordHash = passwords.hashed("battery staple", b"s" * 16, POLICY.passwords)
        user = await registered(tek)
        document = world.look[USERS].find_one({"uid": user.uid})
        ours = ("email_canonical", "handle_canonical", "handle_claims", "_v", "_outbox", "password_changed_at")
        old = {name: value for name, value in document.items() if name not in ours}
        old |= {"email": "Ada@Example.com", "password_hash": hash.get_secret_value(), "theirs": 7}
        world.look[USERS].replace_one({"uid": user.uid}, old)
        await refused(InvalidCredentials, tek.accounts.authenticate("ada@example.com", "battery staple"))
        back = await tek.accounts.authenticate("Ada@Example.com", "battery staple")
        assert (back.email_canonical, back.handle_canonical) == ("ada@example.com", "the_ada")
        assert (await tek.accounts.authenticate("ada@example.com", "battery staple")).id == user.id
        stored = world.look[USERS].find_one({"uid": user.uid})
        assert (stored["theirs"], stored["_v"], stored["email"]) == (7, 1, "Ada@Example.com")

    world.run(scenario)
