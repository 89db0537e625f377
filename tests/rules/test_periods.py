"""Days and weeks of a person's own calendar: §2, §4 and §6 as far as they speak of dates."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree.errors import InvalidInput
from tektree.rules.periods import (
    date_exists,
    day_end,
    day_of,
    day_start,
    iso_week,
    left_out,
    local_day,
    ordinal_of,
    zone,
)
from tests.rules.ledgers import DAY, HOUR, NOON, Ledger
from tests.rules.zones import TRICKY, ZONES, existed, instant, local, starts, zones

instants = st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def test_there_are_many_zones() -> None:
    """Zones and calendars: IANA names."""
    assert len(ZONES) > 500
    assert set(TRICKY) <= set(ZONES)
    assert not {"localtime", "posixrules", "Factory"} & set(ZONES)


@given(instants, zones)
def test_a_day_is_the_local_date(at: datetime, name: str) -> None:
    """The cap's day is the user's local day (IANA zone, default UTC) and is stored on the row."""
    assert local_day(at, name) == local(at, name).isoformat()
    assert local_day(at, "UTC") == at.date().isoformat()


@given(instants, zones)
def test_a_day_holds_its_instants(at: datetime, name: str) -> None:
    """`daily_xp_reset_at` is the next local midnight as an instant."""
    day = local_day(at, name)
    assert date_exists(day, name)
    assert day_start(day, name) <= at
    ends = day_end(day, name)
    # Where clocks go back over midnight (America/St_Johns did at 00:01), the last hour of a date comes again.
    assert at < ends or local_day(ends, name) == local_day(ends + HOUR - timedelta(minutes=1, microseconds=1), name)


def midnights_are_first(start: Callable[[str, str], datetime], name: str, days: list[date]) -> None:
    """The start of each date is on that date, and the millisecond before is not."""
    for day in days:
        first = start(day.isoformat(), name)
        assert local(first, name) == day, f"{day} in {name} does not begin at {first}"
        assert local(first - timedelta(milliseconds=1), name) < day, f"{day} in {name} begins before {first}"


def sampled(random: Random, name: str, count: int) -> list[date]:
    """Dates of ten years that exist in a zone."""
    days = [date(2016, 1, 1) + DAY * random.randrange(3653) for _ in range(count)]
    return [day for day in days if existed(day, name)]


def test_days_of_every_zone() -> None:
    """Days of 22 to 25 hours, midnights that do not exist (Santiago, Beirut, Cairo, Havana): every zone, ten years."""
    random = Random("periods")
    lengths = set()
    for name in ZONES:
        days = sampled(random, name, 8)
        midnights_are_first(day_start, name, days)
        for day in days:
            text, following = day.isoformat(), (day + DAY).isoformat()
            length = day_end(text, name) - day_start(text, name)
            assert timedelta(hours=22) <= length <= timedelta(hours=25)
            assert day_end(text, name) == day_start(following, name)
            lengths.add(length)
    assert timedelta(hours=24) in lengths


@pytest.mark.long
def test_every_day_of_ten_years_in_every_zone() -> None:
    """Days of 22 to 25 hours, midnights that do not exist (Santiago, Beirut, Cairo, Havana)."""
    for name in ZONES:
        days = [date(2016, 1, 1) + DAY * at for at in range(3653)]
        midnights_are_first(day_start, name, [day for day in days if existed(day, name)])
        lengths = {day_end(day.isoformat(), name) - day_start(day.isoformat(), name) for day in days}
        most = 3 if name == "Antarctica/Casey" else 2  # a station that moves with its supply flights
        assert {abs(length - DAY) for length in lengths} <= {HOUR * by for by in (0, 0.5, 1, most)}, name


@pytest.mark.parametrize(
    ("name", "day", "starts_at"),
    [
        ("America/Santiago", "2024-09-08", "2024-09-08T04:00:00"),
        ("Asia/Beirut", "2024-03-31", "2024-03-30T22:00:00"),
        ("Africa/Cairo", "2024-04-26", "2024-04-25T22:00:00"),
        ("America/Havana", "2024-03-10", "2024-03-10T05:00:00"),
    ],
)
def test_midnights_that_do_not_exist(name: str, day: str, starts_at: str) -> None:
    """Midnights that do not exist (Santiago, Beirut, Cairo, Havana)."""
    first = day_start(day, name)
    assert first.isoformat() == f"{starts_at}+00:00"
    assert first.astimezone(ZoneInfo(name)).hour == 1  # the clock jumps over midnight
    midnights_are_first(day_start, name, [date.fromisoformat(day)])
    assert day_end(day, name) - first == timedelta(hours=23)
    before = day_of(ordinal_of(day) - 1)
    assert day_end(before, name) == first
    assert local_day(first - timedelta(milliseconds=1), name) == before


def test_the_check_catches_midnight_by_the_offset_of_noon() -> None:
    def broken(day: str, name: str) -> datetime:
        noon = datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=ZoneInfo(name))
        return noon.astimezone(UTC) - 12 * HOUR

    with pytest.raises(AssertionError, match="begin"):
        midnights_are_first(broken, "America/Santiago", [date(2024, 9, 8)])


@pytest.mark.parametrize(
    ("name", "day", "hours"),
    [
        ("Antarctica/Troll", "2024-03-31", 22),
        ("Europe/Berlin", "2024-03-31", 23),
        ("Australia/Lord_Howe", "2024-10-06", 23.5),
        ("Australia/Lord_Howe", "2024-04-07", 24.5),
        ("Europe/Berlin", "2024-10-27", 25),
        ("Pacific/Apia", "2011-12-30", 0),
        ("UTC", "2024-02-29", 24),
    ],
)
def test_lengths_of_days(name: str, day: str, hours: float) -> None:
    """Days of 22 to 25 hours."""
    assert day_end(day, name) - day_start(day, name) == timedelta(hours=hours)


def test_dates_that_do_not_exist() -> None:
    """Dates that do not exist (Apia 2011-12-30 counts as paused)."""
    for name, day in (
        ("Pacific/Apia", "2011-12-30"),
        ("Pacific/Fakaofo", "2011-12-30"),
        ("Pacific/Kwajalein", "1993-08-21"),
    ):
        assert not date_exists(day, name)
        for around in (-1, 1):
            assert date_exists(day_of(ordinal_of(day) + around), name)
        assert date_exists(day, "Europe/Berlin")


@given(starts, zones)
def test_whether_a_date_exists(day: date, name: str) -> None:
    for shift in range(-3, 7):
        assert date_exists((day + DAY * shift).isoformat(), name) == existed(day + DAY * shift, name)


@given(st.dates())
def test_dates_are_numbers(day: date) -> None:
    assert ordinal_of(day.isoformat()) == day.toordinal()
    assert day_of(day.toordinal()) == day.isoformat()
    assert iso_week(day.isoformat()) == f"{day:%G}-W{day:%V}".rjust(8, "0")


@pytest.mark.parametrize(
    ("day", "week"),
    [
        ("2025-12-29", "2026-W01"),
        ("2027-01-01", "2026-W53"),
        ("2021-01-03", "2020-W53"),
        ("2021-01-04", "2021-W01"),
        ("2024-02-29", "2024-W09"),
        ("2024-12-30", "2025-W01"),
    ],
)
def test_weeks_of_years_of_53(day: str, week: str) -> None:
    """`leaderboard:global` and `leaderboard:weekly:{ISO year}-W{ISO week}` (2025-12-29 is 2026-W01; 2027-01-01 is
    2026-W53)."""
    assert iso_week(day) == week


def test_the_ends_of_the_calendar() -> None:
    """Total: no date and no zone is past the end."""
    last, first = datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)
    for name in ("UTC", "Pacific/Kiritimati", "Etc/GMT+12", "Europe/Berlin"):
        assert local_day(last, name) == "9999-12-31"
        assert local_day(first, name) == "0001-01-01"
        assert day_end("9999-12-31", name) == last.replace(microsecond=999_000)
        assert day_start("0001-01-01", name).utcoffset() == timedelta(0)
        assert day_start("9999-12-31", name).utcoffset() == timedelta(0)
        assert date_exists("2025-01-01", name)
    assert (day_of(0), day_of(-5), day_of(10**7)) == ("0001-01-01", "0001-01-01", "9999-12-31")


@given(starts, st.integers(0, 86_399), zones, zones)
def test_dates_that_a_move_leaves_out(day: date, second: int, old: str, new: str) -> None:
    """Travel both ways across the date line: what lies between the date before and the date after was no date."""
    now = instant(day, second, old)
    before, after = local(now, old), local(now, new)
    skipped = left_out(now, old, new)
    assert list(skipped) == [
        (before + DAY * at).isoformat() for at in range(1, (after - before).days) if before + DAY * at < after
    ]
    assert len(skipped) <= 1


def test_moves_across_the_date_line() -> None:
    """Travel both ways across the date line."""
    assert left_out(datetime(2025, 6, 1, 10, 30, tzinfo=UTC), "Etc/GMT+12", "Pacific/Kiritimati") == ("2025-06-01",)
    assert left_out(datetime(2025, 6, 1, 10, 30, tzinfo=UTC), "Pacific/Kiritimati", "Etc/GMT+12") == ()
    assert left_out(NOON, "Pacific/Auckland", "America/Los_Angeles") == ()
    assert left_out(NOON, "America/Los_Angeles", "Pacific/Auckland") == ()


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        True,
        5,
        b"UTC",
        "",
        "Mars/Olympus",
        "Europe/Berlin ",
        "../etc/passwd",
        "/usr/share/zoneinfo/UTC",
        "Europe//Berlin",
        "a" * 65,
        "Europe/" + "x" * 10**6,
        "UTC\0",
        "\ud800",
        "localtime",
        "posixrules",
        "Factory",
        "posix/Europe/Berlin",
        "right/UTC",
        "Europe",
        "UTC\n",
        "tzdata.zi",
        ZoneInfo("UTC"),
    ],
)
def test_only_iana_names_are_zones(wrong: Any) -> None:
    """Zones and calendars: IANA names."""
    with pytest.raises(InvalidInput) as caught:
        zone(wrong)
    assert caught.value.field == "timezone"
    assert len(str(caught.value)) < 100
    with pytest.raises(InvalidInput, match=r"^home: "):
        zone(wrong, "home")


def test_the_day_does_not_depend_on_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Days never depend on the machine's own zone."""
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    assert local_day(datetime(2025, 12, 16, 23, 30, tzinfo=UTC), "UTC") == "2025-12-16"
    assert day_start("2025-12-16", "UTC") == datetime(2025, 12, 16, tzinfo=UTC)


def test_the_reset_is_the_next_local_midnight() -> None:
    """`daily_xp_reset_at` is the next local midnight as an instant. There is **no midnight job**: a stale day is seen
    on read."""
    ledger = Ledger(timezone="America/Santiago")
    at = datetime(2024, 9, 7, 12, tzinfo=UTC)
    ledger.gives("answer_posted", at, about="a")
    midnight = datetime(2024, 9, 8, 4, tzinfo=UTC)
    assert ledger.profile.daily_xp_reset_at == midnight
    assert ledger.shown(midnight - timedelta(milliseconds=1)) is ledger.profile
    seen = ledger.shown(midnight)
    assert (seen.daily_xp_earned, seen.daily_xp_reset_at) == (0, datetime(2024, 9, 9, 3, tzinfo=UTC))
    assert ledger.profile.daily_xp_earned == 10


def test_the_reset_after_a_move_is_the_midnight_of_the_new_home() -> None:
    """`daily_xp_reset_at` is the next local midnight as an instant: where the user lives now, also behind a reversal of
    what was earned where they lived before."""
    ledger = Ledger()
    row = ledger.gives("answer_posted", NOON, about="a")
    assert ledger.profile.daily_xp_reset_at == datetime(2025, 12, 17, tzinfo=UTC)
    ledger.moves("Asia/Kolkata", NOON)
    there = datetime(2025, 12, 16, 18, 30, tzinfo=UTC)
    assert ledger.shown(NOON).daily_xp_reset_at == there
    ledger.gives("answer_posted", NOON, about="b")
    assert ledger.profile.daily_xp_reset_at == there
    ledger.reverse(row, NOON)
    ledger.restore(row, NOON)
    assert ledger.profile.daily_xp_reset_at == there
