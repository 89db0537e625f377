"""Periods without gap or overlap, and what is said of a quota."""

from calendar import monthrange
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tektree.errors import InvalidInput
from tektree.models.quotas import Counter, Period, Usage
from tektree.policy import Policy
from tektree.rules import quotas

MILLI = timedelta(milliseconds=1)
INSTANTS = st.integers(0, 430 * 365 * 86_400_000).map(lambda at: datetime(1970, 1, 1, tzinfo=UTC) + at * MILLI)


@given(INSTANTS, st.none() | INSTANTS, st.none() | INSTANTS)
@example(datetime(2025, 2, 28, tzinfo=UTC), datetime(2025, 1, 31, tzinfo=UTC), None)
@example(datetime(2024, 2, 29, 12, tzinfo=UTC), datetime(2024, 2, 29, 12, tzinfo=UTC), None)
@example(datetime(2025, 2, 4, tzinfo=UTC), datetime(2025, 2, 10, tzinfo=UTC), datetime(2025, 2, 5, tzinfo=UTC))
def test_every_instant_is_in_one_period(now: datetime, anchor: datetime | None, since: datetime | None) -> None:
    """I14, I15: half open, and what comes before and after adjoins; no two are of one month."""

    def period(at: datetime) -> Period:
        return quotas.period(at, anchor, since)

    found = period(now)
    assert found.start <= now < found.end
    assert period(found.start) == period(found.end - MILLI) == found
    before, after = period(found.start - MILLI), period(found.end)
    assert (before.end, after.start) == (found.start, found.end)
    assert before.label < found.label < after.label
    assert found.label == f"{found.start:%Y-%m}"
    if since is not None:
        assert period(since).start == since


@given(INSTANTS, st.none() | INSTANTS, st.none() | INSTANTS, st.none() | INSTANTS)
def test_a_count_goes_on_or_a_later_months_begins_where_the_anchor_moves(
    at: datetime, old: datetime | None, since: datetime | None, new: datetime | None
) -> None:
    before = quotas.period(at, old, since)
    after = quotas.period(at, new, quotas.counted_from(before, new, at))
    if after.label == before.label:
        assert after.start == before.start
    else:
        assert after.label > before.label
        assert after.start == at


@pytest.mark.parametrize("day", [1, 28, 29, 30, 31])
def test_400_years_without_gap_or_overlap(day: int) -> None:
    """I14: with anchors on the 29th to the 31st, which come back after each short month."""
    anchor = datetime(2024, 1, day, 13, 37, tzinfo=UTC)
    found = quotas.period(anchor, anchor)
    labels = []
    for _ in range(4800):
        assert found.start.day == min(day, monthrange(found.start.year, found.start.month)[1])
        assert (found.start.hour, found.start.minute) == (13, 37)
        assert timedelta(days=28) <= found.end - found.start <= timedelta(days=31)
        labels.append(found.label)
        following = quotas.period(found.end, anchor)
        assert following.start == found.end
        found = following
    assert len(set(labels)) == 4800
    assert found.start == anchor.replace(year=2424)


def test_a_naive_month_would_not_do() -> None:
    """The control: the 31st of a month that has none."""
    with pytest.raises(ValueError, match="day"):
        datetime(2025, 1, 31, tzinfo=UTC).replace(month=2)


@pytest.mark.parametrize(
    ("now", "anchor", "expected"),
    [
        ("2025-12-16T14:00", None, ("2025-12", "2025-12-01T00:00", "2026-01-01T00:00")),
        ("2025-12-16T14:00", "2025-03-20T10:00", ("2025-11", "2025-11-20T10:00", "2025-12-20T10:00")),
        ("2025-12-20T10:00", "2025-03-20T10:00", ("2025-12", "2025-12-20T10:00", "2026-01-20T10:00")),
        ("2025-02-27T23:59", "2025-01-31T00:00", ("2025-01", "2025-01-31T00:00", "2025-02-28T00:00")),
        ("2025-03-01T00:00", "2025-01-31T00:00", ("2025-02", "2025-02-28T00:00", "2025-03-31T00:00")),
        ("2024-02-29T00:00", "2023-12-30T00:00", ("2024-02", "2024-02-29T00:00", "2024-03-30T00:00")),
        ("2025-12-16T14:00", "2030-01-31T00:00", ("2025-11", "2025-11-30T00:00", "2025-12-31T00:00")),
    ],
)
def test_periods(now: str, anchor: str | None, expected: tuple[str, str, str]) -> None:
    def at(text: str) -> datetime:
        return datetime.fromisoformat(f"{text}+00:00")

    found = quotas.period(at(now), None if anchor is None else at(anchor))
    assert found == (expected[0], at(expected[1]), at(expected[2]))


@pytest.mark.parametrize(
    ("now", "anchor", "since", "expected"),
    [
        # a month of the calendar in which a subscription began
        ("2025-12-25T00:00", "2025-12-20T10:00", "2025-12-01", ("2025-12", "2025-12-01T00:00", "2026-01-20T10:00")),
        ("2026-01-25T00:00", "2025-12-20T10:00", "2025-12-01", ("2026-01", "2026-01-20T10:00", "2026-02-20T10:00")),
        ("2025-11-30T23:59", "2025-12-20T10:00", "2025-12-01", ("2025-11", "2025-11-20T10:00", "2025-12-01T00:00")),
        # a trial, before its anchor
        ("2025-12-19T00:00", "2025-12-20T10:00", "2025-12-01", ("2025-12", "2025-12-01T00:00", "2026-01-20T10:00")),
        # one that ended in its month, and one that ended before its day
        ("2025-12-25T00:00", None, "2025-12-10", ("2025-12", "2025-12-10T00:00", "2026-01-01T00:00")),
        ("2025-12-25T00:00", None, "2025-12-05", ("2025-12", "2025-12-05T00:00", "2026-01-01T00:00")),
        ("2025-12-04T00:00", None, "2025-12-05", ("2025-11", "2025-11-01T00:00", "2025-12-05T00:00")),
        ("2025-10-04T00:00", None, "2025-12-05", ("2025-10", "2025-10-01T00:00", "2025-11-01T00:00")),
    ],
)
def test_two_that_would_start_in_one_month_are_one(
    now: str, anchor: str | None, since: str, expected: tuple[str, str, str]
) -> None:
    def at(text: str) -> datetime:
        return datetime.fromisoformat(f"{text}+00:00")

    found = quotas.period(at(now), None if anchor is None else at(anchor), at(f"{since}T00:00"))
    assert found == (expected[0], at(expected[1]), at(expected[2]))


def test_the_zone_of_an_anchor_makes_no_difference() -> None:
    tokyo = timezone(timedelta(hours=9))
    now = datetime(2025, 12, 16, tzinfo=UTC)
    assert quotas.period(now, datetime(2025, 1, 1, 8, tzinfo=tokyo)) == quotas.period(
        now.astimezone(tokyo), datetime(2024, 12, 31, 23, tzinfo=UTC)
    )


def test_the_calendar_has_ends() -> None:
    last = quotas.period(datetime(9999, 12, 31, tzinfo=UTC))
    assert last.end.year == 9999
    assert quotas.counter("usr_a", "questions", last).lasts == last.end
    first = quotas.period(datetime(1, 1, 1, tzinfo=UTC), datetime(2025, 1, 15, tzinfo=UTC))
    assert first.end == datetime(1, 1, 15, tzinfo=UTC)


def test_a_counter_outlives_its_period_by_two_days() -> None:
    found = quotas.period(datetime(2025, 12, 16, tzinfo=UTC))
    expected = Counter("usr_a", "questions", "2025-12", datetime(2026, 1, 3, tzinfo=UTC))
    assert quotas.counter("usr_a", "questions", found) == expected


def test_limits_are_the_policys() -> None:
    """I16: unlimited is None."""
    policy = Policy()
    found = [[quotas.limit_of(policy, tier, each) for each in ("questions", "areas")] for tier in policy.quotas]
    assert found == [[20, 3], [200, 30], [1000, 150], [None, None]]


@pytest.mark.parametrize("wrong", ["", "question", None, 5, ["questions"], "a" * 10_000])
def test_a_type_is_one_of_the_policys(wrong: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^quota_type: .*answers, areas, insights, questions"):
        quotas.limit_of(Policy(), "free", wrong)
    with pytest.raises(InvalidInput, match="there are none"):
        quotas.limit_of(Policy(quotas={}), "free", "questions")


@pytest.mark.parametrize("wrong", ["gold", None, 5])
def test_a_tier_is_one_of_the_policys(wrong: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^tier: "):
        quotas.limit_of(Policy(), wrong, "questions")


def test_what_remains_is_never_less_than_nothing() -> None:
    """I13: the tier changed, and what was used stays."""
    found = quotas.period(datetime(2025, 12, 16, tzinfo=UTC))
    assert quotas.usage(30, 20, "questions", found) == Usage(30, 20, 0, found.end, "questions", "2025-12")
    assert quotas.usage(30, 200, "questions", found).remaining == 170
    assert quotas.usage(30, None, "questions", found).remaining is None


@pytest.mark.parametrize(
    ("tier", "quota_type", "needed", "expected"),
    [
        ("free", "questions", 21, "pro"),
        ("free", "questions", 201, "team"),
        ("free", "questions", 5000, "enterprise"),
        ("pro", "answers", 5000, "team"),
        ("enterprise", "questions", 1, None),
        ("free", "unheard", 1, None),
    ],
)
def test_the_lowest_tier_that_has_room(tier: str, quota_type: str, needed: int, expected: str | None) -> None:
    assert quotas.upgrade(Policy(), tier, quota_type, needed) == expected


def test_a_tier_that_the_policy_leaves_out_has_no_room() -> None:
    policy = Policy(quotas={"free": {"questions": 1}, "team": {"questions": 3}})
    assert quotas.upgrade(policy, "free", "questions", 2) == "team"


@pytest.mark.parametrize("wrong", [0, -1, True, 1.0, "1", None, 10**9 + 1])
def test_an_amount_is_a_whole_number(wrong: Any) -> None:
    assert quotas.checked_amount(10**9) == 10**9
    with pytest.raises(InvalidInput, match=r"^n: "):
        quotas.checked_amount(wrong)


@pytest.mark.parametrize("wrong", [0, True, 1.0, "1", None, 10**9 + 1, -(10**9) - 1])
def test_a_change_is_a_whole_number_and_not_0(wrong: Any) -> None:
    assert [quotas.checked_change(each) for each in (-(10**9), 1)] == [-(10**9), 1]
    with pytest.raises(InvalidInput, match=r"^n: "):
        quotas.checked_change(wrong)
