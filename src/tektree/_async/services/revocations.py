"""What ends sessions, and makes them look again: events of accounts, answered by handlers.

Sessions follow the write of an account at once, where they can. This is the second line, for what a process left: it
ended behind the write, or the store of sessions was away. So it is tried until it succeeds, and never given up.
"""

from typing import Final

from tektree._async.services.handlers import AsyncHandlers, Registered
from tektree._async.services.sessions import AsyncSessions
from tektree.models.events import Event

__all__ = ["AsyncRevocations"]

_END: Final = ("user.deleted", "user.erased")
"""Nobody logs in as this user any more, so whatever is there may go."""
_CHANGE: Final = (
    "user.password_changed",
    "user.suspended",
    "user.role_changed",
    "user.tier_changed",
    "user.email_verified",
)
"""Sessions of another epoch end when they are used. One that was opened with the new password since stays."""

_ENDLESS: Final = 2**31
"""So many attempts are more than anybody waits for."""
_LONGEST: Final = 30
"""Seconds between two of them, at the most."""


class AsyncRevocations:
    """Registers a handler for each of these events."""

    def __init__(self, sessions: AsyncSessions, handlers: AsyncHandlers) -> None:
        self._sessions = sessions
        for event_type in (*_END, *_CHANGE):
            handlers.register(
                Registered(
                    name=f"sessions:{event_type}",
                    patterns=(event_type,),
                    function=self._ended if event_type in _END else self._changed,
                    on_failure="park",
                    attempts=_ENDLESS,
                    longest=_LONGEST,
                )
            )

    async def _ended(self, event: Event) -> None:
        await self._sessions.revoke_all(event.payload["user_id"])

    async def _changed(self, event: Event) -> None:
        await self._sessions.changed(event.payload["user_id"])
