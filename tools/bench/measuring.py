"""What the measurements share: turns, medians, and a table.

Ways are taken in turns, a batch of calls each, so what else the machine does meanwhile touches all of them. The garbage
collector stays on: what a way leaves behind for it is part of what it costs.
"""

import argparse
import importlib
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

__all__ = ["Prepare", "Work", "arguments", "medians", "optional", "show", "turns"]

Work = Callable[[], object]
Prepare = Callable[[], Work]
"""What makes ready for a turn, and gives back what is measured."""


def medians(works: Mapping[str, Work], rounds: int, calls: int) -> dict[str, float]:
    """Microseconds per call of each of ``works``: the median of ``rounds`` turns of ``calls`` calls each."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            start = time.perf_counter()
            for _ in range(calls):
                work()
            taken[name].append((time.perf_counter() - start) / calls * 1e6)
    return {name: statistics.median(times) for name, times in taken.items()}


def turns(ways: Mapping[str, Prepare], rounds: int, parts: int = 1) -> dict[str, tuple[float, float]]:
    """Microseconds of each of ``ways``, and how many of them this process worked (CPU time): medians of ``rounds``.

    What prepares a turn is not counted. A turn does its work ``parts`` times; the figures are for one.
    """
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, prepare in ways.items():
            work = prepare()
            start, worked = time.perf_counter(), time.process_time()
            work()
            worked, end = time.process_time() - worked, time.perf_counter()
            taken[name].append(((end - start) / parts * 1e6, worked / parts * 1e6))
    return {
        name: (statistics.median([wall for wall, _ in times]), statistics.median([cpu for _, cpu in times]))
        for name, times in taken.items()
    }


def arguments(description: str | None, **options: Mapping[str, Any]) -> argparse.Namespace:
    """The command line: ``--quick`` for a short run that only shows that everything works, and ``options``."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a short run, whose figures mean little")
    for name, settings in options.items():
        parser.add_argument(f"--{name}", **settings)
    return parser.parse_args()


@cache
def optional(name: str) -> Any:
    """A module that need not be installed; None where it is not, which is said."""
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"not installed, so not measured: {name}", file=sys.stderr)
        return None


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints a table; the last column holds the names."""
    lines = [[_cell(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(columns) - 1)]
    print(f"\n{title}")
    for line in lines:
        print("  ".join([cell.rjust(width) for cell, width in zip(line, widths, strict=False)]) + f"  {line[-1]}")


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
