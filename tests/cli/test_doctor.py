"""``tektree doctor`` against real servers: a good one, bad ones, one that is away."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from tektree import TekTree
from tektree._sync.backends.redis import connecting
from tektree._sync.backends.redis.connecting import connected
from tektree._sync.backends.redis.servers import facts as facts_of
from tektree.backends.memory import memory_backends
from tektree.backends.redis import async_facts, async_facts_of_each, facts, with_redis
from tektree.clock import system_clock
from tektree.models.accounts import Principal
from tektree.models.leaderboards import Board
from tests.cli.conftest import Run
from tests.lanes import CLUSTER, FAKE, REDIS, close, enter
from tests.servers import DidNotStart, RedisCluster, RedisServer, free_port, shared_cluster

LIMIT = ("--maxmemory", "100mb")


@contextmanager
def served(directory: Path | None, *options: str) -> Iterator[RedisServer]:
    enter(REDIS)
    server = RedisServer(directory, *options)
    try:
        yield server.start()
    except DidNotStart as reason:
        close(REDIS, str(reason))
        raise
    finally:
        server.stop()


@pytest.fixture
def bad() -> Iterator[RedisServer]:
    """It keeps nothing, and throws away whatever it likes."""
    with served(None, *LIMIT, "--maxmemory-policy", "allkeys-lru") as server:
        yield server


def test_a_good_one_has_nothing_amiss(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(tmp_path, *LIMIT, "--maxmemory-policy", "noeviction") as server:
        tek = TekTree(with_redis(memory_backends(), server.uri))
        ada = Principal("a" * 24, "usr_ada")
        for _ in range(2):
            tek.sessions.open(ada)
            tek.quotas.consume(ada, "questions")
            tek.rate_limits.hit("usr_ada", "/a")
            tek.gamification.award(tek.gamification.enroll(uid="usr_ben").user_id, "answer_posted")
        assert tek.leaderboards.top(Board.GLOBAL)
        tek.close()
        code, out, err = run("doctor", "--redis", server.uri)
        assert (code, err) == (0, "")
        assert out.splitlines()[-1].endswith("nothing is amiss")
        monkeypatch.setenv("TEKTREE_REDIS", server.uri)
        code, out, _ = run("doctor", "--json")
        document = json.loads(out)
        assert (code, document["ok"], document["findings"]) == (0, True, [])
        assert abs(document["clock_offset_seconds"]) < 1


def test_a_bad_one_is_said_what_breaks_of(run: Run, bad: RedisServer) -> None:
    look = redis.Redis.from_url(bad.uri)
    look.set("session:" + "0" * 64, "{}")
    look.set("quota:usr_ada:questions:2025-12", 3, px=100_000)
    look.lpush("ratelimit:usr_ada:/a", 1)
    look.zadd("leaderboard:weekly:2025-W50", {"usr_ada": 1})
    look.set("theirs", 1)
    before = sorted((key, look.dump(key)) for key in look.scan_iter())
    code, out, _ = run("doctor", "--redis", bad.uri, "--json")
    document = json.loads(out)
    assert (code, document["ok"]) == (1, False)
    found = [(each["severity"], each["about"]) for each in document["findings"]]
    assert found == [
        ("error", "eviction"),
        ("error", "keys"),
        ("warning", "persistence"),
        ("warning", "keys"),
    ]
    assert "1 keys hold something else than their name says: ratelimit:usr_ada:/a" in out
    assert "2 keys have lost their TTL" in out
    assert sorted((key, look.dump(key)) for key in look.scan_iter()) == before, "nothing is written"
    look.flushall()
    look.config_set("maxmemory-policy", "volatile-lru")
    code, out, _ = run("doctor", "--redis", bad.uri)
    assert code == 4
    assert [line.split()[:2] for line in out.splitlines() if line.startswith("warning")] == [
        ["warning", "eviction:"],
        ["warning", "persistence:"],
    ]
    look.close()


def test_a_clock_that_is_wrong_is_told(bad: RedisServer) -> None:
    found = facts(bad.uri, lambda: system_clock() - timedelta(seconds=90))
    assert 89 < found.offset < 91


def test_a_user_who_may_little_is_told_what_is_not_known(run: Run, bad: RedisServer) -> None:
    look = redis.Redis.from_url(bad.uri)
    may = ["+info", "+time", "+dbsize", "+config|get", "+eval", "+scan", "+type", "+pttl", "+ping", "+hello", "+client"]
    uri = f"redis://ada:planted@127.0.0.1:{bad.port}"
    for without, code, said in (
        ("+config|get", 1, "does not say when it makes snapshots"),
        ("+eval", 1, "the server runs no scripts"),
        ("+scan", 1, "does not show its keys"),
        ("+info", 2, "does not let this user do that"),
        ("+type", 2, "does not let this user do that"),
    ):
        look.set("session:1", 1, px=100_000)
        given = [each for each in may if each != without]
        look.execute_command("ACL", "SETUSER", "ada", "reset", "on", ">planted", "~*", *given)
        got, out, err = run("doctor", "--redis", uri)
        assert got == code, (without, out, err)
        assert said in (out + err).replace("\n         ", " ")
        assert "planted" not in out + err
    look.close()


@pytest.mark.parametrize("hangs", [False, True])
def test_one_that_is_away_is_one_line(run: Run, bad: RedisServer, hangs: bool) -> None:
    uri = bad.uri if hangs else f"redis://:planted@127.0.0.1:{free_port()}"
    with ExitStack() as after:
        if hangs:
            bad.pause()
            after.callback(bad.resume)
        code, out, err = run("doctor", "--redis", uri)
    assert (code, out) == (3, "")
    assert err.startswith("tektree: Redis could not be reached in time")
    assert "planted" not in err


def test_no_more_keys_than_asked_for_are_looked_at(bad: RedisServer) -> None:
    look = redis.Redis.from_url(bad.uri)
    look.mset({f"session:{at}": 1 for at in range(3000)})
    found = facts_of(connected(look), system_clock, most=1000).keys
    assert found is not None
    assert 1000 <= found.looked < 2000
    assert found.all == 3000
    assert found.many_endless == found.looked
    look.close()


def test_the_other_flavour_and_protocol_say_the_same(bad: RedisServer) -> None:
    def lasting(found: Any) -> Any:
        info = {name: value for name, value in found.info.items() if name in {"redis_version", "maxmemory", "role"}}
        return info, found.config, found.scripts, found.keys

    def both(protocol: int) -> tuple[Any, Any]:
        uri = f"{bad.uri}?protocol={protocol}"
        return lasting(facts(uri, system_clock)), lasting(asyncio.run(async_facts(uri, system_clock)))

    assert both(2) == both(3)
    assert both(2)[0] == both(2)[1]


def test_what_is_no_uri_is_a_mistake(run: Run) -> None:
    enter(FAKE)
    assert run("doctor", "--redis", "http://planted")[0] == 2
    assert run("doctor")[0] == 2


@pytest.fixture
def cluster() -> RedisCluster:
    enter(CLUSTER)
    try:
        return shared_cluster()
    except DidNotStart as reason:
        close(CLUSTER, str(reason))
        raise


def test_of_a_cluster_each_primary_is_looked_at(run: Run, cluster: RedisCluster) -> None:
    looks = [redis.Redis.from_url(node.uri) for node in cluster.nodes]
    try:
        looks[1].config_set("maxmemory-policy", "allkeys-lru")
        looks[1].config_set("maxmemory", "100mb")
        addresses = {f"127.0.0.1:{node.port}" for node in cluster.nodes}
        for node in cluster.nodes:
            code, out, err = run("doctor", "--redis", node.uri, "--json")
            document = json.loads(out)
            assert (code, err, document["ok"]) == (1, "", False)
            assert document["nodes"].keys() == addresses
            said = {each["about"]: each["found"] for each in document["findings"] if each["severity"] != "note"}
            assert said["eviction"] == f"127.0.0.1:{cluster.nodes[1].port}: maxmemory-policy allkeys-lru"
            assert said["cluster"] == "a node of a cluster"
        other = asyncio.run(async_facts_of_each(cluster.nodes[0].uri, system_clock))
        assert other.keys() == addresses
        assert all(each is not None and each.info["cluster_enabled"] == "1" for each in other.values())
        code, out, _ = run("doctor", "--redis", cluster.nodes[0].uri)
        assert code == 1
        lines = out.splitlines()
        assert lines[-1].startswith("3 primaries of a cluster: ")
        assert {line.partition(": ")[0] for line in lines[-4:-1]} == addresses
    finally:
        looks[1].config_set("maxmemory-policy", "noeviction")
        looks[1].config_set("maxmemory", "0")
        for look in looks:
            look.close()


def test_a_primary_that_is_away_is_a_finding(run: Run, cluster: RedisCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    node, dead = cluster.nodes[0], free_port()
    monkeypatch.setattr(connecting, "primaries", lambda _: [("", node.port), ("127.0.0.1", dead)])
    code, out, err = run("doctor", "--redis", node.uri)
    assert (code, err) == (1, "")
    assert f"127.0.0.1:{dead}: a primary that could not be reached" in out.replace("\n         ", " ")
    assert f"127.0.0.1:{dead}: away" in out


@pytest.mark.parametrize(
    ("uri", "host", "beside"),
    [
        ("redis://localhost:7000", "10.0.0.2", "redis://10.0.0.2:7001"),
        (
            "rediss://ada:p%40ss@localhost:7000/0?protocol=3",
            "10.0.0.2",
            "rediss://ada:p%40ss@10.0.0.2:7001/0?protocol=3",
        ),
        ("redis://:planted@[::1]:7000", "", "redis://:planted@[::1]:7001"),
        ("redis://localhost", "", "redis://localhost:7001"),
        ("redis://localhost", "fe80::1", "redis://[fe80::1]:7001"),
    ],
)
def test_other_nodes_are_asked_as_the_first_was(uri: str, host: str, beside: str) -> None:
    enter(FAKE)
    assert connecting._beside(uri, host, 7001) == beside
    assert "planted" not in connecting._address(beside)
    assert connecting._address(beside).endswith(":7001")
    assert connecting._address("unix:///run/redis.sock") == "/run/redis.sock"
