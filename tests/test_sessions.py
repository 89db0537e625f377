"""`tek.sessions`: what hosts call, in memory and on Redis, in both flavours."""

import asyncio
import contextlib
import hashlib
import inspect
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import fakeredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree import AsyncTekTree, Policy, Principal, TekTree
from tektree._async.services.sessions import AsyncSessions
from tektree._sync.backends.memory.bundles import memory_backends
from tektree._sync.services.sessions import Sessions, enrolled
from tektree.backends.memory import AsyncMemorySessions, MemorySessions
from tektree.backends.redis import with_redis
from tektree.errors import Forbidden, InvalidCredentials, InvalidInput, InvalidSession, NotFound, Unavailable
from tektree.ids import derived_id
from tektree.models.sessions import Account
from tektree.rules import sessions as rules
from tektree.testing import Fault, Faulty, ManualClock
from tektree.wire.keys import session as session_key
from tests.lanes import FAKE, enter
from tests.records import REDIS as MODEL

ADA = Principal(derived_id("ada"), "usr_ada", "pro", "user")
BEN = Principal(derived_id("ben"), "usr_ben")
DAY = timedelta(days=1)


class Accounts:
    """Who users are now, as a dictionary."""

    def __init__(self) -> None:
        self.known = {each.uid: Account(each.id, each.uid, each.tier, each.role) for each in (ADA, BEN)}
        self.reads = 0

    def change(self, uid: str, **changes: Any) -> None:
        self.known[uid] = self.known[uid]._replace(**changes)

    def account(self, uid: str) -> Account | None:
        self.reads += 1
        return self.known.get(uid)

    def uid(self, user_id: str) -> str | None:
        return next((each.uid for each in self.known.values() if each.id == user_id), None)


class AsyncAccounts:
    def __init__(self, inner: Accounts) -> None:
        self.inner = inner

    async def account(self, uid: str) -> Account | None:
        return self.inner.account(uid)

    async def uid(self, user_id: str) -> str | None:
        return self.inner.uid(user_id)


class World:
    """Sessions in one place and flavour, whose calls wait for their result."""

    def __init__(self, place: str, policy: Policy | None = None) -> None:
        enter("memory" if "memory" in place else FAKE)
        self.clock, self.accounts = ManualClock(), Accounts()
        self.server = fakeredis.FakeServer()
        self.look = fakeredis.FakeRedis(server=self.server, decode_responses=True)
        self.store: Any
        policy = policy or Policy()
        if place == "async memory":
            self.store, accounts = AsyncMemorySessions(), AsyncAccounts(self.accounts)
            self._made: Any = AsyncSessions(self.store, policy, self.clock, accounts.uid, accounts)
            return
        if place == "memory":
            self.store = MemorySessions()
        else:
            self.store = with_redis(memory_backends(), fakeredis.FakeRedis(server=self.server)).sessions
        self._made = Sessions(self.store, policy, self.clock, self.accounts.uid, self.accounts)

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._made, name)

        def made(*args: Any, **options: Any) -> Any:
            found = call(*args, **options)

            async def awaited() -> Any:
                return await found

            return asyncio.run(awaited()) if inspect.isawaitable(found) else found

        return made

    def dead(self, token: Any) -> bool:
        try:
            self.resolve(token)
        except InvalidSession:
            return True
        return False


@pytest.fixture(params=["memory", "async memory", "redis"])
def world(request: pytest.FixtureRequest) -> Iterator[Any]:
    made = World(request.param)
    yield made
    made.look.close()


def worlds(policy: Policy) -> Iterator[Any]:
    for place in ("memory", "async memory", "redis"):
        yield World(place, policy)


def test_a_token_speaks_for_its_user(world: Any) -> None:
    opened = world.open(ADA)
    actor = world.resolve(opened.token)
    assert (actor.id, actor.uid, actor.tier, actor.role) == (ADA.id, "usr_ada", "pro", "user")
    assert actor.session_id == hashlib.sha256(opened.token.split(".")[1].encode()).hexdigest()
    assert opened.session.expires_at - opened.session.created_at == 7 * DAY
    assert opened.token not in repr(opened)


def test_tokens_are_256_random_bits(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """C1: from `secrets`, url-safe, never twice."""
    tokens = {world.open(ADA).token for _ in range(200)}
    assert len(tokens) == 200
    assert all(re.fullmatch(r"usr_ada\.[A-Za-z0-9_-]{43}", each) for each in tokens)
    asked: list[int] = []
    monkeypatch.setattr(secrets, "token_urlsafe", lambda size: asked.append(size) or "a" * 43)
    assert world.open(ADA).token == "usr_ada." + "a" * 43
    assert asked == [32]


def test_no_token_is_stored() -> None:
    """C2."""
    made: Any = World("redis")
    secret = made.open(ADA).token.split(".")[1]
    dump = [*made.look.keys(), *[str(made.look.dump(key)) for key in made.look.scan_iter()]]
    assert dump
    assert not [each for each in dump if secret in each]
    memory: Any = World("memory")
    secret = memory.open(ADA).token.split(".")[1]
    assert secret not in str(memory.store._users)


def test_what_redis_holds_is_the_data_models() -> None:
    made: Any = World("redis")
    for remember_me, ttl in ((False, "ttl_seconds"), (True, "ttl_seconds_remember_me")):
        opened = made.open(ADA, remember_me)
        key = session_key(made.resolve(opened.token).session_id)
        assert re.fullmatch(r"session:[0-9a-f]{64}", key)
        stored, sample = json.loads(made.look.get(key)), MODEL["session"]["sample"]
        assert list(stored)[: len(sample)] == list(sample)
        assert {name: type(stored[name]) for name in sample} == {name: type(value) for name, value in sample.items()}
        assert stored["expires_at"] - stored["created_at"] == MODEL["session"][ttl]
        assert MODEL["session"][ttl] - 5 <= made.look.ttl(key) <= MODEL["session"][ttl]


def test_reading_writes_nothing() -> None:
    made: Any = World("redis")
    token = made.open(ADA).token
    before = {key: made.look.dump(key) for key in made.look.scan_iter()}
    for _ in range(3):
        made.resolve(token)
    assert {key: made.look.dump(key) for key in made.look.scan_iter()} == before
    assert made.accounts.reads == 1


UNKNOWN = "usr_ada." + "a" * 43
"""In the form of a token, and nobody's."""
MALFORMED = [
    *["", "a" * 10**6, f"usr_ada.{'a' * 10**6}", "a\0b", "\ud800", "*", "../x", {}, None, 5, b"usr_ada." + b"a" * 43],
    *["usr_ada." + "a" * 42, UNKNOWN + "\n", "usr_*." + "a" * 43],
]


class Watched:
    """A store that is told of every method that anybody reaches for."""

    def __init__(self, inner: Any, reached: list[str]) -> None:
        self._inner, self._reached = inner, reached

    def __getattr__(self, name: str) -> Any:
        self._reached.append(name)
        return getattr(self._inner, name)


def seconds(call: Callable[[], Any]) -> float:
    """How long a call takes that is refused at once, at best of many: the machine may have other things to do."""
    found = []
    for _ in range(30):
        begin = time.perf_counter()
        with contextlib.suppress(InvalidSession):
            made = call()
            if inspect.iscoroutine(made):
                made.send(None)  # who is refused at once waits for nothing
        found.append(time.perf_counter() - begin)
    return min(found)


def looked_up(world: Any, token: Any) -> list[str]:
    """What a token makes the service reach for: in the store of sessions, and in that of accounts."""
    reached: list[str] = []
    service = world._made
    store, accounts = service._store, service._accounts
    service._store, service._accounts = Watched(store, reached), Watched(accounts, reached)
    try:
        for call in (world.resolve, world.rotate, world.revoke):
            with contextlib.suppress(InvalidSession):
                call(token)
    finally:
        service._store, service._accounts = store, accounts
    return reached


@pytest.mark.parametrize("wrong", MALFORMED, ids=lambda each: ascii(each)[:20])
def test_what_is_no_token_is_refused_at_once_and_nothing_is_looked_up(world: Any, wrong: Any) -> None:
    """C15: in less than a millisecond, by its length and characters alone."""
    assert looked_up(world, wrong) == []
    for call in (world._made.resolve, world._made.rotate):
        assert seconds(lambda call=call: call(wrong)) < 0.001


def test_who_is_unknown_is_looked_up_by_name(world: Any) -> None:
    """C15: what has the form of a token is the only thing that reaches the store, and no pattern is ever asked for."""
    assert looked_up(world, UNKNOWN) == ["read", "read", "end"]
    if not isinstance(world.store, MemorySessions | AsyncMemorySessions):
        sent: list[Any] = []
        nodes = world.store._redis._nodes
        exchange = nodes.exchange
        nodes.exchange = lambda commands, about: (sent.extend(commands), exchange(commands, about))[1]
        assert world.dead(UNKNOWN)
        words = {str(part).upper() for command in sent for part in command}
        assert sent
        assert not words & {"KEYS", "SCAN", "HSCAN"}


def test_a_token_that_is_looked_at_late_is_found(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The controls of C15: one that is looked up whatever it is, and one whose characters come before its length."""
    with monkeypatch.context() as careless:
        careless.setattr(rules, "ticket", lambda value: rules.Ticket("usr_ada", str(value)[:64]))
        with pytest.raises(AssertionError):
            test_what_is_no_token_is_refused_at_once_and_nothing_is_looked_up(world, "*")
    whole = rules.ticket

    def slow(value: Any) -> Any:
        return whole(value) if all(each in "._-" or each.isalnum() for each in value) else None

    monkeypatch.setattr(rules, "ticket", slow)
    assert seconds(lambda: world._made.resolve("a" * 10**5)) > 0.001


@pytest.mark.parametrize("wrong", [*MALFORMED, UNKNOWN], ids=lambda each: ascii(each)[:20])
def test_what_is_no_token_finds_no_session(world: Any, wrong: Any) -> None:
    """C3: a token that a client chose is never adopted."""
    before = world.look.keys()
    with pytest.raises(InvalidSession):
        world.resolve(wrong)
    with pytest.raises(InvalidSession):
        world.rotate(wrong)
    world.revoke(wrong)
    assert world.look.keys() == before


def test_another_users_secret_is_of_no_use(world: Any) -> None:
    secret = world.open(ADA).token.split(".")[1]
    world.open(BEN)
    assert world.dead(f"usr_ben.{secret}")
    assert not world.dead(f"usr_ada.{secret}")


def test_a_session_ends_at_its_end(world: Any) -> None:
    """C8, C12: to the instant, and for good."""
    token, remembered = world.open(ADA).token, world.open(ADA, remember_me=True).token
    ends = world.resolve(token) and world.clock.now + 7 * DAY
    world.clock.set(ends - timedelta(milliseconds=1))
    assert not world.dead(token)
    world.clock.set(ends)
    assert world.dead(token)
    world.clock.set(ends - DAY)
    assert world.dead(token)
    world.clock.set(ends + 23 * DAY - timedelta(milliseconds=1))
    assert not world.dead(remembered)
    world.clock.set(ends + 23 * DAY)
    assert world.dead(remembered)


def test_rotation_makes_nothing_longer(world: Any) -> None:
    """C8, C9."""
    opened = world.open(ADA)
    for _ in range(6):
        world.clock.advance(DAY)
        following = world.rotate(opened.token)
        assert following.token != opened.token
        assert following.session == opened.session
        assert world.dead(opened.token)
        opened = following
    assert not world.dead(opened.token)
    world.clock.advance(DAY)
    assert world.dead(opened.token)


def test_rotation_makes_no_remembered_session_longer(world: Any) -> None:
    """C9: 30 days with ``remember_me``, to the instant, under whatever token."""
    opened = world.open(ADA, remember_me=True)
    ends = world.clock.now + 30 * DAY
    for _ in range(29):
        world.clock.advance(DAY)
        opened = world.rotate(opened.token)
        assert (opened.session.expires_at, opened.session.remembered) == (ends, True)
        assert world.list(world.resolve(opened.token))[0].session.expires_at == ends
    world.clock.set(ends - timedelta(milliseconds=1))
    opened = world.rotate(opened.token)
    world.clock.set(ends)
    assert world.dead(opened.token)
    with pytest.raises(InvalidSession):
        world.rotate(opened.token)


def test_what_redis_keeps_of_a_remembered_session_ends_with_it() -> None:
    """C9: the TTL of the successor is what was left of the session, not another 30 days."""
    made: Any = World("redis")
    opened = made.open(ADA, remember_me=True)
    made.clock.advance(29 * DAY)
    key = session_key(made.resolve(made.rotate(opened.token).token).session_id)
    assert DAY.total_seconds() - 5 <= made.look.ttl(key) <= DAY.total_seconds()


def test_a_rotation_that_begins_anew_is_found(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """C9, the control: a successor with a lifetime of its own is open after the end."""

    def anew(self: Any, ticket: Any, kept: Any) -> Any:
        return kept.session.evolve(expires_at=world.clock.now + 30 * DAY)

    async def async_anew(self: Any, ticket: Any, kept: Any) -> Any:
        return anew(self, ticket, kept)

    opened = world.open(ADA, remember_me=True)
    with monkeypatch.context() as patched:
        patched.setattr(Sessions, "_current", anew)
        patched.setattr(AsyncSessions, "_current", async_anew)
        world.clock.advance(DAY)
        opened = world.rotate(opened.token)
    world.clock.advance(29 * DAY)
    assert not world.dead(opened.token)


def test_a_token_that_was_rotated_away_and_comes_late_ends_the_session(world: Any) -> None:
    """C4: within the grace it is only refused; at its end the whole family goes, and nobody else."""
    first, bystander = world.open(ADA).token, world.open(ADA).token
    second = world.rotate(first).token
    world.clock.advance(timedelta(seconds=5))
    third = world.rotate(second).token
    world.clock.advance(timedelta(seconds=5) - timedelta(milliseconds=1))
    for old in (first, second):
        assert world.dead(old)
        with pytest.raises(InvalidSession):
            world.rotate(old)
    assert not world.dead(third)
    world.clock.advance(timedelta(milliseconds=1))
    assert world.dead(second), "its own grace is not over"
    assert not world.dead(third)
    with pytest.raises(InvalidSession):
        world.rotate(first)
    assert world.dead(third)
    assert not world.dead(bystander)
    assert len(world.list(world.resolve(bystander))) == 1


def test_of_many_who_rotate_a_token_one_gets_through() -> None:
    """C4: exactly one live successor, at once and after the grace."""
    for place in ("memory", "redis"):
        world: Any = World(place)
        token = world.open(ADA).token

        def rotated(_: int, world: Any = world, token: str = token) -> str | None:
            try:
                found: str = world.rotate(token).token
            except InvalidSession:
                return None
            return found

        with ThreadPoolExecutor(16) as pool:
            alive = [each for each in pool.map(rotated, range(16)) if each is not None]
        assert len(alive) == 1
        assert not world.dead(alive[0])


def test_admission_ends_the_session_of_a_token_that_comes_late() -> None:
    enter(FAKE)
    clock = ManualClock()
    tek = TekTree(with_redis(memory_backends(), fakeredis.FakeRedis()), clock=clock)
    old = tek.sessions.open(ADA).token
    new = tek.sessions.rotate(old).token
    for alive in (True, False):
        with pytest.raises(InvalidSession):
            tek.admit(old, "/a")
        if alive:
            assert tek.admit(new, "/a").actor.uid == "usr_ada"
            clock.advance(timedelta(seconds=10))
    with pytest.raises(InvalidSession):
        tek.admit(new, "/a")
    tek.close()


def test_log_out(world: Any) -> None:
    """C5."""
    token, other = world.open(ADA).token, world.open(ADA).token
    for _ in range(2):
        world.revoke(token)
        assert world.dead(token)
    assert not world.dead(other)


def test_all_are_ended_at_once(world: Any) -> None:
    """C6: all, or all but the one that asks."""
    tokens = [world.open(ADA).token for _ in range(4)]
    bens = world.open(BEN).token
    assert world.revoke_all(ADA.id, but=world.resolve(tokens[1])) == 3
    assert [world.dead(each) for each in tokens] == [True, False, True, True]
    assert world.revoke_all("usr_ada") == 1
    assert world.dead(tokens[1])
    assert not world.dead(bens)
    assert not world.dead(world.open(ADA).token)


def test_whose_sessions_end_must_be_known(world: Any) -> None:
    with pytest.raises(NotFound):
        world.revoke_all("0" * 24)
    for wrong in ("ada", 5, None, "usr_a:b"):
        with pytest.raises(InvalidInput):
            world.revoke_all(wrong)


def test_a_change_of_role_or_tier_shows_at_once(world: Any) -> None:
    """C13: without a new log-in, and on every session."""
    tokens = [world.open(ADA).token for _ in range(2)]
    world.accounts.change("usr_ada", tier="team", role="moderator")
    world.changed(ADA.id)
    for token in tokens * 2:
        actor = world.resolve(token)
        assert (actor.tier, actor.role) == ("team", "moderator")
    assert world.accounts.reads == 4  # two log-ins, and once for each session


@pytest.mark.parametrize("change", [{"epoch": 1}, {"enabled": False}])
def test_a_new_password_and_disabling_end_what_is_open(world: Any, change: dict[str, Any]) -> None:
    """Also when only a change was told of."""
    token = world.open(ADA).token
    world.accounts.change("usr_ada", **change)
    world.changed(ADA.id)
    assert world.dead(token)
    world.accounts.change("usr_ada", epoch=0, enabled=True)
    assert world.dead(token)


def test_who_may_not_log_in_gets_no_session(world: Any) -> None:
    world.accounts.change("usr_ada", enabled=False)
    with pytest.raises(Forbidden):
        world.open(ADA)
    with pytest.raises(InvalidCredentials):
        world.open(Principal(derived_id("other"), "usr_ben"))
    del world.accounts.known["usr_ada"]
    assert world.open(ADA).session.user_id == "usr_ada"  # a user whom the host keeps
    for wrong in (None, "usr_ada", 5):
        with pytest.raises(InvalidInput):
            world.open(wrong)
    with pytest.raises(InvalidInput):
        world.open(BEN, remember_me=1)


def test_the_oldest_of_too_many_is_ended() -> None:
    """C18."""
    for world in worlds(Policy(sessions={"per_user": 3})):
        tokens = [world.open(ADA).token for _ in range(5)]
        assert [world.dead(each) for each in tokens] == [True, True, False, False, False]


def test_of_many_log_ins_at_once_no_more_are_open_than_may_be() -> None:
    """C18: 64 at once, and five stay, as at any moment between."""
    for place in ("memory", "redis"):
        world: Any = World(place, Policy(sessions={"per_user": 5}))

        def opened(_: int, world: Any = world) -> tuple[str, int]:
            token: str = world.open(ADA).token
            return token, len(world.store.all("usr_ada", world.clock.now))

        with ThreadPoolExecutor(64) as pool:
            found = list(pool.map(opened, range(64)))
        assert max([open for _, open in found]) == 5
        assert len([token for token, _ in found if not world.dead(token)]) == 5


def test_a_rotation_shows_a_change_and_ends_what_is_over(world: Any) -> None:
    """C13: as `resolve` does."""
    token = world.open(ADA).token
    world.accounts.change("usr_ada", role="moderator")
    world.changed(ADA.id)
    opened = world.rotate(token)
    assert opened.session.role == world.resolve(opened.token).role == "moderator"
    world.accounts.change("usr_ada", epoch=1)
    world.changed(ADA.id)
    with pytest.raises(InvalidSession):
        world.rotate(opened.token)
    world.accounts.change("usr_ada", epoch=0)
    assert world.dead(opened.token)


def test_a_token_that_was_rotated_away_still_logs_out(world: Any) -> None:
    """C5: at once and later, the first of several, and nobody else; another session in its place is not touched."""
    for wait in (timedelta(0), DAY):
        first, other = world.open(ADA).token, world.open(ADA).token
        second = world.rotate(first).token
        third = world.rotate(second).token
        world.clock.advance(wait)
        world.revoke(first)
        assert [world.dead(each) for each in (first, second, third, other)] == [True, True, True, False]
        world.revoke(first)
        assert not world.dead(other)


def test_own_sessions_are_listed_without_tokens(world: Any) -> None:
    """C17."""
    tokens = [world.open(ADA).token for _ in range(3)]
    world.open(BEN)
    actor = world.resolve(tokens[1])
    found = world.list(actor)
    assert [each.current for each in found] == [False, True, False]
    assert found[1].session_id == actor.session_id
    assert not [token for token in tokens if token.split(".")[1] in repr(found)]
    with pytest.raises(InvalidInput):
        world.list(ADA)


def test_sessions_may_end_by_rest() -> None:
    """C7: at t = idle they have."""
    for world in worlds(Policy(sessions={"idle": 3600})):
        token = world.open(ADA).token
        for _ in range(3):
            world.clock.advance(timedelta(seconds=3600) - timedelta(milliseconds=1))
            assert not world.dead(token)
        world.clock.advance(-DAY)  # a clock that goes back makes it no younger
        assert not world.dead(token)
        world.clock.advance(DAY + timedelta(seconds=3600))
        assert world.list(world.resolve(world.open(ADA).token))[0].current
        assert world.dead(token)
        world.clock.advance(-timedelta(seconds=1))
        assert world.dead(token)


GARBAGE = st.binary(max_size=40) | st.sampled_from(
    [b"{}", b"[]", b"null", b"NaN", b'{"user_id":["usr_ada"]}', b"[" * 5000, b'{"user_id":"usr_ada","user_id":"usr_x"}']
)


@given(GARBAGE)
def test_a_malformed_session_is_none(stored: bytes) -> None:
    """C14: fails closed."""
    made: Any = World("redis")
    token = made.open(ADA).token
    made.look.set(session_key(rules.ticket(token).session_id), stored)
    assert made.dead(token)


@pytest.mark.parametrize("expires_at", [None, "never", 2**63, -1, 0, 1.5, True])
def test_an_end_that_is_none_ends_it(expires_at: Any) -> None:
    """C10."""
    made: Any = World("redis")
    token = made.open(ADA).token
    key = session_key(rules.ticket(token).session_id)
    made.look.set(key, json.dumps(json.loads(made.look.get(key)) | {"expires_at": expires_at}))
    assert made.dead(token)


def test_a_session_whose_ttl_was_taken_off_ends_all_the_same() -> None:
    """C11: a plain SET does that."""
    made: Any = World("redis")
    token = made.open(ADA).token
    key = session_key(rules.ticket(token).session_id)
    made.look.set(key, made.look.get(key))
    assert made.look.ttl(key) == -1
    made.clock.advance(7 * DAY)
    assert made.dead(token)
    assert made.look.get(key) is None


def test_the_session_of_another_user_is_none() -> None:
    """C16: what is stored has to name the user of the token."""
    made: Any = World("redis")
    token, bens = made.open(ADA).token, made.open(BEN).token
    made.look.copy(
        session_key(rules.ticket(bens).session_id), session_key(rules.ticket(token).session_id), replace=True
    )
    assert made.dead(token)


def test_a_session_that_is_written_again_after_its_end_stays_ended() -> None:
    """C20: whatever comes back, be it an old backup."""
    made: Any = World("redis")
    token = made.open(ADA).token
    key = session_key(rules.ticket(token).session_id)
    stored = made.look.get(key)
    for end in (lambda: made.revoke(token), lambda: made.revoke_all(ADA.id), lambda: made.look.flushall()):
        end()
        made.look.set(key, stored)
        assert made.dead(token)


@pytest.mark.parametrize("call", ["open", "resolve", "rotate", "revoke", "revoke_all", "changed", "list"])
def test_nobody_is_let_in_while_the_store_is_away(call: str) -> None:
    """C19: at every command."""
    for at in range(4):
        backends = replace(memory_backends(), sessions=MemorySessions())
        token = TekTree(backends).sessions.open(ADA).token
        actor = TekTree(backends).sessions.resolve(token)
        faulty = Faulty(backends, at, Fault.REFUSED)
        tek = TekTree(faulty.backends)
        calls: dict[str, Callable[[], object]] = {
            "open": lambda tek=tek: tek.sessions.open(ADA),
            "resolve": lambda tek=tek, token=token: tek.sessions.resolve(token),
            "rotate": lambda tek=tek, token=token: tek.sessions.rotate(token),
            "revoke": lambda tek=tek, token=token: tek.sessions.revoke(token),
            "revoke_all": lambda tek=tek: tek.sessions.revoke_all("usr_ada"),
            "changed": lambda tek=tek: tek.sessions.changed("usr_ada"),
            "list": lambda tek=tek, actor=actor: tek.sessions.list(actor),
        }
        if faulty.struck is None and at >= 2:
            return
        try:
            calls[call]()
        except Unavailable:
            continue
        assert faulty.struck is None or str(faulty.struck) == "events.tell", "that is not the store of sessions"
        assert at > 0


def test_a_tek_has_sessions() -> None:
    enter("memory")
    tek = TekTree.in_memory()
    user = tek.gamification.enroll(uid="usr_ada")
    opened = tek.sessions.open(Principal(user.user_id, "usr_ada", "team"))
    assert tek.sessions.resolve(opened.token).tier == "team"
    assert tek.sessions.revoke_all(user.user_id) == 1
    with pytest.raises(InvalidSession):
        tek.sessions.resolve(opened.token)

    async def same() -> None:
        tek = AsyncTekTree.in_memory()
        opened = await tek.sessions.open(ADA)
        assert (await tek.sessions.resolve(opened.token)).uid == "usr_ada"
        with pytest.raises(NotFound):
            await tek.sessions.revoke_all(ADA.id)

    asyncio.run(same())
    assert enrolled(memory_backends().gamification)(ADA.id) is None


def test_users_without_a_session_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who were marked stay: a session of theirs may be on its way."""
    monkeypatch.setattr("tektree._sync.backends.memory.sessions._FEW", 8)
    enter("memory")
    clock, store = ManualClock(), MemorySessions()
    sessions = Sessions(store, Policy(), clock, lambda _: None)
    store._many = 8
    sessions.revoke_all("usr_marked")
    for at in range(100):
        sessions.open(Principal(derived_id(str(at)), f"usr_{at}"))
        clock.advance(DAY)
    assert len(store._users) < 30
    assert store.marks("usr_marked").epoch == 1
