"""Sessions: who calls, proven by a token."""

import logging
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import lru_cache
from typing import Final

from tektree._async.ports.gamification import AsyncGamificationRepository
from tektree._async.ports.sessions import AsyncAccountsReader, AsyncSessionStore
from tektree._async.services.unsettled import Unsettled
from tektree.clock import Clock, read
from tektree.errors import (
    BackendError,
    Forbidden,
    InvalidCredentials,
    InvalidInput,
    InvalidSession,
    NotFound,
    Unavailable,
)
from tektree.ids import hex_id, uid_of
from tektree.models.accounts import Actor, Principal, resolved
from tektree.models.payloads import Payload, UserLoggedIn, UserLoggedOut
from tektree.models.sessions import Account, Kept, OpenedSession, OpenSession, Rotated, Session
from tektree.policy import Policy
from tektree.rules import inputs, sessions

__all__ = ["AsyncSessions", "actor_of", "enrolled"]

Uids = Callable[[str], Awaitable[str | None]]
"""Finds the uid of a user by its id."""

Tell = Callable[[Payload], Awaitable[object]]
"""Is told who logs in and out."""

Listed = list[OpenSession]

_LOG: Final = logging.getLogger("tektree")
_ATTEMPTS: Final = 3


def _secret() -> str:
    """256 bits from the operating system."""
    return secrets.token_urlsafe(32)


def enrolled(profiles: AsyncGamificationRepository) -> Uids:
    """Finds the uid of a user in its profile."""

    async def uid(user_id: str) -> str | None:
        profile = await profiles.profile(user_id)
        return None if profile is None else profile.uid

    return uid


class AsyncSessions:
    """Log-ins. A token is told once, when its session is opened; what is stored is a digest of its secret.

    A session lasts as long as the policy says, and never longer, whatever is done with it. Whatever is wrong with a
    token or with what is stored for it is one error, `InvalidSession`; a store that is away is `Unavailable`, and
    nobody is let in. Role and tier are those of the account as it is now: `changed` has to be told when they are
    others.
    """

    def __init__(
        self,
        store: AsyncSessionStore,
        policy: Policy,
        clock: Clock,
        uids: Uids,
        accounts: AsyncAccountsReader | None = None,
        secret: Callable[[], str] = _secret,
        tell: Tell | None = None,
    ) -> None:
        self._store = store
        self._policy = policy
        self._clock = clock
        self._uids = uids
        self._accounts = accounts
        self._secret = secret
        self._tell = tell
        self.unsettled = Unsettled()
        """Users who are not what they were, of whom the store has not heard yet: it may be away."""

    async def open(self, user: Principal, remember_me: bool = False, method: str = "password") -> OpenedSession:
        """A session for a user who has proven who it is. The oldest one beyond the policy's ``per_user`` is ended.

        The token is always a new one. It is told as ``user.logged_in``, by the ``method`` of the proof, a name in
        small letters. Raises `InvalidInput`; `InvalidCredentials` when the password was changed since ``user`` was
        read, `Forbidden` when the account is disabled, `Unavailable`.
        """
        inputs.principal(user)
        if type(remember_me) is not bool:
            raise InvalidInput("remember_me", "must be True or False")
        for _ in range(_ATTEMPTS):
            marks = await self._store.marks(user.uid)
            account = await self._account(user)
            now = read(self._clock)
            session = sessions.opened(account, marks.version, remember_me, self._policy, now)
            secret = self._secret()
            ticket = sessions.ticket(sessions.token(user.uid, secret))
            most = self._policy.sessions.per_user
            told = UserLoggedIn(user_id=user.uid, session_id=ticket.session_id, method=method, ip_hash=None)
            if await self._store.open(ticket.session_id, session, marks.epoch, most, now):
                await self._say(told)
                return OpenedSession(sessions.token(user.uid, secret), session)
        raise Unavailable("sessions", "of this user are being ended all the time")

    async def resolve(self, token: str) -> Actor:
        """Who the token speaks for, on which tier and in which role by now. One round trip; nothing is written, unless
           sessions end by rest, or role and tier have changed.

        Where a change of the user's could not be told to the store, that is done first. Raises `InvalidSession`,
        `Unavailable`.
        """
        ticket, kept, now = await self._found(token)
        session = await self._current(ticket, kept)
        if self._policy.sessions.idle is not None:
            session = sessions.touched(session, now)
        if session is not kept.session:
            await self._store.update(ticket.session_id, session, now)
        return actor_of(ticket, session)

    async def rotate(self, token: str) -> OpenedSession:
        """The same session under a new token; the old one is dead at once. It lasts no longer than it would have.

        Of several that rotate one token, one gets through. Whoever still uses the old token when the policy's ``grace``
        is over has not heard of the new one, and so may be a thief, or robbed by one: the session ends. Raises
        `InvalidSession`, `Unavailable`.
        """
        ticket, kept, now = await self._found(token)
        session, secret = await self._current(ticket, kept), self._secret()
        fresh = sessions.ticket(sessions.token(ticket.uid, secret))
        most = self._policy.sessions.per_user
        if not await self._store.open(
            fresh.session_id, session, kept.marks.epoch, most, now, instead_of=ticket.session_id
        ):
            raise InvalidSession
        return OpenedSession(sessions.token(ticket.uid, secret), session)

    async def revoke(self, token: str) -> None:
        """Ends the session of a token: logs out, which is told. Again, and for a token that is none: nothing happens.

        A token that was rotated away, before or at the same moment, ends the session all the same, under whatever token
        it goes by now; the last 64 of a user are known. Raises `Unavailable`; then call it again.
        """
        try:
            ticket = sessions.ticket(token)
        except InvalidSession:
            return
        if await self._store.end(ticket.uid, ticket.session_id):
            await self._say(UserLoggedOut(user_id=ticket.uid, session_id=ticket.session_id))

    async def revoke_all(self, user_id: str, but: Principal | None = None) -> int:
        """Ends all sessions of a user, also those that are being opened; all but that of the actor ``but``, if given.

        ``user_id`` is the user's id; its uid does as well. Says how many were ended. Raises `InvalidInput`, `NotFound`
        for an id that nobody has, `Unavailable`.
        """
        return await self._store.end_all(await self._uid(user_id), None if but is None else _session_id(but))

    async def changed(self, user_id: str) -> None:
        """Says that the role or tier of a user changed: the very next `resolve` reads them. Raises as `revoke_all`."""
        await self._changed(await self._uid(user_id))

    async def follow(self, uid: str, *, end: bool) -> None:
        """Says at once that a stored user is not what it was: its sessions ``end``, or look at the account anew.

        Where the store is away, that is done before the next one is let in here.
        """
        mark = self.unsettled.add(uid)  # before, for whoever is cancelled meanwhile
        try:
            await (self._store.end_all(uid) if end else self._store.changed(uid))
        except BackendError as error:
            _LOG.warning("sessions of %s could not be told of a change, and wait for it: %s", uid, error.code)
        else:
            self.unsettled.over(uid, mark)

    async def settle(self, uid: str) -> None:
        """Tells the store what it has not heard of a user yet: sessions of what the user was end when they are used.

        Not all of them, now: somebody may have logged in as who the user is by now. Raises `Unavailable`.
        """
        if self.unsettled.mark(uid) is not None:
            await self._changed(uid)

    async def list(self, actor: Principal) -> Listed:
        """The actor's own sessions, the oldest first, without tokens. Raises `InvalidInput`, `Unavailable`."""
        current, now = _session_id(actor), read(self._clock)
        found = await self._store.all(actor.uid, now)
        return [
            OpenSession(id, session, id == current)
            for id, session in found
            if not sessions.is_over(session, self._policy, now)
        ]

    async def _changed(self, uid: str) -> None:
        mark = self.unsettled.mark(uid)
        await self._store.changed(uid)
        self.unsettled.over(uid, mark)

    async def _say(self, payload: Payload) -> None:
        """Tells it behind the fact. Where the log is away, the session is what it is."""
        if self._tell is None:
            return
        try:
            await self._tell(payload)
        except BackendError as error:
            _LOG.warning("a log-in or a log-out could not be told: %s", error.code)

    async def _found(self, token: object) -> tuple[sessions.Ticket, Kept, datetime]:
        ticket, now = sessions.ticket(token), read(self._clock)
        if self.unsettled:
            await self.settle(ticket.uid)
        kept = await self._store.read(ticket.uid, ticket.session_id, now)
        if isinstance(kept, Rotated):
            await self._reused(ticket, kept, now)
            raise InvalidSession
        if kept is None or kept.session.user_id != ticket.uid or kept.session.id is None:
            raise InvalidSession
        if sessions.is_over(kept.session, self._policy, now):
            await self._store.end(ticket.uid, ticket.session_id)  # else a clock that goes back would revive it
            raise InvalidSession
        return ticket, kept, now

    async def _current(self, ticket: sessions.Ticket, kept: Kept) -> Session:
        """A session that was found, with role and tier as they are now. Raises `InvalidSession` where it is over."""
        if self._accounts is None or kept.session.version == kept.marks.version:
            return kept.session
        account = await self._accounts.account(ticket.uid)
        if account is None:  # a user whom the host keeps: it knows best
            return kept.session
        try:
            return sessions.refreshed(kept.session, account, kept.marks)
        except InvalidSession:
            await self._store.end(ticket.uid, ticket.session_id)
            raise

    async def _reused(self, ticket: sessions.Ticket, rotated: Rotated, now: datetime) -> None:
        if sessions.is_late(rotated, self._policy, now):
            await self._store.end(ticket.uid, ticket.session_id)
            _LOG.warning("a token of %s was used long after it was rotated away: its session is ended", ticket.uid)

    async def _account(self, user: Principal) -> Account:
        known: int | None = getattr(user, "epoch", None)
        account = None if self._accounts is None else await self._accounts.account(user.uid)
        if account is None:  # a user whom the host keeps: it says who that is
            return Account(user.id, user.uid, user.tier, user.role, known or 0)
        if account.id != user.id or (known is not None and known != account.epoch):
            raise InvalidCredentials
        if not account.enabled:
            raise Forbidden("logging in to an account that is disabled")
        return account

    async def _uid(self, user_id: str) -> str:
        if type(user_id) is str and user_id.startswith("usr_"):
            return uid_of(user_id)
        hex_id(user_id, "user_id")
        uid = await self._uids(user_id)
        if uid is None:
            raise NotFound("user", user_id)
        return uid


def actor_of(ticket: sessions.Ticket, session: Session) -> Actor:
    """Who a session speaks for."""
    return _actor(session.id or "", session.user_id, session.tier, session.role, ticket.session_id)


@lru_cache(maxsize=4096)
def _actor(id: str, uid: str, tier: str, role: str, session_id: str) -> Actor:
    """The same session speaks for the same actor, which nobody can change: making one takes as long as a script."""
    return resolved(id=id, uid=uid, tier=tier, role=role, session_id=session_id)


def _session_id(actor: Principal) -> str:
    """The session of an actor. Raises `InvalidInput` for a mere `Principal`."""
    found = getattr(actor, "session_id", None)
    if not isinstance(found, str):
        raise InvalidInput("actor", "must come from sessions.resolve")
    return found
