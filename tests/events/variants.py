"""Known ways to do it wrong with handlers. Each passes any test in which nobody meets and nothing fails."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from tektree._async.backends.memory.events import AsyncMemoryDeliveries
from tektree._async.ports.bundles import AsyncBackends
from tektree.models.events import Delivery, Event, Posting
from tests.protocol.variants import Behind, _with
from tests.protocol.worlds import Variant


class UnmarksFirst(Behind):
    """Takes the mark off as soon as the event is in the log, before the handlers are called."""

    async def append(self, events: Sequence[Event], posting: Posting | None = None) -> Collection[str]:
        known: Collection[str] = await self.inner.append(events, posting)
        await self.inner.delivered([event.event_id for event in events])
        return known

    async def tell(self, event: Event, posting: Posting | None = None) -> tuple[Event, bool]:
        told: tuple[Event, bool] = await self.inner.tell(event, posting)
        await self.inner.delivered([event.event_id])
        return told


class Held(Behind):
    """Keeps deliveries until it is let go."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.held: list[Delivery] = []

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        self.held += deliveries

    async def let_go(self) -> None:
        held, self.held = self.held, []
        if held:
            await self.inner.add(held)


class LetsGo(Behind):
    """Takes the marks off, and then adds the deliveries."""

    def __init__(self, inner: Any, deliveries: Held) -> None:
        super().__init__(inner)
        self.deliveries = deliveries

    async def delivered(self, event_ids: Sequence[str]) -> None:
        await self.inner.delivered(event_ids)
        await self.deliveries.let_go()


def _added_last(backends: AsyncBackends) -> AsyncBackends:
    deliveries: Any = Held(backends.deliveries)
    log: Any = LetsGo(backends.events, deliveries)
    return replace(backends, events=log, deliveries=deliveries)


class Unguarded(Behind):
    """A claim that does not ask whether somebody has it."""

    async def claim(self, id: str, token: str, now: datetime, until: datetime) -> Delivery | None:
        deliveries: AsyncMemoryDeliveries = self.inner
        found = deliveries._by_id.get(id)
        if found is None or found.state != "waiting":
            return None
        deliveries._by_id[id] = claimed = found.evolve(token=token, until=until, attempts=found.attempts + 1)
        return claimed


class CountsAtTheEnd(Behind):
    """A claim that counts nothing: attempts are counted when they have failed."""

    async def claim(self, id: str, token: str, now: datetime, until: datetime) -> Delivery | None:
        deliveries: AsyncMemoryDeliveries = self.inner
        claimed = await deliveries.claim(id, token, now, until)
        if claimed is not None:
            deliveries._by_id[id] = claimed.evolve(attempts=claimed.attempts - 1)
        return claimed


class AsksNobody(Behind):
    """Never waits for what another process has begun."""

    async def awaited(self, stream: str, before: int) -> bool:
        return False


UNMARKED_FIRST = Variant("the mark is taken off before the handlers are called", worker=_with(events=UnmarksFirst))
ADDED_LAST = Variant("deliveries are added after the mark is taken off", worker=_added_last)
UNGUARDED = Variant("a claim without the guard", store=_with(deliveries=Unguarded))
COUNTED_LATE = Variant("attempts are counted when they have failed", store=_with(deliveries=CountsAtTheEnd))
NOBODY_ASKED = Variant("no event waits for those of another process", worker=_with(events=AsksNobody))
