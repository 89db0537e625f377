"""Areas: the tree of subjects, and who follows which of them.

``parent_id`` is the one truth about the tree. Paths and breadcrumbs follow it: behind whatever changes them, the area
and all below it are placed anew, each from what stands above it now, until nothing differs.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple, Unpack

from tektree._async.ports.areas import AsyncAreaRepository, AsyncFollowRepository
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.services.contents import AsyncContents
from tektree._async.services.counts import recounted
from tektree._async.services.handlers import AsyncHandlers
from tektree._async.services.owned import AsyncOwned, author
from tektree._async.services.permissions import AsyncPermissions
from tektree._async.services.quotas import AsyncQuotas
from tektree._async.services.viewers import AsyncViewers
from tektree._flavour import async_backoff
from tektree.clock import Clock, read
from tektree.errors import BackendError, Conflict, InvalidTransition, NotFound, Stale, Unavailable
from tektree.ids import Ids, derived_id, fresh_id, hex_id
from tektree.models.accounts import Principal, User
from tektree.models.areas import Area, AreaDraft, AreaFields, Follow
from tektree.models.base import INT53
from tektree.models.content import Stored
from tektree.models.pages import Page
from tektree.models.payloads import AreaFollowed, Payload
from tektree.policy import Policy
from tektree.rules import areas, content, cursors, inputs, roles, search, slugs, visibility
from tektree.rules.visibility import Viewer

__all__ = ["AsyncAreas"]

_LOG: Final = logging.getLogger("tektree")
_ATTEMPTS: Final = 30
_PLACED: Final = frozenset({"title", "visibility"})
"""What of an area shows in the breadcrumbs below it."""


class _Hung(NamedTuple):
    """An area that hangs somewhere: under what, what it hung under before, and whether it was moved."""

    area: Area
    chain: Sequence[Area]
    before: str | None
    moved: bool


class AsyncAreas:
    """Areas that questions and insights are filed under.

    Calls take who acts (for reads None: who is not logged in) and an area's ``id``. What somebody may not see is
    `NotFound`, as if it were not there. ``parent_id``, ``path`` and ``breadcrumbs`` of what is given back name only
    areas that they see. Safe from many threads or tasks, and from many processes on the same storage.
    """

    def __init__(
        self,
        backends: AsyncBackends,
        store: AsyncAreaRepository,
        follows: AsyncFollowRepository,
        quotas: AsyncQuotas,
        handlers: AsyncHandlers,
        policy: Policy,
        clock: Clock,
        ids: Ids,
        pause: Callable[[int], Awaitable[None]] = async_backoff,
    ) -> None:
        self._areas = store
        self._follows = follows
        self._quotas = quotas
        self._permissions = AsyncPermissions(backends.accounts)
        self._viewers = AsyncViewers(backends.connections)
        self._owned: AsyncOwned[Area] = AsyncOwned("area", store, self._permissions, clock, self._viewers)
        self._deepest = policy.content.area_depth
        self._clock = clock
        self._ids = ids
        self._pause = pause
        log = backends.events
        self.contents: AsyncContents[Area] = AsyncContents(
            "area", store, log, handlers, policy, clock, self._after, pause
        )
        self.follows: AsyncContents[Follow] = AsyncContents(
            "follow", follows, log, handlers, policy, clock, self._count_followers, pause
        )

    # -- making and changing ------------------------------------------------------------------------------------------

    async def create(self, actor: Principal | User, draft: AreaDraft) -> Area:
        """Makes an area, at the top or below one that the actor sees. It uses one unit of the quota ``areas``.

        Its slug is made of its title. What stands above it is looked at again behind the write: where that was moved
        too deep, deleted or hidden meanwhile, the area is deleted at once, and the unit is given back. Raises
        `InvalidInput`, `NotFound` for the parent, `InvalidTransition` when it would stand too deep, `QuotaExhausted`,
        `OutcomeUnknown` where it could not be deleted.
        """
        by, wanted = roles.acting(actor), content.drafted(draft, AreaDraft)
        await self._permissions.demand(by, "area.create", by.id)
        chain = [each.record for each in await self._chain_to(wanted.parent_id, visibility.viewer(by))]
        area, tried = areas.created(wanted, fresh_id(self._ids), by, chain, read(self._clock), self._deepest)
        records = [content.renamed(area, slug) for slug in tried]
        async with self._quotas.reserve(by, "areas"):
            stored = await self.contents.insert(records, partial(areas.announced, uid=by.uid), by.uid)
            if wanted.parent_id is not None:
                await self._look_again(by, stored.record, wanted.parent_id)
        return await self._as_seen((await self.contents.follow(stored)).record, chain, visibility.viewer(by))

    async def _look_again(self, by: Principal, area: Area, parent_id: str) -> None:
        """Deletes a new area that cannot hang there by now. Raises `InvalidTransition`, `NotFound`."""
        try:
            chain = await self._chain_to(parent_id, visibility.viewer(by))
            areas.fitting(len(chain), 0, self._deepest)
        except (InvalidTransition, NotFound):
            await self._take_back(by, area.id)
            raise
        except BackendError as error:  # the area is there: it stays
            _LOG.warning("what stands above a new area was not looked at again: %s", error.code)

    async def _take_back(self, by: Principal, area_id: str) -> None:
        def decide(stored: Stored[Area], now: datetime) -> tuple[Sequence[Area], Callable[[Area], Payload]] | None:
            decided = areas.deleted(stored.record, by.id, by.uid, now)
            return None if decided is None else ([decided[0]], lambda _: decided[1])

        await self.contents.take_back(area_id, decide, by.uid)

    async def edit(
        self, /, actor: Principal | User, id: str, *, revision: int | None = None, **given: Unpack[AreaFields]
    ) -> Area:
        """Sets what is given of ``title``, ``details``, ``tags`` and ``visibility``.

        ``revision`` is that of the area which the edit is based on: `Stale` when it was changed since. Without it, it
        is `Stale` only where another edits the same fields at the same time. Another title gives another slug; the one
        before still leads to the area. Raises `InvalidInput`, `NotFound`, `Forbidden`.
        """
        by, changes = roles.acting(actor), areas.fields(given)
        if revision is not None:
            inputs.whole(revision, "revision", 0, INT53)
        found: list[Area] = []

        def decide(old: Area, now: datetime) -> tuple[Sequence[Area], Callable[[Area], Payload]] | None:
            found.append(old)
            content.based_on(found[0], old, "area", changes, revision)
            decided = areas.edited(old, changes, now)
            if decided is None:
                return None
            new, tried = decided
            uid = author(old)
            records = [content.renamed(new, slug) for slug in tried] or [new]
            return records, lambda record: areas.updated(old, record, uid)

        return await self._change(partial(self._owned.reached, by, id, "area.edit"), decide, by)

    async def move(self, actor: Principal | User, id: str, parent_id: str | None) -> Area:
        """Hangs an area below another one, or at the top (None), with all that stands below it.

        Of moves that together would make a circle, at least one fails. What is found to stand too deep behind the move,
        because something came below it or moved above it meanwhile, is moved back. Raises `InvalidInput`, `NotFound`,
        `Forbidden`, `InvalidTransition` for a parent below the area itself and for what would stand too deep, `Stale`
        when the tree keeps changing.
        """
        by, viewer = roles.acting(actor), visibility.viewer(actor)
        hung = await self._hang(by, id, parent_id)
        if hung.moved:
            try:
                await self._fits(hung.area)
            except InvalidTransition:
                with suppress(Conflict, NotFound):
                    await self._hang(by, id, hung.before, only_from=parent_id)
                raise
        return await self._as_seen(hung.area, hung.chain, viewer)

    async def _hang(self, by: Principal, id: str, parent_id: str | None, *, only_from: str | None = None) -> "_Hung":
        """Hangs an area elsewhere; with ``only_from``, if it still hangs there."""
        viewer = visibility.viewer(by)
        for attempt in range(_ATTEMPTS):
            if attempt:
                await self._pause(attempt)
            stored = await self._owned.reached(by, id, "area.move")
            above = await self._chain_to(parent_id, viewer)
            chain = [each.record for each in above]
            uid, below = author(stored.record), await self._height(stored.record.id)
            decided = areas.moved(stored.record, chain, below, uid, read(self._clock), self._deepest)
            if decided is None or only_from not in (None, stored.record.parent_id):
                return _Hung(stored.record, chain, stored.record.parent_id, moved=False)
            new, said = decided
            try:
                for each in above:  # all that was read is still so: else two moves might make a circle
                    await self._areas.swap(each, each.record)
                written = await self.contents.swap(stored, [new], lambda _, said=said: said, by.uid)  # type: ignore[misc]
            except Stale:
                continue
            area = (await self.contents.follow(written)).record
            return _Hung(area, chain, stored.record.parent_id, moved=True)
        raise Stale("area", id)

    async def _fits(self, area: Area) -> None:
        """Raises `InvalidTransition` where an area stands too deep by now, or something below it."""
        stored = await self._areas.by_id(area.id)
        above = await self._above(area if stored is None else stored.record)
        areas.fitting(len(above), await self._height(area.id), self._deepest)

    async def delete(self, actor: Principal | User, id: str) -> None:
        """Takes an area away, if no other stands below it; `restore` brings it back. What it earned is taken back.

        One that is made below it at the same moment stays, and is shown without it.
        Raises `InvalidInput`, `NotFound`, `Forbidden`, `InvalidTransition`, `Stale`.
        """
        by = roles.acting(actor)
        reading = partial(self._owned.reached, by, id, "area.delete")
        await reading()
        below = await self._areas.by_ids(await self._areas.below([id]))
        if any(each.record.deleted_at is None for each in below):
            raise InvalidTransition("area", "has areas below it; move or delete these first")

        def decide(old: Area, now: datetime) -> tuple[Sequence[Area], Callable[[Area], Payload]] | None:
            decided = areas.deleted(old, by.id, author(old), now)
            return None if decided is None else ([decided[0]], lambda _: decided[1])

        await self._change(reading, decide, by)

    async def restore(self, actor: Principal | User, id: str) -> Area:
        """Brings a deleted area back as it was, and what it had earned. What others deleted, its author does not.

        Raises `InvalidInput`, `NotFound`, `Forbidden`, `InvalidTransition` when it is not deleted, `Stale`.
        """
        by = roles.acting(actor)

        def decide(old: Area, now: datetime) -> tuple[Sequence[Area], Callable[[Area], Payload]]:
            new, said = areas.restored(old, by.id, author(old))
            return [new], lambda _: said

        return await self._change(partial(self._owned.restorable, by, id), decide, by)

    # -- following ----------------------------------------------------------------------------------------------------

    async def follow(self, actor: Principal | User, id: str) -> None:
        """Lets the actor hear of an area. Again: nothing happens.

        Raises `InvalidInput`, `NotFound`, `Forbidden`, `Stale`.
        """
        by = roles.acting(actor)
        area = (await self._owned.seen(id, visibility.viewer(by))).record
        await self._permissions.present(by, "area.follow")
        follow_id = derived_id("follow", area.id, by.id)
        if await self._follows.by_id(follow_id) is None:
            now, said = read(self._clock), AreaFollowed(user_id=by.uid, area_id=area.id)
            follow = Follow(id=follow_id, area_id=area.id, user_id=by.id, uid=by.uid, active=True, at=now)
            stored = await self.follows.insert([follow], lambda _: said, by.uid)
            if (await self.follows.follow(stored)).record.active:
                return
        await self._turn(follow_id, by, active=True)

    async def unfollow(self, actor: Principal | User, id: str) -> None:
        """Lets the actor hear of it no more, seen or not. Again: nothing happens.

        Raises `InvalidInput`, `Forbidden`, `Stale`.
        """
        by = roles.acting(actor)
        follow_id = derived_id("follow", hex_id(id, "id"), by.id)
        await self._permissions.present(by, "area.follow")
        if await self._follows.by_id(follow_id) is not None:
            await self._turn(follow_id, by, active=False)

    async def _turn(self, follow_id: str, by: Principal, *, active: bool) -> None:
        def decide(
            stored: Stored[Follow], now: datetime
        ) -> tuple[Sequence[Follow], Callable[[Follow], Payload]] | None:
            decided = areas.followed(stored.record, active=active, now=now)
            return None if decided is None else ([decided[0]], lambda _: decided[1])

        await self.follows.change(partial(self.follows.stored, follow_id), decide, by.uid)

    # -- reading ------------------------------------------------------------------------------------------------------

    async def get(self, actor: Principal | User | None, id: str) -> Area:
        """The area of that id. Raises `InvalidInput`, `NotFound`."""
        viewer = visibility.viewer(actor)
        area = (await self._owned.seen(id, viewer)).record
        return await self._as_seen(area, await self._above(area), viewer)

    async def by_slug(self, actor: Principal | User | None, slug: str) -> Area:
        """The area that has this slug, or had it before its title changed. Raises `InvalidInput`, `NotFound`."""
        viewer, name = visibility.viewer(actor), inputs.text(slug, "slug", 1, 1_000)
        sought = slugs.sought(name)
        area = None if sought is None else await self._areas.by_slug(sought)
        if not await self._owned.shown(area, viewer) or area is None:
            raise NotFound("area", name)
        return await self._as_seen(area, await self._above(area), viewer)

    async def children(
        self, actor: Principal | User | None, id: str | None = None, after: str | None = None, limit: int = 20
    ) -> Page[Area]:
        """The areas directly below one, or at the top (None), newest first. ``limit`` is 1 to 100.

        Raises `InvalidInput`, `InvalidCursor`, `NotFound`.
        """
        viewer = visibility.viewer(actor)
        parent_id = None if id is None else hex_id(id, "id")
        scope = "areas.children", parent_id or "", viewer.id or ""
        before, most = cursors.place(after, *scope), inputs.whole(limit, "limit", 1, 100)
        chain: Sequence[Area] = ()
        if parent_id is not None:
            parent = (await self._owned.seen(parent_id, viewer)).record
            chain = [*await self._above(parent), parent]
        viewer = await self._viewers.known(viewer)
        found = await self._areas.children(parent_id, self._owned.sight(viewer), before, most)
        items = tuple([await self._as_seen(each, chain, viewer) for each in found.items])
        return cursors.page(found._replace(items=items), *scope)

    async def search(
        self, actor: Principal | User | None, text: str, after: str | None = None, limit: int = 20
    ) -> Page[Area]:
        """The areas in whose title or details every word of ``text`` begins a word, newest first.

        ``text`` holds 1 to 10 words in at most 200 characters, ``limit`` is 1 to 100. Raises `InvalidInput`,
        `InvalidCursor`.
        """
        viewer, words = visibility.viewer(actor), search.terms(text)
        scope = "areas.search", " ".join(words), viewer.id or ""
        before, most = cursors.place(after, *scope), inputs.whole(limit, "limit", 1, 100)
        viewer = await self._viewers.known(viewer)
        found = await self._areas.search(words, self._owned.sight(viewer), before, most)
        known = await self._known(found.items)
        items = tuple([await self._as_seen(each, areas.above(each, known), viewer) for each in found.items])
        return cursors.page(found._replace(items=items), *scope)

    # -- steps --------------------------------------------------------------------------------------------------------

    async def _as_seen(self, area: Area, chain: Sequence[Area], viewer: Viewer) -> Area:
        viewer = await self._viewers.before(chain, viewer, read(self._clock))
        return areas.shown(area, chain, partial(self._owned.sees, viewer), own=viewer.id == area.created_by)

    async def _change(
        self,
        reading: Callable[[], Awaitable[Stored[Area]]],
        decide: Callable[[Area, datetime], tuple[Sequence[Area], Callable[[Area], Payload]] | None],
        by: Principal,
    ) -> Area:
        stored, _ = await self.contents.change(reading, lambda stored, now: decide(stored.record, now), by.uid)
        return await self._as_seen(stored.record, await self._above(stored.record), visibility.viewer(by))

    # -- the tree -----------------------------------------------------------------------------------------------------

    async def _above(self, area: Area) -> Sequence[Area]:
        return areas.above(area, await self._known([area]))

    async def _known(self, every: Sequence[Area]) -> Mapping[str, Area | None]:
        return {id: None if each is None else each.record for id, each in (await self._read(every)).items()}

    async def _read(self, every: Sequence[Area]) -> dict[str, Stored[Area] | None]:
        """All that stands above these areas, in one command where their paths are right; else in more."""
        known: dict[str, Stored[Area] | None] = {}
        wanted = {id for area in every for id in (*area.path, area.parent_id) if id is not None}
        while wanted:
            found = {each.record.id: each for each in await self._areas.by_ids(sorted(wanted))}
            known |= {id: found.get(id) for id in wanted}
            plain = {id: None if each is None else each.record for id, each in known.items()}
            wanted = {id for area in every if (id := areas.lacking(area, plain)) is not None}
        return known

    async def _chain_to(self, parent_id: str | None, viewer: Viewer) -> Sequence[Stored[Area]]:
        """The areas from the top down to a parent that ``viewer`` sees. Raises `NotFound`."""
        if parent_id is None:
            return ()
        stored = await self._owned.seen(parent_id, viewer, "parent_id")
        known = await self._read([stored.record])
        plain = {id: None if each is None else each.record for id, each in known.items()}
        above = [known[each.id] for each in areas.above(stored.record, plain)]
        return [*[each for each in above if each is not None], stored]

    async def _height(self, area_id: str) -> int:
        """How many levels stand below an area; more than there may be are not counted, and in a circle none twice."""
        seen, level, height = {area_id}, [area_id], 0
        while height <= self._deepest:
            level = [id for id in await self._areas.below(level) if id not in seen]
            if not level:
                break
            seen.update(level)
            height += 1
        return height

    # -- what follows -------------------------------------------------------------------------------------------------

    async def _after(self, stored: Stored[Area]) -> None:
        """Places an area anew, and, where that can have changed, all below it."""
        below = any(_shows_below(each.event.event_type, each.event.payload) for each in stored.left)
        if not below and stored.record.parent_id is None:
            return
        waiting, done = [stored.record.id], set[str]()
        while waiting:
            id = waiting.pop()
            done.add(id)
            await self.place(id)
            if below:
                waiting += [child for child in await self._areas.below([id]) if child not in done]

    async def placed(self, every: Sequence[Area]) -> Sequence[Area]:
        """These areas as what stands above them now places them, in one command where their paths are right."""
        known = await self._known(every)
        return [areas.place(each, areas.above(each, known)) for each in every]

    async def place(self, area_id: str) -> None:
        """Places an area by what stands above it now, until nothing differs: who changes that places it after it."""
        for attempt in range(_ATTEMPTS):
            if attempt:
                await self._pause(attempt)
            stored = await self._areas.by_id(area_id)
            if stored is None:
                return
            placed = areas.place(stored.record, await self._above(stored.record))
            if placed is stored.record:
                return
            try:
                await self._areas.swap(stored, placed)
            except Stale:
                continue
        raise Unavailable("areas", "change all the time")

    async def _count_followers(self, stored: Stored[Follow]) -> None:
        area_id = stored.record.area_id

        async def count() -> dict[str, int]:
            return {"follower_count": await self._follows.followers(area_id)}

        await recounted(self._areas, area_id, count, self._pause)


def _shows_below(event_type: str, payload: Mapping[str, Any]) -> bool:
    """Whether an event of an area shows in the breadcrumbs of those below it."""
    if event_type == "area.updated":
        return not _PLACED.isdisjoint(payload["changed"])
    return event_type != "area.created"
