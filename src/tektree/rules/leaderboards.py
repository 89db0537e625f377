"""Leaderboards: what a row says of which board, and in which order people stand.

The law: a row belongs to the board of all time and to the board of its own ISO week. Entries are absolute, so writing
one twice or out of order does no harm. Higher scores stand first, then who reached theirs first, then the smaller
uid; who has nothing, or opted out, does not stand at all, and ranks have no gaps. A week's board lasts eight weeks
after the week; then the ledger answers.
"""

from functools import lru_cache

from tektree.models.gamification import GamificationProfile, XPTransaction
from tektree.models.leaderboards import Board, BoardEntry
from tektree.models.leaderboards import ranked as standings
from tektree.rules.projections import profile_with

__all__ = ["ahead", "entries", "global_entry", "standings"]


def entries(row: XPTransaction, profile: GamificationProfile) -> tuple[BoardEntry, ...]:
    """What ``row`` says of the boards, ``profile`` being the user's state after it. Nothing for who has no uid."""
    if profile.uid is None or row.week is None:
        return ()
    version, hidden = profile.settings_version, profile.leaderboard_opt_out
    week = BoardEntry(_board(row.week), profile.uid, row.weekly_xp, row.weekly_reached_at, row.seq, version, hidden)
    return global_entry(profile, profile.uid), week


def global_entry(profile: GamificationProfile, uid: str) -> BoardEntry:
    """What ``profile`` says of the board of all time."""
    return BoardEntry(
        Board.GLOBAL,
        uid,
        profile.total_xp,
        profile.reached_at,
        profile.seq,
        profile.settings_version,
        profile.leaderboard_opt_out,
    )


@lru_cache(maxsize=64)
def _board(week: str) -> Board:
    return Board(week)


def ahead(profile: GamificationProfile, newest: XPTransaction) -> GamificationProfile:
    """``profile`` as its newest row has it: a profile may lag behind its ledger."""
    return profile if newest.state is None else profile_with(profile, newest.state)
