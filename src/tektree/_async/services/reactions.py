"""Reactions: the policy's table, carried out by handlers of the events it names."""

from collections.abc import Sequence
from functools import partial

from tektree import context
from tektree._async.ports.gamification import AsyncGamificationRepository
from tektree._async.services.accounts import AsyncAccounts
from tektree._async.services.caches import AsyncCaches
from tektree._async.services.gamification import AsyncGamification
from tektree._async.services.handlers import AsyncHandlers, Registered
from tektree._async.services.quotas import AsyncQuotas
from tektree._async.services.subscriptions import AsyncSubscriptions
from tektree.clock import Clock, read
from tektree.errors import NotFound
from tektree.ids import event_id
from tektree.models.accounts import Principal
from tektree.models.events import Event
from tektree.models.gamification import AwardRequest
from tektree.policy import Policy
from tektree.rules import inputs, reactions, settings
from tektree.rules.reactions import Rule

__all__ = ["AsyncReactions"]


class AsyncReactions:
    """Registers the handlers of the policy's rules. Their lines wait while a reaction is owed.

    Where nothing is cached there is nothing to invalidate, so no handler does. An invalidation that was given up holds
    up nothing: what it was to take away has expired by then.
    """

    def __init__(
        self,
        gamification: AsyncGamification,
        profiles: AsyncGamificationRepository,
        handlers: AsyncHandlers,
        policy: Policy,
        clock: Clock,
        accounts: AsyncAccounts,
        subscriptions: AsyncSubscriptions,
        quotas: AsyncQuotas,
        caches: AsyncCaches,
    ) -> None:
        self._gamification = gamification
        self._profiles = profiles
        self._handlers = handlers
        self._policy = policy
        self._clock = clock
        self._accounts = accounts
        self._subscriptions = subscriptions
        self._quotas = quotas
        self._caches = caches
        for name, rules in reactions.by_handler(policy, handlers.catalog).items():
            is_cache = rules[0].reaction.effect == "cache"
            if is_cache and (not caches.on or policy.events.caches == "consumer"):
                continue
            handlers.register(
                Registered(
                    name=name,
                    patterns=tuple(dict.fromkeys([rule.event_type for rule in rules])),
                    function=partial(self._react_all, rules),
                    on_failure="skip" if is_cache else "park",
                    attempts=reactions.tries(rules[0], policy),
                )
            )

    async def _react_all(self, rules: Sequence[Rule], event: Event) -> None:
        for rule in rules:
            if reactions.fits(rule.event_type, event.event_type):
                token = context.answer(event, rule.name)
                try:
                    await self._react(rule, event)
                finally:
                    context.leave(token)

    async def _react(self, rule: Rule, event: Event) -> None:
        if rule.reaction.effect == "cache":
            place = reactions.place(rule, event)
            if place is not None:
                await self._caches.invalidate(*place)
            return
        uid = reactions.receiver(rule, event)
        if uid is None:
            return
        if rule.reaction.effect == "quota":
            await self._count(rule, event, uid)
        else:
            await self._play(rule, event, await self._user_id(uid))

    async def _user_id(self, uid: str) -> str:
        profile = await self._profiles.by_uid(uid)
        if profile is None:
            raise NotFound("profile", uid)
        return profile.user_id

    # -- gamification -------------------------------------------------------------------------------------------------

    async def _play(self, rule: Rule, event: Event, user_id: str) -> None:
        effect = rule.reaction.effect
        if effect == "award":
            await self._award(rule, event, user_id)
        elif effect == "reverse":
            key = reactions.key(rule, event, user_id, self._policy)
            await self._gamification.awards.take_back(user_id, key, event.event_type, event.event_id)
        elif effect == "activity":
            now = read(self._clock)
            await self._gamification.awards.activity(user_id, inputs.at(event.timestamp, now), now, whole=True)
        else:
            change = settings.suspended if effect == "hide" else settings.reinstated
            await self._gamification.settings.change(user_id, change)

    async def _award(self, rule: Rule, event: Event, user_id: str) -> None:
        request = AwardRequest(
            user_id=user_id,
            source=rule.reaction.source or "",
            key=reactions.key(rule, event, user_id, self._policy),
            at=event.timestamp,
            about=reactions.about(rule, event),
        )
        first = rule.reaction.first
        only_again = first is not None and event.payload.get(first) is not True
        await self._gamification.awards.grant(request, event.event_type, event.event_id, only_again)

    # -- quotas -------------------------------------------------------------------------------------------------------

    async def _count(self, rule: Rule, event: Event, uid: str) -> None:
        """Counts in the period in which it happened, whenever it is heard of. What was given back is told."""
        reaction, user = rule.reaction, await self._principal(uid)
        quota_type = reaction.quota or ""
        cause = event_id(event.event_id, rule.name)
        usage = await self._quotas.count(user, quota_type, reaction.units, cause, event.timestamp)
        if usage is None or reaction.units > 0:
            return
        from tektree.models.payloads.quotas import QuotaRefunded

        told = QuotaRefunded(
            user_id=uid,
            quota_type=quota_type,
            period=usage.period,
            amount=-reaction.units,
            reason=event.event_type.replace(".", "_"),
            cause_event_id=event.event_id,
        )
        now = read(self._clock)
        await self._handlers.tell(told, event_id(event.event_id, "quota.refunded", rule.name)[4:], now, now)

    async def _principal(self, uid: str) -> Principal:
        """The user, on the tier in force; one whom the host keeps has it from the subscription."""
        account = await self._accounts.account(uid)
        if account is not None:
            return Principal(account.id, uid, account.tier, account.role)
        user = Principal(await self._user_id(uid), uid)
        entitled = await self._subscriptions.entitlements(user)
        return Principal(user.id, uid, entitled.tier)
