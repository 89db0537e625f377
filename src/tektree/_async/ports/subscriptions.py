"""What subscriptions need from storage."""

from typing import Protocol

from tektree.models.subscriptions import Subscription

__all__ = ["AsyncSubscriptionRepository"]


class AsyncSubscriptionRepository(Protocol):
    """Subscriptions: one per user."""

    async def start(self, subscription: Subscription) -> Subscription:
        """Stores ``subscription`` unless its user has one. Gives back the stored one either way."""
        ...

    async def subscription(self, user_id: str) -> Subscription | None:
        """The stored subscription of a user."""
        ...
