"""Boards in memory: rank and neighbours in logarithmic time, however many stand on them."""

import threading
from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from tektree.models.leaderboards import Board, BoardEntry, Entries, Standing

__all__ = ["AsyncMemoryLeaderboards"]

_Key = tuple[int, datetime, str, int]
"""`BoardEntry.order`, with the entry's ``seq`` behind it: uids differ, so it never takes part in the order."""

_BLOCK = 512
"""Keys in one block before it is cut in two: insertion moves at most this many."""

_WAITING: Final = 4096
"""At most so many wait: to take in as many holds up who looks for some hundredths of a second."""


class Ranked:
    """Sorted keys in blocks, with a Fenwick tree over the sizes of the blocks.

    Finding a key's rank, and the key of a rank, takes O(log n); adding and removing moves one block.
    """

    def __init__(self) -> None:
        self._blocks: list[list[_Key]] = [[]]
        self._lasts: list[_Key] = []
        self._tree: list[int] = []
        self._size = 0
        self._reindex()

    def __len__(self) -> int:
        return self._size

    def add(self, key: _Key) -> None:
        at = min(bisect_left(self._lasts, key), len(self._blocks) - 1)
        block = self._blocks[at]
        insort(block, key)
        self._size += 1
        if len(block) > _BLOCK:
            self._blocks[at : at + 1] = [block[: _BLOCK // 2], block[_BLOCK // 2 :]]
            self._reindex()
        else:
            self._count(at, 1)

    def remove(self, key: _Key) -> None:
        at = bisect_left(self._lasts, key)
        block = self._blocks[at]
        del block[bisect_left(block, key)]
        self._size -= 1
        if not block and len(self._blocks) > 1:
            del self._blocks[at]
            self._reindex()
        else:
            self._count(at, -1)

    def replace(self, old: _Key, new: _Key) -> None:
        """``new`` in place of ``old``. Most moves are short and stay in one block, whose size does not change then."""
        at = bisect_left(self._lasts, old)
        block = self._blocks[at]
        if (at and new <= self._lasts[at - 1]) or (new > self._lasts[at] and at + 1 < len(self._blocks)):
            self.remove(old)
            self.add(new)
            return
        stood = bisect_left(block, old)
        if new < old and (stood == 0 or block[stood - 1] < new):  # nobody is overtaken
            block[stood] = new
        else:
            del block[stood]
            insort(block, new)
        self._lasts[at] = block[-1]

    def rank(self, key: _Key) -> int:
        """How many stand before ``key``, which is in."""
        at = bisect_left(self._lasts, key)
        before, node = 0, at
        while node:
            before += self._tree[node]
            node &= node - 1
        return before + bisect_left(self._blocks[at], key)

    def slice(self, start: int, stop: int) -> Iterator[_Key]:
        """The keys of the ranks from ``start`` up to ``stop``, which is left out."""
        start, stop = max(0, start), min(stop, self._size)
        at, offset = self._find(start)
        while start < stop:
            block = self._blocks[at][offset : offset + stop - start]
            yield from block
            start, at, offset = start + len(block), at + 1, 0

    def _find(self, rank: int) -> tuple[int, int]:
        """The block that holds a rank, and the place in it: a descent of the tree."""
        node, step = 0, 1 << len(self._blocks).bit_length()
        while step:
            following = node + step
            if following < len(self._tree) and self._tree[following] <= rank:
                node, rank = following, rank - self._tree[following]
            step >>= 1
        return node, rank

    def _count(self, at: int, change: int) -> None:
        if self._blocks[at]:
            self._lasts[at : at + 1] = [self._blocks[at][-1]]
        node = at + 1
        while node < len(self._tree):
            self._tree[node] += change
            node += node & -node

    def _reindex(self) -> None:
        self._lasts = [block[-1] for block in self._blocks if block]
        self._tree = [0] * (len(self._blocks) + 1)
        for at, block in enumerate(self._blocks, start=1):
            self._tree[at] += len(block)
            parent = at + (at & -at)
            if parent < len(self._tree):
                self._tree[parent] += self._tree[at]


@dataclass(slots=True)
class _Place:
    """A board: the newest key of every user, and the order of those who are seen."""

    keys: dict[str, _Key] = field(default_factory=dict)
    ranked: Ranked = field(default_factory=Ranked)


class AsyncMemoryLeaderboards:
    """All boards under one lock.

    What rows say waits until somebody looks at a board, or very many wait: of each user only the newest word counts.
    """

    def __init__(self, lock: "threading.Lock | None" = None) -> None:
        self._lock = lock or threading.Lock()
        self._places: dict[str | None, _Place] = {}
        """By week; None: of all time."""
        self._settings: dict[str, tuple[int, bool]] = {}
        self._waiting: dict[tuple[str, str], tuple[Entries, datetime]] = {}
        """By uid and week: what was put there last, and when."""

    async def put(self, entries: Sequence[BoardEntry], now: datetime) -> None:
        with self._lock:
            self.add(entries, now)

    def add(self, entries: Sequence[BoardEntry], now: datetime) -> None:
        """As ``put``, for who holds the lock."""
        if type(entries) is not Entries:
            self._take(entries, now)
            return
        key = entries.uid, entries.week
        before = self._waiting.get(key)
        if before is None:
            settled = len(self._waiting) < _WAITING
        else:
            newest = before[0]
            settled = newest.seq <= entries.seq and newest.settings_version == entries.settings_version
        if not settled:
            self._settle()
        self._waiting[key] = entries, now

    def _settle(self) -> None:
        """Takes in what waits."""
        if self._waiting:
            for entries, now in self._waiting.values():
                self._take(entries, now)
            self._waiting.clear()

    def _take(self, entries: Sequence[BoardEntry], now: datetime) -> None:
        for entry in entries:
            if entry.settings_version:
                self._hide(entry.uid, entry.settings_version, entry.hidden)
            self._put(entry, now)

    async def hide(self, uid: str, settings_version: int, hidden: bool, now: datetime) -> None:
        with self._lock:
            self._settle()
            self._hide(uid, settings_version, hidden)

    async def top(self, board: Board, limit: int, now: datetime) -> Sequence[Standing]:
        with self._lock:
            place = self._place(board, now)
            return _standings(place, 0, limit) if place else []

    async def rank(self, board: Board, uid: str, now: datetime) -> Standing | None:
        with self._lock:
            place = self._place(board, now)
            key = self._seen(place, uid)
            return Standing(place.ranked.rank(key) + 1, uid, -key[0]) if place and key else None

    async def around(self, board: Board, uid: str, span: int, now: datetime) -> Sequence[Standing]:
        with self._lock:
            place = self._place(board, now)
            key = self._seen(place, uid)
            if not place or not key:
                return []
            rank = place.ranked.rank(key)
            return _standings(place, max(0, rank - span), rank + span + 1)

    def _place(self, board: Board, now: datetime) -> _Place | None:
        self._settle()
        return None if board.is_over(now) else self._places.get(board.week)

    def _seen(self, place: _Place | None, uid: str) -> _Key | None:
        key = place.keys.get(uid) if place else None
        return key if key and key[0] < 0 and not self._hidden(uid) else None

    def _hidden(self, uid: str) -> bool:
        return self._settings.get(uid, (0, False))[1]

    def _put(self, entry: BoardEntry, now: datetime) -> None:
        board, uid, score, _, seq, _, _ = entry
        place = self._places.get(board.week)
        if place is None:
            if board.is_over(now):
                return
            self._forget(now)
            place = self._places[board.week] = _Place()
        old = place.keys.get(uid)
        if old is not None and old[3] > seq:
            return
        place.keys[uid] = key = (*entry.order, seq)
        if uid in self._settings and self._hidden(uid):
            return
        if old is None or old[0] >= 0:
            if score > 0:
                place.ranked.add(key)
        elif score > 0:
            place.ranked.replace(old, key)
        else:
            place.ranked.remove(old)

    def _hide(self, uid: str, version: int, hidden: bool) -> None:
        known, was = self._settings.get(uid, (0, False))
        if version <= known:
            return
        self._settings[uid] = (version, hidden)
        if hidden is was:
            return
        for place in self._places.values():
            key = place.keys.get(uid)
            if key is not None and key[0] < 0:
                place.ranked.remove(key) if hidden else place.ranked.add(key)

    def _forget(self, now: datetime) -> None:
        for week in [week for week in self._places if Board(week).is_over(now)]:
            del self._places[week]


def _standings(place: _Place, start: int, stop: int) -> list[Standing]:
    keys = place.ranked.slice(start, stop)
    return [Standing(rank, uid, -score) for rank, (score, _, uid, _) in enumerate(keys, start=start + 1)]
