"""Every error that leaves the package, in one tree. The branch says whose fault it is.

::

    TekTreeError
    ├── InvalidInput (ValueError)       the caller passed something wrong: mend the call
    │   └── InvalidCursor               a page cursor that was not issued for this list
    ├── NotFound (LookupError)          what is named does not exist, or is not visible
    ├── Conflict                        the world is not as the caller thought
    │   ├── Taken                       a unique value belongs to somebody else
    │   ├── Stale                       it changed since it was read: read again, decide again
    │   ├── IdempotencyConflict         the key was used before with other parameters
    │   └── InvalidTransition           this state does not allow that step
    ├── Denied                          understood, and refused
    │   ├── InvalidCredentials
    │   │   └── InvalidToken            unknown, used, expired, or what it was made for has changed
    │   ├── InvalidSession
    │   ├── Forbidden
    │   ├── RateLimited
    │   └── QuotaExhausted
    ├── BackendError                    storage is at fault, not the caller
    │   ├── Unavailable                 nothing was done, unless it says so: try again later
    │   ├── OutcomeUnknown              it may have been done: retry with the same key
    │   ├── CorruptDocument             a stored document cannot be read
    │   ├── Undelivered                 a receiver did not take an event; it is tried again
    │   ├── GivenUp                     an event that a receiver is not told of any more
    │   └── UnknownVersion              an event of a newer release: deploy it here too
    └── ConfigurationError (ValueError) the host's set-up is wrong
        └── InvalidPolicy (InvalidInput) a setting of the policy does not hold together

Each error carries a stable ``code`` and its facts as attributes; the message is built from them. No message holds a
secret or a driver's text.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Final, Self

__all__ = [
    "BackendError",
    "ConfigurationError",
    "Conflict",
    "CorruptDocument",
    "Denied",
    "Forbidden",
    "GivenUp",
    "IdempotencyConflict",
    "InvalidCredentials",
    "InvalidCursor",
    "InvalidInput",
    "InvalidPolicy",
    "InvalidSession",
    "InvalidToken",
    "InvalidTransition",
    "NotFound",
    "OutcomeUnknown",
    "QuotaExhausted",
    "RateLimited",
    "Stale",
    "Taken",
    "TekTreeError",
    "Unavailable",
    "Undelivered",
    "UnknownVersion",
]

_NOT_DONE: Final = "nothing was done, try again later"


class TekTreeError(Exception):
    """The root. ``except TekTreeError`` catches whatever the package raises."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidInput(TekTreeError, ValueError):
    """A value that was passed is not acceptable. ``field`` names it, ``reason`` says what would be.

    The value itself is never part of the message: it may be a secret, and it may be 17 MB.
    """

    code = "invalid_input"

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.field, self.reason)


class InvalidCursor(InvalidInput):
    """A cursor that this list did not issue: cut, edited, or taken from another list."""

    code = "invalid_cursor"

    def __init__(
        self,
        field: str = "after",
        reason: str = "not a cursor of this list; pass Page.next unchanged, or None to start over",
    ) -> None:
        super().__init__(field, reason)


class NotFound(TekTreeError, LookupError):
    """What is named does not exist for the one who asks. ``kind`` says what it would be, ``id`` which one."""

    code = "not_found"

    def __init__(self, kind: str, id: str) -> None:
        super().__init__(f"no {kind} {id!r}; {'enroll the user first' if kind == 'profile' else 'check the id'}")
        self.kind = kind
        self.id = id

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.kind, self.id)


class Conflict(TekTreeError):
    """The request is well formed, but something stored stands against it."""

    code = "conflict"


class Taken(Conflict):
    """A unique value is in use. ``field`` says which; the value is not repeated."""

    code = "taken"

    def __init__(self, field: str) -> None:
        super().__init__(f"{field} is taken; choose another")
        self.field = field

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return type(self), (self.field,)


class Stale(Conflict):
    """The record changed since it was read. Read it again and decide again; nothing was written."""

    code = "stale"

    def __init__(self, kind: str, id: str) -> None:
        super().__init__(f"{kind} {id!r} changed since it was read; read it again and repeat the change")
        self.kind = kind
        self.id = id

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.kind, self.id)


class IdempotencyConflict(Conflict):
    """The key was used before for something else. ``differs`` names what is not the same."""

    code = "idempotency_conflict"

    def __init__(self, key: str, differs: tuple[str, ...]) -> None:
        super().__init__(
            f"key {key!r} was used before with another {' and '.join(differs)}; "
            "repeat the first call unchanged, or use a new key"
        )
        self.key = key
        self.differs = differs

    def __reduce__(self) -> tuple[type, tuple[str, tuple[str, ...]]]:
        return type(self), (self.key, self.differs)


class InvalidTransition(Conflict):
    """The state that ``kind`` is in does not allow this step."""

    code = "invalid_transition"

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(f"{kind}: {reason}")
        self.kind = kind
        self.reason = reason

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.kind, self.reason)


class Denied(TekTreeError):
    """Understood, and refused."""

    code = "denied"


class InvalidCredentials(Denied):
    """Identifier or password is wrong. It never says which."""

    code = "invalid_credentials"

    def __init__(self) -> None:
        super().__init__("identifier or password is wrong; check both")

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return type(self), ()


class InvalidToken(InvalidCredentials):
    """A token that was mailed is unknown, used, expired, or what it was made for has changed. It never says which."""

    code = "invalid_token"

    def __init__(self) -> None:
        Denied.__init__(self, "the token is unknown, used or expired; ask for a new one")


class InvalidSession(Denied):
    """The session token is unknown, expired or revoked: log in again."""

    code = "invalid_session"

    def __init__(self) -> None:
        super().__init__("the session is unknown, expired or revoked; log in again")

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return type(self), ()


class Forbidden(Denied):
    """The principal may not do this. ``action`` says what was tried."""

    code = "forbidden"

    def __init__(self, action: str) -> None:
        super().__init__(f"not allowed: {action}; it takes somebody who may")
        self.action = action

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return type(self), (self.action,)


class RateLimited(Denied):
    """Too many requests. Coming back after ``retry_after`` seconds succeeds.

    ``headers``, which are no fact of its own, are those of the answer where a window was counted: ``RateLimit``,
    ``RateLimit-Policy``, ``Retry-After``.
    """

    code = "rate_limited"

    def __init__(self, endpoint: str, retry_after: float) -> None:
        super().__init__(f"too many requests to {endpoint!r}; retry after {retry_after:g} s")
        self.endpoint = endpoint
        self.retry_after = retry_after
        self._headers: dict[str, str] = {}

    @property
    def headers(self) -> Mapping[str, str]:
        """By name, as a response has them."""
        return self._headers

    def answered_with(self, headers: Mapping[str, str]) -> Self:
        """This error, with these headers."""
        self._headers = dict(headers)
        return self

    def __reduce__(self) -> tuple[type, tuple[str, float], dict[str, dict[str, str]]]:
        return type(self), (self.endpoint, self.retry_after), {"_headers": self._headers}


class QuotaExhausted(Denied):
    """The tier's quota for this period has no room for what was asked. It is whole again at ``resets_at``.

    What is more than ``limit`` has no room then either; where that is 0, nothing ever has.
    """

    code = "quota_exhausted"

    def __init__(self, quota_type: str, limit: int, resets_at: datetime) -> None:
        whole = f"it resets at {resets_at.isoformat()}, and never has room for more than {limit}"
        super().__init__(
            f"quota of {limit} {quota_type} has no room for that; {whole if limit else 'it never has any'}"
        )
        self.quota_type = quota_type
        self.limit = limit
        self.resets_at = resets_at

    def __reduce__(self) -> tuple[type, tuple[str, int, datetime]]:
        return type(self), (self.quota_type, self.limit, self.resets_at)


class BackendError(TekTreeError):
    """Storage is at fault, not the caller."""

    code = "backend_error"


class Unavailable(BackendError):
    """The store could not be reached, or not in time. Nothing was done, unless ``maybe_done``; try again later.

    ``maybe_done``: the command may have arrived, and so may have been done, once. That is said of Redis, of what counts
    or writes there.
    """

    code = "unavailable"

    def __init__(self, store: str, reason: str = "could not be reached in time", maybe_done: bool = False) -> None:
        said = "it may have been done, once, so look before you try again" if maybe_done else _NOT_DONE
        super().__init__(f"{store} {reason}; {said}")
        self.store = store
        self.reason = reason
        self.maybe_done = maybe_done

    def __reduce__(self) -> tuple[type, tuple[str, str, bool]]:
        return type(self), (self.store, self.reason, self.maybe_done)


class OutcomeUnknown(BackendError):
    """The reply to a write was lost: it may have happened. Retry with the same key; the effect comes once."""

    code = "outcome_unknown"

    def __init__(self, store: str) -> None:
        super().__init__(f"the reply of {store} was lost, so the write may have happened; retry with the same key")
        self.store = store

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return type(self), (self.store,)


class CorruptDocument(BackendError):
    """A stored document cannot be read. ``collection``, ``id`` and ``field`` say which and where."""

    code = "corrupt_document"

    def __init__(self, collection: str, id: str, field: str, reason: str) -> None:
        super().__init__(
            f"document {id!r} of {collection} cannot be read: {field}: {reason}; mend it where it is stored"
        )
        self.collection = collection
        self.id = id
        self.field = field
        self.reason = reason

    def __reduce__(self) -> tuple[type, tuple[str, str, str, str]]:
        return type(self), (self.collection, self.id, self.field, self.reason)


class Undelivered(BackendError):
    """A ``receiver`` beyond this process did not take an event. It is tried again. ``reason`` says what it answered."""

    code = "undelivered"

    def __init__(self, receiver: str, reason: str) -> None:
        super().__init__(f"{receiver}: {reason}; it is tried again")
        self.receiver = receiver
        self.reason = reason

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.receiver, self.reason)


class GivenUp(BackendError):
    """An event that is not brought to its ``receiver`` any more: too old, or not wanted there. ``reason`` says why."""

    code = "given_up"

    def __init__(self, receiver: str, reason: str) -> None:
        super().__init__(f"{receiver}: {reason}; it is a dead letter, redrive it or discard it")
        self.receiver = receiver
        self.reason = reason

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.receiver, self.reason)


class UnknownVersion(BackendError):
    """An event is of a type, or of a major version, that is not known here. It waits for a release that knows it."""

    code = "unknown_version"

    def __init__(self, event_type: str, version: str) -> None:
        super().__init__(f"event {event_type!r} {version} cannot be read by this release; deploy one that knows it")
        self.event_type = event_type
        self.version = version

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.event_type, self.version)


class ConfigurationError(TekTreeError, ValueError):
    """The host's set-up is wrong. ``field`` names the setting, ``reason`` says what would do."""

    code = "configuration_error"

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.field, self.reason)


class InvalidPolicy(ConfigurationError, InvalidInput):
    """A setting is wrong. ``field`` is its path, such as ``xp.daily_cap``; ``reason`` says what would do."""

    code = "invalid_policy"

    def __init__(self, field: str, reason: str) -> None:
        TekTreeError.__init__(self, f"{field}: {reason}")
        self.field = field
        self.reason = reason


def facts(error: TekTreeError) -> Mapping[str, object]:
    """The facts of ``error`` without its message, for logs and API bodies: ``{"code": …, "field": …}``."""
    return {"code": error.code} | {
        name: value for name, value in vars(error).items() if name != "message" and name[0] != "_"
    }
