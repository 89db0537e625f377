"""How each type crosses between model and document: found out once from its annotations, then compiled.

Every field has a `Kind`. A `Codec` is made of them twice: `read_carefully` goes field by field and says what is wrong,
and two functions whose source is put together here do the same for plain documents, several times as fast: the reader
returns None, or fails, for whatever is not exactly as we would write it, and then the other one decides. What they are
made of is the names and types of our own models, never data; ``Codec.source`` shows it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache
from math import isfinite
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Final,
    Generic,
    Literal,
    Protocol,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import ConfigDict, SecretStr, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from tektree.errors import ConfigurationError
from tektree.ids import is_hex_id
from tektree.models.accounts import User
from tektree.models.answers import Answer, CodeSnippet
from tektree.models.areas import Area
from tektree.models.base import INT53, Frozen, StoredAs, Text, Unfinished, Value, first_fault
from tektree.models.events import Delivery, Event
from tektree.models.gamification import Folded, GamificationProfile, Streak, XPTransaction
from tektree.models.insights import Insight
from tektree.models.questions import Question
from tektree.models.subscriptions import Subscription
from tektree.wire import collections
from tektree.wire.collections import FIELDS

__all__ = ["NOT_PLAIN", "READERS", "Codec", "Fault", "codec_of", "collection_of"]

M = TypeVar("M", bound=Value)

HIDDEN: Final = frozenset({"_outbox", "_relay"})
"""What the backend keeps on a document for itself."""

NOT_PLAIN: Final = (AttributeError, KeyError, TypeError, ValueError, OverflowError)
"""How the compiled functions stumble over what they were not made for."""

COLLECTIONS: Final[Mapping[type[Value], str]] = {
    User: collections.USERS,
    Area: collections.AREAS,
    Question: collections.QUESTIONS,
    Answer: collections.ANSWERS,
    Insight: collections.INSIGHTS,
    GamificationProfile: collections.GAMIFICATION_PROFILES,
    XPTransaction: collections.XP_TRANSACTIONS,
    Subscription: collections.SUBSCRIPTIONS,
    Event: collections.EVENTS,
    Delivery: collections.DELIVERIES,
}

_WITHIN: Final[Mapping[type[Value], tuple[str, ...]]] = {
    Streak: ("current", "longest", "last_activity_at", "freezes_available"),
    CodeSnippet: ("language", "code"),
    Folded: tuple([key for key in FIELDS[collections.GAMIFICATION_PROFILES] if key in Folded.model_fields]),
}
"""The data model's fields of what stands inside a document."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - what the driver gives is naive, and means UTC
_MILLISECOND: Final = timedelta(milliseconds=1)


class Fault(ValueError):
    """What is wrong with a document: the path of the field, and the reason. Never the value."""

    def __init__(self, reason: str, *path: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.steps = path

    @property
    def path(self) -> str:
        """``streak.current``, in the document's own names."""
        return ".".join(self.steps)

    def under(self, step: object) -> "Fault":
        """The same, seen from one level further up."""
        return Fault(self.reason, str(step)[:64].encode("ascii", "backslashreplace").decode(), *self.steps)


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of value is read from a document and written to it.

    ``read`` takes any value and raises `Fault`. The templates are for the compiled functions: a plain value, ``{x}``,
    is of the type ``of``, meets ``test``, and becomes ``take``, or a tuple of what ``each`` of its items becomes; on
    the way out it becomes ``give``. ``{read}``, ``{write}`` and ``{values}`` stand for this kind's functions and set.
    """

    read: Callable[[Any], Any]
    write: Callable[[Any], Any] | None = None
    of: str = ""
    test: str = ""
    take: str = "{read}({x})"
    each: str = ""
    give: str = "{x}"
    values: frozenset[str] = frozenset()


def collection_of(model: type[Value]) -> str:
    """The collection that ``model`` is kept in; the name of the type for what is only a part of a document."""
    return COLLECTIONS.get(model, model.__name__)


# -- what the driver brings ------------------------------------------------------------------------------------------


@cache
def _object_id() -> Any:
    """The driver's ObjectId. It is asked for when the first document is: a host in memory has no driver."""
    try:
        from bson import ObjectId
    except ImportError:
        raise ConfigurationError("mongo", 'documents need the driver: pip install "tektree[mongo]"') from None
    return ObjectId


def _read_object_id(value: Any) -> str:
    if isinstance(value, _object_id()):
        return str(value)
    raise Fault("must be an ObjectId")


def _write_object_id(digits: str) -> Any:
    return _object_id()(bytes.fromhex(digits))


# -- kinds of values -------------------------------------------------------------------------------------------------


def _of_type(expected: type, words: str) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if type(value) is expected:
            return value
        raise Fault(words)

    return read


_TEXT: Final = Kind(_of_type(str, "must be text"), of="str", take="{x}")
_BOOL: Final = Kind(_of_type(bool, "must be true or false"), of="bool", take="{x}")


def _read_instant(value: Any) -> datetime:
    if not isinstance(value, datetime):
        raise Fault("must be a date")
    try:
        since = value - (_NAIVE_EPOCH if value.utcoffset() is None else _EPOCH)
        return _EPOCH + (since - since % _MILLISECOND)
    except OverflowError:
        raise Fault("is out of range") from None


_INSTANT: Final = Kind(_read_instant, test="not {x}.microsecond % 1000", take="_EPOCH + ({x} - _NAIVE_EPOCH)")
# (datetime.replace(tzinfo=UTC) takes eight times as long)


def _integer(least: int, most: int) -> Kind:
    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise Fault("must be a whole number")
        if not least <= value <= most:
            raise Fault(f"must be from {least} to {most}")
        return int(value)  # the driver's Int64 is an int of its own

    return Kind(read, of="int", test=f"{least} <= {{x}} <= {most}", take="{x}")


_INT64: Final = _integer(-(2**63), 2**63 - 1)
_COUNT: Final = replace(_integer(0, INT53), test="")
"""The counts of a document are tested all at once: what is or-ed together is small and positive if each of them is."""


def _object_id_kind() -> Kind:
    ObjectId = _object_id()  # noqa: N806 - it is a class
    # Its only slot: to read the digits by way of its methods would cost half as much again.
    take = "{x}._ObjectId__id.hex()" if hasattr(ObjectId, "_ObjectId__id") else "{read}({x})"
    from_hex = bytes.fromhex
    return Kind(_read_object_id, lambda digits: ObjectId(from_hex(digits)), take=take, give="{write}({x})")


def _read_entity_id(value: Any) -> str:
    return str(value) if isinstance(value, _object_id()) else str(_TEXT.read(value))


def _write_entity_id(value: str) -> Any:
    return _write_object_id(value) if is_hex_id(value) else value


_ENTITY_ID: Final = Kind(_read_entity_id, _write_entity_id, give="{write}({x})")


def _choice(options: tuple[str, ...]) -> Kind:
    values = frozenset(options)

    def read(value: Any) -> str:
        if type(value) is str and value in values:
            return value
        raise Fault(f"must be one of {', '.join(options)}")

    return Kind(read, test="{x} in {values}", take="{x}", values=values)


def _enumeration(members: type[Enum]) -> Kind:
    named = {str(member.value): member for member in members}

    def read(value: Any) -> Enum:
        member = named.get(value) if type(value) is str else None
        if member is None:
            raise Fault(f"must be one of {', '.join(named)}")
        return member

    return Kind(read, give="{x}.value")


def _secret(kept_as: type[SecretStr]) -> Kind:
    return Kind(lambda value: kept_as(_TEXT.read(value)), give="{x}.get_secret_value()")


def _checked(hint: Any) -> Kind:
    """Text with a form of its own: pydantic knows it."""
    validate = TypeAdapter(hint, config=ConfigDict(strict=True)).validator.validate_python

    def read(value: Any) -> Any:
        try:
            return validate(value)
        except ValidationError as error:
            raise Fault(first_fault(error).reason) from None

    return Kind(read)


def _read_json(value: Any) -> Frozen[str, Any]:
    if not isinstance(value, Mapping):
        raise Fault("must be a document")
    frozen: Frozen[str, Any] = _read_any(value, 16)
    return frozen


def _read_any(value: Any, depth: int) -> Any:
    """A frozen copy of what a document holds, with the driver's own numbers and maps as Python's."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if isinstance(value, int):
        return _INT64.read(value)
    if kind is float and isfinite(value):
        return value
    if depth == 0:
        raise Fault("is nested too deeply")
    if isinstance(value, Mapping):
        return Frozen([(key, _read_any(item, depth - 1)) for key, item in value.items()])
    if kind is list or kind is tuple:
        return tuple([_read_any(item, depth - 1) for item in value])
    raise Fault(f"holds a {kind.__name__}, which is not JSON")


def _thaw(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _thaw(item) for key, item in value.items()}
    return [_thaw(item) for item in value] if type(value) is tuple else value


_JSON: Final = Kind(_read_json, _thaw, give="{write}({x})")


def _optional(kind: Kind) -> Kind:
    condition = " and ".join([f"type({{x}}) is {kind.of}"] * bool(kind.of) + [kind.test] * bool(kind.test))
    return replace(
        kind,
        read=lambda value: None if value is None else kind.read(value),
        of="",
        test=f"({{x}} is None or {condition})" if condition else "",
        take=kind.take if kind.take == "{x}" else f"None if {{x}} is None else {kind.take}",
        give=kind.give if kind.give == "{x}" else f"None if {{x}} is None else {kind.give}",
    )


def _sequence(kind: Kind) -> Kind:
    def read(value: Any) -> tuple[Any, ...]:
        if type(value) not in (list, tuple):
            raise Fault("must be a list")
        return tuple([_item(kind, step, item) for step, item in enumerate(value)])

    whole = replace(kind, read=read, of="list", test="", take="{read}({x})")
    if kind.give == "{x}":
        whole = replace(whole, give="[*{x}]")
    else:
        whole = replace(whole, give=f"[{kind.give.replace('{x}', 'item')} for item in {{x}}]")
    if kind is _TEXT:  # join looks at the type of each
        return replace(whole, test="_join({x}) is not None", take="tuple({x})")
    return whole if kind.of or kind.test or "{read}" in kind.take else replace(whole, each=kind.take)


def _item(kind: Kind, step: object, value: Any) -> Any:
    try:
        return kind.read(value)
    except Fault as fault:
        raise fault.under(step) from None


def _mapping(kind: Kind) -> Kind:
    def read(value: Any) -> Frozen[str, Any]:
        if not isinstance(value, Mapping):
            raise Fault("must be a document")
        return Frozen([(_TEXT.read(key), _item(kind, key, item)) for key, item in value.items()])

    def write(value: Mapping[str, Any]) -> dict[str, Any]:
        return {key: kind.write(item) if kind.write else item for key, item in value.items()}

    return Kind(read, write, give="{write}({x})")


# -- from annotation to kind -----------------------------------------------------------------------------------------


def _kind_of(hint: Any) -> Kind:
    if get_origin(hint) in (Union, UnionType):
        (present,) = [option for option in get_args(hint) if option is not NoneType]
        return _optional(_kind_of(present))
    base, *notes = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    origin, parts = get_origin(base), get_args(base)
    if origin is Literal:
        return _choice(parts)
    if origin is tuple:
        return _sequence(_kind_of(parts[0]))
    if origin in (dict, Mapping):
        return _JSON if parts[1] is Any else _mapping(_kind_of(parts[1]))
    return _kind_of_class(base, hint, notes)


def _kind_of_class(base: Any, hint: Any, notes: list[Any]) -> Kind:
    if base is str:
        return _kind_of_text(hint, notes)
    if base is int:
        return _kind_of_integer(notes)
    if base is bool:
        return _BOOL
    if base is datetime:
        return _INSTANT
    if issubclass(base, Enum):
        return _enumeration(base)
    if issubclass(base, SecretStr):
        return _secret(base)
    if issubclass(base, Value):
        codec = codec_of(base)
        return Kind(codec.read, codec.write, give="{write}({x})")
    raise TypeError(f"no document holds a {base!r}")


def _kind_of_text(hint: Any, notes: list[Any]) -> Kind:
    if StoredAs.OBJECT_ID in notes:
        return _object_id_kind()
    if StoredAs.OBJECT_ID_IF_HEX in notes:
        return _ENTITY_ID
    return _TEXT if all(isinstance(note, Text) for note in notes) else _checked(hint)


def _kind_of_integer(notes: list[Any]) -> Kind:
    bounds = [bound for note in notes if isinstance(note, FieldInfo) for bound in note.metadata]
    least = next((bound.ge for bound in bounds if hasattr(bound, "ge")), -INT53)
    most = next((bound.le for bound in bounds if hasattr(bound, "le")), INT53)
    return _COUNT if (least, most) == (0, INT53) else _integer(least, most)


# -- the codec of a type ---------------------------------------------------------------------------------------------

_MISSING: Final[Any] = object()


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    key: str
    kind: Kind
    default: Any
    always: bool
    """Whether every document of ours has it: the data model does, or there is nothing to take its place."""


@dataclass(frozen=True, slots=True)
class Codec(Generic[M]):
    """One type's way to a document and back."""

    model: type[M]
    fields: tuple[_Field, ...]
    read_plain: Callable[[Mapping[str, Any]], M | None]
    """Reads a document as we would write it; None or any of `NOT_PLAIN` for another."""
    read_aware: Callable[[Mapping[str, Any]], M | None]
    """The same, for documents of a driver that gives aware datetimes."""
    write: Callable[[Any], dict[str, Any]]
    source: str

    @property
    def collection(self) -> str:
        """What the documents are found under."""
        return collection_of(self.model)

    @property
    def keys(self) -> tuple[str, ...]:
        """The fields that it knows, in the order in which they are written."""
        return tuple([field.key for field in self.fields])

    def read(self, document: Any) -> M:
        """Reads any document, the quickest way that it allows. Raises `Fault` at the first field that is wrong."""
        record = _unless_odd(self.read_plain, document)
        return self.read_odd(document) if record is None else record

    def read_odd(self, document: Any) -> M:
        """Reads what `read_plain` would not."""
        record = _unless_odd(self.read_aware, document)
        return self.read_carefully(document) if record is None else record

    def read_carefully(self, document: Any) -> M:
        """Reads any document, field by field."""
        if not isinstance(document, Mapping):
            raise Fault("must be a document")
        values = {field.name: _read_field(field, document) for field in self.fields}
        known = {*self.keys, *HIDDEN}
        extra = {key: value for key, value in document.items() if key not in known}
        return _record(self.model, values, extra or None, frozenset(self.model.model_fields))


def _unless_odd(read: Callable[[Any], M | None], document: Any) -> M | None:
    try:
        return read(document)
    except NOT_PLAIN:
        return None


def _read_field(field: _Field, document: Mapping[str, Any]) -> Any:
    value = document.get(field.key)
    if value is None:
        if field.default is not _MISSING:
            return field.default
        if field.key not in document:
            raise Fault("is missing", field.key)
    return _item(field.kind, field.key, value)


def _record(model: type[M], values: dict[str, Any], extra: dict[str, Any] | None, names: frozenset[str]) -> M:
    """A ``model`` of values that were checked here. (pydantic's ``model_construct`` takes longer than validation.)"""
    record: Any = Unfinished()
    record.__dict__ = values
    record.__pydantic_extra__ = extra
    record.__pydantic_fields_set__ = names
    record.__pydantic_private__ = None
    record.__class__ = model
    finished: M = record
    return finished


def _compiled(model: type[M]) -> Codec[M]:
    fields = _fields(model)
    source = _reader(fields) + _writer(fields)
    names = _names(model, fields)
    exec(compile(source, f"<codec of {model.__name__}>", "exec"), names)  # noqa: S102 - of our own fields' names
    aware: dict[str, Any] = {**names, "_NAIVE_EPOCH": _EPOCH}
    exec(compile(source, f"<codec of {model.__name__}>", "exec"), aware)  # noqa: S102
    READERS[model] = names["read_plain"]
    return Codec(model, fields, names["read_plain"], aware["read_plain"], names["write"], source)


class _CodecOf(Protocol):
    def __call__(self, model: type[M], /) -> Codec[M]: ...


codec_of: Final = cast("_CodecOf", cache(_compiled))  # functools' types forget that one M comes back as the same
"""The codec of a model, made on first use."""


READERS: Final[dict[type[Value], Callable[[Mapping[str, Any]], Any]]] = {}
"""`Codec.read_plain` of each model that has a codec by now: the shortest way for what is called once per document."""


def _fields(model: type[Value]) -> tuple[_Field, ...]:
    hints = get_type_hints(model, include_extras=True)
    named = FIELDS.get(COLLECTIONS.get(model, ""), _WITHIN.get(model, ()))
    keys = {"_id" if name == "id" and "_id" in named else name: name for name in model.model_fields}
    order = [*named, *[key for key in keys if key not in named]]
    return tuple([_field(model, key, keys[key], hints[keys[key]], key in named) for key in order])


def _field(model: type[Value], key: str, name: str, hint: Any, named: bool) -> _Field:
    info = model.model_fields[name]
    default = _MISSING if info.is_required() else info.get_default(call_default_factory=True)
    return _Field(name, key, _kind_of(hint), default, always=named or info.is_required())


def _reader(fields: tuple[_Field, ...]) -> str:
    """The source of ``read_plain``: a copy of the document, its fields tested, and those changed that must be."""
    always = [field for field in fields if field.always]
    tests = [f"    {'and ' * bool(step)}{test}" for step, test in enumerate(_tests(always) or ["True"])]
    lines = ["if not (", *tests, "):", "    return None"]
    lines += [line for field in always for line in _taking(field)]
    return _function(
        "read_plain(_document)",
        "_values = {**_defaults, **_document}" if len(always) < len(fields) else "_values = _copy(_document)",
        *lines,
        "_record = _unfinished()",
        "_record.__dict__ = _values",
        f"_record.__pydantic_extra__ = None if len(_document) == {len(always)} else _rest(_document, _values)",
        "_record.__pydantic_fields_set__ = _field_names",
        "_record.__pydantic_private__ = None",
        "_record.__class__ = _model",
        "return _record",
    )


def _function(head: str, *lines: str) -> str:
    return "\n    ".join([f"def {head}:", *lines]) + "\n\n"


def _tests(fields: list[_Field]) -> list[str]:
    tests = []
    for of in ("str", "list", "int", "bool"):
        same = [f"type({_bound(field)})" for field in fields if field.kind.of == of]
        tests += [" is ".join([*same, of])] if same else []
    counts = [field.name for field in fields if field.kind is _COUNT]
    tests += [f"not ({' | '.join(counts)}) >> 30"] if counts else []
    for field in fields:
        if field.kind.test:
            bound = field.name if field.kind.of else f"({_bound(field)})"
            tests.append(_filled(field.kind.test.replace("{x}", bound, 1), field))
    return tests


def _bound(field: _Field) -> str:
    """The value, kept under the field's name if it is looked at again."""
    again = field.kind.test or field.kind is _COUNT or field.kind.take != "{x}"
    return f"{field.name} := _values['{field.key}']" if again else f"_values['{field.key}']"


def _taking(field: _Field) -> list[str]:
    if field.kind.take == "{x}" and field.key == field.name:
        return []
    look = f"_values['{field.key}']"
    renamed = [] if field.key == field.name else [f"del {look}"]
    bound = field.kind.of or field.kind.test
    if not bound and not field.kind.each and field.kind.take.count("{x}") == 1:
        return [f"_values['{field.name}'] = {_filled(field.kind.take.replace('{x}', look), field)}", *renamed]
    lines = renamed if bound else [f"{field.name} = {look}", *renamed]
    if field.kind.each:  # a loop, because before Python 3.12 a comprehension is a function of its own
        item = _filled(field.kind.each.replace("{x}", "_item"), field)
        lines += ["_items = []", f"for _item in {field.name}:", f"    _items.append({item})"]
        return [*lines, f"_values['{field.name}'] = tuple(_items)"]
    return [*lines, f"_values['{field.name}'] = {_filled(field.kind.take, field)}"]


def _filled(template: str, field: _Field) -> str:
    parts = {"x": field.name, "read": f"_read_{field.name}", "write": f"_write_{field.name}"}
    for part, text in (parts | {"values": f"_values_of_{field.name}"}).items():
        template = template.replace(f"{{{part}}}", text)
    return template


def _writer(fields: tuple[_Field, ...]) -> str:
    """The source of ``write``: what is always there as one display, then what is not at its default."""
    always = ", ".join([f"'{field.key}': {_giving(field)}" for field in fields if field.always])
    lines = [f"_document = {{{always}}}"]
    for field in fields:
        if not field.always:
            differs = "is not None" if field.default is None else f"!= _default_{field.name}"
            lines.append(f"if ({field.name} := _values['{field.name}']) {differs}:")
            lines.append(f"    _document['{field.key}'] = {_filled(field.kind.give, field)}")
    lines += ["if _record.__pydantic_extra__:", "    _document.update(_record.__pydantic_extra__)", "return _document"]
    return _function("write(_record)", "_values = _record.__dict__", *lines)


def _giving(field: _Field) -> str:
    """What is written, with the value looked up where it is first used."""
    give, value = field.kind.give, f"_values['{field.name}']"
    if give.count("{x}") == 1:
        return _filled(give.replace("{x}", value), field)
    return _filled(give.replace("{x} is None", f"({field.name} := {value}) is None"), field)


def _names(model: type[Value], fields: tuple[_Field, ...]) -> dict[str, Any]:
    """What the source refers to."""
    names: dict[str, Any] = {
        "_EPOCH": _EPOCH,
        "_NAIVE_EPOCH": _NAIVE_EPOCH,
        "_copy": dict.copy,
        "_defaults": {field.name: field.default for field in fields if not field.always},
        "_field_names": frozenset(model.model_fields),
        "_join": "".join,
        "_model": model,
        "_rest": _rest_of(fields),
        "_unfinished": Unfinished,
    }
    for field in fields:
        names[f"_read_{field.name}"] = field.kind.read
        names[f"_write_{field.name}"] = field.kind.write
        names[f"_values_of_{field.name}"] = field.kind.values
        names[f"_default_{field.name}"] = field.default
    return names


def _rest_of(fields: tuple[_Field, ...]) -> Callable[[Mapping[str, Any], dict[str, Any]], dict[str, Any] | None]:
    """What reads, of a document, the fields that are not always there, and takes out of ``values`` those not known."""
    always = frozenset([field.key for field in fields if field.always])
    sometimes = {field.key: field.kind.read for field in fields if not field.always}
    names = frozenset([field.name for field in fields])

    def rest(document: Mapping[str, Any], values: dict[str, Any]) -> dict[str, Any] | None:
        extra = {}
        for key in document:
            if key in always:
                continue
            read = sometimes.get(key)
            if read is not None:
                values[key] = read(values[key])
                continue
            if key not in HIDDEN:
                extra[key] = document[key]
            if key not in names:  # somebody's field "id" is not our id
                del values[key]
        return extra or None

    return rest
