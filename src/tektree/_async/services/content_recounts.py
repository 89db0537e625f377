"""Recounts of content: whether what is counted, and what follows from elsewhere, is what it should be.

Kind by kind and page by page, whatever there is. What is mended is counted anew as it is behind any change, so recounts
and changes at the same time come to one end: the last to count has counted everything.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from tektree._async.ports.documents import AsyncDocuments
from tektree._async.services.caches import AsyncCaches
from tektree._flavour import async_backoff, async_call
from tektree.errors import CorruptDocument, InvalidInput, NotFound, Unavailable
from tektree.models.recounts import Miscount, Recount
from tektree.rules import inputs, recounts

__all__ = ["AsyncContentRecounts", "AsyncProof", "Told"]

Told = Callable[[str, int], object]
"""Told of which kind how many are done."""

Expected = Mapping[str, Mapping[str, object]]
"""By id, what fields should be."""

_PAGE: Final = 200
_LOOKS: Final = 4
_FIRST: Final = 100


@dataclass(frozen=True, slots=True)
class AsyncProof:
    """What some fields of one kind should be, of many things at once, and how those of one thing are mended."""

    kind: str
    store: AsyncDocuments[Any]
    expected: Callable[[Sequence[Any]], Awaitable[Expected]]
    mend: Callable[[str], Awaitable[None]]


@dataclass(slots=True)
class _Outcome:
    """What a recount has come to so far. It keeps the first few."""

    records: dict[str, int] = field(default_factory=dict)
    divergent: int = 0
    mended: int = 0
    damaged: int = 0
    first: list[Miscount] = field(default_factory=list)

    def add(self, found: Sequence[Miscount]) -> None:
        self.divergent += len(found)
        self.mended += sum([each.mended for each in found])
        self.first += found[: _FIRST - len(self.first)]

    def recount(self) -> Recount:
        return Recount(
            records=self.records,
            divergent=self.divergent,
            mended=self.mended,
            damaged=self.damaged,
            first=tuple(self.first),
        )


class AsyncContentRecounts:
    """Holds what is stored against proofs, and mends it."""

    def __init__(
        self,
        proofs: Sequence[AsyncProof],
        caches: AsyncCaches | None = None,
        pause: Callable[[int], Awaitable[None]] = async_backoff,
    ) -> None:
        self._caches = caches
        self._pause = pause
        self._proofs: dict[str, list[AsyncProof]] = {}
        for each in proofs:
            self._proofs.setdefault(each.kind, []).append(each)

    async def recount(self, mend: bool = False, progress: Told | None = None) -> Recount:
        """Looks at all that there is, and with ``mend`` sets right what is wrong. Raises `InvalidInput`."""
        inputs.flag(mend, "mend")
        if progress is not None and not callable(progress):
            raise InvalidInput("progress", "must be a callable that takes a kind and a number, or None")
        outcome = _Outcome()
        for kind, proofs in self._proofs.items():
            outcome.records[kind] = 0
            after: str | None = None
            while True:
                page = await proofs[0].store.every(after, _PAGE)
                outcome.damaged += len(page.damaged)
                for proof in proofs:
                    outcome.add(await self._looked_at(proof, [each.record for each in page.items], mend))
                outcome.records[kind] += len(page.items)
                if progress is not None:
                    await async_call(progress, kind, outcome.records[kind])
                if page.last is None:
                    break
                after = page.last[1]
        return outcome.recount()

    async def _looked_at(self, proof: AsyncProof, records: Sequence[Any], mend: bool) -> list[Miscount]:
        expected, found = await _expected(proof, records), list[Miscount]()
        for record in records:
            suspect = recounts.compared(proof.kind, record, expected.get(record.id, {}))
            sure = await self._still(proof, record.id, suspect)
            if sure and mend:
                await self._mend(proof, record.id)
                left = {each.field for each in await self._still(proof, record.id, sure)}
                sure = tuple([each.evolve(mended=each.field not in left) for each in sure])
            found += sure
        return found

    async def _mend(self, proof: AsyncProof, id: str) -> None:
        with suppress(NotFound):  # whoever it is about is gone: somebody has to look
            await proof.mend(id)
        if self._caches is not None and proof.kind == "question":
            with suppress(Unavailable):  # then it is cached as it was, for a while
                await self._caches.invalidate("question", id)

    async def _still(self, proof: AsyncProof, id: str, suspect: Sequence[Miscount]) -> Sequence[Miscount]:
        """What of it is so when it is looked at again, and was so the moment before."""
        for look in range(_LOOKS):
            if not suspect:
                break
            if look:
                await self._pause(look)
            stored = await proof.store.by_id(id)
            if stored is None:
                return ()
            expected = await _expected(proof, [stored.record])
            now = recounts.compared(proof.kind, stored.record, expected.get(id, {}))
            same = recounts.still(suspect, now)
            if len(same) == len(now):
                return same
            suspect = now
        return ()


async def _expected(proof: AsyncProof, records: Sequence[Any]) -> Expected:
    """One by one where something that they are proven by cannot be read: of what hangs on it, nothing is known."""
    try:
        return await proof.expected(records)
    except CorruptDocument:
        found: dict[str, Mapping[str, object]] = {}
        for record in records:
            with suppress(CorruptDocument):
                found |= await proof.expected([record])
        return found
