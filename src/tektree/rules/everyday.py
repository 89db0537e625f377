"""The everyday award: one more of a day on which the user was active already, and nothing happens but that it counts.

Most awards are so, and are put together here in one step. The law: whatever this says, `tektree.rules.rows` would
say, to the last field; where anything else is due, a date, a mark, a level, a cap, it says nothing.
"""

from datetime import datetime

from tektree.ids import transaction_id
from tektree.models.base import INT53, made
from tektree.models.gamification import AwardRequest, Folded, GamificationProfile, XPTransaction
from tektree.policy import Policy, Source
from tektree.rules import achievements, announcements, streaks
from tektree.rules.levels import curve_of
from tektree.rules.periods import day_end, iso_week
from tektree.rules.projections import START, once_more
from tektree.rules.rows import BLANK, GRANTED, Decision

__all__ = ["award"]


def award(
    profile: GamificationProfile, request: AwardRequest, source: Source, today: str, policy: Policy, now: datetime
) -> Decision | None:
    """What an award of ``source`` comes to that was not denied and is not multiplied; None: it is no everyday one.

    ``today`` is the date of the fact where the user lives.
    """
    state, at = profile.__dict__, request.at
    amount = source.amount if request.amount is None else request.amount
    counter, streak = state["counters"].get(request.source), state["streak"].__dict__
    if counter is None or not amount or amount < 0 or not state["seq"] or state["day"] != today:
        return None
    if (source.own and streak["day"] != today) or state["week"] != iso_week(today):
        return None
    room, cap = amount if source.capped else 0, policy.xp.cap(state["tier"])
    total, earned, weekly = state["total_xp"] + amount, state["daily_xp_earned"] + room, state["weekly_xp"] + amount
    if (room and cap is not None and earned > cap) or total > INT53 or weekly > INT53 or earned > INT53:
        return None
    level, missing = curve_of(policy.levels).place(total if total > 0 else 0)
    if level != state["current_level"] or level > state["peak_level"]:
        return None
    after = START.__dict__.copy()
    after["total_xp"] = total
    after["current_level"] = level
    after["xp_to_next_level"] = missing
    after["daily_xp_earned"] = earned
    after["daily_xp_reset_at"] = day_end(today, state["timezone"])
    after["streak"] = streaks.applied(state["streak"], None, at) if source.own else state["streak"]
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
    if achievements.near(policy.achievements, state["achievements"], folded):
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
    row["policy_version"] = policy.version
    row["room"] = room
    row["weekly_xp"] = weekly
    row["weekly_reached_at"] = at
    row["reached_at"] = at
    row["reached_before"] = state["reached_at"]
    row["weekly_reached_before"] = state["weekly_reached_at"]
    row["activity"] = source.own
    row["told"] = 1
    row["state"] = folded
    written = made(XPTransaction, row)
    return Decision(GRANTED, profile, written, announcements.told(profile, written, (), policy.events.producer_id))
