"""Registration: one account for one address and one handle, whole or not at all. Rows D, and what of B and E is its."""

import asyncio
import re
import threading
from datetime import timedelta
from typing import Any

import pytest

from tektree import Policy, Principal
from tektree.errors import Forbidden, InvalidCredentials, InvalidInput, NotFound, RateLimited, Taken
from tektree.models.accounts import User
from tektree.rules import accounts, particulars
from tektree.testing import Crash, Fault, Faulty
from tests.accounts.worlds import OFTEN, POLICY, ROOT, Hasher, World, names, refused, registered, whole


def test_a_registration_makes_user_profile_and_subscription(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek()
        user = await tek.accounts.register(
            email="Ada@Example.COM",
            handle="Ada_L",
            password="correct horse",
            first_name=" Ada ",
            last_name="Lovelace",
            timezone="Europe/Berlin",
        )
        assert (user.email, user.email_canonical) == ("Ada@example.com", "ada@example.com")
        assert (user.handle, user.handle_canonical, user.first_name) == ("Ada_L", "ada_l", "Ada")
        assert (user.tier, user.role, user.status, user.email_verified) == ("free", "user", "active", False)
        profile = await tek.gamification.profile(user.id)
        assert (profile.uid, profile.timezone, profile.total_xp) == (user.uid, "Europe/Berlin", 0)
        assert await whole(world, user) == []
        assert await tek.accounts.get(user.id) == user == await tek.accounts.by_uid(user.uid)
        assert await tek.accounts.by_handle("ADA_l") == user
        log = (await tek.events.log(user_id=user.uid)).items
        registered, created = sorted(log, key=lambda event: event.event_type, reverse=True)
        assert (registered.event_type, created.event_type) == ("user.registered", "subscription.created")
        assert created.metadata["causation_id"] == registered.event_id
        subscription = await tek.subscriptions.get(user.id)
        assert dict(created.payload) == {
            "user_id": user.uid,
            "subscription_id": subscription.id,
            "polar_subscription_id": None,
            "tier": "free",
            "status": "active",
            "billing_cycle": "monthly",
            "period_start": None,
            "period_end": None,
        }

    world.run(scenario)


def test_who_is_invited_logs_in_when_a_password_is_set(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek()
        user = await tek.accounts.invite(email="ada@example.com", handle="ada", timezone="Europe/Berlin")
        assert (user.password_hash, user.password_changed_at) == (None, None)
        assert await whole(world, user) == []
        for guess in ("", "correct horse", "None"):
            await refused(InvalidCredentials, tek.accounts.authenticate("ada", guess))
        await refused(InvalidCredentials, tek.accounts.change_password(user, "", "correct horse"))
        await refused(Taken, tek.accounts.invite(email="ADA@example.com", handle="other"))
        await refused(Taken, tek.accounts.register(**names("x", handle="Ada")))
        token = await tek.accounts.request_password_reset("ada@example.com")
        await tek.accounts.reset_password(token, "correct horse")
        assert (await tek.accounts.authenticate("ada", "correct horse")).id == user.id

    world.run(scenario)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param("User@Ex.com", "user@ex.COM", id="D1"),
        pytest.param("user@xn--mnchen-3ya.de", "user@münchen.de", id="D2"),
        pytest.param("us\u00e9r@example.com", "use\u0301r@example.com", id="D3"),
    ],
)
def test_one_address_in_two_spellings_is_one_account(world: World, first: str, second: str) -> None:
    """D1 D2 D3: the second registration is refused, and either spelling logs in."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        user = await registered(tek, email=first)
        taken = await refused(Taken, tek.accounts.register(**names("ben", email=second)))
        assert taken.field == "email"
        for spelling in (first, second):
            assert (await tek.accounts.authenticate(spelling, names()["password"])).id == user.id

    world.run(scenario)


@pytest.mark.parametrize(
    "email",
    [
        pytest.param("ＵＳＥＲ@example.com", id="D4 full width"),
        pytest.param("\ufb01sh@example.com", id="D4 ligature"),
        pytest.param(["a@x.co", "b@y.co"], id="B7 list"),
        pytest.param({"$ne": None}, id="B7 map"),
        pytest.param(b"a@x.co", id="B7 D19 bytes"),
        pytest.param("a@x.co,b@y.co", id="B8"),
        pytest.param("Name <u@x.co>", id="B9"),
        pytest.param(" u@x.co ", id="B9 spaces"),
        pytest.param("u@localhost", id="D18"),
        pytest.param("u@site.invalid", id="D18 invalid"),
        pytest.param("x" * 1_000_000 + "@example.com", id="D20"),
        pytest.param("x" * 65 + "@example.com", id="D20 local part"),
        pytest.param("a\u200bb@example.com", id="D10"),
    ],
)
def test_what_is_no_one_address_is_refused(world: World, email: Any) -> None:
    """D4 D10 D18 D19 D20 B7 B8 B9: typed, before anything is written."""

    async def scenario(world: World) -> None:
        error = await refused(InvalidInput, world.tek().accounts.register(**names(email=email)))
        assert error.field == "email"
        assert list(await world.store.accounts.unfinished(9)) == []

    world.run(scenario)


def test_tags_and_dots_make_another_address(world: World) -> None:
    """D5: they are the user's; nothing is merged in silence."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        users = [
            await registered(tek, at, email=email)
            for at, email in enumerate(["user@example.com", "user+tag@example.com", "us.er@example.com"])
        ]
        assert len({user.id for user in users}) == 3

    world.run(scenario)


@pytest.mark.parametrize(
    "handle",
    [
        pytest.param("\u212aevin", id="D6 Kelvin"),
        pytest.param("раураl", id="D7 Cyrillic"),
        pytest.param("abc\n", id="D9 newline"),
        pytest.param("аbс", id="D9 homoglyphs"),
        pytest.param("a٣b", id="D9 digits"),
        pytest.param("²²²", id="D9"),
        pytest.param("a\u200bb", id="D10 zero width"),
        pytest.param("a\u202eb", id="D10 RLO"),
        pytest.param("\ufeffabc", id="D10 BOM"),
        pytest.param("a\0b", id="D10 NUL"),
        pytest.param("a\U000e0041b", id="D10 tag"),
        pytest.param("admin", id="D11"),
        pytest.param("__Admin_", id="D11 dressed up"),
        pytest.param("NULL", id="D11 null"),
        pytest.param("..", id="D11 dots"),
        pytest.param(b"abc", id="D19"),
        pytest.param("x" * 1_000_000, id="D20"),
    ],
)
def test_what_is_no_handle_is_refused(world: World, handle: Any) -> None:
    """D6 D7 D9 D10 D11 D19 D20: ASCII comes first, then folding, then the reserved names."""

    async def scenario(world: World) -> None:
        error = await refused(InvalidInput, world.tek().accounts.register(**names(handle=handle)))
        assert error.field == "handle"

    world.run(scenario)


@pytest.mark.parametrize("text", ["a\u202eb", "a\0b", "\ud800", "a\r\nb", "\x1b[31m", "\u2028", "e" + "\u0301" * 9])
def test_what_is_no_name_is_refused(world: World, text: str) -> None:
    """D10 K6: nothing that turns the direction of writing, breaks a line of a log, or cannot be stored."""

    async def scenario(world: World) -> None:
        error = await refused(InvalidInput, world.tek().accounts.register(**names(first_name=text)))
        assert error.field == "first_name"

    world.run(scenario)


def test_the_canonical_form_is_its_own(world: World) -> None:
    """D8: what is stored beside the address is stored beside itself."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        for at, email in enumerate(("Straße@Example.com", "ÉTÉ@xn--mnchen-3ya.de", "A.B+c@ex.com")):
            user = await registered(tek, at, email=email)
            assert particulars.email(user.email_canonical).canonical == user.email_canonical
            assert particulars.email(user.email).canonical == user.email_canonical

    world.run(scenario)


def test_a_subscription_begins_once_whoever_makes_it(world: World) -> None:
    """D12: who is cut off behind the user and starts another one first has one beginning, told before all else."""

    async def scenario(world: World) -> None:
        for at, call in enumerate(("subscriptions.start", "events.tell", "accounts.told")):
            clean = Faulty(world.backends)
            await registered(world.tek(backends=clean.backends), f"clean{at}")
            faulty = Faulty(world.backends, [str(each) for each in clean.calls].index(call), Fault.CRASH)
            with pytest.raises(Crash):
                await registered(world.tek(backends=faulty.backends), at)
            user = (await world.store.accounts.called("handle", f"the_{at}", f"the_{at}")).user
            tek = world.tek()
            started = await tek.subscriptions.start(Principal(user.id, user.uid), "pro", trial_days=7)
            await tek.events.relay.run_once()
            told = [each.event_type for each in await world.store.events.stream(f"subscription:{started.id}", 0, 9)]
            changed = [] if call == "subscriptions.start" else ["subscription.tier_changed"]
            assert told == ["subscription.created", *changed, "subscription.trial_started"]
            assert (await tek.subscriptions.get(user.id)).tier == "pro"

    world.run(scenario)


def test_of_64_at_once_one_has_the_account(world: World, hasher: Hasher) -> None:
    """D12: one user, one profile, one subscription, 63 refused, and nothing is left of them."""

    async def scenario(world: World) -> None:
        teks = [world.rival() for _ in range(4)]
        calls = [teks[at % 4].accounts.register(**names("same", handle=f"user_{at}")) for at in range(64)]
        ends = await asyncio.gather(*calls, return_exceptions=True)
        users = [end for end in ends if isinstance(end, User)]
        taken = [end for end in ends if isinstance(end, Taken)]
        assert (len(users), len(taken)) == (1, 63)
        assert {each.field for each in taken} == {"email"}
        assert await whole(world, users[0]) == []
        assert await world.store.gamification.count() == 1
        assert await world.store.events.count() == 2, "of the user and of the subscription"

    world.run(scenario)
    assert len(hasher.costs) == 64


def test_an_address_that_came_with_a_taken_handle_stays_free(world: World) -> None:
    """D13: what is taken is named, and only that."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        await registered(tek, "ada")
        taken = await refused(Taken, tek.accounts.register(**names("ben", handle="THE_ada")))
        assert taken.field == "handle"
        assert (await registered(tek, "ben")).email == "ben@example.com"

    world.run(scenario)


def test_handles_cannot_be_exchanged(world: World) -> None:
    """D15: whoever changes last finds the other's handle taken or held back; nobody is without one."""

    async def scenario(world: World) -> None:
        tek = world.rival()
        ada, ben = await registered(tek, "ada"), await registered(tek, "ben")
        ends = await asyncio.gather(
            tek.accounts.change_handle(ada, "the_ben"),
            tek.accounts.change_handle(ben, "the_ada"),
            return_exceptions=True,
        )
        assert [type(end) for end in ends] == [Taken, Taken]
        assert {(await tek.accounts.get(user.id)).handle for user in (ada, ben)} == {"the_ada", "the_ben"}

    world.run(scenario)


def test_a_handle_that_was_given_up_is_held_back(world: World) -> None:
    """D16: nobody else gets it before its time, its user may return to it; then it is free."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        ada = await registered(tek, "ada")
        ada = await tek.accounts.change_handle(ada, "countess")
        taken = await refused(Taken, tek.accounts.register(**names("ben", handle="The_Ada")))
        assert taken.field == "handle"
        world.clock.advance(timedelta(seconds=POLICY.accounts.handle_hold - 1))
        await refused(Taken, tek.accounts.register(**names("ben", handle="The_Ada")))
        world.clock.advance(timedelta(seconds=1))
        ben = await tek.accounts.register(**names("ben", handle="The_Ada"))
        assert (await tek.accounts.by_handle("the_ada")).id == ben.id
        await refused(Taken, tek.accounts.change_handle(ada, "the_ada"))
        assert await whole(world, ada, ben) == []

    world.run(scenario)


def test_who_changes_their_mind_has_the_handle_back(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek()
        ada = await registered(tek, "ada")
        await tek.accounts.change_handle(ada, "countess")
        assert (await tek.accounts.change_handle(ada, "The_Ada")).handle == "The_Ada"
        assert (await tek.accounts.change_handle(ada, "THE_ADA")).handle == "THE_ADA"
        await refused(Taken, tek.accounts.register(**names("ben", handle="countess")))

    world.run(scenario)


def test_a_hold_that_has_passed_is_taken_over_by_a_change_too(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek()
        ada, ben = await registered(tek, "ada"), await registered(tek, "ben")
        await tek.accounts.change_handle(ada, "countess")
        await refused(Taken, tek.accounts.change_handle(ben, "the_ada"))
        world.clock.advance(timedelta(seconds=POLICY.accounts.handle_hold))
        assert (await tek.accounts.change_handle(ben, "the_ada")).handle == "the_ada"

    world.run(scenario)


def test_ids_say_nothing_of_one_another(world: World) -> None:
    """D17: a uid is 96 random bits of its own, not those of the id."""

    async def scenario(world: World) -> None:
        users = [await registered(world.tek(), at) for at in range(30)]
        assert len({user.uid for user in users}) == len({user.id for user in users}) == 30
        assert all(re.fullmatch("usr_[0-9a-f]{24}", user.uid) for user in users)
        assert not {user.uid[4:] for user in users} & {user.id for user in users}

    world.run(scenario)


def test_what_is_taken_is_not_repeated(world: World) -> None:
    """B4: the error names the field, and neither the address nor a driver's text; nothing stands behind it."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        await registered(tek, "ada")
        error = await refused(Taken, tek.accounts.register(**names("ada", handle="another")))
        assert "ada@" not in repr(error) + str(error.args) + str(error.__cause__)

    world.run(scenario)


def test_too_many_at_once_are_refused(world: World, hasher: Hasher) -> None:
    """A18: one hash at a time, one that waits; the others hear so at once, and have cost nothing."""
    policy = Policy(passwords={"bcrypt_cost": 10, "at_once": 1, "waiting": 1}, rate_limits=OFTEN)
    go_on, whole = threading.Event(), hasher.hashpw

    def held(secret: bytes, salt: bytes) -> bytes:
        go_on.wait(10)
        return whole(secret, salt)

    async def scenario(world: World) -> None:
        tek = world.tek(policy)
        await registered(tek)
        hasher.hashpw = held  # type: ignore[method-assign]
        calls = [asyncio.ensure_future(tek.accounts.authenticate("the_ada", "wrong")) for _ in range(40)]
        while sum([call.done() for call in calls]) < 38:
            await asyncio.sleep(0)
        go_on.set()
        ends = await asyncio.gather(*calls, return_exceptions=True)
        busy = [end for end in ends if isinstance(end, RateLimited)]
        assert len(busy) == 38
        assert all(end.retry_after > 0 for end in busy)
        assert (await tek.accounts.authenticate("the_ada", names()["password"])).handle == "the_ada"

    world.run(scenario)
    assert len(hasher.costs) == 1 + 2 + 1
    assert hasher.most == 1


STORED = sorted(set(User.model_fields) - set(accounts.REGISTRATION_FIELDS))


@pytest.mark.parametrize(
    "name",
    [
        *STORED,
        *(f"{name} " for name in ("role", "tier")),
        "Role",
        "ROLE",
        "$set",
        "profile.role",
        "_id",
        "_v",
        "_outbox",
        "passwordHash",
        "emailVerified",
        "self",
        "ｒole",
        "",
        "x" * 100_000,
    ],
)
def test_nothing_is_taken_but_what_is_declared(world: World, name: str) -> None:
    """E1 E2: every stored field that is no input, in every spelling, is refused; nothing is written."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        given: dict[str, Any] = {**names(), name: "admin"}
        await refused(InvalidInput, tek.accounts.register(**given))
        assert await world.store.accounts.called("email", "ada@example.com", "ada@example.com") is None
        user = await registered(tek)
        before = await world.store.accounts.by_id(user.id)
        if name not in accounts.PROFILE_FIELDS:
            for value in ("admin", None, True):
                await refused(InvalidInput, tek.accounts.update_profile(user, **{name: value}))
        assert await world.store.accounts.by_id(user.id) == before

    world.run(scenario)


def test_none_is_no_way_around(world: World) -> None:
    """E3: None clears a bio or an avatar, and nothing else."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        user = await registered(tek, first_name="Ada")
        user = await tek.accounts.update_profile(user, bio="hello", avatar="https://example.com/a.png")
        for name in ("first_name", "last_name"):
            await refused(InvalidInput, tek.accounts.update_profile(user, **{name: None}))
        for name in ("email", "handle", "password", "timezone"):
            await refused(InvalidInput, tek.accounts.register(**names("ben", **{name: None})))  # type: ignore[arg-type]
        user = await tek.accounts.update_profile(user, bio=None, avatar=None)
        assert (user.bio, user.avatar, user.first_name) == (None, None, "Ada")

    world.run(scenario)


def test_a_profile_is_edited_by_its_user_alone(world: World) -> None:
    """E6 E7 E8: the account is that of who acts; there is no field to name another."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        ada = await registered(tek, "ada")
        stranger = type(ada)(**{**dict(ada), "id": "f" * 24, "uid": "usr_nobody"})
        await refused(NotFound, tek.accounts.update_profile(stranger, bio="x"))
        impostor = type(ada)(**{**dict(ada), "uid": "usr_else"})
        await refused(Forbidden, tek.accounts.update_profile(impostor, bio="x"))
        await refused(InvalidInput, tek.accounts.update_profile({"id": ada.id}, bio="x"))
        changed = await tek.accounts.update_profile(ada, bio="mine", last_name="L")
        assert (changed.bio, changed.last_name) == ("mine", "L")
        told = (await tek.events.log(user_id=ada.uid, event_type="user.profile_updated")).items
        assert [dict(event.payload["changed"]) for event in told] == [{"bio": {}, "last_name": {}}]
        assert await tek.accounts.update_profile(ada, bio="mine") == changed
        assert len((await tek.events.log(user_id=ada.uid, event_type="user.profile_updated")).items) == 1

    world.run(scenario)


def test_a_profile_is_for_whom_its_user_says(world: World) -> None:
    """G13, G21: at once; by a word of three, to the letter. Who does not see it hears what one hears of nobody."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        ada, ben = await registered(tek, "ada"), await registered(tek, "ben")
        assert (await tek.accounts.profile(None, ada.id)).handle == ada.handle
        for wrong in ("PUBLIC", "", None, ["public"], True):
            await refused(InvalidInput, tek.accounts.update_profile(ada, profile_visibility=wrong))
        await tek.accounts.update_profile(ada, profile_visibility="connections")
        said = [str(await refused(NotFound, tek.accounts.profile(ben, id))) for id in (ada.id, "f" * 24)]
        assert said[0].replace(ada.id, "f" * 24) == said[1]
        await tek.connections.request(ben, ada.id)
        await refused(NotFound, tek.accounts.profile(ben, ada.id))
        await tek.connections.accept(ada, ben.id)
        assert (await tek.accounts.profile(ben, ada.id)).uid == ada.uid
        await tek.connections.block(ada, ben.id)
        await refused(NotFound, tek.accounts.profile(ben, ada.id))
        await tek.accounts.update_profile(ada, profile_visibility="private")
        assert (await tek.accounts.profile(ada, ada.id)).uid == ada.uid
        assert (await tek.accounts.profile(ROOT, ada.id)).uid == ada.uid
        await tek.accounts.update_profile(ada, profile_visibility="public")
        await tek.accounts.erase(ada, ada.id)
        for who in (None, ben, ROOT):
            await refused(NotFound, tek.accounts.profile(who, ada.id))

    world.run(scenario)
