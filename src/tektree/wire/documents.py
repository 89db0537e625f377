"""Models as MongoDB documents, and back.

What is written: the data model's fields under its names and in its order, then ours, then those that we do not know, as
they were found. Ids are ObjectIds, instants aware datetimes. A field of the data model that has no value is null; one
of ours that stands at its default is left out.

What is read: anything that the data model allows. A naive datetime is UTC, an Int64 an int, a missing or null field
its default where it has one. Rules that are made for input (lengths, what may be featured) are not asked of what is
stored; types, ids, enumerations and the range of numbers are, and what breaks them is a `CorruptDocument`.

``_outbox``, ``_relay`` and ``_sinks``, which say what is still to be told, belong to the backend: they are not part of
a record.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from tektree.errors import CorruptDocument
from tektree.models.base import Value, checked
from tektree.wire.codecs import NOT_PLAIN, READERS, Fault, codec_of

__all__ = ["from_document", "to_document", "to_update"]

M = TypeVar("M", bound=Value)


def to_document(model: Value) -> dict[str, Any]:
    """``model`` as a document. Raises `InvalidInput` for a model that was never checked and is not sound."""
    try:
        return codec_of(type(model)).write(model)
    except NOT_PLAIN:
        checked(type(model), model.__dict__)
        raise


def to_update(model: Value) -> dict[str, dict[str, Any]]:
    """The update that brings a stored document to ``model``: ``$set`` of what it has, ``$unset`` of ours that it lacks.

    ``_id`` is not touched, nor is any field that we do not know.
    """
    codec = codec_of(type(model))
    document = to_document(model)
    known = {key: document[key] for key in codec.keys if key in document and key != "_id"}
    absent = {key: "" for key in codec.keys if key not in document}
    return {"$set": known} | ({"$unset": absent} if absent else {})


def from_document(model: type[M], document: Mapping[str, Any]) -> M:
    """The ``model`` that ``document`` holds. Raises `CorruptDocument` that names the first field that is wrong.

    Fields that are not known stay with the record: `Value.evolve` keeps them, and `to_document` writes them back.
    """
    try:
        record: M = READERS[model](document)
    except NOT_PLAIN:
        return _read_odd(model, document)
    return record


def _read_odd(model: type[M], document: Mapping[str, Any]) -> M:
    unmet = model not in READERS  # it is only that nobody has read one yet
    codec = codec_of(model)
    try:
        return codec.read(document) if unmet else codec.read_odd(document)
    except Fault as fault:
        where = (codec.collection, _id_of(document), fault.path or "(document)", fault.reason)
        raise CorruptDocument(*where) from None


def _id_of(document: object) -> str:
    found = document.get("_id") if isinstance(document, Mapping) else None
    return "" if found is None else str(found)[:64].encode("ascii", "backslashreplace").decode()
