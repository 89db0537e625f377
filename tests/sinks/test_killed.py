"""``kill -9`` of relays, of consumers and of the redis-server, and ``FLUSHALL``, in the middle of it: all converge."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis

from tektree import Board, Policy, TekTree, TekTreeError
from tektree.wire.collections import DELIVERIES
from tests.backends.mongo.worlds import USED, World
from tests.lanes import PYMONGO, REDIS, close, enter
from tests.servers import DidNotStart, RedisServer
from tests.sinks.consuming import POLICY, fold

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
UIDS = [f"usr_{at}" for at in range(3)]


@dataclass
class Site:
    """A database, a redis-server, and processes on them."""

    world: World
    server: RedisServer
    home: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def mongo(self) -> str:
        return f"{self.world.uri}{self.world.name}"

    def start(self, name: str) -> None:
        """A relay or a consumer, by how its name begins."""
        command = [sys.executable, "-m", "tests.sinks.consuming", self.mongo, self.server.uri, name]
        if name.startswith("relay"):
            policy = self.home / "policy.toml"
            policy.write_text(POLICY)
            options = ["--policy", str(policy), "--poll", "0.1", "--every", "0.5", "--json"]
            command = [sys.executable, "-m", "tektree", "relay", "--mongo", self.mongo, "--redis", self.server.uri]
            command += options
        with (self.home / name).open("ab") as said:
            self.running[name] = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )

    def kill(self, name: str) -> None:
        process = self.running.pop(name)
        process.kill()
        process.wait()

    def ended(self, name: str) -> int:
        """A process that is asked to end, and how it did."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(PATIENCE)

    def over(self) -> None:
        for name in list(self.running):
            self.kill(name)


@contextmanager
def opened(tmp_path: Path) -> Iterator[Site]:
    enter(REDIS)
    world = World.made(PYMONGO).indexed((*USED, DELIVERIES))
    kept = tmp_path / "redis"
    kept.mkdir()
    try:
        server = RedisServer(kept).start()
    except DidNotStart as reason:
        close(REDIS, str(reason))
        raise
    site = Site(world, server, tmp_path)
    try:
        yield site
    finally:
        site.over()
        server.stop()
        world.over()


def until(holds: Callable[[], bool]) -> bool:
    """Whether it holds in the end."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with suppress(TekTreeError):
            if holds():
                return True
        time.sleep(0.1)
    return False


def whole(tek: TekTree, numbers: Any) -> bool:
    """Whether all took effect once and in order, and the boards are the profiles."""
    for uid in UIDS:
        stream = f"user:{uid}:xp"
        log = [event.metadata["seq"] for event in tek._backends.events.stream(stream, 0, 1_000)]
        profile = tek._backends.gamification.by_uid(uid)
        standing = tek.leaderboards.rank(Board.GLOBAL, uid)
        if numbers.state("fold", stream) != log or profile is None or standing is None:
            return False
        if standing.score != profile.total_xp:
            return False
    return True


PROCESSES = ("relay-1", "relay-2", "consumer-1", "consumer-2")


def played(
    site: Site, awards: int, disasters: dict[int, Callable[[], None]], processes: Sequence[str] = PROCESSES
) -> None:
    policy = Policy.from_toml(POLICY)
    for name in processes:
        site.start(name)
    with TekTree.connect(site.mongo, site.server.uri, policy) as tek:
        users = [tek.gamification.enroll(uid=uid).user_id for uid in UIDS]
        numbers, _ = fold(tek, "look")
        for at in range(awards):
            tek.gamification.award(users[at % 3], "manual", amount=at + 1, key=f"key-{at}")
            if at in disasters:
                until(lambda: numbers.state("fold", f"user:{UIDS[0]}:xp") is not None)  # they are at work
                disasters[at]()
        assert until(lambda: whole(tek, numbers))
    assert site.ended("relay-2") == 0
    assert {site.ended(name) for name in sorted(site.running)} <= {0, -signal.SIGTERM}  # one may have just begun


def test_relay_consumer_and_redis_are_killed(tmp_path: Path) -> None:
    with opened(tmp_path) as site:

        def redis_again() -> None:
            site.server.kill()
            site.server.start()

        def both() -> None:
            site.kill("relay-1")
            site.kill("consumer-1")
            site.start("consumer-1")

        played(site, 12, {4: both, 8: redis_again}, PROCESSES[:3])
        said = (tmp_path / "relay-2").read_text()
        assert '"published": ' in said
        assert '"by": "change stream"' in said or '"by": "polling"' in said


@pytest.mark.long
@pytest.mark.parametrize("disaster", ["relay", "consumer", "redis", "flush"])
def test_each_is_killed_over_and_over(disaster: str, tmp_path: Path) -> None:
    with opened(tmp_path) as site:

        def strike() -> None:
            if disaster == "redis":
                site.server.kill()
                site.server.start()
            elif disaster == "flush":
                redis.Redis.from_url(site.server.uri).flushall()
            else:
                site.kill(f"{disaster}-1")
                site.start(f"{disaster}-1")

        played(site, 60, dict.fromkeys(range(5, 60, 10), strike))
