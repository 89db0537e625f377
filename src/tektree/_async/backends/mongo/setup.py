"""Collections and indexes: made, and compared with what is there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pymongo import IndexModel
from pymongo.errors import OperationFailure

from tektree._async.backends.mongo.driver import AsyncMongo
from tektree.errors import ConfigurationError
from tektree.wire.collections import INDEXES, Index

__all__ = ["AsyncMongoSetup", "Drift"]

_CONFLICT = frozenset({85, 86})
_DUPLICATES = 11000


@dataclass(frozen=True, slots=True)
class Drift:
    """An index that is not as it should be:

    ``missing``, or ``different``. ``keys`` as in ``user_id:1,timestamp:-1``.
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
            collection = self._mongo.collection(name)
            for index in indexes:
                await self._make(collection, name, index)

    async def _make(self, collection: Any, name: str, index: Index) -> None:
        try:
            with self._mongo.writing():
                try:
                    await collection.create_indexes([_model(index)])
                except OperationFailure as error:
                    if index.text:
                        return
                    if error.code in _CONFLICT:
                        reason = f"has an index on {_keys(index)} that is not ours; drop it, then set up again"
                        raise ConfigurationError(f"mongo.{name}", reason) from None
                    if error.code == _DUPLICATES:
                        reason = f"holds documents that are not unique in {_keys(index)}; mend them, then set up again"
                        raise ConfigurationError(f"mongo.{name}", reason) from None
                    raise
        except NotImplementedError:  # mongomock has no text indexes
            if not index.text:
                raise

    async def drift(self) -> list[Drift]:
        """The indexes that are missing or different. Nothing is written."""
        found = []
        for name, indexes in INDEXES.items():
            with self._mongo.reading():
                there = await self._mongo.collection(name).index_information()
            known = {_known(each): _kind(each) for each in there.values()}
            for index in indexes:
                keys = _keys(index)
                what = "missing" if keys not in known else "different" if known[keys] != _wanted(index) else ""
                if what:
                    found.append(Drift(name, keys, what, not index.text))
        return found


def _model(index: Index) -> IndexModel:
    options: dict[str, Any] = {"unique": True} if index.unique else {}
    if index.partial is not None:
        options["partialFilterExpression"] = {field: dict(rule) for field, rule in index.partial.items()}
    return IndexModel(list(index.keys), **options)


def _keys(index: Index) -> str:
    return ",".join([f"{name}:{direction}" for name, direction in index.keys])


def _known(found: Mapping[str, Any]) -> str:
    """The keys of a stored index. Of a text index the server keeps the fields as weights."""
    weights = found.get("weights")
    if weights:
        return ",".join(sorted([f"{name}:text" for name in weights], reverse=True))
    return ",".join([f"{name}:{_direction(direction)}" for name, direction in found["key"]])


def _direction(direction: Any) -> Any:
    return int(direction) if isinstance(direction, float) else direction


def _kind(found: Mapping[str, Any]) -> tuple[bool, Any]:
    partial = found.get("partialFilterExpression")
    return bool(found.get("unique")), {name: dict(rule) for name, rule in partial.items()} if partial else None


def _wanted(index: Index) -> tuple[bool, Any]:
    return index.unique, {name: dict(rule) for name, rule in index.partial.items()} if index.partial else None
