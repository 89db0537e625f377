"""Users as they are read and changed: one guarded write, which carries its event, and then what follows from it."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Final

from tektree._async.ports.bundles import AsyncBackends
from tektree._async.services.caches import AsyncCaches
from tektree._async.services.followers import AsyncFollowers
from tektree._async.services.handlers import AsyncHandlers
from tektree._async.services.sessions import AsyncSessions
from tektree.clock import Clock, read
from tektree.errors import Conflict, Forbidden, NotFound, OutcomeUnknown, Stale, Taken
from tektree.ids import hex_id
from tektree.models.accounts import Actor, Principal, StoredUser, User
from tektree.models.base import plain
from tektree.models.payloads import Payload
from tektree.policy import Policy
from tektree.rules import accounts, roles
from tektree.rules.caches import shown
from tektree.rules.particulars import Sought
from tektree.rules.roles import Owner

__all__ = ["AsyncShownUsers", "AsyncUsers", "Decide"]

Decide = Callable[[User, datetime], tuple[User, Payload | None] | None]
"""The user after a change, and what is told of it; None where there is nothing to change."""

_ATTEMPTS: Final = 30
_INSERTS: Final = 3
_LONGEST_NAME: Final = 320
_KNOWN: Final = 65_536
"""So many uids are remembered by id."""
_SOMEBODY: Final = Owner("", "user")
"""Whom one asks about who asks for nobody."""


class AsyncUsers:
    """Reads users and changes them."""

    def __init__(
        self,
        backends: AsyncBackends,
        followers: AsyncFollowers,
        handlers: AsyncHandlers,
        policy: Policy,
        clock: Clock,
        pause: Callable[[int], Awaitable[None]],
    ) -> None:
        self._accounts = backends.accounts
        self._followers = followers
        self._handlers = handlers
        self._policy = policy
        self._clock = clock
        self._pause = pause
        self.sessions: AsyncSessions | None = None
        """Those that users have opened: they follow each change of who a user is."""

    # -- reading ------------------------------------------------------------------------------------------------------

    async def found(self, user_id: object) -> StoredUser:
        """The user of that id; what an earlier command of theirs left undone is done. Raises `NotFound`."""
        stored = await self._accounts.by_id(hex_id(user_id, "user_id"))
        if stored is None:
            raise NotFound("user", str(user_id))
        return await self._followers.follow(stored)

    async def user(self, uid: str) -> User | None:
        """The user of that uid, as `found`."""
        stored = await self._accounts.by_uid(uid)
        return None if stored is None else (await self._followers.follow(stored)).user

    async def called(self, sought: Sought | None, written: str) -> StoredUser | None:
        """Who is called so. ``sought`` is None for what nobody of ours can be called, but an adopted user may be."""
        if sought is not None:
            return await self._accounts.called(sought.by, sought.canonical, written)
        if not _storable(written):
            return None
        return await self._accounts.called("email" if "@" in written else "handle", None, written)

    async def own(self, actor: object, verb: str) -> StoredUser:
        """The account of who acts, which they may do ``verb`` to. Raises `NotFound`, `Forbidden`."""
        who = roles.acting(actor)
        stored = await self.found(who.id)
        roles.demand(_vouched(stored.user, who, verb), verb, Owner(stored.user.id, stored.user.role))
        return stored

    async def reached(self, actor: object, user_id: object, verb: str, *, to_change: bool = True) -> StoredUser:
        """A user whom ``actor`` may do ``verb`` to. The stored role of who acts is what counts.

        Who is about to change another's account is written as well, guarded by what was read: whoever takes the
        right away meanwhile makes one of the two writes fail. So of two admins who demote each other, one does. The
        account is read before, or both might. Raises `NotFound`, `Forbidden`, `Stale`.
        """
        id, who = hex_id(user_id, "user_id"), roles.acting(actor)
        target = await self._accounts.by_id(id)
        if target is not None:
            target = await self._followers.follow(target)
        acting = target if who.id == id else await self._accounts.by_id(who.id)
        if acting is not None:
            who = _vouched(acting.user, who, verb)
        elif isinstance(who, Actor):
            raise Forbidden(verb)
        user = None if target is None else target.user
        roles.demand(who, verb, _SOMEBODY if user is None else Owner(user.id, user.role))
        if target is None:
            raise NotFound("user", id)
        if to_change and acting is not None and acting is not target:
            await self._accounts.swap(acting, acting.user)
        return target

    # -- writing ------------------------------------------------------------------------------------------------------

    async def insert(self, user: User, said: Payload) -> User:
        """Stores a new user: the commit of a registration. Raises `Taken`.

        A reply that is lost is asked for again: what has this id is this very user.
        """
        events = self._followers.events(user, said, 1, user.created_at)
        to = self._handlers.to(events)

        async def insert() -> StoredUser:
            for _ in range(_INSERTS - 1):
                with suppress(OutcomeUnknown):
                    return await self._accounts.insert(user, events, to)
            return await self._accounts.insert(user, events, to)

        try:
            stored = await insert()
        except Taken as taken:
            if not await self._freed(taken, user.handle_canonical or ""):
                raise
            stored = await insert()
        return (await self._followers.follow(stored)).user

    async def change(
        self,
        reading: Callable[[], Awaitable[StoredUser]],
        decide: Decide,
        by: str | None = None,
        handle: str | None = None,
    ) -> User:
        """Changes a user as it is now; whoever changed it in between makes us read and decide again.

        ``by`` is the uid of who acts, ``handle`` the canonical one that is asked for, if one is. Raises what
        ``reading`` and ``decide`` raise, `Taken`, and `Stale` when it keeps changing.
        """
        id = ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                await self._pause(attempt)
            try:
                stored = await reading()
                id, now = stored.user.id, read(self._clock)
                decided = decide(stored.user, now)
                if decided is None:
                    return stored.user
                user, said = decided
                events = self._followers.events(user, said, stored.version + 1, now, by)
                swap = partial(self._accounts.swap, stored, user, events, self._handlers.to(events))
                written = await self.write(stored.user, user, swap)
            except Stale:
                continue
            except Taken as taken:
                if handle is None or not await self._freed(taken, handle):
                    raise
                handle = None  # once: then it is somebody's
                continue
            return (await self._followers.follow(written)).user
        raise Stale("user", id)

    async def write(self, before: User, after: User, write: Callable[[], Awaitable[StoredUser]]) -> StoredUser:
        """Makes a write of a user, and has sessions follow it at once, whatever the policy says of events.

        Where nobody knows what came of the write, sessions look: what was not changed ends none.
        """
        if self.sessions is None or accounts.standing(before) == accounts.standing(after):
            return await write()
        try:
            written = await write()
        except Conflict:
            raise
        except BaseException:
            self.sessions.unsettled.add(after.uid)
            raise
        await self.sessions.follow(after.uid, end=before.epoch != after.epoch)
        return written

    async def _freed(self, taken: Taken, handle: str) -> bool:
        """Whether the handle was held back for somebody until a time that has passed, and is not any more."""
        holder = await self._accounts.by_claim(accounts.claim(handle)) if taken.field == "handle" else None
        if holder is None:
            return False
        freed = accounts.freed(holder.user, read(self._clock))
        if freed is None or accounts.held_back(freed, handle, read(self._clock)):
            return False
        with suppress(Stale):  # whoever changed the holder may have freed it as well
            await self._accounts.swap(holder, freed)
        return True


class AsyncShownUsers:
    """Users as they are shown to anybody who may see them: from the cache, where there is one.

    The cache knows them by uid. The id of a uid never changes, so this process remembers those that it has seen.
    """

    def __init__(self, users: AsyncUsers, caches: AsyncCaches) -> None:
        self._users = users
        self._reader = caches.users(users)
        self._cached = caches.on
        self._uids: dict[str, str] = {}

    async def by_uid(self, uid: str) -> User:
        """The user of that uid. Raises `NotFound`."""
        user = await self._reader.user(uid)
        if user is None:
            raise NotFound("user", uid)
        return user

    async def by_id(self, user_id: str) -> User:
        """The user of that id. Raises `InvalidInput`, `NotFound`."""
        uid = self._uids.get(hex_id(user_id, "user_id")) if self._cached else None
        if uid is not None:
            return await self.by_uid(uid)
        user = (await self._users.found(user_id)).user
        if not self._cached:
            return user
        if len(self._uids) >= _KNOWN:
            self._uids.clear()
        self._uids[user_id] = user.uid
        return shown(user)


def _vouched(user: User, who: Principal, verb: str) -> Principal:
    """Who acts, in the role that is stored. Raises `Forbidden` for who is not active, or is somebody else."""
    if user.status != "active" or user.uid != who.uid:
        raise Forbidden(verb)
    return Principal(id=user.id, uid=user.uid, tier=user.tier, role=user.role)


def _storable(text: str) -> bool:
    return len(text) <= _LONGEST_NAME and plain(text)
