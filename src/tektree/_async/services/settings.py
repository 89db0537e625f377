"""What a user sets for themselves: one guarded write of the profile, which carries its events.

The events go to the log behind it, and the boards are told who is hidden. Each step can be repeated, and whoever writes
the settings next, or the relay, repeats those that were cut off.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from tektree import context
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.services.commits import OLDEST, AsyncCommits
from tektree._async.services.handlers import AsyncHandlers
from tektree.clock import Clock, read
from tektree.errors import Stale
from tektree.models.events import within
from tektree.models.gamification import GamificationProfile
from tektree.policy import Policy
from tektree.rules import announcements, projections

__all__ = ["AsyncSettings", "Change"]

Change = Callable[[GamificationProfile, datetime], GamificationProfile]
"""The profile with other settings; the one it was given, when there is nothing to change."""

_ATTEMPTS: Final = 20
_BATCH: Final = 200


class AsyncSettings:
    """Changes the settings of profiles."""

    def __init__(
        self, backends: AsyncBackends, commits: AsyncCommits, handlers: AsyncHandlers, policy: Policy, clock: Clock
    ) -> None:
        self._profiles = backends.gamification
        self._boards = backends.leaderboards
        self._log = backends.events
        self._commits = commits
        self._handlers = handlers
        self._policy = policy
        self._clock = clock
        self._inline = policy.events.drain == "inline"

    async def change(self, user_id: str, change: Change) -> GamificationProfile:
        """Changes settings as they are now; whoever changed them in between makes us read again.

        Gives back the profile as of now. Raises `NotFound`, `Stale` when they keep changing.
        """
        now = read(self._clock)
        for _ in range(_ATTEMPTS):
            old = await self._commits.profile(user_id)
            new = change(old, now)
            if new is old:
                break
            new, said = announcements.settings(old, new, now, self._policy.events.producer_id)
            ambient = context.current()
            events = said if ambient is context.NOTHING else within(ambient, said)
            try:
                await self._profiles.swap(old, new, events, self._handlers.to(events))
            except Stale:
                continue
            break
        else:
            raise Stale("profile", user_id)
        await self._follow(new, new is old or new.leaderboard_opt_out is not old.leaderboard_opt_out)
        return projections.as_of(new, now, self._policy)

    async def finish(self, user_id: str) -> int:
        """Makes good what follows from a user's settings; gives back how many events were told."""
        profile = await self._profiles.profile(user_id)
        if profile is None:
            return 0
        await self._show(profile)
        return await self._tell(user_id)

    async def sweep(self) -> int:
        """Makes good what follows from the settings of all users; gives back how many events were told."""
        told = 0
        while users := await self._profiles.unfinished(_BATCH):
            for user_id in users:
                told += await self.finish(user_id)
            if len(users) < _BATCH:
                break
        return told

    async def _follow(self, profile: GamificationProfile, visibility: bool) -> None:
        """Also when nothing was changed: an earlier change may have been cut off here."""
        if visibility:
            await self._show(profile)
        if self._inline:
            await self._tell(profile.user_id)

    async def _show(self, profile: GamificationProfile) -> None:
        if profile.uid is not None:
            hidden, version = profile.leaderboard_opt_out, profile.settings_version
            await self._boards.hide(profile.uid, version, hidden, read(self._clock))

    async def _tell(self, user_id: str) -> int:
        now = read(self._clock)
        left = await self._profiles.outbox(user_id)
        if not left or read(self._clock) - now > OLDEST:
            return 0
        events, to = [each.event for each in left], [each.to for each in left]
        ids = [event.event_id for event in events]
        if not any(to):
            await self._log.append(events, self._handlers.posting(to, now))
            await self._profiles.told(user_id, ids)
            return len(ids)
        known = await self._log.append(events, self._handlers.posting(to, read(self._clock)))
        mine = [each for each in left if each.event.event_id not in known]
        lines = self._handlers.queue([each.event for each in mine], [each.to for each in mine])
        try:
            await self._profiles.told(user_id, ids)
        except BaseException:
            self._handlers.leave(lines)
            raise
        await self._handlers.run(lines)
        return len(ids)
