"""Where a command works: in a database, or in this process's memory."""

from collections.abc import Iterator
from contextlib import contextmanager

from tektree import TekTree
from tektree.clock import Clock

__all__ = ["opened"]


@contextmanager
def opened(uri: str | None, clock: Clock | None = None, *, make: bool = False) -> Iterator[TekTree]:
    """A TekTree over that database, or over memory for None. With ``make``, what it needs is set up first."""
    tek = TekTree.in_memory(clock=clock) if uri is None else TekTree.connect(uri, clock=clock)
    try:
        if make:
            tek.setup()
        yield tek
    finally:
        tek.close()
