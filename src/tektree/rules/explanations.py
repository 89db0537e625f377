"""Why an award came out as it did, in words and numbers.

Of a row it is said from the row alone, of a denial from what was asked.
"""

from datetime import datetime
from typing import Any, Final

from tektree.models.base import INT53, Frozen
from tektree.models.gamification import AwardRequest, Explanation, Reason, StreakEffect, XPTransaction
from tektree.rules.periods import day_end

__all__ = ["of_denial", "of_row"]

_WHY: Final = {
    Reason.COOLDOWN: "the source rests between two awards",
    Reason.SOURCE_MAX: "the source gives no more than that",
    Reason.SELF_ACTION: "nobody earns by acting on their own",
    Reason.NON_REPEATABLE: "the source gives once per user, and it has",
    Reason.LEVEL_CAP: "the source gives only up to a level",
    Reason.EXCLUDED: "the source is switched off",
    Reason.FUTURE_EVENT: "it has not happened yet",
}


def of_row(row: XPTransaction) -> Explanation:
    """Why ``row`` holds what it holds. Nothing but the row is asked, so it is the same at any later time."""
    resets = day_end(row.day, row.timezone) if row.day and row.timezone else None
    facts = {
        "source": row.source,
        "asked": row.asked,
        "requested": row.requested,
        "granted": row.amount,
        "day": row.day,
        "daily_total": row.daily_total,
        "daily_cap": None if row.daily_cap == INT53 else row.daily_cap,
        "room_taken": row.room,
        "resets_at": resets.isoformat() if resets else None,
        "reason": row.reason,
        "policy": row.policy_version,
    }
    return Explanation(text=" ".join(_sentences(row, resets)), facts=Frozen(facts))


def of_denial(request: AwardRequest, reason: Reason, again_at: datetime | None) -> Explanation:
    """Why ``request`` got no row, and when it would get one."""
    when = f" It can be tried again at {again_at.isoformat()}." if again_at else ""
    facts: dict[str, Any] = {
        "source": request.source,
        "asked": request.amount,
        "reason": reason,
        "again_at": again_at.isoformat() if again_at else None,
    }
    return Explanation(
        text=f"{request.source}: denied, {_WHY[reason]}. Nothing was written.{when}", facts=Frozen(facts)
    )


def _sentences(row: XPTransaction, resets: datetime | None) -> list[str]:
    said = [f"{row.source}: {_main(row)}."]
    if row.reason is Reason.DAILY_CAP:
        had = max(0, row.daily_cap - row.daily_total + row.room)
        when = f"; it resets at {resets.isoformat()}" if resets else ""
        said.append(f"The cap of {row.daily_cap} XP for {row.day} had room for {had}{when}.")
    elif row.room > 0 and row.daily_cap != INT53:
        said.append(f"{row.daily_total} of {row.daily_cap} XP are earned for {row.day}.")
    effect = row.streak
    if effect is not None and not effect.counted:
        said.append(f"Its date, {effect.day}, is too far in the past to count for the streak.")
    elif effect is not None:
        said += _streak(effect)
    if row.unlocked:
        said.append(f"Unlocked: {', '.join([each.id for each in row.unlocked])}.")
    return said


def _streak(effect: StreakEffect) -> list[str]:
    said = []
    if effect.spent:
        said.append(
            f"{_days(effect.spent)} cost a freeze each."
            if len(effect.spent) > 1
            else f"{_days(effect.spent)} cost a freeze."
        )
    if effect.broke:
        said.append(f"The streak of {effect.broke} had ended.")
    if effect.returned:
        said.append(f"The freeze{_s(len(effect.returned))} of {_days(effect.returned)} came back.")
    said.append(f"The streak is {effect.current}.")
    if effect.earned:
        said.append("It earned a freeze." if effect.earned == 1 else f"It earned {effect.earned} freezes.")
    if effect.milestones:
        said.append(
            f"It reached the milestone of {' and '.join([str(each.length) for each in effect.milestones])} days."
        )
    return said


def _days(days: tuple[str, ...]) -> str:
    return " and ".join(days) if len(days) < 4 else f"{days[0]} to {days[-1]}"


def _main(row: XPTransaction) -> str:
    if row.reverses:
        back = f", and {-row.room} of the day's room came back" if row.room else ""
        return f"{row.amount:+d} XP, which takes back {row.reverses}{back}"
    if row.restores:
        return f"{row.amount:+d} XP, which puts {row.restores} in force again"
    if row.source == "freezes_granted":
        granted = row.streak.granted if row.streak else 0
        return (
            f"{granted} of {row.asked} freeze{_s(row.asked or 0)}, as many as there was room for"
            if granted != row.asked
            else f"{granted} freeze{_s(granted)}"
        )
    if row.requested is not None:
        return f"{row.requested} XP asked, {row.amount} granted"
    return f"{row.amount} XP granted" if row.amount else "no XP"


def _s(count: int) -> str:
    return "" if count == 1 else "s"
