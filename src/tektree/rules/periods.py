"""Days and weeks of a person's own calendar.

The law: a day is a local date, whatever its length in hours. Days never depend on the machine's own zone. An instant
belongs to the date that a calendar on the wall shows there and then; a date that a zone left out (Apia's 2011-12-30)
has no instant.

Dates travel as text, ``2025-12-16``, which sorts; inside the rules as ordinals, whose differences are days.
"""

import re
from contextlib import suppress
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from tektree.errors import InvalidInput

__all__ = [
    "date_exists",
    "day_end",
    "day_of",
    "day_start",
    "iso_week",
    "left_out",
    "local_day",
    "ordinal_of",
    "zone",
]

_NAME: Final = re.compile(r"[A-Za-z0-9_+\-]+(/[A-Za-z0-9_+\-]+){0,2}")
_NOT_PLACES: Final = frozenset({"localtime", "posixrules", "Factory", "posix", "right"})
"""Entries of time zone directories that mean another thing on each machine, or nothing."""

_LAST: Final = datetime.max.replace(tzinfo=UTC, microsecond=999000)


def zone(name: object, field: str = "timezone") -> ZoneInfo:
    """The time zone of an IANA name such as ``Europe/Berlin``. Raises `InvalidInput` for anything else."""
    if type(name) is str and len(name) <= 64:
        found = _zone(name)
        if found is not None:
            return found
    raise InvalidInput(field, "must be an IANA time zone such as 'Europe/Berlin' or 'UTC'")


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo | None:
    if not _NAME.fullmatch(name) or name.split("/")[0] in _NOT_PLACES:
        return None
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return None


def local_day(at: datetime, timezone: str) -> str:
    """The date that calendars in ``timezone`` show at an aware instant."""
    if timezone != "UTC":
        with suppress(OverflowError):  # on the first and the last day of the calendar
            at = at.astimezone(zone(timezone))
    return day_of(at.toordinal())


def ordinal_of(day: str) -> int:
    """A date as its number: the next date's is one more."""
    return date.fromisoformat(day).toordinal()


@lru_cache(maxsize=4096)
def day_of(ordinal: int) -> str:
    """The date of a number; past the calendar's last it is the last."""
    return date.fromordinal(min(max(ordinal, 1), date.max.toordinal())).isoformat()


def day_start(day: str, timezone: str) -> datetime:
    """The first instant of a date in UTC.

    Where midnight does not exist, the moment at which the clock jumps over it.
    """
    midnight = datetime.combine(date.fromisoformat(day), datetime.min.time(), zone(timezone))
    try:
        return midnight.astimezone(UTC)
    except OverflowError:
        return midnight.replace(tzinfo=UTC)


@lru_cache(maxsize=4096)
def day_end(day: str, timezone: str) -> datetime:
    """The next local midnight after a date, in UTC: when its cap resets. Days are 22 to 25 hours long, or 0."""
    following = ordinal_of(day) + 1
    return day_start(day_of(following), timezone) if following <= date.max.toordinal() else _LAST


@lru_cache(maxsize=4096)
def date_exists(day: str, timezone: str) -> bool:
    """Whether calendars in ``timezone`` ever showed this date. Zones that crossed the date line left one out."""
    return local_day(day_start(day, timezone), timezone) == day


@lru_cache(maxsize=4096)
def iso_week(day: str) -> str:
    """The ISO week of a date. Its year is not always the date's.

    >>> iso_week("2025-12-29"), iso_week("2027-01-01")
    ('2026-W01', '2026-W53')
    """
    year, week, _ = date.fromisoformat(day).isocalendar()
    return f"{year:04d}-W{week:02d}"


def left_out(now: datetime, old: str, new: str) -> tuple[str, ...]:
    """The dates that a move between zones skips at ``now``: a calendar that goes from the 1st to the 3rd had no 2nd."""
    before, after = ordinal_of(local_day(now, old)), ordinal_of(local_day(now, new))
    return tuple([day_of(ordinal) for ordinal in range(before + 1, after)])
