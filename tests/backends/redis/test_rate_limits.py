"""Rate limits on Redis: what is stored, whose clock counts, and what loss, restarts and floods do to it."""

import asyncio
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio.retry
import redis.retry
from hypothesis import given
from hypothesis import strategies as st
from redis.backoff import NoBackoff

import tektree._async.backends.redis.rate_limits as async_module
import tektree._sync.backends.redis.rate_limits as sync_module
from tektree import Policy
from tektree.errors import CorruptDocument, InvalidInput, Unavailable
from tektree.models.rate_limits import Bucket, Fill, Hit
from tektree.rules.rate_limits import take
from tektree.testing import ManualClock
from tektree.wire.keys import companion, ratelimit
from tektree.wire.scripts import Script, script
from tests.backends.redis.proxy import Proxy, Strike
from tests.backends.redis.worlds import CLUSTERS, SERVERS, World, trips_of
from tests.examples import AGAINST_SERVERS
from tests.lanes import FAKE, FAKE_ASYNC, REDIS, REDIS_ASYNC
from tests.records import REDIS as MODEL
from tests.servers import RedisServer, shared_redis

ENDPOINT = "/api/v1/questions"
KEY = f"ratelimit:usr_abc123:{ENDPOINT}"
CLOSED = Policy(rate_limits={"tiers": {"free": {"*": {"limit": 60, "away": "closed"}}}})


def test_what_is_stored_is_the_data_models(world: World) -> None:
    async def hits(world: World) -> None:
        for _ in range(5):
            await world.tek().rate_limits.hit("usr_abc123", ENDPOINT)

    world.run(hits)
    assert KEY in MODEL["ratelimit"]["sample"]
    assert int(world.look.get(KEY)) == MODEL["ratelimit"]["sample"][KEY] == 5
    assert 0 < world.look.pttl(KEY) <= MODEL["ratelimit"]["ttl_seconds"] * 1000
    log = companion(KEY, "log")
    assert world.look.llen(log) == 5
    assert 0 < world.look.pttl(log) <= 60_000
    assert sorted(world.look.scan_iter()) == sorted([KEY, log])


def test_a_refusal_and_a_look_write_nothing(world: World) -> None:
    async def hits(world: World) -> list[Any]:
        limits = world.tek().rate_limits
        await limits.hit("usr_a", "/a", cost=60)
        before = world.look.dump(ratelimit("usr_a", "/a"))
        found = [await limits.hit("usr_a", "/a"), await limits.peek("usr_a", "/a"), await limits.peek("usr_a", "/b")]
        with pytest.raises(InvalidInput):
            await limits.hit("usr_a", "/a", cost=61)
        assert world.look.dump(ratelimit("usr_a", "/a")) == before
        return found

    found = world.run(hits)
    assert [each.allowed for each in found] == [False, False, True]
    assert len(list(world.look.scan_iter())) == 2
    assert world.look.llen(companion(ratelimit("usr_a", "/a"), "log")) == 60


def test_several_limits_count_together_or_not_at_all(world: World) -> None:
    """On a cluster as well, whose keys of them lie on different nodes: what a later one refuses is given back."""
    asked = [Hit(subject, endpoint) for subject in ("usr_a", "usr_b", "ip:192.0.2.7") for endpoint in ("/a", "/b")]

    async def hits(world: World) -> list[Any]:
        limits = world.tek().rate_limits
        found = [await limits.hit_all(asked, cost=2)]
        await limits.hit("usr_b", "/b", cost=58)
        return [*found, await limits.hit_all(asked), await limits.hit_all(asked[:3])]

    passed, refused, others = world.run(hits)
    assert (passed.allowed, [each.remaining for each in passed.each]) == (True, [58] * 6)
    assert (refused.refused, [each.remaining for each in refused.each]) == ((3,), [58, 58, 58, 0, 58, 58])
    assert (others.allowed, [each.remaining for each in others.each]) == (True, [57] * 3)
    counts = [int(world.look.get(ratelimit(each.subject, each.endpoint))) for each in asked]
    logs = [world.look.llen(companion(ratelimit(each.subject, each.endpoint), "log")) for each in asked]
    assert counts == logs == [3, 3, 3, 60, 2, 2]


@pytest.mark.lanes(FAKE, FAKE_ASYNC, *SERVERS)
def test_several_limits_are_one_exchange(world: World) -> None:
    async def hits(world: World) -> None:
        backends = world.backends()
        limits = world.over_backends(backends).rate_limits
        asked = [Hit("usr_a", f"/{at}") for at in range(10)]
        await limits.hit_all(asked)  # sends the script
        trips = trips_of(backends)
        assert [each.remaining for each in (await limits.hit_all(asked)).each] == [58] * 10
        assert trips == [1]

    world.run(hits)


@pytest.mark.lanes(*CLUSTERS)
def test_a_cluster_that_gives_nothing_back_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: what an earlier limit counted stays when a later one refuses."""

    async def async_kept(*_: Any) -> None:
        pass

    monkeypatch.setattr(async_module.AsyncRedisRateLimits, "give", async_kept)
    monkeypatch.setattr(sync_module.RedisRateLimits, "give", lambda *_: None)
    with pytest.raises(AssertionError):
        test_several_limits_count_together_or_not_at_all(world)


def test_reset_leaves_nothing(world: World) -> None:
    async def hits(world: World) -> None:
        await world.tek().rate_limits.hit("usr_a", "/a")
        await world.tek().rate_limits.reset("usr_a", "/a")

    world.run(hits)
    assert list(world.look.scan_iter()) == []


RETRIES: dict[bool, dict[str, Any]] = {
    False: {"retry": redis.retry.Retry(NoBackoff(), 3), "retry_on_error": [redis.ConnectionError]},
    True: {"retry": redis.asyncio.retry.Retry(NoBackoff(), 3), "retry_on_error": [redis.ConnectionError]},
}
"""What redis-py 8 does unless it is told not to."""


PRUNED = {
    "by a hit": ("local forgotten = now - kept", "local forgotten = now - window"),
    "by a look": (
        "if counts and last then\n    local forgotten = now - kept",
        "if last then\n    local forgotten = now - (counts and kept or window)",
    ),
}
"""What makes a script forget what has left the window of who asks."""


@contextmanager
def told_time(*changed: str) -> Iterator[None]:
    """The script reads the time from a key that the test writes, so windows pass without waiting.

    ``changed``: a part of the script, and what stands there instead.
    """
    real = script("rate_limits_take")
    text = real.text
    for old, new in (("redis.call('TIME')", "redis.call('LRANGE', 'clock', 0, 1)"), *([changed] if changed else [])):
        assert text.count(old) == 1
        text = text.replace(old, new)
    told = Script("told", text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
    async_module._TAKE = sync_module._TAKE = told  # type: ignore[misc]
    try:
        yield
    finally:
        async_module._TAKE = sync_module._TAKE = real  # type: ignore[misc]


LIMITS = [(5, 30), (4, 7), (9, 60)]
STEPS = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.integers(-1_000_000, 20_000_000),
        st.integers(1, 4),
        st.sampled_from(LIMITS),
        st.booleans(),
    ),
    max_size=40,
)
Steps = list[tuple[str, int, int, tuple[int, int], bool]]


async def in_lock_step(steps: Steps, world: World) -> None:
    """Redis says what the rule says, of limits whose windows differ as those of tiers do."""
    store, now = world.store("rate_limits"), 1_765_893_600_000_000
    logs: dict[str, tuple[int, ...]] = {"a": (), "b": ()}
    for name, pause, cost, (limit, window), flushed in steps:
        now += pause
        world.look.delete("clock")
        world.look.rpush("clock", now // 1_000_000, now % 1_000_000)
        if flushed:
            world.look.script_flush()
        for asked, width in LIMITS:
            looked = (await store.look([Bucket("usr_a", name, asked, width)], 4))[0]
            assert looked.wait == take(logs[name], now, asked, width, 4, 60)[1].wait
        logs[name], expected = take(logs[name], now, limit, window, cost, 60)
        assert await store.take([Bucket("usr_a", name, limit, window, 60)], cost) == [expected]
        # The script is told the time, but keys expire by the real one: here none is meant to.
        for key in world.look.keys("*log"):
            world.look.persist(key)


@pytest.mark.lanes(FAKE, FAKE_ASYNC, *SERVERS)
@AGAINST_SERVERS
@given(STEPS)
def test_redis_says_what_the_rule_says(world: World, steps: Steps) -> None:
    """I6: in lock step with the rule, which is measured against a log of arrivals; whatever the server's clock does."""
    world.look.flushall()
    with told_time():
        world.run(partial(in_lock_step, steps))


@pytest.mark.lanes(FAKE, FAKE_ASYNC, *SERVERS)
@pytest.mark.parametrize("pruned", PRUNED)
def test_a_script_that_forgets_what_left_the_window_of_who_asks_is_found(world: World, pruned: str) -> None:
    """The control: and what is found is nothing but that."""
    wide, narrow = (9, 60), (4, 7)
    steps: Steps = [("a", 0, 4, wide, False), ("a", 8_000_000, 1, narrow, False), ("a", 0, 4, wide, False)]
    with told_time():
        world.run(partial(in_lock_step, [*steps, ("a", 0, 1, wide, False)]))
    world.look.flushall()
    with told_time(*PRUNED[pruned]), pytest.raises(AssertionError):
        world.run(partial(in_lock_step, steps))


def test_what_is_kept_for_others_goes_too(world: World) -> None:
    """The count that others read is that of the window that was asked for; the log lasts as long as hits are kept."""

    async def hits(world: World) -> None:
        await world.store("rate_limits").take([Bucket("usr_a", "/a", 5, 60, 3_600)], 2)

    world.run(hits)
    count = ratelimit("usr_a", "/a")
    assert int(world.look.get(count)) == 2
    assert 0 < world.look.pttl(count) <= 60_000
    assert 3_590_000 < world.look.pttl(companion(count, "log")) <= 3_600_000


@pytest.mark.lanes(*SERVERS)
def test_clocks_of_callers_do_not_count(world: World) -> None:
    """I7: two nodes, 30 s apart on either side."""

    async def hits(world: World) -> list[bool]:
        teks = [world.tek(clock=ManualClock(ManualClock().now + timedelta(seconds=off))) for off in (-30, 0, 30)]
        return [(await teks[at % 3].rate_limits.hit("usr_a", "/a")).allowed for at in range(90)]

    assert world.run(hits).count(True) == 60


HAMMER = """
import json, sys
import redis
from tektree._sync.backends.redis.connecting import with_redis
from tektree._sync.backends.memory.bundles import memory_backends
from tektree.models.rate_limits import Bucket
store = with_redis(memory_backends(), sys.argv[1]).rate_limits
passed, first, last = [], 0, 0
while not first or last - first < 1_300_000:
    fill = store.take([Bucket("usr_a", "/a", 100, 1)], 1)[0]
    first, last = first or fill.now, fill.now
    if not fill.wait:
        passed.append(fill.newest)
print(json.dumps(passed))
"""


@pytest.mark.lanes(REDIS)
def test_eight_processes_pass_no_more_than_the_limit_in_any_window(world: World) -> None:
    """I6: by the instants of the server at which hits passed; the script is flushed meanwhile."""
    running = [
        subprocess.Popen([sys.executable, "-c", HAMMER, world.uri], stdout=subprocess.PIPE, text=True) for _ in range(8)
    ]
    while any(each.poll() is None for each in running[:1]):
        world.look.script_flush()
    passed = sorted([at for each in running for at in json.loads(each.communicate(timeout=60)[0])])
    assert len(passed) >= 200
    worst = max(sum(start <= at < start + 1_000_000 for at in passed[i : i + 200]) for i, start in enumerate(passed))
    assert worst == 100


@pytest.mark.lanes(REDIS)
def test_who_waits_comes_through(world: World) -> None:
    """I17: by the real clock, which the caller waits for by asking the server itself."""

    async def waited(world: World) -> Fill:
        store, bucket = world.store("rate_limits"), Bucket("usr_a", "/a", 2, 1)
        await store.take([bucket], 2)
        refused = (await store.take([bucket], 2))[0]
        assert refused.wait
        while True:
            seconds, micros = world.look.time()
            if seconds * 1_000_000 + micros >= refused.now + refused.wait:
                return (await store.take([bucket], 2))[0]

    assert world.run(waited).wait == 0


def test_a_flush_of_scripts_is_survived(world: World) -> None:
    async def hits(world: World) -> list[int]:
        limits, found = world.tek().rate_limits, []
        for _ in range(3):
            world.look.script_flush()
            found.append((await limits.hit("usr_a", "/a")).remaining)
        return found

    assert world.run(hits) == [59, 58, 57]


@pytest.mark.lanes(*SERVERS)
def test_a_restart_is_survived(world: World, tmp_path: Path) -> None:
    """The log is read back, the scripts are gone, and every connection is broken."""
    server = RedisServer(tmp_path).start()

    async def hits(world: World) -> list[Any]:
        limits = world.tek(world.client(server.uri), policy=CLOSED).rate_limits
        found = [(await limits.hit("usr_a", "/a", cost=58)).remaining]
        server.kill()
        with pytest.raises(Unavailable):
            await limits.hit("usr_a", "/a")
        server.start()
        return [*found, *[(await limits.hit("usr_a", "/a")).allowed for _ in range(3)]]

    try:
        assert world.run(hits) == [2, True, True, False]
    finally:
        server.stop()


@pytest.mark.lanes(*SERVERS)
@pytest.mark.parametrize("strike", list(Strike))
def test_a_lost_reply_never_counts_twice(world: World, strike: Strike) -> None:
    """I5: though the client would try again."""
    proxy = Proxy(shared_redis().port)

    async def hits(world: World) -> None:
        client = world.client(proxy.uri, **RETRIES[world.is_async])
        limits = world.tek(client, deadline=0.5, policy=CLOSED).rate_limits
        await limits.hit("usr_a", "/a")
        proxy.arm(b"EVALSHA", strike)
        with pytest.raises(Unavailable):
            await limits.hit("usr_a", "/a")
        assert proxy.seen == 1
        counted = 1 if strike is Strike.BEFORE else 2
        assert world.look.llen(companion(ratelimit("usr_a", "/a"), "log")) == counted
        assert (await limits.hit("usr_a", "/a")).remaining == 59 - counted

    try:
        world.run(hits)
    finally:
        proxy.close()


@pytest.mark.lanes(REDIS)
def test_the_client_alone_would_count_twice(world: World) -> None:
    """The control: the same proxy, and a command of redis-py as a host would give it."""
    proxy = Proxy(shared_redis().port)
    client = world.client(proxy.uri, **RETRIES[False])
    client.incr("n")
    proxy.arm(b"INCR", Strike.AFTER)
    try:
        client.incr("n")
    finally:
        proxy.close()
        client.close()
    assert int(world.look.get("n")) == 3


@pytest.mark.lanes(*SERVERS)
def test_a_hung_server_is_unavailable_within_the_deadline(world: World) -> None:
    """I10, both policies; connections that are open, and ones that are not yet."""
    server = RedisServer().start()

    async def hits(world: World) -> None:
        for opened in (True, False):
            closed = world.tek(world.client(server.uri), deadline=0.3, policy=CLOSED).rate_limits
            open = world.tek(world.client(server.uri), deadline=0.3).rate_limits
            if opened:
                await closed.hit("usr_a", "/a")
                await open.hit("usr_a", "/a")
            server.pause()
            before = time.monotonic()
            with pytest.raises(Unavailable):
                await closed.hit("usr_a", "/a")
            assert not (await open.hit("usr_a", "/a")).counted
            assert time.monotonic() - before < 1.5
            server.resume()
            assert (await closed.hit("usr_a", "/a")).counted

    try:
        world.run(hits)
    finally:
        server.stop()


@pytest.mark.lanes(*SERVERS)
def test_a_full_server_is_unavailable(world: World) -> None:
    """I12."""
    server = RedisServer(None, "--maxmemory", "1", "--maxmemory-policy", "noeviction").start()

    async def hits(world: World) -> None:
        with pytest.raises(Unavailable, match="is full"):
            await world.tek(world.client(server.uri), policy=CLOSED).rate_limits.hit("usr_a", "/a")

    try:
        world.run(hits)
    finally:
        server.stop()


@pytest.mark.parametrize("plant", ["hset", "words"])
def test_what_is_no_log_is_corrupt(world: World, plant: str) -> None:
    log = companion(ratelimit("usr_a", "/a"), "log")
    if plant == "hset":
        world.look.hset(log, "a", "b")
    else:
        world.look.rpush(log, "one", "two")

    async def hit(world: World) -> None:
        with pytest.raises(CorruptDocument) as raised:
            await world.tek().rate_limits.hit("usr_a", "/a")
        assert raised.value.id == ratelimit("usr_a", "/a")

    world.run(hit)


@pytest.mark.lanes(REDIS, REDIS_ASYNC)
@pytest.mark.parametrize("many", [2_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_a_flood_of_endpoints_leaves_little_and_goes(world: World, many: int) -> None:
    """I9: two kB for each at the most, and all of them expire."""

    async def hits(world: World) -> None:
        limits = world.tek().rate_limits
        for at in range(many):
            await limits.hit("usr_a", f"/{at}/{'{é' * 400}")

    world.run(hits)
    keys = list(world.look.scan_iter(count=1000))
    assert len(keys) == 2 * many
    pipe = world.look.pipeline(transaction=False)
    for key in keys:
        pipe.memory_usage(key)
        pipe.pttl(key)
    found = pipe.execute()
    assert sum(found[::2]) / many < 2000
    assert min(found[1::2]) > 0


@pytest.mark.lanes(REDIS_ASYNC)
def test_a_storm_of_cancellations_mixes_no_replies(world: World) -> None:
    """C16: whoever is cancelled takes the reply along."""

    async def storm(world: World) -> None:
        store = world.store("rate_limits")

        async def hit(at: int) -> None:
            limit = 1 + at % 50
            for _ in range(3):
                fill = (await store.look([Bucket(f"usr_{limit}", "/a", limit, 60)], 1))[0]
                assert fill.used == limit

        for limit in range(1, 51):
            await store.take([Bucket(f"usr_{limit}", "/a", limit, 60)], limit)
        for at in range(40):
            tasks = [asyncio.create_task(hit(each)) for each in range(50)]
            for _ in range(at % 7):
                await asyncio.sleep(0)
            for each in tasks[::2]:
                each.cancel()
            for found in await asyncio.gather(*tasks, return_exceptions=True):
                assert found is None or isinstance(found, asyncio.CancelledError), found

    world.run(storm)
