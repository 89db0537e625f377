"""Page cursors: where a list goes on.

The law: a cursor fits the one list it was made for (the name and the user or the filters in ``scope``) and is
accepted only as it was made. It holds a position, no query; what it is checked against is a digest, so a flipped bit
is noticed.
"""

import re
from typing import Final, TypeVar

from tektree.errors import InvalidCursor
from tektree.ids import derived_id
from tektree.models.pages import Page, Position, Slice

__all__ = ["cursor", "page", "place", "position"]

T = TypeVar("T")

_SHIFT: Final = 2
"""Positions begin at -1, which is behind all that has a place in the list; what a cursor says is above 0."""

_FORM: Final = re.compile(r"([1-9][0-9]{0,15})(?:\.([0-9a-f]{24}))?-([0-9a-f]{24})")


def cursor(at: int, *scope: str, tie: str = "") -> str:
    """The cursor of position ``at``, a number above 0, in the list ``scope``; ``tie`` is an id, for equal positions."""
    place = f"{at}.{tie}" if tie else str(at)
    return f"{place}-{derived_id('cursor', place, *scope)}"


def position(text: object, *scope: str) -> tuple[int, str]:
    """The position of a cursor of the list ``scope``, and its tie. Raises `InvalidCursor` for anything else."""
    found = _FORM.fullmatch(text) if type(text) is str and len(text) <= 66 else None
    if found is None or found[3] != derived_id("cursor", found[0][:-25], *scope):
        raise InvalidCursor()
    return int(found[1]), found[2] or ""


def page(found: Slice[T], *scope: str) -> Page[T]:
    """The page of the list ``scope`` that storage gave."""
    following = None if found.last is None else cursor(found.last[0] + _SHIFT, *scope, tie=found.last[1])
    return Page(found.items, following, found.damaged, found.by)


def place(after: object, *scope: str) -> Position | None:
    """Where the page behind a cursor begins; None for the first. Raises `InvalidCursor`."""
    if after is None:
        return None
    at, tie = position(after, *scope)
    return at - _SHIFT, tie or "f" * 24
