"""One page of a list that is read by key."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, TypeVar

from tektree.errors import CorruptDocument

__all__ = ["Matched", "Page", "Position", "Slice"]

T = TypeVar("T")

Matched = Literal["text", "words"]
"""How a search found something: by the server's text index, which knows words in their forms and passes over the most
common ones, or by the beginnings of words."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some ``items`` in the list's order, and the cursor of the ``next`` page: None when this is the last.

    A cursor is a text without meaning to the caller. It fits the one list it came from: same user, same filters.
    ``damaged`` says which documents of the page cannot be read; they are left out. ``by`` says of a search how it found
    what it found, ``"text"`` or ``"words"``; of a list it is None.
    """

    items: tuple[T, ...]
    next: str | None = None
    damaged: tuple[CorruptDocument, ...] = ()
    by: Matched | None = None

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


Position = tuple[int, str]
"""Where something stands in a list: by a number, the greatest first, and among equals by id, the greatest first."""


class Slice(NamedTuple, Generic[T]):
    """What storage gives for a page. ``last`` is the position of its last one, when there are more behind it."""

    items: tuple[T, ...]
    last: Position | None = None
    damaged: tuple[CorruptDocument, ...] = ()
    by: Matched | None = None
