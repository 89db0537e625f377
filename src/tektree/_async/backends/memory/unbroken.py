"""A commit and what follows it, under the one lock of the storages that it goes to."""

import threading
from collections.abc import Sequence
from datetime import datetime

from tektree._async.backends.memory.events import AsyncMemoryEventLog
from tektree._async.backends.memory.gamification import AsyncMemoryGamification, AsyncMemoryLedger
from tektree._async.backends.memory.leaderboards import AsyncMemoryLeaderboards
from tektree.models.events import Event
from tektree.models.gamification import XPTransaction
from tektree.models.leaderboards import BoardEntry

__all__ = ["AsyncMemoryUnbroken"]


class AsyncMemoryUnbroken:
    """Profiles, ledger, boards and log that share a lock, and rows that are in all of them at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.profiles = AsyncMemoryGamification(self._lock)
        self.ledger = AsyncMemoryLedger(self.profiles, self._lock)
        self.boards = AsyncMemoryLeaderboards(self._lock)
        self.log = AsyncMemoryEventLog(self._lock)

    @property
    def parts(
        self,
    ) -> tuple[AsyncMemoryGamification, AsyncMemoryLedger, AsyncMemoryLeaderboards, AsyncMemoryEventLog]:
        return self.profiles, self.ledger, self.boards, self.log

    async def commit(
        self, row: XPTransaction, events: Sequence[Event], entries: Sequence[BoardEntry], now: datetime
    ) -> None:
        with self._lock:
            self.ledger.add(row)
            self.log.add(events)
            self.boards.add(entries, now)
            if row.state is not None:
                self.profiles.bring(row.user_id, row.state)
