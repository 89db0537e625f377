"""The MongoDB server of the benches that need one, and databases on it that are dropped in the end.

Without ``--mongo`` it is the wire server of ``secantusdb``, in a process of its own and in memory. All ways of a run
share it, so its part of a figure is the same for all of them.
"""

import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

__all__ = ["MONGO", "databases"]

MONGO: Final = {"help": "a MongoDB server: mongodb://host/. Default: one that is started for this run"}
"""The option that names a server."""

_PATIENCE: Final = 20.0


@contextmanager
def databases(mongo: str | None) -> Iterator[tuple[str, Callable[[], str]]]:
    """A URI, and what makes up names of databases that nobody else uses."""
    if find_spec("pymongo") is None:
        raise SystemExit('this needs the driver: pip install "tektree[mongo]"')
    from pymongo import MongoClient

    names: list[str] = []

    def fresh() -> str:
        names.append(f"tektree_bench_{secrets.token_hex(6)}")
        return names[-1]

    with _server(mongo) as uri:
        try:
            yield uri, fresh
        finally:
            with MongoClient[Any](uri) as client:
                for name in names:
                    client.drop_database(name)


@contextmanager
def _server(mongo: str | None) -> Iterator[str]:
    if mongo is not None:
        yield mongo
        return
    if find_spec("secantus") is None:
        raise SystemExit("this needs a server: pip install secantusdb, or name one with --mongo")
    home, port = tempfile.mkdtemp(prefix="tektree-bench-"), _free_port()
    command = [sys.executable, "-m", "secantus", "--port", str(port), "--storage-path", ":memory:"]
    process = subprocess.Popen(
        [*command, "--log-level", "ERROR"],
        cwd=home,
        env={"TMPDIR": home, "PATH": ""},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(process, port)
        yield f"mongodb://127.0.0.1:{port}/"
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(Path(home), ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the wire server does not start") from None
            time.sleep(0.02)
