"""The fold of a user's events: what the log alone says of their XP.

The law: it comes to the same as the fold of the ledger. Events are numbered without gaps, every row tells one
``xp.awarded`` or ``xp.revoked`` with its own number, and the sums in it follow from those before.
"""

from typing import Any, NamedTuple

from tektree.models.events import Event
from tektree.models.gamification import Divergence, Folded

__all__ = ["START", "Heard", "compared", "heard", "number"]

_ROWS = ("xp.awarded", "xp.revoked")


class Heard(NamedTuple):
    """What a user's events came to so far."""

    events: int = 0
    rows: int = 0
    total_xp: int | None = None
    """None until the first row, which says what was there before."""
    level: int | None = None
    unlocked: frozenset[str] = frozenset()
    transaction_id: str | None = None
    weekly_xp: int = 0
    week: str | None = None
    daily_total: int = 0
    day: str | None = None


START = Heard()


def number(event: Event) -> int:
    """The number of an event in its stream; 0 where it has none."""
    found = event.metadata.get("seq", 0)
    return found if isinstance(found, int) else 0


def heard(state: Heard, event: Event) -> Heard | Divergence:
    """``state`` with one event more; or where that does not follow from those before."""
    payload = event.payload
    if number(event) != state.events + 1:
        return _apart(state, "events.seq", state.events + 1, number(event))
    state = state._replace(events=state.events + 1)
    if event.event_type in _ROWS:
        return _row(state, payload)
    if event.event_type in ("level.up", "level.down"):
        return state._replace(level=payload.get("new_level"))
    if event.event_type == "achievement.unlocked":
        return state._replace(unlocked=state.unlocked | {payload["achievement_id"]})
    if event.event_type == "achievement.revoked":
        return state._replace(unlocked=state.unlocked - {payload["achievement_id"]})
    return state


def _row(state: Heard, payload: Any) -> Heard | Divergence:
    row, total, amount = payload.get("row_seq"), payload.get("total_xp"), payload.get("amount")
    if row != state.rows + 1:
        return _apart(state, "events.row_seq", state.rows + 1, row)
    if state.total_xp is not None and total != state.total_xp + amount:
        return _apart(state, "events.total_xp", state.total_xp + amount, total)
    same_week = state.week is not None and payload.get("week") == state.week
    if same_week and payload.get("weekly_xp") != state.weekly_xp + amount:
        return _apart(state, "events.weekly_xp", state.weekly_xp + amount, payload.get("weekly_xp"))
    return state._replace(
        rows=row,
        total_xp=total,
        transaction_id=payload.get("transaction_id"),
        week=payload.get("week"),
        weekly_xp=payload.get("weekly_xp"),
        day=payload.get("day"),
        daily_total=payload.get("daily_total"),
    )


def compared(expected: Folded, found: Heard) -> Divergence | None:
    """Where the events say something else than the ledger; None when they agree."""
    for field, ours, theirs in (
        ("events.seq", expected.event_seq, found.events),
        ("events.row_seq", expected.seq, found.rows),
        ("events.total_xp", expected.total_xp, found.total_xp),
        ("events.level", expected.current_level, expected.current_level if found.level is None else found.level),
    ):
        if ours != theirs:
            return Divergence(seq=expected.seq, field=field, expected=str(ours), found=str(theirs))
    missing = sorted(found.unlocked - set(expected.achievements))
    if missing:
        return Divergence(seq=expected.seq, field="events.achievements", expected="", found=missing[0])
    return None


def _apart(state: Heard, field: str, expected: object, found: object) -> Divergence:
    return Divergence(
        transaction_id=state.transaction_id, seq=state.rows, field=field, expected=str(expected), found=str(found)
    )
