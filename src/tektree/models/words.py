"""How a text falls into the words that are searched: the same in every storage.

A word is what stands between ASCII spaces and punctuation, in lower case; whatever is not ASCII belongs to words. Forms
of one letter are one. So a server's regular expressions, whatever else they know of Unicode, find what the index in
memory finds.
"""

import re
from typing import Final

__all__ = ["BREAK", "words"]

BREAK: Final = r"[\x00-/:-@\[-`{-\x7f]"
"""What stands between words, as a regular expression."""

_BREAKS: Final = re.compile(BREAK + "+")
_ALIKE: Final = str.maketrans("ςſµϐϑϕϖϰϱϵẛ\u1fbe\u0345", "σsμβθφπκρεṡιι")
"""Other forms of a letter, which expressions take for the letter where they look at no case."""


def words(text: str) -> list[str]:
    """The words of a text, in its order.

    >>> words("Event-Driven, in C++")
    ['event', 'driven', 'in', 'c']
    """
    return [word for word in _BREAKS.split(text.lower().translate(_ALIKE)) if word]
