"""Whose turn it is to bring events to sinks, and how far consumers got, in collections of our own; and news of events.

A lease is a document for each partition of what it is called by; an effect one for each line. Both change by guarded
updates of documents that are named by their ``_id``.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pymongo import InsertOne, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from tektree._async.backends.mongo.driver import AsyncMongo, duplicates_only
from tektree.errors import BackendError, ConfigurationError
from tektree.models.events import PARTITIONS, Change, Effect, Lease, alone
from tektree.wire.collections import EFFECTS, EVENTS, LEASES

__all__ = ["AsyncMongoEffects", "AsyncMongoLeases", "AsyncMongoNews"]

_ALWAYS: Final = datetime(1970, 1, 1, tzinfo=UTC)
_KEPT: Final = timedelta(days=8)
"""How long it is kept that an event without a stream took effect: a week, and one more for clocks."""
_PURGE: Final = 1_000
"""After so many of them what is older is taken away."""


class AsyncMongoLeases:
    """Leases in ``leases``."""

    def __init__(self, mongo: AsyncMongo) -> None:
        self._mongo = mongo
        self._leases = mongo.collection(LEASES)
        self._made: set[str] = set()

    async def claim(
        self, name: str, partitions: Collection[int], token: str, now: datetime, until: datetime, due: datetime
    ) -> Sequence[Lease]:
        await self._make(name)
        ids = {"$in": [f"{name}/{partition:02}" for partition in sorted(partitions)]}
        free = [{"token": ""}, {"until": {"$lte": now}}]
        claimed = {"$set": {"token": token, "until": until}, "$inc": {"attempts": 1}}
        with self._mongo.writing(LEASES):
            result = await self._leases.update_many({"_id": ids, "due": {"$lte": due}, "$or": free}, claimed)
        if not result.matched_count:
            return []
        with self._mongo.reading(LEASES):
            documents = await self._mongo.listed(self._leases.find({"_id": ids, "token": token}))
        return [_lease(document) for document in documents]

    async def renew(self, name: str, token: str, now: datetime, until: datetime) -> Collection[int]:
        mine = {"_id": {"$in": _all_of(name)}, "token": token, "until": {"$gt": now}}
        with self._mongo.writing(LEASES):
            await self._leases.update_many(mine, {"$set": {"until": until}})
        with self._mongo.reading(LEASES):
            return {document["partition"] for document in await self._mongo.listed(self._leases.find(mine))}

    async def release(self, name: str, token: str, due: datetime, failures: int) -> None:
        back = {"$set": {"token": "", "due": due, "attempts": 0, "failures": failures}}
        with self._mongo.writing(LEASES):
            await self._leases.update_many({"_id": {"$in": _all_of(name)}, "token": token}, back)

    async def _make(self, name: str) -> None:
        """Makes the leases of a name, once for each process."""
        if name in self._made:
            return
        fresh = {"name": name, "token": "", "until": _ALWAYS, "due": _ALWAYS, "attempts": 0, "failures": 0}
        documents = [{"_id": id, "partition": at, **fresh} for at, id in enumerate(_all_of(name))]
        with self._mongo.writing(LEASES):
            try:
                await self._leases.insert_many(documents, ordered=False)
            except BulkWriteError as error:
                if not duplicates_only(error):
                    raise
        self._made.add(name)


def _all_of(name: str) -> list[str]:
    return [f"{name}/{partition:02}" for partition in range(PARTITIONS)]


def _lease(document: Mapping[str, Any]) -> Lease:
    until, due = [each if each.tzinfo else each.replace(tzinfo=UTC) for each in (document["until"], document["due"])]
    return Lease(
        document["name"],
        document["partition"],
        document["token"],
        until,
        due,
        document["attempts"],
        document["failures"],
    )


class AsyncMongoEffects:
    """Effects in ``effects``."""

    def __init__(self, mongo: AsyncMongo) -> None:
        self._mongo = mongo
        self._effects = mongo.collection(EFFECTS)
        self._alone = 0

    async def read(self, name: str, lines: Collection[str]) -> Mapping[str, Effect]:
        ids = [f"{name}/{line}" for line in lines]
        with self._mongo.reading(EFFECTS):
            documents = await self._mongo.listed(self._effects.find({"_id": {"$in": ids}})) if ids else []
        return {each["line"]: Effect(int(each["number"]), each.get("state")) for each in documents}

    async def write(self, name: str, changes: Sequence[Change], now: datetime) -> Collection[str]:
        """A line that stands at the number afterwards was changed: who else brought it there made it the same."""
        if not changes:
            return ()
        await self._purge(changes, now)
        if self._mongo.mocked:
            return {each.line for each in changes if not await self._written(name, each, now)}
        inserts: list[Any] = [InsertOne(_document(name, each, now)) for each in changes if each.old == 0]
        updates: list[Any] = [UpdateOne(*_update(name, each)) for each in changes if each.old]
        with self._mongo.writing(EFFECTS):
            try:
                await self._effects.bulk_write([*inserts, *updates], ordered=False)
            except BulkWriteError as error:
                if not duplicates_only(error):
                    raise
        found = await self.read(name, [each.line for each in changes])
        return {each.line for each in changes if each.line not in found or found[each.line].number != each.number}

    async def _written(self, name: str, change: Change, now: datetime) -> bool:
        with self._mongo.writing(EFFECTS):
            if change.old == 0:
                try:
                    await self._effects.insert_one(_document(name, change, now))
                except DuplicateKeyError:
                    return False
                return True
            result = await self._effects.update_one(*_update(name, change))
            return bool(result.matched_count)

    async def _purge(self, changes: Sequence[Change], now: datetime) -> None:
        """Takes away what is kept for a while only, now and then."""
        self._alone += sum([alone(each.line) for each in changes])
        if self._alone >= _PURGE:
            self._alone = 0
            with self._mongo.writing(EFFECTS):
                await self._effects.delete_many({"until": {"$gt": 0, "$lte": int(now.timestamp())}})


def _document(name: str, change: Change, now: datetime) -> dict[str, Any]:
    document = {"_id": f"{name}/{change.line}", "name": name, "line": change.line, "number": change.number}
    if change.state is not None:
        document["state"] = change.state
    if alone(change.line):
        document["until"] = int((now + _KEPT).timestamp())
    return document


def _update(name: str, change: Change) -> tuple[dict[str, Any], dict[str, Any]]:
    changed = {"number": change.number} | ({} if change.state is None else {"state": change.state})
    return {"_id": f"{name}/{change.line}", "number": change.old}, {"$set": changed}


class AsyncMongoNews:
    """News from a change stream on the log."""

    def __init__(self, mongo: AsyncMongo, stream: Any) -> None:
        self._mongo = mongo
        self._stream = stream

    @classmethod
    async def opened(cls, mongo: AsyncMongo) -> "AsyncMongoNews | None":
        """None where the server has no change streams."""
        try:
            with mongo.reading(EVENTS):
                stream = await mongo.watched(mongo.collection(EVENTS))
                await stream.try_next()  # some drivers ask the server only now
        except (BackendError, ConfigurationError):
            return None
        return cls(mongo, stream)

    async def wait(self, seconds: float) -> bool:
        """The server is asked to answer within half a second when there is nothing, however long ``seconds`` are."""
        with self._mongo.reading(EVENTS):
            return await self._stream.try_next() is not None

    async def close(self) -> None:
        with self._mongo.reading(EVENTS):
            await self._stream.close()
