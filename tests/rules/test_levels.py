"""Levels, §3: against an exact oracle, up to 2⁵³; and curves of every other kind."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tektree.errors import ConfigurationError, InvalidInput
from tektree.models.base import INT53
from tektree.policy import Levels, Policy
from tektree.rules.levels import Curve, curve_of
from tests.rules.ledgers import DAY, NOON, Ledger

DEFAULT = Curve()


def threshold(level: int) -> int:
    """50 · round(4 · (n − 1)^2.05) by bisection: r is right when (2r − 1)²⁰ ≤ 2²⁰ · 4²⁰ · (n − 1)⁴¹ < (2r + 1)²⁰."""
    power = 8**20 * (level - 1) ** 41
    low, high = 0, 8 * level**3
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if (2 * middle + 1) ** 20 <= power else (low, middle)
    return 50 * low


def is_the_curve(ours: Callable[[int], int], levels: range) -> None:
    """``threshold(n) = 50 · round(4 · (n − 1)^2.05)`` for each of these levels."""
    wrong = [level for level in levels if ours(level) != threshold(level)]
    assert not wrong, f"{len(wrong)} thresholds differ, the first at level {wrong[0]}"


def test_the_default_curve_is_computed_in_integers() -> None:
    """The default curve is `threshold(n) = 50 · round(4 · (n − 1)^2.05)`, computed in integers (the rounded 20th root
    of 4²⁰·(n−1)⁴¹), searched, small levels cached: 0, 200, 850, …"""
    assert [DEFAULT.threshold(level) for level in (1, 2, 3)] == [0, 200, 850]
    is_the_curve(DEFAULT.threshold, range(1, 3000))
    is_the_curve(DEFAULT.threshold, range(3_000_000, 3_000_050))


def test_the_check_catches_a_curve_in_floats() -> None:
    """Where floats have no fractions left, rounding them is no rounding: exact integers, up to 2⁵³."""
    with pytest.raises(AssertionError, match="thresholds differ"):
        is_the_curve(lambda n: 50 * round(4 * (n - 1) ** 2.05), range(3_000_000, 3_000_050))


def test_the_check_catches_a_curve_that_is_cut_down() -> None:
    with pytest.raises(AssertionError, match="thresholds differ"):
        is_the_curve(lambda n: 50 * int(4 * (n - 1) ** 2.05), range(1, 100))


def test_the_example_of_the_data_model() -> None:
    """The data model's own example holds: 50,000 XP is level 15 with 1,500 to go (threshold(16) = 51,500)."""
    assert DEFAULT.threshold(15) <= 50_000 < DEFAULT.threshold(16) == 51_500 == threshold(16)
    assert (DEFAULT.level_at(50_000), DEFAULT.xp_to_next(50_000)) == (15, 1500)


curves = st.one_of(
    st.just(Levels()),
    st.builds(
        Levels,
        unit=st.integers(1, 1000),
        factor=st.integers(1, 50),
        exponent=st.fractions(1, 8, max_denominator=20),
        top=st.none() | st.integers(1, 2000),
    ),
    st.builds(
        Levels,
        kind=st.just("linear"),
        first=st.integers(1, 10**6) | st.just(INT53),
        top=st.none() | st.integers(1, 2000),
    ),
    st.builds(
        Levels,
        kind=st.just("geometric"),
        first=st.integers(1, 10**6) | st.just(INT53),
        ratio=st.fractions(Fraction(101, 100), 100, max_denominator=100),
        top=st.none() | st.integers(1, 600),
    ),
    st.builds(
        Levels,
        kind=st.just("table"),
        thresholds=st.sets(st.integers(1, INT53), max_size=30).map(lambda rest: (0, *sorted(rest))),
        top=st.none() | st.integers(1, 40),
    ),
    st.builds(
        Levels,
        kind=st.just("custom"),
        custom=st.integers(1, 99).map(lambda step: lambda level: step * (level - 1) * level),
        top=st.none() | st.integers(1, 2000),
    ),
)
totals = st.integers(-INT53, INT53) | st.integers(0, 10**6)


def places(curve: Curve, xp: int) -> None:
    """`level(total) = max n with threshold(n) ≤ total`, and how far it is to the next."""
    level, shown = curve.level_at(xp), max(0, xp)
    assert type(level) is int
    assert curve.threshold(level) <= shown
    if level == (curve.top or INT53):
        assert curve.xp_to_next(xp) == 0
        assert curve.progress(xp) == 1
    else:
        following = curve.threshold(level + 1)
        assert shown < following
        assert curve.xp_to_next(xp) == min(INT53, following - shown)
        assert 0 <= curve.progress(xp) < 1 or following - curve.threshold(level) > 2**52
        assert 0 <= curve.progress(xp) <= 1
        assert curve.level_at(min(INT53, following - 1)) == level


@given(curves, totals)
@example(Levels(), 49_999)
@example(Levels(), INT53)
@example(Levels(kind="geometric", first=INT53, ratio=100), INT53)
@example(Levels(kind="table", thresholds=(0,)), 1)
@example(Levels(kind="linear", first=1), INT53)
def test_a_total_has_the_highest_level_whose_threshold_it_reaches(levels: Levels, xp: int) -> None:
    """`level(total) = max n with threshold(n) ≤ total`; `threshold(1) = 0`; strictly increasing; integers only;
    inclusive. `xp_to_next_level` is 0 at the top of a bounded curve; progress is in `[0, 1]`."""
    curve = Curve(levels)
    assert curve.threshold(1) == 0
    places(curve, xp)


@given(curves, st.integers(1, 700))
def test_level_at_and_threshold_are_inverse(levels: Levels, level: int) -> None:
    """`level_at` and `threshold` are inverse."""
    curve = Curve(levels)
    level = level if curve.top is None else min(level, curve.top)
    low = curve.threshold(level)
    if low <= INT53:
        assert curve.level_at(low) == level
        assert curve.level_at(low - 1) == max(1, level - 1)
    if level != curve.top:
        assert curve.threshold(level + 1) > low


def test_the_check_catches_a_curve_that_is_not_inclusive() -> None:
    class Exclusive(Curve):
        def level_at(self, xp: int) -> int:
            return super().level_at(xp - 1)

    places(Curve(), 200)
    with pytest.raises(AssertionError):
        places(Exclusive(), 200)


@pytest.mark.parametrize(
    ("levels", "thresholds"),
    [
        (Levels(kind="table", thresholds=(0, 10, 15)), [0, 10, 15]),
        (Levels(kind="table", thresholds=(0, 10, 15), top=2), [0, 10]),
        (Levels(kind="table", thresholds=(0, 10), top=9), [0, 10]),
        (Levels(kind="linear", first=30), [0, 30, 60, 90]),
        (Levels(kind="geometric"), [0, 100, 250, 475, 812]),
        (Levels(kind="geometric", first=1, ratio="1.01"), [0, 1, 2, 3, 4, 5]),
        (Levels(kind="power", unit=1, factor=1, exponent=2), [0, 1, 4, 9]),
        (Levels(kind="power", unit=1, factor=2, exponent="1.5"), [0, 2, 6, 10]),
        (Levels(kind="custom", custom=lambda level: level**3 - 1), [0, 7, 26]),
    ],
)
def test_curves_of_other_kinds(levels: Levels, thresholds: list[int]) -> None:
    """Other curves: table, linear, geometric, any callable that is checked to be increasing."""
    curve = Curve(levels)
    assert [curve.threshold(level) for level in range(1, len(thresholds) + 1)] == thresholds
    if levels.kind == "table":
        assert curve.top == len(thresholds)
        assert curve.level_at(INT53) == curve.top


def _flat_far_away(level: int) -> int:
    return 10 * min(level - 1, 600)


@pytest.mark.parametrize(
    ("custom", "field"),
    [
        (lambda level: level, "levels.custom"),
        (lambda level: -1 if level == 1 else level, "levels.custom"),
        (lambda level: 0, "levels"),
        (lambda level: 100 * (level - 1) if level < 300 else 7, "levels"),
        (lambda level: float(level - 1), "levels.custom"),
        (lambda level: None, "levels.custom"),
        (lambda level: level > 1, "levels.custom"),
    ],
)
def test_a_callable_that_does_not_rise_from_zero_is_refused(custom: Callable[[int], Any], field: str) -> None:
    """Other curves: table, linear, geometric, any callable that is checked to be increasing."""
    with pytest.raises(ConfigurationError) as caught:
        Curve(Levels(kind="custom", custom=custom))
    assert caught.value.field == field


def test_a_callable_that_stops_rising_far_away_is_noticed_when_it_matters() -> None:
    """A search in it comes to an end: a curve of whole numbers that rises has risen by one at least for each level."""
    curve = Curve(Levels(kind="custom", custom=_flat_far_away))
    assert curve.level_at(5_555) == 556
    with pytest.raises(ConfigurationError, match="rise"):
        curve.level_at(INT53)


@pytest.mark.parametrize("wrong", [True, 1.0, "1", None, INT53 + 1, -INT53 - 1, 10**400, float("nan")])
def test_only_whole_numbers_are_totals_and_levels(wrong: Any) -> None:
    for asked, field in (
        (DEFAULT.level_at, "xp"),
        (DEFAULT.xp_to_next, "xp"),
        (DEFAULT.progress, "xp"),
        (DEFAULT.threshold, "level"),
    ):
        with pytest.raises(InvalidInput) as caught:
            asked(wrong)
        assert caught.value.field == field


def test_levels_that_a_curve_does_not_have() -> None:
    bounded = Curve(Levels(kind="table", thresholds=(0, 10)))
    steep = Curve(Levels(kind="geometric"))
    for curve, level in ((DEFAULT, 0), (DEFAULT, -1), (bounded, 0), (bounded, 3), (steep, INT53)):
        with pytest.raises(InvalidInput) as caught:
            curve.threshold(level)
        assert caught.value.field == "level"
    assert DEFAULT.threshold(INT53) == threshold(INT53)


def test_negative_totals_count_as_zero() -> None:
    """`total_xp` is the true sum and may fall below zero; levels, boards and everything shown use `max(0, total)`."""
    assert (DEFAULT.level_at(-5), DEFAULT.xp_to_next(-5), DEFAULT.progress(-5)) == (1, 200, 0.0)


def test_curves_are_made_once_for_each_settings() -> None:
    first, second = Levels(kind="linear"), Levels(kind="geometric")
    assert curve_of(first) is curve_of(first) is not curve_of(second)
    assert curve_of(first) is curve_of(Levels(kind="linear"))


REWARDED = Policy(
    levels={"kind": "linear", "first": 100, "rewards": {2: 7, 3: 11, 5: 1}}, xp={"daily_cap": "unlimited"}
)


def test_several_levels_in_one_award_are_one_event_and_each_reward_runs_once() -> None:
    """Several levels in one award: one `level.up` event with both ends; per-level rewards run once per user and level,
    whatever the total does later."""
    ledger = Ledger(REWARDED)
    row = ledger.gives("manual", NOON, amount=250)
    ups = [event.payload for event in ledger.events if event.event_type == "level.up"]
    assert [(up["old_level"], up["new_level"]) for up in ups] == [(1, 3)]
    assert [(each.source, each.amount) for each in ledger.rows[1:]] == [("level_reward", 7), ("level_reward", 11)]
    for hour in range(1, 4):
        ledger.reverse(row, NOON + hour * DAY)
        assert ledger.profile.current_level == 1
        ledger.restore(row, NOON + hour * DAY)
        assert ledger.profile.current_level == 3
    assert sum([each.source == "level_reward" for each in ledger.rows]) == 2
    downs = [event.payload for event in ledger.events if event.event_type == "level.down"]
    assert [(down["old_level"], down["new_level"]) for down in downs] == [(3, 1)] * 3


def test_going_down() -> None:
    """Going down: policy `follow` (default: the level is a function of the total) or `high_water`."""
    for down, level, missing in (("follow", 1, 100), ("high_water", 3, 300)):
        ledger = Ledger(Policy(levels={"kind": "linear", "down": down}))
        row = ledger.gives("manual", NOON, amount=250)
        ledger.reverse(row, NOON)
        assert (ledger.profile.current_level, ledger.profile.xp_to_next_level) == (level, missing)
        assert ledger.profile.peak_level == 3


def test_high_water_at_the_top() -> None:
    ledger = Ledger(Policy(levels={"kind": "table", "thresholds": [0, 10], "down": "high_water"}))
    ledger.reverse(ledger.gives("manual", NOON, amount=250), NOON)
    assert (ledger.profile.total_xp, ledger.profile.current_level, ledger.profile.xp_to_next_level) == (0, 2, 0)
