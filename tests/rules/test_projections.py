"""Projections, §1: the ledger is the truth, the profile its fold, and what is not in the ledger is not folded."""

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree.models.base import made
from tektree.models.gamification import Folded, GamificationProfile, Streak, XPTransaction
from tektree.policy import Policy
from tektree.rules import projections, xp
from tektree.rules.levels import Curve
from tests.rules.ledgers import DAY, DEFAULT, HOMES, HOUR, NOON, POLICIES, STEPS, Ledger, enrolled, folds, play

Steps = list[tuple[str, int, int, int]]
LIFE: Steps = [
    ("award", 0, 1, 3),
    ("award", 1, 0, 40),
    ("reverse", 1, 0, 1),
    ("award", 24, 5, 4),
    ("freezes", 0, 1, 1),
    ("restore", 0, 1, 1),
    ("activity", 50, 2, 1),
    ("award", 24 * 8, 3, 9),
]


def lived(policy: Policy = DEFAULT, home: str = "UTC", steps: Steps = LIFE) -> Ledger:
    ledger = Ledger(policy, home)
    play(ledger, steps)
    return ledger


@given(st.sampled_from(POLICIES), st.sampled_from(HOMES), STEPS, st.randoms(use_true_random=False))
def test_the_profile_is_the_fold(policy: Policy, home: str, steps: Steps, random: Random) -> None:
    """**The ledger is the truth** (`xp_transactions`, append-only; nothing but its transient `_outbox` is ever taken
    off a row; rows are never deleted). The profile is its fold: `fold(ledger) == profile` after any history, on
    every backend. Rows fold in order of `seq`; `timestamp` is the award's `at`; `history` is newest first by `seq`."""
    ledger = lived(policy, home, steps)
    shuffled = list(ledger.rows)
    random.shuffle(shuffled)
    if ledger.rows:
        folds(ledger.rows, ledger.profile, policy)
    assert projections.fold(shuffled, policy) == projections.fold(ledger.rows, policy)


def corrupted(ledger: Ledger, at: int, **fields: Any) -> list[XPTransaction]:
    rows = list(ledger.rows)
    rows[at] = made(XPTransaction, {**rows[at].__dict__, **fields})
    return rows


def first_divergence(rows: list[XPTransaction], policy: Policy = DEFAULT) -> tuple[int, str] | None:
    """As `verify` finds it."""
    state = projections.START
    for row in rows:
        following = projections.step(state, row, policy)
        found = projections.row_divergence(state, row, following)
        if found:
            assert found.transaction_id == row.transaction_id
            assert found.expected != found.found
            return found.seq, found.field
        state = following
    return None


@pytest.mark.parametrize(
    "field", ["amount", "room", "day", "week", "source", "timestamp", "activity", "told", "unlocked"]
)
def test_the_fold_catches_a_row_that_was_changed(field: str) -> None:
    """`verify(user)` compares them and names the first row that diverges; `rebuild(user)` repairs. Positive controls:
    each decision on a row matters to the fold."""
    ledger = lived(steps=LIFE[:3])  # on one day: the next one begins anew
    assert first_divergence(ledger.rows) is None
    row = ledger.rows[0]
    changed = {
        "amount": row.amount + 1,
        "room": row.room + 1,
        "day": "2025-12-15",
        "week": "2025-W50",
        "source": "question_asked",
        "timestamp": row.timestamp + HOUR,
        "activity": not row.activity,
        "told": row.told + 1,
        "unlocked": (),
    }
    rows = corrupted(ledger, 0, **{field: changed[field]})
    found = first_divergence(rows)
    assert found is not None
    assert found[0] == 1
    with pytest.raises(AssertionError):
        folds(rows, ledger.profile, DEFAULT)


@pytest.mark.parametrize(
    ("at", "fields", "field"),
    [
        (2, {"seq": 9}, "seq"),
        (2, {"state": None}, "state"),
        (1, {"daily_total": 1}, "daily_total"),
        (3, {"state": projections.START}, "state.total_xp"),
    ],
)
def test_a_divergence_names_the_row_and_the_field(at: int, fields: dict[str, Any], field: str) -> None:
    """`verify(user)` compares them and names the first row that diverges."""
    ledger = lived()
    rows = corrupted(ledger, at, **fields)
    assert first_divergence(rows) == (fields.get("seq", at + 1), field)


def test_a_row_that_is_missing_is_named() -> None:
    """`verify(user)` compares them and names the first row that diverges."""
    ledger = lived()
    assert first_divergence([*ledger.rows[:2], *ledger.rows[3:]]) == (4, "seq")


@pytest.mark.parametrize(
    "fields",
    [{"total_xp": 5}, {"daily_xp_earned": 1}, {"streak": Streak()}, {"achievements": ()}, {"counters": {}}, {"seq": 3}],
)
def test_a_profile_that_says_something_else(fields: dict[str, Any]) -> None:
    """`verify(user)` compares them."""
    ledger = lived()
    state = projections.fold(ledger.rows)
    assert projections.compared(state, ledger.profile) is None
    found = projections.compared(state, ledger.profile.evolve(**fields))
    assert found is not None
    assert (found.field, found.seq, found.transaction_id) == (next(iter(fields)), state.seq, None)


def test_levels_are_computed_from_the_current_curve() -> None:
    """A fold replays the **decisions stored on the rows** (amounts, days, freezes, unlocks), not today's policy; only
    the level is computed from the current curve."""
    ledger = lived()
    other = Policy(
        xp={"daily_cap": 1, "sources": {"answer_posted": {"amount": 999}}},
        levels={"kind": "linear", "first": 1},
        streaks={"freeze_every": 1, "max_freezes": 0, "late_days": 0},
        achievements=(),
    )
    today, then = projections.fold(ledger.rows, other), projections.fold(ledger.rows)
    levels = {"current_level", "xp_to_next_level", "peak_level"}
    assert today.model_dump(exclude=levels) == then.model_dump(exclude=levels)
    assert today.current_level == Curve(other.levels).level_at(then.total_xp) != then.current_level
    assert first_divergence(ledger.rows, other) is None, "a new curve is no divergence"


def test_settings_are_not_folded() -> None:
    """What the ledger does not hold is not folded: opt-out, featured achievements and time zone are settings, changed
    by their own guarded updates and never overwritten by an award."""
    ledger = lived()
    settings = {
        "leaderboard_opt_out": True,
        "featured_achievements": ("ach_first_steps",),
        "timezone": "Asia/Tokyo",
        "tier": "pro",
        "settings_version": 7,
        "skipped_dates": ("2025-12-01",),
    }
    assert not set(settings) & set(Folded.model_fields)
    ledger.profile = ledger.profile.evolve(**settings)
    ledger.gives("manual", NOON + 20 * DAY, amount=1)
    assert {name: getattr(ledger.profile, name) for name in settings} == settings


def test_unknown_fields_outlive_an_award() -> None:
    """Never overwritten by an award: nor is what a stored profile has beyond our fields."""
    profile = enrolled()
    object.__setattr__(profile, "__pydantic_extra__", {"theme": "dark"})
    after = projections.profile_with(profile, projections.fold(lived().rows))
    assert after.__pydantic_extra__ == {"theme": "dark"}
    shown = projections.as_of(after, NOON + 99 * DAY, DEFAULT)
    assert shown.__pydantic_extra__ == {"theme": "dark"}


def test_rows_without_a_number_are_not_folded() -> None:
    """(An adopted profile: `storage.md`.)"""
    ledger = lived()
    old = ledger.rows[0].evolve(seq=0, amount=5000)
    assert projections.fold([old, *ledger.rows]) == projections.fold(ledger.rows)
    assert projections.fold([]) == projections.START == Folded()


def test_an_adopted_profile_folds_from_its_opening() -> None:
    """(An adopted profile: `storage.md`.) The first row of ours on an adopted profile (`seq` 1) carries `opening`; the
    fold starts from it."""
    found = enrolled().evolve(
        total_xp=50_000,
        current_level=15,
        peak_level=15,
        xp_to_next_level=1500,
        daily_xp_earned=120,
        day="2025-12-16",
        streak=Streak(current=42, longest=50, freezes_available=6),
        achievements=("ach_first_steps",),
    )
    ledger = Ledger(profile=found)
    ledger.gives("answer_upvoted", NOON, about="v")
    assert ledger.rows[0].opening is not None
    assert (ledger.profile.total_xp, ledger.profile.daily_xp_earned) == (50_010, 130)
    assert ledger.profile.streak.longest == 50
    assert ledger.profile.achievements[0] == "ach_first_steps"
    ledger.gives("answer_upvoted", NOON, about="w")
    assert ledger.rows[1].opening is None


def test_as_of_now() -> None:
    """Evaluated lazily. There is **no midnight job**: a stale day is seen on read. The clock decides only
    `future_event` and what "as of now" shows."""
    ledger = Ledger(timezone="Asia/Tokyo")
    ledger.gives("answer_posted", NOON, about="a")
    assert ledger.shown(NOON) is ledger.profile
    assert ledger.shown(NOON - 99 * DAY) is ledger.profile, "a clock set back does not end the day"
    tomorrow = ledger.shown(NOON + 3 * HOUR)
    assert (tomorrow.daily_xp_earned, tomorrow.streak.current) == (0, 1)
    assert ledger.shown(NOON + 2 * DAY).streak.current == 0
    assert projections.as_of(tomorrow, NOON + 3 * HOUR, DEFAULT) == tomorrow
    fresh = projections.as_of(enrolled(), NOON, DEFAULT)
    assert (fresh.daily_xp_earned, fresh.daily_xp_reset_at) == (0, (NOON + DAY).replace(hour=0))


@given(st.sampled_from(HOMES), STEPS, st.lists(st.integers(0, 300), max_size=4))
def test_looking_changes_nothing(home: str, steps: Steps, hours: list[int]) -> None:
    """Evaluated lazily, so the result does not depend on *when* anyone looks."""
    ledger, now = Ledger(DEFAULT, home), NOON
    now = play(ledger, steps)
    shown: GamificationProfile = ledger.profile
    for hour in sorted(hours):
        shown = projections.as_of(shown, now + HOUR * hour, DEFAULT)
    last = now + HOUR * max(hours, default=0)
    assert shown.streak == (ledger.shown(last).streak if hours else ledger.profile.streak)
    assert shown.daily_xp_earned == (ledger.shown(last).daily_xp_earned if hours else ledger.profile.daily_xp_earned)


def test_the_start_of_a_user() -> None:
    assert projections.xp_to_second_level(DEFAULT) == 200
    assert projections.xp_to_second_level(Policy(levels={"kind": "table", "thresholds": [0]})) == 0


def test_counters_count_awards_and_keep_their_newest_time() -> None:
    """Cooldowns and per-source limits are decided from per-source counters in the snapshot."""
    ledger = Ledger()
    ledger.gives("answer_posted", NOON, about="a")
    ledger.gives("answer_posted", NOON, about="b", at=NOON - timedelta(hours=1))
    row = ledger.gives("answer_posted", NOON + DAY, about="c")
    ledger.reverse(row, NOON + DAY)
    ledger.activity(NOON + DAY)
    ledger.freezes(1, NOON + DAY)
    assert set(ledger.profile.counters) == {"answer_posted"}
    counter = ledger.profile.counters["answer_posted"]
    assert (counter.count, counter.today, counter.last_at) == (3, 1, NOON + DAY)


def test_a_freeze_row_that_is_reversed_keeps_its_freezes() -> None:
    """A reversal undoes that row's XP only: its activity, freezes, milestones and `keep` achievements stay."""
    ledger = Ledger()
    ledger.freezes(2, NOON)
    ledger.reverse(ledger.rows[0], NOON)
    assert isinstance(ledger.standing(ledger.rows[0]), xp.Standing)
    assert ledger.profile.streak.freezes_available == 2
