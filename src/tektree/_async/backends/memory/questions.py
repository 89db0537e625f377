"""Questions in dictionaries, in a list for each thing that they are sought by."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from tektree._async.backends.memory.documents import AsyncMemoryDocuments
from tektree.models.base import INT53, milliseconds
from tektree.models.pages import Position, Slice
from tektree.models.questions import Order, Question, QuestionFilter
from tektree.models.visibility import Sight

__all__ = ["AsyncMemoryQuestions"]

_COUNTS = ("view_count", "upvote_count", "downvote_count", "answer_count")


class AsyncMemoryQuestions(AsyncMemoryDocuments[Question]):
    """Questions by author, area, tag and status, by age and by votes; and who holds which file."""

    def __init__(self) -> None:
        super().__init__("question", _COUNTS)

    def _places(self, record: Question) -> Iterable[tuple[object, Position]]:
        newest, voted = _newest(record), (record.upvote_count, record.id)
        for key in _keys(record):
            yield ("newest", *key), newest
            yield ("most_voted", *key), voted
        if record.visibility == "public" and record.deleted_at is None:
            yield from [(("open", area), newest) for area in record.areas]
        yield from [(("file", file), newest) for file in record.files]

    def _said(self, record: Question) -> tuple[str, ...]:
        return record.title, record.body

    async def by_slug(self, slug: str) -> Question | None:
        return self._slugged(slug)

    async def page(
        self, which: QuestionFilter, order: Order, sight: Sight, before: Position | None, limit: int
    ) -> Slice[Question]:
        asked = [(order, *pair) for pair in zip(which._fields, which, strict=True) if pair[1] is not None]

        def admits(record: Question) -> bool:
            return _is(record, which) and sight.admits(record)

        with self._lock:
            shelf = self._shelves.fewest([(order, "all", ""), *asked])
            return self._page(self._shelves.read(shelf, before), admits, limit)

    async def search(self, words: Sequence[str], sight: Sight, before: Position | None, limit: int) -> Slice[Question]:
        return self._found(words, sight, before, limit)

    async def made(self, user_id: str, since: datetime, until: datetime) -> int:
        with self._lock:
            return self._shelves.count(("newest", "author", user_id), milliseconds(since), milliseconds(until))

    async def in_area(self, area_id: str) -> int:
        with self._lock:
            return self._shelves.count(("open", area_id))

    async def in_areas(self, area_ids: Sequence[str]) -> Mapping[str, int]:
        with self._lock:
            return {id: self._shelves.count(("open", id)) for id in area_ids}

    async def of_others(self, user_id: str, files: Sequence[str]) -> Sequence[str]:
        with self._lock:
            return [file for file in dict.fromkeys(files) if self._is_of_others(user_id, file)]

    def _is_of_others(self, user_id: str, file: str) -> bool:
        holders = self._shelves.read(("file", file), None)
        return any(self._stored[id].record.created_by != user_id for _, id in holders)

    async def viewed(self, id: str, times: int) -> None:
        with self._lock:
            stored = self._stored.get(id)
            if stored is not None and stored.record.view_count <= INT53 - times:
                more = stored.record.evolve(view_count=stored.record.view_count + times)
                self._stored[id] = stored._replace(record=more)


def _newest(record: Question) -> Position:
    return milliseconds(record.created_at), record.id


def _keys(record: Question) -> Iterable[tuple[str, str]]:
    """What a question is sought by."""
    yield "all", ""
    yield "author", record.created_by
    yield "status", record.status
    yield from [("area", area) for area in dict.fromkeys(record.areas)]
    yield from [("tag", tag) for tag in dict.fromkeys(record.tags)]


def _is(record: Question, which: QuestionFilter) -> bool:
    return (
        (which.area is None or which.area in record.areas)
        and (which.tag is None or which.tag in record.tags)
        and (which.author is None or which.author == record.created_by)
        and (which.status is None or which.status == record.status)
    )
