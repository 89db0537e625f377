"""Sessions in memory."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from tektree.models.sessions import REMEMBERED, Kept, Marks, Rotated, Session

__all__ = ["AsyncMemorySessions"]

_FEW: Final = 1024
"""So many users are kept before anyone looks which of them have no session any more."""


@dataclass(slots=True)
class _User:
    """The sessions of one user, in the order of their opening."""

    epoch: int = 0
    version: int = 0
    open: dict[str, Session] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    """Of each session, also of those that were rotated away: who takes the place of another has its number."""
    rotated: dict[str, datetime] = field(default_factory=dict)
    count: int = 0

    def put(self, session_id: str, session: Session, instead_of: str | None, now: datetime) -> None:
        """Opens a session, in place of another or behind all."""
        if instead_of:
            self.places[session_id] = self.places[instead_of]
            self.rotated[instead_of] = now
            self.open = {session_id if id == instead_of else id: one for id, one in self.open.items()}
        else:
            self.count += 1
            self.places[session_id] = self.count
        self.open[session_id] = session
        self.rotated.pop(session_id, None)

    def is_done(self, session_id: str, session: Session, instead_of: str, now: datetime) -> bool:
        """Whether just this has taken the place of that one, just then."""
        taken = self.rotated.get(instead_of) == now and self.places[instead_of] == self.places[session_id]
        return taken and self.open[session_id] == session

    def forget(self) -> None:
        """Forgets whom nobody has the place of, and the oldest of too many."""
        alive = {self.places[id] for id in self.open}
        known = sorted([(at, id) for id, at in self.rotated.items() if self.places[id] in alive], reverse=True)
        self.rotated = {id: at for at, id in known[:REMEMBERED]}
        self.places = {id: place for id, place in self.places.items() if id in self.open or id in self.rotated}


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
            if user.epoch != epoch or session.expires_at <= now:
                return False
            if session_id in user.open:
                return instead_of is not None and user.is_done(session_id, session, instead_of, now)
            if instead_of and instead_of not in user.open:
                return False
            user.put(session_id, session, instead_of, now)
            for oldest in list(user.open)[: max(0, len(user.open) - most)]:
                del user.open[oldest]
            user.forget()
            return True

    async def read(self, uid: str, session_id: str, now: datetime) -> Kept | Rotated | None:
        with self._lock:
            user = self._users.get(uid)
            if user is None:
                return None
            if session_id in user.rotated:
                return Rotated(user.rotated[session_id])
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
            if user is None or not (session_id in user.open or session_id in user.rotated):
                return False
            place, before = user.places[session_id], len(user.open)
            user.open = {id: one for id, one in user.open.items() if user.places[id] != place}
            user.rotated = {id: at for id, at in user.rotated.items() if user.places[id] != place}
            return len(user.open) < before

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
        self._users = {uid: user for uid, user in self._users.items() if user.open or user.epoch or user.version}
        self._many = max(_FEW, 2 * len(self._users))


def _drop(user: _User, now: datetime) -> None:
    """Lets go of what is over."""
    for id in [id for id, session in user.open.items() if session.expires_at <= now]:
        del user.open[id]
