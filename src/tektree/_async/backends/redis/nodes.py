"""Which server has a key: the only one, or that of the key's slot in a cluster.

The map of a cluster is our own, read from its nodes with ``CLUSTER SLOTS``, and anew when a node says that a slot has
moved, or fails. The client's would not do: it hides what was sent to whom, and sends it again.
"""

import re
from collections.abc import Awaitable, Sequence
from importlib import import_module
from typing import Any, Final, NamedTuple, Protocol

from redis.crc import key_slot
from redis.exceptions import AskError, MovedError, ResponseError
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import TimeoutError as Late

from tektree._async.backends.redis.faults import refusal
from tektree._flavour import async_lines, async_redis
from tektree.wire.replies import Replies

__all__ = ["AsyncNodes", "AsyncOneNode", "Command", "Written", "written"]

_LIBRARY: Final[Any] = import_module(async_redis)
_LOST: Final = (LostConnection, Late, OSError)
"""How a node fails. The driver's own error for one that is late is none of the others."""
_REDIRECTIONS: Final = 5
_PARTS: Final = 3
"""A call whose map has to be read has a part of its deadline for each node that it waits for: all but one of them for
nodes that do not say what the map is, the last one for the reply.
"""
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


class _Node(NamedTuple):
    """How commands go to a node: in the whole of the deadline, or in a part of it."""

    lines: async_lines
    hurried: async_lines


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
        self._nodes: dict[_Address, _Node] = {}
        self._pools: list[Any] = []
        self._slots: list[tuple[int, int, _Address]] = []
        self._is_stale = True
        """Whether the slots have to be read anew. Until they are, those of before are better than none."""
        self._failed: dict[_Address, None] = {}
        """The nodes that failed, and have not answered since; the last of them did so last."""

    async def exchange(self, commands: Sequence[Command], about: str) -> list[Any]:
        slot = key_slot(about.encode())
        is_late = await self._renew() if self._is_stale else False
        address = self._address(slot)
        asking: Sequence[Command] = ()
        for _ in range(_REDIRECTIONS):
            whole = [*asking, *commands]
            replies = (await self._sent(address, whole, is_late))[len(asking) :]
            redirected = next((found for each in replies if (found := _redirection(each)) is not None), None)
            if redirected is None:
                return replies
            kind, host, port = redirected
            address = _Address(host or address.host, port)
            asking = (("ASKING",),) if kind == "ASK" else ()
            if kind == "MOVED":
                self._is_stale = True
        raise LostConnection("sent from node to node")  # they do not agree yet

    async def close(self) -> None:
        for node in list(self._nodes.values()):
            await node.lines.close()
            await node.hurried.close()
        for pool in self._pools:
            await pool.disconnect()

    async def _sent(self, address: _Address, commands: Sequence[Command], hurried: bool) -> list[Any]:
        """The replies of one node. Whether it answers is remembered."""
        node = self._at(address)
        try:
            replies = await (node.hurried if hurried else node.lines).exchange(_packed(commands), len(commands))
        except _LOST:
            self._failed.pop(address, None)
            self._failed[address] = None
            self._is_stale = True  # another one may have taken over
            raise
        if self._failed:
            self._failed.pop(address, None)
        return replies

    def _address(self, slot: int) -> _Address:
        return next((each for first, last, each in self._slots if first <= slot <= last), None) or self._in_turn()[0]

    async def _renew(self) -> bool:
        """Reads which node has which slots from the first node that says it. Where none does, the slots stay as they
        were. True if time was lost with nodes that do not answer.
        """
        lost: Exception = LostConnection("no node")
        late = 0
        for address in self._in_turn():
            try:
                reply = (await self._sent(address, [("CLUSTER", "SLOTS")], hurried=True))[0]
            except _LOST as error:
                lost, late = error, late + isinstance(error, Late | TimeoutError)
                if late == _PARTS - 1:
                    break
                continue
            if isinstance(reply, ResponseError):  # it is starting, say
                lost = reply
                continue
            self._slots, self._is_stale = _read(reply, address), False
            return late > 0
        if not self._slots:
            raise lost
        return late > 0

    def _in_turn(self) -> list[_Address]:
        """All nodes that are known; those that failed come last."""
        failed = list(self._failed)
        known = dict.fromkeys([*self._nodes, *[address for _, _, address in self._slots], *self._seeds])
        return [*[each for each in known if each not in failed], *failed]

    def _at(self, address: _Address) -> _Node:
        node = self._nodes.get(address)
        if node is None:
            kind = _LIBRARY.connection.SSLConnection if self._secure else _LIBRARY.connection.Connection
            pool = _LIBRARY.ConnectionPool(
                connection_class=kind, **{**self._settings, "host": address.host, "port": address.port}
            )
            self._pools.append(pool)
            lines, hurried = [
                async_lines(pool, seconds, ResponseError, _replies)
                for seconds in (self._deadline, self._deadline / _PARTS)
            ]
            node = self._nodes[address] = _Node(lines, hurried)
        return node


def _read(slots: Sequence[Any], told_by: _Address) -> list[tuple[int, int, _Address]]:
    """Which node has which slots. A node may not know its own host: it was reached there."""
    return [
        (first, last, _Address((node[0] or b"").decode().strip("?") or told_by.host, node[1]))
        for first, last, node, *_ in slots
    ]


def _redirection(reply: object) -> tuple[str, str, int] | None:
    """Where a node sends us; some versions of redis-py make a class of that, some leave the text."""
    if isinstance(reply, AskError):
        return "MOVED" if isinstance(reply, MovedError) else "ASK", reply.host, reply.port
    if not isinstance(reply, ResponseError):
        return None
    found = _MOVED.match(str(reply))
    return None if found is None else (found[1], found[2], int(found[3]))
