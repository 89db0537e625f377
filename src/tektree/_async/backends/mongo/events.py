"""The event log in MongoDB.

An event that is for somebody has ``_relay`` beside its ten fields, written in the same insert: ``to``, the names of
handlers, ``by``, who calls them, and ``until`` when nobody else does. One that sinks are to get has ``_sinks`` as well,
their names, each with the partition of its line. Neither is part of the event.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from bson import ObjectId
from pymongo.errors import BulkWriteError, DuplicateKeyError

from tektree._async.backends.mongo.driver import AsyncMongo, duplicates_only
from tektree._flavour import async_backoff
from tektree.errors import CorruptDocument, Unavailable
from tektree.models.events import (
    PARTITIONS,
    Event,
    EventFilter,
    Posted,
    Posting,
    Recipients,
    in_line,
    line_of,
    partition_of,
    recording,
)
from tektree.wire.collections import EVENTS
from tektree.wire.documents import from_document, to_document

__all__ = ["AsyncMongoEventLog", "outbox_in", "outbox_of"]

_ATTEMPTS: Final = 100
_NEVER: Final = 1 << 62
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS: Final = {
    "uid": "payload.user_id",
    "event_type": "event_type",
    "correlation_id": "correlation_id",
    "traced": "metadata.user_id",
}


class AsyncMongoEventLog:
    """The log in ``events``."""

    def __init__(self, mongo: AsyncMongo) -> None:
        self._mongo = mongo
        self._events = mongo.collection(EVENTS)

    async def append(self, events: Sequence[Event], posting: Posting | None = None) -> Collection[str]:
        documents = [to_document(event) for event in events]
        if posting is not None:
            _mark(documents, events, posting)
        known: Sequence[int] = ()
        with self._mongo.writing(EVENTS):
            try:
                if len(documents) == 1:
                    await self._events.insert_one(documents[0])
                elif documents:
                    await self._events.insert_many(documents, ordered=False)
            except DuplicateKeyError:
                known = (0,)
            except BulkWriteError as error:
                if not duplicates_only(error):
                    raise
                known = [fault["index"] for fault in (error.details or {})["writeErrors"]]
        return [events[at].event_id for at in known]

    async def tell(self, event: Event, posting: Posting | None = None) -> tuple[Event, bool]:
        """The number is the last one's and one more; whoever is faster with it makes us look again."""
        stream = event.metadata.get("stream")
        for attempt in range(_ATTEMPTS):
            numbered = event if stream is None else await self._numbered(event, stream)
            document = to_document(numbered)
            if posting is not None:
                _mark([document], [numbered], posting)
            try:
                with self._mongo.writing(EVENTS):
                    await self._events.insert_one(document)
                return numbered, True
            except DuplicateKeyError:
                first = await self.event(event.event_id)
                if first is not None:
                    return first, False
            await async_backoff(attempt)
        raise Unavailable("events", "has a stream that too many others write at once")

    async def _numbered(self, event: Event, stream: str) -> Event:
        query = {"metadata.stream": stream, "metadata.seq": {"$gt": 0}}
        with self._mongo.reading(EVENTS):
            found = self._events.find(query, {"metadata.seq": 1}).sort("metadata.seq", -1).limit(1)
            last = await self._mongo.listed(found)
        number = last[0]["metadata"]["seq"] + 1 if last else 1
        return event.evolve(metadata={**event.metadata, "seq": int(number)})

    async def event(self, event_id: str) -> Event | None:
        with self._mongo.reading(EVENTS):
            document = await self._events.find_one({"event_id": event_id})
        return None if document is None else from_document(Event, document)

    async def events(self, event_ids: Sequence[str]) -> Sequence[Event]:
        return await self._found({"event_id": {"$in": list(event_ids)}}) if event_ids else []

    async def stream(self, stream: str, after: int, limit: int) -> Sequence[Event]:
        return await self._found({"metadata.stream": stream, "metadata.seq": {"$gt": after}}, "metadata.seq", 1, limit)

    async def newest(self, which: EventFilter, before: tuple[datetime, str] | None, limit: int) -> Sequence[Event]:
        """Sorted by ``timestamp`` alone, which indexes serve; those of one instant are put in order here."""
        query, found = _query(which), []
        if before is not None:
            at, id = before
            found = _by_date(await self._found({**query, "timestamp": at, "_id": {"$lt": ObjectId(id)}}))[:limit]
            query["timestamp"] = {"$lt": at}
        rest = limit - len(found)
        if rest == 0:
            return found
        more = list(await self._found(query, "timestamp", -1, rest + 1))
        if len(more) > rest and more[-1].timestamp == more[-2].timestamp:  # the last instant may go on
            last = more[-1].timestamp
            more = [event for event in more if event.timestamp > last]
            more += await self._found({**query, "timestamp": last})
        return [*found, *_by_date(more)[:rest]]

    async def recorded(self, which: EventFilter, after: str, limit: int) -> Sequence[Event]:
        at = "metadata.recorded_at"
        query = _query(which)
        found = list(await self._found({**query, at: {"$gt": after}}, at, 1, limit + 1))
        if len(found) > limit:  # the last instant may go on
            last = found[-1].metadata["recorded_at"]
            whole = [event for event in found if event.metadata["recorded_at"] != last]
            found = whole or list(await self._found({**query, at: last}))
        return sorted(found, key=recording)

    async def amend(self, events: Sequence[Event]) -> None:
        """One command for each event."""
        for event in events:
            document = to_document(event)
            amended = {"$set": {"payload": document["payload"], "metadata": document["metadata"]}}
            with self._mongo.writing(EVENTS):
                await self._events.update_one({"event_id": event.event_id}, amended)

    async def effects(self, event_ids: Sequence[str], limit: int) -> Sequence[Event]:
        if not event_ids:
            return []
        query = {"metadata.causation_id": {"$in": list(event_ids), "$gt": ""}}  # as the index has it
        return sorted(await self._found(query, "metadata.recorded_at", 1, limit), key=recording)

    async def count(self) -> int:
        with self._mongo.reading(EVENTS):
            number: int = await self._events.estimated_document_count()
            return number

    async def delivered(self, event_ids: Sequence[str]) -> None:
        if not event_ids:
            return
        unmarked = {"$unset": {"_relay": ""}}
        with self._mongo.writing(EVENTS):
            if len(event_ids) == 1:
                await self._events.update_one({"event_id": event_ids[0]}, unmarked)
            else:
                await self._events.update_many({"event_id": {"$in": list(event_ids)}}, unmarked)

    async def posted(self, by: str, now: datetime, limit: int) -> Sequence[Posted]:
        due = [{"_relay.by": by}, {"_relay.until": {"$lte": now}}]
        query = {"_relay.until": {"$gt": _EPOCH}, "_relay.by": {"$gt": ""}, "$or": due}  # as the index has it
        with self._mongo.reading(EVENTS):
            documents = await self._mongo.listed(self._events.find(query).sort("_relay.until", 1).limit(limit))
        found = _posted_of(documents)
        return sorted(found, key=lambda each: recording(each.event))

    async def awaited(self, stream: str, before: int) -> bool:
        """By the index of what is marked or by that of the stream, whichever the server finds to be shorter."""
        marked = {"_relay.until": {"$gt": _EPOCH}, "_relay.by": {"$gt": ""}}
        query = {**marked, "metadata.stream": stream, "metadata.seq": {"$gt": 0, "$lt": before}}
        with self._mongo.reading(EVENTS):
            return await self._events.find_one(query, {"_id": 1}) is not None

    async def behind(self, sink: str) -> Collection[int]:
        marks = {"_sinks": {"$in": _marks([sink]), "$gt": ""}}  # as the index has it
        with self._mongo.reading(EVENTS):
            found = await self._events.distinct("_sinks", marks)
        return {int(each[-2:]) for each in found if each[:-3] == sink}

    async def unpublished(self, sink: str, partitions: Collection[int], limit: int) -> Sequence[Event]:
        """In the order of the index, which is about that of insertion; if that is not the lines', there is a look."""
        marks = {"_sinks": {"$in": _marks([sink], partitions), "$gt": ""}}
        with self._mongo.reading(EVENTS):
            documents = await self._mongo.listed(self._events.find(marks).limit(limit))
        events = sorted([from_document(Event, document) for document in documents], key=in_line)
        if len(events) < limit:
            return events
        lasts = {event.metadata["stream"]: event.metadata["seq"] for event in events if "stream" in event.metadata}
        if not lasts:
            return events
        ids = {"$nin": [document["_id"] for document in documents]}
        lower = {"metadata.stream": {"$in": list(lasts)}, "metadata.seq": {"$gt": 0, "$lt": max(lasts.values())}}
        with self._mongo.reading(EVENTS):
            left = await self._mongo.listed(self._events.find({**marks, "_id": ids, **lower}, {"metadata": 1}))
        firsts: dict[str, int] = {}
        for each in [document["metadata"] for document in left]:
            firsts[each["stream"]] = min(each["seq"], firsts.get(each["stream"], each["seq"]))
        return [each for each in events if each.metadata.get("seq", 0) < firsts.get(line_of(each), _NEVER)]

    async def published(self, sink: str, event_ids: Sequence[str]) -> None:
        if event_ids:
            unmarked = {"$pull": {"_sinks": {"$in": _marks([sink])}}}
            with self._mongo.writing(EVENTS):
                await self._events.update_many({"event_id": {"$in": list(event_ids)}}, unmarked)

    async def _found(
        self, query: Mapping[str, Any], sort: str | None = None, order: int = 1, limit: int = 0
    ) -> Sequence[Event]:
        with self._mongo.reading(EVENTS):
            cursor = self._events.find(query)
            if sort is not None:
                cursor = cursor.sort(sort, order)
            documents = await self._mongo.listed(cursor.limit(limit) if limit else cursor)
        return [from_document(Event, document) for document in documents]


def outbox_of(events: Sequence[Event], to: Sequence[Recipients]) -> list[dict[str, Any]]:
    """Events as they stand on a document until they are in the log: each with the handlers that it is for."""
    documents = [to_document(event) for event in events]
    for document, recipients in zip(documents, to, strict=False):
        if recipients:
            document["_relay"] = {"to": list(recipients)}
    return documents


def outbox_in(document: Mapping[str, Any], collection: str) -> tuple[Posted, ...]:
    """The events that are left on a document. Raises `CorruptDocument` where that is no list of events."""
    left = document.get("_outbox")
    if not left:
        return ()
    if not isinstance(left, list):
        raise CorruptDocument(collection, str(document.get("_id", ""))[:64], "_outbox", "must be a list of events")
    return tuple(_posted_of(left))


def _posted_of(documents: Sequence[Mapping[str, Any]]) -> Sequence[Posted]:
    """The events of an outbox, or of the log, and whom each is for."""
    return [Posted(from_document(Event, each), _recipients(each) if "_relay" in each else ()) for each in documents]


def _recipients(document: Mapping[str, Any]) -> Recipients:
    relay = document["_relay"]
    to = relay.get("to", []) if isinstance(relay, Mapping) else None
    if isinstance(to, list) and all(type(each) is str for each in to):
        return tuple(to)
    raise CorruptDocument(EVENTS, str(document.get("event_id", ""))[:64], "_relay", "must name handlers under 'to'")


def _mark(documents: Sequence[dict[str, Any]], events: Sequence[Event], posting: Posting) -> None:
    for document, event, to in zip(documents, events, posting.to, strict=True):
        if to:
            document["_relay"] = {"to": list(to), "by": posting.by, "until": posting.until}
        if posting.sinks:
            document["_sinks"] = _marks(posting.sinks, [partition_of(line_of(event))])


def _marks(sinks: Sequence[str], partitions: Collection[int] = range(PARTITIONS)) -> list[str]:
    return [f"{sink}/{partition:02}" for sink in sinks for partition in sorted(partitions)]


def _query(which: EventFilter) -> dict[str, Any]:
    pairs = zip(which._fields, which, strict=True)
    traced = {} if which.traced is None else {"metadata.ip_address": {"$gt": ""}}  # as the index has it
    return {**{_FIELDS[name]: value for name, value in pairs if value is not None}, **traced}


def _by_date(events: Sequence[Event]) -> list[Event]:
    return sorted(events, key=lambda event: (event.timestamp, event.id), reverse=True)
