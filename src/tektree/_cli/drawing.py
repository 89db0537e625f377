"""Pictures for the terminal: the level curve as bars, and streaks as calendars of weeks and days."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from tektree import GamificationProfile, XPTransaction
from tektree._cli.screen import Screen
from tektree.rules.levels import Curve
from tektree.rules.periods import date_exists

__all__ = ["ACTIVE", "FROZEN", "MISSED", "PAUSED", "Calendar", "calendars", "curve", "days_of"]

ACTIVE: Final = "■"
FROZEN: Final = "❄"
MISSED: Final = "·"
PAUSED: Final = "–"

_STYLES: Final = {ACTIVE: "green", FROZEN: "bright_cyan", MISSED: "dim", PAUSED: "yellow"}
_WEEKDAYS: Final = "M T W T F S S"
_LABEL: Final = 14


def curve(screen: Screen, levels: Curve, upto: int, who: Mapping[int, Sequence[str]]) -> None:
    """The thresholds of the first levels up to ``upto`` as bars as wide as there is room, and ``who`` stands where."""
    names = {level: ", ".join(who.get(level, ())) for level in range(1, upto + 1)}
    # The names stand behind the bars; the longest bar that has names behind it says how much is left for bars.
    room = screen.width - 24 - max([len(each) for each in names.values()]) - 2
    most = max(1, levels.threshold(upto))
    for level, here in names.items():
        xp = levels.threshold(level)
        halves = round(2 * room * xp / most)
        bar = "█" * (halves // 2) + "▌" * (halves % 2)
        screen.line(f"  level {level:>2}  {xp:>7,} XP  ", (bar, "green"), ("  " if bar else "", ""), (here, "bold"))


@dataclass(frozen=True, slots=True)
class Calendar:
    """What a person's dates were, by their ``days`` as `days_of` tells them."""

    name: str
    days: Mapping[str, str]


def days_of(rows: Iterable[XPTransaction], profile: GamificationProfile, today: str) -> dict[str, str]:
    """The symbol of every date from the first activity to ``today``, by the decisions on the ledger's ``rows``."""
    active: set[str] = set()
    frozen: set[str] = set()
    freezes = 0
    for row in sorted(rows, key=lambda row: row.seq):
        if row.streak is not None and row.streak.counted:
            active |= {row.streak.day} if row.activity else set()
            frozen = frozen - set(row.streak.returned) | set(row.streak.spent)
        freezes = row.state.streak.freezes_available if row.state else freezes
    days = {}
    for day in _dates(min(active, default=today), today):
        if day in active:
            days[day] = ACTIVE
        elif not date_exists(day, profile.timezone) or day in profile.skipped_dates:
            days[day] = PAUSED
        elif day in frozen:
            days[day] = FROZEN
        elif day > max(active, default=today) and freezes and day < today:  # no row has found this gap yet
            freezes -= 1
            days[day] = FROZEN
        elif day < today:
            days[day] = MISSED
    return days


def calendars(screen: Screen, people: Sequence[Calendar], first: date, weeks: int) -> None:
    """A row for each week from the Monday ``first`` on, a column for each day; people side by side where they fit."""
    abreast = max(1, (screen.width - _LABEL) // (len(_WEEKDAYS) + 3))
    for start in range(0, len(people), abreast):
        row = people[start : start + abreast]
        screen.line((" " * _LABEL + "".join([f"{each.name:<16}" for each in row]), "bold"))
        screen.line((" " * _LABEL + "".join([f"{_WEEKDAYS:<16}" for _ in row]), "dim"))
        for week in range(weeks):
            monday = first + timedelta(weeks=week)
            cells = [cell for each in row for cell in _week(each, monday)]
            screen.line((f"  {monday.isoformat()}"[:_LABEL].ljust(_LABEL), "dim"), *cells)
    legend = ((ACTIVE, "active"), (FROZEN, "frozen"), (PAUSED, "paused"), (MISSED, "missed"))
    screen.line("  ", *[piece for symbol, word in legend for piece in ((symbol, _STYLES[symbol]), f" {word}   ")])


def _week(calendar: Calendar, monday: date) -> list[tuple[str, str]]:
    cells = []
    for day in range(7):
        symbol = calendar.days.get((monday + timedelta(days=day)).isoformat(), " ")
        cells.append((symbol + " ", _STYLES.get(symbol, "")))
    return [*cells, ("  ", "")]


def _dates(first: str, last: str) -> list[str]:
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    return [(start + timedelta(days=day)).isoformat() for day in range((end - start).days + 1)]
