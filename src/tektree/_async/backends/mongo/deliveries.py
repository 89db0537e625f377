"""Calls of handlers that are still due, and those that were given up, in a collection of our own."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo.errors import BulkWriteError, DuplicateKeyError

from tektree._async.backends.mongo.driver import AsyncMongo, duplicates_only
from tektree.models.events import Delivery
from tektree.wire.collections import DELIVERIES
from tektree.wire.documents import from_document, to_document

__all__ = ["AsyncMongoDeliveries"]


class AsyncMongoDeliveries:
    """Deliveries in ``deliveries``. There are only those that failed, and those behind them."""

    def __init__(self, mongo: AsyncMongo) -> None:
        self._mongo = mongo
        self._deliveries = mongo.collection(DELIVERIES)

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        documents = [to_document(each) for each in deliveries]
        with self._mongo.writing(DELIVERIES):
            try:
                if len(documents) == 1:
                    await self._deliveries.insert_one(documents[0])
                elif documents:
                    await self._deliveries.insert_many(documents, ordered=False)
            except DuplicateKeyError:
                pass  # it is due already
            except BulkWriteError as error:
                if not duplicates_only(error):
                    raise

    async def blocked(self, handlers: Sequence[str], line: str) -> Collection[str]:
        before = [{"line": line, "blocks": "line"}, {"blocks": "handler"}]
        with self._mongo.reading(DELIVERIES):
            found = self._deliveries.find({"handler": {"$in": list(handlers)}, "$or": before}, {"handler": 1})
            return {document["handler"] for document in await self._mongo.listed(found)}

    async def held(self, handler: str, lines: Collection[str]) -> Collection[str]:
        before = [{"line": {"$in": list(lines)}, "blocks": "line"}, {"blocks": "handler"}]
        with self._mongo.reading(DELIVERIES):
            found = self._deliveries.find({"handler": handler, "$or": before}, {"line": 1, "blocks": 1})
            documents = await self._mongo.listed(found)
        if any(document["blocks"] == "handler" for document in documents):
            return lines
        return {document["line"] for document in documents}

    async def heads(self, handlers: Sequence[str], limit: int) -> Sequence[Delivery]:
        """Two commands, so that what stands behind a head, or is not asked for, stays on the server."""
        mine = {"$in": list(handlers)}
        with self._mongo.reading(DELIVERIES):
            halting = self._deliveries.find({"blocks": "handler", "handler": mine}, {"handler": 1})
            halted = {document["handler"] for document in await self._mongo.listed(halting)}
        pipeline: list[dict[str, Any]] = [
            {"$match": {"handler": {"$in": [each for each in handlers if each not in halted]}, "blocks": "line"}},
            {"$sort": {"handler": 1, "line": 1, "seq": 1, "_id": 1}},
            {"$group": {"_id": {"handler": "$handler", "line": "$line"}, "head": {"$first": "$$ROOT"}}},
            {"$match": {"head.state": "waiting"}},
            {"$sort": {"head.due": 1, "head._id": 1}},
            {"$limit": limit},
        ]
        with self._mongo.reading(DELIVERIES):
            documents = await self._mongo.aggregate(self._deliveries, pipeline)
        return [from_document(Delivery, document["head"]) for document in documents]

    async def claim(self, id: str, token: str, now: datetime, until: datetime) -> Delivery | None:
        free = [{"token": ""}, {"until": {"$lte": now}}]
        claimed = {"$set": {"token": token, "until": until}, "$inc": {"attempts": 1}}
        with self._mongo.writing(DELIVERIES):
            query = {"_id": ObjectId(id), "state": "waiting", "$or": free}
            result = await self._deliveries.update_one(query, claimed)
        if result.matched_count == 0:
            return None
        with self._mongo.reading(DELIVERIES):
            document = await self._deliveries.find_one({"_id": ObjectId(id), "token": token})
        return None if document is None else from_document(Delivery, document)

    async def put(self, delivery: Delivery, token: str) -> None:
        document = to_document(delivery)
        id = document.pop("_id")
        with self._mongo.writing(DELIVERIES):
            await self._deliveries.update_one({"_id": id, "token": token}, {"$set": document})

    async def remove(self, id: str, token: str) -> None:
        with self._mongo.writing(DELIVERIES):
            await self._deliveries.delete_one({"_id": ObjectId(id), "token": token})

    async def get(self, id: str) -> Delivery | None:
        with self._mongo.reading(DELIVERIES):
            document = await self._deliveries.find_one({"_id": ObjectId(id)})
        return None if document is None else from_document(Delivery, document)

    async def dead(self, handler: str | None, after: str | None, limit: int) -> Sequence[Delivery]:
        query: dict[str, Any] = {"state": "dead"}
        if handler is not None:
            query["handler"] = handler
        if after is not None:
            query["_id"] = {"$gt": ObjectId(after)}
        with self._mongo.reading(DELIVERIES):
            documents = await self._mongo.listed(self._deliveries.find(query).sort("_id", 1).limit(limit))
        return [from_document(Delivery, document) for document in documents]

    async def revive(self, id: str, now: datetime) -> bool:
        fresh = {
            "state": "waiting",
            "blocks": "line",
            "attempts": 0,
            "due": now,
            "token": "",
            "until": now,
            "reason": "",
        }
        with self._mongo.writing(DELIVERIES):
            result = await self._deliveries.update_one({"_id": ObjectId(id), "state": "dead"}, {"$set": fresh})
        return bool(result.matched_count)

    async def discard(self, id: str) -> bool:
        with self._mongo.writing(DELIVERIES):
            result = await self._deliveries.delete_one({"_id": ObjectId(id), "state": "dead"})
        return bool(result.deleted_count)

    async def waiting(self) -> int:
        with self._mongo.reading(DELIVERIES):
            number: int = await self._deliveries.count_documents({"state": "waiting"})
            return number
