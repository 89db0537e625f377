"""``tektree import-activity``: a file of past activity becomes the ledger it would have made, and a summary of it."""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any, BinaryIO, Final

from tektree._cli import files
from tektree._cli.recounts import Recount
from tektree._cli.screen import Progress, Screen, shown
from tektree._cli.storage import opened
from tektree.activity import ActivityImport, RowClock, Summary, read
from tektree.rules.periods import zone

__all__ = ["run"]

_EVERY: Final = 250
"""Rows between two looks at the progress bar."""


def run(arguments: argparse.Namespace) -> int:
    """0, or 1 when what was imported does not verify. Raises `InvalidInput` for a mistake in the file."""
    zone(arguments.zone, "--zone")
    clock, uri = RowClock(), arguments.mongo
    with files.opened(arguments.file) as file, opened(uri, clock, make=True) as tek:
        importing = ActivityImport(tek, clock, arguments.zone)
        started = perf_counter()
        _feed(importing, file, arguments.file)
        seconds = perf_counter() - started
        summary = importing.summary()
        recount = Recount.of(tek, importing.users(), summary.users) if arguments.verify else None
    done = _Done(arguments.file, arguments.zone, "memory" if uri is None else "MongoDB", summary, recount, seconds)
    if arguments.json:
        print(json.dumps(done.document(), indent=2))
    else:
        done.show(Screen())
    return 1 if recount is not None and recount.divergent else 0


def _feed(importing: ActivityImport, file: BinaryIO, path: str) -> None:
    with Progress("importing") as progress:
        total = files.size(file)
        for done, activity in enumerate(files.reading(read(file, path), path), start=1):
            importing.add(activity)
            if done % _EVERY == 0:
                progress(file.tell() if total else done, total, f"{done:,} rows")


@dataclass(frozen=True, slots=True)
class _Done:
    """What was imported, and where to."""

    path: str
    timezone: str
    storage: str
    summary: Summary
    recount: Recount | None
    seconds: float

    def document(self) -> dict[str, Any]:
        """It in JSON's terms. In memory all but ``timing`` is a function of the file and the zone."""
        summary = self.summary
        return {
            "file": self.path,
            "zone": self.timezone,
            "storage": self.storage,
            "users": summary.users,
            "rows": summary.rows,
            "first_at": summary.first_at.isoformat() if summary.first_at else None,
            "last_at": summary.last_at.isoformat() if summary.last_at else None,
            "outcomes": {outcome.value: count for outcome, count in summary.outcomes.items()},
            "capped_rows": summary.capped,
            "late_rows": summary.late,
            "ledger_rows": summary.ledger_rows,
            "total_xp": summary.total_xp,
            "levels": {str(level): count for level, count in summary.levels.items()},
            "longest_streaks": [{"uid": uid, "days": days} for uid, days in summary.longest_streaks],
            "board": [{"rank": each.rank, "uid": each.uid, "score": each.score} for each in summary.board],
            "verification": None if self.recount is None else self.recount.document(),
            "timing": {"seconds": round(self.seconds, 3), "rows_per_second": self._rate()},
        }

    def show(self, screen: Screen) -> None:
        """It on the screen."""
        # Who was enrolled in a database before keeps the zone that they have there.
        whose = "days" if self.storage == "memory" else "days of new users"
        screen.line((shown(self.path), "bold"), f", {whose} in {self.timezone}, imported into {self.storage}")
        for label, text in self._facts():
            screen.told(f"  {label:<18}", text)
        if self.recount is not None:
            self.recount.show(screen, f"  {'verified':<18}")
        if self.summary.board:
            screen.title("Board of all time")
            for each in self.summary.board:
                screen.line((f"  {each.rank:>3}  ", "cyan"), f"{each.uid:<24} ", (f"{each.score:>10,} XP", "bold"))

    def _facts(self) -> Iterator[tuple[str, str]]:
        summary = self.summary
        outcomes = [f"{count:,} {kind}" for kind, count in summary.outcomes.items() if count]
        yield "users", f"{summary.users:,}"
        yield "rows", ", ".join([f"{summary.rows:,}", *outcomes])
        if summary.first_at and summary.last_at:
            yield "from, to", f"{summary.first_at.isoformat()}, {summary.last_at.isoformat()}"
        yield "XP", f"{summary.total_xp:,}, in {summary.ledger_rows:,} ledger rows"
        yield "capped rows", f"{summary.capped:,}"
        yield "late, not counted", f"{summary.late:,}"
        if summary.levels:
            yield "levels", ", ".join([f"{level}: {count:,}" for level, count in summary.levels.items()])
            yield "longest streaks", ", ".join([f"{uid} {_days(days)}" for uid, days in summary.longest_streaks])
        yield "speed", f"{self._rate():,} rows a second, {self.seconds:.2f} s"

    def _rate(self) -> int:
        return round(self.summary.rows / self.seconds) if self.seconds > 0 else 0


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count:,} days"
