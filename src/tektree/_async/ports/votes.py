"""What votes need from storage. Methods are atomic intents."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from tektree._async.ports.documents import AsyncDocuments
from tektree.models.votes import Tally, Vote

__all__ = ["AsyncVoteRepository"]


class AsyncVoteRepository(AsyncDocuments[Vote], Protocol):
    """Votes. The id of one follows from the thing and the user, so there is one for each."""

    async def of_target(self, target_id: str) -> Tally:
        """How many votes this thing has now, for it and against it."""
        ...

    async def of_targets(self, target_ids: Sequence[str]) -> Mapping[str, Tally]:
        """The same of several things; one that has none may be left out."""
        ...

    async def on_target(self, target_id: str, after: str | None, limit: int) -> Sequence[Vote]:
        """Up to ``limit`` votes on this thing, by ``id`` and behind the one ``after``; those too that were taken
        back."""
        ...
