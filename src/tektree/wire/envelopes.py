"""Events as JSON texts, as streams carry them: the data model's ten fields and the document's id.

What is read was written here, so a text whose fields are of the right types is taken as it is; anything else is looked
at closely, and what does not hold is a `CorruptDocument`.
"""

from datetime import datetime
from operator import itemgetter
from typing import Any, Final

import pydantic_core

from tektree.errors import CorruptDocument, InvalidInput
from tektree.models.base import Frozen, json_value, made
from tektree.models.events import Event

__all__ = ["event_from_json", "event_id_of", "event_to_json"]

_VALUES: Final = itemgetter(*Event.model_fields)
_TYPES: Final = tuple([dict if name in {"metadata", "payload"} else str for name in Event.model_fields])
_WRITE: Final = Event.__pydantic_serializer__.to_json
_BEFORE: Final = b'"event_id":"'
_NESTED: Final = frozenset({dict, list})


def event_to_json(event: Event) -> bytes:
    """``event`` as JSON."""
    return _WRITE(event)


def event_from_json(text: bytes, where: str) -> Event:
    """The event that a text holds. Raises `CorruptDocument` for any other, of what is called ``where``."""
    try:
        found: dict[str, Any] = pydantic_core.from_json(text, cache_strings="keys")
        if len(found) == len(_TYPES) and tuple(map(type, _VALUES(found))) == _TYPES and found["timestamp"][-1] == "Z":
            found["timestamp"] = datetime.fromisoformat(found["timestamp"])
            found["metadata"], found["payload"] = _frozen(found["metadata"]), _frozen(found["payload"])
            return made(Event, found)
        return Event.model_validate_json(text)
    except (InvalidInput, ValueError, TypeError, LookupError):
        raise CorruptDocument(where, "", "event", "is no event as this package writes it") from None


def event_id_of(text: bytes) -> str:
    """The id of the event that a text holds, without reading all of it; empty: it holds none."""
    at = text.find(_BEFORE)
    end = text.find(b'"', at + len(_BEFORE))
    return text[at + len(_BEFORE) : end].decode("ascii", "replace") if 0 <= at < end else ""


def _frozen(value: dict[str, Any]) -> Any:
    return Frozen(value) if _NESTED.isdisjoint(map(type, value.values())) else json_value(value)
