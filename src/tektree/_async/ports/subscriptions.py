"""What subscriptions need from storage."""

from collections.abc import Sequence
from typing import Protocol

from tektree.models.subscriptions import Subscription

__all__ = ["AsyncSubscriptionRepository"]


class AsyncSubscriptionRepository(Protocol):
    """One subscription for each user."""

    async def get(self, user_id: str) -> Subscription | None:
        """The user's subscription, as it was written last."""
        ...

    async def start(self, subscription: Subscription) -> Subscription:
        """Stores ``subscription`` unless its user has one. Gives back the stored one either way."""
        ...

    async def swap(self, old: Subscription | None, new: Subscription) -> None:
        """Writes ``new`` in place of ``old``, or as the user's first. Its version is one more than that of ``old``.

        Raises `Stale`, and nothing was written, when the stored one is not of the version of ``old``, or is there
        although ``old`` is None.
        """
        ...

    async def due(self, by: int, limit: int) -> Sequence[str]:
        """The ids of up to ``limit`` users whose subscriptions are ``due`` by then, those that wait longest first."""
        ...
