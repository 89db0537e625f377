"""Areas in MongoDB, and who follows which of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from bson import ObjectId

from tektree._async.backends.mongo.documents import AsyncMongoDocuments, behind, seen
from tektree._async.backends.mongo.driver import AsyncMongo
from tektree.models.areas import Area, Follow
from tektree.models.pages import Position, Slice
from tektree.models.visibility import Sight
from tektree.wire.collections import AREAS, FOLLOWS

__all__ = ["AsyncMongoAreas", "AsyncMongoFollows"]

_BY = "created_at"


class AsyncMongoAreas(AsyncMongoDocuments[Area]):
    """Areas in ``areas``. Every method is one command."""

    def __init__(self, mongo: AsyncMongo) -> None:
        super().__init__(mongo, AREAS, Area, "area", ("follower_count", "content_count"))

    async def by_slug(self, slug: str) -> Area | None:
        return await self._slugged(slug)

    async def below(self, ids: Sequence[str]) -> Sequence[str]:
        if not ids:
            return []
        with self._mongo.reading(AREAS):
            found = self._documents.find({"parent_id": {"$in": [ObjectId(id) for id in ids]}}, {"_id": 1})
            return [str(document["_id"]) for document in await self._mongo.listed(found)]

    async def children(self, parent_id: str | None, sight: Sight, before: Position | None, limit: int) -> Slice[Area]:
        parent = None if parent_id is None else ObjectId(parent_id)
        return await self._page({"parent_id": parent, **behind(before, _BY), **seen(sight)}, _BY, limit)

    async def search(self, words: Sequence[str], sight: Sight, before: Position | None, limit: int) -> Slice[Area]:
        return await self._search(words, ("title", "details"), {**behind(before, _BY), **seen(sight)}, _BY, limit)

    async def made(self, user_id: str, since: datetime, until: datetime) -> int:
        query = {"created_by": ObjectId(user_id), _BY: {"$gte": since, "$lt": until}}
        with self._mongo.reading(AREAS):
            return int(await self._documents.count_documents(query))


class AsyncMongoFollows(AsyncMongoDocuments[Follow]):
    """Who follows which area, in ``follows``."""

    _maker = "user_id"

    def __init__(self, mongo: AsyncMongo) -> None:
        super().__init__(mongo, FOLLOWS, Follow, "follow")

    async def followers(self, area_id: str) -> int:
        with self._mongo.reading(FOLLOWS):
            return int(await self._documents.count_documents({"area_id": ObjectId(area_id), "active": True}))

    async def followers_of(self, area_ids: Sequence[str]) -> Mapping[str, int]:
        return await self._grouped("area_id", area_ids, {"active": True})
