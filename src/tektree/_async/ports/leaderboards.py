"""What leaderboards need from storage."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from tektree.models.leaderboards import Board, BoardEntry, Shown, Standing

__all__ = ["AsyncLeaderboardStore", "AsyncOpenBoards"]


class AsyncLeaderboardStore(Protocol):
    """Ranked boards. Who is hidden, or has no XP, stands on none; ranks have no gaps.

    The order is `BoardEntry.order`. A board whose time is over (eight weeks after its week) is empty and takes no
    more entries.
    """

    async def put(self, entries: Sequence[BoardEntry], now: datetime) -> None:
        """Puts each entry in place of an older one: of a lower ``seq``.

        An entry of the same ``seq`` is written again, which heals a board that has drifted. Of the settings the newest
        version seen decides, on all boards.
        """
        ...

    async def hide(self, uid: str, settings_version: int, hidden: bool, now: datetime) -> None:
        """Takes the user off all boards at once, or puts them back with the XP they have by now.

        An older version changes nothing.
        """
        ...

    async def top(self, board: Board, limit: int, now: datetime) -> Sequence[Standing]:
        """The first ``limit`` places."""
        ...

    async def rank(self, board: Board, uid: str, now: datetime) -> Standing | None:
        """The user's place; None for who is not on the board."""
        ...

    async def around(self, board: Board, uid: str, span: int, now: datetime) -> Sequence[Standing]:
        """The user's place with up to ``span`` places on either side; empty for who is not on the board."""
        ...


@runtime_checkable
class AsyncOpenBoards(Protocol):
    """What a store of boards offers besides, where others can read and write what it keeps of them."""

    async def shown(self, board: Board, uid: str, now: datetime) -> Shown:
        """What they see: of a user, and how many stand there; at one moment."""
        ...

    async def tidy(self, board: Board, now: datetime) -> int:
        """Takes off what no entry put there, and sets scores right; gives back how many. Entries may come meanwhile.

        Who was taken off by others is put back by an entry, not by this.
        """
        ...
