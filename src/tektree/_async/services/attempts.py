"""How often in a row a log-in has failed, by name, as far as this process has seen."""

import hashlib
import threading
from collections import OrderedDict
from typing import Final

__all__ = ["Attempts"]

_NAMES: Final = 10_000
_LONGEST: Final = 320


class Attempts:
    """Counts failures by name. It remembers the last ten thousand names, as digests; who is forgotten begins at 1."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: OrderedDict[bytes, int] = OrderedDict()

    def next(self, name: str) -> int:
        """Which failure in a row this one is, from 1."""
        key = _key(name)
        with self._lock:
            self._counts[key] = count = self._counts.pop(key, 0) + 1
            if len(self._counts) > _NAMES:
                self._counts.popitem(last=False)
        return count

    def over(self, name: str) -> None:
        """Somebody of that name got in: the next failure is the first."""
        with self._lock:
            self._counts.pop(_key(name), None)


def _key(name: str) -> bytes:
    return hashlib.sha256(name[:_LONGEST].encode("utf-8", "surrogatepass")).digest()
