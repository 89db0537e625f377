"""A commit to the ledger and what follows it as one step, for storages that can do all of it at once."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from tektree._async.ports.events import AsyncEventLog
from tektree._async.ports.gamification import AsyncGamificationRepository, AsyncLedger
from tektree._async.ports.leaderboards import AsyncLeaderboardStore
from tektree.models.events import Event
from tektree.models.gamification import XPTransaction
from tektree.models.leaderboards import BoardEntry

__all__ = ["AsyncUnbroken"]


class AsyncUnbroken(Protocol):
    """Commits rows to its ledger with all that follows: nothing comes between, and nothing is left to be finished."""

    @property
    def parts(
        self,
    ) -> tuple[AsyncGamificationRepository, AsyncLedger, AsyncLeaderboardStore, AsyncEventLog]:
        """Of which storages. Where a host has put something else in the place of one, all is done step by step."""
        ...

    async def commit(
        self, row: XPTransaction, events: Sequence[Event], entries: Sequence[BoardEntry], now: datetime
    ) -> None:
        """Appends ``row``, which tells ``events`` to nobody in particular; brings these to the log and ``entries`` to
        the boards, and the profile to the row's state, if it was not further already. Its settings stay.

        Raises `Taken` and `Stale` as the ledger's ``append``, and then nothing is done.
        """
        ...
