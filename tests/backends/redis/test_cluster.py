"""A real cluster of three: slots that move, nodes that go, and limits whose buckets share no slot."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from redis.crc import key_slot

from tektree import Policy
from tektree.errors import Unavailable
from tektree.models.rate_limits import Bucket
from tektree.wire.keys import companion, ratelimit, user_sessions
from tests.backends.redis.worlds import CLUSTERS, World
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
