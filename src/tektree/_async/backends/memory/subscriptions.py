"""Subscriptions in memory."""

import threading

from tektree.errors import Stale
from tektree.models.subscriptions import Subscription

__all__ = ["AsyncMemorySubscriptions"]


class AsyncMemorySubscriptions:
    """Subscriptions in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_user: dict[str, Subscription] = {}

    async def get(self, user_id: str) -> Subscription | None:
        with self._lock:
            return self._by_user.get(user_id)

    async def start(self, subscription: Subscription) -> Subscription:
        with self._lock:
            return self._by_user.setdefault(subscription.user_id, subscription)

    async def swap(self, old: Subscription | None, new: Subscription) -> None:
        with self._lock:
            stored = self._by_user.get(new.user_id)
            if (old is None) is not (stored is None):
                raise Stale("subscription", new.user_id)
            if old is not None and stored is not None and (stored.version or 0) != (old.version or 0):
                raise Stale("subscription", new.user_id)
            self._by_user[new.user_id] = new
