"""What ends sessions, and what makes them look again: events of accounts, answered by handlers.

They run behind the commit, before the command returns. Where the sessions' store is away then, the relay does it again.
"""

from tektree._async.services.handlers import AsyncHandlers, Registered
from tektree._async.services.sessions import AsyncSessions
from tektree.models.events import Event
from tektree.policy import Policy

__all__ = ["AsyncRevocations"]

_END = ("user.password_changed", "user.suspended", "user.deleted", "user.erased")
_CHANGE = ("user.role_changed", "user.tier_changed", "user.email_verified")
"""Another address ends sessions too, by its epoch; one that is proved for the first time does not."""


class AsyncRevocations:
    """Registers a handler for each of these events."""

    def __init__(self, sessions: AsyncSessions, handlers: AsyncHandlers, policy: Policy) -> None:
        self._sessions = sessions
        for event_type in (*_END, *_CHANGE):
            handlers.register(
                Registered(
                    name=f"sessions:{event_type}",
                    patterns=(event_type,),
                    function=self._ended if event_type in _END else self._changed,
                    on_failure="park",
                    attempts=policy.events.attempts,
                )
            )

    async def _ended(self, event: Event) -> None:
        await self._sessions.revoke_all(event.payload["user_id"])

    async def _changed(self, event: Event) -> None:
        await self._sessions.changed(event.payload["user_id"])
