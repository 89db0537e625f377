"""Files that a command reads: what stands in the way of it is one line."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, TypeVar

from tektree.errors import InvalidInput

__all__ = ["opened", "reading", "size"]

T = TypeVar("T")


@contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """The file, for as long as it is read. Raises `InvalidInput`."""
    try:
        file = open(path, "rb")  # noqa: SIM115 - closed below; what happens while it is used is no fault of opening it
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    with file:
        yield file


def reading(rows: Iterator[T], path: str) -> Iterator[T]:
    """What is read of it. Raises `InvalidInput`, also where it cannot be read any further."""
    try:
        yield from rows
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: str, error: OSError | ValueError) -> InvalidInput:
    if isinstance(error, FileNotFoundError):
        return InvalidInput(path, "there is no such file; check the path")
    if isinstance(error, IsADirectoryError):
        return InvalidInput(path, "is a directory; name the file in it")
    if isinstance(error, PermissionError):
        return InvalidInput(path, "may not be read; check its permissions")
    return InvalidInput(path, f"cannot be read: {getattr(error, 'strerror', None) or error}")


def size(file: BinaryIO) -> int | None:
    """How many bytes there are to read; None where nobody knows, as of a pipe."""
    status = os.fstat(file.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None
