"""What a change of a user does to their sessions: at once, whatever the policy of events, and whatever is away."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tektree import Policy
from tektree._async.services import revocations as async_revocations
from tektree._async.services import unsettled
from tektree._sync.services import revocations
from tektree.backends.memory import AsyncMemorySessions, MemorySessions
from tektree.errors import InvalidSession, OutcomeUnknown, Unavailable
from tektree.models.accounts import User
from tektree.ports import AsyncBackends
from tektree.testing.faults import Call, around
from tests.accounts.worlds import COST, OFTEN, ROOT, World, names, refused, registered

PASSWORD, NEW = names()["password"], "battery staple"
ALWAYS = 10**9


def policy(**events: str) -> Policy:
    return Policy(passwords={"bcrypt_cost": COST}, rate_limits=OFTEN, events=events)


POLICIES = [policy(), policy(deliver="relay"), policy(drain="relay")]
NAMES = ["inline", "delivered by the relay", "drained by the relay"]
EITHER = pytest.mark.parametrize("events", POLICIES, ids=NAMES)


async def another_address(tek: Any, user: User) -> None:
    await tek.accounts.verify_email(await tek.accounts.request_email_change(user, "new@example.com", PASSWORD))


async def reset(tek: Any, user: User) -> None:
    await tek.accounts.reset_password(await tek.accounts.request_password_reset(user.email), NEW)


Change = Callable[[Any, User], Awaitable[object]]
ENDING: dict[str, Change] = {
    "password": lambda tek, user: tek.accounts.change_password(user, PASSWORD, NEW),
    "reset": reset,
    "address": another_address,
    "disabled": lambda tek, user: tek.accounts.disable(ROOT, user.id),
    "erased": lambda tek, user: tek.accounts.erase(ROOT, user.id),
}
SHOWING: dict[str, Change] = {
    "role": lambda tek, user: tek.accounts.set_role(ROOT, user.id, "moderator"),
    "tier": lambda tek, user: tek.subscriptions.start(user, "team"),
}
SHOWN = {"role": ("moderator", "free"), "tier": ("user", "team")}


class Breaking:
    """Storages whose store of sessions is away for so many calls; and one write of a user whose reply is lost."""

    def __init__(self, world: World) -> None:
        sessions: Any = AsyncMemorySessions() if world.is_async else MemorySessions()
        self.whole = replace(world.backends, sessions=sessions)
        self.away, self.lost, self.asked = 0, False, 0
        step = self._async_step if isinstance(self.whole, AsyncBackends) else self._step
        self.backends: Any = around(self.whole, step)

    def _before(self, call: Call) -> None:
        if call.port == "sessions":
            self.asked += 1
            if self.away:
                self.away -= 1
                raise Unavailable("sessions")

    def _after(self, call: Call) -> None:
        if self.lost and call == ("accounts", "swap"):
            self.lost = False
            raise OutcomeUnknown("accounts")

    def _step(self, call: Call, made: Callable[[], Any]) -> Any:
        self._before(call)
        found = made()
        self._after(call)
        return found

    async def _async_step(self, call: Call, made: Callable[[], Awaitable[Any]]) -> Any:
        self._before(call)
        found = await made()
        self._after(call)
        return found


def services(tek: Any) -> Any:
    """The tek itself, whose calls of one flavour are not awaited."""
    return getattr(tek, "inner", tek)


# -- at once ----------------------------------------------------------------------------------------------------------


@EITHER
@pytest.mark.parametrize("what", [*ENDING, *SHOWING])
def test_the_very_next_resolve_shows_it(world: World, what: str, events: Policy) -> None:
    """C6 C13: by each change, whoever calls the handlers, and before any relay ran; in every process."""

    async def scenario(world: World) -> None:
        breaking = Breaking(world)
        tek, other = (world.tek(events, breaking.backends) for _ in range(2))
        user = await registered(tek)
        token = (await tek.sessions.open(user)).token
        await (ENDING | SHOWING)[what](tek, user)
        for each in (tek, other):
            if what in ENDING:
                await refused(InvalidSession, each.sessions.resolve(token))
                await refused(InvalidSession, each.admit(token, "/a"))
            else:
                actor = await each.sessions.resolve(token)
                assert (actor.role, actor.tier) == SHOWN[what]

    world.run(scenario)


@EITHER
def test_where_sessions_do_not_follow_the_write_it_is_found(world: World, events: Policy) -> None:
    """The control: by events alone, the old session lives on wherever they are left to the relay."""

    async def scenario(world: World) -> None:
        tek = world.tek(events, Breaking(world).backends)
        services(tek).accounts.users.sessions = None
        user = await registered(tek)
        token = (await tek.sessions.open(user)).token
        await tek.accounts.change_password(user, PASSWORD, NEW)
        if events is POLICIES[0]:
            await refused(InvalidSession, tek.sessions.resolve(token))
        else:
            assert (await tek.sessions.resolve(token)).id == user.id

    world.run(scenario)


def test_a_session_costs_one_call_when_nothing_is_left_to_tell(world: World) -> None:
    """Also after changes, and after one that could not be told at once."""

    async def scenario(world: World) -> None:
        breaking = Breaking(world)
        tek = world.tek(POLICIES[0], breaking.backends)
        user = await registered(tek)
        for away in (0, 2):
            breaking.away = away
            await tek.accounts.set_role(ROOT, user.id, "moderator" if away else "admin")
            token = (await tek.sessions.open(await tek.accounts.get(user.id))).token
            await tek.sessions.resolve(token)
            breaking.asked = 0
            await tek.sessions.resolve(token)
            assert (breaking.asked, len(services(tek).sessions.unsettled)) == (1, 0)

    world.run(scenario)


# -- while the store is away ------------------------------------------------------------------------------------------


@EITHER
@pytest.mark.parametrize("calls", [1, 2, 3])
@pytest.mark.parametrize("what", [*ENDING, *SHOWING])
def test_the_store_may_fail(world: World, what: str, calls: int, events: Policy) -> None:
    """C6: the change is made all the same. The store fails at it, at the handler, and at who asks next: that one is
    not let in, and whoever asks when the store is well gets what is so by now.
    """

    async def scenario(world: World) -> None:
        breaking = Breaking(world)
        tek = world.tek(events, breaking.backends)
        user = await registered(tek)
        token = (await tek.sessions.open(user)).token
        breaking.away = calls
        await (ENDING | SHOWING)[what](tek, user)
        while breaking.away:
            await refused(Unavailable, tek.sessions.resolve(token))
        if what in ENDING:
            for call in (tek.sessions.resolve, tek.sessions.rotate, lambda token: tek.admit(token, "/a")):
                await refused(InvalidSession, call(token))
        else:
            actor = await tek.sessions.resolve(token)
            assert (actor.role, actor.tier) == SHOWN[what]

    world.run(scenario)


@pytest.mark.parametrize("call", ["resolve", "rotate", "admit"])
def test_nobody_is_let_in_before_it_is_told(world: World, call: str) -> None:
    """C6: also where the store could say that the session is there, and fails at the telling alone."""

    async def scenario(world: World) -> None:
        breaking = Breaking(world)
        tek = world.tek(POLICIES[1], breaking.backends)
        user, ben = await registered(tek), await registered(tek, "ben")
        token, bens = (await tek.sessions.open(user)).token, (await tek.sessions.open(ben)).token
        breaking.away = 1
        await tek.accounts.change_password(user, PASSWORD, NEW)
        calls = {"resolve": tek.sessions.resolve, "rotate": tek.sessions.rotate}
        calls["admit"] = lambda token: tek.admit(token, "/a")
        breaking.away = 1
        await refused(Unavailable, calls[call](token))
        assert breaking.away == 0
        breaking.asked = 0
        await tek.sessions.resolve(bens)
        assert breaking.asked == 1, "another user's session pays nothing for it"
        await refused(InvalidSession, calls[call](token))

    world.run(scenario)


def test_where_nothing_is_remembered_it_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: a store that failed once leaves the old session to the relay."""

    async def scenario(world: World) -> None:
        breaking = Breaking(world)
        tek = world.tek(POLICIES[1], breaking.backends)
        kept = services(tek).sessions.unsettled
        monkeypatch.setattr(kept, "add", lambda uid: object())
        user = await registered(tek)
        token = (await tek.sessions.open(user)).token
        breaking.away = 1
        await tek.accounts.change_password(user, PASSWORD, NEW)
        assert (await tek.sessions.resolve(token)).id == user.id

    world.run(scenario)


def test_a_write_whose_reply_is_lost_counts(world: World) -> None:
    """C6: nobody knows what came of it, so the sessions look."""

    async def scenario(world: World) -> None:
        breaking = Breaking(world)
        tek = world.tek(POLICIES[1], breaking.backends)
        user = await registered(tek)
        token = (await tek.sessions.open(user)).token
        breaking.lost = True
        await refused(OutcomeUnknown, tek.accounts.change_password(user, PASSWORD, NEW))
        assert not breaking.lost
        await refused(InvalidSession, tek.sessions.resolve(token))

    world.run(scenario)


def test_who_was_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who came first is left to the events; a change that comes while another is told is not taken for told."""
    monkeypatch.setattr(unsettled, "_MOST", 2)
    left = unsettled.Unsettled()
    marks = {uid: left.add(uid) for uid in "abac"}
    assert [left.mark(uid) is not None for uid in "abc"] == [True, False, True]
    newer = left.add("a")
    left.over("a", marks["a"])
    left.over("b", left.mark("b"))
    assert left.mark("a") is newer
    left.over("a", newer)
    left.over("c", marks["c"])
    assert not left


# -- the second line --------------------------------------------------------------------------------------------------


async def away_for_long(world: World) -> tuple[Any, str, Any]:
    """A password that changed, and a process that ended while the store was away; after an hour another one and its
    relay find the store well. What the relay says is dead, the old session, and a new one with that process.
    """
    breaking = Breaking(world)
    user = await registered(world.tek(POLICIES[0], breaking.backends))
    tek = world.tek(POLICIES[0], breaking.backends)
    token = (await tek.sessions.open(user)).token
    breaking.away = ALWAYS
    await tek.accounts.change_password(user, PASSWORD, NEW)
    other = world.tek(POLICIES[0], breaking.backends)
    dead = 0
    for _ in range(720):
        world.clock.advance(timedelta(seconds=5))
        dead += (await other.events.relay.run_once(due_only=True)).dead
    breaking.away = 0
    opened = (await other.sessions.open(await other.accounts.authenticate("the_ada", NEW))).token
    world.clock.advance(timedelta(seconds=30))
    await other.events.relay.run_once(due_only=True)
    assert (await other.sessions.resolve(opened)).id == user.id, "who has the new password stays"
    return dead, token, other


def test_the_handler_is_never_given_up(world: World) -> None:
    """C6: half a minute after the store is well again at the latest, every process knows."""

    async def scenario(world: World) -> None:
        dead, token, other = await away_for_long(world)
        assert dead == 0
        await refused(InvalidSession, other.sessions.resolve(token))

    world.run(scenario)


@pytest.mark.parametrize(("name", "value"), [("_ENDLESS", 5), ("_LONGEST", 3_600)])
def test_a_handler_that_is_given_up_or_rests_for_long_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str, value: int
) -> None:
    """The control."""
    monkeypatch.setattr(async_revocations if world.is_async else revocations, name, value)

    async def scenario(world: World) -> None:
        dead, token, other = await away_for_long(world)
        assert dead == (name == "_ENDLESS")
        assert (await other.sessions.resolve(token)).role == "user"

    world.run(scenario)
