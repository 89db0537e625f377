"""Users in dictionaries: one for each thing that they are sought by, all under one lock."""

import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, Literal

from tektree.errors import Stale, Taken
from tektree.models.accounts import StoredUser, User
from tektree.models.events import Event, Posted, Recipients

__all__ = ["AsyncMemoryAccounts"]

_FIELD: Final = {
    "email": "email",
    "email_canonical": "email",
    "handle": "handle",
    "handle_canonical": "handle",
    "claim": "handle",
    "uid": "uid",
    "token": "token",
}
"""What is said to be taken, for each key that one user alone may have."""

_Key = tuple[str, str]


class AsyncMemoryAccounts:
    """Users by id, and their ids by every unique key. What it holds and gives out is frozen, so nothing leaks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users: dict[str, StoredUser] = {}
        self._owners: dict[_Key, str] = {}

    async def insert(self, user: User, events: Sequence[Event], to: Sequence[Recipients] = ()) -> StoredUser:
        with self._lock:
            there = self._users.get(user.id)
            if there is not None:
                return there
            return self._put(None, StoredUser(user, 1, _left(events, to)))

    async def swap(
        self, old: StoredUser, new: User, events: Sequence[Event] = (), to: Sequence[Recipients] = ()
    ) -> StoredUser:
        with self._lock:
            stored = self._current(old)
            kept = new.evolve(last_login_at=stored.user.last_login_at)
            return self._put(stored, StoredUser(kept, stored.version + 1, (*stored.left, *_left(events, to))))

    async def replace(
        self, old: StoredUser, new: User, events: Sequence[Event], to: Sequence[Recipients] = ()
    ) -> StoredUser:
        with self._lock:
            stored = self._current(old)
            return self._put(stored, StoredUser(new, stored.version + 1, _left(events, to)))

    def _current(self, old: StoredUser) -> StoredUser:
        stored = self._users.get(old.user.id)
        if stored is None or stored.version != old.version:
            raise Stale("user", old.user.id)
        return stored

    def _put(self, old: StoredUser | None, new: StoredUser) -> StoredUser:
        keys = dict.fromkeys(_keys(new.user))
        for key in keys:
            if self._owners.get(key, new.user.id) != new.user.id:
                raise Taken(_FIELD[key[0]])
        for key in _keys(old.user) if old else ():
            self._owners.pop(key, None)
        self._owners.update(dict.fromkeys(keys, new.user.id))
        self._users[new.user.id] = new
        return new

    async def logged_in(self, user_id: str, epoch: int, at: datetime) -> bool:
        with self._lock:
            stored = self._users.get(user_id)
            if stored is None or stored.user.status != "active" or stored.user.epoch != epoch:
                return False
            self._users[user_id] = stored._replace(user=stored.user.evolve(last_login_at=at))
            return True

    async def by_id(self, user_id: str) -> StoredUser | None:
        return self._users.get(user_id)

    async def by_uid(self, uid: str) -> StoredUser | None:
        return self._owned(("uid", uid))

    async def called(self, by: Literal["email", "handle"], canonical: str | None, written: str) -> StoredUser | None:
        with self._lock:
            found = None if canonical is None else self._owned((f"{by}_canonical", canonical))
            if found is not None:
                return found
            adopted = self._owned((by, written))
            named = None if adopted is None else getattr(adopted.user, f"{by}_canonical")
            return adopted if named is None else None

    async def by_claim(self, digest: str) -> StoredUser | None:
        return self._owned(("claim", digest))

    async def by_token(self, digests: Sequence[str]) -> StoredUser | None:
        with self._lock:
            found = [self._owned(("token", digest)) for digest in digests]
            return next((each for each in found if each is not None), None)

    async def told(self, user_id: str, event_ids: Sequence[str]) -> None:
        with self._lock:
            stored = self._users.get(user_id)
            if stored is not None:
                left = [each for each in stored.left if each.event.event_id not in event_ids]
                self._users[user_id] = stored._replace(left=tuple(left))

    async def unfinished(self, limit: int) -> Sequence[str]:
        with self._lock:
            return [id for id, stored in self._users.items() if stored.left][:limit]

    def _owned(self, key: _Key) -> StoredUser | None:
        id = self._owners.get(key)
        return None if id is None else self._users.get(id)


def _left(events: Sequence[Event], to: Sequence[Recipients]) -> tuple[Posted, ...]:
    return tuple([Posted(event, to[at] if to else ()) for at, event in enumerate(events)])


def _keys(user: User) -> Iterator[_Key]:
    """All that no other user may have, addresses first."""
    yield "email", user.email
    if user.email_canonical is not None:
        yield "email_canonical", user.email_canonical
    yield "handle", user.handle
    if user.handle_canonical is not None:
        yield "handle_canonical", user.handle_canonical
    yield from [("claim", claim.digest) for claim in user.handle_claims]
    yield "uid", user.uid
    yield from [("token", token.digest) for token in user.tokens]
