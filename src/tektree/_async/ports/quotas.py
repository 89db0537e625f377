"""What quotas need from storage."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from tektree.models.quotas import Counter, Taken

__all__ = ["AsyncQuotaStore", "AsyncUsageReader"]


class AsyncQuotaStore(Protocol):
    """Counts of what was used in a period. One that is not there says nothing: it has to be loaded, it is not zero.

    ``request`` names a call: the same one again changes nothing, for a minute at least. All raise `Unavailable` when
    the store does not answer in time; what such a call was to count may have been counted, once. `CorruptDocument`:
    what is stored is no count.
    """

    async def take(
        self, counter: Counter, n: int, limit: int | None, percent: int, request: str, now: datetime
    ) -> Taken:
        """Adds ``n`` if the counter is there and no more than ``limit`` come of it; else nothing is added."""
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
        """Makes the counter if it is not there. Says what it counts then."""
        ...

    async def put(self, counter: Counter, used: int, now: datetime) -> None:
        """Lets the counter count this, whatever it counted."""
        ...

    async def read(self, counters: Sequence[Counter]) -> Sequence[int | None]:
        """What each counter counts; None where it is not there."""
        ...


class AsyncUsageReader(Protocol):
    """Counts what was created in a period, in the store that keeps it: what quotas are loaded from."""

    async def created(self, user_id: str, quota_type: str, since: datetime, until: datetime) -> int | None:
        """How many things of this type the user with this id created while ``since ≤ at < until``.

        None for a type that is not counted here.
        """
        ...
