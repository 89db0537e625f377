"""Storage in memory keeps every promise of the ports, in both flavours; storage that breaks one is found.

The checks are code as well: each broken storage below differs from a good one in one line, and a check must say so.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from tektree.backends.memory import (
    AsyncMemoryAccounts,
    AsyncMemoryDeliveries,
    AsyncMemoryEventLog,
    AsyncMemoryGamification,
    AsyncMemoryLeaderboards,
    AsyncMemoryLedger,
    AsyncMemorySubscriptions,
    MemoryAccounts,
    MemoryDeliveries,
    MemoryEventLog,
    MemoryGamification,
    MemoryLeaderboards,
    MemoryLedger,
    MemorySubscriptions,
)
from tektree.errors import ConfigurationError, Stale
from tektree.models.accounts import StoredUser, User
from tektree.models.base import made
from tektree.models.events import Event
from tektree.models.gamification import Folded, GamificationProfile, XPTransaction
from tektree.models.leaderboards import Board, BoardEntry, Standing
from tektree.models.subscriptions import Subscription
from tektree.ports import AsyncBackends, Backends
from tektree.testing import checks, run, run_async
from tektree.testing.conformance import promise
from tests.lanes import enter


def memory(
    profiles: type[MemoryGamification] = MemoryGamification,
    ledger: type[MemoryLedger] = MemoryLedger,
    boards: type[MemoryLeaderboards] = MemoryLeaderboards,
    log: type[MemoryEventLog] = MemoryEventLog,
    deliveries: type[MemoryDeliveries] = MemoryDeliveries,
    accounts: type[MemoryAccounts] = MemoryAccounts,
    subscriptions: type[MemorySubscriptions] = MemorySubscriptions,
) -> Backends:
    stored = profiles()
    return Backends(stored, ledger(stored), boards(), log(), deliveries(), accounts(), subscriptions())


def async_memory() -> AsyncBackends:
    stored = AsyncMemoryGamification()
    return AsyncBackends(
        stored,
        AsyncMemoryLedger(stored),
        AsyncMemoryLeaderboards(),
        AsyncMemoryEventLog(),
        AsyncMemoryDeliveries(),
        AsyncMemoryAccounts(),
        AsyncMemorySubscriptions(),
    )


@pytest.mark.parametrize("check", checks())
def test_memory_keeps(check: str) -> None:
    enter("memory")
    run(check, memory)


@pytest.mark.parametrize("check", checks())
def test_async_memory_keeps(check: str) -> None:
    enter("memory")
    asyncio.run(run_async(check, async_memory))


def test_every_check_says_which_promise_it_is_about() -> None:
    assert len(set(checks())) == len(checks()) > 70
    assert all(promise(check).endswith(".") for check in checks())


def test_an_unknown_check_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match=r"one of tektree.testing.checks\(\)"):
        run("a_check_that_is_not_there", memory)


def test_what_a_factory_makes_is_set_up_and_closed() -> None:
    told: list[str] = []

    async def made_async() -> AsyncBackends:
        good = async_memory()

        async def opened() -> None:
            told.append("set up")

        async def closed() -> None:
            told.append("closed")

        return replace(good, on_setup=opened, on_close=closed)

    def made_sync() -> Backends:
        return replace(memory(), on_setup=lambda: told.append("set up"), on_close=lambda: told.append("closed"))

    run(checks()[0], made_sync)
    asyncio.run(run_async(checks()[0], made_async))
    assert told == ["set up", "closed"] * 2


class EnrolsAgain(MemoryGamification):
    def enroll(self, profile: GamificationProfile) -> GamificationProfile:
        self._profiles[profile.user_id] = profile
        return profile


class ForgetsUids(MemoryGamification):
    def enroll(self, profile: GamificationProfile) -> GamificationProfile:
        self._by_uid.clear()
        return super().enroll(profile)


class ProjectsAnything(MemoryGamification):
    def project(self, user_id: str, state: Folded, repair: bool = False) -> None:
        if user_id in self._profiles:
            stored = self._profiles[user_id]
            self._profiles[user_id] = made(GamificationProfile, {**stored.__dict__, **state.__dict__})


class NeverRepairs(MemoryGamification):
    def project(self, user_id: str, state: Folded, repair: bool = False) -> None:
        super().project(user_id, state)


class ProjectsOnlyTheNext(MemoryGamification):
    def project(self, user_id: str, state: Folded, repair: bool = False) -> None:
        stored = self._profiles.get(user_id)
        if stored is not None and state.seq <= stored.seq + 1:
            super().project(user_id, state, repair)


class ProjectsTheTotalOnly(MemoryGamification):
    def project(self, user_id: str, state: Folded, repair: bool = False) -> None:
        stored = self._profiles.get(user_id)
        if stored is not None:
            super().project(user_id, stored.evolve(total_xp=state.total_xp, seq=state.seq), repair)


class SwapsAnything(MemoryGamification):
    def swap(self, old: GamificationProfile, new: GamificationProfile, *more: Any) -> None:
        stored = self._profiles.get(old.user_id)
        super().swap(old if stored is None else stored, new, *more)


class SwapsInSilence(MemoryGamification):
    def swap(self, old: GamificationProfile, new: GamificationProfile, *more: Any) -> None:
        with suppress(Stale):
            super().swap(old, new, *more)


class SwapsTheWholeProfile(MemoryGamification):
    def swap(self, old: GamificationProfile, new: GamificationProfile, *more: Any) -> None:
        super().swap(old, new, *more)
        self._profiles[new.user_id] = new


class UnsortedUsers(MemoryGamification):
    def users(self, after: str | None, limit: int) -> Sequence[str]:
        return super().users(after, limit)[::-1]


class UsersFromTheStart(MemoryGamification):
    def users(self, after: str | None, limit: int) -> Sequence[str]:
        return super().users(None if after is None or after != self._order[-1] else after, limit)


class AppendsAnything(MemoryLedger):
    def append(self, row: XPTransaction, events: Sequence[Event], to: Any = ()) -> None:
        self._rows.setdefault(row.user_id, []).append(row)
        self._by_id[row.transaction_id] = row
        self._outbox[row.transaction_id] = tuple(events), to
        self._index(row)


class KeepsEventsOfLosers(MemoryLedger):
    def append(self, row: XPTransaction, events: Sequence[Event], to: Any = ()) -> None:
        first = self._rows.get(row.user_id, [row])[0]
        self._outbox[first.transaction_id] = tuple(events), to
        super().append(row, events, to)


class LosesEvents(MemoryLedger):
    def append(self, row: XPTransaction, events: Sequence[Event], to: Any = ()) -> None:
        super().append(row, (), ())


class NeverLetsGo(MemoryLedger):
    def told(self, rows: Sequence[XPTransaction]) -> None:
        pass


class LetsAllGo(MemoryLedger):
    def told(self, rows: Sequence[XPTransaction]) -> None:
        self._outbox.clear()


class TailWithTheRowItself(MemoryLedger):
    def tail(self, user_id: str, seq: int, limit: int) -> Sequence[Any]:
        return super().tail(user_id, max(0, seq - 1), limit)


class TailWithoutLimit(MemoryLedger):
    def tail(self, user_id: str, seq: int, limit: int) -> Sequence[Any]:
        return super().tail(user_id, seq, 10_000)


class NoLimit(MemoryLedger):
    def rows(self, user_id: str, after: int, limit: int) -> Sequence[XPTransaction]:
        return super().rows(user_id, after, 10_000)


class OldestHistory(MemoryLedger):
    def history(self, user_id: str, before: int | None, limit: int) -> Sequence[XPTransaction]:
        return super().history(user_id, before, limit)[::-1]


class HistoryByTime(MemoryLedger):
    def history(self, user_id: str, before: int | None, limit: int) -> Sequence[XPTransaction]:
        rows = sorted(self._rows.get(user_id, []), key=lambda row: row.timestamp, reverse=True)
        return [row for row in rows if before is None or row.seq < before][:limit]


class FirstLink(MemoryLedger):
    def linked(self, user_id: str, transaction_id: str) -> XPTransaction | None:
        rows = self._rows.get(user_id, [])
        return next((row for row in rows if transaction_id in {row.reverses, row.restores}), None)


class UsedOfAllUsers(MemoryLedger):
    def used(self, user_id: str, day: str) -> int:
        super().used(user_id, day)  # brings the days up to date
        return sum([row.daily_total for (_, other), row in self._days.items() if other == day])


class WeekOfAllTime(MemoryLedger):
    def week(self, user_id: str, week: str) -> Any:
        found = super().week(user_id, week)
        return found._replace(xp=sum([row.amount for row in self._rows.get(user_id, [])]))


class StandingsWithoutSettings(MemoryLedger):
    def standings(self, week: str) -> Sequence[BoardEntry]:
        return [entry._replace(hidden=False) for entry in super().standings(week)]


class LastEntryWins(MemoryLeaderboards):
    def put(self, entries: Sequence[BoardEntry], now: datetime) -> None:
        super().put([entry._replace(seq=1) for entry in entries], now)


class NeverTheSameSeq(MemoryLeaderboards):
    def put(self, entries: Sequence[BoardEntry], now: datetime) -> None:
        places = self._places
        seen = {uid: key for place in places.values() for uid, key in place.keys.items()}
        super().put([each for each in entries if each.uid not in seen or each.seq != seen[each.uid][3]], now)


class HidesOnce(MemoryLeaderboards):
    def hide(self, uid: str, settings_version: int, hidden: bool, now: datetime) -> None:
        super().hide(uid, self._settings.get(uid, (0, False))[0] + 1, hidden, now)


class EntriesHideNobody(MemoryLeaderboards):
    def put(self, entries: Sequence[BoardEntry], now: datetime) -> None:
        super().put([entry._replace(settings_version=0) for entry in entries], now)


class EntriesShowAgain(MemoryLeaderboards):
    def put(self, entries: Sequence[BoardEntry], now: datetime) -> None:
        version = 1 + max([each[0] for each in self._settings.values()], default=0)
        super().put([entry._replace(settings_version=version) for entry in entries], now)


class LatestFirst(MemoryLeaderboards):
    def put(self, entries: Sequence[BoardEntry], now: datetime) -> None:
        epoch = datetime.fromtimestamp(0, now.tzinfo)
        turned = [entry._replace(reached_at=epoch + (now - (entry.reached_at or epoch))) for entry in entries]
        super().put(turned, now)


class WholeSeconds(MemoryLeaderboards):
    def put(self, entries: Sequence[BoardEntry], now: datetime) -> None:
        cut = [
            entry._replace(reached_at=entry.reached_at and entry.reached_at.replace(microsecond=0)) for entry in entries
        ]
        super().put(cut, now)


class GapsWhereSomebodyHides(MemoryLeaderboards):
    def rank(self, board: Board, uid: str, now: datetime) -> Standing | None:
        found = super().rank(board, uid, now)
        hidden = sum([each[1] for each in self._settings.values()])
        return None if found is None else Standing(found.rank + hidden, uid, found.score)


class Everlasting(MemoryLeaderboards):
    def top(self, board: Board, limit: int, now: datetime) -> Sequence[Standing]:
        return super().top(board, limit, min(now, datetime(2025, 12, 20, tzinfo=now.tzinfo)))


class OneMoreAround(MemoryLeaderboards):
    def around(self, board: Board, uid: str, span: int, now: datetime) -> Sequence[Standing]:
        return super().around(board, uid, span + 1, now)


class TellsTwice(MemoryEventLog):
    def append(self, events: Sequence[Event], posting: Any = None) -> Any:
        for event in events:
            self._by_id[event.event_id] = event
            self._streams.setdefault(event.metadata["stream"], {})[event.metadata["seq"]] = event


class OneStream(MemoryEventLog):
    def stream(self, stream: str, after: int, limit: int) -> Sequence[Event]:
        found = sorted(self._by_id.values(), key=lambda event: event.metadata["seq"])
        return [event for event in found if event.metadata["seq"] > after][:limit]


class InOrderOfArrival(MemoryEventLog):
    def stream(self, stream: str, after: int, limit: int) -> Sequence[Event]:
        found = [event for event in self._by_id.values() if event.metadata["stream"] == stream]
        return [event for event in found if event.metadata["seq"] > after][:limit]


class StopsAtGaps(MemoryEventLog):
    def stream(self, stream: str, after: int, limit: int) -> Sequence[Event]:
        found = super().stream(stream, after, limit)
        return [event for at, event in enumerate(found, start=after + 1) if event.metadata["seq"] == at]


class FindsByWhatIsWritten(MemoryAccounts):
    def called(self, by: Any, canonical: str | None, written: str) -> StoredUser | None:
        return self._owned((by, written)) or super().called(by, canonical, written)


class InsertsOver(MemoryAccounts):
    def insert(self, user: User, events: Sequence[Event], to: Any = ()) -> StoredUser:
        self._users.pop(user.id, None)
        return super().insert(user, events, to)


class InsertsWithoutLooking(MemoryAccounts):
    def insert(self, user: User, events: Sequence[Event], to: Any = ()) -> StoredUser:
        self._owners.clear()
        return super().insert(user, events, to)


class NeverLetsGoOfNames(MemoryAccounts):
    def swap(self, old: StoredUser, new: User, events: Sequence[Event] = (), to: Any = ()) -> StoredUser:
        kept = dict(self._owners)
        swapped = super().swap(old, new, events, to)
        self._owners = kept | self._owners
        return swapped


class LooksAtNamesOnly(MemoryAccounts):
    def insert(self, user: User, events: Sequence[Event], to: Any = ()) -> StoredUser:
        self._owners = {key: owner for key, owner in self._owners.items() if key[0] != "claim"}
        return super().insert(user, events, to)


class SwapsAnyVersion(MemoryAccounts):
    def _current(self, old: StoredUser) -> StoredUser:
        return self._users[old.user.id]


class SwapsWithoutCounting(MemoryAccounts):
    def swap(self, old: StoredUser, new: User, events: Sequence[Event] = (), to: Any = ()) -> StoredUser:
        swapped = super().swap(old, new, events, to)._replace(version=old.version)
        self._users[new.id] = swapped
        return swapped


class SwapsEventsAway(MemoryAccounts):
    def swap(self, old: StoredUser, new: User, events: Sequence[Event] = (), to: Any = ()) -> StoredUser:
        return self.replace(old, new, events, to)


class SwapsTheLastLogin(MemoryAccounts):
    def swap(self, old: StoredUser, new: User, events: Sequence[Event] = (), to: Any = ()) -> StoredUser:
        swapped = super().swap(old, new, events, to)._replace(user=new)
        self._users[new.id] = swapped
        return swapped


class LetsAnybodyIn(MemoryAccounts):
    def logged_in(self, user_id: str, epoch: int, at: datetime) -> bool:
        stored = self._users.get(user_id)
        return stored is not None and super().logged_in(user_id, stored.user.epoch, at)


class LetsTheDisabledIn(MemoryAccounts):
    def logged_in(self, user_id: str, epoch: int, at: datetime) -> bool:
        stored = self._users.get(user_id)
        return stored is not None and stored.user.epoch == epoch


class KeepsEventsOfTheErased(MemoryAccounts):
    def replace(self, old: StoredUser, new: User, events: Sequence[Event], to: Any = ()) -> StoredUser:
        return self.swap(old, new, events, to)


class TakesAllEventsOff(MemoryAccounts):
    def told(self, user_id: str, event_ids: Sequence[str]) -> None:
        stored = self._users.get(user_id)
        if stored is not None:
            self._users[user_id] = stored._replace(left=())


class NeverUnfinished(MemoryAccounts):
    def unfinished(self, limit: int) -> Sequence[str]:
        return []


class StartsAgain(MemorySubscriptions):
    def start(self, subscription: Subscription) -> Subscription:
        self._by_user[subscription.user_id] = subscription
        return subscription


class AmendsNothing(MemoryEventLog):
    def amend(self, events: Sequence[Event]) -> None:
        pass


class AmendsWhatIsRead(MemoryEventLog):
    def amend(self, events: Sequence[Event]) -> None:
        self._by_id |= {event.event_id: event for event in events if event.event_id in self._by_id}


BROKEN = {
    "profiles": [
        EnrolsAgain,
        ForgetsUids,
        ProjectsAnything,
        NeverRepairs,
        ProjectsOnlyTheNext,
        ProjectsTheTotalOnly,
        SwapsAnything,
        SwapsInSilence,
        SwapsTheWholeProfile,
        UnsortedUsers,
        UsersFromTheStart,
    ],
    "ledger": [
        AppendsAnything,
        KeepsEventsOfLosers,
        LosesEvents,
        NeverLetsGo,
        LetsAllGo,
        TailWithTheRowItself,
        TailWithoutLimit,
        NoLimit,
        OldestHistory,
        HistoryByTime,
        FirstLink,
        UsedOfAllUsers,
        WeekOfAllTime,
        StandingsWithoutSettings,
    ],
    "boards": [
        LastEntryWins,
        NeverTheSameSeq,
        HidesOnce,
        EntriesHideNobody,
        EntriesShowAgain,
        LatestFirst,
        WholeSeconds,
        GapsWhereSomebodyHides,
        Everlasting,
        OneMoreAround,
    ],
    "log": [TellsTwice, OneStream, InOrderOfArrival, StopsAtGaps, AmendsNothing, AmendsWhatIsRead],
    "accounts": [
        FindsByWhatIsWritten,
        InsertsOver,
        InsertsWithoutLooking,
        NeverLetsGoOfNames,
        LooksAtNamesOnly,
        SwapsAnyVersion,
        SwapsWithoutCounting,
        SwapsEventsAway,
        SwapsTheLastLogin,
        LetsAnybodyIn,
        LetsTheDisabledIn,
        KeepsEventsOfTheErased,
        TakesAllEventsOff,
        NeverUnfinished,
    ],
    "subscriptions": [StartsAgain],
}
PLANTED = [(port, kind) for port, kinds in BROKEN.items() for kind in kinds]


def complaint(check: str, make: Callable[[], Backends]) -> str | None:
    try:
        run(check, make)
    except AssertionError as error:
        return str(error)
    return None


@pytest.mark.parametrize(("port", "kind"), PLANTED, ids=[kind.__name__ for _, kind in PLANTED])
def test_a_storage_that_breaks_a_promise_is_found(port: str, kind: type[Any]) -> None:
    enter("memory")
    said = [complaint(check, lambda: memory(**{port: kind})) for check in checks()]
    broken = [each for each in said if each is not None]
    assert broken
    assert all(len(each) > 10 for each in broken), "a check that fails says what is wrong"
