"""The tier of a user is that of the subscription in force: on the user, on the profile, in every session."""

from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from datetime import timedelta
from functools import cached_property
from itertools import pairwise
from typing import Any

import pytest

from tektree import Policy, Principal
from tektree._async.backends.memory.bundles import memory_backends
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.services import tiers
from tektree._async.services.accounts import AsyncAccounts
from tektree._async.services.gamification import AsyncGamification
from tektree._async.services.handlers import AsyncHandlers
from tektree._async.services.subscriptions import AsyncSubscriptions
from tektree.errors import BackendError, Conflict, NotFound
from tektree.ids import user_id_of
from tektree.models.accounts import User
from tektree.rules import accounts, subscriptions
from tektree.rules.catalog import CATALOG
from tektree.testing import Fault, Faulty, SeededIds
from tektree.testing.explorer import End, Strike, digest, explore, pause, stepping
from tests.accounts.test_crashes import FAULTS, HANGS, RELAYED, Story, everywhere
from tests.accounts.test_explorer import Inline
from tests.accounts.worlds import POLICY, World, registered
from tests.lanes import enter
from tests.protocol import counts
from tests.protocol.worlds import NOW, _copied, done

DAY = timedelta(days=1)


async def tier_of(tek: Any, user_id: str) -> str:
    """What user and profile say, which is one tier."""
    user, profile = await tek.accounts.get(user_id), await tek.gamification.profile(user_id)
    assert user.tier == profile.tier
    tier: str = user.tier
    return tier


async def told(world: World, user: User, stream: str = "user:{}") -> list[Any]:
    return list(await world.store.events.stream(stream.format(user.uid), 0, 99))


def test_user_profile_and_sessions_follow(world: World) -> None:
    """C13: a change of tier shows on the very next resolve, and is told."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        ada = await registered(tek)
        token = (await tek.sessions.open(ada)).token
        for change, tier in (
            (lambda: tek.subscriptions.start(ada, "pro"), "pro"),
            (lambda: tek.subscriptions.change(ada, tier="team"), "team"),
            (lambda: tek.subscriptions.change(ada, tier="pro"), "team"),  # from the next period on
            (lambda: tek.subscriptions.cancel(ada), "team"),
            (lambda: tek.subscriptions.cancel(ada, at_period_end=False), "free"),
        ):
            found = await change()
            assert await tier_of(tek, ada.id) == tier
            assert (await tek.sessions.resolve(token)).tier == tier
            assert (found.in_force, found.follows, found.untold) == (tier, None, ())
        changes = [each.payload for each in await told(world, ada) if each.event_type == "user.tier_changed"]
        assert [(each["old"], each["new"]) for each in changes] == [("free", "pro"), ("pro", "team"), ("team", "free")]
        assert {each["subscription_id"] for each in changes} == {found.id}

    world.run(scenario)


def test_what_time_changes_reaches_the_user_by_the_relay(world: World) -> None:
    """The end of a trial is near, it is over, the period is; each is told once, and nobody else has to look."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        ada = await registered(tek)
        started = await tek.subscriptions.start(ada, "pro", trial_days=14)
        await tek.subscriptions.cancel(ada)
        heard = []
        for _ in range(16):
            await tek.events.relay.run_once()
            heard.append(await tier_of(tek, ada.id))
            world.clock.advance(DAY)
        assert heard == ["pro"] * 14 + ["free"] * 2
        types = [each.event_type for each in await told(world, ada, f"subscription:{started.id}")]
        assert [each.removeprefix("subscription.") for each in types] == [
            "created",
            "tier_changed",
            "trial_started",
            "canceled",
            "trial_will_end",
            "revoked",
        ]
        assert (await tek.events.relay.run_once()).told == 0
        assert list(await world.store.subscriptions.due(10**15, 9)) == []

    world.run(scenario)


def test_periods_follow_each_other_by_the_relay(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek()
        ada = await registered(tek)
        await tek.subscriptions.start(ada, "pro")
        for _ in range(3):
            world.clock.advance(31 * DAY)
            assert (await tek.events.relay.run_once()).told == 1
        assert await tier_of(tek, ada.id) == "pro"
        assert (await world.store.subscriptions.get(ada.id)).current_period_end > world.clock.now

    world.run(scenario)


def test_a_user_whom_the_host_keeps_has_a_profile_that_follows(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek()
        user_id = (await tek.gamification.enroll(uid="usr_ben")).user_id
        await tek.subscriptions.start(Principal(user_id, "usr_ben"), "enterprise")
        assert (await tek.gamification.profile(user_id)).tier == "enterprise"
        nobody = Principal(user_id_of("usr_nobody"), "usr_nobody")
        assert (await tek.subscriptions.start(nobody, "pro")).in_force == "pro"

    world.run(scenario)


def test_the_cap_of_a_day_is_that_of_the_tier(world: World) -> None:
    async def scenario(world: World) -> None:
        caps = Policy(xp={"daily_cap": {"free": 5, "pro": 50, "team": 50, "enterprise": 50}})
        tek = world.tek(caps)
        ada = await registered(tek)
        assert (await tek.gamification.award(ada.id, "manual", amount=20, key="a")).transaction.amount == 5
        await tek.subscriptions.start(ada, "pro")
        assert (await tek.gamification.award(ada.id, "manual", amount=20, key="b")).transaction.amount == 20
        assert await tek.gamification.verify(ada.id)

    world.run(scenario)


def test_who_is_erased_is_left_alone(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek()
        ada = await registered(tek)
        await tek.subscriptions.start(ada, "pro")
        await tek.accounts.erase(ada, ada.id)
        before = await tek.accounts.get(ada.id)
        await tek.subscriptions.cancel(ada, at_period_end=False)
        assert await tek.accounts.get(ada.id) == before

    world.run(scenario)


def test_one_that_others_wrote_is_followed_from_its_first_change_on(world: World) -> None:
    """Adopted: who is on a tier by it loses that when it ends, though we never gave it."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        ada = await registered(tek)
        paid = await tek.subscriptions.start(ada, "pro")
        others = paid.evolve(version=(paid.version or 0) + 1, in_force=None, follows=None, due=None, warned=None)
        await world.store.subscriptions.swap(paid, others)
        await tek.subscriptions.cancel(ada, at_period_end=False)
        assert await tier_of(tek, ada.id) == "free"

    world.run(scenario)


def test_what_cannot_be_read_does_not_stop_the_relay(world: World, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek()
        ada, ben = await registered(tek, "ada"), await registered(tek, "ben")
        for user in (ada, ben):
            await tek.subscriptions.start(user, "pro", trial_days=1)
        world.clock.advance(DAY)
        lost = world.backends.subscriptions
        get = lost.get
        if world.is_async:

            async def missing(user_id: str) -> Any:
                return None if user_id == ada.id else await get(user_id)
        else:

            def missing(user_id: str) -> Any:
                return None if user_id == ada.id else get(user_id)

        lost.get = missing
        assert (await tek.events.relay.run_once()).told == 1
        assert "cannot be finished" in caplog.text
        with pytest.raises(NotFound):
            await tek.subscriptions.advance(ada.id)

    world.run(scenario)


def test_storage_that_is_away_behind_the_change_leaves_it_to_the_relay(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(world: World) -> None:
        ada = await registered(world.tek())
        clean = Faulty(world.backends)
        at = 2  # behind the write: the user cannot be read
        faulty = Faulty(world.backends, at, Fault.REFUSED)
        assert (await world.tek(backends=faulty.backends).subscriptions.start(ada, "pro")).follows is True
        assert "is left" in caplog.text
        assert (await world.tek(backends=clean.backends).accounts.get(ada.id)).tier == "free"
        await world.tek().events.relay.run_once()
        assert await tier_of(world.tek(), ada.id) == "pro"

    world.run(scenario)


# -- cut off anywhere ------------------------------------------------------------------------------------------------


async def ada(tek: Any) -> User:
    return await registered(tek)


async def ada_on_pro(tek: Any) -> User:
    user = await registered(tek)
    await tek.subscriptions.start(user, "pro")
    return user


async def agreed(world: World, tek: Any, start: User) -> list[str]:
    """What is wrong where user, profile, subscription and events do not say the same."""
    found, profile = (await world.store.accounts.by_id(start.id)).user, await tek.gamification.profile(start.id)
    stored = await world.store.subscriptions.get(start.id)
    tier = (await tek.subscriptions.entitlements(start)).tier
    wrong = [
        f"the {what} says {said}, not {tier}"
        for what, said in (("user", found.tier), ("profile", profile.tier), ("subscription", stored.in_force))
        if said != tier
    ]
    changes = [each.payload["new"] for each in await told(world, start) if each.event_type == "user.tier_changed"]
    if len(changes) != len(set(changes)) or (changes or ["free"])[-1] != tier:
        wrong.append(f"told of {changes}")
    if stored.follows or stored.untold:
        wrong.append("something is left to do")
    return wrong


STORIES = {
    "start": Story(ada, lambda tek, user: tek.subscriptions.start(user, "pro"), agreed, (Conflict,)),
    "change": Story(ada_on_pro, lambda tek, user: tek.subscriptions.change(user, tier="team"), agreed),
    "cancel": Story(ada_on_pro, lambda tek, user: tek.subscriptions.cancel(user, at_period_end=False), agreed),
}


@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("policy", [POLICY, RELAYED], ids=["inline", "relay"])
def test_a_crash_at_every_call(name: str, policy: Policy) -> None:
    """Of each command, then a retry or the relay."""
    faults = [*FAULTS, *HANGS] if name == "start" else FAULTS
    assert World("async").run(lambda _: everywhere("async", STORIES[name], faults, policy)) >= 5


def test_a_subscription_that_forgets_its_user_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The positive control: where the one write does not say that the user is to follow, a crash behind it is found."""
    monkeypatch.setattr(subscriptions, "AT_ONCE", 10**15)
    with pytest.raises(AssertionError, match="says free, not pro"):
        World("async").run(lambda _: everywhere("async", STORIES["start"], FAULTS, POLICY))


# -- two at once -----------------------------------------------------------------------------------------------------

PORTS = ("gamification", "ledger", "leaderboards", "events", "deliveries", "accounts", "subscriptions")
Command = Callable[["Services", User], Awaitable[object]]


class Services:
    """What is needed of a tek, with hashing that the explorer can step."""

    def __init__(self, backends: AsyncBackends, seed: int, tells: bool) -> None:
        ids = SeededIds(seed)
        handlers = AsyncHandlers(backends.events, backends.deliveries, CATALOG, POLICY, lambda: NOW, ids)
        self.gamification = AsyncGamification(backends, POLICY, lambda: NOW, ids, pause, handlers)
        self.accounts = AsyncAccounts(backends, self.gamification, handlers, POLICY, lambda: NOW, ids, pause=pause)
        self.accounts._hashing = Inline()  # type: ignore[assignment]
        follow = tiers.AsyncTiers(self.accounts.users, self.gamification.settings).follow
        self.subscriptions = AsyncSubscriptions(
            backends.subscriptions, backends.gamification, POLICY, lambda: NOW, handlers.tell if tells else None, follow
        )

    async def sweep(self) -> None:
        for each in (self.gamification.settings, self.accounts.followers, self.subscriptions):
            await each.sweep()


class Meeting:
    """Commands that meet over a user on pro, and what must be true of the end."""

    def __init__(self, *commands: Command, tells: bool = True) -> None:
        self.commands, self.tells = commands, tells

    @cached_property
    def begun(self) -> tuple[AsyncBackends, User]:
        base = memory_backends()
        return base, done(ada_on_pro(Services(base, 99, self.tells)))

    def __call__(self) -> "Played":
        return Played(self)


class Played:
    """One world of a meeting."""

    def __init__(self, meeting: Meeting) -> None:
        base, self.start = meeting.begun
        self.commands, self.tells = meeting.commands, meeting.tells
        self.parts = _copied([getattr(base, name) for name in PORTS], {})
        self.store = AsyncBackends(*self.parts)
        self.workers: Sequence[Coroutine[Any, Any, object]] = [
            _run(command, Services(stepping(self.store), seed, self.tells), self.start)
            for seed, command in enumerate(meeting.commands)
        ]

    def state(self) -> object:
        return digest(self.parts)

    def judge(self, ends: Sequence[End]) -> Iterator[str]:
        for end in ends:
            if end.error is not None and not isinstance(end.error, Conflict | BackendError):
                yield f"a worker raised {end.error!r}"
        tek = Services(self.store, 50, self.tells)
        done(tek.sweep())
        user, profile = (
            done(self.store.accounts.by_id(self.start.id)).user,
            done(tek.gamification.profile(self.start.id)),
        )
        tier = done(tek.subscriptions.entitlements(self.start)).tier
        if (user.tier, profile.tier) != (tier, tier):
            yield f"user and profile say {user.tier} and {profile.tier}, not {tier}"
        if done(self.store.subscriptions.due(1, 9)):
            yield "something is left to do"
        said = [each.payload for each in done(self.store.events.stream(f"user:{user.uid}", 0, 99))]
        changes = [(each["old"], each["new"]) for each in said if "new" in each]
        if any(one[1] != two[0] for one, two in pairwise(changes)) or changes[-1][1] != tier:
            yield f"told of {changes}"


async def _run(command: Command, tek: Services, start: User) -> object:
    return await command(tek, start)


def end(tek: Services, user: User) -> Awaitable[object]:
    return tek.subscriptions.cancel(user, at_period_end=False)


def more(tek: Services, user: User) -> Awaitable[object]:
    return tek.subscriptions.change(user, tier="team")


def sweep(tek: Services, user: User) -> Awaitable[object]:
    return tek.subscriptions.sweep()


def explored(meeting: Meeting, name: str, *strikes: Strike) -> None:
    enter("memory")
    found = explore(meeting, strikes)
    counts.tell(f"{name}: {found.told()}")
    assert not found.violations, found.story()
    assert found.schedules > found.states > 20, found.told()


def test_two_processes() -> None:
    explored(Meeting(more, end, tells=False), "a change of tier and an end, told to nobody")


@pytest.mark.long
@pytest.mark.parametrize("commands", [(more, end), (end, sweep)], ids=["end", "sweep"])
def test_two_processes_and_one_fault(commands: tuple[Command, ...]) -> None:
    explored(Meeting(*commands), "two changes of tier", Strike.CRASH)


def test_a_tier_that_comes_late_and_counts_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The positive control: without the guard by version, who was held up puts the user back on an old tier."""

    def whatever_comes(user: User, wanted: Any, version: int, subscription_id: str, now: Any) -> Any:
        return accounts.with_tier(user.evolve(tier_version=None), wanted, version, subscription_id, now)

    class Careless:
        with_tier = staticmethod(whatever_comes)

    monkeypatch.setattr(tiers, "accounts", Careless)
    found = explore(Meeting(more, end, tells=False), (), 0, first_only=True)
    assert "user and profile say team" in found.story()
