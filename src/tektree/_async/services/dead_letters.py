"""Dead letters: events that a handler was called with too often, and what is done about them."""

from tektree._async.ports.bundles import AsyncBackends
from tektree._async.services.aftermath import left_to
from tektree._async.services.handlers import AsyncHandlers
from tektree._async.services.relay import AsyncRelay
from tektree.clock import Clock, read
from tektree.errors import NotFound
from tektree.ids import event_id, hex_id
from tektree.models.events import DeadLetter
from tektree.models.pages import Page
from tektree.models.payloads import EventRedriven
from tektree.rules import inputs

__all__ = ["AsyncDeadLetters"]


class AsyncDeadLetters:
    """What handlers were called with too often. Nothing leaves it by itself."""

    def __init__(self, backends: AsyncBackends, handlers: AsyncHandlers, relay: AsyncRelay, clock: Clock) -> None:
        self._deliveries = backends.deliveries
        self._log = backends.events
        self._handlers = handlers
        self._relay = relay
        self._clock = clock

    async def list(self, handler: str | None = None, after: str | None = None, limit: int = 50) -> Page[DeadLetter]:
        """Dead letters, of one handler or of all. ``limit`` is 1 to 100; ``after`` the ``next`` of the page before.

        Raises `InvalidInput`.
        """
        inputs.whole(limit, "limit", 1, 100)
        if handler is not None:
            inputs.text(handler, "handler", 1, 128)
        if after is not None:
            hex_id(after, "after")
        dead = await self._deliveries.dead(handler, after, limit + 1)
        events = {event.event_id: event for event in await self._log.events([each.event_id for each in dead])}
        items = [
            DeadLetter(each.id, each.handler, events[each.event_id], each.attempts, each.reason, each.until)
            for each in dead[:limit]
            if each.event_id in events
        ]
        return Page(tuple(items), dead[limit - 1].id if len(dead) > limit else None)

    async def redrive(self, id: str) -> None:
        """Hands a dead letter to its handler again, with all its attempts, and then what waited behind it, in order.

        Where the handler is registered in this process, and the policy calls handlers inline, at once; otherwise by
        the next run of the relay. Raises `InvalidInput`, `NotFound`.
        """
        found = await self._deliveries.get(hex_id(id, "id"))
        now = read(self._clock)
        if found is None or not await self._deliveries.revive(id, now):
            raise NotFound("dead letter", id)
        told = EventRedriven(event_id=found.event_id, handler=found.handler)
        named = event_id(found.event_id, "event.redriven", f"{found.handler}:{now.isoformat()}")
        with left_to("the relay", "a redrive of dead letter", id):
            await self._handlers.tell(told, named[4:], now, now)
            await self._relay.resume(found.handler)

    async def discard(self, id: str) -> None:
        """Gives a dead letter up for good. What waited behind it goes on. Raises `InvalidInput`, `NotFound`."""
        found = await self._deliveries.get(hex_id(id, "id"))
        if found is None or not await self._deliveries.discard(id):
            raise NotFound("dead letter", id)
        with left_to("the relay", "a discard of dead letter", id):
            await self._relay.resume(found.handler)
