"""Profiles and the ledger in MongoDB.

Every method is one command, or says why it is more. Nothing is upserted, nothing is found and modified, nothing
skipped.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from tektree._async.backends.mongo.driver import AsyncMongo, key_of, text, whole
from tektree._async.backends.mongo.events import outbox_in, outbox_of
from tektree._async.backends.mongo.uids import AsyncMongoUids
from tektree.errors import Stale, Taken
from tektree.models.events import Event, Posted, Recipients
from tektree.models.gamification import Committed, Folded, GamificationProfile, WeekSum, XPTransaction
from tektree.models.leaderboards import Board, BoardEntry
from tektree.wire.collections import GAMIFICATION_PROFILES, XP_TRANSACTIONS
from tektree.wire.documents import from_document, to_document, to_update

__all__ = ["AsyncMongoGamification", "AsyncMongoLedger"]

_FOLDED: Final = frozenset(Folded.model_fields) - {"updated_at"}
_FIRST_ID: Final = ObjectId("0" * 24)


class AsyncMongoGamification:
    """Profiles in ``gamification_profiles``."""

    def __init__(self, mongo: AsyncMongo, uids: AsyncMongoUids) -> None:
        self._mongo = mongo
        self._profiles = mongo.collection(GAMIFICATION_PROFILES)
        self._uids = uids

    async def enroll(self, profile: GamificationProfile) -> GamificationProfile:
        try:
            with self._mongo.writing(GAMIFICATION_PROFILES):
                await self._profiles.insert_one(to_document(profile))
            return profile
        except DuplicateKeyError:
            pass
        return await self._enrolled(profile)

    async def _enrolled(self, profile: GamificationProfile) -> GamificationProfile:
        """The profile that is there: by the uid, or else by the id. One that was adopted is given the uid it lacks."""
        with self._mongo.reading(GAMIFICATION_PROFILES):
            document = await self._profiles.find_one({"uid": profile.uid})
            if document is None:
                document = await self._profiles.find_one({"user_id": ObjectId(profile.user_id)})
        if document is None:  # it went away in between
            raise Stale("profile", profile.user_id)
        stored = from_document(GamificationProfile, document)
        return stored if stored.uid else await self._named(stored, profile)

    async def _named(self, stored: GamificationProfile, profile: GamificationProfile) -> GamificationProfile:
        uid = await self._uids.of(stored.user_id) or profile.uid
        try:
            with self._mongo.writing(GAMIFICATION_PROFILES):
                query = {"user_id": ObjectId(stored.user_id), "uid": None}
                await self._profiles.update_one(query, {"$set": {"uid": uid}})
        except DuplicateKeyError:
            raise Taken("uid") from None
        self._uids.stored(stored.user_id)
        return stored.evolve(uid=uid)

    async def profile(self, user_id: str) -> GamificationProfile | None:
        with self._mongo.reading(GAMIFICATION_PROFILES):
            document = await self._profiles.find_one({"user_id": ObjectId(user_id)})
        if document is None:
            return None
        profile = from_document(GamificationProfile, document)
        if profile.uid:
            return profile
        uid = await self._uids.of(user_id)  # one more command, until the first write
        return profile.evolve(uid=uid) if uid else profile

    async def project(self, user_id: str, state: Folded, repair: bool = False) -> None:
        newer = {"$not": {"$gt" if repair else "$gte": state.seq}}
        update = to_update(state)
        query = {"user_id": ObjectId(user_id), "seq": newer}
        uid = self._uids.due(user_id)
        if uid is not None:
            await self._project_with_uid(query, update, user_id, uid)
            return
        with self._mongo.writing(GAMIFICATION_PROFILES):
            await self._profiles.update_one(query, update)

    async def _project_with_uid(
        self, query: Mapping[str, Any], update: Mapping[str, Any], user_id: str, uid: str
    ) -> None:
        """An adopted profile's first write. Where another one has the uid already, it goes without."""
        named = {**update, "$set": {**update["$set"], "uid": uid}}
        try:
            with self._mongo.writing(GAMIFICATION_PROFILES):
                await self._profiles.update_one(query, named)
        except DuplicateKeyError:
            with self._mongo.writing(GAMIFICATION_PROFILES):
                await self._profiles.update_one(query, update)
        self._uids.stored(user_id)

    async def by_uid(self, uid: str) -> GamificationProfile | None:
        with self._mongo.reading(GAMIFICATION_PROFILES):
            document = await self._profiles.find_one({"uid": uid})
        if document is not None:
            return from_document(GamificationProfile, document)
        user = await self._uids.who(uid)  # an adopted profile may not have its uid yet
        return None if user is None else await self.profile(str(user))

    async def swap(
        self,
        old: GamificationProfile,
        new: GamificationProfile,
        events: Sequence[Event] = (),
        to: Sequence[Recipients] = (),
    ) -> None:
        update = {
            operator: {name: value for name, value in fields.items() if name not in _FOLDED}
            for operator, fields in to_update(new).items()
        }
        update["$max"] = {"updated_at": update["$set"].pop("updated_at")}
        if events:
            update["$push"] = {"_outbox": {"$each": outbox_of(events, to)}}
        version = old.settings_version or {"$not": {"$gt": 0}}
        try:
            with self._mongo.writing(GAMIFICATION_PROFILES):
                result = await self._profiles.update_one(
                    {"user_id": ObjectId(old.user_id), "settings_version": version},
                    {operator: fields for operator, fields in update.items() if fields},
                )
        except DuplicateKeyError:
            raise Taken("uid") from None
        if result.matched_count == 0:
            raise Stale("profile", old.user_id)
        self._uids.stored(old.user_id)

    async def outbox(self, user_id: str) -> Sequence[Posted]:
        with self._mongo.reading(GAMIFICATION_PROFILES):
            document = await self._profiles.find_one({"user_id": ObjectId(user_id)}, {"_outbox": 1})
        return [] if document is None else outbox_in(document, GAMIFICATION_PROFILES)

    async def told(self, user_id: str, event_ids: Sequence[str]) -> None:
        pulled = {"$pull": {"_outbox": {"event_id": {"$in": list(event_ids)}}}}
        with self._mongo.writing(GAMIFICATION_PROFILES):
            await self._profiles.update_one({"user_id": ObjectId(user_id)}, pulled)

    async def unfinished(self, limit: int) -> Sequence[str]:
        with self._mongo.reading(GAMIFICATION_PROFILES):
            found = self._profiles.find({"_outbox.event_id": {"$gt": ""}}, {"user_id": 1}).limit(limit)
            return [str(document["user_id"]) for document in await self._mongo.listed(found)]

    async def users(self, after: str | None, limit: int) -> Sequence[str]:
        behind = {"user_id": {"$gt": ObjectId(after)} if after else {"$gte": _FIRST_ID}}
        with self._mongo.reading(GAMIFICATION_PROFILES):
            found = self._profiles.find(behind, {"user_id": 1}).sort("user_id", 1).limit(limit)
            return [str(document["user_id"]) for document in await self._mongo.listed(found)]

    async def count(self) -> int:
        with self._mongo.reading(GAMIFICATION_PROFILES):
            number: int = await self._profiles.estimated_document_count()
            return number


class AsyncMongoLedger:
    """The ledger in ``xp_transactions``. A row carries its events in ``_outbox`` until they are in the log."""

    def __init__(self, mongo: AsyncMongo, uids: AsyncMongoUids) -> None:
        self._mongo = mongo
        self._uids = uids
        self._rows = mongo.collection(XP_TRANSACTIONS)

    async def append(self, row: XPTransaction, events: Sequence[Event], to: Sequence[Recipients] = ()) -> None:
        document = to_document(row)
        if events:
            document["_outbox"] = outbox_of(events, to)
        try:
            with self._mongo.writing(XP_TRANSACTIONS):
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
        user_id, keys, told = ObjectId(rows[0].user_id), [row.key for row in rows], {"$unset": {"_outbox": ""}}
        with self._mongo.writing(XP_TRANSACTIONS):
            if len(keys) == 1:
                await self._rows.update_one({"user_id": user_id, "key": keys[0]}, told)
            else:
                await self._rows.update_many({"user_id": user_id, "key": {"$in": keys}}, told)

    async def row(self, transaction_id: str) -> XPTransaction | None:
        with self._mongo.reading(XP_TRANSACTIONS):
            document = await self._rows.find_one({"transaction_id": transaction_id})
        return None if document is None else from_document(XPTransaction, document)

    async def tail(self, user_id: str, seq: int, limit: int) -> Sequence[Committed]:
        with self._mongo.reading(XP_TRANSACTIONS):
            found = self._rows.find({"user_id": ObjectId(user_id), "seq": {"$gt": seq}}).sort("seq", 1).limit(limit)
            documents = await self._mongo.listed(found)
        return [_committed(document) for document in documents]

    async def unfinished(self, limit: int) -> Sequence[Committed]:
        query = {"user_id": {"$gte": _FIRST_ID}, "_outbox.event_id": {"$gt": ""}}  # the index begins with the user
        with self._mongo.reading(XP_TRANSACTIONS):
            found = self._rows.find(query).sort([("user_id", 1), ("seq", 1)]).limit(limit)
            documents = await self._mongo.listed(found)
        return [_committed(document) for document in documents]

    async def rows(self, user_id: str, after: int, limit: int) -> Sequence[XPTransaction]:
        if after:  # a ledger without gaps has just these; who sorts before limiting would sort all that is behind
            page = {"$gt": after, "$lte": after + limit}
            found = await self._found({"user_id": ObjectId(user_id), "seq": page}, 1, limit)
            if len(found) == limit:
                return found
        return await self._found({"user_id": ObjectId(user_id), "seq": {"$gt": after}}, 1, limit)

    async def history(self, user_id: str, before: int | None, limit: int) -> Sequence[XPTransaction]:
        behind = {"$gt": 0} if before is None else {"$gt": 0, "$lt": before}
        return await self._found({"user_id": ObjectId(user_id), "seq": behind}, -1, limit)

    async def older(self, user_id: str, before: tuple[datetime, str] | None, limit: int) -> Sequence[XPTransaction]:
        query: dict[str, Any] = {"user_id": ObjectId(user_id)}
        rest: dict[str, Any] = {"seq": None}
        if before is not None:
            at, id = before
            query["timestamp"] = {"$lte": at}
            rest["$or"] = [{"timestamp": {"$lt": at}}, {"timestamp": at, "_id": {"$lt": ObjectId(id)}}]
        order = {"$sort": {"timestamp": -1, "_id": -1}}
        with self._mongo.reading(XP_TRANSACTIONS):
            pipeline: list[dict[str, Any]] = [{"$match": query}, {"$match": rest}, order, {"$limit": limit}]
            documents = await self._mongo.aggregate(self._rows, pipeline)
        return [from_document(XPTransaction, document) for document in documents]

    async def _found(self, query: Mapping[str, Any], order: int, limit: int) -> list[XPTransaction]:
        with self._mongo.reading(XP_TRANSACTIONS):
            documents = await self._mongo.listed(self._rows.find(query).sort("seq", order).limit(limit))
        return [from_document(XPTransaction, document) for document in documents]

    async def linked(self, user_id: str, transaction_id: str) -> XPTransaction | None:
        """The newest of either kind: one command, where the server can join pipelines."""
        reversal, restoring = [_newest(user_id, link, transaction_id) for link in ("reverses", "restores")]
        with self._mongo.reading(XP_TRANSACTIONS):
            if self._mongo.mocked:  # mongomock joins none
                documents = await self._mongo.aggregate(self._rows, reversal)
                documents += await self._mongo.aggregate(self._rows, restoring)
            else:
                union = {"$unionWith": {"coll": XP_TRANSACTIONS, "pipeline": restoring}}
                documents = await self._mongo.aggregate(self._rows, [*reversal, union])
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
            {"$match": {"week": week}},
            {"$sort": {"user_id": 1, "seq": -1}},
            {"$group": {"_id": "$user_id", **{name: {"$first": {"$ifNull": [f"${name}", None]}} for name in _SUMS}}},
            {
                "$lookup": {
                    "from": GAMIFICATION_PROFILES,
                    "localField": "_id",
                    "foreignField": "user_id",
                    "as": "profile",
                }
            },
        ]
        with self._mongo.reading(XP_TRANSACTIONS):
            documents = await self._mongo.aggregate(self._rows, pipeline)
        lacking = [each["_id"] for each in documents if any(not text(profile, "uid") for profile in each["profile"])]
        uids = await self._uids.of_all([id for id in lacking if isinstance(id, ObjectId)])
        return [entry for each in documents for entry in _entries(Board(week), each, uids.get(each["_id"]))]


def _newest(user_id: str, link: str, transaction_id: str) -> list[dict[str, Any]]:
    match = {"user_id": ObjectId(user_id), link: transaction_id}
    return [{"$match": match}, {"$sort": {"seq": -1}}, {"$limit": 1}]


_SUMS: Final = ("seq", "weekly_xp", "weekly_reached_at")


def _committed(document: Mapping[str, Any]) -> Committed:
    left = outbox_in(document, XP_TRANSACTIONS)
    to = [each.to for each in left]
    return Committed(
        from_document(XPTransaction, document), tuple([each.event for each in left]), to if any(to) else ()
    )


def _entries(board: Board, document: Mapping[str, Any], adopted: str | None) -> list[BoardEntry]:
    """What the newest row of a user's week says, with the settings of the profile; nothing for who has no uid."""
    xp, seq = [whole(document, field, XP_TRANSACTIONS) for field in ("weekly_xp", "seq")]
    reached = document.get("weekly_reached_at")
    if isinstance(reached, datetime) and reached.tzinfo is None:
        reached = reached.replace(tzinfo=UTC)
    return [
        BoardEntry(
            board,
            uid,
            xp,
            reached if isinstance(reached, datetime) else None,
            seq,
            whole(profile, "settings_version", GAMIFICATION_PROFILES),
            profile.get("leaderboard_opt_out") is True,
        )
        for profile in document["profile"]
        if (uid := text(profile, "uid") or adopted)
    ]
