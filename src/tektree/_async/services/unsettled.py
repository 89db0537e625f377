"""Users of whom the store of sessions has not heard yet that they are not what they were."""

import threading
from typing import Final

__all__ = ["Unsettled"]

_MOST: Final = 65_536
"""So many are known; of more, those who came first are left to the events that tell of them."""


class Unsettled:
    """Those of this process, by uid. It is empty but for the time of a change, and while the store is away."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._marks: dict[str, object] = {}

    def __len__(self) -> int:
        return len(self._marks)

    def add(self, uid: str) -> object:
        """Says that something is to be told of a user. Gives a mark of just this."""
        mark = object()
        with self._lock:
            self._marks.pop(uid, None)
            if len(self._marks) >= _MOST:
                del self._marks[next(iter(self._marks))]
            self._marks[uid] = mark
        return mark

    def mark(self, uid: str) -> object | None:
        """The last mark of a user; None where all is told."""
        return self._marks.get(uid)

    def over(self, uid: str, mark: object | None) -> None:
        """Says that it was told, unless something came to it since the mark."""
        with self._lock:
            if mark is not None and self._marks.get(uid) is mark:
                del self._marks[uid]
