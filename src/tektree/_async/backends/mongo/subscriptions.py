"""Subscriptions in MongoDB: one document for each user, changed by one guarded command."""

from collections.abc import Sequence

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from tektree._async.backends.mongo.driver import AsyncMongo
from tektree.errors import Stale
from tektree.models.subscriptions import Subscription
from tektree.wire.collections import SUBSCRIPTIONS
from tektree.wire.documents import from_document, to_document, to_update

__all__ = ["AsyncMongoSubscriptions"]


class AsyncMongoSubscriptions:
    """Subscriptions in ``subscriptions``."""

    def __init__(self, mongo: AsyncMongo) -> None:
        self._mongo = mongo
        self._subscriptions = mongo.collection(SUBSCRIPTIONS)

    async def get(self, user_id: str) -> Subscription | None:
        with self._mongo.reading(SUBSCRIPTIONS):
            document = await self._subscriptions.find_one({"user_id": ObjectId(user_id)})
        return None if document is None else from_document(Subscription, document)

    async def start(self, subscription: Subscription) -> Subscription:
        """One command; where there is one already, it is read."""
        try:
            with self._mongo.writing(SUBSCRIPTIONS):
                await self._subscriptions.insert_one(to_document(subscription))
            return subscription
        except DuplicateKeyError:
            pass
        stored = await self.get(subscription.user_id)
        if stored is None:  # it went away in between
            raise Stale("subscription", subscription.user_id)
        return stored

    async def swap(self, old: Subscription | None, new: Subscription) -> None:
        if old is None:
            try:
                with self._mongo.writing(SUBSCRIPTIONS):
                    await self._subscriptions.insert_one(to_document(new))
            except DuplicateKeyError:
                raise Stale("subscription", new.user_id) from None
            return
        version = old.version or {"$not": {"$gt": 0}}
        update = {operator: fields for operator, fields in to_update(new).items() if fields}
        with self._mongo.writing(SUBSCRIPTIONS):
            found = await self._subscriptions.update_one({"user_id": ObjectId(new.user_id), "version": version}, update)
        if found.matched_count == 0:
            raise Stale("subscription", new.user_id)

    async def due(self, by: int, limit: int) -> Sequence[str]:
        with self._mongo.reading(SUBSCRIPTIONS):
            found = self._subscriptions.find({"due": {"$gt": 0, "$lte": by}}, {"user_id": 1})
            listed = await self._mongo.listed(found.sort("due", 1).limit(limit))
        return [str(document["user_id"]) for document in listed]
