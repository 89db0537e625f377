"""Streams of events on Redis: one for each partition, in pipelines; and how far consumers got, beside them.

A stream is ``{tek:evt:NN}:s``, an entry of it one field, ``event``, with the event's JSON. What is added to one stream
at once is added as a whole or not at all. Commands about several partitions are one round trip where one server has
them all, and one for each on a cluster.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from redis.exceptions import ResponseError

from tektree._async.backends.redis.driver import AsyncRedis
from tektree._async.backends.redis.faults import fault
from tektree._async.backends.redis.nodes import Command
from tektree.errors import NotFound
from tektree.models.events import PARTITIONS, Change, Effect, Entry, Event, Pending, alone, line_of, partition_of
from tektree.wire.envelopes import event_from_json, event_id_of, event_to_json
from tektree.wire.keys import effects, stream
from tektree.wire.scripts import script

__all__ = ["AsyncRedisEffects", "AsyncRedisStreams"]

_WRITE: Final = script("effects_write")
_KEYS: Final = tuple([stream(partition) for partition in range(PARTITIONS)])
_NUMBERS: Final = {key.encode(): partition for partition, key in enumerate(_KEYS)}
_RECENT: Final = 1_000
"""So many entries of a stream are looked at when events may have been added before."""
_KEPT: Final = timedelta(days=8)
_NO_GROUP: Final = ("NOGROUP", "requires the key to exist")
"""What a server says, and what a faked one says, where there is no such group."""
_MOST: Final = 1_000
"""Lines that one script changes; more of them would keep the others waiting."""


class AsyncRedisStreams:
    """Streams with groups of consumers."""

    def __init__(self, redis: AsyncRedis) -> None:
        self._redis = redis

    async def publish(self, events: Sequence[Event], again: bool) -> None:
        parts: dict[int, list[Event]] = {}
        for event in events:
            parts.setdefault(partition_of(line_of(event)), []).append(event)
        known = await self._known(parts) if again else ()
        commands: dict[int, list[Command]] = {}
        for partition, its in parts.items():
            key, new = _KEYS[partition], [event for event in its if event.event_id not in known]
            added: list[Command] = [("XADD", key, "*", "event", event_to_json(event)) for event in new]
            if added:
                commands[partition] = [("MULTI",), *added, ("EXEC",)] if len(added) > 1 else added
        for partition, replies in (await self._each(commands)).items():
            for reply in replies:
                _refused(reply, _KEYS[partition])
            for reply in replies[-1] if isinstance(replies[-1], list) else ():
                _refused(reply, _KEYS[partition])

    async def _known(self, partitions: Collection[int]) -> set[str]:
        """The ids of events that were added last."""
        asked: dict[int, list[Command]] = {
            at: [("XREVRANGE", _KEYS[at], "+", "-", "COUNT", _RECENT)] for at in partitions
        }
        found = await self._each(asked, reads=True)
        for at, (reply,) in found.items():
            _refused(reply, _KEYS[at])
        return {event_id_of(fields[1]) for (reply,) in found.values() for _, fields in reply}

    async def join(self, group: str, behind: bool = False) -> bool:
        first = "$" if behind else "0"
        made = {at: [("XGROUP", "CREATE", _KEYS[at], group, first, "MKSTREAM")] for at in range(PARTITIONS)}
        replies = await self._each(made)
        missing = False
        for at, (reply,) in replies.items():
            if isinstance(reply, ResponseError) and "BUSYGROUP" in f"{reply}":
                continue
            _refused(reply, _KEYS[at])
            missing = True
        return missing

    async def take(self, group: str, consumer: str, limit: int) -> Sequence[Entry]:
        reading = ("XREADGROUP", "GROUP", group, consumer, "COUNT", limit, "STREAMS")
        if self._redis.is_cluster:
            asked: dict[int, list[Command]] = {at: [(*reading, key, ">")] for at, key in enumerate(_KEYS)}
        else:
            asked = {0: [(*reading, *_KEYS, *[">"] * PARTITIONS)]}
        found: list[Entry] = []
        for at, (reply,) in (await self._each(asked)).items():
            for key, entries in _pairs(_answered(reply, group, at)):
                where = _NUMBERS[key]
                found += [Entry(where, id.decode(), event_from_json(fields[1], _KEYS[where])) for id, fields in entries]
        return found

    async def pending(self, group: str, consumer: str | None, idle: timedelta, limit: int) -> Sequence[Pending]:
        since: Command = ("IDLE", _milliseconds(idle)) if idle else ()
        whose: Command = (consumer,) if consumer else ()
        asked: dict[int, list[Command]] = {
            at: [("XPENDING", key, group, *since, "-", "+", limit, *whose)] for at, key in enumerate(_KEYS)
        }
        return [
            Pending(at, each[0].decode(), each[3])
            for at, (reply,) in (await self._each(asked, reads=True)).items()
            for each in _answered(reply, group, at)
        ]

    async def again(self, group: str, consumer: str, pending: Sequence[Pending], idle: timedelta) -> Sequence[Entry]:
        """What is handed out is read beside it, so that what is there no more is known from what somebody else has."""
        parts: dict[int, list[Pending]] = {}
        for each in pending:
            parts.setdefault(each.partition, []).append(each)
        asked: dict[int, list[Command]] = {}
        for at, its in parts.items():
            claim: Command = ("XCLAIM", _KEYS[at], group, consumer, _milliseconds(idle), *[each.id for each in its])
            asked[at] = [claim, *[("XRANGE", _KEYS[at], each.id, each.id) for each in its]]
        found, gone = [], []
        for at, (claimed, *there) in (await self._each(asked)).items():
            texts = {id.decode(): fields[1] for id, fields in [e for e in _answered(claimed, group, at) if e] if fields}
            for each, reply in zip(parts[at], there, strict=True):
                if each.id in texts:
                    event = event_from_json(texts[each.id], _KEYS[at])
                    found.append(Entry(at, each.id, event, each.times + 1))
                elif not _answered(reply, group, at):
                    gone.append(Entry(at, each.id, _NOTHING))
        if gone:
            await self.acknowledge(group, gone)
        return found

    async def acknowledge(self, group: str, entries: Sequence[Entry]) -> None:
        done: dict[int, list[str]] = {}
        for each in entries:
            done.setdefault(each.partition, []).append(each.id)
        replies = await self._each({at: [("XACK", _KEYS[at], group, *ids)] for at, ids in done.items()})
        for at, (reply,) in replies.items():
            _refused(reply, _KEYS[at])

    async def trim(self, spare: int) -> int:
        groups: dict[int, list[dict[bytes, Any]]] = {}
        for at, (reply,) in (
            await self._each({at: [("XINFO", "GROUPS", _KEYS[at])] for at in range(PARTITIONS)}, reads=True)
        ).items():
            if not isinstance(reply, ResponseError):  # there is no such stream yet
                groups[at] = [_map(each) for each in reply]
        waiting: dict[int, list[Command]] = {
            at: [("XPENDING", _KEYS[at], _text(each[b"name"])) for each in its if each[b"pending"]]
            for at, its in groups.items()
        }
        pending = await self._each({at: asked for at, asked in waiting.items() if asked}, reads=True)
        trims: dict[int, list[Command]] = {}
        for at, its in groups.items():
            first = [_id(each[b"last-delivered-id"]) for each in its]
            first += [_id(reply[1]) for reply in pending.get(at, ()) if isinstance(reply, list) and reply[1]]
            kept: Command = ("MINID", f"{min(first)[0]}-{min(first)[1]}") if first else ("MAXLEN", spare)
            trims[at] = [("XTRIM", _KEYS[at], *kept)]
        return sum([reply for replies in (await self._each(trims)).values() for reply in replies if type(reply) is int])

    async def _each(self, commands: Mapping[int, Sequence[Command]], reads: bool = False) -> dict[int, list[Any]]:
        """The replies to the commands about each partition. ``reads``: they change nothing."""
        if not commands:
            return {}
        if self._redis.is_cluster:
            return {at: await self._redis.send(*its, about=_KEYS[at], reads=reads) for at, its in commands.items()}
        about, whole = _KEYS[next(iter(commands))], [each for its in commands.values() for each in its]
        replies = iter(await self._redis.send(*whole, about=about, reads=reads))
        return {at: [next(replies) for _ in its] for at, its in commands.items()}


class AsyncRedisEffects:
    """Effects in a hash for each partition and handler."""

    def __init__(self, redis: AsyncRedis) -> None:
        self._redis = redis

    async def read(self, name: str, lines: Collection[str]) -> Mapping[str, Effect]:
        parts: dict[int, tuple[list[str], list[str]]] = {}
        for line in lines:
            parts.setdefault(partition_of(line), ([], []))[alone(line)].append(line)
        commands: list[tuple[Command, list[str]]] = []
        for partition, (streams, events) in parts.items():
            numbers, once = effects(partition, name)
            if streams:
                commands.append((("HMGET", numbers, *streams), streams))
            if events:
                commands.append((("ZMSCORE", once, *events), events))
        replies = await self._all([command for command, _ in commands])
        found: dict[str, Effect] = {}
        for (command, asked), reply in zip(commands, replies, strict=True):
            is_hash = command[0] == "HMGET"
            for line, value in zip(asked, reply, strict=True):
                if value is not None:
                    found[line] = _effect(value) if is_hash else Effect(1)
        return found

    async def _all(self, commands: Sequence[Command]) -> list[Any]:
        if not commands:
            return []
        if self._redis.is_cluster:
            return [(await self._redis.ask(each, reads=True))[0] for each in commands]
        return await self._redis.ask(*commands, reads=True)

    async def write(self, name: str, changes: Sequence[Change], now: datetime) -> Collection[str]:
        parts: dict[int, list[Change]] = {}
        for each in changes:
            parts.setdefault(partition_of(each.line), []).append(each)
        at, until = int(now.timestamp() * 1000), int((now + _KEPT).timestamp() * 1000)
        batches = [
            (partition, its[begin : begin + _MOST])
            for partition, its in parts.items()
            for begin in range(0, len(its), _MOST)
        ]
        calls = [(effects(partition, name), _arguments(its, at, until)) for partition, its in batches]
        replies = await self._redis.run_each(_WRITE, calls) if calls else []
        left = {its[place].line for (_, its), reply in zip(batches, replies, strict=True) for place in reply}
        if not left:
            return left
        # A connection that broke has the script run twice: what the first run wrote is no loss.
        wanted = {each.line: each.number for each in changes if each.line in left}
        stands = await self.read(name, left)
        return {line for line in left if line not in stands or stands[line].number != wanted[line]}


def _arguments(changes: Sequence[Change], now: int, until: int) -> list[str | int]:
    arguments: list[str | int] = [now, until]
    for line, old, number, state in changes:
        value = str(number) if state is None else f"{number}:{state}"
        arguments += ["e" if alone(line) else "s", line, old, value]
    return arguments


def _effect(value: bytes) -> Effect:
    number, _, state = value.partition(b":")
    return Effect(int(number), state.decode() if _ else None)


def _answered(reply: Any, group: str, partition: int) -> Any:
    """A reply about a group. Raises `NotFound` where there is none, and what else the server refused."""
    if isinstance(reply, ResponseError) and any(each in f"{reply}" for each in _NO_GROUP):
        raise NotFound("group", group)
    _refused(reply, _KEYS[partition])
    return reply if reply is not None else []


def _refused(reply: Any, key: str) -> None:
    if isinstance(reply, ResponseError):
        raise fault(reply, key)


def _pairs(reply: Any) -> list[tuple[bytes, Any]]:
    """Keys and what is under them: RESP2 gives pairs, RESP3 a map, whose keys and values come in turn.

    Where the driver reads by itself, a map is a dictionary.
    """
    if isinstance(reply, dict):
        return list(reply.items())
    if reply and isinstance(reply[0], list):
        return [(key, value) for key, value in reply]
    return list(zip(reply[::2], reply[1::2], strict=True))


def _map(reply: Any) -> dict[bytes, Any]:
    if isinstance(reply, dict):
        return reply
    return dict(zip(reply[::2], reply[1::2], strict=True))


def _milliseconds(value: timedelta) -> int:
    return max(0, value // timedelta(milliseconds=1))


def _text(value: bytes) -> str:
    return value.decode()


def _id(value: bytes) -> tuple[int, int]:
    first, _, second = value.decode().partition("-")
    return int(first), int(second or 0)


_NOTHING: Final[Any] = None
"""In the place of an event that is there no more."""
