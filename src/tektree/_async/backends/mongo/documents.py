"""Documents that carry their events, in MongoDB.

Beside its fields a document has ``_v``, which counts its writes, ``_tally``, which counts how often it was counted
anew, and ``_outbox``, the events that are not in the log yet. None of them is part of the record.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Generic, TypeVar

from bson import ObjectId
from pymongo.errors import DuplicateKeyError, OperationFailure

from tektree._async.backends.mongo.driver import AsyncMongo, whole
from tektree._async.backends.mongo.events import outbox_in, outbox_of
from tektree.errors import CorruptDocument, Stale, Taken
from tektree.models.base import Value
from tektree.models.content import Stored
from tektree.models.events import Event, Posted, Recipients
from tektree.models.pages import Position, Slice
from tektree.models.visibility import Clause, Sight
from tektree.models.words import BREAK
from tektree.wire.documents import from_document, to_document, to_update

__all__ = ["AsyncMongoDocuments", "behind", "instant_of", "searched", "seen", "spoken"]

R = TypeVar("R", bound=Value)
T = TypeVar("T")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - what the driver gives is naive, and means UTC
_MILLISECOND: Final = timedelta(milliseconds=1)
_MOST_ALIKE: Final = 20
_OURS: Final = ("_v", "_tally")
_DOTTED: Final = "\u0130"
_NO_TEXT_INDEX: Final = 27


class AsyncMongoDocuments(Generic[R]):
    """Records of one kind. Every method is one command, or says why it is more."""

    _maker = "created_by"
    """The field that holds who made a record."""

    def __init__(
        self, mongo: AsyncMongo, collection: str, model: type[R], kind: str, counts: Sequence[str] = ()
    ) -> None:
        self._mongo = mongo
        self._name = collection
        self._model = model
        self._kind = kind
        self._counts = frozenset(counts)
        self._documents = mongo.collection(collection)

    # -- writing ------------------------------------------------------------------------------------------------------

    async def insert(self, record: R, events: Sequence[Event], to: Sequence[Recipients] = ()) -> Stored[R]:
        """One command; where something is in the way, it is looked whether that is the same insert."""
        document = to_document(record) | {"_v": 1, "_outbox": outbox_of(events, to)}
        try:
            with self._mongo.writing(self._name):
                await self._mock_slugs(document)
                await self._documents.insert_one(document)
        except DuplicateKeyError:
            there = await self.by_id(str(document["_id"]))
            if there is None:
                raise Taken("slug") from None
            return there
        return Stored(record, 1, _left(events, to))

    async def swap(
        self, old: Stored[R], new: R, events: Sequence[Event] = (), to: Sequence[Recipients] = ()
    ) -> Stored[R]:
        update: dict[str, dict[str, Any]] = {
            operator: {name: value for name, value in fields.items() if name not in self._counts}
            for operator, fields in to_update(new).items()
        }
        update["$set"]["_v"] = old.version + 1
        if events:
            update["$push"] = {"_outbox": {"$each": outbox_of(events, to)}}
        id = ObjectId(old.record.id)  # type: ignore[attr-defined]
        try:
            with self._mongo.writing(self._name):
                await self._mock_slugs({**update["$set"], "_id": id})
                result = await self._documents.update_one(
                    {"_id": id, "_v": old.version or {"$not": {"$gt": 0}}},
                    {operator: fields for operator, fields in update.items() if fields},
                )
        except DuplicateKeyError:
            raise Taken("slug") from None
        if result.matched_count == 0:
            raise Stale(self._kind, str(id))
        kept = new.evolve(**{name: getattr(old.record, name) for name in self._counts}) if self._counts else new
        return Stored(kept, old.version + 1, (*old.left, *_left(events, to)))

    async def _mock_slugs(self, document: Mapping[str, Any]) -> None:
        """In mongomock, whose indexes do not look into arrays, what the index of slugs does on a server."""
        slugs = document.get("slugs")
        if self._mongo.mocked and slugs:
            taken = {"slugs": {"$in": list(slugs)}, "_id": {"$ne": document["_id"]}}
            if await self._documents.find_one(taken, {"_id": 1}):
                raise Taken("slug")

    async def told(self, id: str, event_ids: Sequence[str]) -> None:
        pulled = {"$pull": {"_outbox": {"event_id": {"$in": list(event_ids)}}}}
        with self._mongo.writing(self._name):
            await self._documents.update_one({"_id": ObjectId(id)}, pulled)

    async def counted(self, id: str, tally: int, **counts: int) -> bool:
        query = {"_id": ObjectId(id), "_tally": tally or {"$not": {"$gt": 0}}}
        with self._mongo.writing(self._name):
            result = await self._documents.update_one(query, {"$set": {**counts, "_tally": tally + 1}})
        return bool(result.matched_count)

    # -- reading ------------------------------------------------------------------------------------------------------

    async def by_id(self, id: str) -> Stored[R] | None:
        return await self._one({"_id": ObjectId(id)})

    async def by_ids(self, ids: Sequence[str]) -> Sequence[Stored[R]]:
        if not ids:
            return []
        with self._mongo.reading(self._name):
            found = self._documents.find({"_id": {"$in": [ObjectId(id) for id in ids]}})
            return [self._stored(document) for document in await self._mongo.listed(found)]

    async def every(self, after: str | None, limit: int) -> Slice[Stored[R]]:
        query = {} if after is None else {"_id": {"$gt": ObjectId(after)}}
        with self._mongo.reading(self._name):
            found = self._documents.find(query).sort("_id", 1).limit(limit + 1)
            documents = await self._mongo.listed(found)
        last = str(documents[limit - 1]["_id"]) if len(documents) > limit else None
        stored, damaged = _sound(documents[:limit], self._stored)
        return Slice(stored, None if last is None else (0, last), damaged)

    async def of_user(self, user_id: str, after: str | None, limit: int) -> Sequence[R]:
        query: dict[str, Any] = {self._maker: ObjectId(user_id)}
        if after is not None:
            query["_id"] = {"$gt": ObjectId(after)}
        with self._mongo.reading(self._name):
            found = self._documents.find(query).sort("_id", 1).limit(limit)
            return [self._stored(document).record for document in await self._mongo.listed(found)]

    async def tally(self, id: str) -> int | None:
        with self._mongo.reading(self._name):
            document = await self._documents.find_one({"_id": ObjectId(id)}, {"_tally": 1})
        return None if document is None else whole(document, "_tally", self._name)

    async def unfinished(self, limit: int) -> Sequence[str]:
        with self._mongo.reading(self._name):
            found = self._documents.find({"_outbox.event_id": {"$gt": ""}}, {"_id": 1}).limit(limit)
            return [str(document["_id"]) for document in await self._mongo.listed(found)]

    async def _one(self, query: Mapping[str, Any]) -> Stored[R] | None:
        with self._mongo.reading(self._name):
            document = await self._documents.find_one(query)
        return None if document is None else self._stored(document)

    async def _slugged(self, slug: str) -> R | None:
        """Who has it, or had it; else who was there before us and is called so, in one command.

        Of several who were there before us, with one slug, the first by id, if they are not too many.
        """
        query = {"$or": [{"slugs": slug}, {"slug": slug, "slugs": None}]}
        with self._mongo.reading(self._name):
            found = await self._mongo.listed(self._documents.find(query).limit(_MOST_ALIKE))
        found.sort(key=lambda document: (not document.get("slugs"), str(document["_id"])))
        return self._stored(found[0]).record if found else None

    async def _page(self, query: Mapping[str, Any], by: str, limit: int) -> Slice[R]:
        """The greatest by a field and then by id; those that cannot be read are named and left out."""
        with self._mongo.reading(self._name):
            documents = await self._greatest(query, by, limit + 1)
        return self._slice(documents, by, limit)

    async def _greatest(self, query: Mapping[str, Any], by: str, limit: int) -> list[dict[str, Any]]:
        return await self._mongo.listed(self._documents.find(query).sort([(by, -1), ("_id", -1)]).limit(limit))

    def _slice(self, documents: Sequence[dict[str, Any]], by: str, limit: int) -> Slice[R]:
        last = self._place(documents[limit - 1], by) if len(documents) > limit else None
        records, damaged = _sound(documents[:limit], self._record)
        return Slice(records, last, damaged)

    async def _grouped(
        self, field: str, ids: Sequence[str], rest: Mapping[str, Any], *, listed: bool = False
    ) -> dict[str, int]:
        """How many documents have each of these ids in a field, or in one that is ``listed``, where it counts once."""
        if not ids:
            return {}
        wanted: dict[str, Any] = {field: {"$in": [ObjectId(id) for id in ids]}}
        once: list[dict[str, Any]] = [
            {"$unwind": f"${field}"},
            {"$match": wanted},
            {"$group": {"_id": {"of": f"${field}", "in": "$_id"}}},
        ]
        of = "$_id.of" if listed else f"${field}"
        pipeline = [
            {"$match": {**wanted, **rest}},
            *(once if listed else []),
            {"$group": {"_id": of, "count": {"$sum": 1}}},
        ]
        with self._mongo.reading(self._name):
            found = await self._mongo.aggregate(self._documents, pipeline)
        return {str(each["_id"]): int(each["count"]) for each in found}

    async def _search(
        self, words: Sequence[str], fields: Sequence[str], rest: Mapping[str, Any], by: str, limit: int
    ) -> Slice[R]:
        """A page of what has these words, by the text index where there is one, else by their beginnings in ``fields``.

        ``rest`` narrows it down. One command; two where the text index that was there at `setup` is gone, once.
        """
        found = await self._by_text(words, rest, by, limit)
        if found is None:
            asked = [*searched(words, fields)["$and"], *rest.get("$and", ())]
            found = await self._page({**rest, "$and": asked}, by, limit)
            return found._replace(by="words")
        return found._replace(by="text")

    async def _by_text(self, words: Sequence[str], rest: Mapping[str, Any], by: str, limit: int) -> Slice[R] | None:
        """None: there is no text index, or not any more."""
        if self._name not in self._mongo.texts:
            return None
        with self._mongo.reading(self._name):
            try:
                documents = await self._greatest({**spoken(words), **rest}, by, limit + 1)
            except OperationFailure as error:
                if error.code != _NO_TEXT_INDEX:
                    raise
                self._mongo.texts.discard(self._name)
                return None
        return self._slice(documents, by, limit)

    def _place(self, document: Mapping[str, Any], by: str) -> Position | None:
        """Where a document stands; None where that cannot be read, and then the list ends there."""
        value, id = document.get(by), document.get("_id")
        if isinstance(value, datetime):
            value = (value - (_NAIVE if value.utcoffset() is None else _EPOCH)) // _MILLISECOND
        if not isinstance(value, int) or isinstance(value, bool) or not isinstance(id, ObjectId):
            return None
        return int(value), str(id)

    def _stored(self, document: dict[str, Any]) -> Stored[R]:
        version, left = whole(document, "_v", self._name), outbox_in(document, self._name)
        return Stored(self._record(document), version, left)

    def _record(self, document: dict[str, Any]) -> R:
        for name in _OURS:
            document.pop(name, None)
        return from_document(self._model, document)


def _sound(
    documents: Sequence[dict[str, Any]], read: Callable[[dict[str, Any]], T]
) -> tuple[tuple[T, ...], tuple[CorruptDocument, ...]]:
    """Those that can be read, and what is wrong with the others."""
    found: list[T] = []
    damaged: list[CorruptDocument] = []
    for document in documents:
        try:
            found.append(read(document))
        except CorruptDocument as corrupt:
            damaged.append(corrupt)
    return tuple(found), tuple(damaged)


def _left(events: Sequence[Event], to: Sequence[Recipients]) -> tuple[Posted, ...]:
    return tuple([Posted(event, to[at] if to else ()) for at, event in enumerate(events)])


# -- queries -----------------------------------------------------------------------------------------------------------


def seen(sight: Sight, *, drafts: bool = False) -> dict[str, Any]:
    """What a viewer sees, as a query that may be merged with one for authors.

    ``drafts``: of a kind that is published later than it is made.
    """
    parts = [part for clause in sight.clauses for part in _clause(clause, sight.now if drafts else None)]
    alone = len(parts) == 1 and "created_by" not in parts[0]
    return {"deleted_at": None, **(parts[0] if alone else {"$or": parts})}


def _clause(clause: Clause, now: datetime | None) -> Iterable[dict[str, Any]]:
    common: dict[str, Any] = {"visibility": {"$in": list(clause.visibilities)}}
    if now is not None and not clause.unpublished:
        common["published_at"] = {"$lte": now}
    if clause.authors is None:
        yield common
        return
    yield {**common, "created_by": {"$in": [ObjectId(id) for id in sorted(clause.authors)]}}
    if clause.co_author is not None and now is not None:
        yield {**common, "co_authors": ObjectId(clause.co_author)}


def instant_of(milliseconds: int) -> datetime:
    """So many milliseconds after 1970 began."""
    return _EPOCH + milliseconds * _MILLISECOND


def behind(before: Position | None, by: str, *, dated: bool = True) -> dict[str, Any]:
    """What stands behind a position in a list by this field, which is an instant or a number."""
    if before is None:
        return {}
    at: Any = instant_of(before[0]) if dated else before[0]
    return {by: {"$lte": at}, "$nor": [{by: at, "_id": {"$gte": ObjectId(before[1])}}]}


def searched(words: Sequence[str], fields: Sequence[str]) -> dict[str, Any]:
    """What has, in any of these fields, a word for each of these beginnings; whatever is in them means itself."""
    patterns = [{"$regex": f"(?:^|{BREAK}){_literally(word)}", "$options": "i"} for word in words]
    return {"$and": [{"$or": [{field: pattern} for field in fields]} for pattern in patterns]}


def _literally(word: str) -> str:
    """The one letter that is two in lower case is not found by these where no case is looked at."""
    return re.escape(word).replace(_DOTTED.lower(), f"(?:{_DOTTED.lower()}|{_DOTTED})")


def spoken(words: Sequence[str]) -> dict[str, Any]:
    """The same for a text index: each word as a phrase, which all have to be there.

    No word has a quotation mark or a hyphen in it, so nothing in them is an operator: none is negated, none optional.
    """
    return {"$text": {"$search": " ".join([f'"{word}"' for word in words])}}
