"""Subscriptions in MongoDB."""

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from tektree._async.backends.mongo.driver import AsyncMongo
from tektree.errors import Stale
from tektree.models.subscriptions import Subscription
from tektree.wire.collections import SUBSCRIPTIONS
from tektree.wire.documents import from_document, to_document

__all__ = ["AsyncMongoSubscriptions"]


class AsyncMongoSubscriptions:
    """Subscriptions in ``subscriptions``."""

    def __init__(self, mongo: AsyncMongo) -> None:
        self._mongo = mongo
        self._subscriptions = mongo.collection(SUBSCRIPTIONS)

    async def start(self, subscription: Subscription) -> Subscription:
        """One command; where there is one already, it is read."""
        try:
            with self._mongo.writing(SUBSCRIPTIONS):
                await self._subscriptions.insert_one(to_document(subscription))
            return subscription
        except DuplicateKeyError:
            pass
        stored = await self.subscription(subscription.user_id)
        if stored is None:  # it went away in between
            raise Stale("subscription", subscription.user_id)
        return stored

    async def subscription(self, user_id: str) -> Subscription | None:
        with self._mongo.reading(SUBSCRIPTIONS):
            document = await self._subscriptions.find_one({"user_id": ObjectId(user_id)})
        return None if document is None else from_document(Subscription, document)
