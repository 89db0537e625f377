"""What 400 documents cost over MongoDB, to insert and to find, by us and by others: medians of one run, in turns.

Run it: ``python tools/bench/mongo_documents.py [--mongo URI]``. Each way has a collection of its own, with the same
indexes and the same documents. Those who await are compared with the driver that awaits.

- *events*: by our event log, ``append`` and ``stream``.
- *questions*: by our codec, ``to_document`` and ``from_document`` around the driver's ``insert_many`` and ``find``.
- *ledger rows*, found only: by our ledger, ``rows``. Rows are never inserted in bulk.

Others have a model with the same fields, and use what they have for many: Beanie and MongoEngine ``insert_many`` and
``insert``, ODMantic ``save_all``, which sends a command for each document. What is inserted is made before the clock
starts; what is found is read to its last document. The work is this process's own (CPU time), without the server.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from inspect import isawaitable
from itertools import count
from typing import Any

from bson import CodecOptions, DatetimeConversion, ObjectId, decode, encode
from codec import WRITTEN
from measuring import Work, arguments, optional, show, turns
from pymongo import AsyncMongoClient, MongoClient
from pymongo.asynchronous.cursor import AsyncCursor
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern
from serving import MONGO, databases

from tektree import EntityRef, Policy, TekTree
from tektree._async.backends.mongo.connecting import mongo_backends as async_mongo_backends
from tektree._sync.backends.mongo.connecting import mongo_backends
from tektree._sync.sdk import memory_backends
from tektree.models.events import Event
from tektree.models.questions import Question
from tektree.policy import XP
from tektree.wire.collections import EVENTS, QUESTIONS, XP_TRANSACTIONS
from tektree.wire.documents import from_document, to_document

MANY = 400
CONCERNS: dict[str, Any] = {
    "codec_options": CodecOptions(tz_aware=False, datetime_conversion=DatetimeConversion.DATETIME_AUTO),
    "read_concern": ReadConcern("majority"),
    "write_concern": WriteConcern(w="majority", j=True),
}
Document = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """Documents of one kind, the query that finds all of them, and their order."""

    collection: str
    documents: list[Document]
    query: Document
    order: str


@dataclass(frozen=True)
class Way:
    """How somebody inserts and finds: what empties the collection, what is inserted, and what both calls come to."""

    clear: Callable[[], object]
    made: Callable[[list[Document]], Any]
    insert: Callable[[Any], object]
    find: Callable[[], Any]


Await = Callable[[Any], Any]
"""What waits for an awaitable. What is no awaitable, it gives back."""


def raw(database: Any, kind: Kind, run: Await) -> Way:
    """The driver alone."""
    collection = database.get_collection(kind.collection, **CONCERNS)

    def find() -> list[Document]:
        return _listed(collection.find(kind.query).sort(kind.order, 1).limit(MANY), run)

    return Way(
        lambda: run(collection.delete_many({})),
        lambda documents: documents,
        lambda made: run(collection.insert_many(made)),
        find,
    )


def event_log(database: Any, kind: Kind, run: Await) -> Way:
    """Our event log."""
    connected = async_mongo_backends if isinstance(database, AsyncDatabase) else mongo_backends
    log, stream = connected(database).events, kind.query["metadata.stream"]
    return Way(
        lambda: run(database[kind.collection].delete_many({})),
        lambda documents: [from_document(Event, each) for each in documents],
        lambda made: run(log.append(made)),
        lambda: run(log.stream(stream, 0, MANY)),
    )


def codec(database: Any, kind: Kind, run: Await) -> Way:
    """Our codec around the driver."""
    collection = database.get_collection(kind.collection, **CONCERNS)

    def find() -> list[Question]:
        found = _listed(collection.find(kind.query).sort(kind.order, 1).limit(MANY), run)
        return [from_document(Question, each) for each in found]

    return Way(
        lambda: run(database[kind.collection].delete_many({})),
        lambda documents: [from_document(Question, each) for each in documents],
        lambda made: run(collection.insert_many([to_document(each) for each in made])),
        find,
    )


def _listed(cursor: Any, run: Await) -> list[Document]:
    if isinstance(cursor, AsyncCursor):
        found: list[Document] = run(cursor.to_list())
        return found
    return list(cursor)


def mongoengine(database: Any, kind: Kind, run: Await) -> Way | None:
    """MongoEngine, which has no flavour to await."""
    me = optional("mongoengine")
    if me is None:
        return None
    kinds = {str: me.StringField, int: me.IntField, datetime: me.DateTimeField, list: me.ListField, dict: me.DictField}
    shape: dict[str, Any] = {
        key: kinds.get(type(value), me.ObjectIdField)() for key, value in kind.documents[0].items() if key != "_id"
    }
    alias = database.name
    me.connect(alias, alias=alias, host=_uri(database))
    meta = {"collection": kind.collection, "db_alias": alias, "auto_create_index": False}
    model: Any = type("Document", (me.Document,), shape | {"meta": meta})
    return Way(
        lambda: run(database[kind.collection].delete_many({})),
        lambda documents: [model(**_named(each)) for each in documents],
        lambda made: model.objects.insert(made),
        lambda: list(model.objects(__raw__=kind.query).limit(MANY)),
    )


def odmantic(database: Any, kind: Kind, run: Await) -> Way | None:
    """ODMantic by PyMongo. By Motor it would be slower still."""
    odm = optional("odmantic")
    if odm is None:
        return None
    kinds = {ObjectId: odm.ObjectId, list: list[Any], dict: dict[str, Any]}
    shape = {key: kinds.get(type(value), type(value)) for key, value in kind.documents[0].items() if key != "_id"}
    config = {"collection": kind.collection}
    space = {"__annotations__": shape, "__module__": __name__, "model_config": config}
    model: Any = type("Document", (odm.Model,), space)
    engine = odm.SyncEngine(database.client, database.name)
    return Way(
        lambda: run(database[kind.collection].delete_many({})),
        lambda documents: [model(**_named(each)) for each in documents],
        lambda made: engine.save_all(made),
        lambda: list(engine.find(model, kind.query, limit=MANY)),
    )


def beanie(database: Any, kind: Kind, run: Await) -> Way | None:
    """Beanie, which has no flavour but to await."""
    bean = optional("beanie")
    if bean is None:
        return None
    kinds = {ObjectId: bean.PydanticObjectId, list: list[Any], dict: dict[str, Any]}
    shape = {key: kinds.get(type(value), type(value)) for key, value in kind.documents[0].items() if key != "_id"}
    model: Any = type("Document", (bean.Document,), {"__annotations__": shape, "__module__": __name__})
    model.Settings = type("Settings", (), {"name": kind.collection})
    run(bean.init_beanie(database=database, document_models=[model], skip_indexes=True))
    return Way(
        lambda: run(database[kind.collection].delete_many({})),
        lambda documents: [model(**_named(each)) for each in documents],
        lambda made: run(model.insert_many(made)),
        lambda: run(model.find(kind.query).limit(MANY).to_list()),
    )


def _named(document: Document) -> Document:
    return {"id" if key == "_id" else key: value for key, value in document.items()}


def _uri(database: Any) -> str:
    host, port = database.client.address
    return f"mongodb://{host}:{port}/{database.name}"


def events() -> tuple[Kind, list[Document]]:
    """Events of awards as they stand in MongoDB, and the rows that they came with."""
    start, numbers, backends = datetime(2025, 12, 16, tzinfo=UTC), count(), memory_backends()
    tek = TekTree(
        backends, Policy(xp=XP(daily_cap=1_000_000_000)), lambda: start + timedelta(milliseconds=next(numbers))
    )
    user_id, about = tek.gamification.enroll("usr_ada").user_id, EntityRef("answer", "676000000000000000000007")
    for number in range(MANY):
        tek.gamification.award(user_id, "answer_posted", about, key=str(number))
    told = [to_document(each) for each in backends.events.stream("user:usr_ada:xp", 0, MANY)]
    rows = [to_document(each) for each in backends.ledger.rows(user_id, 0, MANY)]
    return Kind(
        EVENTS, _plain(told), {"metadata.stream": "user:usr_ada:xp", "metadata.seq": {"$gt": 0}}, "metadata.seq"
    ), rows


def _plain(documents: list[Document]) -> list[Document]:
    """As a server gives them back: dictionaries and lists, nothing of ours."""
    return [decode(encode(each), CONCERNS["codec_options"]) for each in documents]


def questions() -> Kind:
    """Questions as people write them."""
    return Kind(QUESTIONS, _plain([WRITTEN | {"_id": ObjectId()} for _ in range(MANY)]), {"status": "open"}, "_id")


def main() -> None:
    """Prints the tables."""
    given = arguments(__doc__, mongo=MONGO)
    rounds = 2 if given.quick else 15
    told, rows = events()
    with databases(given.mongo) as (uri, fresh), asyncio.Runner() as runner, MongoClient[Any](uri) as client:

        def run(awaitable: Any) -> Any:
            return runner.run(_awaited(awaitable)) if isawaitable(awaitable) else awaitable

        def made(make: Make, database: Any, kind: Kind) -> Way | None:
            TekTree.connect(client[database.name]).setup()
            return make(database, kind, run)

        opened = AsyncMongoClient[Any](uri)
        drivers: dict[str, tuple[Any, list[Make]]] = {
            "PyMongo": (client, [mongoengine, odmantic]),
            "PyMongo Async": (opened, [beanie]),
        }
        for kind, own in ((told, event_log), (questions(), codec)):
            for driver, (source, others) in drivers.items():
                named = {make.__name__: made(make, source[fresh()], kind) for make in (raw, own, *others)}
                ways = {name: way for name, way in named.items() if way is not None}
                _show(f"{MANY} {kind.collection} by {driver}", _inserted(ways, kind, rounds), _found(ways, rounds))
        _show(f"{MANY} ledger rows by PyMongo", None, _found(_ledger(client[fresh()], rows, run), rounds))
        run(opened.close())


Make = Callable[[Any, Kind, Await], Way | None]
Taken = dict[str, tuple[float, float]]


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def _inserted(ways: dict[str, Way], kind: Kind, rounds: int) -> Taken:
    def prepare(way: Way) -> Work:
        way.clear()
        return partial(way.insert, way.made([dict(each) for each in kind.documents]))

    return turns({name: partial(prepare, way) for name, way in ways.items()}, rounds)


def _found(ways: dict[str, Way], rounds: int) -> Taken:
    for name, way in ways.items():
        if len(way.find()) != MANY:
            raise RuntimeError(f"{name} does not find what it inserted")
    return turns({name: partial(_same, way.find) for name, way in ways.items()}, rounds)


def _same(work: Work) -> Work:
    return work


def _ledger(database: Any, rows: list[Document], run: Await) -> dict[str, Way]:
    """The ledger's rows, by the driver and by our ledger."""
    kind = Kind(XP_TRANSACTIONS, rows, {"user_id": rows[0]["user_id"], "seq": {"$gt": 0}}, "seq")
    TekTree.connect(database).setup()
    way = raw(database, kind, run)
    way.insert(rows)
    ledger, user_id = mongo_backends(database).ledger, str(rows[0]["user_id"])
    return {"raw": way, "ledger": Way(way.clear, way.made, way.insert, lambda: ledger.rows(user_id, 0, MANY))}


def _show(title: str, inserted: Taken | None, found: Taken) -> None:
    for call, taken in (("insert", inserted), ("find", found)):
        if taken is not None:
            (measure, least), *_ = taken.values()
            rows = [(wall / 1e3, wall / measure, cpu / 1e3, cpu / least, name) for name, (wall, cpu) in taken.items()]
            show(f"{call} {title}", ("ms", "ratio", "ms of work", "ratio", "way"), rows)


if __name__ == "__main__":
    main()
