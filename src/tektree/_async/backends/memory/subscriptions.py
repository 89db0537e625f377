"""Subscriptions in a dictionary."""

import threading

from tektree.models.subscriptions import Subscription

__all__ = ["AsyncMemorySubscriptions"]


class AsyncMemorySubscriptions:
    """Subscriptions by user."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_user: dict[str, Subscription] = {}

    async def start(self, subscription: Subscription) -> Subscription:
        with self._lock:
            return self._by_user.setdefault(subscription.user_id, subscription)

    async def subscription(self, user_id: str) -> Subscription | None:
        return self._by_user.get(user_id)
