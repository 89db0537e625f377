"""How long a text takes to read: by its words.

The law: no words take no time, any take at least a minute, and more text never takes less. A word is what stands
between spaces and holds a letter or a digit; of scripts that put no spaces between words, two characters count as one.
"""

import re
from typing import Final

__all__ = ["minutes", "words"]

_DENSE: Final = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


def words(text: str) -> int:
    """How many words a text has.

    >>> words("# Don't panic"), words("你好世界")
    (2, 2)
    """
    sparse, dense = _DENSE.subn(" ", text)
    return sum([any(map(str.isalnum, run)) for run in sparse.split()]) + -(-dense // 2)


def minutes(text: str, per_minute: int) -> int:
    """Whole minutes, rounded up."""
    return -(-words(text) // per_minute)
