"""What sessions need from storage, and from whoever keeps the accounts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from tektree.models.sessions import Account, Kept, Marks, Rotated, Session

__all__ = ["AsyncAccountsReader", "AsyncSessionStore"]


class AsyncSessionStore(Protocol):
    """Sessions by the digest of their secret. One that is ended is gone for good, whoever writes it at the same time.

    All raise `Unavailable` when the store does not answer in time: then nobody is let in.
    """

    async def marks(self, uid: str) -> Marks:
        """The user's marks; zeros for one that was never marked."""
        ...

    async def open(
        self, session_id: str, session: Session, epoch: int, most: int, now: datetime, instead_of: str | None = None
    ) -> bool:
        """Keeps a session until it expires, if the user's epoch is still this one; in place of another, if that is
           still there.

        In the same step the oldest of the user's sessions beyond ``most`` are ended. Says whether it was kept. Of those
        whose place was taken the newest 64 are remembered, as long as a session has their place. To take the same place
        again with the same session and time is to have taken it: the reply may have been lost.
        """
        ...

    async def read(self, uid: str, session_id: str, now: datetime) -> Kept | Rotated | None:
        """The user's session; None when there is none. Raises `InvalidSession` for one that cannot be read to the
        letter. Of one whose place was taken it says when, if that is remembered. Writes nothing.
        """
        ...

    async def update(self, session_id: str, session: Session, now: datetime) -> None:
        """Writes a session that is still there. One that is not stays gone."""
        ...

    async def end(self, uid: str, session_id: str) -> bool:
        """Ends a session; of one whose place was taken, if that is remembered, the one that has it now. One step.

        Says whether there was one to end. Again: nothing happens.
        """
        ...

    async def end_all(self, uid: str, but: str | None = None) -> int:
        """Ends all of the user's sessions but one, also those that are being opened, and raises the epoch. Says how
        many.
        """
        ...

    async def changed(self, uid: str) -> None:
        """Raises the version: role or tier are not what they were."""
        ...

    async def all(self, uid: str, now: datetime) -> Sequence[tuple[str, Session]]:
        """The user's sessions with what they are stored under, the oldest first."""
        ...


class AsyncAccountsReader(Protocol):
    """Who a user is now. Sessions ask when they are opened, and when role or tier have changed."""

    async def account(self, uid: str) -> Account | None:
        """The account; None where there is none any more."""
        ...
