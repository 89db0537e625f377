"""Roles: who may do what to whose account. Rows E8 to E11, E18 and B20."""

import asyncio
from itertools import permutations
from typing import Any, get_args

import pytest

from tektree import Board, Principal
from tektree.errors import Forbidden, InvalidInput, InvalidTransition, NotFound
from tektree.models.accounts import Role, User, resolved
from tektree.rules.roles import TABLE, Reach
from tests.accounts.worlds import ROOT, World, names, refused, registered

BOARD = Board.GLOBAL
ROLES: tuple[Role, ...] = get_args(Role)
RANK = {role: rank for rank, role in enumerate(ROLES)}

ACTS: dict[str, Any] = {
    "account.set_role": lambda tek, actor, user: tek.accounts.set_role(actor, user.id, "user"),
    "account.disable": lambda tek, actor, user: tek.accounts.disable(actor, user.id),
    "account.enable": lambda tek, actor, user: tek.accounts.enable(actor, user.id),
    "account.export": lambda tek, actor, user: tek.accounts.export(actor, user.id),
    "account.erase": lambda tek, actor, user: tek.accounts.erase(actor, user.id),
}


async def with_role(tek: Any, name: str, role: Role) -> User:
    user = await registered(tek, name)
    return user if role == "user" else await tek.accounts.set_role(ROOT, user.id, role)


def reaches(verb: str, actor: Role, other: Role, own: bool) -> bool:
    """By the table of the docs, read once more."""
    reach = TABLE[verb][actor]
    if own:
        return reach in (Reach.OWN, Reach.OWN_AND_LOWER, Reach.ANYBODY)
    if reach in (Reach.LOWER, Reach.OWN_AND_LOWER):
        return RANK[other] < RANK[actor]
    return reach in (Reach.OTHERS, Reach.ANYBODY)


@pytest.mark.parametrize("verb", ACTS)
def test_every_cell_of_the_table(world: World, verb: str) -> None:
    """E8 E10: each role, to others of each role and to oneself."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        for at, role in enumerate(ROLES):
            for by, other in enumerate((*ROLES, None)):
                actor = await with_role(tek, f"a{at}{by}", role)
                target = actor if other is None else await with_role(tek, f"b{at}{by}", other)
                before = await world.store.accounts.by_id(target.id)
                if reaches(verb, role, target.role, other is None):
                    await ACTS[verb](tek, actor, target)
                else:
                    await refused(Forbidden, ACTS[verb](tek, actor, target))
                    assert await world.store.accounts.by_id(target.id) == before

    world.run(scenario)


def test_the_stored_role_is_what_counts(world: World) -> None:
    """E10 E4: whatever the host passes for a user who is stored; who claims to be somebody else is refused."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        ada, ben = await registered(tek, "ada"), await registered(tek, "ben")
        for lie in (
            Principal(ada.id, ada.uid, role="admin"),
            ada.model_copy(update={"role": "admin"}),
            Principal(ada.id, ben.uid, role="admin"),
            resolved(id=ada.id, uid=ada.uid, tier="free", role="admin", session_id="s"),
            resolved(id="e" * 24, uid="usr_gone", tier="free", role="admin", session_id="s"),
        ):
            await refused(Forbidden, tek.accounts.set_role(lie, ben.id, "moderator"))
        admin = await tek.accounts.set_role(ROOT, ada.id, "admin")
        await tek.accounts.disable(ROOT, admin.id)
        await refused(Forbidden, tek.accounts.set_role(admin, ben.id, "moderator"))
        await refused(InvalidInput, tek.accounts.set_role("admin", ben.id, "moderator"))

    world.run(scenario)


@pytest.mark.parametrize("role", ["Admin", "admin ", "root", "", None, b"admin", ["admin"]])
def test_what_is_no_role_is_refused(world: World, role: Any) -> None:
    """E4: by its exact name, or not at all."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        user = await registered(tek)
        await refused(InvalidInput, tek.accounts.set_role(ROOT, user.id, role))
        with pytest.raises(InvalidInput):
            user.model_copy(update={"role": role})

    world.run(scenario)


def test_who_may_nothing_does_not_hear_who_there_is(world: World) -> None:
    """E9: a user who asks for another's account gets the same answer for one that does not exist."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        ada, ben = await registered(tek, "ada"), await registered(tek, "ben")
        for act in ACTS.values():
            there = await refused(Forbidden, act(tek, ada, ben))
            gone = await refused(Forbidden, act(tek, ada, ben.model_copy(update={"id": "d" * 24})))
            assert repr(there) == repr(gone)
        await refused(NotFound, tek.accounts.disable(ROOT, "d" * 24))

    world.run(scenario)


def test_of_admins_who_demote_one_another_one_is_left(world: World) -> None:
    """E11 E18: two and three, in every order, at once and in other processes."""

    async def scenario(world: World) -> None:
        for size in (2, 3):
            for turn, order in enumerate(permutations(range(size))):
                teks = [world.rival() for _ in range(size)]
                admins = [await with_role(teks[0], f"x{size}{turn}{at}", "admin") for at in range(size)]
                ends = await asyncio.gather(
                    *[teks[at].accounts.set_role(admins[at], admins[(at + 1) % size].id, "user") for at in order],
                    return_exceptions=True,
                )
                assert all(isinstance(end, User | Forbidden) for end in ends), ends
                left = [await teks[0].accounts.get(admin.id) for admin in admins]
                assert any(admin.role == "admin" for admin in left)

    world.run(scenario)


def test_admins_who_are_only_looked_at_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The positive control: where who acts is not written as well, no admin may be left."""
    from tektree._async.services.users import AsyncUsers

    reached = AsyncUsers.reached

    async def looked_at(self: Any, actor: Any, user_id: Any, verb: str, **_: Any) -> Any:
        return await reached(self, actor, user_id, verb, to_change=False)

    monkeypatch.setattr(AsyncUsers, "reached", looked_at)
    with pytest.raises(AssertionError, match="any"):
        test_of_admins_who_demote_one_another_one_is_left(World("async"))


def test_who_is_disabled_is_out_until_enabled(world: World) -> None:
    """B20: sessions end, boards hide them, tokens die; enabled, all is as it was."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        user = await registered(tek)
        await tek.gamification.award(user.id, "manual", amount=7, key="k")
        assert await tek.leaderboards.rank(BOARD, user.uid)
        disabled = await tek.accounts.disable(ROOT, user.id, "spam")
        assert (disabled.status, disabled.epoch) == ("disabled", 1)
        assert await tek.leaderboards.rank(BOARD, user.uid) is None
        assert await tek.accounts.disable(ROOT, user.id) == disabled
        for act in (
            tek.accounts.update_profile(user, bio="x"),
            tek.accounts.change_handle(user, "else_where"),
            tek.accounts.change_password(user, names()["password"], "battery staple"),
            tek.accounts.request_email_change(user, "x@example.com", names()["password"]),
        ):
            await refused(Forbidden, act)
        await refused(InvalidTransition, tek.accounts.request_email_verification(user.id))
        assert (await tek.accounts.enable(ROOT, user.id)).status == "active"
        assert await tek.leaderboards.rank(BOARD, user.uid)
        assert (await tek.accounts.authenticate("the_ada", names()["password"])).id == user.id
        reasons = [event.payload["reason"] for event in (await tek.events.log(event_type="user.suspended")).items]
        assert reasons == ["spam"]

    world.run(scenario)


def test_who_led_to_it_stands_on_the_event(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek()
        user = await registered(tek)
        await tek.accounts.set_role(ROOT, user.id, "moderator")
        (event,) = (await tek.events.log(user_id=user.uid, event_type="user.role_changed")).items
        assert dict(event.payload) == {"user_id": user.uid, "old": "user", "new": "moderator", "by": ROOT.uid}
        assert event.metadata["user_id"] == ROOT.uid

    world.run(scenario)


def test_an_account_is_that_of_now(world: World) -> None:
    """C13 B20: by id or uid."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        user = await registered(tek)
        assert await tek.accounts.account(user.id) == (user.id, user.uid, "free", "user", 0, True)
        await tek.accounts.set_role(ROOT, user.id, "moderator")
        await tek.accounts.disable(ROOT, user.id)
        assert await tek.accounts.account(user.uid) == (user.id, user.uid, "free", "moderator", 1, False)
        assert await tek.accounts.account("usr_nobody") is None
        await refused(InvalidInput, tek.accounts.account("ada"))

    world.run(scenario)
