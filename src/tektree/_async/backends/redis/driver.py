"""The one place that calls redis-py: its clients, standalone and cluster, real and faked.

Commands go over connections of their own, past the client's `execute_command`: redis-py sends a command again when the
reply was lost, also one that counts. Here that is done with those alone that may be repeated, once. Where it is not
known whether a command arrived, the error says so, but for those that only read.
"""

import os
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import NoScriptError, ResponseError

from tektree._async.backends.redis.faults import RAISED, fault, is_unsent
from tektree._async.backends.redis.nodes import AsyncCluster, AsyncNodes, AsyncOneNode, Command, Written, written
from tektree._flavour import async_loop, async_redis_clients, async_redis_stranger
from tektree.errors import ConfigurationError, TekTreeError
from tektree.wire.scripts import Script

__all__ = ["DEADLINE", "AsyncRedis", "client_of", "stranger"]

DEADLINE: Final = 2.0
"""Seconds that a round trip may take, from finding a connection to the last reply."""


class AsyncRedis:
    """A server, as our backends use it."""

    def __init__(self, client: Any, deadline: float = DEADLINE, owned: bool = False) -> None:
        self._client = client
        self.deadline = deadline
        """The seconds that a round trip may take."""
        self._owned = owned
        self._nodes: AsyncNodes = (AsyncCluster if client_of(client) == "RedisCluster" else AsyncOneNode)(
            client, deadline
        )
        self.is_cluster = self._nodes.is_cluster
        """Whether keys have to share a slot to be touched in one step."""
        self._pid = os.getpid()
        self._loop: object | None = None

    async def run(
        self,
        script: Script,
        keys: Sequence[str],
        args: Sequence[str | int] = (),
        again: bool = False,
        reads: bool = False,
    ) -> Any:
        """What a script returns, in one round trip. A server that does not know it yet is told once.

        ``again``: it does no harm to run it twice, so it is when the connection breaks. ``reads``: it changes nothing.
        """
        return await self.call(script, (len(keys), *keys, *args), keys[0], again, reads)

    async def call(
        self,
        script: Script,
        call: Command,
        about: str,
        again: bool = False,
        reads: bool = False,
        begun: bool = False,
    ) -> Any:
        """The same, for who has written parts of the call already: the number of keys, the keys, the arguments.

        ``begun``: other calls that belong to it were made.
        """
        reply = (await self.send((_asked(script), *call), about=about, again=again, reads=reads, begun=begun))[0]
        if isinstance(reply, NoScriptError):  # then nothing was run
            text = ("EVAL", script.text)
            reply = (await self.send((*text, *call), about=about, again=again, reads=reads, begun=begun))[0]
        if isinstance(reply, ResponseError):
            raise fault(reply, about)
        return reply

    async def run_each(
        self, script: Script, calls: Sequence[tuple[Sequence[str], Sequence[str | int]]]
    ) -> Sequence[Any]:
        """What a script returns of each of several calls: in one round trip, but on a cluster one after the other.

        They do no harm when they are made twice, and are when the connection breaks.
        """
        if self.is_cluster:
            return [await self.run(script, keys, args, again=True) for keys, args in calls]
        about, whole = calls[0][0][0], [(len(keys), *keys, *args) for keys, args in calls]
        replies = await self.send(*[(_asked(script), *each) for each in whole], about=about, again=True)
        if any(isinstance(each, NoScriptError) for each in replies):
            replies = await self.send(*[("EVAL", script.text, *each) for each in whole], about=about, again=True)
        for (keys, _), reply in zip(calls, replies, strict=True):
            if isinstance(reply, ResponseError):
                raise fault(reply, keys[0])
        return replies

    async def ask(self, *commands: Command, reads: bool = False) -> list[Any]:
        """The replies to commands about keys of one slot, in one round trip. The first key is their first argument.

        They do no harm when they are given twice, and are when the connection breaks. ``reads``: they change nothing.
        """
        about = str(commands[0][1])
        return _answered(await self.send(*commands, about=about, again=True, reads=reads), about)

    async def both(self, first: Command, second: Command, keys: tuple[str, str], reads: bool = False) -> list[Any]:
        """The replies to two commands, each about one of two keys that need not share a slot.

        One round trip where one server has both. They may be given twice, as in `ask`.
        """
        if not self.is_cluster:
            replies = await self.send(first, second, about=keys[0], again=True, reads=reads)
            return [_answered([each], about)[0] for each, about in zip(replies, keys, strict=True)]
        found: list[Any] = []
        for command, about in zip((first, second), keys, strict=True):
            reply = await self.send(command, about=about, again=True, reads=reads, begun=bool(found))
            found += _answered(reply, about)
        return found

    async def send(
        self, *commands: Command, about: str, again: bool = False, reads: bool = False, begun: bool = False
    ) -> list[Any]:
        """The replies to commands, in one round trip; what the server refused is the error it answered with.

        ``again``: they do no harm when they are given twice, and are when the connection breaks. ``reads``: they change
        nothing. ``begun``: a part of what they belong to was done before.
        """
        self._at_home()
        try:
            try:
                return await self._nodes.exchange(commands, about)
            except (LostConnection, OSError) as lost:
                if not again or isinstance(lost, TimeoutError):
                    raise
                begun = begun or not is_unsent(lost)
            replies = await self._nodes.exchange(commands, about)
        except TekTreeError:
            raise
        except RAISED as error:
            raise fault(error, about, not reads and (begun or not is_unsent(error))) from None
        return _answered(replies, about, begun and not reads, but=NoScriptError)

    async def close(self) -> None:
        """Closes what was opened here: never a client that came from the host."""
        if os.getpid() != self._pid:
            return
        await self._nodes.close()
        if self._owned:
            await self._client.connection_pool.disconnect()

    def _at_home(self) -> None:
        """Connections belong to the process and, when async, to the event loop that opened them."""
        if os.getpid() != self._pid:
            raise ConfigurationError("redis", "was opened before this process was forked; connect again in the child")
        loop = async_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise ConfigurationError("redis", "belongs to another event loop; connect once per event loop")


def _answered(
    replies: list[Any], about: str, maybe_done: bool = False, but: type[Exception] | tuple[()] = ()
) -> list[Any]:
    """The replies, if none is a refusal, ``but`` for these."""
    for reply in replies:
        if isinstance(reply, ResponseError) and not isinstance(reply, but):
            raise fault(reply, about, maybe_done)
    return replies


@cache
def _asked(script: Script) -> Written:
    """How a call of a script begins."""
    return written(("EVALSHA", script.sha))


def client_of(client: object) -> str | None:
    """Which client of redis-py this is, of those that this flavour can use; None for anything else."""
    return _named(client, async_redis_clients)


def stranger(client: object) -> str | None:
    """What to do instead with a client of the other flavour; None for anything else."""
    tektree, clients = async_redis_stranger
    return f"is a client for the other flavour; {tektree} takes it" if _named(client, clients) else None


def _named(client: object, clients: Mapping[tuple[str, str], str]) -> str | None:
    classes = [(each.__module__, each.__qualname__) for each in type(client).__mro__]
    return next((clients[each] for each in classes if each in clients), None)
