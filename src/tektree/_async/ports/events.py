"""What events need from storage: the log of what happened, and the calls of handlers that are still due.

Methods are atomic intents. What happens together is the first sentence of each.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from tektree.models.events import Delivery, Event, EventFilter, Posted, Posting

__all__ = ["AsyncDeliveries", "AsyncEventLog"]


class AsyncEventLog(Protocol):
    """The log of what happened. It only grows; what is personal may be taken out of it, by `amend` alone.

    An event that is for somebody is marked in the same write that adds it, until `delivered` takes the mark off.
    """

    async def append(self, events: Sequence[Event], posting: Posting | None = None) -> Collection[str]:
        """Adds ``events`` in their order, marked as ``posting`` says.

        One whose ``event_id``, or whose number in its stream, is there already is passed over: telling it twice is
        telling it once. Gives back the ids of those that were passed over, where ``posting`` is given.
        """
        ...

    async def tell(self, event: Event, posting: Posting | None = None) -> tuple[Event, bool]:
        """Adds one event, numbered behind the last one of its stream where its metadata name one.

        Gives back the event as it stands in the log, the first one of its ``event_id`` if that is there already; and
        whether it is new.
        """
        ...

    async def event(self, event_id: str) -> Event | None:
        """The event of that id."""
        ...

    async def events(self, event_ids: Sequence[str]) -> Sequence[Event]:
        """Those of these events that are there, in no order."""
        ...

    async def stream(self, stream: str, after: int, limit: int) -> Sequence[Event]:
        """Up to ``limit`` events of one stream behind number ``after``, in the order of their numbers."""
        ...

    async def newest(self, which: EventFilter, before: tuple[datetime, str] | None, limit: int) -> Sequence[Event]:
        """Up to ``limit`` events, newest ``timestamp`` first, of one timestamp the greatest id.

        ``before`` is timestamp and id of the last one of those already read; None: from the newest.
        """
        ...

    async def recorded(self, which: EventFilter, after: str, limit: int) -> Sequence[Event]:
        """About ``limit`` events recorded later than ``after`` (ISO 8601 in UTC), in the order of recording.

        Those recorded at one instant are given together, by stream and number, so that it may be more than ``limit``;
        none is left. Events that do not say when they were recorded are passed over.
        """
        ...

    async def amend(self, events: Sequence[Event]) -> None:
        """Puts payload and metadata of each event in place of those of the one with its ``event_id``, if it is there.

        For erasures: a mark stays, and so does the event's place in every order.
        """
        ...

    async def effects(self, event_ids: Sequence[str], limit: int) -> Sequence[Event]:
        """Up to ``limit`` events that name one of these as their cause, in the order of recording."""
        ...

    async def count(self) -> int:
        """About how many events there are."""
        ...

    async def delivered(self, event_ids: Sequence[str]) -> None:
        """Takes the marks off these events. Again: nothing happens."""
        ...

    async def posted(self, by: str, now: datetime, limit: int) -> Sequence[Posted]:
        """Up to ``limit`` marked events that are ``by``'s, or whose ``until`` is over; those whose comes first.

        They are given in the order of recording.
        """
        ...

    async def awaited(self, stream: str, before: int) -> bool:
        """Whether an event of this stream with a number lower than ``before`` is still marked."""
        ...

    async def behind(self, sink: str) -> Collection[int]:
        """The partitions in which events are marked for a sink."""
        ...

    async def unpublished(self, sink: str, partitions: Collection[int], limit: int) -> Sequence[Event]:
        """Up to ``limit`` events that are marked for a sink, of these partitions, in the order of their lines.

        Of a line none is given before which another one is marked that is not given; as many as can be, else.
        """
        ...

    async def published(self, sink: str, event_ids: Sequence[str]) -> None:
        """Takes a sink's mark off these events. Again: nothing happens."""
        ...


class AsyncDeliveries(Protocol):
    """Calls of handlers that are still due, in lines, and those that were given up.

    Of a line the one with the lowest ``seq`` is its head, among equals the first by id. One that is dead and blocks
    nothing stands in no line.
    """

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        """Adds those that are not there yet; one whose ``id`` is there stays as it is."""
        ...

    async def blocked(self, handlers: Sequence[str], line: str) -> Collection[str]:
        """Those of the handlers that something stands before in this line, or that are halted as a whole."""
        ...

    async def held(self, handler: str, lines: Collection[str]) -> Collection[str]:
        """Those of the lines in which something stands before for this handler; all of them, if it is halted."""
        ...

    async def heads(self, handlers: Sequence[str], limit: int) -> Sequence[Delivery]:
        """Up to ``limit`` heads of lines that are waiting, of handlers that are not halted, by ``due``, then by id."""
        ...

    async def claim(self, id: str, token: str, now: datetime, until: datetime) -> Delivery | None:
        """Counts an attempt and gives the delivery to ``token`` until ``until``, if it waits and nobody has it.

        Somebody's claim that ended at ``now`` or before is over. Gives back the delivery as it is now, or None.
        """
        ...

    async def put(self, delivery: Delivery, token: str) -> None:
        """Puts the delivery in place of the one that ``token`` claimed; nothing happens if that has it no more."""
        ...

    async def remove(self, id: str, token: str) -> None:
        """Takes away the delivery that ``token`` claimed: the handler has it. Nothing if that has it no more."""
        ...

    async def get(self, id: str) -> Delivery | None:
        """The delivery of that id."""
        ...

    async def dead(self, handler: str | None, after: str | None, limit: int) -> Sequence[Delivery]:
        """Up to ``limit`` dead ones behind the id ``after``, ascending by id; of one handler, or of all (None)."""
        ...

    async def revive(self, id: str, now: datetime) -> bool:
        """Lets a dead one wait again, due ``now``, with no attempts counted. Whether it was dead."""
        ...

    async def discard(self, id: str) -> bool:
        """Takes a dead one away. Whether it was dead."""
        ...

    async def waiting(self) -> int:
        """How many are waiting."""
        ...
