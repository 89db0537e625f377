"""What drivers and BSON raise, as our errors: whether anything may have been written decides which.

No text of a driver gets through: it may hold addresses, names, values of documents. What is lost on the way to a
server may have arrived; so of a write nothing but a plain refusal is `Unavailable`.
"""

from typing import Any, Final

from bson.errors import BSONError, InvalidBSON
from pymongo import errors

from tektree.errors import (
    BackendError,
    ConfigurationError,
    CorruptDocument,
    InvalidInput,
    OutcomeUnknown,
    TekTreeError,
    Unavailable,
)

__all__ = ["RAISED", "STORE", "read_fault", "write_fault"]

STORE: Final = "MongoDB"

RAISED: Final = (errors.PyMongoError, BSONError, OverflowError, UnicodeError, RuntimeError)
"""All that drivers and BSON raise."""

_UNAUTHORIZED: Final = frozenset({13, 18, 8000})
_NOT_PRIMARY: Final = frozenset({10107, 13435, 10058})
_TOO_LARGE: Final = frozenset({10334, 17280})
_INVALID: Final = 121
_CUT_OFF: Final = frozenset({50, 64, 91, 100, 189, 202, 262, 290, 11600, 11601, 11602})
"""Codes of commands that were interrupted, or done but not confirmed by as many as asked."""


def read_fault(error: Exception, collection: str) -> TekTreeError:
    """What a command that only reads comes to: nothing was done."""
    if isinstance(error, InvalidBSON | UnicodeError | OverflowError):
        return CorruptDocument(collection, "", "(document)", "is no BSON that this driver can read")
    return _set_up_fault(error, collection) or _refused(error)


def write_fault(error: Exception, collection: str, retried: bool) -> TekTreeError:
    """What a command that writes comes to. ``retried``: the driver may have sent it twice, and tells of one."""
    if isinstance(error, errors.DocumentTooLarge) or _code(error) in _TOO_LARGE:
        return InvalidInput("document", "is larger than MongoDB stores (16 MB)")
    if isinstance(error, InvalidBSON):
        return OutcomeUnknown(STORE)  # that is the reply
    if isinstance(error, BSONError | OverflowError | UnicodeError | RecursionError):
        return InvalidInput("document", "holds a value that BSON cannot store")
    found = _set_up_fault(error, collection)
    if found is not None:
        return found
    return _refused(error) if _is_refused(error, retried) else OutcomeUnknown(STORE)


def _set_up_fault(error: Exception, collection: str) -> ConfigurationError | None:
    """What is wrong with the set-up, if that is it."""
    code = _code(error)
    if isinstance(error, errors.OperationFailure) and code in _UNAUTHORIZED:
        return ConfigurationError("mongo", "the server does not let this user do that; check the user and its roles")
    if isinstance(error, errors.OperationFailure) and code == _INVALID:
        return ConfigurationError(f"mongo.{collection}", "has a validator that refuses our documents; take it off")
    if isinstance(error, errors.InvalidOperation):
        return ConfigurationError("mongo", "is closed; connect again")
    if isinstance(error, errors.ConfigurationError):
        return ConfigurationError(
            "mongo", "cannot be used as it is set up; check the host's name, options and versions"
        )
    if isinstance(error, RuntimeError) and "loop" in str(error).lower():
        return ConfigurationError("mongo", "belongs to another event loop; connect once per event loop")
    return None


def _is_refused(error: Exception, retried: bool) -> bool:
    """Whether a write was not made, for sure."""
    if not isinstance(error, errors.PyMongoError):
        return False
    if isinstance(error, errors.ServerSelectionTimeoutError) or error.has_error_label("NoWritesPerformed"):
        return True
    if isinstance(error, errors.WaitQueueTimeoutError):
        return not retried
    if isinstance(error, errors.NotPrimaryError):
        return not retried and _code(error) in _NOT_PRIMARY
    if not isinstance(error, errors.OperationFailure) or isinstance(error, errors.BulkWriteError):
        return False
    unconfirmed = isinstance(error, errors.WriteConcernError | errors.ExecutionTimeout)
    return not unconfirmed and _code(error) not in _CUT_OFF and not (error.details or {}).get("writeConcernError")


def _refused(error: Exception) -> BackendError:
    code = _code(error)
    return Unavailable(STORE) if code is None else Unavailable(STORE, f"refused the command (code {code})")


def _code(error: Exception) -> int | None:
    code: Any = getattr(error, "code", None)
    if code is None and isinstance(error, errors.NotPrimaryError):
        details = error.details
        code = details.get("code") if isinstance(details, dict) else None
    return code if isinstance(code, int) else None
