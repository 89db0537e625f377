"""Slugs: the name of a thing in an address, made of its title.

The law: never empty, only ``a-z``, ``0-9`` and single hyphens within, never an id. A plain slug is for what everybody
may see; anything else has a tail that is made of its id, so that which plain slugs are taken says nothing of what is
hidden. One that was given up stays its thing's own.
"""

import re
from collections.abc import Sequence
from typing import Final

from slugify import slugify

from tektree.ids import derived_id, is_hex_id

__all__ = ["LONGEST", "MOST", "candidates", "kept", "plain", "sought"]

LONGEST: Final = 80
"""Of a plain slug; with its tail one has up to 25 characters more."""

MOST: Final = 50
"""So many slugs a thing may have had; behind that, another title leaves the slug as it is."""

_SAID: Final = (("++", " plus plus "), ("+", " plus "), ("#", " sharp "))
"""What letters alone would lose: C, C++ and C# are three languages."""

_FORM: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


def plain(title: str) -> str:
    """The slug of a title alone; empty where nothing of it can be written so.

    >>> plain("C"), plain("C++"), plain("C#"), plain("🎉")
    ('c', 'c-plus-plus', 'c-sharp', '')
    """
    return slugify(
        title,
        entities=False,
        decimal=False,
        hexadecimal=False,
        max_length=LONGEST,
        word_boundary=True,
        replacements=_SAID,
    )


def candidates(kind: str, title: str, id: str, *, open: bool) -> Sequence[str]:
    """The slugs to try for a thing, in this order. ``open``: everybody may see it. The last one is never another's."""
    stem = plain(title)
    tailed = [f"{stem or kind}-{derived_id('slug', id)[:8]}", f"{stem or kind}-{id}"]
    return [stem, *tailed] if open and stem and not is_hex_id(stem) else tailed


def kept(slugs: Sequence[str], slug: str) -> tuple[str, ...] | None:
    """All slugs of a thing once this is its present one, which stands last; None where there are too many."""
    others = tuple([each for each in slugs if each != slug])
    return None if len(others) >= MOST else (*others, slug)


def sought(value: object) -> str | None:
    """What a caller seeks, if it can be a slug at all; capitals do not matter."""
    if type(value) is not str or len(value) > LONGEST + 64:
        return None
    found = value.lower()
    return found if _FORM.fullmatch(found) else None
