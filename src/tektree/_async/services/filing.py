"""Under which areas content is filed: those that its author sees; and how much is filed under one."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from operator import is_
from typing import Final, Protocol

from tektree._async.ports.accounts import AsyncAccountRepository
from tektree._async.ports.areas import AsyncAreaRepository
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.ports.filings import AsyncFilings
from tektree._async.ports.questions import AsyncQuestionRepository
from tektree._async.services.counts import recounted
from tektree._async.services.viewers import AsyncViewers
from tektree._flavour import async_backoff
from tektree.clock import Clock, read
from tektree.errors import CorruptDocument, InvalidInput, NotFound
from tektree.models.accounts import Actor, Principal
from tektree.models.areas import Area
from tektree.models.premises import Premises
from tektree.models.visibility import matter_of
from tektree.rules import roles, visibility
from tektree.rules.roles import Owner
from tektree.rules.visibility import Viewer

__all__ = ["AsyncFiling", "AsyncOneByOne"]


class AsyncFiled(Protocol):
    """A storage of what is filed under areas."""

    async def in_area(self, area_id: str) -> int:
        """How much that everybody may see is filed under this area."""
        ...


class AsyncOneByOne:
    """Looks at accounts, areas and questions where the storages cannot do so together."""

    def __init__(
        self, accounts: AsyncAccountRepository, areas: AsyncAreaRepository, questions: AsyncQuestionRepository | None
    ) -> None:
        self.sources = accounts, areas, questions

    async def premises(self, user_id: str, areas: Sequence[str], files: Sequence[str], *, account: bool) -> Premises:
        users, tree, questions = self.sources
        stored = await users.by_id(user_id) if account else None
        found = await _readable(tree, areas) if areas else ()
        taken = await questions.of_others(user_id, files) if files and questions is not None else ()
        return Premises(None if stored is None else stored.user, found, taken)


class AsyncFiling:
    """Looks at the areas that content names."""

    def __init__(
        self,
        backends: AsyncBackends,
        areas: AsyncAreaRepository,
        clock: Clock,
        pause: Callable[[int], Awaitable[None]] = async_backoff,
    ) -> None:
        self._areas = areas
        self._filings = _filings_of(backends, areas)
        self._viewers = AsyncViewers(backends.connections)
        filed: list[AsyncFiled | None] = [backends.questions, backends.insights]
        self._filed: Final[Sequence[AsyncFiled]] = [each for each in filed if each is not None]
        self._clock = clock
        self._pause = pause

    async def demand(self, by: Principal, verb: str, areas: Sequence[str], files: Sequence[str] = ()) -> None:
        """Raises what `attachable` raises, and `Forbidden` unless ``by`` may do this to what is their own.

        As `AsyncPermissions.demand` for one's own, but all that is stored about it is looked at together.
        """
        roles.demand(by, verb, Owner(by.id, by.role))
        found = await self._known(by, areas, files, account=not isinstance(by, Actor))
        roles.present(by, verb, found.user)
        await self._check(found, by, areas)

    async def attachable(self, by: Principal, areas: Sequence[str], files: Sequence[str] = ()) -> None:
        """Raises `NotFound` for an area that ``by`` does not see, after the same calls as for one that is not there;
        `InvalidInput` for a file that is somebody else's.
        """
        await self._check(await self._known(by, areas, files, account=False), by, areas)

    async def _known(self, by: Principal, areas: Sequence[str], files: Sequence[str], *, account: bool) -> Premises:
        if not (account or areas or files):
            return Premises(None)
        return await self._filings.premises(by.id, areas, files, account=account)

    async def _check(self, found: Premises, by: Principal, areas: Sequence[str]) -> None:
        viewer, now = visibility.viewer(by), read(self._clock)
        seen = _seen(found.areas, viewer, now)
        if not seen.issuperset(areas):
            seen = _seen(found.areas, await self._viewers.known(viewer), now)
        for area in areas:
            if area not in seen:
                raise NotFound("area", area)
        if found.taken:
            raise InvalidInput("files", "must be your own; one of them is somebody else's")

    async def seen(self, ids: Sequence[str], viewer: Viewer) -> Collection[str]:
        """Those of these areas that ``viewer`` sees, in one command; in more where one of them cannot be read, or
        where it hangs on connections that were not read yet.
        """
        if not ids:
            return ()
        now, found = read(self._clock), await _readable(self._areas, ids)
        viewer = await self._viewers.before(found, viewer, now)
        return _seen(found, viewer, now)

    async def recount(self, areas: Collection[str]) -> None:
        """Counts the content of these areas anew."""
        for area_id in sorted(areas):
            await recounted(self._areas, area_id, partial(self._content, area_id), self._pause)

    async def _content(self, area_id: str) -> dict[str, int]:
        return {"content_count": sum([await each.in_area(area_id) for each in self._filed])}


def _filings_of(backends: AsyncBackends, areas: AsyncAreaRepository) -> AsyncFilings:
    """What looks at these storages, and at no others that it was made for."""
    stores = backends.accounts, areas, backends.questions
    together = backends.filings
    if together is not None and all(map(is_, together.sources, stores)):
        return together
    return AsyncOneByOne(*stores)


def _seen(found: Sequence[Area], viewer: Viewer, now: datetime) -> frozenset[str]:
    return frozenset([each.id for each in found if visibility.sees(viewer, matter_of(each, now))])


async def _readable(store: AsyncAreaRepository, ids: Sequence[str]) -> Sequence[Area]:
    with suppress(CorruptDocument):
        return [each.record for each in await store.by_ids(ids)]
    found: list[Area] = []
    for id in ids:
        with suppress(CorruptDocument):
            stored = await store.by_id(id)
            found += [] if stored is None else [stored.record]
    return found
