"""Insights in MongoDB."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from bson import ObjectId

from tektree._async.backends.mongo.documents import AsyncMongoDocuments, behind, instant_of, seen
from tektree._async.backends.mongo.driver import AsyncMongo
from tektree.models.base import INT53
from tektree.models.insights import Insight, InsightFilter, InsightOrder
from tektree.models.pages import Position, Slice
from tektree.models.visibility import Sight
from tektree.wire.collections import INSIGHTS

__all__ = ["AsyncMongoInsights"]

_OPEN: Final[Mapping[str, Any]] = {
    "visibility": "public",
    "deleted_at": None,
    "published_at": {"$ne": None},
    "due": None,
}
_COUNTS: Final = ("view_count", "like_count", "comment_count")
_BY: Final[Mapping[InsightOrder, str]] = {
    "newest": "published_at",
    "most_liked": "like_count",
    "featured": "published_at",
}


class AsyncMongoInsights(AsyncMongoDocuments[Insight]):
    """Insights in ``insights``. Every method is one command."""

    def __init__(self, mongo: AsyncMongo) -> None:
        super().__init__(mongo, INSIGHTS, Insight, "insight", _COUNTS)

    async def by_slug(self, slug: str) -> Insight | None:
        return await self._slugged(slug)

    async def page(
        self, which: InsightFilter, order: InsightOrder, sight: Sight, before: Position | None, limit: int
    ) -> Slice[Insight]:
        by, more = _BY[order], [_status(which, sight.now)]
        asked = _asked(which) | ({"featured": True} if order == "featured" else {})
        more.append(behind(before, by, dated=False) if order == "most_liked" else _behind(before))
        return await self._page(_all({**asked, **seen(sight, drafts=True)}, more), by, limit)

    async def search(self, words: Sequence[str], sight: Sight, before: Position | None, limit: int) -> Slice[Insight]:
        rest = _all(seen(sight, drafts=True), [_behind(before)])
        return await self._search(words, ("title", "body"), rest, _BY["newest"], limit)

    async def made(self, user_id: str, since: datetime, until: datetime) -> int:
        return await self._count({"created_by": ObjectId(user_id), "submitted_at": {"$gte": since, "$lt": until}})

    async def in_area(self, area_id: str) -> int:
        return await self._count({"areas": ObjectId(area_id), **_OPEN})

    async def in_areas(self, area_ids: Sequence[str]) -> Mapping[str, int]:
        return await self._grouped("areas", area_ids, _OPEN, listed=True)

    async def _count(self, query: Mapping[str, Any]) -> int:
        with self._mongo.reading(INSIGHTS):
            return int(await self._documents.count_documents(query))

    async def due(self, by: int, limit: int) -> Sequence[str]:
        with self._mongo.reading(INSIGHTS):
            found = self._documents.find({"due": {"$gt": 0, "$lte": by}, "deleted_at": None}, {"_id": 1})
            return [str(each["_id"]) for each in await self._mongo.listed(found.sort("due", 1).limit(limit))]

    async def shared_with(self, user_id: str, limit: int) -> Sequence[str]:
        user = ObjectId(user_id)
        query = {"$or": [{"co_authors": user}, {"invitations.user_id": user}]}
        with self._mongo.reading(INSIGHTS):
            found = self._documents.find(query, {"_id": 1}).limit(limit)
            return [str(each["_id"]) for each in await self._mongo.listed(found)]

    async def viewed(self, id: str, times: int) -> None:
        counted = {"_id": ObjectId(id), "view_count": {"$gte": 0, "$lte": INT53 - times}}
        with self._mongo.writing(INSIGHTS):
            await self._documents.update_one(counted, {"$inc": {"view_count": times}})

    def _place(self, document: Mapping[str, Any], by: str) -> Position | None:
        """Where it stands; drafts behind all that was published."""
        if by == "published_at" and document.get(by) is None:
            return -1, str(document["_id"])
        return super()._place(document, by)


def _asked(which: InsightFilter) -> dict[str, Any]:
    asked: dict[str, Any] = {}
    if which.area is not None:
        asked["areas"] = ObjectId(which.area)
    if which.tag is not None:
        asked["tags"] = which.tag
    if which.author is not None:
        asked["created_by"] = ObjectId(which.author)
    return asked


def _status(which: InsightFilter, now: datetime) -> dict[str, Any]:
    wanted = {"draft": None, "scheduled": {"$gt": now}, "published": {"$lte": now}}
    return {} if which.status is None else {"published_at": wanted[which.status]}


def _behind(before: Position | None) -> dict[str, Any]:
    """What stands behind a position in a list by publication, in which drafts stand last."""
    if before is None:
        return {}
    id = ObjectId(before[1])
    if before[0] < 0:
        return {"published_at": None, "_id": {"$lt": id}}
    at = instant_of(before[0])
    return {"published_at": {"$not": {"$gt": at}}, "$nor": [{"published_at": at, "_id": {"$gte": id}}]}


def _all(query: dict[str, Any], more: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A query with more conditions, which may be on the same fields."""
    given = [each for each in more if each]
    return query | ({"$and": given} if given else {})
