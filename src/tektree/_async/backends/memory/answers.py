"""Answers in dictionaries, by question and by author."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from tektree._async.backends.memory.documents import AsyncMemoryDocuments
from tektree.models.answers import Answer
from tektree.models.base import milliseconds
from tektree.models.pages import Position, Slice
from tektree.models.questions import Order

__all__ = ["AsyncMemoryAnswers"]


class AsyncMemoryAnswers(AsyncMemoryDocuments[Answer]):
    """Answers to each question, by age and by votes."""

    def __init__(self) -> None:
        super().__init__("answer", ("upvote_count", "downvote_count", "is_accepted"))

    def _places(self, record: Answer) -> Iterable[tuple[object, Position]]:
        newest = milliseconds(record.created_at), record.id
        yield ("by", record.created_by), newest
        if record.deleted_at is None:
            yield ("newest", record.question_id), newest
            yield ("most_voted", record.question_id), (record.upvote_count, record.id)

    async def page(self, question_id: str, order: Order, before: Position | None, limit: int) -> Slice[Answer]:
        with self._lock:
            return self._page(self._shelves.read((order, question_id), before), lambda _: True, limit)

    async def of_question(self, question_id: str) -> int:
        with self._lock:
            return self._shelves.count(("newest", question_id))

    async def of_questions(self, question_ids: Sequence[str]) -> Mapping[str, int]:
        with self._lock:
            return {id: self._shelves.count(("newest", id)) for id in question_ids}

    async def made(self, user_id: str, since: datetime, until: datetime) -> int:
        with self._lock:
            return self._shelves.count(("by", user_id), milliseconds(since), milliseconds(until))
