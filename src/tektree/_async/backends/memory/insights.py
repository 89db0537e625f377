"""Insights in dictionaries, in a list for each thing that they are sought by."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from tektree._async.backends.memory.documents import AsyncMemoryDocuments
from tektree.models.base import INT53, milliseconds
from tektree.models.insights import Insight, InsightFilter, InsightOrder, InsightStatus
from tektree.models.pages import Position, Slice
from tektree.models.visibility import Sight

__all__ = ["AsyncMemoryInsights"]

_COUNTS = ("view_count", "like_count", "comment_count")


class AsyncMemoryInsights(AsyncMemoryDocuments[Insight]):
    """Insights by author, area and tag, as they were published, by likes, and those that are featured."""

    def __init__(self) -> None:
        super().__init__("insight", _COUNTS)

    def _places(self, record: Insight) -> Iterable[tuple[object, Position]]:
        newest, liked = _newest(record), (record.like_count, record.id)
        for key in _keys(record):
            yield ("newest", *key), newest
            yield ("most_liked", *key), liked
            if record.featured:
                yield ("featured", *key), newest
        if record.submitted_at is not None:
            yield ("made", record.created_by), (milliseconds(record.submitted_at), record.id)
        shared = {*record.co_authors, *[each.user_id for each in record.invitations]}
        yield from [(("shared", user), (0, record.id)) for user in shared]
        if record.deleted_at is not None:
            return
        if record.due is not None:
            yield "due", (record.due, record.id)
        elif record.visibility == "public" and record.published_at is not None:
            yield from [(("open", area), newest) for area in record.areas]

    def _said(self, record: Insight) -> tuple[str, ...]:
        return record.title, record.body

    def _rank(self, record: Insight) -> Position:
        return _newest(record)

    async def by_slug(self, slug: str) -> Insight | None:
        return self._slugged(slug)

    async def page(
        self, which: InsightFilter, order: InsightOrder, sight: Sight, before: Position | None, limit: int
    ) -> Slice[Insight]:
        asked = [(order, name, value) for name, value in which._asdict().items() if value and name != "status"]

        def admits(record: Insight) -> bool:
            return _is(record, which, sight.now) and sight.admits(record)

        with self._lock:
            shelf = self._shelves.fewest([(order, "all", ""), *asked])
            return self._page(self._shelves.read(shelf, before), admits, limit)

    async def search(self, words: Sequence[str], sight: Sight, before: Position | None, limit: int) -> Slice[Insight]:
        return self._found(words, sight, before, limit)

    async def made(self, user_id: str, since: datetime, until: datetime) -> int:
        with self._lock:
            return self._shelves.count(("made", user_id), milliseconds(since), milliseconds(until))

    async def in_area(self, area_id: str) -> int:
        with self._lock:
            return self._shelves.count(("open", area_id))

    async def in_areas(self, area_ids: Sequence[str]) -> Mapping[str, int]:
        with self._lock:
            return {id: self._shelves.count(("open", id)) for id in area_ids}

    async def due(self, by: int, limit: int) -> Sequence[str]:
        with self._lock:
            waiting = [id for at, id in reversed(list(self._shelves.read("due", (by + 1, ""))))]
        return waiting[:limit]

    async def shared_with(self, user_id: str, limit: int) -> Sequence[str]:
        with self._lock:
            return [id for _, id in self._shelves.read(("shared", user_id), None)][:limit]

    async def viewed(self, id: str, times: int) -> None:
        with self._lock:
            stored = self._stored.get(id)
            if stored is not None and stored.record.view_count <= INT53 - times:
                more = stored.record.evolve(view_count=stored.record.view_count + times)
                self._stored[id] = stored._replace(record=more)


def _newest(record: Insight) -> Position:
    return -1 if record.published_at is None else milliseconds(record.published_at), record.id


def _keys(record: Insight) -> Iterable[tuple[str, str]]:
    """What an insight is sought by."""
    yield "all", ""
    yield "author", record.created_by
    yield from [("area", area) for area in dict.fromkeys(record.areas)]
    yield from [("tag", tag) for tag in dict.fromkeys(record.tags)]


def _is(record: Insight, which: InsightFilter, now: datetime) -> bool:
    return (
        (which.area is None or which.area in record.areas)
        and (which.tag is None or which.tag in record.tags)
        and (which.author is None or which.author == record.created_by)
        and (which.status is None or which.status == _status(record, now))
    )


def _status(record: Insight, now: datetime) -> InsightStatus:
    if record.published_at is None:
        return "draft"
    return "published" if record.published_at <= now else "scheduled"
