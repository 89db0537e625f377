"""Kinds of values: how each is read from a document and written to it, found out from annotations.

`kind_of` gives the kind of a field. Kinds read one value carefully, and have the templates of which
`tektree.wire.codecs` compiles the quick way.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache
from math import isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Protocol, Union, get_args, get_origin

from pydantic import ConfigDict, SecretStr, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from tektree.errors import ConfigurationError
from tektree.ids import is_hex_id
from tektree.models.base import INT53, Day, Frozen, Name, StoredAs, Text, Value, first_fault
from tektree.models.events import EventType
from tektree.models.gamification import AchievementId, Week

__all__ = ["COUNT", "EPOCH", "INSTANT", "NAIVE_EPOCH", "Fault", "Kind", "Part", "kind_of", "read_under"]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
NAIVE_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - what the driver gives is naive, and means UTC
_MILLISECOND: Final = timedelta(milliseconds=1)


class Part(Protocol):
    """What reads and writes a model that stands inside another."""

    @property
    def read_plain(self) -> Callable[[Mapping[str, Any]], Any]:
        """The compiled reader."""
        ...

    @property
    def read_aware(self) -> Callable[[Mapping[str, Any]], Any]:
        """The same, for documents of a driver that gives aware datetimes."""
        ...

    @property
    def write(self) -> Callable[[Any], dict[str, Any]]:
        """The compiled writer."""
        ...

    def read(self, document: Any) -> Any:
        """Reads any document. Raises `Fault`."""
        ...


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
    made_of: "Part | None" = None


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
        since = value - (NAIVE_EPOCH if value.utcoffset() is None else EPOCH)
        return EPOCH + (since - since % _MILLISECOND)
    except OverflowError:
        raise Fault("is out of range") from None


INSTANT: Final = Kind(_read_instant, test="not {x}.microsecond % 1000", take="_EPOCH + ({x} - _NAIVE_EPOCH)")
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
COUNT: Final = replace(_integer(0, INT53), test="")
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


def _choice(options: tuple[Any, ...]) -> Kind:
    """One of several texts, or of several whole numbers."""
    values, kind = frozenset(options), type(options[0])

    def read(value: Any) -> Any:
        if isinstance(value, kind) and not isinstance(value, bool) and value in values:
            return kind(value)  # the driver's Int64 is an int of its own
        raise Fault(f"must be one of {', '.join(map(str, options))}")

    test = f"({{x}} == {options[0]!r} or {{x}} in {{values}})"  # the first option is what most documents have
    of = "" if kind is str else kind.__name__  # for True is 1
    return Kind(read, of=of, test=test, take="{x}", values=values)


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
    if kind is COUNT:  # one that may be missing is not tested with the others
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
        return tuple([read_under(kind, step, item) for step, item in enumerate(value)])

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


def _values_of(codec: Part) -> Kind:
    return Kind(codec.read, codec.write, take="{plain}({x})", give="{write}({x})", made_of=codec)


def read_under(kind: Kind, step: object, value: Any) -> Any:
    """A value that stands under a name or a number. Raises `Fault` with the path to it."""
    try:
        return kind.read(value)
    except Fault as fault:
        raise fault.under(step) from None


def _mapping(kind: Kind) -> Kind:
    def read(value: Any) -> Frozen[str, Any]:
        if not isinstance(value, Mapping):
            raise Fault("must be a document")
        return Frozen([(_TEXT.read(key), read_under(kind, key, item)) for key, item in value.items()])

    def write(value: Mapping[str, Any]) -> dict[str, Any]:
        return {key: kind.write(item) if kind.write else item for key, item in value.items()}

    whole = Kind(read, write, give="{write}({x})", made_of=kind.made_of)
    if kind.take != "{plain}({x})":
        return whole
    take = "_frozen({_key: {plain}(_item) for _key, _item in {x}.items()})"
    return replace(whole, test="_join({x}) is not None", take=take)


# -- from annotation to kind -----------------------------------------------------------------------------------------


def kind_of(hint: Any, part: Callable[[type[Value]], Part]) -> Kind:
    """The kind of what is annotated so; ``part`` gives what reads and writes a model inside another."""
    if get_origin(hint) in (Union, UnionType):
        (present,) = [option for option in get_args(hint) if option is not NoneType]
        return _optional(kind_of(present, part))
    base, *notes = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    origin, parts = get_origin(base), get_args(base)
    if origin is Literal:
        return _choice(parts)
    if origin is tuple:
        return _sequence(kind_of(parts[0], part))
    if origin in (dict, Mapping):
        return _JSON if parts[1] is Any else _mapping(kind_of(parts[1], part))
    return _kind_of_class(base, hint, notes, part)


def _kind_of_class(base: Any, hint: Any, notes: list[Any], part: Callable[[type[Value]], Part]) -> Kind:
    if base is str:
        return _kind_of_text(hint, notes)
    if base is int:
        return _kind_of_integer(notes)
    if base is bool:
        return _BOOL
    if base is datetime:
        return INSTANT
    if issubclass(base, Enum):
        return _enumeration(base)
    if issubclass(base, SecretStr):
        return _secret(base)
    if issubclass(base, Value):
        return _values_of(part(base))
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
    return COUNT if (least, most) == (0, INT53) else _integer(least, most)
