"""Quotas: what may be consumed in a period, and what has been."""

from datetime import datetime
from typing import NamedTuple

__all__ = ["Counter", "Period", "Taken", "Usage"]


class Period(NamedTuple):
    """A billing month, half open: at ``end`` the next one has begun. ``label`` is the month it starts in, 2025-12."""

    label: str
    start: datetime
    end: datetime


class Counter(NamedTuple):
    """What one user has used of one quota in one period. ``lasts`` is when it may be forgotten, at the earliest."""

    uid: str
    quota_type: str
    period: str
    lasts: datetime


class Taken(NamedTuple):
    """What became of a call for units.

    ``known``: whether the counter was there; if not, nothing was done. ``taken``: whether they were taken. ``used``:
    what is used now. ``threshold`` and ``exceeded`` are true once in a period: when so many percent are used, and when
    more is asked for than is left.
    """

    known: bool
    taken: bool
    used: int
    threshold: bool = False
    exceeded: bool = False


class Usage(NamedTuple):
    """How much of a quota is used in the present period. ``limit`` and ``remaining`` are None where there is no limit.

    ``resets_at`` (UTC) is when the next period begins.
    """

    used: int
    limit: int | None
    remaining: int | None
    resets_at: datetime
    quota_type: str = ""
    period: str = ""
