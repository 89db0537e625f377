"""How tasks share a connection: against a server that answers when the test says so, for as many as it says."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

import pytest
from redis.exceptions import ResponseError

from tektree._async.backends.redis.nodes import _replies
from tektree._flavour import async_lines
from tektree._flavour import lines as lines_module


class Line:
    """A connection of a driver, from its other end."""

    def __init__(self, socket_timeout: float | None = 7.0, *, plain: bool = True) -> None:
        self.socket_timeout = socket_timeout
        self._reader = asyncio.StreamReader() if plain else None
        self._writer = self
        self.sent: list[list[bytes]] = []
        self.open: list[bytes] = []
        self.ended = False
        self.drained = asyncio.Event()
        self.drained.set()

    def write(self, data: bytes) -> None:
        batch = data.split()
        self.sent.append(batch)
        self.open += batch

    async def drain(self) -> None:
        assert self.socket_timeout is None, "its deadline would be set for each reply"
        await self.drained.wait()

    async def send_packed_command(self, parts: list[bytes]) -> None:
        self.write(b"".join(parts))

    async def read_response(self, disable_decoding: bool) -> bytes:
        asked = self.open.pop(0)
        if asked == b"refused":
            raise ResponseError("no")
        return asked

    async def disconnect(self, nowait: bool) -> None:
        self.ended = True

    async def connect(self) -> None:
        self._reader, self.ended = asyncio.StreamReader(), False

    def answer(self, number: int) -> None:
        """The replies to the next so many: what they asked."""
        assert self._reader is not None
        for each in [self.open.pop(0) for _ in range(number)]:
            self._reader.feed_data(b"+%b\r\n" % each)

    def hang_up(self) -> None:
        assert self._reader is not None
        self._reader.feed_eof()


class Pool:
    """What hands out connections."""

    def __init__(self, *lines: Line | Exception) -> None:
        self.lines = list(lines)
        self.lent: list[Line] = []
        self.back: list[Line] = []

    async def get_connection(self) -> Line:
        line = self.lines.pop(0)
        if isinstance(line, Exception):
            raise line
        self.lent.append(line)
        return line

    async def release(self, line: Line) -> None:
        self.back.append(line)


Lines = type[async_lines]
Reply: TypeAlias = "asyncio.Future[list[Any]]"


def over(pool: Pool, lines: Lines = async_lines, deadline: float = 60.0) -> async_lines:
    return lines(pool, deadline, ResponseError, _replies)


def ask(lines: async_lines, *names: int | str) -> list[Reply]:
    return [asyncio.ensure_future(lines.exchange(b"%b " % str(name).encode(), 1)) for name in names]


def failure(reply: Reply) -> BaseException | None:
    assert reply.done()
    return reply.exception()


async def settled() -> None:
    """Whatever can go on, has."""
    for _ in range(20):
        await asyncio.sleep(0)


async def said(asked: list[Reply]) -> list[str]:
    return [reply[0].decode() for reply in await asyncio.gather(*asked)]


def names(*numbers: int) -> list[str]:
    return [str(number) for number in range(*numbers)]


async def halves(lines: Lines = async_lines) -> None:
    """While the server has one half, the other hears and asks again."""
    line = Line()
    shared = over(Pool(line), lines)

    async def again(name: int) -> list[str]:
        return [(await shared.exchange(b"%d " % number, 1))[0].decode() for number in (name, 100 + name, 200 + name)]

    tasks = [asyncio.ensure_future(again(name)) for name in range(50)]
    await settled()
    sizes = [len(batch) for batch in line.sent]
    assert sizes == [25, 25], "both halves are on their way"
    for turn in range(4):
        line.answer(25)
        await settled()
        assert len(line.sent) == 3 + turn, "who has heard has asked again before the others hear"
        assert len(line.open) == 50
    line.answer(50)
    assert await asyncio.gather(*tasks) == [[str(name), str(100 + name), str(200 + name)] for name in range(50)]


async def unequal(lines: Lines = async_lines) -> None:
    """However they come, no batch is much more than half of all, and no third one is sent."""
    line = Line()
    shared = over(Pool(line, line), lines)
    first = ask(shared, 0)
    await settled()
    rest = ask(shared, *range(1, 40))
    await settled()
    line.answer(1)
    await settled()
    assert [len(batch) for batch in line.sent] == [1, 20, 19]
    line.answer(39)
    assert await said(first + rest) == names(40)


async def few(lines: Lines = async_lines) -> None:
    """A few go together."""
    line = Line()
    asked = ask(over(Pool(line), lines), *range(8))
    await settled()
    assert [len(batch) for batch in line.sent] == [8]
    line.answer(8)
    assert await said(asked) == names(8)


async def gave_up(lines: Lines = async_lines) -> None:
    """Who gave up is not sent; who gave up later gets no reply, and nobody else gets theirs."""
    line = Line()
    shared = over(Pool(line), lines)
    asked = ask(shared, *range(20))
    asked[3].cancel()
    await settled()
    assert b"3" not in line.open
    late = ask(shared, *range(20, 26))
    late[0].cancel()
    asked[5].cancel()
    await settled()
    line.answer(len(line.open))
    await settled()
    assert b"20" not in line.open
    line.answer(len(line.open))
    heard = [each for at, each in enumerate(asked + late) if at not in (3, 5, 20)]
    assert await said(heard) == [name for name in names(26) if name not in ("3", "5", "20")]


async def nobody_left(lines: Lines = async_lines) -> None:
    """Where all gave up before anything was sent, nothing is."""
    pool = Pool()
    asked = ask(over(pool, lines), *range(10))
    for each in asked:
        each.cancel()
    await settled()
    assert all(each.cancelled() for each in asked)
    assert pool.lent == []


async def broken(lines: Lines = async_lines) -> None:
    """What was sent fails when the connection breaks, once; what was not goes over the next one."""
    first, second = Line(), Line()
    pool = Pool(first, second)
    shared = over(pool, lines)
    asked = ask(shared, *range(40))
    await settled()
    waiting = ask(shared, *range(40, 45))
    first.answer(7)
    first.hang_up()
    await settled()
    assert [reply.result() for reply in asked[:7]] == [[name.encode()] for name in names(7)]
    for reply in asked[7:]:
        assert isinstance(failure(reply), ConnectionResetError)
    assert first.ended
    assert second.sent == [[name.encode() for name in names(40, 45)]]
    second.answer(5)
    assert await said(waiting) == names(40, 45)
    await settled()
    assert (pool.back, second.ended) == ([first, second], False)


async def refused_connection(lines: Lines = async_lines) -> None:
    """Where there is no connection, all who wait hear so; the next one tries again."""
    line = Line()
    shared = over(Pool(ConnectionRefusedError(), line), lines)
    asked = ask(shared, *range(30))
    await settled()
    for reply in asked:
        assert isinstance(failure(reply), ConnectionRefusedError)
    later = ask(shared, 1)
    await settled()
    line.answer(1)
    assert await said(later) == ["1"]


async def silent(lines: Lines = async_lines) -> None:
    """A server that says nothing fails all within the deadline, those that were not sent as well."""
    line = Line()
    pool = Pool(line)
    shared = over(pool, lines, 0.05)
    asked = ask(shared, *range(40))
    await settled()
    asked += ask(shared, *range(40, 45))
    for reply in await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 10):
        assert isinstance(reply, TimeoutError)
    await settled()
    assert line.ended
    assert pool.back == [line]


async def at_rest(lines: Lines = async_lines) -> None:
    """When nobody waits, the connection is back as it was, and the next who asks takes one again."""
    line = Line()
    pool = Pool(line, line)
    shared = over(pool, lines)
    for turn in (1, 2):
        asked = ask(shared, turn)
        await settled()
        assert (line.socket_timeout, len(pool.back)) == (None, turn - 1)
        line.answer(1)
        assert await said(asked) == [str(turn)]
        await settled()
        assert (line.socket_timeout, len(pool.back), line.ended) == (7.0, turn, False)


async def alone(lines: Lines = async_lines) -> None:
    """Who asks alone needs no task that carries it."""
    line = Line()
    shared = over(Pool(line), lines)
    asked = ask(shared, 1)
    await settled()
    line.answer(1)
    assert await said(asked) == ["1"]
    assert shared._carrier is None


async def meanwhile(lines: Lines = async_lines) -> None:
    """Who comes while one asks alone is next, all of them at once, whatever becomes of that one."""
    first, second = Line(), Line()
    pool = Pool(first, first, first, second)
    shared = over(pool, lines)
    for turn in (0, 1):
        one = ask(shared, "one")
        await settled()
        others = ask(shared, *range(5))
        await settled()
        assert first.open == [b"one"]
        if turn:
            first.hang_up()
            await settled()
            assert isinstance(failure(one[0]), ConnectionResetError)
        else:
            first.answer(1)
            await settled()
        line = second if turn else first
        assert line.open == [name.encode() for name in names(5)]
        line.answer(5)
        assert await said(others) == names(5)
        await settled()
        assert len(pool.back) == len(pool.lent)


async def gave_up_alone(lines: Lines = async_lines) -> None:
    """Whose reply nobody waits for: the next one does not get it."""
    first, second = Line(), Line()
    pool = Pool(first, second)
    shared = over(pool, lines)
    asked = ask(shared, "given up")
    await settled()
    asked[0].cancel()
    await settled()
    assert (asked[0].cancelled(), first.ended, pool.back) == (True, True, [first])
    later = ask(shared, "later")
    await settled()
    second.answer(1)
    assert await said(later) == ["later"]


async def gave_up_before(lines: Lines = async_lines) -> None:
    """Who gives up at once sends nothing; who asked at the same time does."""
    line = Line()
    shared = over(Pool(line), lines)
    asked = ask(shared, 0, 1)
    await asyncio.sleep(0)
    asked[0].cancel()
    await settled()
    assert line.open == [b"1"]
    line.answer(1)
    assert await said(asked[1:]) == ["1"]


async def closed_before(lines: Lines = async_lines) -> None:
    """Where the server has closed a connection before anything was sent, it is opened again."""
    line = Line()
    pool = Pool(line, line)
    shared = over(pool, lines)
    for several in (1, 3):
        line.hang_up()
        asked = ask(shared, *range(several))
        await settled()
        line.answer(several)
        assert await said(asked) == names(several)
    assert (len(pool.back), line.ended) == (2, False)


async def gone_for_good(lines: Lines = async_lines) -> None:
    """Where it cannot be opened again, whoever asks hears so, and the pool has it back."""
    line = Line()
    pool = Pool(line)

    async def connect() -> None:
        raise ConnectionRefusedError

    line.connect = connect  # type: ignore[method-assign]
    line.hang_up()
    asked = ask(over(pool, lines), 1)
    await settled()
    assert isinstance(failure(asked[0]), ConnectionRefusedError)
    assert pool.back == [line]


async def said_unasked(lines: Lines = async_lines) -> None:
    """What the server says unasked may come with a reply; where it is cut off, nobody gets the rest of it."""
    for unasked, ends in ((b">1\r\n+news\r\n", False), (b">2\r\n+news\r\n", True), (b"+more\r\n", True)):
        line = Line()
        asked = ask(over(Pool(line), lines), 1)
        await settled()
        assert line._reader is not None
        line._reader.feed_data(b"+1\r\n" + unasked)
        assert await said(asked) == ["1"]
        await settled()
        assert line.ended is ends


async def silent_alone(lines: Lines = async_lines) -> None:
    """Who asks alone waits no longer than the deadline."""
    line = Line()
    shared = over(Pool(line), lines, 0.05)
    (asked,) = await asyncio.wait_for(asyncio.gather(*ask(shared, 1), return_exceptions=True), 10)
    assert isinstance(asked, TimeoutError)
    assert line.ended


async def before_the_last_hears(lines: Lines = async_lines) -> None:
    """Whoever hears last finds the connection in the pool, so those who ask in turn need no second one."""
    for tasks in (1, 2):
        line = Line()
        pool = Pool(line, line, line)
        shared = over(pool, lines)

        async def in_turn(pool: Pool, shared: async_lines) -> list[int]:
            found = []
            for name in range(3):
                assert await shared.exchange(b"%d " % name, 1) == [b"%d" % name]
                found.append(len(pool.lent) - len(pool.back))
            return found

        asking = [asyncio.ensure_future(in_turn(pool, shared)) for _ in range(tasks)]
        for _ in range(3):
            await settled()
            line.answer(tasks)
        assert await asyncio.gather(*asking) == [[0, 0, 0]] * tasks


async def now_and_then(lines: Lines = async_lines) -> None:
    """However many ask on and on, the connection is back now and then, and whoever waits for it has it first."""
    pool, stop = Pool(), asyncio.Event()
    free = asyncio.Condition()
    shared = over(pool, lines)

    async def get_connection() -> Line:
        async with free:
            await free.wait_for(lambda: len(pool.lent) == len(pool.back))
            pool.lent.append(line := Line())
            return line

    async def release(line: Line) -> None:
        async with free:
            pool.back.append(line)
            free.notify()

    async def asking() -> None:
        while not stop.is_set():
            await shared.exchange(b"x ", 1)

    pool.get_connection, pool.release = get_connection, release  # type: ignore[method-assign]
    tasks = [asyncio.ensure_future(asking()) for _ in range(40)]
    await settled()
    theirs = asyncio.ensure_future(get_connection())
    for _ in range(200):
        if theirs.done():
            break
        pool.lent[-1].answer(len(pool.lent[-1].open))
        await settled()
    assert theirs.done()
    await release(theirs.result())
    stop.set()
    while not all(task.done() for task in tasks):
        await settled()
        pool.lent[-1].answer(len(pool.lent[-1].open))
    await asyncio.gather(*tasks)


async def sent_slowly(lines: Lines = async_lines) -> None:
    """What is sent has its own time, and not what was left of that of others."""
    line, loop, passed = Line(), asyncio.get_running_loop(), [0.0]
    started = loop.time()
    loop.time = lambda: started + passed[0]  # type: ignore[method-assign]
    shared = over(Pool(line), lines, 1.0)
    many = ask(shared, *range(8))
    await settled()
    passed[0] = 0.9
    later = ask(shared, "later")
    await settled()
    line.drained.clear()
    line.answer(8)
    await settled()
    assert line.open == [b"later"]
    passed[0] = 1.1
    await settled()
    line.drained.set()
    line.answer(1)
    assert await said(many + later) == [*names(8), "later"]


async def ended(lines: Lines = async_lines) -> None:
    """When the loop ends what carries them, nobody is left waiting."""
    line = Line()
    shared = over(Pool(line), lines)
    asked = ask(shared, *range(40))
    await settled()
    asked += ask(shared, *range(40, 45))
    assert shared._carrier is not None
    shared._carrier.cancel()
    for reply in await asyncio.gather(*asked, return_exceptions=True):
        assert isinstance(reply, ConnectionAbortedError)
    assert line.ended


async def without_a_stream(lines: Lines = async_lines) -> None:
    """A driver that reads by itself is asked for each reply; a refusal is one."""
    shared = over(Pool(Line(plain=False)), lines)
    asked = ask(shared, *range(20), "refused", *range(20, 30))
    replies = [reply[0] for reply in await asyncio.gather(*asked)]
    assert isinstance(replies.pop(20), ResponseError)
    assert [each.decode() for each in replies] == names(30)


PROMISES = [
    halves,
    unequal,
    few,
    gave_up,
    nobody_left,
    broken,
    refused_connection,
    silent,
    at_rest,
    alone,
    meanwhile,
    gave_up_alone,
    gave_up_before,
    silent_alone,
    closed_before,
    gone_for_good,
    said_unasked,
    before_the_last_hears,
    now_and_then,
    sent_slowly,
    ended,
    without_a_stream,
]
Promise = Callable[..., Coroutine[Any, Any, None]]


@pytest.mark.parametrize("promise", PROMISES, ids=[each.__name__ for each in PROMISES])
def test_promise(promise: Promise) -> None:
    asyncio.run(promise())


class AllAtOnce(async_lines):
    """One batch at a time, of all who wait."""

    def _batch(self, sent: int) -> Any:
        return [] if sent else super()._batch(len(self._waiting))


class HalvesOfFew(async_lines):
    def _batch(self, sent: int) -> Any:
        rest = [self._waiting.pop() for _ in range(len(self._waiting) // 2)]
        batch = super()._batch(sent)
        self._waiting.extend(reversed(rest))
        return batch


class SendsWhoGaveUp(async_lines):
    def _batch(self, sent: int) -> Any:
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), 10))]


class SendsTwice(async_lines):
    """What was on its way when the connection broke is sent again."""

    async def _ferry(self, flying: Any, limit: Any) -> None:
        try:
            await super()._ferry(flying, limit)
        except ConnectionResetError:
            self._waiting.extendleft(reversed([each for batch in flying for each in batch]))
            flying.clear()
            await super()._ferry(flying, limit)


class HearsBeforeItIsBack(async_lines):
    async def _hear(self, line: Any, flying: Any, limit: Any) -> None:
        await super()._hear(line, flying, limit)
        await asyncio.sleep(0)


class IsBackLater(async_lines):
    async def _let_go(self, line: Any, whole: bool) -> None:
        asyncio.ensure_future(super()._let_go(line, whole))  # noqa: RUF006 - it is late on purpose


class AlwaysCarries(async_lines):
    async def _led(self, asked: Any) -> Any:
        self._waiting.append(asked)
        self._carrier = asyncio.ensure_future(self._carry())
        return await asked.found


class SeesNobody(async_lines):
    """It does not look whether others are about to ask."""

    async def _led(self, asked: Any) -> Any:
        if self._is_busy():
            return await super()._led(asked)
        self._is_led = True
        try:
            await self._alone(asked)
        finally:
            self._is_led = False
            if self._waiting:
                self._carrier = asyncio.ensure_future(self._carry())
        return await asked.found


class Forgets(async_lines):
    """Who came meanwhile has nobody."""

    async def _alone(self, asked: Any) -> None:
        await super()._alone(asked)
        self._left = list(self._waiting)
        self._waiting.clear()


class LeavesItOpen(async_lines):
    async def _let_go(self, line: Any, whole: bool) -> None:
        await super()._let_go(line, True)


class DoesNotLook(async_lines):
    async def _open(self) -> Any:
        connection = await self._pool.get_connection()
        return lines_module._Stream(connection, self._replies(), self._refusals)


class TakesAllForWhole(async_lines):
    async def _let_go(self, line: Any, whole: bool) -> None:
        line._come = _replies()
        await super()._let_go(line, whole)


class LosesWhatItCannotOpen(async_lines):
    async def _open(self) -> Any:
        connection = await self._pool.get_connection()
        if lines_module._is_over(connection):
            await connection.connect()
        return lines_module._Stream(connection, self._replies(), self._refusals)


class KeepsIt(async_lines):
    """As long as anybody waits."""

    async def _hear(self, line: Any, flying: Any, limit: Any) -> None:
        await super()._hear(line, flying, limit)
        await asyncio.sleep(0)
        while self._waiting:
            await self._send(line, flying, limit)
            await super()._hear(line, flying, limit)
            await asyncio.sleep(0)


class InTheTimeOfOthers(async_lines):
    async def _send(self, line: Any, flying: Any, limit: Any) -> None:
        class Left:
            def reschedule(self, until: float) -> None:
                pass

        await super()._send(line, flying, Left())  # type: ignore[arg-type]


BROKEN: list[tuple[Lines, Promise]] = [
    (AllAtOnce, halves),
    (AllAtOnce, unequal),
    (HalvesOfFew, few),
    (SendsWhoGaveUp, gave_up),
    (SendsTwice, broken),
    (HearsBeforeItIsBack, before_the_last_hears),
    (IsBackLater, before_the_last_hears),
    (AlwaysCarries, alone),
    (SeesNobody, few),
    (Forgets, meanwhile),
    (LeavesItOpen, gave_up_alone),
    (DoesNotLook, closed_before),
    (LosesWhatItCannotOpen, gone_for_good),
    (TakesAllForWhole, said_unasked),
    (KeepsIt, now_and_then),
    (InTheTimeOfOthers, sent_slowly),
]


@pytest.mark.parametrize(("lines", "promise"), BROKEN, ids=[f"{a.__name__}-{b.__name__}" for a, b in BROKEN])
def test_who_breaks_a_promise_is_found(lines: Lines, promise: Promise) -> None:
    async def found() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # of those whom the test does not await
        await asyncio.wait_for(promise(lines), 10)

    with pytest.raises((AssertionError, TimeoutError)):
        asyncio.run(found())
