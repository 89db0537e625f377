"""What happened: the envelope of every event, the data model's ten fields."""

from typing import Annotated

from pydantic import Field

from tektree.models.base import Frozen, HexId, Instant, Json, Record, Text

__all__ = ["Event", "EventId", "EventType"]


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
