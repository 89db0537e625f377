"""Votes on questions and answers, likes of insights: one for each user and thing, changed and taken back at will."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from tektree._async.ports.answers import AsyncAnswerRepository
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.ports.documents import AsyncDocuments
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
from tektree.models.votes import Tally, Votable, Vote
from tektree.policy import Policy
from tektree.rules import roles, visibility, votes
from tektree.rules.roles import Owner
from tektree.rules.visibility import Viewer
from tektree.rules.votes import Thing, Value

__all__ = ["AsyncVotes"]

_BATCH: Final = 200

_Change = tuple[Sequence[Vote], Callable[[Vote], Said]] | None


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
        self._answers = answers
        stores: dict[Votable, AsyncDocuments[Any] | None] = {
            "question": questions,
            "answer": answers,
            "insight": backends.insights,
        }
        self._stores: Final[Mapping[Votable, AsyncDocuments[Any]]] = {
            kind: each for kind, each in stores.items() if each is not None
        }
        self._permissions = AsyncPermissions(backends.accounts)
        self._asked: AsyncOwned[Question] = AsyncOwned(
            "question", questions, self._permissions, clock, AsyncViewers(backends.connections)
        )
        self._clock = clock
        self._pause = pause
        self.contents: AsyncContents[Vote] = AsyncContents(
            "vote", store, backends.events, handlers, policy, clock, self._after, pause
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
        return await self.turn(by, kind, thing, wanted)

    async def turn(self, by: Principal, kind: Votable, thing: Thing, wanted: Value) -> Vote:
        """Lets ``by``, who may, vote so on a thing that is there. Raises `NotFound` where it is deleted, `Stale`."""
        author = await self._author(thing)
        none = votes.first(kind, thing.id, by, read(self._clock))
        if await self._votes.by_id(none.id) is None:
            begun = votes.cast_again(none, wanted, none.at)
            if begun is None:
                return none
            stored = await self.contents.insert([begun], lambda vote: votes.said(thing, author, none, vote), by.uid)
            stored = await self.contents.follow(stored)
            if stored.record == begun:
                return stored.record

        async def reading() -> Stored[Vote]:
            stored = await self.contents.stored(none.id)
            if stored.record.lapsed:
                await self._settle(stored.record)
                stored = await self.contents.stored(none.id)
            if stored.record.lapsed:
                raise NotFound(kind, thing.id)
            return stored

        def decide(stored: Stored[Vote], now: datetime) -> _Change:
            old = stored.record
            new = votes.cast_again(old, wanted, now)
            return None if new is None else ([new], lambda vote: votes.said(thing, author, old, vote))

        return (await self.contents.change(reading, decide, by.uid))[0].record

    # -- steps --------------------------------------------------------------------------------------------------------

    async def _seen(self, kind: Votable, id: str, viewer: Viewer) -> Question | Answer:
        if kind == "question":
            return (await self._asked.seen(id, viewer)).record
        stored = await self._answers.by_id(id)
        there = stored is not None and stored.record.deleted_at is None
        with suppress(NotFound):  # what is not there takes the same calls as what is hidden
            await self._asked.seen(stored.record.question_id if stored is not None and there else id, viewer)
            if stored is not None and there:
                return stored.record
        raise NotFound("answer", id)

    async def _author(self, thing: Thing) -> str:
        """The uid of whose the thing is. Raises `NotFound`."""
        author = thing.author or await self._permissions.uid_of(thing.created_by)
        if author is None:
            raise NotFound("user", thing.created_by)
        return author

    async def _thing(self, kind: Votable, id: str) -> Thing | None:
        stored: Stored[Any] | None = await self._stores[kind].by_id(id) if kind in self._stores else None
        return None if stored is None else stored.record

    # -- what follows -------------------------------------------------------------------------------------------------

    async def settle(self, kind: Votable, target_id: str) -> None:
        """Lets the votes on a thing count, or count for nothing, as it is there now or deleted.

        Whoever votes settles their own vote behind it, so of a vote and a deletion that meet, one sees the other.
        """
        after: str | None = None
        while found := await self._votes.on_target(target_id, after, _BATCH):
            for vote in found:
                await self._settle(vote)
            after = found[-1].id

    async def settle_of(self, kind: Votable, target_id: str, user_id: str) -> None:
        """The same for the vote of one user, if there is one; what was left to do of it is done as well."""
        stored = await self._votes.by_id(votes.id_of(kind, target_id, user_id))
        if stored is not None:
            await self.contents.follow(stored)
            await self._settle(stored.record)

    async def _settle(self, vote: Vote) -> None:
        thing = await self._thing(vote.target_type, vote.target_id)
        if thing is None or votes.settled(vote, thing) is None:
            return
        author, found = await self._author(thing), [thing]

        async def reading() -> Stored[Vote]:
            stored = await self.contents.stored(vote.id)
            found.append(await self._thing(vote.target_type, vote.target_id) or thing)
            return stored

        def decide(stored: Stored[Vote], now: datetime) -> _Change:
            old = stored.record
            new = votes.settled(old, found[-1])
            return None if new is None else ([new], lambda vote: votes.said(thing, author, old, vote))

        await self.contents.change(reading, decide, vote.uid, finish=False)

    async def _after(self, stored: Stored[Vote]) -> None:
        """Counts the votes on the thing anew, and lets this one count only if the thing is there."""
        kind, target_id = stored.record.target_type, stored.record.target_id

        async def count() -> dict[str, int]:
            found = await self._votes.of_target(target_id)
            return {"like_count": found.up} if kind == "insight" else _counts(found)

        if kind in self._stores:
            await recounted(self._stores[kind], target_id, count, self._pause)
            await self._settle(stored.record)


def _counts(found: Tally) -> dict[str, int]:
    return {"upvote_count": found.up, "downvote_count": found.down}
