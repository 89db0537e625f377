"""What the machinery of events tells of itself. It is about no user, and not partitioned."""

from typing import Annotated

from pydantic import Field

from tektree.models.base import Count, Name, Text
from tektree.models.events import EventId
from tektree.models.payloads.base import Moment, Payload

__all__ = ["EventDeadLettered", "EventRedriven", "OutboxStalled", "ProjectionRebuilt", "SchemaUnknownVersion"]

Handler = Annotated[str, Text(128, 1)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _System(Payload, by="system"):
    pass


class EventDeadLettered(_System, event="event.dead_lettered"):
    """A handler gave an event up. ``reason`` is redacted: it holds no value of the event."""

    event_id: EventId
    handler: Handler
    attempts: Count
    reason: Annotated[str, Text(8_192)]


class EventRedriven(_System, event="event.redriven"):
    """An event that was given up is handed to its handler again."""

    event_id: EventId
    handler: Handler


class ProjectionRebuilt(_System, event="projection.rebuilt", populate_by_name=True):
    """Derived state was made anew, of the events from one moment to another."""

    name: Name
    from_: Annotated[Moment | None, Field(alias="from")]
    to: Moment | None
    events: Count
    seconds: Seconds


class OutboxStalled(_System, event="outbox.stalled"):
    """Events wait to be told for too long."""

    collection: Name
    oldest_age: Seconds
    """In seconds."""


class SchemaUnknownVersion(_System, event="schema.unknown_version"):
    """An event was met that this release cannot read."""

    event_type: Annotated[str, Text(64, 1)]
    version: Annotated[str, Text(32, 1)]
