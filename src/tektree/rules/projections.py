"""Projections: a user's state as the sum of their ledger.

The law: ``fold(rows)`` repeats the decisions that stand on the rows, in the order of ``seq``, and asks no policy, no
calendar and no clock again; only levels are computed from the current curve. Whatever happened, ``fold(ledger)``
equals what the profile keeps. Rows without a ``seq`` are history of an adopted ledger and are not folded.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from tektree.models.base import INT53, Frozen, made
from tektree.models.gamification import (
    Counter,
    Divergence,
    Folded,
    GamificationProfile,
    Opening,
    Streak,
    Unlock,
    XPTransaction,
)
from tektree.policy import RESERVED, Policy
from tektree.rules import streaks
from tektree.rules.levels import Curve, curve_of
from tektree.rules.periods import day_end, local_day

__all__ = [
    "START",
    "as_of",
    "compared",
    "fold",
    "following",
    "once_more",
    "opened",
    "profile_with",
    "row_divergence",
    "step",
    "unlocked",
    "xp_to_second_level",
]

START: Final = Folded()
"""A user without a row."""

_BLANK: Final = START.__dict__
"""Copied and filled in, which takes half the time of a display of so many fields."""

_LEVEL_FIELDS: Final = frozenset({"current_level", "xp_to_next_level", "peak_level"})
"""What depends on today's curve, and so may differ from what a row says of its own day."""

_SETTINGS: Final = frozenset({"updated_at"})
"""Told apart by settings too, which are not in the ledger."""


def fold(rows: Iterable[XPTransaction], policy: Policy | None = None) -> Folded:
    """The state that the ``rows`` of one user add up to. Their order does not matter; their ``seq`` does.

    >>> fold([]).total_xp
    0
    """
    state = START
    for row in sorted([row for row in rows if row.seq], key=lambda row: row.seq):
        state = step(state, row, policy)
    return state


def step(state: Folded, row: XPTransaction, policy: Policy | None = None) -> Folded:
    """``state`` after one more row."""
    levels = (policy or _DEFAULT).levels
    fields = opened(state.__dict__, row.opening, row.timezone or "UTC") if row.opening else state.__dict__
    return made(Folded, following(fields, row.__dict__, curve_of(levels), levels.down == "high_water"))


_DEFAULT: Final = Policy()


def xp_to_second_level(policy: Policy) -> int:
    """What a user who has nothing is told to be missing."""
    return curve_of(policy.levels).xp_to_next(0)


def opened(state: Mapping[str, Any], opening: Opening, timezone: str) -> Mapping[str, Any]:
    """``state`` as an adopted profile had it before its first row of ours."""
    return {
        **state,
        "total_xp": opening.total_xp,
        "daily_xp_earned": opening.daily_xp_earned,
        "daily_xp_reset_at": day_end(opening.day, timezone) if opening.day else None,
        "day": opening.day,
        "streak": opening.streak,
        "achievements": opening.achievements,
        "peak_level": opening.level,
    }


def following(state: Mapping[str, Any], row: Mapping[str, Any], curve: Curve, high_water: bool) -> dict[str, Any]:
    """The fields of a state after ``row``. Award and fold both come here, so they cannot part."""
    total = state["total_xp"] + row["amount"]
    peak = state["peak_level"]
    level, missing = _level(peak, total, curve, high_water)
    linked = row["reverses"] is not None or row["restores"] is not None
    day, earned, reset_at = _daily(state, row, linked)
    week, weekly_xp, weekly_reached_at = _weekly(state, row, linked)
    after = _BLANK.copy()
    after["total_xp"] = total
    after["current_level"] = level
    after["xp_to_next_level"] = missing
    after["daily_xp_earned"] = earned
    after["daily_xp_reset_at"] = reset_at
    after["streak"] = _streak(state["streak"], row)
    after["achievements"] = state["achievements"]
    after["updated_at"] = row["recorded_at"] or row["timestamp"]
    after["seq"] = row["seq"]
    after["event_seq"] = state["event_seq"] + row["told"]
    after["day"] = day
    after["week"] = week
    after["weekly_xp"] = weekly_xp
    after["reached_at"] = row["reached_at"] if linked else row["timestamp"] if row["amount"] else state["reached_at"]
    after["weekly_reached_at"] = weekly_reached_at
    after["counters"] = state["counters"] if linked else _counted(state["counters"], row)
    after["unlocked"] = state["unlocked"]
    after["owed"] = state["owed"]
    after["peak_level"] = peak if peak > level else level
    if row["unlocked"] or row["lost"] or row["owes"] or row["pays"]:
        settled(after, row)
    return after


def settled(after: dict[str, Any], row: Mapping[str, Any]) -> None:
    """What a row unlocks, takes away, makes due and pays."""
    known = {each.id for each in after["unlocked"]}
    gained = [each.id for each in row["unlocked"] if each.id not in after["achievements"]]
    after["achievements"] = tuple([id for id in (*after["achievements"], *gained) if id not in row["lost"]])
    after["unlocked"] = (*after["unlocked"], *[each for each in row["unlocked"] if each.id not in known])
    after["owed"] = tuple([each for each in (*after["owed"], *row["owes"]) if each.key != row["pays"]])


def _level(peak: int, total: int, curve: Curve, high_water: bool) -> tuple[int, int]:
    level, missing = curve.place(total if total > 0 else 0)
    if high_water and level < peak:
        last = curve.top is not None and peak >= curve.top
        return peak, 0 if last else min(INT53, curve.threshold(peak + 1) - max(0, total))
    return level, missing


def _daily(state: Mapping[str, Any], row: Mapping[str, Any], linked: bool) -> tuple[str, int, datetime | None]:
    """The cap's day, its room taken and its end. A reversal or restore is booked to the award's day, which may be over.

    It bears the award's time zone, which may not be the user's any more: the day's end stays as it is.
    """
    if linked:
        earned = state["daily_xp_earned"] + (row["room"] if row["day"] == state["day"] else 0)
        return state["day"], earned, state["daily_xp_reset_at"]
    if row["day"] == state["day"]:
        return row["day"], state["daily_xp_earned"] + row["room"], day_end(row["day"], row["timezone"])
    return row["day"], row["room"], day_end(row["day"], row["timezone"])


def _weekly(state: Mapping[str, Any], row: Mapping[str, Any], linked: bool) -> tuple[str, int, datetime | None]:
    """The week, its XP and when that was reached, in the same way."""
    if row["week"] == state["week"]:
        return row["week"], state["weekly_xp"] + row["amount"], row["weekly_reached_at"]
    if linked:
        return state["week"], state["weekly_xp"], state["weekly_reached_at"]
    return row["week"], row["amount"], row["weekly_reached_at"]


def _streak(streak: Streak, row: Mapping[str, Any]) -> Streak:
    if row["activity"]:
        return streaks.applied(streak, row["streak"], row["timestamp"])
    if row["source"] == "freezes_granted" and not row["reverses"]:
        return streaks.applied(streak, row["streak"], row["timestamp"], row["asked"])
    return streak


def _counted(counters: Frozen[str, Counter], row: Mapping[str, Any]) -> Frozen[str, Counter]:
    source = row["source"]
    if source in RESERVED:
        return counters
    found, at, day = counters.get(source), row["timestamp"], row["day"]
    if found is None:
        return counters.having(source, made(Counter, {"count": 1, "today": 1, "day": day, "last_at": at}))
    return counters.having(source, once_more(found, day, at))


def once_more(counter: Counter, day: str, at: datetime) -> Counter:
    """``counter`` after one more award of its source."""
    old = counter.__dict__
    today, last = old["today"] + 1 if old["day"] == day else 1, old["last_at"]
    fields = {"count": old["count"] + 1, "today": today, "day": day, "last_at": at if at > last else last}
    return made(Counter, fields)


def profile_with(profile: GamificationProfile, state: Folded) -> GamificationProfile:
    """``profile`` with the folded fields of ``state``; its settings stay."""
    copy = made(GamificationProfile, profile.__dict__ | state.__dict__)
    if profile.__pydantic_extra__:
        object.__setattr__(copy, "__pydantic_extra__", profile.__pydantic_extra__)
    return copy


def as_of(profile: GamificationProfile, now: datetime, policy: Policy) -> GamificationProfile:
    """``profile`` as it is to be shown at ``now``: a day that is over shows 0, and the streak is evaluated."""
    local = local_day(now, profile.timezone)
    paused = streaks.paused_dates(profile.timezone, profile.skipped_dates)
    streak = streaks.as_of(profile.streak, max(local, profile.streak.day or ""), policy.streaks, paused)
    today = max(local, profile.day or "")  # the cap's day, which may be later than the streak's
    resets_at = day_end(today, profile.timezone)  # after a move, not where the day began
    if profile.day == today and streak is profile.streak and profile.daily_xp_reset_at == resets_at:
        return profile
    fields = {**profile.__dict__, "streak": streak, "daily_xp_reset_at": resets_at}
    if profile.day != today:
        fields["daily_xp_earned"] = 0
    copy = made(GamificationProfile, fields)
    object.__setattr__(copy, "__pydantic_extra__", profile.__pydantic_extra__)
    return copy


def row_divergence(before: Folded, row: XPTransaction, expected: Folded) -> Divergence | None:
    """Where ``row`` says something else than the rows up to it add up to.

    None when it agrees. ``before`` is the state it found.
    """
    if row.seq != before.seq + 1:
        return _divergence(row, "seq", before.seq + 1, row.seq)
    if row.state is None:
        return _divergence(row, "state", "the state after the row", None)
    if row.day == expected.day and row.daily_total != expected.daily_xp_earned:
        return _divergence(row, "daily_total", expected.daily_xp_earned, row.daily_total)
    field = _differing(expected, row.state, _LEVEL_FIELDS)
    return _divergence(row, f"state.{field}", getattr(expected, field), getattr(row.state, field)) if field else None


def compared(expected: Folded, profile: GamificationProfile) -> Divergence | None:
    """Where ``profile`` says something else than its ledger; None when it agrees."""
    field = _differing(expected, profile, _SETTINGS)
    if field is None:
        return None
    return Divergence(
        seq=expected.seq, field=field, expected=str(getattr(expected, field)), found=str(getattr(profile, field))
    )


def _differing(expected: Folded, found: Folded, left_out: frozenset[str]) -> str | None:
    ours, theirs = expected.__dict__, found.__dict__
    names = [name for name in Folded.model_fields if name not in left_out and ours[name] != theirs[name]]
    return min(names, key=list(Folded.model_fields).index) if names else None


def _divergence(row: XPTransaction, field: str, expected: object, found: object) -> Divergence:
    return Divergence(
        transaction_id=row.transaction_id, seq=row.seq, field=field, expected=str(expected), found=str(found)
    )


def unlocked(ids: Iterable[str], at: datetime, dated: Mapping[str, datetime]) -> tuple[Unlock, ...]:
    """``ids`` with the time at which their conditions came true."""
    return tuple([Unlock(id=id, at=dated.get(id, at)) for id in ids])
