"""Frozen and strict, every field of every model: nothing coerced or unbounded, nothing that storage cannot hold."""

import math
import time
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tektree.errors import InvalidInput
from tektree.models.accounts import PasswordHash, Principal
from tektree.models.areas import AreaDraft
from tektree.models.base import INT53, Frozen, Value, instant
from tektree.models.events import Event
from tektree.models.gamification import EntityRef, Streak
from tektree.models.insights import InsightDraft
from tektree.models.questions import Question, QuestionDraft
from tektree.wire.documents import from_document
from tests.records import COLLECTIONS, DRAFTS, sample

HUGE = "x" * 17_000_000
BOMB = "a" + "\u0301\u0327" * 2_000_000
NEVER = {
    "a float": 5.5,
    "not a number": math.nan,
    "bytes": b"5",
    "an object": object(),
    "a list of objects": [object()],
    "a naive time": datetime(2025, 1, 1),  # noqa: DTZ001
    "a number beyond 2**53": INT53 + 1,
    "a number beyond 64 bits": 2**63,
    "a number that sums": 10**30,
    "NUL": "a\0b",
    "half a surrogate pair": "a\ud800b",
    "17 MB": HUGE,
    "a bomb for normalisers": BOMB,
    "an operator": {"$ne": None},
}
"""What no field of any model takes."""

RECORDS = [from_document(model, sample(name)) for name, model in COLLECTIONS.items()]
MODELS: list[Value] = [*RECORDS, Streak(), *DRAFTS]


EACH_FIELD = [
    pytest.param(record, name, field.annotation, id=f"{type(record).__name__}.{name}")
    for record in MODELS
    for name, field in type(record).model_fields.items()
]


def refuses(record: Value, name: str, value: Any) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        record.evolve(**{name: value})
    return caught.value


@pytest.mark.parametrize(("record", "name", "annotation"), EACH_FIELD)
def test_no_field_takes_what_storage_or_sense_forbids(record: Value, name: str, annotation: Any) -> None:
    """F1, F9, F12, F14, F17, F19: operators, 17 MB, numbers beyond 64 bits, NaN, halves of pairs, naive times."""
    never = dict(NEVER)
    if annotation is dict[str, Any]:  # JSON: maps are what it takes, and what is in them has a test of its own
        del never["an operator"]
    for value in never.values():
        error = refuses(record, name, value)
        assert error.field.split(".")[0] == name
        assert len(str(error)) < 300  # so the value is not in it


@pytest.mark.parametrize(("record", "name", "annotation"), EACH_FIELD)
def test_no_field_takes_one_type_for_another(record: Value, name: str, annotation: Any) -> None:
    """F15, F16, F23: no bool for a number, no text for a number, no number for a time."""
    taken = types_of(annotation)
    for kind, value in {bool: True, int: 5, NoneType: None, str: "5"}.items():
        if kind not in taken and not (kind is str and PasswordHash in taken):
            refuses(record, name, value)


def types_of(annotation: Any) -> set[Any]:
    """The plain types that an annotation takes."""
    if get_origin(annotation) in (Union, UnionType):
        return {kind for option in get_args(annotation) for kind in types_of(option)}
    base = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    return {get_origin(base) or base}


@pytest.mark.parametrize("record", MODELS, ids=lambda record: type(record).__name__)
def test_what_is_too_much_is_refused_before_anything_looks_at_it(
    record: Value, monkeypatch: pytest.MonkeyPatch
) -> None:
    def normalised(*_: object) -> str:
        raise AssertionError("normalised before it was measured")

    for name in type(record).model_fields:
        for value in (HUGE, BOMB):
            with monkeypatch.context() as patched:
                patched.setattr(unicodedata, "normalize", normalised)
                start = time.process_time()
                refuses(record, name, value)
                assert time.process_time() - start < 0.25


@pytest.mark.parametrize("record", MODELS, ids=lambda record: type(record).__name__)
def test_an_unknown_field_is_refused_and_a_record_does_not_change(record: Value) -> None:
    assert refuses(record, "nonsense", 1).field == "nonsense"
    name = next(iter(type(record).model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(record, name, getattr(record, name))
    with pytest.raises(InvalidInput):
        record.model_copy(update={name: 5.5})
    assert record.model_copy() == record == record.evolve()


@pytest.mark.parametrize("draft", DRAFTS[:5], ids=lambda draft: type(draft).__name__)
def test_a_draft_says_what_is_wrong_in_our_own_error(draft: Value) -> None:
    made: Any = type(draft)
    with pytest.raises(InvalidInput, match="is missing"):
        made()
    with pytest.raises(InvalidInput, match="created_by: is not a field here"):
        made(**draft.model_dump(), created_by="676000000000000000000001")


@pytest.mark.parametrize("blank", ["", " ", "\t\n", "\u200b", "\u2003\ufeff", "\u202e"])
@pytest.mark.parametrize("draft", [AreaDraft, QuestionDraft, InsightDraft])
def test_a_title_that_shows_nothing_is_refused(draft: Any, blank: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        draft(title=blank, **({} if draft is AreaDraft else {"body": "b"}))
    assert caught.value.field == "title"


def test_a_draft_takes_lists_and_plain_words() -> None:
    draft = QuestionDraft(title="t", body="b", tags=["go"], areas=["6" * 24], visibility="connections")  # type: ignore[arg-type]
    assert (draft.tags, draft.areas, draft.visibility) == (("go",), ("6" * 24,), "connections")
    for wrong in (
        {"visibility": "everybody"},
        {"tags": "go"},
        {"tags": {"go"}},
        {"tags": ["g"] * 51},
        {"areas": ["A" * 24]},
    ):
        with pytest.raises(InvalidInput) as caught:
            QuestionDraft(**({"title": "t", "body": "b"} | wrong))
        assert caught.value.field.split(".")[0] in wrong


@given(
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)),  # noqa: DTZ001
    st.timedeltas(timedelta(hours=-23), timedelta(hours=23)),
)
def test_instants_are_utc_and_cut_to_milliseconds(local: datetime, offset: timedelta) -> None:
    """F20, F21."""
    given_at = local.replace(tzinfo=timezone(offset))
    question = from_document(Question, sample("questions")).evolve(created_at=given_at)
    assert question.created_at == instant(given_at)
    assert question.created_at.tzinfo is UTC
    assert question.created_at.microsecond % 1000 == 0
    assert timedelta(0) <= given_at - question.created_at < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    "payload",
    [
        {"a": [{"b": {"$x": 1}}]},
        {"a.b": 1},
        {"$x": 1},
        {"": 1},
        {"a\0": 1},
        {1: 1},
        {"a": object()},
        {"a": math.inf},
        {"a": {"b": "\ud800"}},
    ],
)
def test_json_holds_only_what_every_reader_can_hold(payload: Any) -> None:
    """F3, F6, F11: keys with dots, dollars and NUL, however deep; what is nested a thousand deep."""
    event = from_document(Event, sample("events"))
    assert refuses(event, "payload", payload).field.split(".")[0] == "payload"
    deep: Any = {}
    for _ in range(1000):
        deep = {"a": deep}
    assert refuses(event, "metadata", deep).field == "metadata"


def test_json_is_frozen() -> None:
    event = from_document(Event, sample("events"))
    assert isinstance(event.payload, Frozen)
    with pytest.raises(TypeError, match="does not change"):
        event.payload["user_id"] = "usr_other"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Principal(id="x", uid="usr_ada"), "id: must be an id: 24 lowercase hex digits"),
        (lambda: Principal(id="0" * 24, uid="ada"), "uid: must be a uid: 'usr_' and 1 to 60 of the characters"),
        (lambda: EntityRef("Answer", "1"), "type: must be a lower-case name such as 'answer_posted'"),
        (lambda: EntityRef("answer", ""), "id: must have at least 1 character"),
        (lambda: EntityRef("answer", "\ud800"), "id: must not hold half of a surrogate pair"),
        (lambda: QuestionDraft(title="t", body="b", tags="abc"), "tags: must be a list"),
        (lambda: QuestionDraft(title=5, body="b"), "title: must be a valid string"),
        (lambda: QuestionDraft(body="b"), "title: is missing"),
    ],
)
def test_it_says_what_would_do(make: Callable[[], object], said: str) -> None:
    """Each has … a message that says what to do: in words, not in patterns."""
    with pytest.raises(InvalidInput) as caught:
        make()
    assert caught.value.message.startswith(said)
    assert "should" not in caught.value.message
