"""Insights: drafted, published now or later, liked and found, by whom it may be; alone or with co-authors."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Final, Unpack

from tektree._async.ports.areas import AsyncAreaRepository
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.ports.insights import AsyncInsightRepository
from tektree._async.services.contents import AsyncContents, Said
from tektree._async.services.filing import AsyncFiling
from tektree._async.services.handlers import AsyncHandlers
from tektree._async.services.owned import AsyncOwned, author
from tektree._async.services.permissions import AsyncPermissions
from tektree._async.services.quotas import AsyncQuotas
from tektree._async.services.viewers import AsyncViewers
from tektree._async.services.views import AsyncViews
from tektree._async.services.votes import AsyncVotes
from tektree._flavour import async_backoff
from tektree.clock import Clock, read
from tektree.errors import CorruptDocument, Forbidden, NotFound, OutcomeUnknown
from tektree.ids import Ids, fresh_id, hex_id
from tektree.models.accounts import Principal, User
from tektree.models.base import INT53, milliseconds
from tektree.models.content import Stored
from tektree.models.insights import Insight, InsightDraft, InsightFields, InsightOrder, InsightStatus
from tektree.models.pages import Page, Slice
from tektree.policy import Policy
from tektree.rules import content, cursors, inputs, insights, roles, search, slugs, visibility
from tektree.rules.visibility import Viewer
from tektree.rules.votes import Value

__all__ = ["AsyncInsights"]

_LOG: Final = logging.getLogger("tektree")
_ATTEMPTS: Final = 3
_BATCH: Final = 200
_SHARING: Final = "insight.share"

_Change = tuple[Sequence[Insight], Callable[[Insight], Said]] | None


class _Unused(Exception):
    """The unit was not needed: somebody else handed the insight in meanwhile."""

    def __init__(self, stored: Stored[Insight]) -> None:
        self.stored = stored


class AsyncInsights:
    """Insights of the platform.

    Calls take who acts (for reads None: who is not logged in) and an insight's ``id``. What somebody may not see is
    `NotFound`, as if it were not there; ``areas`` of what is given back are those that they see. Safe from many threads
    or tasks, and from many processes on the same storage.
    """

    def __init__(
        self,
        backends: AsyncBackends,
        store: AsyncInsightRepository,
        areas: AsyncAreaRepository,
        votes: AsyncVotes,
        quotas: AsyncQuotas,
        handlers: AsyncHandlers,
        policy: Policy,
        clock: Clock,
        ids: Ids,
        pause: Callable[[int], Awaitable[None]] = async_backoff,
    ) -> None:
        self._insights = store
        self._filing = AsyncFiling(backends, areas, clock, pause)
        self._votes = votes
        self._quotas = quotas
        self._permissions = AsyncPermissions(backends.accounts)
        self._viewers = AsyncViewers(backends.connections)
        self._owned: AsyncOwned[Insight] = AsyncOwned("insight", store, self._permissions, clock, self._viewers)
        self._per_minute = policy.content.words_per_minute
        self._clock = clock
        self._ids = ids
        self.views = AsyncViews(store.viewed)
        self.contents: AsyncContents[Insight] = AsyncContents(
            "insight", store, backends.events, handlers, policy, clock, self._after, pause
        )

    # -- writing ------------------------------------------------------------------------------------------------------

    async def draft(self, actor: Principal | User, draft: InsightDraft) -> Insight:
        """Keeps an insight that only its author sees, until it is published.

        Areas are such as the actor sees. Raises `InvalidInput`, `NotFound` for an area.
        """
        by, wanted = roles.acting(actor), content.drafted(draft, InsightDraft)
        await self._filing.demand(by, "insight.draft", wanted.areas)
        insight, tried = insights.drafted(wanted, fresh_id(self._ids), by, read(self._clock), self._per_minute)
        records = [content.renamed(insight, slug) for slug in tried]
        stored = await self.contents.insert(records, partial(insights.announced, uid=by.uid), by.uid)
        return (await self.contents.follow(stored)).record

    async def edit(
        self, /, actor: Principal | User, id: str, *, revision: int | None = None, **given: Unpack[InsightFields]
    ) -> Insight:
        """Sets what is given of ``title``, ``body``, ``insight_type``, ``tags``, ``areas`` and ``visibility``.

        Co-authors may, too, but for ``visibility``. ``revision`` is that of the insight which the edit is based on:
        `Stale` when it was changed since. Without it, it is `Stale` only where another edits the same fields at the
        same time. Another title gives another slug; the one before still leads to the insight. Raises `InvalidInput`,
        `NotFound`, `Forbidden`.
        """
        by, changes = roles.acting(actor), insights.fields(given)
        if revision is not None:
            inputs.whole(revision, "revision", 0, INT53)
        found: list[Insight] = []

        async def reading() -> Stored[Insight]:
            stored = await self._reached(by, id, "insight.edit")
            if not insights.SHARED.isdisjoint(changes):
                await self._permissions.demand(by, _SHARING, stored.record.created_by)
            return stored

        if changes.get("areas"):
            found.append(first := (await reading()).record)
            more = [each for each in changes["areas"] if each not in first.areas]
            await self._filing.attachable(by, more)

        def decide(old: Insight, now: datetime) -> _Change:
            found.append(old)
            content.based_on(found[0], old, "insight", changes, revision)
            decided = insights.edited(old, changes, now, self._per_minute)
            if decided is None:
                return None
            new, tried = decided
            uid = author(old)
            return _named(new, tried), lambda record: insights.updated(old, record, uid, now)

        return await self._change(reading, decide, by)

    async def delete(self, actor: Principal | User, id: str) -> None:
        """Takes an insight away; `restore` brings it back. What it earned its author is taken back, likes included.

        Co-authors do not. Raises `InvalidInput`, `NotFound`, `Forbidden`, `Stale`.
        """
        by = roles.acting(actor)

        def decide(old: Insight, now: datetime) -> _Change:
            decided = insights.deleted(old, by, author(old), now)
            return None if decided is None else ([decided[0]], lambda _: decided[1])

        await self._change(partial(self._reached, by, id, "insight.delete"), decide, by)

    async def restore(self, actor: Principal | User, id: str) -> Insight:
        """Brings a deleted insight back as it was, and what it had earned. What others deleted, its author does not.

        Raises `InvalidInput`, `NotFound`, `Forbidden`, `InvalidTransition` when it is not deleted, `Stale`.
        """
        by = roles.acting(actor)

        def decide(old: Insight, now: datetime) -> _Change:
            new, tried, said = insights.restored(old, by, author(old), now)
            return _named(new, tried), lambda _: said

        return await self._change(partial(self._owned.restorable, by, id), decide, by)

    # -- publishing ---------------------------------------------------------------------------------------------------

    async def publish(self, actor: Principal | User, id: str, at: datetime | None = None) -> Insight:
        """Lets an insight be read by whom its visibility says: now, or from ``at`` on. A time that has passed is now.

        The first time, also when it is planned, uses one unit of the quota ``insights``; no other does. What is planned
        can be read at its time, whoever looks. It is told, and earns its XP, when the relay runs or somebody changes it
        behind that, dated ``at``. Again: nothing happens; another time that is still to come takes the place of one
        that is. Raises `InvalidInput`, `NotFound`, `Forbidden`, `InvalidTransition` for a later time where it is
        published, `QuotaExhausted`, `Stale`.
        """
        by, when = roles.acting(actor), None if at is None else inputs.at(at, read(self._clock))
        reading = partial(self._reached, by, id, "insight.publish")
        first = (await reading()).record
        if first.submitted_at is not None or first.published_at is not None:
            return await self._as_seen((await self._publish(reading, when, by))[0].record, visibility.viewer(by))
        try:
            async with self._quotas.reserve(by, "insights"):
                stored, handed_in = await self._publish(reading, when, by)
                if not handed_in:
                    raise _Unused(stored)
        except _Unused as unused:
            stored = unused.stored
        return await self._as_seen(stored.record, visibility.viewer(by))

    async def _publish(
        self, reading: Callable[[], Awaitable[Stored[Insight]]], at: datetime | None, by: Principal
    ) -> tuple[Stored[Insight], bool]:
        """Publishes; gives back also whether it was this that handed the insight in. A lost reply is looked up."""
        handing: list[datetime | None] = [None]
        unknown: set[datetime | None] = set()

        def decide(stored: Stored[Insight], now: datetime) -> _Change:
            old = stored.record
            decided = insights.published(old, at, author(old), now)
            if decided is None:
                return None
            new, tried, said = decided
            handing[0] = now if old.submitted_at is None else None
            return _named(new, tried), lambda _: said

        for attempt in range(_ATTEMPTS):
            try:
                stored, changed = await self.contents.change(reading, decide, by.uid)
            except OutcomeUnknown:
                if attempt + 1 == _ATTEMPTS:
                    raise
                unknown.add(handing[0])
                continue
            if changed:
                return stored, handing[0] is not None
            return stored, stored.record.submitted_at in unknown - {None}
        raise AssertionError("the last attempt has returned, or raised")

    async def unpublish(self, actor: Principal | User, id: str) -> Insight:
        """Makes it a draft again; what publishing it earned is taken back until it is published again.

        Again: nothing happens. Raises `InvalidInput`, `NotFound`, `Forbidden`, `Stale`.
        """
        return await self._decide(actor, id, "insight.unpublish", insights.unpublished)

    async def sweep(self) -> int:
        """Tells of what was published at a planned time that has passed. How often; the telling counts elsewhere."""
        while ids := await self._insights.due(milliseconds(read(self._clock)), _BATCH):
            told = 0
            for id in ids:
                try:
                    told += await self._tell_due(await self._insights.by_id(id))
                except (CorruptDocument, NotFound) as error:
                    _LOG.warning("the publication of insight %s cannot be told: %s", id, error.code)
            if len(ids) < _BATCH or not told:
                break
        return 0

    async def _tell_due(self, stored: Stored[Insight] | None) -> bool:
        """Tells, once, that an insight was published, if that was planned and its time has passed. Whether it was."""
        if stored is None or not insights.is_due(stored.record, read(self._clock)):
            return False
        id = stored.record.id

        async def reading() -> Stored[Insight]:
            return await self._owned.authored(await self.contents.stored(id))

        def decide(stored: Stored[Insight], now: datetime) -> _Change:
            if not insights.is_due(stored.record, now):
                return None
            new, tried, said = insights.told(stored.record, author(stored.record))
            return _named(new, tried), lambda _: said

        by = author((await self._owned.authored(stored)).record)
        return (await self.contents.change(reading, decide, by, _publication))[1]

    # -- co-authors ---------------------------------------------------------------------------------------------------

    async def invite(self, actor: Principal | User, id: str, user_id: str | Principal | User) -> Insight:
        """Asks a user to be a co-author; they are one when they `consent`. The author invites, nobody else.

        Again: nothing happens. Raises `InvalidInput`, `NotFound`, `Forbidden`, `InvalidTransition` where fifty are
        invited, `Stale`.
        """
        roles.acting(actor)
        hex_id(id, "id")
        invitee, known_as = insights.addressed(user_id)
        known_as = known_as or await self._permissions.uid_of(invitee)
        return await self._decide(
            actor, id, "insight.invite", lambda old, uid, now: insights.invited(old, invitee, known_as, uid, now)
        )

    async def withdraw(self, actor: Principal | User, id: str, user_id: str | Principal | User) -> Insight:
        """Takes an invitation back, or lets a co-author be one no more. The author does, nobody else.

        Again: nothing happens. Raises `InvalidInput`, `NotFound`, `Forbidden`, `Stale`.
        """
        by = roles.acting(actor).uid
        co_author, _ = insights.addressed(user_id)
        return await self._decide(
            actor, id, "insight.invite", lambda old, uid, now: insights.left(old, co_author, uid, by, now)
        )

    async def consent(self, actor: Principal | User, id: str) -> Insight:
        """Makes who was invited a co-author: they see the drafts, and may edit. A like of theirs counts no more.

        Again: nothing happens. Raises `InvalidInput`, `NotFound` where they are not invited, `Stale`.
        """
        by = roles.acting(actor)
        found = await self._share(by, id, lambda old, uid, now: insights.consented(old, by, uid, now))
        return await self._as_seen(found, visibility.viewer(by))

    async def decline(self, actor: Principal | User, id: str) -> None:
        """Says no to an invitation, or leaves as a co-author. Raises as `consent`."""
        by = roles.acting(actor)
        await self._share(by, id, lambda old, uid, now: insights.left(old, by.id, uid, by.uid, now))

    async def _share(
        self,
        by: Principal,
        id: str,
        step: Callable[[Insight, str, datetime], tuple[Insight, Said] | None],
    ) -> Insight:
        """What an invitation lets its addressee do, whether they see the insight or not."""
        hex_id(id, "id")
        await self._permissions.demand(by, "insight.consent", by.id)

        async def reading() -> Stored[Insight]:
            stored = await self._insights.by_id(hex_id(id, "id"))
            if stored is None or stored.record.deleted_at is not None or not _is_asked(stored.record, by):
                raise NotFound("insight", id)
            return await self._owned.authored(stored)

        def decide(stored: Stored[Insight], now: datetime) -> _Change:
            decided = step(stored.record, author(stored.record), now)
            return None if decided is None else ([decided[0]], lambda _: decided[1])

        return (await self.contents.change(reading, decide, by.uid))[0].record

    # -- featuring and liking -----------------------------------------------------------------------------------------

    async def feature(self, actor: Principal | User, id: str) -> Insight:
        """Shows a published insight among those that are featured. Again: nothing happens.

        Raises `InvalidInput`, `NotFound`, `Forbidden`, `InvalidTransition` before it is published, `Stale`.
        """
        by = roles.acting(actor).uid
        return await self._decide(
            actor, id, "insight.feature", lambda old, uid, now: insights.featured(old, uid, by, now)
        )

    async def unfeature(self, actor: Principal | User, id: str) -> Insight:
        """Shows it there no more. Raises as `feature`, but for `InvalidTransition`."""
        return await self._decide(actor, id, "insight.feature", insights.unfeatured)

    async def like(self, actor: Principal | User, id: str) -> None:
        """Likes an insight; one's own nobody does, nor what one is a co-author of. Again: nothing happens.

        Raises `InvalidInput`, `NotFound`, `Forbidden`, `Stale`.
        """
        await self._like(actor, id, 1)

    async def unlike(self, actor: Principal | User, id: str) -> None:
        """Takes a like back. Again: nothing happens. Raises as `like`."""
        await self._like(actor, id, 0)

    async def _like(self, actor: Principal | User, id: str, value: Value) -> None:
        by = roles.acting(actor)
        insight = (await self._owned.seen(id, visibility.viewer(by))).record
        await self._permissions.present(by, "insight.like")
        roles.demand(by, "insight.like", roles.Owner(insight.created_by, "user"))
        if by.id in insight.co_authors:
            raise Forbidden("insight.like")
        await self._votes.turn(by, "insight", insight, value)

    # -- reading ------------------------------------------------------------------------------------------------------

    async def get(self, actor: Principal | User | None, id: str) -> Insight:
        """The insight of that id. That somebody else than its authors looked is counted, and written by the relay.

        Raises `InvalidInput`, `NotFound`.
        """
        viewer = visibility.viewer(actor)
        return await self._looked_at((await self._owned.seen(id, viewer)).record, viewer)

    async def by_slug(self, actor: Principal | User | None, slug: str) -> Insight:
        """The insight that has this slug, or had it before its title changed. As `get`."""
        viewer, name = visibility.viewer(actor), inputs.text(slug, "slug", 1, 1_000)
        sought = slugs.sought(name)
        insight = None if sought is None else await self._insights.by_slug(sought)
        if not await self._owned.shown(insight, viewer) or insight is None:
            raise NotFound("insight", name)
        return await self._looked_at(insight, viewer)

    async def list(
        self,
        actor: Principal | User | None,
        *,
        area: str | None = None,
        tag: str | None = None,
        author: str | None = None,
        status: InsightStatus | None = None,
        order: InsightOrder = "newest",
        after: str | None = None,
        limit: int = 20,
    ) -> Page[Insight]:
        """The insights of all that is asked for: filed under an ``area`` (its id), with a ``tag`` in any spelling, of
        an ``author`` (the id), in a ``status``: ``draft``, ``scheduled`` or ``published``.

        ``newest`` are as they were or will be published, newest first, and behind them the actor's drafts;
        ``most_liked`` by likes, ``featured`` those that are, newest first. ``limit`` is 1 to 100. Raises
        `InvalidInput`, `InvalidCursor`, `NotFound` for an area that the actor does not see.
        """
        viewer = visibility.viewer(actor)
        which, by = insights.listed(area, tag, author, status, order)
        scope = "insights", viewer.id or "", by, *[each or "" for each in which]
        before, most = cursors.place(after, *scope), inputs.whole(limit, "limit", 1, 100)
        viewer = await self._viewers.known(viewer)
        found = await self._insights.page(which, by, self._owned.sight(viewer), before, most)
        return cursors.page(await self._shown(found, viewer, which.area), *scope)

    async def search(
        self, actor: Principal | User | None, text: str, after: str | None = None, limit: int = 20
    ) -> Page[Insight]:
        """The insights in whose title or body every word of ``text`` begins a word, in the order of ``newest``.

        ``text`` holds 1 to 10 words in at most 200 characters, ``limit`` is 1 to 100. Raises `InvalidInput`,
        `InvalidCursor`.
        """
        viewer, words = visibility.viewer(actor), search.terms(text)
        scope = "insights.search", " ".join(words), viewer.id or ""
        before, most = cursors.place(after, *scope), inputs.whole(limit, "limit", 1, 100)
        viewer = await self._viewers.known(viewer)
        found = await self._insights.search(words, self._owned.sight(viewer), before, most)
        return cursors.page(await self._shown(found, viewer), *scope)

    # -- steps --------------------------------------------------------------------------------------------------------

    async def _reached(self, by: Principal, id: object, verb: str) -> Stored[Insight]:
        """As it is reached by who may do ``verb``; where its publication was due and nobody was told, that is told."""
        stored = await self._owned.reached(by, id, verb)
        while await self._tell_due(stored):
            stored = await self._owned.reached(by, id, verb)
        return stored

    async def _decide(
        self,
        actor: Principal | User,
        id: str,
        verb: str,
        step: Callable[[Insight, str, datetime], tuple[Insight, Said] | None],
    ) -> Insight:
        by = roles.acting(actor)

        def decide(old: Insight, now: datetime) -> _Change:
            decided = step(old, author(old), now)
            return None if decided is None else ([decided[0]], lambda _: decided[1])

        return await self._change(partial(self._reached, by, id, verb), decide, by)

    async def _change(
        self,
        reading: Callable[[], Awaitable[Stored[Insight]]],
        decide: Callable[[Insight, datetime], _Change],
        by: Principal,
    ) -> Insight:
        stored, _ = await self.contents.change(reading, lambda stored, now: decide(stored.record, now), by.uid)
        return await self._as_seen(stored.record, visibility.viewer(by))

    async def _looked_at(self, insight: Insight, viewer: Viewer) -> Insight:
        if viewer.id not in (insight.created_by, *insight.co_authors):
            self.views.add(insight.id)
        return await self._as_seen(insight, viewer)

    async def _as_seen(self, insight: Insight, viewer: Viewer) -> Insight:
        seen = await self._filing.seen(insight.areas, viewer)
        return insights.shown(insight, seen, own=viewer.id == insight.created_by)

    async def _shown(self, found: Slice[Insight], viewer: Viewer, area: str | None = None) -> Slice[Insight]:
        """A page as ``viewer`` may see it. Raises `NotFound` for an ``area`` that they do not see."""
        named = {each for insight in found.items for each in insight.areas} | ({area} if area else set())
        seen = await self._filing.seen(sorted(named), viewer)
        if area is not None and area not in seen:
            raise NotFound("area", area)
        items = [insights.shown(each, seen, own=viewer.id == each.created_by) for each in found.items]
        return found._replace(items=tuple(items))

    # -- what follows -------------------------------------------------------------------------------------------------

    async def _after(self, stored: Stored[Insight]) -> None:
        """Counts the content of its areas anew; lets likes count or not, as the insight is there; a co-author's go."""
        affected: set[str] = set()
        types = {each.event.event_type for each in stored.left}
        for each in stored.left:
            affected |= insights.recounted(stored.record, each.event.event_type, each.event.payload)
        await self._filing.recount(affected)
        if not types.isdisjoint(("insight.deleted", "insight.restored")):
            await self._votes.settle("insight", stored.record.id)
        if "insight.co_author_joined" in types:
            for user_id in stored.record.co_authors:
                await self._votes.settle_of("insight", stored.record.id, user_id)


def _named(insight: Insight, tried: Sequence[str]) -> Sequence[Insight]:
    """The insight under each of these slugs; where there are none to try, under its own."""
    return [content.renamed(insight, slug) for slug in tried] or [insight]


def _publication(insight: Insight) -> datetime:
    assert insight.published_at is not None, "it was published"
    return insight.published_at


def _is_asked(insight: Insight, by: Principal) -> bool:
    return by.id in insight.co_authors or any(each.user_id == by.id for each in insight.invitations)
