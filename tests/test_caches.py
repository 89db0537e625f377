"""`tek.caches` in memory, in both flavours: what is loaded and how often, and that nothing stale is served."""

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from tektree import AsyncTekTree, Policy, Principal, TekTree
from tektree._async.backends.memory.bundles import memory_backends as async_memory_backends
from tektree._async.services import caches as services
from tektree._async.services.caches import AsyncCaches, _Cached
from tektree._sync.backends.memory.bundles import memory_backends
from tektree._sync.services.caches import Caches
from tektree.backends.memory import AsyncMemoryCaches, MemoryCaches
from tektree.errors import InvalidInput, NotFound, OutcomeUnknown, Unavailable
from tektree.ids import derived_id
from tektree.models import Question, User
from tektree.models.accounts import PasswordHash
from tektree.models.base import Record
from tektree.models.caches import Found, Place
from tektree.models.payloads import QuestionUpdated, UserProfileUpdated
from tektree.ports import AsyncBackends, AsyncCacheStore
from tektree.rules import passwords
from tektree.testing import ManualClock, SeededIds
from tektree.testing.explorer import EVERY_STRIKE, End, Strike, digest, explore, pause, stepping
from tests.accounts.worlds import Hasher
from tests.lanes import enter
from tests.protocol import counts
from tests.protocol.worlds import _copied, done

NOW = datetime(2025, 12, 16, 14, tzinfo=UTC)
ID = derived_id("question")


def question(title: str = "How?", id: str = ID) -> Question:
    return Question(
        id=id,
        title=title,
        slug="how",
        body="",
        visibility="private",
        created_by=derived_id("ada"),
        created_at=NOW,
        updated_at=NOW,
    )


class Questions:
    """Where questions are kept for good: by id, how often each was read, and what happens while one is."""

    def __init__(self) -> None:
        self.kept: dict[str, Question] = {ID: question()}
        self.reads: list[str] = []
        self.meanwhile: Callable[[], Any] = lambda: None

    def question(self, question_id: str) -> Question | None:
        self.reads.append(question_id)
        found = self.kept.get(question_id)
        self.meanwhile()
        return found


class AsyncQuestions:
    def __init__(self, inner: Questions) -> None:
        self.inner = inner

    async def question(self, question_id: str) -> Question | None:
        self.inner.reads.append(question_id)
        found = self.inner.kept.get(question_id)
        happened = self.inner.meanwhile()
        if inspect.isawaitable(happened):
            await happened
        return found


class World:
    """A cache before questions in one flavour, whose calls wait for their result; what it waits for is heard."""

    def __init__(self, is_async: bool, store: type[MemoryCaches] | None = None, **policy: Any) -> None:
        enter("memory")
        self.is_async, self.clock, self.durable = is_async, ManualClock(), Questions()
        self.waited: list[int] = []
        self.waiting: Callable[[int], Any] = lambda turn: None
        settings, ids = Policy(caches=policy), SeededIds(1)
        if is_async:
            self.store: Any = AsyncMemoryCaches(self.clock)
            self.caches: Any = AsyncCaches(self.store, settings, self.clock, ids, self.async_wait)
            self.reader: Any = self.caches.questions(AsyncQuestions(self.durable))
        else:
            self.store = (store or MemoryCaches)(self.clock)
            self.caches = Caches(self.store, settings, self.clock, ids, self.wait)
            self.reader = self.caches.questions(self.durable)

    def wait(self, turn: int) -> None:
        self.waited.append(turn)
        self.waiting(turn)

    async def async_wait(self, turn: int) -> None:
        self.wait(turn)

    def done(self, call: Any) -> Any:
        if not inspect.isawaitable(call):
            return call
        try:
            call.send(None)  # type: ignore[attr-defined]
        except StopIteration as stop:
            return stop.value
        raise AssertionError("memory never waits")

    def get(self, id: str = ID) -> str | None:
        """The title of what is read."""
        found = self.done(self.reader.question(id))
        return None if found is None else str(found.title)

    def invalidate(self) -> Any:
        return self.caches.invalidate("question", ID)

    def change(self, title: str) -> Any:
        """Writes, and then invalidates."""
        self.durable.kept[ID] = question(title)
        return self.invalidate()


@pytest.fixture(autouse=True)
def hasher(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are hashed quickly."""
    monkeypatch.setattr(passwords, "bcrypt", Hasher())


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


def test_a_record_is_read_once_and_then_kept(world: World) -> None:
    assert [world.get() for _ in range(3)] == ["How?"] * 3
    assert world.durable.reads == [ID]
    world.done(world.change("Why?"))
    assert [world.get() for _ in range(3)] == ["Why?"] * 3
    assert world.durable.reads == [ID] * 2
    assert world.waited == []


def test_it_lasts_five_minutes_at_the_most_and_not_all_equally_long(world: World) -> None:
    """J21: jitter."""
    ids = [derived_id("q", str(at)) for at in range(200)]
    world.durable.kept = {id: question(id=id) for id in ids}
    assert all(world.get(id) for id in ids)
    kept = [over - world.clock() for _, over in world.store._texts.values()]
    assert all(timedelta(seconds=270) <= each <= timedelta(seconds=300) for each in kept)
    assert len(set(kept)) > 150
    world.clock.advance(timedelta(seconds=269))
    assert all(world.get(id) for id in ids)
    assert len(world.durable.reads) == 200
    world.clock.advance(timedelta(seconds=32))
    assert all(world.get(id) for id in ids)
    assert len(world.durable.reads) == 400


def test_that_there_is_none_is_kept_for_a_moment(world: World) -> None:
    other = derived_id("other")
    assert [world.get(other) for _ in range(3)] == [None] * 3
    assert world.durable.reads == [other]
    world.durable.kept[other] = question(id=other)
    world.clock.advance(timedelta(seconds=2))
    assert world.get(other) == "How?"


def test_a_question_that_comes_to_be_is_there_at_once(world: World) -> None:
    del world.durable.kept[ID]
    assert world.get() is None
    world.done(world.change("New?"))
    assert world.get() == "New?"


def test_what_is_read_is_nobodys_to_change(world: World) -> None:
    """J19."""
    world.get()
    found = world.done(world.reader.question(ID))
    with pytest.raises(ValidationError):
        found.title = "Mine"
    assert world.get() == "How?"


def test_a_memory_holds_so_many_and_the_oldest_goes(world: World) -> None:
    world.store._most = 10
    ids = [derived_id("q", str(at)) for at in range(12)]
    world.durable.kept = {id: question(id=id) for id in ids}
    for id in [*ids, ids[-1], ids[0]]:
        assert world.get(id)
    assert world.durable.reads == [*ids, ids[0]]


@pytest.mark.parametrize("name", ["", "x" * 513, None, 5])
def test_what_is_no_name(world: World, name: Any) -> None:
    for call in (lambda: world.done(world.caches.invalidate("area", ID)), lambda: world.get(name)):
        with pytest.raises(InvalidInput):
            call()
    assert world.durable.reads == []


class AnotherReader:
    """It has neither method: one is called otherwise, one is no method."""

    user = None

    def get(self, id: str) -> None: ...


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("reader", [None, 5, AnotherReader()])
def test_what_is_no_reader_is_refused_with_a_store_and_without(stored: bool, reader: Any) -> None:
    enter("memory")
    clock = ManualClock()
    for caches, flavour in (
        (Caches(MemoryCaches(clock) if stored else None, Policy(), clock, SeededIds(1)), ""),
        (AsyncCaches(AsyncMemoryCaches(clock) if stored else None, Policy(), clock, SeededIds(1)), "Async"),
    ):
        for kind, port in (("user", "UserReader"), ("question", "QuestionReader")):
            with pytest.raises(InvalidInput) as refused:
                getattr(caches, f"{kind}s")(reader)
            assert refused.value.reason == f"must have the method {kind!r} of the port {flavour}{port}"


@pytest.mark.parametrize("name", ["", "x" * 513, None, 5])
def test_what_is_no_name_is_none_without_a_store_either(name: Any) -> None:
    enter("memory")
    with pytest.raises(InvalidInput, match="name"):
        TekTree.in_memory().caches.invalidate("user", name)
    TekTree.in_memory().caches.invalidate("user", "usr_ada")


# -- what happens during a load ----------------------------------------------------------------------------------------


def overtaken(world: World) -> list[str | None]:
    """What is read by who loads while the record is changed, and then by the next one."""
    world.durable.meanwhile = once(lambda: world.change("Why?"))
    return [world.get(), world.get()]


def once(call: Callable[[], Any]) -> Callable[[], Any]:
    calls = [call]
    return lambda: calls.pop()() if calls else None


def test_an_invalidation_during_a_load_wins(world: World) -> None:
    """J22: not even who loaded it gets what is stale by then."""
    assert overtaken(world) == ["Why?", "Why?"]
    assert world.durable.reads == [ID] * 2


class SetsBlindly(MemoryCaches):
    def keep(self, place: Place, record: Record | None, token: str, lasts: int) -> bool:
        self._loads.pop(place, None)
        super().begin(place, token, lasts)
        return super().keep(place, record, token, lasts)


class DeletesAlone(MemoryCaches):
    def invalidate(self, place: Place) -> None:
        self._texts.pop(place, None)


@pytest.mark.parametrize("store", [SetsBlindly, DeletesAlone])
def test_a_store_that_serves_what_is_stale_is_found(store: type[MemoryCaches]) -> None:
    assert overtaken(World(False, store)) == ["How?", "How?"]


def test_who_is_overtaken_again_and_again_reads_where_it_is_kept(world: World) -> None:
    titles = iter(range(100))
    world.durable.meanwhile = lambda: world.change(f"{next(titles)}?")
    assert world.get() == "2?"
    assert world.durable.reads == [ID] * 4
    assert world.store._loads == {}


def test_a_load_that_fails_makes_room_for_the_next(world: World) -> None:
    def fails() -> None:
        raise Unavailable("MongoDB")

    world.durable.meanwhile = once(fails)
    with pytest.raises(Unavailable, match="MongoDB"):
        world.get()
    assert world.store._loads == {}
    assert world.get() == "How?"
    assert world.waited == []


def test_a_load_that_is_cancelled_makes_room_for_the_next() -> None:
    """J17."""
    world = World(True)

    async def cancelled() -> None:
        begun, never = asyncio.Event(), asyncio.Event()

        def meanwhile() -> Any:
            begun.set()
            return never.wait()

        world.durable.meanwhile = meanwhile
        task = asyncio.create_task(world.reader.question(ID))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    world.durable.meanwhile = lambda: None
    assert world.store._loads == {}
    assert world.get() == "How?"


def test_others_wait_for_a_load(world: World) -> None:
    place = Place("question", ID)
    assert world.done(world.store.begin(place, "another", 3_000))

    def waiting(turn: int) -> None:
        if turn == 5:
            assert world.done(world.store.keep(place, question("Theirs?"), "another", 300_000))

    world.waiting = waiting
    assert world.get() == "Theirs?"
    assert world.waited == [1, 2, 3, 4, 5]
    assert world.durable.reads == []


def test_who_loads_and_is_gone_is_not_waited_for_longer_than_the_lease(world: World) -> None:
    assert world.done(world.store.begin(Place("question", ID), "gone", 3_000))
    world.waiting = lambda turn: world.clock.advance(timedelta(milliseconds=100)) and None
    assert world.get() == "How?"
    assert len(world.waited) == 30
    assert world.durable.reads == [ID]


def test_nobody_waits_for_ever(world: World) -> None:
    assert world.done(world.store.begin(Place("question", ID), "gone", 3_000))
    assert world.get() == "How?"
    assert len(world.waited) < 100


# -- a store that is away ----------------------------------------------------------------------------------------------


class Away:
    """A store of which some calls fail."""

    def __init__(self, inner: Any, *methods: str, error: type[Exception] = Unavailable) -> None:
        self.inner, self.methods, self.error = inner, methods, error
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.calls.append(name)
        if name in self.methods:
            raise self.error("Redis")
        return getattr(self.inner, name)


@pytest.mark.parametrize("error", [Unavailable, OutcomeUnknown])
@pytest.mark.parametrize("method", ["read", "begin", "keep"])
def test_reads_go_on_while_the_store_is_away(world: World, method: str, error: type[Exception]) -> None:
    away = Away(world.store, method, error=error)
    world.reader._cached._store = away
    assert [world.get() for _ in range(3)] == ["How?"] * 3
    calls = len(away.calls)
    assert away.calls.count(method) == 1, "it is left alone for a second"
    world.clock.advance(timedelta(milliseconds=999))
    assert world.get() == "How?"
    assert len(away.calls) == calls
    world.clock.advance(timedelta(milliseconds=1))
    away.methods = ()
    reads = len(world.durable.reads)
    world.store._loads.clear()
    assert [world.get() for _ in range(3)] == ["How?"] * 3
    assert len(world.durable.reads) == reads + 1


def test_what_could_not_be_kept_is_read_once_more(world: World) -> None:
    """Nobody knows whether it was overtaken."""
    world.reader._cached._store = Away(world.store, "keep")
    world.durable.meanwhile = once(lambda: world.change("Why?"))
    assert world.get() == "Why?"


def test_a_clock_that_is_set_back_does_not_keep_it_away(world: World) -> None:
    """J25."""
    away = Away(world.store, "read")
    world.reader._cached._store = away
    assert world.get() == "How?"
    world.clock.advance(timedelta(days=-1))
    world.get()
    assert away.calls.count("read") == 2


def test_an_invalidation_that_is_lost_is_told(world: World) -> None:
    world.caches._store = Away(world.store, "invalidate")
    with pytest.raises(Unavailable):
        world.done(world.invalidate())


# -- every order of steps ----------------------------------------------------------------------------------------------

ADA = User(
    id=derived_id("ada"),
    uid="usr_ada",
    email="ada@example.com",
    handle="ada",
    bio="old",
    password_hash=PasswordHash("$2b$12$planted"),
    created_at=NOW,
    updated_at=NOW,
)


class Reader:
    """Users of a repository, as they are shown."""

    def __init__(self, backends: AsyncBackends) -> None:
        self._accounts = backends.accounts

    async def user(self, uid: str) -> User | None:
        stored = await self._accounts.by_uid(uid)
        return None if stored is None else stored.user


class Blind(AsyncMemoryCaches):
    """The control: it keeps whatever comes."""

    async def keep(self, place: Place, record: Record | None, token: str, lasts: int) -> bool:
        self._loads.pop(place, None)
        await super().begin(place, token, lasts)
        return await super().keep(place, record, token, lasts)


class Alone(AsyncMemoryCaches):
    """The control: the load goes on."""

    async def invalidate(self, place: Place) -> None:
        self._texts.pop(place, None)


class Trusting(_Cached[User]):
    """The control: who was overtaken gives what it has loaded."""

    async def _load_for(self, place: Place, token: str) -> Found | None:
        record = await self._loaded(place.name)
        await self._store.keep(place, record, token, 300_000)
        return Found(record)


class Unguarded(_Cached[User]):
    """The control: it looks, loads and sets, as most caches do."""

    async def _kept(self, place: Place) -> Found | None:
        found = await self._store.read(place)
        if found is None:
            record = await self._loaded(place.name)
            await self._store.begin(place, self._terms.token(), 3_000)
            for token in [token for token, _ in self._store._loads.values()] if hasattr(self._store, "_loads") else []:
                await self._store.keep(place, record, token, 300_000)
            found = Found(record)
        return found


@pytest.fixture
def few_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every turn that somebody waits is a state."""
    monkeypatch.setattr(services, "_TURN", 750)
    monkeypatch.setattr(services, "_LOADS", 2)


@dataclass
class Meeting:
    """Readers and a writer that meet, with a store and a cache of some kind."""

    readers: int = 2
    writes: Sequence[str] = ("new",)
    store: type[AsyncMemoryCaches] = AsyncMemoryCaches
    cached: type[_Cached[User]] = _Cached

    def __call__(self) -> "Played":
        return Played(self)


class Played:
    """One world of a meeting: who reads must not get what was invalidated before the reply."""

    def __init__(self, meeting: Meeting) -> None:
        self.backends = replace(async_memory_backends(), caches=meeting.store(ManualClock()))
        done(self.backends.accounts.insert(ADA, ()))
        self.parts = _copied([self.backends.accounts, self.backends.caches], {})
        self.backends = replace(self.backends, accounts=self.parts[0], caches=self.parts[1])
        self.invalid: list[str] = []
        self.stale: list[str] = []
        self.workers: Sequence[Coroutine[Any, Any, object]] = [
            *[self.read(meeting, seed) for seed in range(meeting.readers)],
            self.write(meeting.writes),
        ]

    def cached(self, kind: type[_Cached[User]], backends: AsyncBackends, seed: int) -> _Cached[User]:
        store: AsyncCacheStore | None = backends.caches
        assert store is not None
        caches = AsyncCaches(store, Policy(), ManualClock(), SeededIds(seed), pause)
        return kind("user", Reader(backends).user, store, caches._terms)

    async def read(self, meeting: Meeting, seed: int) -> object:
        cached = self.cached(meeting.cached, stepping(self.backends), seed)
        await pause(0)
        found = await cached.get("usr_ada")
        assert found is not None
        if found.bio in self.invalid:
            self.stale.append(f"reader {seed} was served {found.bio!r} after it was invalidated")
        return found.bio

    async def write(self, bios: Sequence[str]) -> None:
        backends = stepping(self.backends)
        for bio in bios:
            stored = await backends.accounts.by_uid("usr_ada")
            assert stored is not None
            await backends.accounts.swap(stored, stored.user.evolve(bio=bio))
            assert backends.caches is not None
            await backends.caches.invalidate(Place("user", "usr_ada"))
            self.invalid.append(str(stored.user.bio))

    def state(self) -> object:
        return digest(self.parts), tuple(self.invalid), tuple(self.stale)

    def judge(self, ends: Sequence[End]) -> Iterator[str]:
        yield from self.stale
        for end in ends[:-1]:
            if end.error is not None and not isinstance(end.error, Unavailable | OutcomeUnknown):
                yield f"a reader raised {end.error!r}"
        if ends[-1].error is None and not ends[-1].struck:
            later = done(self.cached(_Cached, self.backends, 50).get("usr_ada"))
            if later is None or later.bio in self.invalid:
                yield "what is stale is served in the end"
            if later is not None and later.password_hash is not None:
                yield "a hash is served"


@pytest.mark.parametrize(
    ("meeting", "strikes"),
    [
        (Meeting(), (Strike.LOST,)),
        (Meeting(readers=1, writes=("new", "newer")), (Strike.CRASH,)),
        pytest.param(Meeting(readers=1, writes=("new", "newer")), EVERY_STRIKE, marks=pytest.mark.long),
        pytest.param(Meeting(), EVERY_STRIKE, marks=pytest.mark.long),
        pytest.param(Meeting(writes=("new", "newer")), (Strike.LOST,), marks=pytest.mark.long),
        pytest.param(Meeting(readers=3), (), marks=pytest.mark.long),
    ],
    ids=[
        "two readers",
        "two writes",
        "two writes and every strike",
        "every strike",
        "two readers and two writes",
        "three readers",
    ],
)
def test_nothing_stale_is_served_in_any_order(meeting: Meeting, strikes: Sequence[Strike], few_turns: None) -> None:
    """An invalidation during the load: the stale value is never served after it; with one fault at every call."""
    enter("memory")
    found = explore(meeting, strikes, most_strikes=1 if strikes else 0)
    counts.tell(f"caches, {meeting.readers} readers, {len(meeting.writes)} writes: {found.told()}")
    assert not found.violations, found.story()
    assert found.states > 100


@pytest.mark.parametrize(
    "meeting",
    [Meeting(store=Blind), Meeting(store=Alone), Meeting(cached=Trusting), Meeting(cached=Unguarded, readers=1)],
    ids=["a store that sets blindly", "a load that goes on", "a reader that trusts itself", "look, load, set"],
)
def test_a_cache_that_serves_what_is_stale_is_found(meeting: Meeting, few_turns: None) -> None:
    enter("memory")
    assert explore(meeting, (), most_strikes=0, first_only=True).violations


# -- in a tek ----------------------------------------------------------------------------------------------------------


def tek_with_cache(**options: Any) -> tuple[TekTree, ManualClock]:
    enter("memory")
    clock = ManualClock()
    backends = replace(memory_backends(), caches=MemoryCaches(clock))
    return TekTree(backends, clock=clock, ids=SeededIds(3), **options), clock


def test_readers_stay_as_they_are_without_a_store() -> None:
    enter("memory")
    tek, own = TekTree.in_memory(), Questions()
    assert tek.caches.questions(own) is own
    assert not tek.caches.on
    tek.caches.invalidate("question", ID)
    async_tek = AsyncTekTree.in_memory()
    reader = AsyncQuestions(own)
    assert async_tek.caches.questions(reader) is reader


def test_a_host_wires_questions_and_events_invalidate_them() -> None:
    tek, _ = tek_with_cache()
    own = Questions()
    questions = tek.caches.questions(own)
    tek.gamification.enroll("usr_ada")
    assert [questions.question(ID) for _ in range(2)] == [question()] * 2
    own.kept[ID] = question("Why?")
    tek.events.emit(QuestionUpdated(user_id="usr_ada", question_id=ID, changed={}))
    assert questions.question(ID) == question("Why?")
    assert own.reads == [ID] * 2


def test_users_are_read_from_the_cache_by_id_and_by_uid() -> None:
    tek, clock = tek_with_cache()
    user = tek.accounts.register(email="ada@example.com", handle="ada", password="correct horse")
    reads: list[str] = []
    accounts = tek._backends.accounts
    for name in ("by_id", "by_uid"):
        inner = getattr(accounts, name)
        setattr(accounts, name, lambda id, inner=inner, name=name: reads.append(name) or inner(id))
    found = [tek.accounts.get(user.id), *[tek.accounts.by_uid(user.uid) for _ in range(3)], tek.accounts.get(user.id)]
    assert reads == ["by_id", "by_uid"]
    assert {repr(each) for each in found} == {repr(user)}
    assert all(each.password_hash is None and each.tokens == () for each in found)
    with pytest.raises(NotFound):
        tek.accounts.by_uid("usr_nobody")
    with pytest.raises(NotFound):
        tek.accounts.get(derived_id("nobody"))
    clock.advance(timedelta(seconds=301))
    tek.accounts.get(user.id)
    assert reads[-1] == "by_uid"


CHANGES: dict[str, Callable[[TekTree, User, Principal], object]] = {
    "profile": lambda tek, user, root: tek.accounts.update_profile(user, bio="new", first_name="Ada"),
    "handle": lambda tek, user, root: tek.accounts.change_handle(user, "countess"),
    "password": lambda tek, user, root: tek.accounts.change_password(user, "correct horse", "battery staple"),
    "reset": lambda tek, user, root: tek.accounts.reset_password(
        tek.accounts.request_password_reset(user.email) or "", "battery staple"
    ),
    "verification": lambda tek, user, root: tek.accounts.verify_email(tek.accounts.request_email_verification(user.id)),
    "address": lambda tek, user, root: tek.accounts.verify_email(
        tek.accounts.request_email_change(user, "other@example.com", "correct horse")
    ),
    "role": lambda tek, user, root: tek.accounts.set_role(root, user.id, "moderator"),
    "disabling": lambda tek, user, root: tek.accounts.disable(root, user.id),
    "enabling": lambda tek, user, root: (tek.accounts.disable(root, user.id), tek.accounts.enable(root, user.id)),
    "erasure": lambda tek, user, root: tek.accounts.erase(root, user.id),
}


@pytest.mark.parametrize("name", CHANGES)
def test_whatever_changes_a_user_is_seen_at_once(name: str) -> None:
    """A default entry of the table invalidates the user upon every event that changes one."""
    tek, _ = tek_with_cache()
    root = Principal("0" * 24, "usr_root", role="admin")
    user = tek.accounts.register(email="ada@example.com", handle="ada", password="correct horse")
    before = [tek.accounts.get(user.id), tek.accounts.by_uid(user.uid)][1]
    CHANGES[name](tek, user, root)
    stored = tek._backends.accounts.by_id(user.id)
    assert stored is not None
    shown = tek.accounts.by_uid(user.uid)
    assert shown.model_dump() == stored.user.model_dump()
    assert shown != before


def test_without_that_entry_what_is_stale_is_served() -> None:
    """The control."""
    reactions = {name: each for name, each in Policy().reactions.items() if name != "user.profile_updated"}
    tek, _ = tek_with_cache(policy=Policy(reactions=reactions))
    user = tek.accounts.register(email="ada@example.com", handle="ada", password="correct horse")
    assert [tek.accounts.get(user.id).bio, tek.accounts.by_uid(user.uid).bio] == [None, None]
    tek.accounts.update_profile(user, bio="new")
    assert tek.accounts.get(user.id).bio is None


def test_an_invalidation_that_fails_is_made_good_by_the_relay_until_nothing_is_cached_any_more() -> None:
    """A handler that is down for good is given up behind the time that a record is cached, and holds up nothing."""
    tek, clock = tek_with_cache()
    user = tek.accounts.register(email="ada@example.com", handle="ada", password="correct horse")
    tek.accounts.by_uid(user.uid)
    store = tek.caches._store
    away = tek.caches._store = Away(store, "invalidate")  # type: ignore[assignment]
    tek.accounts.update_profile(user, bio="new")
    assert tek.accounts.by_uid(user.uid).bio is None
    clock.advance(timedelta(seconds=1))
    away.methods = ()
    tek.events.relay.run_once()
    assert tek.accounts.by_uid(user.uid).bio == "new"

    away.methods = ("invalidate",)
    begun = clock()
    tek.accounts.update_profile(user, bio="newer")
    while not tek.events.dead_letters.list().items:
        clock.advance(timedelta(seconds=1))
        tek.events.relay.run_once(due_only=True)
    assert clock() - begun > timedelta(seconds=300)
    away.methods = ()
    tek.accounts.update_profile(user, bio="newest")
    assert tek.accounts.by_uid(user.uid).bio == "newest"


def test_an_event_that_is_delivered_twice_invalidates_again_and_that_is_all() -> None:
    tek, _ = tek_with_cache()
    user = tek.accounts.register(email="ada@example.com", handle="ada", password="correct horse")
    event = tek.events.emit(UserProfileUpdated(user_id=user.uid, changed={}))
    handlers: Any = tek.events._handlers
    for _ in range(2):
        assert tek.accounts.by_uid(user.uid) == tek.accounts.by_uid(user.uid)
        for name in handlers.recipients(event.event_type):
            handlers.call(handlers.named(name), event)
    assert tek.gamification.verify(user.id)
