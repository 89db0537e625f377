"""What a row tells the world: its events, numbered without gaps, derived from the row."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree.models.events import Event
from tektree.models.gamification import Folded
from tektree.policy import Policy
from tektree.rules import projections, xp
from tests.rules.ledgers import (
    DAY,
    HOMES,
    HOUR,
    NOON,
    POLICIES,
    STEPS,
    UID,
    Ledger,
    enrolled,
    events_are_gapless,
    play,
)

Steps = list[tuple[str, int, int, int]]


def kinds(events: list[Event]) -> list[str]:
    return [event.event_type for event in events]


def payloads(ledger: Ledger, kind: str) -> list[dict[str, Any]]:
    return [dict(event.payload) for event in ledger.events if event.event_type == kind]


@given(st.sampled_from(POLICIES), st.sampled_from(HOMES), STEPS)
def test_events_say_what_the_rows_say(policy: Policy, home: str, steps: Steps) -> None:
    """… → totals → level, streak, achievements → events (one commit): every row tells one `xp.awarded` or `xp.revoked`,
    first; what else it changed follows."""
    ledger = Ledger(policy, home)
    play(ledger, steps)
    events_are_gapless(ledger.events)
    rest = iter(ledger.events)
    before = projections.START
    for row in ledger.rows:
        own = [next(rest) for _ in range(row.told)]
        state = row.state
        assert state is not None
        first = own[0]
        assert first.event_type == ("xp.revoked" if row.reverses else "xp.awarded")
        assert first.payload["transaction_id"] == row.transaction_id
        assert (first.payload["amount"], first.payload["total_xp"]) == (row.amount, state.total_xp)
        assert (first.payload["weekly_xp"], first.payload["row_seq"]) == (row.weekly_xp, row.seq)
        for event in own:
            assert event.payload["user_id"] == UID
            assert event.metadata["stream"] == f"user:{UID}:xp"
            assert event.metadata["idempotency_key"] == row.key
            assert event.metadata.get("causation_id") == (None if event is first else first.event_id)
            assert event.timestamp == row.timestamp
        levels = [event for event in own if event.event_type in {"level.up", "level.down"}]
        changed = state.current_level != before.current_level
        assert len(levels) == changed
        if changed:
            ends = levels[0].payload["old_level"], levels[0].payload["new_level"]
            assert ends == (before.current_level, state.current_level)
            assert (levels[0].event_type == "level.up") is (ends[0] < ends[1])
        assert kinds(own).count("xp.capped") == (row.reason is not None)
        silent = {event.payload["achievement_id"] for event in own if event.event_type == "achievement.unlocked"}
        assert silent <= {each.id for each in row.unlocked}
        assert [event.payload["achievement_id"] for event in own if event.event_type == "achievement.revoked"] == [
            *row.lost
        ]
        for event in own:
            if event.event_type == "streak.frozen":
                assert event.payload["freezes_left"] >= 0
        before = state
    assert next(rest, None) is None


def test_the_check_catches_a_gap() -> None:
    """Positive control: an event that is lost, and one that is told twice."""
    ledger = Ledger()
    ledger.gives("answer_posted", NOON, about="a")
    for wrong in (ledger.events[1:], [*ledger.events, ledger.events[0]], ledger.events[::-1]):
        with pytest.raises(AssertionError):
            events_are_gapless(wrong)


def test_a_step_that_is_repeated_tells_the_same_events() -> None:
    """Ids are derived from the row, so a step that is repeated tells the same events."""
    first, second = Ledger(), Ledger()
    for ledger in (first, second):
        ledger.gives("answer_posted", NOON, about="a")
    assert first.events == second.events
    assert len({event.event_id for event in first.events}) == len(first.events)


def test_one_award_may_tell_much() -> None:
    """Several levels in one award: one `level.up` event with both ends."""
    ledger = Ledger(Policy(xp={"daily_cap": 900}, events={"producer_id": "worker-1"}))
    ledger.gives("insight_published", NOON, about="i", amount=1000)
    assert kinds(ledger.events) == [
        "xp.awarded",
        "xp.capped",
        "level.up",
        "streak.started",
        "achievement.unlocked",
        "achievement.unlocked",
    ]
    assert payloads(ledger, "level.up") == [
        {"user_id": UID, "old_level": 1, "new_level": 3, "total_xp": 900, "xp_to_next_level": 1000}
    ]
    assert payloads(ledger, "xp.capped")[0] == {
        "user_id": UID,
        "source": "insight_published",
        "requested_amount": 1000,
        "granted": 900,
        "daily_cap": 900,
        "resets_at": "2025-12-17T00:00:00+00:00",
    }
    assert payloads(ledger, "achievement.unlocked")[1] == {
        "user_id": UID,
        "achievement_id": "ach_first_insight",
        "criteria": {"metric": "count", "source": "insight_published", "at_least": 1},
        "progress": 1,
    }
    assert {event.producer_id for event in ledger.events} == {"worker-1"}


def test_the_story_of_a_streak() -> None:
    """Spent automatically, dated on the missed date."""
    ledger = Ledger(Policy(achievements=(), streaks={"freeze_every": 3, "milestones": []}))
    for day in (0, 1, 2, 4):
        ledger.activity(NOON + day * DAY)
    ledger.activity(NOON + 4 * DAY, at=NOON + 3 * DAY)
    ledger.activity(NOON + 9 * DAY)
    told = [kind for kind in kinds(ledger.events) if kind.startswith("streak.")]
    assert told == [
        "streak.started",
        "streak.extended",
        "streak.extended",
        "streak.freeze_granted",
        "streak.frozen",
        "streak.extended",
        "streak.extended",
        "streak.freeze_granted",
        "streak.broken",
        "streak.frozen",
        "streak.started",
    ]
    assert payloads(ledger, "streak.frozen")[0] == {
        "user_id": UID,
        "day": "2025-12-19",
        "freezes_used": 1,
        "freezes_left": 0,
    }
    assert [each["reason"] for each in payloads(ledger, "streak.freeze_granted")] == ["earned", "returned"]
    assert payloads(ledger, "streak.broken") == [
        {
            "user_id": UID,
            "length": 5,
            "longest": 5,
            "last_activity_at": (NOON + 4 * DAY).isoformat(),
            "missed_days": 4,
        }
    ]
    assert [each["is_record"] for each in payloads(ledger, "streak.extended")] == [True] * 4
    ledger.freezes(2, NOON + 9 * DAY)
    assert payloads(ledger, "streak.freeze_granted")[-1]["granted"] == 2
    ledger.activity(NOON + 9 * DAY, at=NOON - 30 * DAY)  # too old to count: it tells of no streak
    assert kinds(ledger.events)[-1] == "xp.awarded"


def test_no_freezes_left_is_never_less_than_none() -> None:
    """A late fact may earn a freeze and spend it on a later gap in one step."""
    ledger = Ledger(Policy(achievements=(), streaks={"freeze_every": 7, "milestones": []}))
    for day in (0, 1, 2, 4, 5, 6, 7, 9):
        ledger.activity(NOON + day * DAY)
    assert ledger.profile.streak.current == 1
    ledger.activity(NOON + 9 * DAY, at=NOON + 3 * DAY)
    assert ledger.profile.streak.current == 9
    assert payloads(ledger, "streak.frozen")[-1] == {
        "user_id": UID,
        "day": "2025-12-24",
        "freezes_used": 1,
        "freezes_left": 0,
    }


def test_reversals_and_restores_name_their_row_and_reason() -> None:
    ledger = Ledger()
    row = ledger.gives("manual", NOON, amount=5)
    ledger.reverse(row, NOON, "spam")
    ledger.restore(row, NOON, "no spam")
    revoked, awarded = ledger.events[-2].payload, ledger.events[-1].payload
    assert (revoked["reverses"], revoked["reason"], revoked["amount"]) == (row.transaction_id, "spam", -5)
    assert (awarded["restores"], awarded["reason"], awarded["amount"]) == (row.transaction_id, "no spam", 5)
    assert kinds(ledger.events)[-2:] == ["xp.revoked", "xp.awarded"]


def test_marks_that_were_due_earlier_are_silent() -> None:
    """Adding a definition later backfills from the ledger, silently."""
    ledger = Ledger(Policy(achievements=()))
    ledger.gives("manual", NOON, amount=5)
    ledger.policy = Policy()
    ledger.gives("insight_published", NOON + HOUR, about="i")
    assert set(ledger.profile.achievements) == {"ach_first_steps", "ach_first_insight"}
    assert [each["achievement_id"] for each in payloads(ledger, "achievement.unlocked")] == ["ach_first_insight"]


def test_who_has_no_uid_is_told_of_by_id() -> None:
    ledger = Ledger(profile=enrolled().evolve(uid=None))
    ledger.gives("manual", NOON, amount=5)
    assert ledger.events[0].payload["user_id"] == ledger.profile.user_id
    assert ledger.events[0].metadata["stream"] == f"user:{ledger.profile.user_id}:xp"


def test_a_broken_streak_of_an_adopted_profile() -> None:
    """A streak that was there before has no date of ours."""
    from tektree.models.gamification import Run, Streak

    run = Run(through="2025-12-10", current=3, longest=3)
    streak = Streak(current=3, longest=3, through="2025-12-10", base=run)
    ledger = Ledger(profile=enrolled().evolve(streak=streak))
    ledger.activity(NOON)
    broken = payloads(ledger, "streak.broken")[0]
    assert (broken["length"], broken["missed_days"], broken["last_activity_at"]) == (3, 0, None)
    assert isinstance(ledger.rows[0].state, Folded)
    assert isinstance(ledger.standing(ledger.rows[0]), xp.Standing)
