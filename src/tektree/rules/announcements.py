"""What a ledger row tells the world: its events, as the catalog has them.

The law: every row tells exactly one ``xp.awarded`` or ``xp.revoked``, first; what else it changed follows. Ids are
derived from the row, so a step that is repeated tells the same events. Within the stream ``user:<uid>:xp`` they are
numbered without gaps.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from tektree.ids import event_id
from tektree.models.base import INT53, Frozen, made
from tektree.models.events import Event, Told
from tektree.models.gamification import Folded, GamificationProfile, Reason, StreakEffect, XPTransaction
from tektree.policy import Policy
from tektree.rules import achievements
from tektree.rules.periods import ordinal_of

__all__ = ["SERVICE", "Said", "also", "events", "settings", "told"]

SERVICE: Final = "gamification-service"

Said = tuple[str, dict[str, Any]]


def also(
    before: GamificationProfile,
    row: Mapping[str, Any],
    after: Mapping[str, Any],
    policy: Policy,
    earlier: Collection[str],
) -> Sequence[Said]:
    """The types and payloads of what a row tells behind its XP. ``earlier`` are marks that are granted silently."""
    level = after["current_level"] != before.current_level
    over = before.daily_xp_earned > 0 and after["day"] != before.day
    if not (level or over or row["reason"] or row["streak"] or row["unlocked"] or row["lost"]):
        return ()
    said: list[Said] = []
    if over:
        said.append(("xp.daily_reset", {"day": before.day, "earned": before.daily_xp_earned}))
    if row["reason"] is Reason.DAILY_CAP:
        said.append(("xp.capped", _capped(row, after)))
    if level:
        said.append(_level(before, after))
    if row["streak"] is not None:
        said += _streak(row["streak"], before, after, row["activity"])
    for each in row["unlocked"]:
        if each.id not in earlier:
            said.append(("achievement.unlocked", _unlocked(each.id, after, policy)))
    said += [("achievement.revoked", {"achievement_id": id}) for id in row["lost"]]
    return said


def told(before: GamificationProfile, row: XPTransaction, also: Sequence[Said], producer: str) -> Told:
    """The events of ``row``, made when they are looked at: all they say stands on it, or in ``also``."""
    uid = before.uid or before.user_id
    return Told(1 + len(also), (events, row, uid, before.settings_version, also, producer))


@lru_cache(maxsize=1024)
def _stream(uid: str) -> str:
    return f"user:{uid}:xp"


def events(
    row: XPTransaction, uid: str, settings_version: int, also: Sequence[Said], producer: str
) -> tuple[Event, ...]:
    """The envelopes of what a row tells: its XP, and ``also``."""
    assert row.state is not None
    cause, recorded, first = row.transaction_id, _iso(row.recorded_at), None
    stream, before = _stream(uid), row.state.event_seq - row.told
    made_events = []
    for at, (kind, payload) in enumerate([_xp(row, row.state, settings_version), *also]):
        id = event_id(cause, kind, str(at))
        metadata = {"stream": stream, "seq": before + at + 1, "recorded_at": recorded, "idempotency_key": row.key}
        if first:
            metadata["causation_id"] = first
        made_events.append(_event(id, kind, row.timestamp, producer, metadata, Frozen(user_id=uid, **payload)))
        first = first or id
    return tuple(made_events)


def settings(
    old: GamificationProfile, new: GamificationProfile, now: datetime, producer: str
) -> tuple[GamificationProfile, tuple[Event, ...]]:
    """The profile with its settings changed, as it is stored, and what the change tells.

    Ids are derived from the user and the version of the settings.
    """
    version = old.settings_version + 1
    said: list[Said] = []
    if new.leaderboard_opt_out is not old.leaderboard_opt_out:
        said.append(("leaderboard.opted_out" if new.leaderboard_opt_out else "leaderboard.opted_in", {}))
    if new.featured_achievements != old.featured_achievements:
        said.append(("achievement.featured", {"featured": new.featured_achievements}))
    uid, told = old.uid or old.user_id, old.settings_told
    made_events = []
    for number, (kind, payload) in enumerate(said, told + 1):
        id = event_id(f"{old.user_id}:{version}", kind)
        metadata = {"stream": f"user:{uid}:settings", "seq": number, "recorded_at": _iso(now)}
        made_events.append(_event(id, kind, now, producer, metadata, Frozen(user_id=uid, **payload)))
    stored = new.evolve(settings_version=version, settings_told=told + len(said), updated_at=now)
    return stored, tuple(made_events)


def _event(
    id: str, kind: str, at: datetime, producer: str, metadata: dict[str, Any], payload: Frozen[str, Any]
) -> Event:
    fields = {
        "id": id[4:],
        "event_id": id,
        "event_type": kind,
        "event_version": "1.0.0",
        "timestamp": at,
        "trace_id": "",
        "correlation_id": "",
        "source_service": SERVICE,
        "producer_id": producer,
        "metadata": Frozen(metadata),
        "payload": payload,
    }
    return made(Event, fields)


@lru_cache(maxsize=1024)
def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _xp(row: XPTransaction, after: Folded, settings_version: int) -> Said:
    payload = {
        "transaction_id": row.transaction_id,
        "amount": row.amount,
        "requested_amount": row.requested,
        "source": row.source,
        "related_entity_type": row.related_entity_type,
        "related_entity_id": row.related_entity_id,
        "daily_total": row.daily_total,
        "daily_cap": row.daily_cap,
        "total_xp": after.total_xp,
        "day": row.day,
        "week": row.week,
        "weekly_xp": row.weekly_xp,
        "row_seq": row.seq,
        "reached_at": _iso(after.reached_at),
        "weekly_reached_at": _iso(row.weekly_reached_at),
        "settings_version": settings_version,
        "at": _iso(row.timestamp),
        "is_activity": row.activity,
    }
    if row.reverses:
        return "xp.revoked", {**payload, "reverses": row.reverses, "reason": row.note}
    if row.restores:
        payload |= {"restores": row.restores, "reason": row.note}
    return "xp.awarded", payload


def _capped(row: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "source": row["source"],
        "requested_amount": row["requested"],
        "granted": row["amount"],
        "daily_cap": row["daily_cap"],
        "resets_at": _iso(after["daily_xp_reset_at"]),
    }


def _level(before: GamificationProfile, after: Mapping[str, Any]) -> Said:
    old, new = before.current_level, after["current_level"]
    payload = {
        "old_level": old,
        "new_level": new,
        "total_xp": after["total_xp"],
        "xp_to_next_level": after["xp_to_next_level"],
    }
    return "level.up" if new > old else "level.down", payload


def _unlocked(id: str, after: Mapping[str, Any], policy: Policy) -> dict[str, Any]:
    definitions, state = policy.achievements, made(Folded, dict(after))
    return {
        "achievement_id": id,
        "criteria": Frozen(achievements.criteria(definitions, id)),
        "progress": min(INT53, achievements.reached(definitions, id, state)),  # a host's metric may say anything
    }


def _streak(
    effect: StreakEffect, before: GamificationProfile, after: Mapping[str, Any], activity: bool
) -> Iterator[Said]:
    if not effect.counted:
        return
    held, left = before.streak.freezes_available, after["streak"].freezes_available
    if effect.broke:
        yield "streak.broken", _broken(effect, before)
    for used, day in enumerate(effect.spent, start=1):
        yield "streak.frozen", {"day": day, "freezes_used": 1, "freezes_left": max(0, held - used)}
    if (activity and effect.current != before.streak.current) or (effect.broke and activity):
        record = effect.longest > before.streak.longest
        payload = {"current": effect.current, "longest": effect.longest, "day": effect.day, "is_record": record}
        yield "streak.started" if effect.current == 1 else "streak.extended", payload
    for reason, freezes in (("returned", len(effect.returned)), ("earned", effect.earned), ("granted", effect.granted)):
        if freezes:
            yield "streak.freeze_granted", {"granted": freezes, "freezes_available": left, "reason": reason}


def _broken(effect: StreakEffect, before: GamificationProfile) -> dict[str, Any]:
    last = before.streak.day or effect.day
    return {
        "length": effect.broke,
        "longest": effect.longest,
        "last_activity_at": _iso(before.streak.last_activity_at),
        "missed_days": max(0, ordinal_of(effect.day) - ordinal_of(last) - 1),
    }
