"""The everyday award: one more of a day on which the user was active already, and nothing happens but that it counts.

Most awards are so, and are put together here in one step. The law: whatever this says, `tektree.rules.rows` would
say, to the last field; where anything else is due, a date, a mark, a level, a cap, it says nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple, get_args

from tektree.errors import ConfigurationError
from tektree.ids import transaction_id
from tektree.models.accounts import Tier
from tektree.models.base import INT53, made
from tektree.models.gamification import AwardRequest, Folded, GamificationProfile, XPTransaction
from tektree.policy import Policy, Source
from tektree.rules import announcements, streaks
from tektree.rules.achievements import Nearest, is_near, nearest_of
from tektree.rules.levels import curve_of
from tektree.rules.periods import day_end, iso_week, local_day
from tektree.rules.projections import START, once_more
from tektree.rules.rows import BLANK, GRANTED, Decision

__all__ = ["award"]


class _Terms(NamedTuple):
    """What a policy says of everyday awards, gathered once: to ask it takes as long as to decide."""

    sources: Mapping[str, tuple[int | None, bool, bool, dict[str, Any]]]
    """Those that nothing limits: what one gives, whether it is the user's own doing, whether it is capped, and what
    stands on all its everyday rows.
    """
    caps: Mapping[str, int | None]
    thresholds: Sequence[int]
    """Of the levels that people reach."""
    nearest: Callable[[tuple[str, ...]], Nearest]
    producer: str


def award(profile: GamificationProfile, request: AwardRequest, policy: Policy, now: datetime) -> Decision | None:
    """What an award comes to if it is an everyday one; None: that is for the law to say."""
    known = _KNOWN.get(id(policy))
    sources, caps, thresholds, nearest, producer = _gathered(policy) if known is None else known[1]
    _, source, key, at, about, asked = request
    state = profile.__dict__
    found, counter = sources.get(source), state["counters"].get(source)
    if found is None or counter is None or at > now:
        return None
    amount, own, capped, row = found
    today, streak = local_day(at, state["timezone"]), state["streak"]
    if state["day"] != today or (own and streak.__dict__["day"] != today) or state["week"] != iso_week(today):
        return None
    amount = amount if asked is None else asked
    if amount is None or not 0 < amount <= INT53 or not state["seq"]:
        return None
    room, cap = amount if capped else 0, caps[state["tier"]]
    total, earned, weekly = state["total_xp"] + amount, state["daily_xp_earned"] + room, state["weekly_xp"] + amount
    if (room and cap is not None and earned > cap) or weekly > INT53 or earned > INT53:
        return None
    level = state["current_level"]
    if (
        level != state["peak_level"]
        or level >= len(thresholds)
        or not thresholds[level - 1] <= total < thresholds[level]
    ):
        return None
    streak = streaks.applied(streak, None, at) if own else streak
    counters = state["counters"].having(source, once_more(counter, today, at))
    if is_near(nearest(state["achievements"]), total, level, streak, counters):
        return None
    after = _BLANK.copy()
    after["total_xp"] = total
    after["current_level"] = level
    after["xp_to_next_level"] = thresholds[level] - total
    after["daily_xp_earned"] = earned
    after["daily_xp_reset_at"] = day_end(today, state["timezone"])
    after["streak"] = streak
    after["achievements"] = state["achievements"]
    after["updated_at"] = now
    after["seq"] = seq = state["seq"] + 1
    after["event_seq"] = state["event_seq"] + 1
    after["day"] = today
    after["week"] = state["week"]
    after["weekly_xp"] = weekly
    after["reached_at"] = at
    after["weekly_reached_at"] = at
    after["counters"] = counters
    after["unlocked"] = state["unlocked"]
    after["owed"] = state["owed"]
    after["peak_level"] = level
    row = row.copy()
    row["user_id"] = user_id = state["user_id"]
    row["transaction_id"] = named = transaction_id(user_id, key)
    row["id"] = named[7:]
    row["amount"] = amount
    if about:
        row["related_entity_type"], row["related_entity_id"] = about.type, about.id
    row["daily_total"] = earned
    row["daily_cap"] = INT53 if cap is None else cap
    row["timestamp"] = at
    row["recorded_at"] = now
    row["requested"] = amount
    row["asked"] = asked
    row["key"] = key
    row["day"] = today
    row["timezone"] = state["timezone"]
    row["week"] = state["week"]
    row["seq"] = seq
    row["room"] = room
    row["weekly_xp"] = weekly
    row["weekly_reached_at"] = at
    row["reached_at"] = at
    row["reached_before"] = state["reached_at"]
    row["weekly_reached_before"] = state["weekly_reached_at"]
    row["state"] = made(Folded, after)
    written = made(XPTransaction, row)
    return _granted((GRANTED, profile, written, announcements.told(profile, written, (), producer), None, None, ()))


_granted: Final[Callable[[tuple[object, ...]], Decision]] = partial(tuple.__new__, Decision)
"""As ``Decision._make``, without a look at the length."""

_BLANK: Final = START.__dict__
_KNOWN: Final[dict[int, tuple[Policy, _Terms]]] = {}
"""By the ``id`` of the policy, which is kept here with them, so that nothing else comes to have it."""
_MOST: Final = 64


def _gathered(policy: Policy) -> _Terms:
    if len(_KNOWN) >= _MOST:
        _KNOWN.clear()
    sources = {} if policy.xp.multipliers else policy.xp.sources
    alike = {"policy_version": policy.version, "told": 1}
    terms = _Terms(
        {
            name: (each.amount, each.own, each.capped, BLANK | alike | {"source": name, "activity": each.own})
            for name, each in sources.items()
            if _is_usual(each)
        },
        {tier: policy.xp.cap(tier) for tier in get_args(Tier)},
        _thresholds(policy),
        nearest_of(policy.achievements),
        policy.events.producer_id,
    )
    _KNOWN[id(policy)] = policy, terms
    return terms


def _thresholds(policy: Policy) -> Sequence[int]:
    """None of a curve that is broken: what is wrong with it is the law's to say, where it needs one."""
    try:
        return [each for each in curve_of(policy.levels).low if each <= INT53]
    except ConfigurationError:
        return ()


def _is_usual(source: Source) -> bool:
    limited = source.cooldown_seconds or {source.per_day, source.in_all, source.up_to_level} != {None}
    return source.enabled and source.once != "user" and (source.amount or 1) > 0 and not limited
