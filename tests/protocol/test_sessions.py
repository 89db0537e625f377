"""A revoked session never resolves again, whatever interleaves with the revocation, and whatever befalls it."""

import itertools
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tektree import Policy, Principal
from tektree._async.backends.memory.bundles import memory_backends
from tektree._async.services.sessions import AsyncSessions
from tektree.backends.memory import AsyncMemorySessions
from tektree.errors import InvalidSession
from tektree.ids import derived_id
from tektree.models.sessions import Account, Kept, OpenedSession, Rotated, Session
from tektree.ports import AsyncBackends
from tektree.testing import ManualClock
from tektree.testing.explorer import EVERY_STRIKE, End, digest, explore, stepping
from tests.lanes import enter

ADA = Principal(derived_id("ada"), "usr_ada", "pro", "user")
TOKEN = "usr_ada." + "a" * 43

Command = Callable[[AsyncSessions], Coroutine[Any, Any, object]]


class Accounts:
    async def account(self, uid: str) -> Account | None:
        return Account(ADA.id, uid, "team", "admin")

    async def uid(self, user_id: str) -> str | None:
        return "usr_ada"


def services(store: Any, secret: str = "a") -> AsyncSessions:
    names = itertools.count()
    policy = Policy(sessions={"idle": 3600})  # so that reading writes as well
    return AsyncSessions(
        store, policy, ManualClock(), Accounts().uid, Accounts(), secret=lambda: f"{secret}{next(names):042d}"
    )


class World:
    """A session that is open, whose user's role has changed since, and workers who use and end it."""

    def __init__(self, kind: type[AsyncMemorySessions], *commands: Command) -> None:
        self.store = kind()
        clock = ManualClock()
        first = AsyncSessions(self.store, Policy(), clock, Accounts().uid, Accounts(), secret=lambda: "a" * 43)
        done(first.open(ADA))
        done(first.changed("usr_ada"))
        bundle: AsyncBackends = replace(memory_backends(), sessions=self.store)
        self.workers: Sequence[Coroutine[Any, Any, object]] = [
            run(command, services(stepping(bundle).sessions, "bcdef"[at])) for at, command in enumerate(commands)
        ]

    def state(self) -> object:
        return digest(self.store._users)

    def judge(self, ends: Sequence[End]) -> Iterator[str]:
        successors = [end.value.token for end in ends[1:] if isinstance(end.value, OpenedSession)]
        alive = [each for each in successors if resolves(self.store, each)]
        if len(alive) > 1:
            yield "two successors are open"
        ended = ends[0]
        if ended.struck or ended.error:
            return  # then nobody was told that it is over
        if resolves(self.store, TOKEN):
            yield "the token that was revoked resolves"
        if alive or done(self.store.all("usr_ada", ManualClock().now)):  # also one whose token nobody was told
            yield "a successor of the session that was revoked is open"


def done(coroutine: Coroutine[Any, Any, Any]) -> Any:
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


def resolves(store: AsyncMemorySessions, token: str) -> bool:
    try:
        done(services(store).resolve(token))
    except InvalidSession:
        return False
    return True


async def run(command: Command, sessions: AsyncSessions) -> object:
    return await command(sessions)


def revoke(sessions: AsyncSessions) -> Coroutine[Any, Any, object]:
    return sessions.revoke(TOKEN)


def revoke_all(sessions: AsyncSessions) -> Coroutine[Any, Any, object]:
    return sessions.revoke_all("usr_ada")


def resolve(sessions: AsyncSessions) -> Coroutine[Any, Any, object]:
    return sessions.resolve(TOKEN)


def rotate(sessions: AsyncSessions) -> Coroutine[Any, Any, object]:
    return sessions.rotate(TOKEN)


@pytest.mark.parametrize("ending", [revoke, revoke_all])
@pytest.mark.parametrize("others", [(resolve, resolve), (resolve, rotate), (rotate, rotate)])
def test_a_revoked_session_never_resolves_again(ending: Command, others: tuple[Command, ...]) -> None:
    enter("memory")
    found = explore(lambda: World(AsyncMemorySessions, ending, *others), EVERY_STRIKE, 1)
    assert not found.violations, found.story()
    assert found.schedules > 20, found.told()


class WritesItBack(AsyncMemorySessions):
    """The control: what was read is written, whether it is still there or not."""

    async def update(self, session_id: str, session: Session, now: datetime) -> None:
        self._users[session.user_id].open[session_id] = session


class EndsItAlone(AsyncMemorySessions):
    """The control: a session is ended that is there; who has its place by now stays."""

    async def end(self, uid: str, session_id: str) -> bool:
        return self._users[uid].open.pop(session_id, None) is not None


class KeepsThePredecessor(AsyncMemorySessions):
    """The control: whether the one before is there is not looked at in the same step."""

    async def open(
        self, session_id: str, session: Session, epoch: int, most: int, now: datetime, instead_of: str | None = None
    ) -> bool:
        return await super().open(session_id, session, epoch, most, now)


@pytest.mark.parametrize(
    ("kind", "commands", "said"),
    [
        (WritesItBack, (revoke, resolve), "token that was revoked resolves"),
        (EndsItAlone, (revoke, rotate), "a successor of the session"),
        (KeepsThePredecessor, (resolve, rotate, rotate), "two successors"),
    ],
)
def test_a_store_that_breaks_a_promise_is_found(
    kind: type[AsyncMemorySessions], commands: tuple[Command, ...], said: str
) -> None:
    enter("memory")
    found = explore(lambda: World(kind, *commands), (), 1)
    assert any(said in each for each, _ in found.violations), found.told()


# -- a token that comes late ------------------------------------------------------------------------------------------

NEXT = "usr_ada." + "n" * 43


class Late(World):
    """As that, but the token was rotated away a minute ago, so who uses it now is late: the first worker."""

    def __init__(self, kind: type[AsyncMemorySessions], *commands: Command) -> None:
        super().__init__(kind, *commands)
        clock = ManualClock()
        clock.advance(-timedelta(minutes=1))
        before = AsyncSessions(self.store, Policy(), clock, Accounts().uid, Accounts(), secret=lambda: "n" * 43)
        done(before.rotate(TOKEN))

    def judge(self, ends: Sequence[End]) -> Iterator[str]:
        if not isinstance(ends[0].error, InvalidSession):
            if ends[0].value is not None:
                yield "the late token resolves"
            return
        opened = [NEXT, *[end.value.token for end in ends[1:] if isinstance(end.value, OpenedSession)]]
        if [each for each in opened if resolves(self.store, each)]:
            yield "a session of the family is open"


def following(command: str) -> Command:
    return lambda sessions: getattr(sessions, command)(NEXT)


@pytest.mark.parametrize("others", [("resolve", "rotate"), ("rotate", "rotate")])
def test_a_token_that_comes_late_leaves_nothing_of_its_family(others: tuple[str, ...]) -> None:
    """C4, whoever rotates meanwhile."""
    enter("memory")
    found = explore(lambda: Late(AsyncMemorySessions, resolve, *map(following, others)), EVERY_STRIKE, 1)
    assert not found.violations, found.story()
    assert found.schedules > 20, found.told()


class EndsTheOneItSaw(AsyncMemorySessions):
    """The control: whoever has the place is looked up first, and ended then."""

    async def read(self, uid: str, session_id: str, now: datetime) -> Kept | Rotated | None:
        found = await super().read(uid, session_id, now)
        if isinstance(found, Rotated):
            user = self._users[uid]
            self.seen = [id for id in user.open if user.places[id] == user.places[session_id]]
        return found

    async def end(self, uid: str, session_id: str) -> bool:
        for id in self.seen:
            self._users[uid].open.pop(id, None)
        return bool(self.seen)


def test_a_family_that_lives_on_is_found() -> None:
    enter("memory")
    found = explore(lambda: Late(EndsTheOneItSaw, resolve, following("rotate")), (), 1)
    assert any("family is open" in said for said, _ in found.violations)
