"""Documents that carry their events, in dictionaries: by id, by every slug, and in the lists that they are read in."""

import threading
from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final, Generic, TypeVar

from tektree.errors import Stale, Taken
from tektree.models.base import Value
from tektree.models.content import Stored
from tektree.models.events import Event, Posted, Recipients
from tektree.models.pages import Position, Slice
from tektree.models.words import words

__all__ = ["AsyncMemoryDocuments", "Shelves", "Words"]

R = TypeVar("R", bound=Value)

_LAST: Final = "\U0010ffff"


class Shelves:
    """Positions in lists, each list under a key of its own."""

    def __init__(self) -> None:
        self._shelves: dict[object, list[Position]] = {}

    def put(self, places: Iterable[tuple[object, Position]]) -> None:
        """Stands something in these lists."""
        for key, position in places:
            insort(self._shelves.setdefault(key, []), position)

    def take(self, places: Iterable[tuple[object, Position]]) -> None:
        """Takes it out of them."""
        for key, position in places:
            shelf = self._shelves[key]
            del shelf[bisect_left(shelf, position)]
            if not shelf:
                del self._shelves[key]

    def read(self, key: object, before: Position | None) -> Iterable[Position]:
        """A list from its greatest position down, or from behind ``before``."""
        shelf = self._shelves.get(key, [])
        end = len(shelf) if before is None else bisect_left(shelf, before)
        return (shelf[at] for at in range(end - 1, -1, -1))

    def fewest(self, keys: Sequence[object]) -> object:
        """The list of these in which the fewest stand."""
        return min(keys, key=lambda key: len(self._shelves.get(key, ())))

    def count(self, key: object, since: int | None = None, until: int | None = None) -> int:
        """How many stand in a list, from one number on and below another."""
        shelf = self._shelves.get(key, [])
        first = 0 if since is None else bisect_left(shelf, (since, ""))
        return (len(shelf) if until is None else bisect_left(shelf, (until, ""))) - first


class Words:
    """Which ids have a word that begins so."""

    def __init__(self) -> None:
        self._ids: dict[str, set[str]] = {}
        self._sorted: list[str] = []

    def put(self, id: str, words: Collection[str]) -> None:
        """Files an id under these words, each once."""
        for word in words:
            if word not in self._ids:
                self._ids[word] = set()
                insort(self._sorted, word)
            self._ids[word].add(id)

    def take(self, id: str, words: Collection[str]) -> None:
        """Takes it out again."""
        for word in words:
            self._ids[word].discard(id)
            if not self._ids[word]:
                del self._ids[word]
                del self._sorted[bisect_left(self._sorted, word)]

    def find(self, beginnings: Sequence[str]) -> set[str]:
        """The ids that have a word for each of these beginnings."""
        found = [self._beginning(each) for each in beginnings]
        return set.intersection(*found) if found else set()

    def _beginning(self, start: str) -> set[str]:
        first, end = bisect_left(self._sorted, start), bisect_left(self._sorted, start + _LAST)
        return set().union(*[self._ids[word] for word in self._sorted[first:end]])


class AsyncMemoryDocuments(Generic[R]):
    """Records of one kind. What it holds and gives out is frozen, so nothing leaks."""

    def __init__(self, kind: str, counts: Sequence[str] = ()) -> None:
        self._kind = kind
        self._counts = counts
        self._lock = threading.Lock()
        self._stored: dict[str, Stored[R]] = {}
        self._tallies: dict[str, int] = {}
        self._owners: dict[str, str] = {}
        self._shelves = Shelves()
        self._words = Words()

    # -- what a kind says of itself -----------------------------------------------------------------------------------

    _maker = "created_by"
    """The field that holds who made a record."""

    def _id(self, record: R) -> str:
        found: str = record.id  # type: ignore[attr-defined]
        return found

    def _places(self, record: R) -> Iterable[tuple[object, Position]]:
        """The lists that it stands in, and where."""
        return ()

    def _said(self, record: R) -> tuple[str, ...]:
        """The texts that it is found by."""
        return ()

    # -- writing ------------------------------------------------------------------------------------------------------

    async def insert(self, record: R, events: Sequence[Event], to: Sequence[Recipients] = ()) -> Stored[R]:
        with self._lock:
            there = self._stored.get(self._id(record))
            return self._put(None, Stored(record, 1, _left(events, to))) if there is None else there

    async def swap(
        self, old: Stored[R], new: R, events: Sequence[Event] = (), to: Sequence[Recipients] = ()
    ) -> Stored[R]:
        with self._lock:
            id = self._id(old.record)
            stored = self._stored.get(id)
            if stored is None or stored.version != old.version:
                raise Stale(self._kind, id)
            counts = {name: getattr(stored.record, name) for name in self._counts}
            kept = new.evolve(**counts) if counts else new
            return self._put(stored, Stored(kept, stored.version + 1, (*stored.left, *_left(events, to))))

    def _put(self, old: Stored[R] | None, new: Stored[R]) -> Stored[R]:
        id, slugs = self._id(new.record), _slugs(new.record)
        if any(self._owners.get(slug, id) != id for slug in slugs):
            raise Taken("slug")
        if old is not None:
            for slug in _slugs(old.record):
                self._owners.pop(slug, None)
        self._owners.update(dict.fromkeys(slugs, id))
        before = () if old is None else self._said(old.record)
        if (said := self._said(new.record)) != before:
            self._words.take(id, _words(before))
            self._words.put(id, _words(said))
        self._stand(old, new)
        return new

    def _stand(self, old: Stored[R] | None, new: Stored[R]) -> None:
        before = set() if old is None else set(self._places(old.record))
        now = set(self._places(new.record))
        self._shelves.take(before - now)
        self._shelves.put(now - before)
        self._stored[self._id(new.record)] = new

    async def told(self, id: str, event_ids: Sequence[str]) -> None:
        with self._lock:
            stored = self._stored.get(id)
            if stored is not None:
                left = [each for each in stored.left if each.event.event_id not in event_ids]
                self._stored[id] = stored._replace(left=tuple(left))

    async def counted(self, id: str, tally: int, **counts: int) -> bool:
        with self._lock:
            stored = self._stored.get(id)
            if stored is None or self._tallies.get(id, 0) != tally:
                return False
            self._tallies[id] = tally + 1
            self._stand(stored, stored._replace(record=stored.record.evolve(**counts)))
            return True

    # -- reading ------------------------------------------------------------------------------------------------------

    async def by_id(self, id: str) -> Stored[R] | None:
        return self._stored.get(id)

    async def of_user(self, user_id: str, after: str | None, limit: int) -> Sequence[R]:
        with self._lock:
            theirs = [id for id, stored in self._stored.items() if getattr(stored.record, self._maker) == user_id]
            return [self._stored[id].record for id in sorted(theirs) if after is None or id > after][:limit]

    async def tally(self, id: str) -> int | None:
        with self._lock:
            return self._tallies.get(id, 0) if id in self._stored else None

    async def unfinished(self, limit: int) -> Sequence[str]:
        with self._lock:
            return [id for id, stored in self._stored.items() if stored.left][:limit]

    def _slugged(self, slug: str) -> R | None:
        with self._lock:
            stored = self._stored.get(self._owners.get(slug, ""))
            return None if stored is None else stored.record

    def _page(self, positions: Iterable[Position], admits: Callable[[Any], bool], limit: int) -> Slice[R]:
        """The first ``limit`` that are admitted; the lock is held by who calls."""
        found: list[R] = []
        last: Position | None = None
        for position in positions:
            record = self._stored[position[1]].record
            if not admits(record):
                continue
            if len(found) == limit:
                return Slice(tuple(found), last)
            found.append(record)
            last = position
        return Slice(tuple(found))

    def _found(
        self, beginnings: Sequence[str], place: Callable[[R], Position], before: Position | None
    ) -> list[Position]:
        """The positions of what has a word for each of these beginnings, the greatest first."""
        every = [place(self._stored[id].record) for id in self._words.find(beginnings)]
        return sorted([each for each in every if before is None or each < before], reverse=True)


def _left(events: Sequence[Event], to: Sequence[Recipients]) -> tuple[Posted, ...]:
    return tuple([Posted(event, to[at] if to else ()) for at, event in enumerate(events)])


def _words(texts: Iterable[str]) -> set[str]:
    return {word for text in texts for word in words(text)}


def _slugs(record: Value) -> tuple[str, ...]:
    held: tuple[str, ...] = getattr(record, "slugs", ())
    return held
