"""What events need beyond this process: where they go, whose turn it is to bring them there, and how far others got.

Lines of events are divided into `PARTITIONS` parts. Methods are atomic intents: what happens together is the first
sentence of each.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from tektree.models.events import Change, Effect, Entry, Event, Lease, Pending

__all__ = ["AsyncEffects", "AsyncLeases", "AsyncNews", "AsyncOutlet", "AsyncOutlets", "AsyncSink", "AsyncStreams"]


class AsyncSink(Protocol):
    """Where all events go, such as a broker.

    Of each line one relay at a time brings the events, in their order. After a crash some may come a second time, with
    the same ``event_id``, and no later one of their line is passed over for that.
    """

    @property
    def name(self) -> str:
        """What the policy calls it."""
        ...

    async def publish(self, events: Sequence[Event], again: bool) -> Mapping[str, Exception]:
        """Takes the events, those of a line in their order. Gives back why it takes one never, by its ``event_id``.

        Behind one that is not taken, no other of its line is. ``again``: some may have been taken before. Raises
        `Unavailable` or `OutcomeUnknown` when it is away: then all are brought again, later.
        """
        ...


class AsyncOutlet(Protocol):
    """One of the endpoints of a sink: it gets one event at a time, at its own pace."""

    @property
    def name(self) -> str:
        """What its deliveries are kept under."""
        ...

    @property
    def attempts(self) -> int:
        """How often an event is tried in all."""
        ...

    def wants(self, event_type: str) -> bool:
        """Whether it gets events of this type."""
        ...

    async def send(self, event: Event) -> None:
        """Brings it there. Raises whatever went wrong, `GivenUp` where it is of no use to try again."""
        ...


@runtime_checkable
class AsyncOutlets(Protocol):
    """A sink that brings each event to several endpoints. None of them waits for another."""

    @property
    def name(self) -> str:
        """What the policy calls it."""
        ...

    @property
    def outlets(self) -> Sequence[AsyncOutlet]:
        """The endpoints."""
        ...


class AsyncLeases(Protocol):
    """Whose turn it is with which partition of what is called ``name``."""

    async def claim(
        self, name: str, partitions: Collection[int], token: str, now: datetime, until: datetime, due: datetime
    ) -> Sequence[Lease]:
        """Counts an attempt of each of the partitions and gives it to ``token`` until ``until``, if nobody has it.

        Only those that are due at ``due`` or before. A claim that ended at ``now`` or before is over. Gives back those
        that are ``token``'s now.
        """
        ...

    async def renew(self, name: str, token: str, now: datetime, until: datetime) -> Collection[int]:
        """Lets ``token`` keep until ``until`` what is its own at ``now``, and says what that is."""
        ...

    async def release(self, name: str, token: str, due: datetime, failures: int) -> None:
        """Gives back all that is ``token``'s, due at ``due``, with no attempts and so many failures counted."""
        ...


class AsyncNews(Protocol):
    """Tells that events have come, so that nobody has to look for them all the time."""

    async def wait(self, seconds: float) -> bool:
        """Waits for so long at most. Whether something has come since the last call."""
        ...

    async def close(self) -> None:
        """Lets go of what it holds."""
        ...


class AsyncStreams(Protocol):
    """Events for groups of consumers: each group gets each event, one of its consumers at a time."""

    async def publish(self, events: Sequence[Event], again: bool) -> None:
        """Adds the events in their order. ``again``: those that were added a short while ago are passed over."""
        ...

    async def join(self, group: str, behind: bool = False) -> bool:
        """Makes the group wherever it is missing, before the first event that is there, or ``behind`` the last one.

        Gives back whether it was missing anywhere.
        """
        ...

    async def take(self, group: str, consumer: str, limit: int) -> Sequence[Entry]:
        """Hands out up to ``limit`` entries of each partition that nobody of the group had yet.

        Raises `NotFound` where the group is missing somewhere, as `pending` and `again` do.
        """
        ...

    async def pending(self, group: str, consumer: str | None, idle: timedelta, limit: int) -> Sequence[Pending]:
        """Up to ``limit`` entries of each partition that a consumer has not acknowledged, the oldest first.

        Of this consumer, or of any (None); handed out for the last time longer ago than ``idle``.
        """
        ...

    async def again(self, group: str, consumer: str, pending: Sequence[Pending], idle: timedelta) -> Sequence[Entry]:
        """Hands these out to the consumer, one time more, if they were not for longer than ``idle``.

        Those that are there no more are left out, and acknowledged.
        """
        ...

    async def acknowledge(self, group: str, entries: Sequence[Entry]) -> None:
        """Says that the group is done with these. Again: nothing happens."""
        ...

    async def trim(self, spare: int) -> int:
        """Lets go of entries that every group is done with; ``spare`` of each partition where there is no group.

        Gives back how many.
        """
        ...


class AsyncEffects(Protocol):
    """How far handlers got in lines, and what it came to.

    A line of one event that has no stream is kept for a week at least, any other one for ever.
    """

    async def read(self, name: str, lines: Collection[str]) -> Mapping[str, Effect]:
        """What stands there for these lines; those without anything are left out."""
        ...

    async def write(self, name: str, changes: Sequence[Change], now: datetime) -> Collection[str]:
        """Makes each change whose line still stands at its ``old`` number (0: at nothing), whole or not at all.

        Gives back the lines of those that were not made.
        """
        ...
