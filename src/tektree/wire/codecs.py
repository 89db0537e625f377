"""How each type crosses between model and document: found out once from its annotations, then compiled.

Every field has a `Kind`. A `Codec` is made of them twice: `read_carefully` goes field by field and says what is wrong,
and two functions whose source is put together here do the same for plain documents, several times as fast: the reader
fails for whatever is not exactly as we would write it, and then the other one decides. For fields that only some
documents have there is a reader for each set of them that is met. What the source is made of is the names and types of
our own models, never data; ``Codec.source`` shows it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import (
    Any,
    Final,
    Generic,
    Protocol,
    TypeVar,
    cast,
    get_type_hints,
)

from tektree.models.accounts import User
from tektree.models.answers import Answer, CodeSnippet
from tektree.models.areas import Area, Follow
from tektree.models.base import Frozen, Unfinished, Value
from tektree.models.connections import Connection
from tektree.models.events import Delivery, Event
from tektree.models.gamification import Folded, GamificationProfile, Streak, XPTransaction
from tektree.models.insights import Insight
from tektree.models.questions import Question
from tektree.models.subscriptions import Subscription
from tektree.models.votes import Vote
from tektree.wire import collections
from tektree.wire.collections import FIELDS
from tektree.wire.kinds import COUNT, EPOCH, INSTANT, NAIVE_EPOCH, Fault, Kind, kind_of, read_under

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


def collection_of(model: type[Value]) -> str:
    """The collection that ``model`` is kept in; the name of the type for what is only a part of a document."""
    return COLLECTIONS.get(model, model.__name__)


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
    return read_under(field.kind, field.key, value)


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
    return _Field(name, key, kind_of(hint, codec_of), default, always=named or info.is_required())


def _reader(present: Sequence[_Field], *before: str, copied: str, rest: str, drop: Sequence[str] = ()) -> str:
    """The source of a reader of documents that have these fields: they are tested, and those changed that must be."""
    present = _at_once(present)
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


def _at_once(fields: Sequence[_Field]) -> Sequence[_Field]:
    """Fields in which instants are compared with the first one, and read with it where nothing has changed since."""
    instants = [field for field in fields if field.kind is INSTANT and field.always]
    if not instants:
        return fields
    first = instants[0].name
    same = f"{{x}} == {first}"
    kind = replace(
        INSTANT, test=f"({same} or {INSTANT.test})", take=f"_values['{first}'] if {same} else {INSTANT.take}"
    )
    return [replace(field, kind=kind) if field in instants[1:] else field for field in fields]


def _function(head: str, *lines: str) -> str:
    return "\n    ".join([f"def {head}:", *lines]) + "\n\n"


def _tests(fields: Sequence[_Field]) -> list[str]:
    tests = []
    for of in ("str", "list", "int", "bool"):
        same = [f"type({_bound(field)})" for field in fields if field.kind.of == of]
        tests += [" is ".join([*same, of])] if same else []
    counts = [field.name for field in fields if field.kind is COUNT]
    tests += [f"not ({' | '.join(counts)}) >> 30"] if counts else []
    for field in fields:
        if field.kind.test:
            bound = field.name if field.kind.of else f"({_bound(field)})"
            tests.append(_filled(field.kind.test.replace("{x}", bound, 1), field))
    return tests


def _bound(field: _Field) -> str:
    """The value, kept under the field's name if it is looked at again."""
    again = field.kind.test or field.kind is COUNT or field.kind.take != "{x}"
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
        "_EPOCH": EPOCH,
        "_NAIVE_EPOCH": EPOCH if aware else NAIVE_EPOCH,
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
