"""How content is made and changed: one guarded write, which carries its events, and then what follows from it.

Events stand on the document until they are in the log; as long as one is left, what it calls for (counts, breadcrumbs
below) may be missing. It is done before they are told, it can be repeated, and where a process ends in between, the
relay does it.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final, Generic, TypeVar

from tektree import context
from tektree._async.ports.documents import AsyncDocuments
from tektree._async.ports.events import AsyncEventLog
from tektree._async.services.handlers import AsyncHandlers
from tektree._flavour import async_backoff
from tektree.clock import Clock, read
from tektree.errors import BackendError, CorruptDocument, NotFound, OutcomeUnknown, Stale, Taken, Unavailable
from tektree.ids import event_id
from tektree.models.base import Value
from tektree.models.content import Stored
from tektree.models.events import Event
from tektree.models.payloads import Payload
from tektree.policy import Policy

__all__ = ["AsyncContents", "Decide", "Said"]

R = TypeVar("R", bound=Value)

Said = Payload | Sequence[Payload]

Decide = Callable[[Stored[R], datetime], "tuple[Sequence[R], Callable[[R], Said]] | None"]
"""What a record may become, the first that no other's slug stands against, and what is told of it; None: nothing."""

_LOG: Final = logging.getLogger("tektree")
_ATTEMPTS: Final = 30
_INSERTS: Final = 3
_BATCH: Final = 200


class AsyncContents(Generic[R]):
    """The documents of one kind. ``after`` does what their events call for; it can be repeated."""

    def __init__(
        self,
        kind: str,
        store: AsyncDocuments[R],
        log: AsyncEventLog,
        handlers: AsyncHandlers,
        policy: Policy,
        clock: Clock,
        after: Callable[[Stored[R]], Awaitable[None]],
        pause: Callable[[int], Awaitable[None]] = async_backoff,
    ) -> None:
        self._kind = kind
        self._store = store
        self._log = log
        self._handlers = handlers
        self._producer = policy.events.producer_id
        self._inline = policy.events.drain == "inline"
        self._clock = clock
        self._after = after
        self._pause = pause

    async def stored(self, id: str) -> Stored[R]:
        """The document of that id, deleted or not, whoever may see it. Raises `NotFound`."""
        stored = await self._store.by_id(id)
        if stored is None:
            raise NotFound(self._kind, id)
        return stored

    # -- writing ------------------------------------------------------------------------------------------------------

    async def insert(self, records: Sequence[R], say: Callable[[R], Said], by: str) -> Stored[R]:
        """Stores the first of these records, which differ in their slugs, whose slug no other has. Nothing follows yet.

        A reply that is lost is asked for again: what has this id is this very record. ``by`` is the uid of who acts.
        Raises `Taken` when all slugs are others'.
        """
        for record in records[:-1]:
            with suppress(Taken):
                return await self._insert(record, say, by)
        return await self._insert(records[-1], say, by)

    async def _insert(self, record: R, say: Callable[[R], Said], by: str) -> Stored[R]:
        events = self._events(record, say(record), 1, by)
        to = self._handlers.to(events)
        for _ in range(_INSERTS - 1):
            with suppress(OutcomeUnknown):
                return await self._store.insert(record, events, to)
        return await self._store.insert(record, events, to)

    async def change(
        self,
        reading: Callable[[], Awaitable[Stored[R]]],
        decide: Decide[R],
        by: str,
        dated: Callable[[R], datetime] | None = None,
        *,
        finish: bool = True,
    ) -> tuple[Stored[R], bool]:
        """Changes a record as it is now, and does what follows. Whoever changed it in between makes us read again.

        What is told of it happens now, or when the record, as it becomes, says by ``dated``. Where nothing is to be
        changed, what was left to do of it is done: so a command that was cut off is finished by its repetition. Not
        without ``finish``: that is for what is itself a part of what follows.

        Gives it back, and whether it was changed. Raises what ``reading`` and ``decide`` raise, and `Stale` when it
        keeps changing.
        """
        id = ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                await self._pause(attempt)
            stored = await reading()
            id = _id(stored.record)
            decided = decide(stored, read(self._clock))
            if decided is None:
                return await self.follow(stored) if finish else stored, False
            try:
                written = await self.swap(stored, *decided, by, dated)
            except Stale:
                continue
            return await self.follow(written), True
        raise Stale(self._kind, id)

    async def take_back(self, id: str, decide: Decide[R], by: str) -> None:
        """Changes what the same call has just written. Raises as `change`, but `OutcomeUnknown` where storage is away:
        then it is there still.
        """
        try:
            await self.change(partial(self.stored, id), decide, by)
        except Unavailable:
            raise OutcomeUnknown(self._kind) from None

    async def swap(
        self,
        stored: Stored[R],
        records: Sequence[R],
        say: Callable[[R], Said],
        by: str,
        dated: Callable[[R], datetime] | None = None,
    ) -> Stored[R]:
        """Puts the first of these records, whose slug no other has, in place of a stored one.

        Raises `Stale`; `Taken` when all slugs are others'.
        """
        for record in records[:-1]:
            with suppress(Taken):
                return await self._swap(stored, record, say, by, dated)
        return await self._swap(stored, records[-1], say, by, dated)

    async def _swap(
        self,
        stored: Stored[R],
        record: R,
        say: Callable[[R], Said],
        by: str,
        dated: Callable[[R], datetime] | None,
    ) -> Stored[R]:
        at = None if dated is None else dated(record)
        events = self._events(record, say(record), stored.version + 1, by, at)
        return await self._store.swap(stored, record, events, self._handlers.to(events))

    def _events(self, record: R, said: Said, version: int, by: str, at: datetime | None = None) -> Sequence[Event]:
        """The events of a change that makes the record's version this one; no two of them are of one type."""
        catalog, ambient, now = self._handlers.catalog, context.current(), read(self._clock)
        if ambient.actor is None:
            ambient = replace(ambient, actor=by)
        cause, events = f"{self._kind}:{_id(record)}:{version}", []
        for each in (said,) if isinstance(said, Payload) else said:
            id = event_id(cause, catalog.kind(each).event_type)
            events.append(catalog.told(each, id[4:], at or now, now, ambient, self._producer))
        return events

    # -- what follows -------------------------------------------------------------------------------------------------

    async def follow(self, stored: Stored[R]) -> Stored[R]:
        """All that is left to do for a record, but for the telling where the policy leaves that to the relay.

        What cannot be done now is left as it is, for the relay: the change itself is made.
        """
        if not stored.left:
            return stored
        try:
            await self._after(stored)
            return await self._tell(stored) if self._inline else stored
        except (BackendError, Stale) as error:
            _LOG.warning(
                "what follows a change of %s %s is left to the relay: %s", self._kind, _id(stored.record), error
            )
            return stored

    async def finish(self, id: str) -> int:
        """All that is left to do for a record; gives back how many events were told."""
        stored = await self._store.by_id(id)
        if stored is None or not stored.left:
            return 0
        await self._after(stored)
        await self._tell(stored)
        return len(stored.left)

    async def sweep(self) -> int:
        """All that is left to do for all records; gives back how many events were told. What cannot be read is left."""
        told = 0
        while ids := await self._store.unfinished(_BATCH):
            before = told
            for id in ids:
                try:
                    told += await self.finish(id)
                except CorruptDocument as corrupt:
                    _LOG.warning("%s %s cannot be finished: %s", self._kind, id, corrupt.field)
            if len(ids) < _BATCH or told == before:
                break
        return told

    async def _tell(self, stored: Stored[R]) -> Stored[R]:
        lines: list[str] = []
        try:
            now = read(self._clock)
            for event, to in stored.left:
                told, new = await self._log.tell(event, self._handlers.posting([to], now))
                if new and to:
                    lines += self._handlers.queue([told], [to])
            await self._store.told(_id(stored.record), [each.event.event_id for each in stored.left])
        except BaseException:
            self._handlers.leave(lines)
            raise
        await self._handlers.run(lines)
        return stored._replace(left=())


def _id(record: Value) -> str:
    found: str = record.id  # type: ignore[attr-defined]
    return found
