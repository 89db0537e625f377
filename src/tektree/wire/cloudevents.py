"""Events as CloudEvents 1.0 in JSON, and back without loss.

``data`` is the payload. The rest of the envelope are attributes: those of the specification, those of its extensions
for correlation, partitioning, sequence, recorded time and auth context, and ours where there is none. What of
``metadata`` has no attribute of its own stands as JSON in ``tekmetadata``. ``subject``, ``partitionkey`` and
``authtype`` are for those who route by them; they are not read back, for the payload and the metadata have it all.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypeGuard
from urllib.parse import quote, unquote

from tektree.errors import InvalidInput
from tektree.models.base import checked
from tektree.models.events import Event

__all__ = ["SCHEMAS", "from_cloudevent", "schema_uri", "to_cloudevent"]

SCHEMAS: Final = "https://tektree.com/events"
"""Below it, by type and version, stand the schemas that ``dataschema`` names."""

_PREFIX: Final = "com.tektree."
_SEQUENCE: Final = 20
"""Digits: numbers of a stream sort as text."""

_NAMED: Final = {
    "trace_id": "traceid",
    "correlation_id": "correlationid",
    "producer_id": "producerid",
}
_FROM_METADATA: Final = {
    "causation_id": "causationid",
    "traceparent": "traceparent",
    "tracestate": "tracestate",
    "recorded_at": "recordedtime",
    "user_id": "authid",
}
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_VERSION: Final = re.compile(r".*/([0-9]+\.[0-9]+)", re.DOTALL)


def schema_uri(event_type: str, version: str, schemas: str = SCHEMAS) -> str:
    """Where the schema of a payload is: of all patches of a minor version it is the same."""
    return f"{schemas}/{event_type}/{version.rpartition('.')[0]}"


def to_cloudevent(event: Event, schemas: str = SCHEMAS) -> dict[str, Any]:
    """``event`` in the JSON format of CloudEvents, as plain data for ``json.dumps``."""
    subject = _subject(event)
    user, actor = event.payload.get("user_id"), event.metadata.get("user_id")
    metadata = dict(event.metadata)
    attributes = {
        "specversion": "1.0",
        "id": event.event_id,
        "source": f"/{quote(event.source_service, safe='')}",
        "type": f"{_PREFIX}{event.event_type}",
        "time": event.timestamp.isoformat(),
        "datacontenttype": "application/json",
        "dataschema": schema_uri(event.event_type, event.event_version, schemas),
        "dataversion": event.event_version,
        "subject": subject,
        "partitionkey": user if _is_attribute(user) else None,
        "documentid": event.id if event.id != event.event_id[4:] else None,
        **{name: getattr(event, field) or None for field, name in _NAMED.items() if _fits(event, field)},
        "sequence": _sequence(metadata),
        "authtype": "app_user" if _is_attribute(actor) else None,
        **{name: _moved(metadata, field) for field, name in _FROM_METADATA.items()},
    }
    lost = {field: getattr(event, field) for field in _NAMED if not _fits(event, field)}
    attributes["tekmetadata"] = _json(metadata) if metadata else None
    attributes["tekenvelope"] = _json(lost) if lost else None
    found = {name: value for name, value in attributes.items() if value is not None}
    return found | {"data": _plain(event.payload)}


def from_cloudevent(found: Mapping[str, Any]) -> Event:
    """The event that a CloudEvent of ours holds. Raises `InvalidInput` that names the attribute which is wrong.

    Attributes that are not known are passed over. Of one that was made elsewhere the version is that of its
    ``dataschema``, and the id is taken from its ``id``.
    """
    if found.get("specversion") != "1.0":
        raise InvalidInput("specversion", "must be '1.0'")
    event_id, time = _text(found, "id"), _text(found, "time")
    if not _TIME.fullmatch(time):
        raise InvalidInput("time", "must be a time such as 2025-12-16T12:00:00Z")
    fields = {
        "id": _text(found, "documentid", event_id.removeprefix("evt_")),
        "event_id": event_id,
        "event_type": _after(_PREFIX, found, "type"),
        "event_version": _version(found),
        "timestamp": _instant(time),
        "source_service": unquote(_after("/", found, "source")),
        **{field: _text(found, name, "") for field, name in _NAMED.items()},
        **_map(found, "tekenvelope"),
        "metadata": _metadata(found),
        "payload": found.get("data", {}),
    }
    return checked(Event, fields)


def _subject(event: Event) -> str | None:
    """Whom or what the event is about."""
    user = event.payload.get("user_id")
    entity = event.payload.get(f"{event.event_type.partition('.')[0]}_id")
    return user if _is_attribute(user) else entity if _is_attribute(entity) else None


def _is_attribute(value: object) -> TypeGuard[str]:
    """Whether a value can stand as an attribute: text, not empty, and without control characters."""
    return isinstance(value, str) and value != "" and not any(_is_control(char) for char in value)


def _is_control(char: str) -> bool:
    """What the specification keeps out of a String: controls, and code points that are no characters."""
    code = ord(char)
    return code < 0x20 or 0x7F <= code <= 0x9F or 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE


def _fits(event: Event, field: str) -> bool:
    value = getattr(event, field)
    return value == "" or _is_attribute(value)


def _moved(metadata: dict[str, Any], field: str) -> str | None:
    """The value of ``field``, taken out of ``metadata`` if it can be an attribute."""
    value = metadata.get(field)
    if not _is_attribute(value) or (field == "recorded_at" and not _TIME.fullmatch(value)):
        return None
    del metadata[field]
    return value


def _sequence(metadata: dict[str, Any]) -> str | None:
    seq = metadata.get("seq")
    if type(seq) is not int or seq < 0:
        return None
    return f"{metadata.pop('seq'):0{_SEQUENCE}d}"


def _metadata(found: Mapping[str, Any]) -> dict[str, Any]:
    metadata: dict[str, Any] = {field: _text(found, name) for field, name in _FROM_METADATA.items() if name in found}
    if "sequence" in found:
        digits = _text(found, "sequence")
        if len(digits) != _SEQUENCE or not (digits.isascii() and digits.isdigit()):
            raise InvalidInput("sequence", f"must be {_SEQUENCE} digits")
        metadata["seq"] = int(digits)
    return metadata | _map(found, "tekmetadata")


def _version(found: Mapping[str, Any]) -> str:
    if "dataversion" in found:
        return _text(found, "dataversion")
    version = _VERSION.fullmatch(_text(found, "dataschema"))
    if version is None:
        raise InvalidInput("dataschema", "must end with a version such as /1.0")
    return f"{version[1]}.0"


def _text(found: Mapping[str, Any], name: str, otherwise: str | None = None) -> str:
    value = found.get(name, otherwise)
    if type(value) is not str:
        raise InvalidInput(name, "must be text")
    return value


def _after(prefix: str, found: Mapping[str, Any], name: str) -> str:
    value = _text(found, name)
    if not value.startswith(prefix):
        raise InvalidInput(name, f"must begin with {prefix!r}")
    return value.removeprefix(prefix)


def _instant(time: str) -> datetime:
    try:
        return datetime.fromisoformat(time)
    except ValueError:
        raise InvalidInput("time", "must be a time that the calendar has") from None


def _map(found: Mapping[str, Any], name: str) -> dict[str, Any]:
    try:
        value = json.loads(_text(found, name, "{}"))
    except ValueError:
        value = None
    if type(value) is not dict:
        raise InvalidInput(name, "must be a map in JSON")
    return value


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if type(value) is tuple else value
