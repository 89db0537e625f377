"""Leaderboards without Redis: the profiles are the board of all time, the ledger is the board of each week.

So there is nothing to write: a board is as new as what it is read from, and who opts out is gone with the profile's
own change. Profiles that were there before us stand too: until their first write gives them a uid, the users name them,
in one more command.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from bson import ObjectId

from tektree._async.backends.mongo.driver import AsyncMongo, text, whole
from tektree._async.backends.mongo.uids import AsyncMongoUids
from tektree._async.ports.gamification import AsyncLedger
from tektree.models.leaderboards import Board, BoardEntry, Standing, ranked
from tektree.wire.collections import GAMIFICATION_PROFILES

__all__ = ["AsyncMongoLeaderboards"]

_SEEN: Final[Mapping[str, Any]] = {"leaderboard_opt_out": {"$ne": True}}
_SOME_XP: Final[Mapping[str, Any]] = {"total_xp": {"$gt": 0}}
_ORDER: Final = [("total_xp", -1), ("reached_at", 1), ("uid", 1), ("user_id", 1)]
_BACKWARDS: Final = [(field, -direction) for field, direction in _ORDER]
_FIELDS: Final = {"total_xp": 1, "reached_at": 1, "uid": 1, "user_id": 1}
_LEAST: Final[Mapping[str, Any]] = {"reached_at": {"$ne": None}, "uid": {"$gt": ""}}
"""What comes after those that lack the field."""


class AsyncMongoLeaderboards:
    """Boards read from ``gamification_profiles`` and ``xp_transactions``."""

    def __init__(self, mongo: AsyncMongo, ledger: AsyncLedger, uids: AsyncMongoUids) -> None:
        self._mongo = mongo
        self._ledger = ledger
        self._uids = uids
        self._profiles = mongo.collection(GAMIFICATION_PROFILES)

    async def put(self, entries: Sequence[BoardEntry], now: datetime) -> None:
        """Nothing: the row and the profile say it already."""

    async def hide(self, uid: str, settings_version: int, hidden: bool, now: datetime) -> None:
        """Nothing: the profile says it already."""

    async def top(self, board: Board, limit: int, now: datetime) -> Sequence[Standing]:
        if board.week is not None:
            return (await self._week(board, now))[:limit]
        with self._mongo.reading(GAMIFICATION_PROFILES):
            pipeline: list[dict[str, Any]] = [
                {"$match": _SOME_XP},
                {"$sort": dict(_ORDER)},
                {"$match": _SEEN},
                *_first(limit),
            ]
            found = await self._mongo.aggregate(self._profiles, pipeline)
        return await self._standings(found, 1)

    async def rank(self, board: Board, uid: str, now: datetime) -> Standing | None:
        if board.week is not None:
            return next((each for each in await self._week(board, now) if each.uid == uid), None)
        own = await self._own(uid)
        return None if own is None else Standing(await self._before(own) + 1, uid, _score(own))

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
        return await self._standings([*reversed(ahead), own, *behind], rank - len(ahead))

    async def _week(self, board: Board, now: datetime) -> list[Standing]:
        return [] if board.is_over(now) else ranked(await self._ledger.standings(board.week or ""))

    async def _own(self, uid: str) -> dict[str, Any] | None:
        own = await self._one({"uid": uid})
        if own is None:
            user_id = await self._uids.who(uid)
            own = None if user_id is None else await self._one({"user_id": user_id, "uid": None})
        return own if own is not None and _score(own) > 0 and own.get("leaderboard_opt_out") is not True else None

    async def _one(self, query: Mapping[str, Any]) -> dict[str, Any] | None:
        with self._mongo.reading(GAMIFICATION_PROFILES):
            found: dict[str, Any] | None = await self._profiles.find_one(query, {**_FIELDS, "leaderboard_opt_out": 1})
            return found

    async def _before(self, own: Mapping[str, Any]) -> int:
        """How many stand before ``own``, counted in the index."""
        counted = {"$group": {"_id": None, "number": {"$sum": 1}}}
        with self._mongo.reading(GAMIFICATION_PROFILES):
            found = await self._mongo.aggregate(self._profiles, [*_ahead_of(own), counted])
        return int(found[0]["number"]) if found else 0

    async def _neighbours(self, own: Mapping[str, Any], span: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Those ahead, nearest first, and those behind: both in one command where the server can join pipelines."""
        ahead, behind = _sorted(_ahead_of(own), _BACKWARDS, span), _sorted(_behind(own), _ORDER, span)
        with self._mongo.reading(GAMIFICATION_PROFILES):
            if self._mongo.mocked:  # mongomock joins none
                return (
                    await self._mongo.aggregate(self._profiles, ahead),
                    await self._mongo.aggregate(self._profiles, behind),
                )
            marked: dict[str, Any] = {"$addFields": {"ahead": {"$literal": True}}}
            union = {"$unionWith": {"coll": GAMIFICATION_PROFILES, "pipeline": behind}}
            found = await self._mongo.aggregate(self._profiles, [*ahead, marked, union])
        return [each for each in found if each.get("ahead")], [each for each in found if not each.get("ahead")]

    async def _standings(self, found: Sequence[Mapping[str, Any]], first: int) -> list[Standing]:
        """The places of those found. Whose user is gone has a place, but nobody to name: it is left out."""
        lacking = [each["user_id"] for each in found if not text(each, "uid") and "user_id" in each]
        uids = await self._uids.of_all([id for id in lacking if isinstance(id, ObjectId)])
        return [
            Standing(rank, uid, _score(each))
            for rank, each in enumerate(found, start=first)
            if (uid := text(each, "uid") or uids.get(each.get("user_id", _NOBODY)))
        ]


_NOBODY: Final = ObjectId("0" * 24)


def _score(document: Mapping[str, Any]) -> int:
    return whole(document, "total_xp", GAMIFICATION_PROFILES)


def _first(limit: int) -> list[dict[str, Any]]:
    return [{"$limit": limit}, {"$project": _FIELDS}]


def _sorted(pipeline: list[dict[str, Any]], order: list[tuple[str, int]], limit: int) -> list[dict[str, Any]]:
    return [*pipeline, {"$sort": dict(order)}, *_first(limit)]


def _ahead_of(own: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Who stands before ``own``: more XP; or as much, reached earlier; and so on. Who lacks a field comes first.

    The first step is what the index begins with; the second narrows it down.
    """
    xp = own["total_xp"]
    either = [{"total_xp": {"$gt": xp}}, *_tied(own, "$lt")]
    return [{"$match": {"total_xp": {"$gte": xp}}}, {"$match": {**_SEEN, "$or": either}}]


def _behind(own: Mapping[str, Any]) -> list[dict[str, Any]]:
    xp = own["total_xp"]
    either = [{"total_xp": {"$lt": xp}}, *_tied(own, "$gt")]
    return [{"$match": {"total_xp": {"$gt": 0, "$lte": xp}}}, {"$match": {**_SEEN, "$or": either}}]


def _tied(own: Mapping[str, Any], side: str) -> list[dict[str, Any]]:
    """Those of the same score on one side of ``own``: each is equal up to some field, and differs in that one."""
    found: list[dict[str, Any]] = []
    equal: dict[str, Any] = {"total_xp": own["total_xp"]}
    for field in ("reached_at", "uid"):
        value = own.get(field)
        if value is not None:
            found.append({**equal, field: {side: value}})
            if side == "$lt":
                found.append({**equal, field: None})
        elif side == "$gt":
            found.append({**equal, field: _LEAST[field]})
        equal[field] = value
    return [*found, {**equal, "user_id": {side: own.get("user_id")}}] if own.get("uid") is None else found
