"""How a text falls into the words that are searched: the same in every storage.

A word is what stands between ASCII spaces and punctuation, in lower case; whatever is not ASCII belongs to words. So a
server's regular expressions, whatever they know of Unicode, find what the index in memory finds.
"""

import re
from typing import Final

__all__ = ["BREAK", "words"]

BREAK: Final = r"[\x00-/:-@\[-`{-\x7f]"
"""What stands between words, as a regular expression."""

_BREAKS: Final = re.compile(BREAK + "+")


def words(text: str) -> list[str]:
    """The words of a text, in its order.

    >>> words("Event-Driven, in C++")
    ['event', 'driven', 'in', 'c']
    """
    return [word for word in _BREAKS.split(text.lower()) if word]
