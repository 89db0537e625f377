"""Questions in MongoDB."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from bson import ObjectId

from tektree._async.backends.mongo.documents import AsyncMongoDocuments, behind, seen
from tektree._async.backends.mongo.driver import AsyncMongo
from tektree.models.base import INT53
from tektree.models.pages import Position, Slice
from tektree.models.questions import Order, Question, QuestionFilter
from tektree.models.visibility import Sight
from tektree.wire.collections import QUESTIONS

__all__ = ["AsyncMongoQuestions", "held_by_others", "held_in"]

_COUNTS: Final = ("view_count", "upvote_count", "downvote_count", "answer_count")
_OPEN: Final[Mapping[str, Any]] = {"visibility": "public", "deleted_at": None}
_BY: Final[Mapping[Order, str]] = {"newest": "created_at", "most_voted": "upvote_count"}


class AsyncMongoQuestions(AsyncMongoDocuments[Question]):
    """Questions in ``questions``. Every method is one command."""

    def __init__(self, mongo: AsyncMongo) -> None:
        super().__init__(mongo, QUESTIONS, Question, "question", _COUNTS)

    async def by_slug(self, slug: str) -> Question | None:
        return await self._slugged(slug)

    async def page(
        self, which: QuestionFilter, order: Order, sight: Sight, before: Position | None, limit: int
    ) -> Slice[Question]:
        by = _BY[order]
        query = {**_asked(which), **behind(before, by, dated=order == "newest"), **seen(sight)}
        return await self._page(query, by, limit)

    async def search(self, words: Sequence[str], sight: Sight, before: Position | None, limit: int) -> Slice[Question]:
        by = _BY["newest"]
        return await self._search(words, ("title", "body"), {**behind(before, by), **seen(sight)}, by, limit)

    async def made(self, user_id: str, since: datetime, until: datetime) -> int:
        return await self._count({"created_by": ObjectId(user_id), "created_at": {"$gte": since, "$lt": until}})

    async def in_area(self, area_id: str) -> int:
        return await self._count({"areas": ObjectId(area_id), **_OPEN})

    async def in_areas(self, area_ids: Sequence[str]) -> Mapping[str, int]:
        return await self._grouped("areas", area_ids, _OPEN, listed=True)

    async def _count(self, query: Mapping[str, Any]) -> int:
        with self._mongo.reading(QUESTIONS):
            return int(await self._documents.count_documents(query))

    async def of_others(self, user_id: str, files: Sequence[str]) -> Sequence[str]:
        if not files:
            return []
        with self._mongo.reading(QUESTIONS):
            found = await self._mongo.listed(self._documents.find(held_by_others(user_id, files), {"files": 1}))
        return held_in(found, files)

    async def viewed(self, id: str, times: int) -> None:
        counted = {"_id": ObjectId(id), "view_count": {"$gte": 0, "$lte": INT53 - times}}
        with self._mongo.writing(QUESTIONS):
            await self._documents.update_one(counted, {"$inc": {"view_count": times}})


def held_by_others(user_id: str, files: Sequence[str]) -> dict[str, Any]:
    """Finds the questions of others that hold any of these files."""
    return {"files": {"$in": list(files)}, "created_by": {"$ne": ObjectId(user_id)}}


def held_in(documents: Iterable[Mapping[str, Any]], files: Sequence[str]) -> list[str]:
    """Those of these files that any of the documents holds, in their order, each once."""
    held = {file for document in documents for file in document["files"]}
    return [file for file in dict.fromkeys(files) if file in held]


def _asked(which: QuestionFilter) -> dict[str, Any]:
    asked: dict[str, Any] = {}
    if which.area is not None:
        asked["areas"] = ObjectId(which.area)
    if which.tag is not None:
        asked["tags"] = which.tag
    if which.author is not None:
        asked["created_by"] = ObjectId(which.author)
    if which.status is not None:
        asked["status"] = which.status
    return asked
