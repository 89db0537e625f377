"""Accounts: registration, log-in, what proves who one is, roles, and what becomes of one's data.

Every command reads the user, lets the rules decide, and writes once, guarded by the version that was read. The event
of a change stands on the user from that write on; what follows from it is done behind it, and where a process ends in
between, by the next command that reads the user or by the relay.
"""

import logging
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, Final, Unpack

from tektree._async.ports.bundles import AsyncBackends
from tektree._async.services.aftermath import left_to
from tektree._async.services.attempts import Attempts
from tektree._async.services.caches import AsyncCaches
from tektree._async.services.exports import AsyncExports
from tektree._async.services.followers import AsyncFollowers
from tektree._async.services.gamification import AsyncGamification
from tektree._async.services.handlers import AsyncHandlers
from tektree._async.services.hashing import AsyncHashing, Entropy
from tektree._async.services.rate_limits import AsyncRateLimits
from tektree._async.services.users import AsyncShownUsers, AsyncUsers
from tektree._async.services.viewers import AsyncViewers
from tektree._flavour import async_backoff
from tektree.clock import Clock, read
from tektree.errors import (
    BackendError,
    CorruptDocument,
    InvalidCredentials,
    InvalidInput,
    InvalidToken,
    InvalidTransition,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Stale,
    Taken,
    Unavailable,
)
from tektree.ids import Ids, fresh_id, hex_id, is_hex_id, uid_of
from tektree.models.accounts import (
    InvitationFields,
    PasswordHash,
    Principal,
    ProfileFields,
    PublicUser,
    Purpose,
    RegistrationFields,
    Role,
    StoredUser,
    User,
)
from tektree.models.payloads import Payload, UserDeleted, UserLoginFailed
from tektree.models.sessions import Account
from tektree.policy import Policy
from tektree.rules import accounts, inputs, particulars, passwords, roles, tokens, visibility
from tektree.rules.passwords import Verdict
from tektree.rules.rate_limits import checked_source

__all__ = ["AsyncAccounts"]

_LOG: Final = logging.getLogger("tektree")
_ATTEMPTS: Final = 30
_LONGEST_COUNTED: Final = 320


class AsyncAccounts:
    """Users of the platform. Calls take a user's ``id``, the 24 hex digits of ``_id``, and an ``actor`` who acts.

    An actor is an `Actor` of a session, or a `Principal` or `User` that the host vouches for; of one who is stored, the
    stored role is what counts. Safe from many threads or tasks, and from many processes on the same storage.
    """

    def __init__(
        self,
        backends: AsyncBackends,
        gamification: AsyncGamification,
        handlers: AsyncHandlers,
        policy: Policy,
        clock: Clock,
        ids: Ids,
        entropy: Entropy = secrets.token_bytes,
        pause: Callable[[int], Awaitable[None]] = async_backoff,
        limits: AsyncRateLimits | None = None,
        caches: AsyncCaches | None = None,
    ) -> None:
        self._accounts = backends.accounts
        self.followers = AsyncFollowers(backends, gamification, handlers, policy, clock)
        self.users = AsyncUsers(backends, self.followers, handlers, policy, clock, pause)
        self._shown = AsyncShownUsers(self.users, caches or AsyncCaches(None, policy, clock, ids))
        self._hashing = AsyncHashing(policy.passwords, entropy)
        self._exports = AsyncExports(backends, clock)
        self._viewers = AsyncViewers(backends.connections)
        self._attempts = Attempts()
        self._handlers = handlers
        self._policy = policy
        self._clock = clock
        self._ids = ids
        self._entropy = entropy
        self._pause = pause
        self._limits = limits

    # -- who there is -------------------------------------------------------------------------------------------------

    async def register(self, /, **given: Unpack[RegistrationFields]) -> User:
        """Opens an account: ``email``, ``handle`` and ``password``, and if you like ``first_name``, ``last_name`` and
        ``timezone`` (IANA, UTC by default).

        Makes the user, a gamification profile and a free subscription: all of them, or, where the process ends in
        between, the user and by the next run of the relay the rest. Nobody is told who else has an account but by
        `Taken`: put a rate limit before it. Raises `InvalidInput` for what is no such field or value; `Taken`
        (``email`` or ``handle``) when somebody has it, or has given up the handle a while ago only; `RateLimited` when
        too many passwords are being hashed.
        """
        asked = accounts.registration(given, self._policy)
        return await self._opened(asked, await self._hashing.hashed(asked.password))

    async def invite(self, /, **given: Unpack[InvitationFields]) -> User:
        """Opens an account that has no password: for who is to set one, and for people of another platform.

        Nobody logs in with it until `reset_password` has taken a token of `request_password_reset`. All else is as in
        `register`: the same fields but ``password``, what is made, and `InvalidInput` and `Taken`.
        """
        return await self._opened(accounts.invitation(given, self._policy), None)

    async def _opened(self, asked: accounts.Registration, hash: PasswordHash | None) -> User:
        id, uid = fresh_id(self._ids), accounts.uid(fresh_id(self._ids))
        return await self.users.insert(*accounts.new_user(asked, hash, id, uid, read(self._clock)))

    async def get(self, user_id: str) -> User:
        """The user of that id, erased ones as what is left of them, for the host: what a viewer may see is `profile`.

        Where there is a cache, from there, without password hash and tokens: as new as the last change that was told.
        ``last_login_at`` and ``handle_claims`` may be as old as the cache. Raises `InvalidInput`, `NotFound`.
        """
        return await self._shown.by_id(user_id)

    async def by_uid(self, uid: str) -> User:
        """The user of that uid, as `get`. Raises `InvalidInput`, `NotFound`."""
        return await self._shown.by_uid(uid_of(uid))

    async def by_handle(self, handle: str) -> User:
        """The user of that handle, however it is capitalised. Raises `InvalidInput`, `NotFound`."""
        inputs.text(handle, "handle", 1, 64)
        if "@" in handle:
            raise NotFound("user", handle)
        return await self._sought(await self.users.called(particulars.identifier(handle), handle), handle)

    async def profile(self, actor: Principal | User | None, user_id: str) -> PublicUser:
        """What is public of a user, if the actor (None: who is not logged in) sees their profile.

        Whose profile is for ``connections`` or ``private`` is `NotFound` to others, as who is not there or is erased.
        As new as the last change. Raises `InvalidInput`, `NotFound`.
        """
        viewer, user = visibility.viewer(actor), None
        with suppress(NotFound):
            user = (await self.users.found(user_id)).user
        if user is None or not visibility.sees(viewer, visibility.profile(user)):
            viewer = await self._viewers.known(viewer)  # also for who is not there: it takes the same calls
        if user is None or not visibility.sees(viewer, visibility.profile(user)):
            raise NotFound("user", user_id)
        return accounts.public(user)

    async def account(self, uid: str) -> Account | None:
        """What counts of a user, by uid or by id, for who is let in: tier, role, epoch, and whether anybody is.

        A session of another ``epoch`` is over. None: there is no such user. One command. Raises `InvalidInput`.
        """
        found = self._accounts.by_id(uid) if is_hex_id(uid) else self._accounts.by_uid(uid_of(uid))
        stored = await found
        if stored is None:
            return None
        now = stored.user
        enabled = accounts.admitted(now, self._policy.accounts)
        return Account(now.id, now.uid, now.tier, now.role, now.epoch, enabled)

    async def update_profile(self, /, actor: Principal | User, **given: Unpack[ProfileFields]) -> User:
        """Sets what is given of one's own ``first_name``, ``last_name``, ``bio``, ``avatar`` (an https URL) and
        ``profile_visibility`` (``public``, ``connections`` or ``private``: who sees all this).

        None clears a bio or an avatar. Raises `InvalidInput`, also for any other field; `NotFound`, `Forbidden` for
        who is disabled, `Stale` when the account keeps changing meanwhile.
        """
        inputs.declared(given, accounts.PROFILE_FIELDS)
        return await self._change_own(actor, "account.edit", lambda user, now: accounts.edited(user, given, now))

    async def change_handle(self, actor: Principal | User, handle: str) -> User:
        """Takes another handle. The one before is held back for a time: nobody else gets it, its user may return to it.

        Raises `InvalidInput`, `Taken` ("handle"), `InvalidTransition` when it has changed too often, `NotFound`,
        `Forbidden`, `Stale`.
        """
        settings = self._policy.accounts
        wanted = particulars.handle(handle, settings)
        return await self._change_own(
            actor,
            "account.change_handle",
            lambda user, now: accounts.with_handle(user, wanted, now, settings),
            handle=wanted.canonical,
        )

    # -- passwords ----------------------------------------------------------------------------------------------------

    async def authenticate(self, identifier: str, password: str, source: str | None = None) -> User:
        """The user who is called ``identifier`` (address or handle) and has this password.

        Whoever fails, known or not, disabled or not, has cost the same work and hears the same. Each failure is told
        as one ``user.login_failed``: of which user, if there is one, and why; never what was typed. ``attempt`` is
        which failure in a row it is, as far as this process has seen. ``source`` says where it comes from, an address
        such as ``ip:192.0.2.7``. Guesses are counted by account and source, in both or in neither, and too many are
        refused before anything is hashed. An account is who is called so, by whatever spelling of address or handle;
        where that is nobody, it is the name itself. A guess that is right gives the account its guesses back. Opening a
        session is another call. Raises `InvalidCredentials`, `InvalidInput` for what is no text or no address,
        `RateLimited`, also when too many passwords are being hashed, neither of which is told; `Unavailable`.
        """
        sought, tried = particulars.identifier(identifier), passwords.attempted(password)
        if source is not None:
            checked_source(source)
        stored, readable = await self._called(sought, identifier)
        await self._count(identifier, source, await self._guessed_at(stored, identifier))
        verdict = await self._judged(stored, tried)
        user = None if stored is None else stored.user
        if stored is not None and verdict.right:
            let_in = await self._let_in(stored, tried)
            if let_in is not None:
                self._attempts.over(let_in.uid)
                await self._forget(let_in.uid)
                return let_in
            reason = "changed"
        else:
            readable = readable and not verdict.corrupt
            reason = accounts.refusal(user, self._policy.accounts, readable=readable)
        await self._say_failed(None if user is None else user.uid, identifier, reason)
        raise InvalidCredentials

    async def change_password(self, actor: Principal | User, current: str, new: str) -> User:
        """Sets another password, by who knows the current one. Sessions end, and so do tokens that were mailed.

        Raises `InvalidCredentials` when ``current`` is wrong, `InvalidInput` for a ``new`` one that is too short, too
        long or too common, `NotFound`, `Forbidden`, `Stale`, `RateLimited`.
        """
        verb = "account.change_password"
        tried = passwords.attempted(current, "current")
        stored = await self.users.own(actor, verb)
        wanted = passwords.new(new, self._policy.passwords, _names(stored.user), "new")
        await self._proved(stored, tried)
        hash = await self._hashing.hashed(wanted)

        def decide(user: User, now: datetime) -> tuple[User, Payload]:
            if user.epoch != stored.user.epoch:  # what was proved is not so any more
                raise InvalidCredentials
            return accounts.with_password(user, hash, now)

        return await self._change_own(actor, verb, decide)

    async def request_password_reset(self, email: str) -> str | None:
        """A token to send to the *stored* address of the user with this one; None where there is none.

        Say the same to whoever asked in both cases, before you call this: where there is a user it takes a write more.
        The token is good once, for as long as the policy says, until the password or the address has changed. Raises
        `InvalidInput` for what is no text.
        """
        if type(email) is not str:
            raise InvalidInput("email", "must be text")
        token = tokens.written(self._entropy(tokens.TOKEN_BYTES))
        if "@" not in email[:320]:
            return None
        stored = await self.users.called(particulars.identifier(email), email)
        if stored is None or stored.user.status != "active":
            return None
        return await self._issue(stored.user.id, "reset", token)

    async def reset_password(self, token: str, new: str) -> User:
        """Sets another password, by who has the token. Sessions end, and so do all tokens of the old password.

        Raises `InvalidToken`, `InvalidInput` for a ``new`` one that is too short, too long or too common, `Stale`,
        `RateLimited`.
        """
        reading = partial(self._by_token, tokens.digest(token, "reset"))
        stored = await reading()
        tokens.redeemed(stored.user, "reset", token, read(self._clock))
        wanted = passwords.new(new, self._policy.passwords, _names(stored.user), "new")
        hash = await self._hashing.hashed(wanted)

        def decide(user: User, now: datetime) -> tuple[User, Payload]:
            tokens.redeemed(user, "reset", token, now)
            return accounts.with_password(user, hash, now)

        user = await self.users.change(reading, decide)
        with left_to("their time", "a reset of the password of user", user.id):  # guesses are forgotten by themselves
            await self._forget(user.uid)
        return user

    # -- addresses ----------------------------------------------------------------------------------------------------

    async def request_email_verification(self, user_id: str) -> str:
        """A token to send to the user's address; `verify_email` takes it. The one before it is dead.

        Raises `InvalidInput`, `NotFound`, `InvalidTransition` for an address that is proved, or a user who is not
        active.
        """
        user = (await self.users.found(user_id)).user
        if user.status != "active" or user.email_verified:
            raise InvalidTransition("user", "is not active" if user.status != "active" else "has proved the address")
        return await self._issue(user.id, "verification", tokens.written(self._entropy(tokens.TOKEN_BYTES)))

    async def request_email_change(self, actor: Principal | User, email: str, password: str) -> str:
        """A token to send to the new address; until `verify_email` has taken it, nothing changes.

        Tell the old address of it as well. The request before it is dead. Raises `InvalidCredentials` when the
        ``password`` is wrong, `InvalidInput`, `NotFound`, `Forbidden`, `Stale`, `RateLimited`.
        """
        address, tried = particulars.email(email), passwords.attempted(password)
        stored = await self.users.own(actor, "account.change_email")
        await self._proved(stored, tried)
        token = tokens.written(self._entropy(tokens.TOKEN_BYTES))
        return await self._issue(stored.user.id, "change", token, address.written, stored.user.epoch)

    async def verify_email(self, token: str) -> User:
        """Proves the address that the token was sent to, and moves there if it was asked for; then sessions end.

        Raises `InvalidToken`, `InvalidInput`, `Taken` ("email") when somebody else has the new address by now, `Stale`.
        """
        digests = [tokens.digest(token, "verification"), tokens.digest(token, "change")]

        def decide(user: User, now: datetime) -> tuple[User, Payload | None]:
            if any(each.purpose == "change" and each.digest == digests[1] for each in user.tokens):
                found = tokens.redeemed(user, "change", token, now)
                return accounts.with_address(user, particulars.email(found.address), now)
            tokens.redeemed(user, "verification", token, now)
            without = user.evolve(tokens=tokens.without(user, "verification"), updated_at=now)
            return accounts.verified(user, now) or (without, None)

        return await self.users.change(partial(self._by_token, *digests), decide)

    # -- roles --------------------------------------------------------------------------------------------------------

    async def set_role(self, actor: Principal | User, user_id: str, role: Role) -> User:
        """Gives a user another role, which counts from the next request on. Nobody sets their own.

        Raises `InvalidInput`, `NotFound`, `Forbidden`, `Stale`.
        """
        wanted = accounts.role(role)
        by = roles.acting(actor).uid
        reading = partial(self.users.reached, actor, user_id, "account.set_role")
        return await self.users.change(reading, lambda user, now: accounts.with_role(user, wanted, by, now), by)

    async def disable(self, actor: Principal | User, user_id: str, reason: str = "disabled") -> User:
        """Lets a user in no more until enabled: sessions end, and the user stands on no board.

        ``reason`` is told, in 1 to 500 characters: name no person in it. Raises `InvalidInput`, `NotFound`,
        `Forbidden`, `InvalidTransition` for one who is erased, `Stale`.
        """
        note, by = inputs.note(reason), roles.acting(actor).uid
        reading = partial(self.users.reached, actor, user_id, "account.disable")
        return await self.users.change(reading, lambda user, now: accounts.disabled(user, note, now), by)

    async def enable(self, actor: Principal | User, user_id: str, reason: str = "enabled") -> User:
        """Lets a disabled user in again. Raises as `disable`."""
        note, by = inputs.note(reason), roles.acting(actor).uid
        reading = partial(self.users.reached, actor, user_id, "account.enable")
        return await self.users.change(reading, lambda user, now: accounts.enabled(user, note, now), by)

    # -- privacy ------------------------------------------------------------------------------------------------------

    async def export(self, actor: Principal | User, user_id: str) -> dict[str, Any]:
        """All that is stored of a person, as JSON: ``user``, ``profile``, ``subscription``, ``sessions``, ``ledger``,
        ``events``; and what they made: ``areas``, ``follows``, ``questions``, ``answers``, ``votes``,
        ``insights``, ``connections``.

        Without the hash of the password and without tokens; without counters that run out by themselves, those of
        quotas and rate limits; and without fields of a host's own on our documents, which may be secrets. Raises
        `InvalidInput`, `NotFound`, `Forbidden`, `Unavailable`.
        """
        stored = await self.users.reached(actor, user_id, "account.export", to_change=False)
        return await self._exports.of(stored.user)

    async def erase(self, actor: Principal | User, user_id: str) -> None:
        """Takes away for good all that is personal of a user, from the account and from every event about them.

        What everybody may read of what they wrote stays, under their uid, and so do their votes; all else that they
        wrote is emptied and deleted, but for drafts with co-authors. Follows, connections and co-authorships end.
        What they earned otherwise stays, under their uid and in the time zone that its days were counted in, and so
        does what others earned by them; they stand on no board, and nobody logs in. The handle is held back for a time.
        Cut off anywhere, or refused by storage on the way, it is brought to its end by the same call, or by the relay:
        `OutcomeUnknown` says that it has begun, and some of it is left. Again: nothing happens. Raises `InvalidInput`,
        `NotFound`, `Forbidden`, `Stale`.
        """
        hex_id(user_id, "user_id")
        who = roles.acting(actor)
        for attempt in range(_ATTEMPTS):
            if attempt:
                await self._pause(attempt)
            try:
                stored = await self._to_erase(actor, who, user_id)
                if stored is not None:
                    await self._erase(stored, who.uid)
            except Stale:
                continue
            try:
                await self.followers.finish(user_id)
            except Unavailable as away:  # who is to be erased is marked so by now
                raise OutcomeUnknown(away.store) from None
            return
        raise Stale("user", user_id)

    async def _to_erase(self, actor: object, who: Principal, user_id: str) -> StoredUser | None:
        """The user whose erasure is to begin; None: it has begun."""
        over = "erasing", "erased"
        if who.id == user_id and (await self.users.found(user_id)).user.status in over:
            return None
        stored = await self.users.reached(actor, user_id, "account.erase")
        return None if stored.user.status in over else stored

    async def _erase(self, stored: StoredUser, by: str) -> None:
        now = read(self._clock)
        user = accounts.erasing(stored.user, now, self._policy.accounts)
        said = self.followers.events(user, UserDeleted(user_id=user.uid, mode="hard"), stored.version + 1, now, by)
        events = [*[self.followers.without_personal(each.event) for each in stored.left], *said]
        to = [*[each.to for each in stored.left], *(self._handlers.to(said) or [()])]
        await self.users.write(stored.user, user, partial(self._accounts.replace, stored, user, events, to))

    # -- steps --------------------------------------------------------------------------------------------------------

    async def _sought(self, stored: StoredUser | None, name: str) -> User:
        if stored is None:
            raise NotFound("user", name)
        return (await self.followers.follow(stored)).user

    async def _change_own(
        self,
        actor: object,
        verb: str,
        decide: Callable[[User, datetime], tuple[User, Payload | None] | None],
        handle: str | None = None,
    ) -> User:
        by = roles.acting(actor).uid
        return await self.users.change(partial(self.users.own, actor, verb), decide, by, handle)

    async def _judged(self, stored: StoredUser | None, tried: str) -> Verdict:
        """Whether that is the password of a user who may log in: one hash, whatever the answer."""
        user = None if stored is None else stored.user
        admitted = accounts.admitted(user, self._policy.accounts)
        verdict = await self._hashing.verified(tried, None if user is None else user.password_hash, admitted)
        if verdict.corrupt and user is not None:
            _LOG.warning("the stored hash of user %s is none", user.id)
        return verdict

    async def _proved(self, stored: StoredUser, tried: str) -> None:
        """That who acts knows the password: counted as a log-in is."""
        await self._count(stored.user.uid, None, stored.user.uid)
        if not (await self._judged(stored, tried)).right:
            raise InvalidCredentials
        await self._forget(stored.user.uid)

    async def _called(self, sought: particulars.Sought | None, identifier: str) -> tuple[StoredUser | None, bool]:
        """Who is called so, and whether what is stored of them can be read."""
        try:
            return await self.users.called(sought, identifier), True
        except CorruptDocument as corrupt:
            _LOG.warning("the user %s cannot be read: %s", corrupt.id, corrupt.field)
            return None, False

    async def _guessed_at(self, stored: StoredUser | None, identifier: str) -> str | None:
        """Whose password is guessed at, by uid: also where nobody is called so only for the spaces around the name."""
        name = identifier.strip()
        if stored is None and name != identifier:
            stored, _ = await self._called(particulars.identifier(name), name)
        return None if stored is None else stored.user.uid

    async def _count(self, account: str, source: str | None, uid: str | None) -> None:
        """Counts a guess at a password. Raises `RateLimited`."""
        if self._limits is None:
            return
        decision = await self._limits.login(account[:_LONGEST_COUNTED] or " ", source, uid)
        if not decision.allowed:
            raise RateLimited("login", decision.retry_after).answered_with(decision.headers)

    async def _forget(self, uid: str) -> None:
        """Gives a user the guesses back."""
        if self._limits is not None:
            await self._limits.forget_login(uid, uid)

    async def _say_failed(self, uid: str | None, identifier: str, reason: str) -> None:
        """Tells of a failed log-in: the same one event for whoever fails. The name is not in it: it may be somebody's
        password, typed in the wrong place. Where the log is away, the answer is what it would have been.
        """
        attempt = self._attempts.next(uid or identifier)
        try:
            await self._handlers.say(UserLoginFailed(user_id=uid, handle=None, reason=reason, attempt=attempt))
        except BackendError as error:
            _LOG.warning("a log-in that failed could not be told: %s", error.code)

    async def _let_in(self, stored: StoredUser, password: str) -> User | None:
        """The user whose password was right, with a hash of today's cost; None if that does not count any more."""
        stored = await self.followers.follow(stored)
        user = stored.user
        better = accounts.adopted(user) or user
        if passwords.needs_rehash(user.password_hash, self._policy.passwords):
            better = accounts.rehashed(better, await self._hashing.hashed(password))
        if better is not user:
            with suppress(Stale, Taken):  # it changed meanwhile, or the canonical form is somebody's: another time
                user = (await self._accounts.swap(stored, better)).user
        now = read(self._clock)
        known = await self._accounts.logged_in(user.id, user.epoch, now)
        return user.evolve(last_login_at=now) if known else None

    async def _by_token(self, *digests: str) -> StoredUser:
        stored = await self._accounts.by_token(digests)
        if stored is None:
            raise InvalidToken
        return await self.followers.follow(stored)

    async def _issue(
        self, user_id: str, purpose: Purpose, token: str, address: str | None = None, epoch: int | None = None
    ) -> str:
        """Keeps a token with the user. Of ``epoch``, if one is given, which was proved."""

        def decide(user: User, now: datetime) -> tuple[User, None]:
            if user.status != "active" or (epoch is not None and user.epoch != epoch):
                raise InvalidCredentials
            return tokens.issued(user, purpose, token, now, self._policy.accounts, address), None

        await self.users.change(partial(self.users.found, user_id), decide)
        return token


def _names(user: User) -> tuple[str, ...]:
    """What no password of theirs may be."""
    return user.email, user.email_canonical or user.email, user.handle
