"""The one place that knows the drivers: PyMongo, PyMongo Async, Motor, and mongomock for tests.

Collections are used by the calls whose shape all of them share; `AsyncMongo` bridges the rest, and sets what our
promises need: majority reads and writes, a deadline for every command, one process, one event loop.
"""

import os
import warnings
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import pymongo
from bson import CodecOptions, DatetimeConversion
from pymongo.errors import DuplicateKeyError, OperationFailure
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from tektree._async.backends.mongo.faults import RAISED, read_fault, write_fault
from tektree._flavour import async_cancellations, async_databases, async_heed, async_loop, async_stranger
from tektree.errors import ConfigurationError, CorruptDocument, TekTreeError
from tektree.redaction import ours, watch

__all__ = [
    "DEADLINE",
    "AsyncMongo",
    "driver_of",
    "duplicates_only",
    "key_of",
    "stranger",
    "text",
    "warn_of_motor",
    "whole",
]

DEADLINE: Final = 10.0
"""Seconds that a command may take, from choosing a server to its reply."""

_PLAIN: Final[CodecOptions[dict[str, Any]]] = CodecOptions(
    tz_aware=False, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)
"""Naive datetimes are UTC and cheaper to decode; the models make them aware. What is out of their range stays a
number, so the document that holds it can be named.
"""


class AsyncMongo:
    """A database, as our backends use it."""

    def __init__(
        self, database: Any, deadline: float = DEADLINE, close: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        driver = driver_of(database)
        self.mocked = driver == "mongomock"
        """Whether this is mongomock, which has neither concerns nor options, and proves nothing about races."""
        options = None if self.mocked else (database.delegate if driver == "Motor" else database).client.options
        self.deadline = min(deadline, (options.timeout if options else None) or deadline)
        """The seconds that a command may take; a client with a shorter ``timeoutMS`` is asked for no more."""
        self.texts: set[str] = set()
        """The collections whose text index can be asked: found out at setup."""
        self._retries = options is not None and options.retry_writes
        watch("pymongo.command")
        self._database = database
        self._close = close
        self._pid = os.getpid()
        self._loop: object | None = None

    def collection(self, name: str) -> Any:
        """The collection ``name``, with majority reads and writes."""
        if self.mocked:
            return self._database[name]
        return self._database.get_collection(
            name,
            codec_options=_PLAIN,
            read_preference=pymongo.ReadPreference.PRIMARY,
            read_concern=ReadConcern("majority"),
            write_concern=WriteConcern(w="majority", j=True),
        )

    @contextmanager
    def reading(self, collection: str) -> Iterator[None]:
        """Around commands that only read: what fails has done nothing."""
        self._at_home()
        asked = async_cancellations()
        try:
            with ours(), pymongo.timeout(self.deadline):
                yield
        except TekTreeError:
            raise
        except RAISED as error:
            async_heed(asked)
            raise read_fault(error, collection) from None
        async_heed(asked)

    @contextmanager
    def writing(self, collection: str) -> Iterator[None]:
        """Around one command that writes: a lost reply is an unknown outcome, and duplicate keys pass through."""
        self._at_home()
        asked = async_cancellations()
        try:
            with ours(), pymongo.timeout(self.deadline):
                yield
        except (TekTreeError, DuplicateKeyError):
            raise
        except RAISED as error:
            async_heed(asked)
            raise write_fault(error, collection, self._retries) from None
        async_heed(asked)

    async def listed(self, cursor: Any) -> list[dict[str, Any]]:
        """All documents of a cursor."""
        return [document async for document in cursor]

    async def aggregate(self, collection: Any, pipeline: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """All documents of a pipeline. Motor gives the cursor at once, PyMongo Async asks to be awaited."""
        cursor = collection.aggregate(list(pipeline))
        if hasattr(cursor, "__await__"):
            cursor = await cursor
        return await self.listed(cursor)

    async def watched(self, collection: Any) -> Any:
        """A change stream of what is inserted. Motor gives it at once, PyMongo Async asks to be awaited."""
        inserts = [{"$match": {"operationType": "insert"}}, {"$project": {"operationType": 1}}]
        if self.mocked:
            raise ConfigurationError("mongo", "has no change streams")
        stream = collection.watch(inserts, max_await_time_ms=500)
        if hasattr(stream, "__await__"):
            stream = await stream
        return stream

    async def close(self) -> None:
        """Closes the client that was opened for us, if one was."""
        if self._close is not None and os.getpid() == self._pid:
            await self._close()

    def _at_home(self) -> None:
        """Raises `ConfigurationError` in another process or, when async, on another event loop: it would hang there."""
        if os.getpid() != self._pid:
            raise ConfigurationError("mongo", "was opened before this process was forked; connect again in the child")
        loop = async_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise ConfigurationError("mongo", "belongs to another event loop; connect once per event loop")


def key_of(error: DuplicateKeyError) -> frozenset[str] | None:
    """The fields of the index that a document broke; None where the server does not say."""
    pattern = (error.details or {}).get("keyPattern")
    return frozenset(pattern) if isinstance(pattern, Mapping) else None


def duplicates_only(error: OperationFailure) -> bool:
    """Whether nothing but duplicates stood against a batch."""
    details = error.details or {}
    faults = details.get("writeErrors", [])
    return (
        bool(faults) and all(fault.get("code") == 11000 for fault in faults) and not details.get("writeConcernErrors")
    )


def whole(document: Mapping[str, Any], field: str, collection: str) -> int:
    """A whole number of a document that is not read as a record; 0 where there is none.

    Raises `CorruptDocument`.
    """
    value = document.get(field)
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool):
        raise CorruptDocument(collection, str(document.get("_id", ""))[:64], field, "must be a whole number")
    return int(value)


def text(document: Mapping[str, Any], field: str) -> str | None:
    """A text of a document that is not read as a record; None where there is none."""
    value = document.get(field)
    return value if type(value) is str and value else None


def driver_of(database: object) -> str | None:
    """Which driver's database this is, of those that this flavour can use; None for anything else."""
    return _named(database, async_databases)


def stranger(database: object) -> str | None:
    """What to do instead with a database of the other flavour; None for anything else."""
    tektree, databases = async_stranger
    driver = _named(database, databases)
    return None if driver is None else f"is a database of {driver}; {tektree} takes it"


def _named(database: object, databases: Mapping[tuple[str, str], str]) -> str | None:
    classes = [(each.__module__, each.__qualname__) for each in type(database).__mro__]
    return next((databases[each] for each in classes if each in databases), None)


def warn_of_motor() -> None:
    """Says, of the line that called ``connect``, that Motor has had its day."""
    message = "Motor is deprecated; give AsyncTekTree.connect a URI, or a database of pymongo.AsyncMongoClient instead"
    warnings.warn(message, DeprecationWarning, stacklevel=4)
