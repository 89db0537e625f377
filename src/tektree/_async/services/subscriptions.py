"""Subscriptions: which tier a user has, until when, and what comes with it."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from tektree._async.ports.gamification import AsyncGamificationRepository
from tektree._async.ports.sessions import AsyncAccountsReader
from tektree._async.ports.subscriptions import AsyncSubscriptionRepository
from tektree._flavour import async_call
from tektree.clock import Clock, read
from tektree.errors import BackendError, ConfigurationError, CorruptDocument, InvalidInput, NotFound, Stale
from tektree.ids import derived_id, hex_id, uid_of
from tektree.models.accounts import Principal
from tektree.models.base import milliseconds
from tektree.models.quotas import Period
from tektree.models.subscriptions import Subscription
from tektree.policy import Policy
from tektree.rules import inputs

if TYPE_CHECKING:  # the catalog loads when somebody wants to be told
    from tektree.models.payloads.base import Payload
    from tektree.rules.entitlements import Entitlements
    from tektree.rules.polar import Other
    from tektree.rules.subscriptions import Said
    from tektree.rules.webhooks import Webhook

__all__ = ["AsyncSubscriptions", "Follow", "Moved", "Tell"]

Tell = Callable[["Payload", str, datetime, datetime], object]
"""Is told what has to be made known, under which id, when it happened, and what time it is."""

Follow = Callable[[Subscription], object]
"""Is told of a subscription with another tier ``in_force``, which its user is to be given. It may be told twice."""

Moved = Callable[[str, str], object]
"""Is told the id and uid of a user whose quotas may have got other months. It may be told twice."""

Change = Callable[[Subscription | None, datetime], Subscription]
"""The subscription that is to be, of the present one as of now; that one itself when there is nothing to change."""

_LOG: Final = logging.getLogger("tektree")
_ATTEMPTS: Final = 20
_BATCH: Final = 200
_LATER: Final = timedelta(minutes=1)
"""When it is tried again to let counts last longer, which could not be reached."""


class AsyncSubscriptions:
    """One subscription for each user; who has none is free.

    Time changes them by itself: trials end, periods follow each other, what was canceled is over. That is seen by
    whoever looks, and written and told with the next change, by `advance`, or by the relay. What is billed by Polar is
    changed there, and `apply_webhook` tells us. Each change is one guarded write that says what is left to do: what has
    to be told, and that the user is to be given the tier. Where the process dies before that is done, the next change
    does it, or `advance`, or the relay.
    """

    def __init__(
        self,
        store: AsyncSubscriptionRepository,
        profiles: AsyncGamificationRepository,
        policy: Policy,
        clock: Clock,
        tell: Tell | None = None,
        follow: Follow | None = None,
        accounts: AsyncAccountsReader | None = None,
    ) -> None:
        self._store = store
        self._profiles = profiles
        self._policy = policy
        self._clock = clock
        self._tell = tell
        self._follow = follow
        self._accounts = accounts
        self.moved: Moved | None = None
        """Set by whoever makes the quotas, which need this service first."""
        self._inline = policy.events.drain == "inline"
        self._keys: tuple[bytes, ...] = ()

    def trust(self, *secrets: str) -> None:
        """Says with which secrets webhooks are signed: more than one while they are being changed.

        Each is ``whsec_…`` or what Polar shows. Raises `ConfigurationError`, which does not repeat it.
        """
        from tektree.rules import webhooks

        self._keys = tuple([webhooks.key_of(each) for each in secrets])

    async def start(self, principal: Principal, tier: str, cycle: str = "monthly", trial_days: int = 0) -> Subscription:
        """Puts the user on a tier above free, from now on; with a trial of so many days (0 to 365) first.

        It renews itself by the ``monthly`` or ``annual`` cycle until it is canceled. Raises `InvalidInput`;
        `InvalidTransition` when one is in force, or for a second trial.
        """
        from tektree.rules import subscriptions

        user_id = inputs.principal(principal)
        settled, by = subscriptions.checked_paid_tier(tier), subscriptions.checked_cycle(cycle)

        def change(old: Subscription | None, now: datetime) -> Subscription:
            return subscriptions.started(old, user_id, settled, by, trial_days, now)

        return await self._change(user_id, principal.uid, change)

    async def change(self, principal: Principal, tier: str | None = None, cycle: str | None = None) -> Subscription:
        """Another tier or cycle. More, and a longer cycle, begin at once; less begins with the next period. None leaves
        it as it is. What was going to end goes on.

        Raises `InvalidInput`, `NotFound`, `InvalidTransition` for one that is over, or that Polar bills.
        """
        from tektree.rules import subscriptions

        user_id = inputs.principal(principal)
        settled = None if tier is None else subscriptions.checked_paid_tier(tier)
        by = None if cycle is None else subscriptions.checked_cycle(cycle)

        def change(old: Subscription | None, now: datetime) -> Subscription:
            present = _there(old, user_id)
            return subscriptions.changed(
                present,
                settled or present.pending_tier or present.tier,
                by or present.pending_cycle or present.billing_cycle,
                now,
            )

        return await self._change(user_id, principal.uid, change)

    async def cancel(self, principal: Principal, at_period_end: bool = True) -> Subscription:
        """Ends it with its period, or at once. Again: nothing happens.

        Raises `InvalidInput`, `NotFound`, `InvalidTransition` for the free one, or one that Polar bills.
        """
        from tektree.rules import subscriptions

        user_id = inputs.principal(principal)
        inputs.flag(at_period_end, "at_period_end")

        def change(old: Subscription | None, now: datetime) -> Subscription:
            return subscriptions.canceled(_there(old, user_id), at_period_end, now)

        return await self._change(user_id, principal.uid, change)

    async def begin(self, user_id: str, uid: str, at: datetime, *, tell: bool = True) -> Subscription:
        """The free one of a user who was registered ``at`` then, unless there is one. What is untold of it is told.

        Again: nothing happens. Without ``tell`` that is left to whoever calls this next. For the service of accounts.
        """
        from tektree.rules import subscriptions

        found = await self._store.start(subscriptions.begun(user_id, uid, at))
        if not (tell and found.untold):
            return found
        now = read(self._clock)
        if subscriptions.as_of(found, now) != found:  # one that was there before, of which there is more to do
            found, now = await self._write(user_id, uid, lambda old, now: _there(old, user_id))
        return await self._settle(found, now, uid, tell)

    async def get(self, user_id: str) -> Subscription:
        """The user's subscription as of now. Nothing is written. Raises `InvalidInput`, `NotFound`."""
        from tektree.rules import subscriptions

        hex_id(user_id, "user_id")
        return subscriptions.as_of(_there(await self._store.get(user_id), user_id), read(self._clock))

    async def entitlements(self, principal: Principal) -> "Entitlements":
        """Which tier is in force now, and the quotas that come with it. Nothing is written. Raises `InvalidInput`."""
        from tektree.rules import entitlements

        found = await self._store.get(inputs.principal(principal))
        return entitlements.entitlements(found, self._policy, read(self._clock))

    async def advance(self, user_id: str) -> Subscription:
        """Writes and tells what time has made of it. Again: nothing happens. Raises `InvalidInput`, `NotFound`."""
        hex_id(user_id, "user_id")
        return await self._change(user_id, await self._uid(user_id), lambda old, now: _there(old, user_id))

    async def apply_webhook(self, headers: Mapping[str, str], body: bytes | str) -> Subscription | None:
        """Takes what Polar says of a subscription. ``body`` is as it came, to the byte: it is signed.

        Whose it is, is the customer's external id: a user's id or uid. Messages may come twice, late and in any order:
        the latest state counts. None: nothing was paid yet, or it is about something else; then it is kept in the log,
        once, as ``webhook.received``. Raises `Forbidden` for a signature that is missing, wrong, or more than five
        minutes away; `InvalidInput` for a message that cannot be understood, `NotFound` for a user that is not there,
        `ConfigurationError` before `trust`.
        """
        from tektree.rules import polar, subscriptions, webhooks

        if not self._keys:
            raise ConfigurationError("subscriptions", "must be told first which secret to trust; call trust(secret)")
        now = read(self._clock)
        webhook = webhooks.verified(headers, body, self._keys, now)
        other = polar.other(webhook.body, self._policy)
        if other is not None:
            await self._keep(webhook, other, now)
            return None
        said = polar.snapshot(webhook.body, self._policy)
        if said is None:
            return None
        user_id, uid = await self._whose(said.user)

        def change(old: Subscription | None, now: datetime) -> Subscription:
            return polar.applied(old or subscriptions.free(user_id, now), said, now)

        return await self._change(user_id, uid, change)

    async def month(self, user_id: str, at: datetime) -> Period | None:
        """The month of quotas that ``at`` is in, for this user; None for one of the calendar."""
        found = await self._store.get(user_id)
        if found is None or (found.tier == "free" and found.counted_from is None):
            return None
        from tektree.rules import subscriptions

        return subscriptions.month_of(subscriptions.as_of(found, read(self._clock)), at)

    async def sweep(self) -> int:
        """All that time has changed, or that was left undone, of all users; gives back how many events were told.

        What cannot be read is left.
        """
        told = 0
        before: tuple[str, ...] = ()
        while users := tuple(await self._store.due(milliseconds(read(self._clock)), _BATCH)):
            for user_id in users:
                try:
                    told += await self._finish(user_id)
                except (CorruptDocument, NotFound, Stale) as error:
                    _LOG.warning("the subscription of user %s cannot be finished: %s", user_id, error.code)
            if len(users) < _BATCH or users == before:
                break
            before = users
        return told

    async def _finish(self, user_id: str) -> int:
        uid = await self._uid(user_id)
        written, now = await self._write(user_id, uid, lambda old, now: _there(old, user_id))
        await self._settle(written, now, uid, tell=True)
        return len(written.untold)

    async def _change(self, user_id: str, uid: str | None, change: Change) -> Subscription:
        """Changes it, and does what follows. What storage cannot do then is left: the change itself is made."""
        written, now = await self._write(user_id, uid, change)
        try:
            return await self._settle(written, now, uid, self._inline)
        except (BackendError, Stale) as error:
            _LOG.warning("what follows a change of the subscription of user %s is left: %s", user_id, error.code)
            return written

    async def _write(self, user_id: str, uid: str | None, change: Change) -> tuple[Subscription, datetime]:
        """Changes it as it is now; whoever changed it in between makes us read again.

        The one write says what is left to do. Gives back what is stored then, and as of when that is right.
        """
        from tektree.rules import entitlements, subscriptions

        for _ in range(_ATTEMPTS):
            now, stored = read(self._clock), await self._store.get(user_id)
            present = None if stored is None else subscriptions.as_of(stored, now)
            new = subscriptions.warned(change(present, now), self._policy, now)
            tier = entitlements.entitlements(new, self._policy, now).tier
            if stored is not None and new == stored and self._is_given(new, tier):
                return stored, now
            version = 1 if stored is None else (stored.version or 0) + 1
            fresh = self._announced(stored, present, new, uid)
            untold = [subscriptions.kept(each, derived_id(new.id, str(version), str(at))) for at, each in fresh]
            new = new.evolve(version=version, updated_at=now, untold=(*new.untold, *untold))
            moves = self.moved is not None and subscriptions.moves(stored, present, new)
            if moves or not self._is_given(new, tier):
                new = new.evolve(in_force=tier, follows=True)
            new = new.evolve(due=subscriptions.due(new, self._policy, now))
            try:
                await self._store.swap(stored, new)
            except Stale:
                continue
            return new, now
        raise Stale("subscription", user_id)

    def _is_given(self, found: Subscription, tier: str) -> bool:
        """Whether the user has the tier, or is about to be given it. Who never had a subscription is free."""
        never = found.in_force is None and found.tier == "free"
        return self._follow is None or never or found.in_force == tier

    def _announced(
        self, stored: Subscription | None, present: Subscription | None, new: Subscription, uid: str | None
    ) -> Iterator[tuple[int, "Said"]]:
        """What time has made of it, then what was asked for."""
        from tektree.rules import subscriptions

        if self._tell is None or uid is None:
            return iter(())
        steps = () if stored is None or present is None else subscriptions.announced(stored, present, uid)
        return enumerate([*steps, *subscriptions.announced(present, new, uid)])

    async def _settle(self, found: Subscription, now: datetime, uid: str | None, tell: bool) -> Subscription:
        """Gives the user the tier, tells what is untold, and takes the marks off. ``found`` is as of now.

        Done again, nothing comes of it twice: the tier is that of a version, and what is told has an id of its own.
        """
        from tektree.rules import subscriptions

        settled = found
        if found.follows:
            if self._follow is not None:
                await async_call(self._follow, found)
            if await self._move(found.user_id, uid):
                settled = settled.evolve(follows=None)
        if self._tell is not None and tell and found.untold:
            for text in found.untold:
                id, payload = subscriptions.restored(text)
                await async_call(self._tell, payload, id, found.updated_at, read(self._clock))
            settled = settled.evolve(untold=())
        due = subscriptions.due(settled, self._policy, now)
        if settled.follows and not settled.untold:  # only counts are left: others come first
            due = milliseconds(now + _LATER)
        settled = settled.evolve(due=due)
        if settled == found:
            return found
        settled = settled.evolve(version=(found.version or 0) + 1)
        try:
            await self._store.swap(found, settled)
        except Stale:  # who was faster does it again, in vain, and takes them off
            return found
        return settled

    async def _move(self, user_id: str, uid: str | None) -> bool:
        """Tells of other months; false where counts cannot be reached. That keeps nobody from their tier."""
        if self.moved is None or uid is None:
            return True
        try:
            await async_call(self.moved, user_id, uid)
        except BackendError as error:
            _LOG.warning("what user %s has used is to last longer, which is left: %s", user_id, error.code)
            return False
        return True

    async def _uid(self, user_id: str) -> str | None:
        profile = await self._profiles.profile(user_id)
        return None if profile is None else profile.uid

    async def _keep(self, webhook: "Webhook", other: "Other", now: datetime) -> None:
        """Tells of a message that is not for us, under its id: again, nothing happens."""
        if self._tell is None:
            return
        from tektree.rules import polar

        uid = account = None
        if other.user is not None:
            with suppress(InvalidInput, NotFound):  # somebody else's customer
                uid = (await self._whose(other.user))[1]
        if uid is not None and self._accounts is not None:
            account = await self._accounts.account(uid)
        said = polar.received(webhook, other, uid, account is None or account.enabled)
        await async_call(self._tell, said, derived_id("webhook", webhook.id), webhook.at, now)

    async def _whose(self, user: str) -> tuple[str, str | None]:
        """The id and uid of a user by either of them."""
        by_uid = user.startswith("usr_")
        try:
            known = uid_of(user) if by_uid else hex_id(user, "user_id")
        except InvalidInput:
            raise InvalidInput("body", "must name the user by id or uid, as the customer's external id") from None
        profile = await (self._profiles.by_uid(known) if by_uid else self._profiles.profile(known))
        if profile is None:
            raise NotFound("user", user)
        return profile.user_id, profile.uid


def _there(found: Subscription | None, user_id: str) -> Subscription:
    if found is None:
        raise NotFound("subscription", user_id)
    return found
