"""Sessions in memory keep every promise of their port, in both flavours; a store that breaks one is found."""

import asyncio
from dataclasses import replace
from datetime import datetime

import pytest

from tektree._async.backends.memory.bundles import memory_backends as async_memory_backends
from tektree._sync.backends.memory.bundles import memory_backends
from tektree.backends.memory import AsyncMemorySessions, MemorySessions
from tektree.models.sessions import Kept, Marks, Rotated, Session
from tektree.ports import AsyncBackends, Backends
from tektree.testing import checks, run, run_async
from tests.lanes import enter

CHECKS = checks("sessions")


def memory(store: type[MemorySessions] = MemorySessions) -> Backends:
    return replace(memory_backends(), sessions=store())


def async_memory() -> AsyncBackends:
    return replace(async_memory_backends(), sessions=AsyncMemorySessions())


@pytest.mark.parametrize("check", CHECKS)
def test_memory_keeps(check: str) -> None:
    enter("memory")
    run(check, memory)


@pytest.mark.parametrize("check", CHECKS)
def test_async_memory_keeps(check: str) -> None:
    enter("memory")
    asyncio.run(run_async(check, async_memory))


class ForAnyUser(MemorySessions):
    def read(self, uid: str, session_id: str, now: datetime) -> Kept | None:
        found = [user.open[session_id] for user in self._users.values() if session_id in user.open]
        return Kept(found[0], self.marks(uid)) if found else None


class NoLimit(MemorySessions):
    def open(
        self, session_id: str, session: Session, epoch: int, most: int, now: datetime, instead_of: str | None = None
    ) -> bool:
        return super().open(session_id, session, epoch, 10**6, now, instead_of)


class AnyEpoch(MemorySessions):
    def open(
        self, session_id: str, session: Session, epoch: int, most: int, now: datetime, instead_of: str | None = None
    ) -> bool:
        return super().open(session_id, session, self.marks(session.user_id).epoch, most, now, instead_of)


class KeepsThePredecessor(MemorySessions):
    def open(
        self, session_id: str, session: Session, epoch: int, most: int, now: datetime, instead_of: str | None = None
    ) -> bool:
        return super().open(session_id, session, epoch, most, now)


class UpdatesAnything(MemorySessions):
    def update(self, session_id: str, session: Session, now: datetime) -> None:
        self._users[session.user_id].open[session_id] = session


class UpdatesNothing(MemorySessions):
    def update(self, session_id: str, session: Session, now: datetime) -> None:
        pass


class EndsNothing(MemorySessions):
    def end(self, uid: str, session_id: str) -> bool:
        return uid in self._users and session_id in self._users[uid].open


class EndsTheLastToo(MemorySessions):
    def end_all(self, uid: str, but: str | None = None) -> int:
        return super().end_all(uid)


class EndsWithoutAMark(MemorySessions):
    def end_all(self, uid: str, but: str | None = None) -> int:
        before = self.marks(uid).epoch
        ended = super().end_all(uid, but)
        self._users[uid].epoch = before
        return ended


class ForgetsChanges(MemorySessions):
    def changed(self, uid: str) -> None:
        pass


class OldMarks(MemorySessions):
    def read(self, uid: str, session_id: str, now: datetime) -> Kept | Rotated | None:
        found = super().read(uid, session_id, now)
        return Kept(found.session, Marks()) if isinstance(found, Kept) else found


class NeverExpires(MemorySessions):
    def all(self, uid: str, now: datetime) -> list[tuple[str, Session]]:
        return list(self._users[uid].open.items()) if uid in self._users else []


class ForgetsPlaces(MemorySessions):
    def read(self, uid: str, session_id: str, now: datetime) -> Kept | Rotated | None:
        found = super().read(uid, session_id, now)
        return None if isinstance(found, Rotated) else found


class EndsItAlone(MemorySessions):
    def end(self, uid: str, session_id: str) -> bool:
        return uid in self._users and self._users[uid].open.pop(session_id, None) is not None


class EndsEveryPlace(MemorySessions):
    def end(self, uid: str, session_id: str) -> bool:
        known = uid in self._users and session_id in self._users[uid].rotated
        return self.end_all(uid) > 0 if known else super().end(uid, session_id)


class RefusesARepetition(MemorySessions):
    def open(
        self, session_id: str, session: Session, epoch: int, most: int, now: datetime, instead_of: str | None = None
    ) -> bool:
        user = self._users.get(session.user_id)
        there = user is not None and session_id in user.open
        return not there and super().open(session_id, session, epoch, most, now, instead_of)


class TakesAnyForARepetition(MemorySessions):
    def open(
        self, session_id: str, session: Session, epoch: int, most: int, now: datetime, instead_of: str | None = None
    ) -> bool:
        user = self._users.get(session.user_id)
        there = user is not None and session_id in user.open and instead_of is not None
        return there or super().open(session_id, session, epoch, most, now, instead_of)


class RemembersAll(MemorySessions):
    def open(
        self, session_id: str, session: Session, epoch: int, most: int, now: datetime, instead_of: str | None = None
    ) -> bool:
        user = self._users.get(session.user_id)
        before = {} if user is None else dict(user.rotated)
        found = super().open(session_id, session, epoch, most, now, instead_of)
        self._users[session.user_id].rotated = {**before, **self._users[session.user_id].rotated}
        self._users[session.user_id].places |= dict.fromkeys(before, 0)
        return found


BROKEN = [ForAnyUser, NoLimit, AnyEpoch, KeepsThePredecessor, UpdatesAnything, UpdatesNothing, EndsNothing]
BROKEN += [EndsTheLastToo, EndsWithoutAMark, ForgetsChanges, OldMarks, NeverExpires]
BROKEN += [ForgetsPlaces, EndsItAlone, EndsEveryPlace, RemembersAll, RefusesARepetition, TakesAnyForARepetition]


@pytest.mark.parametrize("kind", BROKEN)
def test_a_store_that_breaks_a_promise_is_found(kind: type[MemorySessions]) -> None:
    enter("memory")
    broken = []
    for check in CHECKS:
        try:
            run(check, lambda: memory(kind))
        except AssertionError as error:
            broken.append(str(error))
    assert broken
    assert all(len(each) > 10 for each in broken), "a check that fails says what is wrong"
