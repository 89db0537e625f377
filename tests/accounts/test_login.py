"""Log-in and passwords: what is right gets in, and whatever is wrong costs the same and says the same. Rows A, B, K."""

import asyncio
import hashlib
import logging
import threading
import time
import traceback
from datetime import timedelta
from typing import Any

import pytest

from tektree import Policy
from tektree._sync.services.attempts import Attempts
from tektree.errors import InvalidCredentials, InvalidInput, InvalidPolicy
from tektree.models.accounts import PasswordHash, User
from tektree.rules import passwords
from tektree.testing import Fault, Faulty
from tests.accounts.worlds import COST, OFTEN, POLICY, ROOT, Hasher, World, names, refused, registered

PASSWORD = names()["password"]


async def stored_hash(world: World, user: User, hash: str | None) -> None:
    """Puts another hash on a user, past all rules."""
    stored = await world.store.accounts.by_id(user.id)
    changed = stored.user.evolve(password_hash=None if hash is None else PasswordHash(hash))
    await world.store.accounts.swap(stored, changed)


async def failures(world: World, tek: Any) -> dict[str, tuple[str, str]]:
    """Every kind of log-in that fails, by name: identifier and password."""
    await registered(tek, "ada")
    ben = await registered(tek, "ben")
    await tek.accounts.disable(ROOT, ben.id)
    for at, broken in enumerate(BROKEN):
        await stored_hash(world, await registered(tek, f"broken{at}"), broken)
    gone = await registered(tek, "gone")
    await tek.accounts.erase(gone, gone.id)
    return {
        "a wrong password": ("the_ada", "wrong"),
        "a wrong password, by address": ("ADA@example.com", "wrong"),
        "another's password": ("the_ada", names("ben")["password"]),
        "unknown": ("nobody_here", PASSWORD),
        "unknown address": ("nobody@example.com", PASSWORD),
        "what nobody can be called": ("n o b o d y", PASSWORD),
        "an impossible name": ("x" * 1_000_000, PASSWORD),
        "NUL in the name": ("a\0b", PASSWORD),
        "half a pair in the name": ("\ud800@example.com", PASSWORD),
        "disabled": ("the_ben", names("ben")["password"]),
        "erased": ("the_gone", names("gone")["password"]),
        "erased, by what stands there": (f"erased_{gone.id}", names("gone")["password"]),
        "empty": ("the_ada", ""),
        "73 bytes": ("the_ada", "x" * 73),
        "a million characters": ("the_ada", "x" * 1_000_000),
        "NUL": ("the_ada", f"{PASSWORD}\0"),
        "half a pair": ("the_ada", f"{PASSWORD}\ud800"),
        **{f"corrupt {at}": (f"the_broken{at}", PASSWORD) for at in range(len(BROKEN))},
    }


BROKEN = ("", "x", "$2b$04$short", "$2b$10$" + "a" * 52, "$argon2id$v=19$m=1", "$2b$31$" + "a" * 53, None)


def test_whoever_fails_costs_the_same_and_hears_the_same(world: World, hasher: Hasher) -> None:
    """A2 A12 A5 A7 B1 B3 B20: one hash at the policy's cost each, one error, with nothing behind it."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        for what, (identifier, password) in (await failures(world, tek)).items():
            hasher.work()
            error = await refused(InvalidCredentials, tek.accounts.authenticate(identifier, password))
            assert hasher.work() == 2**COST, what
            assert (repr(error), error.__cause__) == (repr(InvalidCredentials()), None), what

    world.run(scenario)


REASONS = {
    "disabled": "disabled",
    "erased": "unknown",
    "erased, by what stands there": "erased",
    **dict.fromkeys(
        ["unknown", "unknown address", "what nobody can be called", "an impossible name", "NUL in the name"], "unknown"
    ),
    "half a pair in the name": "unknown",
    **{f"corrupt {at}": "unreadable" for at in range(len(BROKEN) - 1)},
}
"""By kind of failure, what is told of it; of all others it is the password."""


def test_every_failure_is_told_once_and_names_nobody_but_the_user(world: World) -> None:
    """B1 B2 K1 S17: one event each, of the same form; what was typed is in none of them, for it may be a password."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        for what, (identifier, password) in (await failures(world, tek)).items():
            known = await world.store.events.count()
            await refused(InvalidCredentials, tek.accounts.authenticate(identifier, password))
            assert await world.store.events.count() == known + 1, what
            (event,) = (await tek.events.log(event_type="user.login_failed", limit=1)).items
            reason = REASONS.get(what, "password")
            assert (event.payload["reason"], event.payload["handle"]) == (reason, None), what
            assert (event.payload["user_id"] is None) is (reason == "unknown"), what
            shown = repr(event)
            assert not any(each and each in shown for each in (identifier[:99], password[:99])), what
            world.clock.advance(timedelta(seconds=1))

    world.run(scenario)


def test_failures_in_a_row_are_counted_until_somebody_gets_in(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek()
        user = await registered(tek)
        for identifier in ("the_ada", "ADA@example.com", "nobody", "nobody"):
            await refused(InvalidCredentials, tek.accounts.authenticate(identifier, "wrong"))
            world.clock.advance(timedelta(seconds=1))
        await tek.accounts.authenticate("the_ada", PASSWORD)
        await refused(InvalidCredentials, tek.accounts.authenticate("the_ada", "wrong"))
        told = (await tek.events.log(event_type="user.login_failed")).items
        found = [(event.payload["user_id"], event.payload["attempt"]) for event in reversed(told)]
        assert found == [(user.uid, 1), (user.uid, 2), (None, 1), (None, 2), (user.uid, 1)]
        about = (await tek.events.log(user_id=user.uid, event_type="user.login_failed")).items
        assert len(about) == 3

    world.run(scenario)


def test_who_opens_and_ends_a_session_is_told(world: World) -> None:
    """Once each; a token that is none, or whose session is over, tells nothing. No token is in it."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        user = await registered(tek)
        opened = await tek.sessions.open(user)
        other = await tek.sessions.open(user, method="oauth_github")
        for token in (opened.token, opened.token, "usr_ada." + "A" * 43, "none"):
            await tek.sessions.revoke(token)
        await tek.sessions.revoke_all(user.id)
        await tek.sessions.revoke(other.token)
        told = [
            (event.event_type, event.payload.get("method"), event.payload["session_id"])
            for event in (await tek.events.log(user_id=user.uid)).items
            if event.event_type in ("user.logged_in", "user.logged_out")
        ]
        ids = [hashlib.sha256(each.token.rpartition(".")[2].encode()).hexdigest() for each in (opened, other)]
        assert sorted(told, key=str) == sorted(
            [
                ("user.logged_in", "password", ids[0]),
                ("user.logged_in", "oauth_github", ids[1]),
                ("user.logged_out", None, ids[0]),
            ],
            key=str,
        )
        for wrong in ("", "x" * 65, None, "a\0b", 5):
            assert (await refused(InvalidInput, tek.sessions.open(user, method=wrong))).field == "method"
        assert (await tek.sessions.list(await tek.sessions.resolve((await tek.sessions.open(user)).token)))[1:] == []

    world.run(scenario)


def test_a_session_is_open_where_the_log_is_away(world: World, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(world: World) -> None:
        user = await registered(world.tek())
        clean = Faulty(world.backends)
        tek = world.tek(backends=clean.backends)
        await tek.sessions.open(user)
        at = [str(call) for call in clean.calls].index("events.tell")
        tek = world.tek(backends=Faulty(world.backends, at, Fault.REFUSED).backends)
        opened = await tek.sessions.open(user)
        assert (await tek.sessions.resolve(opened.token)).id == user.id
        assert caplog.text.count("could not be told: unavailable") == 1

    world.run(scenario)


def test_only_so_many_names_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A18: who is forgotten begins again, and memory does not grow."""
    monkeypatch.setattr("tektree._sync.services.attempts._NAMES", 3)
    attempts = Attempts()
    assert [attempts.next(name) for name in "abcad"] == [1, 1, 1, 2, 1]
    assert attempts.next("b") == 1, "it was the oldest of four"
    attempts.over("a")
    assert attempts.next("a") == 1


def test_an_answer_is_the_same_where_the_log_is_away(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """B1: whoever fails hears that they failed, known or not, and nothing else."""

    async def scenario(world: World) -> None:
        await registered(world.tek())
        for identifier in ("the_ada", "nobody"):
            faulty = Faulty(world.backends, 1, Fault.REFUSED)
            call = world.tek(backends=faulty.backends).accounts.authenticate(identifier, "wrong")
            error = await refused(InvalidCredentials, call)
            assert (str(faulty.struck), error.__cause__, error.__context__) == ("events.tell", None, None)
        assert caplog.text.count("a log-in that failed could not be told: unavailable") == 2
        assert await world.store.events.count() == 2, "of the registration"

    world.run(scenario)


def test_a_login_that_returns_early_is_caught(world: World, hasher: Hasher, monkeypatch: pytest.MonkeyPatch) -> None:
    """The positive control of B2."""
    module = f"tektree._{world.run(flavour)}.services.hashing.passwords"
    whole = passwords.verified

    def verified(password: str, stored: PasswordHash | None, policy: Any, *, admitted: bool = True) -> Any:
        return passwords.Verdict(False) if stored is None else whole(password, stored, policy, admitted=admitted)

    monkeypatch.setattr(f"{module}.verified", verified)
    with pytest.raises(AssertionError, match="unknown"):
        test_whoever_fails_costs_the_same_and_hears_the_same(world, hasher)


async def flavour(world: World) -> str:
    return "async" if world.is_async else "sync"


@pytest.mark.parametrize("cost", [10, 11, 12])
def test_an_old_cost_does_not_show(world: World, hasher: Hasher, cost: int) -> None:
    """A11 B2: who was hashed at another cost fails at the price of the policy's, or of their own if that is more."""

    async def scenario(world: World) -> None:
        await registered(world.tek(Policy(passwords={"bcrypt_cost": cost})))
        tek = world.tek(Policy(passwords={"bcrypt_cost": 12}))
        hasher.work()
        await refused(InvalidCredentials, tek.accounts.authenticate("the_ada", "wrong"))
        assert hasher.work() == 2**12

    world.run(scenario)


def test_a_corrupt_hash_is_warned_of_once_and_not_shown(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A12 K1: one warning, with the user's id and without the hash."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        user = await registered(tek)
        await stored_hash(world, user, "$2b$04$short")
        with caplog.at_level(logging.DEBUG, "tektree"):
            await refused(InvalidCredentials, tek.accounts.authenticate("the_ada", PASSWORD))
        assert [user.id in record.getMessage() for record in caplog.records] == [True]
        assert "$2b$" not in caplog.text

    world.run(scenario)


@pytest.mark.bcrypt
def test_a_password_is_not_cut_off(world: World) -> None:
    """A1 A3 A4: 72 bytes are the most, counted in UTF-8; what is longer is refused, not cut."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        for too_long in ("a" * 73, "\U0001f600" * 19, "中" * 64):
            error = await refused(InvalidInput, tek.accounts.register(**names(password=too_long)))
            assert "72 bytes" in error.reason
        user = await tek.accounts.register(**names(password="\U0001f600" * 18))
        assert (await tek.accounts.authenticate("the_ada", "\U0001f600" * 18)).id == user.id
        await refused(InvalidCredentials, tek.accounts.authenticate("the_ada", "\U0001f600" * 18 + "c"))
        await refused(InvalidCredentials, tek.accounts.authenticate("the_ada", "\U0001f600" * 17))

    world.run(scenario)


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("a\0a-and-more", id="A5"),
        pytest.param("", id="A6 empty"),
        pytest.param("1234567", id="A6 short"),
        pytest.param("pw\ud800xxxxxx", id="A7"),
        pytest.param("password1234", id="A15"),
        pytest.param("ada@example.com", id="A15 address"),
        pytest.param("THE_ADA", id="A6 handle, short"),
        pytest.param("x" * 10_000_000, id="A19"),
        pytest.param(b"correct horse", id="D19 bytes"),
        pytest.param(None, id="none"),
    ],
)
def test_what_is_no_password_is_refused(world: World, hasher: Hasher, password: Any) -> None:
    """A5 A6 A7 A15 A19 K2: before anything is hashed, and it is shown nowhere."""

    async def scenario(world: World) -> None:
        error = await refused(InvalidInput, world.tek().accounts.register(**names(password=password)))
        assert error.field == "password"
        shown = "".join(traceback.format_exception(error)) + repr(error)
        assert len(shown) < 20_000
        if isinstance(password, str) and 7 < len(password) < 100:
            assert password not in shown

    world.run(scenario)
    assert hasher.costs == []


def test_what_is_too_long_takes_no_time(world: World) -> None:
    """A19 D20: ten megabytes are refused by their length."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        long = "x" * 10_000_000
        begin = time.perf_counter()
        await refused(InvalidInput, tek.accounts.register(**names(password=long)))
        await refused(InvalidInput, tek.accounts.register(**names(email=long)))
        await refused(InvalidInput, tek.accounts.register(**names(handle=long)))
        assert time.perf_counter() - begin < 0.5

    world.run(scenario)


def test_a_password_is_the_text_to_the_byte(world: World) -> None:
    """A6 A8: nothing is trimmed or normalised; spaces count, and two spellings of an accent are two passwords."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        for at, (password, other) in enumerate(
            [("pass word ", "pass word"), (" " * 15, " " * 14), ("caf\u00e9-au-lait", "cafe\u0301-au-lait")]
        ):
            await registered(tek, at, password=password)
            await tek.accounts.authenticate(f"the_{at}", password)
            await refused(InvalidCredentials, tek.accounts.authenticate(f"the_{at}", other))

    world.run(scenario)


@pytest.mark.parametrize("cost", [3, 4, 9, 32, 12.0, True, "12", None])
def test_a_cost_is_no_less_than_ten(cost: Any) -> None:
    """A9: checked when the policy is made."""
    with pytest.raises(InvalidPolicy):
        Policy(passwords={"bcrypt_cost": cost})


def test_the_cost_is_raised_at_a_login(world: World, hasher: Hasher) -> None:
    """A10: whose password was right is hashed again, and nothing else of them changes."""

    async def scenario(world: World) -> None:
        old, new = world.tek(), world.tek(Policy(passwords={"bcrypt_cost": 11}))
        user = await registered(old)
        after = await new.accounts.authenticate("the_ada", PASSWORD)
        assert after == user.evolve(last_login_at=world.clock(), password_hash=after.password_hash)
        hasher.work()
        await new.accounts.authenticate("the_ada", PASSWORD)
        assert hasher.work() == 2**11

    world.run(scenario)


def test_a_change_of_password_wins_over_a_new_hash_of_the_old_one(world: World) -> None:
    """A10: two log-ins that hash anew, and a change between check and write: the changed password is the password."""

    async def scenario(world: World) -> None:
        old, new = world.tek(), world.rival(Policy(passwords={"bcrypt_cost": 11}))
        user = await registered(old)
        ends = await asyncio.gather(
            new.accounts.authenticate("the_ada", PASSWORD),
            new.accounts.change_password(user, PASSWORD, "battery staple"),
            new.accounts.authenticate("the_ada", PASSWORD),
            return_exceptions=True,
        )
        assert isinstance(ends[1], User)
        assert (await old.accounts.authenticate("the_ada", "battery staple")).id == user.id
        await refused(InvalidCredentials, old.accounts.authenticate("the_ada", PASSWORD))

    world.run(scenario)


def test_every_password_has_a_salt_of_its_own(world: World) -> None:
    """A14 A13: equal passwords are stored as different hashes; they are compared in constant time, in one place."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        users = [await registered(tek, at, password="the same for all") for at in range(50)]
        hashes = {user.password_hash.get_secret_value() for user in users if user.password_hash}
        assert len(hashes) == 50

    world.run(scenario)


def test_a_change_takes_the_current_password(world: World) -> None:
    """A16: wrong, and nothing changes; right, and sessions end."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        user = await registered(tek)
        await refused(InvalidCredentials, tek.accounts.change_password(user, "wrong", "battery staple"))
        assert await tek.accounts.get(user.id) == user
        await refused(InvalidInput, tek.accounts.change_password(user, PASSWORD, "the_ada"))
        changed = await tek.accounts.change_password(user, current=PASSWORD, new="battery staple")
        assert changed.epoch == 1
        assert (await tek.accounts.account(user.uid)).epoch == 1
        await refused(InvalidCredentials, tek.accounts.authenticate("the_ada", PASSWORD))
        assert (await tek.accounts.authenticate("the_ada", "battery staple")).last_login_at == world.clock()

    world.run(scenario)


@pytest.mark.bcrypt
def test_the_loop_goes_on_while_passwords_are_hashed() -> None:
    """A17: hashing runs in threads of its own, as many as the policy says."""
    world = World("async")

    async def scenario(world: World) -> int:
        tek = world.tek()
        await registered(tek)
        ticks, over = 0, asyncio.Event()

        async def tick() -> None:
            nonlocal ticks
            while not over.is_set():
                ticks += 1
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        await asyncio.gather(*[tek.accounts.authenticate("the_ada", PASSWORD) for _ in range(4)])
        over.set()
        await ticking
        return ticks

    assert world.run(scenario) > 20


def test_who_goes_away_gives_up_the_turn_only_when_the_hash_is_done(hasher: Hasher) -> None:
    """A18: cancelled callers cannot make more hashes run at once than the policy says."""
    world = World("async")
    begun, go_on = threading.Semaphore(0), threading.Event()
    whole = hasher.hashpw

    def slow(secret: bytes, salt: bytes) -> bytes:
        begun.release()
        go_on.wait(10)
        return whole(secret, salt)

    async def scenario(world: World) -> None:
        tek = world.tek(Policy(passwords={"bcrypt_cost": 10, "at_once": 2, "waiting": 100}, rate_limits=OFTEN))
        await registered(tek)
        hasher.hashpw = slow  # type: ignore[method-assign]
        for _ in range(5):
            call = asyncio.create_task(tek.accounts.authenticate("the_ada", "wrong"))
            await asyncio.sleep(0.01)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        assert begun.acquire(timeout=5)
        assert begun.acquire(timeout=5)
        assert not begun.acquire(blocking=False)
        go_on.set()
        hasher.hashpw = whole  # type: ignore[method-assign]
        assert (await tek.accounts.authenticate("the_ada", PASSWORD)).handle == "the_ada"

    world.run(scenario)


def test_who_is_not_let_in_has_no_last_login(world: World) -> None:
    """B19 B20: a user who is disabled while their password is being checked is not let in."""

    async def scenario(world: World) -> None:
        tek, other = world.tek(), world.tek()
        user = await registered(tek)
        known = tek.accounts.inner if not world.is_async else tek.accounts
        let_in = known._let_in

        async def async_late(*args: Any) -> Any:
            await other.accounts.disable(ROOT, user.id)
            return await let_in(*args)

        def late(*args: Any) -> Any:
            other.accounts.inner.disable(ROOT, user.id)
            return let_in(*args)

        known._let_in = async_late if world.is_async else late
        await refused(InvalidCredentials, tek.accounts.authenticate("the_ada", PASSWORD))
        assert (await other.accounts.get(user.id)).last_login_at is None
        assert not (await other.accounts.account(user.id)).enabled

    world.run(scenario)


def test_who_has_not_proved_the_address_gets_in_where_the_policy_says_so(world: World, hasher: Hasher) -> None:
    """B1 B16: with ``require_verified``, not proved is a failure like any other."""

    async def scenario(world: World) -> None:
        strict = world.tek(Policy(passwords={"bcrypt_cost": 10}, accounts={"require_verified": True}))
        user = await registered(strict)
        hasher.work()
        await refused(InvalidCredentials, strict.accounts.authenticate("the_ada", PASSWORD))
        assert hasher.work() == 2**COST
        await strict.accounts.verify_email(await strict.accounts.request_email_verification(user.id))
        assert (await strict.accounts.authenticate("the_ada", PASSWORD)).email_verified

    world.run(scenario)


def test_passlib_is_not_used() -> None:
    """A20."""
    from importlib.util import find_spec

    assert find_spec("passlib") is None


def test_nothing_secret_shows(world: World) -> None:
    """K1 K4 K5: no repr, dump or error of a user shows a hash or a token; a hash is not pickled."""
    import copy
    import pickle

    async def scenario(world: World) -> None:
        tek = world.tek()
        user = await registered(tek)
        token = await tek.accounts.request_password_reset("ada@example.com")
        stored = await world.store.accounts.by_id(user.id)
        for shown in (repr(stored), str(stored.user), f"{stored.user.password_hash}", stored.user.model_dump_json()):
            assert "$2b$" not in shown
            assert token not in shown
            assert PASSWORD not in shown
            assert stored.user.tokens[0].digest not in shown
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(stored.user.password_hash)
        assert copy.deepcopy(stored.user) == stored.user
        public = tek_public(stored.user)
        assert set(public) == {
            "id", "uid", "handle", "first_name", "last_name", "avatar", "bio", "role", "created_at"
        }  # fmt: skip

    world.run(scenario)


def tek_public(user: User) -> dict[str, Any]:
    from tektree.rules.accounts import public

    return public(user).model_dump()


def test_what_is_random_is_of_the_system(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """K11: with ``random`` a constant, tokens and salts still differ."""
    import random

    monkeypatch.setattr(random, "random", lambda: 0.5)
    monkeypatch.setattr(random, "getrandbits", lambda bits: 0)

    async def scenario(world: World) -> None:
        tek = world.tek()
        await registered(tek)
        tokens = {await tek.accounts.request_password_reset("ada@example.com") for _ in range(5)}
        assert len(tokens) == 5

    world.run(scenario)


def test_only_text_is_tried(world: World) -> None:
    """B7: whatever else is passed is said to be no text, before anything is hashed."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        for wrong in (None, b"the_ada", ["the_ada"], {"$ne": None}, 5):
            await refused(InvalidInput, tek.accounts.authenticate(wrong, PASSWORD))
            await refused(InvalidInput, tek.accounts.authenticate("the_ada", wrong))
            await refused(InvalidInput, tek.accounts.request_password_reset(wrong))
        await refused(InvalidInput, tek.accounts.authenticate("the_ada", PASSWORD, source=5))

    world.run(scenario)


def test_adopted_users_are_found_to_the_letter_and_get_their_canonical_form(world: World) -> None:
    """B3 D1: who was there before us logs in with what is stored, and has the forms from then on."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        user = await registered(tek)
        stored = await world.store.accounts.by_id(user.id)
        bare = stored.user.evolve(
            email="Ada@Example.com", email_canonical=None, handle_canonical=None, handle_claims=()
        )
        await world.store.accounts.swap(stored, bare)
        await refused(InvalidCredentials, tek.accounts.authenticate("ada@example.com", PASSWORD))
        back = await tek.accounts.authenticate("Ada@Example.com", PASSWORD)
        assert (back.email_canonical, back.handle_canonical) == ("ada@example.com", "the_ada")
        assert (await tek.accounts.authenticate("ada@example.com", PASSWORD)).id == user.id
        assert POLICY.passwords.bcrypt_cost == COST

    world.run(scenario)
