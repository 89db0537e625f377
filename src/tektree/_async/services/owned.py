"""Things that somebody owns: read by who sees them, changed by who may."""

from typing import Generic, TypeVar, cast

from tektree._async.ports.documents import AsyncDocuments
from tektree._async.services.permissions import AsyncPermissions
from tektree._async.services.viewers import AsyncViewers
from tektree.clock import Clock, read
from tektree.errors import Forbidden, NotFound
from tektree.ids import hex_id
from tektree.models.accounts import Principal
from tektree.models.areas import Area
from tektree.models.content import Stored
from tektree.models.insights import Insight
from tektree.models.questions import Question
from tektree.models.visibility import Sight, matter_of
from tektree.rules import visibility
from tektree.rules.visibility import Viewer

__all__ = ["AsyncOwned", "author"]

K = TypeVar("K", bound="Area | Question | Insight")


class AsyncOwned(Generic[K]):
    """The things of one kind. What somebody may not see is `NotFound`, after the same calls as what is not there."""

    def __init__(
        self,
        kind: str,
        store: AsyncDocuments[K],
        permissions: AsyncPermissions,
        clock: Clock,
        viewers: AsyncViewers,
    ) -> None:
        self._kind = kind
        self._viewers = viewers
        self._store = store
        self._permissions = permissions
        self._clock = clock

    def sight(self, viewer: Viewer) -> Sight:
        """All that ``viewer``, whose connections are known, sees now."""
        return visibility.sight(viewer, read(self._clock))

    def sees(self, viewer: Viewer, record: K) -> bool:
        """Whether ``viewer`` sees it now."""
        return visibility.sees(viewer, matter_of(record, read(self._clock)))

    async def shown(self, record: K | None, viewer: Viewer) -> bool:
        """Whether ``viewer`` sees it. What they do not see takes the same calls as what is not there."""
        if record is not None and self.sees(viewer, record):
            return True
        known = await self._viewers.known(viewer)
        return record is not None and self.sees(known, record)

    async def seen(self, id: object, viewer: Viewer, field: str = "id") -> Stored[K]:
        """A thing that ``viewer`` sees. Raises `InvalidInput`, which names the ``field``, and `NotFound`."""
        stored = await self._store.by_id(hex_id(id, field))
        if not await self.shown(None if stored is None else stored.record, viewer) or stored is None:
            raise NotFound(self._kind, str(id))
        return stored

    async def reached(self, by: Principal, id: object, verb: str) -> Stored[K]:
        """A thing that ``by`` sees and may do ``verb`` to. Raises `InvalidInput`, `NotFound`, `Forbidden`."""
        stored = await self.seen(id, visibility.viewer(by))
        await self.demand(by, verb, stored.record)
        return await self.authored(stored)

    async def demand(self, by: Principal, verb: str, record: K) -> None:
        """Raises `Forbidden` unless ``by`` may do ``verb`` to a thing that they see."""
        co_author = isinstance(record, Insight) and by.id in record.co_authors
        await self._permissions.demand(by, verb, record.created_by, co_author=co_author)

    async def restorable(self, by: Principal, id: object) -> Stored[K]:
        """A thing that ``by`` may restore. Of a deleted one, nobody else hears that it is there: who may not, takes
        the same calls as for what is not there.
        """
        stored = await self._store.by_id(hex_id(id, "id"))
        record = None if stored is None else stored.record
        refused: Forbidden | None = None
        try:
            owner = str(id) if record is None else record.created_by
            await self._permissions.demand(by, f"{self._kind}.restore", owner)
        except Forbidden as error:
            refused = error
        if stored is None or stored.record.deleted_at is None or refused is not None:
            if not await self.shown(record, visibility.viewer(by)) or stored is None:
                raise NotFound(self._kind, str(id))
            if refused is not None:
                raise refused
        return await self.authored(stored)

    async def authored(self, stored: Stored[K]) -> Stored[K]:
        """With the uid of its author, which what was there before us lacks. Raises `NotFound` where there is none."""
        if stored.record.author is not None:
            return stored
        uid = await self._permissions.uid_of(stored.record.created_by)
        if uid is None:
            raise NotFound("user", stored.record.created_by)
        record: K = cast("K", stored.record.evolve(author=uid))
        return stored._replace(record=record)


def author(record: Area | Question | Insight) -> str:
    """The uid of whom its events tell."""
    assert record.author is not None, "whatever is changed was read with its author"
    return record.author
