"""Where a command works: in a database, or in this process's memory."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from tektree import ConfigurationError, Policy, TekTree
from tektree.clock import Clock

__all__ = ["opened"]


@contextmanager
def opened(
    uri: str | None,
    clock: Clock | None = None,
    *,
    make: bool = False,
    redis: str | None = None,
    policy: Policy | None = None,
) -> Iterator[TekTree]:
    """A TekTree over that database, or over memory for None. With ``make``, what it needs is set up first."""
    tek = TekTree.in_memory(policy, clock) if uri is None else _connected(uri, redis, policy, clock)
    try:
        if make:
            tek.setup()
        yield tek
    finally:
        tek.close()


def _connected(uri: str, redis: str | None, policy: Policy | None, clock: Clock | None) -> TekTree:
    """The driver only warns of an option that it passes over; here that is a mistake like any other."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        try:
            return TekTree.connect(uri, redis, policy, clock)
        except UserWarning:
            reason = (
                "has an option that the driver does not know, or whose value it cannot use; mend it or leave it out"
            )
            raise ConfigurationError("--mongo", reason) from None
