"""What has to be known before somebody files something under areas, for storages that can look at all of it at once."""

from collections.abc import Sequence
from typing import Protocol

from tektree._async.ports.accounts import AsyncAccountRepository
from tektree._async.ports.areas import AsyncAreaRepository
from tektree._async.ports.questions import AsyncQuestionRepository
from tektree.models.premises import Premises

__all__ = ["AsyncFilings"]


class AsyncFilings(Protocol):
    """Looks at accounts, areas and questions together."""

    @property
    def sources(self) -> tuple[AsyncAccountRepository, AsyncAreaRepository, AsyncQuestionRepository | None]:
        """Which they are. Where a host has put something else in the place of one, they are asked one by one."""
        ...

    async def premises(self, user_id: str, areas: Sequence[str], files: Sequence[str], *, account: bool) -> Premises:
        """The user's account, where it is asked for; those of ``areas`` that are there, deleted ones too, in no order;
        and those of ``files`` that questions of others hold, deleted ones too, in the order of ``files``, each once.

        An area that cannot be read is left out. Raises `CorruptDocument` for such an account.
        """
        ...
