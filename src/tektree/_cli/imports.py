"""``tektree import-activity``: a file of past activity becomes the ledger it would have made, and a summary of it."""

import argparse
import json
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any, BinaryIO, Final

from tektree import TekTree
from tektree._cli.screen import Progress, Screen, shown
from tektree.activity import Activity, ActivityImport, RowClock, Summary, read
from tektree.errors import InvalidInput
from tektree.models.gamification import Verification
from tektree.rules.periods import zone

__all__ = ["run"]

_EVERY: Final = 250
"""Rows between two looks at the progress bar."""


def run(arguments: argparse.Namespace) -> int:
    """0, or 1 when what was imported does not verify. Raises `InvalidInput` for a mistake in the file."""
    zone(arguments.zone, "--zone")
    clock = RowClock()
    importing = ActivityImport(TekTree.in_memory(clock=clock), clock, arguments.zone)
    started = perf_counter()
    _feed(importing, arguments.file)
    seconds = perf_counter() - started
    wrong = _verified(importing) if arguments.verify else None
    summary = importing.summary()
    if arguments.json:
        document = _document(summary, wrong, arguments.file, arguments.zone, seconds)
        print(json.dumps(document, indent=2))
    else:
        _show(Screen(), summary, wrong, arguments.file, arguments.zone, seconds)
    return 1 if wrong else 0


def _feed(importing: ActivityImport, path: str) -> None:
    with _opened(path) as file, Progress("importing") as progress:
        total = _size(file)
        for done, activity in enumerate(_rows(file, path), start=1):
            importing.add(activity)
            if done % _EVERY == 0:
                progress(file.tell() if total else done, total, f"{done:,} rows")


def _verified(importing: ActivityImport) -> list[Verification]:
    with Progress("verifying") as progress:
        return importing.verify(progress)


@contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    try:
        file = open(path, "rb")  # noqa: SIM115 - closed below; what happens while it is used is no fault of opening it
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    with file:
        yield file


def _rows(file: BinaryIO, path: str) -> Iterator[Activity]:
    try:
        yield from read(file, path)
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: str, error: OSError | ValueError) -> InvalidInput:
    if isinstance(error, FileNotFoundError):
        return InvalidInput(path, "there is no such file; check the path")
    if isinstance(error, IsADirectoryError):
        return InvalidInput(path, "is a directory; name the CSV file in it")
    if isinstance(error, PermissionError):
        return InvalidInput(path, "may not be read; check its permissions")
    return InvalidInput(path, f"cannot be read: {getattr(error, 'strerror', None) or error}")


def _size(file: BinaryIO) -> int | None:
    """How many bytes there are to read; None where nobody knows, as of a pipe."""
    status = os.fstat(file.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _document(
    summary: Summary, wrong: Sequence[Verification] | None, path: str, timezone: str, seconds: float
) -> dict[str, Any]:
    """The summary in JSON's terms. All but ``timing`` is a function of the file and the zone."""
    return {
        "file": path,
        "zone": timezone,
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
        "verification": None if wrong is None else _recount(summary, wrong),
        "timing": {"seconds": round(seconds, 3), "rows_per_second": _rate(summary, seconds)},
    }


def _recount(summary: Summary, wrong: Sequence[Verification]) -> dict[str, Any]:
    divergent = [
        {"user_id": each.user_id, "seq": each.divergence.seq, "field": each.divergence.field}
        for each in wrong
        if each.divergence is not None
    ]
    return {"ok": not wrong, "users": summary.users, "divergent": divergent}


def _rate(summary: Summary, seconds: float) -> int:
    return round(summary.rows / seconds) if seconds > 0 else 0


def _show(
    screen: Screen, summary: Summary, wrong: Sequence[Verification] | None, path: str, timezone: str, seconds: float
) -> None:
    screen.line((shown(path), "bold"), f", days in {timezone}")
    for label, text in _facts(summary, seconds):
        screen.told(f"  {label:<18}", text)
    if wrong is not None:
        _show_recount(screen, summary, wrong)
    if summary.board:
        screen.title("Board of all time")
        for each in summary.board:
            screen.line((f"  {each.rank:>3}  ", "cyan"), f"{each.uid:<24} ", (f"{each.score:>10,} XP", "bold"))


def _facts(summary: Summary, seconds: float) -> Iterator[tuple[str, str]]:
    yield "users", f"{summary.users:,}"
    yield "rows", ", ".join([f"{summary.rows:,}", *[f"{n:,} {kind}" for kind, n in summary.outcomes.items() if n]])
    if summary.first_at and summary.last_at:
        yield "from, to", f"{summary.first_at.isoformat()}, {summary.last_at.isoformat()}"
    yield "XP", f"{summary.total_xp:,}, in {summary.ledger_rows:,} ledger rows"
    yield "capped rows", f"{summary.capped:,}"
    yield "late, not counted", f"{summary.late:,}"
    if summary.levels:
        yield "levels", ", ".join([f"{level}: {count:,}" for level, count in summary.levels.items()])
        yield "longest streaks", ", ".join([f"{uid} {_days(days)}" for uid, days in summary.longest_streaks])
    yield "speed", f"{_rate(summary, seconds):,} rows a second, {seconds:.2f} s"


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count:,} days"


def _show_recount(screen: Screen, summary: Summary, wrong: Sequence[Verification]) -> None:
    if not wrong:
        screen.told(f"  {'verified':<18}", f"all {summary.users:,} ledgers add up", "green")
    for each in wrong:
        if each.divergence is not None:
            text = (
                f"{each.user_id} diverges at row {each.divergence.seq} in {each.divergence.field}; rebuild the profile"
            )
            screen.told(f"  {'verified':<18}", text, "bold red")
