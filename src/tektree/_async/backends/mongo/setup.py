"""Collections and indexes: made, and compared with what is there."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from pymongo import IndexModel
from pymongo.errors import DuplicateKeyError, OperationFailure

from tektree._async.backends.mongo.driver import AsyncMongo
from tektree.errors import ConfigurationError
from tektree.wire.collections import INDEXES, Index

__all__ = ["AsyncMongoSetup", "Drift"]

_CONFLICT: Final = frozenset({67, 85, 86})
_DUPLICATES: Final = 11000


@dataclass(frozen=True, slots=True)
class Drift:
    """An index that is not as it should be.

    ``what`` is ``missing`` or ``different``; ``keys`` are as in ``user_id:1,timestamp:-1``.
    """

    collection: str
    keys: str
    what: str
    required: bool
    """False for the text indexes, which not every server has; search does without them."""


class AsyncMongoSetup:
    """Makes the indexes of `INDEXES`, and says what is amiss."""

    def __init__(self, mongo: AsyncMongo) -> None:
        self._mongo = mongo

    async def __call__(self) -> None:
        """Makes every index that is not there. Again, or from many processes at once: nothing happens.

        Raises `ConfigurationError` where an index of the same keys but another kind is in the way, or stored
        documents break a unique one.
        """
        for name, indexes in INDEXES.items():
            there = await self._there(name)
            kinds = [(index, self._state(index, there)) for index in indexes]
            for index, state in kinds:
                if state == "different" and not index.text:
                    raise _in_the_way(name, index)
            missing = [index for index, state in kinds if state == "missing"]
            await self._make(name, [index for index in missing if not index.text])
            for index in indexes:
                if index.text:
                    await self._make_text(name, index, missing=index in missing)

    async def _make(self, name: str, indexes: Sequence[Index]) -> None:
        """All in one command; where the server refuses, one after the other, to find out which."""
        if not indexes:
            return
        with self._mongo.writing(name):
            try:
                await self._create(name, indexes)
                return
            except (OperationFailure, DuplicateKeyError) as error:
                reason = _why(name, indexes[0], error)
                if len(indexes) == 1:
                    raise reason or error from None
        for index in indexes:
            await self._make(name, [index])

    async def _create(self, name: str, indexes: Sequence[Index]) -> None:
        collection = self._mongo.collection(name)
        if not self._mongo.mocked:
            await collection.create_indexes([_model(index) for index in indexes])
            return
        for index in indexes:  # in its other call, mongomock forgets what an index covers
            await collection.create_index(list(index.keys), **_options(index))

    async def _make_text(self, name: str, index: Index, *, missing: bool) -> None:
        """Where the server has such indexes; mongomock has none. Where it answers by one, search asks for it.

        It is asked once: servers differ in what they make of such an index, and another one may be in the way.
        """
        self._mongo.texts.discard(name)
        collection = self._mongo.collection(name)
        if missing:
            with suppress(NotImplementedError), self._mongo.writing(name), suppress(OperationFailure):
                await collection.create_indexes([_model(index)])
                missing = False
        if not missing and not self._mongo.mocked:
            with self._mongo.reading(name), suppress(OperationFailure):
                await collection.find_one({"$text": {"$search": "tektree"}}, {"_id": 1})
                self._mongo.texts.add(name)

    async def drift(self) -> list[Drift]:
        """The indexes that are missing or different. Nothing is written."""
        found = []
        for name, indexes in INDEXES.items():
            there = await self._there(name)
            states = [(index, self._state(index, there)) for index in indexes]
            found += [Drift(name, _keys(index), state, not index.text) for index, state in states if state]
        return found

    async def _there(self, name: str) -> dict[str, list[Mapping[str, Any]]]:
        """The indexes of a collection, by their keys."""
        with self._mongo.reading(name):
            information = await self._mongo.collection(name).index_information()
        found: dict[str, list[Mapping[str, Any]]] = {}
        for each in information.values():
            found.setdefault(_known(each), []).append(each)
        return found

    def _state(self, index: Index, there: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
        """``missing``, ``different``, or nothing."""
        alike = there.get(_keys(index), ())
        if any(self._is(index, each) for each in alike):
            return ""
        return "different" if alike else "missing"

    def _is(self, index: Index, found: Mapping[str, Any]) -> bool:
        """Whether a stored index is what it should be. What narrows it further (sparse, collation) is not."""
        if bool(found.get("unique")) is not index.unique or found.get("sparse") or found.get("hidden"):
            return False
        if index.text or self._mongo.mocked:  # mongomock does not say what an index covers
            return True
        return not found.get("collation") and _plain(found.get("partialFilterExpression")) == _plain(index.partial)


def _why(name: str, index: Index, error: OperationFailure) -> ConfigurationError | None:
    """What stands against this index, if that is known."""
    if error.code in _CONFLICT:
        return _in_the_way(name, index)
    if error.code == _DUPLICATES:
        reason = f"holds documents that are not unique in {_keys(index)}; mend them, then set up again"
        return ConfigurationError(f"mongo.{name}", reason)
    return None


def _in_the_way(name: str, index: Index) -> ConfigurationError:
    reason = f"has an index on {_keys(index)} that is not as it should be; drop it, then set up again"
    return ConfigurationError(f"mongo.{name}", reason)


def _model(index: Index) -> IndexModel:
    return IndexModel(list(index.keys), **_options(index))


def _options(index: Index) -> dict[str, Any]:
    options: dict[str, Any] = {"unique": True} if index.unique else {}
    if index.partial is not None:
        options["partialFilterExpression"] = _plain(index.partial)
    return options


def _keys(index: Index) -> str:
    return ",".join([f"{name}:{direction}" for name, direction in index.keys])


def _known(found: Mapping[str, Any]) -> str:
    """The keys of a stored index. Of a text index the server keeps the fields as weights."""
    weights = found.get("weights")
    if weights:
        return ",".join(sorted([f"{name}:text" for name in weights], reverse=True))
    return ",".join([f"{name}:{_direction(direction)}" for name, direction in found["key"]])


def _direction(direction: Any) -> Any:
    return int(direction) if isinstance(direction, float | int) else direction


def _plain(partial: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return {name: dict(rule) for name, rule in partial.items()} if partial else None
