"""The relay: finishes what a process left, and tries again what a handler failed at.

A run has three steps, and each can be cut off anywhere and done again. Events that still stand on a document go to the
log. Events in the log whose handlers may not have been called become deliveries, one for each handler. The heads of
the lines of deliveries are tried: an attempt is counted before the handler is called, so one that ends the process
uses up its attempts like any other.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from tektree._async.ports.bundles import AsyncBackends
from tektree._async.services.handlers import AsyncHandlers
from tektree.clock import Clock, read
from tektree.ids import Ids
from tektree.models.events import Delivery, Posted, Swept
from tektree.policy import Policy
from tektree.rules import inputs

__all__ = ["AsyncRelay", "AsyncSource"]

_BATCH: Final = 200


class AsyncSource(Protocol):
    """Documents of one kind that carry their events until these are told."""

    async def sweep(self) -> int:
        """Finishes all that was left on them; gives back how many events were told."""
        ...


class AsyncRelay:
    """Brings to an end what was left."""

    def __init__(
        self,
        backends: AsyncBackends,
        handlers: AsyncHandlers,
        sources: Sequence[AsyncSource],
        policy: Policy,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._log = backends.events
        self._deliveries = backends.deliveries
        self._handlers = handlers
        self._sources = sources
        self._lease = timedelta(seconds=policy.events.lease)
        self._inline = policy.events.deliver == "inline"
        self._clock = clock
        self._ids = ids

    async def run_once(self, due_only: bool = False) -> Swept:
        """One run over all that is left. Each delivery is tried once, also before its time unless ``due_only``.

        Deliveries whose handlers are not registered in this process go on waiting. Several relays may run at once.
        Raises `InvalidInput`.
        """
        inputs.flag(due_only, "due_only")
        told = await self._sweep()
        await self._hand_over()
        delivered, failed, dead = await self._try(self._handlers.names, due_only)
        return Swept(told, delivered, failed, dead, await self._deliveries.waiting())

    async def resume(self, handler: str) -> None:
        """Tries what a handler is due, if it is registered here and handlers are called inline."""
        if self._inline and self._handlers.named(handler) is not None:
            await self._try([handler], due_only=False)

    async def _sweep(self) -> int:
        """Brings to the log what still stands on documents."""
        told = 0
        for source in self._sources:
            told += await source.sweep()
        return told

    async def _hand_over(self) -> None:
        """Makes deliveries of marked events that nobody is delivering."""
        while marked := await self._log.posted(self._handlers.token, read(self._clock), _BATCH):
            left = await self._next([each for each in marked if not self._handlers.is_here(each.event.event_id)])
            if not left:
                return
            await self._deliveries.add([self._handlers.delivery(name, each.event) for each in left for name in each.to])
            await self._log.delivered([each.event.event_id for each in left])

    async def _next(self, marked: Sequence[Posted]) -> Sequence[Posted]:
        """Those of them before which nothing stands in their stream that somebody is delivering still."""
        firsts: dict[str, int] = {}
        for each in marked:
            metadata = each.event.metadata
            if "stream" in metadata:
                stream, number = metadata["stream"], metadata.get("seq", 0)
                firsts[stream] = min(number, firsts.get(stream, number))
        held = {stream for stream, number in firsts.items() if await self._log.awaited(stream, number)}
        return [each for each in marked if each.event.metadata.get("stream") not in held]

    async def _try(self, handlers: Sequence[str], due_only: bool) -> tuple[int, int, int]:
        tried: set[str] = set()
        outcomes = {"delivered": 0, "failed": 0, "dead": 0}
        while True:
            now = read(self._clock)
            fresh = await self._untried(handlers, tried, now if due_only else None)
            if not fresh:
                return outcomes["delivered"], outcomes["failed"], outcomes["dead"]
            for each in fresh:
                tried.add(each.id)
                outcome = await self._attempt(each)
                if outcome:
                    outcomes[outcome] += 1

    async def _untried(self, handlers: Sequence[str], tried: Collection[str], due: datetime | None) -> list[Delivery]:
        """The next ones. What was tried in this run and failed is due later, so most often it stands behind them."""
        for limit in (_BATCH, _BATCH + len(tried)):
            heads = await self._deliveries.heads(handlers, limit)
            fresh = [each for each in heads if each.id not in tried and (due is None or each.due <= due)]
            if fresh or len(heads) < limit:
                break
        return fresh[:_BATCH]

    async def _attempt(self, delivery: Delivery) -> str | None:
        """Tries one delivery. None: somebody else is at it."""
        token = self._ids()
        now = read(self._clock)
        claimed = await self._deliveries.claim(delivery.id, token, now, now + self._lease)
        handler = self._handlers.named(delivery.handler)
        if claimed is None or handler is None:
            return None
        if claimed.attempts > handler.attempts:  # the last one ended the process; this one is not made
            last = claimed.evolve(attempts=claimed.attempts - 1)
            return await self._put(self._handlers.failed(last, handler, None), token)
        event = await self._log.event(claimed.event_id)
        if event is None:  # it was taken out of the log: there is nothing left to tell
            await self._deliveries.remove(claimed.id, token)
            return None
        try:
            await self._handlers.call(handler, event)
        except Exception as error:
            return await self._put(self._handlers.failed(claimed, handler, error), token)
        await self._deliveries.remove(claimed.id, token)
        return "delivered"

    async def _put(self, delivery: Delivery, token: str) -> str:
        await self._deliveries.put(delivery, token)
        if delivery.state != "dead":
            return "failed"
        await self._handlers.mourn(delivery)
        return "dead"
