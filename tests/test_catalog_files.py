"""What is written from the catalog is fresh, true and sound; and what was promised once is not broken unawares."""

import importlib.util
import json
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import date, datetime
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tektree.catalog import CATALOG, Catalog, Payload, Personal, Upcast, envelope_schema
from tektree.models.base import Count, Text, Uid, Value
from tektree.models.events import Event
from tektree.models.payloads.base import Changed, Moment
from tektree.testing import strategies

ROOT = Path(__file__).resolve().parent.parent


def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("catalog_tool", ROOT / "tools" / "catalog.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL = _tool()
LOCK: dict[str, Any] = json.loads((ROOT / TOOL.LOCK).read_text(encoding="utf-8"))
SCHEMAS: dict[str, Any] = json.loads((ROOT / TOOL.SCHEMA_FILE).read_text(encoding="utf-8"))
ASYNCAPI: dict[str, Any] = json.loads((ROOT / TOOL.ASYNCAPI).read_text(encoding="utf-8"))
PAGE = (ROOT / TOOL.PAGE).read_text(encoding="utf-8")


def test_what_was_promised_is_kept() -> None:
    assert TOOL.faults(LOCK, CATALOG) == []


@pytest.mark.parametrize("path", [TOOL.PAGE, TOOL.SCHEMA_FILE, TOOL.ASYNCAPI, TOOL.LOCK], ids=str)
def test_the_written_files_are_fresh(path: Path) -> None:
    text = TOOL.generated(ROOT)[path]
    assert (ROOT / path).read_text(encoding="utf-8") == text, f"{path} is stale: run python tools/catalog.py"


# -- the page ----------------------------------------------------------------------------------------------------------


def test_the_page_has_every_type_and_every_field() -> None:
    sections = re.split("^### ", PAGE, flags=re.MULTILINE)[1:]
    assert [section.partition("`\n")[0].strip("`") for section in sections] == [kind.event_type for kind in CATALOG]
    for section, kind in zip(sections, CATALOG, strict=True):
        assert re.findall("^\\| `(\\w+)`( ⚷)? \\|", section, re.MULTILINE) == [
            (name, " ⚷" if name in kind.personal else "") for name in kind.fields
        ]
    assert "x01" not in PAGE
    assert f"There are {len(CATALOG)} types" in PAGE


# -- the lock ----------------------------------------------------------------------------------------------------------


class Part(Value):
    """A part of the payload below."""

    size: Count


class Done(Payload, event="quiz.done", version="1.2.3", by="quiz-service", stream="quiz:{user_id}"):
    """The payload that is changed below."""

    user_id: Uid
    mode: Literal["a", "b"]
    part: Part
    changed: Changed
    email: Personal[Annotated[str, Text(320)]]
    until: Moment | None = None
    count: Count = 3


def changed(
    version: str = "1.2.3", event: str = "quiz.done", without: str = "", how: Any = None, **fields: Any
) -> Catalog:
    """A catalog with the payload above, but for some fields; a field that has a default comes as a pair."""
    hints = {
        name: each.rebuild_annotation() for name, each in Done.model_fields.items() if name not in {without, *fields}
    }
    defaults = {name: Done.model_fields[name].default for name in ("until", "count") if name in hints}
    for name, hint in fields.items():
        hints[name] = hint[0] if isinstance(hint, tuple) else hint
        if isinstance(hint, tuple):
            defaults[name] = hint[1]
    namespace = {"__module__": __name__, "__doc__": "Other prose.", "__annotations__": hints, **defaults}
    if "__firstlineno__" in vars(Done):  # from Python 3.13 on, where a class finds its source
        namespace["__firstlineno__"] = vars(Done)["__firstlineno__"]
    declared = {"event": event, "version": version, "by": "quiz-service", "stream": "quiz:{user_id}"} | (how or {})
    return Catalog([type("Done", (Payload,), namespace, **declared)])


LOCKED = TOOL.locked({}, Catalog([Done]))


def test_prose_may_change() -> None:
    assert TOOL.faults(LOCKED, changed()) == []
    assert TOOL.faults(LOCKED, changed("1.2.9")) == []
    assert TOOL.locked(LOCKED, changed()) == LOCKED


class Larger(Value):
    """The part, with a field more."""

    size: Count
    colour: str = ""


class Renamed(Value):
    """The part, with another field."""

    weight: Count


@pytest.mark.parametrize(
    ("how", "complaint"),
    [
        ({"without": "mode"}, "mode is gone; this needs version 2.0.0 and an upcast"),
        ({"without": "until"}, "until is gone; this needs version 2.0.0"),
        ({"modes": Literal["a", "b"], "without": "mode"}, "mode is gone"),
        ({"more": str}, "more is new and required; this needs version 2.0.0"),
        ({"mode": Literal["a", "b", "c"]}, 'mode.enum was ["a", "b"] and is ["a", "b", "c"]'),
        ({"mode": Literal["a", "c"]}, 'mode.enum[1] was "b" and is "c"'),
        ({"count": (str, "")}, 'count.type was "integer" and is "string"'),
        ({"count": (Count, 4)}, "count.default was 3 and is 4"),
        ({"count": Count}, "count is required now"),
        ({"user_id": str}, "user_id.pattern is gone"),
        ({"until": Moment | None}, "until is required now"),
        ({"mode": (Literal["a", "b"], "a")}, "mode is required no more"),
        ({"mode": Literal["a", "b"] | None}, "mode.anyOf is new"),
        ({"email": Annotated[str, Text(320)] | None, "how": {}}, "personal"),
        ({"part": Renamed}, "part.size is gone"),
        ({"part": tuple[Part, ...]}, "part."),
        ({"how": {"stream": None}}, 'stream was "quiz:{user_id}" and is null'),
        ({"how": {"by": "user-service"}}, 'by was "quiz-service" and is "user-service"'),
        ({"event": "quiz.ended"}, "quiz.done is gone: a type is for ever"),
        ({"version": "1.2.2"}, "is older than 1.2.3"),
        ({"version": "1.1.0"}, "is older than 1.2.3"),
        ({"more": (str, "")}, "more is new; this needs version 1.3.0"),
        ({"more": (str, ""), "version": "1.2.4"}, "more is new; this needs version 1.3.0"),
        ({"part": Larger}, "part.colour is new; this needs version 1.3.0"),
        ({"without": "mode", "version": "1.3.0"}, "mode is gone; this needs version 2.0.0 and an upcast"),
    ],
)
def test_a_planted_change_is_caught(how: dict[str, Any], complaint: str) -> None:
    if complaint == "personal":
        planted = deepcopy(LOCKED)
        del planted["quiz.done"]["1.2.3"]["payload"]["properties"]["email"]["x-personal"]
        found = TOOL.faults(planted, changed())
    else:
        found = TOOL.faults(LOCKED, changed(**how))
    assert any(complaint in fault for fault in found), found


def _up(payload: dict[str, Any]) -> dict[str, Any]:
    return payload


@pytest.mark.parametrize(
    "how",
    [
        {"more": (str, ""), "version": "1.3.0"},
        {"more": (str | None, None), "part": Larger, "version": "1.3.0"},
        {"without": "mode", "count": str, "version": "2.0.0", "how": {"upcasts": {1: Upcast(_up)}}},
        {"event": "quiz.ended", "how": {"aliases": ("quiz.done",)}},
    ],
)
def test_a_change_that_is_declared_passes_and_is_locked_in_turn(how: dict[str, Any]) -> None:
    catalog = changed(**how)
    assert TOOL.faults(LOCKED, catalog) == []
    following = TOOL.locked(LOCKED, catalog)
    assert following["quiz.done"]["1.2.3"] == LOCKED["quiz.done"]["1.2.3"], "what was promised stays written"
    [kind] = catalog
    assert following[kind.event_type][kind.version] == TOOL.promise(kind)
    assert TOOL.faults(following, catalog) == []


def test_versions_are_ordered_by_number() -> None:
    lock = TOOL.locked(LOCKED, changed("1.10.0"))
    assert list(lock["quiz.done"]) == ["1.2.3", "1.10.0"]
    assert "is older than 1.10.0" in TOOL.faults(lock, changed("1.9.0"))[0]


def test_the_tool_refuses_to_write_over_a_promise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (TOOL.PAGE, TOOL.LOCK):
        (tmp_path / path).parent.mkdir(parents=True)
    monkeypatch.setattr(TOOL, "ROOT", tmp_path)
    assert TOOL.main(["--check"]) == 1
    assert "events.md is stale" in capsys.readouterr().err
    assert TOOL.main([]) == TOOL.main(["--check"]) == 0
    lock = json.loads((tmp_path / TOOL.LOCK).read_text(encoding="utf-8"))
    lock["level.up"]["1.0.0"]["payload"]["properties"]["mood"] = {"type": "string"}
    (tmp_path / TOOL.LOCK).write_text(json.dumps(lock), encoding="utf-8")
    for arguments in ([], ["--check"]):
        assert TOOL.main(arguments) == 1
        assert "level.up 1.0.0: payload.mood is gone; this needs version 2.0.0" in capsys.readouterr().err
    assert json.loads((tmp_path / TOOL.LOCK).read_text(encoding="utf-8")) == lock


def test_schemas_of_earlier_versions_stay() -> None:
    earlier = TOOL.schemas(Catalog([Done]), LOCKED, {})
    catalog = changed("1.3.0", more=(str, ""))
    lock = TOOL.locked(LOCKED, catalog)
    both = TOOL.schemas(catalog, lock, earlier)
    assert list(both["$defs"]) == ["envelope", "quiz.done/1.2", "quiz.done/1.3"]
    assert both["$defs"]["quiz.done/1.2"] == earlier["$defs"]["quiz.done/1.2"]
    assert list(TOOL.schemas(catalog, TOOL.locked({}, catalog), earlier)["$defs"]) == ["envelope", "quiz.done/1.3"]


# -- schemas -----------------------------------------------------------------------------------------------------------


KINDS: dict[str, Any] = {
    "string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None), "array": list,
    "object": dict,
}  # fmt: skip
PROSE = {"title", "description", "default", "$schema", "$id"}


def is_a(kind: str, value: Any) -> bool:
    return isinstance(value, KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool))


def is_time(form: str, text: str) -> bool:
    try:
        (datetime if form == "date-time" else date).fromisoformat(text)
    except ValueError:
        return False
    return True


LIMITS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "pattern": ("string", lambda said, text: re.search(said, text) is not None),
    "format": ("string", is_time),
    "minLength": ("string", lambda said, text: len(text) >= said),
    "maxLength": ("string", lambda said, text: len(text) <= said),
    "minimum": ("number", lambda said, number: number >= said),
    "maximum": ("number", lambda said, number: number <= said),
    "minItems": ("array", lambda said, items: len(items) >= said),
    "maxItems": ("array", lambda said, items: len(items) <= said),
    "required": ("object", lambda said, found: set(said) <= set(found)),
}
"""Words of the specification, and the kind of value that each speaks of."""


def inside(schema: dict[str, Any], value: Any) -> Iterator[tuple[Any, Any]]:
    """The parts of a value, each with its own schema."""
    if isinstance(value, list):
        yield from [(schema.get("items", {}), each) for each in value]
    if isinstance(value, dict):
        yield from [(each, value[name]) for name, each in schema.get("properties", {}).items() if name in value]
        yield from [(schema.get("propertyNames", {}), name) for name in value]
        for pattern, each in schema.get("patternProperties", {}).items():
            yield from [(each, value[name]) for name in value if re.search(pattern, name)]


def sound(schema: dict[str, Any], value: Any) -> bool:
    """Whether ``value`` is what a JSON Schema says, for the words that ours use."""
    for word, said in schema.items():
        if word in LIMITS:
            kind, holds = LIMITS[word]
            if is_a(kind, value) and not holds(said, value):
                return False
        elif word == "type":
            if not is_a(said, value):
                return False
        elif word == "anyOf":
            if not any(sound(option, value) for option in said):
                return False
        elif word in {"enum", "const"}:
            if not any(value == each and type(value) is type(each) for each in (said if word == "enum" else [said])):
                return False
        else:
            assert (
                word in PROSE | {"items", "properties", "propertyNames", "patternProperties"}
                or word[:2] == "x-"
                or (word == "additionalProperties" and said is True)
            ), word
    return all(sound(*pair) for pair in inside(schema, value))


@settings(max_examples=400)
@given(strategies.events())
def test_what_is_told_is_what_the_schemas_say(event: Event) -> None:
    whole = json.loads(event.model_dump_json())
    del whole["id"]
    assert sound(SCHEMAS["$defs"][f"{event.event_type}/1.0"], whole["payload"])
    assert sound(SCHEMAS["$defs"]["envelope"], whole)
    assert set(whole) == set(envelope_schema()["properties"])
    assert len(whole) == 10


@given(strategies.events(), st.data())
def test_the_schemas_catch_what_is_not_told_so(event: Event, data: st.DataObject) -> None:
    """Positive control: a required field that is missing, and one of another type."""
    kind, schema = CATALOG.kind(event.event_type), SCHEMAS["$defs"][f"{event.event_type}/1.0"]
    payload = json.loads(event.model_dump_json())["payload"]
    name = data.draw(st.sampled_from([name for name, field in kind.fields.items() if field.is_required()]))
    assert not sound(schema, {field: value for field, value in payload.items() if field != name})
    assert not sound(schema, {**payload, name: [{"$": 1}]})
    assert not sound(SCHEMAS["$defs"]["envelope"], {"event_type": event.event_type})


def test_every_schema_stands_by_itself_under_its_own_name() -> None:
    assert SCHEMAS["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    payloads = {name: schema for name, schema in SCHEMAS["$defs"].items() if name != "envelope"}
    assert set(payloads) >= {f"{kind.event_type}/1.0" for kind in CATALOG}
    for name, schema in payloads.items():
        assert schema["$id"] == f"{SCHEMAS['$id']}/{name}"
        assert schema["$schema"] == SCHEMAS["$schema"]
        assert schema["description"]
    assert "$ref" not in json.dumps(SCHEMAS)
    personal = {
        (name, field)
        for name, schema in payloads.items()
        for field, each in schema["properties"].items()
        if each.get("x-personal")
    }
    assert personal == {(f"{kind.event_type}/1.0", field) for kind in CATALOG for field in kind.personal}


# -- AsyncAPI ----------------------------------------------------------------------------------------------------------


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def resolved(reference: str) -> Any:
    found: Any = ASYNCAPI
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def test_the_asyncapi_document_has_every_type_once() -> None:
    assert ASYNCAPI["asyncapi"] == "3.0.0"
    assert set(ASYNCAPI) <= {"asyncapi", "info", "defaultContentType", "channels", "operations", "components"}
    assert {"title", "version"} <= set(ASYNCAPI["info"])
    sent = [name for channel in ASYNCAPI["channels"].values() for name in channel["messages"]]
    assert sorted(sent) == sorted([kind.event_type for kind in CATALOG])
    assert set(ASYNCAPI["components"]["messages"]) == set(sent)
    for name in [*ASYNCAPI["components"]["messages"], *ASYNCAPI["components"]["schemas"]]:
        assert re.fullmatch(r"[\w.\-]+", name)
    for kind in CATALOG:
        assert kind.event_type in ASYNCAPI["channels"][kind.by]["messages"]
        message = ASYNCAPI["components"]["messages"][kind.event_type]
        said = message["payload"]["allOf"][1]["properties"]
        assert said["event_type"]["const"] == kind.event_type
        assert set(resolved(said["payload"]["$ref"])["properties"]) == set(kind.fields)
    channels = {operation["channel"]["$ref"] for operation in ASYNCAPI["operations"].values()}
    assert channels == {f"#/channels/{name}" for name in ASYNCAPI["channels"]}


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    found = list(references(ASYNCAPI))
    assert len(found) > 3 * len(CATALOG)
    for reference in found:
        assert resolved(reference)
