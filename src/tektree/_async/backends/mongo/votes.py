"""Votes in MongoDB."""

from collections.abc import Mapping, Sequence
from typing import Any

from bson import ObjectId

from tektree._async.backends.mongo.documents import AsyncMongoDocuments
from tektree._async.backends.mongo.driver import AsyncMongo
from tektree.models.votes import Tally, Vote
from tektree.wire.collections import VOTES

__all__ = ["AsyncMongoVotes"]


class AsyncMongoVotes(AsyncMongoDocuments[Vote]):
    """Votes in ``votes``. Every method is one command."""

    _maker = "user_id"

    def __init__(self, mongo: AsyncMongo) -> None:
        super().__init__(mongo, VOTES, Vote, "vote")

    async def of_target(self, target_id: str) -> Tally:
        pipeline: list[dict[str, Any]] = [
            {"$match": {"target_id": ObjectId(target_id)}},
            {"$group": {"_id": "$value", "count": {"$sum": 1}}},
        ]
        with self._mongo.reading(VOTES):
            found = await self._mongo.aggregate(self._documents, pipeline)
        counted = {each["_id"]: int(each["count"]) for each in found}
        return Tally(counted.get(1, 0), counted.get(-1, 0))

    async def on_target(self, target_id: str, after: str | None, limit: int) -> Sequence[Vote]:
        query: dict[str, Any] = {"target_id": ObjectId(target_id)}
        if after is not None:
            query["_id"] = {"$gt": ObjectId(after)}
        with self._mongo.reading(VOTES):
            found = self._documents.find(query).sort("_id", 1).limit(limit)
            return [self._stored(document).record for document in await self._mongo.listed(found)]

    async def of_targets(self, target_ids: Sequence[str]) -> Mapping[str, Tally]:
        if not target_ids:
            return {}
        pipeline: list[dict[str, Any]] = [
            {"$match": {"target_id": {"$in": [ObjectId(id) for id in target_ids]}}},
            {"$group": {"_id": {"of": "$target_id", "value": "$value"}, "count": {"$sum": 1}}},
        ]
        with self._mongo.reading(VOTES):
            found = await self._mongo.aggregate(self._documents, pipeline)
        counted = {(str(each["_id"]["of"]), each["_id"]["value"]): int(each["count"]) for each in found}
        return {id: Tally(counted.get((id, 1), 0), counted.get((id, -1), 0)) for id in target_ids}
