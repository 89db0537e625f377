"""What becomes of somebody's content when they are erased. Each step can be repeated, and is until all are done."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from functools import partial
from typing import Any, Final

from tektree._async.ports.answers import AsyncAnswerRepository
from tektree._async.ports.areas import AsyncFollowRepository
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.ports.documents import AsyncDocuments
from tektree._async.ports.insights import AsyncInsightRepository
from tektree._async.services.answers import AsyncAnswers
from tektree._async.services.areas import AsyncAreas
from tektree._async.services.contents import AsyncContents
from tektree._async.services.insights import AsyncInsights
from tektree._async.services.permissions import AsyncPermissions
from tektree._async.services.questions import AsyncQuestions
from tektree.clock import Clock, read
from tektree.models.accounts import User
from tektree.models.answers import Answer
from tektree.models.content import Stored
from tektree.rules import areas, erasures, insights
from tektree.rules.erasures import Emptied

__all__ = ["AsyncErasures"]

_BATCH: Final = 200

_Rule = Callable[[Any, datetime], "tuple[Any, Any] | None"]


class AsyncErasures:
    """Ends what somebody had a part in. What services there are not, keep nothing."""

    def __init__(
        self,
        backends: AsyncBackends,
        clock: Clock,
        areas: AsyncAreas | None,
        questions: AsyncQuestions | None,
        answers: AsyncAnswers | None,
        insights: AsyncInsights | None,
    ) -> None:
        self._backends = backends
        self._permissions = AsyncPermissions(backends.accounts)
        self._clock = clock
        self._areas = areas
        self._questions = questions
        self._answers = answers
        self._insights = insights

    async def leave(self, user: User) -> None:
        """Ends follows, invitations and co-authorships, and empties what not everybody may see. Raises `Stale`."""
        backends = self._backends
        if self._areas is not None and backends.areas is not None and backends.follows is not None:
            await self._unfollow(user, backends.follows, self._areas)
            await self._empty(user, backends.areas, self._areas.contents, erasures.of_area)
        if self._questions is not None and backends.questions is not None:
            await self._empty(user, backends.questions, self._questions.contents, erasures.of_question)
        if self._answers is not None and backends.answers is not None:
            await self._answered(user, backends.answers, self._answers)
        if self._insights is not None and backends.insights is not None:
            await self._empty(user, backends.insights, self._insights.contents, erasures.of_insight)
            await self._unshare(user, backends.insights, self._insights)

    async def _unfollow(self, user: User, store: AsyncFollowRepository, service: AsyncAreas) -> None:
        def rule(follow: Any, now: datetime) -> tuple[Any, Any] | None:
            return areas.followed(follow, active=False, now=now)

        async for follow in self._made(user, store):
            await self._turn(user, service.follows, follow.id, rule)

    async def _empty(
        self,
        user: User,
        store: AsyncDocuments[Any],
        contents: AsyncContents[Any],
        rule: Callable[[Any, str, datetime], Emptied[Any] | None],
    ) -> None:
        async for record in self._made(user, store):
            if rule(record, user.uid, read(self._clock)) is not None:
                await self._turn(user, contents, record.id, lambda record, now: rule(record, user.uid, now))

    async def _answered(self, user: User, store: AsyncAnswerRepository, service: AsyncAnswers) -> None:
        """Behind the questions: whether an answer goes depends on its question."""
        async for answer in self._made(user, store):
            await self._turn(user, service.contents, answer.id, await self._rule_for(user, answer))

    async def _rule_for(self, user: User, answer: Answer) -> _Rule:
        questions = self._backends.questions
        stored = None if questions is None else await questions.by_id(answer.question_id)
        question = None if stored is None else stored.record
        return lambda record, now: erasures.of_answer(record, question, user.uid, now)

    async def _unshare(self, user: User, store: AsyncInsightRepository, service: AsyncInsights) -> None:
        while ids := await store.shared_with(user.id, _BATCH):
            for id in ids:
                stored = await store.by_id(id)
                if stored is not None:
                    author = stored.record.author or await self._permissions.uid_of(stored.record.created_by)
                    await self._turn(user, service.contents, id, partial(_without, user, author))

    # -- steps --------------------------------------------------------------------------------------------------------

    async def _made(self, user: User, store: AsyncDocuments[Any]) -> AsyncIterator[Any]:
        after: str | None = None
        while found := await store.of_user(user.id, after, _BATCH):
            for each in found:
                yield each
            after = found[-1].id

    async def _turn(self, user: User, contents: AsyncContents[Any], id: str, rule: _Rule) -> None:
        def decide(stored: Stored[Any], now: datetime) -> Any:
            decided = rule(stored.record, now)
            return None if decided is None else ([decided[0]], lambda _: decided[1])

        await contents.change(partial(contents.stored, id), decide, user.uid)


def _without(user: User, author: str | None, insight: Any, now: datetime) -> tuple[Any, Any] | None:
    """What is told of it names the author; of one whose uid nobody knows, nothing is told."""
    decided = insights.left(insight, user.id, author or user.uid, user.uid, now)
    return decided if decided is None or author is not None else (decided[0], ())
