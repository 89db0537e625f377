"""A model of MongoDB's collections, as far as our backend uses them: each call is a step of the explorer.

A document changes as a whole and at once; unique indexes are those of `INDEXES`. That is all that the write protocol
relies on, so it is all that is modelled.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from bson import ObjectId
from pymongo.errors import AutoReconnect, BulkWriteError, DuplicateKeyError, ServerSelectionTimeoutError

from tektree.testing.explorer import Strike, _Cancelled, _Point
from tektree.testing.faults import Call
from tektree.wire.collections import INDEXES

__all__ = ["Data", "Database", "fresh"]

Document = dict[str, Any]
Data = dict[str, dict[Any, Document]]


def fresh(data: Data | None = None) -> Data:
    """Empty collections, or a copy: documents are never changed in place."""
    return {name: dict((data or {}).get(name, {})) for name in INDEXES}


class Database:
    """``stepping``: every call stops before it is made. ``unguarded`` are the keys of indexes that are left out."""

    def __init__(self, data: Data, stepping: bool, unguarded: Sequence[tuple[str, ...]] = ()) -> None:
        self.client = SimpleNamespace(options=SimpleNamespace(timeout=None, retry_writes=True))
        self.data, self.stepping, self.unguarded = data, stepping, unguarded

    def get_collection(self, name: str, **options: Any) -> "Collection":
        return Collection(self, name)


class Collection:
    def __init__(self, database: Database, name: str) -> None:
        self._database, self._name = database, name
        self._unique = [
            index
            for index in INDEXES[name]
            if index.unique and tuple(key for key, _ in index.keys) not in database.unguarded
        ]

    @property
    def _documents(self) -> dict[Any, Document]:
        return self._database.data[self._name]

    async def _step(self, method: str, made: Callable[[], Any]) -> Any:
        if not self._database.stepping:
            return made()
        point = _Point(Call(self._name, method))
        strike = await point
        try:
            if strike is Strike.REFUSED:
                raise ServerSelectionTimeoutError("the model refuses")
            if strike is Strike.CANCELLED:
                raise _Cancelled(method)
            point.outcome = found = made()
            if strike is Strike.LOST:
                raise AutoReconnect("the model loses the reply")
            if strike is not None:
                raise _Cancelled(method)
        except BaseException as error:
            point.outcome = error
            raise
        return found

    async def insert_one(self, document: Document) -> None:
        await self._step("insert_one", lambda: self._insert(document))

    async def insert_many(self, documents: Sequence[Document], ordered: bool) -> None:
        def insert() -> None:
            faults = []
            for at, document in enumerate(documents):
                try:
                    self._insert(document)
                except DuplicateKeyError:
                    faults.append({"index": at, "code": 11000})
            if faults:
                raise BulkWriteError({"writeErrors": faults, "writeConcernErrors": []})

        await self._step("insert_many", insert)

    async def find_one(self, query: Document, projection: object = None) -> Document | None:
        return next(iter(await self._step("find_one", lambda: self._matching(query)[:1])), None)

    async def delete_one(self, query: Document) -> SimpleNamespace:
        def delete() -> SimpleNamespace:
            found = self._matching(query)[:1]
            for each in found:
                del self._documents[each["_id"]]
            return SimpleNamespace(deleted_count=len(found))

        return await self._step("delete_one", delete)  # type: ignore[no-any-return]

    async def count_documents(self, query: Document) -> int:
        return int(await self._step("count", lambda: len(self._matching(query))))

    def find(self, query: Document, projection: object = None) -> "Cursor":
        return Cursor(self, lambda: self._matching(query))

    def aggregate(self, pipeline: Sequence[Document]) -> "Cursor":
        return Cursor(self, lambda: self._piped(pipeline), "aggregate")

    async def estimated_document_count(self) -> int:
        return int(await self._step("count", lambda: len(self._documents)))

    async def update_one(self, query: Document, update: Document, upsert: bool = False) -> SimpleNamespace:
        return await self._step("update_one", lambda: self._update(query, update, 1, upsert))  # type: ignore[no-any-return]

    async def update_many(self, query: Document, update: Document) -> SimpleNamespace:
        return await self._step("update_many", lambda: self._update(query, update, None, False))  # type: ignore[no-any-return]

    def _matching(self, query: Document) -> list[Document]:
        return [each for each in self._documents.values() if _matches(each, query)]

    def _insert(self, document: Document) -> None:
        document = {"_id": document.get("_id", ObjectId()), **document}
        self._guard(document)
        self._documents[document["_id"]] = document

    def _guard(self, document: Document) -> None:
        if document["_id"] in self._documents:
            raise _duplicate({"_id": 1})
        for index in self._unique:
            if index.partial is None or _matches(document, index.partial):
                keys = {key: _at(document, key) for key, _ in index.keys}
                if any(_matches(each, {**(index.partial or {}), **keys}) for each in self._documents.values()):
                    raise _duplicate(dict(index.keys))

    def _update(self, query: Document, update: Document, most: int | None, upsert: bool) -> SimpleNamespace:
        found = self._matching(query)[:most]
        for old in found:
            new = _updated(old, update)
            del self._documents[old["_id"]]
            try:
                self._guard(new)
            except DuplicateKeyError:
                self._documents[old["_id"]] = old
                raise
            self._documents[old["_id"]] = new
        if not found and upsert:
            bare = {key: value for key, value in query.items() if not isinstance(value, dict)}
            self._insert(_updated(bare, update))
        return SimpleNamespace(matched_count=len(found))

    def _piped(self, pipeline: Sequence[Document], found: Iterable[Document] | None = None) -> list[Document]:
        documents = list(self._documents.values() if found is None else found)
        for stage in pipeline:
            [(name, given)] = stage.items()
            documents = getattr(self, f"_{name[1:]}")(documents, given)
        return documents

    def _match(self, documents: list[Document], query: Document) -> list[Document]:
        return [each for each in documents if _matches(each, query)]

    def _sort(self, documents: list[Document], order: Document) -> list[Document]:
        return _ordered(documents, list(order.items()))

    def _limit(self, documents: list[Document], limit: int) -> list[Document]:
        return documents[:limit]

    def _project(self, documents: list[Document], fields: Document) -> list[Document]:
        return documents

    def _addFields(self, documents: list[Document], fields: Document) -> list[Document]:  # noqa: N802 - the stage's name
        return [{**each, **{name: value["$literal"] for name, value in fields.items()}} for each in documents]

    def _unionWith(self, documents: list[Document], given: Document) -> list[Document]:  # noqa: N802
        return documents + Collection(self._database, given["coll"])._piped(given["pipeline"])

    def _lookup(self, documents: list[Document], given: Document) -> list[Document]:
        other = Collection(self._database, given["from"])
        return [
            {**each, given["as"]: other._matching({given["foreignField"]: each.get(given["localField"])})}
            for each in documents
        ]

    def _group(self, documents: list[Document], given: Document) -> list[Document]:
        groups: dict[Any, list[Document]] = {}
        for each in documents:
            groups.setdefault(_key(given["_id"], each), []).append(each)
        sums = {name: rule for name, rule in given.items() if name != "_id"}
        return [
            {"_id": id, **{name: _summed(rule, group) for name, rule in sums.items()}} for id, group in groups.items()
        ]


class Cursor:
    """What is found when it is iterated: one step."""

    def __init__(self, collection: Collection, found: Callable[[], list[Document]], method: str = "find") -> None:
        self._collection, self._found, self._method = collection, found, method
        self._order: list[tuple[str, int]] = []
        self._most: int | None = None

    def sort(self, order: Any, direction: int = 1) -> "Cursor":
        self._order = [(order, direction)] if isinstance(order, str) else list(order)
        return self

    def limit(self, most: int) -> "Cursor":
        self._most = most
        return self

    async def __aiter__(self) -> AsyncIterator[Document]:
        made = lambda: _ordered(self._found(), self._order)[: self._most]  # noqa: E731 - a step makes it
        for document in await self._collection._step(self._method, made):
            yield document


def _duplicate(pattern: Mapping[str, Any]) -> DuplicateKeyError:
    return DuplicateKeyError("the model has it", 11000, {"keyPattern": pattern})


def _at(document: Mapping[str, Any], path: str) -> Any:
    value: Any = document
    for name in path.split("."):
        if isinstance(value, Sequence):  # of an array of documents the first one's: we ask whether there is any
            value = next(iter(value), None)
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _matches(document: Mapping[str, Any], query: Mapping[str, Any]) -> bool:
    for name, rule in query.items():
        if name == "$or":
            if not any(_matches(document, each) for each in rule):
                return False
        elif not _fits(_at(document, name), rule):
            return False
    return True


def _fits(value: Any, rule: Any) -> bool:
    if not isinstance(rule, Mapping):
        return bool(value == rule)
    return all(_TESTS[name](value, bound) for name, bound in rule.items())


_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": lambda value, bound: value is not None and value > bound,
    "$gte": lambda value, bound: value is not None and value >= bound,
    "$lt": lambda value, bound: value is not None and value < bound,
    "$lte": lambda value, bound: value is not None and value <= bound,
    "$ne": lambda value, bound: value != bound,
    "$in": lambda value, bound: value in bound,
    "$not": lambda value, rule: not _fits(value, rule),
}


def _updated(old: Document, update: Document) -> Document:
    assert set(update) <= {"$set", "$unset", "$max", "$inc", "$push", "$pull"}
    new = {**old, **update.get("$set", {})}
    for name, value in update.get("$max", {}).items():
        new[name] = max(new.get(name, value), value)
    for name, value in update.get("$inc", {}).items():
        new[name] = new.get(name, 0) + value
    for name, value in update.get("$push", {}).items():
        new[name] = [*new.get(name, ()), *value["$each"]]
    for name, query in update.get("$pull", {}).items():
        if name in new:
            new[name] = [each for each in new[name] if not _matches(each, query)]
    return {name: value for name, value in new.items() if name not in update.get("$unset", {})}


def _ordered(documents: list[Document], order: Sequence[tuple[str, int]]) -> list[Document]:
    for name, direction in reversed(order):
        documents = sorted(documents, key=lambda each: _rank(_at(each, name)), reverse=direction < 0)
    return documents


def _rank(value: Any) -> tuple[bool, Any]:
    return (False, 0) if value is None else (True, value)


def _key(rule: Any, document: Mapping[str, Any]) -> Any:
    if isinstance(rule, Mapping):
        return tuple([document.get(field[1:]) for field in rule.values()])
    return rule and document.get(rule[1:])


def _summed(rule: Mapping[str, Any], group: list[Document]) -> Any:
    [(name, given)] = rule.items()
    if name != "$first":
        return len(group) * given
    return group[0] if given == "$$ROOT" else group[0].get(given["$ifNull"][0][1:])
