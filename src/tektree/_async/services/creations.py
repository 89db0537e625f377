"""How much somebody created in a period: what quotas are loaded from where their counts were lost."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Protocol

from tektree._async.ports.bundles import AsyncBackends

__all__ = ["AsyncCreations"]


class AsyncMaker(Protocol):
    """A storage that knows what somebody made."""

    async def made(self, user_id: str, since: datetime, until: datetime) -> int:
        """How much the user created while ``since ≤ at < until``, what was deleted too."""
        ...


class AsyncCreations:
    """Counts content. What storages do not keep is not counted."""

    def __init__(self, backends: AsyncBackends) -> None:
        makers: dict[str, AsyncMaker | None] = {
            "areas": backends.areas,
            "questions": backends.questions,
            "answers": backends.answers,
            "insights": backends.insights,
        }
        self._makers: Final[Mapping[str, AsyncMaker]] = {
            name: each for name, each in makers.items() if each is not None
        }

    async def created(self, user_id: str, quota_type: str, since: datetime, until: datetime) -> int | None:
        """How many things of this type the user created in the period; None for a type that is not counted here."""
        maker = self._makers.get(quota_type)
        return None if maker is None else await maker.made(user_id, since, until)
