"""Reading the log, contexts and traces, and what a whole scenario gives away."""

import asyncio
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tektree import AsyncTekTree, InvalidCursor, InvalidInput, NotFound, Policy, Principal, TekTree, context
from tektree.catalog import Payload, Personal, to_cloudevent
from tektree.models.events import Event
from tektree.models.payloads import QuestionAsked, XPAwarded
from tektree.testing.ids import SeededIds
from tests.lanes import enter

NOON = datetime(2025, 12, 16, 12, tzinfo=UTC)
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Sold(Payload, event="shop.sold", by="shop-service"):
    user_id: str
    item: str
    email: Personal[str] = None


class Clock:
    """A second passes with every look."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def tek() -> TekTree:
    enter("memory")
    return TekTree.in_memory(clock=Clock(), ids=SeededIds(0))


def sell(tek: TekTree, number: int, user: str = "usr_ada") -> Event:
    return tek.events.emit(Sold(user_id=user, item=str(number)))


# -- pages -------------------------------------------------------------------------------------------------------------


def test_the_log_comes_in_pages_newest_first(tek: TekTree) -> None:
    told = [sell(tek, number) for number in range(7)]
    page = tek.events.log(limit=3)
    found = list(page.items)
    while page.next:
        page = tek.events.log(after=page.next, limit=3)
        found += page.items
    assert found == told[::-1]


def test_it_is_read_by_user_by_type_and_by_correlation(tek: TekTree) -> None:
    ada = tek.gamification.enroll("usr_ada").user_id
    tek.gamification.enroll("usr_bob")
    with context.within(correlation_id="c1"):
        first = sell(tek, 1)
    sell(tek, 2, "usr_bob")
    tek.gamification.award(ada, "manual", amount=5)
    assert {event.payload["user_id"] for event in tek.events.log(user_id=ada).items} == {"usr_ada"}
    assert tek.events.log(user_id="usr_ada") == tek.events.log(user_id=ada)
    assert [event.event_type for event in tek.events.log(event_type="xp.awarded").items] == ["xp.awarded"]
    assert tek.events.log(correlation_id="c1").items == (first,)
    assert tek.events.log(user_id="usr_bob", event_type="xp.awarded").items == ()
    assert tek.events.get(first.event_id) == first


@pytest.mark.parametrize(
    "arguments",
    [
        {"limit": 0},
        {"limit": -1},
        {"limit": 10**9},
        {"limit": "10"},
        {"limit": True},
        {"user_id": "ada"},
        {"user_id": {"$gt": ""}},
        {"event_type": "no.such"},
        {"event_type": {"$gt": ""}},
        {"correlation_id": ""},
        {"correlation_id": "x" * 10**6},
        {"after": "x"},
        {"after": None, "limit": None},
    ],
)
def test_bad_arguments_are_said(tek: TekTree, arguments: Any) -> None:
    with pytest.raises(InvalidInput):
        tek.events.log(**arguments)


def test_a_cursor_is_of_its_own_list(tek: TekTree) -> None:
    for number in range(3):
        sell(tek, number)
    cursor = tek.events.log(limit=1).next
    with pytest.raises(InvalidCursor):
        tek.events.log(user_id="usr_ada", after=cursor)
    assert cursor is not None
    with pytest.raises(InvalidCursor):
        tek.events.log(after=cursor[:-1] + ("0" if cursor[-1] != "0" else "1"))


@pytest.mark.parametrize("id", [None, "", "evt", "evt_" + "x" * 99, b"evt_x", {"$gt": ""}])
def test_an_id_of_no_event(tek: TekTree, id: Any) -> None:
    for read in (tek.events.get, tek.events.explain):
        with pytest.raises(InvalidInput):
            read(id)
        with pytest.raises(NotFound):
            read("evt_nobody")


# -- replay ------------------------------------------------------------------------------------------------------------


def test_a_replay_gives_the_same_ids_in_the_order_of_recording(tek: TekTree) -> None:
    ada = tek.gamification.enroll("usr_ada").user_id
    seen: list[Event] = []
    tek.events.on("*", name="all")(seen.append)
    for _ in range(5):
        tek.gamification.award(ada, "manual", amount=100)
    tek.gamification.opt_out(Principal(ada, "usr_ada"))
    again: list[Event] = []
    told: list[tuple[int, int]] = []
    assert tek.events.replay(again.append, progress=lambda done, of: told.append((done, of))) == len(seen)
    assert [event.event_id for event in again] == [event.event_id for event in seen]
    assert told == [(len(seen), len(seen))]


def test_a_replay_between_two_instants_of_one_type(tek: TekTree) -> None:
    events = [sell(tek, number) for number in range(6)]
    since = datetime.fromisoformat(events[2].metadata["recorded_at"])
    until = datetime.fromisoformat(events[4].metadata["recorded_at"])
    seen: list[Sold] = []
    assert tek.events.replay(seen.append, which=Sold, since=since, until=until) == 2
    assert [each.item for each in seen] == ["2", "3"]
    assert tek.events.replay(lambda event: None, user_id="usr_nobody") == 0


def test_what_a_replayed_handler_raises_ends_it(tek: TekTree) -> None:
    sell(tek, 1)
    with pytest.raises(ZeroDivisionError):
        tek.events.replay(lambda event: 1 / 0)


def test_more_events_than_a_page_holds(tek: TekTree) -> None:
    for number in range(1_203):
        sell(tek, number)
    seen: list[Sold] = []
    assert tek.events.replay(seen.append, which=Sold) == 1_203
    assert [each.item for each in seen] == [str(number) for number in range(1_203)]


# -- causes ------------------------------------------------------------------------------------------------------------


def test_the_tree_of_causes_and_effects(tek: TekTree) -> None:
    tek.gamification.enroll("usr_ada")
    question = QuestionAsked(
        user_id="usr_ada", question_id="65f0c0ffee65f0c0ffee65f0", slug="why", areas=(), tags=(), visibility="public"
    )
    asked = tek.events.emit(question)
    awarded = tek.events.log(event_type="xp.awarded").items[0]
    tree = tek.events.explain(awarded.event_id)
    assert tree.event == asked
    assert [each.event for each in tree.effects] == [awarded]
    assert tree.effects[0].asked
    drawn = str(tree).splitlines()
    assert drawn[0].startswith("question.asked")
    assert drawn[1].startswith("└─ xp.awarded")
    assert drawn[1].endswith("←")
    assert awarded.metadata["causation_id"] == asked.event_id
    assert awarded.correlation_id == asked.event_id
    assert awarded.metadata["rule_id"] == "reaction:question.asked:award:question_asked"
    assert awarded.metadata["hops"] == 1


def test_a_context_stands_on_every_event_and_on_nothing_outside(tek: TekTree) -> None:
    ada = tek.gamification.enroll("usr_ada").user_id
    with context.within(correlation_id="request", traceparent=TRACEPARENT, tracestate="a=b", actor="usr_root"):
        inside = tek.gamification.award(ada, "manual", amount=5).events
        with context.within(correlation_id="inner"):
            told = sell(tek, 1)
    outside = tek.gamification.award(ada, "manual", amount=5).events
    for event in inside:
        assert (event.correlation_id, event.trace_id) == ("request", TRACEPARENT[3:35])
        assert event.metadata["traceparent"] == TRACEPARENT
        assert event.metadata["user_id"] == "usr_root"
    assert (told.correlation_id, told.trace_id) == ("inner", TRACEPARENT[3:35])
    assert {event.correlation_id for event in outside} == {""}
    assert to_cloudevent(told)["traceparent"] == TRACEPARENT


@pytest.mark.parametrize(
    "arguments",
    [
        {"traceparent": "00-" + "0" * 32 + "-b7ad6b7169203331-01"},
        {"traceparent": "nonsense"},
        {"traceparent": 5},
        {"correlation_id": ""},
        {"correlation_id": "x" * 129},
        {"correlation_id": "a\0b"},
        {"actor": "ada"},
        {"trace_id": "\ud800"},
    ],
)
def test_a_context_is_checked(arguments: Any) -> None:
    with pytest.raises(InvalidInput), context.within(**arguments):
        pass


def test_tasks_have_contexts_of_their_own() -> None:
    enter("memory")

    async def request(tek: AsyncTekTree, name: str) -> set[str]:
        user = (await tek.gamification.enroll(f"usr_{name}")).user_id
        with context.within(correlation_id=name):
            await asyncio.sleep(0)
            result = await tek.gamification.award(user, "manual", amount=5)
        return {event.correlation_id for event in result.events}

    async def both() -> list[set[str]]:
        tek = AsyncTekTree.in_memory()
        return list(await asyncio.gather(request(tek, "a"), request(tek, "b")))

    assert asyncio.run(both()) == [{"a"}, {"b"}]


def test_spans_of_opentelemetry(tek: TekTree, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler runs in a span, and events carry the trace that is active. What an exception says stays out of it."""
    trace = pytest.importorskip("opentelemetry.trace")
    sdk = pytest.importorskip("opentelemetry.sdk.trace")
    export = pytest.importorskip("opentelemetry.sdk.trace.export")
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    exporter, provider = memory.InMemorySpanExporter(), sdk.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    inner: list[Event] = []

    @tek.events.on(Sold)
    def heard(sold: Sold) -> None:
        if sold.item == "1":
            inner.append(sell(tek, 2))
            raise ValueError("s3cret")

    with provider.get_tracer("host").start_as_current_span("request"):
        event = sell(tek, 1)
    spans = {span.name: span for span in exporter.get_finished_spans()}
    trace_id = format(spans["request"].context.trace_id, "032x")
    assert event.trace_id == inner[0].trace_id == trace_id
    assert event.metadata["traceparent"].startswith(f"00-{trace_id}-")
    assert spans["handle shop.sold"].context.trace_id == spans["request"].context.trace_id
    assert "s3cret" not in str([span.to_json() for span in exporter.get_finished_spans()])


# -- what must not be said ---------------------------------------------------------------------------------------------

SECRETS = ("s3cret-passw0rd", "eve@secret.example", "t0ken-123")


def scenario(tek: TekTree) -> Iterator[object]:
    """Everything that comes back, is raised, or is stored."""
    ada = tek.gamification.enroll("usr_ada").user_id

    @tek.events.on("*", name="leaky", attempts=1)
    def leaky(event: Event) -> None:
        raise ValueError(" ".join(SECRETS))

    yield tek.events.emit(Sold(user_id="usr_ada", item="1", email=SECRETS[1]))
    yield Sold(user_id="usr_ada", item="1", email=SECRETS[1])
    yield tek.gamification.award(ada, "manual", amount=5)
    yield tek.events.relay.run_once()
    yield tek.events.dead_letters.list().items
    for mistake in (
        lambda: tek.events.emit(Sold(user_id="usr_ada", item=SECRETS)),  # type: ignore[arg-type]
        lambda: tek.events.emit(Sold(user_id="usr_ada", item="1", password=SECRETS[0])),  # type: ignore[call-arg]
        lambda: tek.events.log(user_id=SECRETS[1]),
        lambda: tek.events.get(SECRETS[2]),
        lambda: tek.events.on(SECRETS[0]),
    ):
        with pytest.raises(InvalidInput) as raised:
            mistake()
        yield raised.value
        yield raised.value.args


def test_no_event_log_line_repr_or_error_gives_a_secret_away(tek: TekTree, caplog: pytest.LogCaptureFixture) -> None:
    """But for the declared address in the one event that declares it, where a reader of the payload finds it."""
    caplog.set_level(logging.DEBUG)
    told = [repr(each) for each in scenario(tek)]
    stored = [event for event in tek.events.log(limit=100).items if event.event_type != "shop.sold"]
    told += [json.dumps(event.model_dump(mode="json")) for event in stored]
    told += [caplog.text, str(tek.events.explain(tek.events.log(event_type="shop.sold").items[0].event_id))]
    sold = tek.events.log(event_type="shop.sold").items[0]
    assert sold.payload["email"] == SECRETS[1], "the scan has something to find"
    leaks = [(secret, each) for secret in SECRETS for each in told[1:] if secret in each]
    assert leaks == []


def test_the_scan_finds_a_leak() -> None:
    """Its positive control: an undeclared address in an open field would show."""
    enter("memory")
    tek = TekTree.in_memory()

    class Careless(Payload, event="shop.careless", by="shop-service"):
        user_id: str
        note: str

    event = tek.events.emit(Careless(user_id="usr_ada", note=SECRETS[1]))
    assert SECRETS[1] in repr(event)


def test_xp_of_a_day_that_is_over_is_told_once(tek: TekTree) -> None:
    """Only if something was earned; with the first row of another day."""
    ada = tek.gamification.enroll("usr_ada").user_id
    clock: Any = tek.gamification._clock
    tek.gamification.award(ada, "manual", amount=5)
    tek.gamification.award(ada, "manual", amount=7)
    clock.now += timedelta(days=1)
    tek.gamification.award(ada, "manual", amount=1)
    tek.gamification.award(ada, "manual", amount=1)
    told = tek.events.log(event_type="xp.daily_reset").items
    assert [(event.payload["day"], event.payload["earned"]) for event in told] == [("2025-12-16", 12)]
    assert tek.gamification.verify(ada)


def test_an_event_of_a_newer_release_parks_its_line(tek: TekTree) -> None:
    seen: list[XPAwarded] = []
    tek.events.on(XPAwarded, name="typed", attempts=1)(seen.append)
    ada = tek.gamification.enroll("usr_ada").user_id
    handlers: Any = tek.events._handlers
    event = tek.gamification.award(ada, "manual", amount=5).events[0]
    newer = event.evolve(event_version="2.0.0")
    handlers._deliver([(newer, ("typed",))], newer.metadata["stream"])
    (dead,) = tek.events.dead_letters.list().items
    assert dead.reason.startswith("UnknownVersion")
    told = tek.events.log(event_type="schema.unknown_version").items
    assert [each.payload["event_type"] for each in told] == ["xp.awarded"]
    tek.gamification.award(ada, "manual", amount=5)
    assert len(seen) == 1, "what comes behind waits for the release that can read it"
    tek.events.dead_letters.redrive(dead.id)
    assert len(seen) == 3


def test_a_policy_of_drains_is_one_word() -> None:
    with pytest.raises(InvalidInput, match="drain"):
        Policy(events={"drain": "later"})
