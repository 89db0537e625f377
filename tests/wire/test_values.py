"""What Redis strings hold: sessions that fail closed, counts that are whole, caches that miss when in doubt."""

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree.errors import CorruptDocument, InvalidInput, InvalidSession
from tektree.models.accounts import User
from tektree.models.base import INT53, Value
from tektree.models.questions import Question
from tektree.models.sessions import Session
from tektree.wire.documents import from_document
from tektree.wire.values import (
    _SCHEMA,
    cached_from_json,
    cached_to_json,
    count_from_text,
    count_to_text,
    session_from_json,
    session_to_json,
)
from tests.records import REDIS, records, sample

SESSION: dict[str, Any] = REDIS["session"]["sample"]


@given(records(Session), st.integers(1, 10**9))
def test_a_session_comes_back_equal(session: Session, seconds: int) -> None:
    session = session.evolve(
        expires_at=min(session.created_at, datetime(9000, 1, 1, tzinfo=UTC)) + timedelta(seconds=seconds)
    )
    if session.created_at < session.expires_at:
        assert session_from_json(session_to_json(session)) == session
        assert session_from_json(session_to_json(session).encode()) == session


@given(
    st.binary()
    | st.text()
    | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(json.dumps)
)
def test_anything_else_is_no_session(text: Any) -> None:
    with pytest.raises(InvalidSession):
        session_from_json(text)


def test_the_sample_comes_back_as_it_is() -> None:
    session = session_from_json(json.dumps(SESSION))
    assert (session.user_id, session.tier, session.role) == ("usr_abc123", "pro", "user")
    assert session.expires_at - session.created_at == timedelta(seconds=REDIS["session"]["ttl_seconds"])
    assert session_to_json(session) == json.dumps(SESSION, separators=(",", ":"))


def test_unknown_fields_of_a_session_outlive_an_update() -> None:
    stored = SESSION | {"epoch": 3, "device": {"name": "é", "seen": [1, 2.5, None]}}
    session = session_from_json(json.dumps(stored)).evolve(tier="free")
    assert json.loads(session_to_json(session)) == stored | {"tier": "free"}
    assert list(json.loads(session_to_json(session))) == list(stored)


def test_a_session_is_cut_to_seconds() -> None:
    at = datetime(2025, 12, 16, 14, 0, 0, 999_999, tzinfo=UTC)
    session = Session(user_id="usr_a", tier="pro", role="user", created_at=at, expires_at=at + timedelta(days=7))
    assert session.expires_at == datetime(2025, 12, 23, 14, tzinfo=UTC)


@pytest.mark.parametrize(
    "changes",
    [
        {"user_id": None},
        {"user_id": ["usr_abc123"]},
        {"user_id": "676000000000000000000001"},
        {"user_id": "usr_a\0"},
        {"tier": "gold"},
        {"role": "root"},
        {"role": True},
        {"created_at": "1702742400"},
        {"created_at": 1702742400.0},
        {"created_at": True},
        {"created_at": -1},
        {"expires_at": None},
        {"expires_at": 1702742400},
        {"expires_at": 10**12},
        {"expires_at": 2**63},
        {"extra": 2**64},
        {"extra": "\ud800"},
        {"extra": "x" * 10_000},
        {"a.b": 1},
    ],
)
def test_a_session_that_is_not_to_the_letter_is_none(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidSession) as caught:
        session_from_json(json.dumps(SESSION | changes))
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("missing", list(SESSION))
def test_a_session_lacks_nothing(missing: str) -> None:
    with pytest.raises(InvalidSession):
        session_from_json(json.dumps({name: value for name, value in SESSION.items() if name != missing}))


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "null",
        "[]",
        "{",
        b"\x80\x04K\x01.",
        b"\xff",
        '{"a":' * 1000 + "1" + "}" * 1000,
        "[" * 100_000,
        json.dumps(SESSION)[:-1] + ',"role":"admin"}',
        json.dumps(SESSION)[:-1] + ',"x":{"y":1,"y":2}}',
        json.dumps(SESSION)[:-1] + ',"x":NaN}',
        json.dumps(SESSION)[:-1] + ',"x":-Infinity}',
        json.dumps(SESSION)[:-1] + ',"x":1e999}',
        json.dumps(SESSION)[:-1] + ',"x":' + "9" * 5000 + "}",
        json.dumps(SESSION)[:-1] + ',"x":' + "[" * 20 + "]" * 20 + "}",
        json.dumps(SESSION) + "{}",
    ],
    ids=str,
)
def test_a_session_of_twisted_json_is_none(text: Any) -> None:
    with pytest.raises(InvalidSession):
        session_from_json(text)


@given(st.integers(0, INT53))
def test_a_count_comes_back_equal(count: int) -> None:
    assert count_from_text("k", count_to_text(count)) == count == count_from_text("k", count_to_text(count).encode())


def test_a_count_that_is_missing_is_none_and_not_zero() -> None:
    assert count_from_text("quota:usr_abc123:questions:2025-12", None) is None


@pytest.mark.parametrize(
    "text", ["", "-1", "1.0", "01", " 1", "1_0", "٣", "x", b"\xff", "9" * 17, "9" * 9999, str(INT53 + 1), 5]
)
def test_what_is_no_count_is_corrupt(text: Any) -> None:
    with pytest.raises(CorruptDocument) as caught:
        count_from_text("quota:k", text)
    assert (caught.value.collection, caught.value.id) == ("redis", "quota:k")


@pytest.mark.parametrize("count", [-1, True, 1.0, "1", INT53 + 1])
def test_what_is_no_count_is_not_written(count: Any) -> None:
    with pytest.raises(InvalidInput):
        count_to_text(count)


@pytest.mark.parametrize("model", [Question, User])
@given(data=st.data())
def test_a_cached_record_comes_back_equal(model: type[Value], data: st.DataObject) -> None:
    secret = {name: field.get_default() for name, field in model.model_fields.items() if field.exclude}
    assert set(secret) == ({"password_hash", "tokens"} if model is User else set())
    record = data.draw(records(model)).evolve(**secret)
    assert cached_from_json(model, cached_to_json(record)) == record
    assert json.loads(cached_to_json(record))["schema"] == 3


def test_the_fields_of_what_is_cached_are_those_of_this_schema() -> None:
    """Whoever adds a field raises the schema: else what was cached before is read without it, as its default."""
    fields = {
        model: [name for name, each in model.model_fields.items() if not each.exclude] for model in (User, Question)
    }
    digests = {model.__name__: sha256(" ".join(names).encode()).hexdigest()[:8] for model, names in fields.items()}
    expected = {"User": "14ef9847", "Question": "c720bb12"}
    assert (_SCHEMA, digests) == (3, expected), f"raise the schema by one, and write here {digests}"


@pytest.mark.parametrize(
    "text", [None, "", "{}", b"\x80", b"\xff", '{"schema":3,"record":', '{"schema":3,"record":{}}']
)
def test_what_is_not_ours_is_a_miss(text: Any) -> None:
    cached = cached_to_json(from_document(Question, sample("questions")))
    assert cached_from_json(Question, cached) is not None
    for other in (
        text,
        cached[:-2],
        cached.replace('"schema":3', '"schema":4'),
        cached.replace("public", "all"),
        f"{cached} ",
    ):
        assert cached_from_json(Question, other) is None
