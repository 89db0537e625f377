"""Leaderboards: what a row says of which board, and in which order people stand.

The law: a row belongs to the board of all time and to the board of its own ISO week. Entries are absolute, so writing
one twice or out of order does no harm. Higher scores stand first, then who reached theirs first, then the smaller
uid; who has nothing, or opted out, does not stand at all, and ranks have no gaps. A week's board lasts eight weeks
after the week; then the ledger answers.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final

from tektree.models.events import Event
from tektree.models.gamification import GamificationProfile, XPTransaction
from tektree.models.leaderboards import Board, BoardEntry, Entries
from tektree.models.leaderboards import ranked as standings
from tektree.rules.projections import profile_with

__all__ = ["HEARD", "SETTINGS", "ahead", "entries", "global_entry", "heard", "standings"]

HEARD: Final = ("xp.awarded", "xp.revoked")
"""The types of events that say of rows what boards need."""

SETTINGS: Final = ("leaderboard.opted_in", "leaderboard.opted_out")
"""Those of who is hidden, or is no longer."""


def entries(row: XPTransaction, settings: GamificationProfile) -> Sequence[BoardEntry]:
    """What ``row`` says of the boards, with the settings of the user's profile. Nothing for who has no uid."""
    said, known = row.__dict__, settings.__dict__
    uid, week = known["uid"], said["week"]
    if uid is None or week is None:
        return ()
    version = known["settings_version"]
    return Entries(uid, week, said["seq"], version, (_entries, row, uid, version, known["leaderboard_opt_out"]))


def _entries(row: XPTransaction, uid: str, version: int, hidden: bool) -> tuple[BoardEntry, ...]:
    assert row.state is not None
    assert row.week is not None
    return (
        BoardEntry(Board.GLOBAL, uid, row.state.total_xp, row.state.reached_at, row.seq, version, hidden),
        BoardEntry(_board(row.week), uid, row.weekly_xp, row.weekly_reached_at, row.seq, version, hidden),
    )


def heard(event: Event) -> Sequence[BoardEntry]:
    """What an event of the ledger says of the boards. Nothing of who has no uid, and of what is about no row.

    Of the user's settings it says nothing but their version.
    """
    said = event.payload
    uid = said["user_id"]
    if event.event_type not in HEARD or not uid.startswith("usr_"):
        return ()
    seq, board = said["row_seq"], _board(said["week"])
    return (
        BoardEntry(Board.GLOBAL, uid, said["total_xp"], _instant(said["reached_at"]), seq),
        BoardEntry(board, uid, said["weekly_xp"], _instant(said["weekly_reached_at"]), seq),
    )


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def global_entry(profile: GamificationProfile, uid: str) -> BoardEntry:
    """What ``profile`` says of the board of all time."""
    state = profile.__dict__
    version, hidden = state["settings_version"], state["leaderboard_opt_out"]
    return BoardEntry(Board.GLOBAL, uid, state["total_xp"], state["reached_at"], state["seq"], version, hidden)


@lru_cache(maxsize=64)
def _board(week: str) -> Board:
    return Board(week)


def ahead(profile: GamificationProfile, newest: XPTransaction) -> GamificationProfile:
    """``profile`` as its newest row has it: a profile may lag behind its ledger."""
    return profile if newest.state is None else profile_with(profile, newest.state)
