"""What follows a commit: where storage is away for it, the commit stands all the same, and so whoever made it hears."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tektree.errors import BackendError

__all__ = ["leave", "left_to"]

_LOG: Final = logging.getLogger("tektree")


@contextmanager
def left_to(whom: str, what: str, id: str) -> Iterator[None]:
    """What storage cannot do now of what follows ``what`` of ``id`` is left as it is, to ``whom``, and logged."""
    try:
        yield
    except BackendError as error:
        leave(error, whom, what, id)


def leave(error: BackendError, whom: str, what: str, id: str) -> None:
    """Says that what follows is left. For who commits all the time: a context costs as much as a commit in memory."""
    _LOG.warning("what follows %s %s is left to %s: %s", what, id, whom, error.code)
