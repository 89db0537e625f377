"""Profiles and the ledger in dictionaries: the same protocol as on a server, under one lock."""

import threading
from bisect import bisect_right, insort
from collections.abc import Sequence
from datetime import datetime

from tektree.errors import Stale, Taken
from tektree.models.base import made
from tektree.models.events import Event, Posted, Recipients, Told
from tektree.models.gamification import Committed, Folded, GamificationProfile, WeekSum, XPTransaction
from tektree.models.leaderboards import Board, BoardEntry

__all__ = ["AsyncMemoryGamification", "AsyncMemoryLedger"]

_FOLDED = frozenset(Folded.model_fields)
_NOTHING: tuple[Sequence[Event], Sequence[Recipients]] = (), ()


class AsyncMemoryGamification:
    """Profiles in a dictionary. What it holds and gives out is frozen, so nothing leaks."""

    def __init__(self, lock: "threading.Lock | None" = None) -> None:
        self._lock = lock or threading.Lock()
        self._profiles: dict[str, GamificationProfile] = {}
        self._by_uid: dict[str, str] = {}
        self._order: list[str] = []
        self._outboxes: dict[str, list[Posted]] = {}

    async def enroll(self, profile: GamificationProfile) -> GamificationProfile:
        with self._lock:
            user_id = self._by_uid.get(profile.uid or "", profile.user_id)
            stored = self._profiles.get(user_id)
            if stored is not None:
                return stored
            self._profiles[profile.user_id] = profile
            if profile.uid is not None:
                self._by_uid[profile.uid] = profile.user_id
            insort(self._order, profile.user_id)
            return profile

    async def profile(self, user_id: str) -> GamificationProfile | None:
        return self._profiles.get(user_id)

    async def project(self, user_id: str, state: Folded, repair: bool = False) -> None:
        with self._lock:
            self.bring(user_id, state, repair)

    def bring(self, user_id: str, state: Folded, repair: bool = False) -> None:
        """As ``project``, for who holds the lock."""
        stored = self._profiles.get(user_id)
        if stored is not None and stored.seq < state.seq + repair:
            self._profiles[user_id] = made(GamificationProfile, stored.__dict__ | state.__dict__)

    async def by_uid(self, uid: str) -> GamificationProfile | None:
        user_id = self._by_uid.get(uid)
        return None if user_id is None else self._profiles[user_id]

    async def swap(
        self,
        old: GamificationProfile,
        new: GamificationProfile,
        events: Sequence[Event] = (),
        to: Sequence[Recipients] = (),
    ) -> None:
        with self._lock:
            stored = self._profiles.get(old.user_id)
            if stored is None or stored.settings_version != old.settings_version:
                raise Stale("profile", old.user_id)
            settings = {name: value for name, value in new.__dict__.items() if name not in _FOLDED}
            fields = {**stored.__dict__, **settings, "updated_at": max(stored.updated_at, new.updated_at)}
            self._profiles[old.user_id] = made(GamificationProfile, fields)
            if events:
                left = [Posted(event, to[at] if to else ()) for at, event in enumerate(events)]
                self._outboxes.setdefault(old.user_id, []).extend(left)

    async def outbox(self, user_id: str) -> Sequence[Posted]:
        with self._lock:
            return list(self._outboxes.get(user_id, ()))

    async def told(self, user_id: str, event_ids: Sequence[str]) -> None:
        with self._lock:
            left = [each for each in self._outboxes.pop(user_id, ()) if each.event.event_id not in event_ids]
            if left:
                self._outboxes[user_id] = left

    async def unfinished(self, limit: int) -> Sequence[str]:
        with self._lock:
            return list(self._outboxes)[:limit]

    async def users(self, after: str | None, limit: int) -> Sequence[str]:
        with self._lock:
            start = 0 if after is None else bisect_right(self._order, after)
            return self._order[start : start + limit]

    async def count(self) -> int:
        return len(self._profiles)


class AsyncMemoryLedger:
    """The ledger in one list per user; a row's place is its ``seq`` − 1, because there are no gaps."""

    def __init__(self, profiles: AsyncMemoryGamification, lock: "threading.Lock | None" = None) -> None:
        self._lock = lock or threading.Lock()
        self._profiles = profiles
        self._rows: dict[str, list[XPTransaction]] = {}
        self._by_id: dict[str, XPTransaction] = {}
        self._outbox: dict[str, tuple[Sequence[Event], Sequence[Recipients]]] = {}
        self._linked: dict[str, XPTransaction] = {}
        self._days: dict[tuple[str, str], XPTransaction] = {}
        self._weeks: dict[str, dict[str, XPTransaction]] = {}
        self._unread: list[XPTransaction] = []
        """Rows that are not in the two above yet: few ask for days and weeks."""

    async def append(self, row: XPTransaction, events: Sequence[Event], to: Sequence[Recipients] = ()) -> None:
        with self._lock:
            self.add(row, events, to)

    def add(self, row: XPTransaction, events: Sequence[Event], to: Sequence[Recipients] = ()) -> None:
        """As ``append``, for who holds the lock."""
        said, left = row.__dict__, (events if type(events) is Told else tuple(events), to)
        id, user_id, link = said["transaction_id"], said["user_id"], said["reverses"] or said["restores"]
        rows = self._rows.setdefault(user_id, [])
        if id in self._by_id:
            raise Taken("key")
        if said["seq"] != len(rows) + 1:
            raise Stale("ledger", user_id)
        self._by_id[id] = row
        self._outbox[id] = left
        if link:
            self._linked[link] = row
        rows.append(row)
        self._unread.append(row)

    def _read(self) -> None:
        """Brings days and weeks up to date."""
        for row in self._unread:
            if row.day and row.week:
                self._days[row.user_id, row.day] = row
                self._weeks.setdefault(row.week, {})[row.user_id] = row
        self._unread.clear()

    async def told(self, rows: Sequence[XPTransaction]) -> None:
        with self._lock:
            for row in rows:
                self.let_go(row)

    def let_go(self, row: XPTransaction) -> None:
        """As ``told``, of one row, for who holds the lock."""
        self._outbox.pop(row.transaction_id, None)

    async def row(self, transaction_id: str) -> XPTransaction | None:
        return self._by_id.get(transaction_id)

    async def tail(self, user_id: str, seq: int, limit: int) -> Sequence[Committed]:
        with self._lock:
            rows = self._rows.get(user_id, [])[seq : seq + limit]
            return [Committed(row, *self._outbox.get(row.transaction_id, _NOTHING)) for row in rows]

    async def unfinished(self, limit: int) -> Sequence[Committed]:
        with self._lock:
            found = [(self._by_id[id], left) for id, left in self._outbox.items() if left[0]]
        found.sort(key=lambda each: (each[0].user_id, each[0].seq))
        return [Committed(row, *left) for row, left in found[:limit]]

    async def rows(self, user_id: str, after: int, limit: int) -> Sequence[XPTransaction]:
        with self._lock:
            return self._rows.get(user_id, [])[after : after + limit]

    async def history(self, user_id: str, before: int | None, limit: int) -> Sequence[XPTransaction]:
        with self._lock:
            rows = self._rows.get(user_id, [])
            end = len(rows) if before is None else min(before - 1, len(rows))
            return rows[max(0, end - limit) : max(0, end)][::-1]

    async def older(self, user_id: str, before: tuple[datetime, str] | None, limit: int) -> Sequence[XPTransaction]:
        return []  # nothing was here before us

    async def linked(self, user_id: str, transaction_id: str) -> XPTransaction | None:
        return self._linked.get(transaction_id)

    async def used(self, user_id: str, day: str) -> int:
        with self._lock:
            self._read()
            row = self._days.get((user_id, day))
        return row.daily_total if row else 0

    async def week(self, user_id: str, week: str) -> WeekSum:
        with self._lock:
            self._read()
            row = self._weeks.get(week, {}).get(user_id)
        return WeekSum(row.weekly_xp, row.weekly_reached_at) if row else WeekSum()

    async def standings(self, week: str) -> Sequence[BoardEntry]:
        with self._lock:
            self._read()
            rows = list(self._weeks.get(week, {}).values())
        found = [(row, await self._profiles.profile(row.user_id)) for row in rows]
        return [_entry(row, profile) for row, profile in found if profile is not None and profile.uid is not None]


def _entry(row: XPTransaction, profile: GamificationProfile) -> BoardEntry:
    return BoardEntry(
        Board(row.week),
        profile.uid or "",
        row.weekly_xp,
        row.weekly_reached_at,
        row.seq,
        profile.settings_version,
        profile.leaderboard_opt_out,
    )
