"""What all content needs from storage: documents that carry their events until these are told."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from tektree.models.base import Value
from tektree.models.content import Stored
from tektree.models.events import Event, Recipients
from tektree.models.pages import Slice

__all__ = ["AsyncDocuments"]

R = TypeVar("R", bound=Value)


class AsyncDocuments(Protocol[R]):
    """Records by id. Each has a version, which every `swap` raises.

    What is counted on a record (followers, votes …) belongs to `counted` alone: no `swap` touches it.
    """

    async def insert(self, record: R, events: Sequence[Event], to: Sequence[Recipients] = ()) -> Stored[R]:
        """Stores a new ``record`` together with its ``events``; gives it back as it stands there, at version 1.

        ``to`` says for each event whom it is for; empty: nobody. One whose ``id`` is there already is left as it is
        and given back: it is the same insert again. Raises `Taken` ("slug") when another has or had one of its slugs;
        nothing is stored then.
        """
        ...

    async def swap(
        self, old: Stored[R], new: R, events: Sequence[Event] = (), to: Sequence[Recipients] = ()
    ) -> Stored[R]:
        """Puts all fields of ``new`` in place of ``old``'s at once and leaves ``events`` with them, one version up.

        Events that stand there stay, before the new ones. Gives back what stands there now. Raises `Stale` when
        ``old.version`` is not the stored one, `Taken` as `insert` does.
        """
        ...

    async def by_id(self, id: str) -> Stored[R] | None:
        """The record of that id."""
        ...

    async def by_ids(self, ids: Sequence[str]) -> Sequence[Stored[R]]:
        """Those of these records that are there, in no order."""
        ...

    async def every(self, after: str | None, limit: int) -> Slice[Stored[R]]:
        """Up to ``limit`` records of all that there are, deleted ones too, by ``id`` and behind the one ``after``.

        Those that cannot be read are named; the ``id`` of the last position is where the next page goes on.
        """
        ...

    async def of_user(self, user_id: str, after: str | None, limit: int) -> Sequence[R]:
        """Up to ``limit`` records that the user made, deleted ones too, by ``id`` and behind the one ``after``."""
        ...

    async def told(self, id: str, event_ids: Sequence[str]) -> None:
        """Takes these events off the record; they are now in the event log. Again: nothing happens."""
        ...

    async def unfinished(self, limit: int) -> Sequence[str]:
        """Up to ``limit`` ids of records that hold events that are not in the log yet."""
        ...

    async def tally(self, id: str) -> int | None:
        """How often the record was counted anew; None: there is none."""
        ...

    async def counted(self, id: str, tally: int, **counts: int) -> bool:
        """Sets what is counted on the record, if it was not counted anew since it had this ``tally``. Whether it was.

        Who counts after reading the tally therefore never puts an older count in place of a newer one.
        """
        ...
