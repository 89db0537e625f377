"""Who looks: with whom they are connected is read where it decides what they see, and not before."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from tektree._async.ports.connections import AsyncConnectionRepository
from tektree.models.visibility import matter_of
from tektree.rules import visibility
from tektree.rules.visibility import Viewer

__all__ = ["AsyncViewers"]

_MOST: Final = 10_000
"""As many connections as a policy may allow. If somebody has more, the earliest are not seen."""


class AsyncViewers:
    """Viewers and their connections. Where storages have none, nobody is connected."""

    def __init__(self, store: AsyncConnectionRepository | None) -> None:
        self._connections = store

    async def of(self, actor: object) -> Viewer:
        """Who looks at a list, which has the viewer's connections in its query. Raises `InvalidInput`."""
        return await self.known(visibility.viewer(actor))

    async def known(self, viewer: Viewer) -> Viewer:
        """The viewer with all that decides what they see: one command, where that is not known yet."""
        if viewer.connected is not None:
            return viewer
        if self._connections is None or viewer.id is None:
            return viewer._replace(connected=frozenset())
        return viewer._replace(connected=frozenset(await self._connections.connected(viewer.id, _MOST)))

    async def before(self, records: Iterable[Any], viewer: Viewer, now: datetime) -> Viewer:
        """The viewer with all that decides what they see of these records."""
        matters = [matter_of(record, now) for record in records]
        return await self.known(viewer) if visibility.undecided(viewer, matters) else viewer
