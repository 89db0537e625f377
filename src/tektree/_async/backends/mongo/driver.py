"""The one place that knows the drivers: PyMongo, PyMongo Async, Motor, and mongomock for tests.

Collections are used by the calls whose shape all of them share; `AsyncMongo` bridges the rest, sets what our promises
need (majority reads and writes, a deadline for every command), and turns whatever a driver or BSON raises into one of
our errors.
"""

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import pymongo
from bson import CodecOptions
from bson.errors import BSONError, InvalidBSON
from pymongo.errors import (
    ConnectionFailure,
    DocumentTooLarge,
    DuplicateKeyError,
    ExecutionTimeout,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
    WriteError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from tektree._flavour import async_databases, async_loop
from tektree.errors import (
    ConfigurationError,
    CorruptDocument,
    InvalidInput,
    OutcomeUnknown,
    TekTreeError,
    Unavailable,
)

__all__ = ["STORE", "AsyncMongo", "driver_of", "duplicates_only", "key_of", "warn_of_motor"]

STORE: Final = "MongoDB"

_PLAIN: Final[CodecOptions[dict[str, Any]]] = CodecOptions(tz_aware=False)
"""Naive datetimes are UTC and cheaper to decode; the models make them aware."""

_UNAUTHORIZED: Final = frozenset({13, 18})
_INTERRUPTED: Final = frozenset({50, 262, 11601})
"""Codes of commands that were cut off: they may have had their effect."""


class AsyncMongo:
    """A database, as our backends use it."""

    def __init__(self, database: Any, deadline: float = 10.0) -> None:
        self.database = database
        self.deadline = deadline
        self._pid = os.getpid()
        self._loop: object | None = None
        self.mocked = driver_of(database) == "mongomock"
        """Whether this is mongomock, which has neither concerns nor options, and proves nothing about races."""

    def collection(self, name: str) -> Any:
        """The collection ``name``, with majority reads and writes."""
        if self.mocked:
            return self.database[name]
        return self.database.get_collection(
            name,
            codec_options=_PLAIN,
            read_preference=pymongo.ReadPreference.PRIMARY,
            read_concern=ReadConcern("majority"),
            write_concern=WriteConcern(w="majority", j=True),
        )

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Around commands that only read: what fails has done nothing."""
        self._at_home()
        try:
            with pymongo.timeout(self.deadline):
                yield
        except TekTreeError:
            raise
        except (PyMongoError, BSONError, OverflowError, UnicodeEncodeError, RuntimeError) as error:
            raise self._read_error(error) from None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Around one command that writes:

        when its reply is lost, the outcome is unknown. Duplicate keys pass through.
        """
        self._at_home()
        try:
            with pymongo.timeout(self.deadline):
                yield
        except (TekTreeError, DuplicateKeyError):
            raise
        except (PyMongoError, BSONError, OverflowError, UnicodeEncodeError, RuntimeError) as error:
            raise self._write_error(error) from None

    async def listed(self, cursor: Any) -> list[dict[str, Any]]:
        """All documents of a cursor."""
        return [document async for document in cursor]

    async def aggregate(self, collection: Any, pipeline: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """All documents of a pipeline. Motor gives the cursor at once, PyMongo Async asks to be awaited."""
        cursor = collection.aggregate(list(pipeline))
        if hasattr(cursor, "__await__"):
            cursor = await cursor
        return await self.listed(cursor)

    def _at_home(self) -> None:
        """A client belongs to the process and, when async, to the event loop that opened it:

        elsewhere it would hang.
        """
        if os.getpid() != self._pid:
            raise ConfigurationError("mongo", "was opened before this process was forked; connect again in the child")
        loop = async_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise ConfigurationError("mongo", "belongs to another event loop; connect once per event loop")

    def _read_error(self, error: Exception) -> TekTreeError:
        if isinstance(error, InvalidBSON):
            return CorruptDocument(self.database.name, "", "(document)", "is not valid BSON for this driver")
        return self._fault(error) or Unavailable(STORE, _reason(error))

    def _write_error(self, error: Exception) -> TekTreeError:
        if isinstance(error, DocumentTooLarge):
            return InvalidInput("document", "is larger than MongoDB stores (16 MB)")
        if isinstance(error, BSONError | OverflowError | UnicodeEncodeError):
            return InvalidInput("document", "holds a value that BSON cannot store")
        if isinstance(error, ServerSelectionTimeoutError | WaitQueueTimeoutError):
            return Unavailable(STORE)
        if isinstance(error, ConnectionFailure | ExecutionTimeout | WriteConcernError):
            return OutcomeUnknown(STORE)
        if isinstance(error, OperationFailure) and (error.code in _INTERRUPTED or _concern(error)):
            return OutcomeUnknown(STORE)
        return self._fault(error) or Unavailable(STORE, _reason(error))

    def _fault(self, error: Exception) -> TekTreeError | None:
        """What is wrong with the set-up, if that is it."""
        if isinstance(error, OperationFailure) and error.code in _UNAUTHORIZED:
            return ConfigurationError(
                "mongo", "the server does not let this user do that; check the user and its roles"
            )
        if isinstance(error, InvalidOperation):
            return ConfigurationError("mongo", "is closed; connect again")
        if isinstance(error, RuntimeError) and "loop" in str(error).lower():
            return ConfigurationError("mongo", "belongs to another event loop; connect once per event loop")
        return None


def _reason(error: Exception) -> str:
    code = getattr(error, "code", None)
    return f"refused the command (code {code})" if isinstance(code, int) else "could not be reached in time"


def _concern(error: OperationFailure) -> bool:
    """Whether a write was done but not confirmed by as many as asked."""
    return not isinstance(error, WriteError) and "writeConcernError" in str(error.details or "")


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


def driver_of(database: object) -> str | None:
    """Which driver's database this is, of those that this flavour can use; None for anything else."""
    classes = [(each.__module__, each.__qualname__) for each in type(database).__mro__]
    return next((async_databases[each] for each in classes if each in async_databases), None)


def warn_of_motor() -> None:
    """Says once per call site that Motor has had its day."""
    message = "Motor is deprecated; pass a database of pymongo.AsyncMongoClient to AsyncTekTree.connect instead"
    warnings.warn(message, DeprecationWarning, stacklevel=3)
