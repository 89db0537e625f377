"""What caches need from storage, and from whoever reads what they keep."""

from typing import Protocol

from tektree.models.accounts import User
from tektree.models.base import Record
from tektree.models.caches import Found, Place
from tektree.models.questions import Question

__all__ = ["AsyncCacheStore", "AsyncQuestionReader", "AsyncUserReader"]


class AsyncCacheStore(Protocol):
    """Records that are kept for a while, and who is loading those that are not there. It may lose either at any time.

    A load has a ``token``, which nobody else has. An invalidation ends it: what was read before it is not kept after
    it. A record comes back without its secrets. All raise `Unavailable` when the store does not answer in time.
    """

    async def read(self, place: Place) -> Found | None:
        """What is kept there; None: nothing that can be read to the letter. One round trip, and nothing is written."""
        ...

    async def begin(self, place: Place, token: str, lease: int) -> Found | bool:
        """Gives what is kept there by now, or else begins a load of ``token``, unless somebody's is under way.

        True: it is this token's for ``lease`` milliseconds, or until it is ended. False: it is somebody else's.
        """
        ...

    async def keep(self, place: Place, record: Record | None, token: str, lasts: int) -> bool:
        """Ends the load of ``token`` and keeps what it gave, for so many milliseconds. None: that there is none.

        Nothing happens when the load has ended before: it took too long, or was invalidated. Then it is False, unless
        the same is kept there already, as when the first reply was lost.
        """
        ...

    async def leave(self, place: Place, token: str) -> None:
        """Ends the load of ``token`` with nothing to keep. Nothing happens if it has ended before."""
        ...

    async def invalidate(self, place: Place) -> None:
        """Takes away what is kept there and ends the load that is under way, in one step. Again: nothing happens."""
        ...


class AsyncUserReader(Protocol):
    """Users as they are shown."""

    async def user(self, uid: str) -> User | None:
        """The user of that uid."""
        ...


class AsyncQuestionReader(Protocol):
    """Questions as they are stored, whoever asks. Who may see one is decided behind it."""

    async def question(self, question_id: str) -> Question | None:
        """The question of that id."""
        ...
