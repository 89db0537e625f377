"""Boards over MongoDB are read from profiles and rows. Here entries become those, so that every promise can be asked.

Which entry counts is decided as the port says; how the boards read what is stored then is what is tested.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from bson import ObjectId

from tektree.ids import user_id_of
from tektree.models.leaderboards import Board, BoardEntry
from tektree.wire.collections import GAMIFICATION_PROFILES, XP_TRANSACTIONS

__all__ = ["fed"]


class Fed:
    """A sync board store whose writes land in the collections that its readings come from."""

    def __init__(self, boards: Any, database: Any) -> None:
        self._boards = boards
        self._profiles, self._rows = database[GAMIFICATION_PROFILES], database[XP_TRANSACTIONS]
        self._lock = threading.Lock()
        self._entries: dict[tuple[Board, str], BoardEntry] = {}
        self._settings: dict[str, tuple[int, bool]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._boards, name)

    def put(self, entries: Sequence[BoardEntry], now: datetime) -> None:
        with self._lock:
            for entry in entries:
                self._settle(entry.uid, entry.settings_version, entry.hidden)
                known = self._entries.get((entry.board, entry.uid))
                if known is None or entry.seq >= known.seq:
                    self._entries[entry.board, entry.uid] = entry
            self._store({entry.uid for entry in entries})

    def hide(self, uid: str, settings_version: int, hidden: bool, now: datetime) -> None:
        with self._lock:
            self._settle(uid, settings_version, hidden)
            self._store([uid])

    def _settle(self, uid: str, version: int, hidden: bool) -> None:
        if version > self._settings.get(uid, (0, False))[0]:
            self._settings[uid] = version, hidden

    def _store(self, uids: Iterable[str]) -> None:
        for uid in uids:
            user_id = ObjectId(user_id_of(uid))
            version, hidden = self._settings.get(uid, (0, False))
            profile = {
                "_id": user_id,
                "user_id": user_id,
                "uid": uid,
                "settings_version": version,
                "leaderboard_opt_out": hidden,
            }
            for (board, who), entry in self._entries.items():
                if who == uid and board.week is None:
                    profile |= {"total_xp": entry.score, "reached_at": entry.reached_at, "seq": entry.seq}
                elif who == uid:
                    self._store_week(user_id, entry)
            self._profiles.replace_one({"_id": user_id}, profile, upsert=True)

    def _store_week(self, user_id: ObjectId, entry: BoardEntry) -> None:
        id = f"{entry.uid} {entry.board.week}"
        row = {
            "_id": id,
            "transaction_id": id,
            "key": id,
            "user_id": user_id,
            "week": entry.board.week,
            "seq": (hash(entry.board) & 0xFFFFF) * 100 + entry.seq + 1,
            "weekly_xp": entry.score,
            "weekly_reached_at": entry.reached_at,
        }
        self._rows.replace_one({"_id": id}, row, upsert=True)


class AsyncFed(Fed):
    """The same, awaited."""

    async def put(self, entries: Sequence[BoardEntry], now: datetime) -> None:  # type: ignore[override]
        super().put(entries, now)

    async def hide(self, uid: str, settings_version: int, hidden: bool, now: datetime) -> None:  # type: ignore[override]
        super().hide(uid, settings_version, hidden, now)


def fed(backends: Any, database: Any, is_async: bool) -> Any:
    """``backends`` with boards that can be written to, through ``database``, which is a sync one."""
    boards: Any = (AsyncFed if is_async else Fed)(backends.leaderboards, database)
    return replace(backends, leaderboards=boards)
