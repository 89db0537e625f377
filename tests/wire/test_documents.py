"""Models as documents and back: nothing lost, nothing changed, and what cannot be read is said by name."""

import copy
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import bson
import pytest
from bson import Int64, ObjectId
from bson.codec_options import CodecOptions
from bson.son import SON
from hypothesis import given
from hypothesis import strategies as st

from tektree.errors import ConfigurationError, CorruptDocument, InvalidInput
from tektree.models.areas import Follow
from tektree.models.base import Value
from tektree.models.events import Delivery, Event
from tektree.models.gamification import Folded, GamificationProfile, XPTransaction
from tektree.models.questions import Question
from tektree.models.subscriptions import Subscription
from tektree.models.votes import Vote
from tektree.wire.codecs import READERS, codec_of
from tektree.wire.documents import from_document, to_document, to_update
from tests.records import COLLECTIONS, DATA_MODEL, records, sample

EACH = pytest.mark.parametrize(("collection", "model"), COLLECTIONS.items(), ids=list(COLLECTIONS))
ID = ObjectId("676000000000000000000005")
NAIVE = datetime(2025, 1, 1)  # noqa: DTZ001 - as the driver gives them
ODD: list[Any] = [None, True, 1, -1, 2**31, 2**53 + 1, Int64(7), 0.5, "", "public", b"x", [], ["go"], [1], [ID], ID, {}]
ODD += [{"a": Int64(1)}, NAIVE, NAIVE.replace(microsecond=1999), NAIVE.replace(year=1), NAIVE.replace(tzinfo=UTC)]


def ways(model: type[Value], document: Any) -> list[Any]:
    """What each reader makes of a document, None where it refuses. The careful one, which decides, is last."""
    found = []
    for read in (codec_of(model).read_plain, codec_of(model).read_aware, codec_of(model).read_carefully):
        try:
            found.append(read(document))
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
            found.append(None)
    return found


# -- round trips -----------------------------------------------------------------------------------------------------


@EACH
@given(data=st.data())
def test_every_record_comes_back_equal(collection: str, model: type[Value], data: st.DataObject) -> None:
    """F18, F20, F24."""
    record = data.draw(records(model))
    stored = bson.encode(to_document(record))
    for options in (CodecOptions(), CodecOptions(tz_aware=True)):
        back = from_document(model, bson.decode(stored, options))
        assert back == record
        assert {name: type(getattr(back, name)) for name in model.model_fields} == {
            name: type(getattr(record, name)) for name in model.model_fields
        }
        assert bson.encode(to_document(back)) == stored
        assert model.model_validate({name: getattr(back, name) for name in model.model_fields}) == record


@EACH
@given(data=st.data())
def test_the_quick_readers_agree_with_the_careful_one(collection: str, model: type[Value], data: st.DataObject) -> None:
    document = to_document(data.draw(records(model)))
    field = data.draw(st.sampled_from(sorted(document)))
    document[field] = data.draw(st.sampled_from(ODD))
    *quick, careful = ways(model, document)
    assert not [record for record in quick if record is not None and record != careful]


@EACH
@given(data=st.data())
def test_as_many_fields_are_not_the_same_fields(collection: str, model: type[Value], data: st.DataObject) -> None:
    """One field stands under the name of another, so the number of fields says nothing."""
    document = to_document(data.draw(records(model)))
    document[data.draw(st.sampled_from([*codec_of(model).keys, "theirs", "_outbox"]))] = document.pop(
        data.draw(st.sampled_from(sorted(document)))
    )
    *quick, careful = ways(model, document)
    assert not [record for record in quick if record is not None and record != careful]


@pytest.mark.parametrize("version", [-1, 2**53 + 1, True, "1"])
def test_a_count_that_may_be_missing_is_one_where_it_is_not(version: Any) -> None:
    document = sample("subscriptions") | {"version": 1}
    assert from_document(Subscription, document).version == 1
    with pytest.raises(CorruptDocument) as caught:
        from_document(Subscription, document | {"version": version})
    assert caught.value.field == "version"


def test_documents_of_more_shapes_than_are_kept_are_read_all_the_same() -> None:
    """Each order of fields is a shape of its own."""
    document = sample("xp_transactions") | {"seq": 3, "week": "2025-W51", "room": 7}
    keys = list(document)
    for turn in range(len(keys) * 8):
        at = turn % len(keys)
        order = [*keys[at:], *keys[:at]] if turn < len(keys) else [*keys[at:], *reversed(keys[:at])]
        turned = {key: document[key] for key in [*order[turn // len(keys) :], *order[: turn // len(keys)]]}
        row = from_document(XPTransaction, turned)
        assert (row.seq, row.week, row.room, row.amount) == (3, "2025-W51", 7, document["amount"])


@EACH
def test_the_sample_comes_back_to_the_byte(collection: str, model: type[Value]) -> None:
    document = sample(collection)
    stored = bson.encode(document)
    for found in (document, bson.decode(stored), bson.decode(stored, CodecOptions(tz_aware=True)), SON(document)):
        before = copy.deepcopy(found)
        written = to_document(from_document(model, found))
        assert list(written) == list(document)
        assert written == document
        assert bson.encode(written) == stored
        assert found == before  # what was passed is not touched


@EACH
def test_the_sample_goes_the_quick_way(collection: str, model: type[Value]) -> None:
    stored = bson.encode(sample(collection))
    naive, _, careful = ways(model, bson.decode(stored))
    _, aware, _ = ways(model, bson.decode(stored, CodecOptions(tz_aware=True)))
    assert naive == aware == careful is not None


@EACH
def test_the_sample_passes_the_rules_of_its_model(collection: str, model: type[Value]) -> None:
    record = from_document(model, sample(collection))
    assert record.evolve() == record


def test_a_featured_achievement_that_is_not_listed_is_read() -> None:
    profile = from_document(GamificationProfile, sample("gamification_profiles"))
    assert set(profile.featured_achievements) - set(profile.achievements) == {"ach_top_contributor"}


def test_what_is_longer_than_input_may_be_is_read_and_still_changed() -> None:
    document = sample("questions") | {"title": "t" * 500, "body": "b" * 200_000}
    question = from_document(Question, document).evolve(view_count=235)
    assert to_document(question) == document | {"view_count": 235}


OURS = [Delivery, Follow, Vote]
VOTE = {
    "_id": ID,
    "user_id": ObjectId(),
    "uid": "usr_a",
    "target_type": "question",
    "target_id": ObjectId(),
    "value": 1,
    "at": NAIVE,
    "lapsed": False,
}


@pytest.mark.parametrize("model", OURS, ids=[model.__name__ for model in OURS])
@given(data=st.data())
def test_what_the_data_model_lacks_is_read_alike_by_all_readers(model: type[Value], data: st.DataObject) -> None:
    document = to_document(data.draw(records(model)))
    assert ways(model, bson.decode(bson.encode(document)))[2] is not None
    field = data.draw(st.sampled_from(sorted(document)))
    document[field] = data.draw(st.sampled_from(ODD))
    *quick, careful = ways(model, document)
    assert not [record for record in quick if record is not None and record != careful]


@pytest.mark.parametrize("value", [2, True, "1", 1.0, None])
def test_one_of_several_numbers_is_one_of_them(value: Any) -> None:
    for stored, expected in ((1, 1), (Int64(-1), -1), (0, 0)):
        found = from_document(Vote, VOTE | {"value": stored}).value
        assert (found, type(found)) == (expected, int)
    with pytest.raises(CorruptDocument, match="must be one of -1, 0, 1") as caught:
        from_document(Vote, VOTE | {"value": value})
    assert caught.value.field == "value"


LATER = [NAIVE + timedelta(milliseconds=1), NAIVE + timedelta(microseconds=1)]
TIMES = [NAIVE, *LATER, NAIVE.replace(tzinfo=UTC), None, 5]


@pytest.mark.parametrize("created", TIMES)
@pytest.mark.parametrize("updated", TIMES)
def test_times_that_are_the_same_are_read_alike(created: Any, updated: Any) -> None:
    """As where nobody has changed a document since: they are read once, and are one."""
    document = {**sample("questions"), "created_at": created, "updated_at": updated}
    *quick, careful = ways(Question, document)
    assert not [record for record in quick if record is not None and record != careful]
    if created == updated == NAIVE:
        assert quick[0].created_at is quick[0].updated_at


def test_the_first_document_of_a_process_is_read_as_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    careful = []
    codec = codec_of(Vote)
    monkeypatch.delitem(READERS, Vote)
    monkeypatch.setattr(type(codec), "read_carefully", lambda self, document: careful.append(document))
    assert from_document(Vote, VOTE).value == 1
    assert careful == []


# -- unknown fields --------------------------------------------------------------------------------------------------


@EACH
def test_unknown_fields_outlive_an_update_of_others(collection: str, model: type[Value]) -> None:
    unknown = {"legacy": {"b": [1, None], "a": ID}, "_v": 7, "at": NAIVE, "nonsense": ID, "id": "theirs"}
    document = {"legacy": 0} | sample(collection) | unknown
    record = from_document(model, document)
    written = to_document(record.evolve().model_copy())
    known = sample(collection)
    assert written == known | unknown
    assert list(written) == [*known, *unknown]
    assert "nonsense" not in repr(record)
    assert "nonsense" not in record.model_dump()


def test_unknown_fields_inside_are_kept_too() -> None:
    document = sample("gamification_profiles")
    document["streak"] |= {"mood": "high"}
    profile = from_document(GamificationProfile, document)
    changed = profile.evolve(streak=profile.streak.evolve(current=43))
    assert to_document(changed)["streak"] == document["streak"] | {"current": 43}


def test_unknown_and_optional_fields_may_stand_anywhere() -> None:
    document = {"x": 1, "seq": Int64(3), "y": 2} | sample("xp_transactions")
    row = from_document(XPTransaction, document)
    assert row.seq == 3
    assert type(row.seq) is int
    assert list(to_document(row)) == [*sample("xp_transactions"), "seq", "x", "y"]


def test_the_events_that_wait_on_a_document_are_not_part_of_the_record() -> None:
    document = sample("questions")
    waiting = document | {"_outbox": [{"event_id": "evt_1"}], "_relay": NAIVE, "_v": 2}
    assert to_document(from_document(Question, waiting)) == document | {"_v": 2}


# -- what is written -------------------------------------------------------------------------------------------------


def test_ours_are_absent_until_they_are_set_and_follow_the_data_model() -> None:
    row = from_document(XPTransaction, sample("xp_transactions"))
    assert list(to_document(row)) == list(sample("xp_transactions"))
    full = row.evolve(seq=1, key="k", day="2025-12-16", state=Folded(updated_at=row.timestamp, seq=1))
    assert list(to_document(full))[len(sample("xp_transactions")) :] == ["key", "day", "seq", "state"]
    assert to_document(full)["state"]["streak"]["last_activity_at"] is None


def test_a_nullable_field_of_the_data_model_is_null() -> None:
    bare = sample("subscriptions")
    for name in ("trial_ends_at", "cancel_at", "canceled_at", "polar_subscription_id"):
        del bare[name]
    written = to_document(from_document(Subscription, bare))
    assert list(written) == list(sample("subscriptions"))
    assert written["cancel_at"] is None


def test_an_update_sets_what_is_there_and_unsets_ours_that_is_not() -> None:
    profile = from_document(GamificationProfile, sample("gamification_profiles") | {"legacy": 1})
    update = to_update(profile)
    assert not {"_id", "legacy"} & {*update["$set"], *update["$unset"]}
    assert {"_id": ID} | update["$set"] == sample("gamification_profiles") | {"_id": ID}
    assert "weekly_xp" in update["$unset"]
    assert to_update(profile.evolve(weekly_xp=3))["$set"]["weekly_xp"] == 3
    assert "$unset" not in to_update(from_document(Event, sample("events")))


@pytest.mark.parametrize("about", ["676000000000000000000007", "6760", "X" * 24, "A" * 24, "usr_abc123"])
def test_what_an_award_is_about_may_have_any_id(about: str) -> None:
    row = from_document(XPTransaction, sample("xp_transactions")).evolve(related_entity_id=about)
    written = to_document(row)["related_entity_id"]
    assert written == (ObjectId(about) if about[0] == "6" and len(about) == 24 else about)
    assert from_document(XPTransaction, to_document(row)) == row


def test_a_record_that_was_never_checked_is_not_written() -> None:
    with pytest.raises(InvalidInput, match="created_by"):
        to_document(
            Question.model_construct(**(from_document(Question, sample("questions")).model_dump() | {"created_by": 5}))
        )


# -- what is read ----------------------------------------------------------------------------------------------------


@EACH
def test_times_are_utc_whatever_they_came_as(collection: str, model: type[Value]) -> None:
    document = sample(collection)
    elsewhere = {
        name: value.astimezone(timezone(timedelta(hours=5, minutes=30))) if isinstance(value, datetime) else value
        for name, value in document.items()
    }
    assert to_document(from_document(model, elsewhere)) == document
    odd = {
        name: value.replace(microsecond=123_999, tzinfo=None) if isinstance(value, datetime) else value
        for name, value in document.items()
    }
    for value in vars(from_document(model, odd)).values():
        assert not isinstance(value, datetime) or (value.microsecond, value.tzinfo) == (123_000, UTC)


@EACH
def test_numbers_of_the_driver_become_plain(collection: str, model: type[Value]) -> None:
    """F26."""
    document = sample(collection)
    longs = {name: Int64(value) if type(value) is int else value for name, value in document.items()}
    record = from_document(model, longs)
    assert to_document(record) == document
    assert not [value for value in vars(record).values() if type(value) is Int64]
    event = from_document(Event, sample("events") | {"payload": {"n": Int64(2), "m": [Int64(3)], "o": SON(a=1)}})
    assert [type(event.payload["n"]), type(event.payload["m"][0])] == [int, int]


@EACH
def test_a_missing_field_has_its_default_or_is_named(collection: str, model: type[Value]) -> None:
    for key in sample(collection):
        document = sample(collection)
        del document[key]
        name = "id" if key == "_id" else key
        if model.model_fields[name].is_required():
            with pytest.raises(CorruptDocument) as caught:
                from_document(model, document)
            assert (caught.value.collection, caught.value.field, caught.value.reason) == (collection, key, "is missing")
        else:
            for found in (document, document | {key: None}):
                value = getattr(from_document(model, found), name)
                assert value == model.model_fields[name].get_default(call_default_factory=True)


@EACH
def test_the_first_wrong_field_is_named_and_its_value_is_not(collection: str, model: type[Value]) -> None:
    canary = {"canary-5f2c": object()}
    for key in sample(collection):
        if key in ("metadata", "payload", "streak"):  # maps; what is in them has its own examples below
            continue
        with pytest.raises(CorruptDocument) as caught:
            from_document(model, sample(collection) | {key: canary})
        error = caught.value
        assert error.collection == collection
        assert error.field.split(".")[0] == key
        assert error.id == (str(canary) if key == "_id" else str(sample(collection)["_id"]))[:64]
        assert "canary" not in error.reason
        assert error.__cause__ is None
        assert error.__suppress_context__


@pytest.mark.parametrize(
    ("collection", "changes", "field"),
    [
        ("areas", {"visibility": "everybody"}, "visibility"),
        ("questions", {"visibility": None}, "visibility"),
        ("questions", {"visibility": ["public"]}, "visibility"),
        ("questions", {"status": "OPEN"}, "status"),
        ("questions", {"areas": [ID, "x", 5]}, "areas.1"),
        ("questions", {"tags": ["go", 1]}, "tags.1"),
        ("questions", {"tags": "go"}, "tags"),
        ("questions", {"view_count": -1}, "view_count"),
        ("questions", {"view_count": 2**53 + 1}, "view_count"),
        ("questions", {"view_count": True}, "view_count"),
        ("questions", {"view_count": float("nan")}, "view_count"),
        ("questions", {"created_at": "2025-01-01T00:00:00Z"}, "created_at"),
        ("questions", {"created_at": datetime.max.replace(tzinfo=timezone(timedelta(hours=-5)))}, "created_at"),
        ("questions", {"_id": "676000000000000000000005"}, "_id"),
        ("users", {"role": "root"}, "role"),
        ("users", {"tier": 1}, "tier"),
        ("users", {"uid": "abc"}, "uid"),
        ("answers", {"is_accepted": 1}, "is_accepted"),
        (
            "answers",
            {"code_snippets": [{"language": "go", "code": "x"}, {"language": 1, "code": "x"}]},
            "code_snippets.1.language",
        ),
        ("answers", {"code_snippets": [{"language": "go"}]}, "code_snippets.0.code"),
        ("answers", {"code_snippets": ["x"]}, "code_snippets.0"),
        ("gamification_profiles", {"streak": {"current": "42"}}, "streak.current"),
        ("gamification_profiles", {"streak": [1]}, "streak"),
        (
            "gamification_profiles",
            {"counters": {"login": {"count": 1, "day": "2025-02-30", "last_at": 0}}},
            "counters.login.day",
        ),
        ("xp_transactions", {"reason": "whim"}, "reason"),
        ("xp_transactions", {"state": {"seq": "1", "updated_at": NAIVE}}, "state.seq"),
        ("events", {"payload": {"at": ID}}, "payload"),
        ("events", {"payload": {"n": float("inf")}}, "payload"),
        ("events", {"metadata": []}, "metadata"),
        ("subscriptions", {"billing_cycle": "weekly"}, "billing_cycle"),
    ],
)
def test_it_says_which_field_of_which_document(collection: str, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(CorruptDocument) as caught:
        from_document(COLLECTIONS[collection], sample(collection) | changes)
    assert caught.value.field == field
    assert caught.value.collection == collection


@pytest.mark.parametrize("nothing", [None, [], "x", 5, {}, {"$ne": 1}])
def test_what_is_no_document_is_corrupt(nothing: Any) -> None:
    with pytest.raises(CorruptDocument):
        from_document(Question, nothing)


def test_every_enumeration_is_the_data_models() -> None:
    for collection, described in DATA_MODEL.items():
        for field, options in described.get("enums", {}).items():
            for option in options:
                document = sample(collection) | {field: option}
                assert to_document(from_document(COLLECTIONS[collection], document)) == document
            with pytest.raises(CorruptDocument, match=", ".join(options)):
                from_document(COLLECTIONS[collection], sample(collection) | {field: "other"})


# -- the driver ------------------------------------------------------------------------------------------------------


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_no_driver_is_loaded_before_the_first_document() -> None:
    modules = "documents, codecs, collections, keys, values"
    assert run(f"import sys; from tektree.wire import {modules}; print('bson' in sys.modules)") == "False"


def test_without_the_driver_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['bson'] = None\n"
    code += "from tektree.models.questions import Question\nfrom tektree.wire.documents import from_document\n"
    code += "try:\n    from_document(Question, {})\nexcept Exception as e: print(type(e).__name__, e)"
    found = run(code)
    assert found.startswith(ConfigurationError.__name__)
    assert 'pip install "tektree[mongo]"' in found
