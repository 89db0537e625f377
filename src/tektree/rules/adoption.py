"""Adoption: profiles that were there before the first ledger row of ours.

The law: such a profile is believed. Its first row of ours carries what was found as its ``opening``, and the fold
starts there. Older rows are history: read and reversible, never folded. Marks and milestones that were had before are
not given again.
"""

from datetime import datetime, timedelta
from typing import Any

from tektree.models.base import made
from tektree.models.gamification import GamificationProfile, Milestone, Opening, Run, Streak
from tektree.policy import Streaks
from tektree.rules.periods import day_of, local_day, ordinal_of

__all__ = ["adopted", "opening_of"]


def adopted(profile: GamificationProfile, policy: Streaks) -> GamificationProfile:
    """``profile`` with what our rules need and the data model does not say: the days that its instants stand for."""
    if profile.seq or opening_of(profile) is None:
        return profile
    fields: dict[str, Any] = {
        **profile.__dict__,
        "day": profile.day or _day_before(profile.daily_xp_reset_at, profile.timezone),
        "streak": _streak(profile.streak, profile.timezone, policy),
        "peak_level": max(profile.peak_level, profile.current_level),
    }
    copy = made(GamificationProfile, fields)
    object.__setattr__(copy, "__pydantic_extra__", profile.__pydantic_extra__)
    return copy


def opening_of(profile: GamificationProfile) -> Opening | None:
    """What the first row of ours has to carry; None for a user who begins with nothing."""
    opening = Opening(
        total_xp=profile.total_xp,
        daily_xp_earned=profile.daily_xp_earned,
        day=profile.day,
        streak=profile.streak,
        achievements=profile.achievements,
        level=max(profile.peak_level, profile.current_level),
    )
    return None if opening == _NOTHING else opening


_NOTHING = Opening()


def _day_before(reset_at: datetime | None, timezone: str) -> str | None:
    """The day whose counter is reset at this instant."""
    return None if reset_at is None else local_day(reset_at - timedelta(milliseconds=1), timezone)


def _streak(streak: Streak, timezone: str, policy: Streaks) -> Streak:
    """A streak that begins as it was found: nothing before its newest date can change it any more."""
    if streak.through is not None or streak.last_activity_at is None:
        return streak
    day = local_day(streak.last_activity_at, timezone)
    started = day_of(ordinal_of(day) - streak.current + 1) if streak.current else None
    run = Run(
        through=day,
        current=streak.current,
        longest=streak.longest,
        freezes=streak.freezes_available,
        day=day,
        started=started,
    )
    had = [Milestone(started=started, length=each) for each in policy.milestones if started and each <= streak.current]
    fields = {**streak.__dict__, "day": day, "started": started, "through": day, "base": run, "paid": tuple(had)}
    return made(Streak, fields)
