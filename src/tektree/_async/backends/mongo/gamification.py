"""Profiles and the ledger in MongoDB.

Every method is one command, or says why it is more. Nothing is upserted, nothing is found and modified, nothing
skipped.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from tektree._async.backends.mongo.driver import AsyncMongo, key_of
from tektree._async.ports.gamification import Committed, WeekSum
from tektree.errors import Stale, Taken
from tektree.models.events import Event
from tektree.models.gamification import Folded, GamificationProfile, XPTransaction
from tektree.models.leaderboards import Board, BoardEntry
from tektree.wire.collections import GAMIFICATION_PROFILES, USERS, XP_TRANSACTIONS
from tektree.wire.documents import from_document, to_document, to_update

__all__ = ["AsyncMongoGamification", "AsyncMongoLedger"]

_FOLDED = frozenset(Folded.model_fields) - {"updated_at"}


class AsyncMongoGamification:
    """Profiles in ``gamification_profiles``."""

    def __init__(self, mongo: AsyncMongo) -> None:
        self._mongo = mongo
        self._profiles = mongo.collection(GAMIFICATION_PROFILES)
        self._users = mongo.collection(USERS)
        self._uids: dict[str, str] = {}
        """Uids of adopted profiles that lack theirs, until their first write stores it."""

    async def enroll(self, profile: GamificationProfile) -> GamificationProfile:
        try:
            with self._mongo.writing():
                await self._profiles.insert_one(to_document(profile))
            return profile
        except DuplicateKeyError:  # a second command, for who is enrolled already
            either = [{"user_id": ObjectId(profile.user_id)}, {"uid": profile.uid}]
            with self._mongo.reading():
                found = await self._mongo.listed(self._profiles.find({"$or": either}).limit(2))
            stored = [from_document(GamificationProfile, document) for document in found]
            return next((each for each in stored if each.uid == profile.uid), stored[0])

    async def profile(self, user_id: str) -> GamificationProfile | None:
        with self._mongo.reading():
            document = await self._profiles.find_one({"user_id": ObjectId(user_id)})
        if document is None:
            return None
        profile = from_document(GamificationProfile, document)
        return profile if profile.uid else await self._with_uid(profile)

    async def _with_uid(self, profile: GamificationProfile) -> GamificationProfile:
        """An adopted profile does not name its uid: the user does, in one more command."""
        with self._mongo.reading():
            user = await self._users.find_one({"_id": ObjectId(profile.user_id)}, {"uid": 1})
        uid = user.get("uid") if user else None
        if type(uid) is not str:
            return profile
        self._uids[profile.user_id] = uid
        return profile.evolve(uid=uid)

    async def project(self, user_id: str, state: Folded, repair: bool = False) -> None:
        newer = {"$not": {"$gt" if repair else "$gte": state.seq}}
        update = to_update(state)
        uid = self._uids.pop(user_id, None)
        if uid is not None:
            update["$set"]["uid"] = uid
        with self._mongo.writing():
            await self._profiles.update_one({"user_id": ObjectId(user_id), "seq": newer}, update)

    async def swap(self, old: GamificationProfile, new: GamificationProfile) -> None:
        update = {
            operator: {name: value for name, value in fields.items() if name not in _FOLDED}
            for operator, fields in to_update(new).items()
        }
        same = {"$not": {"$gt": old.settings_version}}
        with self._mongo.writing():
            result = await self._profiles.update_one(
                {"user_id": ObjectId(old.user_id), "settings_version": same},
                {operator: fields for operator, fields in update.items() if fields},
            )
        if result.matched_count == 0:
            raise Stale("profile", old.user_id)

    async def users(self, after: str | None, limit: int) -> Sequence[str]:
        behind = {"user_id": {"$gt": ObjectId(after)}} if after else {}
        with self._mongo.reading():
            found = self._profiles.find(behind, {"user_id": 1}).sort("user_id", 1).limit(limit)
            return [str(document["user_id"]) for document in await self._mongo.listed(found)]

    async def count(self) -> int:
        with self._mongo.reading():
            number: int = await self._profiles.estimated_document_count()
            return number


class AsyncMongoLedger:
    """The ledger in ``xp_transactions``. A row carries its events in ``_outbox`` until they are in the log."""

    def __init__(self, mongo: AsyncMongo) -> None:
        self._mongo = mongo
        self._rows = mongo.collection(XP_TRANSACTIONS)

    async def append(self, row: XPTransaction, events: Sequence[Event]) -> None:
        document = to_document(row)
        if events:
            document["_outbox"] = [to_document(event) for event in events]
        try:
            with self._mongo.writing():
                await self._rows.insert_one(document)
        except DuplicateKeyError as error:
            taken = await self._is_taken(row, key_of(error))
            raise (Taken("key") if taken else Stale("ledger", row.user_id)) from None

    async def _is_taken(self, row: XPTransaction, fields: frozenset[str] | None) -> bool:
        """Whether the key was used. Where the server does not say which index it was, the ledger is asked."""
        return "seq" not in fields if fields else await self.row(row.transaction_id) is not None

    async def told(self, rows: Sequence[XPTransaction]) -> None:
        if not rows:
            return
        ids = [ObjectId(row.id) for row in rows]
        with self._mongo.writing():
            if len(ids) == 1:
                await self._rows.update_one({"_id": ids[0]}, {"$unset": {"_outbox": ""}})
            else:
                await self._rows.update_many({"_id": {"$in": ids}}, {"$unset": {"_outbox": ""}})

    async def row(self, transaction_id: str) -> XPTransaction | None:
        with self._mongo.reading():
            document = await self._rows.find_one({"transaction_id": transaction_id})
        return None if document is None else from_document(XPTransaction, document)

    async def tail(self, user_id: str, seq: int) -> Sequence[Committed]:
        with self._mongo.reading():
            found = self._rows.find({"user_id": ObjectId(user_id), "seq": {"$gt": seq}}).sort("seq", 1)
            documents = await self._mongo.listed(found)
        return [_committed(document) for document in documents]

    async def rows(self, user_id: str, after: int, limit: int) -> Sequence[XPTransaction]:
        return await self._found({"user_id": ObjectId(user_id), "seq": {"$gt": after}}, 1, limit)

    async def history(self, user_id: str, before: int | None, limit: int) -> Sequence[XPTransaction]:
        behind = {"$gt": 0} if before is None else {"$gt": 0, "$lt": before}
        return await self._found({"user_id": ObjectId(user_id), "seq": behind}, -1, limit)

    async def older(self, user_id: str, before: tuple[datetime, str] | None, limit: int) -> Sequence[XPTransaction]:
        query: dict[str, Any] = {"user_id": ObjectId(user_id), "seq": None}
        if before is not None:
            at, id = before
            query["$or"] = [{"timestamp": {"$lt": at}}, {"timestamp": at, "_id": {"$lt": ObjectId(id)}}]
        with self._mongo.reading():
            found = self._rows.find(query).sort([("timestamp", -1), ("_id", -1)]).limit(limit)
            documents = await self._mongo.listed(found)
        return [from_document(XPTransaction, document) for document in documents]

    async def _found(self, query: Mapping[str, Any], order: int, limit: int) -> list[XPTransaction]:
        with self._mongo.reading():
            documents = await self._mongo.listed(self._rows.find(query).sort("seq", order).limit(limit))
        return [from_document(XPTransaction, document) for document in documents]

    async def linked(self, user_id: str, transaction_id: str) -> XPTransaction | None:
        either = [{"user_id": ObjectId(user_id), link: transaction_id} for link in ("reverses", "restores")]
        with self._mongo.reading():
            documents = await self._mongo.listed(self._rows.find({"$or": either}))
        rows = [from_document(XPTransaction, document) for document in documents]
        return max(rows, key=lambda row: row.seq, default=None)

    async def used(self, user_id: str, day: str) -> int:
        rows = await self._found({"user_id": ObjectId(user_id), "day": day, "seq": {"$gt": 0}}, -1, 1)
        return rows[0].daily_total if rows else 0

    async def week(self, user_id: str, week: str) -> WeekSum:
        rows = await self._found({"user_id": ObjectId(user_id), "week": week, "seq": {"$gt": 0}}, -1, 1)
        return WeekSum(rows[0].weekly_xp, rows[0].weekly_reached_at) if rows else WeekSum()

    async def standings(self, week: str) -> Sequence[BoardEntry]:
        pipeline: list[dict[str, Any]] = [
            {"$match": {"week": week, "seq": {"$gt": 0}}},
            {"$sort": {"user_id": 1, "seq": -1}},
            {"$group": {"_id": "$user_id", **{name: {"$first": f"${name}"} for name in _SUMS}}},
            {
                "$lookup": {
                    "from": GAMIFICATION_PROFILES,
                    "localField": "_id",
                    "foreignField": "user_id",
                    "as": "profile",
                }
            },
        ]
        with self._mongo.reading():
            documents = await self._mongo.aggregate(self._rows, pipeline)
        return [entry for document in documents for entry in _entries(Board(week), document)]


_SUMS = ("seq", "weekly_xp", "weekly_reached_at")


def _committed(document: Mapping[str, Any]) -> Committed:
    outbox = tuple([from_document(Event, event) for event in document.get("_outbox", ())])
    return Committed(from_document(XPTransaction, document), outbox)


def _entries(board: Board, document: Mapping[str, Any]) -> list[BoardEntry]:
    """What the newest row of a user's week says, with the settings of the profile; nothing for who has no uid."""
    reached: datetime | None = document.get("weekly_reached_at")
    if reached is not None and reached.tzinfo is None:
        reached = reached.replace(tzinfo=UTC)
    sums = document.get("weekly_xp") or 0, reached, document["seq"]
    return [
        BoardEntry(
            board,
            profile["uid"],
            *sums,
            profile.get("settings_version") or 0,
            profile.get("leaderboard_opt_out") or False,
        )
        for profile in document["profile"]
        if profile.get("uid")
    ]
