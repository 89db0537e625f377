"""Boards of ranks: which board, what is written to it, and what is read from it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, ClassVar, Final, NamedTuple

from tektree.errors import InvalidInput
from tektree.models.base import Lazy

__all__ = ["Board", "BoardEntry", "Entries", "Shown", "Standing", "ranked"]

_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_KEPT_WEEKS: Final = 8
_WEEK: Final = re.compile(r"([0-9]{4})-W([0-9]{2})")


@dataclass(frozen=True, slots=True)
class Board:
    """Which board: `Board.GLOBAL` of all time, or the one of an ISO week.

    Raises `InvalidInput` for a ``week`` that the calendar does not have.

    >>> from datetime import date
    >>> Board.weekly(date(2025, 12, 29)).name
    'weekly:2026-W01'
    """

    week: str | None = None
    GLOBAL: ClassVar["Board"]

    def __post_init__(self) -> None:
        if self.week is not None and not _is_week(self.week):
            raise InvalidInput("week", "must be an ISO week such as '2025-W50'")

    @classmethod
    def weekly(cls, day: date | str) -> "Board":
        """The board of the ISO week that holds ``day``.

        That is a date, an aware datetime (its UTC date counts), or ``"2025-12-16"``. Raises `InvalidInput`.
        """
        if isinstance(day, datetime):
            if day.utcoffset() is None:
                raise InvalidInput("day", "must be a date or an aware datetime")
            day = day.astimezone(UTC).date()
        elif isinstance(day, str):
            day = _date(day)
        elif not isinstance(day, date):
            raise InvalidInput("day", "must be a date or an aware datetime")
        year, week, _ = day.isocalendar()
        return cls(f"{year:04d}-W{week:02d}")

    @property
    def over_at(self) -> datetime | None:
        """When it is given up, and the ledger has to answer: eight weeks after its week. None: never."""
        return None if self.week is None else _over_at(self.week)

    def is_over(self, now: datetime) -> bool:
        """Whether it is given up by ``now``."""
        return self.week is not None and now >= _over_at(self.week)

    @property
    def name(self) -> str:
        """As in Redis keys: ``global`` or ``weekly:2025-W50``."""
        return "global" if self.week is None else f"weekly:{self.week}"


Board.GLOBAL = Board()


@lru_cache(maxsize=256)
def _over_at(week: str) -> datetime:
    monday = date.fromisocalendar(int(week[:4]), int(week[6:]), 1).toordinal()
    last = date.fromordinal(min(monday + 7 * (1 + _KEPT_WEEKS), date.max.toordinal()))
    return datetime.combine(last, datetime.min.time(), UTC)


def _date(text: str) -> date:
    try:
        day = date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        day = None
    if day is None:
        raise InvalidInput("day", "must be a date such as '2025-12-16'")
    return day


def _is_week(week: object) -> bool:
    found = _WEEK.fullmatch(week) if type(week) is str and len(week) == 8 else None
    if found is None:
        return False
    try:
        date.fromisocalendar(int(found[1]), int(found[2]), 1)
    except ValueError:
        return False
    return True


class BoardEntry(NamedTuple):
    """What one ledger row says of one board, in absolute values: written again or out of order, it does no harm.

    ``seq`` is the row's number: an older entry never replaces a newer one. ``settings_version`` and ``hidden`` are the
    user's opt-out as it was known: the newest version seen decides.
    """

    board: Board
    uid: str
    score: int
    reached_at: datetime | None
    seq: int
    settings_version: int = 0
    hidden: bool = False

    @property
    def order(self) -> tuple[int, datetime, str]:
        """The one total order of all boards: score descending, then who reached it first, then uid."""
        return -self.score, self.reached_at or _EARLIEST, self.uid


class Entries(Lazy[BoardEntry]):
    """What the row ``seq`` of a user says of the boards of all time and of ``week``, made when somebody looks.

    ``seq`` and ``settings_version`` are those of all its entries, so what a later row says takes its place unseen.
    """

    __slots__ = ("seq", "settings_version", "uid", "week")

    def __init__(
        self,
        uid: str,
        week: str,
        seq: int,
        settings_version: int,
        facts: tuple[Any, ...],
    ) -> None:
        self.uid = uid
        self.week = week
        self.seq = seq
        self.settings_version = settings_version
        self._length = 2
        self.facts = facts
        self._items = None


class Standing(NamedTuple):
    """A place on a board. ``rank`` counts from 1 without gaps; no two users share one."""

    rank: int
    uid: str
    score: int


class Shown(NamedTuple):
    """What others see who read a board where it is kept: a user's ``score``, None where the user is not there.

    Of its ``members`` so many were ``placed``: as many, unless somebody else put some there or took some off.
    """

    score: float | None
    members: int
    placed: int


def ranked(entries: Iterable[BoardEntry]) -> list[Standing]:
    """All places of a board that consists of these entries: who has nothing, or is hidden, has none."""
    seen = sorted([entry for entry in entries if entry.score > 0 and not entry.hidden], key=lambda entry: entry.order)
    return [Standing(rank, entry.uid, entry.score) for rank, entry in enumerate(seen, start=1)]
