"""What is counted on a thing: always counted anew, from what is there, and never by a step."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from tektree._async.ports.documents import AsyncDocuments
from tektree._flavour import async_backoff
from tektree.errors import Unavailable

__all__ = ["recounted"]

_ATTEMPTS: Final = 30


async def recounted(
    store: AsyncDocuments[Any],
    id: str,
    count: Callable[[], Awaitable[dict[str, int]]],
    pause: Callable[[int], Awaitable[None]] = async_backoff,
) -> None:
    """Sets on a thing what ``count`` gives, unless somebody counted anew meanwhile; then it is counted again.

    Whoever changes what is counted calls this behind the change: so the last one to count has counted every change.
    Nothing happens where the thing is not there. Raises `Unavailable` where too many count at once.
    """
    for attempt in range(_ATTEMPTS):
        if attempt:
            await pause(attempt)
        tally = await store.tally(id)
        if tally is None or await store.counted(id, tally, **await count()):
            return
    raise Unavailable("counts", "are taken by too many at once")
