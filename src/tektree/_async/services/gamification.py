"""Gamification: XP, levels, streaks and achievements of users.

Every command reads the profile, lets the rules decide, and commits one ledger row that carries its events and the
state after it. What follows the commit (event log, boards, profile) is idempotent, and the profile comes last: while
it lags behind the ledger, the next command of the same user finds that out from the ledger's own uniqueness and
finishes what was cut off. So once its row stands a command gives back its result, whatever is away behind it.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from tektree._async.ports.bundles import AsyncBackends
from tektree._async.services.awards import AsyncAwards
from tektree._async.services.commits import AsyncCommits
from tektree._async.services.handlers import AsyncHandlers
from tektree._async.services.recounts import AsyncRecounts
from tektree._async.services.settings import AsyncSettings
from tektree._flavour import async_backoff, async_call
from tektree.clock import Clock, read
from tektree.errors import InvalidInput, InvalidTransition, NotFound, Taken
from tektree.ids import Ids, derived_id, fresh_id, hex_id, uid_of, user_id_of
from tektree.models.accounts import Principal
from tektree.models.gamification import (
    EPOCH,
    AwardRequest,
    AwardResult,
    EntityRef,
    Explanation,
    GamificationProfile,
    Verification,
    XPTransaction,
)
from tektree.models.pages import Page
from tektree.policy import Policy
from tektree.rules import achievements, cursors, explanations, inputs, projections, settings, xp
from tektree.rules.catalog import CATALOG
from tektree.rules.periods import left_out, zone

__all__ = ["AsyncGamification", "Progress", "reporting"]

Progress = Callable[[int, int], object]
"""Told how many are done, and of about how many."""

_PAGE: Final = 500
_SETTINGS_ATTEMPTS: Final = 20


class AsyncGamification:
    """XP and what follows from it. Calls take a user's ``id``, the 24 hex digits of ``_id``.

    Safe from many threads or tasks, and from many processes on the same storage.
    """

    def __init__(
        self,
        backends: AsyncBackends,
        policy: Policy,
        clock: Clock,
        ids: Ids,
        pause: Callable[[int], Awaitable[None]] = async_backoff,
        handlers: AsyncHandlers | None = None,
    ) -> None:
        self._profiles = backends.gamification
        self._ledger = backends.ledger
        self._boards = backends.leaderboards
        handlers = handlers or AsyncHandlers(backends.events, backends.deliveries, CATALOG, policy, clock, ids)
        self.commits = AsyncCommits(backends, handlers, policy, clock, pause)
        self.awards = AsyncAwards(backends, self.commits, handlers, policy, clock)
        self.settings = AsyncSettings(backends, self.commits, handlers, policy, clock)
        self._recounts = AsyncRecounts(backends, self.commits, policy, clock)
        self._policy = policy
        self._sources = policy.xp.sources
        self._clock = clock
        self._ids = ids

    async def enroll(self, uid: str, user_id: str | None = None, timezone: str = "UTC") -> GamificationProfile:
        """The profile of ``uid``, made if there is none: level 1, no XP. Enrolled again, a user is unchanged.

        ``user_id`` is the id of the host's own user document; without it one is derived from ``uid``. ``timezone`` is
        an IANA name. Raises `InvalidInput`; `Taken` (a `Conflict`) when the uid belongs to another ``user_id``, or
        the id to another uid.
        """
        uid_of(uid)
        id = user_id_of(uid) if user_id is None else hex_id(user_id, "user_id")
        zone(timezone)
        now = read(self._clock)
        fresh = GamificationProfile(
            id=derived_id("profile", id),
            user_id=id,
            uid=uid,
            timezone=timezone,
            updated_at=now,
            xp_to_next_level=projections.xp_to_second_level(self._policy),
        )
        stored = await self._profiles.enroll(fresh)
        if stored.uid != uid:
            raise Taken("user_id")
        if user_id is not None and stored.user_id != user_id:
            raise Taken("uid")
        return projections.as_of(stored, now, self._policy)

    async def award(
        self,
        user_id: str,
        source: str,
        about: EntityRef | None = None,
        amount: int | None = None,
        key: str | None = None,
        at: datetime | None = None,
    ) -> AwardResult:
        """Gives XP for ``source``: the policy's amount, or ``amount`` (1 to 2**53) in place of a positive one.

        Exactly once per ``key``: the same key again gives the first result, as a ``duplicate``. Without a key it is
        made from source, user and ``about``; without that too, every call is a new award. ``at`` is when it happened,
        now if None; it decides the day of the cap and of the streak. ``outcome`` says what came of it: granted,
        clamped, duplicate, or denied with a ``reason``.

        Once it is in the ledger it is given, also where boards or the event log are away then: they follow with the
        user's next command, or by the relay.

        Raises `InvalidInput`, `NotFound` for a user who is not enrolled, `IdempotencyConflict` when the key was used
        with another source, amount or entity, `OutcomeUnknown` when the commit's reply was lost: repeat the call with
        the same key. After `Unavailable` nothing was given.
        """
        now = read(self._clock)
        hex_id(user_id, "user_id")
        if type(source) is not str or source not in self._sources:  # else it is a name, as all of those are
            inputs.name(source, "source")
        inputs.entity(about)
        named = inputs.key(key)
        settled = named or xp.key_of(user_id, source, about, self._policy) or f"~{fresh_id(self._ids)}"
        moment = now if at is None else inputs.at(at, now)
        asked = None if amount is None else inputs.amount(amount)
        request = AwardRequest(user_id, source, settled, moment, about, asked)
        return await self.awards.command(request, xp.award, now)

    async def record_activity(self, user_id: str, at: datetime | None = None) -> AwardResult:
        """Counts the user as active on the local date of ``at`` (now if None), without XP. Once per date.

        Raises `InvalidInput`, `NotFound`.
        """
        now = read(self._clock)
        hex_id(user_id, "user_id")
        return await self.awards.activity(user_id, inputs.at(at, now), now)

    async def grant_freezes(self, user_id: str, n: int, key: str) -> AwardResult:
        """Gives up to ``n`` streak freezes (1 to 1,000), as many as the policy lets a user hold. Once per ``key``.

        Raises `InvalidInput`, `NotFound`, `IdempotencyConflict`.
        """
        now = read(self._clock)
        hex_id(user_id, "user_id")
        request = AwardRequest(
            user_id=user_id,
            source="freezes_granted",
            key=inputs.required_key(key),
            at=now,
            amount=inputs.whole(n, "n", 1, 1000),
        )
        return await self.awards.command(request, xp.freezes, now)

    async def reverse(self, transaction_id: str, reason: str, key: str | None = None) -> AwardResult:
        """Takes back the XP of an award by a row of its own, booked to the award's day and week.

        The award's row stays, and so do activity, freezes and kept achievements. The day's room comes back only while
        it is still the award's day. Without a ``key``, reversing what is reversed is a ``duplicate``; with one, the
        same key gives the first result.
        Raises `InvalidInput`, `NotFound`, `InvalidTransition` for a row that is a reversal, `IdempotencyConflict`.
        """
        return await self._link(transaction_id, reason, key, restoring=False)

    async def restore(self, transaction_id: str, reason: str, key: str | None = None) -> AwardResult:
        """Puts a reversed award in force again, by a row of its own.

        ``transaction_id`` is the award's, or its reversal's. With nothing in between, everything is as if it had never
        been reversed. Without a ``key``, restoring what is in force is a ``duplicate``; with one, the same key gives
        the first result. Raises `InvalidInput`, `NotFound`, `IdempotencyConflict`.
        """
        return await self._link(transaction_id, reason, key, restoring=True)

    async def profile(self, user_id: str) -> GamificationProfile:
        """The user's profile as of now: a day that is over shows 0, the streak is evaluated. Nothing is written.

        Raises `InvalidInput`, `NotFound`.
        """
        hex_id(user_id, "user_id")
        return projections.as_of(await self.commits.profile(user_id), read(self._clock), self._policy)

    async def history(self, user_id: str, after: str | None = None, limit: int = 50) -> Page[XPTransaction]:
        """The user's ledger, newest first. ``limit`` is 1 to 100; ``after`` is the ``next`` of the page before.

        Raises `InvalidInput`, `InvalidCursor`, `NotFound`.
        """
        hex_id(user_id, "user_id")
        inputs.whole(limit, "limit", 1, 100)
        seq, id = (None, "") if after is None else cursors.position(after, "history", user_id)
        rows = [] if id else list(await self._ledger.history(user_id, seq, limit + 1))
        if not rows and after is None:
            await self.commits.profile(user_id)
        if len(rows) <= limit and (not rows or rows[-1].opening):  # an adopted ledger goes on behind our first row
            last = (EPOCH + timedelta(milliseconds=seq or 0), id) if id else None
            rows += await self._ledger.older(user_id, last, limit + 1 - len(rows))
        items = tuple(rows[:limit])
        return Page(items, _cursor(items[-1], user_id) if len(rows) > limit else None)

    async def users(self, after: str | None = None, limit: int = 100) -> Page[str]:
        """The ids of all who are enrolled, ascending.

        ``limit`` is 1 to 500; ``after`` is the ``next`` of the page before. Raises `InvalidInput`.
        """
        inputs.whole(limit, "limit", 1, _PAGE)
        if after is not None:
            hex_id(after, "after")
        found = await self._profiles.users(after, limit + 1)
        return Page(tuple(found[:limit]), found[limit - 1] if len(found) > limit else None)

    async def explain(self, transaction_id: str) -> Explanation:
        """Why a ledger row holds what it holds, in words and numbers. Raises `InvalidInput`, `NotFound`."""
        return explanations.of_row(await self.awards.row(transaction_id))

    async def verify(self, user_id: str) -> Verification:
        """Recounts the user's ledger. True when the rows, the profile, the event log and the boards all agree.

        Boards that others can write are compared as others see them, and nobody may stand there besides.
        ``divergence`` names the first row and field that do not. Nothing is written. Raises `InvalidInput`, `NotFound`.
        """
        return await self._recounts.verify(hex_id(user_id, "user_id"))

    async def rebuild(self, user_id: str | None = None, progress: Progress | None = None) -> int:
        """Makes profiles anew from the ledger, of one user or of all, one after the other; gives back how many.

        Awards go on meanwhile; memory does not grow with the number of users or rows. ``progress`` is told after each
        user. Raises `InvalidInput`, and `NotFound` for the one user.
        """
        reporting(progress)
        if user_id is not None:
            hex_id(user_id, "user_id")
            await self.commits.profile(user_id)
            await self._rebuild(user_id)
            if progress is not None:
                await async_call(progress, 1, 1)
            return 1
        total, done, after = await self._profiles.count(), 0, None
        while users := await self._profiles.users(after, _PAGE):
            for each in users:
                try:
                    await self._rebuild(each)
                except NotFound:  # who left since they were listed
                    continue
                done += 1
                if progress is not None:
                    await async_call(progress, done, max(total, done))
            after = users[-1]
        return done

    async def set_timezone(self, user_id: str, timezone: str) -> GamificationProfile:
        """Moves the user to another IANA zone, from now on.

        The cap's day never moves back; dates that the move skips are paused. Raises `InvalidInput`, `NotFound`, `Stale`
        when the settings keep changing meanwhile.
        """
        hex_id(user_id, "user_id")
        zone(timezone)

        def move(profile: GamificationProfile, now: datetime) -> GamificationProfile:
            skipped = (*profile.skipped_dates, *left_out(now, profile.timezone, timezone))
            return profile.evolve(timezone=timezone, skipped_dates=skipped[-64:])

        return await self.settings.change(user_id, move)

    async def feature_achievements(self, principal: Principal, ids: Sequence[str]) -> GamificationProfile:
        """Shows these achievements first, in this order: at most ten of those that the user has.

        Raises `InvalidInput`, `NotFound`, `Stale` when the settings keep changing meanwhile.
        """

        def feature(profile: GamificationProfile, now: datetime) -> GamificationProfile:
            return profile.evolve(featured_achievements=achievements.featured(ids, profile.achievements))

        return await self.settings.change(inputs.principal(principal), feature)

    async def opt_out(self, principal: Principal) -> GamificationProfile:
        """Takes the user off every leaderboard at once; awards in flight do not bring them back.

        Boards that are away then follow with the next change of settings, or by the relay.

        Raises `InvalidInput`, `NotFound`, `Stale` when the settings keep changing meanwhile.
        """
        return await self.settings.change(inputs.principal(principal), settings.opted_out)

    async def opt_in(self, principal: Principal) -> GamificationProfile:
        """Puts the user back on the leaderboards, with the XP they have by now.

        Raises `InvalidInput`, `NotFound`, `InvalidTransition` for a user who was suspended from them, `Stale` when the
        settings keep changing meanwhile.
        """
        return await self.settings.change(inputs.principal(principal), settings.opted_in)

    async def _link(self, transaction_id: str, reason: str, key: str | None, restoring: bool) -> AwardResult:
        note, named = inputs.note(reason), inputs.key(key)
        row = await self.awards.row(transaction_id)
        if row.reverses and not restoring:
            raise InvalidTransition("transaction", "is itself a reversal; restore it instead")
        row = await self.awards.row(row.reverses or row.restores or transaction_id)
        return await self.awards.linked(row, note, named, restoring)

    async def _rebuild(self, user_id: str) -> None:
        whole = await self.commits.catch_up(user_id)
        state = projections.START
        async for row in self._recounts.rows(user_id):
            if row.seq > whole.seq:  # left to its writer: the profile must lag until the row's events are told
                break
            state = projections.step(state, row, self._policy)
        if state.seq:
            await self._profiles.project(user_id, state, repair=True)


def reporting(progress: object) -> None:
    """Raises `InvalidInput` unless ``progress`` can be told how far it is, before anything is done."""
    if progress is not None and not callable(progress):
        raise InvalidInput("progress", "must be a callable that takes two numbers, or None")


def _cursor(last: XPTransaction, user_id: str) -> str:
    """The cursor behind a row: by ``seq``, or for a row of an adopted ledger by time and id."""
    if last.seq:
        return cursors.cursor(last.seq, "history", user_id)
    return cursors.cursor((last.timestamp - EPOCH) // timedelta(milliseconds=1), "history", user_id, tie=last.id)
