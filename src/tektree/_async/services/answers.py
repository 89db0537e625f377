"""Answers: posted, edited, accepted by the asker, deleted and restored. Who sees a question sees its answers."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Final, Unpack

from tektree._async.ports.answers import AsyncAnswerRepository
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.ports.questions import AsyncQuestionRepository
from tektree._async.services.contents import AsyncContents, Said
from tektree._async.services.counts import recounted
from tektree._async.services.handlers import AsyncHandlers
from tektree._async.services.owned import AsyncOwned
from tektree._async.services.permissions import AsyncPermissions
from tektree._async.services.quotas import AsyncQuotas
from tektree._async.services.viewers import AsyncViewers
from tektree._flavour import async_backoff
from tektree.clock import Clock, read
from tektree.errors import BackendError, Forbidden, InvalidTransition, NotFound
from tektree.ids import Ids, fresh_id, hex_id
from tektree.models.accounts import Principal, User
from tektree.models.answers import Answer, AnswerDraft, AnswerFields
from tektree.models.base import INT53
from tektree.models.content import Stored
from tektree.models.pages import Page
from tektree.models.payloads import Payload
from tektree.models.questions import Order, Question
from tektree.models.votes import Votable
from tektree.policy import Policy
from tektree.rules import answers, content, cursors, inputs, roles, visibility
from tektree.rules.answers import Candidate
from tektree.rules.questions import ORDERS
from tektree.rules.visibility import Viewer

__all__ = ["AsyncAnswers"]

_LOG: Final = logging.getLogger("tektree")

_Change = tuple[Sequence[Answer], Callable[[Answer], Said]] | None


class AsyncAnswers:
    """Answers to questions.

    Calls take who acts (for reads None: who is not logged in) and an answer's ``id``. Where somebody may not see the
    question, its answers are `NotFound`, as if they were not there. Safe from many threads or tasks, and from many
    processes on the same storage.
    """

    def __init__(
        self,
        backends: AsyncBackends,
        store: AsyncAnswerRepository,
        questions: AsyncQuestionRepository,
        of_questions: AsyncContents[Question],
        quotas: AsyncQuotas,
        handlers: AsyncHandlers,
        policy: Policy,
        clock: Clock,
        ids: Ids,
        pause: Callable[[int], Awaitable[None]] = async_backoff,
    ) -> None:
        self._answers = store
        self._questions = questions
        self._of_questions = of_questions
        self._quotas = quotas
        self._permissions = AsyncPermissions(backends.accounts)
        self._asked: AsyncOwned[Question] = AsyncOwned(
            "question", questions, self._permissions, clock, AsyncViewers(backends.connections)
        )
        self._clock = clock
        self._ids = ids
        self._pause = pause
        self.voted: Callable[[Votable, str], Awaitable[None]] | None = None
        """What votes have to do behind a deletion or a restoration."""
        self.contents: AsyncContents[Answer] = AsyncContents(
            "answer", store, backends.events, handlers, policy, clock, self._after, pause
        )

    # -- posting and changing -----------------------------------------------------------------------------------------

    async def post(self, actor: Principal | User, question_id: str, draft: AnswerDraft) -> Answer:
        """Answers a question that the actor sees. It uses one unit of the quota ``answers``.

        The question is looked at again behind the write: where it was closed, deleted or hidden meanwhile, the answer
        is deleted at once, and the unit is given back. Where storage is away just then, the answer stays, as if it had
        come before. Raises `InvalidInput`, `NotFound`, `InvalidTransition` for a closed question, `QuotaExhausted`,
        `OutcomeUnknown` where it could not be deleted.
        """
        by, wanted = roles.acting(actor), content.drafted(draft, AnswerDraft)
        question = (await self._asked.seen(question_id, visibility.viewer(by), "question_id")).record
        await self._permissions.demand(by, "answer.post", by.id)
        asker = await self._uid(question)
        answer = answers.posted(wanted, question, fresh_id(self._ids), by, read(self._clock))
        async with self._quotas.reserve(by, "answers"):
            stored = await self.contents.insert([answer], partial(answers.announced, uid=by.uid, asker=asker), by.uid)
            await self._look_again(by, answer)
        return (await self.contents.follow(stored)).record

    async def _look_again(self, by: Principal, answer: Answer) -> None:
        """Deletes a new answer whose question takes none by now. Raises `InvalidTransition`, `NotFound`."""
        try:
            question = await self._asked.seen(answer.question_id, visibility.viewer(by), "question_id")
            answers.taking(question.record)
        except (InvalidTransition, NotFound):
            await self._take_back(by, answer.id)
            raise
        except BackendError as error:  # the answer is there: it stays
            _LOG.warning("the question of a new answer was not looked at again: %s", error.code)

    async def _take_back(self, by: Principal, answer_id: str) -> None:
        def decide(stored: Stored[Answer], now: datetime) -> _Change:
            decided = answers.deleted(stored.record, by, by.uid, now)
            return None if decided is None else ([decided[0]], lambda _: decided[1])

        await self.contents.take_back(answer_id, decide, by.uid)

    async def edit(
        self, /, actor: Principal | User, id: str, *, revision: int | None = None, **given: Unpack[AnswerFields]
    ) -> Answer:
        """Sets what is given of ``body`` and ``code_snippets``.

        ``revision`` is that of the answer which the edit is based on: `Stale` when it was changed since. Without it, it
        is `Stale` only where another edits the same fields at the same time. Raises `InvalidInput`, `NotFound`,
        `Forbidden`.
        """
        by, changes = roles.acting(actor), answers.fields(given)
        if revision is not None:
            inputs.whole(revision, "revision", 0, INT53)
        found: list[Answer] = []

        def decide(old: Answer, uid: str, now: datetime) -> _Change:
            found.append(old)
            content.based_on(found[0], old, "answer", changes, revision)
            new = answers.edited(old, changes, now)
            return None if new is None else ([new], lambda record: answers.updated(old, record, uid))

        return await self._change(by, id, "answer.edit", decide)

    async def delete(self, actor: Principal | User, id: str) -> None:
        """Takes an answer away; `restore` brings it back. What it earned its author is taken back, votes included, and
        it is no longer accepted. Raises `InvalidInput`, `NotFound`, `Forbidden`, `Stale`.
        """
        by = roles.acting(actor)

        def decide(old: Answer, uid: str, now: datetime) -> _Change:
            decided = answers.deleted(old, by, uid, now)
            return None if decided is None else ([decided[0]], lambda _: decided[1])

        await self._change(by, id, "answer.delete", decide)

    async def restore(self, actor: Principal | User, id: str) -> Answer:
        """Brings a deleted answer back, and what it had earned its author. If it was accepted, and the asker has not
        accepted another one since, it is so again.

        What others deleted, its author does not. Raises `InvalidInput`, `NotFound`, `Forbidden`, `InvalidTransition`
        when it is not deleted, `Stale`.
        """
        by = roles.acting(actor)

        def decide(old: Answer, uid: str, now: datetime) -> _Change:
            new, said = answers.restored(old, by, uid)
            return [new], lambda _: said

        await self._change(by, id, "answer.restore", decide)
        return (await self._seen(id, visibility.viewer(by), deleted=True))[0].record  # it may be accepted by now

    # -- accepting ----------------------------------------------------------------------------------------------------

    async def accept(self, actor: Principal | User, answer_id: str) -> Question:
        """Makes this the accepted answer of its question, in place of the one before; the asker does that.

        The switch is one write of the question, which is resolved then unless it is closed. Gives back the question.
        Again: nothing happens. Raises `InvalidInput`, `NotFound`, `Forbidden`, `Stale`.
        """
        return await self._accept(roles.acting(actor), answer_id, "answer.accept")

    async def unaccept(self, actor: Principal | User, answer_id: str) -> Question:
        """Takes it back; a question that was resolved is open again. Raises as `accept`."""
        return await self._accept(roles.acting(actor), answer_id, "answer.unaccept")

    async def _accept(self, by: Principal, answer_id: str, verb: str) -> Question:
        before: list[Candidate | None] = [None]
        chosen: list[Candidate] = []

        async def reading() -> Stored[Question]:
            answer, stored = await self._seen(answer_id, visibility.viewer(by))
            await self._permissions.demand(by, verb, stored.record.created_by)
            chosen.append(Candidate(answer.record.id, await self._uid(answer.record)))
            before[0] = await self._accepted_so_far(stored.record, answer.record.id)
            return stored._replace(record=stored.record.evolve(author=await self._uid(stored.record)))

        def decide(
            stored: Stored[Question], now: datetime
        ) -> tuple[Sequence[Question], Callable[[Question], Said]] | None:
            question, uid = stored.record, stored.record.author or ""
            if verb == "answer.accept":
                decided = answers.accepted(question, chosen[-1], before[0], uid, by.uid, now)
            else:
                decided = answers.unaccepted(question, chosen[-1], uid, by.uid, now)
            return None if decided is None else ([decided[0]], lambda _: decided[1])

        return (await self._of_questions.change(reading, decide, by.uid))[0].record

    async def _accepted_so_far(self, question: Question, other: str) -> Candidate | None:
        if question.accepted_answer_id in (None, other):
            return None
        stored = await self._answers.by_id(question.accepted_answer_id or "")
        return None if stored is None else Candidate(stored.record.id, await self._uid(stored.record))

    async def follow(self, question: Stored[Question]) -> None:
        """What an acceptance calls for: ``is_accepted`` of the answers, and that no deleted one is accepted."""
        named = {
            each.event.payload["answer_id"]
            for each in question.left
            if each.event.event_type in ("answer.accepted", "answer.unaccepted")
        }
        for answer_id in sorted(named):
            await recounted(
                self._answers, answer_id, partial(self._is_accepted, question.record.id, answer_id), self._pause
            )
            await self.let_go(question.record.id, answer_id)

    async def _is_accepted(self, question_id: str, answer_id: str) -> dict[str, int]:
        question = await self._questions.by_id(question_id)
        return {"is_accepted": question is not None and question.record.accepted_answer_id == answer_id}

    async def let_go(self, question_id: str, answer_id: str) -> None:
        """Lets a question accept an answer no more that is deleted."""
        answer = await self._answers.by_id(answer_id)
        if answer is None or answer.record.deleted_at is None:
            return
        await self._turn(question_id, Candidate(answer_id, await self._uid(answer.record)), answers.let_go)

    async def _take_up(self, question_id: str, answer_id: str) -> None:
        """Lets a question accept an answer again that is restored, if it was let go for its deletion."""
        answer = await self._answers.by_id(answer_id)
        if answer is not None and answer.record.deleted_at is None:
            await self._turn(question_id, Candidate(answer_id, await self._uid(answer.record)), answers.taken_up)

    async def _turn(
        self,
        question_id: str,
        candidate: Candidate,
        step: Callable[[Question, Candidate, str, datetime], tuple[Question, Sequence[Payload]] | None],
    ) -> None:
        async def reading() -> Stored[Question]:
            stored = await self._of_questions.stored(question_id)
            return stored._replace(record=stored.record.evolve(author=await self._uid(stored.record)))

        def decide(
            stored: Stored[Question], now: datetime
        ) -> tuple[Sequence[Question], Callable[[Question], Said]] | None:
            decided = step(stored.record, candidate, stored.record.author or "", now)
            return None if decided is None else ([decided[0]], lambda _: decided[1])

        await self._of_questions.change(reading, decide, candidate.author, finish=False)

    # -- reading ------------------------------------------------------------------------------------------------------

    async def get(self, actor: Principal | User | None, id: str) -> Answer:
        """The answer of that id. Raises `InvalidInput`, `NotFound`."""
        answer, _ = await self._seen(id, visibility.viewer(actor))
        return answer.record

    async def list(
        self,
        actor: Principal | User | None,
        question_id: str,
        *,
        order: Order = "newest",
        after: str | None = None,
        limit: int = 20,
    ) -> Page[Answer]:
        """The answers to a question, ``newest`` or ``most_voted`` first. ``limit`` is 1 to 100.

        Raises `InvalidInput`, `InvalidCursor`, `NotFound`.
        """
        viewer, by = visibility.viewer(actor), inputs.choice(order, "order", ORDERS)
        scope = "answers", hex_id(question_id, "question_id"), by, viewer.id or ""
        before, most = cursors.place(after, *scope), inputs.whole(limit, "limit", 1, 100)
        await self._asked.seen(question_id, viewer, "question_id")
        return cursors.page(await self._answers.page(question_id, by, before, most), *scope)

    # -- steps --------------------------------------------------------------------------------------------------------

    async def _seen(
        self, id: object, viewer: Viewer, *, deleted: bool = False
    ) -> tuple[Stored[Answer], Stored[Question]]:
        """An answer that ``viewer`` sees, and its question. Raises `InvalidInput`, `NotFound`."""
        stored = await self._answers.by_id(hex_id(id, "id"))
        if stored is not None and stored.record.deleted_at is not None and not deleted:
            stored = None
        with suppress(NotFound):  # what is not there takes the same calls as what is hidden
            question = await self._asked.seen(id if stored is None else stored.record.question_id, viewer)
            if stored is not None:
                return stored, question
        raise NotFound("answer", str(id))

    async def _restorable(self, by: Principal, id: object) -> Stored[Answer]:
        """An answer that ``by`` may restore. Of a deleted one, nobody else hears that it is there: who may not, takes
        the same calls as for what is not there.
        """
        stored = await self._answers.by_id(hex_id(id, "id"))
        refused: Forbidden | None = None
        try:
            await self._permissions.demand(
                by, "answer.restore", str(id) if stored is None else stored.record.created_by
            )
        except Forbidden as error:
            refused = error
        if stored is not None and stored.record.deleted_at is not None and refused is not None:
            stored = None
        with suppress(NotFound):
            await self._asked.seen(id if stored is None else stored.record.question_id, visibility.viewer(by))
            if stored is not None:
                if refused is not None:
                    raise refused
                return stored
        raise NotFound("answer", str(id))

    async def _change(
        self,
        by: Principal,
        id: object,
        verb: str,
        decide: Callable[[Answer, str, datetime], _Change],
    ) -> Answer:
        async def reading() -> Stored[Answer]:
            if verb == "answer.restore":
                stored = await self._restorable(by, id)
            else:
                stored, _ = await self._seen(id, visibility.viewer(by))
                await self._permissions.demand(by, verb, stored.record.created_by)
            return stored._replace(record=stored.record.evolve(author=await self._uid(stored.record)))

        def decided(stored: Stored[Answer], now: datetime) -> _Change:
            return decide(stored.record, stored.record.author or "", now)

        return (await self.contents.change(reading, decided, by.uid))[0].record

    async def _uid(self, record: Question | Answer) -> str:
        """The uid of an author, also of what was there before us. Raises `NotFound`."""
        uid = record.author or await self._permissions.uid_of(record.created_by)
        if uid is None:
            raise NotFound("user", record.created_by)
        return uid

    # -- what follows -------------------------------------------------------------------------------------------------

    async def _after(self, stored: Stored[Answer]) -> None:
        """Counts the answers to the question anew; one that is deleted is accepted no more."""
        types = {each.event.event_type for each in stored.left}
        if types == {"answer.updated"}:
            return
        question_id = stored.record.question_id

        async def count() -> dict[str, int]:
            return {"answer_count": await self._answers.of_question(question_id)}

        await recounted(self._questions, question_id, count, self._pause)
        with suppress(NotFound):
            if "answer.deleted" in types:
                await self.let_go(question_id, stored.record.id)
            if "answer.restored" in types:
                await self._take_up(question_id, stored.record.id)
        if self.voted is not None and not types.isdisjoint(("answer.deleted", "answer.restored")):
            await self.voted("answer", stored.record.id)
