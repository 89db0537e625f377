"""The write protocol of the ledger: one row is the commit, and what follows it can be repeated.

1. The profile is read; the rules decide; the row is appended with its events and the state after it. Storage lets one
   row have a ``seq`` and one row have a key, so of two writers one loses and decides again with what the other wrote.
2. The events go to the log, the sums to the boards, and the row lets go of its events.
3. The profile is brought forward, last. As long as it lags, the next writer of the user loses against the row that it
   has not seen, reads the ledger's tail, and finishes for that row what may have been cut off.

Storages that can do all of this in one step are asked to, where nobody else has a part in it.

So a command whose row stands has done what it was asked for, whatever is away for the rest: it says so, and the rest is
left to the next writer and to the relay. Who answers an event comes again anyway, and hears what is left.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import is_
from typing import Any, Final

from tektree import context
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.ports.unbroken import AsyncUnbroken
from tektree._async.services.aftermath import leave
from tektree._async.services.handlers import AsyncHandlers
from tektree.clock import Clock, read
from tektree.errors import BackendError, NotFound, Stale, Taken, Unavailable
from tektree.ids import transaction_id
from tektree.models.base import Frozen
from tektree.models.events import Event, Recipients, within
from tektree.models.gamification import AwardRequest, Committed, GamificationProfile, XPTransaction
from tektree.models.leaderboards import BoardEntry
from tektree.policy import Policy
from tektree.rules import achievements, adoption, leaderboards, projections, xp

__all__ = ["OLDEST", "AsyncCommits", "Ask", "AsyncWork", "Dated", "Rule", "Written"]

_ATTEMPTS: Final = 200
"""How often a command decides again because others write the same ledger; each loss means that somebody else got on."""

_PAGE: Final = 500
_BATCH: Final = 200
_UNDATED: Final = Frozen[str, datetime]()

Dated = Mapping[str, datetime]
Rule = Callable[[GamificationProfile, Any, Policy, datetime, Dated], xp.Decision]
"""What a request comes to, given the user's state."""

Ask = Callable[[GamificationProfile], Awaitable[xp.LinkRequest | XPTransaction]]
"""What the rule is to be asked, where that depends on the user's state; or the row that did it already."""


OLDEST: Final = timedelta(minutes=1)
"""How long after they were read a row's events may still be told. Who was held up longer leaves them to the relay:
meanwhile they may have been told by others, and archived.
"""


Written = tuple[
    GamificationProfile | Callable[[], GamificationProfile],
    xp.Decision | None,
    XPTransaction | None,
    Sequence[Event],
]
"""What a command came to: the profile after, or what makes it; its decision, or the first row of its key; and all
events told.
"""


@dataclass(slots=True)
class AsyncWork:
    """One command on its way: how often it was tried, and the ``lines`` in which its events wait for their handlers.
    These have to be called behind it, and outside of any lock.

    ``whole``: who asked for it comes again with the same key until all that follows is done, as answers to events are.
    """

    whole: bool = False
    count: int = 0
    lines: Sequence[str] = ()

    def leave(self, user_id: str, error: BackendError) -> None:
        """What follows a row of the user that stands could not be done. Raises ``error`` for who comes again."""
        if self.whole:
            raise error
        leave(error, "the next command or the relay", "an award to user", user_id)

    async def lost(self, pause: Callable[[int], Awaitable[None]]) -> None:
        """Somebody else was faster. Raises `Unavailable` in the end: a store that refuses every time is not well."""
        self.count += 1
        if self.count > _ATTEMPTS:
            raise Unavailable("ledger", "is written by too many others at once")
        await pause(self.count)


class AsyncCommits:
    """Commits rows to the ledgers of users."""

    def __init__(
        self,
        backends: AsyncBackends,
        handlers: AsyncHandlers,
        policy: Policy,
        clock: Clock,
        pause: Callable[[int], Awaitable[None]],
    ) -> None:
        self._profiles = backends.gamification
        self._ledger = backends.ledger
        self._boards = backends.leaderboards
        self._log = backends.events
        self._handlers = handlers
        self._policy = policy
        self._clock = clock
        self._pause = pause
        self._inline = policy.events.drain == "inline"
        self._shows = policy.events.boards == "inline"
        self._unbroken = _unbroken_of(backends, policy)

    async def profile(self, user_id: str) -> GamificationProfile:
        """The stored profile. Raises `NotFound`."""
        profile = await self._profiles.profile(user_id)
        if profile is None:
            raise NotFound("profile", user_id)
        return profile if profile.seq else adoption.adopted(profile, self._policy.streaks)

    async def write(
        self, request: AwardRequest, rule: Rule, ask: Ask | None, now: datetime, work: AsyncWork
    ) -> Written:
        """Commits what ``rule`` says of ``request``, or of what ``ask`` makes of it, once for the key of ``request``.

        XP that the row makes due is committed behind it.
        """
        user_id, key = request.user_id, request.key
        ambient, profile = context.current(), await self.profile(user_id)
        while True:
            if profile.owed:
                profile, _ = await self._pay(profile, now, work)
            asked = request if ask is None else await ask(profile)
            if type(asked) is XPTransaction:
                return await self._finished(profile, asked, now, work)
            decision = rule(profile, asked, self._policy, now, _UNDATED)
            if decision.earlier:
                decision = rule(profile, asked, self._policy, now, await self._since(profile, decision.earlier))
            if decision.row is None:
                first = await self._ledger.row(transaction_id(user_id, key))
                if first is not None:
                    return await self._finished(profile, first, now, work)
                return profile, decision, None, ()
            if ambient is not context.NOTHING:
                decision = _within(ambient, decision)
            row, events = decision.row, decision.events
            assert row is not None
            to = self._handlers.to(events)
            unbroken = None if to else self._unbroken
            try:
                if unbroken is None:
                    await self._ledger.append(row, events, to)
                else:
                    await unbroken.commit(row, events, leaderboards.entries(row, profile), now)
                break
            except Taken:
                first = await self._ledger.row(transaction_id(user_id, key))
                if first is not None:
                    return await self._finished(profile, first, now, work)
                profile = await self._caught_up(user_id, work)
                await work.lost(self._pause)
            except Stale:
                await work.lost(self._pause)
                profile = await self._caught_up(user_id, work)
        try:
            if unbroken is None:
                now = read(self._clock) if work.count else now  # waiting for others is no delay in telling
                await self._follow_own(row, events, to, profile, now, work)
            if row.owes:
                profile, more = await self._pay(decision.profile, now, work)
                return profile, decision, None, (*events, *more)
        except BackendError as error:
            work.leave(user_id, error)
        return decision.after, decision, None, events

    async def _finished(
        self, profile: GamificationProfile, first: XPTransaction, now: datetime, work: AsyncWork
    ) -> Written:
        """The ``first`` row of a key. Its writer may have been cut off: what is missing behind it is made good."""
        try:
            if profile.seq < first.seq:
                profile = await self._caught_up(profile.user_id, work)
            if profile.owed:
                profile, _ = await self._pay(profile, now, work)
        except BackendError as error:
            work.leave(profile.user_id, error)
        if profile.seq < first.seq and first.state is not None:  # what follows is left, but it stands
            profile = projections.profile_with(profile, first.state)
        return profile, None, first, ()

    async def catch_up(self, user_id: str) -> GamificationProfile:
        """The user's state by the ledger itself. Finishes what the profile shows to be unfinished."""
        work = AsyncWork()
        try:
            profile = await self._caught_up(user_id, work)
        except BaseException:
            self._handlers.leave(work.lines)
            raise
        await self._handlers.run(work.lines)
        return profile

    async def finish(self, rows: Sequence[Committed], now: datetime) -> int:
        """Tells the events of these rows, which are in the order of users and numbers; gives back how many.

        Where the profile lags behind them, all else that follows a commit is made good as well.
        """
        told = 0
        for user_id, found in groupby(rows, lambda committed: committed.row.user_id):
            work = AsyncWork()
            try:
                told += await self._finish(user_id, list(found), now, work)
            except BaseException:
                self._handlers.leave(work.lines)
                raise
            await self._handlers.run(work.lines)
        return told

    async def _finish(self, user_id: str, committed: Sequence[Committed], now: datetime, work: AsyncWork) -> int:
        profile = await self._profiles.profile(user_id)
        if profile is not None and profile.seq < committed[-1].row.seq:
            await self._caught_up(user_id, work)
        if not await self._logged(_events(committed), _recipients(committed), now, work):
            return 0
        await self._ledger.told([each.row for each in committed])
        return sum([len(each.outbox) for each in committed])

    async def sweep(self) -> int:
        """Finishes all rows that still carry events; gives back how many were told."""
        told = 0
        while True:
            now = read(self._clock)  # before they are read: from then on they grow old
            rows = await self._ledger.unfinished(_BATCH)
            told += await self.finish(rows, now)
            if len(rows) < _BATCH:
                return told

    async def _caught_up(self, user_id: str, work: AsyncWork) -> GamificationProfile:
        """Page by page: a profile that was restored may lag by the whole ledger."""
        profile = await self.profile(user_id)
        while True:
            now = read(self._clock)
            tail = await self._ledger.tail(user_id, profile.seq, _PAGE)
            if not tail or tail[-1].row.state is None:
                return profile
            profile = projections.profile_with(profile, tail[-1].row.state)
            left = [each for each in tail if each.outbox] if self._inline else []
            if not left or await self._logged(_events(left), _recipients(left), now, work):
                await self._follow([each.row for each in tail], [each.row for each in left], profile, now)
            if len(tail) < _PAGE:
                return profile

    async def _follow_own(
        self,
        row: XPTransaction,
        events: Sequence[Event],
        to: Sequence[Recipients],
        profile: GamificationProfile,
        now: datetime,
        work: AsyncWork,
    ) -> None:
        """Tells what a row of our own says, unless that is the relay's, and does what comes behind."""
        told = [row] if self._inline else []
        if not told or await self._logged(events, to, now, work):
            await self._follow([row], told, profile, now)

    async def _follow(
        self,
        rows: Sequence[XPTransaction],
        told: Sequence[XPTransaction],
        profile: GamificationProfile,
        now: datetime,
    ) -> None:
        """What comes after a commit and behind the telling, in the order that lets the next writer see how far it got.

        ``told`` are those of the rows that can let go of their events. Where they could not be told, nothing of this is
        done: as long as the profile lags, the next writer finishes it before they tell anything of their own.
        """
        entries = _entries(rows, profile) if self._shows else ()
        if entries:
            await self._boards.put(entries, now)
        if told:
            await self._ledger.told(told)
        newest = rows[-1].state
        if newest is not None:
            await self._profiles.project(profile.user_id, newest)

    async def _logged(self, events: Sequence[Event], to: Sequence[Recipients], now: datetime, work: AsyncWork) -> bool:
        """Brings events to the log, unless that took too long; those that are new there wait for their handlers."""
        if read(self._clock) - now > OLDEST:
            return False
        if not to:
            await self._log.append(events, self._handlers.posting_for_sinks(events, now))
            return True
        known = await self._log.append(events, self._handlers.posting(to, now))
        mine = [(event, whom) for event, whom in zip(events, to, strict=True) if event.event_id not in known]
        more = self._handlers.queue([event for event, _ in mine], [whom for _, whom in mine])
        work.lines = (*work.lines, *more)
        return True

    async def _pay(
        self, profile: GamificationProfile, now: datetime, work: AsyncWork
    ) -> tuple[GamificationProfile, tuple[Event, ...]]:
        """Commits what earlier rows made due, until nothing is. It cannot go on for ever: each is due once per user."""
        events: tuple[Event, ...] = ()
        ambient = context.current()
        while profile.owed:
            owed = profile.owed[0]
            decision = xp.payout(profile, owed, self._policy, now)
            if decision.earlier:
                dated = await self._since(profile, decision.earlier)
                decision = xp.payout(profile, owed, self._policy, now, dated)
            if ambient is not context.NOTHING:
                decision = _within(ambient, decision)
            row, said = decision.row, decision.events
            assert row is not None
            to = self._handlers.to(said)
            try:
                await self._ledger.append(row, said, to)
            except (Stale, Taken):
                await work.lost(self._pause)
                profile = await self._caught_up(profile.user_id, work)
                continue
            profile, events = decision.profile, (*events, *said)
            await self._follow_own(row, said, to, profile, now, work)
        return profile, events

    async def _since(self, profile: GamificationProfile, ids: Sequence[str]) -> Dated:
        """Since when these achievements of the user were due, by the ledger."""
        found: dict[str, datetime] = {}
        after = 0
        while len(found) < len(ids) and (rows := await self._ledger.rows(profile.user_id, after, _PAGE)):
            missing = [id for id in ids if id not in found]
            found |= achievements.since(self._policy.achievements, missing, rows)
            after = rows[-1].seq
        return {id: found.get(id, profile.updated_at) for id in ids}


def _unbroken_of(backends: AsyncBackends, policy: Policy) -> AsyncUnbroken | None:
    """What commits to these storages in one step, and to no others. None also where the relay does what follows."""
    stores = backends.gamification, backends.ledger, backends.leaderboards, backends.events
    found, settings = backends.unbroken, policy.events
    at_once = settings.drain == settings.boards == "inline" and not settings.sinks
    if found is None or not at_once or len(found.parts) != len(stores):
        return None
    return found if all(map(is_, found.parts, stores)) else None


def _entries(rows: Sequence[XPTransaction], profile: GamificationProfile) -> Sequence[BoardEntry]:
    """What they say of the boards, in one sequence. What a single row says is not made before somebody looks."""
    if len(rows) == 1:
        return leaderboards.entries(rows[0], profile)
    return [entry for row in rows for entry in leaderboards.entries(row, profile)]


def _events(committed: Sequence[Committed]) -> Sequence[Event]:
    """Their events in one sequence. Those of a single row stay as they are, which may be yet to be made."""
    return committed[0].outbox if len(committed) == 1 else [event for each in committed for event in each.outbox]


def _recipients(committed: Sequence[Committed]) -> Sequence[Recipients]:
    """For whom each of their events is; empty: nobody."""
    if not any(each.to for each in committed):
        return ()
    return [recipients for each in committed for recipients in each.to or [()] * len(each.outbox)]


def _within(ambient: context.Context, decision: xp.Decision) -> xp.Decision:
    """The decision with what led to it: on its events, and on its row the event that it answers."""
    row = decision.row
    if row is not None and ambient.causation_id is not None:
        row = row.evolve(cause=ambient.causation_id)
    return decision._replace(row=row, events=within(ambient, decision.events))
