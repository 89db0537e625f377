"""What is searched for: the words of a query, each taken for itself.

The law: a query has words, and not too many; nothing in it is an operator.
"""

from typing import Final

from tektree.errors import InvalidInput
from tektree.models.words import words
from tektree.rules import inputs

__all__ = ["terms"]

_LONGEST: Final = 200
_MOST: Final = 10


def terms(text: object) -> tuple[str, ...]:
    """The words of a query, each once. Raises `InvalidInput` where there are none, or more than ten.

    >>> terms("Event-driven EVENT")
    ('event', 'driven')
    """
    found = tuple(dict.fromkeys(words(inputs.text(text, "text", 1, _LONGEST))))
    if not 0 < len(found) <= _MOST:
        raise InvalidInput("text", f"must hold 1 to {_MOST} words")
    return found
