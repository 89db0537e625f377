"""Users in MongoDB.

Beside its fields a user has ``_v``, which counts its changes, and ``_outbox``, the events that are not in the log yet.
Neither is part of the record.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from tektree._async.backends.mongo.driver import AsyncMongo, key_of, whole
from tektree._async.backends.mongo.events import outbox_in, outbox_of
from tektree.errors import Stale, Taken
from tektree.models.accounts import StoredUser, User
from tektree.models.events import Event, Posted, Recipients
from tektree.wire.collections import USERS
from tektree.wire.documents import from_document, to_document, to_update

__all__ = ["AsyncMongoAccounts"]

_FIELD: Final = {
    "email": "email",
    "email_canonical": "email",
    "handle": "handle",
    "handle_canonical": "handle",
    "handle_claims.digest": "handle",
    "uid": "uid",
    "tokens.digest": "token",
}
"""What is said to be taken, for each unique index."""


class AsyncMongoAccounts:
    """Users in ``users``. Every method is one command, or says why it is more."""

    def __init__(self, mongo: AsyncMongo) -> None:
        self._mongo = mongo
        self._users = mongo.collection(USERS)

    async def insert(self, user: User, events: Sequence[Event], to: Sequence[Recipients] = ()) -> StoredUser:
        """One command; where something is in the way, it is looked whether that is the same insert."""
        document = to_document(user) | {"_v": 1, "_outbox": outbox_of(events, to)}
        try:
            with self._mongo.writing(USERS):
                await self._mock_claims(user)
                await self._users.insert_one(document)
        except DuplicateKeyError as error:
            field = _field_of(error)
        else:
            return StoredUser(user, 1, _left(events, to))
        there = await self.by_id(user.id)
        if there is None:
            raise Taken(field or await self._in_the_way(user))
        return there

    async def swap(
        self, old: StoredUser, new: User, events: Sequence[Event] = (), to: Sequence[Recipients] = ()
    ) -> StoredUser:
        update: dict[str, dict[str, Any]] = {
            operator: {name: value for name, value in fields.items() if name != "last_login_at"}
            for operator, fields in to_update(new).items()
        }
        update["$set"]["_v"] = old.version + 1
        if events:
            update["$push"] = {"_outbox": {"$each": outbox_of(events, to)}}
        try:
            with self._mongo.writing(USERS):
                await self._mock_claims(new)
                result = await self._users.update_one(_as_read(old), update)
        except DuplicateKeyError as error:
            field = _field_of(error)
        else:
            if result.matched_count == 0:
                raise Stale("user", old.user.id)
            kept = new.evolve(last_login_at=old.user.last_login_at)
            return StoredUser(kept, old.version + 1, (*old.left, *_left(events, to)))
        raise Taken(field or await self._in_the_way(new))

    async def replace(
        self, old: StoredUser, new: User, events: Sequence[Event], to: Sequence[Recipients] = ()
    ) -> StoredUser:
        document = to_document(new) | {"_v": old.version + 1, "_outbox": outbox_of(events, to)}
        try:
            with self._mongo.writing(USERS):
                await self._mock_claims(new)
                result = await self._users.replace_one(_as_read(old), document)
        except DuplicateKeyError as error:
            field = _field_of(error)
        else:
            if result.matched_count == 0:
                raise Stale("user", old.user.id)
            return StoredUser(new, old.version + 1, _left(events, to))
        raise Taken(field or await self._in_the_way(new))

    async def _mock_claims(self, user: User) -> None:
        """In mongomock, whose indexes do not look into arrays, what the index of claims does on a server."""
        claims = [claim.digest for claim in user.handle_claims]
        if self._mongo.mocked and claims:
            claimed = {"handle_claims.digest": {"$in": claims}, "_id": {"$ne": ObjectId(user.id)}}
            if await self._users.find_one(claimed, {"_id": 1}):
                raise Taken("handle")

    async def _in_the_way(self, user: User) -> str:
        """Which field somebody else has, where the server does not say which index it was."""
        claims = [claim.digest for claim in user.handle_claims]
        ours: list[tuple[str, dict[str, Any]]] = [
            ("email", {"email": user.email}),
            ("email", {"email_canonical": user.email_canonical or user.email}),
            ("handle", {"handle": user.handle}),
            ("handle", {"handle_canonical": user.handle_canonical or user.handle}),
            ("handle", {"handle_claims.digest": {"$in": claims}}),
        ]
        with self._mongo.reading(USERS):
            for field, query in ours:
                if await self._users.find_one({**query, "_id": {"$ne": ObjectId(user.id)}}, {"_id": 1}):
                    return field
        return "uid"

    async def logged_in(self, user_id: str, epoch: int, at: datetime) -> bool:
        query = {"_id": ObjectId(user_id), "epoch": epoch or {"$not": {"$gt": 0}}, "status": {"$in": [None, "active"]}}
        with self._mongo.writing(USERS):
            result = await self._users.update_one(query, {"$set": {"last_login_at": at}})
        return bool(result.matched_count)

    async def by_id(self, user_id: str) -> StoredUser | None:
        return await self._one({"_id": ObjectId(user_id)})

    async def by_uid(self, uid: str) -> StoredUser | None:
        return await self._one({"uid": uid})

    async def called(self, by: Literal["email", "handle"], canonical: str | None, written: str) -> StoredUser | None:
        """One command, for both: of two that are found, the one with the canonical form counts."""
        adopted: dict[str, Any] = {by: written, f"{by}_canonical": None}
        query = adopted if canonical is None else {"$or": [{f"{by}_canonical": canonical}, adopted]}
        with self._mongo.reading(USERS):
            found = await self._mongo.listed(self._users.find(query).limit(2))
        found.sort(key=lambda document: document.get(f"{by}_canonical") is None)
        return _stored(found[0]) if found else None

    async def by_claim(self, digest: str) -> StoredUser | None:
        return await self._one({"handle_claims.digest": digest})

    async def by_token(self, digests: Sequence[str]) -> StoredUser | None:
        return await self._one({"tokens.digest": {"$in": list(digests), "$gt": ""}})  # as the index has it

    async def _one(self, query: Mapping[str, Any]) -> StoredUser | None:
        with self._mongo.reading(USERS):
            document = await self._users.find_one(query)
        return None if document is None else _stored(document)

    async def told(self, user_id: str, event_ids: Sequence[str]) -> None:
        pulled = {"$pull": {"_outbox": {"event_id": {"$in": list(event_ids)}}}}
        with self._mongo.writing(USERS):
            await self._users.update_one({"_id": ObjectId(user_id)}, pulled)

    async def unfinished(self, limit: int) -> Sequence[str]:
        with self._mongo.reading(USERS):
            found = self._users.find({"_outbox.event_id": {"$gt": ""}}, {"_id": 1}).limit(limit)
            return [str(document["_id"]) for document in await self._mongo.listed(found)]


def _as_read(old: StoredUser) -> dict[str, Any]:
    """Finds the user if nothing has changed since. One that was adopted has no version yet."""
    return {"_id": ObjectId(old.user.id), "_v": old.version or {"$not": {"$gt": 0}}}


def _stored(document: dict[str, Any]) -> StoredUser:
    version = whole(document, "_v", USERS)
    document.pop("_v", None)
    return StoredUser(from_document(User, document), version, outbox_in(document, USERS))


def _left(events: Sequence[Event], to: Sequence[Recipients]) -> tuple[Posted, ...]:
    return tuple([Posted(event, to[at] if to else ()) for at, event in enumerate(events)])


def _field_of(error: DuplicateKeyError) -> str | None:
    fields = key_of(error)
    return None if fields is None else next((_FIELD[name] for name in fields if name in _FIELD), None)
