"""What a server says of itself: for ``tektree doctor``. Nothing is written."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from redis.exceptions import ResponseError

from tektree._async.backends.redis.driver import AsyncRedis
from tektree._async.backends.redis.faults import fault
from tektree.models.servers import Facts, Keys

__all__ = ["facts", "primaries"]

_MOST: Final = 10_000
"""So many keys are looked at."""
_PAGE: Final = 500
_FEW: Final = 3
"""So many names are told of each kind."""

_HOME: Final = "session:"
"""Where the server of a cluster is asked: it has one key like any other."""

_KINDS: Final[Mapping[str, tuple[str, bool]]] = {
    "session": ("string", True),
    "user_sessions": ("hash", True),
    "ratelimit": ("string", True),
    "quota": ("string", True),
    "cache": ("string", True),
    "leaderboard": ("zset", False),
}
"""Of each of our keys what Redis calls what it holds, and whether it has a TTL."""


async def facts(redis: AsyncRedis, now: Callable[[], datetime], most: int = _MOST) -> Facts:
    """A server at this moment; of its keys up to ``most``. Raises `Unavailable`, `ConfigurationError`."""
    before = now()
    time = _held((await redis.send(("TIME",), about=_HOME, reads=True))[0])
    after = now()
    told, script, *settings = await redis.send(
        ("INFO", "everything"),
        ("EVAL", "return 1", 0),
        ("CONFIG", "GET", "save"),
        ("CONFIG", "GET", "appendfsync"),
        about=_HOME,
        reads=True,
    )
    round_trip = (after - before).total_seconds()
    its = int(time[0]) + int(time[1]) / 1_000_000
    return Facts(
        info=_info(_held(told)),
        config=_settings(settings),
        offset=its - before.timestamp() - round_trip / 2,
        round_trip=round_trip,
        scripts=script == 1,
        keys=await _keys(redis, most),
    )


async def primaries(redis: AsyncRedis) -> list[tuple[str, int]]:
    """Host and port of each primary of the cluster that this server is in, as it knows them: an empty host is its own.

    Empty, too, where it does not say. Raises `Unavailable`.
    """
    told = (await redis.send(("CLUSTER", "SLOTS"), about=_HOME, reads=True))[0]
    if isinstance(told, ResponseError):
        return []
    return list(dict.fromkeys([((node[0] or b"").decode().strip("?"), node[1]) for _, _, node, *_ in told]))


async def _keys(redis: AsyncRedis, most: int) -> Keys | None:
    endless: list[str] = []
    strange: list[str] = []
    size, looked, cursor = (await redis.send(("DBSIZE",), about=_HOME, reads=True))[0], 0, "0"
    while looked < most:
        reply = (await redis.send(("SCAN", cursor, "COUNT", str(_PAGE)), about=_HOME, reads=True))[0]
        if isinstance(reply, ResponseError):
            return None
        cursor, page = reply[0].decode(), [key.decode("utf-8", "replace") for key in reply[1]]
        looked += len(page)
        ours = [key for key in page if key.partition(":")[0] in _KINDS]
        for key, kind, rest in await _looked_at(redis, ours):
            holds, ends = _KINDS[key.partition(":")[0]]
            if kind not in {holds, "none"}:
                strange.append(key)
            elif rest == -1 and (ends or key.startswith("leaderboard:weekly:")):
                endless.append(key)
        if cursor == "0":
            break
    total = size if isinstance(size, int) else looked
    return Keys(min(looked, total), total, tuple(endless[:_FEW]), len(endless), tuple(strange[:_FEW]), len(strange))


async def _looked_at(redis: AsyncRedis, keys: Sequence[str]) -> list[tuple[str, str, int]]:
    """Of each key what it holds and for how long."""
    if not keys:
        return []
    commands = [(command, key) for key in keys for command in ("TYPE", "PTTL")]
    replies = [_held(each) for each in await redis.send(*commands, about=_HOME, reads=True)]
    return [(key, replies[2 * at].decode(), replies[2 * at + 1]) for at, key in enumerate(keys)]


def _held(reply: Any) -> Any:
    """A reply that nothing goes on without."""
    if isinstance(reply, ResponseError):
        raise fault(reply, _HOME)
    return reply


def _info(told: Any) -> dict[str, str]:
    text = told.decode("utf-8", "replace").removeprefix("txt:")
    lines = [line.partition(":") for line in text.splitlines() if line and not line.startswith("#")]
    return {name: value for name, _, value in lines}


def _settings(replies: Sequence[Any]) -> dict[str, str] | None:
    """What the server is set to; each reply is a map, or a list by twos, as the protocol has it."""
    settings: dict[str, str] = {}
    for each in replies:
        if isinstance(each, ResponseError):
            return None
        pairs = each.items() if isinstance(each, dict) else zip(each[::2], each[1::2], strict=True)
        settings |= {name.decode(): value.decode("utf-8", "replace") for name, value in pairs}
    return settings
