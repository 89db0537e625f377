"""What happened: the envelope of every event, the data model's ten fields."""

from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from tektree.models.base import Frozen, HexId, Instant, Json, Lazy, Record, Text

__all__ = ["Event", "EventId", "EventType", "Told"]


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


class Told(Lazy[Event]):
    """Events of one stream that are made when somebody looks.

    All that they say stands on the ledger row that tells them, and most of them nobody in this process ever looks at.
    """

    __slots__ = ("stream",)

    def __init__(
        self, stream: str, length: int, tell: Callable[..., tuple[Event, ...]], facts: tuple[object, ...]
    ) -> None:
        self.stream = stream
        self._length = length
        self._make = tell
        self._facts = facts
        self._items = None
