"""The event log in MongoDB."""

from collections.abc import Sequence

from pymongo.errors import BulkWriteError, DuplicateKeyError

from tektree._async.backends.mongo.driver import AsyncMongo, duplicates_only
from tektree.models.events import Event
from tektree.wire.collections import EVENTS
from tektree.wire.documents import from_document, to_document

__all__ = ["AsyncMongoEventLog"]


class AsyncMongoEventLog:
    """The log in ``events``."""

    def __init__(self, mongo: AsyncMongo) -> None:
        self._mongo = mongo
        self._events = mongo.collection(EVENTS)

    async def append(self, events: Sequence[Event]) -> None:
        documents = [to_document(event) for event in events]
        with self._mongo.writing(EVENTS):
            try:
                if len(documents) == 1:
                    await self._events.insert_one(documents[0])
                elif documents:
                    await self._events.insert_many(documents, ordered=False)
            except DuplicateKeyError:
                pass  # told before
            except BulkWriteError as error:
                if not duplicates_only(error):
                    raise

    async def stream(self, stream: str, after: int, limit: int) -> Sequence[Event]:
        query = {"metadata.stream": stream, "metadata.seq": {"$gt": after}}
        with self._mongo.reading(EVENTS):
            found = self._events.find(query).sort("metadata.seq", 1).limit(limit)
            documents = await self._mongo.listed(found)
        return [from_document(Event, document) for document in documents]
