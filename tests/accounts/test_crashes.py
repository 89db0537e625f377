"""A process that ends at any call of a command: what it leaves is nothing, or is brought to its end.

Every command is cut off at each of its calls in every way there is, and then either repeated or left to the relay, in
another process. Whatever follows: nothing is half made.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from tektree import Policy
from tektree.errors import InvalidCredentials, InvalidToken, OutcomeUnknown, Taken, TekTreeError, Unavailable
from tektree.models.accounts import User
from tektree.testing import Crash, Fault, Faulty
from tests.accounts.worlds import POLICY, ROOT, World, names, registered, whole

PASSWORD = names()["password"]
FAULTS = [Fault.REFUSED, Fault.LOST, Fault.CRASH, Fault.CRASH_AFTER]
HANGS = [Fault.HANG, Fault.HANG_AFTER]
RELAYED = POLICY.evolve(events=POLICY.events.evolve(drain="relay"))


class Story(NamedTuple):
    """What was there before, the command, and what is wrong after it, done or not; ``users`` must be whole."""

    before: Callable[[Any], Awaitable[Any]]
    command: Callable[[Any, Any], Awaitable[Any]]
    after: Callable[[World, Any, Any], Awaitable[list[str]]]
    refusals: tuple[type[TekTreeError], ...] = ()
    """How a repetition may be refused, where the first one was done."""


async def nothing(tek: Any) -> None:
    pass


async def ada(tek: Any) -> User:
    return await registered(tek)


async def ada_and_token(tek: Any) -> tuple[User, str]:
    return await registered(tek), await tek.accounts.request_password_reset("ada@example.com")


async def ada_who_moves(tek: Any) -> tuple[User, str]:
    user = await registered(tek)
    return user, await tek.accounts.request_email_change(user, "new@example.com", PASSWORD)


async def ada_with_xp(tek: Any) -> User:
    user = await registered(tek)
    await tek.accounts.verify_email(await tek.accounts.request_email_verification(user.id))
    await tek.accounts.update_profile(user, bio="planted")
    return user


async def _one_ada(world: World, tek: Any, start: Any) -> list[str]:
    stored = await world.store.accounts.called("email", "ada@example.com", "ada@example.com")
    if stored is None:
        return ["nobody was registered"]
    told = [each.event_type for each in await world.store.events.stream(f"user:{stored.user.uid}", 0, 9)]
    wrong = [] if told == ["user.registered"] else [f"told {told}"]
    if await world.store.gamification.count() != 1:
        wrong.append("more than one profile")
    return [*wrong, *await whole(world, stored.user)]


async def _changed(world: World, tek: Any, start: User) -> list[str]:
    return await _password_is(world, tek, start, "user.password_changed", "battery staple")


async def _reset(world: World, tek: Any, start: tuple[User, str]) -> list[str]:
    return await _password_is(world, tek, start[0], "user.password_changed", "battery staple")


async def _password_is(world: World, tek: Any, user: User, told: str, password: str) -> list[str]:
    wrong = await whole(world, user)
    try:
        await tek.accounts.authenticate("the_ada", password)
    except InvalidCredentials:
        wrong.append("the password was not changed")
    types = [each.event_type for each in await world.store.events.stream(f"user:{user.uid}", 0, 9)]
    if types != ["user.registered", told]:
        wrong.append(f"told {types}")
    if (await tek.accounts.get(user.id)).epoch != 1:
        wrong.append("sessions were not ended once")
    return wrong


async def _moved(world: World, tek: Any, start: User) -> list[str]:
    found = await tek.accounts.by_handle("countess")
    return await whole(world, found) if found.id == start.id else ["the handle is another's"]


async def _erased(world: World, tek: Any, start: User) -> list[str]:
    user = await tek.accounts.get(start.id)
    wrong = [] if user.status == "erased" else [f"the user is {user.status}"]
    log = list(await world.store.events.stream(f"user:{start.uid}", 0, 99))
    if any(planted in repr([user, *log]) for planted in ("planted", "ada@", "the_ada")):
        wrong.append("something personal is left")
    if [each.event_type for each in log][-2:] != ["user.deleted", "user.erased"]:
        wrong.append(f"told {[each.event_type for each in log]}")
    if not await tek.gamification.verify(start.id):
        wrong.append("the ledger does not add up")
    profile = await tek.gamification.profile(start.id)
    if profile.total_xp != 10 or not profile.leaderboard_opt_out:
        wrong.append("the XP is gone, or the user on a board")
    return [*wrong, *await whole(world, start)]


async def _at_another_address(world: World, tek: Any, start: tuple[User, str]) -> list[str]:
    user = await tek.accounts.get(start[0].id)
    state = user.email, user.email_verified, user.epoch, user.tokens
    wrong = [] if state == ("new@example.com", True, 1, ()) else [f"the user is {state}"]
    types = [each.event_type for each in await world.store.events.stream(f"user:{user.uid}", 0, 9)]
    if types != ["user.registered", "user.email_verified"]:
        wrong.append(f"told {types}")
    if (await tek.gamification.profile(user.id)).total_xp != 10:
        wrong.append("the XP of the proof did not come once")
    return [*wrong, *await whole(world, user)]


async def _shut_out(world: World, tek: Any, start: User) -> list[str]:
    user = await tek.accounts.get(start.id)
    wrong = [] if (user.status, user.epoch) == ("disabled", 1) else [f"the user is {user.status}, {user.epoch}"]
    if not (await tek.gamification.profile(start.id)).leaderboard_opt_out:
        wrong.append("the user stands on the boards")
    types = [each.event_type for each in await world.store.events.stream(f"user:{user.uid}", 0, 9)]
    if types != ["user.registered", "user.suspended"]:
        wrong.append(f"told {types}")
    return [*wrong, *await whole(world, user)]


async def _demoted(world: World, tek: Any, start: User) -> list[str]:
    user = await tek.accounts.get(start.id)
    return [] if user.role == "moderator" else ["the role was not set"]


STORIES = {
    "register": Story(nothing, lambda tek, _: registered(tek), _one_ada, (Taken,)),
    "change": Story(
        ada,
        lambda tek, user: tek.accounts.change_password(user, PASSWORD, "battery staple"),
        _changed,
        (InvalidCredentials,),
    ),
    "reset": Story(
        ada_and_token,
        lambda tek, start: tek.accounts.reset_password(start[1], "battery staple"),
        _reset,
        (InvalidToken,),
    ),
    "address": Story(
        ada_who_moves,
        lambda tek, start: tek.accounts.verify_email(start[1]),
        _at_another_address,
        (InvalidToken,),
    ),
    "disable": Story(ada, lambda tek, user: tek.accounts.disable(ROOT, user.id), _shut_out),
    "handle": Story(ada, lambda tek, user: tek.accounts.change_handle(user, "countess"), _moved),
    "role": Story(ada, lambda tek, user: tek.accounts.set_role(ROOT, user.id, "moderator"), _demoted),
    "erase": Story(ada_with_xp, lambda tek, user: tek.accounts.erase(user, user.id), _erased),
}


async def played(flavour: str, story: Story, at: int | None, fault: Fault, then: str, policy: Policy) -> Faulty[Any]:
    """One world of a story in which call number ``at`` meets a fault."""
    world = World(flavour)
    start = await story.before(world.tek())
    faulty = Faulty(world.backends, at, fault)
    done = await _cut_off(story.command(world.tek(policy, faulty.backends), start), faulty)
    fresh = world.tek()
    if then == "retry" and not done:
        with suppress(*story.refusals):
            await story.command(fresh, start)
    await fresh.events.relay.run_once()
    if then == "sweep" and not done:  # either nothing was done, or all of it
        with suppress(*story.refusals):
            await story.command(fresh, start)
        await fresh.events.relay.run_once()
    world.clock.advance(timedelta(hours=1))  # what another process was about to deliver is over
    await fresh.events.relay.run_once()
    wrong = await story.after(world, fresh, start)
    assert wrong == [], f"{fault} at {faulty.struck}, then {then}: {wrong}"
    return faulty


async def _cut_off(call: Awaitable[Any], faulty: Faulty[Any]) -> bool:
    """Whether a command ended well in spite of its fault."""
    try:
        if faulty.fault not in HANGS:
            await call
            return True
        task = asyncio.ensure_future(call)
        hanging = asyncio.ensure_future(faulty.hanging.wait())
        await asyncio.wait({task, hanging}, return_when=asyncio.FIRST_COMPLETED)
        hanging.cancel()
        task.cancel()
        await task
    except (Crash, Unavailable, OutcomeUnknown, asyncio.CancelledError):
        return False
    return True


async def everywhere(flavour: str, story: Story, faults: list[Fault], policy: Policy) -> int:
    calls = len((await played(flavour, story, None, Fault.LOST, "retry", policy)).calls)
    for at in range(calls):
        for fault in faults:
            for then in ("retry", "sweep"):
                await played(flavour, story, at, fault, then, policy)
    return calls


ALIKE = ("address", "disable", "erase", "handle", "role")
"""What is left to the relay of these is left in the same way as that of a change."""


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        *[pytest.param(name, POLICY, id=f"{name}, inline") for name in STORIES],
        *[
            pytest.param(name, RELAYED, id=f"{name}, relay", marks=[pytest.mark.long] if name in ALIKE else [])
            for name in STORIES
        ],
    ],
)
def test_a_crash_at_every_call(name: str, policy: Policy) -> None:
    """D12 D14: of every command, then a retry or the sweep."""
    assert World("async").run(lambda _: everywhere("async", STORIES[name], [*FAULTS, *HANGS], policy)) >= 2


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] if name in ALIKE else []) for name in STORIES]
)
def test_a_crash_at_every_call_of_the_sync_twin(name: str) -> None:
    assert World("sync").run(lambda _: everywhere("sync", STORIES[name], FAULTS, POLICY)) >= 4


def test_a_reply_that_is_lost_is_asked_for_again(world: World) -> None:
    """D14: what has the id is this very user; the registration ends well, and made one account."""

    async def scenario(world: World) -> None:
        clean = Faulty(world.backends)
        await registered(world.tek(backends=clean.backends), "zoe")
        at = [str(call) for call in clean.calls].index("accounts.insert")
        faulty = Faulty(world.backends, at, Fault.LOST)
        user = await registered(world.tek(backends=faulty.backends))
        assert [str(call) for call in faulty.calls].count("accounts.insert") == 2
        assert await whole(world, user) == []

    world.run(scenario)


def test_what_is_left_is_done_by_whoever_reads_the_user_next(world: World) -> None:
    async def scenario(world: World) -> None:
        for at, reading in enumerate(
            (
                lambda tek, user: tek.accounts.get(user.id),
                lambda tek, user: tek.accounts.by_uid(user.uid),
                lambda tek, user: tek.accounts.by_handle(user.handle),
                lambda tek, user: tek.accounts.authenticate(user.handle, names(user.handle[4:])["password"]),
                lambda tek, user: tek.accounts.update_profile(user, bio="x"),
            )
        ):
            faulty = Faulty(world.backends, 1, Fault.CRASH)
            with pytest.raises(Crash):
                await registered(world.tek(backends=faulty.backends), at)
            stored = await world.store.accounts.called("handle", f"the_{at}", f"the_{at}")
            assert await whole(world, stored.user) != []
            await reading(world.tek(), stored.user)
            assert await whole(world, stored.user) == []

    world.run(scenario)


def test_a_registration_that_forgets_its_followers_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The positive control: where events are told before the profile is there, a crash in between is noticed."""
    from tektree._async.services.followers import AsyncFollowers

    async def done(self: Any, stored: Any, tell: bool) -> Any:
        return stored

    monkeypatch.setattr(AsyncFollowers, "_done", done)
    if world.is_async:
        with pytest.raises(AssertionError, match="has no profile"):
            world.run(lambda _: everywhere("async", STORIES["register"], FAULTS, POLICY))
