"""Which server has a key: the only one, or that of the key's slot in a cluster.

The map of a cluster is our own, read from its nodes with ``CLUSTER SLOTS``, and anew when a node says that a slot has
moved. The client's would not do: it hides what was sent to whom, and sends it again.
"""

import re
from collections.abc import Awaitable, Sequence
from importlib import import_module
from typing import Any, Final, NamedTuple, Protocol

from redis.crc import key_slot
from redis.exceptions import AskError, MovedError, ResponseError
from redis.exceptions import ConnectionError as LostConnection

from tektree._async.backends.redis.faults import refusal
from tektree._flavour import async_lines, async_redis
from tektree.wire.replies import Replies

__all__ = ["AsyncNodes", "AsyncOneNode", "Command", "Written", "written"]

_LIBRARY: Final[Any] = import_module(async_redis)
_REDIRECTIONS: Final = 5
_MOVED: Final = re.compile(r"(MOVED|ASK) \d+ (.*):(\d+)$")
_OURS: Final = re.compile(r"username|password|credential_provider|protocol|client_name|encoding|ssl|socket_(?!read)")
"""Settings of a cluster's client that hold for each connection."""


class Written(NamedTuple):
    """Several parts of a command as they are sent, written once for all commands that have them."""

    parts: int
    data: bytes


Command = tuple[str | int | bytes | Written, ...]


class _Address(NamedTuple):
    host: str
    port: int


class AsyncNodes(Protocol):
    """The servers behind a client."""

    is_cluster: bool

    def exchange(self, commands: Sequence[Command], about: str) -> Awaitable[list[Any]]:
        """The replies of the server that has the key ``about``, with what it refused as errors."""
        ...

    async def close(self) -> None:
        """Closes connections of our own."""
        ...


def _replies() -> Replies:
    return Replies(refusal)


def _packed(commands: Sequence[Command]) -> bytes:
    """Commands as they are sent. The driver's own packing takes as long as the rest of a call."""
    return b"".join([b"*%d\r\n%b" % written(command) for command in commands])


def written(command: Sequence[str | int | bytes | Written]) -> Written:
    """Parts of a command as they are sent."""
    number, found = len(command), []
    for each in command:
        if isinstance(each, Written):
            number += each.parts - 1
            found.append(each.data)
            continue
        part = each.encode() if isinstance(each, str) else each if isinstance(each, bytes) else b"%d" % each
        found.append(b"$%d\r\n%b\r\n" % (len(part), part))
    return Written(number, b"".join(found))


class AsyncOneNode:
    """A server that has every key."""

    is_cluster = False

    def __init__(self, client: Any, deadline: float) -> None:
        self._lines = async_lines(client.connection_pool, deadline, ResponseError, _replies)

    def exchange(self, commands: Sequence[Command], about: str) -> Awaitable[list[Any]]:
        return self._lines.exchange(_packed(commands), len(commands))

    async def close(self) -> None:
        await self._lines.close()


class AsyncCluster:
    """A cluster. Commands of one exchange are about keys of one slot."""

    is_cluster = True

    def __init__(self, client: Any, deadline: float) -> None:
        settings = getattr(client, "connection_kwargs", None) or client.nodes_manager.connection_kwargs
        self._settings = {name: value for name, value in settings.items() if _OURS.match(name)}
        self._secure = bool(settings.get("ssl")) or "SSL" in str(settings.get("connection_class", ""))
        self._deadline = deadline
        self._seeds = [_Address(each.host, int(each.port)) for each in client.nodes_manager.startup_nodes.values()]
        self._lines: dict[_Address, async_lines] = {}
        self._pools: list[Any] = []
        self._slots: list[tuple[int, int, _Address]] = []

    async def exchange(self, commands: Sequence[Command], about: str) -> list[Any]:
        slot = key_slot(about.encode())
        address = await self._address(slot)
        asking: Sequence[Command] = ()
        for _ in range(_REDIRECTIONS):
            try:
                whole = [*asking, *commands]
                replies = (await self._at(address).exchange(_packed(whole), len(whole)))[len(asking) :]
            except (LostConnection, OSError):
                self._slots = []  # its node may have failed, and another have taken over
                raise
            redirected = next((found for each in replies if (found := _redirection(each)) is not None), None)
            if redirected is None:
                return replies
            kind, host, port = redirected
            address = _Address(host or address.host, port)
            asking = (("ASKING",),) if kind == "ASK" else ()
            if kind == "MOVED":
                self._slots = []
        raise LostConnection("sent from node to node")  # they do not agree yet

    async def close(self) -> None:
        for lines in self._lines.values():
            await lines.close()
        for pool in self._pools:
            await pool.disconnect()

    async def _address(self, slot: int) -> _Address:
        if not self._slots:
            self._slots = await self._map()
        return next((address for first, last, address in self._slots if first <= slot <= last), self._seeds[0])

    async def _map(self) -> list[tuple[int, int, _Address]]:
        """The slots and their nodes, from the first node that answers."""
        lost: Exception = LostConnection("no node")
        for seed in dict.fromkeys([*self._lines, *self._seeds]):
            try:
                reply = (await self._at(seed).exchange(_packed([("CLUSTER", "SLOTS")]), 1))[0]
            except (LostConnection, OSError) as error:
                lost = error
                continue
            if isinstance(reply, ResponseError):
                raise reply
            return [(first, last, _Address(node[0].decode() or seed.host, node[1])) for first, last, node, *_ in reply]
        raise lost

    def _at(self, address: _Address) -> async_lines:
        lines = self._lines.get(address)
        if lines is None:
            kind = _LIBRARY.connection.SSLConnection if self._secure else _LIBRARY.connection.Connection
            pool = _LIBRARY.ConnectionPool(
                connection_class=kind, **{**self._settings, "host": address.host, "port": address.port}
            )
            self._pools.append(pool)
            lines = self._lines[address] = async_lines(pool, self._deadline, ResponseError, _replies)
        return lines


def _redirection(reply: object) -> tuple[str, str, int] | None:
    """Where a node sends us; some versions of redis-py make a class of that, some leave the text."""
    if isinstance(reply, AskError):
        return "MOVED" if isinstance(reply, MovedError) else "ASK", reply.host, reply.port
    if not isinstance(reply, ResponseError):
        return None
    found = _MOVED.match(str(reply))
    return None if found is None else (found[1], found[2], int(found[3]))
