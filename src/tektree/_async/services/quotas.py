"""Quotas: how much a user may consume in a billing period."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from tektree._async.ports.quotas import AsyncQuotaStore, AsyncUsageReader
from tektree._flavour import async_call
from tektree.clock import Clock, read
from tektree.errors import BackendError, ConfigurationError, QuotaExhausted
from tektree.ids import Ids, derived_id
from tektree.models.accounts import Principal
from tektree.models.base import instant
from tektree.models.quotas import Counter, Period, Taken, Usage
from tektree.policy import Policy
from tektree.rules import inputs, quotas

if TYPE_CHECKING:  # the catalog loads when somebody wants to be told
    from tektree.models.payloads.quotas import QuotaExceeded, QuotaThresholdReached

__all__ = ["LEASE", "Asked", "AsyncQuotas", "Months", "Tell"]

_LOG: Final = logging.getLogger("tektree")

LEASE: Final = 600
"""Seconds after which a reservation that nobody ended is given back."""

_LONGEST_LEASE: Final = 86_400
_MOST_UNTOLD: Final = 1_000

Months = Callable[[str, datetime], Awaitable[Period | None]]
"""The month of the user with this id that an instant is in; None for one of the calendar."""

Tell = Callable[["QuotaThresholdReached | QuotaExceeded", str, datetime, datetime], object]
"""Is told what has to be made known, under which id, when it happened, and what time it is. The same id again: nothing
happens.
"""


class Asked(NamedTuple):
    """Whose quota it is, in which period, and where it is counted."""

    user: Principal
    limit: int | None
    period: Period
    counter: Counter
    now: datetime


class AsyncQuotas:
    """Units that a tier may consume in a month, from the subscription's own day on, or of the calendar in UTC.

    A change of tier in mid-period changes the limit; what is used stays. What is used is counted in a store that may
    lose it; then it is loaded from ``created``, which counts what is there. A type that is not counted there begins
    anew.
    """

    def __init__(
        self,
        store: AsyncQuotaStore,
        policy: Policy,
        clock: Clock,
        ids: Ids,
        created: AsyncUsageReader | None = None,
        months: Months | None = None,
        tell: Tell | None = None,
    ) -> None:
        self._store = store
        self._policy = policy
        self._clock = clock
        self._ids = ids
        self._created = created
        self._months = months
        self._tell = tell
        self._untold: dict[str, tuple[QuotaThresholdReached | QuotaExceeded, datetime]] = {}
        """What could not be told yet, by the ids it is told under."""
        self._month = quotas.period(read(clock))

    async def consume(self, principal: Principal, quota_type: str, n: int = 1) -> Usage:
        """Uses ``n`` units (1 to a billion), or none of them: of any number of callers no more get through than there
           are units.

        Raises `InvalidInput`; `QuotaExhausted` when fewer are left; `Unavailable`, and then the units may have been
        taken, once: `reconcile` puts that right.
        """
        amount = quotas.checked_amount(n)
        return await self._consume(await self._asked(principal, quota_type), amount, self._ids())

    @asynccontextmanager
    async def reserve(
        self, principal: Principal, quota_type: str, n: int = 1, lease: int = LEASE
    ) -> AsyncIterator[Usage]:
        """Uses ``n`` units for what happens inside, and gives them back, once, when that fails; to the period they
        were taken from.

        Where the process dies inside, they are given back after ``lease`` seconds (1 to 86,400) by the store's clock.
        What takes longer is counted all the same when it is done, though others may have had the units meanwhile.
        That a quota runs out is told when the units are used for good. Raises as `consume`; what happens at the end
        raises nothing: where the store is away then, the units are given back after their time, and `reconcile` puts
        right what had come off.
        """
        amount, seconds = quotas.checked_amount(n), inputs.whole(lease, "lease", 1, _LONGEST_LEASE)
        asked = await self._asked(principal, quota_type)
        request = self._ids()
        usage = await self._consume(asked, amount, request, seconds)
        used = False
        try:
            yield usage
            used = True
        finally:
            await self._settle(asked, amount, request, used)

    async def usage(self, principal: Principal, quota_type: str) -> Usage:
        """What is used and what remains. Raises `InvalidInput`, `Unavailable`."""
        asked = await self._asked(principal, quota_type)
        used = (await self._store.read([asked.counter], asked.now))[0]
        return self._told(asked, await self._load(asked) if used is None else used)

    async def refund(self, principal: Principal, quota_type: str, n: int = 1) -> Usage:
        """Gives ``n`` units of the present period back; what is used never falls below 0. Raises as `usage`."""
        amount = quotas.checked_amount(n)
        asked = await self._asked(principal, quota_type)
        used = await self._give(asked, amount)
        return self._told(asked, await self._load(asked) if used is None else used)

    async def count(self, principal: Principal, quota_type: str, n: int, cause: str, at: datetime) -> Usage | None:
        """Counts ``n`` units that were used ``at`` that time, whatever the limit; or, below 0, gives them back. Once
        for each ``cause``, a text such as an event's id. To be called behind what used them: it refuses nothing.

        A count that had to be loaded from what exists has them already. None: that period is over, and nothing is
        counted in it any more. Raises `InvalidInput`, `Unavailable`: call it again, with the same cause.
        """
        named, amount = inputs.text(cause, "cause", 1, 200), quotas.checked_change(n)
        id = inputs.principal(principal)
        found = await self.period_of(id, instant(at, "at"))
        asked = self._of(principal, quota_type, read(self._clock), found)
        if asked.counter.lasts <= asked.now:
            return None
        taken = await self._counted(asked, amount, named)
        if not taken.known:
            counted = await self._count(asked)
            await self._make(asked, counted or 0)
            taken = await self._counted(asked, amount if counted is None else 0, named)
        await self._make_known(asked, 0, taken)
        return self._told(asked, taken.used)

    async def reconcile(self, principal: Principal, quota_type: str) -> Usage:
        """Lets what is used be what was created in the period. What is being created meanwhile may be missed.

        Raises `InvalidInput`; `ConfigurationError` for a type that nobody counts; `Unavailable`.
        """
        asked = await self._asked(principal, quota_type)
        used = await self._count(asked)
        if used is None:
            raise ConfigurationError(
                f"quotas.{quota_type}", "is counted nowhere else; give the storages a UsageReader that does"
            )
        await self._store.put(asked.counter, used, asked.now)
        return self._told(asked, used)

    async def period_of(self, user_id: str, now: datetime) -> Period:
        """The period that a user's units are counted in."""
        found = None if self._months is None else await self._months(user_id, now)
        return self.month(now) if found is None else found

    async def keep(self, user_id: str, uid: str) -> None:
        """Lets what is counted for a user last as long as the present period does, which may end later than it did.

        To be called where a subscription moves it. Again: nothing happens. Raises `Unavailable`.
        """
        now = read(self._clock)
        period = await self.period_of(user_id, now)
        types = dict.fromkeys([each for limits in self._policy.quotas.values() for each in limits])
        await self._store.keep([quotas.counter(uid, each, period) for each in types], now)

    def month(self, now: datetime) -> Period:
        """The calendar's month, found once for all who ask in it."""
        if not self._month.start <= now < self._month.end:
            self._month = quotas.period(now)
        return self._month

    async def settled(self, asked: Asked, n: int, taken: Taken) -> Usage:
        """What comes of ``n`` units that a store was asked for. Raises `QuotaExhausted`."""
        if taken.threshold or taken.exceeded or self._untold:
            await self._make_known(asked, n, taken)
        if not taken.taken:
            raise QuotaExhausted(asked.counter.quota_type, asked.limit or 0, asked.period.end)
        return self._told(asked, taken.used)

    async def _asked(self, principal: Principal, quota_type: str) -> Asked:
        id = inputs.principal(principal)
        now = read(self._clock)
        quotas.limit_of(self._policy, principal.tier, quota_type)  # before anything is read
        return self._of(principal, quota_type, now, await self.period_of(id, now))

    def _of(self, principal: Principal, quota_type: str, now: datetime, found: Period) -> Asked:
        limit = quotas.limit_of(self._policy, principal.tier, quota_type)
        return Asked(principal, limit, found, quotas.counter(principal.uid, quota_type, found), now)

    async def _consume(self, asked: Asked, n: int, request: str, lease: int = 0) -> Usage:
        taken = await self._take(asked, n, request, lease)
        if not taken.known:
            await self._load(asked)
            taken = await self._take(asked, n, request, lease)
        return await self.settled(asked, n, taken)

    async def _settle(self, asked: Asked, n: int, request: str, used: bool) -> None:
        counter, limit, now = asked.counter, asked.limit, read(self._clock)
        try:
            settled = await self._store.settle(counter, n, request, used, limit, quotas.THRESHOLD, now)
            await self._make_known(asked, n, settled)
        except BackendError as error:
            _LOG.warning("a reservation of %s was not settled: %s", counter.quota_type, error.code)

    async def _take(self, asked: Asked, n: int, request: str, lease: int) -> Taken:
        counter, limit, now = asked.counter, asked.limit, asked.now
        if lease:
            return await self._store.hold(counter, n, limit, request, lease, now)
        return await self._store.take(counter, n, limit, quotas.THRESHOLD, request, now)

    async def _counted(self, asked: Asked, n: int, cause: str) -> Taken:
        return await self._store.count(asked.counter, n, asked.limit, quotas.THRESHOLD, cause, asked.now)

    async def _give(self, asked: Asked, n: int) -> int | None:
        return await self._store.give(asked.counter, n, self._ids(), read(self._clock))

    async def _load(self, asked: Asked) -> int:
        return await self._make(asked, await self._count(asked) or 0)

    async def _make(self, asked: Asked, used: int) -> int:
        """Makes the count, if there is none by now. It lasts as long as the period, also if that moved meanwhile."""
        found = await self._store.load(asked.counter, used, asked.now)
        period = await self.period_of(asked.user.id, asked.now)
        if period != asked.period:
            counter = quotas.counter(asked.user.uid, asked.counter.quota_type, period)
            await self._store.keep([counter], asked.now)
        return found

    async def _count(self, asked: Asked) -> int | None:
        """What was created in the period; None for a type that nobody counts."""
        if self._created is None:
            return None
        period = asked.period
        return await self._created.created(asked.user.id, asked.counter.quota_type, period.start, period.end)

    async def _make_known(self, asked: Asked, n: int, taken: Taken) -> None:
        """Tells that a quota runs out, and that it has: each once in a period, also where its counts were lost."""
        if self._tell is None:
            return
        if asked.limit is not None and (taken.threshold or taken.exceeded):
            self._note(asked, asked.limit, n, taken)
        for id, (payload, at) in list(self._untold.items()):
            try:
                await async_call(self._tell, payload, id, at, read(self._clock))
            except BackendError as error:  # what was taken is taken; the next call tells it
                _LOG.warning("that a quota of %s runs out is told later: %s", payload.quota_type, error.code)
                return
            self._untold.pop(id, None)

    def _note(self, asked: Asked, limit: int, n: int, taken: Taken) -> None:
        from tektree.models.payloads.quotas import QuotaExceeded, QuotaThresholdReached

        if len(self._untold) >= _MOST_UNTOLD:
            self._untold.clear()
        user, (uid, quota_type, period, _) = asked.user, asked.counter
        if taken.threshold:
            reached = QuotaThresholdReached(
                user_id=uid,
                quota_type=quota_type,
                period=period,
                used=taken.used,
                limit=limit,
                percent=taken.used * 100 // limit,
            )
            self._untold[derived_id("quota", uid, quota_type, period, "threshold")] = reached, asked.now
        if taken.exceeded:
            exceeded = QuotaExceeded(
                user_id=uid,
                quota_type=quota_type,
                period=period,
                used=taken.used,
                limit=limit,
                tier=user.tier,
                resets_at=asked.period.end,
                upgrade_tier=quotas.upgrade(self._policy, user.tier, quota_type, taken.used + n),
            )
            self._untold[derived_id("quota", uid, quota_type, period, "exceeded")] = exceeded, asked.now

    def _told(self, asked: Asked, used: int) -> Usage:
        return quotas.usage(used, asked.limit, asked.counter.quota_type, asked.period)
