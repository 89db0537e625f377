"""What accounts need from storage: users, whose events stand on them until they are told.

Methods are atomic intents. What happens together is the first sentence of each. Nobody shares an address, a handle, a
uid or a claim on a handle with anybody else, and that is decided by the write itself, never by looking first.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol

from tektree.models.accounts import StoredUser, User
from tektree.models.events import Event, Recipients

__all__ = ["AsyncAccountRepository"]


class AsyncAccountRepository(Protocol):
    """Users by everything that they are sought by. Each has a version, which every `swap` and `replace` raises."""

    async def insert(self, user: User, events: Sequence[Event], to: Sequence[Recipients] = ()) -> StoredUser:
        """Stores a new ``user`` together with its ``events``; gives it back as it stands there, at version 1.

        ``to`` says for each event whom it is for; empty: nobody. One whose ``id`` is there already is left as it is
        and given back: it is the same insert again. Raises `Taken` (``email``, ``handle`` or ``uid``) when somebody
        else has one of them, written or canonical, or claims the handle; nothing is stored then.
        """
        ...

    async def swap(
        self, old: StoredUser, new: User, events: Sequence[Event] = (), to: Sequence[Recipients] = ()
    ) -> StoredUser:
        """Puts all fields of ``new`` in place of ``old``'s at once and leaves ``events`` with them, one version up.

        ``last_login_at`` alone is never touched. Events that stand there stay, before the new ones. Gives back what
        stands there now. Raises `Stale` when ``old.version`` is not the stored one, `Taken` as `insert` does.
        """
        ...

    async def replace(
        self, old: StoredUser, new: User, events: Sequence[Event], to: Sequence[Recipients] = ()
    ) -> StoredUser:
        """Puts ``new`` and ``events`` in place of all that is stored of ``old``, one version up.

        Nothing else stays: no field that we do not know, no event. Raises `Stale`, `Taken` as `swap` does.
        """
        ...

    async def logged_in(self, user_id: str, epoch: int, at: datetime) -> bool:
        """Sets ``last_login_at`` if the user is active and of this ``epoch``. Whether they are; it does not count."""
        ...

    async def by_id(self, user_id: str) -> StoredUser | None:
        """The user of that id."""
        ...

    async def by_uid(self, uid: str) -> StoredUser | None:
        """The user of that uid."""
        ...

    async def called(self, by: Literal["email", "handle"], canonical: str | None, written: str) -> StoredUser | None:
        """The user whose address or handle has that canonical form.

        If nobody has: the user without one, adopted, who is called ``written`` to the letter.
        """
        ...

    async def by_claim(self, digest: str) -> StoredUser | None:
        """The user who claims a handle by this digest, in force or not."""
        ...

    async def by_token(self, digests: Sequence[str]) -> StoredUser | None:
        """The user who holds a token with one of these digests."""
        ...

    async def told(self, user_id: str, event_ids: Sequence[str]) -> None:
        """Takes these events off the user; they are now in the event log. Again: nothing happens."""
        ...

    async def unfinished(self, limit: int) -> Sequence[str]:
        """Up to ``limit`` ids of users who hold events that are not in the log yet."""
        ...
