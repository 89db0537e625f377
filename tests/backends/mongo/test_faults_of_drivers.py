"""Whatever a driver or BSON raises leaves as one of our errors, and says nothing of what the driver said."""

import pickle
import traceback
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import bson
import pymongo
import pytest
from bson import ObjectId
from bson.datetime_ms import DatetimeMS
from bson.errors import InvalidBSON, InvalidDocument, InvalidStringData
from pymongo import errors

from tektree import (
    Board,
    ConfigurationError,
    CorruptDocument,
    InvalidInput,
    OutcomeUnknown,
    TekTree,
    TekTreeError,
    Unavailable,
)
from tektree._sync.backends.mongo.connecting import mongo_backends
from tektree._sync.backends.mongo.driver import _PLAIN
from tektree._sync.backends.mongo.events import outbox_in
from tektree.models.events import Event
from tektree.models.gamification import GamificationProfile
from tektree.wire.documents import from_document
from tests.backends.mongo.worlds import MOCK, World
from tests.lanes import enter
from tests.records import sample

SECRET = "mongodb://ada:hunter2@db.example.org/ mail ada@example.org"


def failure(code: int, **details: Any) -> errors.OperationFailure:
    return errors.OperationFailure(SECRET, code, {"errmsg": SECRET, "code": code, **details})


def labelled(error: errors.PyMongoError, label: str) -> errors.PyMongoError:
    error._add_error_label(label)
    return error


RAISED: list[tuple[Exception, type[TekTreeError], type[TekTreeError]]] = [
    # raised, of a read, of a write
    (errors.ServerSelectionTimeoutError(SECRET), Unavailable, Unavailable),
    (errors.AutoReconnect(SECRET), Unavailable, OutcomeUnknown),
    (errors.NetworkTimeout(SECRET), Unavailable, OutcomeUnknown),
    (errors.ConnectionFailure(SECRET), Unavailable, OutcomeUnknown),
    (errors.WaitQueueTimeoutError(SECRET), Unavailable, OutcomeUnknown),
    (errors.NotPrimaryError(SECRET, {"code": 10107}), Unavailable, OutcomeUnknown),
    (labelled(errors.NotPrimaryError(SECRET, {"code": 10107}), "NoWritesPerformed"), Unavailable, Unavailable),
    (errors.NotPrimaryError(SECRET, {"code": 189}), Unavailable, OutcomeUnknown),
    (errors.ExecutionTimeout(SECRET, 50), Unavailable, OutcomeUnknown),
    (errors.WTimeoutError(SECRET, 64), Unavailable, OutcomeUnknown),
    (errors.WriteConcernError(SECRET, 100), Unavailable, OutcomeUnknown),
    (errors.WriteError(SECRET, 2), Unavailable, Unavailable),
    (errors.WriteError(SECRET, 10334), Unavailable, InvalidInput),
    (errors.WriteError(SECRET, 121), ConfigurationError, ConfigurationError),
    (errors.BulkWriteError({"writeErrors": [{"code": 2, "errmsg": SECRET}]}), Unavailable, OutcomeUnknown),
    (failure(11601), Unavailable, OutcomeUnknown),
    (failure(262), Unavailable, OutcomeUnknown),
    (failure(2, writeConcernError={"errmsg": SECRET}), Unavailable, OutcomeUnknown),
    (failure(2), Unavailable, Unavailable),
    (failure(13), ConfigurationError, ConfigurationError),
    (failure(18), ConfigurationError, ConfigurationError),
    (errors.CursorNotFound(SECRET, 43), Unavailable, Unavailable),
    (errors.ProtocolError(SECRET), Unavailable, OutcomeUnknown),
    (errors.PyMongoError(SECRET), Unavailable, OutcomeUnknown),
    (errors.InvalidOperation(SECRET), ConfigurationError, ConfigurationError),
    (errors.ConfigurationError(SECRET), ConfigurationError, ConfigurationError),
    (errors.InvalidURI(SECRET), ConfigurationError, ConfigurationError),
    (errors.DocumentTooLarge(SECRET), Unavailable, InvalidInput),
    (InvalidDocument(SECRET), Unavailable, InvalidInput),
    (InvalidStringData(SECRET), Unavailable, InvalidInput),
    (InvalidBSON(SECRET), CorruptDocument, OutcomeUnknown),
    (OverflowError(SECRET), CorruptDocument, InvalidInput),
    (UnicodeEncodeError("utf-8", SECRET, 0, 1, "surrogates"), CorruptDocument, InvalidInput),
    (RecursionError(SECRET), Unavailable, InvalidInput),
    (RuntimeError(f"another event loop {SECRET}"), ConfigurationError, ConfigurationError),
    (RuntimeError(SECRET), Unavailable, OutcomeUnknown),
]
NAMES = [f"{type(error).__name__} {getattr(error, 'code', None) or ''}".strip() for error, _, _ in RAISED]


def raising(error: Exception) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        raise error

    return call


@contextmanager
def told(kind: type[TekTreeError]) -> Any:
    """``kind`` is raised, and nothing that is shown of it says what the driver said."""
    with pytest.raises(TekTreeError) as caught:
        yield
    error = caught.value
    assert type(error) is kind
    assert error.__cause__ is None
    assert error.__suppress_context__
    shown = [str(error), repr(error), repr(vars(error)), "".join(traceback.format_exception(error))]
    for text in shown:
        for part in ("hunter2", "ada@example.org", "db.example.org"):
            assert part not in text
    assert type(pickle.loads(pickle.dumps(error))) is kind  # noqa: S301 - our own


class Failing:
    """A collection whose every call raises."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __getattr__(self, name: str) -> Any:
        return raising(self.error)


@pytest.mark.parametrize(("error", "of_read", "of_write"), RAISED, ids=NAMES)
def test_each_becomes_one_of_ours(error: Exception, of_read: type[TekTreeError], of_write: type[TekTreeError]) -> None:
    enter(MOCK)
    with pymongo.MongoClient[dict[str, Any]](connect=False) as client:
        ports = mongo_backends(client["unused"])
        profile = from_document(GamificationProfile, sample("gamification_profiles")).evolve(uid="usr_a")
        event = from_document(Event, sample("events"))
        failing: Any = Failing(error)
        for port in (ports.gamification, ports.ledger, ports.leaderboards, ports.events):
            for name in ("_profiles", "_rows", "_events", "_users"):
                if hasattr(port, name):
                    setattr(port, name, failing)
        for read in (
            lambda: ports.gamification.profile(profile.user_id),
            lambda: ports.ledger.row("xp_txn_1"),
            lambda: ports.ledger.standings("2025-W50"),
            lambda: ports.events.stream("s", 0, 1),
            ports.gamification.count,
        ):
            with told(of_read):
                read()
        for write in (
            lambda: ports.gamification.enroll(profile),
            lambda: ports.gamification.swap(profile, profile),
            lambda: ports.gamification.project(profile.user_id, profile),
        ):
            with told(of_write):
                write()
        if not isinstance(error, errors.BulkWriteError):
            with told(of_write):
                ports.events.append([event])


def test_a_driver_that_does_not_send_twice_knows_more(monkeypatch: pytest.MonkeyPatch) -> None:
    enter(MOCK)
    with pymongo.MongoClient[dict[str, Any]](connect=False, retryWrites=False) as client:
        ports = mongo_backends(client["unused"])
        profile = from_document(GamificationProfile, sample("gamification_profiles")).evolve(uid="usr_a")
        for error in (errors.WaitQueueTimeoutError(SECRET), errors.NotPrimaryError(SECRET, {"code": 10107})):
            monkeypatch.setattr(ports.gamification, "_profiles", Failing(error))
            with told(Unavailable):
                ports.gamification.enroll(profile)


CORRUPT = [
    ("gamification_profiles", {"total_xp": "many"}, "total_xp"),
    ("gamification_profiles", {"total_xp": 1.5}, "total_xp"),
    ("gamification_profiles", {"streak": 7}, "streak"),
    ("xp_transactions", {"amount": None}, "amount"),
    ("xp_transactions", {"timestamp": "yesterday"}, "timestamp"),
]


@pytest.mark.parametrize(("collection", "wrong", "field"), CORRUPT, ids=[f"{each[0]} {each[1]}" for each in CORRUPT])
def test_a_document_that_cannot_be_read_is_named(
    world: World, collection: str, wrong: dict[str, Any], field: str
) -> None:
    document = sample(collection) | wrong
    world.look[collection].insert_one(dict(document))
    tek = world.sync_tek()
    user_id = str(sample("gamification_profiles")["user_id"])
    if collection == "xp_transactions":
        read: Callable[[], object] = partial(tek.gamification.explain, document["transaction_id"])
    else:
        read = partial(tek.gamification.profile, user_id)
    with pytest.raises(CorruptDocument) as caught:
        read()
    assert (caught.value.collection, caught.value.id) == (collection, str(document["_id"]))
    assert caught.value.field.startswith(field)


EVENT = sample("events")
OUTBOXES = [
    (7, "questions", "_outbox"),
    ("events", "questions", "_outbox"),
    ({"event_id": "x"}, "questions", "_outbox"),
    ([7], "events", "(document)"),
    ([{}], "events", "_id"),
    ([EVENT, EVENT | {"_relay": 7}], "events", "_relay"),
    ([EVENT | {"_relay": {"to": "boards"}}], "events", "_relay"),
    ([EVENT | {"_relay": {"to": ["boards", 7]}}], "events", "_relay"),
]


@pytest.mark.parametrize(("outbox", "collection", "field"), OUTBOXES)
def test_what_is_left_on_a_document_and_cannot_be_read_is_named(outbox: Any, collection: str, field: str) -> None:
    enter(MOCK)
    with pytest.raises(CorruptDocument) as caught:
        outbox_in({"_id": ObjectId(), "_outbox": outbox}, "questions")
    assert (caught.value.collection, caught.value.field) == (collection, field)


@pytest.mark.parametrize("left", [{}, {"_outbox": None}, {"_outbox": []}])
def test_nothing_may_be_left_on_a_document(left: dict[str, Any]) -> None:
    enter(MOCK)
    assert outbox_in(left, "questions") == ()
    given = [EVENT, EVENT | {"_relay": {"to": ["boards"]}}, EVENT | {"_relay": {}}]
    assert [each.to for each in outbox_in({"_outbox": given}, "questions")] == [(), ("boards",), ()]


def test_a_date_beyond_the_year_9999_is_named_too() -> None:
    """As a driver hands it over under our options; the wire server does not take such a date."""
    enter(MOCK)
    stored = bson.encode(sample("gamification_profiles") | {"updated_at": DatetimeMS(2**60)})
    with pytest.raises(CorruptDocument) as caught:
        from_document(GamificationProfile, bson.decode(stored, _PLAIN))
    assert (caught.value.id, caught.value.field) == (str(sample("gamification_profiles")["_id"]), "updated_at")


def test_what_is_read_is_plain(world: World) -> None:
    """Whole numbers are ``int``, times are aware, though the driver has types of its own."""
    world.look.gamification_profiles.insert_one(
        sample("gamification_profiles") | {"total_xp": 2**40, "uid": "usr_abc123"}
    )
    tek: TekTree = world.sync_tek()
    profile = tek.gamification.profile(str(sample("gamification_profiles")["user_id"]))
    assert type(profile.total_xp) is int
    assert profile.updated_at == datetime(2025, 12, 16, 14, tzinfo=UTC)
    [standing] = tek.leaderboards.top(Board.GLOBAL)
    assert (type(standing.score), standing.score) == (int, 2**40)
