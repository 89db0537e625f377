"""Leaderboards: what a row says of which board, and in which order people stand.

The law: a row belongs to the board of all time and to the board of its own ISO week. Entries are absolute, so writing
one twice or out of order does no harm. Higher scores stand first, then who reached theirs first, then the smaller
uid; who has nothing, or opted out, does not stand at all, and ranks have no gaps. A week's board lasts eight weeks
after the week; then the ledger answers.
"""

from collections.abc import Sequence
from functools import lru_cache

from tektree.models.gamification import GamificationProfile, XPTransaction
from tektree.models.leaderboards import Board, BoardEntry, Entries
from tektree.models.leaderboards import ranked as standings
from tektree.rules.projections import profile_with

__all__ = ["ahead", "entries", "global_entry", "standings"]


def entries(row: XPTransaction, settings: GamificationProfile) -> Sequence[BoardEntry]:
    """What ``row`` says of the boards, with the settings of the user's profile. Nothing for who has no uid."""
    said, known = row.__dict__, settings.__dict__
    uid, week = known["uid"], said["week"]
    if uid is None or week is None:
        return ()
    version = known["settings_version"]
    return Entries(uid, week, said["seq"], version, _entries, (row, uid, version, known["leaderboard_opt_out"]))


def _entries(row: XPTransaction, uid: str, version: int, hidden: bool) -> tuple[BoardEntry, ...]:
    assert row.state is not None
    assert row.week is not None
    return (
        BoardEntry(Board.GLOBAL, uid, row.state.total_xp, row.state.reached_at, row.seq, version, hidden),
        BoardEntry(_board(row.week), uid, row.weekly_xp, row.weekly_reached_at, row.seq, version, hidden),
    )


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
