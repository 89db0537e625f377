"""Page cursors: where a list goes on.

The law: a cursor fits the one list it was made for (the name and the user or the filters in ``scope``) and is
accepted only as it was made. It holds a position, no query; what it is checked against is a digest, so a flipped bit
is noticed.
"""

import re
from typing import Final

from tektree.errors import InvalidCursor
from tektree.ids import derived_id

__all__ = ["cursor", "position"]

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
