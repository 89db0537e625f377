"""A real cluster of three: slots that move, nodes that go, and limits whose buckets share no slot."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import redis
from redis.crc import key_slot

import tektree._async.backends.redis.nodes as async_module
import tektree._sync.backends.redis.nodes as sync_module
from tektree import Policy
from tektree.errors import Unavailable
from tektree.models.rate_limits import Bucket
from tektree.wire.keys import companion, ratelimit, user_sessions
from tests.backends.redis.worlds import CLUSTERS, World
from tests.lanes import CLUSTER
from tests.servers import RedisCluster

pytestmark = pytest.mark.lanes(*CLUSTERS)
CLOSED = Policy(rate_limits={"tiers": {"free": {"*": {"limit": 60, "away": "closed"}}}})


@pytest.fixture
def own() -> Iterator[RedisCluster]:
    """A cluster that a test may break."""
    cluster = RedisCluster().start()
    yield cluster
    cluster.stop()


def client(world: World, cluster: RedisCluster) -> Any:
    library: Any = redis.asyncio if world.is_async else redis
    return library.RedisCluster("127.0.0.1", cluster.port)


def test_keys_are_spread_and_companions_stay_together(world: World) -> None:
    """An endpoint with braces puts nobody else into its slot."""

    async def hits(world: World) -> None:
        limits = world.tek().rate_limits
        for at in range(60):
            assert (await limits.hit(f"usr_{at}", "/questions/{id}")).remaining == 59

    world.run(hits)
    keys = [ratelimit(f"usr_{at}", "/questions/{id}") for at in range(60)]
    assert all(key_slot(key.encode()) == key_slot(companion(key, "log").encode()) for key in keys)
    assert len({key_slot(key.encode()) for key in keys}) > 50


def test_a_map_that_is_wrong_is_read_anew(world: World) -> None:
    """MOVED: the node did nothing, so nothing counts twice."""

    async def hits(world: World) -> None:
        store = world.store("rate_limits")
        inner = store if world.is_async else store.inner
        nodes = inner._redis._nodes
        for at in range(20):
            bucket = Bucket(f"usr_{at}", "/a", 5, 60)
            await store.take([bucket], 1)
            nodes._slots = [(0, 16_383, nodes._seeds[0])]
            assert (await store.take([bucket], 1))[0].used == 2

    world.run(hits)


def test_a_slot_that_is_on_its_way_is_followed(world: World, own: RedisCluster) -> None:
    """ASK: the key is not there yet, and the other node is asked for it once. Scripts of several keys have to wait."""
    nodes = [redis.Redis.from_url(each.uri, decode_responses=True) for each in own.nodes]
    ids = [each.execute_command("CLUSTER", "MYID") for each in nodes]

    def move(key: str) -> Callable[[], None]:
        """Begins to move the key's slot; what is returned ends that."""
        slot = key_slot(key.encode())
        source = next(at for at in range(3) if slot < [5461, 10923, 16384][at])
        target = (source + 1) % 3
        nodes[target].execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
        nodes[source].execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])

        def done() -> None:
            for at in (target, source):
                nodes[at].execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[target])

        return done

    async def moving(world: World) -> None:
        connected = client(world, own)
        sessions = world.store("sessions", connected)
        done = move(user_sessions("usr_a"))
        await sessions.changed("usr_a")
        await sessions.changed("usr_a")
        assert (await sessions.marks("usr_a")).version == 2
        done()
        await sessions.changed("usr_a")
        assert (await sessions.marks("usr_a")).version == 3

        limits = world.tek(connected, policy=CLOSED).rate_limits
        done = move(ratelimit("usr_a", "/a"))
        with pytest.raises(Unavailable, match="moving these keys"):
            await limits.hit("usr_a", "/a")
        done()
        assert (await limits.hit("usr_a", "/a")).remaining == 59

    world.run(moving)
    for each in nodes:
        each.close()


def test_a_node_that_is_gone_is_unavailable(world: World, own: RedisCluster) -> None:
    async def hits(world: World) -> None:
        tek = world.tek(client(world, own), deadline=0.5, policy=CLOSED)
        for at in range(12):
            await tek.rate_limits.hit(f"usr_{at}", "/a")
        own.nodes[2].kill()
        outcomes = []
        for at in range(12):
            before = time.monotonic()
            try:
                outcomes.append((await tek.rate_limits.hit(f"usr_{at}", "/a")).remaining)
            except Unavailable:
                outcomes.append(-1)
            assert time.monotonic() - before < 3
        assert set(outcomes) <= {-1, 58}
        assert -1 in outcomes

    world.run(hits)


def homes(number: int) -> list[list[str]]:
    """Of each node so many users whose hits on ``/a`` are counted there."""
    found: list[list[str]] = [[], [], []]
    for at in range(200):
        uid = f"usr_{at}"
        slot = key_slot(ratelimit(uid, "/a").encode())
        found[next(node for node, last in enumerate((5461, 10923, 16384)) if slot < last)].append(uid)
    return [uids[:number] for uids in found]


async def hung(own: RedisCluster, those: tuple[int, ...], world: World) -> None:
    """Nodes that stay connected and do nothing take their own keys away, and nobody else's."""
    deadline, users = 1.5, homes(3)
    limits = world.tek(client(world, own), deadline=deadline, policy=CLOSED).rate_limits
    for uid in [each for uids in users for each in uids]:
        await limits.hit(uid, "/a")

    async def asked(uid: str) -> tuple[int | None, float]:
        before = time.monotonic()
        try:
            used: int | None = 60 - (await limits.hit(uid, "/a")).remaining
        except Unavailable:
            used = None
        return used, time.monotonic() - before

    for node in those:
        own.nodes[node].pause()
    try:
        for turn in range(2):
            for node in those:
                used, seconds = await asked(users[node][turn])
                assert used is None
                assert seconds < 2 * deadline, "one deadline, and not one for each node"
            for node in {0, 1, 2} - {*those}:
                # The first of them may wait for another hung node until it knows better.
                found = [await asked(uid) for uid in users[node]]
                assert [used for used, _ in found] == [2 + turn] * 3
                assert max(seconds for _, seconds in found) < deadline
                assert max(seconds for _, seconds in found[1:]) < deadline / 3, "it is not asked again and again"
    finally:
        for node in those:
            own.nodes[node].resume()
    for node in those:
        assert (await asked(users[node][2]))[0] is not None, "as soon as it answers"


@pytest.mark.parametrize("those", [(0,), pytest.param((0, 1), marks=pytest.mark.long)])
def test_a_node_that_hangs_takes_nobody_elses_keys_away(
    world: World, own: RedisCluster, those: tuple[int, ...]
) -> None:
    world.run(partial(hung, own, those))


@pytest.mark.long
def test_a_cluster_that_asks_the_node_that_failed_first_is_found(
    world: World, own: RedisCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cluster in (async_module.AsyncCluster, sync_module.Cluster):
        monkeypatch.setattr(cluster, "_in_turn", lambda self: [*self._failed, *self._seeds])
    with pytest.raises(AssertionError):
        world.run(partial(hung, own, (0,)))


@pytest.mark.long
@pytest.mark.lanes(CLUSTER)
def test_a_cluster_that_does_not_know_when_a_node_is_late_is_found(
    world: World, own: RedisCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """redis-py's own error for that is neither an ``OSError`` nor its error for a connection that is lost."""
    monkeypatch.setattr(sync_module, "_LOST", (redis.exceptions.ConnectionError, OSError))
    with pytest.raises(AssertionError):
        world.run(partial(hung, own, (0, 1)))


def test_a_cluster_that_hangs_as_a_whole_takes_no_longer_than_one_deadline(world: World, own: RedisCluster) -> None:
    async def asked(world: World) -> None:
        limits = world.tek(client(world, own), deadline=0.6, policy=CLOSED).rate_limits
        await limits.hit("usr_a", "/a")
        for node in own.nodes:
            node.pause()
        for at in range(4):
            before = time.monotonic()
            with pytest.raises(Unavailable):
                await limits.hit(f"usr_{at}", "/a")
            assert time.monotonic() - before < 1.1
        for node in own.nodes:
            node.resume()
        assert (await limits.hit("usr_a", "/a")).remaining == 58

    world.run(asked)


def test_log_ins_count_in_both_buckets_or_in_neither(world: World) -> None:
    """The buckets of account and source share no slot: what is refused by the second is given back by the first."""

    async def logins(world: World) -> None:
        limits = world.tek().rate_limits
        for at in range(20):
            assert (await limits.login(f"user{at}", "192.0.2.7")).allowed
        assert not (await limits.login("ada", "192.0.2.7")).allowed
        assert [(await limits.login("ada", "192.0.2.8")).allowed for _ in range(6)] == [True] * 5 + [False]
        assert (await limits.login("ben", "192.0.2.8")).allowed

    world.run(logins)
    logs = [key for key in world.look.scan_iter() if key.endswith(":log")]
    counted = {key: world.look.llen(key) for key in logs}
    source = companion(ratelimit("ip:192.0.2.8", "login"), "log")
    assert counted[source] == 6
    assert int(world.look.get(ratelimit("ip:192.0.2.8", "login"))) == 6
