"""Leaderboards without Redis: the profiles are the board of all time, the ledger is the board of each week.

So there is nothing to write: a board is as new as what it is read from, and who opts out is gone with the profile's
own change.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from tektree._async.backends.mongo.driver import AsyncMongo
from tektree._async.ports.gamification import AsyncLedger
from tektree.models.leaderboards import Board, BoardEntry, Standing, ranked
from tektree.wire.collections import GAMIFICATION_PROFILES

__all__ = ["AsyncMongoLeaderboards"]

_SEEN: Final[Mapping[str, Any]] = {"total_xp": {"$gt": 0}, "uid": {"$gt": ""}, "leaderboard_opt_out": {"$ne": True}}
_ORDER: Final = [("total_xp", -1), ("reached_at", 1), ("uid", 1)]
_BACKWARDS: Final = [("total_xp", 1), ("reached_at", -1), ("uid", -1)]
_FIELDS: Final = {"total_xp": 1, "reached_at": 1, "uid": 1}


class AsyncMongoLeaderboards:
    """Boards read from ``gamification_profiles`` and ``xp_transactions``."""

    def __init__(self, mongo: AsyncMongo, ledger: AsyncLedger) -> None:
        self._mongo = mongo
        self._ledger = ledger
        self._profiles = mongo.collection(GAMIFICATION_PROFILES)

    async def put(self, entries: Sequence[BoardEntry], now: datetime) -> None:
        """Nothing: the row and the profile say it already."""

    async def hide(self, uid: str, settings_version: int, hidden: bool, now: datetime) -> None:
        """Nothing: the profile says it already."""

    async def top(self, board: Board, limit: int, now: datetime) -> Sequence[Standing]:
        if board.week is not None:
            return (await self._week(board, now))[:limit]
        return _numbered(await self._sorted({}, _ORDER, limit), 1)

    async def rank(self, board: Board, uid: str, now: datetime) -> Standing | None:
        if board.week is not None:
            return next((each for each in await self._week(board, now) if each.uid == uid), None)
        own = await self._own(uid)
        return None if own is None else Standing(await self._before(own) + 1, uid, own["total_xp"])

    async def around(self, board: Board, uid: str, span: int, now: datetime) -> Sequence[Standing]:
        if board.week is not None:
            places = await self._week(board, now)
            at = next((at for at, each in enumerate(places) if each.uid == uid), None)
            return [] if at is None else places[max(0, at - span) : at + span + 1]
        own = await self._own(uid)
        if own is None:
            return []
        rank = await self._before(own) + 1
        ahead, behind = await self._neighbours(own, span) if span else ([], [])
        return _numbered([*reversed(ahead), own, *behind], rank - len(ahead))

    async def _week(self, board: Board, now: datetime) -> list[Standing]:
        return [] if board.is_over(now) else ranked(await self._ledger.standings(board.week or ""))

    async def _own(self, uid: str) -> dict[str, Any] | None:
        with self._mongo.reading():
            own: dict[str, Any] | None = await self._profiles.find_one({**_SEEN, "uid": uid}, _FIELDS)
            return own

    async def _before(self, own: Mapping[str, Any]) -> int:
        with self._mongo.reading():
            number: int = await self._profiles.count_documents({**_SEEN, **_ahead_of(own)})
            return number

    async def _neighbours(self, own: Mapping[str, Any], span: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Those ahead, nearest first, and those behind: both in one command where the server can join pipelines."""
        if self._mongo.mocked:  # mongomock joins none
            return (
                await self._sorted(_ahead_of(own), _BACKWARDS, span),
                await self._sorted(_behind(own), _ORDER, span),
            )
        union = {"coll": GAMIFICATION_PROFILES, "pipeline": _pipeline(_behind(own), _ORDER, span)}
        marked: list[dict[str, Any]] = [{"$addFields": {"ahead": {"$literal": True}}}, {"$unionWith": union}]
        with self._mongo.reading():
            ahead = _pipeline(_ahead_of(own), _BACKWARDS, span)
            found = await self._mongo.aggregate(self._profiles, ahead + marked)
        return [each for each in found if each.get("ahead")], [each for each in found if not each.get("ahead")]

    async def _sorted(self, query: Mapping[str, Any], order: list[tuple[str, int]], limit: int) -> list[dict[str, Any]]:
        with self._mongo.reading():
            return await self._mongo.listed(self._profiles.find({**_SEEN, **query}, _FIELDS).sort(order).limit(limit))


def _pipeline(query: Mapping[str, Any], order: list[tuple[str, int]], limit: int) -> list[dict[str, Any]]:
    return [{"$match": {**_SEEN, **query}}, {"$sort": dict(order)}, {"$limit": limit}, {"$project": _FIELDS}]


def _ahead_of(own: Mapping[str, Any]) -> dict[str, Any]:
    """Who stands before ``own``. Who never reached their score at a known time stands first among equals."""
    return _beside(own, "$gt", "$lt")


def _behind(own: Mapping[str, Any]) -> dict[str, Any]:
    return _beside(own, "$lt", "$gt")


def _beside(own: Mapping[str, Any], score: str, tie: str) -> dict[str, Any]:
    xp, reached, uid = own["total_xp"], own.get("reached_at"), own["uid"]
    tied: list[dict[str, Any]] = [{"total_xp": xp, "reached_at": reached, "uid": {"$gt": "", tie: uid}}]
    if reached is not None:
        tied.append({"total_xp": xp, "reached_at": {tie: reached}})
        if tie == "$lt":
            tied.append({"total_xp": xp, "reached_at": None})
    elif tie == "$gt":
        tied.append({"total_xp": xp, "reached_at": {"$ne": None}})
    return {"$or": [{"total_xp": {"$gt": 0} | {score: xp}}, *tied]}


def _numbered(found: Sequence[Mapping[str, Any]], first: int) -> list[Standing]:
    return [Standing(rank, each["uid"], each["total_xp"]) for rank, each in enumerate(found, start=first)]
