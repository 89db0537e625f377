"""What admission needs from storage, where one step can look at sessions, limits and quotas together."""

from datetime import datetime
from typing import Protocol

from tektree.models.admissions import Admitted, Request

__all__ = ["AsyncAdmissionStore"]


class AsyncAdmissionStore(Protocol):
    """The stores of sessions, limits and quotas, as one."""

    async def admit(self, request: Request, now: datetime) -> Admitted | None:
        """Reads the session, takes the units and counts the hit, or does nothing at all.

        None, and nothing was done, when it takes more than that: a session that is over or written under another
        version, a tier without terms, a quota that is not loaded. Raises `InvalidSession` where there is no session, or
        none that can be read to the letter; `Unavailable`: it may have been counted, once; `CorruptDocument`.
        """
        ...
