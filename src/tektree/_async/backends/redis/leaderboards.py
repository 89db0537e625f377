"""Leaderboards on Redis: the data model's sorted set, and beside it the order that decides and the rows it was made of.

The sorted set is for readers: uids with their XP. Its ties are not ours, and no score can hold them exactly, so a
second one has the order: the score below zero, and members that begin with when it was reached and end with the score,
so that one reading has all. A hash remembers for each uid the newest row and the newest settings, so what comes late,
twice or in any order changes nothing.

Settings are kept with each board, because boards share no slot. They are written to all that can be alive: that of all
time, and those of the past eight weeks, this one and the next.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from itertools import count
from typing import Any, Final

from tektree._async.backends.redis.driver import AsyncRedis
from tektree._async.backends.redis.nodes import Written, written
from tektree.models.leaderboards import Board, BoardEntry, Shown, Standing
from tektree.wire.keys import companion, leaderboard
from tektree.wire.scripts import script

__all__ = ["AsyncRedisLeaderboards"]

_PUT: Final = script("leaderboards_put")
_RANK: Final = script("leaderboards_rank")
_AROUND: Final = script("leaderboards_around")
_SHOWN: Final = script("leaderboards_shown")
_TIDY: Final = script("leaderboards_tidy")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO: Final = timedelta(microseconds=1)
_BEFORE: Final = 1 << 56
"""Microseconds that are added to instants, so that those before 1970 have no sign: more than there are since year 1."""
_DIGITS: Final = 15
_PAGE: Final = 500
_BACK: Final = 9
"""Weeks back to the oldest board that may be alive, with one to spare: the clocks of callers differ."""
_STANDING: Final[Callable[[Iterable[Any]], Standing]] = partial(tuple.__new__, Standing)
"""As ``Standing._make``, without a look at the length, which is a fifth of the time of a reply."""


class AsyncRedisLeaderboards:
    """Boards on Redis; each is one step of one script. Redis lets a week's board go when its time is over."""

    def __init__(self, redis: AsyncRedis) -> None:
        self._redis = redis

    async def put(self, entries: Sequence[BoardEntry], now: datetime) -> None:
        boards: dict[Board, list[BoardEntry]] = {}
        for each in entries:
            boards.setdefault(each.board, []).append(each)
        alive = {board: said for board, said in boards.items() if not board.is_over(now)}
        news = await self._write(alive, now)
        news += [each for board, said in boards.items() if board not in alive for each in said]
        for entry in _spread(news, alive.get(Board.GLOBAL, ())):
            await self.hide(entry.uid, entry.settings_version, entry.hidden, now)

    async def hide(self, uid: str, settings_version: int, hidden: bool, now: datetime) -> None:
        said = BoardEntry(Board.GLOBAL, uid, 0, None, -1, settings_version, hidden)
        await self._write({board: [said] for board in _alive(now)}, now)

    async def top(self, board: Board, limit: int, now: datetime) -> Sequence[Standing]:
        if board.is_over(now):
            return []
        found = (await self._redis.ask(("ZRANGE", _keys(board)[1], 0, limit - 1), reads=True))[0]
        return _places(0, b" ".join(found))

    async def rank(self, board: Board, uid: str, now: datetime) -> Standing | None:
        if board.is_over(now):
            return None
        keys, about = _reading(board)
        found = await self._redis.call(_RANK, (keys, uid), about, again=True, reads=True)
        return Standing(found[0] + 1, uid, int(found[1])) if found else None

    async def around(self, board: Board, uid: str, span: int, now: datetime) -> Sequence[Standing]:
        if board.is_over(now):
            return []
        keys, about = _reading(board)
        found: bytes = await self._redis.call(_AROUND, (keys, uid, span), about, again=True, reads=True)
        before, _, members = found.partition(b" ")
        return _places(int(before or 0), members)

    async def shown(self, board: Board, uid: str, now: datetime) -> Shown:
        if board.is_over(now):
            return Shown(None, 0, 0)
        score, members, placed = await self._redis.run(_SHOWN, _keys(board)[:2], [uid], again=True, reads=True)
        return Shown(None if score is None else _score(score), members, placed)

    async def tidy(self, board: Board, now: datetime) -> int:
        """Page by page: what stands there all the time is on one of them, whatever is written meanwhile."""
        keys, changed = _keys(board), 0
        for place, key in (("board", keys[0]), ("order", keys[1])):
            cursor, begun = b"0", False
            while not board.is_over(now) and (cursor != b"0" or not begun):
                cursor, page = (await self._redis.ask(("ZSCAN", key, cursor, "COUNT", _PAGE)))[0]
                begun = True
                if members := page[::2]:
                    changed += await self._redis.call(_TIDY, (len(keys), *keys, place, *members), key, again=True)
        return changed

    async def _write(self, boards: dict[Board, list[BoardEntry]], now: datetime) -> list[BoardEntry]:
        """Puts entries on their boards, in one round trip where one server has them all. Gives those whose settings
        were news.
        """
        calls = [(_keys(board), _arguments(board, said, now)) for board, said in boards.items()]
        replies = await self._redis.run_each(_PUT, calls) if calls else []
        return [
            entry
            for said, news in zip(boards.values(), replies, strict=True)
            for entry, new in zip(said, news, strict=True)
            if new
        ]


def _keys(board: Board) -> tuple[str, str, str]:
    key = leaderboard(board)
    return key, companion(key, "order"), companion(key, "rows")


@lru_cache(maxsize=256)
def _reading(board: Board) -> tuple[Written, str]:
    """The keys of the order and the rows, as a script is given them, and the first."""
    keys = _keys(board)[1:]
    return written((len(keys), *keys)), keys[0]


def _alive(now: datetime) -> list[Board]:
    weeks = [Board.weekly(now + timedelta(weeks=number)) for number in range(-_BACK, 2)]
    return [Board.GLOBAL, *[each for each in weeks if not each.is_over(now)]]


def _arguments(board: Board, entries: Iterable[BoardEntry], now: datetime) -> list[str | int]:
    arguments: list[str | int] = ["" if board.over_at is None else max(1, (board.over_at - now) // (1000 * _MICRO))]
    for _, uid, score, reached, seq, version, hidden in entries:
        instant = _BEFORE + (0 if reached is None else (reached - _EPOCH) // _MICRO)
        arguments += [uid, seq, score, f"{instant:0{_DIGITS}x}", version, int(hidden)]
    return arguments


def _spread(news: Sequence[BoardEntry], everywhere: Sequence[BoardEntry]) -> list[BoardEntry]:
    """Those of the news that other boards may not know yet. What the board of all time knew before, all of them do."""
    known = {(each.uid, each.settings_version) for each in everywhere}
    known -= {(each.uid, each.settings_version) for each in news if each.board == Board.GLOBAL}
    newest = {each.uid: each for each in sorted(news, key=lambda each: each.settings_version)}
    return [
        each for each in newest.values() if each.settings_version and (each.uid, each.settings_version) not in known
    ]


def _score(text: bytes) -> float:
    """A score as Redis writes it: whole, unless others set it."""
    score = float(text)
    return int(score) if score.is_integer() else score


def _places(before: int, members: bytes) -> list[Standing]:
    """Standings out of members of the order, with a space between them: each is an instant and a uid, then the XP."""
    words = members.decode().split(" ") if members else []
    uids = [each[_DIGITS:] for each in words[::2]]
    return list(map(_STANDING, zip(count(before + 1), uids, map(int, words[1::2]), strict=False)))
