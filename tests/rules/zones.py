"""Time zones to test with, and an oracle of local dates that asks ``zoneinfo`` and nothing of ours."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import strategies as st

from tektree.errors import InvalidInput
from tektree.rules.periods import zone


def _known(name: str) -> bool:
    try:
        return zone(name).key == name
    except InvalidInput:
        return False


ZONES = sorted(filter(_known, available_timezones()))
"""Every IANA name that the rules take."""

TRICKY = (
    "America/Santiago",
    "Asia/Beirut",
    "Africa/Cairo",
    "America/Havana",
    "Pacific/Apia",
    "Pacific/Fakaofo",
    "Pacific/Kwajalein",
    "Pacific/Kiritimati",
    "America/Juneau",
    "Antarctica/Troll",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Asia/Tehran",
    "Europe/Lisbon",
    "Africa/Casablanca",
    "America/St_Johns",
    "Etc/GMT+12",
    "Etc/GMT-14",
)
zones = st.sampled_from(TRICKY) | st.sampled_from(ZONES)

CRITICAL = (
    date(2011, 12, 28),  # Apia and Fakaofo have no 30th
    date(1993, 8, 19),  # Kwajalein has no 21st
    date(1994, 12, 29),  # Kiritimati has no 31st (or no 1 January)
    date(2024, 2, 26),
    date(2000, 2, 27),
    date(2100, 2, 26),  # no leap year
    date(2020, 12, 27),  # a year of 53 weeks ends
    date(2026, 12, 28),
    date(2024, 3, 29),  # clocks change
    date(2024, 10, 25),
    date(2018, 11, 2),
    date(2019, 8, 9),
    date(2023, 4, 26),
    date(2024, 9, 6),
)
starts = st.sampled_from(CRITICAL) | st.dates(date(1971, 1, 1), date(2100, 12, 31))


def local(at: datetime, name: str) -> date:
    """What a calendar on the wall shows."""
    return at.astimezone(ZoneInfo(name)).date()


@cache
def existed(day: date, name: str) -> bool:
    """Whether noon of this date ever came. Clocks change at night, a date that is left out has no noon."""
    noon = datetime.combine(day, time(12), ZoneInfo(name))
    return local(noon.astimezone(UTC), name) == day


def instant(day: date, second: int, name: str) -> datetime:
    """The moment at which clocks showed this, or would have; its date may be another in a zone that skipped it."""
    wall = datetime.combine(day, time(), ZoneInfo(name)) + timedelta(seconds=second)
    return wall.astimezone(UTC)
