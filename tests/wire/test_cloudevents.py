"""CloudEvents: the round trip is lossless, and what is written is what the specification allows."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree import InvalidInput
from tektree.catalog import CATALOG, from_cloudevent, to_cloudevent
from tektree.models.events import Event
from tektree.models.payloads import EventDeadLettered, QuestionAsked, SchemaUnknownVersion
from tektree.testing import strategies

ID = "676000000000000000000007"
AT = datetime(2025, 12, 16, 12, 0, 0, 123_000, tzinfo=UTC)

ODD = (
    st.sampled_from(["", "a\x01b", "\x85", "\ufdd0", "\U0001ffff", "ä", " ", "00-abc-def-01"])
    | st.integers()
    | st.none()
)


def there_and_back(event: Event) -> Event:
    return from_cloudevent(json.loads(json.dumps(to_cloudevent(event))))


@given(strategies.events())
def test_the_round_trip_is_lossless(event: Event) -> None:
    assert there_and_back(event) == event


@given(strategies.records(Event), st.data())
def test_so_it_is_for_whatever_an_envelope_may_hold(event: Event, data: st.DataObject) -> None:
    names = ["seq", "causation_id", "traceparent", "tracestate", "recorded_at", "user_id", "stream", "ip_address"]
    odd = ODD.filter(lambda value: not isinstance(value, int) or -(2**63) <= value < 2**63)
    metadata = data.draw(st.dictionaries(st.sampled_from(names), odd))
    event = event.evolve(metadata={**event.metadata, **metadata})
    assert there_and_back(event) == event


@given(strategies.records(Event) | strategies.events())
def test_attributes_are_as_specified(event: Event) -> None:
    """Names of lower-case letters and digits; values text, not empty, without controls."""
    found = to_cloudevent(event)
    for name, value in found.items():
        assert re.fullmatch("[a-z0-9]{1,20}", name)
        if name != "data":
            assert isinstance(value, str)
            assert value
            assert not re.search("[\x00-\x1f\x7f-\x9f]", value)
    assert {"specversion", "id", "source", "type"} <= set(found)
    assert re.fullmatch(r"/[A-Za-z0-9_.~%-]*", found["source"])


def test_each_attribute_says_what_it_is_for() -> None:
    asked = QuestionAsked(user_id="usr_ada", question_id=ID, slug=None, areas=[ID], tags=[], visibility="private")
    metadata = {
        "seq": 3,
        "user_id": "usr_bob",
        "causation_id": "evt_1",
        "traceparent": "00-a",
        "tracestate": "a=b",
        "recorded_at": "2025-12-16T12:00:01+00:00",
        "idempotency_key": "k",
    }
    event = CATALOG.event(
        asked, ID, AT, trace_id="t", correlation_id="c", producer_id="pod-1", event_id="evt_7", metadata=metadata
    )
    assert to_cloudevent(event) == {
        "specversion": "1.0",
        "id": "evt_7",
        "source": "/content-service",
        "type": "com.tektree.question.asked",
        "time": "2025-12-16T12:00:00.123000+00:00",
        "datacontenttype": "application/json",
        "dataschema": "https://tektree.com/events/question.asked/1.0",
        "dataversion": "1.0.0",
        "subject": "usr_ada",
        "partitionkey": "usr_ada",
        "documentid": ID,
        "traceid": "t",
        "correlationid": "c",
        "producerid": "pod-1",
        "sequence": "00000000000000000003",
        "authid": "usr_bob",
        "authtype": "app_user",
        "causationid": "evt_1",
        "traceparent": "00-a",
        "tracestate": "a=b",
        "recordedtime": "2025-12-16T12:00:01+00:00",
        "tekmetadata": json.dumps({"stream": f"question:{ID}", "idempotency_key": "k"}, separators=(",", ":")),
        "data": {
            "user_id": "usr_ada",
            "question_id": ID,
            "slug": None,
            "areas": [ID],
            "tags": [],
            "visibility": "private",
        },
    }
    assert to_cloudevent(event, "urn:mine")["dataschema"] == "urn:mine/question.asked/1.0"


def test_an_event_about_no_user_is_about_its_entity_or_nothing() -> None:
    dead = EventDeadLettered(event_id="evt_9", handler="h", attempts=3, reason="r")
    found = to_cloudevent(CATALOG.event(dead, ID, AT))
    assert found["subject"] == "evt_9"
    assert not {"partitionkey", "documentid", "traceid", "tekmetadata", "authtype", "sequence"} & set(found)
    unknown = SchemaUnknownVersion(event_type="a.b", version="9.0.0")
    assert "subject" not in to_cloudevent(CATALOG.event(unknown, ID, AT))


ASKED = QuestionAsked(user_id="usr_ada", question_id=ID, slug="s", areas=[], tags=[], visibility="public")
WHOLE = to_cloudevent(CATALOG.event(ASKED, ID, AT, metadata={"seq": 1}))


def test_what_was_made_elsewhere_is_read_by_its_schema() -> None:
    found = {name: value for name, value in WHOLE.items() if name != "dataversion"} | {"unheard": "x"}
    event = from_cloudevent(
        found | {"dataschema": "https://elsewhere/question.asked/1.4", "time": "2025-12-16T12:00:00Z"}
    )
    assert (event.event_version, event.id) == ("1.4.0", ID)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"id": 7}, "id"),
        ({"id": "7"}, "id"),
        ({"type": "question.asked"}, "type"),
        ({"source": "content-service"}, "source"),
        ({"time": "yesterday"}, "time"),
        ({"time": "2025-12-16T12:00:00"}, "time"),
        ({"time": "2025-02-30T12:00:00Z"}, "time"),
        ({"dataversion": None}, "dataversion"),
        ({"sequence": "3"}, "sequence"),
        ({"sequence": "²" * 20}, "sequence"),
        ({"tekmetadata": "[]"}, "tekmetadata"),
        ({"tekmetadata": "{"}, "tekmetadata"),
        ({"data": [1]}, "payload"),
        ({"data": None}, "payload"),
        ({"causationid": 5}, "causationid"),
    ],
)
def test_what_is_none_of_ours_is_refused_by_the_attribute(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        from_cloudevent(WHOLE | changes)
    assert caught.value.field == field


def test_what_has_neither_version_nor_schema_is_refused() -> None:
    found = {name: value for name, value in WHOLE.items() if name not in {"dataversion", "dataschema"}}
    for more in ({}, {"dataschema": "https://elsewhere/question.asked"}):
        with pytest.raises(InvalidInput) as caught:
            from_cloudevent(found | more)
        assert caught.value.field == "dataschema"
