"""What follows the commit of an account: all of it can be repeated, and whoever reads the user next does so.

Events stand on the user until they are in the log; as long as one is left, what it calls for may be missing. A
registration calls for a gamification profile and a free subscription; so does whatever the policy answers with XP or a
place on the boards, for users who were there before us have none. An erasure calls for the end of all that is personal:

1. the user stands on no board, and whatever else they had a part in, such as connections, they leave;
2. what was left on the user, without what is personal, is in the log: a process that still holds the whole events finds
   them told;
3. every event about the user in the log is without what is personal, and every other that the user led to is without
   their network address;
4. the user is erased, which is told at last.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Final

from tektree import context
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.services.gamification import AsyncGamification
from tektree._async.services.handlers import AsyncHandlers
from tektree._async.services.subscriptions import AsyncSubscriptions
from tektree.clock import Clock, read
from tektree.errors import BackendError, CorruptDocument, NotFound, Stale, Taken, UnknownVersion
from tektree.ids import event_id
from tektree.models.accounts import StoredUser, User
from tektree.models.events import Event, EventFilter
from tektree.models.payloads import Payload
from tektree.policy import Policy
from tektree.rules import accounts, reactions, settings

__all__ = ["AsyncFollowers"]

_LOG: Final = logging.getLogger("tektree")
_BATCH: Final = 200
_REGISTERED: Final = "user.registered"


class AsyncFollowers:
    """Brings to an end what the commit of an account began."""

    def __init__(
        self,
        backends: AsyncBackends,
        gamification: AsyncGamification,
        handlers: AsyncHandlers,
        policy: Policy,
        clock: Clock,
    ) -> None:
        self._accounts = backends.accounts
        self._subscriptions = AsyncSubscriptions(
            backends.subscriptions, backends.gamification, policy, clock, handlers.tell
        )
        self._log = backends.events
        self._gamification = gamification
        self._handlers = handlers
        self._policy = policy
        self._clock = clock
        self._inline = policy.events.drain == "inline"
        self.leaving: list[Callable[[User], Awaitable[None]]] = []
        """What else is to be done where a user is erased. Each can be repeated."""

    async def follow(self, stored: StoredUser) -> StoredUser:
        """All that is left to do for a user, but for the telling where the policy leaves that to the relay.

        What storage cannot do now is left as it is, for the next command or the relay: the change itself is made.
        """
        if not stored.left:
            return stored
        try:
            stored = await self._done(stored, self._inline)
            return await self._tell(stored) if self._inline else stored
        except (BackendError, Stale) as error:
            _LOG.warning("what follows a change of user %s is left to the relay: %s", stored.user.id, error.code)
            return stored

    async def finish(self, user_id: str) -> int:
        """All that is left to do for a user; gives back how many events were told."""
        stored = await self._accounts.by_id(user_id)
        if stored is None or not stored.left:
            return 0
        stored = await self._done(stored, True)
        await self._tell(stored)
        return len(stored.left)

    async def sweep(self) -> int:
        """All that is left to do for all users; gives back how many events were told. Who cannot be read is left."""
        told = 0
        while users := await self._accounts.unfinished(_BATCH):
            before = told
            for user_id in users:
                try:
                    told += await self.finish(user_id)
                except CorruptDocument as corrupt:
                    _LOG.warning("user %s cannot be finished: %s", user_id, corrupt.field)
            if len(users) < _BATCH or told == before:
                break
        return told

    def events(
        self, user: User, said: Payload | None, version: int, now: datetime, by: str | None = None
    ) -> Sequence[Event]:
        """The event of a change that makes the user's version this one. ``by`` is the uid of who acts."""
        if said is None:
            return ()
        catalog, ambient = self._handlers.catalog, context.current()
        id = event_id(f"user:{user.id}:{version}", catalog.kind(said).event_type)
        if by is not None and ambient.actor is None:
            ambient = replace(ambient, actor=by)
        return (catalog.told(said, id[4:], now, now, ambient, self._policy.events.producer_id),)

    def without_personal(self, event: Event) -> Event:
        """``event`` without what is personal. Of a type that is not known here, nothing but whom it is about stays."""
        try:
            return self._handlers.catalog.without_personal(event)
        except UnknownVersion:
            payload = {name: value if name == "user_id" else None for name, value in event.payload.items()}
            return event.evolve(payload=payload)

    async def _done(self, stored: StoredUser, tell: bool) -> StoredUser:
        if stored.user.status == "erasing":
            return await self._erase(stored)
        if stored.user.status != "erased":
            cause = next((each.event for each in stored.left if self._needs_all(each.event.event_type)), None)
            if cause is not None:
                await self._complete(stored.user, cause, tell)
        return stored

    def _needs_all(self, event_type: str) -> bool:
        return event_type == _REGISTERED or reactions.needs_profile(self._policy, event_type)

    async def _complete(self, user: User, cause: Event, tell: bool) -> None:
        """The profile and the subscription of a user. Made before, they stay as they are."""
        token = context.answer(cause)
        try:
            with suppress(Taken):  # adopted with another user's uid on the profile: nothing that could be mended here
                await self._gamification.enroll(user.uid, user.id, user.timezone)
            await self._subscriptions.begin(user.id, user.uid, user.created_at, tell=tell)
        finally:
            context.leave(token)

    async def _tell(self, stored: StoredUser) -> StoredUser:
        lines: list[str] = []
        try:
            await self._log_all(stored, lines)
            await self._accounts.told(stored.user.id, [each.event.event_id for each in stored.left])
        except BaseException:
            self._handlers.leave(lines)
            raise
        await self._handlers.run(lines)
        return stored._replace(left=())

    async def _log_all(self, stored: StoredUser, lines: list[str]) -> None:
        """Brings the events to the log, numbered in their streams; those that are new wait for their handlers."""
        now = read(self._clock)
        for event, to in stored.left:
            told, new = await self._log.tell(event, self._handlers.posting([to], now))
            if new and to:
                lines += self._handlers.queue([told], [to])

    # -- erasure ------------------------------------------------------------------------------------------------------

    async def _erase(self, stored: StoredUser) -> StoredUser:
        user = stored.user
        with suppress(NotFound):  # adopted, and never had anything
            await self._gamification.settings.complete(user.id, settings.suspended)
        for leave in self.leaving:
            await leave(user)
        lines: list[str] = []
        try:
            await self._log_all(stored, lines)
            await self._clean(user.uid)
        except BaseException:
            self._handlers.leave(lines)
            raise
        await self._handlers.run(lines)
        return await self._erased(stored)

    async def _clean(self, uid: str) -> None:
        """Takes what is personal out of every event about the user, and their address out of all that they led to."""
        await self._clean_all(EventFilter(uid=uid), self.without_personal)
        await self._clean_all(EventFilter(traced=uid), self._handlers.catalog.without_traces)

    async def _clean_all(self, which: EventFilter, without: Callable[[Event], Event]) -> None:
        """Newest first, a page at a time."""
        before: tuple[datetime, str] | None = None
        while events := await self._log.newest(which, before, _BATCH):
            clean = [(event, without(event)) for event in events]
            changed = [after for event, after in clean if after != event]
            if changed:
                await self._log.amend(changed)
            before = events[-1].timestamp, events[-1].id

    async def _erased(self, stored: StoredUser) -> StoredUser:
        now = read(self._clock)
        decided = accounts.erased(stored.user, now)
        if decided is None:
            return stored
        user, said = decided
        events = self.events(user, said, stored.version + 1, now)
        try:
            return await self._accounts.swap(stored, user, events, self._handlers.to(events))
        except Stale:  # somebody else came to the end of it
            return await self._accounts.by_id(user.id) or stored
