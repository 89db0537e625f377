"""Guesses at passwords: so many for an account and from a source, before anything is hashed."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from tektree import Policy
from tektree.backends.memory import AsyncMemoryRateLimits, MemoryRateLimits
from tektree.errors import InvalidCredentials, InvalidInput, RateLimited, Unavailable
from tektree.models.accounts import User
from tektree.rules import rate_limits as rules
from tektree.testing import Fault, Faulty
from tests.accounts.worlds import COST, Hasher, World, names, refused, registered

DEFAULT = Policy(passwords={"bcrypt_cost": COST, "waiting": 1_000})
RIGHT = names()["password"]


SPELLINGS = [
    "the_ada",
    "ada@example.com",
    "The_ADA",
    "ADA@Example.COM",
    " the_ada",
    "ada@example.com\u3000",
    "ada@example\u3002com",
    "ada@\uff45xample.com",
    "ada@\uff25\uff38ample\uff0e\uff43om",
    "Ada@exa\uff2dple\uff61com",
]
"""All of one account: the dot is also the ideographic one, letters of the domain are also full width."""


async def ada_in(world: World) -> Any:
    """A tek with ada, and the limits as they are by default."""
    tek = world.tek(DEFAULT)
    await registered(tek)
    return tek


def guesses(tek: Any) -> list[Awaitable[User]]:
    """64 wrong guesses at the password of one account, by turns in all spellings of its address and its handle."""
    return [tek.accounts.authenticate(SPELLINGS[at % len(SPELLINGS)], f"guess number {at}") for at in range(64)]


def test_of_many_guesses_at_once_five_are_hashed(world: World, hasher: Hasher) -> None:
    """B10: 64 in parallel, in every spelling, and then none, right or wrong, until they may come back."""

    async def scenario(world: World) -> None:
        tek = await ada_in(world)
        hasher.work()
        found = await asyncio.gather(*guesses(tek), return_exceptions=True)
        assert [type(each) for each in found].count(InvalidCredentials) == 5
        limited = [each for each in found if type(each) is RateLimited]
        assert len(limited) == 59
        assert hasher.work() == 5 * 2**COST
        assert limited[0].headers["RateLimit-Policy"] == '"default";q=5;w=60'
        late = await refused(RateLimited, tek.accounts.authenticate("the_ada", RIGHT))
        assert hasher.work() == 0
        world.clock.advance(timedelta(seconds=late.retry_after))
        assert (await tek.accounts.authenticate("the_ada", RIGHT)).handle == "the_ada"

    world.run(scenario)


def test_an_account_is_counted_in_whatever_spelling_and_known_or_not(world: World) -> None:
    """B10 B14: by whose it is, or else by the name; nothing else in the call makes another bucket."""

    async def scenario(world: World) -> None:
        tek = await ada_in(world)
        sources = [None, "192.0.2.1", "192.0.2.2", "2001:db8::1", "192.0.2.4"]
        for at in range(0, len(SPELLINGS), 5):
            for spelling, source in zip(SPELLINGS[at : at + 5], sources, strict=True):
                await refused(InvalidCredentials, tek.accounts.authenticate(spelling, "wrong", source=source))
            for spelling in SPELLINGS:
                await refused(RateLimited, tek.accounts.authenticate(spelling, RIGHT, source="192.0.2.5"))
            world.clock.advance(timedelta(seconds=60))
        for name in (["nobody"], ["n o b o d y"], ["x@example.com", "X@EXAMPLE\u3002com", " x@\uff25xample.com"]):
            for at in range(5):
                await refused(InvalidCredentials, tek.accounts.authenticate(name[at % len(name)], "wrong"))
            for each in name:
                await refused(RateLimited, tek.accounts.authenticate(each, "wrong"))
        with pytest.raises(TypeError):
            await tek.accounts.authenticate("the_ada", "wrong", email="rand@example.com")

    world.run(scenario)


def test_who_is_limited_does_not_hear_whether_there_is_such_an_account(world: World) -> None:
    """B1: the same answer, after the same calls of the storage, whatever was typed."""

    async def scenario(world: World) -> None:
        await ada_in(world)
        limits: Any = AsyncMemoryRateLimits if world.is_async else MemoryRateLimits
        world.backends = replace(world.backends, rate_limits=limits(world.clock))
        heard = []
        for known in ("the_ada", "ada@example.com", " the_ada"):
            for name in (known, known.replace("ada", "eve")):
                for _ in range(5):
                    await refused(InvalidCredentials, world.tek(DEFAULT).accounts.authenticate(name, "wrong"))
                watched = Faulty(world.backends)
                error = await refused(
                    RateLimited, world.tek(DEFAULT, watched.backends).accounts.authenticate(name, "wrong")
                )
                heard.append((str(error), error.headers, [str(call) for call in watched.calls]))
            assert heard.pop() == heard.pop(), known
            world.clock.advance(timedelta(seconds=60))

    world.run(scenario)


def test_who_types_a_uid_guesses_at_nobodys(world: World) -> None:
    """B11: no name that is nobody's takes the guesses of an account."""

    async def scenario(world: World) -> None:
        tek = await ada_in(world)
        ada = await tek.accounts.by_handle("the_ada")
        for _ in range(5):
            await refused(InvalidCredentials, tek.accounts.authenticate(ada.uid, "wrong"))
        assert (await tek.accounts.authenticate("the_ada", RIGHT)).id == ada.id

    world.run(scenario)


def test_a_source_is_counted_in_whatever_form(world: World) -> None:
    """B13: twenty from one address, or from the 64 bits that a subscriber has; the others are not touched."""

    async def scenario(world: World) -> None:
        tek = await ada_in(world)
        forms = ["2001:DB8::1", "2001:db8:0:0:0:0:0:1", "ip:2001:db8::ffff", "2001:db8:0:0:1::"]
        for at in range(20):
            await refused(InvalidCredentials, tek.accounts.authenticate(f"user{at}", "wrong", source=forms[at % 4]))
        await refused(RateLimited, tek.accounts.authenticate("the_ada", RIGHT, source="2001:db8::2"))
        assert (await tek.accounts.authenticate("the_ada", RIGHT, source="2001:db8:0:1::")).handle == "the_ada"
        for at in range(20):
            form = ("::ffff:192.0.2.7", "192.0.2.7")[at % 2]
            await refused(InvalidCredentials, tek.accounts.authenticate(f"other{at}", "wrong", source=form))
        await refused(RateLimited, tek.accounts.authenticate("the_ada", RIGHT, source="192.0.2.7"))
        for wrong in ("somewhere", "1.1.1.1:90", "[::1]:90", "", "1" * 65):
            error = await refused(InvalidInput, tek.accounts.authenticate("the_ada", RIGHT, source=wrong))
            assert error.field == "source"

    world.run(scenario)


def test_who_is_locked_out_is_not_thrown_out(world: World) -> None:
    """B11: a hundred wrong guesses; the owner's session works, and a reset of the password lets in at once."""

    async def scenario(world: World) -> None:
        tek = await ada_in(world)
        ada = await tek.accounts.by_handle("the_ada")
        session = (await tek.sessions.open(ada)).token
        for at in range(100):
            with pytest.raises((InvalidCredentials, RateLimited)):
                await tek.accounts.authenticate(("the_ada", "ada@example.com")[at % 2], "wrong")
        assert (await tek.sessions.resolve(session)).uid == ada.uid
        token = await tek.accounts.request_password_reset("ada@example.com")
        await tek.accounts.reset_password(token, "battery staple")
        for name in ("the_ada", "ada@example.com"):
            assert (await tek.accounts.authenticate(name, "battery staple")).id == ada.id

    world.run(scenario)


def test_a_right_guess_gives_its_own_account_the_guesses_back(world: World) -> None:
    """B12: and no other; who has an account cannot wash the guesses at another's."""

    async def scenario(world: World) -> None:
        tek = await ada_in(world)
        await registered(tek, "eve")
        for _ in range(3):
            for _ in range(4):
                await refused(InvalidCredentials, tek.accounts.authenticate("the_ada", "wrong"))
            assert (await tek.accounts.authenticate("the_ada", RIGHT)).handle == "the_ada"
        for _ in range(5):
            await refused(InvalidCredentials, tek.accounts.authenticate("the_ada", "wrong"))
            assert (await tek.accounts.authenticate("the_eve", names("eve")["password"])).handle == "the_eve"
        await refused(RateLimited, tek.accounts.authenticate("the_ada", "wrong"))

    world.run(scenario)


def test_who_acts_guesses_at_the_own_password_as_often(world: World, hasher: Hasher) -> None:
    """B3 B10: a session that was stolen is no way around."""

    async def scenario(world: World) -> None:
        tek = await ada_in(world)
        ada = await tek.accounts.by_handle("the_ada")
        hasher.work()
        for at in range(5):
            call = (
                tek.accounts.change_password(ada, "wrong", "battery staple")
                if at % 2
                else tek.accounts.request_email_change(ada, "new@example.com", "wrong")
            )
            await refused(InvalidCredentials, call)
        await refused(RateLimited, tek.accounts.change_password(ada, RIGHT, "battery staple"))
        assert hasher.work() == 5 * 2**COST
        world.clock.advance(timedelta(seconds=60))
        await tek.accounts.change_password(ada, RIGHT, "battery staple")

    world.run(scenario)


def test_while_limits_cannot_be_counted_nobody_logs_in(world: World, hasher: Hasher) -> None:
    async def scenario(world: World) -> None:
        await ada_in(world)
        limits: Any = AsyncMemoryRateLimits if world.is_async else MemoryRateLimits
        world.backends = replace(world.backends, rate_limits=limits(world.clock))
        hasher.work()
        faulty = Faulty(world.backends, 1, Fault.REFUSED)
        await refused(Unavailable, world.tek(DEFAULT, faulty.backends).accounts.authenticate("the_ada", RIGHT))
        assert str(faulty.struck) == "rate_limits.take"
        assert hasher.work() == 0

    world.run(scenario)


def test_an_unguarded_door_is_found(world: World, hasher: Hasher, monkeypatch: pytest.MonkeyPatch) -> None:
    """The positive control: where guesses are counted after they were hashed, all of them are."""

    async def scenario(world: World) -> None:
        tek = await ada_in(world)
        accounts = tek.accounts if world.is_async else tek.inner.accounts
        accounts._limits = None
        hasher.work()
        await asyncio.gather(*guesses(tek), return_exceptions=True)
        assert hasher.work() > 5 * 2**COST

    world.run(scenario)


def by_text(account: str, uid: str | None = None) -> str:
    """What was typed, though case and spaces make no difference."""
    return f"account:{account.strip().casefold()}"


def by_canonical_form(account: str, uid: str | None = None) -> str:
    """The canonical form of it, so an address and a handle are two."""
    return rules.login_subject(account)


@pytest.mark.parametrize("counting", [by_text, by_canonical_form])
def test_a_count_of_what_was_typed_is_found(
    world: World, hasher: Hasher, monkeypatch: pytest.MonkeyPatch, counting: Any
) -> None:
    """The positive control: each spelling, or address and handle, have guesses of their own."""
    for flavour in ("async", "sync"):
        told = SimpleNamespace(**{**vars(rules), "login_subject": counting})
        monkeypatch.setattr(f"tektree._{flavour}.services.rate_limits.rules", told)
    with pytest.raises(AssertionError):
        test_of_many_guesses_at_once_five_are_hashed(world, hasher)
    with pytest.raises((InvalidCredentials, pytest.fail.Exception)):
        test_an_account_is_counted_in_whatever_spelling_and_known_or_not(World("async" if world.is_async else "sync"))
