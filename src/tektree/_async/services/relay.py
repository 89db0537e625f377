"""The relay: finishes what a process left, tries again what a handler failed at, and brings events to sinks.

A run has four steps, and each can be cut off anywhere and done again. Events that still stand on a document go to the
log. Events in the log whose handlers may not have been called become deliveries, one for each handler. What is marked
for sinks is brought to them. The heads of the lines of deliveries are tried: an attempt is counted before the handler
is called, so one that ends the process uses up its attempts like any other.

When it goes on running, handlers, each sink and each endpoint of a sink have a worker of their own, so that none waits
for another.
"""

import threading
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol

from tektree._async.ports.bundles import AsyncBackends
from tektree._async.ports.streams import AsyncNews, AsyncOutlets, AsyncSink
from tektree._async.services.handlers import AsyncHandlers
from tektree._async.services.publishing import AsyncPublisher
from tektree._flavour import async_call, async_sleep, async_together
from tektree.clock import Clock, read
from tektree.errors import BackendError, ConfigurationError, InvalidInput
from tektree.ids import Ids
from tektree.models.events import Delivery, Posted, Swept
from tektree.policy import Policy
from tektree.rules import inputs

__all__ = ["AsyncRelay", "AsyncSource"]

_BATCH: Final = 200
_SLICE: Final = 0.02
"""Seconds after which who waits looks whether there is a reason to go on."""

Report = Callable[[Swept], object]
"""What is told from time to time what came of it so far."""


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
        self._open_news = backends.news
        self._publisher = (
            None
            if backends.leases is None
            else AsyncPublisher(self._log, self._deliveries, backends.leases, handlers, policy, clock, ids)
        )
        self._lock = threading.Lock()
        self._total = Swept()
        self._running = self._stopping = False
        self._news = 0
        self.how = "polling"
        """How it learns of new events while it runs: ``"change stream"`` where the server has them, else
        ``"polling"``.
        """

    def add(self, sink: AsyncSink | AsyncOutlets) -> None:
        """Takes a sink; its events are brought to it by this process from now on.

        Raises `ConfigurationError` for one that `Policy.events.sinks` does not name, for a name that is there already,
        and where the storages keep no leases.
        """
        if self._publisher is None:
            raise ConfigurationError("backends", "keep no leases; give the bundle leases=")
        self._publisher.add(sink)

    async def run_once(self, due_only: bool = False) -> Swept:
        """One run over all that is left. Each delivery is tried once, also before its time unless ``due_only``.

        Deliveries whose handlers are not registered in this process go on waiting. Several relays may run at once.
        Raises `InvalidInput`.
        """
        inputs.flag(due_only, "due_only")
        told = await self._sweep()
        await self._hand_over()
        published, refused, lost = 0, 0, 0
        for sink in self._sinks():
            while True:
                turn = await self._publisher_of(sink).turn(sink, due_only)
                published, refused, lost = published + turn.published, refused + turn.failed, lost + turn.dead
                if turn.away or not (turn.published or turn.failed):
                    break
        delivered, failed, dead = await self._try(self._handlers.names, due_only)
        waiting = await self._deliveries.waiting()
        return Swept(told, delivered, failed + refused, dead + lost, waiting, published)

    async def run(self, poll: float = 1.0, report: Report | None = None, every: float = 10.0) -> None:
        """Goes on running until `stop` is called, and then ends when what was begun is done.

        ``poll`` is after how many seconds it looks for what nobody told it of. ``report`` is told every so many seconds
        what came of it so far, and once in the end. What is away is tried again later. Several relays may run side by
        side. Raises `InvalidInput`, and `ConfigurationError` when it is running already.
        """
        for name, value in (("poll", poll), ("every", every)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 3_600:
                raise InvalidInput(name, "must be seconds, more than 0 and 3,600 at the most")
        with self._lock:
            if self._running:
                raise ConfigurationError("relay", "is running already; one at a time for each TekTree")
            self._running, self._stopping, self._total = True, False, Swept()
        try:
            await self._run(poll, report, every)
        finally:
            self._running = self._stopping = False

    async def _run(self, poll: float, report: Report | None, every: float) -> None:
        works = [self._looping(self._at_home, poll), *[self._looping(work, poll, True) for work in self._works()]]
        if report is not None:
            works.append(lambda: self._reporting(report, every))
        news = None if self._open_news is None else await self._open_news()
        self.how = "polling" if news is None else "change stream"
        if news is not None:
            works.append(lambda: self._listening(news, poll))
        await async_together(works, self.stop)
        if report is not None:
            await async_call(report, await self.figures())

    def stop(self) -> None:
        """Lets `run` end. May be called from anywhere, a signal's handler as well."""
        self._stopping = True

    async def figures(self) -> Swept:
        """What came of `run` so far, and how much is waiting now."""
        return self._total._replace(waiting=await self._deliveries.waiting())

    def _sinks(self) -> list[AsyncSink | AsyncOutlets]:
        return [] if self._publisher is None else list(self._publisher.sinks.values())

    def _publisher_of(self, sink: object) -> AsyncPublisher:
        assert self._publisher is not None
        return self._publisher

    def _works(self) -> list[Callable[[], Awaitable[bool]]]:
        """What has a worker of its own: each sink, and each endpoint."""
        works: list[Callable[[], Awaitable[bool]]] = []
        for sink in self._sinks():
            works.append(partial(self._serve, sink))
            if isinstance(sink, AsyncOutlets):
                works += [partial(self._call, [each.name]) for each in sink.outlets]
            else:
                works.append(partial(self._call, [sink.name]))
        return works

    async def _at_home(self) -> bool:
        told = await self._sweep()
        await self._hand_over()
        self._add_up(told=told)
        return await self._call(self._handlers.here) or told > 0

    async def _serve(self, sink: AsyncSink | AsyncOutlets) -> bool:
        turn = await self._publisher_of(sink).turn(sink)
        self._add_up(published=turn.published, failed=turn.failed, dead=turn.dead)
        return turn.published > 0

    async def _call(self, handlers: Sequence[str]) -> bool:
        if not handlers:
            return False
        delivered, failed, dead = await self._try(handlers, due_only=True, most=_BATCH)
        self._add_up(delivered=delivered, failed=failed, dead=dead)
        return delivered > 0

    def _add_up(self, **more: int) -> None:
        with self._lock:
            self._total = self._total._replace(**{name: getattr(self._total, name) + n for name, n in more.items()})

    def _looping(
        self, work: Callable[[], Awaitable[bool]], poll: float, hears: bool = False
    ) -> Callable[[], Awaitable[None]]:
        """Works as long as there is something to do, and waits where there is nothing, or where something is away.

        One that ``hears`` goes on when there are news, a moment later: what comes together is brought together.
        """

        async def loop() -> None:
            while not self._stopping:
                seen = self._news
                try:
                    busy = await work()
                except BackendError:
                    busy = False
                if not busy:
                    await self._rest(poll, seen if hears else None)
                    await self._rest(_SLICE)

        return loop

    async def _rest(self, seconds: float, seen: int | None = None) -> None:
        """Waits, unless it is over, or there are other news than were ``seen``."""
        left = seconds
        while left > 0 and not self._stopping and (seen is None or self._news == seen):
            await async_sleep(min(left, _SLICE))
            left -= _SLICE

    async def _listening(self, news: AsyncNews, poll: float) -> None:
        try:
            while not self._stopping:
                try:
                    if await news.wait(min(poll, 1.0)):
                        self._news += 1
                except BackendError:
                    self.how = "polling"
                    return
        finally:
            await news.close()

    async def _reporting(self, report: Report, every: float) -> None:
        while not self._stopping:
            await self._rest(every)
            if not self._stopping:
                await async_call(report, await self.figures())

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
        held = {stream for stream, number in firsts.items() if number > 1 and await self._log.awaited(stream, number)}
        return [each for each in marked if each.event.metadata.get("stream") not in held]

    async def _try(self, handlers: Sequence[str], due_only: bool, most: int | None = None) -> tuple[int, int, int]:
        tried: set[str] = set()
        outcomes = {"delivered": 0, "failed": 0, "dead": 0}
        while not self._stopping and (most is None or len(tried) < most):
            now = read(self._clock)
            fresh = await self._untried(handlers, tried, now if due_only else None)
            if not fresh:
                break
            for each in fresh:
                if self._stopping:
                    break
                tried.add(each.id)
                outcome = await self._attempt(each)
                if outcome:
                    outcomes[outcome] += 1
        return outcomes["delivered"], outcomes["failed"], outcomes["dead"]

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
