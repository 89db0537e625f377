"""Writes what follows from the catalog of events: ``python tools/catalog.py``. ``--check`` only says if it is true.

- ``docs/reference/events.md``: every type with its fields;
- ``docs/reference/events.schemas.json``: JSON Schemas of the payloads, also of versions that are told no more;
- ``docs/reference/asyncapi.json``: the same as an AsyncAPI 3 document;
- ``tests/data/events.lock.json``: what each version promised. A change that breaks it is refused, and nothing is
  written: a new optional field needs a minor version, anything else a major one and an upcast. A version that was never
  released can be taken back by deleting it from the lock.
"""

import argparse
import ast
import inspect
import json
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import tektree
from tektree.models.payloads.base import Kind, Payload
from tektree.rules.catalog import CATALOG, Catalog
from tektree.wire.cloudevents import SCHEMAS, schema_uri
from tektree.wire.schemas import DIALECT, envelope_schema, payload_schema

ROOT = Path(__file__).resolve().parent.parent
PAGE = Path("docs/reference/events.md")
SCHEMA_FILE = Path("docs/reference/events.schemas.json")
ASYNCAPI = Path("docs/reference/asyncapi.json")
LOCK = Path("tests/data/events.lock.json")

Json = dict[str, Any]


# -- the lock ----------------------------------------------------------------------------------------------------------


class Difference(NamedTuple):
    """One way in which a payload is not what it was."""

    breaks: bool
    said: str


def promise(kind: Kind) -> Json:
    """What the current version of a type promises to its readers: all of its schema but the prose."""
    schema = payload_schema(kind)
    body = {name: value for name, value in schema.items() if name[0] != "$" and not name.startswith("x-")}
    return {"by": kind.by, "stream": kind.stream, "payload": _without_prose(body)}


def _without_prose(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_prose(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: {field: _without_prose(each) for field, each in value.items()}
        if name == "properties"
        else _without_prose(value)
        for name, value in schema.items()
        if name not in {"title", "description"}
    }


def differences(old: Any, new: Any, where: str = "") -> Iterator[Difference]:
    """How a promise changed."""
    if old == new:
        return
    if not (isinstance(old, dict) and isinstance(new, dict)):
        if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
            for at, pair in enumerate(zip(old, new, strict=True)):
                yield from differences(*pair, f"{where}[{at}]")
            return
        yield Difference(True, f"{where or 'it'} was {json.dumps(old)} and is {json.dumps(new)}")
        return
    if "properties" in old and "properties" in new:
        yield from _fields(old, new, where)
        old, new = [
            {name: each[name] for name in each if name not in {"properties", "required"}} for each in (old, new)
        ]
    for name in sorted({*old, *new}):
        inner = f"{where}.{name}".lstrip(".")
        if name in old and name in new:
            yield from differences(old[name], new[name], inner)
        else:
            yield Difference(True, f"{inner} is {'new' if name in new else 'gone'}")


def _fields(old: Json, new: Json, where: str) -> Iterator[Difference]:
    before, after = set(old.get("required", ())), set(new.get("required", ()))
    for name in sorted({*old["properties"], *new["properties"]}):
        inner = f"{where}.{name}".lstrip(".")
        if name not in new["properties"]:
            yield Difference(True, f"{inner} is gone")
        elif name not in old["properties"]:
            yield Difference(name in after, f"{inner} is new{' and required' if name in after else ''}")
        else:
            if (name in before) is not (name in after):
                yield Difference(True, f"{inner} is {'required now' if name in after else 'required no more'}")
            yield from differences(old["properties"][name], new["properties"][name], inner)


def numbers(version: str) -> tuple[int, ...]:
    """A version in its order."""
    return tuple([int(number) for number in version.split(".")])


def faults(lock: Mapping[str, Mapping[str, Json]], catalog: Catalog) -> list[str]:
    """Where the catalog breaks what the lock says was promised, and what would make it right."""
    found = []
    for event_type, versions in lock.items():
        if event_type not in catalog:
            found.append(f"{event_type} is gone: a type is for ever; keep it, or make it an alias of its new name")
            continue
        kind = catalog.kind(event_type)
        if event_type == kind.event_type or kind.event_type not in lock:
            newest = max(versions, key=numbers)
            found += [f"{event_type} {kind.version}: {fault}" for fault in _steps(newest, versions[newest], kind)]
    return found


def _steps(version: str, promised: Json, kind: Kind) -> Iterator[str]:
    old, new = numbers(version), numbers(kind.version)
    if new < old:
        yield f"is older than {version}, which was locked"
    if new[0] != old[0]:
        return  # the catalog itself asks for the upcasts
    for difference in differences(promised, promise(kind)):
        if difference.breaks:
            yield f"{difference.said}; this needs version {old[0] + 1}.0.0 and an upcast"
        elif new[:2] == old[:2]:
            yield f"{difference.said}; this needs version {old[0]}.{old[1] + 1}.0"


def locked(lock: Mapping[str, Mapping[str, Json]], catalog: Catalog) -> Json:
    """The lock with the current versions in it."""
    found = {event_type: dict(versions) for event_type, versions in lock.items()}
    for kind in catalog:
        found.setdefault(kind.event_type, {}).setdefault(kind.version, promise(kind))
    return {name: dict(sorted(found[name].items(), key=lambda item: numbers(item[0]))) for name in sorted(found)}


# -- schemas -----------------------------------------------------------------------------------------------------------


def schemas(catalog: Catalog, lock: Mapping[str, Mapping[str, Json]], earlier: Json) -> Json:
    """All payloads, by ``type/major.minor``. Of versions that are told no more, what ``earlier`` had is kept."""
    past = {
        name: schema
        for name, schema in earlier.get("$defs", {}).items()
        if any(schema_uri(kind, version) == schema.get("$id") for kind in lock for version in lock[kind])
    }
    now = {schema_uri(kind.event_type, kind.version, "")[1:]: _described(kind) for kind in catalog}
    return {
        "$schema": DIALECT,
        "$id": SCHEMAS,
        "title": "Events of tektree",
        "description": "The payload of each event type, by type and version. Readers pass over fields not named here.",
        "$defs": {"envelope": envelope_schema(), **dict(sorted({**past, **now}.items()))},
    }


def _described(kind: Kind) -> Json:
    """The schema with what the source says below each field."""
    schema = payload_schema(kind)
    for name, said in _notes(kind.payload).items():
        if name in schema["properties"]:
            schema["properties"][name] = {"description": said, **schema["properties"][name]}
    return schema


def _notes(payload: type[Payload]) -> dict[str, str]:
    """The texts below the fields of a class and of those that it inherits from."""
    found = {}
    for base in reversed(payload.__mro__):
        if not (issubclass(base, Payload) and base is not Payload):
            continue
        [tree] = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(tree, ast.ClassDef)
        for field, text in zip(tree.body, tree.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
                found[field.target.id] = inspect.cleandoc(ast.literal_eval(text.value))
    return found


def asyncapi(catalog: Catalog) -> Json:
    """The catalog as an AsyncAPI document: a channel for each service, a message for each type."""
    services = list(dict.fromkeys([kind.by for kind in catalog]))
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Events of tektree",
            "version": tektree.__version__,
            "description": "What happened, told once by the service that did it, in an envelope of ten fields.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "channels": {
            service: {
                "address": None,
                "title": service,
                "description": "Where it leads is for the host to say.",
                "messages": {
                    kind.event_type: {"$ref": f"#/components/messages/{kind.event_type}"}
                    for kind in catalog
                    if kind.by == service
                },
            }
            for service in services
        },
        "operations": {
            f"tell-{service}": {"action": "send", "channel": {"$ref": f"#/channels/{service}"}} for service in services
        },
        "components": {
            "messages": {kind.event_type: _message(kind) for kind in catalog},
            "schemas": {
                "envelope": envelope_schema(),
                **{
                    kind.event_type: {name: each for name, each in _described(kind).items() if name[0] != "$"}
                    for kind in catalog
                },
            },
        },
    }


def _message(kind: Kind) -> Json:
    said = {
        "event_type": {"const": kind.event_type},
        "event_version": {"type": "string", "pattern": rf"^{kind.major}\."},
        "source_service": {"const": kind.by},
        "payload": {"$ref": f"#/components/schemas/{kind.event_type}"},
    }
    return {
        "name": kind.event_type,
        "title": kind.event_type,
        "summary": inspect.cleandoc(kind.payload.__doc__ or ""),
        "contentType": "application/json",
        "correlationId": {"location": "$message.payload#/correlation_id"},
        "payload": {"allOf": [{"$ref": "#/components/schemas/envelope"}, {"type": "object", "properties": said}]},
    }


# -- the page ----------------------------------------------------------------------------------------------------------

_HEAD = '''# Events

<!-- Written by tools/catalog.py from the declarations in src/tektree/models/payloads/. -->

Whatever happens is told as an event: ten fields around a payload. `event_type` says what happened, `event_version` in
which version its payload is written, `source_service` who tells it. `payload.user_id`, where there is one, is whom it
is about, and what events are partitioned by; `metadata.user_id` is who did it. Events of one `metadata.stream` carry
`metadata.seq`: 1, 2, 3 … without gaps.

There are {count} types. Each is declared once, as the class of its payload:

```python
from datetime import UTC, datetime

from tektree.catalog import CATALOG, Payload
from tektree.models.payloads import StreakFrozen

frozen = StreakFrozen(user_id="usr_ada", day="2025-12-16", freezes_used=1, freezes_left=0)
event = CATALOG.event(frozen, "676000000000000000000007", datetime(2025, 12, 17, tzinfo=UTC))
assert (event.event_type, event.event_version) == ("streak.frozen", "1.0.0")
assert event.metadata["stream"] == "user:usr_ada:xp"
assert CATALOG.decode(event) == frozen
```

A host declares its own in the same way, and gets a catalog that has them too:

```python
class QuizPassed(Payload, event="quiz.passed", by="quiz-service", stream="quiz:{{quiz_id}}"):
    """Somebody passed a quiz."""

    user_id: str
    quiz_id: str
    score: int


assert "quiz.passed" in CATALOG.register(QuizPassed)
```

## What holds for all of them

- **Fields.** One that is required always stands there, null if need be. One that is not is left out at its default.
  Times are ISO 8601 in UTC; ids of documents are 24 hex digits; users go by their uid.
- **Versions.** A patch changes words, a minor version adds fields that may be left out, a major one anything else.
  Readers pass over fields that they do not know and so read any minor version of a major one that they know. Older
  major versions are brought forward by upcasts; a newer one is an `UnknownVersion`.
- **Personal data** stands in fields marked ⚷ and nowhere else. They may always be null: an erasure overwrites them,
  and `CATALOG.without_personal(event)` is what may leave the house. No `repr` of a payload shows them.
- **Size.** A payload is at most 16 KiB of JSON, metadata 2 KiB. Long texts are told of by the id of what holds them.

The same as data: [JSON Schemas](events.schemas.json) by type and version, and an [AsyncAPI document](asyncapi.json).

## CloudEvents

`tektree.catalog.to_cloudevent` gives an event as CloudEvents 1.0 in JSON, and `from_cloudevent` reads it back without
loss.

| attribute | is |
|---|---|
| `id`, `source`, `type`, `time` | `event_id`, `/` and `source_service`, `com.tektree.` and `event_type`, `timestamp` |
| `subject` | `payload.user_id`, or the id of the entity |
| `dataschema`, `dataversion` | `{schemas}/<event_type>/<major>.<minor>`, `event_version` |
| `correlationid`, `traceid`, `producerid` | the fields of the envelope |
| `causationid`, `traceparent`, `tracestate`, `recordedtime` | the fields of `metadata` |
| `sequence`, `partitionkey` | `metadata.seq` in 20 digits, `payload.user_id` |
| `authid`, `authtype` | who did it: `metadata.user_id`, `app_user` |
| `tekmetadata`, `tekenvelope` | JSON of what no attribute can hold |
| `documentid` | the id of the document, where it is not that of the event |
| `data` | the payload |
'''


def page(catalog: Catalog) -> str:
    """The reference as Markdown."""
    lines = [_HEAD.format(count=len(catalog), schemas=SCHEMAS)]
    for service in dict.fromkeys([kind.by for kind in catalog]):
        kinds = [kind for kind in catalog if kind.by == service]
        lines.append(f"## {service}\n")
        for kind in kinds:
            lines += _section(kind)
    return "\n".join(lines).rstrip() + "\n"


def _section(kind: Kind) -> Iterator[str]:
    yield f"### `{kind.event_type}`\n"
    yield " ".join(inspect.cleandoc(kind.payload.__doc__ or "").replace("``", "`").split()) + "\n"
    placed = f"Stream `{kind.stream}`" if kind.stream else "It stands alone"
    apart = f"partitioned by `{kind.partition}`" if kind.partition else "not partitioned"
    formerly = f" Formerly {', '.join([f'`{name}`' for name in kind.aliases])}." if kind.aliases else ""
    yield f"`{kind.payload.__name__}`, version {kind.version}. {placed}, {apart}.{formerly}\n"
    schema = _described(kind)
    required = schema.get("required", ())
    yield "| field | is | |\n|---|---|---|"
    for name, field in schema["properties"].items():
        mark = " ⚷" if name in kind.personal else ""
        note = " ".join(field.get("description", "").replace("``", "`").split())
        optional = "" if name in required else ", may be left out"
        yield f"| `{name}`{mark} | {_words(field)}{optional} | {note} |".replace("|  |", "| |")
    yield ""


def _words(schema: Json) -> str:
    """A schema in a few words."""
    if "anyOf" in schema:
        return " or ".join([_words(option) for option in schema["anyOf"]])
    if "enum" in schema or "const" in schema:
        return ", ".join([f"`{json.dumps(each)}`" for each in schema.get("enum", [schema.get("const")])])
    kind = schema.get("type")
    if kind == "array":
        return f"list of {_words(schema['items'])}"
    if kind == "object":
        inner = schema.get("properties")
        if inner:
            return "{" + ", ".join([f"{name}: {_words(each)}" for name, each in inner.items()]) + "}"
        values = [*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")]
        return f"map to {_words(values[0])}" if isinstance(values[0], dict) else "map"
    if kind in {"integer", "number"}:
        least = schema.get("minimum")
        said = "whole number" if kind == "integer" else "number"
        return f"{said} from {least:g}" if least in {0, 1} else said
    words = {"string": "text", "boolean": "true or false", "null": "null", None: "any JSON"}
    return {"date-time": "time", "date": "date"}.get(schema.get("format", ""), words[kind])


# -- writing -----------------------------------------------------------------------------------------------------------


def _read(path: Path) -> Json:
    found: Json = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def _dumped(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


def generated(root: Path, catalog: Catalog = CATALOG) -> dict[Path, str]:
    """What the files should say, by their paths below ``root``."""
    lock = locked(_read(root / LOCK), catalog)
    return {
        PAGE: page(catalog),
        SCHEMA_FILE: _dumped(schemas(catalog, lock, _read(root / SCHEMA_FILE))),
        ASYNCAPI: _dumped(asyncapi(catalog)),
        LOCK: _dumped(lock),
    }


def stale(root: Path, files: Mapping[Path, str]) -> list[Path]:
    """Those of ``files`` that say something else."""
    return [
        path
        for path, text in files.items()
        if not (root / path).exists() or (root / path).read_text(encoding="utf-8") != text
    ]


def _tell(lines: Iterable[str]) -> int:
    for line in lines:
        sys.stderr.write(f"{line}\n")
    return 1


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when all is well, 1 when something is stale or broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if something would change")
    check = parser.parse_args(arguments).check
    broken = faults(_read(ROOT / LOCK), CATALOG)
    if broken:
        return _tell(broken)
    files = generated(ROOT)
    old = stale(ROOT, files)
    if check:
        return _tell([f"{path} is stale: run python tools/catalog.py" for path in old]) if old else 0
    for path in old:
        (ROOT / path).write_text(files[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
