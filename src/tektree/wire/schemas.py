"""Payloads as JSON Schemas, 2020-12: what a reader in another language may rely on.

They are open: a reader passes over fields that it does not know, because a minor version may add some. Each stands by
itself, without references, so it can be put anywhere.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind

from tektree.models.events import Event
from tektree.models.payloads.base import Kind
from tektree.wire.cloudevents import SCHEMAS, schema_uri

__all__ = ["DIALECT", "envelope_schema", "payload_schema"]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


class _Generator(GenerateJsonSchema):
    """pydantic's, silent about defaults that are no JSON: they do not concern a reader."""

    ignored_warning_kinds: set[JsonSchemaWarningKind] = {  # noqa: RUF012 - pydantic declares it so
        "skipped-choice",
        "non-serializable-default",
    }


def payload_schema(kind: Kind, schemas: str = SCHEMAS) -> dict[str, Any]:
    """The schema of the payload of ``kind``, in its current version."""
    body = _body(kind.payload.model_json_schema(schema_generator=_Generator))
    head = {"$schema": DIALECT, "$id": schema_uri(kind.event_type, kind.version, schemas), "title": kind.event_type}
    more = {"x-version": kind.version, "x-emitter": kind.by, "x-stream": kind.stream, "x-partition": kind.partition}
    return {**head, "description": body.pop("description", ""), **more, **body}


def envelope_schema() -> dict[str, Any]:
    """The schema of the ten fields that every event has."""
    body = _body(Event.model_json_schema(schema_generator=_Generator))
    del body["properties"]["id"]
    del body["description"]
    body["required"] = list(body["properties"])
    return body


def _body(found: dict[str, Any]) -> dict[str, Any]:
    definitions = found.pop("$defs", {})
    body: dict[str, Any] = _inlined(found, definitions)
    body.pop("title", None)
    return body


def _inlined(found: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(found, list):
        return [_inlined(each, definitions) for each in found]
    if not isinstance(found, dict):
        return found
    if "$ref" in found:
        named = definitions[found["$ref"].rpartition("/")[2]]
        return _inlined(named | {name: value for name, value in found.items() if name != "$ref"}, definitions)
    inlined = {
        name: {field: _untitled(_inlined(each, definitions)) for field, each in value.items()}
        if name == "properties"
        else _inlined(value, definitions)
        for name, value in found.items()
        if not (name == "additionalProperties" and value is False)
    }
    return inlined


def _untitled(schema: Any) -> Any:
    """A title that is only the name of the field again says nothing."""
    return {name: value for name, value in schema.items() if name != "title"} if isinstance(schema, dict) else schema
