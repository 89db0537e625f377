"""What quotas need from storage."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from tektree.models.quotas import Counter, Taken

__all__ = ["AsyncQuotaStore", "AsyncUsageReader"]


class AsyncQuotaStore(Protocol):
    """Counts of what was used in a period. One that is not there says nothing: it has to be loaded, it is not zero.
    One that is written lasts as long as it says then, or as it said before, if that is longer.

    ``request`` names a call: the same one again changes nothing, for a minute at least. All raise `Unavailable` when
    the store does not answer in time; what such a call was to count may have been counted, once. `CorruptDocument`:
    what is stored is no count.
    """

    async def take(
        self, counter: Counter, n: int, limit: int | None, percent: int, request: str, now: datetime
    ) -> Taken:
        """Adds ``n`` if the counter is there and no more than ``limit`` come of it; else nothing is added."""
        ...

    async def hold(
        self, counter: Counter, n: int, limit: int | None, request: str, seconds: int, now: datetime
    ) -> Taken:
        """As ``take``, but for so many seconds only, by the store's clock: then what is used falls by ``n`` again,
        unless the reservation was settled. ``request`` is the reservation's name. No threshold is told yet.
        """
        ...

    async def settle(
        self, counter: Counter, n: int, request: str, used: bool, limit: int | None, percent: int, now: datetime
    ) -> Taken:
        """Ends a reservation of ``n``: its units are used, or given back at once. Again: nothing happens.

        One whose time is over had given them back: if they are ``used``, they are counted again, beyond any limit. Says
        what is used then, and the threshold, as ``take`` does.
        """
        ...

    async def give(self, counter: Counter, n: int, request: str, now: datetime) -> int | None:
        """Takes ``n`` off, not below 0. Says what is used then; None where there is no counter."""
        ...

    async def count(
        self, counter: Counter, n: int, limit: int | None, percent: int, cause: str, now: datetime
    ) -> Taken:
        """Adds ``n`` whatever the limit, or below 0 takes it off, but not below 0; once for each ``cause``, which is
        remembered as long as the counter. With an ``n`` of 0 it is only remembered.

        ``taken`` is whether it was the first time; ``exceeded`` is told, once, when more than ``limit`` come of it.
        """
        ...

    async def load(self, counter: Counter, used: int, now: datetime) -> int:
        """Makes the counter if it is not there. Says what it counts then. No reservation is known to a new one."""
        ...

    async def put(self, counter: Counter, used: int, now: datetime) -> None:
        """Lets the counter count this, whatever it counted; no reservation is known any more."""
        ...

    async def keep(self, counters: Sequence[Counter], now: datetime) -> None:
        """Lets each counter last as long as it says now, with all that is known of it. None is made."""
        ...

    async def read(self, counters: Sequence[Counter], now: datetime) -> Sequence[int | None]:
        """What each counter counts, without reservations whose time is over; None where it is not there."""
        ...


class AsyncUsageReader(Protocol):
    """Counts what was created in a period, in the store that keeps it: what quotas are loaded from."""

    async def created(self, user_id: str, quota_type: str, since: datetime, until: datetime) -> int | None:
        """How many things of this type the user with this id created while ``since ≤ at < until``.

        None for a type that is not counted here.
        """
        ...
