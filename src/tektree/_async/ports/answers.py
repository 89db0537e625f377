"""What answers need from storage. Methods are atomic intents."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from tektree._async.ports.documents import AsyncDocuments
from tektree.models.answers import Answer
from tektree.models.pages import Position, Slice
from tektree.models.questions import Order

__all__ = ["AsyncAnswerRepository"]


class AsyncAnswerRepository(AsyncDocuments[Answer], Protocol):
    """Answers. ``is_accepted`` is what follows from the question: it is set by `counted` alone, as counts are."""

    async def page(self, question_id: str, order: Order, before: Position | None, limit: int) -> Slice[Answer]:
        """Up to ``limit`` answers to a question that are not deleted, in this order, of equals the greatest id first.

        Positions are milliseconds since 1970 in what is sorted by age, and votes in what is sorted by votes.
        """
        ...

    async def of_question(self, question_id: str) -> int:
        """How many answers to a question there are that are not deleted."""
        ...

    async def of_questions(self, question_ids: Sequence[str]) -> Mapping[str, int]:
        """The same of several questions; one that has none may be left out."""
        ...

    async def made(self, user_id: str, since: datetime, until: datetime) -> int:
        """How many answers the user posted while ``since ≤ created_at < until``, deleted ones too."""
        ...
