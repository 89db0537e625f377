"""The catalog: which events there are, what each says, and how what was said in older versions is read.

The law: a type has one meaning for ever. What is told is exactly as declared, at most 16 KiB, and holds personal data
in declared fields only. What is read may be of any minor version of a known major one, fields that are not known are
passed over; an older major version is brought forward step by step, a newer one is an `UnknownVersion`.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from string import Formatter
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from tektree.errors import ConfigurationError, CorruptDocument, InvalidInput, UnknownVersion
from tektree.ids import hex_id
from tektree.models.base import Frozen, Value, checked, instant, json_value, made, validated
from tektree.models.events import Context, Event
from tektree.models.payloads import PAYLOADS
from tektree.models.payloads.base import Kind, Payload, is_personal, nullable, parts
from tektree.models.personal import looks_personal

__all__ = ["CATALOG", "MOST_METADATA", "MOST_PAYLOAD", "Catalog", "encoded", "looks_personal", "stream_of"]

MOST_PAYLOAD: Final = 16_384
MOST_METADATA: Final = 2_048
"""Bytes of JSON. A whole event stays below the 20 kB that receivers of webhooks take."""

PERSONAL_METADATA: Final = frozenset({"ip_address"})
"""What may stand in ``metadata`` and is personal."""

_LONGEST_STREAM: Final = 256
_SHORT: Final = 2_000
"""Characters that stay below the limit however they are escaped, with up to a hundred fields."""

INT64: Final = 2**63

_TYPE: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){1,2}")
_VERSION: Final = re.compile(r"[1-9][0-9]{0,8}(\.(0|[1-9][0-9]{0,8})){2}")
_NUMBERS: Final = re.compile(r"([0-9]+)\.[0-9]+\.[0-9]+")

_SECRET: Final = frozenset({"password", "secret", "token"})


class Catalog:
    """Event types by name. It never changes: `register` gives a larger one."""

    __slots__ = ("_by_class", "_by_name", "_flat", "_kinds")

    def __init__(self, payloads: Iterable[type[Payload]] = ()) -> None:
        """Raises `ConfigurationError` for a declaration that does not hold together, or for a name that is taken."""
        kinds: dict[str, Kind] = {}
        by_name: dict[str, Kind] = {}
        for payload in payloads:
            kind = _declared(payload)
            for name in (kind.event_type, *kind.aliases):
                if name in by_name:
                    raise ConfigurationError(name, "is declared twice; a type has one meaning, for ever")
                by_name[name] = kind
            kinds[kind.event_type] = kind
        self._kinds: Mapping[str, Kind] = MappingProxyType(kinds)
        self._by_name: Mapping[str, Kind] = MappingProxyType(by_name)
        self._by_class: Mapping[type[Payload], Kind] = {kind.payload: kind for kind in kinds.values()}
        self._flat = _Flat()

    def register(self, *payloads: type[Payload]) -> "Catalog":
        """A catalog with these types too. Raises `ConfigurationError`: see the class."""
        return Catalog([*[kind.payload for kind in self], *payloads])

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._kinds.values())

    def __len__(self) -> int:
        return len(self._kinds)

    def __contains__(self, event_type: object) -> bool:
        return event_type in self._by_name

    def of(self, payload: type[Payload]) -> Kind | None:
        """The declaration of this very class; None if it is not in the catalog."""
        return self._by_class.get(payload)

    def kind(self, of: str | type[Payload] | Payload) -> Kind:
        """The declaration of a type, of a payload's class, or of a payload. Old names are known.

        Raises `InvalidInput` for what is not in the catalog.
        """
        if isinstance(of, str):
            kind = self._by_name.get(of)
        else:
            kind = self._by_class.get(of if isinstance(of, type) else type(of))
        if kind is None:
            raise InvalidInput("event_type", "is not in the catalog; register its payload first")
        return kind

    # -- telling ------------------------------------------------------------------------------------------------------

    def encode(self, payload: Payload) -> Frozen[str, Any]:
        """``payload`` as the JSON that an event carries.

        Raises `InvalidInput` when it is of no known type, larger than 16 KiB, or names something personal within a
        field that is open.
        """
        self.kind(payload)
        return self._encoded(payload)

    def _encoded(self, payload: Payload) -> Frozen[str, Any]:
        flat = self._flat[type(payload)]
        short = None if flat is None else _short(payload, flat)
        if short is not None:
            return short
        found = encoded(payload)
        _measured("payload", found, MOST_PAYLOAD)
        for name, value in found.items():
            _only_declared(value, f"payload.{name}")
        return found

    def told(self, payload: Payload, id: str, at: datetime, now: datetime, ambient: Context, producer_id: str) -> Event:
        """The event that tells ``payload`` in a context: what `event` makes, of parts that are checked already.

        ``at`` is when it happened, ``now`` when it is recorded. Raises `InvalidInput` for what `encode` refuses, and
        for a stream whose name is longer than 256 characters.
        """
        kind = self._by_class.get(type(payload)) or self.kind(payload)
        metadata = ambient.metadata if ambient.told else {}
        if kind.stream is not None:
            stream = stream_of(payload) or ""
            if len(stream) > _LONGEST_STREAM:
                raise InvalidInput("payload", f"names its stream with more than {_LONGEST_STREAM} characters")
            metadata["stream"] = stream
        metadata["recorded_at"] = now.isoformat()
        fields = {
            "id": id,
            "event_id": f"evt_{id}",
            "event_type": kind.event_type,
            "event_version": kind.version,
            "timestamp": at,
            "trace_id": ambient.trace_id,
            "correlation_id": ambient.correlation_id,
            "source_service": kind.by,
            "producer_id": producer_id,
            "metadata": Frozen(metadata),
            "payload": self._encoded(payload),
        }
        return made(Event, fields)

    def event(
        self,
        payload: Payload,
        id: str,
        at: datetime,
        *,
        event_id: str | None = None,
        trace_id: str = "",
        correlation_id: str = "",
        producer_id: str = "",
        metadata: Mapping[str, Any] = Frozen(),
    ) -> Event:
        """The event that tells ``payload``. ``id`` are 24 hex digits; ``event_id`` is made of them if there is none.

        Where the type has a stream, ``metadata`` names it. Raises `InvalidInput`.
        """
        kind = self.kind(payload)
        stream = stream_of(payload)
        fields = {
            "id": hex_id(id, "id"),
            "event_id": f"evt_{id}" if event_id is None else event_id,
            "event_type": kind.event_type,
            "event_version": kind.version,
            "timestamp": instant(at),
            "trace_id": trace_id,
            "correlation_id": correlation_id,
            "source_service": kind.by,
            "producer_id": producer_id,
            "metadata": ({} if stream is None else {"stream": stream}) | dict(metadata),
            "payload": self.encode(payload),
        }
        event = checked(Event, fields)
        _metadata(event, stream)
        return event

    def check(self, event: Event) -> None:
        """Raises `InvalidInput` unless ``event`` is told exactly as its type is declared, in the newest version."""
        kind = self.kind(event.event_type)
        for field, told, meant in (
            ("event_type", event.event_type, kind.event_type),
            ("event_version", event.event_version, kind.version),
            ("source_service", event.source_service, kind.by),
        ):
            if told != meant:
                raise InvalidInput(field, f"must be {meant!r}")
        unknown = [name for name in event.payload if name not in kind.fields]
        if unknown:
            raise InvalidInput(f"payload.{unknown[0][:64]}", "is not declared; leave it out")
        try:
            payload = checked(kind.payload, event.payload)
        except InvalidInput as error:
            raise InvalidInput(f"payload.{error.field}", error.reason) from None
        _measured("payload", event.payload, MOST_PAYLOAD)
        self.encode(payload)
        _metadata(event, stream_of(payload))

    # -- reading ------------------------------------------------------------------------------------------------------

    def decode(self, event: Event) -> Payload:
        """What ``event`` says, in the newest version of its payload.

        Raises `UnknownVersion` for a type or a major version that is not known here, `CorruptDocument` for a payload
        that is none of its version.
        """
        kind = self._by_name.get(event.event_type)
        if kind is not None and event.event_version == kind.version:
            found = validated(kind.payload, event.payload)
            if found is not None:  # most are exactly as they are declared here
                return found
        return self._decoded(event)

    def _decoded(self, event: Event) -> Payload:
        kind, major = self._found(event)
        payload: Mapping[str, Any] = event.payload
        try:
            for step in range(major, kind.major):
                payload = kind.upcasts[step].up(_thawed(payload))
            return checked(kind.payload, _known(kind.payload, payload))
        except InvalidInput as error:
            raise CorruptDocument("events", event.event_id, f"payload.{error.field}", error.reason) from None
        except Exception as error:  # an upcaster is anybody's code, and what it stumbles over is the payload
            raise CorruptDocument(
                "events", event.event_id, "payload", f"cannot be brought forward: {type(error).__name__}"
            ) from error

    def without_personal(self, event: Event) -> Event:
        """``event`` with null for all that is personal: what a webhook may carry, what an erasure leaves in the log.

        Of a newer minor version, whatever is named like something personal is taken for it. Raises `UnknownVersion`.
        """
        kind, major = self._found(event)
        personal = kind.personal if major == kind.major else kind.upcasts[major].personal
        fields = kind.fields if major == kind.major else {}
        payload = {
            name: None if name in personal else value if name in fields else _blanked(name, value)
            for name, value in event.payload.items()
        }
        return self.without_traces(event.evolve(payload=payload))

    def without_traces(self, event: Event) -> Event:
        """``event`` with null for what is personal in its metadata, which is of who acted."""
        return event.evolve(metadata={name: _blanked(name, value) for name, value in event.metadata.items()})

    def _found(self, event: Event) -> tuple[Kind, int]:
        kind, numbers = self._by_name.get(event.event_type), _NUMBERS.fullmatch(event.event_version)
        major = int(numbers[1]) if numbers else 0
        if kind is None or not 0 < major <= kind.major:
            raise UnknownVersion(event.event_type, event.event_version)
        return kind, major


class _Flat(dict[type[Payload], "Mapping[str, Any] | None"]):
    """By class of payload, the defaults of its fields; None where one of them is more than a text or a number."""

    def __missing__(self, payload: type[Payload]) -> Mapping[str, Any] | None:
        decorators = payload.__pydantic_decorators__
        plain = not decorators.field_serializers and not decorators.model_serializers
        for field in payload.model_fields.values():
            plain = plain and field.alias is None and _scalar(field.annotation) and not _serialized(field.metadata)
        defaults = {name: field.default for name, field in payload.model_fields.items() if not field.is_required()}
        self[payload] = found = defaults if plain else None
        return found


def _scalar(hint: Any) -> bool:
    origin = get_origin(hint)
    if origin is Annotated:
        return _scalar(get_args(hint)[0]) and not _serialized(get_args(hint)[1:])
    if origin in {Union, UnionType}:
        return all(_scalar(option) for option in get_args(hint))
    if origin is Literal:
        return all(type(option) in {str, int, bool, NoneType} for option in get_args(hint))
    return hint in {str, int, bool, NoneType}


def _serialized(notes: Iterable[Any]) -> bool:
    return any("Serializer" in type(note).__name__ for note in notes)


def _short(payload: Payload, defaults: Mapping[str, Any]) -> Frozen[str, Any] | None:
    """A flat payload as JSON in one go, if it is of plain ASCII and far below what is too large."""
    found, size = {}, 0
    for name, value in payload.__dict__.items():
        if name in defaults and value == defaults[name]:
            continue
        kind = type(value)
        if kind is str:
            if not value.isascii() or "\0" in value:
                return None
            size += len(value)
        elif kind is int and not -INT64 <= value < INT64:
            return None
        found[name] = value
    return Frozen(found) if size < _SHORT else None


def encoded(payload: Payload) -> Frozen[str, Any]:
    """``payload`` as JSON: required fields always, the others where they are not at their default.

    Raises `InvalidInput` for what JSON, or a document, cannot hold.
    """
    try:
        found: Frozen[str, Any] = json_value(payload.model_dump(mode="json", by_alias=True, exclude_defaults=True))
    except ValueError as error:  # half of a surrogate pair is found by pydantic, whose error says what it found
        reason = str(error) if type(error) is ValueError else "must not hold half of a surrogate pair"
        raise InvalidInput("payload", reason) from None
    return found


def stream_of(payload: Payload) -> str | None:
    """The stream that ``payload`` is told along; None: it stands alone."""
    kind = payload.KIND
    if kind is None or kind.stream is None:
        return None
    return kind.stream.format_map({name: getattr(payload, name) for name in _placeholders(kind.stream)})


def _placeholders(template: str) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(template) if name is not None]


# -- declarations ------------------------------------------------------------------------------------------------------


def _declared(payload: type[Payload]) -> Kind:
    kind = payload.KIND
    if kind is None:
        raise ConfigurationError(payload.__name__, "declares no event; give its class event=…")
    for name in (kind.event_type, *kind.aliases):
        if len(name) > 64 or not _TYPE.fullmatch(name):
            raise ConfigurationError(name, "must be like 'resource.past_participle', of at most 64 characters")
    if not _VERSION.fullmatch(kind.version):
        raise ConfigurationError(kind.event_type, "must have a version such as '1.0.0'")
    if not 0 < len(kind.by) <= 64:
        raise ConfigurationError(kind.event_type, "must name the service that tells it: by=…")
    steps = set(range(1, kind.major))
    if set(kind.upcasts) != steps:
        wrong = min(steps ^ set(kind.upcasts))
        fault = f"lacks the upcast of version {wrong}" if wrong in steps else f"has an upcast of version {wrong}"
        raise ConfigurationError(kind.event_type, f"{fault}; version {kind.version} needs one for each major below it")
    _fields(kind)
    return kind


def _fields(kind: Kind) -> None:
    personal = kind.personal
    for name, field in kind.fields.items():
        where = f"{kind.event_type}.{name}"
        if _last(name) in _SECRET:
            raise ConfigurationError(where, "is a secret by its name; events hold none")
        if name in personal and not nullable(field):
            raise ConfigurationError(where, "is personal and so must allow None: an erasure overwrites it")
        if name not in personal and looks_personal(name):
            raise ConfigurationError(where, "is personal by its name; mark it: Personal[…]")
        for part in parts(field):
            _part(part, where, frozenset())
    user = kind.fields.get("user_id")
    if user is not None and not user.is_required():
        raise ConfigurationError(f"{kind.event_type}.user_id", "must be required: events are partitioned by it")
    for name in _placeholders(kind.stream or ""):
        placed = kind.payload.model_fields.get(name)
        if placed is None or not placed.is_required() or nullable(placed):
            raise ConfigurationError(f"{kind.event_type}.{name}", "is part of the stream, so it must always be there")


def _part(part: type[Value], where: str, seen: frozenset[type[Value]]) -> None:
    """Personal data stands at the top of a payload, where it is found without knowing its parts."""
    for name, field in part.model_fields.items():
        if looks_personal(name) or _last(name) in _SECRET or is_personal(field):
            raise ConfigurationError(f"{where}.{name}", "is personal; it must stand at the top of the payload")
        for inner in {*parts(field)} - seen - {part}:
            _part(inner, f"{where}.{name}", seen | {part})


def _last(name: str) -> str:
    return name.lower().removesuffix("_hash").rpartition("_")[2]


# -- what is in them ---------------------------------------------------------------------------------------------------


def _metadata(event: Event, stream: str | None) -> None:
    metadata = event.metadata
    _measured("metadata", metadata, MOST_METADATA)
    if metadata.get("stream", stream) != stream:
        raise InvalidInput("metadata.stream", "must be absent" if stream is None else f"must be {stream!r}")
    for name, value in metadata.items():
        if name not in PERSONAL_METADATA:
            _only_declared({name: value}, "metadata")


def _measured(field: str, value: Mapping[str, Any], most: int) -> None:
    size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
    if size > most:
        raise InvalidInput(field, f"is {size:,} bytes of JSON, and {most:,} is the most; name long texts by their id")


def _only_declared(value: Any, path: str) -> None:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if (looks_personal(name) and not _says_nothing(inner)) or _last(name) in _SECRET:
                raise InvalidInput(path, "names something personal or secret, which is not declared; leave it out")
            _only_declared(inner, path)
    elif isinstance(value, tuple):
        for inner in value:
            _only_declared(inner, path)


def _says_nothing(value: Any) -> bool:
    """Whether this is but the name of a field that changed, without its values."""
    return isinstance(value, Mapping) and not value


def _known(model: type[Value], found: Mapping[str, Any]) -> dict[str, Any]:
    """What ``model`` knows of a map, in all its parts."""
    fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    return {name: _known_as(fields[name], value) for name, value in found.items() if name in fields}


def _known_as(hint: Any, value: Any) -> Any:
    origin, options = get_origin(hint), [option for option in get_args(hint) if option is not NoneType]
    if origin is Annotated or (origin in {Union, UnionType} and len(options) == 1):
        return _known_as(options[0], value)
    if isinstance(value, Mapping):
        if isinstance(hint, type) and issubclass(hint, Value):
            return _known(hint, value)
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return {name: _known_as(options[1], inner) for name, inner in value.items()}
    elif origin is tuple and isinstance(value, list | tuple):
        return tuple([_known_as(options[0], inner) for inner in value])
    return value


def _blanked(name: str, value: Any) -> Any:
    if looks_personal(name):
        return value if _says_nothing(value) else None
    if isinstance(value, Mapping):
        return {inner: _blanked(inner, each) for inner, each in value.items()}
    return tuple([_blanked("", each) for each in value]) if isinstance(value, tuple) else value


def _thawed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _thawed(inner) for name, inner in value.items()}
    return [_thawed(inner) for inner in value] if isinstance(value, tuple) else value


CATALOG: Final = Catalog(PAYLOADS)
"""All that the package itself tells. A host's own types come on top: ``CATALOG.register(QuizPassed)``."""
