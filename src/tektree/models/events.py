"""What happened: the envelope of every event, the data model's ten fields, and who is to be told of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal, NamedTuple
from zlib import crc32

from pydantic import Field

from tektree.models.base import Count, Frozen, HexId, Instant, Json, Lazy, Record, Text
from tektree.models.personal import masked

__all__ = [
    "NOTHING",
    "PARTITIONS",
    "Pending",
    "Change",
    "Consumed",
    "Context",
    "DeadLetter",
    "Delivery",
    "Effect",
    "Entry",
    "Event",
    "EventFilter",
    "EventId",
    "EventTree",
    "EventType",
    "Lease",
    "Posted",
    "Posting",
    "Recipients",
    "Swept",
    "Timing",
    "Told",
    "alone",
    "in_line",
    "line_of",
    "partition_of",
    "recording",
    "within",
]


EventId = Annotated[str, Field(max_length=64, pattern=r"^evt_[A-Za-z0-9_\-]{1,60}$")]
EventType = Annotated[str, Field(max_length=64, pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){1,2}$")]


class Event(Record):
    """Something that happened, said once and never changed.

    ``payload`` holds the facts, ``payload["user_id"]`` the uid of whom it is about. ``metadata`` says who caused it and
    where it stands: ``stream`` and ``seq`` (1, 2, 3 … within the stream), ``causation_id``, ``recorded_at``. Both are
    JSON; times in them are ISO 8601 in UTC.
    """

    id: HexId
    event_id: EventId
    event_type: EventType
    event_version: Annotated[str, Field(max_length=32, pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")] = "1.0.0"
    timestamp: Instant
    trace_id: Annotated[str, Text(128)] = ""
    correlation_id: Annotated[str, Text(128)] = ""
    source_service: Annotated[str, Text(64)]
    producer_id: Annotated[str, Text(128)] = ""
    metadata: Json = Frozen()
    payload: Json = Frozen()

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        """The fields; of what is personal in them only that it is there."""
        for name, value in super().__repr_args__():
            yield name, masked(value)


def recording(event: Event) -> tuple[str, str, int, str]:
    """The order of recording: by instant, and within one by stream and number."""
    metadata = event.metadata
    return metadata.get("recorded_at", ""), metadata.get("stream", ""), metadata.get("seq", 0), event.id


PARTITIONS: Final = 16
"""Into how many parts the lines of events are divided, so that several relays and consumers share them. It is written
on events that wait for a sink, so it never changes.
"""


def line_of(event: Event) -> str:
    """What the event waits in line by: its stream, or itself alone."""
    line: str = event.metadata.get("stream") or event.event_id
    return line


def alone(line: str) -> bool:
    """Whether a line is that of one event, which has no stream."""
    return line.startswith("evt_")


def partition_of(line: str) -> int:
    """The part that a line is in, the same in every process."""
    return crc32(line.encode("utf-8", "surrogatepass")) % PARTITIONS


def in_line(event: Event) -> tuple[str, int]:
    """The order in which events are published: that of each line."""
    metadata = event.metadata
    return metadata.get("stream") or event.event_id, metadata.get("seq", 1)


class Told(Lazy[Event]):
    """Events of one stream that are made when somebody looks.

    All that they say stands on the ledger row that tells them, and most of them nobody in this process ever looks at.
    """

    __slots__ = ()

    def __init__(self, length: int, facts: tuple[Any, ...]) -> None:
        self._length = length
        self.facts = facts
        self._items = None

    def within(self, context: "Context") -> "Told":
        """The same events as told in ``context``."""
        return Told(self._length, (_told_within, context, *self.facts))


# -- what led to it ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Context:
    """What led to what is done now. It stands on every event that is told meanwhile.

    ``causation_id`` is the event that is being answered, ``actor`` the uid of who acts, ``depth`` how many events
    caused one another up to here.
    """

    correlation_id: str = ""
    causation_id: str | None = None
    trace_id: str = ""
    traceparent: str | None = None
    tracestate: str | None = None
    actor: str | None = None
    rule_id: str | None = None
    depth: int = 0

    @property
    def told(self) -> bool:
        """Whether there is anything to tell of it."""
        return self is not NOTHING

    @property
    def metadata(self) -> dict[str, Any]:
        """What of it stands in an event's metadata."""
        found = {
            "user_id": self.actor,
            "causation_id": self.causation_id,
            "traceparent": self.traceparent,
            "tracestate": self.tracestate,
            "rule_id": self.rule_id,
            "hops": self.depth or None,
        }
        return {name: value for name, value in found.items() if value is not None}


NOTHING: Final = Context()
"""When nobody said anything."""


def _told_within(context: Context, tell: Callable[..., tuple[Event, ...]], *facts: object) -> tuple[Event, ...]:
    return tuple([_placed(event, context) for event in tell(*facts)])


def within(context: Context, events: Sequence[Event]) -> Sequence[Event]:
    """``events`` as told in ``context``. Those that follow from another of them keep it as their cause."""
    if type(events) is Told:
        return events.within(context)
    return tuple([_placed(event, context) for event in events])


def _placed(event: Event, context: Context) -> Event:
    metadata = {**context.metadata, **event.metadata}
    return event.evolve(correlation_id=context.correlation_id, trace_id=context.trace_id, metadata=metadata)


# -- who is told -------------------------------------------------------------------------------------------------------

Recipients = tuple[str, ...]
"""The names of the handlers that an event is for."""


class Posting(NamedTuple):
    """Whom events are for, one entry for each; ``by`` calls them, and until ``until`` nobody else does.

    ``sinks`` are the names of those that get all of them.
    """

    to: Sequence[Recipients]
    by: str
    until: datetime
    sinks: tuple[str, ...] = ()


class Posted(NamedTuple):
    """An event in the log whose handlers are not known to have been called."""

    event: Event
    to: Recipients


class Delivery(Record):
    """An event that a handler is still to get: its call failed, or it waits in line behind one that did.

    ``line`` is the event's stream, or the event itself where it has none: a handler gets the events of a line one
    after the other. One that was given up is ``dead``; ``blocks`` says what waits behind it.
    """

    id: HexId
    handler: Annotated[str, Text(128, 1)]
    line: Annotated[str, Text(256, 1)]
    seq: Count
    """The event's number in its stream; 0 where it has none."""
    event_id: EventId
    event_type: EventType
    state: Literal["waiting", "dead"] = "waiting"
    blocks: Literal["nothing", "line", "handler"] = "line"
    attempts: Count = 0
    due: Instant
    token: Annotated[str, Text(64)] = ""
    """Of who is calling the handler now, which is taken for over at ``until``."""
    until: Instant
    reason: Annotated[str, Text(1_024)] = ""


class DeadLetter(NamedTuple):
    """An event that a handler was called with too often. ``reason`` names the error and its place, no values."""

    id: str
    handler: str
    event: Event
    attempts: int
    reason: str
    failed_at: datetime


class EventFilter(NamedTuple):
    """Which events of the log; None: any. ``uid`` is whom they are about.

    ``traced`` is who acted, of those events whose metadata hold the ``ip_address`` of who did.
    """

    uid: str | None = None
    event_type: str | None = None
    correlation_id: str | None = None
    traced: str | None = None


@dataclass(frozen=True, slots=True)
class EventTree:
    """An event and what followed from it. As text it is drawn, one line for each event."""

    event: Event
    effects: "tuple[EventTree, ...]" = ()
    asked: bool = False
    """Whether this is the event that the tree was asked for."""

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        event = self.event
        about = event.payload.get("user_id")
        yield f"{event.event_type}  {event.event_id}{f'  {about}' if about else ''}{'  ←' if self.asked else ''}"
        for at, effect in enumerate(self.effects):
            last = at == len(self.effects) - 1
            for line, text in enumerate(effect._lines()):
                yield ("└─ " if last else "├─ ") + text if line == 0 else ("   " if last else "│  ") + text


class Swept(NamedTuple):
    """What a run of the relay came to.

    ``told``: events brought to the log from where a command had left them. ``delivered``, ``failed`` and ``dead``:
    calls of handlers, of endpoints, and of sinks for one event. ``waiting``: deliveries that are still open afterwards,
    for handlers of this process or others. ``published``: events that sinks took, or that wait for endpoints now.
    """

    told: int = 0
    delivered: int = 0
    failed: int = 0
    dead: int = 0
    waiting: int = 0
    published: int = 0


# -- beyond this process -----------------------------------------------------------------------------------------------


class Lease(NamedTuple):
    """Whose a partition is for now: ``token``'s until ``until``. Nobody takes it before ``due``.

    ``attempts`` counts how often it was taken since somebody last gave it back: who does not come back leaves it
    counted. ``failures`` counts how often in a row it was given back because the sink was away.
    """

    name: str
    partition: int
    token: str
    until: datetime
    due: datetime
    attempts: int = 0
    failures: int = 0


class Entry(NamedTuple):
    """An event as a group of consumers has it from the streams; ``times`` is how often it was handed out."""

    partition: int
    id: str
    event: Event
    times: int = 1


class Pending(NamedTuple):
    """An entry that was handed out ``times`` times, and was not acknowledged."""

    partition: int
    id: str
    times: int


class Effect(NamedTuple):
    """How far a handler got in a line: the ``number`` of the last event that took effect, and what it came to."""

    number: int
    state: str | None = None


class Change(NamedTuple):
    """An effect in place of another: of ``number`` where the last one was of number ``old``."""

    line: str
    old: int
    number: int
    state: str | None = None


class Timing(NamedTuple):
    """What a consumer waits for, in seconds.

    ``idle``: after this long what another consumer took and did not acknowledge is taken from it. ``patience``: how
    long a missing event may still come by itself. ``check``: how often the log is compared; ``settle``: how old an
    event is before it is missed there.
    """

    idle: float = 30.0
    patience: float = 0.5
    check: float = 60.0
    settle: float = 60.0


class Consumed(NamedTuple):
    """What a run came to, counted in events for each handler.

    ``applied``: took effect. ``repeated``: had done so before. ``healed``: of those applied, came from the log.
    ``failed``: calls that failed. ``held``: wait in the log behind what failed. ``left``: entries that are not done.
    """

    applied: int = 0
    repeated: int = 0
    healed: int = 0
    failed: int = 0
    held: int = 0
    left: int = 0
