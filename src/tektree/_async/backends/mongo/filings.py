"""What has to be known before somebody files something, out of three collections by one command."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from bson import ObjectId

from tektree._async.backends.mongo.accounts import AsyncMongoAccounts
from tektree._async.backends.mongo.areas import AsyncMongoAreas
from tektree._async.backends.mongo.driver import AsyncMongo
from tektree._async.backends.mongo.questions import AsyncMongoQuestions, held_by_others, held_in
from tektree.errors import CorruptDocument
from tektree.models.accounts import User
from tektree.models.areas import Area
from tektree.models.premises import Premises
from tektree.wire.collections import AREAS, QUESTIONS, USERS
from tektree.wire.documents import from_document

__all__ = ["AsyncMongoFilings"]

_OF: Final = "_of"
"""Which collection a document of a union comes from."""
_RECORD: Final[Mapping[str, Any]] = {"$project": {"_v": 0, "_tally": 0, "_outbox": 0}}


class AsyncMongoFilings:
    """Accounts, areas and questions, looked at together: one command, and none where nothing is asked."""

    def __init__(
        self, mongo: AsyncMongo, accounts: AsyncMongoAccounts, areas: AsyncMongoAreas, questions: AsyncMongoQuestions
    ) -> None:
        self._mongo = mongo
        self.sources = accounts, areas, questions

    async def premises(self, user_id: str, areas: Sequence[str], files: Sequence[str], *, account: bool) -> Premises:
        parts: dict[str, list[Mapping[str, Any]]] = {}
        if account:
            parts[USERS] = [{"$match": {"_id": ObjectId(user_id)}}, _RECORD]
        if areas:
            parts[AREAS] = [{"$match": {"_id": {"$in": [ObjectId(id) for id in areas]}}}, _RECORD]
        if files:
            parts[QUESTIONS] = [{"$match": held_by_others(user_id, files)}, {"$project": {"files": 1}}]
        found = await self._together({name: [*part, {"$set": {_OF: name}}] for name, part in parts.items()})
        user = next((from_document(User, document) for document in found[USERS]), None)
        filed = []
        for document in found[AREAS]:
            with suppress(CorruptDocument):
                filed.append(from_document(Area, document))
        return Premises(user, filed, held_in(found[QUESTIONS], files))

    async def _together(self, parts: Mapping[str, list[Mapping[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
        """The documents that these pipelines find, by their collections."""
        found: dict[str, list[dict[str, Any]]] = {USERS: [], AREAS: [], QUESTIONS: []}
        if not parts:
            return found
        first, *more = parts
        unions = [{"$unionWith": {"coll": name, "pipeline": parts[name]}} for name in more]
        pipelines = parts if self._mongo.mocked else {first: [*parts[first], *unions]}  # mongomock joins none
        for name, pipeline in pipelines.items():
            with self._mongo.reading(name):
                for document in await self._mongo.aggregate(self._mongo.collection(name), pipeline):
                    found[document.pop(_OF)].append(document)
        return found
