"""Past activity as a ledger: a file of who did what when becomes the awards it would have earned.

The law: what an import writes is a function of the file, the policy and the time zone, to the last field. Ids are
derived: the uid is ``usr_`` and the actor, the key of an award is (actor, instant, source, how often that was there
before). The clock is the row's own instant. So an import that was cut off is started again, and only what is missing
is added. Memory grows neither with the rows nor with the users: what has to be remembered of them is in a temporary
file.

>>> import io
>>> from tektree import TekTree
>>> clock = RowClock()
>>> importing = ActivityImport(TekTree.in_memory(clock=clock), clock)
>>> file = io.BytesIO(b"actor,at,source\\nada,2026-01-05T09:00:00+01:00,answer_posted\\n")
>>> [importing.add(each).outcome.value for each in read(file, "past.csv")]
['granted']
"""

import csv
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO, Final

from tektree import AwardResult, Board, Outcome, Policy, Standing
from tektree._importing import Importing, Notes, RowClock, Totals, instant_of, lines
from tektree.errors import InvalidInput
from tektree.models.gamification import Reason
from tektree.rules.periods import zone

__all__ = ["Activity", "ActivityImport", "RowClock", "Summary", "read"]

_ACTOR: Final = re.compile(r"[A-Za-z0-9_\-]{1,60}")
_COLUMNS: Final = (("actor", "at", "source"), ("actor", "at", "merge"))
_HEADER: Final = "the first line must be 'actor,at,source' or 'actor,at,merge'"
_MERGE: Final = {"0": "answer_posted", "1": "insight_published"}
_LONGEST: Final = 4096
"""Bytes of a line: many times what three such columns can need, and little enough for a file that has no lines."""

_OWN: Final = frozenset({"streak_milestone", "achievement_unlocked", "level_reward"})
"""Sources that follow from others: the import earns them again by itself."""

_LONGEST_STREAKS: Final = 5


@dataclass(frozen=True, slots=True)
class Activity:
    """One row of a file: ``actor`` did what ``source`` names at ``at``, for the ``nth`` time at that instant."""

    line: int
    actor: str
    at: datetime
    source: str
    nth: int

    @property
    def uid(self) -> str:
        """Who the actor is in TekTree."""
        return f"usr_{self.actor}"

    @property
    def key(self) -> str:
        """What makes this row one award, however often it is imported."""
        return f"activity:{self.actor}:{self.at.isoformat()}:{self.source}:{self.nth}"


def read(stream: BinaryIO, name: str, policy: Policy | None = None) -> Iterator[Activity]:
    """The rows of a CSV file in UTF-8, one by one, in their order. ``name`` is what complaints call the file.

    The columns are ``actor,at,source``, or ``actor,at,merge`` where 1 is an ``insight_published`` and 0 an
    ``answer_posted``. ``at`` is ISO 8601 with an offset. Empty lines are passed over. Raises `InvalidInput`, whose
    field is the file and the line, such as ``past.csv:17``.
    """
    sources = _importable(policy or Policy())
    rows = lines(stream, name, "CSV", _LONGEST)
    number, header = next(rows, (1, ""))
    columns = tuple(_fields(header, f"{name}:{number}"))
    if columns not in _COLUMNS:
        raise InvalidInput(f"{name}:{number}", _HEADER if header else f"is empty; {_HEADER}")
    seen = Notes()
    for number, line in rows:
        if not line:
            continue
        where = f"{name}:{number}"
        fields = _fields(line, where)
        if len(fields) != len(columns):
            raise InvalidInput(where, f"must have the columns {','.join(columns)}; it has {len(fields)} of 3")
        actor, at = _actor(fields[0], where), instant_of(fields[1], where)
        source = _source(fields[2], where, sources) if columns[2] == "source" else _merge(fields[2], where)
        nth = _nth(seen, f"{actor} {source} {round(at.timestamp() * 1000)}")
        yield Activity(number, actor, at, source, nth)


def _importable(policy: Policy) -> Collection[str]:
    return sorted(name for name, source in policy.xp.sources.items() if source.amount is not None and name not in _OWN)


def _fields(line: str, where: str) -> list[str]:
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error:
        raise InvalidInput(where, "is no CSV; put each row on a line of its own and close every quote") from None


def _actor(value: str, where: str) -> str:
    if _ACTOR.fullmatch(value):
        return value
    raise InvalidInput(where, "actor must be 1 to 60 of the characters A-Z a-z 0-9 _ - (it becomes usr_…)")


def _source(value: str, where: str, sources: Collection[str]) -> str:
    if value in sources:
        return value
    raise InvalidInput(where, f"source must be one of {', '.join(sources)}")


def _merge(value: str, where: str) -> str:
    if value in _MERGE:
        return _MERGE[value]
    raise InvalidInput(where, "merge must be 0 or 1")


def _nth(seen: Notes, what: str) -> int:
    """How often that was there by now."""
    times = int(seen.get(what) or 0) + 1
    seen.put(what, times)
    return times


@dataclass(frozen=True, slots=True)
class Summary:
    """What an import came to. ``capped`` and ``late`` count rows of the file, also where they were imported before."""

    users: int
    rows: int
    outcomes: dict[Outcome, int]
    """How many rows were granted, clamped, duplicate or denied by this import."""
    capped: int
    """Rows that got less than their source gives, because the day's cap was reached."""
    late: int
    """Rows whose date was too old to count for the streak."""
    ledger_rows: int
    """All rows of these users, with those that followed, such as milestones."""
    total_xp: int
    levels: dict[int, int]
    """How many users are on which level."""
    longest_streaks: Sequence[tuple[str, int]]
    board: Sequence[Standing]
    first_at: datetime | None = None
    last_at: datetime | None = None


@dataclass(slots=True)
class ActivityImport(Importing):
    """Feeds activities to ``tek``. ``clock`` must be the one that ``tek`` was made with; each row puts it.

    Users who are not enrolled yet are, in ``timezone``; days, caps and streaks are counted there.
    """

    timezone: str = "UTC"
    _outcomes: Counter[Outcome] = field(default_factory=Counter, init=False)
    _capped: int = field(default=0, init=False)
    _late: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        zone(self.timezone)

    def add(self, activity: Activity) -> AwardResult:
        """Awards one row, as of its own instant; a ``duplicate`` if that was done before."""
        self.clock.at = at = activity.at
        user_id = self._users.get(activity.actor)
        if user_id is None:
            user_id = self.tek.gamification.enroll(activity.uid, timezone=self.timezone).user_id
            self._users.put(activity.actor, user_id)
        result = self.tek.gamification.award(user_id, activity.source, key=activity.key, at=at)
        self._outcomes[result.outcome] += 1
        row = result.transaction
        if row is not None:
            self._capped += row.reason is Reason.DAILY_CAP
            self._late += row.streak is not None and not row.streak.counted
        self._reach(at)
        return result

    def summary(self) -> Summary:
        """Where everybody stands at the newest instant of the file. Reads one profile after the other, and no row."""
        totals, streaks = Totals(), list[tuple[str, int]]()
        for profile in self._profiles():
            totals.add(profile)
            streaks.append((profile.uid or "", profile.streak.longest))
            streaks = sorted(streaks, key=lambda each: (-each[1], each[0]))[:_LONGEST_STREAKS]
        return Summary(
            users=len(self._users),
            rows=self._outcomes.total(),
            outcomes={outcome: self._outcomes[outcome] for outcome in Outcome},
            capped=self._capped,
            late=self._late,
            ledger_rows=totals.ledger_rows,
            total_xp=totals.total_xp,
            levels=totals.levels,
            longest_streaks=streaks,
            board=self.tek.leaderboards.top(Board.GLOBAL, 10),
            first_at=self._first,
            last_at=self._last,
        )
