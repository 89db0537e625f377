"""How what is cached looks, and when it is none: the key and the JSON of each kind of record.

What cannot be read to the letter, is of another schema, holds a secret or belongs under another key is a miss.
"""

import logging
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from tektree.models.accounts import User
from tektree.models.base import Record
from tektree.models.caches import Found, Kind, Place
from tektree.models.questions import Question
from tektree.wire.keys import cache_question, cache_user, companion
from tektree.wire.values import NONE_CACHED, cached_from_json, cached_to_json

__all__ = ["cached_text", "found_in", "key_of", "lease_of"]

_LOG: Final = logging.getLogger("tektree")
_SHORT: Final = 4_096


class _Shelf(NamedTuple):
    """A kind of record: its key, its model, the field that names it, and those that are never kept."""

    key: Callable[[str], str]
    model: type[Record]
    named: str
    secret: frozenset[str]


def _shelf(key: Callable[[str], str], model: type[Record], named: str) -> _Shelf:
    secret = [name for name, field in model.model_fields.items() if field.exclude]
    return _Shelf(key, model, named, frozenset(secret))


_SHELVES: Final[Mapping[Kind, _Shelf]] = {
    "user": _shelf(cache_user, User, "uid"),
    "question": _shelf(cache_question, Question, "id"),
}


def key_of(place: Place) -> str:
    """The key that a record is cached under: the data model's."""
    return _SHELVES[place.kind].key(place.name)


def lease_of(key: str) -> str:
    """Where it is kept who is loading what belongs under ``key``."""
    return companion(key, "lease")


def cached_text(record: Record | None) -> str:
    """An answer as it is kept; None: that there is no such record."""
    return NONE_CACHED if record is None else cached_to_json(record)


def found_in(place: Place, text: str | bytes) -> Found | None:
    """The answer that a text holds; None: it holds none, so it is a miss."""
    if text in (NONE_CACHED, NONE_CACHED.encode()):
        return Found(None)
    shelf = _SHELVES[place.kind]
    record = (_read_before if len(text) <= _SHORT else _read)(shelf, text)
    if record is None:
        return None
    if getattr(record, shelf.named) != place.name:
        _LOG.warning("what is cached under %s is not what belongs there", key_of(place))
        return None
    return Found(record)


def _read(shelf: _Shelf, text: str | bytes) -> Record | None:
    record = cached_from_json(shelf.model, text)
    return record if record is not None and record.model_fields_set.isdisjoint(shelf.secret) else None


_read_before = lru_cache(maxsize=1_024)(_read)
"""What is often asked for is the same text each time, and what it holds never changes. Only short ones are kept."""
