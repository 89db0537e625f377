"""What a user sets for themselves: one guarded write of the profile, which carries its events.

The boards are told who is hidden, and behind that the events go to the log. Each step can be repeated, and whoever
writes the settings next, or the relay, repeats those that were cut off.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from tektree import context
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.services.aftermath import left_to
from tektree._async.services.commits import OLDEST, AsyncCommits
from tektree._async.services.handlers import AsyncHandlers
from tektree.clock import Clock, read
from tektree.errors import Stale
from tektree.models.events import Posted, within
from tektree.models.gamification import GamificationProfile
from tektree.policy import Policy
from tektree.rules import announcements, projections

__all__ = ["AsyncSettings", "Change"]

Change = Callable[[GamificationProfile, datetime], GamificationProfile]
"""The profile with other settings; the one it was given, when there is nothing to change."""

_ATTEMPTS: Final = 20
_BATCH: Final = 200


class _Changed(NamedTuple):
    """A profile as it is now; whether boards may have to be told who is hidden; and its events, by their ids."""

    profile: GamificationProfile
    moved: bool
    mine: frozenset[str] = frozenset()


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

        What storage cannot do now of what follows is left to the next change and to the relay: the settings are as
        they are asked to be. Gives back the profile as of now. Raises `NotFound`, `Stale` when they keep changing.
        """
        now = read(self._clock)
        changed = await self._changed(user_id, change, now)
        with left_to("the next change or the relay", "a change of settings of user", user_id):
            await self._follow(changed)
        return projections.as_of(changed.profile, now, self._policy)

    async def complete(self, user_id: str, change: Change) -> None:
        """Changes settings, and does all that follows, for who may not go on before that.

        Raises as `change`, and what storage raises on the way: then the same call again does the rest.
        """
        await self._follow(await self._changed(user_id, change, read(self._clock)))

    async def _changed(self, user_id: str, change: Change, now: datetime) -> _Changed:
        for _ in range(_ATTEMPTS):
            old = await self._commits.profile(user_id)
            new = change(old, now)
            if new is old:
                return _Changed(old, True)
            new, said = announcements.settings(old, new, now, self._policy.events.producer_id)
            ambient = context.current()
            events = said if ambient is context.NOTHING else within(ambient, said)
            try:
                await self._profiles.swap(old, new, events, self._handlers.to(events))
            except Stale:
                continue
            moved = new.leaderboard_opt_out is not old.leaderboard_opt_out
            return _Changed(new, moved, frozenset([event.event_id for event in events]))
        raise Stale("profile", user_id)

    async def finish(self, user_id: str) -> int:
        """Makes good what follows from a user's settings; gives back how many events were told."""
        now, left = read(self._clock), await self._profiles.outbox(user_id)
        profile = await self._profiles.profile(user_id)
        if profile is None:
            return 0
        await self._show(profile)
        return await self._tell(user_id, left, now)

    async def sweep(self) -> int:
        """Makes good what follows from the settings of all users; gives back how many events were told."""
        told = 0
        while users := await self._profiles.unfinished(_BATCH):
            for user_id in users:
                told += await self.finish(user_id)
            if len(users) < _BATCH:
                break
        return told

    async def _follow(self, changed: _Changed) -> None:
        """Where an earlier change was cut off, what follows from that as well.

        Events are told behind the boards: whatever still stands on a profile, boards may not know. So where there are
        others' events, the profile is read again, behind them, before they are told.
        """
        profile, moved, mine = changed
        now = read(self._clock)
        left = await self._profiles.outbox(profile.user_id) if self._inline else ()
        if any(each.event.event_id not in mine for each in left):
            profile, moved = await self._commits.profile(profile.user_id), True
        if moved:
            await self._show(profile)
        await self._tell(profile.user_id, left, now)

    async def _show(self, profile: GamificationProfile) -> None:
        if profile.uid is not None:
            hidden, version = profile.leaderboard_opt_out, profile.settings_version
            await self._boards.hide(profile.uid, version, hidden, read(self._clock))

    async def _tell(self, user_id: str, left: Sequence[Posted], now: datetime) -> int:
        """Brings to the log what was left at ``now``, unless that is long ago."""
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
