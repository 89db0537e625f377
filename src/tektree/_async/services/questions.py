"""Questions: asked, edited, closed and found, by whom it may be."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Unpack

from tektree._async.ports.areas import AsyncAreaRepository
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.ports.caches import AsyncQuestionReader
from tektree._async.ports.questions import AsyncQuestionRepository
from tektree._async.services.caches import AsyncCaches
from tektree._async.services.contents import AsyncContents
from tektree._async.services.filing import AsyncFiling
from tektree._async.services.handlers import AsyncHandlers
from tektree._async.services.owned import AsyncOwned, author
from tektree._async.services.permissions import AsyncPermissions
from tektree._async.services.quotas import AsyncQuotas
from tektree._async.services.viewers import AsyncViewers
from tektree._async.services.views import AsyncViews
from tektree._flavour import async_backoff
from tektree.clock import Clock, read
from tektree.errors import BackendError, NotFound
from tektree.ids import Ids, fresh_id, hex_id
from tektree.models.accounts import Principal, User
from tektree.models.base import INT53
from tektree.models.content import Stored
from tektree.models.pages import Page, Slice
from tektree.models.payloads import Payload
from tektree.models.questions import Order, Question, QuestionDraft, QuestionFields, QuestionStatus
from tektree.models.votes import Votable
from tektree.policy import Policy
from tektree.rules import content, cursors, inputs, questions, roles, search, slugs, visibility
from tektree.rules.questions import Decided
from tektree.rules.visibility import Viewer

__all__ = ["AsyncQuestions"]

_Change = tuple[Sequence[Question], Callable[[Question], Payload]] | None


class AsyncQuestions:
    """Questions of the platform.

    Calls take who acts (for reads None: who is not logged in) and a question's ``id``. What somebody may not see is
    `NotFound`, as if it were not there; ``areas`` of what is given back are those that they see. Safe from many threads
    or tasks, and from many processes on the same storage.
    """

    def __init__(
        self,
        backends: AsyncBackends,
        store: AsyncQuestionRepository,
        areas: AsyncAreaRepository,
        quotas: AsyncQuotas,
        handlers: AsyncHandlers,
        policy: Policy,
        clock: Clock,
        ids: Ids,
        pause: Callable[[int], Awaitable[None]] = async_backoff,
        caches: AsyncCaches | None = None,
    ) -> None:
        self._questions = store
        self._answers = backends.answers
        self._filing = AsyncFiling(backends, areas, clock, pause)
        stored = _AsyncStoredQuestions(store)
        self._cached: AsyncQuestionReader = stored if caches is None else caches.questions(stored)
        told_at_once = policy.events.drain == "inline" and policy.events.deliver == "inline"
        self._forgetting = None if told_at_once else caches
        self._quotas = quotas
        self._permissions = AsyncPermissions(backends.accounts)
        self._viewers = AsyncViewers(backends.connections)
        self._owned: AsyncOwned[Question] = AsyncOwned("question", store, self._permissions, clock, self._viewers)
        self._clock = clock
        self._ids = ids
        self.views = AsyncViews(store.viewed)
        self.contents: AsyncContents[Question] = AsyncContents(
            "question", store, backends.events, handlers, policy, clock, self._after, pause
        )
        self.answered: Callable[[Stored[Question]], Awaitable[None]] | None = None
        """What answers have to do behind a change of a question."""
        self.voted: Callable[[Votable, str], Awaitable[None]] | None = None
        """What votes have to do behind a deletion or a restoration."""

    # -- asking and changing ------------------------------------------------------------------------------------------

    async def ask(self, actor: Principal | User, draft: QuestionDraft) -> Question:
        """Asks a question. It uses one unit of the quota ``questions``.

        Areas are such as the actor sees; files are the actor's own: what somebody else's question holds is not. Its
        slug is made of its title. Raises `InvalidInput`, `NotFound` for an area, `QuotaExhausted`.
        """
        by, wanted = roles.acting(actor), content.drafted(draft, QuestionDraft)
        await self._filing.demand(by, "question.ask", wanted.areas, wanted.files)
        question, tried = questions.asked(wanted, fresh_id(self._ids), by, read(self._clock))
        records = [content.renamed(question, slug) for slug in tried]
        async with self._quotas.reserve(by, "questions"):
            stored = await self.contents.insert(records, partial(questions.announced, uid=by.uid), by.uid)
        return (await self.contents.follow(stored)).record

    async def edit(
        self, /, actor: Principal | User, id: str, *, revision: int | None = None, **given: Unpack[QuestionFields]
    ) -> Question:
        """Sets what is given of ``title``, ``body``, ``tags``, ``areas``, ``visibility`` and ``files``.

        ``revision`` is that of the question which the edit is based on: `Stale` when it was changed since. Without it,
        it is `Stale` only where another edits the same fields at the same time. Another title gives another slug; the
        one before still leads to the question. Raises `InvalidInput`, `NotFound`, `Forbidden`.
        """
        by, changes = roles.acting(actor), questions.fields(given)
        if revision is not None:
            inputs.whole(revision, "revision", 0, INT53)
        reading = partial(self._owned.reached, by, id, "question.edit")
        found: list[Question] = []
        if changes.get("areas") or changes.get("files"):
            found.append(first := (await reading()).record)
            areas = [each for each in changes.get("areas", ()) if each not in first.areas]
            files = [each for each in changes.get("files", ()) if each not in first.files]
            await self._filing.attachable(by, areas, files)

        def decide(old: Question, now: datetime) -> _Change:
            found.append(old)
            content.based_on(found[0], old, "question", changes, revision)
            decided = questions.edited(old, changes, now)
            if decided is None:
                return None
            new, tried = decided
            uid = author(old)
            records = [content.renamed(new, slug) for slug in tried] or [new]
            return records, lambda record: questions.updated(old, record, uid)

        return await self._change(reading, decide, by)

    async def close(self, actor: Principal | User, id: str, reason: str | None = None) -> Question:
        """Lets a question take no more answers. Again: nothing happens.

        ``reason`` is told, in 1 to 500 characters. Raises `InvalidInput`, `NotFound`, `Forbidden`, `Stale`.
        """
        return await self._decide(actor, id, "question.close", questions.closed, reason)

    async def reopen(self, actor: Principal | User, id: str, reason: str | None = None) -> Question:
        """Lets it take answers again; what was accepted stays accepted. Raises as `close`."""
        return await self._decide(actor, id, "question.reopen", questions.reopened, reason)

    async def resolve(self, actor: Principal | User, id: str, reason: str | None = None) -> Question:
        """Says that it has its answer. Raises as `close`, and `InvalidTransition` for a closed one."""
        return await self._decide(actor, id, "question.resolve", questions.resolved, reason)

    async def delete(self, actor: Principal | User, id: str) -> None:
        """Takes a question away; `restore` brings it back. What it earned its author is taken back, votes included.

        Raises `InvalidInput`, `NotFound`, `Forbidden`, `Stale`.
        """
        by = roles.acting(actor)

        def decide(old: Question, now: datetime) -> _Change:
            decided = questions.deleted(old, by, author(old), now)
            return None if decided is None else ([decided[0]], lambda _: decided[1])

        await self._change(partial(self._owned.reached, by, id, "question.delete"), decide, by)

    async def restore(self, actor: Principal | User, id: str) -> Question:
        """Brings a deleted question back as it was, and what it had earned its author.

        What others deleted, its author does not. Raises `InvalidInput`, `NotFound`, `Forbidden`, `InvalidTransition`
        when it is not deleted, `Stale`.
        """
        by, accepted = roles.acting(actor), [False]

        async def reading() -> Stored[Question]:
            stored = await self._owned.restorable(by, id)
            accepted[0] = await self._accepts_anothers(stored.record)
            return stored

        def decide(old: Question, now: datetime) -> _Change:
            new, said = questions.restored(old, by, author(old), accepted[0])
            return [new], lambda _: said

        return await self._change(reading, decide, by)

    # -- reading ------------------------------------------------------------------------------------------------------

    async def get(self, actor: Principal | User | None, id: str) -> Question:
        """The question of that id. That somebody else than its author looked is counted, and written by the relay.

        It may come from the cache; whether the actor sees it is decided behind that. Raises `InvalidInput`, `NotFound`.
        """
        viewer = visibility.viewer(actor)
        question = await self._cached.question(hex_id(id, "id"))
        if not await self._owned.shown(question, viewer) or question is None:
            raise NotFound("question", str(id))
        return await self._looked_at(question, viewer)

    async def by_slug(self, actor: Principal | User | None, slug: str) -> Question:
        """The question that has this slug, or had it before its title changed. As `get`."""
        viewer, name = visibility.viewer(actor), inputs.text(slug, "slug", 1, 1_000)
        sought = slugs.sought(name)
        question = None if sought is None else await self._questions.by_slug(sought)
        if not await self._owned.shown(question, viewer) or question is None:
            raise NotFound("question", name)
        return await self._looked_at(question, viewer)

    async def list(
        self,
        actor: Principal | User | None,
        *,
        area: str | None = None,
        tag: str | None = None,
        author: str | None = None,
        status: QuestionStatus | None = None,
        order: Order = "newest",
        after: str | None = None,
        limit: int = 20,
    ) -> Page[Question]:
        """The questions of all that is asked for: filed under an ``area`` (its id), with a ``tag`` in any spelling, of
        an ``author`` (the id), in a ``status``; ``newest`` or ``most_voted`` first. ``limit`` is 1 to 100.

        Raises `InvalidInput`, `InvalidCursor`, `NotFound` for an area that the actor does not see.
        """
        viewer = visibility.viewer(actor)
        which, by = questions.listed(area, tag, author, status, order)
        scope = "questions", viewer.id or "", by, *[each or "" for each in which]
        before, most = cursors.place(after, *scope), inputs.whole(limit, "limit", 1, 100)
        viewer = await self._viewers.known(viewer)
        found = await self._questions.page(which, by, self._owned.sight(viewer), before, most)
        return cursors.page(await self._shown(found, viewer, which.area), *scope)

    async def search(
        self, actor: Principal | User | None, text: str, after: str | None = None, limit: int = 20
    ) -> Page[Question]:
        """The questions in whose title or body every word of ``text`` begins a word, newest first.

        ``text`` holds 1 to 10 words in at most 200 characters, ``limit`` is 1 to 100. Raises `InvalidInput`,
        `InvalidCursor`.
        """
        viewer, words = visibility.viewer(actor), search.terms(text)
        scope = "questions.search", " ".join(words), viewer.id or ""
        before, most = cursors.place(after, *scope), inputs.whole(limit, "limit", 1, 100)
        viewer = await self._viewers.known(viewer)
        found = await self._questions.search(words, self._owned.sight(viewer), before, most)
        return cursors.page(await self._shown(found, viewer), *scope)

    # -- steps --------------------------------------------------------------------------------------------------------

    async def _decide(
        self,
        actor: Principal | User,
        id: str,
        verb: str,
        step: Callable[[Question, str, str, str | None, datetime], tuple[Question, Decided] | None],
        reason: str | None,
    ) -> Question:
        by, note = roles.acting(actor), None if reason is None else inputs.note(reason)

        def decide(old: Question, now: datetime) -> _Change:
            decided = step(old, author(old), by.uid, note, now)
            return None if decided is None else ([decided[0]], lambda _: decided[1])

        return await self._change(partial(self._owned.reached, by, id, verb), decide, by)

    async def _change(
        self,
        reading: Callable[[], Awaitable[Stored[Question]]],
        decide: Callable[[Question, datetime], _Change],
        by: Principal,
    ) -> Question:
        stored, _ = await self.contents.change(reading, lambda stored, now: decide(stored.record, now), by.uid)
        return await self._as_seen(stored.record, visibility.viewer(by))

    async def _accepts_anothers(self, question: Question) -> bool:
        """Whether its accepted answer is somebody else's; one's own earns the asker nothing."""
        if question.accepted_answer_id is None or self._answers is None:
            return False
        answer = await self._answers.by_id(question.accepted_answer_id)
        return answer is not None and answer.record.created_by != question.created_by

    async def _looked_at(self, question: Question, viewer: Viewer) -> Question:
        if viewer.id != question.created_by:
            self.views.add(question.id)
        return await self._as_seen(question, viewer)

    async def _as_seen(self, question: Question, viewer: Viewer) -> Question:
        seen = await self._filing.seen(question.areas, viewer)
        return questions.shown(question, seen, own=viewer.id == question.created_by)

    async def _shown(self, found: Slice[Question], viewer: Viewer, area: str | None = None) -> Slice[Question]:
        """A page as ``viewer`` may see it. Raises `NotFound` for an ``area`` that they do not see."""
        named = {each for question in found.items for each in question.areas} | ({area} if area else set())
        seen = await self._filing.seen(sorted(named), viewer)
        if area is not None and area not in seen:
            raise NotFound("area", area)
        items = [questions.shown(each, seen, own=viewer.id == each.created_by) for each in found.items]
        return found._replace(items=tuple(items))

    # -- what follows -------------------------------------------------------------------------------------------------

    async def _after(self, stored: Stored[Question]) -> None:
        """Counts the content of the areas anew that the question came into, left, or stands in; then answers."""
        affected: set[str] = set()
        for each in stored.left:
            affected |= questions.recounted(stored.record, each.event.event_type, each.event.payload)
        await self._filing.recount(affected)
        if self.answered is not None:
            await self.answered(stored)
        types = {each.event.event_type for each in stored.left}
        if self.voted is not None and not types.isdisjoint(("question.deleted", "question.restored")):
            await self.voted("question", stored.record.id)
        if self._forgetting is not None:  # the event comes later, and what is hidden now must not show until then
            with suppress(BackendError):
                await self._forgetting.invalidate("question", stored.record.id)


class _AsyncStoredQuestions:
    """Questions where they are kept for good."""

    def __init__(self, store: AsyncQuestionRepository) -> None:
        self._store = store

    async def question(self, question_id: str) -> Question | None:
        stored = await self._store.by_id(question_id)
        return None if stored is None else stored.record
