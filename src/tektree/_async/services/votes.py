"""Votes on questions and answers: one for each user and thing, changed and taken back at will."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial

from tektree._async.ports.answers import AsyncAnswerRepository
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.ports.questions import AsyncQuestionRepository
from tektree._async.ports.votes import AsyncVoteRepository
from tektree._async.services.contents import AsyncContents, Said
from tektree._async.services.counts import recounted
from tektree._async.services.handlers import AsyncHandlers
from tektree._async.services.owned import AsyncOwned
from tektree._async.services.permissions import AsyncPermissions
from tektree._async.services.viewers import AsyncViewers
from tektree._flavour import async_backoff
from tektree.clock import Clock, read
from tektree.errors import NotFound
from tektree.models.accounts import Principal, User
from tektree.models.answers import Answer
from tektree.models.content import Stored
from tektree.models.gamification import EntityRef
from tektree.models.questions import Question
from tektree.models.votes import Votable, Vote
from tektree.policy import Policy
from tektree.rules import roles, visibility, votes
from tektree.rules.roles import Owner
from tektree.rules.visibility import Viewer

__all__ = ["AsyncVotes"]


class AsyncVotes:
    """Votes of the platform. Safe from many threads or tasks, and from many processes on the same storage."""

    def __init__(
        self,
        backends: AsyncBackends,
        store: AsyncVoteRepository,
        questions: AsyncQuestionRepository,
        answers: AsyncAnswerRepository,
        handlers: AsyncHandlers,
        policy: Policy,
        clock: Clock,
        pause: Callable[[int], Awaitable[None]] = async_backoff,
    ) -> None:
        self._votes = store
        self._questions = questions
        self._answers = answers
        self._permissions = AsyncPermissions(backends.accounts)
        self._asked: AsyncOwned[Question] = AsyncOwned(
            "question", questions, self._permissions, clock, AsyncViewers(backends.connections)
        )
        self._clock = clock
        self._pause = pause
        self.contents: AsyncContents[Vote] = AsyncContents(
            "vote", store, backends.events, handlers, policy, clock, self._count, pause
        )

    async def cast(self, actor: Principal | User, target: Question | Answer | EntityRef, value: int) -> Vote:
        """Votes for a thing (1), against it (-1), or takes the vote back (0); whoever votes again changes their vote.

        ``target`` is a question or an answer that the actor sees, or its `EntityRef`. Gives back the vote. As before:
        nothing happens. Raises `InvalidInput`, `NotFound`, `Forbidden` for what is one's own, `Stale`.
        """
        by, (kind, id), wanted = roles.acting(actor), votes.target(target), votes.value(value)
        await self._permissions.present(by, "vote.cast")
        thing = await self._seen(kind, id, visibility.viewer(by))
        roles.demand(by, "vote.cast", Owner(thing.created_by, "user"))
        author = thing.author or await self._permissions.uid_of(thing.created_by)
        if author is None:
            raise NotFound("user", thing.created_by)
        none = votes.first(kind, id, by, read(self._clock))
        if await self._votes.by_id(none.id) is None:
            begun = votes.cast_again(none, wanted, none.at)
            if begun is None:
                return none
            stored = await self.contents.insert([begun], lambda vote: votes.said(thing, author, vote, 0), by.uid)
            stored = await self.contents.follow(stored)
            if stored.record == begun:
                return stored.record

        def decide(stored: Stored[Vote], now: datetime) -> tuple[Sequence[Vote], Callable[[Vote], Said]] | None:
            old = stored.record
            new = votes.cast_again(old, wanted, now)
            return None if new is None else ([new], lambda vote: votes.said(thing, author, vote, old.value))

        return (await self.contents.change(partial(self._stored, none.id), decide, by.uid))[0].record

    async def _stored(self, vote_id: str) -> Stored[Vote]:
        stored = await self._votes.by_id(vote_id)
        if stored is None:
            raise NotFound("vote", vote_id)
        return stored

    async def _seen(self, kind: Votable, id: str, viewer: Viewer) -> Question | Answer:
        if kind == "question":
            return (await self._asked.seen(id, viewer)).record
        stored = await self._answers.by_id(id)
        with suppress(NotFound):  # what is not there takes the same calls as what is hidden
            await self._asked.seen(id if stored is None else stored.record.question_id, viewer)
            if stored is not None and stored.record.deleted_at is None:
                return stored.record
        raise NotFound("answer", id)

    async def _count(self, stored: Stored[Vote]) -> None:
        """Counts the votes on the thing anew."""
        target_id = stored.record.target_id

        async def count() -> dict[str, int]:
            found = await self._votes.of_target(target_id)
            return {"upvote_count": found.up, "downvote_count": found.down}

        store = self._questions if stored.record.target_type == "question" else self._answers
        await recounted(store, target_id, count, self._pause)
