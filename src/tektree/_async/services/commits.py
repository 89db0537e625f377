"""The write protocol of the ledger: one row is the commit, and what follows it can be repeated.

1. The profile is read; the rules decide; the row is appended with its events and the state after it. Storage lets one
   row have a ``seq`` and one row have a key, so of two writers one loses and decides again with what the other wrote.
2. The events go to the log, the sums to the boards, and the row lets go of its events.
3. The profile is brought forward, last. As long as it lags, the next writer of the user loses against the row that it
   has not seen, reads the ledger's tail, and finishes for that row what may have been cut off.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from tektree._async.ports.bundles import AsyncBackends
from tektree.errors import NotFound, Stale, Taken, Unavailable
from tektree.ids import transaction_id
from tektree.models.base import Frozen
from tektree.models.events import Event
from tektree.models.gamification import GamificationProfile, XPTransaction
from tektree.models.leaderboards import BoardEntry
from tektree.policy import Policy
from tektree.rules import achievements, adoption, leaderboards, projections, xp

__all__ = ["AsyncCommits", "Dated", "Decide", "Written"]

_ATTEMPTS: Final = 200
"""How often a command decides again because others write the same ledger; each loss means that somebody else got on."""

_PAGE: Final = 500
_UNDATED: Final = Frozen[str, datetime]()

Dated = Mapping[str, datetime]
Decide = Callable[[GamificationProfile, Dated], Awaitable[xp.Decision | XPTransaction]]
"""What to write, given the user's state; or the row that did it already."""


_Told = tuple[XPTransaction, Sequence[Event]]
"""A row with its events: what `Committed` is, too."""


class Written(NamedTuple):
    """What a command came to: its decision, or the ``first`` row of its key; the profile after, and all events told."""

    profile: GamificationProfile
    decision: xp.Decision | None = None
    first: XPTransaction | None = None
    events: Sequence[Event] = ()


@dataclass(slots=True)
class _Attempts:
    """How often it was tried. Raises `Unavailable` in the end: a store that refuses every time is not well."""

    pause: Callable[[int], Awaitable[None]]
    count: int = field(default=0)

    async def lost(self) -> None:
        self.count += 1
        if self.count > _ATTEMPTS:
            raise Unavailable("ledger", "is written by too many others at once")
        await self.pause(self.count)


class AsyncCommits:
    """Commits rows to the ledgers of users."""

    def __init__(self, backends: AsyncBackends, policy: Policy, pause: Callable[[int], Awaitable[None]]) -> None:
        self._profiles = backends.gamification
        self._ledger = backends.ledger
        self._boards = backends.leaderboards
        self._log = backends.events
        self._policy = policy
        self._pause = pause
        self._inline = policy.events.drain == "inline"

    async def profile(self, user_id: str) -> GamificationProfile:
        """The stored profile. Raises `NotFound`."""
        profile = await self._profiles.profile(user_id)
        if profile is None:
            raise NotFound("profile", user_id)
        return profile if profile.seq else adoption.adopted(profile, self._policy.streaks)

    async def write(self, user_id: str, key: str, decide: Decide, now: datetime) -> Written:
        """Commits what ``decide`` says, once for ``key``. XP that the row makes due is committed behind it."""
        attempts = _Attempts(self._pause)
        profile = await self.profile(user_id)
        while True:
            if profile.owed:
                profile, _ = await self._pay(profile, now, attempts)
            decision = await self._decided(profile, decide)
            if not isinstance(decision, xp.Decision):
                return await self._finished(profile, decision, now, attempts)
            if decision.row is None:
                first = await self._ledger.row(transaction_id(user_id, key))
                if first is not None:
                    return await self._finished(profile, first, now, attempts)
                return Written(profile, decision=decision)
            try:
                await self._ledger.append(decision.row, decision.events)
                break
            except Taken:
                first = await self._ledger.row(transaction_id(user_id, key))
                profile = await self.catch_up(user_id, now)
                if first is not None:
                    return await self._finished(profile, first, now, attempts)
                await attempts.lost()
            except Stale:
                await attempts.lost()
                profile = await self.catch_up(user_id, now)
        profile, events = decision.profile, decision.events
        await self._follow([(decision.row, events)], profile, now)
        if profile.owed:
            profile, more = await self._pay(profile, now, attempts)
            events = (*events, *more)
        return Written(profile, decision=decision, events=events)

    async def _finished(
        self, profile: GamificationProfile, first: XPTransaction, now: datetime, attempts: _Attempts
    ) -> Written:
        """The ``first`` row of a key. Its writer may have been cut off: what is missing behind it is made good."""
        if profile.seq < first.seq:
            profile = await self.catch_up(profile.user_id, now)
        if profile.owed:
            profile, _ = await self._pay(profile, now, attempts)
        return Written(profile, first=first)

    async def catch_up(self, user_id: str, now: datetime) -> GamificationProfile:
        """The user's state by the ledger itself. Finishes what the profile shows to be unfinished, page by page: a
        profile that was restored may lag by the whole ledger.
        """
        profile = await self.profile(user_id)
        while True:
            tail = await self._ledger.tail(user_id, profile.seq, _PAGE)
            if not tail or tail[-1].row.state is None:
                return profile
            profile = projections.profile_with(profile, tail[-1].row.state)
            await self._follow(tail, profile, now)
            if len(tail) < _PAGE:
                return profile

    async def _follow(self, committed: Sequence[_Told], profile: GamificationProfile, now: datetime) -> None:
        """What comes after a commit, in the order that lets the next writer see how far it got."""
        told: list[XPTransaction] = []
        entries: list[BoardEntry] = []
        for row, outbox in committed:
            entries += leaderboards.entries(row, profile)
            if outbox and self._inline:
                told.append(row)
        if told:
            await self._log.append(_events(committed))
        if entries:
            await self._boards.put(entries, now)
        if told:
            await self._ledger.told(told)
        newest = committed[-1][0].state
        if newest is not None:
            await self._profiles.project(profile.user_id, newest)

    async def _pay(
        self, profile: GamificationProfile, now: datetime, attempts: _Attempts
    ) -> tuple[GamificationProfile, tuple[Event, ...]]:
        """Commits what earlier rows made due, until nothing is. It cannot go on for ever: each is due once per user."""
        events: tuple[Event, ...] = ()
        while profile.owed:
            owed = profile.owed[0]

            async def decide(profile: GamificationProfile, dated: Dated) -> xp.Decision:
                return xp.payout(profile, owed, self._policy, now, dated)  # noqa: B023 - called before the next turn

            decision = await self._decided(profile, decide)
            assert isinstance(decision, xp.Decision)
            assert decision.row is not None
            try:
                await self._ledger.append(decision.row, decision.events)
            except (Stale, Taken):
                await attempts.lost()
                profile = await self.catch_up(profile.user_id, now)
                continue
            profile, events = decision.profile, (*events, *decision.events)
            await self._follow([(decision.row, decision.events)], profile, now)
        return profile, events

    async def _decided(self, profile: GamificationProfile, decide: Decide) -> xp.Decision | XPTransaction:
        decision = await decide(profile, _UNDATED)
        if not isinstance(decision, xp.Decision) or not decision.earlier:
            return decision
        return await decide(profile, await self._since(profile.user_id, decision.earlier, profile.updated_at))

    async def _since(self, user_id: str, ids: Sequence[str], otherwise: datetime) -> Dated:
        """Since when these achievements were due, by the ledger."""
        found: dict[str, datetime] = {}
        after = 0
        while len(found) < len(ids) and (rows := await self._ledger.rows(user_id, after, _PAGE)):
            missing = [id for id in ids if id not in found]
            found |= achievements.since(self._policy.achievements, missing, rows)
            after = rows[-1].seq
        return {id: found.get(id, otherwise) for id in ids}


def _events(committed: Sequence[_Told]) -> Sequence[Event]:
    """Their events in one sequence. Those of a single row stay as they are, which may be yet to be made."""
    return committed[0][1] if len(committed) == 1 else [event for _, outbox in committed for event in outbox]
