"""Under which areas content is filed: those that its author sees; and how much is filed under one."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Final, Protocol

from tektree._async.ports.areas import AsyncAreaRepository
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.services.counts import recounted
from tektree._async.services.viewers import AsyncViewers
from tektree._flavour import async_backoff
from tektree.clock import Clock, read
from tektree.errors import CorruptDocument, NotFound
from tektree.models.areas import Area
from tektree.models.visibility import matter_of
from tektree.rules import visibility
from tektree.rules.visibility import Viewer

__all__ = ["AsyncFiling"]


class AsyncFiled(Protocol):
    """A storage of what is filed under areas."""

    async def in_area(self, area_id: str) -> int:
        """How much that everybody may see is filed under this area."""
        ...


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
        self._viewers = AsyncViewers(backends.connections)
        filed: list[AsyncFiled | None] = [backends.questions, backends.insights]
        self._filed: Final[Sequence[AsyncFiled]] = [each for each in filed if each is not None]
        self._clock = clock
        self._pause = pause

    async def demand(self, areas: Sequence[str], viewer: Viewer) -> None:
        """Raises `NotFound` for one of these areas that ``viewer`` does not see, after the same calls as for one that
        is not there.
        """
        if not areas:
            return
        now, found = read(self._clock), await self._read(areas)
        seen = _seen(found, viewer, now)
        if not seen.issuperset(areas):
            seen = _seen(found, await self._viewers.known(viewer), now)
        for area in areas:
            if area not in seen:
                raise NotFound("area", area)

    async def seen(self, ids: Sequence[str], viewer: Viewer) -> Collection[str]:
        """Those of these areas that ``viewer`` sees, in one command; in more where one of them cannot be read, or
        where it hangs on connections that were not read yet.
        """
        if not ids:
            return ()
        now, found = read(self._clock), await self._read(ids)
        viewer = await self._viewers.before(found, viewer, now)
        return _seen(found, viewer, now)

    async def _read(self, ids: Sequence[str]) -> Sequence[Area]:
        with suppress(CorruptDocument):
            return [each.record for each in await self._areas.by_ids(ids)]
        found: list[Area] = []
        for id in ids:
            with suppress(CorruptDocument):
                stored = await self._areas.by_id(id)
                found += [] if stored is None else [stored.record]
        return found

    async def recount(self, areas: Collection[str]) -> None:
        """Counts the content of these areas anew."""
        for area_id in sorted(areas):
            await recounted(self._areas, area_id, partial(self._content, area_id), self._pause)

    async def _content(self, area_id: str) -> dict[str, int]:
        return {"content_count": sum([await each.in_area(area_id) for each in self._filed])}


def _seen(found: Sequence[Area], viewer: Viewer, now: datetime) -> frozenset[str]:
    return frozenset([each.id for each in found if visibility.sees(viewer, matter_of(each, now))])
