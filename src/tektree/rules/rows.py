"""Rows of the ledger: how one begins, and what follows from it before it is finished.

Whatever is asked for, a row is made in one order: what it says itself; the totals, the level and the streak after it;
achievements that change; what it makes due; its events. It carries the state after it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from tektree.errors import InvalidInput
from tektree.ids import transaction_id
from tektree.models.base import INT53, made
from tektree.models.events import Event
from tektree.models.gamification import (
    EntityRef,
    Folded,
    GamificationProfile,
    Outcome,
    Owed,
    Reason,
    StreakEffect,
    XPTransaction,
)
from tektree.policy import Policy
from tektree.rules import achievements, adoption, announcements, projections
from tektree.rules.levels import curve_of
from tektree.rules.periods import iso_week

__all__ = ["BLANK", "GRANTED", "Decision", "begun", "entered"]

GRANTED: Final = Outcome.GRANTED
"""Looked up once: before Python 3.12 members are not found quickly."""


class Decision(NamedTuple):
    """What is to be written for who was as ``before``: ``row`` with its ``events``. Denied: no row, and ``reason``.

    ``earlier`` are achievements that were due before this row; where their dates matter, decide again with ``dated``.
    """

    outcome: Outcome
    before: GamificationProfile
    row: XPTransaction | None = None
    events: Sequence[Event] = ()
    reason: Reason | None = None
    again_at: datetime | None = None
    earlier: tuple[str, ...] = ()

    @property
    def profile(self) -> GamificationProfile:
        """The profile as it is after."""
        return self.after()

    def after(self) -> GamificationProfile:
        """The same, to be called when it is looked at."""
        row = self.row
        return self.before if row is None or row.state is None else projections.profile_with(self.before, row.state)


BLANK: Final[dict[str, Any]] = {name: field.get_default() for name, field in XPTransaction.model_fields.items()}
"""A row that says nothing. To copy it and fill it in takes a third of the time of a display of so many fields."""


def begun(
    profile: GamificationProfile,
    policy: Policy,
    now: datetime,
    *,
    source: str,
    key: str,
    at: datetime,
    day: str,
    amount: int = 0,
    requested: int | None = None,
    asked: int | None = None,
    room: int = 0,
    reason: Reason | None = None,
    about: EntityRef | None = None,
    activity: bool = False,
    effect: StreakEffect | None = None,
    used: int = 0,
    origin: XPTransaction | None = None,
) -> dict[str, Any]:
    """The fields of a row that says this much; what follows from it is filled in behind.

    ``used`` is what the day holds if it is another than the profile's. ``origin``: whose cap and time zone it bears.
    """
    id, week = transaction_id(profile.user_id, key), iso_week(day)
    state = profile.__dict__
    cap = policy.xp.cap(state["tier"])
    this_week = week == state["week"]
    used = state["daily_xp_earned"] if day == state["day"] else used
    reached, weekly_reached = state["reached_at"], state["weekly_reached_at"] if this_week else None
    row = BLANK.copy()
    row["id"] = id[7:]
    row["transaction_id"] = id
    row["user_id"] = state["user_id"]
    row["amount"] = amount
    row["source"] = source
    if about:
        row["related_entity_type"], row["related_entity_id"] = about.type, about.id
    row["daily_total"] = used + room
    row["daily_cap"] = origin.daily_cap if origin else INT53 if cap is None else cap
    row["timestamp"] = at
    row["recorded_at"] = now
    row["requested"] = requested
    row["asked"] = asked
    row["reason"] = reason
    row["key"] = key
    row["day"] = day
    row["timezone"] = origin.timezone if origin and origin.timezone else state["timezone"]
    row["week"] = week
    row["seq"] = state["seq"] + 1
    row["policy_version"] = policy.version
    row["room"] = room
    row["weekly_xp"] = (state["weekly_xp"] if this_week else 0) + amount
    row["weekly_reached_at"] = at if amount else weekly_reached
    row["reached_at"] = at if amount else reached
    row["reached_before"] = reached
    row["weekly_reached_before"] = weekly_reached
    row["activity"] = activity
    row["streak"] = effect
    if not state["seq"]:
        row["opening"] = adoption.opening_of(profile)
    return row


def entered(
    profile: GamificationProfile, row: dict[str, Any], policy: Policy, dated: Mapping[str, datetime]
) -> Decision:
    """What follows from ``row``, which is finished here."""
    levels, state = policy.levels, profile.__dict__
    total, weekly = state["total_xp"] + row["amount"], row["weekly_xp"]
    if not (-INT53 <= total <= INT53 and -INT53 <= weekly <= INT53 and row["daily_total"] <= INT53):
        raise InvalidInput("amount", "would take the total, the week's or the day's past 2**53")
    found = projections.opened(state, row["opening"], row["timezone"]) if row["opening"] else state
    after = projections.following(found, row, curve_of(levels), levels.down == "high_water")
    folded = made(Folded, after)  # its fields are this very dict, which is finished below
    changes = achievements.changes(policy.achievements, profile, folded)
    if changes is not achievements.NONE:
        row["unlocked"] = projections.unlocked(changes.gained, row["timestamp"], dated)
        row["lost"] = changes.lost
    row["owes"] = owes = _owes(profile, row, after, policy)
    if owes or row["unlocked"] or row["lost"]:
        projections.settled(after, row)
    also = announcements.also(profile, row, after, policy, changes.earlier)
    row["told"] = told = 1 + len(also)
    after["event_seq"] += told
    row["state"] = folded
    written, reason = made(XPTransaction, row), row["reason"]
    return Decision(
        GRANTED if reason is None else Outcome.CLAMPED,
        profile,
        written,
        announcements.told(profile, written, also, policy.events.producer_id),
        reason,
        None,
        tuple([id for id in changes.earlier if id not in dated]) if changes.earlier else (),
    )


def _owes(profile: GamificationProfile, row: dict[str, Any], after: dict[str, Any], policy: Policy) -> tuple[Owed, ...]:
    """What a row makes due: milestones of the streak, achievements that carry XP, levels that have a reward."""
    effect = row["streak"]
    if effect is None and not row["unlocked"] and after["peak_level"] == profile.peak_level:
        return ()
    due: list[tuple[str, str, int, EntityRef]] = []
    milestone = policy.xp.sources.get("streak_milestone")
    if effect is not None and effect.milestones and milestone is not None and milestone.enabled and milestone.amount:
        for each in effect.milestones:
            ref = EntityRef("streak", f"{each.started}:{each.length}")
            due.append((f"~streak_milestone:{ref.id}", "streak_milestone", milestone.amount, ref))
    if row["unlocked"]:
        known = {each.id for each in profile.unlocked}
        for each in row["unlocked"]:
            xp = achievements.xp_of(policy.achievements, each.id) if each.id not in known else 0
            if xp:
                ref = EntityRef("achievement", each.id)
                due.append((f"~achievement_unlocked:{each.id}", "achievement_unlocked", xp, ref))
    if policy.levels.rewards and after["peak_level"] > profile.peak_level:
        for level, xp in policy.levels.rewards.items():
            if profile.peak_level < level <= after["peak_level"]:
                due.append((f"~level_reward:{level}", "level_reward", xp, EntityRef("level", str(level))))
    return tuple(
        [Owed(key=key, source=source, amount=xp, about=ref, at=row["timestamp"]) for key, source, xp, ref in due]
    )
