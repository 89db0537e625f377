"""What imports of files have in common: their lines, what is remembered of them, and a clock that they move.

However long a file is, one line of it is in memory at a time, and what has to be remembered is in a temporary file.
"""

import sqlite3
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, BinaryIO
from weakref import finalize

from tektree import TekTree
from tektree.errors import InvalidInput, Unavailable
from tektree.models.base import instant
from tektree.models.gamification import GamificationProfile, Verification

__all__ = ["Importing", "Notes", "RowClock", "Totals", "instant_of", "lines"]


class RowClock:
    """A clock that stands where it is put: the one for a ``TekTree`` that imports.

    >>> clock = RowClock()
    >>> clock.at = datetime(2026, 1, 5, tzinfo=UTC)
    >>> clock()
    datetime.datetime(2026, 1, 5, 0, 0, tzinfo=datetime.timezone.utc)
    """

    def __init__(self, at: datetime = datetime(1970, 1, 1, tzinfo=UTC)) -> None:
        self.at = at

    def __call__(self) -> datetime:
        """The instant it was put at."""
        return self.at


def lines(stream: BinaryIO, name: str, form: str, longest: int) -> Iterator[tuple[int, str]]:
    """Lines of UTF-8 with their numbers, without their ends; ``form`` is what the file is, such as ``CSV``.

    Raises `InvalidInput`, whose field is ``name`` and the line, for one of more than ``longest`` bytes and for what is
    no text.
    """
    number = 0
    while raw := stream.readline(longest + 1):
        number += 1
        where = f"{name}:{number}"
        if b"\0" in raw:
            raise InvalidInput(where, f"holds a NUL byte; give a {form} file, which is text in UTF-8")
        if len(raw) > longest:
            raise InvalidInput(where, f"is longer than {longest} bytes; put each row on a line of its own")
        try:
            line = raw.removeprefix(BOM_UTF8 if number == 1 else b"").decode()
        except UnicodeDecodeError:
            raise InvalidInput(where, f"is not UTF-8; save the file as {form} in UTF-8") from None
        yield number, line.removesuffix("\n").removesuffix("\r")


def instant_of(value: object, where: str) -> datetime:
    """A time with its offset, as files write it, to the millisecond. Raises `InvalidInput` of ``where``."""
    try:
        at = datetime.fromisoformat(value) if type(value) is str else None
    except ValueError:
        at = None
    if at is None:
        raise InvalidInput(where, "at must be a time such as 2026-01-05T09:00:00+01:00")
    if at.utcoffset() is None:
        raise InvalidInput(where, "at must have its UTC offset, such as 2026-01-05T09:00:00+01:00 or …Z")
    try:
        at = instant(at)
    except InvalidInput:
        raise InvalidInput(where, "at must be a time that exists in UTC") from None
    if at.year < 1970:
        raise InvalidInput(where, "at must not be before 1970")
    return at


class Notes:
    """Values by their keys, in a temporary file that is gone with this object. Little of it is ever in memory."""

    def __init__(self) -> None:
        # A database without a name is SQLite's own temporary file; it is never committed, so it is only written to
        # where it outgrows its cache of two megabytes.
        self._table = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        finalize(self, self._table.close)
        for command in (
            "PRAGMA journal_mode = OFF",
            "CREATE TABLE notes (key TEXT PRIMARY KEY, value)",
            "BEGIN",
        ):
            self._run(command)

    def get(self, key: str) -> Any:
        """What was put there; None if nothing was."""
        found = self._run("SELECT value FROM notes WHERE key = ?", key).fetchone()
        return found[0] if found else None

    def put(self, key: str, value: str | int) -> None:
        """Puts ``value`` there, in place of what was."""
        self._run("INSERT OR REPLACE INTO notes VALUES (?, ?)", key, value)

    def values(self) -> Iterator[Any]:
        """All of them, in the order in which they were put."""
        for (value,) in self._run("SELECT value FROM notes ORDER BY rowid"):
            yield value

    def __len__(self) -> int:
        return int(self._run("SELECT count(*) FROM notes").fetchone()[0])

    def _run(self, command: str, *values: str | int) -> sqlite3.Cursor:
        try:
            return self._table.execute(command, values)
        except sqlite3.Error:
            raise Unavailable("the directory for temporary files", "is full or may not be written") from None


@dataclass(slots=True)
class Totals:
    """What the profiles of many users come to."""

    ledger_rows: int = 0
    total_xp: int = 0
    _levels: Counter[int] = field(default_factory=Counter)

    def add(self, profile: GamificationProfile) -> None:
        """With this one."""
        self.ledger_rows += profile.seq
        self.total_xp += profile.total_xp
        self._levels[profile.current_level] += 1

    @property
    def levels(self) -> dict[int, int]:
        """How many users are on which level."""
        return dict(sorted(self._levels.items()))


@dataclass(slots=True)
class Importing:
    """What feeds a file to ``tek``. ``clock`` is the one that ``tek`` was made with; each line puts it."""

    tek: TekTree
    clock: RowClock
    _users: Notes = field(default_factory=Notes, init=False)
    _first: datetime | None = field(default=None, init=False)
    _last: datetime | None = field(default=None, init=False)

    def users(self) -> Iterator[str]:
        """The ids of everybody who was in the file so far, in the order of their first lines."""
        return self._users.values()

    def verify(self, progress: Callable[[int, int], Any] | None = None) -> list[Verification]:
        """Recounts the ledger of everybody who was in the file, and gives back those that do not hold."""
        wrong = []
        total = len(self._users)
        for done, user_id in enumerate(self.users(), start=1):
            found = self.tek.gamification.verify(user_id)
            if not found:
                wrong.append(found)
            if progress is not None:
                progress(done, total)
        return wrong

    def _reach(self, at: datetime) -> None:
        """The file has a line of that time."""
        self._first = at if self._first is None or at < self._first else self._first
        self._last = at if self._last is None or at > self._last else self._last

    def _profiles(self) -> Iterator[GamificationProfile]:
        """Where everybody stands at the newest instant of the file: one profile after the other, and no row."""
        self.clock.at = self._last or self.clock.at
        for user_id in self.users():
            yield self.tek.gamification.profile(user_id)
