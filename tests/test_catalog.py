"""The catalog: what is declared holds together, what is told is as declared, what was told can be read."""

import pickle
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tektree import (
    ConfigurationError,
    CorruptDocument,
    InvalidInput,
    Policy,
    TekTree,
    UnknownVersion,
)
from tektree.catalog import CATALOG, PERSONAL, Catalog, Payload, Personal, Upcast
from tektree.models import payloads as said
from tektree.models.base import INT53, Count, Frozen, HexId, Text, Uid, Value
from tektree.models.events import Event
from tektree.models.payloads.base import Changed
from tektree.rules.catalog import MOST_METADATA, MOST_PAYLOAD, encoded, looks_personal, stream_of
from tektree.testing import ManualClock, strategies

NOON = datetime(2025, 12, 16, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ID = "676000000000000000000007"

TYPES = """
user.registered user.email_verified user.logged_in user.login_failed user.logged_out user.profile_updated
user.handle_changed user.password_changed user.role_changed user.tier_changed user.suspended user.reinstated
user.deleted user.erased session.created session.revoked session.expired area.created area.updated area.deleted
area.restored area.moved area.followed area.unfollowed question.asked question.updated question.deleted
question.restored question.closed question.reopened question.resolved question.upvoted question.downvoted
question.vote_removed answer.posted answer.updated answer.deleted answer.restored answer.accepted answer.unaccepted
answer.upvoted answer.downvoted answer.vote_removed insight.created insight.updated insight.unpublished
insight.deleted insight.restored insight.published insight.co_author_invited insight.co_author_joined
insight.co_author_left insight.liked insight.unliked insight.commented insight.featured content.reported
connection.requested connection.accepted connection.removed connection.blocked connection.unblocked
content.moderated xp.awarded xp.capped xp.revoked xp.daily_reset level.up level.down streak.started streak.extended
streak.frozen streak.freeze_granted streak.broken achievement.unlocked achievement.revoked achievement.featured
leaderboard.rank_changed leaderboard.period_closed leaderboard.opted_out leaderboard.opted_in quota.threshold_reached
quota.exceeded quota.reset quota.refunded ratelimit.exceeded subscription.created subscription.trial_started
subscription.trial_will_end subscription.activated subscription.renewed subscription.tier_changed
subscription.billing_cycle_changed subscription.past_due subscription.canceled subscription.uncanceled
subscription.revoked webhook.received event.dead_lettered event.redriven projection.rebuilt outbox.stalled
schema.unknown_version
""".split()  # noqa: SIM905 - for its reader
"""Written down by hand, so that none gets lost."""

_GROWN = {"question.restored": "1.1.0"}
"""Those that were given a field that may be left out."""

PERSONAL_FIELDS = {
    "user.registered": ("email", "handle"),
    "user.email_verified": ("email",),
    "user.logged_in": ("ip_hash",),
    "user.login_failed": ("handle",),
    "user.handle_changed": ("old", "new"),
    "webhook.received": ("body",),
}

EVERY = pytest.mark.parametrize("event_type", TYPES)


class QuizPassed(Payload, event="quiz.passed", version="1.2.0", by="quiz-service", stream="quiz:{quiz_id}"):
    """A host's own."""

    user_id: Uid
    quiz_id: Annotated[str, Text(64, 1)]
    score: Count
    email: Personal[Annotated[str, Text(320)]]
    changed: Changed = Frozen()
    remark: Annotated[str, Text(20_000)] = ""


MINE = CATALOG.register(QuizPassed)
PASSED = QuizPassed(user_id="usr_ada", quiz_id="q7", score=3, email="ada@example.com")


def told(payload: Payload, catalog: Catalog = MINE, **more: Any) -> Event:
    return catalog.event(payload, ID, NOON, **more)


# -- what there is -----------------------------------------------------------------------------------------------------


def test_all_types_are_declared_and_no_others() -> None:
    assert {kind.event_type for kind in CATALOG} == set(TYPES)
    assert len(CATALOG) == len(TYPES) == len(set(TYPES)) == 103


def test_types_are_named_as_agreed() -> None:
    """``resource.past_tense[_qualifier]``, at most 64 characters, never used twice."""
    names = [name for kind in CATALOG for name in (kind.event_type, *kind.aliases)]
    assert [name for name in names if not re.fullmatch(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){1,2}", name)] == []
    assert max(map(len, names)) <= 64
    assert [name for name, count in Counter(names).items() if count > 1] == []
    assert len({kind.payload for kind in CATALOG}) == len(CATALOG)


@EVERY
def test_a_declaration_is_whole(event_type: str) -> None:
    kind = CATALOG.kind(event_type)
    assert kind.version == _GROWN.get(event_type, "1.0.0")
    assert kind.by == {"user": "user-service", "session": "user-service", "subscription": "subscription-service"}.get(
        event_type.partition(".")[0], kind.by
    )
    assert kind.payload.__doc__
    assert kind.partition == ("user_id" if "user_id" in kind.payload.model_fields else None)
    assert kind.personal == PERSONAL_FIELDS.get(event_type, ())
    assert CATALOG.kind(kind.payload) is kind
    assert event_type in CATALOG


def test_who_is_meant_always_stands_there() -> None:
    """``payload.user_id`` is always present on user-scoped events."""
    without = {kind.event_type for kind in CATALOG if kind.partition is None}
    system = {kind.event_type for kind in CATALOG if kind.by == "system"}
    assert without == system | {"leaderboard.period_closed"}
    assert all(kind.payload.model_fields["user_id"].is_required() for kind in CATALOG if kind.partition)


def test_a_kind_is_found_by_type_class_and_payload_and_nothing_else() -> None:
    kind = MINE.kind("quiz.passed")
    assert MINE.kind(QuizPassed) is MINE.kind(PASSED) is kind
    twin = type("QuizPassed", (QuizPassed,), {"__module__": __name__}, event="quiz.passed", version="1.2.0")
    for unknown in ("quiz.failed", Payload, twin, Event, 7):
        with pytest.raises(InvalidInput, match="not in the catalog"):
            MINE.kind(unknown)
    with pytest.raises(InvalidInput):
        CATALOG.kind(PASSED)
    assert "quiz.passed" not in CATALOG


# -- what may be declared ----------------------------------------------------------------------------------------------


def refused(bases: tuple[type, ...] = (Payload,), fields: Mapping[str, Any] = Frozen(), **how: Any) -> str:
    """What is wrong with a declaration."""
    namespace: dict[str, Any] = {"__module__": __name__, "__annotations__": {"user_id": Uid, **fields}}
    how = {"event": "quiz.failed", "by": "quiz-service", **how}
    with pytest.raises(ConfigurationError) as caught:
        CATALOG.register(type("Odd", bases, namespace, **how))  # type: ignore[call-overload]
    return str(caught.value)


class Inner(Value):
    """A part that hides something."""

    new_email: str


class Marked(Value):
    """A part that says so."""

    nick: Annotated[str | None, PERSONAL]


class Nested(Value):
    """A part of parts, one of them itself."""

    inner: Inner
    more: tuple["Nested", ...] = ()


Nested.model_rebuild()


@pytest.mark.parametrize(
    ("how", "fields", "complaint"),
    [
        ({"event": ""}, {}, "declares no event"),
        ({"event": "Quiz.failed"}, {}, "must be like"),
        ({"event": "quiz"}, {}, "must be like"),
        ({"event": "quiz.failed\n"}, {}, "must be like"),
        ({"event": "a.b.c.d"}, {}, "must be like"),
        ({"event": f"quiz.{'x' * 60}"}, {}, "at most 64"),
        ({"aliases": ("Old",)}, {}, "must be like"),
        ({"event": "user.registered"}, {}, "declared twice"),
        ({"aliases": ("level.up",)}, {}, "declared twice"),
        ({"aliases": ("quiz.failed",)}, {}, "declared twice"),
        ({"version": "1.0"}, {}, "version such as"),
        ({"version": "0.9.0"}, {}, "version such as"),
        ({"by": ""}, {}, "name the service"),
        ({"version": "2.0.0"}, {}, "lacks the upcast of version 1"),
        ({"version": "3.1.0", "upcasts": {1: Upcast(dict)}}, {}, "lacks the upcast of version 2"),
        ({"upcasts": {1: Upcast(dict)}}, {}, "has an upcast of version 1"),
        ({"stream": "quiz:{quiz_id}"}, {}, "part of the stream"),
        ({"stream": "quiz:{quiz_id}"}, {"quiz_id": HexId | None}, "part of the stream"),
        ({}, {"email": str}, "personal by its name"),
        ({}, {"new_email": str | None}, "personal by its name"),
        ({}, {"ip_hash": str | None}, "personal by its name"),
        ({}, {"email": Annotated[str, PERSONAL]}, "must allow None"),
        ({}, {"password_hash": Personal[str]}, "is a secret"),
        ({}, {"session_token": Personal[str]}, "is a secret"),
        ({}, {"inner": Inner}, "inner.new_email: is personal; it must stand at the top"),
        ({}, {"inner": tuple[Marked, ...]}, "inner.nick: is personal"),
        ({}, {"inner": Annotated[Nested | None, "why"]}, "inner.inner.new_email: is personal"),
    ],
)
def test_what_does_not_hold_together_is_refused(how: dict[str, Any], fields: dict[str, Any], complaint: str) -> None:
    assert complaint in refused(fields=fields, **how)


def test_the_user_is_never_optional() -> None:
    class Lent(Payload, by="quiz-service"):
        user_id: Uid | None = None

    class Odd(Lent, event="quiz.failed"):
        pass

    with pytest.raises(ConfigurationError, match="must be required"):
        CATALOG.register(Odd)


def test_what_is_lent_is_inherited_and_a_declaration_is_not() -> None:
    class Lent(Payload, by="quiz-service", stream="quiz:{quiz_id}"):
        quiz_id: str

    class Opened(Lent, event="quiz.opened", version="1.4.0", aliases=("quiz.begun",)):
        pass

    class Closed(Opened, event="quiz.closed", stream=None):
        pass

    class More(Closed):
        pass

    assert (Lent.KIND, More.KIND) == (None, None)
    opened, closed = Opened.KIND, Closed.KIND
    assert opened is not None
    assert closed is not None
    assert (opened.by, opened.stream, opened.version) == ("quiz-service", "quiz:{quiz_id}", "1.4.0")
    assert (closed.by, closed.stream, closed.version, closed.aliases) == ("quiz-service", None, "1.0.0", ())
    assert len(Catalog([Opened, Closed])) == 2


@pytest.mark.parametrize(
    ("name", "personal"),
    [
        *[(name, True) for name in ("email", "new_email", "ip", "ip_hash", "ip_address", "last_name", "user_agent")],
        *[(name, False) for name in ("email_verified", "name", "title", "shipping", "handle", "user_id", "tier")],
    ],
)
def test_what_is_personal_by_its_name(name: str, personal: bool) -> None:
    assert looks_personal(name) is personal


def test_personal_data_is_in_no_repr() -> None:
    assert "ada@example.com" not in f"{PASSED!r} {PASSED}"
    assert "email='***'" in repr(PASSED)
    assert "email=None" in repr(PASSED.evolve(email=None))


# -- telling -----------------------------------------------------------------------------------------------------------


@EVERY
@settings(max_examples=10)
@given(st.data())
def test_what_is_told_is_read_as_it_was_meant(event_type: str, data: st.DataObject) -> None:
    payload = data.draw(strategies.payloads(event_type))
    event = told(payload, CATALOG, metadata={"seq": 1} if stream_of(payload) else {})
    CATALOG.check(event)
    assert CATALOG.decode(event) == payload
    assert encoded(CATALOG.decode(event)) == event.payload
    assert CATALOG.kind(event_type).payload.model_validate(dict(event.payload)) == payload


@given(strategies.events())
def test_the_strategy_tells_as_is_declared(event: Event) -> None:
    CATALOG.check(event)
    assert event.event_type in TYPES


@given(strategies.events(QuizPassed, MINE))
def test_the_strategy_knows_the_types_of_a_host(event: Event) -> None:
    MINE.check(event)
    assert event.payload["quiz_id"] in event.metadata["stream"]


def test_the_envelope_follows_from_the_declaration() -> None:
    event = told(PASSED, trace_id="t", correlation_id="c", producer_id="p", metadata={"seq": 4})
    assert (event.event_type, event.event_version, event.source_service) == ("quiz.passed", "1.2.0", "quiz-service")
    assert (event.id, event.event_id, event.timestamp) == (ID, f"evt_{ID}", NOON)
    assert event.metadata == {"stream": "quiz:q7", "seq": 4}
    assert event.payload == {"user_id": "usr_ada", "quiz_id": "q7", "score": 3, "email": "ada@example.com"}
    alone = told(said.SessionRevoked(user_id="usr_ada", session_id="s", reason="asked"), event_id="evt_own")
    assert (alone.event_id, alone.metadata) == ("evt_own", {})
    assert stream_of(Payload()) is None


def test_defaults_are_left_out_and_null_is_not() -> None:
    suspended = said.UserSuspended(user_id="usr_ada", reason="spam")
    assert encoded(suspended) == {"user_id": "usr_ada", "reason": "spam"}
    until = suspended.evolve(until=NOON)
    assert encoded(until)["until"] == "2025-12-16T12:00:00+00:00"
    assert encoded(said.QuestionDeleted(user_id="usr_ada", question_id=ID, by=None))["by"] is None
    rebuilt = said.ProjectionRebuilt(**{"name": "profiles", "from": NOON, "to": None, "events": 3, "seconds": 0.5})
    assert list(encoded(rebuilt)) == ["name", "from", "to", "events", "seconds"]


@pytest.mark.parametrize(
    "fields",
    [
        {"user_id": None},
        {"user_id": "ada"},
        {"score": True},
        {"score": "3"},
        {"score": -1},
        {"unknown": 1},
        {"changed": {"Theme": {}}},
        {"changed": {"theme": {"older": 1}}},
    ],
)
def test_a_payload_is_checked_when_it_is_made(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        QuizPassed(**{**encoded(PASSED), **fields})
    assert caught.value.field.split(".")[0] in fields


@pytest.mark.parametrize(
    "at", ["2025-12-16", "2025-12-16T12:00:00", "noon", "2" * 50, 1_765_886_400, NOON.replace(tzinfo=None)]
)
def test_a_time_is_an_instant_or_its_text(at: Any) -> None:
    with pytest.raises(InvalidInput):
        said.UserSuspended(user_id="usr_ada", reason="spam", until=at)
    same = said.UserSuspended(user_id="usr_ada", reason="spam", until="2025-12-16T13:00:00.0001+01:00")
    assert same.until == NOON


def test_a_payload_is_of_at_most_16_kib() -> None:
    for remark in ("é" * 8_200, "x" * 16_400):
        with pytest.raises(InvalidInput, match=r"payload: is 16,\d+ bytes of JSON, and 16,384 is the most"):
            told(PASSED.evolve(remark=remark))
    exact = PASSED.evolve(email=None, remark="")
    room = MOST_PAYLOAD - len('{"user_id":"usr_ada","quiz_id":"q7","score":3,"email":null,"remark":""}')
    assert told(exact.evolve(remark="x" * room))
    with pytest.raises(InvalidInput, match="16,385"):
        told(exact.evolve(remark="x" * (room + 1)))
    event = told(exact.evolve(remark="x" * room))
    MINE.check(event)
    with pytest.raises(InvalidInput, match="16,385"):
        MINE.check(event.evolve(payload={**event.payload, "remark": "x" * (room + 1)}))


def test_metadata_is_small() -> None:
    with pytest.raises(InvalidInput, match=f"metadata: is .* {MOST_METADATA:,} is the most"):
        told(PASSED, metadata={"idempotency_key": "k" * 2_048})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"changed": {"email": {"old": "a@b.c", "new": "d@e.f"}}}, "payload.changed"),
        ({"changed": {"settings": {"old": {"phone": "1"}, "new": None}}}, "payload.changed"),
        ({"changed": {"settings": {"old": [{"phone": "1"}]}}}, "payload.changed"),
        ({"changed": {"password": {}}}, "payload.changed"),
        ({"changed": {"email": {"old": "a@b.c"}}}, "payload.changed"),
    ],
)
def test_personal_data_is_told_only_where_it_is_declared(changes: dict[str, Any], field: str) -> None:
    payload = PASSED.evolve(**changes)
    with pytest.raises(InvalidInput, match="not declared") as caught:
        told(payload)
    assert caught.value.field == field
    with pytest.raises(InvalidInput, match="not declared"):
        MINE.check(told(PASSED).evolve(payload=dict(encoded(payload))))


def test_that_something_personal_changed_may_be_told() -> None:
    event = told(PASSED.evolve(changed={"first_name": {}, "bio": {}}))
    assert event.payload["changed"] == {"first_name": {}, "bio": {}}
    left = MINE.without_personal(event)
    assert left.payload["changed"] == event.payload["changed"]
    assert MINE.decode(left)


def test_undeclared_personal_data_cannot_come_in_beside() -> None:
    logged_out = said.UserLoggedOut(user_id="usr_ada", session_id="s")
    with pytest.raises(InvalidInput, match="email: is not a field here"):
        said.UserLoggedOut(user_id="usr_ada", session_id="s", email="ada@example.com")
    event = told(logged_out)
    for name in ("email", "self", "x" * 100):
        with pytest.raises(InvalidInput, match=rf"payload.{name[:64]}: is not declared"):
            MINE.check(event.evolve(payload={**event.payload, name: "ada@example.com"}))


def test_metadata_may_hold_the_address_that_the_data_model_has_and_nothing_else_personal() -> None:
    assert told(PASSED, metadata={"ip_address": "203.0.113.42"}).metadata["ip_address"]
    for name in ("email", "user_agent", "token"):
        with pytest.raises(InvalidInput, match="not declared"):
            told(PASSED, metadata={name: "x"})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"event_type": "quiz.unheard"}, "event_type"),
        ({"event_type": "quiz.taken"}, "event_type"),
        ({"event_version": "1.1.0"}, "event_version"),
        ({"event_version": "2.0.0"}, "event_version"),
        ({"source_service": "user-service"}, "source_service"),
        ({"payload": {}}, "payload.user_id"),
        ({"payload": {**encoded(PASSED), "score": "3"}}, "payload.score"),
        ({"metadata": {"stream": "quiz:q8"}}, "metadata.stream"),
    ],
)
def test_what_is_told_otherwise_is_refused(changes: dict[str, Any], field: str) -> None:
    class Taken(Payload, event="quiz.done", by="quiz-service", aliases=("quiz.taken",)):
        user_id: Uid

    with pytest.raises(InvalidInput) as caught:
        MINE.register(Taken).check(told(PASSED).evolve(**changes))
    assert caught.value.field == field


def test_what_stands_alone_has_no_stream() -> None:
    with pytest.raises(InvalidInput, match=r"metadata.stream: must be absent"):
        told(said.SessionRevoked(user_id="usr_ada", session_id="s", reason="asked"), metadata={"stream": "a"})


# -- reading -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.0.0", "1.1.9", "1.2.0", "1.3.0", "1.99.0"])
def test_any_minor_version_is_read_and_unknown_fields_are_passed_over(version: str) -> None:
    event = told(PASSED)
    newer = {**event.payload, "self": 1, "badge": {"deep": [1]}, "changed": {"theme": {"old": 1, "new": 2, "by": 3}}}
    payload = MINE.decode(event.evolve(event_version=version, payload=newer))
    assert payload == PASSED.evolve(changed={"theme": {"old": 1, "new": 2}})


def test_unknown_fields_of_parts_are_passed_over() -> None:
    place = {"rank": 1, "user_id": "usr_ada", "score": 5, "medal": "gold"}
    closed = said.LeaderboardPeriodClosed(board="weekly:2025-W50", period="2025-W50", top=[])
    event = told(closed)
    read = MINE.decode(event.evolve(payload={**event.payload, "top": [place]}))
    assert isinstance(read, said.LeaderboardPeriodClosed)
    assert read.top[0].score == 5
    for wrong in ({"top": 7}, {"top": [7]}, {"top": {"a": place}}):
        with pytest.raises(CorruptDocument, match=r"payload\.top"):
            MINE.decode(event.evolve(payload={**event.payload, **wrong}))


@pytest.mark.parametrize("version", ["2.0.0", "9.9.9", "0.1.0", "1.2", "x"])
def test_another_major_version_is_a_typed_error(version: str) -> None:
    event = told(PASSED).model_copy()
    object.__setattr__(event, "event_version", version)
    for reading in (MINE.decode, MINE.without_personal):
        with pytest.raises(UnknownVersion) as caught:
            reading(event)
        assert (caught.value.event_type, caught.value.version) == ("quiz.passed", version)


def test_an_unknown_type_is_the_same_error() -> None:
    with pytest.raises(UnknownVersion, match=r"quiz\.passed"):
        CATALOG.decode(told(PASSED))


@pytest.mark.parametrize("changes", [{"score": "3"}, {"user_id": None}, {"changed": 5}, {"changed": {"a": 7}}])
def test_what_is_no_payload_is_a_corrupt_document(changes: dict[str, Any]) -> None:
    event = told(PASSED)
    with pytest.raises(CorruptDocument) as caught:
        MINE.decode(event.evolve(payload={**event.payload, **changes}))
    assert (caught.value.collection, caught.value.id) == ("events", event.event_id)
    assert caught.value.field.startswith(f"payload.{next(iter(changes))}")


def _two(payload: dict[str, Any]) -> dict[str, Any]:
    return {**payload, "points": payload.pop("score"), "mail": payload.pop("mail")}


def _three(payload: dict[str, Any]) -> Mapping[str, Any]:
    return {"user_id": payload["user_id"], "points": payload["points"] * 10, "email": payload["mail"]}


class QuizDone(
    Payload,
    event="quiz.done",
    version="3.0.0",
    by="quiz-service",
    aliases=("quiz.taken",),
    upcasts={1: Upcast(_two, ("mail",)), 2: Upcast(_three, ("mail",))},
):
    """In its third version: renamed, and the points counted in tenths."""

    user_id: Uid
    points: Count
    email: Personal[Annotated[str, Text(320)]]


DONE = CATALOG.register(QuizDone)
FIRST = {"user_id": "usr_ada", "score": 3, "mail": "ada@example.com"}
OLD = {
    "1.0.0": FIRST,
    "1.7.2": {**FIRST, "dropped": 1},
    "2.0.0": {"user_id": "usr_ada", "points": 3, "mail": "ada@example.com"},
    "3.4.0": {"user_id": "usr_ada", "points": 30, "email": "ada@example.com", "later": True},
}


@pytest.mark.parametrize("version", OLD)
@pytest.mark.parametrize("name", ["quiz.done", "quiz.taken"])
def test_older_versions_are_brought_forward_step_by_step(version: str, name: str) -> None:
    done = QuizDone(user_id="usr_ada", points=30, email="ada@example.com")
    event = told(done, DONE).evolve(event_type=name, event_version=version, payload=OLD[version])
    assert DONE.decode(event) == done
    assert event.payload == OLD[version], "what was told is not touched"
    masked = DONE.without_personal(event)
    assert "ada@example.com" not in str(masked.payload)
    assert set(masked.payload) == set(OLD[version])


def test_an_upcast_that_stumbles_is_a_corrupt_document() -> None:
    event = told(QuizDone(user_id="usr_ada", points=30, email=None), DONE)
    with pytest.raises(CorruptDocument, match="cannot be brought forward: KeyError"):
        DONE.decode(event.evolve(event_version="1.0.0", payload={"user_id": "usr_ada"}))
    with pytest.raises(CorruptDocument, match=r"payload\.points"):
        DONE.decode(event.evolve(event_version="2.0.0", payload={**OLD["2.0.0"], "points": -3}))


def test_without_personal_data_an_event_is_as_sound_as_before() -> None:
    changed = {"theme": {"old": "a", "new": "b"}}
    event = told(PASSED.evolve(changed=changed), metadata={"ip_address": "203.0.113.42", "user_id": "usr_bob"})
    masked = MINE.without_personal(event)
    MINE.check(masked)
    assert masked.payload == {**event.payload, "email": None}
    assert masked.metadata == {**event.metadata, "ip_address": None}
    newer = {**event.payload, "badge": [{"phone": "1", "size": 2}], "last_name": "L"}
    masked = MINE.without_personal(event.evolve(event_version="1.9.0", payload=newer))
    assert masked.payload == {**newer, "email": None, "last_name": None, "badge": ({"phone": None, "size": 2},)}


@pytest.mark.parametrize("event_type", PERSONAL_FIELDS)
@given(st.data())
def test_what_was_erased_can_still_be_read(event_type: str, data: st.DataObject) -> None:
    masked = CATALOG.without_personal(data.draw(strategies.events(event_type)))
    read = CATALOG.decode(masked)
    assert {getattr(read, name) for name in PERSONAL_FIELDS[event_type]} == {None}


# -- what the ledger tells ---------------------------------------------------------------------------------------------


def as_declared(events: Iterable[Event]) -> Counter[str]:
    """The types of ``events``, each of which says what its declaration says, not a word more."""
    found = Counter[str]()
    for event in events:
        CATALOG.check(event)
        payload = CATALOG.decode(event)
        assert encoded(payload) == event.payload, event.event_type
        assert event.metadata["stream"] == stream_of(payload)
        found[event.event_type] += 1
    return found


POLICY = Policy(
    xp={"daily_cap": 500},
    streaks={"freeze_every": 3, "milestones": [4]},
    achievements=[
        {"id": "ach_first_steps", "name": "First steps", "metric": "total_xp", "xp": [7]},
        {"id": "ach_rich", "name": "Rich", "metric": "total_xp", "tiers": [50, 100], "revoke": "while_true"},
        {"id": "ach_answers", "name": "Answers", "metric": "count", "source": "answer_posted", "tiers": [2]},
        {"id": "ach_odd", "name": "Odd", "metric": lambda state: 2**70 if state.total_xp else 0},
    ],
)


def story() -> list[Event]:
    """Every kind of row that a ledger has."""
    clock = ManualClock(NOON)
    tek = TekTree.in_memory(policy=POLICY, clock=clock)
    user = tek.gamification.enroll("usr_ada").user_id
    gamification = tek.gamification
    results = [gamification.award(user, "answer_posted", amount=None)]
    for day in (1, 2, 4):
        clock.set(NOON + day * DAY)
        results.append(gamification.record_activity(user))
    results.append(gamification.record_activity(user, at=NOON + 3 * DAY))
    results.append(gamification.grant_freezes(user, 2, "a-gift"))
    results.append(gamification.award(user, "answer_posted"))
    big = gamification.award(user, "manual", amount=4000, key="big")
    results.append(big)
    assert big.transaction is not None
    results.append(gamification.reverse(big.transaction.transaction_id, "spam"))
    results.append(gamification.restore(big.transaction.transaction_id, "no spam"))
    clock.set(NOON + 30 * DAY)
    results.append(gamification.award(user, "question_downvoted", key="down"))
    results.append(gamification.record_activity(user))
    return [event for result in results for event in result.events]


def test_all_that_the_ledger_tells_is_told_as_declared() -> None:
    found = as_declared(story())
    ledger = {kind.event_type for kind in CATALOG if kind.stream == "user:{user_id}:xp"}
    assert set(found) == ledger
    reasons = {event.payload["reason"] for event in story() if event.event_type == "streak.freeze_granted"}
    assert reasons == {"earned", "granted", "returned"}
    sources = {event.payload["source"] for event in story() if event.event_type == "xp.awarded"}
    assert {"streak_milestone", "achievement_unlocked", "restore", "freezes_granted", "activity"} <= sources
    assert any(event.payload.get("restores") for event in story())


def test_an_achievement_says_what_it_asks_for_and_how_far_one_is() -> None:
    payloads = [CATALOG.decode(event) for event in story() if event.event_type == "achievement.unlocked"]
    found = {each.achievement_id: each for each in payloads if isinstance(each, said.AchievementUnlocked)}
    assert found["ach_answers"].criteria.model_dump() == {"metric": "count", "source": "answer_posted", "at_least": 2}
    assert found["ach_answers"].progress == 2
    assert found["ach_rich:1"].progress >= found["ach_rich:1"].criteria.at_least == 50
    assert (found["ach_odd"].criteria.metric, found["ach_odd"].progress) == ("custom", INT53)


@settings(max_examples=25)
@given(strategies.histories(most=12))
def test_whatever_users_do_is_told_as_declared(history: strategies.History) -> None:
    clock = ManualClock()
    results = history.play(TekTree.in_memory(policy=POLICY, clock=clock), clock)
    as_declared([event for result in results if hasattr(result, "events") for event in result.events])


def test_the_check_of_the_ledger_catches_a_field_too_many_and_one_too_few() -> None:
    """Positive control."""
    [event, *_] = story()
    for payload in (
        {**event.payload, "mood": 1},
        {name: event.payload[name] for name in event.payload if name != "at"},
    ):
        with pytest.raises(InvalidInput):
            as_declared([event.evolve(payload=payload)])
    with pytest.raises(AssertionError):
        as_declared([event.evolve(payload={**event.payload, "rule_id": None})])


# -- what it costs -----------------------------------------------------------------------------------------------------


def test_the_catalog_loads_when_it_is_used() -> None:
    code = (
        "import sys, tektree; tektree.Policy(); from tektree.rules import levels, streaks, xp;"
        "print([name for name in sys.modules if 'payloads' in name or 'catalog' in name])"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_payloads_survive_pickling() -> None:
    assert pickle.loads(pickle.dumps(PASSED)) == PASSED  # noqa: S301 - ours
