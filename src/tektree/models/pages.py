"""One page of a list that is read by key."""

from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Page"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some ``items`` in the list's order, and the cursor of the ``next`` page: None when this is the last.

    A cursor is a text without meaning to the caller. It fits the one list it came from: same user, same filters.
    """

    items: tuple[T, ...]
    next: str | None = None
