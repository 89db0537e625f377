"""A proxy on the loopback between a client and its Redis, that loses what it is told to lose."""

import socket
import threading
from contextlib import suppress
from enum import StrEnum

__all__ = ["Proxy", "Strike"]


class Strike(StrEnum):
    """What befalls a message that holds the word the proxy waits for."""

    BEFORE = "before"
    """The connection breaks; the server never sees it."""
    AFTER = "after"
    """The server answers; the connection breaks, and the reply is lost."""
    HANG_AFTER = "hang after"
    """The server answers, and nothing comes back."""


class Proxy:
    """Forwards to ``port``. Once armed, the next message that holds ``word`` meets the strike, so many times."""

    def __init__(self, port: int) -> None:
        self._server = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.uri = f"redis://127.0.0.1:{self.port}"
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._word, self._strike, self._times = b"", Strike.AFTER, 0
        self.seen = 0
        """Messages with the word, since it was armed."""
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, word: bytes, strike: Strike, times: int = 1) -> None:
        """Counts anew."""
        with self._lock:
            self._word, self._strike, self._times, self.seen = word, strike, times, 0

    def refuse(self) -> None:
        """Takes no more connections; those that are open go on."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def close(self) -> None:
        """Ends all connections."""
        self._listening.close()
        with self._lock:
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.create_connection(("127.0.0.1", self._server))
        with self._lock:
            self._open += [client, server]
        mute = threading.Event()
        threading.Thread(target=self._answers, args=[client, server, mute], daemon=True).start()
        with suppress(OSError):
            while message := client.recv(65_536):
                strike = self._struck(message)
                if strike is Strike.BEFORE:
                    break
                if strike is not None:
                    mute.set()
                server.sendall(message)
                if strike is Strike.AFTER:
                    server.shutdown(socket.SHUT_WR)  # it answers, and then closes
        if not mute.is_set():
            _end(client, server)

    def _answers(self, client: socket.socket, server: socket.socket, mute: threading.Event) -> None:
        with suppress(OSError):
            while reply := server.recv(65_536):
                if not mute.is_set():
                    client.sendall(reply)
                elif self._strike is Strike.AFTER:
                    break
                else:
                    return
        _end(client, server)

    def _struck(self, message: bytes) -> Strike | None:
        with self._lock:
            if not self._word or self._word not in message:
                return None
            self.seen += 1
            if self._times == 0:
                return None
            self._times -= 1
            return self._strike


def _end(*sockets: socket.socket) -> None:
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
