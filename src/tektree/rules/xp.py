"""XP: what an award, a reversal or a restore comes to.

The law, in one order without exceptions: amount for the source → abuse checks → multiply → round once → clamp to the
room that the day has left → the row → totals, level, streak, achievements → events. The result is a row that carries
the state after it. The caller commits that row as it is, or, when somebody was faster, asks again with the state that
is newer.

- ``0 ≤ used(day) ≤ cap`` after every row, and what is granted is ``min(requested, cap − used)``, never negative.
- The cap's day is the local date of the fact and never moves back: neither a clock nor a change of zone gives a
  second cap.
- A reversal takes off what a row has in force; it gives room back only on the row's own day. With nothing in between,
  a restore leaves everything as if nothing had been reversed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from math import prod
from typing import Any

from tektree.errors import InvalidInput
from tektree.ids import transaction_id
from tektree.models.base import INT53, Frozen
from tektree.models.gamification import (
    AwardRequest,
    EntityRef,
    GamificationProfile,
    Outcome,
    Owed,
    Reason,
    StreakEffect,
    XPTransaction,
)
from tektree.policy import XP, Policy, Source
from tektree.rules import everyday, streaks
from tektree.rules.periods import day_end, iso_week, local_day
from tektree.rules.rows import Decision, begun, entered

__all__ = [
    "Decision",
    "LinkRequest",
    "Standing",
    "activity",
    "activity_key",
    "award",
    "day_of_row",
    "freezes",
    "key_of",
    "link_key",
    "payout",
    "restore",
    "reverse",
    "source_of",
    "week_of_row",
]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an award stands: its row, the newest row that links it, and what its own day and week hold."""

    row: XPTransaction
    linked: XPTransaction | None = None
    used: int = 0
    """``daily_total`` of the last row of the award's day."""
    weekly_xp: int = 0
    weekly_reached_at: datetime | None = None

    @property
    def reversed(self) -> bool:
        """Whether the award is not in force."""
        return self.linked is not None and self.linked.reverses is not None

    @property
    def in_force(self) -> XPTransaction:
        """The row whose amount counts: the award, or what restored it."""
        return self.linked if self.linked is not None and self.linked.restores is not None else self.row


@dataclass(frozen=True, slots=True)
class LinkRequest:
    """What is asked of `reverse` and `restore`: which award, why, and under which key."""

    standing: Standing
    note: str
    key: str


def source_of(policy: Policy, name: str) -> Source:
    """The source of that name. Raises `InvalidInput` for one that the policy does not have."""
    source = policy.xp.sources.get(name)
    if source is None:
        raise InvalidInput("source", f"is not in the policy, which has {', '.join(sorted(policy.xp.sources))}")
    return source


def key_of(user_id: str, source: str, about: EntityRef | None, policy: Policy) -> str | None:
    """The key that an award has when the caller names none.

    None when nothing identifies it. It begins with ``~``, as no caller's does.
    """
    once = source_of(policy, source).once
    if once == "user":
        return f"~{source}"
    if about is None or once == "key":
        return None
    key = f"~{source}:{about.type}:{about.id}"
    return key if len(key) <= 200 else "~" + transaction_id(user_id, key)


def link_key(standing: Standing) -> str:
    """The key of the row that reverses or restores what now counts: one for each time it changes."""
    return f"~{'restore' if standing.reversed else 'reverse'}:{(standing.linked or standing.row).transaction_id}"


def award(
    profile: GamificationProfile,
    request: AwardRequest,
    policy: Policy,
    now: datetime,
    dated: Mapping[str, datetime] = Frozen(),
) -> Decision:
    """What ``request`` comes to for a user whose state is ``profile``.

    ``dated`` tells since when achievements were due that the policy got later. Raises `InvalidInput` for a source
    that is unknown, an amount that is missing or not the caller's to name, and a total beyond 2**53.
    """
    usual = everyday.award(profile, request, policy, now)
    if usual is not None:
        return usual
    source = source_of(policy, request.source)
    base = _base(request, source)
    today = local_day(request.at, profile.timezone)
    day = max(profile.day or "", today)
    denied = _denial(profile, request, source, day, now)
    if denied:
        return Decision(Outcome.DENIED, profile, reason=denied[0], again_at=denied[1])
    requested = _multiplied(base, profile, request, policy.xp) if base > 0 else base
    if requested > INT53:
        raise InvalidInput("amount", "would come to more than 2**53 with its multipliers")
    amount, room = _clamped(requested, source.capped, profile, day, policy)
    row = begun(
        profile,
        policy,
        now,
        source=request.source,
        key=request.key,
        at=request.at,
        day=day,
        amount=amount,
        requested=requested,
        asked=request.amount,
        room=room,
        reason=Reason.DAILY_CAP if amount < requested else None,
        about=request.about,
        activity=source.own,
        effect=_effect(profile, request.at, today, day, policy) if source.own else None,
    )
    return entered(profile, row, policy, dated)


def activity(
    profile: GamificationProfile,
    request: AwardRequest,
    policy: Policy,
    now: datetime,
    dated: Mapping[str, datetime] = Frozen(),
) -> Decision:
    """A row of amount 0 that says the user was active at ``request.at``; its key is `activity_key`."""
    if request.at > now:
        return Decision(Outcome.DENIED, profile, reason=Reason.FUTURE_EVENT, again_at=request.at)
    today = local_day(request.at, profile.timezone)
    day = max(profile.day or "", today)
    row = begun(
        profile,
        policy,
        now,
        source="activity",
        key=request.key,
        at=request.at,
        day=day,
        activity=True,
        effect=_effect(profile, request.at, today, day, policy),
    )
    return entered(profile, row, policy, dated)


def activity_key(profile: GamificationProfile, at: datetime) -> str:
    """One activity row per user and date."""
    return f"~activity:{local_day(at, profile.timezone)}"


def freezes(
    profile: GamificationProfile,
    request: AwardRequest,
    policy: Policy,
    now: datetime,
    dated: Mapping[str, datetime] = Frozen(),
) -> Decision:
    """A row of amount 0 that gives ``request.amount`` freezes, as many as there is room for."""
    today = local_day(request.at, profile.timezone)
    day = max(profile.day or "", today)
    paused = streaks.paused_dates(profile.timezone, profile.skipped_dates)
    fact = streaks.Fact(today, request.at, day, request.amount)
    effect = streaks.record(profile.streak, fact, policy.streaks, paused)
    row = begun(
        profile,
        policy,
        now,
        source="freezes_granted",
        key=request.key,
        at=request.at,
        day=day,
        asked=request.amount,
        effect=effect,
    )
    return entered(profile, row, policy, dated)


def payout(
    profile: GamificationProfile, owed: Owed, policy: Policy, now: datetime, dated: Mapping[str, datetime] = Frozen()
) -> Decision:
    """The row that pays what an earlier row made due."""
    source = policy.xp.sources.get(owed.source)
    day = max(profile.day or "", local_day(owed.at, profile.timezone))
    amount, room = _clamped(owed.amount, source is not None and source.capped, profile, day, policy)
    row = begun(
        profile,
        policy,
        now,
        source=owed.source,
        key=owed.key,
        at=owed.at,
        day=day,
        amount=amount,
        requested=owed.amount,
        room=room,
        reason=Reason.DAILY_CAP if amount < owed.amount else None,
        about=owed.about,
    )
    row["pays"] = owed.key
    return entered(profile, row, policy, dated)


def reverse(
    profile: GamificationProfile,
    request: LinkRequest,
    policy: Policy,
    now: datetime,
    dated: Mapping[str, datetime] = Frozen(),
) -> Decision:
    """The row that takes off what an award has in force. It is booked to the award's day and week."""
    standing = request.standing
    row, force = standing.row, standing.in_force
    day = day_of_row(row, profile)
    current = day == profile.day and local_day(now, profile.timezone) <= day
    before = force.state.total_xp - force.amount if force.state else None
    fields = begun(
        profile,
        policy,
        now,
        source="reversal",
        key=request.key,
        at=now,
        day=day,
        amount=-force.amount,
        requested=-force.amount,
        room=-force.room if current else 0,
        about=row.about,
        used=standing.used,
        origin=row,
    )
    fields |= _taken_back(profile, standing, -force.amount, now, force, before)
    fields |= {"reverses": row.transaction_id, "note": request.note}
    return entered(profile, fields, policy, dated)


def restore(
    profile: GamificationProfile,
    request: LinkRequest,
    policy: Policy,
    now: datetime,
    dated: Mapping[str, datetime] = Frozen(),
) -> Decision:
    """The row that puts a reversed award in force again.

    If the reversal gave room back, that much of the award's first amount as its day still has room for; else what was
    in force.
    """
    standing = request.standing
    row, undone = standing.row, standing.linked
    assert undone is not None
    day = day_of_row(row, profile)
    gave = undone.room < 0
    used = profile.daily_xp_earned if day == profile.day else standing.used
    amount = min(row.amount, max(0, row.daily_cap - used)) if gave else -undone.amount
    before = undone.state.total_xp - undone.amount if undone.state else None
    fields = begun(
        profile,
        policy,
        now,
        source="restore",
        key=request.key,
        at=now,
        day=day,
        amount=amount,
        requested=row.amount if gave else amount,
        room=amount if gave else 0,
        reason=Reason.DAILY_CAP if gave and amount < row.amount else None,
        about=row.about,
        used=standing.used,
        origin=row,
    )
    fields |= _taken_back(profile, standing, amount, now, undone, before)
    fields |= {"restores": row.transaction_id, "note": request.note}
    return entered(profile, fields, policy, dated)


def day_of_row(row: XPTransaction, profile: GamificationProfile) -> str:
    """The day that a row is booked to; for a row of an adopted ledger, its date where the user lives."""
    return row.day or local_day(row.timestamp, profile.timezone)


def _base(request: AwardRequest, source: Source) -> int:
    if request.amount is None:
        if source.amount is None:
            raise InvalidInput("amount", f"must be given: the policy names none for {request.source!r}")
        return source.amount
    if source.amount is not None and source.amount < 0:
        raise InvalidInput("amount", f"is not the caller's to name: {request.source!r} takes XP away")
    if request.amount < 1:
        raise InvalidInput("amount", "must be from 1 to 2**53")
    return request.amount


def _denial(
    profile: GamificationProfile, request: AwardRequest, source: Source, day: str, now: datetime
) -> tuple[Reason, datetime | None] | None:
    if request.at > now:
        return Reason.FUTURE_EVENT, request.at
    if not source.enabled:
        return Reason.EXCLUDED, None
    if source.up_to_level is not None and profile.current_level > source.up_to_level:
        return Reason.LEVEL_CAP, None
    if source.in_all == 0 or source.per_day == 0:
        return Reason.SOURCE_MAX, None
    counter = profile.counters.get(request.source)
    if counter is None:
        return None
    if source.once == "user":
        return Reason.NON_REPEATABLE, None
    if source.cooldown_seconds:
        rest = timedelta(seconds=source.cooldown_seconds)
        if abs(request.at - counter.last_at) < rest:
            return Reason.COOLDOWN, counter.last_at + rest
    if source.in_all is not None and counter.count >= source.in_all:
        return Reason.SOURCE_MAX, None
    if source.per_day is not None and counter.day == day and counter.today >= source.per_day:
        return Reason.SOURCE_MAX, day_end(day, profile.timezone)
    return None


def _multiplied(base: int, profile: GamificationProfile, request: AwardRequest, xp: XP) -> int:
    factors = [
        each.factor
        for each in xp.multipliers
        if (each.sources is None or request.source in each.sources)
        and (each.tiers is None or profile.tier in each.tiers)
        and (each.since is None or each.since <= request.at)
        and (each.until is None or request.at < each.until)
        and profile.streak.current >= each.min_streak
    ]
    if not factors:
        return base
    if xp.stacking == "compound":
        factor = prod(factors, start=Fraction(1))
    elif xp.stacking == "additive":
        factor = max(Fraction(0), 1 + sum([each - 1 for each in factors], start=Fraction(0)))
    else:
        factor = max(factors)
    return _rounded(base * (factor if xp.ceiling is None else min(factor, xp.ceiling)), xp.rounding)


def _rounded(value: Fraction, mode: str) -> int:
    if mode == "floor":
        return value.__floor__()
    if mode == "ceil":
        return value.__ceil__()
    return round(value) if mode == "half_even" else (value + Fraction(1, 2)).__floor__()


def _clamped(requested: int, capped: bool, profile: GamificationProfile, day: str, policy: Policy) -> tuple[int, int]:
    """The amount that takes effect, and the room of the day that it takes."""
    if not capped or requested <= 0:
        return requested, 0
    state = profile.__dict__
    cap = policy.xp.cap(state["tier"])
    if cap is None:
        return requested, requested
    left = cap - state["daily_xp_earned"] if day == state["day"] else cap
    amount = requested if requested <= left else max(0, left)
    return amount, amount


def _effect(profile: GamificationProfile, at: datetime, today: str, newest: str, policy: Policy) -> StreakEffect | None:
    if today == profile.streak.day:
        return None
    paused = streaks.paused_dates(profile.timezone, profile.skipped_dates)
    return streaks.record(profile.streak, streaks.Fact(today, at, newest), policy.streaks, paused)


def _taken_back(
    profile: GamificationProfile,
    standing: Standing,
    amount: int,
    now: datetime,
    undone: XPTransaction,
    total_before: int | None,
) -> dict[str, Any]:
    """When the sums after a reversal or a restore were reached: a sum that comes back takes its own moment with it."""
    current = week_of_row(standing.row, profile) == profile.week
    weekly_xp = profile.weekly_xp if current else standing.weekly_xp
    weekly_reached = profile.weekly_reached_at if current else standing.weekly_reached_at
    if amount:
        returns = profile.total_xp + amount == total_before
        reached = undone.reached_before if returns else now
        weekly_returns = undone.state is not None and weekly_xp + amount == undone.weekly_xp - undone.amount
        weekly_after = undone.weekly_reached_before if weekly_returns else now
    else:
        reached, weekly_after = profile.reached_at, weekly_reached
    return {
        "reached_at": reached,
        "weekly_xp": weekly_xp + amount,
        "weekly_reached_at": weekly_after,
        "weekly_reached_before": weekly_reached,
    }


def week_of_row(row: XPTransaction, profile: GamificationProfile) -> str:
    """The ISO week that a row is booked to."""
    return row.week or iso_week(day_of_row(row, profile))
