"""The everyday award: one more of a day on which the user was active already, and nothing happens but that it counts.

Most awards are so, and are put together here in one step. The law: whatever this says, `tektree.rules.rows` would
say, to the last field; where anything else is due, a date, a mark, a level, a cap, it says nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple, get_args

from tektree.ids import transaction_id
from tektree.models.accounts import Tier
from tektree.models.base import INT53, made
from tektree.models.gamification import AwardRequest, Folded, GamificationProfile, XPTransaction
from tektree.policy import Achievement, Policy, Source
from tektree.rules import achievements, announcements, streaks
from tektree.rules.levels import curve_of
from tektree.rules.periods import day_end, iso_week, local_day
from tektree.rules.projections import START, once_more
from tektree.rules.rows import BLANK, GRANTED, Decision

__all__ = ["award"]


class _Terms(NamedTuple):
    """What a policy says of everyday awards, gathered once: to ask it takes as long as to decide."""

    sources: Mapping[str, tuple[int | None, bool, bool]]
    """Those that nothing limits: what one gives, whether it is the user's own doing, and whether it is capped."""
    caps: Mapping[str, int | None]
    place: Callable[[int], tuple[int, int]]
    marks: Sequence[Achievement]
    version: str
    producer: str


def award(profile: GamificationProfile, request: AwardRequest, policy: Policy, now: datetime) -> Decision | None:
    """What an award comes to if it is an everyday one; None: that is for the law to say."""
    sources, caps, place, marks, version, producer = _terms(policy)
    state, at = profile.__dict__, request.at
    found, counter = sources.get(request.source), state["counters"].get(request.source)
    if found is None or counter is None or at > now:
        return None
    amount, own, capped = found
    today, streak = local_day(at, state["timezone"]), state["streak"]
    if state["day"] != today or (own and streak.__dict__["day"] != today) or state["week"] != iso_week(today):
        return None
    amount = amount if request.amount is None else request.amount
    if not amount or amount < 0 or not state["seq"]:
        return None
    room, cap = amount if capped else 0, caps[state["tier"]]
    total, earned, weekly = state["total_xp"] + amount, state["daily_xp_earned"] + room, state["weekly_xp"] + amount
    if (room and cap is not None and earned > cap) or total > INT53 or weekly > INT53 or earned > INT53:
        return None
    level, missing = place(total if total > 0 else 0)
    if level != state["current_level"] or level > state["peak_level"]:
        return None
    after = START.__dict__.copy()
    after["total_xp"] = total
    after["current_level"] = level
    after["xp_to_next_level"] = missing
    after["daily_xp_earned"] = earned
    after["daily_xp_reset_at"] = day_end(today, state["timezone"])
    after["streak"] = streaks.applied(streak, None, at) if own else streak
    after["achievements"] = state["achievements"]
    after["updated_at"] = now
    after["seq"] = seq = state["seq"] + 1
    after["event_seq"] = state["event_seq"] + 1
    after["day"] = today
    after["week"] = state["week"]
    after["weekly_xp"] = weekly
    after["reached_at"] = at
    after["weekly_reached_at"] = at
    after["counters"] = state["counters"].having(request.source, once_more(counter, today, at))
    after["unlocked"] = state["unlocked"]
    after["owed"] = state["owed"]
    after["peak_level"] = state["peak_level"]
    folded = made(Folded, after)
    if achievements.near(marks, state["achievements"], folded):
        return None
    row = BLANK.copy()
    id = transaction_id(request.user_id, request.key)
    row["id"] = id[7:]
    row["transaction_id"] = id
    row["user_id"] = request.user_id
    row["amount"] = amount
    row["source"] = request.source
    if request.about:
        row["related_entity_type"], row["related_entity_id"] = request.about.type, request.about.id
    row["daily_total"] = earned
    row["daily_cap"] = INT53 if cap is None else cap
    row["timestamp"] = at
    row["recorded_at"] = now
    row["requested"] = amount
    row["asked"] = request.amount
    row["key"] = request.key
    row["day"] = today
    row["timezone"] = state["timezone"]
    row["week"] = state["week"]
    row["seq"] = seq
    row["policy_version"] = version
    row["room"] = room
    row["weekly_xp"] = weekly
    row["weekly_reached_at"] = at
    row["reached_at"] = at
    row["reached_before"] = state["reached_at"]
    row["weekly_reached_before"] = state["weekly_reached_at"]
    row["activity"] = own
    row["told"] = 1
    row["state"] = folded
    written = made(XPTransaction, row)
    return Decision(GRANTED, profile, written, announcements.told(profile, written, (), producer))


def _terms(policy: Policy) -> _Terms:
    known = _KNOWN.get(id(policy))
    if known is None:
        if len(_KNOWN) >= _MOST:
            _KNOWN.clear()
        known = _KNOWN[id(policy)] = policy, _gathered(policy)
    return known[1]


_KNOWN: Final[dict[int, tuple[Policy, _Terms]]] = {}
"""By the ``id`` of the policy, which is kept here with them, so that nothing else comes to have it."""
_MOST: Final = 64


def _gathered(policy: Policy) -> _Terms:
    sources = {} if policy.xp.multipliers else policy.xp.sources
    return _Terms(
        {name: (each.amount, each.own, each.capped) for name, each in sources.items() if _is_usual(each)},
        {tier: policy.xp.cap(tier) for tier in get_args(Tier)},
        curve_of(policy.levels).place,
        policy.achievements,
        policy.version,
        policy.events.producer_id,
    )


def _is_usual(source: Source) -> bool:
    limited = source.cooldown_seconds or {source.per_day, source.in_all, source.up_to_level} != {None}
    return source.enabled and source.once != "user" and (source.amount or 1) > 0 and not limited
