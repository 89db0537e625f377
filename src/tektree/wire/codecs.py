"""How each type crosses between model and document: found out once from its annotations, then compiled.

Every field has a `Kind`. A `Codec` is made of them twice: `read_carefully` goes field by field and says what is wrong,
and two functions whose source is put together here do the same for plain documents, several times as fast: the reader
fails for whatever is not exactly as we would write it, and then the other one decides. For fields that only some
documents have there is a reader for each set of them that is met. What the source is made of is the names and types of
our own models, never data; ``Codec.source`` shows it.
"""

from collections.abc import Callable, Mapping, Sequence
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
from tektree.models.areas import Area, Follow
from tektree.models.base import INT53, Day, Frozen, Name, StoredAs, Text, Unfinished, Value, first_fault
from tektree.models.connections import Connection
from tektree.models.events import Delivery, Event, EventType
from tektree.models.gamification import AchievementId, Folded, GamificationProfile, Streak, Week, XPTransaction
from tektree.models.insights import Insight
from tektree.models.questions import Question
from tektree.models.subscriptions import Subscription
from tektree.models.votes import Vote
from tektree.wire import collections
from tektree.wire.collections import FIELDS

__all__ = ["NOT_PLAIN", "READERS", "Codec", "Fault", "codec_of", "collection_of"]

M = TypeVar("M", bound=Value)

HIDDEN: Final = frozenset({"_outbox", "_relay", "_sinks"})
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
    Follow: collections.FOLLOWS,
    Vote: collections.VOTES,
    Connection: collections.CONNECTIONS,
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
    the way out it becomes ``give``. ``{read}``, ``{write}`` and ``{item}`` stand for this kind's functions and its
    items' ``read``, ``{values}`` for its set, ``{met}`` for what was met before, ``{plain}`` for the compiled reader
    of what it is ``made_of``.
    """

    read: Callable[[Any], Any]
    write: Callable[[Any], Any] | None = None
    of: str = ""
    test: str = ""
    take: str = "{read}({x})"
    each: str = ""
    give: str = "{x}"
    values: frozenset[Any] = frozenset()
    item: Callable[[Any], Any] | None = None
    met: Mapping[str, Any] = Frozen()
    made_of: "Codec[Any] | None" = None


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


def _entity_id_kind() -> Kind:
    digits, quick = _object_id_kind().take, frozenset({_object_id()})
    take = "{read}({x})" if "{read}" in digits else f"{digits} if type({{x}}) in {{values}} else {{read}}({{x}})"
    return Kind(_read_entity_id, _write_entity_id, take=take, give="{write}({x})", values=quick)


def _choice(options: tuple[str, ...]) -> Kind:
    values = frozenset(options)

    def read(value: Any) -> str:
        if type(value) is str and value in values:
            return value
        raise Fault(f"must be one of {', '.join(options)}")

    test = f"({{x}} == {options[0]!r} or {{x}} in {{values}})"  # the first option is what most documents have
    return Kind(read, test=test, take="{x}", values=values)


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

    return _recurring(read) if hint in _RECURRING else Kind(read)


_RECURRING: Final = (AchievementId, Day, EventType, Name, Week)
"""Texts of which a thousand documents have a few. None of them tells a person from another."""
_MOST_MET: Final = 1024


def _recurring(read: Callable[[Any], Any]) -> Kind:
    """What was looked at once is known when it is met again."""
    met: dict[str, Any] = {}

    def read_and_remember(value: Any) -> Any:
        found = read(value)
        if len(met) < _MOST_MET:
            met[value] = found
        return found

    return Kind(read_and_remember, take="{met}.get({x}) or {read}({x})", met=met)


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
        deeper = depth - 1
        return Frozen({key: each if type(each) in _SIMPLE else _read_any(each, deeper) for key, each in value.items()})
    if kind is list or kind is tuple:
        return tuple([_read_any(item, depth - 1) for item in value])
    raise Fault(f"holds a {kind.__name__}, which is not JSON")


_SIMPLE: Final = frozenset({str, bool, NoneType})


def _thaw(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _thaw(item) for key, item in value.items()}
    return [_thaw(item) for item in value] if type(value) is tuple else value


_JSON: Final = Kind(_read_json, _thaw, give="{write}({x})")


def _optional(kind: Kind) -> Kind:
    if kind is _COUNT:  # one that may be missing is not tested with the others
        kind = _integer(0, INT53)
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
    if kind.of or kind.test:
        return whole
    return replace(whole, each=kind.take.replace("{read}", "{item}"), item=kind.read)


def _values_of(codec: "Codec[Any]") -> Kind:
    return Kind(codec.read, codec.write, take="{plain}({x})", give="{write}({x})", made_of=codec)


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

    whole = Kind(read, write, give="{write}({x})", made_of=kind.made_of)
    if kind.take != "{plain}({x})":
        return whole
    take = "_frozen({_key: {plain}(_item) for _key, _item in {x}.items()})"
    return replace(whole, test="_join({x}) is not None", take=take)


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
        return _values_of(codec_of(base))
    raise TypeError(f"no document holds a {base!r}")


def _kind_of_text(hint: Any, notes: list[Any]) -> Kind:
    if StoredAs.OBJECT_ID in notes:
        return _object_id_kind()
    if StoredAs.OBJECT_ID_IF_HEX in notes:
        return _entity_id_kind()
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
    read_plain: Callable[[Mapping[str, Any]], M]
    """Reads a document as we would write it; any of `NOT_PLAIN` for another."""
    read_aware: Callable[[Mapping[str, Any]], M]
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
        try:
            return self.read_plain(document)
        except NOT_PLAIN:
            return self.read_odd(document)

    def read_odd(self, document: Any) -> M:
        """Reads what `read_plain` would not."""
        try:
            return self.read_aware(document)
        except NOT_PLAIN:
            return self.read_carefully(document)

    def read_carefully(self, document: Any) -> M:
        """Reads any document, field by field."""
        if not isinstance(document, Mapping):
            raise Fault("must be a document")
        values = {field.name: _read_field(field, document) for field in self.fields}
        known = {*self.keys, *HIDDEN}
        extra = {key: value for key, value in document.items() if key not in known}
        return _record(self.model, values, extra or None, frozenset(self.model.model_fields))


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
    writer = _writer(fields)
    plain, aware = [_Readers(fields, _names(model, fields, aware)) for aware in (False, True)]
    READERS[model] = plain.read
    write = _made("write", writer, plain.names)
    return Codec(model, fields, plain.read, aware.read, write, plain.source + writer)


def _made(name: str, source: str, names: Mapping[str, Any]) -> Any:
    """The function of that name that ``source`` comes to."""
    space = dict(names)
    exec(compile(source, f"<{name} of {names['_model'].__name__}>", "exec"), space)  # noqa: S102 - our own fields' names
    return space[name]


class _Readers:
    """The compiled readers of a model: ``read`` for what has nothing but the fields that are always there.

    It leaves to `shaped` what has more, which makes one for each set of known fields. Where that is too many, or a
    field is not known, one that looks at each of the others takes over.
    """

    def __init__(self, fields: tuple[_Field, ...], names: Mapping[str, Any]) -> None:
        self._fields = fields
        self._always = {field.key for field in fields if field.always}
        self._shapes: dict[tuple[str, ...], Callable[[Mapping[str, Any]], Any]] = {}
        self.names: Mapping[str, Any] = {**names, "_shaped": self.shaped}
        least = [field for field in fields if field.always]
        otherwise = [f"if len(_document) != {len(least)}:", "    return _shaped(_document)"]
        copied = "_copy(_document)" if len(least) == len(fields) else "_document | _defaults"
        self.source = _reader(least, *otherwise, copied=copied, rest="None")
        self.read: Callable[[Mapping[str, Any]], Any] = _made("read", self.source, self.names)
        rest = _reader(least, copied="{**_defaults, **_document}", rest="_rest(_document, _values)")
        self._any: Callable[[Mapping[str, Any]], Any] = _made("read", rest, self.names)

    def shaped(self, document: Mapping[str, Any]) -> Any:
        """Reads a document that has more fields than must be, or fewer."""
        keys = tuple(document)
        return (self._shapes.get(keys) or self._reader_of(keys))(document)

    def _reader_of(self, keys: tuple[str, ...]) -> Callable[[Mapping[str, Any]], Any]:
        hidden = HIDDEN.intersection(keys)
        present = [field for field in self._fields if field.key in keys]
        known = len(present) + len(hidden) == len(keys) and self._always.issubset(keys)
        if not known or len(self._shapes) == _MOST_SHAPES:
            return self._any
        absent = {field.name: field.default for field in self._fields if field not in present}
        drop = [f"del _values[{key!r}]" for key in sorted(hidden)]
        source = _reader(present, copied="_document | _absent", rest="None", drop=drop)
        reader: Callable[[Mapping[str, Any]], Any] = _made("read", source, {**self.names, "_absent": absent})
        self._shapes[keys] = reader
        return reader


_MOST_SHAPES: Final = 64


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


def _reader(present: Sequence[_Field], *before: str, copied: str, rest: str, drop: Sequence[str] = ()) -> str:
    """The source of a reader of documents that have these fields: they are tested, and those changed that must be."""
    tests = [f"    {'and ' * bool(step)}{test}" for step, test in enumerate(_tests(present) or ["True"])]
    return _function(
        "read(_document)",
        *before,
        f"_values = {copied}",
        *["if not (", *tests, "):", "    raise _Odd"],
        *[line for field in present for line in _taking(field)],
        *drop,
        "_record = _unfinished()",
        "_record.__dict__ = _values",
        f"_record.__pydantic_extra__ = {rest}",
        "_record.__pydantic_fields_set__ = _field_names",
        "_record.__pydantic_private__ = None",
        "_record.__class__ = _model",
        "return _record",
    )


def _function(head: str, *lines: str) -> str:
    return "\n    ".join([f"def {head}:", *lines]) + "\n\n"


def _tests(fields: Sequence[_Field]) -> list[str]:
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
    template = template.replace("{x}", field.name)
    for part in _PARTS:
        template = template.replace(f"{{{part}}}", f"_{part}_{field.name}")
    return template


_PARTS: Final = ("read", "write", "item", "values", "met", "plain")


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


def _names(model: type[Value], fields: tuple[_Field, ...], aware: bool) -> dict[str, Any]:
    """What the source refers to."""
    names: dict[str, Any] = {
        "_EPOCH": _EPOCH,
        "_NAIVE_EPOCH": _EPOCH if aware else _NAIVE_EPOCH,
        "_Odd": ValueError,
        "_copy": dict.copy,
        "_defaults": {field.name: field.default for field in fields if not field.always},
        "_field_names": frozenset(model.model_fields),
        "_frozen": Frozen,
        "_join": "".join,
        "_model": model,
        "_rest": _rest_of(fields),
        "_unfinished": Unfinished,
    }
    for field in fields:
        kind, name = field.kind, field.name
        names |= {f"_read_{name}": kind.read, f"_write_{name}": kind.write, f"_default_{name}": field.default}
        names |= {f"_values_{name}": kind.values, f"_met_{name}": kind.met, f"_item_{name}": kind.item}
        if kind.made_of is not None:
            names[f"_plain_{name}"] = kind.made_of.read_aware if aware else kind.made_of.read_plain
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
