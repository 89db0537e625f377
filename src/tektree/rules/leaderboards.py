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
    said, settings = row.__dict__, profile.__dict__
    uid, week = settings["uid"], said["week"]
    if uid is None or week is None:
        return ()
    version, hidden = settings["settings_version"], settings["leaderboard_opt_out"]
    return (
        global_entry(profile, uid),
        BoardEntry(_board(week), uid, said["weekly_xp"], said["weekly_reached_at"], said["seq"], version, hidden),
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
