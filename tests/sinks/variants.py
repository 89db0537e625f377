"""Known ways to do it wrong with relays and consumers. Each passes any test in which nobody meets and nothing fails."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from tektree._async.ports.bundles import AsyncBackends
from tektree._async.services.consumers import AsyncConsumer
from tektree._async.services.effects import Failure, Work
from tektree._async.services.progress import AsyncProgress
from tektree.models.events import Change, Event, Lease, in_line
from tests.protocol.variants import Behind, _with
from tests.protocol.worlds import Variant
from tests.sinks.worlds import Played, calling


class MarksFirst(Behind):
    """Takes the marks off as soon as the events are read."""

    async def unpublished(self, sink: str, partitions: Collection[int], limit: int) -> Sequence[Event]:
        found: Sequence[Event] = await self.inner.unpublished(sink, partitions, limit)
        await self.inner.published(sink, [event.event_id for event in found])
        return found


class AsksForNoHead(Behind):
    """Never says that something stands before in a line."""

    async def held(self, handler: str, lines: Collection[str]) -> Collection[str]:
        return ()


class GivesToAll(Behind):
    """A lease that everybody gets."""

    async def claim(
        self, name: str, partitions: Collection[int], token: str, now: datetime, until: datetime, due: datetime
    ) -> Sequence[Lease]:
        return [Lease(name, each, token, until, now, 1) for each in partitions]


class OneEach(Behind):
    """Events that are given out one at a time, each to who comes first."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        inner.given = getattr(inner, "given", [])

    async def unpublished(self, sink: str, partitions: Collection[int], limit: int) -> Sequence[Event]:
        found: Sequence[Event] = await self.inner.unpublished(sink, partitions, limit)
        free = [each for each in found if each.event_id not in self.inner.given] or list(found)
        self.inner.given += [each.event_id for each in free[:1]]
        return free[:1]


def _two_in_flight(backends: AsyncBackends) -> AsyncBackends:
    events: Any = OneEach(backends.events)
    leases: Any = GivesToAll(backends.leases)
    return replace(backends, events=events, leases=leases)


class MarkerFirst(AsyncProgress):
    """Writes that events took effect, and then lets them."""

    async def _apply(
        self, listener: Any, work: Mapping[str, Work], reached: dict[str, int], doomed: Collection[str] = ()
    ) -> Mapping[str, Failure]:
        now = self._clock()
        changes = [Change(line, old, in_line(events[-1])[1]) for line, (_, events, old) in work.items()]
        left = await self._effects.write(listener.handler.name, changes, now)
        mine = {line: each for line, each in work.items() if line not in left}
        await listener.effect(mine, doomed)
        for line, (_, events, _) in mine.items():
            reached[line] = in_line(events[-1])[1]
        return {}


def marking_first(played: Played, backends: AsyncBackends, seed: int) -> AsyncConsumer:
    made = calling(played, backends, seed)
    made._progress.__class__ = MarkerFirst
    return made


MARK_FIRST = Variant("the mark is taken off before the event is published", worker=_with(events=MarksFirst))
NO_HEAD = Variant("nothing waits behind what was refused", worker=_with(deliveries=AsksForNoHead))
TWO_IN_FLIGHT = Variant("two events of a line are in flight", store=_two_in_flight)


class SyncMarksFirst(Behind):
    """As `MarksFirst`, of the other flavour."""

    def unpublished(self, sink: str, partitions: Collection[int], limit: int) -> Sequence[Event]:
        found: Sequence[Event] = self.inner.unpublished(sink, partitions, limit)
        self.inner.published(sink, [event.event_id for event in found])
        return found


def sync_marks_first(backends: Any) -> Any:
    """Storages over which a relay takes marks off first."""
    return replace(backends, events=SyncMarksFirst(backends.events))
