"""What an event says: a frozen payload, whose class is the one declaration of its event type.

::

    class QuizPassed(Payload, event="quiz.passed", by="quiz-service", stream="quiz:{quiz_id}"):
        user_id: Uid
        quiz_id: HexId
        score: Count

``event`` is the type, ``by`` the service that tells it, ``stream`` what its events are counted along, 1, 2, 3 …;
without one the event stands alone. ``by`` and ``stream`` are inherited; a class without ``event`` only lends fields.

A field that is required always stands in the JSON, null if need be; one with a default is left out at its default.
Personal data is marked, `Personal`, and so may always be null: erasing a user overwrites it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import NoneType
from typing import Annotated, Any, ClassVar, Final, NamedTuple, TypeVar, Unpack, get_args

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler, PlainSerializer
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue, WithJsonSchema
from pydantic_core import CoreSchema

from tektree.models.base import FREEZE, LISTED, Day, Draft, Frozen, HexId, Instant, Name, Text, Value, json_value

__all__ = [
    "PERSONAL",
    "Change",
    "Changed",
    "Date",
    "Ids",
    "Kind",
    "Moment",
    "Payload",
    "Personal",
    "SessionId",
    "Upcast",
    "Why",
    "Words",
    "is_personal",
    "nullable",
    "parts",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _PersonalData:
    """The mark; it shows in JSON Schemas as ``x-personal``."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "x-personal": True}


PERSONAL: Final = _PersonalData()
"""In ``Annotated[… | None, PERSONAL]``: says something of a person that an erasure takes back."""

Personal = Annotated[T | None, PERSONAL]
"""``Personal[str]``: such a field."""


def _from_text(value: Any) -> Any:
    if type(value) is not str:
        return value
    if len(value) > 40:
        raise ValueError("must be a time such as 2025-12-16T12:00:00+00:00")
    return datetime.fromisoformat(value)


Moment = Annotated[Instant, BeforeValidator(_from_text), PlainSerializer(datetime.isoformat, str, "json")]
"""An instant. In the payload's JSON it is ISO 8601 in UTC: ``2025-12-16T12:00:00+00:00``."""
Date = Annotated[Day, WithJsonSchema({"type": "string", "format": "date"})]
SessionId = Annotated[str, Text(128, 1)]
"""What a session is stored under; never the token."""
Why = Annotated[str, Text(500)]
"""A reason in somebody's words."""
Ids = Annotated[tuple[HexId, ...], Field(max_length=50), LISTED]
Words = Annotated[tuple[Annotated[str, Text(64, 1)], ...], Field(max_length=50), LISTED]


class Change(Value):
    """A field before and after. Both are left out where the value is too long to be told: the entity has it."""

    old: Annotated[Any, AfterValidator(json_value)] = None
    new: Annotated[Any, AfterValidator(json_value)] = None


Changed = Annotated[Mapping[Name, Change], FREEZE]
"""What changed, by field. Of a personal one there is the name alone, never what it was or is."""


class Upcast(NamedTuple):
    """How a payload of one major version becomes one of the next, and which of its own fields were personal."""

    up: Callable[[dict[str, Any]], Mapping[str, Any]]
    personal: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """An event type as its payload's class declares it."""

    event_type: str
    version: str
    by: str
    """The service that tells it."""
    stream: str | None
    """The template of its stream, such as ``question:{question_id}``; None: it stands alone."""
    payload: "type[Payload]"
    aliases: tuple[str, ...] = ()
    """What the type was called before."""
    upcasts: Mapping[int, Upcast] = Frozen()
    """By major version, how its payloads become those of the next."""

    @property
    def major(self) -> int:
        """The part of the version that readers must know."""
        return int(self.version.partition(".")[0])

    @property
    def fields(self) -> Mapping[str, FieldInfo]:
        """The fields of the payload, by their names in its JSON."""
        return {field.alias or name: field for name, field in self.payload.model_fields.items()}

    @property
    def personal(self) -> tuple[str, ...]:
        """The fields that hold personal data."""
        return tuple([name for name, field in self.fields.items() if is_personal(field)])

    @property
    def partition(self) -> str | None:
        """The field that its events are partitioned by; None: they are not."""
        return "user_id" if "user_id" in self.payload.model_fields else None


class Payload(Draft):
    """The base of all payloads. Making one raises `InvalidInput`."""

    model_config = ConfigDict(defer_build=True)

    KIND: ClassVar[Kind | None] = None
    HOME: ClassVar[tuple[str, str | None]] = ("", None)
    """The service and the stream that subclasses inherit."""

    def __init_subclass__(
        cls,
        *,
        event: str = "",
        version: str = "1.0.0",
        by: str | None = None,
        stream: str | None = "",
        aliases: tuple[str, ...] = (),
        upcasts: Mapping[int, Upcast] = Frozen(),
        **config: Unpack[ConfigDict],
    ) -> None:
        """Reads the declaration off the class statement. Whether it holds together is checked by the catalog."""
        super().__init_subclass__(**config)
        service, place = cls.HOME
        cls.HOME = service, place = (service if by is None else by), (place if stream == "" else stream)
        cls.KIND = Kind(event, version, service, place, cls, aliases, Frozen(upcasts)) if event else None

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        """The fields; of personal data only that it is there."""
        fields = type(self).model_fields
        for name, value in super().__repr_args__():
            yield name, value if value is None or not is_personal(fields[name]) else "***"


def is_personal(field: FieldInfo) -> bool:
    """Whether a field is marked as personal."""
    return any(note is PERSONAL for note in (*field.metadata, *_notes(field.annotation)))


def _notes(hint: Any) -> Iterator[Any]:
    """Whatever stands inside an annotation, however deep."""
    for part in get_args(hint):
        yield part
        yield from getattr(part, "metadata", ()) if isinstance(part, FieldInfo) else ()
        yield from _notes(part)


def nullable(field: FieldInfo) -> bool:
    """Whether a field may be null."""
    return field.annotation is Any or NoneType in (field.annotation, *get_args(field.annotation))


def parts(field: FieldInfo) -> tuple[type[Value], ...]:
    """The models that the values of a field are made of."""
    found = [field.annotation, *_notes(field.annotation)]
    return tuple([each for each in found if isinstance(each, type) and issubclass(each, Value)])
