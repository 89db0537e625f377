"""The uids of profiles that were there before us: the users name them, until the profile's first write does."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bson import ObjectId

from tektree._async.backends.mongo.driver import AsyncMongo, text
from tektree.wire.collections import USERS

__all__ = ["AsyncMongoUids"]

_MOST: Final = 10_000


class AsyncMongoUids:
    """Finds uids in ``users``, and remembers which profiles still lack theirs."""

    def __init__(self, mongo: AsyncMongo) -> None:
        self._mongo = mongo
        self._users = mongo.collection(USERS)
        self._lacking: dict[str, str] = {}

    async def of(self, user_id: str) -> str | None:
        """The uid of one user, to be stored with the next write; None for who is not among the users."""
        uid = (await self.of_all([ObjectId(user_id)])).get(ObjectId(user_id))
        if uid is not None:
            while len(self._lacking) >= _MOST:
                self._lacking.pop(next(iter(tuple(self._lacking)), ""), None)
            self._lacking[user_id] = uid
        return uid

    def due(self, user_id: str) -> str | None:
        """The uid that the profile lacks, if it does."""
        return self._lacking.get(user_id)

    def stored(self, user_id: str) -> None:
        """The profile has its uid now."""
        self._lacking.pop(user_id, None)

    async def of_all(self, ids: Sequence[ObjectId]) -> dict[ObjectId, str]:
        """The uids of these users, in one command."""
        if not ids:
            return {}
        with self._mongo.reading(USERS):
            found = await self._mongo.listed(self._users.find({"_id": {"$in": list(ids)}}, {"uid": 1}))
        return {each["_id"]: uid for each in found if (uid := text(each, "uid"))}

    async def who(self, uid: str) -> ObjectId | None:
        """The id of the user with this uid."""
        with self._mongo.reading(USERS):
            user: Mapping[str, Any] | None = await self._users.find_one({"uid": uid}, {"_id": 1})
        return user["_id"] if user and isinstance(user["_id"], ObjectId) else None
