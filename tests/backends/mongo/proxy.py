"""A proxy on the loopback between a driver and its server, that strikes at the command it is told to.

It reads the driver's messages, so it knows which command is which; what drivers send on their own passes.
"""

import socket
import threading
from contextlib import suppress
from enum import StrEnum
from typing import Any

import bson

__all__ = ["Proxy", "Strike"]

_OWN = {"hello", "ismaster", "isMaster", "ping", "endSessions", "killCursors", "buildInfo", "buildinfo"}
_OP_MSG = 2013


class Strike(StrEnum):
    """What befalls a command."""

    BEFORE = "before"
    """The connection breaks; the server never sees it."""
    AFTER = "after"
    """The server answers; the connection breaks, and the reply is lost."""
    HANG = "hang"
    """Nothing comes back; the server never sees it."""
    HANG_AFTER = "hang after"
    """The server answers, and nothing comes back."""


class Proxy:
    """Forwards to ``port``. Command number ``at`` (from 0), and the ``times`` − 1 behind it, meet ``strike``."""

    def __init__(self, port: int) -> None:
        self._server = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self.struck = threading.Event()
        self.seen: list[str] = []
        self._at, self._times, self._strike = -1, 0, Strike.BEFORE
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def uri(self) -> str:
        """Where it listens; the driver must not find out where the server really is."""
        return f"mongodb://127.0.0.1:{self.port}/?directConnection=true"

    def arm(self, at: int, strike: Strike, times: int = 1) -> None:
        """Counts anew."""
        with self._lock:
            self.seen, self._at, self._times, self._strike = [], at, times, strike
            self.struck.clear()

    def close(self) -> None:
        """Ends all connections."""
        self._listening.close()
        with self._lock:
            for each in self._open:
                _shut(each)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                driver, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=[driver], daemon=True).start()

    def _serve(self, driver: socket.socket) -> None:
        with suppress(OSError), driver, socket.create_connection(("127.0.0.1", self._server)) as server:
            with self._lock:
                self._open += [driver, server]
            for each in (driver, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while request := _message(driver):
                strike = self._struck(request)
                if strike in {Strike.BEFORE, Strike.HANG}:
                    if strike is Strike.BEFORE:
                        return
                    _wait(driver)
                    return
                server.sendall(request)
                reply = _message(server)
                if strike is Strike.AFTER or reply is None:
                    return
                if strike is Strike.HANG_AFTER:
                    _wait(driver)
                    return
                driver.sendall(reply)
                while _more_to_come(reply):
                    reply = _message(server)
                    if reply is None:
                        return
                    driver.sendall(reply)

    def _struck(self, request: bytes) -> Strike | None:
        command = _command(request)
        if command is None or command in _OWN:
            return None
        with self._lock:
            number = len(self.seen)
            self.seen.append(command)
            if not self._at <= number < self._at + self._times:
                return None
            self.struck.set()
            return self._strike


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


def _wait(driver: socket.socket) -> None:
    """Until the driver gives up."""
    while driver.recv(65536):
        pass


def _message(connection: socket.socket) -> bytes | None:
    head = _exactly(connection, 4)
    rest = head and _exactly(connection, int.from_bytes(head, "little") - 4)
    return head + rest if head and rest else None


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    found = b""
    while len(found) < size:
        part = connection.recv(size - len(found))
        if not part:
            return None
        found += part
    return found


def _more_to_come(reply: bytes) -> bool:
    return _opcode(reply) == _OP_MSG and bool(int.from_bytes(reply[16:20], "little") & 2)


def _opcode(message: bytes) -> int:
    return int.from_bytes(message[12:16], "little")


def _command(message: bytes) -> str | None:
    """The name of the command in a message; None for the old kind of message, which only greets."""
    if _opcode(message) != _OP_MSG:
        return None
    at = 20
    while message[at] != 0:  # a list of documents stands before the command
        at += 1 + int.from_bytes(message[at + 1 : at + 5], "little")
    size = int.from_bytes(message[at + 1 : at + 5], "little")
    document: dict[str, Any] = bson.decode(message[at + 1 : at + 1 + size])
    return next(iter(document))
