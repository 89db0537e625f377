"""Two processes on the same accounts: every interleaving of their calls, with one fault at every call.

After each the relay runs, every command that was cut off is repeated, and the relay runs again. Then nothing may be
half made, nothing may have been lost that was confirmed, and nobody may have what is another's.
"""

from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

import pytest

from tektree._async.ports.bundles import AsyncBackends
from tektree._async.sdk import memory_backends
from tektree._async.services import accounts, users
from tektree._async.services.accounts import AsyncAccounts
from tektree._async.services.gamification import AsyncGamification
from tektree._async.services.handlers import AsyncHandlers
from tektree._async.services.users import AsyncUsers
from tektree.errors import BackendError, Conflict, Denied, TekTreeError
from tektree.models.accounts import PasswordHash, StoredUser, User
from tektree.rules import passwords
from tektree.rules.catalog import CATALOG
from tektree.rules.passwords import Verdict
from tektree.testing import SeededIds
from tektree.testing.explorer import EVERY_STRIKE, End, Strike, digest, explore, pause, stepping
from tests.accounts.worlds import POLICY, ROOT, names
from tests.lanes import enter
from tests.protocol import counts
from tests.protocol.worlds import NOW, _copied, done

Command = Callable[[AsyncAccounts, Any], Awaitable[object]]
Judge = Callable[["Played", Sequence[End]], Iterator[str]]

PORTS = ("gamification", "ledger", "leaderboards", "events", "deliveries", "accounts", "subscriptions")
FEW = (Strike.CRASH, Strike.LOST)


class Inline:
    """Hashing without threads, which the explorer could not step."""

    async def hashed(self, password: str) -> PasswordHash:
        return passwords.hashed(password, b"s" * 16, POLICY.passwords)

    async def verified(self, password: str, stored: PasswordHash | None, admitted: bool) -> Verdict:
        return passwords.verified(password, stored, POLICY.passwords, admitted=admitted)


def services(backends: AsyncBackends, seed: int) -> AsyncAccounts:
    ids = SeededIds(seed)
    handlers = AsyncHandlers(backends.events, backends.deliveries, CATALOG, POLICY, lambda: NOW, ids)
    game = AsyncGamification(backends, POLICY, lambda: NOW, ids, pause, handlers)
    found = AsyncAccounts(backends, game, handlers, POLICY, lambda: NOW, ids, lambda size: bytes([seed]) * size, pause)
    found._hashing = Inline()  # type: ignore[assignment]
    return found


class Meeting:
    """A beginning, the commands that meet, and what must be true of the end."""

    def __init__(self, before: Callable[[AsyncAccounts], Awaitable[Any]], *commands: Command, judge: Judge) -> None:
        self.before, self.commands, self.judge = before, commands, judge

    @cached_property
    def begun(self) -> tuple[AsyncBackends, Any]:
        """Storage after what was before, and what that gave; made in a test, where hashing is quick."""
        base = memory_backends()
        return base, done(self.before(services(base, 99)))

    def __call__(self) -> "Played":
        return Played(self)


class Played:
    """One world of a meeting."""

    def __init__(self, meeting: Meeting) -> None:
        self.meeting = meeting
        base, self.start = meeting.begun
        self.parts = _copied([getattr(base, name) for name in PORTS], {})
        self.store = AsyncBackends(*self.parts)
        self.workers: Sequence[Coroutine[Any, Any, object]] = [
            _run(command, services(stepping(self.store), seed), self.start)
            for seed, command in enumerate(meeting.commands)
        ]
        self.plain = services(self.store, 50)

    def state(self) -> object:
        return digest(self.parts)

    def judge(self, ends: Sequence[End]) -> Iterator[str]:
        for end in ends:
            if end.error is not None and not isinstance(end.error, Conflict | Denied | BackendError):
                yield f"a worker raised {end.error!r}"
        done(self.plain.followers.sweep())
        for command, end in zip(self.meeting.commands, ends, strict=True):
            if end.struck or isinstance(end.error, BackendError):
                with suppress(Conflict, Denied):
                    done(command(services(self.store, 51), self.start))
        done(self.plain.followers.sweep())
        yield from self.whole()
        yield from self.meeting.judge(self, ends)

    def users(self) -> list[User]:
        kept: dict[str, StoredUser] = self.store.accounts._users  # type: ignore[attr-defined]
        return [stored.user for stored in kept.values()]

    def whole(self) -> Iterator[str]:
        if done(self.store.accounts.unfinished(9)):
            yield "events stand on a user"
        for user in self.users():
            if done(self.store.gamification.profile(user.id)) is None:
                yield "a user has no profile"
            subscription = done(self.store.subscriptions.get(user.id))
            if subscription is None:
                yield "a user has no subscription"
            elif len(done(self.store.events.stream(f"subscription:{subscription.id}", 0, 9))) != 1:
                yield "the beginning of a subscription was not told once"
            numbers = [each.metadata["seq"] for each in self.told(user)]
            if numbers != list(range(1, len(numbers) + 1)):
                yield f"events are numbered {numbers}"
        if done(self.store.gamification.count()) != len(self.users()):
            yield "a profile is nobody's"

    def told(self, user: User) -> list[Any]:
        return list(done(self.store.events.stream(f"user:{user.uid}", 0, 99)))

    def knows(self, handle: str, password: str) -> bool:
        try:
            done(self.plain.authenticate(handle, password))
        except TekTreeError:
            return False
        return True


async def _run(command: Command, tek: AsyncAccounts, start: Any) -> object:
    return await command(tek, start)


async def nobody(tek: AsyncAccounts) -> None:
    pass


async def ada(tek: AsyncAccounts) -> User:
    return await tek.register(**names())  # type: ignore[arg-type]


async def ada_and_token(tek: AsyncAccounts) -> tuple[User, str]:
    user = await ada(tek)
    return user, await tek.request_password_reset("ada@example.com") or ""


async def admins(tek: AsyncAccounts) -> list[User]:
    made = [await tek.register(**names(name)) for name in ("ada", "ben")]  # type: ignore[arg-type]
    return [await tek.set_role(ROOT, user.id, "admin") for user in made]


def register(**more: str) -> Command:
    return lambda tek, _: tek.register(**names(**more))  # type: ignore[arg-type]


def change(new: str) -> Command:
    return lambda tek, user: tek.change_password(user, names()["password"], new)


def one_user(played: Played, ends: Sequence[End]) -> Iterator[str]:
    if len(played.users()) != 1:
        yield f"there are {len(played.users())} users"
    if sum([isinstance(end.value, User) for end in ends]) > 1:
        yield "both were told that they have the account"


def one_password(played: Played, ends: Sequence[End]) -> Iterator[str]:
    known = [each for each in ("first new one", "second new one") if played.knows("the_ada", each)]
    if len(known) != 1 or played.knows("the_ada", names()["password"]):
        yield f"{known} are known"
    (user,) = played.users()
    changes = [each for each in played.told(user) if each.event_type == "user.password_changed"]
    if len(changes) != user.epoch:
        yield f"told of {len(changes)} changes, there were {user.epoch}"
    if sum([isinstance(end.value, User) for end in ends]) > 1:
        yield "both were told that theirs is the password"


def gone(played: Played, ends: Sequence[End]) -> Iterator[str]:
    (user,) = played.users()
    if user.status != "erased":
        yield f"the user is {user.status}"
    left = repr([user, played.told(user), played.store.accounts._users])  # type: ignore[attr-defined]
    if any(each in left for each in ("ada@", "planted", "the_ada", "countess")):
        yield "something personal is left"
    if [each.event_type for each in played.told(user)].count("user.erased") != 1:
        yield "the erasure was not told once"


def one_owner(played: Played, ends: Sequence[End]) -> Iterator[str]:
    owners = [user for user in played.users() if user.handle_canonical == "countess"]
    if len(owners) != 1:
        yield f"{len(owners)} have the handle"


def an_admin(played: Played, ends: Sequence[End]) -> Iterator[str]:
    if not any(user.role == "admin" for user in played.users()):
        yield "no admin is left"


def not_let_in(played: Played, ends: Sequence[End]) -> Iterator[str]:
    (user,) = played.users()
    if not played.knows("the_ada", "first new one") or user.epoch != 1:
        yield "the new password is not the password"


MEETINGS: dict[str, Meeting] = {
    "one address twice": Meeting(nobody, register(handle="one"), register(handle="two"), judge=one_user),
    "one handle twice": Meeting(
        nobody, register(email="one@example.com"), register(email="two@example.com"), judge=one_user
    ),
    "two changes of password": Meeting(ada, change("first new one"), change("second new one"), judge=one_password),
    "one token twice": Meeting(
        ada_and_token,
        lambda tek, start: tek.reset_password(start[1], "first new one"),
        lambda tek, start: tek.reset_password(start[1], "second new one"),
        judge=one_password,
    ),
    "a log-in and a change of password": Meeting(
        ada,
        lambda tek, _: tek.authenticate("the_ada", names()["password"]),
        change("first new one"),
        judge=not_let_in,
    ),
    "a change of handle and a registration": Meeting(
        ada,
        lambda tek, user: tek.change_handle(user, "countess"),
        lambda tek, _: tek.register(**names("ben", handle="Countess")),  # type: ignore[arg-type]
        judge=one_owner,
    ),
    "two admins": Meeting(
        admins,
        lambda tek, both: tek.set_role(both[0], both[1].id, "user"),
        lambda tek, both: tek.set_role(both[1], both[0].id, "user"),
        judge=an_admin,
    ),
    "an erasure and a change of profile": Meeting(
        ada,
        lambda tek, user: tek.erase(user, user.id),
        lambda tek, user: tek.update_profile(user, bio="planted"),
        judge=gone,
    ),
    "an erasure and a change of handle": Meeting(
        ada,
        lambda tek, user: tek.erase(user, user.id),
        lambda tek, user: tek.change_handle(user, "countess"),
        judge=gone,
    ),
    "two erasures": Meeting(
        ada,
        lambda tek, user: tek.erase(user, user.id),
        lambda tek, user: tek.erase(ROOT, user.id),
        judge=gone,
    ),
}
LONG = {"an erasure and a change of profile", "an erasure and a change of handle", "two erasures"}
"""Twenty thousand states without any fault; what one fault makes of an erasure is tried out in `test_crashes`."""


@pytest.fixture(autouse=True)
def few_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever loses again and again gives up soon: every further round is like the one before."""
    monkeypatch.setattr(users, "_ATTEMPTS", 3)
    monkeypatch.setattr(accounts, "_ATTEMPTS", 3)


@pytest.mark.parametrize("name", [name for name in MEETINGS if name not in LONG])
def test_two_processes_and_a_crash(name: str) -> None:
    """B19 D12 D15 E11 E18."""
    explored(name, Strike.CRASH)


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in MEETINGS if name not in LONG])
def test_two_processes_and_any_fault(name: str) -> None:
    explored(name, *(FEW if name == "two admins" else EVERY_STRIKE))


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(LONG))
def test_two_processes_and_an_erasure(name: str) -> None:
    explored(name)


def explored(name: str, *strikes: Strike) -> None:
    enter("memory")
    found = explore(MEETINGS[name], strikes)
    counts.tell(f"{name}: {found.told()}")
    assert not found.violations, found.story()
    assert found.schedules > found.states > 20, found.told()


def test_admins_who_are_only_looked_at_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The positive control: without the write of who acts, both may be demoted."""
    reached = AsyncUsers.reached

    async def looked_at(self: Any, actor: Any, user_id: Any, verb: str, **_: Any) -> Any:
        return await reached(self, actor, user_id, verb, to_change=False)

    monkeypatch.setattr(AsyncUsers, "reached", looked_at)
    found = explore(MEETINGS["two admins"], (), 0, first_only=True)
    assert "no admin is left" in found.story()


def test_a_swap_of_any_version_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The positive control: where a swap does not look at the version, a confirmed change is lost."""
    from tektree._async.backends.memory.accounts import AsyncMemoryAccounts

    monkeypatch.setattr(AsyncMemoryAccounts, "_current", lambda self, old: self._users[old.user.id])
    assert explore(MEETINGS["two changes of password"], (), 0, first_only=True).violations
