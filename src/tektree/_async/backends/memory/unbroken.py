"""A commit and what follows it, under the locks of the storages that it goes to."""

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
    """Profiles, ledger and boards that share a lock, a log with one of its own, and rows that are in all at once.

    Who looks at the log holds it up for as long as its events take to be made. Its lock is taken first, so that this
    holds up awards, as it always does, and nobody else.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock_of_log = threading.Lock()
        self.profiles = AsyncMemoryGamification(self._lock)
        self.ledger = AsyncMemoryLedger(self.profiles, self._lock)
        self.boards = AsyncMemoryLeaderboards(self._lock)
        self.log = AsyncMemoryEventLog(self._lock_of_log)

    @property
    def parts(
        self,
    ) -> tuple[AsyncMemoryGamification, AsyncMemoryLedger, AsyncMemoryLeaderboards, AsyncMemoryEventLog]:
        return self.profiles, self.ledger, self.boards, self.log

    async def commit(
        self, row: XPTransaction, events: Sequence[Event], entries: Sequence[BoardEntry], now: datetime
    ) -> None:
        with self._lock_of_log, self._lock:
            self.ledger.add(row, events)
            self.log.add(events)
            self.boards.add(entries, now)
            self.ledger.let_go(row)  # not before: an interrupt may come between any two lines
            if row.state is not None:
                self.profiles.bring(row.user_id, row.state)
