"""Known ways to do it wrong. Each is small, plausible, and passes any test without races or crashes.

Those in the store leave out a guard; those in the workers do the right things in the wrong order.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from tektree._async.backends.memory.gamification import AsyncMemoryGamification, AsyncMemoryLedger
from tektree._async.backends.memory.leaderboards import AsyncMemoryLeaderboards
from tektree._async.ports.bundles import AsyncBackends
from tektree.errors import Stale, Taken
from tektree.models.base import made
from tektree.models.events import Event
from tektree.models.gamification import Committed, Folded, GamificationProfile, XPTransaction
from tektree.models.leaderboards import BoardEntry
from tests.protocol.worlds import Variant


class Behind:
    """What is not overridden is as in the port behind."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def _added(ledger: AsyncMemoryLedger, row: XPTransaction, events: Sequence[Event]) -> None:
    ledger._rows.setdefault(row.user_id, []).append(row)
    ledger._by_id[row.transaction_id] = row
    ledger._outbox[row.transaction_id] = tuple(events), ()
    if link := row.reverses or row.restores:
        ledger._linked[link] = row
    ledger._unread.append(row)


class NoUniqueSeq(Behind):
    async def append(self, row: XPTransaction, events: Sequence[Event], to: Any = ()) -> None:
        ledger: AsyncMemoryLedger = self.inner
        if row.transaction_id in ledger._by_id:
            raise Taken("key")
        _added(ledger, row, events)

    async def rows(self, user_id: str, after: int, limit: int) -> Sequence[XPTransaction]:
        rows = sorted(self.inner._rows.get(user_id, ()), key=lambda row: row.seq)
        return [row for row in rows if row.seq > after][:limit]

    async def tail(self, user_id: str, seq: int, limit: int) -> Sequence[Committed]:
        outbox = self.inner._outbox
        return [Committed(row, *outbox.get(row.transaction_id, ())) for row in await self.rows(user_id, seq, limit)]


class NoUniqueKey(Behind):
    async def append(self, row: XPTransaction, events: Sequence[Event], to: Any = ()) -> None:
        ledger: AsyncMemoryLedger = self.inner
        if row.seq != len(ledger._rows.get(row.user_id, ())) + 1:
            raise Stale("ledger", row.user_id)
        _added(ledger, row, events)


class LooksOnce(Behind):
    """Looks for the key before its first try, and only then."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.seen: set[str] = set()

    async def append(self, row: XPTransaction, events: Sequence[Event], to: Any = ()) -> None:
        if row.transaction_id not in self.seen:
            self.seen.add(row.transaction_id)
            if await self.inner.row(row.transaction_id) is not None:
                raise Taken("key")
        await self.inner.append(row, events, to)


class LastProfileWins(Behind):
    async def project(self, user_id: str, state: Folded, repair: bool = False) -> None:
        profiles: AsyncMemoryGamification = self.inner
        stored = profiles._profiles[user_id]
        profiles._profiles[user_id] = made(GamificationProfile, {**stored.__dict__, **state.__dict__})


class Overwrites(Behind):
    """A store that writes whole profiles, whatever is there."""

    async def write(self, profile: GamificationProfile) -> None:
        profiles: AsyncMemoryGamification = self.inner
        profiles._profiles[profile.user_id] = profile


class ReadsThenWrites(Behind):
    """Reads the profile, sets its folded fields, and writes all of it, settings too."""

    async def project(self, user_id: str, state: Folded, repair: bool = False) -> None:
        stored = await self.inner.profile(user_id)
        if stored.seq < state.seq or repair:
            await self.inner.write(made(GamificationProfile, {**stored.__dict__, **state.__dict__}))


class LastSettingsWin(Behind):
    async def swap(self, old: GamificationProfile, new: GamificationProfile, *more: Any) -> None:
        profiles: AsyncMemoryGamification = self.inner
        stored = profiles._profiles[old.user_id]
        await profiles.swap(old.evolve(settings_version=stored.settings_version), new, *more)


class LastEntryWins(Behind):
    async def put(self, entries: Sequence[BoardEntry], now: datetime) -> None:
        boards: AsyncMemoryLeaderboards = self.inner
        for entry in entries:
            place = boards._places.get(entry.board.week)
            old = place.keys.get(entry.uid) if place else None
            await boards.put([entry._replace(seq=max(entry.seq, old[3] if old else 0))], now)


class EveryEntryDecides(Behind):
    """What an entry knows of the opt-out counts, however old."""

    async def put(self, entries: Sequence[BoardEntry], now: datetime) -> None:
        boards: AsyncMemoryLeaderboards = self.inner
        for entry in entries:
            known = boards._settings.get(entry.uid, (0, False))[0]
            await boards.put([entry._replace(settings_version=known + 1)], now)


class ProfileFirst(Behind):
    """A ledger that brings the profile forward before it appends."""

    def __init__(self, inner: AsyncBackends) -> None:
        super().__init__(inner.ledger)
        self.profiles = inner.gamification

    async def append(self, row: XPTransaction, events: Sequence[Event], to: Any = ()) -> None:
        assert row.state is not None
        await self.profiles.project(row.user_id, row.state)
        await self.inner.append(row, events, to)


class EventsBefore(Behind):
    """Tells the events, then appends the row without them."""

    def __init__(self, inner: AsyncBackends) -> None:
        super().__init__(inner.ledger)
        self.log = inner.events

    async def append(self, row: XPTransaction, events: Sequence[Event], to: Any = ()) -> None:
        await self.log.append(events)
        await self.inner.append(row, ())


class EventsAfter(Behind):
    """Appends the row without its events; they are told afterwards."""

    async def append(self, row: XPTransaction, events: Sequence[Event], to: Any = ()) -> None:
        await self.inner.append(row, ())


class Held(Behind):
    """An event log that holds what it is given until it is let go."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.held: list[Event] = []

    async def append(self, events: Sequence[Event], posting: Any = None) -> Any:
        self.held += events
        return ()

    async def let_go(self) -> None:
        events, self.held = self.held, []
        if events:
            await self.inner.append(events)


class LetsGoAfterTold(Behind):
    def __init__(self, inner: Any, log: Held) -> None:
        super().__init__(inner)
        self.log = log

    async def told(self, rows: Sequence[XPTransaction]) -> None:
        await self.inner.told(rows)
        await self.log.let_go()


class LetsGoAfterProjection(Behind):
    def __init__(self, inner: Any, log: Held) -> None:
        super().__init__(inner)
        self.log = log

    async def project(self, user_id: str, state: Folded, repair: bool = False) -> None:
        await self.inner.project(user_id, state, repair)
        await self.log.let_go()


class NeverTold(Behind):
    """Says that the rows were told, and does not do it."""

    async def append(self, events: Sequence[Event], posting: Any = None) -> Any:
        return ()


def _told_first(backends: AsyncBackends) -> AsyncBackends:
    log: Any = Held(backends.events)
    ledger: Any = LetsGoAfterTold(backends.ledger, log)
    return replace(backends, events=log, ledger=ledger)


def _projected_first(backends: AsyncBackends) -> AsyncBackends:
    log: Any = Held(backends.events)
    profiles: Any = LetsGoAfterProjection(backends.gamification, log)
    return replace(backends, events=log, gamification=profiles)


def _with(**ports: Any) -> Any:
    """Storages with some ports put behind another."""

    def made(backends: AsyncBackends) -> AsyncBackends:
        return replace(backends, **{name: kind(getattr(backends, name)) for name, kind in ports.items()})

    return made


NO_UNIQUE_SEQ = Variant("no unique seq", store=_with(ledger=NoUniqueSeq))
KEY_LOOKED_UP_FIRST = Variant(
    "the key is looked up, then inserted", store=_with(ledger=NoUniqueKey), worker=_with(ledger=LooksOnce)
)
PROFILE_FIRST = Variant(
    "the profile before the row", worker=lambda each: replace(each, ledger=_any(ProfileFirst(each)))
)
LAST_PROFILE_WINS = Variant("the last writer of the profile wins", store=_with(gamification=LastProfileWins))
PROFILE_WRITTEN_WHOLE = Variant(
    "the profile is read and written whole",
    store=_with(gamification=Overwrites),
    worker=_with(gamification=ReadsThenWrites),
)
LAST_SETTINGS_WIN = Variant("the last writer of the settings wins", store=_with(gamification=LastSettingsWin))
EVENTS_BEFORE = Variant(
    "events written before the row", worker=lambda each: replace(each, ledger=_any(EventsBefore(each)))
)
EVENTS_AFTER = Variant("events written after the row", worker=_with(ledger=EventsAfter))
TOLD_FIRST = Variant("the row lets go before the events are told", worker=_told_first)
PROJECTED_FIRST = Variant("the profile goes on before the events are told", worker=_projected_first)
NEVER_TOLD = Variant("the events are never told", worker=_with(events=NeverTold))
LAST_ENTRY_WINS = Variant("the last writer of the board wins", store=_with(leaderboards=LastEntryWins))
EVERY_ENTRY_DECIDES = Variant("any entry decides who is hidden", store=_with(leaderboards=EveryEntryDecides))


def _any(value: Any) -> Any:
    return value
