"""Adoption: a profile that was there before is believed, and folds from what was found."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree.models.gamification import GamificationProfile, Milestone, Run, Streak, XPTransaction
from tektree.policy import Streaks
from tektree.rules import adoption
from tests.rules.ledgers import DAY, HOMES, HOUR, NOON, STEPS, Ledger, enrolled, play, sound

POLICY = Streaks()


def found(timezone: str = "UTC", **fields: Any) -> GamificationProfile:
    """The data model's own example, as a host has it: instants, and no dates of ours."""
    streak = Streak(current=42, longest=50, freezes_available=6, last_activity_at=NOON)
    known = {
        "total_xp": 50_000,
        "current_level": 15,
        "xp_to_next_level": 1500,
        "daily_xp_earned": 120,
        "daily_xp_reset_at": datetime(2025, 12, 17, tzinfo=UTC),
        "streak": streak,
        "achievements": ("ach_first_steps", "ach_week_warrior"),
    }
    return enrolled(timezone=timezone).evolve(**known | fields)


def test_what_instants_stand_for() -> None:
    """(An adopted profile: `storage.md`.) The first row of ours on an adopted profile (`seq` 1) carries `opening`:
    total, streak, longest, freezes, achievements and today's counter as found; the fold starts from it."""
    profile = adoption.adopted(found(), POLICY)
    sound(profile)
    assert (profile.day, profile.peak_level) == ("2025-12-16", 15)
    assert profile.streak == Streak(
        current=42,
        longest=50,
        last_activity_at=NOON,
        freezes_available=6,
        day="2025-12-16",
        started="2025-11-05",
        through="2025-12-16",
        base=Run(through="2025-12-16", current=42, longest=50, freezes=6, day="2025-12-16", started="2025-11-05"),
        paid=(Milestone(started="2025-11-05", length=7), Milestone(started="2025-11-05", length=30)),
    )
    assert adoption.adopted(profile, POLICY) == profile
    opening = adoption.opening_of(profile)
    assert opening is not None
    assert (opening.total_xp, opening.daily_xp_earned, opening.day, opening.level) == (50_000, 120, "2025-12-16", 15)
    assert (opening.streak, opening.achievements) == (profile.streak, profile.achievements)


def test_the_streak_and_the_cap_go_on() -> None:
    """The first row of ours on an adopted profile (`seq` 1) carries `opening` …; the fold starts from it."""
    ledger = Ledger(profile=adoption.adopted(found(), POLICY))
    row = ledger.gives("manual", NOON, amount=400)
    assert (row.amount, row.daily_total, row.reason) == (380, 500, "daily_cap")
    assert row.opening is not None
    ledger.activity(NOON + 3 * DAY)
    assert (ledger.profile.streak.current, ledger.profile.streak.freezes_available) == (43, 4)
    assert [each for each in ledger.rows if each.pays] == [], "milestones that were had before are not given again"
    assert ledger.profile.achievements[:2] == ("ach_first_steps", "ach_week_warrior")


def test_a_late_fact_of_before_does_not_touch_what_was_found() -> None:
    """Nothing before its newest date can change it any more."""
    ledger = Ledger(profile=adoption.adopted(found(), POLICY))
    ledger.activity(NOON, at=NOON - 2 * DAY)
    assert ledger.profile.streak.current == 42
    assert ledger.profile.streak.freezes_available == 6


@pytest.mark.parametrize(
    ("timezone", "reset_at", "day"),
    [
        ("UTC", None, None),
        ("Asia/Tokyo", datetime(2025, 12, 16, 15, tzinfo=UTC), "2025-12-16"),
        ("America/Santiago", datetime(2024, 9, 8, 4, tzinfo=UTC), "2024-09-07"),
    ],
)
def test_the_day_of_the_counter(timezone: str, reset_at: datetime | None, day: str | None) -> None:
    """`daily_xp_reset_at` is the next local midnight as an instant: the day that it ends is the counter's."""
    profile = found(timezone, daily_xp_reset_at=reset_at, streak=Streak())
    assert adoption.adopted(profile, POLICY).day == day
    assert adoption.adopted(profile.evolve(day="2025-01-01"), POLICY).day == "2025-01-01"


def test_a_streak_of_none_has_no_first_date() -> None:
    profile = adoption.adopted(found(streak=Streak(longest=9, last_activity_at=NOON)), POLICY)
    assert (profile.streak.started, profile.streak.paid, profile.streak.day) == (None, (), "2025-12-16")


def test_who_begins_with_nothing_or_has_rows_is_left_alone() -> None:
    """Who has no row of ours and nothing before needs no opening; who has rows was adopted already."""
    fresh = enrolled()
    assert adoption.adopted(fresh, POLICY) is fresh
    assert adoption.opening_of(fresh) is None
    ledger = Ledger()
    assert ledger.gives("manual", NOON, amount=1).opening is None
    assert adoption.adopted(ledger.profile, POLICY) is ledger.profile


def test_fields_of_the_host_stay() -> None:
    profile = found()
    object.__setattr__(profile, "__pydantic_extra__", {"theme": "dark"})
    assert adoption.adopted(profile, POLICY).__pydantic_extra__ == {"theme": "dark"}


@given(
    st.sampled_from(HOMES),
    st.integers(-5, 10**6),
    st.integers(0, 400),
    st.integers(0, 500),
    st.integers(0, 24 * 30),
    STEPS,
)
def test_any_history_folds_from_its_opening(
    home: str, xp: int, current: int, earned: int, ago: int, steps: list[tuple[str, int, int, int]]
) -> None:
    """`fold(ledger) == profile` after any history, on every backend. (An adopted profile: `storage.md`.)"""
    streak = Streak(current=current, longest=max(current, 3), last_activity_at=NOON - HOUR * ago)
    profile = found(
        home, total_xp=xp, daily_xp_earned=earned, streak=streak, daily_xp_reset_at=NOON + timedelta(hours=3)
    )
    ledger = Ledger(timezone=home, profile=adoption.adopted(profile, POLICY))
    play(ledger, steps)
    if ledger.rows:
        assert (ledger.rows[0].opening is None) is False


def test_a_row_of_before_that_is_reversed_first() -> None:
    """Older rows are history: read and reversible, never folded. Also when the first row of ours is the reversal."""
    for day in (NOON, NOON - 40 * DAY):
        ledger = Ledger(timezone="Asia/Tokyo", profile=adoption.adopted(found("Asia/Tokyo"), POLICY))
        old = XPTransaction(
            id="0" * 24,
            transaction_id="xp_txn_old",
            user_id=ledger.profile.user_id,
            amount=20,
            source="answer_posted",
            daily_total=20,
            daily_cap=500,
            timestamp=day,
        )
        ledger.reverse(old, NOON)
        assert (ledger.profile.total_xp, ledger.profile.daily_xp_earned) == (49_980, 120)
        assert ledger.rows[0].opening is not None
        ledger.restore(old, NOON)
        assert ledger.profile.total_xp == 50_000
