"""What gamification needs from storage: profiles and the ledger of XP.

Methods are atomic intents. What happens together is the first sentence of each.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from tektree.models.events import Event, Posted, Recipients
from tektree.models.gamification import Committed, Folded, GamificationProfile, WeekSum, XPTransaction
from tektree.models.leaderboards import BoardEntry

__all__ = ["AsyncGamificationRepository", "AsyncLedger"]


class AsyncGamificationRepository(Protocol):
    """Profiles: one per user, projected from the ledger, with settings beside."""

    async def enroll(self, profile: GamificationProfile) -> GamificationProfile:
        """Stores ``profile`` unless one with its ``user_id`` or its ``uid`` is there.

        Gives back the stored one either way.
        """
        ...

    async def profile(self, user_id: str) -> GamificationProfile | None:
        """The stored profile of a user."""
        ...

    async def project(self, user_id: str, state: Folded, repair: bool = False) -> None:
        """Sets all folded fields of the profile at once, unless it has seen a row newer than ``state.seq``.

        ``repair`` writes them also over a state of the same ``seq``; otherwise that is left alone. Settings are never
        touched.
        """
        ...

    async def swap(
        self,
        old: GamificationProfile,
        new: GamificationProfile,
        events: Sequence[Event] = (),
        to: Sequence[Recipients] = (),
    ) -> None:
        """Sets all settings of ``new`` at once if those of ``old`` are still in force, and leaves ``events`` with them.

        Folded fields are never touched. ``to`` says for each event whom it is for; empty: nobody. Raises `Stale` when
        ``old.settings_version`` is not the stored one.
        """
        ...

    async def outbox(self, user_id: str) -> Sequence[Posted]:
        """The events that `swap` left and `told` has not taken yet, in their order."""
        ...

    async def told(self, user_id: str, event_ids: Sequence[str]) -> None:
        """Takes these events off the profile; they are now in the event log. Again: nothing happens."""
        ...

    async def unfinished(self, limit: int) -> Sequence[str]:
        """Up to ``limit`` ids of users whose profiles hold events that are not in the log yet."""
        ...

    async def by_uid(self, uid: str) -> GamificationProfile | None:
        """The stored profile of a uid."""
        ...

    async def users(self, after: str | None, limit: int) -> Sequence[str]:
        """The ids of up to ``limit`` users, ascending, beginning behind ``after``."""
        ...

    async def count(self) -> int:
        """About how many profiles there are."""
        ...


class AsyncLedger(Protocol):
    """The ledger: rows that are appended and never changed."""

    async def append(self, row: XPTransaction, events: Sequence[Event], to: Sequence[Recipients] = ()) -> None:
        """Appends ``row`` together with its ``events``: the commit of an award.

        ``to`` says for each event whom it is for; empty: nobody.
        Raises `Taken` ("key") when the user's ledger has a row with this key, `Stale` when it has one with this
        ``seq``. Where both are true either may be raised.
        """
        ...

    async def told(self, rows: Sequence[XPTransaction]) -> None:
        """Takes the events off ``rows``, which are now in the event log. Again: nothing happens."""
        ...

    async def unfinished(self, limit: int) -> Sequence[Committed]:
        """Up to ``limit`` rows that still carry events, those of a user together and in the order of ``seq``."""
        ...

    async def row(self, transaction_id: str) -> XPTransaction | None:
        """The row of that id."""
        ...

    async def tail(self, user_id: str, seq: int, limit: int) -> Sequence[Committed]:
        """Up to ``limit`` of the user's rows behind ``seq``, oldest first, with the events they still carry."""
        ...

    async def rows(self, user_id: str, after: int, limit: int) -> Sequence[XPTransaction]:
        """Up to ``limit`` of the user's rows behind ``seq`` ``after``, oldest first."""
        ...

    async def history(self, user_id: str, before: int | None, limit: int) -> Sequence[XPTransaction]:
        """Up to ``limit`` of the user's rows before ``seq`` ``before`` (None: from the newest), newest first."""
        ...

    async def older(self, user_id: str, before: tuple[datetime, str] | None, limit: int) -> Sequence[XPTransaction]:
        """Up to ``limit`` rows that an adopted ledger had before our first, newest first by ``timestamp``, then by id.

        ``before`` is timestamp and id of the last one of those already read; None: from the newest.
        """
        ...

    async def linked(self, user_id: str, transaction_id: str) -> XPTransaction | None:
        """The newest row that reverses or restores that one."""
        ...

    async def used(self, user_id: str, day: str) -> int:
        """``daily_total`` of the newest row of that day; 0 when there is none."""
        ...

    async def week(self, user_id: str, week: str) -> WeekSum:
        """What the user's rows of that ISO week add up to."""
        ...

    async def standings(self, week: str) -> Sequence[BoardEntry]:
        """What every user's rows of that ISO week add up to, with their settings, in no order."""
        ...
