"""What redis-py and the server raise, as our errors. No text of theirs gets through: it may hold keys and passwords."""

from typing import Final

from redis import exceptions

from tektree.errors import ConfigurationError, CorruptDocument, TekTreeError, Unavailable

__all__ = ["RAISED", "STORE", "fault", "foreign", "is_unsent", "refusal"]

STORE: Final = "Redis"

RAISED: Final = (exceptions.RedisError, OSError, TimeoutError, RuntimeError, UnicodeError)
"""All that the driver raises."""

_NONE_GIVEN: Final = "the server asks for a password, and none was given"
_UNASKED: Final = ("NOAUTH", "Authentication required", "HELLO must be called")
"""What a server says to who gave no password; redis-py cuts the sign off, and says the rest."""

_REFUSED: Final = (
    ("NOPERM", "the server does not let this user do that; check the user and its permissions"),
    ("NOAUTH", _NONE_GIVEN),
    ("WRONGPASS", "the server does not know this user and password"),
    ("MOVED", "is a cluster; pass a redis.RedisCluster"),
    ("unknown command", "is too old: Redis 6.2 or newer is needed"),
    ("CROSSSLOT", "is a cluster; pass a redis.RedisCluster"),
)
"""What a server says when the set-up is wrong."""

_AWAY: Final = (
    ("OOM", "is full and refuses writes"),
    ("READONLY", "is a replica and refuses writes"),
    ("LOADING", "is still loading its data"),
    ("MISCONF", "cannot persist, and refuses writes"),
    ("NOREPLICAS", "has too few replicas, and refuses writes"),
    ("CLUSTERDOWN", "is a cluster that is down"),
    ("TRYAGAIN", "is moving these keys to another node"),
    ("BUSY", "is busy with a script"),
)
"""What it says when it cannot serve for now."""

_NO_CONNECTION: Final = ("connecting to", "Too many connections", "No connection available")
"""What redis-py says where it found or made no connection. Whatever else it says, a command may have been sent."""

_CORRUPT: Final = ("WRONGTYPE", "user_script", "not an integer", "not a valid float")


def refusal(said: str) -> exceptions.ResponseError:
    """The error that stands for a refusal of the server, in the place of the reply."""
    return exceptions.NoScriptError(said) if said.startswith("NOSCRIPT") else exceptions.ResponseError(said)


def is_unsent(error: Exception) -> bool:
    """Whether a command was not done, for sure: it was refused, it is no text, or there was no connection for it."""
    if isinstance(error, exceptions.ResponseError | exceptions.BusyLoadingError | UnicodeEncodeError):
        return True
    return isinstance(error, exceptions.RedisError) and any(sign in str(error) for sign in _NO_CONNECTION)


def fault(error: Exception, key: str, maybe_done: bool = False) -> TekTreeError:
    """What an error comes to, for the caller of a command about ``key``, which may have been done or not."""
    if isinstance(error, exceptions.AuthenticationError | exceptions.AuthorizationError):
        asked = any(sign in str(error) for sign in _UNASKED)
        return ConfigurationError("redis", _NONE_GIVEN if asked else "the server does not know this user and password")
    if isinstance(error, exceptions.ResponseError):
        return _answered(f"{type(error).__name__} {error}", key, maybe_done)
    if isinstance(error, RuntimeError) and "loop" in str(error).lower():
        return ConfigurationError("redis", "belongs to another event loop; connect once per event loop")
    return Unavailable(STORE, maybe_done=maybe_done)


def foreign(key: str | None) -> CorruptDocument:
    """That something else is under a key; None: under one of several, and nobody knows which."""
    if key is None:
        return CorruptDocument(STORE, "(unknown)", "(value)", "one of the keys is not what this package keeps there")
    return CorruptDocument(STORE, key, "(value)", "is not what this package keeps there; delete the key")


def _answered(said: str, key: str, maybe_done: bool) -> TekTreeError:
    for sign, reason in _AWAY:
        if sign in said or _CLASSES.get(sign, "…") in said:
            return Unavailable(STORE, reason, maybe_done)
    for sign, reason in _REFUSED:
        if sign in said or _CLASSES.get(sign, "…") in said:
            return ConfigurationError("redis", reason)
    if any(sign in said for sign in _CORRUPT):
        return foreign(key)
    return Unavailable(STORE, "refused the command", maybe_done)


_CLASSES: Final = {
    "OOM": "OutOfMemoryError",
    "READONLY": "ReadOnlyError",
    "LOADING": "BusyLoadingError",
    "NOPERM": "NoPermissionError",
    "MOVED": "MovedError",
    "CLUSTERDOWN": "ClusterDownError",
    "TRYAGAIN": "TryAgainError",
}
"""The classes that redis-py makes of a sign; it cuts the sign off then."""
