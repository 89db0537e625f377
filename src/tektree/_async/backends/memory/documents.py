"""Documents that carry their events, in dictionaries: by id, by every slug, and in the lists that they are read in."""

import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from sys import intern
from typing import Any, Final, Generic, TypeVar

from tektree.errors import Stale, Taken
from tektree.models.base import Value, milliseconds
from tektree.models.content import Stored
from tektree.models.events import Event, Posted, Recipients
from tektree.models.pages import Position, Slice
from tektree.models.visibility import Sight
from tektree.models.words import words

__all__ = ["AsyncMemoryDocuments", "Shelves", "Words"]

R = TypeVar("R", bound=Value)
T = TypeVar("T", str, Position)

_LAST: Final = "\U0010ffff"
_FEW: Final = 64
"""So many lists are always read side by side."""


class Shelves:
    """Positions in lists, each list under a key of its own."""

    def __init__(self) -> None:
        self._shelves: dict[object, list[Position]] = {}

    def put(self, places: Iterable[tuple[object, Position]]) -> None:
        """Stands something in these lists."""
        for key, position in places:
            _stand_in(self._shelves.setdefault(key, []), position)

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
    """Which positions have words that begin so: a list for each word, and the words of each in alphabetical order.

    What is sought is found by the fewest that any of its beginnings has, the greatest first, and no further than it is
    read; of each it is looked up whether it has the others as well. Where many words begin so, and they are said more
    often than there are positions, that is looked up of one position after the other.
    """

    def __init__(self) -> None:
        self._lists: dict[str, list[Position]] = {}
        self._alphabet: list[str] = []
        self._said: dict[Position, list[str]] = {}
        self._every: list[Position] = []

    def put(self, position: Position, texts: Iterable[str]) -> None:
        """Files a position, which is not there yet, under the words of these texts."""
        said = sorted({intern(word) for text in texts for word in words(text)})  # one text for each, however often said
        for word in said:
            if word not in self._lists:
                self._lists[word] = []
                insort(self._alphabet, word)
            _stand_in(self._lists[word], position)
        if said:
            self._said[position] = said
            _stand_in(self._every, position)

    def take(self, position: Position) -> None:
        """Takes it out again, if it is there."""
        said = self._said.pop(position, None)
        if said is None:
            return
        _strike(self._every, position)
        for word in said:
            _strike(self._lists[word], position)
            if not self._lists[word]:
                del self._lists[word]
                _strike(self._alphabet, word)

    def find(self, beginnings: Sequence[str], before: Position | None) -> Iterator[Position]:
        """The positions that have a word for each of these beginnings, from behind ``before`` down."""
        lists = {start: self._beginning(start) for start in dict.fromkeys(beginnings)}
        if not lists:
            return
        sizes = {start: sum(map(len, found)) for start, found in lists.items()}
        rarest = min(lists, key=lambda start: sizes[start])
        by, left = lists[rarest], [start for start in lists if start != rarest]
        if len(by) > _FEW and sizes[rarest] > len(self._every):
            by, left = [self._every], list(lists)
        last = before
        for position in merge(*[_down(each, before) for each in by], reverse=True):
            if position != last and all(_begins(self._said[position], start) for start in left):
                yield position
            last = position

    def _beginning(self, start: str) -> list[list[Position]]:
        first, end = bisect_left(self._alphabet, start), bisect_left(self._alphabet, start + _LAST)
        return [self._lists[word] for word in self._alphabet[first:end]]


def _down(found: list[Position], before: Position | None) -> Iterator[Position]:
    end = len(found) if before is None else bisect_left(found, before)
    return (found[at] for at in range(end - 1, -1, -1))


def _stand_in(found: list[Position], one: Position) -> None:
    """Puts one into a sorted list; what is newest stands last."""
    if not found or found[-1] < one:
        found.append(one)
    else:
        insort(found, one)


def _strike(found: list[T], one: T) -> None:
    """Takes one out of a sorted list."""
    del found[bisect_left(found, one)]


def _begins(said: Sequence[str], start: str) -> bool:
    at = bisect_left(said, start)
    return at < len(said) and said[at].startswith(start)


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
        self._ids: list[str] = []

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

    def _rank(self, record: R) -> Position:
        """Where it stands in what is found by words: by age. Asked only of what has texts."""
        return milliseconds(record.created_at), self._id(record)  # type: ignore[attr-defined]

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
        self._stand(old, new)
        return new

    def _stand(self, old: Stored[R] | None, new: Stored[R]) -> None:
        before = set() if old is None else set(self._places(old.record))
        now = set(self._places(new.record))
        self._shelves.take(before - now)
        self._shelves.put(now - before)
        self._say(None if old is None else old.record, new.record)
        self._stored[self._id(new.record)] = new

    def _say(self, old: R | None, new: R) -> None:
        """Files it under its words, if they or its place are not as they were."""
        said = self._said(new)
        before = () if old is None else self._said(old)
        if old is not None and before and (before != said or self._rank(old) != self._rank(new)):
            self._words.take(self._rank(old))
            before = ()
        if said and not before:
            self._words.put(self._rank(new), said)

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

    async def by_ids(self, ids: Sequence[str]) -> Sequence[Stored[R]]:
        with self._lock:
            return [self._stored[id] for id in dict.fromkeys(ids) if id in self._stored]

    async def every(self, after: str | None, limit: int) -> Slice[Stored[R]]:
        with self._lock:
            if len(self._ids) < len(self._stored):  # nothing is ever taken away
                self._ids = sorted(self._stored)
            begin = 0 if after is None else bisect_right(self._ids, after)
            ids = self._ids[begin : begin + limit]
            last = (0, ids[-1]) if begin + limit < len(self._ids) else None
            return Slice(tuple([self._stored[id] for id in ids]), last)

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

    def _found(self, beginnings: Sequence[str], sight: Sight, before: Position | None, limit: int) -> Slice[R]:
        """A page of what has a word for each of these beginnings, the greatest first."""
        with self._lock:
            found = self._page(self._words.find(beginnings, before), sight.admits, limit)
        return found._replace(by="words")


def _left(events: Sequence[Event], to: Sequence[Recipients]) -> tuple[Posted, ...]:
    return tuple([Posted(event, to[at] if to else ()) for at, event in enumerate(events)])


def _slugs(record: Value) -> tuple[str, ...]:
    held: tuple[str, ...] = record.__dict__.get("slugs", ())
    return held
