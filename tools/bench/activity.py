"""How fast past activity becomes a ledger in memory, and how much memory a row takes then.

Run it: ``python tools/bench/activity.py [--file past.csv]``. The time is that of reading the file and awarding each of
its rows, in the median of several whole imports. The bytes are what Python holds more after an import than before it,
by its own account (tracemalloc), divided by the rows of the ledger: the rows with their snapshots, profiles, boards,
indexes and the events that wait to be looked at.
"""

import statistics
import time
import tracemalloc
from io import BytesIO
from pathlib import Path

from measuring import arguments, show

from tektree import TekTree
from tektree.activity import ActivityImport, RowClock, read

FILE = Path(__file__).resolve().parent.parent.parent / "tests" / "data" / "activity.csv"


def main() -> None:
    """Prints the table."""
    given = arguments(__doc__, file={"type": Path, "default": FILE, "help": "a CSV file of activity"})
    content = given.file.read_bytes()
    if given.quick:
        content = b"\n".join(content.split(b"\n")[:300]) + b"\n"
    times = [_seconds(content) for _ in range(1 if given.quick else 5)]
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    done = _imported(content)
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    found = done.summary()
    rows = [
        (found.rows, "rows of the file"),
        (found.users, "users"),
        (found.ledger_rows, "rows of the ledger"),
        (round(found.rows / statistics.median(times)), "rows of the file a second, median"),
        (round(held / found.ledger_rows), "bytes a row of the ledger"),
    ]
    show(f"an import of {given.file.name}", ("figure", "what"), rows)


def _seconds(content: bytes) -> float:
    start = time.perf_counter()
    _imported(content)
    return time.perf_counter() - start


def _imported(content: bytes) -> ActivityImport:
    clock = RowClock()
    done = ActivityImport(TekTree.in_memory(clock=clock), clock)
    for each in read(BytesIO(content), "activity"):
        done.add(each)
    return done


if __name__ == "__main__":
    main()
