"""Caches: what is kept of a record, and for how long.

The law: nothing is kept that depends on who asks, and no secret. A record lasts its lifetime at the most; how much less
is drawn anew for each, so that records that were read at one time are not all read again at another.
"""

from typing import Final, TypeVar
from zlib import crc32

from tektree.models.base import Record, checked
from tektree.policy import Caches

__all__ = ["ABSENT", "lasts", "shown"]

M = TypeVar("M", bound=Record)

ABSENT: Final = 2
"""Seconds for which it is kept that there is no such record: as long as a crowd asks for it at one time."""


def lasts(record: Record | None, settings: Caches, token: str) -> int:
    """The milliseconds that an answer is kept. ``token`` is what is drawn by."""
    if record is None:
        return ABSENT * 1_000
    return settings.lifetime * 1_000 - crc32(token.encode()) % (settings.spread * 1_000 + 1)


def shown(record: M) -> M:
    """``record`` as it comes out of a cache: without what is never dumped, and without fields that are not known."""
    fields = type(record).model_fields.items()
    return checked(type(record), {name: getattr(record, name) for name, field in fields if not field.exclude})
