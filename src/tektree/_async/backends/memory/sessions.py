"""Sessions in memory."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from tektree.models.sessions import Kept, Marks, Session

__all__ = ["AsyncMemorySessions"]

_FEW: Final = 1024
"""So many users are kept before anyone looks which of them have no session any more."""


@dataclass(slots=True)
class _User:
    """The sessions of one user, in the order of their opening."""

    epoch: int = 0
    version: int = 0
    open: dict[str, Session] = field(default_factory=dict)


class AsyncMemorySessions:
    """Sessions in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users: dict[str, _User] = {}
        self._many = _FEW

    async def marks(self, uid: str) -> Marks:
        with self._lock:
            user = self._users.get(uid)
            return Marks() if user is None else Marks(user.epoch, user.version)

    async def open(
        self, session_id: str, session: Session, epoch: int, most: int, now: datetime, instead_of: str | None = None
    ) -> bool:
        with self._lock:
            user = self._users.get(session.user_id)
            if user is None:
                self._sweep(now)
                user = self._users[session.user_id] = _User()
            _drop(user, now)
            if user.epoch != epoch or session_id in user.open or session.expires_at <= now:
                return False
            if instead_of and instead_of not in user.open:
                return False
            if instead_of:  # it takes the place of the other, also in the order
                user.open = {session_id if id == instead_of else id: one for id, one in user.open.items()}
            user.open[session_id] = session
            for oldest in list(user.open)[: max(0, len(user.open) - most)]:
                del user.open[oldest]
            return True

    async def read(self, uid: str, session_id: str, now: datetime) -> Kept | None:
        with self._lock:
            user = self._users.get(uid)
            if user is None:
                return None
            session = user.open.get(session_id)
            if session is not None and session.expires_at <= now:
                del user.open[session_id]
                session = None
            return None if session is None else Kept(session, Marks(user.epoch, user.version))

    async def update(self, session_id: str, session: Session, now: datetime) -> None:
        with self._lock:
            user = self._users.get(session.user_id)
            if user is not None and session_id in user.open:
                user.open[session_id] = session

    async def end(self, uid: str, session_id: str) -> bool:
        with self._lock:
            user = self._users.get(uid)
            return user is not None and user.open.pop(session_id, None) is not None

    async def end_all(self, uid: str, but: str | None = None) -> int:
        with self._lock:
            user = self._users.setdefault(uid, _User())
            kept = {id: session for id, session in user.open.items() if id == but}
            ended = len(user.open) - len(kept)
            user.open, user.epoch = kept, user.epoch + 1
            return ended

    async def changed(self, uid: str) -> None:
        with self._lock:
            self._users.setdefault(uid, _User()).version += 1

    async def all(self, uid: str, now: datetime) -> Sequence[tuple[str, Session]]:
        with self._lock:
            user = self._users.get(uid)
            if user is None:
                return []
            _drop(user, now)
            return list(user.open.items())

    def _sweep(self, now: datetime) -> None:
        """Lets go of users who have no session any more, each time their number has doubled. Marks stay."""
        if len(self._users) < self._many:
            return
        for user in self._users.values():
            _drop(user, now)
        self._users = {uid: user for uid, user in self._users.items() if user != _User()}
        self._many = max(_FEW, 2 * len(self._users))


def _drop(user: _User, now: datetime) -> None:
    """Lets go of what is over."""
    for id in [id for id, session in user.open.items() if session.expires_at <= now]:
        del user.open[id]
