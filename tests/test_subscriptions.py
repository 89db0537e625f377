"""`tek.subscriptions`: what users have, what Polar tells of it, and what follows from both."""

import base64
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tektree import Policy, Principal, TekTree
from tektree._sync.services.quotas import Quotas
from tektree.backends.memory import MemoryQuotas, memory_backends
from tektree.errors import (
    ConfigurationError,
    Forbidden,
    InvalidInput,
    InvalidTransition,
    NotFound,
    QuotaExhausted,
    Stale,
    Unavailable,
)
from tektree.models.events import Event
from tektree.models.subscriptions import Subscription
from tektree.rules import subscriptions as subscription_rules
from tektree.rules import webhooks
from tektree.testing import ManualClock

START = datetime(2025, 1, 31, 10, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
POLICY = Policy(subscriptions={"products": {"prod_pro": "pro", "prod_team": "team"}})


class World:
    """A tek in memory, with ada enrolled."""

    def __init__(self) -> None:
        self.clock = ManualClock(START)
        self.tek = TekTree.in_memory(POLICY, self.clock)
        self.ada = Principal(self.tek.gamification.enroll(uid="usr_ada").user_id, "usr_ada")
        self.tek.subscriptions.trust(SECRET)

    def told(self) -> list[str]:
        items = self.tek.events.log(user_id="usr_ada", limit=100).items
        told = sorted(items, key=lambda each: each.metadata["seq"])
        return [each.event_type.removeprefix("subscription.") for each in told]

    def kept(self) -> list[Event]:
        return list(self.tek.events.log(event_type="webhook.received", limit=100).items)

    def webhook(self, body: bytes, id: str = "msg_1", **changed: str) -> Subscription | None:
        seconds = int(self.clock().timestamp())
        headers = {
            "webhook-id": id,
            "webhook-timestamp": str(seconds),
            "webhook-signature": webhooks.signature(webhooks.key_of(SECRET), id, seconds, body),
        }
        return self.tek.subscriptions.apply_webhook({**headers, **changed}, body)


@pytest.fixture
def world() -> World:
    return World()


def test_a_life(world: World) -> None:
    subscriptions, ada = world.tek.subscriptions, world.ada
    with pytest.raises(NotFound):
        subscriptions.get(ada.id)
    assert subscriptions.entitlements(ada).tier == "free"
    assert subscriptions.start(ada, "pro", trial_days=14).status == "trialing"
    assert subscriptions.entitlements(ada).quotas["questions"] == 200
    world.clock.advance(timedelta(days=15))
    assert subscriptions.get(ada.id).status == "active"
    assert world.told() == ["created", "trial_started"], "nobody wrote meanwhile"
    assert subscriptions.change(ada, tier="team").tier == "team"
    assert world.told()[2:] == ["activated", "tier_changed"], "what time did is told before"
    assert subscriptions.change(ada, cycle="annual").billing_cycle == "annual"
    later = subscriptions.change(ada, tier="pro")
    assert (later.tier, later.pending_tier) == ("team", "pro")
    world.clock.advance(timedelta(days=366))
    assert subscriptions.entitlements(ada).tier == "pro"
    assert subscriptions.advance(ada.id).tier == "pro"
    assert subscriptions.advance(ada.id) == subscriptions.get(ada.id)
    assert world.told()[4:] == ["billing_cycle_changed", "tier_changed", "renewed"]
    ending = subscriptions.cancel(ada)
    assert subscriptions.cancel(ada) == ending
    assert subscriptions.entitlements(ada).until == ending.cancel_at == ending.current_period_end
    assert subscriptions.change(ada).cancel_at is None, "it goes on after all"
    assert subscriptions.cancel(ada, at_period_end=False).status == "canceled"
    assert subscriptions.entitlements(ada).tier == "free"
    assert world.told()[7:] == ["canceled", "uncanceled", "revoked"]
    with pytest.raises(InvalidTransition):
        subscriptions.change(ada, tier="team")
    assert subscriptions.start(ada, "pro").status == "active"


@pytest.mark.parametrize(
    "call",
    [
        lambda s, ada: s.start(ada, "free"),
        lambda s, ada: s.start(ada, "emperor"),
        lambda s, ada: s.start(ada, "pro", "weekly"),
        lambda s, ada: s.start(ada, "pro", trial_days=-1),
        lambda s, ada: s.start(ada, "pro", trial_days=True),
        lambda s, ada: s.start("usr_ada", "pro"),
        lambda s, ada: s.start(ada, ["pro"]),
        lambda s, ada: s.change(ada, tier="free"),
        lambda s, ada: s.change(ada, cycle="weekly"),
        lambda s, ada: s.cancel(ada, at_period_end=1),
        lambda s, ada: s.get("usr_ada"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(world: World, call: Any) -> None:
    with pytest.raises(InvalidInput):
        call(world.tek.subscriptions, world.ada)
    with pytest.raises(NotFound):
        world.tek.subscriptions.get(world.ada.id)


def test_quotas_follow_the_anchor_of_the_subscription(world: World) -> None:
    """S8: not the month of the calendar; on an annual plan as well."""
    world.tek.subscriptions.start(world.ada, "pro", "annual")
    pro = Principal(world.ada.id, "usr_ada", tier="pro")
    assert world.tek.quotas.usage(pro, "questions").resets_at == datetime(2025, 2, 28, 10, tzinfo=UTC)
    token = world.tek.sessions.open(pro).token
    world.clock.advance(timedelta(days=1))
    usage = world.tek.admit(token, "/a", "questions", 200).usage
    assert usage is not None
    assert usage.period == "2025-01", "the month that the period began in"
    with pytest.raises(QuotaExhausted) as raised:
        world.tek.admit(token, "/a", "questions")
    assert raised.value.resets_at == usage.resets_at == datetime(2025, 2, 28, 10, tzinfo=UTC)
    world.clock.set(usage.resets_at)
    world.tek.admit(world.tek.sessions.open(pro).token, "/a", "questions")


EXPORTS = Policy(
    quotas={tier: {"exports": limit} for tier, limit in (("free", 5), ("pro", 50))},
    subscriptions={"products": {"prod_pro": "pro", "prod_free": "free"}},
)


def begun_in_mid_month() -> tuple[TekTree, ManualClock, Principal]:
    """Ada, who used five exports for nothing in January, and pays from its 20th on."""
    clock = ManualClock(datetime(2025, 1, 10, tzinfo=UTC))
    tek = TekTree.in_memory(EXPORTS, clock)
    ada = Principal(tek.gamification.enroll(uid="usr_ada").user_id, "usr_ada")
    assert tek.quotas.consume(ada, "exports", 5).used == 5
    clock.advance(timedelta(days=10))
    tek.subscriptions.start(ada, "pro")
    return tek, clock, Principal(ada.id, "usr_ada", tier="pro")


def test_what_was_used_stays_used_where_a_subscription_begins_in_the_middle_of_a_month() -> None:
    """Two periods would start in January, so they are one; the count lasts as long, also where nothing is used."""
    tek, clock, ada = begun_in_mid_month()
    clock.set(datetime(2025, 2, 4, tzinfo=UTC))
    usage = tek.quotas.usage(ada, "exports")
    assert (usage.used, usage.period, usage.resets_at) == (5, "2025-01", datetime(2025, 2, 20, tzinfo=UTC))
    assert tek.quotas.consume(ada, "exports", 40).used == 45


def test_a_count_that_nobody_lets_last_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    monkeypatch.setattr(MemoryQuotas, "keep", lambda *_: None)
    tek, clock, ada = begun_in_mid_month()
    clock.set(datetime(2025, 2, 4, tzinfo=UTC))
    assert tek.quotas.usage(ada, "exports").used == 0


def test_counts_last_even_if_storage_was_away_when_the_subscription_began(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> None:
        raise Unavailable("redis")

    with monkeypatch.context() as patch:
        patch.setattr(MemoryQuotas, "keep", away)
        tek, clock, ada = begun_in_mid_month()
    left = tek.subscriptions.get(ada.id)
    assert (left.follows, left.untold) == (True, ())
    assert left.due == int((clock() + timedelta(minutes=1)).timestamp() * 1000), "others are not kept waiting"
    clock.advance(timedelta(days=1))
    tek.subscriptions.advance(ada.id)
    assert not tek.subscriptions.get(ada.id).follows
    clock.set(datetime(2025, 2, 4, tzinfo=UTC))
    assert tek.quotas.usage(ada, "exports").used == 5


def test_counts_last_for_who_has_no_profile_too() -> None:
    clock = ManualClock(datetime(2025, 1, 10, tzinfo=UTC))
    tek = TekTree.in_memory(EXPORTS, clock)
    ada = Principal("64b0c0ffee64b0c0ffee64b0", "usr_ada")
    tek.quotas.consume(ada, "exports", 5)
    clock.advance(timedelta(days=10))
    tek.subscriptions.start(ada, "pro")
    clock.set(datetime(2025, 2, 4, tzinfo=UTC))
    assert tek.quotas.usage(Principal(ada.id, ada.uid, tier="pro"), "exports").used == 5


def test_who_waits_for_counts_keeps_nobody_from_their_tier(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many they are: more than the relay looks at in one go."""

    def away(*_: Any) -> None:
        raise Unavailable("redis")

    monkeypatch.setattr(MemoryQuotas, "keep", away)
    clock = ManualClock(START)
    tek = TekTree.in_memory(EXPORTS, clock)
    zoe = Principal(tek.gamification.enroll(uid="usr_zoe").user_id, "usr_zoe")
    tek.subscriptions.start(zoe, "pro")
    tek.subscriptions.cancel(zoe)
    clock.set(datetime(2025, 2, 28, 9, tzinfo=UTC))
    for at in range(201):
        user = Principal(tek.gamification.enroll(uid=f"usr_{at}").user_id, f"usr_{at}")
        tek.subscriptions.start(user, "pro")
    clock.advance(timedelta(hours=1))
    tek.events.relay.run_once()
    assert tek.gamification.profile(zoe.id).tier == "free"


def test_a_month_that_time_moved_and_a_webhook_moved_back_lasts_as_long_as_it_says(world: World) -> None:
    """Nobody wrote what time had made of it meanwhile."""
    tek = TekTree.in_memory(EXPORTS, world.clock)
    world.tek = tek
    tek.subscriptions.trust(SECRET)
    ada = Principal(tek.gamification.enroll(uid="usr_ada").user_id, "usr_ada", tier="pro")
    fields = {"created_at": "2025-01-10T00:00:00Z", "current_period_end": "2025-03-10T00:00:00Z"}
    world.clock.set(datetime(2025, 2, 20, tzinfo=UTC))
    world.webhook(message(cancel_at_period_end=True, **fields))
    world.clock.set(datetime(2025, 3, 10, 0, 0, 30, tzinfo=UTC))
    assert tek.quotas.consume(ada, "exports", 5).resets_at == datetime(2025, 4, 1, tzinfo=UTC)
    fields["current_period_end"] = "2025-04-10T00:00:00Z"
    world.webhook(message(modified_at="2025-03-10T00:00:20Z", **fields))
    world.clock.set(datetime(2025, 4, 4, tzinfo=UTC))
    assert tek.quotas.usage(ada, "exports")[:1] == (5,)


def test_a_product_that_is_free_counts_on_as_well(world: World) -> None:
    world.tek = tek = TekTree.in_memory(EXPORTS, world.clock)
    tek.subscriptions.trust(SECRET)
    ada = Principal(tek.gamification.enroll(uid="usr_ada").user_id, "usr_ada")
    fields = {"created_at": "2025-01-10T00:00:00Z", "current_period_end": "2025-03-10T00:00:00Z"}
    world.clock.set(datetime(2025, 1, 31, tzinfo=UTC))
    world.webhook(message(**fields))
    world.clock.set(datetime(2025, 2, 15, tzinfo=UTC))
    world.webhook(message(modified_at="2025-02-15T00:00:00Z", product_id="prod_free", **fields))
    assert tek.subscriptions.get(ada.id).counted_from == datetime(2025, 2, 10, tzinfo=UTC)
    found = tek.quotas.period_of(ada.id, world.clock())
    assert (found.start, found.end) == (datetime(2025, 2, 10, tzinfo=UTC), datetime(2025, 3, 1, tzinfo=UTC))


class Meanwhile:
    """Where counts are loaded from; while it counts, something happens."""

    def __init__(self) -> None:
        self.happens: Callable[[], object] = lambda: None

    def created(self, user_id: str, quota_type: str, since: datetime, until: datetime) -> int | None:
        self.happens()
        return None


def loaded_meanwhile() -> int:
    clock, reader = ManualClock(datetime(2025, 1, 20, tzinfo=UTC)), Meanwhile()
    tek = TekTree(replace(memory_backends(), created=reader), EXPORTS, clock)
    ada = Principal(tek.gamification.enroll(uid="usr_ada").user_id, "usr_ada")
    reader.happens = lambda: tek.subscriptions.start(ada, "pro")
    tek.quotas.consume(ada, "exports", 5)
    reader.happens = lambda: None
    clock.set(datetime(2025, 2, 4, tzinfo=UTC))
    return tek.quotas.usage(Principal(ada.id, ada.uid, tier="pro"), "exports").used


def test_what_is_loaded_while_a_subscription_begins_lasts_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded_meanwhile() == 5
    monkeypatch.setattr(Quotas, "_make", lambda self, asked, used: self._store.load(asked.counter, used, asked.now))
    assert loaded_meanwhile() == 0, "the control"


class Exports:
    """What a user has exported, as a host keeps it; and quotas of it that were never lost, and that are lost always."""

    def __init__(self) -> None:
        self.clock = ManualClock(datetime(2025, 1, 1, tzinfo=UTC))
        self.made: list[datetime] = []
        self.backends = replace(memory_backends(), created=self)
        self.tek = TekTree(self.backends, EXPORTS, self.clock)
        self.tek.subscriptions.trust(SECRET)
        self.ada = Principal(self.tek.gamification.enroll(uid="usr_ada").user_id, "usr_ada", tier="pro")

    def created(self, user_id: str, quota_type: str, since: datetime, until: datetime) -> int | None:
        return len([at for at in self.made if since <= at < until])

    def export(self) -> None:
        with suppress(QuotaExhausted):
            self.tek.quotas.consume(self.ada, "exports")
            self.made.append(self.clock())

    def billed(self, body: bytes) -> None:
        World.webhook(cast(World, self), body)

    def loses_nothing(self) -> None:
        lost = TekTree(replace(self.backends, quotas=MemoryQuotas()), EXPORTS, self.clock)
        assert lost.quotas.usage(self.ada, "exports") == self.tek.quotas.usage(self.ada, "exports")


STEPS = st.one_of(
    st.just(("export",)),
    st.tuples(st.just("start"), st.sampled_from(["monthly", "annual"]), st.sampled_from([0, 0, 3, 14, 45])),
    st.tuples(st.just("change"), st.sampled_from(["monthly", "annual"])),
    st.tuples(st.just("cancel"), st.booleans()),
    st.tuples(st.just("advance")),
    st.tuples(
        st.just("billed"),
        st.integers(-40, 0),
        st.none() | st.integers(-5, 40),
        st.sampled_from(["active", "trialing", "past_due", "canceled"]),
        st.none() | st.integers(-20, 9),
    ),
)


def make(world: Exports, step: Sequence[Any]) -> None:
    subscriptions, ada = world.tek.subscriptions, world.ada
    with suppress(InvalidTransition, NotFound):
        match step:
            case ("export",):
                world.export()
            case ("start", cycle, days):
                subscriptions.start(ada, "pro", cycle, days)
            case ("change", cycle):
                subscriptions.change(ada, cycle=cycle)
            case ("cancel", at_period_end):
                subscriptions.cancel(ada, at_period_end)
            case ("advance",):
                subscriptions.advance(ada.id)
            case ("billed", begun, trial, status, ending):
                began, now = world.clock() + timedelta(days=begun), world.clock()
                ends = None if trial is None else (began + timedelta(days=trial)).isoformat()
                term = {
                    "current_period_start": began.isoformat(),
                    "current_period_end": (now + timedelta(days=9)).isoformat(),
                }
                fields = {"created_at": began.isoformat(), "modified_at": now.isoformat(), "trial_end": ends, **term}
                if ending is not None:
                    fields["ends_at"] = (now + timedelta(days=ending)).isoformat()
                world.billed(message(status=status, product_id="prod_pro", **fields))


@given(st.lists(st.tuples(st.integers(0, 24 * 20), STEPS), min_size=2, max_size=14))
@settings(deadline=None)
def test_what_is_lost_is_loaded_as_it_was_whatever_became_of_the_subscription(
    steps: list[tuple[int, Sequence[Any]]],
) -> None:
    """I11: after any loss the same numbers, also where periods of a month followed each other."""
    world = Exports()
    for hours, step in steps:
        world.clock.advance(timedelta(hours=hours))
        make(world, step)
        world.loses_nothing()


ENDED = [(9, ("start", "monthly", 0)), (28, ("export",)), (6, ("export",)), (3, ("cancel", False)), (1, ("export",))]
"""One that began on the 10th, and ended on the 15th of the next month but one."""


def test_where_nobody_notes_since_when_it_counts_what_is_loaded_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""

    def ended() -> None:
        world = Exports()
        for days, step in ENDED:
            world.clock.advance(timedelta(days=days))
            make(world, step)
        world.loses_nothing()

    ended()
    monkeypatch.setattr(subscription_rules, "recounted", lambda old, new, at: new)
    with pytest.raises(AssertionError):
        ended()


DATA: dict[str, Any] = {
    "id": "sub_1",
    "status": "active",
    "created_at": "2025-01-31T10:00:00Z",
    "modified_at": None,
    "recurring_interval": "month",
    "current_period_start": "2025-01-31T10:00:00Z",
    "current_period_end": "2025-02-28T10:00:00Z",
    "cancel_at_period_end": False,
    "product_id": "prod_pro",
    "customer": {"external_id": "usr_ada"},
}


def message(type: str = "subscription.updated", **fields: Any) -> bytes:
    return json.dumps({"type": type, "data": {**DATA, **fields}}).encode()


MESSAGES = [
    message("subscription.created"),
    message("subscription.active"),
    message("subscription.canceled", modified_at="2025-02-02T00:00:00Z", cancel_at_period_end=True),
    message(
        "subscription.revoked", modified_at="2025-02-28T10:00:00Z", status="canceled", ended_at="2025-02-28T10:00:00Z"
    ),
]


def test_deliveries_that_repeat_or_come_out_of_order_do_no_harm() -> None:
    """All orders, each message twice."""

    def after(order: Sequence[bytes]) -> tuple[Subscription, list[str]]:
        world = World()
        for at, body in enumerate(order):
            for _ in range(2):
                world.webhook(body, f"msg_{at}")
        return world.tek.subscriptions.get(world.ada.id).evolve(version=None), world.told()

    expected, told = after(MESSAGES)
    assert told == ["created", "canceled", "revoked"]
    assert (expected.status, expected.tier) == ("canceled", "pro")
    for order in permutations(MESSAGES):
        found, told = after(order)
        assert found == expected
        assert told.count("created") == told.count("revoked" if "revoked" in told else "created") == 1


def test_what_was_ended_at_polar_does_not_end_what_was_started_since(world: World) -> None:
    """Delivered again, in any order; one that is newer at Polar counts."""
    ended = message(modified_at="2025-02-10T10:00:00Z", status="canceled", ended_at="2025-02-10T10:00:00Z")
    world.webhook(message())
    world.clock.advance(timedelta(days=10))
    world.webhook(ended, "msg_2")
    started = world.tek.subscriptions.start(world.ada, "team")
    for at, body in enumerate((ended, message(), ended)):
        assert world.webhook(body, f"msg_{at}") == started
    assert world.tek.subscriptions.entitlements(world.ada).tier == "team"
    world.clock.advance(timedelta(days=10))
    newer = message(id="sub_2", created_at="2025-02-20T10:00:00Z", product_id="prod_pro")
    assert world.webhook(newer, "msg_9").tier == "pro"  # type: ignore[union-attr]


@pytest.mark.parametrize("late", [False, True])
def test_a_trial_is_had_once_whoever_gave_it(world: World, late: bool) -> None:
    subscriptions, ada = world.tek.subscriptions, world.ada
    trial = message(status="trialing", trial_end="2025-02-07T10:00:00Z")
    after = message(id="sub_2", created_at="2025-02-01T10:00:00Z")
    for at, body in enumerate((after, trial) if late else (trial, after)):
        world.webhook(body, f"msg_{at}")
    found = subscriptions.get(ada.id)
    assert (found.status, found.trial_ends_at) == ("active", datetime(2025, 2, 7, 10, tzinfo=UTC))
    world.webhook(
        message(id="sub_2", created_at="2025-02-01T10:00:00Z", modified_at="2025-02-02T00:00:00Z", status="canceled"),
        "msg_8",
    )
    with pytest.raises(InvalidTransition, match="had its trial"):
        subscriptions.start(ada, "pro", trial_days=14)


def test_a_product_that_nobody_named_is_said(world: World) -> None:
    with pytest.raises(InvalidInput, match=r"is about a product that .* does not name"):
        world.webhook(message(product_id="prod_else"))
    for headers in (None, [("webhook-id", "msg_1")], "webhook-id: msg_1"):
        with pytest.raises(InvalidInput, match="headers: must be those of the request"):
            world.tek.subscriptions.apply_webhook(headers, b"{}")  # type: ignore[arg-type]


def test_a_webhook_names_the_user_by_id_as_well(world: World) -> None:
    found = world.webhook(message(customer={"external_id": world.ada.id}))
    assert found is not None
    assert world.tek.subscriptions.entitlements(world.ada).tier == "pro"
    with pytest.raises(InvalidTransition, match="billed by Polar"):
        world.tek.subscriptions.cancel(world.ada)


@pytest.mark.parametrize("user", ["usr_nobody", "64b0c0ffee64b0c0ffee64b9"])
def test_a_webhook_about_nobody(world: World, user: str) -> None:
    with pytest.raises(NotFound):
        world.webhook(message(customer={"external_id": user}))


def test_a_webhook_about_something_else_changes_nothing(world: World) -> None:
    assert world.webhook(message(status="incomplete")) is None
    for wrong in ("ada", "usr_\ud800", "usr_" + "a" * 100, "usr_a\0"):
        with pytest.raises(InvalidInput, match="by id or uid"):
            world.webhook(message(customer={"external_id": wrong}))
        assert world.webhook(message("order.paid", customer={"external_id": wrong}), "msg_9") is None
    assert world.told() == []
    assert [each.payload["body"] for each in world.kept()] == [None], "one message, kept once"


def test_a_webhook_about_something_else_is_kept_once(world: World) -> None:
    order = message("order.paid", metadata={"note": "planted"})
    for _ in range(3):
        assert world.webhook(order, "msg_1") is None
        assert world.webhook(message("product.updated", customer=None), "msg_2") is None
        assert world.webhook(message("order.paid", customer={"external_id": "usr_nobody"}), "msg_3") is None
    found = {each.payload["webhook_id"]: each.payload for each in world.kept()}
    assert [found[f"msg_{at}"]["webhook_type"] for at in (1, 2, 3)] == ["order.paid", "product.updated", "order.paid"]
    assert [found[f"msg_{at}"]["body"] for at in (1, 2, 3)] == [order.decode(), None, None]
    assert found["msg_1"]["user_id"] == "usr_ada"
    with pytest.raises(NotFound):
        world.tek.subscriptions.get(world.ada.id)


def test_what_is_kept_of_a_webhook_goes_with_its_user(world: World) -> None:
    ben = world.tek.accounts.register(email="ben@example.com", handle="ben", password="a long enough one")
    order = message("order.paid", customer={"external_id": ben.uid, "email": "planted@example.com"})
    world.webhook(order, "msg_1")
    world.tek.accounts.erase(ben, ben.id)
    world.webhook(order, "msg_2")  # it came late
    assert len(world.kept()) == 2
    assert "planted" not in repr(world.kept())


KINDS = st.sampled_from(["subscription.updated", "subscription.whatever_comes", "order.paid", "customer.updated"])
BODIES = st.builds(
    lambda type, day, status, product, ends: message(
        type,
        modified_at=f"2025-02-{day:02d}T10:00:00Z",
        status=status,
        product_id=product,
        cancel_at_period_end=ends,
        trial_end="2025-02-20T10:00:00Z" if status == "trialing" else None,
    ),
    KINDS,
    st.integers(1, 9),
    st.sampled_from(["trialing", "active", "past_due", "canceled", "incomplete"]),
    st.sampled_from(["prod_pro", "prod_team"]),
    st.booleans(),
)


@given(st.lists(BODIES, min_size=1, max_size=5), st.data())
@settings(max_examples=40, deadline=None)
def test_deliveries_in_any_order_end_alike(bodies: list[bytes], data: Any) -> None:
    """Twice, late, mixed, of every type: the same subscription and tier, and each message that is kept is kept once."""
    messages = [(f"msg_{at}", body) for at, body in enumerate(bodies)]
    found = []
    for order in (messages, data.draw(st.permutations([*messages, *messages]))):
        world = World()
        for id, body in order:
            world.webhook(body, id)
        world.tek.events.relay.run_once()
        profile = world.tek.gamification.profile(world.ada.id)
        try:
            stored = world.tek.subscriptions.get(world.ada.id).evolve(version=None, warned=None)
        except NotFound:
            stored = None
        assert profile.tier == world.tek.subscriptions.entitlements(world.ada).tier
        kept = sorted([each.payload["webhook_id"] for each in world.kept()])
        assert kept == [id for id, body in messages if b'"subscription.' not in body]
        found.append((stored, profile.tier))
    assert found[0] == found[1]


def test_a_webhook_that_is_not_signed_changes_nothing(world: World) -> None:
    for changed in (
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": ""},
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": str(int(START.timestamp()) - 301)},
    ):
        with pytest.raises(Forbidden):
            world.webhook(MESSAGES[0], **changed)
    assert world.told() == []
    world.tek.subscriptions.trust("whsec_" + base64.b64encode(b"the next one").decode(), SECRET)
    assert world.webhook(MESSAGES[0]) is not None
    with pytest.raises(ConfigurationError) as raised:
        TekTree.in_memory().subscriptions.apply_webhook({}, b"")
    assert SECRET not in str(raised.value) + repr(world.tek.subscriptions)


def test_what_was_cut_off_is_told_once_by_whoever_comes_next(world: World) -> None:
    subscriptions, ada = world.tek.subscriptions, world.ada
    tell, left = subscriptions._tell, [True]
    assert tell is not None

    def breaks(*said: Any) -> object:
        if said[0].__class__.__name__ == "SubscriptionTrialStarted" and left:
            left.pop()
            raise KeyboardInterrupt
        return tell(*said)

    subscriptions._tell = breaks
    with pytest.raises(KeyboardInterrupt):
        subscriptions.start(ada, "pro", trial_days=14)
    assert world.told() == ["created"]
    assert subscriptions.get(ada.id).status == "trialing"
    assert subscriptions.advance(ada.id).untold == ()
    assert world.told() == ["created", "trial_started"]
    assert subscriptions.advance(ada.id) == subscriptions.advance(ada.id)
    assert world.told() == ["created", "trial_started"]


def test_whoever_changed_it_in_between_is_seen(world: World) -> None:
    """The present state decides, not the one that was read first; in the end it is `Stale`."""
    subscriptions = world.tek.subscriptions
    subscriptions.start(world.ada, "pro")
    store, lost = subscriptions._store, []
    swap = store.swap

    def others_first(old: Subscription | None, new: Subscription) -> None:
        if len(lost) < 3:
            lost.append(new)
            present = store.get(world.ada.id)
            assert present is not None
            swap(present, present.evolve(version=(present.version or 0) + 1))
        swap(old, new)

    store.swap = others_first  # type: ignore[method-assign]
    assert subscriptions.change(world.ada, tier="team").version == 7
    store.swap = lambda old, new: (_ for _ in ()).throw(Stale("subscription", "x"))  # type: ignore[method-assign]
    with pytest.raises(Stale):
        subscriptions.cancel(world.ada)
