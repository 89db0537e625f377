"""Storage in memory keeps every promise of the ports, in both flavours; storage that breaks one is found.

The checks are code as well: each broken storage below differs from a good one in one line, and a check must say so.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tektree._async import conformance
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
from tektree.models.events import Delivery, Event, EventFilter
from tektree.models.gamification import Committed, Folded, GamificationProfile, XPTransaction
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
    assert len(set(checks())) == len(checks()) > 120
    assert all(promise(check).endswith(".") for check in checks())


def test_no_two_checks_have_one_name() -> None:
    """Checks are asked for by name: a second one of that name would never run."""
    plain = [*conformance.CHECKS, *[each for checked, _ in conformance.OPTIONAL.values() for each in checked]]
    races = [*conformance.RACES, *[each for _, raced in conformance.OPTIONAL.values() for each in raced]]
    names = [each.__name__ for each in (*plain, *races)]
    assert len(set(names)) == len(names)


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


class SwapsAndSaysNothing(MemoryGamification):
    def swap(self, old: GamificationProfile, new: GamificationProfile, *more: Any) -> None:
        super().swap(old, new)


class SwapsForNobody(MemoryGamification):
    def swap(self, old: GamificationProfile, new: GamificationProfile, *more: Any) -> None:
        super().swap(old, new, *more[:1])


class TellsThoughItIsStale(MemoryGamification):
    def swap(self, old: GamificationProfile, new: GamificationProfile, *more: Any) -> None:
        try:
            super().swap(old, new, *more)
        except Stale:
            if old.user_id in self._profiles:
                super().swap(self._profiles[old.user_id], self._profiles[old.user_id], *more)
            raise


class KeepsTheLastSwapsEvents(MemoryGamification):
    def swap(self, old: GamificationProfile, new: GamificationProfile, *more: Any) -> None:
        self._outboxes.pop(old.user_id, None)
        super().swap(old, new, *more)


class ProjectsEventsAway(MemoryGamification):
    def project(self, user_id: str, state: Folded, repair: bool = False) -> None:
        super().project(user_id, state, repair)
        self._outboxes.pop(user_id, None)


class TellsAllOfAProfile(MemoryGamification):
    def told(self, user_id: str, event_ids: Sequence[str]) -> None:
        self._outboxes.pop(user_id, None)


class NeverTakesOff(MemoryGamification):
    def told(self, user_id: str, event_ids: Sequence[str]) -> None:
        pass


class EverybodyIsUnfinished(MemoryGamification):
    def unfinished(self, limit: int) -> Sequence[str]:
        return list(self._profiles)[:limit]


class UnfinishedOncePerEvent(MemoryGamification):
    def unfinished(self, limit: int) -> Sequence[str]:
        return [user_id for user_id, left in self._outboxes.items() for _ in left][:limit]


class KnowsNoUid(MemoryGamification):
    def by_uid(self, uid: str) -> GamificationProfile | None:
        return None


class KnowsPartsOfUids(MemoryGamification):
    def by_uid(self, uid: str) -> GamificationProfile | None:
        return next((each for each in self._profiles.values() if (each.uid or "").startswith(uid)), None)


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
        self._unread.append(row)


class KeepsEventsOfLosers(MemoryLedger):
    def append(self, row: XPTransaction, events: Sequence[Event], to: Any = ()) -> None:
        first = self._rows.get(row.user_id, [row])[0]
        self._outbox[first.transaction_id] = tuple(events), to
        super().append(row, events, to)


class LosesEvents(MemoryLedger):
    def append(self, row: XPTransaction, events: Sequence[Event], to: Any = ()) -> None:
        super().append(row, (), ())


class ForNobody(MemoryLedger):
    def append(self, row: XPTransaction, events: Sequence[Event], to: Any = ()) -> None:
        super().append(row, events)


class ForAllThatTheFirstIsFor(MemoryLedger):
    def append(self, row: XPTransaction, events: Sequence[Event], to: Any = ()) -> None:
        super().append(row, events, [to[0]] * len(events) if to else to)


class UnfinishedWithoutLimit(MemoryLedger):
    def unfinished(self, limit: int) -> Any:
        return super().unfinished(999)


class UnfinishedNewestFirst(MemoryLedger):
    def unfinished(self, limit: int) -> Any:
        return super().unfinished(limit)[::-1]


class UnfinishedBySeq(MemoryLedger):
    def unfinished(self, limit: int) -> Any:
        return sorted(super().unfinished(limit), key=lambda each: each.row.seq)


class UnfinishedForEver(MemoryLedger):
    def unfinished(self, limit: int) -> Any:
        rows = [row for rows in self._rows.values() for row in rows]
        return [Committed(row, *self._outbox.get(row.transaction_id, ())) for row in rows][:limit]


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
            self._by_id.pop(event.event_id, None)
            self._streams.get(event.metadata.get("stream", ""), {}).pop(event.metadata.get("seq", 0), None)
        return super().append(events, posting)


class OneStream(MemoryEventLog):
    def stream(self, stream: str, after: int, limit: int) -> Sequence[Event]:
        return [event for name in sorted(self._streams) for event in super(OneStream, self).stream(name, after, limit)]


class InOrderOfArrival(MemoryEventLog):
    def stream(self, stream: str, after: int, limit: int) -> Sequence[Event]:
        found = super().stream(stream, after, limit)
        return [event for event in self._by_id.values() if event in found]


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


class LooksNoFurtherThanThePage(MemoryEventLog):
    def stream(self, stream: str, after: int, limit: int) -> Sequence[Event]:
        return [event for event in super().stream(stream, after, limit) if event.metadata["seq"] <= after + limit]


class CutsEventsShort(MemoryEventLog):
    def append(self, events: Sequence[Event], posting: Any = None) -> Any:
        return super().append(
            [event.evolve(payload=dict(list(event.payload.items())[:2])) for event in events], posting
        )


class PassesOverInSilence(MemoryEventLog):
    def append(self, events: Sequence[Event], posting: Any = None) -> Any:
        super().append(events, posting)
        return ()


class PassesOverIdsOnly(MemoryEventLog):
    def append(self, events: Sequence[Event], posting: Any = None) -> Any:
        return [id for id in super().append(events, posting) if id in self._by_id]


class AnyEvent(MemoryEventLog):
    def event(self, event_id: str) -> Event | None:
        return super().event(event_id) or next(iter(self._by_id.values()), None)


class EveryEventAsked(MemoryEventLog):
    def events(self, event_ids: Sequence[str]) -> Sequence[Event]:
        return [self._by_id[id] for id in event_ids if id in self._by_id]


class CountsStreams(MemoryEventLog):
    def count(self) -> int:
        return len(self._streams)


class NumbersByLength(MemoryEventLog):
    def tell(self, event: Event, posting: Any = None) -> tuple[Event, bool]:
        self._streams.clear()
        return super().tell(event, posting)


class NumbersWithoutStreams(MemoryEventLog):
    def tell(self, event: Event, posting: Any = None) -> tuple[Event, bool]:
        stored, new = super().tell(event.evolve(metadata={"stream": "all", **event.metadata}), posting)
        return stored, new


class GivesBackTheLast(MemoryEventLog):
    def tell(self, event: Event, posting: Any = None) -> tuple[Event, bool]:
        stored, new = super().tell(event, posting)
        return (stored if new else event), new


class AlwaysNew(MemoryEventLog):
    def tell(self, event: Event, posting: Any = None) -> tuple[Event, bool]:
        return super().tell(event, posting)[0], True


class TellsUnmarked(MemoryEventLog):
    def tell(self, event: Event, posting: Any = None) -> tuple[Event, bool]:
        return super().tell(event)


class MarksAgain(MemoryEventLog):
    def append(self, events: Sequence[Event], posting: Any = None) -> Any:
        for event, to in zip(events, posting.to if posting else (), strict=False):
            self._marks[event.event_id] = to, posting
        return super().append(events, posting)


class MarksWithTheFirst(MemoryEventLog):
    def append(self, events: Sequence[Event], posting: Any = None) -> Any:
        return super().append(events, posting and posting._replace(to=[*posting.to[:1]] * len(events)))


class MarksAreForever(MemoryEventLog):
    def delivered(self, event_ids: Sequence[str]) -> None:
        pass


class DeliversEverything(MemoryEventLog):
    def delivered(self, event_ids: Sequence[str]) -> None:
        self._marks.clear()


class DeliversTheEventAway(MemoryEventLog):
    def delivered(self, event_ids: Sequence[str]) -> None:
        super().delivered(event_ids)
        self._by_id = {id: event for id, event in self._by_id.items() if id not in event_ids}


class AwaitsItself(MemoryEventLog):
    def awaited(self, stream: str, before: int) -> bool:
        return super().awaited(stream, before + 1)


class AwaitsNobody(MemoryEventLog):
    def awaited(self, stream: str, before: int) -> bool:
        return False


class PostsAtOnce(MemoryEventLog):
    def posted(self, by: str, now: datetime, limit: int) -> Any:
        return super().posted(by, datetime.max.replace(tzinfo=now.tzinfo), limit)


class PostsNothingOfItsOwn(MemoryEventLog):
    def posted(self, by: str, now: datetime, limit: int) -> Any:
        return super().posted("", now, limit)


class PostsTooLate(MemoryEventLog):
    def posted(self, by: str, now: datetime, limit: int) -> Any:
        return super().posted(by, now - timedelta(microseconds=1), limit)


class PostsAsTheyCame(MemoryEventLog):
    def posted(self, by: str, now: datetime, limit: int) -> Any:
        found = super().posted(by, now, 999)
        return [each for id in self._marks for each in found if each.event.event_id == id][:limit]


class NewestByArrival(MemoryEventLog):
    def newest(self, which: Any, before: Any, limit: int) -> Sequence[Event]:
        found = super().newest(which, before, 999)
        return [event for event in self._by_id.values() if event in found][-limit:]


class LeavesTiesOut(MemoryEventLog):
    def newest(self, which: Any, before: Any, limit: int) -> Sequence[Event]:
        return super().newest(which, before and (before[0], ""), limit)


class RepeatsTies(MemoryEventLog):
    def newest(self, which: Any, before: Any, limit: int) -> Sequence[Event]:
        return super().newest(which, before and (before[0], "g"), limit)


class FiltersByTheFirstThingAsked(MemoryEventLog):
    def newest(self, which: Any, before: Any, limit: int) -> Sequence[Event]:
        return super().newest(which if which.uid is None else EventFilter(which.uid), before, limit)


class TracesEverybody(MemoryEventLog):
    def newest(self, which: Any, before: Any, limit: int) -> Sequence[Event]:
        return super().newest(which._replace(traced=None), before, limit)


class FiltersThePage(MemoryEventLog):
    def newest(self, which: Any, before: Any, limit: int) -> Sequence[Event]:
        chosen = super().newest(which, before, limit)
        return [event for event in super().newest(EventFilter(), before, limit) if event in chosen]


class RecordedByTimestamp(MemoryEventLog):
    def recorded(self, which: Any, after: str, limit: int) -> Sequence[Event]:
        return sorted(super().recorded(which, after, limit), key=lambda event: event.timestamp)


class CutsInstants(MemoryEventLog):
    def recorded(self, which: Any, after: str, limit: int) -> Sequence[Event]:
        return super().recorded(which, after, limit)[:limit]


class ReadsFromTheInstantOn(MemoryEventLog):
    def recorded(self, which: Any, after: str, limit: int) -> Sequence[Event]:
        return super().recorded(which, after[:-7] if after else after, limit)


class ReadsWhatSaysNothing(MemoryEventLog):
    def recorded(self, which: Any, after: str, limit: int) -> Sequence[Event]:
        silent = [event for event in self._by_id.values() if "recorded_at" not in event.metadata]
        return [*silent, *super().recorded(which, after, limit)]


class ReplaysEverybody(MemoryEventLog):
    def recorded(self, which: Any, after: str, limit: int) -> Sequence[Event]:
        return super().recorded(EventFilter(), after, limit)


class EffectsOfTheFirst(MemoryEventLog):
    def effects(self, event_ids: Sequence[str], limit: int) -> Sequence[Event]:
        return super().effects(event_ids[:1], limit)


class LatestEffects(MemoryEventLog):
    def effects(self, event_ids: Sequence[str], limit: int) -> Sequence[Event]:
        return super().effects(event_ids, 999)[-limit:]


class EffectsWithoutLimit(MemoryEventLog):
    def effects(self, event_ids: Sequence[str], limit: int) -> Sequence[Event]:
        return super().effects(event_ids, 999)


class AddsAgain(MemoryDeliveries):
    def add(self, deliveries: Sequence[Delivery]) -> None:
        self._by_id.update({each.id: each for each in deliveries})


class AddsAllOrNothing(MemoryDeliveries):
    def add(self, deliveries: Sequence[Delivery]) -> None:
        super().add([] if any(each.id in self._by_id for each in deliveries) else deliveries)


class BlockedByTheDead(MemoryDeliveries):
    def blocked(self, handlers: Sequence[str], line: str) -> Any:
        return {each.handler for each in self._by_id.values() if each.handler in handlers and each.line == line}


class BlockedByThoseWhoWaitOnly(MemoryDeliveries):
    def blocked(self, handlers: Sequence[str], line: str) -> Any:
        waiting = {each.handler for each in self._by_id.values() if each.state == "waiting"}
        return {name for name in super().blocked(handlers, line) if name in waiting}


class BlockedEverywhere(MemoryDeliveries):
    def blocked(self, handlers: Sequence[str], line: str) -> Any:
        return {each.handler for each in self._by_id.values() if each.handler in handlers and each.blocks != "nothing"}


class BlocksStrangers(MemoryDeliveries):
    def blocked(self, handlers: Sequence[str], line: str) -> Any:
        return super().blocked([each.handler for each in self._by_id.values()], line)


class HaltsOneLine(MemoryDeliveries):
    def blocked(self, handlers: Sequence[str], line: str) -> Any:
        return {each.handler for each in self._by_id.values() if each.handler in handlers and each.line == line}


class HaltedByHeadsOnly(MemoryDeliveries):
    def heads(self, handlers: Sequence[str], limit: int) -> Sequence[Delivery]:
        kept = self._by_id
        halting = {id: each for id, each in kept.items() if each.blocks == "handler"}
        self._by_id = {id: each for id, each in kept.items() if id not in halting}
        try:
            return super().heads(handlers, limit)
        finally:
            self._by_id = kept


class AllOfALine(MemoryDeliveries):
    def heads(self, handlers: Sequence[str], limit: int) -> Sequence[Delivery]:
        found = [each for each in self._by_id.values() if each.handler in handlers and each.state == "waiting"]
        return sorted(found, key=lambda each: (each.due, each.id))[:limit]


class HeadsByTime(MemoryDeliveries):
    def heads(self, handlers: Sequence[str], limit: int) -> Sequence[Delivery]:
        lines: dict[Any, Delivery] = {}
        for each in AllOfALine.heads(self, handlers, 999):  # type: ignore[arg-type]
            lines.setdefault((each.handler, each.line), each)
        return list(lines.values())[:limit]


class PassesOverTheParked(MemoryDeliveries):
    def heads(self, handlers: Sequence[str], limit: int) -> Sequence[Delivery]:
        kept, self._by_id = self._by_id, {id: each for id, each in self._by_id.items() if each.state == "waiting"}
        found = super().heads(handlers, limit)
        self._by_id = kept
        return found


class StopsAtTheDead(MemoryDeliveries):
    def heads(self, handlers: Sequence[str], limit: int) -> Sequence[Delivery]:
        kept = self._by_id
        self._by_id = {id: each.evolve(blocks="line") for id, each in kept.items()}
        found = super().heads(handlers, limit)
        self._by_id = kept
        return found


class HeadsById(MemoryDeliveries):
    def heads(self, handlers: Sequence[str], limit: int) -> Sequence[Delivery]:
        return sorted(super().heads(handlers, limit), key=lambda each: each.id)


class HeadsWithoutLimit(MemoryDeliveries):
    def heads(self, handlers: Sequence[str], limit: int) -> Sequence[Delivery]:
        return super().heads(handlers, 999)


class ClaimsWhatIsHeld(MemoryDeliveries):
    def claim(self, id: str, token: str, now: datetime, until: datetime) -> Delivery | None:
        return super().claim(id, token, datetime.max.replace(tzinfo=now.tzinfo), until)


class ClaimsOnce(MemoryDeliveries):
    def claim(self, id: str, token: str, now: datetime, until: datetime) -> Delivery | None:
        return super().claim(id, token, now, datetime.max.replace(tzinfo=now.tzinfo))


class ClaimsLate(MemoryDeliveries):
    def claim(self, id: str, token: str, now: datetime, until: datetime) -> Delivery | None:
        return super().claim(id, token, now - timedelta(microseconds=1), until)


class CountsNoAttempts(MemoryDeliveries):
    def claim(self, id: str, token: str, now: datetime, until: datetime) -> Delivery | None:
        found = super().claim(id, token, now, until)
        return found and self._by_id.setdefault(id, found).evolve(attempts=0)


class ClaimsTheDead(MemoryDeliveries):
    def claim(self, id: str, token: str, now: datetime, until: datetime) -> Delivery | None:
        if id in self._by_id:
            self._by_id[id] = self._by_id[id].evolve(state="waiting")
        return super().claim(id, token, now, until)


class PutsUnasked(MemoryDeliveries):
    def put(self, delivery: Delivery, token: str) -> None:
        self._by_id[delivery.id] = delivery


class PutsAttemptsOnly(MemoryDeliveries):
    def put(self, delivery: Delivery, token: str) -> None:
        stored = self._by_id.get(delivery.id, delivery)
        super().put(stored.evolve(attempts=delivery.attempts, token="", until=delivery.until), token)


class RemovesUnasked(MemoryDeliveries):
    def remove(self, id: str, token: str) -> None:
        self._by_id.pop(id, None)


class RemovesNothing(MemoryDeliveries):
    def remove(self, id: str, token: str) -> None:
        pass


class DeadAsTheyCame(MemoryDeliveries):
    def dead(self, handler: str | None, after: str | None, limit: int) -> Sequence[Delivery]:
        found = super().dead(handler, after, 999)
        return [each for each in self._by_id.values() if each in found][:limit]


class DeadOfAll(MemoryDeliveries):
    def dead(self, handler: str | None, after: str | None, limit: int) -> Sequence[Delivery]:
        return super().dead(None, after, limit)


class AliveAmongTheDead(MemoryDeliveries):
    def dead(self, handler: str | None, after: str | None, limit: int) -> Sequence[Delivery]:
        found = [each for each in self._by_id.values() if handler in (None, each.handler)]
        return sorted([each for each in found if each.id > (after or "")], key=lambda each: each.id)[:limit]


class RevivesTired(MemoryDeliveries):
    def revive(self, id: str, now: datetime) -> bool:
        found = self._by_id.get(id)
        done = super().revive(id, now)
        if done and found is not None:
            self._by_id[id] = self._by_id[id].evolve(attempts=found.attempts)
        return done


class RevivesOutOfLine(MemoryDeliveries):
    def revive(self, id: str, now: datetime) -> bool:
        found = self._by_id.get(id)
        done = super().revive(id, now)
        if done and found is not None:
            self._by_id[id] = self._by_id[id].evolve(blocks=found.blocks)
        return done


class RevivesTheLiving(MemoryDeliveries):
    def revive(self, id: str, now: datetime) -> bool:
        super().revive(id, now)
        return id in self._by_id


class DiscardsTheLiving(MemoryDeliveries):
    def discard(self, id: str) -> bool:
        return self._by_id.pop(id, None) is not None


class DiscardsNothing(MemoryDeliveries):
    def discard(self, id: str) -> bool:
        found = self._by_id.get(id)
        return found is not None and found.state == "dead"


class CountsTheDead(MemoryDeliveries):
    def waiting(self) -> int:
        return len(self._by_id)


class CountsLines(MemoryDeliveries):
    def waiting(self) -> int:
        return len({each.line for each in self._by_id.values() if each.state == "waiting"})


class CountsTheIdle(MemoryDeliveries):
    def waiting(self) -> int:
        return sum(each.state == "waiting" and not each.token for each in self._by_id.values())


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
        SwapsAndSaysNothing,
        SwapsForNobody,
        TellsThoughItIsStale,
        KeepsTheLastSwapsEvents,
        ProjectsEventsAway,
        TellsAllOfAProfile,
        NeverTakesOff,
        EverybodyIsUnfinished,
        UnfinishedOncePerEvent,
        KnowsNoUid,
        KnowsPartsOfUids,
        UnsortedUsers,
        UsersFromTheStart,
    ],
    "ledger": [
        AppendsAnything,
        KeepsEventsOfLosers,
        LosesEvents,
        ForNobody,
        ForAllThatTheFirstIsFor,
        UnfinishedWithoutLimit,
        UnfinishedNewestFirst,
        UnfinishedBySeq,
        UnfinishedForEver,
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
    "log": [
        AwaitsItself,
        AwaitsNobody,
        TellsTwice,
        OneStream,
        InOrderOfArrival,
        StopsAtGaps,
        LooksNoFurtherThanThePage,
        CutsEventsShort,
        PassesOverInSilence,
        PassesOverIdsOnly,
        AnyEvent,
        EveryEventAsked,
        CountsStreams,
        NumbersByLength,
        NumbersWithoutStreams,
        GivesBackTheLast,
        AlwaysNew,
        TellsUnmarked,
        MarksAgain,
        MarksWithTheFirst,
        MarksAreForever,
        DeliversEverything,
        DeliversTheEventAway,
        PostsAtOnce,
        PostsNothingOfItsOwn,
        PostsTooLate,
        PostsAsTheyCame,
        NewestByArrival,
        LeavesTiesOut,
        RepeatsTies,
        FiltersByTheFirstThingAsked,
        TracesEverybody,
        FiltersThePage,
        RecordedByTimestamp,
        CutsInstants,
        ReadsFromTheInstantOn,
        ReadsWhatSaysNothing,
        ReplaysEverybody,
        EffectsOfTheFirst,
        LatestEffects,
        EffectsWithoutLimit,
        AmendsNothing,
        AmendsWhatIsRead,
    ],
    "deliveries": [
        AddsAgain,
        AddsAllOrNothing,
        BlockedByTheDead,
        BlockedByThoseWhoWaitOnly,
        BlockedEverywhere,
        BlocksStrangers,
        HaltsOneLine,
        HaltedByHeadsOnly,
        AllOfALine,
        HeadsByTime,
        PassesOverTheParked,
        StopsAtTheDead,
        HeadsById,
        HeadsWithoutLimit,
        ClaimsWhatIsHeld,
        ClaimsOnce,
        ClaimsLate,
        CountsNoAttempts,
        ClaimsTheDead,
        PutsUnasked,
        PutsAttemptsOnly,
        RemovesUnasked,
        RemovesNothing,
        DeadAsTheyCame,
        DeadOfAll,
        AliveAmongTheDead,
        RevivesTired,
        RevivesOutOfLine,
        RevivesTheLiving,
        DiscardsTheLiving,
        DiscardsNothing,
        CountsTheDead,
        CountsLines,
        CountsTheIdle,
    ],
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
    said = (complaint(check, lambda: memory(**{port: kind})) for check in checks())
    first = next((each for each in said if each is not None), None)
    assert first is not None
    assert len(first) > 10, "a check that fails says what is wrong"
