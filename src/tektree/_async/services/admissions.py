"""Admission: session, limit and quota of a request in one call."""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple, get_args

from tektree._async.ports.admissions import AsyncAdmissionStore
from tektree._async.services.quotas import Asked, AsyncQuotas
from tektree._async.services.rate_limits import AsyncRateLimits
from tektree._async.services.sessions import AsyncSessions, actor_of
from tektree.clock import Clock, read
from tektree.errors import RateLimited
from tektree.models.accounts import Actor, Tier
from tektree.models.admissions import Admission, Request, Tariff, Terms
from tektree.models.quotas import Period
from tektree.models.rate_limits import LONGEST_KEPT, Bucket, Decision
from tektree.policy import Policy
from tektree.rules import quotas as quota_rules
from tektree.rules import rate_limits as limit_rules
from tektree.rules import sessions as session_rules

__all__ = ["AsyncAdmissions"]

_MOST: Final = 65_536
_KEPT: Final = timedelta(seconds=60)
"""So long what the subscription says of a period is believed: else each request would read it."""
_TIERS: Final[tuple[Tier, ...]] = get_args(Tier)


class _Known(NamedTuple):
    """A user's id, which never changes; their tier; and the period found for it, with the instant up to which it is
    believed.
    """

    id: str
    tier: Tier
    found: tuple[Period, datetime] | None = None


class AsyncAdmissions:
    """Says whether requests may go on."""

    def __init__(
        self,
        sessions: AsyncSessions,
        limits: AsyncRateLimits,
        quotas: AsyncQuotas,
        policy: Policy,
        clock: Clock,
        store: AsyncAdmissionStore | None = None,
    ) -> None:
        self._sessions = sessions
        self._limits = limits
        self._quotas = quotas
        self._policy = policy
        self._clock = clock
        self._store = store if policy.sessions.idle is None else None
        self._users: dict[str, _Known] = {}
        """By uid, those who were asked for lately."""
        self._kept = lru_cache(maxsize=1024)(self._tariff_of)

    async def admit(self, token: str, endpoint: str, quota: str | None = None, n: int = 1) -> Admission:
        """Who asks, with one hit on the endpoint counted and ``n`` units of the quota taken; or nothing counted."""
        limit_rules.checked_endpoint(endpoint)
        amount = quota_rules.checked_amount(n)
        if self._store is not None:
            found = await self._at_once(self._store, token, endpoint, quota, amount)
            if found is not None:
                return found
        return await self._in_steps(token, endpoint, quota, amount)

    async def _at_once(
        self, store: AsyncAdmissionStore, token: str, endpoint: str, quota: str | None, n: int
    ) -> Admission | None:
        ticket, now = session_rules.ticket(token), read(self._clock)
        tier, counter, period = None, None, None
        if quota is not None:
            if type(quota) is not str:  # what is none of ours is seen with the tariff, once
                quota_rules.checked_type(quota, self._policy)
            known = await self._period(ticket.uid, now)
            if known is None:
                return None
            tier, period = known
            counter = quota_rules.counter(ticket.uid, quota, period)
        tariff = self._tariff(endpoint, quota, tier)
        request = Request(ticket.uid, ticket.session_id, endpoint, tariff, counter, n, quota_rules.THRESHOLD)
        if self._sessions.unsettled:
            await self._sessions.settle(ticket.uid)
        found = await store.admit(request, now)
        if found is None:
            return None
        actor = actor_of(ticket, found.session)
        usage = None
        limit, window, most, _ = tariff.terms[actor.tier]
        if found.fill is not None and limit is not None:
            decision = limit_rules.decision(Bucket(ticket.uid, endpoint, limit, window), found.fill)
            if not decision.allowed:
                raise RateLimited(endpoint, decision.retry_after).answered_with(decision.headers)
        else:
            decision = limit_rules.uncounted(now, None)
        if found.taken is not None and counter is not None and period is not None:
            usage = await self._quotas.settled(Asked(actor, most, period, counter, now), n, found.taken)
        return Admission(actor, decision, usage)

    async def _in_steps(self, token: str, endpoint: str, quota: str | None, n: int) -> Admission:
        """In the order session, quota, limit; a quota is given back when the limit refuses or cannot be asked."""
        if quota is not None:
            quota_rules.checked_type(quota, self._policy)
        actor = await self._sessions.resolve(token)
        self._know(actor)
        limit = self._limits.limit_of(endpoint, actor.tier)
        if limit is not None:
            limit_rules.bucket(actor.uid, endpoint, limit)  # what is never allowed takes no units
        if quota is None:
            return Admission(actor, await self._hit(actor.uid, actor.tier, endpoint))
        async with self._quotas.reserve(actor, quota, n) as usage:
            return Admission(actor, await self._hit(actor.uid, actor.tier, endpoint), usage)

    async def _period(self, uid: str, now: datetime) -> tuple[Tier, Period] | None:
        """The period that a user's units are counted in while they are on this tier; None for one not seen yet."""
        known = self._users.get(uid)
        if known is None:
            return None
        if known.found is not None:
            period, until = known.found
            if period.start <= now < until:
                return known.tier, period
        period = await self._quotas.period_of(known.id, now)
        self._users[uid] = known._replace(found=(period, min(period.end, now + _KEPT)))
        return known.tier, period

    def _know(self, actor: Actor) -> None:
        """Who was asked for in steps may have another tier by now, and with it another period."""
        if len(self._users) >= _MOST:
            self._users.clear()
        self._users[actor.uid] = _Known(actor.id, actor.tier)

    async def _hit(self, uid: str, tier: Tier, endpoint: str) -> Decision:
        decision = await self._limits.hit(uid, endpoint, tier=tier)
        if not decision.allowed:
            raise RateLimited(endpoint, decision.retry_after).answered_with(decision.headers)
        return decision

    def _tariff(self, endpoint: str, quota: str | None, only: Tier | None) -> Tariff:
        """The tariff of an endpoint and a quota. Long names are not kept: they may be anybody's."""
        return (self._kept if len(endpoint) <= LONGEST_KEPT else self._tariff_of)(endpoint, quota, only)

    def _tariff_of(self, endpoint: str, quota: str | None, only: Tier | None) -> Tariff:
        """A tier that has no quota, or is never allowed, has no terms; nor has one beside the ``only`` one.

        Raises `InvalidInput` for no quota of ours.
        """
        if quota is not None:
            quota_rules.checked_type(quota, self._policy)
        found: dict[str, Terms] = {}
        for tier in _TIERS if only is None else (only,):
            limit = self._limits.limit_of(endpoint, tier)
            allowed = None
            if quota is not None:
                if quota not in self._policy.quotas.get(tier, {}):
                    continue
                allowed = self._policy.quotas[tier][quota]
            if limit is None:
                found[tier] = Terms(None, 0, allowed)
            elif limit.limit:
                found[tier] = Terms(limit.limit, limit.window_seconds, allowed, self._limits.kept(endpoint))
        return Tariff(found)
