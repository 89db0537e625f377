"""Connections: asked for, accepted, ended, and blocked. What two users are to each other is one document."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from tektree._async.ports.bundles import AsyncBackends
from tektree._async.ports.connections import AsyncConnectionRepository
from tektree._async.services.contents import AsyncContents, Said
from tektree._async.services.handlers import AsyncHandlers
from tektree._async.services.permissions import AsyncPermissions
from tektree._flavour import async_backoff
from tektree.clock import Clock, read
from tektree.errors import InvalidInput, InvalidTransition
from tektree.ids import hex_id
from tektree.models.accounts import Principal, User
from tektree.models.connections import Connection, Contact, ContactStatus, contact
from tektree.models.content import Stored
from tektree.models.pages import Page, Slice
from tektree.policy import Policy
from tektree.rules import connections, cursors, inputs, roles
from tektree.rules.connections import Step
from tektree.rules.roles import Owner

__all__ = ["AsyncConnections"]

_TO_OTHERS = frozenset({"connection.request", "connection.block"})
_BETWEEN_ACTIVE = frozenset({"connection.request", "connection.accept"})
_BATCH = 200


class AsyncConnections:
    """Connections of the platform.

    Calls take who acts and the ``id`` of another user, and give back what that user is to them now. That one is blocked
    is never told: a request to who blocks one looks like one that nobody answers. Safe from many threads or tasks, and
    from many processes on the same storage.
    """

    def __init__(
        self,
        backends: AsyncBackends,
        store: AsyncConnectionRepository,
        handlers: AsyncHandlers,
        policy: Policy,
        clock: Clock,
        pause: Callable[[int], Awaitable[None]] = async_backoff,
    ) -> None:
        self._connections = store
        self._permissions = AsyncPermissions(backends.accounts)
        self._limits = policy.connections
        self._clock = clock
        self.contents: AsyncContents[Connection] = AsyncContents(
            "connection", store, backends.events, handlers, policy, clock, _nothing, pause
        )

    async def request(self, actor: Principal | User, user_id: str) -> Contact:
        """Asks somebody for a connection; who has asked the actor is connected with them by that. Again: nothing.

        Raises `InvalidInput`, `NotFound` for a user who is not there, `Forbidden`, `InvalidTransition` while the actor
        blocks the user or where one of them has as many connections or requests as the policy allows, `Stale`.
        """
        return await self._turn(actor, user_id, "connection.request", connections.requested)

    async def accept(self, actor: Principal | User, user_id: str) -> Contact:
        """Accepts what somebody asked for: both are connected from now on. Again: nothing happens.

        Raises `InvalidInput`, `NotFound` where there is no request, `Forbidden`, `InvalidTransition` where one of them
        has as many connections as the policy allows, `Stale`.
        """
        return await self._turn(actor, user_id, "connection.accept", connections.accepted)

    async def remove(self, actor: Principal | User, user_id: str) -> Contact:
        """Ends a connection for both, takes a request back, or declines one. Where there is none, nothing happens.

        Raises `InvalidInput`, `NotFound` for a user who is not there, `Forbidden`, `Stale`.
        """
        return await self._turn(actor, user_id, "connection.remove", connections.removed)

    async def block(self, actor: Principal | User, user_id: str) -> Contact:
        """Ends what there is between the two, until `unblock`: what the user asks for meanwhile, the actor does not
        hear. Again: nothing happens.

        Raises `InvalidInput`, `NotFound` for a user who is not there, `Forbidden`, `InvalidTransition` where the actor
        blocks as many as the policy allows, `Stale`.
        """
        return await self._turn(actor, user_id, "connection.block", connections.blocked)

    async def unblock(self, actor: Principal | User, user_id: str) -> Contact:
        """Takes a block back; the two are not connected by that. Where there is none, nothing happens.

        Raises `InvalidInput`, `NotFound` for a user who is not there, `Forbidden`, `Stale`.
        """
        return await self._turn(actor, user_id, "connection.unblock", connections.unblocked)

    async def list(
        self,
        actor: Principal | User,
        *,
        status: ContactStatus = "connected",
        after: str | None = None,
        limit: int = 20,
    ) -> Page[Contact]:
        """Who is ``connected`` with the actor, was ``sent`` a request or is it ``received`` from, or is ``blocked`` by
        them, the latest first. ``limit`` is 1 to 100. Raises `InvalidInput`, `InvalidCursor`.
        """
        by, which = roles.acting(actor), inputs.choice(status, "status", connections.LISTED)
        scope = "connections", which, by.id
        before, most = cursors.place(after, *scope), inputs.whole(limit, "limit", 1, 100)
        found = await self._connections.page(by.id, which, before, most)
        items = tuple([contact(each, by.id) for each in found.items])
        return cursors.page(Slice(items, found.last, found.damaged), *scope)

    async def leave(self, user: User) -> None:
        """Ends all connections, requests and blocks of somebody who is erased. What others block stays blocked."""
        by = Principal(id=user.id, uid=user.uid)
        after: str | None = None
        while found := await self._connections.of_user(user.id, after, _BATCH):
            for each in found:
                for step in (connections.unblocked, connections.removed):
                    await self._change(by, each.id, None, step)
            after = found[-1].id

    # -- steps --------------------------------------------------------------------------------------------------------

    async def _turn(self, actor: Principal | User, user_id: str, verb: str, step: Step) -> Contact:
        by, id = roles.acting(actor), hex_id(user_id, "user_id")
        roles.demand(by, verb, Owner(id if verb in _TO_OTHERS else by.id, by.role))
        if id == by.id:
            raise InvalidInput("user_id", "must be somebody else's")
        uid = await self._permissions.other(by, verb, id, active=verb in _BETWEEN_ACTIVE)
        none = connections.between(by, id, uid, read(self._clock))
        if await self._connections.by_id(none.id) is None:
            decided = step(none, by, none.at)
            if decided is None:
                return contact(none, by.id)
            begun = decided.connection
            await self._room(none, begun, by)
            stored = await self.contents.insert([begun], lambda _: decided.told, by.uid)
            if (await self.contents.follow(stored)).record == begun:
                return contact(begun, by.id)
        return contact(await self._change(by, none.id, uid, step), by.id)

    async def _change(self, by: Principal, connection_id: str, uid: str | None, step: Step) -> Connection:
        async def reading() -> Stored[Connection]:
            stored = await self.contents.stored(connection_id)
            record = connections.known(stored.record, by, uid)
            decided = step(record, by, read(self._clock))
            if decided is not None:
                await self._room(record, decided.connection, by)
            return stored._replace(record=record)

        def decide(
            stored: Stored[Connection], now: datetime
        ) -> tuple[Sequence[Connection], Callable[[Connection], Said]] | None:
            decided = step(stored.record, by, now)
            return None if decided is None else ([decided.connection], lambda _: decided.told)

        return (await self.contents.change(reading, decide, by.uid))[0].record

    async def _room(self, old: Connection, new: Connection, by: Principal) -> None:
        """Raises `InvalidTransition` where somebody would have more than the policy allows.

        Of several at the same moment each may find room: so there may be as many more as meet.
        """
        for user_id, status, most in connections.grown(old, new, self._limits):
            if await self._connections.count(user_id, status) > most:
                whose = "you have" if user_id == by.id else "the other has"
                raise InvalidTransition("connections", f"{whose} as many {status} as there may be; end some first")


async def _nothing(stored: Stored[Connection]) -> None:
    """Nothing but telling follows a change of a connection."""
