"""Views: counted in this process, and written by the relay, so that to look costs no write."""

import logging
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from tektree.errors import BackendError

__all__ = ["AsyncViews"]

_LOG: Final = logging.getLogger("tektree")
_MOST: Final = 10_000


class AsyncViews:
    """How often things were looked at since the relay ran. What a process that ends had not written is lost.

    Of more than ten thousand things at a time the rest is not counted.
    """

    def __init__(self, write: Callable[[str, int], Awaitable[None]]) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._seen: Counter[str] = Counter()

    def add(self, id: str) -> None:
        """Somebody looked."""
        with self._lock:
            if id in self._seen or len(self._seen) < _MOST:
                self._seen[id] += 1

    async def sweep(self) -> int:
        """Writes all views. No event is told of them: 0."""
        with self._lock:
            seen, self._seen = self._seen, Counter()
        for at, (id, times) in enumerate(seen.items()):
            try:
                await self._write(id, times)
            except BackendError as error:  # it may have been written, once; the rest waits
                _LOG.warning("views are written another time: %s", error.code)
                with self._lock:
                    self._seen.update(dict(list(seen.items())[at + 1 :]))
                break
        return 0
