"""What every model is made of: the strict, frozen base and the kinds of value that fields hold.

A model is checked when it is made and never changes after. Nothing is coerced: ``True`` is not 1, ``"5"`` is not 5, a
naive time is no time. Text is measured before anything else looks at it. Times are UTC and cut to whole milliseconds,
which is what MongoDB keeps, so what is read back equals what was written.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from typing import Annotated, Any, Final, NoReturn, Self, TypeVar, overload

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import CoreSchema, core_schema

from tektree.errors import InvalidInput

__all__ = [
    "INT53",
    "Count",
    "Day",
    "Draft",
    "FREEZE",
    "Frozen",
    "HexId",
    "Instant",
    "Json",
    "LISTED",
    "Lazy",
    "Name",
    "Record",
    "SafeInt",
    "StoredAs",
    "Tags",
    "Text",
    "Uid",
    "Unfinished",
    "Value",
    "blank",
    "checked",
    "first_fault",
    "instant",
    "json_value",
    "lessened",
    "made",
    "milliseconds",
    "plain",
    "plain_text",
    "text",
    "validated",
]

INT53: Final = 2**53
"""The largest whole number that JSON readers and Redis scores keep exact."""

M = TypeVar("M", bound=BaseModel)
K = TypeVar("K")
T = TypeVar("T")
V = TypeVar("V")

_HEX: Final = r"^[0-9a-f]{24}$"
_UID: Final = r"^usr_[A-Za-z0-9_\-]{1,60}$"
_NAME: Final = r"^[a-z][a-z0-9_]{0,63}$"
_FORMS: Final = {
    _HEX: "must be an id: 24 lowercase hex digits",
    _UID: "must be a uid: 'usr_' and 1 to 60 of the characters A-Z a-z 0-9 _ -",
    _NAME: "must be a lower-case name such as 'answer_posted'",
}
"""What a pattern means, in words."""

_SHOULD: Final = re.compile(r"^\w+ should ")

_UNION_STEP: Final = re.compile(r"(function-|nullable\[|dict\[|constrained-|union\[|literal\[)")
"""What pydantic puts into a path for the branch of a union; it means nothing to a caller."""

_BAD: Final = re.compile("[\x00\ud800-\udfff]")


class Value(BaseModel):
    """A frozen, strict value: no field unknown, none coerced, none changed after."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", hide_input_in_errors=True, ser_json_inf_nan="null"
    )

    def evolve(self, **changes: Any) -> Self:
        """A copy with ``changes``, checked as a whole like a new one. Stored fields that we do not know stay.

        Raises `InvalidInput`.
        """
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        copy = checked(type(self), fields | changes)
        if self.__pydantic_extra__:
            object.__setattr__(copy, "__pydantic_extra__", dict(self.__pydantic_extra__))
        return copy

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As pydantic's, but what is updated is checked: `evolve`."""
        return self.evolve(**update) if update else super().model_copy(deep=deep)

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        """The known fields, in their order. A stored field that is not known may hold anything: it is not shown."""
        for name, field in type(self).model_fields.items():
            if field.repr:
                yield name, getattr(self, name)


class Record(Value):
    """What is stored: one document of a collection."""


class Draft(Value):
    """What a caller hands in to be stored. Making one raises `InvalidInput`, never pydantic's error."""

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise first_fault(error) from None


def checked(model: type[M], fields: Mapping[str, Any]) -> M:
    """A ``model`` made of ``fields``. Raises `InvalidInput`: it names the first wrong field, never its value."""
    try:
        return model(**fields) if issubclass(model, Draft) else model.model_validate(dict(fields))
    except ValidationError as error:
        raise first_fault(error) from None


def validated(model: type[M], fields: Mapping[str, Any]) -> M | None:
    """A ``model`` of stored fields, not by way of its ``__init__``; None where they are not exactly its own."""
    try:
        record: M = model.__pydantic_validator__.validate_python(fields, self_instance=object.__new__(model))
    except ValidationError:
        return None
    return record


def made(model: type[M], fields: dict[str, Any]) -> M:
    """A ``model`` of fields that our own rules computed from checked values: all of them, taken as they are.

    Validation again would be most of the cost of an award; the tests validate what the rules make instead.
    """
    record: Any = Unfinished()
    record.__dict__ = fields
    record.__pydantic_fields_set__ = _NAMES[model]
    record.__pydantic_extra__ = None
    record.__pydantic_private__ = None
    record.__class__ = model
    finished: M = record
    return finished


def lessened(record: M, **fields: Any) -> M:
    """A copy of a record in which ``fields`` are a part of what they were, or empty: that needs no check either.

    Stored fields that we do not know stay.
    """
    copy = made(type(record), {**record.__dict__, **fields})
    if record.__pydantic_extra__:
        object.__setattr__(copy, "__pydantic_extra__", record.__pydantic_extra__)
    return copy


class Unfinished(Value):
    """A record that nobody has yet: it is filled in, and with the last step it becomes one of its model and is frozen.

    To fill in a frozen one takes twice as long. Assigning is only quick where deleting is an object's own, too.
    """

    __init__ = object.__init__
    __setattr__ = object.__setattr__
    __delattr__ = object.__delattr__


class _Names(dict[type[BaseModel], frozenset[str]]):
    def __missing__(self, model: type[BaseModel]) -> frozenset[str]:
        self[model] = names = frozenset(model.model_fields)
        return names


_NAMES: Final = _Names()
"""The names of a model's fields, which are all set."""


def first_fault(error: ValidationError) -> InvalidInput:
    """pydantic's error as ours: the field's path and the reason, never the input."""
    fault = error.errors(include_url=False, include_input=False)[0]
    steps = [str(step)[:64] for step in fault["loc"]]
    path = ".".join([step for step in steps if not _UNION_STEP.match(step)]) or error.title
    return InvalidInput(
        path.encode("ascii", "backslashreplace").decode(), _reason(fault["type"], fault["msg"], fault.get("ctx", {}))
    )


def _reason(kind: str, message: str, context: Mapping[str, Any]) -> str:
    if kind == "extra_forbidden":
        return "is not a field here; leave it out"
    if kind == "missing":
        return "is missing"
    if kind == "tuple_type":
        return "must be a list"
    if kind == "string_unicode":
        return "must not hold half of a surrogate pair"
    if kind == "string_pattern_mismatch" and context.get("pattern") in _FORMS:
        return _FORMS[context["pattern"]]
    message = _SHOULD.sub("must ", message.removeprefix("Value error, "))
    return message[:1].lower() + message[1:]


def plain_text(value: str) -> str:
    """``value`` if a document and a JSON reader can hold it, else ``ValueError``."""
    if not plain(value):
        raise ValueError("must not hold NUL or half of a surrogate pair")
    return value


@dataclass(frozen=True, slots=True)
class Text:
    """In ``Annotated[str, Text(most, least)]``: so many characters, no NUL, no lone surrogate. Length comes first."""

    most: int
    least: int = 0

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        measured = core_schema.str_schema(min_length=self.least, max_length=self.most)
        return core_schema.no_info_after_validator_function(plain_text, measured)


def text(most: int, least: int = 0) -> Any:
    """``Annotated[str, Text(most, least)]`` as a type that is made while the program runs."""
    return Annotated[str, Text(most, least)]


class StoredAs(Enum):
    """In ``Annotated[str, …]``: how a document keeps the text, where that is not as text."""

    OBJECT_ID = "ObjectId"
    OBJECT_ID_IF_HEX = "ObjectId if it is 24 lowercase hex digits, else text"


def _tuple(value: Any) -> Any:
    return tuple(value) if type(value) is list else value


LISTED: Final = BeforeValidator(_tuple)
"""In ``Annotated[tuple[…], …]``: callers may pass a list."""


def plain(value: str) -> bool:
    """Whether a text can be stored and sent: no NUL, no half of a surrogate pair."""
    return "\0" not in value if value.isascii() else _BAD.search(value) is None


def blank(value: str) -> bool:
    """Whether a text shows nothing: spaces and invisible characters only."""
    return not any(char.isprintable() and not char.isspace() for char in value)


def instant(value: datetime, field: str = "at") -> datetime:
    """``value`` in UTC, cut down to whole milliseconds. Raises `InvalidInput` when it is no aware datetime."""
    if type(value) is not datetime and not isinstance(value, datetime):
        raise InvalidInput(field, "must be an aware datetime")
    try:
        return _utc_milliseconds(value)
    except (ValueError, OverflowError) as error:
        reason = str(error) if isinstance(error, ValueError) else "is out of range"
        raise InvalidInput(field, reason) from None


def _utc_milliseconds(value: datetime) -> datetime:
    offset = value.utcoffset()
    if offset is None:
        raise ValueError("must be an aware datetime: give it a time zone, such as datetime.UTC")
    if offset or value.tzinfo is not UTC:
        try:
            value = value.astimezone(UTC)
        except OverflowError:
            raise ValueError("is out of range") from None
    rest = value.microsecond % 1000
    return value.replace(microsecond=value.microsecond - rest) if rest else value


def milliseconds(at: datetime) -> int:
    """An instant as whole milliseconds since 1970; below zero before that.

    >>> milliseconds(datetime(1970, 1, 2, tzinfo=UTC)), milliseconds(datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC))
    (86400000, -1000)
    """
    since = at - _EPOCH
    return since.days * 86_400_000 + since.seconds * 1_000 + since.microseconds // 1_000


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _calendar_day(value: str) -> str:
    try:
        ordinary = date.fromisoformat(value).isoformat() == value
    except ValueError:
        ordinary = False
    if not ordinary:
        raise ValueError("must be a date such as 2025-12-16")
    return value


HexId = Annotated[str, Field(pattern=_HEX), StoredAs.OBJECT_ID]
Uid = Annotated[str, Field(max_length=64, pattern=_UID)]
Name = Annotated[str, Field(max_length=64, pattern=_NAME)]
"""A word of ours in lower case: an XP source, a type of entity."""

Instant = Annotated[datetime, AfterValidator(_utc_milliseconds)]
Day = Annotated[str, Field(max_length=10), AfterValidator(_calendar_day)]
"""A calendar date, ``2025-12-16``: kept as text, because BSON has instants only, and as text it sorts."""

Count = Annotated[int, Field(ge=0, le=INT53)]
SafeInt = Annotated[int, Field(ge=-INT53, le=INT53)]
Tag = Annotated[str, Text(64, 1)]
Tags = Annotated[tuple[Tag, ...], Field(max_length=50), LISTED]


class Lazy(Sequence[T]):
    """Values that are made when somebody looks. It equals the tuple of them, and never changes.

    ``facts`` are what makes them, and of what: all of it frozen, so two threads that look at once see equal ones. Who
    knows how many there are without making them says so in ``_length``.
    """

    __slots__ = ("_items", "_length", "facts")

    _length: int
    facts: tuple[Any, ...]
    _items: tuple[T, ...] | None

    def _all(self) -> tuple[T, ...]:
        items = self._items
        if items is None:
            make, *facts = self.facts
            self._items = items = make(*facts)
        return items

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[T]:
        return iter(self._all())

    @overload
    def __getitem__(self, at: int) -> T: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[T, ...]: ...
    def __getitem__(self, at: int | slice) -> T | tuple[T, ...]:
        return self._all()[at]

    def __eq__(self, other: object) -> bool:
        return self._all() == (other._all() if isinstance(other, Lazy) else other)

    def __hash__(self) -> int:
        return hash(self._all())

    def __repr__(self) -> str:
        return repr(self._all())

    def __reduce__(self) -> tuple[type[tuple[Any, ...]], tuple[tuple[T, ...]]]:
        return tuple, (self._all(),)


class Frozen(dict[K, V]):
    """A dictionary that refuses to change. It equals a plain one, and BSON and JSON write it as one."""

    __slots__ = ()

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("a stored mapping does not change; make a new one: dict(mapping)")

    def having(self, key: K, value: V) -> Self:
        """A copy in which ``key`` is ``value``."""
        copy = type(self)(self)
        _set_item(copy, key, value)
        return copy

    __setitem__ = __delitem__ = clear = pop = popitem = _refuse
    __ior__ = setdefault = update = _refuse  # pyright: ignore[reportAssignmentType]

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[type[Self], tuple[dict[K, V]]]:
        return type(self), (dict(self),)


_set_item: Final = dict.__setitem__
"""Past the refusal, on a copy that nobody else has yet."""


def json_value(value: Any, depth: int = 16) -> Any:
    """A frozen copy of ``value``: text, 64-bit numbers, booleans, None, sequences and maps with plain keys.

    Raises ``ValueError`` for anything else, and for what is nested more than 16 deep.
    """
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is str:
        return plain_text(value)
    if kind is int:
        if not -(2**63) <= value < 2**63:
            raise ValueError("holds a number of more than 64 bits")
        return value
    if kind is float:
        if not math.isfinite(value):
            raise ValueError("holds a number that is not finite")
        return value
    if depth == 0:
        raise ValueError("is nested too deeply")
    if kind is Frozen:  # made here or by our own rules: already checked
        return value
    if kind is dict:
        return Frozen([(_plain_key(key), json_value(item, depth - 1)) for key, item in value.items()])
    if kind is list or kind is tuple:
        return tuple([json_value(item, depth - 1) for item in value])
    raise ValueError(f"holds a {kind.__name__}, which is not JSON")


def _plain_key(key: object) -> str:
    if type(key) is str and key and len(key) <= 128 and key[0] != "$" and "." not in key and not _BAD.search(key):
        return key
    raise ValueError("holds a key that is no text, empty, too long, or has a dot, a leading $ or NUL")


def _frozen(value: Mapping[K, V]) -> Frozen[K, V]:
    return value if type(value) is Frozen else Frozen(value)


Json = Annotated[dict[str, Any], AfterValidator(json_value)]
"""A map of JSON values, frozen."""


FREEZE: Final = AfterValidator(_frozen)
