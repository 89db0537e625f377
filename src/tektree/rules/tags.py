"""Tags: one normal form, so that one subject has one tag.

The law: lower case, in Unicode's compatible form; letters, digits and ``+ # . _ -``; what separates words is one
hyphen. The normal form of a normal form is itself. A tag without letter or digit is none.
"""

import re
from collections.abc import Sequence
from typing import Final
from unicodedata import category, normalize

from tektree.errors import InvalidInput

__all__ = ["LONGEST", "normal", "sought"]

LONGEST: Final = 64

_KEPT: Final = frozenset("+#._-")
_HYPHENS: Final = re.compile(r"-+")


def normal(tags: Sequence[str]) -> tuple[str, ...]:
    """The normal forms of ``tags``, each once, in their order. Raises `InvalidInput`.

    >>> normal(["Event Sourcing", "event-sourcing", "C++", "ＧＯ"])
    ('event-sourcing', 'c++', 'go')
    """
    return tuple(dict.fromkeys([sought(tag, "tags") for tag in tags]))


def sought(tag: object, field: str = "tag") -> str:
    """The normal form of one tag. Raises `InvalidInput`."""
    if type(tag) is not str or not 0 < len(tag) <= LONGEST:
        raise InvalidInput(field, f"must be a tag: a text of 1 to {LONGEST} characters")
    found, before = _step(tag), tag
    while found != before:  # what is left out may let others come together
        found, before = _step(found), found
    if not any(char.isalnum() for char in found):
        raise InvalidInput(field, "must hold a letter or a digit in each tag")
    if len(found) > LONGEST:
        raise InvalidInput(field, f"must have at most {LONGEST} characters in each tag when written out")
    return found


def _step(tag: str) -> str:
    folded = normalize("NFKC", normalize("NFKC", tag).casefold())
    return _HYPHENS.sub("-", "".join([_written(char) for char in folded])).strip("-_")


def _written(char: str) -> str:
    if char in _KEPT or category(char)[0] in "LNM":
        return char
    return "-" if char.isspace() or char == "/" else ""
