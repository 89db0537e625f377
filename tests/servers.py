"""Servers for tests: started on a free loopback port, stopped by their process.

The MongoDB-wire server comes from PyPI (``secantusdb``) and runs beside the tests in a process of its own. One serves
the whole run.
"""

import atexit
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

__all__ = ["DidNotStart", "MongoServer", "free_port", "shared_mongo"]

_PATIENCE = 20.0


class DidNotStart(RuntimeError):
    """Why a server is not there."""


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
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


def shared_mongo() -> MongoServer:
    """The server of this run, started when it is first asked for. Raises `DidNotStart`, each time again."""
    global _shared
    if _shared is None:
        server = MongoServer()
        atexit.register(server.stop)
        try:
            _shared = server.start()
        except DidNotStart as reason:
            _shared = reason
    if isinstance(_shared, DidNotStart):
        raise _shared
    return _shared
