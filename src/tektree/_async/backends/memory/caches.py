"""Caches in memory."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from tektree.models.base import Record
from tektree.models.caches import Found, Place
from tektree.wire.caches import cached_text, found_in

__all__ = ["AsyncMemoryCaches"]

_Dated = tuple[str, datetime]
"""A text, and when it is over."""


class AsyncMemoryCaches:
    """Records in this process, ``most`` of them, by ``clock``: anything that returns the time as an aware datetime.

    They are kept as the text that other caches keep, so what comes out is the same. Who keeps one more than that makes
    the oldest go. It is for a single process: nobody tells it what another one has changed.
    """

    def __init__(self, clock: Callable[[], datetime], most: int = 10_000) -> None:
        self._clock = clock
        self._most = most
        self._lock = threading.Lock()
        self._texts: dict[Place, _Dated] = {}
        self._loads: dict[Place, _Dated] = {}

    async def read(self, place: Place) -> Found | None:
        with self._lock:
            text = _in_time(self._texts, place, self._clock())
        return None if text is None else found_in(place, text)

    async def begin(self, place: Place, token: str, lease: int) -> Found | bool:
        with self._lock:
            now = self._clock()
            text = _in_time(self._texts, place, now)
            found = None if text is None else found_in(place, text)
            if found is not None:
                return found
            if _in_time(self._loads, place, now) not in (None, token):
                return False
            self._put(self._loads, place, token, now, lease)
            return True

    async def keep(self, place: Place, record: Record | None, token: str, lasts: int) -> bool:
        with self._lock:
            now, text = self._clock(), cached_text(record)
            if _in_time(self._loads, place, now) != token:
                return _in_time(self._texts, place, now) == text
            del self._loads[place]
            self._put(self._texts, place, text, now, lasts)
            return True

    async def leave(self, place: Place, token: str) -> None:
        with self._lock:
            if _in_time(self._loads, place, self._clock()) == token:
                del self._loads[place]

    async def invalidate(self, place: Place) -> None:
        with self._lock:
            self._texts.pop(place, None)
            self._loads.pop(place, None)

    def _put(self, kept: dict[Place, _Dated], place: Place, text: str, now: datetime, lasts: int) -> None:
        kept.pop(place, None)
        if len(kept) >= self._most:
            del kept[next(iter(kept))]
        kept[place] = text, now + timedelta(milliseconds=lasts)


def _in_time(kept: dict[Place, _Dated], place: Place, now: datetime) -> str | None:
    """The text of a place; None where there is none, or it is over."""
    text, over = kept.get(place, (None, now))
    if over > now:
        return text
    kept.pop(place, None)
    return None
