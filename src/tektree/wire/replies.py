"""Replies of a Redis server, out of the bytes that come: RESP2 and RESP3.

redis-py reads each reply by itself, through several calls for each of its parts. Here all that has come is read in one
go, which takes a fifth of that; what is still to come waits where it was broken off.
"""

from collections.abc import Callable
from typing import Any, Final

__all__ = ["Replies"]

_MORE: Final = object()
"""There is no whole reply yet."""

_END: Final = b"\r\n"
_LISTS: Final = frozenset(b"*~>%")
_TEXTS: Final = frozenset(b"$=!")


class Replies:
    """The replies on one connection. Texts are bytes, sets are lists, and maps are lists of keys and values in turn.

    What the server says unasked, to who has asked to be told of changes, is passed over.

    ``refusal`` makes of what the server says the error that stands for it in the place of the reply.
    """

    def __init__(self, refusal: Callable[[str], Exception]) -> None:
        self._refusal = refusal
        self._data = b""
        self._at = 0
        self._open: list[tuple[list[Any], int, bool]] = []
        """Lists that are begun, each with the number of its items, and whether it was asked for."""
        self._taken: list[Any] = []

    def feed(self, data: bytes) -> None:
        """Takes what has come."""
        self._data = self._data[self._at :] + data if self._at < len(self._data) else data
        self._at = 0

    def take(self, number: int) -> list[Any] | None:
        """The next replies, so many; None: there are not that many yet.

        Raises ``ConnectionAbortedError`` for what no server says.
        """
        try:
            while len(self._taken) < number:
                value = self._next()
                if value is _MORE:
                    return None
                self._taken.append(value)
        except ValueError:
            raise ConnectionAbortedError("what came is no reply of Redis") from None
        taken, self._taken = self._taken, []
        return taken

    def is_whole(self) -> bool:
        """Whether nothing is begun, and no reply is there that nobody asked for."""
        if self._at < len(self._data):
            try:
                if self._next() is not _MORE:
                    return False
            except ValueError:
                return False
        return self._at == len(self._data) and not self._open

    def _next(self) -> Any:
        """The next reply. What begins a list is kept open, and what comes is its, until it is whole."""
        data, at, opened = self._data, self._at, self._open
        value: Any
        while (end := data.find(_END, at)) >= 0:
            kind, behind = data[at], end + 2
            if kind in _TEXTS:
                size, value = int(data[at + 1 : end]), None
                if size >= 0:
                    behind += size + 2
                    if len(data) < behind:
                        break
                    value = data[end + 2 : behind - 2]
                    value = value if kind == _BULK else self._text(kind, value)
            elif kind in _LISTS:
                size = int(data[at + 1 : end]) * (2 if kind == _MAP else 1)
                if size > 0:
                    opened.append(([], size, kind != _UNASKED))
                    at = behind
                    continue
                value = [] if size == 0 else None
            else:
                value = self._simple(kind, data[at + 1 : end])
            at = behind
            while opened:
                items, most, asked = opened[-1]
                items.append(value)
                if len(items) < most:
                    break
                opened.pop()
                value = items
                if not asked:
                    break
            else:
                self._at = at
                return value
        self._at = at
        return _MORE

    def _text(self, kind: int, said: bytes) -> Any:
        return said[4:] if kind == _VERBATIM else self._refusal(said.decode("utf-8", "replace"))

    def _simple(self, kind: int, said: bytes) -> Any:
        if kind == _ERROR:
            return self._refusal(said.decode("utf-8", "replace"))
        if kind not in _SIMPLE:
            raise ValueError(kind)
        return _SIMPLE[kind](said)


_MAP: Final = ord("%")
_UNASKED: Final = ord(">")
_BULK: Final = ord("$")
_VERBATIM: Final = ord("=")
_ERROR: Final = ord("-")
_SIMPLE: Final[dict[int, Callable[[bytes], Any]]] = {
    ord(":"): int,
    ord("("): int,
    ord("+"): bytes,
    ord(","): float,
    ord("_"): lambda _: None,
    ord("#"): lambda said: said == b"t",
}
