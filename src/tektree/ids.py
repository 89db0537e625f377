"""Identifiers: their form, their minting, and the derived ones.

An ``id`` is the 24 lowercase hex digits of a document's ``_id``. A ``uid`` is what hosts and Redis keys show: ``usr_``
and a name. Derived ids are a function of their cause, so whoever repeats a step names its outcome the same.
"""

import hashlib
import os
import re
from collections.abc import Callable
from typing import Final

from tektree.errors import ConfigurationError, InvalidInput

__all__ = [
    "Ids",
    "RandomIds",
    "derived_id",
    "event_id",
    "fresh_id",
    "is_hex_id",
    "transaction_id",
    "user_id_of",
    "uid_of",
    "hex_id",
]

_HEX: Final = re.compile(r"[0-9a-f]{24}")
_UID: Final = re.compile(r"usr_[A-Za-z0-9_\-]{1,60}")

_DIGITS: Final = hashlib.blake2b(digest_size=12)
"""Copied for each id: that takes half as long as to set up another."""

Ids = Callable[[], str]
"""The source of random ids: each call gives 24 fresh lowercase hex digits."""


class RandomIds:
    """96 random bits from the operating system for each id. Not guessable, not ordered by time."""

    def __call__(self) -> str:
        """24 fresh lowercase hex digits."""
        return os.urandom(12).hex()


def fresh_id(ids: Ids) -> str:
    """What ``ids`` gives next. Raises `ConfigurationError` when that is no id: two calls might be taken for one."""
    found = ids()
    if type(ids) is RandomIds or is_hex_id(found):
        return found
    raise ConfigurationError("ids", "must return 24 lowercase hex digits, fresh ones at each call")


def is_hex_id(value: object) -> bool:
    """Whether ``value`` is an id as the package writes it: a ``str`` of 24 lowercase hex digits."""
    return type(value) is str and len(value) == 24 and _HEX.fullmatch(value) is not None


def hex_id(value: object, field: str) -> str:
    """``value`` if it is an id, else `InvalidInput`. The one parser of ids that callers pass."""
    if type(value) is str and len(value) == 24 and _HEX.fullmatch(value):
        return value
    raise InvalidInput(field, "must be an id: a str of 24 lowercase hex digits")


def uid_of(value: object, field: str = "uid") -> str:
    """``value`` if it is a uid, else `InvalidInput`."""
    if type(value) is str and len(value) <= 64 and _UID.fullmatch(value):
        return value
    raise InvalidInput(field, "must be a uid: 'usr_' and 1 to 60 of the characters A-Z a-z 0-9 _ -")


def derived_id(*parts: str) -> str:
    """24 hex digits that depend on ``parts`` alone. Each part is framed by its length, so joins cannot collide.

    >>> derived_id("a", "bc") == derived_id("ab", "c")
    False
    """
    digits = _DIGITS.copy()
    digits.update("".join([f"{len(part)}:{part}" for part in parts]).encode("utf-8", "surrogatepass"))
    return digits.hexdigest()


def transaction_id(user_id: str, key: str) -> str:
    """The id of the ledger row that ``key`` makes for a user. One key, one row, wherever it is tried again."""
    # derived_id("xp_txn", user_id, key), put together in one step: every award comes by here
    digits = _DIGITS.copy()
    digits.update(f"6:xp_txn{len(user_id)}:{user_id}{len(key)}:{key}".encode("utf-8", "surrogatepass"))
    return f"xp_txn_{digits.hexdigest()}"


def event_id(cause: str, kind: str, subject: str = "") -> str:
    """The id of an event that follows from ``cause``; a step that is repeated names its events the same."""
    return "evt_" + derived_id("evt", cause, kind, subject)


def user_id_of(uid: str) -> str:
    """The id that a user gets who is enrolled by uid alone: a function of the uid, so two enrolments meet."""
    return derived_id("user", uid)
