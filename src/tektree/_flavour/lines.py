"""Exchanges with a Redis server: over a connection that tasks share, and over one for each thread.

Commands are sent past what the driver does with them; its connections are used, and read here.
"""

import asyncio
import inspect
import select
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

__all__ = ["Replies", "async_lines", "sync_lines"]


class Replies(Protocol):
    """Replies out of the bytes that come."""

    def feed(self, data: bytes) -> None:
        """Takes what has come."""
        ...

    def take(self, number: int) -> list[Any] | None:
        """The next replies, so many; None: there are not that many yet."""
        ...

    def is_whole(self) -> bool:
        """Whether nothing is begun, and no reply is there that nobody asked for."""
        ...


_CHUNK: Final = 65_536


def _some(data: bytes) -> bytes:
    """What was read. Nothing at all means that the server is gone."""
    if not data:
        raise ConnectionResetError("the server closed the connection")
    return data


class _Asked(NamedTuple):
    """What is sent, how many replies it has, who waits for them, and until when."""

    sent: bytes
    replies: int
    found: asyncio.Future[list[Any]]
    until: float


_FEW: Final = 8
"""So many are not worth being sent in two halves."""
_ROUNDS: Final = 32
"""After so many batches the connection goes back to its pool, whoever waits: others may wait for it there."""


class async_lines:  # noqa: N801 - one of a pair
    """Exchanges with a Redis server, over a connection of the client's own pool.

    What many tasks ask at the same time is sent at once, and each gets its own replies, in whatever order they give up:
    one half of them hears and asks again while the server answers the other half. A task of its own carries that; who
    asks alone needs none. The connection is back in the pool before the last of them hears, and now and then when many
    ask on and on. Whoever asks waits for ``deadline`` seconds at the most, and then gets a ``TimeoutError``.
    ``replies`` makes what reads the bytes that come. Where the driver has no stream, it reads by itself; ``refusals``
    are what it raises that are answers.
    """

    def __init__(self, pool: Any, deadline: float, refusals: type[Exception], replies: Callable[[], Replies]) -> None:
        self._pool = pool
        self._deadline = deadline
        self._refusals = refusals
        self._replies = replies
        self._waiting: deque[_Asked] = deque()
        self._carrier: asyncio.Task[None] | None = None
        self._is_led = False
        """Whether somebody asks alone, or is about to."""
        # Up to redis-py 5.2 a name of a command has to be given; later it must not be.
        parameter = inspect.signature(pool.get_connection).parameters.get("command_name")
        self._named = ("_",) if parameter is not None and parameter.default is inspect.Parameter.empty else ()

    def exchange(self, sent: bytes, replies: int) -> Awaitable[list[Any]]:
        """So many replies to what is sent. Nothing is sent twice."""
        loop = asyncio.get_running_loop()
        asked = _Asked(sent, replies, loop.create_future(), loop.time() + self._deadline)
        if self._is_busy():
            self._waiting.append(asked)
            return asked.found
        return self._led(asked)

    def _is_busy(self) -> bool:
        """Whether there is somebody who will see to who waits."""
        return self._is_led or (self._carrier is not None and not self._carrier.done())

    async def _led(self, asked: _Asked) -> list[Any]:
        """Asks alone, or where others come at the same time has a carrier do it. Who comes meanwhile has one then."""
        self._waiting.append(asked)
        if not self._is_busy():
            self._is_led = True
            try:
                await asyncio.sleep(0)  # whoever else is about to ask does
                if len(self._waiting) == 1:
                    self._waiting.clear()
                    await self._alone(asked)
            except asyncio.CancelledError:
                asked.found.cancel()
                raise
            finally:
                self._is_led = False
                if self._waiting:
                    self._carrier = asyncio.get_running_loop().create_task(self._carry())
        return await asked.found

    async def _alone(self, asked: _Asked) -> None:
        """Whoever gives up takes the connection along."""
        async with asyncio.timeout_at(asked.until):
            line, whole = await self._open(), False
            try:
                await line.send([asked])
                await line.read([asked])
                whole = True
            finally:
                await self._let_go(line, whole)

    async def close(self) -> None:
        """The pool is closed with its client."""

    async def _carry(self) -> None:
        """Answers all who wait, and who comes meanwhile. What breaks, breaks for all that was sent."""
        flying: deque[list[_Asked]] = deque()
        while self._waiting:
            if self._waiting[0].found.done():  # gave up, and sets nobody else a limit
                self._waiting.popleft()
                continue
            try:
                async with asyncio.timeout(None) as limit:
                    await self._ferry(flying, limit)
                if self._waiting:
                    await asyncio.sleep(0)  # whoever waits for the connection has it first
            except BaseException as error:
                failed = [each for batch in flying for each in batch]
                flying.clear()
                if not failed or not isinstance(error, Exception) or isinstance(error, TimeoutError):
                    failed += self._waiting  # they were not sent, and have waited as well
                    self._waiting.clear()
                for each in failed:
                    if not each.found.done():
                        each.found.set_exception(error if isinstance(error, Exception) else ConnectionAbortedError())
                if not isinstance(error, Exception):
                    raise

    async def _ferry(self, flying: deque[list[_Asked]], limit: asyncio.Timeout) -> None:
        """Over one connection, with two batches on their way at the most."""
        limit.reschedule(self._waiting[0].until)
        line, whole = await self._open(), False
        try:
            for _ in range(_ROUNDS):
                await self._send(line, flying, limit)
                if not flying:
                    break
                await self._hear(line, flying, limit)
            while flying:
                await self._hear(line, flying, limit)
            whole = True
        finally:
            await self._let_go(line, whole)

    async def _open(self) -> "_Stream":
        connection = await self._pool.get_connection(*self._named)
        if _is_over(connection):  # the server has closed it, which the pool does not always see
            try:
                await connection.disconnect(nowait=True)
                await connection.connect()
            except BaseException:
                await self._pool.release(connection)
                raise
        return _Stream(connection, self._replies(), self._refusals)

    async def _let_go(self, line: "_Stream", whole: bool) -> None:
        """Back to the pool; where it is not ``whole``, closed before: its next reply would be another's."""
        if not (whole and line.is_whole()):
            with suppress(Exception):
                await line.connection.disconnect(nowait=True)
        line.connection.socket_timeout = line.timeout
        await self._pool.release(line.connection)

    async def _send(self, line: "_Stream", flying: deque[list[_Asked]], limit: asyncio.Timeout) -> None:
        """Sends what may be sent: while two batches are on their way, nothing."""
        while self._waiting and len(flying) < 2:
            if batch := self._batch(sum(map(len, flying))):
                flying.append(batch)
                limit.reschedule(flying[0][0].until)
                await line.send(batch)

    async def _hear(self, line: "_Stream", flying: deque[list[_Asked]], limit: asyncio.Timeout) -> None:
        """Gives the oldest batch its replies. Where another is on its way, its callers ask again before that is heard;
        the last ones find the connection back in the pool.
        """
        limit.reschedule(flying[0][0].until)
        await line.read(flying[0])
        flying.popleft()
        if flying:
            await asyncio.sleep(0)

    def _batch(self, sent: int) -> list[_Asked]:
        """Who is sent next: not much more than half of all who wait for replies, and nobody who gave up."""
        waiting = self._waiting
        most = min(len(waiting), max(_FEW, (len(waiting) + sent + 1) // 2))
        return [each for each in [waiting.popleft() for _ in range(most)] if not each.found.done()]


def _is_over(connection: Any) -> bool:
    """Whether the other end of a connection has gone, before anything is sent."""
    stream = getattr(connection, "_reader", None)
    return isinstance(stream, asyncio.StreamReader) and (stream.at_eof() or stream.exception() is not None)


class _Stream:
    """A connection of the driver that is open, and what is made for it once.

    Its own deadline is off meanwhile: ours is set around all replies, and one around each takes as long as reading it.
    """

    __slots__ = ("_come", "_refusals", "_stream", "connection", "timeout")

    def __init__(self, connection: Any, come: Replies, refusals: type[Exception]) -> None:
        self.connection = connection
        self.timeout = getattr(connection, "socket_timeout", None)
        connection.socket_timeout = None
        self._come = come
        self._refusals = refusals
        stream = getattr(connection, "_reader", None)
        self._stream = stream if isinstance(stream, asyncio.StreamReader) else None

    async def send(self, batch: Sequence[_Asked]) -> None:
        """Sends what all of them ask, at once."""
        sent = b"".join([each.sent for each in batch])
        if self._stream is None:
            await self.connection.send_packed_command([sent])
        else:
            self.connection._writer.write(sent)
            await self.connection._writer.drain()

    async def read(self, batch: Sequence[_Asked]) -> None:
        """Gives each of them its replies."""
        for _, replies, found, _ in batch:
            answers: list[Any] | None
            if self._stream is None:
                answers = [await self._reply() for _ in range(replies)]
            else:
                while (answers := self._come.take(replies)) is None:
                    self._come.feed(_some(await self._stream.read(_CHUNK)))
            if not found.done():
                found.set_result(answers)

    def is_whole(self) -> bool:
        """Whether all that has come was somebody's reply."""
        return self._come.is_whole()

    async def _reply(self) -> Any:
        try:
            return await self.connection.read_response(disable_decoding=True)
        except self._refusals as refusal:
            return refusal


_NOT_OURS: Final = ("retry", "maint_notifications", "orig_", "oss_cluster", "event_dispatcher", "himport")
"""How settings of a connection begin that belong to its pool, or that would send a command twice."""


class _Line:
    """A connection of the driver that is open, and what is made for it once: asking the driver takes five times as
    long. Without a socket there is no ``line``.
    """

    __slots__ = ("_poll", "come", "connection", "line")

    def __init__(self, connection: Any, come: Replies) -> None:
        self.connection = connection
        self.come = come
        line = getattr(connection, "_sock", None)
        self.line = line if isinstance(line, socket.socket) else None
        self._poll = select.poll() if self.line is not None and hasattr(select, "poll") else None
        if self._poll is not None and self.line is not None:
            self._poll.register(self.line, select.POLLIN)

    def has_something(self) -> bool:
        """Whether there is anything to read though it waits for nothing, be it its end."""
        try:
            return bool(self.connection.can_read(0) if self._poll is None else self._poll.poll(0))
        except Exception:
            return True


class sync_lines:  # noqa: N801 - one of a pair
    """Exchanges with a Redis server, each over a connection of its own: ours, made as the client's pool makes its.

    A pool's may wait without end, and for each retry anew; ours wait no longer than ``deadline`` seconds. ``replies``
    makes what reads the bytes that come. Where the driver has no socket, it reads by itself; ``refusals`` are what it
    raises that are answers.
    """

    def __init__(self, pool: Any, deadline: float, refusals: type[Exception], replies: Callable[[], Replies]) -> None:
        self._refusals = refusals
        self._replies = replies
        settings = {name: value for name, value in pool.connection_kwargs.items() if not name.startswith(_NOT_OURS)}
        settings |= {
            "decode_responses": False,
            "socket_timeout": min(deadline, settings.get("socket_timeout") or deadline),
        }
        if "host" in settings:
            connect = settings.get("socket_connect_timeout")
            settings["socket_connect_timeout"] = min(deadline, connect or deadline)
        self._make: Callable[[], Any] = partial(pool.connection_class, **settings)
        self._idle: deque[_Line] = deque()

    def exchange(self, sent: bytes, replies: int) -> list[Any]:
        """So many replies to what is sent. Nothing is sent twice."""
        line = self._open()
        whole = False
        try:
            if line.line is not None:
                line.line.sendall(sent)
                answers = self._read(line.line, line.come, replies)
            else:
                line.connection.send_packed_command([sent])
                answers = [self._reply(line.connection) for _ in range(replies)]
            whole = True
        finally:
            if whole:
                self._idle.append(line)
            else:  # its next reply would be another's
                line.connection.disconnect()
        return answers

    def close(self) -> None:
        """Closes them."""
        while self._idle:
            self._idle.pop().connection.disconnect()

    def _open(self) -> _Line:
        try:
            line = self._idle.pop()
        except IndexError:
            connection = self._make()
        else:
            if not line.has_something():
                return line
            connection = line.connection
            connection.disconnect()  # the server has closed it, or has said something that nobody asked for
        connection.connect()
        return _Line(connection, self._replies())

    def _read(self, line: socket.socket, come: Replies, replies: int) -> list[Any]:
        while True:
            come.feed(_some(line.recv(_CHUNK)))
            answers = come.take(replies)
            if answers is not None:
                return answers

    def _reply(self, connection: Any) -> Any:
        try:
            return connection.read_response(disable_decoding=True)
        except self._refusals as refusal:
            return refusal
