"""What the codec costs beside the driver alone: medians of one run, all taken in turns.

Run it: ``python tools/bench/codec.py``. The ratios are what counts; times depend on the machine and what else it does.
Peers (beanie, odmantic, mongoengine) are measured where they are installed.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import bson
from bson import CodecOptions, DatetimeConversion, ObjectId
from measuring import Work, arguments, medians, optional, show
from pydantic import BaseModel, Field, create_model

from tektree.models.questions import Question
from tektree.wire.documents import from_document, to_document

AT = datetime(2025, 12, 16, 14, 0, 0, 123_000, UTC)
OPTIONS: Any = CodecOptions(tz_aware=False, datetime_conversion=DatetimeConversion.DATETIME_AUTO)
"""As our backend decodes, for all ways alike."""

SAMPLE: dict[str, Any] = {
    "_id": ObjectId("676000000000000000000005"),
    "title": "How do I implement event sourcing?",
    "slug": "how-do-i-implement-event-sourcing",
    "body": "I'm building an event-driven system...",
    "tags": ["go", "event-sourcing"],
    "areas": [ObjectId("676000000000000000000003"), ObjectId("676000000000000000000004")],
    "visibility": "public",
    "created_by": ObjectId("676000000000000000000001"),
    "created_at": AT,
    "updated_at": AT,
    "view_count": 234,
    "upvote_count": 12,
    "downvote_count": 1,
    "answer_count": 3,
    "accepted_answer_id": ObjectId("676000000000000000000006"),
    "files": ["file_abc123"],
    "status": "open",
}
WRITTEN = SAMPLE | {
    "body": "I'm building an event-driven system, and wonder where the events go. " * 20,
    "tags": ["go", "event-sourcing", "architecture", "cqrs"],
}
DOCUMENTS = {"the data model's sample": SAMPLE, "one as people write them (1.4 kB)": WRITTEN}


def reading(document: dict[str, Any]) -> dict[str, Work]:
    """Ways from bytes to objects; the first is the measure of the others."""
    raw = bson.encode(document)
    ways: dict[str, Work] = {
        "bson.decode": lambda: bson.decode(raw, OPTIONS),
        "bson.decode + from_document": lambda: from_document(Question, bson.decode(raw, OPTIONS)),
    }
    return ways


def reading_elsewhere(document: dict[str, Any]) -> dict[str, Work]:
    """The same for other libraries, in turns of their own: what they leave behind, others would have to sweep."""
    raw = bson.encode(document)
    ways: dict[str, Work] = {"bson.decode": lambda: bson.decode(raw, OPTIONS)}
    return ways | {f"bson.decode + {name}": _read(peer, raw) for name, peer in peers().items()}


def _read(peer: Callable[[dict[str, Any]], object], raw: bytes) -> Work:
    return lambda: peer(bson.decode(raw, OPTIONS))


def writing(document: dict[str, Any]) -> dict[str, Work]:
    """Ways from objects to bytes; the first is the measure of the others."""
    question = from_document(Question, document)
    return {
        "bson.encode": lambda: bson.encode(document),
        "to_document + bson.encode": lambda: bson.encode(to_document(question)),
        "model_dump + bson.encode (ids stay text)": lambda: bson.encode(question.model_dump()),
    }


def peers() -> dict[str, Callable[[dict[str, Any]], object]]:
    """How other libraries read a question, those of them that are here."""
    found: dict[str, Callable[[dict[str, Any]], object]] = {"model_validate (ids made text first)": _validated}
    for name, peer in {"beanie": _beanie, "odmantic": _odmantic, "mongoengine": _mongoengine}.items():
        module = optional(name)
        if module is not None:
            found[name] = peer(module)
    return found


def _validated(document: dict[str, Any]) -> Question:
    fields = {"id" if key == "_id" else key: _plain(value) for key, value in document.items()}
    return Question.model_validate(fields)


def _plain(value: object) -> object:
    if isinstance(value, ObjectId):
        return str(value)
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _beanie(beanie: Any) -> Callable[[dict[str, Any]], object]:
    kinds = {ObjectId: beanie.PydanticObjectId, list: list[Any]}
    shape: dict[str, Any] = {
        key: (kinds.get(type(value), type(value)), ...) for key, value in SAMPLE.items() if key != "_id"
    }
    shape["id"] = (beanie.PydanticObjectId, Field(alias="_id"))
    model = create_model("Question", __base__=BaseModel, **shape)
    return model.model_validate  # what beanie's parse_obj does for a model without links


def _odmantic(odmantic: Any) -> Callable[[dict[str, Any]], object]:
    kinds = {ObjectId: odmantic.ObjectId, list: list[Any]}
    shape = {key: kinds.get(type(value), type(value)) for key, value in SAMPLE.items() if key != "_id"}
    model: Any = type("Question", (odmantic.Model,), {"__annotations__": shape, "__module__": __name__})
    read: Callable[[dict[str, Any]], object] = model.model_validate_doc
    return read


def _mongoengine(me: Any) -> Callable[[dict[str, Any]], object]:
    kinds = {str: me.StringField, int: me.IntField, datetime: me.DateTimeField, list: me.ListField}
    fields = {key: kinds.get(type(value), me.ObjectIdField)() for key, value in SAMPLE.items() if key != "_id"}
    model: Any = type("Question", (me.Document,), fields)
    read: Callable[[dict[str, Any]], object] = model._from_son
    return read


def main() -> None:
    """Prints the tables."""
    rounds = 5 if arguments(__doc__).quick else 400
    peers()  # says what is not here before the tables, not among them
    for title, document in DOCUMENTS.items():
        for ways in (reading(document), writing(document), reading_elsewhere(document)):
            taken = medians(ways, rounds, 50)
            measure = next(iter(taken.values()))
            show(title, ("µs", "ratio", "way"), [(each, each / measure, name) for name, each in taken.items()])


if __name__ == "__main__":
    main()
