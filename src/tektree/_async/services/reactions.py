"""Reactions: the policy's table, carried out by handlers of the events it names."""

from functools import partial

from tektree._async.ports.gamification import AsyncGamificationRepository
from tektree._async.services.gamification import AsyncGamification
from tektree._async.services.handlers import AsyncHandlers, Registered
from tektree.errors import NotFound
from tektree.models.events import Event
from tektree.models.gamification import AwardRequest
from tektree.policy import Policy
from tektree.rules import reactions, settings
from tektree.rules.reactions import Rule

__all__ = ["AsyncReactions"]


class AsyncReactions:
    """Registers a handler for every rule of the policy. Its line waits while a reaction is owed."""

    def __init__(
        self,
        gamification: AsyncGamification,
        profiles: AsyncGamificationRepository,
        handlers: AsyncHandlers,
        policy: Policy,
    ) -> None:
        self._gamification = gamification
        self._profiles = profiles
        self._policy = policy
        for rule in reactions.table(policy, handlers.catalog):
            handlers.register(
                Registered(
                    name=rule.name,
                    pattern=rule.event_type,
                    function=partial(self._react, rule),
                    on_failure="park",
                    attempts=policy.events.attempts,
                    rule=rule.name,
                )
            )

    async def _react(self, rule: Rule, event: Event) -> None:
        uid = reactions.receiver(rule, event)
        if uid is None:
            return
        profile = await self._profiles.by_uid(uid)
        if profile is None:
            raise NotFound("profile", uid)
        effect, user_id = rule.reaction.effect, profile.user_id
        if effect == "award":
            await self._award(rule, event, user_id)
        elif effect == "reverse":
            key = reactions.key(rule, event, user_id, self._policy)
            await self._gamification.awards.take_back(user_id, key, event.event_type, event.event_id)
        elif effect == "activity":
            await self._gamification.record_activity(user_id, event.timestamp)
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
