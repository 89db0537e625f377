"""Tokens that are mailed, and changes of address: rows B5, B6 and B15 to B18."""

from datetime import timedelta
from typing import Any

import pytest

from tektree.errors import (
    InvalidCredentials,
    InvalidInput,
    InvalidSession,
    InvalidToken,
    InvalidTransition,
    Taken,
)
from tests.accounts.worlds import POLICY, ROOT, Hasher, World, names, refused, registered

PASSWORD = names()["password"]


def test_a_reset_sets_another_password(world: World) -> None:
    """B15: once, hashed at rest, and sessions end."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        user = await registered(tek)
        token = await tek.accounts.request_password_reset("ADA@example.com")
        stored = await world.store.accounts.by_id(user.id)
        assert token not in str(stored.user.tokens[0].__dict__)
        changed = await tek.accounts.reset_password(token, "battery staple")
        assert (changed.epoch, changed.tokens) == (1, ())
        await refused(InvalidToken, tek.accounts.reset_password(token, "another one"))
        await refused(InvalidCredentials, tek.accounts.authenticate("the_ada", PASSWORD))
        assert (await tek.accounts.authenticate("the_ada", "battery staple")).id == user.id
        told = await world.store.events.stream(f"user:{user.uid}", 0, 9)
        assert [each.event_type for each in told] == ["user.registered", "user.password_changed"]

    world.run(scenario)


def test_a_token_dies_in_every_way(world: World, hasher: Hasher) -> None:
    """B15 B18: at its time, by a newer one, by what it protects having changed, for another purpose; always the same
    error, and nothing is hashed for it.
    """

    async def scenario(world: World) -> None:
        tek = world.tek()
        user = await registered(tek)
        ask = tek.accounts.request_password_reset
        dead: dict[str, Any] = {"made up": "A" * 43, "cut": "A" * 42, "empty": "", "not ASCII": "é" * 43}
        dead["expired"] = await ask("ada@example.com")
        world.clock.advance(timedelta(seconds=POLICY.accounts.reset_lifetime))
        await refused(InvalidToken, tek.accounts.reset_password(dead["expired"], "battery staple"))
        dead["replaced"] = await ask("ada@example.com")
        dead["password changed"] = await ask("ada@example.com")
        await refused(InvalidToken, tek.accounts.reset_password(dead["replaced"], "battery staple"))
        await tek.accounts.change_password(user, PASSWORD, "battery staple")
        dead["address changed"] = await ask("ada@example.com")
        change = await tek.accounts.request_email_change(user, "new@example.com", "battery staple")
        await tek.accounts.verify_email(change)
        dead["a verification"] = await tek.accounts.request_email_verification((await registered(tek, "ben")).id)
        dead["of who is disabled"] = await ask("new@example.com")
        await tek.accounts.disable(ROOT, user.id)
        hasher.work()
        for what, token in dead.items():
            error = await refused(InvalidToken, tek.accounts.reset_password(token, "yet another"))
            assert (repr(error), hasher.work()) == (repr(InvalidToken()), 0), what
        for what, token in dead.items():
            if what != "a verification":
                await refused(InvalidToken, tek.accounts.verify_email(token))
        for wrong in (None, b"A" * 43, 5):
            await refused(InvalidInput, tek.accounts.reset_password(wrong, "yet another"))
            await refused(InvalidInput, tek.accounts.verify_email(wrong))

    world.run(scenario)


def test_a_good_token_survives_a_bad_password(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek()
        await registered(tek)
        token = await tek.accounts.request_password_reset("ada@example.com")
        await refused(InvalidInput, tek.accounts.reset_password(token, "short"))
        assert (await tek.accounts.reset_password(token, "battery staple")).epoch == 1

    world.run(scenario)


def test_who_asks_for_an_unknown_address_gets_nothing(world: World, hasher: Hasher) -> None:
    """B5: no hash is made for either; a disabled user gets nothing, and nobody is told why."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        user = await registered(tek)
        hasher.work()
        for email in ("nobody@example.com", "the_ada", "", "x" * 1_000_000, "\ud800@example.com", "a\0@example.com"):
            assert await tek.accounts.request_password_reset(email) is None
        assert isinstance(await tek.accounts.request_password_reset("ada@example.com"), str)
        await tek.accounts.disable(ROOT, user.id)
        assert await tek.accounts.request_password_reset("ada@example.com") is None
        assert hasher.work() == 0

    world.run(scenario)


@pytest.mark.parametrize("looks_like", ["m\u0131ke@example.org", "mike@example.0rg", "ｍike@example.org"])
def test_no_other_address_gets_the_token(world: World, looks_like: str) -> None:
    """B6: what only looks like the stored address is another, or none."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        await registered(tek, email="mike@example.org")
        assert await tek.accounts.request_password_reset(looks_like) is None

    world.run(scenario)


def test_an_address_is_proved_once(world: World) -> None:
    """B15 B18: by the token that was sent to it; the XP for it comes once."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        user = await registered(tek)
        token = await tek.accounts.request_email_verification(user.id)
        assert not (await tek.accounts.get(user.id)).email_verified
        assert (await tek.accounts.verify_email(token)).email_verified
        assert (await tek.gamification.profile(user.id)).total_xp == 10
        await refused(InvalidToken, tek.accounts.verify_email(token))
        await refused(InvalidTransition, tek.accounts.request_email_verification(user.id))
        assert (await tek.accounts.account(user.id)).epoch == 0

    world.run(scenario)


def test_a_change_of_address_waits_for_its_proof(world: World) -> None:
    """B17: it takes the password; the old one stays until the new one is proved; of two, the last counts."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        user = await registered(tek)
        await refused(InvalidCredentials, tek.accounts.request_email_change(user, "new@example.com", "wrong"))
        first = await tek.accounts.request_email_change(user, "first@example.com", PASSWORD)
        second = await tek.accounts.request_email_change(user, "Second@Example.com", PASSWORD)
        assert (await tek.accounts.get(user.id)).email == "ada@example.com"
        await refused(InvalidToken, tek.accounts.verify_email(first))
        changed = await tek.accounts.verify_email(second)
        assert (changed.email, changed.email_verified, changed.epoch) == ("Second@example.com", True, 1)
        assert (await tek.accounts.authenticate("second@example.com", PASSWORD)).id == user.id
        await refused(InvalidCredentials, tek.accounts.authenticate("ada@example.com", PASSWORD))
        assert (await registered(tek, "ada", handle="another")).email == "ada@example.com"

    world.run(scenario)


def test_an_address_that_was_taken_meanwhile_is_taken(world: World) -> None:
    """D15 B17: the request tells nothing of others; the proof finds out."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        user = await registered(tek)
        token = await tek.accounts.request_email_change(user, "ben@example.com", PASSWORD)
        await registered(tek, "ben")
        assert (await refused(Taken, tek.accounts.verify_email(token))).field == "email"
        assert (await tek.accounts.get(user.id)).email == "ada@example.com"

    world.run(scenario)


def test_who_registered_anothers_address_loses_everything(world: World) -> None:
    """B16: a reset by its owner ends the sessions of who was there, and their change of address that is pending."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        attacker = await registered(tek, "victim")
        pending = await tek.accounts.request_email_change(attacker, "evil@example.com", names("victim")["password"])
        token = await tek.accounts.request_password_reset("victim@example.com")
        await tek.accounts.reset_password(token, "battery staple")
        assert (await tek.accounts.account(attacker.id)).epoch > attacker.epoch
        await refused(InvalidToken, tek.accounts.verify_email(pending))
        await refused(
            InvalidCredentials, tek.accounts.change_password(attacker, names("victim")["password"], "mine again")
        )

    world.run(scenario)


def test_sessions_end_with_what_they_were_opened_with(world: World) -> None:
    """B16 B20 C6: by a new password, a reset, another address, disabling and erasure; a proof of the address and a
    new role leave them.
    """

    async def scenario(world: World) -> None:
        tek = world.tek()
        ends: dict[str, Any] = {
            "password": lambda user: tek.accounts.change_password(user, names("a")["password"], "battery staple"),
            "disabled": lambda user: tek.accounts.disable(ROOT, user.id),
            "erased": lambda user: tek.accounts.erase(ROOT, user.id),
        }
        for what, act in ends.items():
            user = await registered(tek, "a", email=f"{what}@example.com", handle=f"the_{what}")
            token = (await tek.sessions.open(user)).token
            assert (await tek.sessions.resolve(token)).id == user.id
            await act(user)
            await refused(InvalidSession, tek.sessions.resolve(token))
        user = await registered(tek)
        token = (await tek.sessions.open(user)).token
        await tek.accounts.verify_email(await tek.accounts.request_email_verification(user.id))
        await tek.accounts.set_role(ROOT, user.id, "moderator")
        assert (await tek.sessions.resolve(token)).role == "moderator"
        change = await tek.accounts.request_email_change(user, "new@example.com", PASSWORD)
        await tek.accounts.verify_email(change)
        await refused(InvalidSession, tek.sessions.resolve(token))
        token = (await tek.sessions.open(await tek.accounts.get(user.id))).token
        await tek.accounts.reset_password(await tek.accounts.request_password_reset("new@example.com"), "another one")
        await refused(InvalidSession, tek.sessions.resolve(token))

    world.run(scenario)


def test_a_verification_survives_a_change_of_password(world: World) -> None:
    """B18: it is bound to user and address, and to nothing else."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        user = await registered(tek)
        token = await tek.accounts.request_email_verification(user.id)
        await tek.accounts.change_password(user, PASSWORD, "battery staple")
        assert (await tek.accounts.verify_email(token)).email_verified

    world.run(scenario)


def test_a_token_is_found_by_its_digest_alone(world: World) -> None:
    """K10 K12 C2: storage holds digests; what is looked up is one of them, to the letter."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        user = await registered(tek)
        token = await tek.accounts.request_password_reset("ada@example.com")
        stored = await world.store.accounts.by_id(user.id)
        assert await world.store.accounts.by_token([token]) is None
        assert (await world.store.accounts.by_token([stored.user.tokens[0].digest])).user.id == user.id
        await refused(InvalidToken, tek.accounts.reset_password(stored.user.tokens[0].digest[:43], "battery staple"))

    world.run(scenario)
