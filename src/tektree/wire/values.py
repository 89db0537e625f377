"""What Redis strings hold: a session's JSON, a count, a cached record.

A session that cannot be read to the letter is no session: `InvalidSession`, whatever is wrong with it. A count that is
none is a `CorruptDocument`, and a missing one is None, never 0. A cached value that is not ours is a miss.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NoReturn, TypeVar

from pydantic import ValidationError

from tektree.errors import CorruptDocument, InvalidInput, InvalidSession
from tektree.models.base import INT53, Value, checked, json_value
from tektree.models.sessions import Session

__all__ = [
    "NONE_CACHED",
    "cached_from_json",
    "cached_to_json",
    "count_from_text",
    "count_to_text",
    "session_from_json",
    "session_to_json",
]

M = TypeVar("M", bound=Value)

_LONGEST_SESSION: Final = 8_192
_LATEST: Final = 253_402_300_799
"""The last second of the year 9999."""
_COUNT: Final = re.compile(r"0|[1-9][0-9]{0,15}")
_TIMES: Final = ("created_at", "expires_at")


def session_to_json(session: Session) -> str:
    """``session`` as the data model's JSON: times in whole seconds since 1970, then the fields that we do not know."""
    known = {name: value for name in Session.model_fields if (value := getattr(session, name)) is not None}
    seconds = {name: int(known[name].timestamp()) for name in _TIMES}
    return _json({**known, **seconds, **(session.__pydantic_extra__ or {})})


def session_from_json(text: str | bytes | None) -> Session:
    """The session that ``text`` holds. Raises `InvalidSession` for anything that `session_to_json` would not write.

    No JSON, a name twice, NaN, too long or too deep, a field missing or of another type, an end before the beginning.
    """
    try:
        return _session(text)
    except (InvalidInput, ValueError, TypeError, RecursionError):
        raise InvalidSession from None


def _session(text: str | bytes | None) -> Session:
    if not isinstance(text, str | bytes) or len(text) > _LONGEST_SESSION:
        raise ValueError("is no session")
    found = _loads(text if isinstance(text, str) else text.decode("utf-8"))
    known = {name: found.pop(name) for name in Session.model_fields if name in found}
    session = checked(Session, known | {name: _instant(known.get(name)) for name in _TIMES})
    if session.expires_at <= session.created_at:
        raise ValueError("ends before it begins")
    extra = dict(json_value(found))
    object.__setattr__(session, "__pydantic_extra__", extra or None)
    return session


def _instant(seconds: object) -> datetime:
    if type(seconds) is not int or not 0 <= seconds <= _LATEST:
        raise ValueError("must be whole seconds since 1970")
    return datetime.fromtimestamp(seconds, UTC)


def count_to_text(count: int) -> str:
    """A count as Redis keeps it. Raises `InvalidInput` for what is no count."""
    if type(count) is not int or not 0 <= count <= INT53:
        raise InvalidInput("count", f"must be a whole number from 0 to {INT53}")
    return str(count)


def count_from_text(key: str, text: str | bytes | None) -> int | None:
    """The count under ``key``; None when there is none. Raises `CorruptDocument` for anything but a whole number."""
    if text is None:
        return None
    digits = text.decode("ascii", "replace") if isinstance(text, bytes) else text
    if not isinstance(digits, str) or not _COUNT.fullmatch(digits) or int(digits) > INT53:
        raise CorruptDocument("redis", key, "(value)", "must be a whole number")
    return int(digits)


_SCHEMA: Final = 3
"""Raised when what is cached changes its meaning; values of another schema are misses."""
_BEFORE: Final = f'{{"schema":{_SCHEMA},"record":'
NONE_CACHED: Final = f"{_BEFORE}null}}"
"""What is cached where there is no record."""


def cached_to_json(record: Value) -> str:
    """``record`` for a cache: the fields we know, without any secret, and the version of their schema."""
    return f"{_BEFORE}{record.model_dump_json()}}}"


def cached_from_json(model: type[M], text: str | bytes | None) -> M | None:
    """The record that was cached, or None: nothing there, another schema, damaged. A user comes without a hash."""
    try:
        whole = text.decode("utf-8") if isinstance(text, bytes) else text
        if not isinstance(whole, str) or not whole.startswith(_BEFORE) or not whole.endswith("}"):
            return None
        return model.model_validate_json(whole[len(_BEFORE) : -1])
    except (ValidationError, ValueError):
        return None


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def _loads(text: str) -> dict[str, Any]:
    found = json.loads(text, object_pairs_hook=_once_each, parse_constant=_refuse)
    if type(found) is not dict:
        raise ValueError("is no map")
    return found


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("holds a name twice")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"holds {constant}, which is not JSON")
