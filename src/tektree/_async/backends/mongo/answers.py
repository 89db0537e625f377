"""Answers in MongoDB. Every query but those by id or author carries the question, by which they are sharded."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from bson import ObjectId

from tektree._async.backends.mongo.documents import AsyncMongoDocuments, behind
from tektree._async.backends.mongo.driver import AsyncMongo
from tektree.models.answers import Answer
from tektree.models.pages import Position, Slice
from tektree.models.questions import Order
from tektree.wire.collections import ANSWERS

__all__ = ["AsyncMongoAnswers"]

_BY: Final[Mapping[Order, str]] = {"newest": "created_at", "most_voted": "upvote_count"}


class AsyncMongoAnswers(AsyncMongoDocuments[Answer]):
    """Answers in ``answers``. Every method is one command."""

    def __init__(self, mongo: AsyncMongo) -> None:
        super().__init__(mongo, ANSWERS, Answer, "answer", ("upvote_count", "downvote_count", "is_accepted"))

    async def page(self, question_id: str, order: Order, before: Position | None, limit: int) -> Slice[Answer]:
        by = _BY[order]
        query = {"question_id": ObjectId(question_id), "deleted_at": None}
        return await self._page({**query, **behind(before, by, dated=order == "newest")}, by, limit)

    async def of_question(self, question_id: str) -> int:
        return await self._count({"question_id": ObjectId(question_id), "deleted_at": None})

    async def of_questions(self, question_ids: Sequence[str]) -> Mapping[str, int]:
        return await self._grouped("question_id", question_ids, {"deleted_at": None})

    async def made(self, user_id: str, since: datetime, until: datetime) -> int:
        return await self._count({"created_by": ObjectId(user_id), "created_at": {"$gte": since, "$lt": until}})

    async def _count(self, query: Mapping[str, Any]) -> int:
        with self._mongo.reading(ANSWERS):
            return int(await self._documents.count_documents(query))
