"""Caches on Redis: the data model's key, value and TTL; many processes; what is damaged, foreign, lost or away."""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tektree import Policy, Principal
from tektree._sync.backends.redis import caches
from tektree.errors import CorruptDocument, TekTreeError, Unavailable
from tektree.ids import derived_id
from tektree.models.caches import Place
from tektree.rules import passwords
from tektree.testing import checks, run
from tektree.wire.keys import cache_question, cache_user, companion
from tektree.wire.scripts import Script
from tests.accounts.worlds import Hasher
from tests.backends.mongo.worlds import Awaited
from tests.backends.redis.proxy import Proxy, Strike
from tests.backends.redis.worlds import SERVERS, World
from tests.lanes import FAKE, FAKE_ASYNC, REDIS, REDIS_ASYNC
from tests.records import REDIS as MODEL
from tests.servers import RedisServer, shared_redis
from tests.test_caches import ID, AsyncQuestions, Questions, question

ROOT = Path(__file__).resolve().parents[3]
KEY = cache_question(ID)
LEASE = companion(KEY, "lease")
ONE_SERVER = (FAKE, FAKE_ASYNC, REDIS, REDIS_ASYNC)


class Cached:
    """Questions behind the cache of a ``tek``, whose reads are awaited whatever the flavour."""

    def __init__(self, world: World, tek: Any = None, durable: Questions | None = None) -> None:
        self.durable = durable or Questions()
        self._is_async = world.is_async
        self.tek = world.tek() if tek is None else tek
        caches = self.tek.caches if world.is_async else self.tek.caches.inner
        self._reader = caches.questions(AsyncQuestions(self.durable) if world.is_async else self.durable)

    async def get(self) -> str | None:
        if self._is_async:
            found = await self._reader.question(ID)
        else:
            found = await asyncio.to_thread(self._reader.question, ID)
        return None if found is None else found.title


@pytest.fixture(autouse=True)
def hasher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "bcrypt", Hasher())


def test_key_value_and_ttl_are_the_data_models(world: World) -> None:
    """Keys, values and TTLs equal `redis.json`, read back with a plain client."""

    async def read(world: World) -> Any:
        assert await Cached(world).get() == "How?"
        tek = world.tek()
        user = await tek.accounts.register(email="ada@example.com", handle="ada", password="correct horse")
        await tek.accounts.by_uid(user.uid)
        return user

    user = world.run(read)
    for key, model, record in (
        (KEY, MODEL["cache_question"], question()),
        (cache_user(user.uid), MODEL["cache_user"], user),
    ):
        assert key.rpartition(":")[0] == model["key"].rpartition(":")[0]
        assert world.look.type(key) == "string" == model["type"].split()[0]
        stored = json.loads(world.look.get(key))
        assert stored == {"schema": 3, "record": json.loads(record.model_dump_json())}
        assert model["ttl_seconds"] - 31 <= world.look.pttl(key) / 1000 <= model["ttl_seconds"]
    assert "password" not in world.look.get(cache_user(user.uid)).replace("password_changed_at", "")
    assert "planted" not in world.look.get(cache_user(user.uid))
    assert world.look.exists(LEASE) == 0


@pytest.mark.lanes(*ONE_SERVER)
def test_a_hit_is_one_command(world: World) -> None:
    async def read(world: World) -> None:
        backends = world.backends()
        cached = Cached(world, world.over_backends(backends))
        trips: list[str] = []
        nodes = backends.caches._redis._nodes
        exchange = nodes.exchange

        def counting(commands: Any, about: str) -> Any:
            trips.extend([command[0] if isinstance(command[0], str) else "EVALSHA" for command in commands])
            return exchange(commands, about)

        nodes.exchange = counting
        await cached.get()
        assert [each for each in trips if each != "EVAL"] == ["GET", "EVALSHA", "EVALSHA"]
        trips.clear()
        await cached.get()
        assert trips == ["GET"]
        trips.clear()
        await cached.tek.caches.invalidate("question", ID)
        assert trips == ["DEL"]

    world.run(read)


# -- many processes ----------------------------------------------------------------------------------------------------


def stampede(broken: bool, processes: int = 4, readers: int = 25) -> None:
    arguments = [shared_redis().uri, "yes" if broken else "no", str(readers), str(processes * readers)]
    command = [sys.executable, "-m", "tests.backends.redis.stampede", *arguments]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    started = [subprocess.Popen(command, cwd=ROOT, env=env) for _ in range(processes)]
    assert [each.wait(60) for each in started] == [0] * processes


@pytest.mark.lanes(REDIS)
def test_a_hundred_readers_of_a_cold_key_in_four_processes_load_once(world: World) -> None:
    """J21: one loader across processes."""
    stampede(broken=False)
    assert (world.look.get("served"), world.look.get("loads")) == ("100", "1")


@pytest.mark.lanes(REDIS)
def test_a_stampede_is_found(world: World) -> None:
    """The control: without a lease, more than one loads."""
    stampede(broken=True, processes=2, readers=5)
    assert world.look.get("served") == "10"
    assert int(world.look.get("loads")) > 1


def test_many_tasks_load_once(world: World) -> None:
    """The same in one process, in every lane."""

    async def read(world: World) -> list[str | None]:
        cached = Cached(world)
        found = await asyncio.gather(*[cached.get() for _ in range(20)])
        assert cached.durable.reads == [ID]
        return found

    assert world.run(read) == ["How?"] * 20


def test_what_one_process_changes_the_others_see(world: World) -> None:
    """J22: two processes, a load that is overtaken by the other's invalidation."""

    async def read(world: World) -> list[str | None]:
        durable = Questions()
        one, other = Cached(world, durable=durable), Cached(world, durable=durable)
        changing = [other.tek.caches.inner.invalidate if not world.is_async else other.tek.caches.invalidate]

        def change() -> Any:
            if not changing:
                return None
            durable.kept[ID] = question("Why?")
            return changing.pop()("question", ID)

        durable.meanwhile = change
        return [await one.get(), await other.get(), await one.get()]

    assert world.run(read) == ["Why?"] * 3
    assert json.loads(world.look.get(KEY))["record"]["title"] == "Why?"


def test_readers_never_get_what_was_invalidated_before_they_asked(world: World) -> None:
    """J19, J22: many at once, in two processes, while a writer writes and invalidates."""

    async def met(world: World) -> None:
        durable, published = Questions(), [0]
        durable.kept[ID] = question("0")
        processes = [Cached(world, durable=durable) for _ in range(2)]

        async def reader(cached: Cached) -> None:
            while published[0] < 30:
                least = published[0]
                assert int(await cached.get() or "") >= least

        async def writer() -> None:
            for version in range(1, 31):
                durable.kept[ID] = question(str(version))
                await processes[version % 2].tek.caches.invalidate("question", ID)
                published[0] = version
                await processes[0].get()

        await asyncio.gather(writer(), *[reader(processes[at % 2]) for at in range(8)])

    world.run(met)


# -- what is not ours --------------------------------------------------------------------------------------------------


def of(**changes: Any) -> str:
    return json.dumps(
        {"schema": 3, "record": json.loads(question().model_dump_json()) | changes}, separators=(",", ":")
    )


BAD = [
    "",
    "{}",
    "null",
    "\x80\x04K\x01.",
    "[" * 100_000,
    of().replace('"schema":3', '"schema":4'),
    of().replace('"schema":3', '"schema":2'),
    of(visibility="all"),
    of(view_count=-1),
    of(view_count="1"),
    of(created_by=None),
    of(another="field"),
    of(id=derived_id("another")),
    of() + " ",
    of()[:-1],
]


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
@pytest.mark.lanes(FAKE, REDIS_ASYNC)
def test_what_is_damaged_foreign_or_anothers_is_a_miss(
    world: World, bad: str, caplog: pytest.LogCaptureFixture
) -> None:
    """J23, J24: and it is put right with the next read."""

    async def read(world: World) -> None:
        cached = Cached(world)
        world.look.set(KEY, bad)
        assert [await cached.get() for _ in range(2)] == ["How?"] * 2
        assert cached.durable.reads == [ID]

    world.run(read)
    assert json.loads(world.look.get(KEY))["record"]["title"] == "How?"
    assert ("is not what belongs there" in caplog.text) is (derived_id("another") in bad)


@pytest.mark.lanes(FAKE)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.binary(max_size=64))
def test_random_bytes_are_a_miss(world: World, text: bytes) -> None:
    """J23."""

    async def read(world: World) -> None:
        world.look.flushall()
        cached = Cached(world)
        world.look.set(KEY, text)
        assert await cached.get() == "How?"

    world.run(read)


@pytest.mark.parametrize("both", [False, True])
def test_what_is_no_text_at_all_is_a_miss(world: World, both: bool) -> None:
    async def read(world: World) -> None:
        cached = Cached(world)
        world.look.rpush(KEY, "a list")
        if both:
            world.look.rpush(LEASE, "another")
        assert [await cached.get() for _ in range(2)] == ["How?"] * 2
        assert cached.durable.reads == [ID]

    world.run(read)
    assert world.look.type(KEY) == "string"


@pytest.mark.lanes(FAKE, REDIS_ASYNC)
def test_a_lease_that_would_last_for_ever_is_nobodys(world: World) -> None:
    async def read(world: World) -> None:
        cached = Cached(world)
        world.look.set(LEASE, "planted")
        assert await cached.get() == "How?"
        assert cached.durable.reads == [ID]

    world.run(read)
    assert world.look.exists(KEY) == 1
    assert world.look.exists(LEASE) == 0


@pytest.mark.lanes(FAKE, REDIS_ASYNC)
def test_a_user_that_was_planted_with_a_hash_is_a_miss(world: World) -> None:
    async def read(world: World) -> None:
        tek = world.tek()
        user = await tek.accounts.register(email="ada@example.com", handle="ada", password="correct horse")
        record = json.loads(user.model_dump_json()) | {"password_hash": "$2b$12$planted", "role": "admin"}
        world.look.set(cache_user(user.uid), json.dumps({"schema": 3, "record": record}, separators=(",", ":")))
        found = await tek.accounts.by_uid(user.uid)
        assert (found.role, found.password_hash) == ("user", None)

    world.run(read)


@pytest.mark.lanes(FAKE, REDIS_ASYNC)
def test_nothing_personal_is_cached_behind_an_erasure(world: World) -> None:
    async def erased(world: World) -> str:
        tek = world.tek()
        user = await tek.accounts.register(email="ada@example.com", handle="the_ada", password="correct horse")
        await tek.accounts.by_uid(user.uid)
        assert "ada@example.com" in world.look.get(cache_user(user.uid))
        await tek.accounts.erase(Principal("0" * 24, "usr_root", role="admin"), user.id)
        assert not list(world.look.scan_iter("cache:*"))
        assert (await tek.accounts.by_uid(user.uid)).status == "erased"
        return str(world.look.get(cache_user(user.uid)))

    kept = world.run(erased)
    assert not any(each in kept for each in ("ada@", "the_ada"))


# -- a Redis that is away ----------------------------------------------------------------------------------------------


@pytest.mark.lanes(*SERVERS)
def test_reads_go_on_while_redis_hangs_within_the_deadline(world: World) -> None:
    """I10, J27. A store that is away: reads go to the repository, and only one in a second waits for it."""
    server = RedisServer().start()

    async def read(world: World) -> None:
        cached = Cached(world, world.tek(world.client(server.uri), deadline=0.3))
        assert await cached.get() == "How?"
        server.pause()
        begun = time.monotonic()
        assert [await cached.get() for _ in range(5)] == ["How?"] * 5
        assert time.monotonic() - begun < 4 * 0.3
        assert len(cached.durable.reads) == 6
        with pytest.raises(Unavailable):
            await cached.tek.caches.invalidate("question", ID)
        server.resume()

    try:
        world.run(read)
    finally:
        server.stop()


@pytest.mark.lanes(*SERVERS)
def test_reads_go_on_when_redis_is_gone_or_full(world: World) -> None:
    """I10, I12."""
    server = RedisServer(None, "--maxmemory", "1", "--maxmemory-policy", "noeviction").start()

    async def read(world: World) -> None:
        cached = Cached(world, world.tek(world.client(server.uri), deadline=2))
        assert [await cached.get() for _ in range(2)] == ["How?"] * 2
        assert len(cached.durable.reads) == 2
        world.clock.advance(Policy().caches.lease * world.clock.now.resolution * 10**6)
        server.kill()
        assert [await cached.get() for _ in range(2)] == ["How?"] * 2

    try:
        world.run(read)
    finally:
        server.stop()


@pytest.mark.lanes(*SERVERS)
@pytest.mark.parametrize("strike", [Strike.BEFORE, Strike.AFTER])
def test_a_lost_reply_is_asked_for_again(world: World, strike: Strike) -> None:
    """A load whose beginning or end was not heard of is its own still, so nothing is loaded twice."""
    proxy = Proxy(shared_redis().port)

    async def read(world: World) -> None:
        cached = Cached(world, world.tek(world.client(proxy.uri), deadline=2))
        for word in (b"GET", b"EVALSHA", b"DEL"):
            await cached.tek.caches.invalidate("question", ID)
            await cached.get()  # the scripts are known
            await cached.tek.caches.invalidate("question", ID)
            cached.durable.reads.clear()
            proxy.arm(word, strike)
            await cached.tek.caches.invalidate("question", ID)
            assert [await cached.get() for _ in range(2)] == ["How?"] * 2
            assert cached.durable.reads == [ID]
            assert proxy.seen > 1

    try:
        world.run(read)
    finally:
        proxy.close()


@pytest.mark.lanes(*SERVERS)
def test_scripts_that_are_flushed_are_sent_again(world: World) -> None:
    async def read(world: World) -> None:
        cached = Cached(world)
        for _ in range(2):
            world.look.script_flush()
            await cached.tek.caches.invalidate("question", ID)
            assert await cached.get() == "How?"
        assert len(cached.durable.reads) == 2

    world.run(read)


@pytest.mark.lanes(FAKE, FAKE_ASYNC)
def test_a_key_that_does_not_fit_is_no_text_for_other_calls_either(world: World) -> None:
    """Only reads take it for a miss; who asks Redis directly is told."""

    async def read(world: World) -> None:
        world.look.rpush(KEY, "a list")
        store = world.store("caches")
        assert await store.read(Place("question", ID)) is None
        driver = store._redis if world.is_async else Awaited(store.inner._redis)
        with pytest.raises(CorruptDocument):
            await driver.ask(("GET", KEY))

    world.run(read)


# -- scripts that are broken -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("_END", "~= ARGV[1]", "== 'never'"),
        ("_END", "redis.call('DEL', KEYS[2])", ""),
        ("_END", "if ARGV[3] ~= '0' then redis.call('SET'", "if true then redis.call('SET'"),
        ("_BEGIN", "return text end", "end"),
        ("_BEGIN", "then return 0 end", "then end"),
        ("_BEGIN", "and token ~= ARGV[1]", ""),
        ("_BEGIN", "'PX', ARGV[2]", "'PX', 60000"),
    ],
)
@pytest.mark.lanes(FAKE)
def test_a_script_that_is_broken_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str, right: str, wrong: str
) -> None:
    """The control of what Redis runs."""
    script = getattr(caches, name)
    assert right in script.text
    text = script.text.replace(right, wrong)
    monkeypatch.setattr(
        caches, name, Script(script.name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
    )
    broken = []
    for check in checks("caches"):
        world.look.flushall()
        try:
            run(check, world.backends())
        except (AssertionError, TekTreeError) as error:
            broken.append(str(error))
    assert broken
