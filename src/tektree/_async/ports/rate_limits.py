"""What rate limits need from storage."""

from collections.abc import Sequence
from typing import Protocol

from tektree.models.rate_limits import Bucket, Fill

__all__ = ["AsyncRateLimitStore"]


class AsyncRateLimitStore(Protocol):
    """Exact sliding windows, by the store's own clock: in no window of a bucket do more hits pass than its limit.

    A bucket is its subject and endpoint; its limit and window may be others at every call, and what was counted stays:
    ``take`` forgets hits that are older than the bucket's ``kept`` (than its window, where that is wider), and nothing
    else does but ``clear``. All raise `Unavailable` when the store does not answer in time; the hits of such a call
    may have been counted, but never twice.
    """

    async def take(self, buckets: Sequence[Bucket], cost: int) -> Sequence[Fill]:
        """Counts ``cost`` hits in every bucket, or in none of them when one has no room.

        All buckets differ, and ``cost`` is from 1 to the lowest of their limits. Gives the fill of each after that;
        one whose ``wait`` is not 0 had no room.
        """
        ...

    async def look(self, buckets: Sequence[Bucket], cost: int) -> Sequence[Fill]:
        """The fill of each bucket; ``wait`` is how long until ``cost`` hits have room in it. Nothing is counted,
        and nothing forgotten."""
        ...

    async def clear(self, buckets: Sequence[Bucket]) -> None:
        """Forgets all hits of these buckets."""
        ...
