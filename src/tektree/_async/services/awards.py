"""Awards, and what takes them back or puts them in force again: one command each, once for its key."""

from datetime import datetime

from tektree._async.ports.bundles import AsyncBackends
from tektree._async.services.commits import Ask, AsyncCommits, AsyncWork, Rule
from tektree._async.services.handlers import AsyncHandlers
from tektree._flavour import async_locks
from tektree.clock import Clock, read
from tektree.errors import IdempotencyConflict, NotFound
from tektree.ids import transaction_id as transaction_id_of
from tektree.models.gamification import (
    AwardRequest,
    AwardResult,
    GamificationProfile,
    Outcome,
    XPTransaction,
)
from tektree.policy import Policy
from tektree.rules import explanations, inputs, xp

__all__ = ["AsyncAwards"]


class AsyncAwards:
    """Commands on ledgers, of arguments that were checked."""

    def __init__(
        self, backends: AsyncBackends, commits: AsyncCommits, handlers: AsyncHandlers, policy: Policy, clock: Clock
    ) -> None:
        self._ledger = backends.ledger
        self._commits = commits
        self._handlers = handlers
        self._policy = policy
        self._clock = clock
        # One command at a time per user and process saves lost races; storage decides those between processes.
        self._locks = async_locks()

    async def command(
        self,
        request: AwardRequest,
        rule: Rule,
        now: datetime,
        *,
        ask: Ask | None = None,
        link: str | None = None,
        whole: bool = False,
    ) -> AwardResult:
        """What ``rule`` says of ``request``, once for its key; the first result when it was said before.

        ``link`` is the row that it is to reverse or restore; what the rule is asked then, ``ask`` finds out. Once its
        own row stands, what storage cannot do is left; but ``whole`` raises it, for who comes again.
        """
        work = AsyncWork(whole)
        try:
            async with self._locks.of(request.user_id):
                written = await self._commits.write(request, rule, ask, now, work)
        except Exception:
            await self._handlers.run(work.lines)
            raise
        except BaseException:
            self._handlers.leave(work.lines)
            raise
        if work.lines:
            await self._handlers.run(work.lines)
        profile, decision, first, events = written
        if first is not None:
            if link is None or first.key == request.key:
                _same(first, request, link)
            return AwardResult(Outcome.DUPLICATE, profile, first, explain=explanations.of_row, facts=(first,))
        assert decision is not None
        row, reason = decision.row, decision.reason
        if row is None:
            assert reason is not None
            facts = request, reason, decision.again_at
            return AwardResult(Outcome.DENIED, profile, reason=reason, explain=explanations.of_denial, facts=facts)
        return AwardResult(decision.outcome, profile, row, reason, events, explain=explanations.of_row, facts=(row,))

    async def activity(self, user_id: str, moment: datetime, now: datetime, *, whole: bool = False) -> AwardResult:
        """Counts the user as active on the local date of ``moment``; ``whole`` as in `command`."""
        profile = await self._commits.profile(user_id)
        request = AwardRequest(user_id=user_id, source="activity", key=xp.activity_key(profile, moment), at=moment)
        return await self.command(request, xp.activity, now, whole=whole)

    async def linked(
        self, row: XPTransaction, note: str, named: str | None, restoring: bool, *, whole: bool = False
    ) -> AwardResult:
        """A row that takes an award back, or puts it in force again; ``named`` is its key, if the caller has one.

        ``whole`` as in `command`.
        """
        now = read(self._clock)
        source = "restore" if restoring else "reversal"

        async def ask(profile: GamificationProfile) -> xp.LinkRequest | XPTransaction:
            if named and (first := await self._ledger.row(transaction_id_of(row.user_id, named))):
                return first
            standing = await self._standing(row, profile)
            if standing.reversed is not restoring:
                return standing.linked or row
            return xp.LinkRequest(standing, note, named or xp.link_key(standing))

        request = AwardRequest(row.user_id, source, named or "~", now, row.about)
        rule = xp.restore if restoring else xp.reverse
        return await self.command(request, rule, now, ask=ask, link=row.transaction_id, whole=whole)

    async def _standing(self, row: XPTransaction, profile: GamificationProfile) -> xp.Standing:
        """Read behind the profile: whoever links the row in between makes our commit lose."""
        linked = await self._ledger.linked(row.user_id, row.transaction_id)
        day, week = xp.day_of_row(row, profile), xp.week_of_row(row, profile)
        used = 0 if day == profile.day else await self._ledger.used(row.user_id, day)
        if week == profile.week:
            return xp.Standing(row, linked, used)
        found = await self._ledger.week(row.user_id, week)
        return xp.Standing(row, linked, used, found.xp, found.reached_at)

    async def row(self, transaction_id: str) -> XPTransaction:
        """The row of that id. Raises `InvalidInput`, `NotFound`."""
        row = await self._ledger.row(inputs.transaction_id(transaction_id))
        if row is None:
            raise NotFound("transaction", transaction_id)
        return row

    async def grant(self, request: AwardRequest, reason: str, event_id: str, only_again: bool) -> AwardResult | None:
        """The award of ``request`` in answer to an event; where it was taken back since, it is put in force again.

        The same event again changes nothing. ``only_again``: what was never given is not given now, which is None.
        An event has happened: where it is ahead of this process's clock, the clock is behind.
        """
        first = await self._ledger.row(transaction_id_of(request.user_id, request.key))
        if first is None and only_again:
            return None
        now = max(read(self._clock), request.at)
        given = await self.command(request, xp.award, now, whole=True)
        row = given.transaction
        if given.outcome is not Outcome.DUPLICATE or row is None or row.cause == event_id:
            return given
        return await self.linked(row, reason, f"~restore:{row.transaction_id}:{event_id}", restoring=True, whole=True)

    async def take_back(self, user_id: str, key: str, reason: str, event_id: str) -> AwardResult | None:
        """Reverses the award of ``key`` in answer to an event. None: it was never given."""
        row = await self._ledger.row(transaction_id_of(user_id, key))
        if row is None:
            return None
        return await self.linked(row, reason, f"~reverse:{row.transaction_id}:{event_id}", restoring=False, whole=True)


def _same(first: XPTransaction, request: AwardRequest, link: str | None) -> None:
    """Raises `IdempotencyConflict` unless ``first`` is what this command would have written."""
    pairs = {
        "source": first.source == request.source,
        "amount": first.asked == request.amount,
        "about": first.about == request.about,
        "transaction_id": (first.reverses or first.restores) == link,
    }
    differs = tuple([name for name, same in pairs.items() if not same])
    if differs:
        raise IdempotencyConflict(request.key, differs)
