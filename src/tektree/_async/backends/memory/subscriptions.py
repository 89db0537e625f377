"""Subscriptions in memory."""

import threading
from collections.abc import Sequence

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

    async def due(self, by: int, limit: int) -> Sequence[str]:
        with self._lock:
            found = [(each.due, user_id) for user_id, each in self._by_user.items() if each.due and each.due <= by]
        return [user_id for _, user_id in sorted(found)[:limit]]
