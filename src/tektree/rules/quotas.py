"""Quotas: periods, limits, and when somebody has to be told.

The law: periods follow each other without gap or overlap, a month each. With an anchor they begin on its day and at its
time, and on the last day of a month that has no such day: an anchor on the 31st comes back to it. Without one they are
the calendar months of UTC. Where the anchor moves, two would start in one month; they are one period then, so that
whoever begins or ends a subscription has no month's units twice.
"""

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, cast, get_args

from tektree.errors import InvalidInput
from tektree.models.accounts import Tier
from tektree.models.quotas import Counter, Period, Usage
from tektree.policy import Policy
from tektree.rules import inputs

__all__ = [
    "THRESHOLD",
    "checked_amount",
    "checked_change",
    "checked_type",
    "counted_from",
    "counter",
    "limit_of",
    "period",
    "upgrade",
    "usage",
]

THRESHOLD: Final = 80
"""Percent of a quota at which it is told that it runs out."""

_GRACE: Final = timedelta(days=2)
"""So long after its end what was used in a period can still be asked for, and given back."""

_CALENDAR: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC, microsecond=999000)
_MONTHS: Final = 12 * 9999 + 11
"""The number of the last month there is: 9999-12."""


def period(now: datetime, anchor: datetime | None = None, since: datetime | None = None) -> Period:
    """The period that ``now`` is in. All are aware; ``anchor`` may lie anywhere.

    ``since`` is when the present count began, if that is known. One period begins then, and is of that month, wherever
    the anchor lies; the others are as the anchor says.

    >>> from datetime import UTC, datetime
    >>> found = period(datetime(2025, 3, 30, tzinfo=UTC), datetime(2025, 1, 31, tzinfo=UTC))
    >>> found.label, found.start.day, found.end.day
    ('2025-02', 28, 31)
    """
    anchor = _CALENDAR if anchor is None else anchor.astimezone(UTC)
    now = now.astimezone(UTC)
    month = _month_of(now)
    if now < _start(month, anchor):
        month -= 1
    if since is None:
        return _period(month, _start(month, anchor), _start(month + 1, anchor))
    since = since.astimezone(UTC)
    first = _month_of(since)
    if now < since:
        month = min(month, first - 1)
        return _period(month, _start(month, anchor), since if month == first - 1 else _start(month + 1, anchor))
    if month <= first:
        return _period(first, since, _start(first + 1, anchor))
    return _period(month, _start(month, anchor), _start(month + 1, anchor))


def counted_from(before: Period, anchor: datetime | None, at: datetime) -> datetime | None:
    """Since when the count goes on that is in force once the anchor moves; ``before`` is what held until ``at`` then.

    A new count begins only where the month is a later one. None: with a period of the new anchor.
    """
    found = period(at, anchor)
    since = before.start if before.label >= found.label else at
    return None if since == found.start else since


def _period(month: int, start: datetime, end: datetime) -> Period:
    return Period(f"{month // 12:04d}-{month % 12 + 1:02d}", start, end)


def _month_of(at: datetime) -> int:
    return at.year * 12 + at.month - 1


def _start(month: int, anchor: datetime) -> datetime:
    """When the period of a month begins; before the first month of the calendar with it, after the last never."""
    if month > _MONTHS:
        return _LAST
    if month < 12:
        return datetime.min.replace(tzinfo=UTC)
    year, number = month // 12, month % 12 + 1
    return anchor.replace(year=year, month=number, day=min(anchor.day, monthrange(year, number)[1]))


def checked_type(value: object, policy: Policy) -> str:
    """A type of which the policy has a quota, on any tier. Raises `InvalidInput`."""
    if type(value) is str and any(value in limits for limits in policy.quotas.values()):
        return value
    known = sorted({name for limits in policy.quotas.values() for name in limits})
    raise InvalidInput("quota_type", f"must be one of the policy's quotas: {', '.join(known) or 'there are none'}")


def limit_of(policy: Policy, tier: object, quota_type: str) -> int | None:
    """How much a tier may use of a quota in a period; None: no limit, 0: never.

    Raises `InvalidInput` for a tier or a type that the policy says nothing of.
    """
    checked_type(quota_type, policy)
    limits = policy.quotas.get(cast(Tier, tier))
    if limits is None or quota_type not in limits:
        raise InvalidInput("tier", f"must be one for which the policy has a quota of {quota_type}")
    return limits[quota_type]


@lru_cache(maxsize=4096)
def counter(uid: str, quota_type: str, found: Period) -> Counter:
    """Where a user's use is counted."""
    lasts = found.end + _GRACE if found.end < _LAST - _GRACE else _LAST
    return Counter(uid, quota_type, found.label, lasts)


def usage(used: int, limit: int | None, quota_type: str, found: Period) -> Usage:
    """What is said of a use. Where a tier has less than was used on another one, nothing remains."""
    remaining = None if limit is None else max(0, limit - used)
    return Usage(used, limit, remaining, found.end, quota_type, found.label)


def upgrade(policy: Policy, tier: str, quota_type: str, needed: int) -> Tier | None:
    """The lowest tier above this one that has room for so much in all; None where none has."""
    tiers: tuple[Tier, ...] = get_args(Tier)
    for each in tiers[tiers.index(cast(Tier, tier)) + 1 :]:
        limit = policy.quotas.get(each, {}).get(quota_type, 0)
        if limit is None or limit >= needed:
            return each
    return None


def checked_amount(value: object) -> int:
    """How many units: from 1 to a billion. Raises `InvalidInput`."""
    return inputs.whole(value, "n", 1, 10**9)


def checked_change(value: object) -> int:
    """How many units were used, or below 0 are given back: at most a billion, and not 0. Raises `InvalidInput`."""
    found = inputs.whole(value, "n", -(10**9), 10**9)
    if found == 0:
        raise InvalidInput("n", "must not be 0")
    return found
