"""Subscriptions, entitlements, signatures of webhooks and what Polar says: laws first, then examples."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree import Policy
from tektree.errors import ConfigurationError, Forbidden, InvalidInput, InvalidTransition
from tektree.ids import derived_id
from tektree.models.subscriptions import Subscription
from tektree.rules import polar, subscriptions, webhooks
from tektree.rules.catalog import CATALOG
from tektree.rules.entitlements import entitlements
from tektree.rules.subscriptions import announced, as_of, canceled, changed, free, is_entitled, period, started

NOW = datetime(2025, 1, 31, 10, tzinfo=UTC)
USER = "64b0c0ffee64b0c0ffee64b0"
POLICY = Policy(subscriptions={"grace_days": 3, "products": {"prod_pro": "pro", "prod_team": "team"}})
TIERS = st.sampled_from(["pro", "team", "enterprise"])
CYCLES = st.sampled_from(["monthly", "annual"])
INSTANTS = st.integers(0, 2_200 * 86_400_000).map(
    lambda milliseconds: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
)
DAYS = st.integers(0, 900).map(lambda days: timedelta(days=days, hours=5))


def day(month: int, number: int, year: int = 2025) -> datetime:
    return datetime(year, month, number, 10, tzinfo=UTC)


@st.composite
def histories(draw: st.DrawFn) -> tuple[Subscription, datetime]:
    """A subscription that somebody did all sorts of things with, and when the last of them was."""
    now = draw(INSTANTS)
    found = started(None, USER, draw(TIERS), draw(CYCLES), draw(st.sampled_from([0, 14])), now)
    for _ in range(draw(st.integers(0, 4))):
        now += draw(DAYS)
        found = as_of(found, now)
        if found.status == "canceled":
            found = started(found, USER, draw(TIERS), draw(CYCLES), 0, now)
        elif draw(st.booleans()):
            found = changed(found, draw(TIERS), draw(CYCLES), now)
        else:
            found = canceled(found, draw(st.booleans()), now)
    return found, now


def test_a_user_begins_free_which_is_to_be_told_once() -> None:
    """Under the id that whoever starts another one first tells the beginning under."""
    found = subscriptions.begun(USER, "usr_ada", NOW)
    assert found.evolve(version=None, untold=(), due=None) == free(USER, NOW)
    assert found.due == subscriptions.due(found, Policy(), NOW)
    ((id, said),) = [subscriptions.restored(each) for each in found.untold]
    assert (found.version, id) == (1, derived_id(found.id, "1", "0"))
    assert (type(said).__name__, said.user_id, said.tier, said.period_start) == (
        "SubscriptionCreated",
        "usr_ada",
        "free",
        None,
    )


@given(histories(), DAYS, DAYS)
def test_time_is_one(history: tuple[Subscription, datetime], first: timedelta, second: timedelta) -> None:
    """How often somebody looks makes no difference."""
    found, now = history
    end = now + first + second
    assert as_of(as_of(found, now + first), end) == as_of(found, end)
    assert as_of(as_of(found, end), end) == as_of(found, end)


@given(histories(), DAYS)
def test_what_is_in_force_is_in_its_period(history: tuple[Subscription, datetime], later: timedelta) -> None:
    found, now = history
    current = as_of(found, now + later)
    if current.status != "canceled":
        assert current.current_period_start is not None
        assert current.current_period_end is not None
        assert current.current_period_start <= now + later < current.current_period_end
        assert current.status in {"active", "trialing"}


@given(CYCLES, INSTANTS, INSTANTS)
def test_periods_follow_each_other(cycle: Any, anchor: datetime, now: datetime) -> None:
    found = period(cycle, anchor, now)
    assert found.start <= now < found.end
    assert period(cycle, anchor, found.end).start == found.end
    assert period(cycle, anchor, found.end - timedelta(microseconds=1)) == found
    assert period(cycle, anchor, anchor).start == anchor


@given(histories(), TIERS, CYCLES)
def test_who_pays_more_has_it_at_once_and_who_pays_less_not_before_the_period_ends(
    history: tuple[Subscription, datetime], tier: Any, cycle: Any
) -> None:
    found, now = history
    found = as_of(found, now)
    if found.status == "canceled":
        return
    new = changed(found, tier, cycle, now)
    order = ["free", "pro", "team", "enterprise"]
    assert order.index(new.tier) == max(order.index(found.tier), order.index(tier))
    assert new.cancel_at is None
    assert changed(new, tier, cycle, now) is new, "the same again is no change"
    assert new.current_period_end is not None
    after = as_of(new, new.current_period_end)
    assert after.tier == tier
    assert after.billing_cycle == cycle


@given(histories(), st.booleans())
def test_what_is_canceled_ends(history: tuple[Subscription, datetime], at_period_end: bool) -> None:
    found, now = history
    found = as_of(found, now)
    gone = canceled(found, at_period_end, now)
    assert canceled(gone, at_period_end, now) == gone
    end = gone.cancel_at or now
    if at_period_end and found.status != "canceled" and found.cancel_at is None:
        assert end == found.current_period_end
        assert is_entitled(as_of(gone, end - timedelta(seconds=1)), POLICY, end - timedelta(seconds=1))
    assert as_of(gone, max(end, now)).status == "canceled"
    assert entitlements(gone, POLICY, max(end, now)).tier == "free"


def test_a_trial_becomes_what_was_chosen() -> None:
    found = started(None, USER, "pro", "monthly", 14, NOW)
    assert (found.status, found.trial_ends_at, found.current_period_end) == ("trialing", day(2, 14), day(2, 14))
    after = as_of(found, day(2, 14))
    assert (after.status, after.current_period_start, after.current_period_end) == ("active", day(2, 14), day(3, 14))
    assert entitlements(found, POLICY, NOW).tier == "pro"
    gone = canceled(found, True, NOW)
    assert as_of(gone, day(2, 14)).status == "canceled"
    with pytest.raises(InvalidTransition, match="had its trial"):
        started(as_of(gone, day(3, 1)), USER, "pro", "monthly", 14, day(3, 1))


def test_a_month_begins_on_the_anchors_day_and_comes_back_to_it() -> None:
    found = started(None, USER, "pro", "monthly", 0, NOW)
    starts = [as_of(found, day(month, 28)).current_period_end for month in (2, 3, 4)]
    assert starts == [day(3, 31), day(3, 31), day(4, 30)]


def test_from_month_to_year_begins_anew_and_back_waits() -> None:
    found = started(None, USER, "pro", "monthly", 0, NOW)
    yearly = changed(found, "pro", "annual", day(2, 10))
    assert (yearly.current_period_start, yearly.current_period_end) == (day(2, 10), day(2, 10, 2026))
    back = changed(yearly, "pro", "monthly", day(3, 1))
    assert (back.billing_cycle, back.pending_cycle) == ("annual", "monthly")
    assert as_of(back, day(2, 10, 2026)).current_period_end == day(3, 10, 2026)


@pytest.mark.parametrize(
    "call",
    [
        lambda: changed(free(USER, NOW), "pro", "monthly", NOW),
        lambda: canceled(free(USER, NOW), True, NOW),
        lambda: started(started(None, USER, "pro", "monthly", 0, NOW), USER, "team", "monthly", 0, NOW),
        lambda: changed(of_polar(), "team", "monthly", NOW),
        lambda: canceled(of_polar(), True, NOW),
    ],
)
def test_what_cannot_be(call: Any) -> None:
    with pytest.raises(InvalidTransition):
        call()


def test_entitlements_of_the_free() -> None:
    for found in (None, free(USER, NOW)):
        said = entitlements(found, POLICY, NOW)
        assert (said.tier, said.status, said.until, said.grace) == ("free", "active", None, False)
        assert said.quotas == POLICY.quotas["free"]


DATA: dict[str, Any] = {
    "id": "sub_1",
    "status": "active",
    "created_at": "2025-01-31T10:00:00Z",
    "modified_at": None,
    "recurring_interval": "month",
    "current_period_start": "2025-01-31T10:00:00Z",
    "current_period_end": "2025-02-28T10:00:00Z",
    "cancel_at_period_end": False,
    "canceled_at": None,
    "ends_at": None,
    "ended_at": None,
    "trial_end": None,
    "product_id": "prod_pro",
    "customer": {"external_id": USER, "email": "ada@example.com"},
    "metadata": {},
}


def message(type: str = "subscription.updated", **fields: Any) -> bytes:
    return json.dumps({"type": type, "timestamp": "2025-01-31T10:00:01Z", "data": {**DATA, **fields}}).encode()


def said(**fields: Any) -> polar.Snapshot:
    found = polar.snapshot(message(**fields), POLICY)
    assert found is not None
    return found


def of_polar(**fields: Any) -> Subscription:
    return polar.applied(free(USER, NOW), said(**fields), NOW)


SNAPSHOTS = st.lists(
    st.builds(
        lambda modified, status, product, ends, id: said(
            id=f"sub_{id}",
            created_at=f"2025-01-{10 + id}T10:00:00Z",
            modified_at=None if modified is None else f"2025-02-0{modified}T10:00:00.123456Z",
            status=status,
            product_id=product,
            cancel_at_period_end=ends,
        ),
        st.none() | st.integers(1, 3),
        st.sampled_from(["trialing", "active", "past_due", "unpaid", "canceled"]),
        st.sampled_from(["prod_pro", "prod_team"]),
        st.booleans(),
        st.integers(1, 2),
    ),
    min_size=1,
    max_size=6,
)


@given(SNAPSHOTS, st.data())
def test_messages_end_in_one_state_in_whatever_order(snapshots: list[polar.Snapshot], data: Any) -> None:
    """Twice, late, mixed: the same subscription."""
    ends = []
    for order in (snapshots, data.draw(st.permutations([*snapshots, *snapshots]))):
        found = free(USER, NOW)
        for each in order:
            found = polar.applied(found, each, NOW)
        ends.append(found)
    assert ends[0] == ends[1]
    assert ends[0].provider_created_at == max(each.created_at for each in snapshots)


class Careless:
    """The control: whatever arrives last counts."""

    @staticmethod
    def applied(old: Subscription, said: polar.Snapshot, now: datetime) -> Subscription:
        return polar.applied(free(USER, now), said, now)


def test_a_message_that_comes_behind_its_own_end_says_so_from_now_on() -> None:
    """What was used since is counted as it was: it is no news of then."""
    billed, now = of_polar(created_at="2025-01-10T00:00:00Z"), day(3, 12)
    late = said(
        created_at="2025-01-10T00:00:00Z",
        modified_at="2025-02-02T00:00:00Z",
        cancel_at_period_end=True,
        current_period_end="2025-03-05T00:00:00Z",
    )
    found = polar.applied(as_of(billed, now), late, now)
    ended = datetime(2025, 3, 5, tzinfo=UTC)
    assert (found.status, found.cancel_at, found.canceled_at) == ("canceled", ended, ended)
    assert found.counted_from == datetime(2025, 3, 10, tzinfo=UTC)


def test_of_two_that_are_as_late_one_counts_in_whatever_order() -> None:
    one, other = [said(trial_end=end, modified_at="2025-02-02T00:00:00Z") for end in (None, "2025-02-20T10:00:00Z")]
    found = [
        polar.applied(polar.applied(free(USER, NOW), first, NOW), second, NOW)
        for first, second in ((one, other), (other, one))
    ]
    assert found[0] == found[1]


def test_a_message_that_is_late_changes_nothing() -> None:
    older, newer = said(status="active"), said(status="canceled", modified_at="2025-02-01T10:00:00Z")
    ends = []
    for applied in (polar.applied, Careless.applied):
        ends.append(
            [
                applied(applied(free(USER, NOW), first, NOW), second, NOW).status
                for first, second in ((older, newer), (newer, older))
            ]
        )
    assert ends == [["canceled", "canceled"], ["canceled", "active"]]


def test_what_polar_says_in_our_terms() -> None:
    found = of_polar(cancel_at_period_end=True, canceled_at="2025-02-02T00:00:00+02:00", recurring_interval="year")
    assert (found.tier, found.status, found.billing_cycle, found.polar_subscription_id) == (
        "pro",
        "active",
        "annual",
        "sub_1",
    )
    assert found.cancel_at == day(2, 28)
    assert found.canceled_at == datetime(2025, 2, 1, 22, tzinfo=UTC)
    assert polar.snapshot(message(status="incomplete"), POLICY) is None
    named = polar.snapshot(message(product_id="x", product={"metadata": {"tier": "enterprise"}}), POLICY)
    assert named is not None
    assert named.tier == "enterprise"


@pytest.mark.parametrize(
    ("fields", "user"),
    [
        ({}, USER),
        ({"customer": None, "external_id": "usr_ada"}, "usr_ada"),
        ({"customer": None, "metadata": {"user_id": "usr_ben"}}, "usr_ben"),
        ({"customer": {"external_id": None, "metadata": {"user_id": "usr_cyn"}}}, "usr_cyn"),
        ({"customer": [], "external_id": 5, "metadata": "x"}, None),
    ],
)
def test_what_is_about_something_else_is_kept(fields: dict[str, Any], user: str | None) -> None:
    body = message("order.paid", **fields)
    other = polar.other(body, POLICY)
    assert other == ("order.paid", user)
    assert polar.other(message(), POLICY) is None
    webhook = webhooks.Webhook("msg_1", NOW, body)
    kept = polar.received(webhook, polar.Other("order.paid", user), "usr_ada", True)
    assert (kept.webhook_type, kept.sent_at, kept.body) == ("order.paid", NOW, body.decode())
    assert kept.digest == hashlib.sha256(body).hexdigest()
    assert polar.received(webhook, polar.Other("order.paid", user), None, True).body is None
    assert polar.received(webhook, polar.Other("order.paid", user), "usr_ada", False).body is None


def test_what_is_about_a_subscription_and_holds_none_is_kept() -> None:
    metered = json.dumps({"type": "subscription.metered", "data": {"customer": {"external_id": "usr_ada"}}}).encode()
    assert polar.other(metered, POLICY) == ("subscription.metered", "usr_ada")
    assert polar.other(message(type="subscription.slept", status="asleep"), POLICY) == ("subscription.slept", USER)
    assert polar.other(message(type="subscription.slept"), POLICY) is None
    with pytest.raises(InvalidInput, match="another status than trialing, active, past_due"):
        polar.snapshot(message(status="asleep"), POLICY)


@pytest.mark.parametrize("body", [b'"' * 7_001, b"\0", "x".encode("utf-16")])
def test_a_body_that_no_event_holds_is_not_kept(body: bytes) -> None:
    kept = polar.received(webhooks.Webhook("m" * 256, NOW, body), polar.Other("é" * 128, None), "usr_ada", True)
    assert kept.body is None
    quotes = webhooks.Webhook("m" * 256, NOW, b'"' * 7_000)
    CATALOG.encode(polar.received(quotes, polar.Other("é" * 128, None), "usr_ada", True))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        *[json.dumps({"type": type, "data": {}}).encode() for type in (None, 5, "", "x" * 129, "a\0b", "\ud800")],
    ],
)
def test_a_message_without_a_type_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        polar.other(body, POLICY)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        message(status="asleep"),
        message(product_id="prod_unknown"),
        message(product_id="x", product={"metadata": {"tier": "free"}}),
        message(customer={}),
        message(customer=None),
        message(id=5),
        message(id="x" * 201),
        message(id="\ud800"),
        message(id="a\0b"),
        message(created_at=None),
        message(created_at="yesterday"),
        message(created_at="2025-01-31T10:00:00"),
        message(recurring_interval="week"),
        message(current_period_start=None),
        message(product_id=[]),
    ],
)
def test_what_cannot_be_understood_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        polar.snapshot(body, POLICY)


@pytest.mark.parametrize(
    ("fields", "at", "tier"),
    [
        ({}, day(2, 28), "pro"),
        ({}, day(3, 2), "pro"),  # silent since the end of the period, for less than the grace
        ({}, day(3, 3), "free"),
        ({"status": "past_due"}, day(2, 2), "pro"),
        ({"status": "past_due"}, day(2, 3), "free"),
        ({"status": "unpaid"}, day(2, 3), "free"),
        ({"status": "canceled", "ended_at": "2025-02-01T10:00:00Z"}, day(2, 1), "free"),
        ({"cancel_at_period_end": True}, day(2, 27), "pro"),
        ({"cancel_at_period_end": True}, day(2, 28), "free"),
    ],
)
def test_what_is_in_force_of_what_polar_bills(fields: dict[str, Any], at: datetime, tier: str) -> None:
    assert entitlements(of_polar(**fields), POLICY, at).tier == tier


def names(old: Subscription | None, new: Subscription) -> list[str]:
    return [type(each).__name__.removeprefix("Subscription") for each in announced(old, new, "usr_ada")]


def test_what_is_told() -> None:
    none, trial = free(USER, NOW), started(None, USER, "pro", "monthly", 14, NOW)
    active = as_of(trial, day(2, 14))
    assert names(None, none) == ["Created"]
    assert names(none, trial) == ["TierChanged", "TrialStarted"]
    assert names(trial, active) == ["Activated"]
    near = subscriptions.warned(trial, POLICY, day(2, 11))
    assert names(trial, near) == ["TrialWillEnd"]
    assert subscriptions.warned(near, POLICY, day(2, 12)) is near, "told once"
    assert subscriptions.warned(trial, POLICY, day(2, 10)) is trial
    short = subscriptions.warned(started(None, USER, "pro", "monthly", 2, NOW), POLICY, NOW)
    assert names(none, short) == ["TierChanged", "TrialStarted", "TrialWillEnd"]
    assert names(active, as_of(active, day(3, 14))) == ["Renewed"]
    ending = canceled(active, True, day(2, 20))
    assert names(active, ending) == ["Canceled"]
    assert names(ending, changed(ending, "team", "monthly", day(2, 21))) == ["TierChanged", "Uncanceled"]
    assert names(ending, as_of(ending, day(3, 14))) == ["Revoked"]
    assert names(active, changed(active, "pro", "annual", day(2, 20))) == ["BillingCycleChanged"]
    assert names(of_polar(), of_polar(status="past_due")) == ["PastDue"]
    assert names(active, active) == []


def looked_at(found: Subscription, now: datetime) -> tuple[Subscription, str]:
    """What anybody could notice of it: what it has become, what was told of its trial, and the tier in force."""
    current = subscriptions.warned(as_of(found, now), POLICY, now)
    return current, entitlements(current, POLICY, now).tier


@st.composite
def lives(draw: st.DrawFn) -> tuple[Subscription, datetime]:
    """Of ours or of Polar's, as of its last change."""
    if draw(st.booleans()):
        found, now = draw(histories())
    else:
        fields = {"status": draw(st.sampled_from(["trialing", "active", "past_due", "canceled"]))}
        ending, trial = draw(st.booleans()), draw(st.sampled_from([None, "2025-02-20T10:00:00Z"]))
        found, now = of_polar(**fields, cancel_at_period_end=ending, trial_end=trial), NOW
    return looked_at(found, now)[0], now


@given(lives(), DAYS)
def test_nothing_changes_before_it_is_due(life: tuple[Subscription, datetime], later: timedelta) -> None:
    """So whoever looks when it is due misses nothing."""
    found, now = life
    for _ in range(4):
        before, at = looked_at(found, now), subscriptions.due(found, POLICY, now)
        if at is None:
            assert looked_at(found, now + later) == before
            return
        due = datetime.fromtimestamp(at / 1000, UTC)
        assert due > now
        assert looked_at(found, due - timedelta(milliseconds=1)) == before
        found, now = looked_at(found, due)[0], due


def test_it_is_due_to_be_looked_at() -> None:
    trial = started(None, USER, "pro", "monthly", 14, NOW)
    days = []
    found, now = trial, NOW
    for _ in range(3):
        now = datetime.fromtimestamp((subscriptions.due(found, POLICY, now) or 0) / 1000, UTC)
        found = looked_at(found, now)[0]
        days.append((now.month, now.day, found.status))
    assert days == [(2, 11, "trialing"), (2, 14, "active"), (3, 14, "active")]
    silent = of_polar()
    for now, at in ((NOW, day(2, 28)), (day(2, 28), day(3, 3))):
        assert subscriptions.due(silent, POLICY, now) == int(at.timestamp() * 1000), "the grace ends as well"
    assert subscriptions.due(silent, POLICY, day(3, 3)) is None
    assert subscriptions.due(free(USER, NOW), POLICY, NOW) is None
    for left in (trial.evolve(follows=True), trial.evolve(untold=("x",)), free(USER, NOW).evolve(follows=True)):
        assert subscriptions.due(left, POLICY, NOW) == subscriptions.AT_ONCE


@pytest.mark.parametrize("end", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_the_ends_of_time_are_no_error(end: str) -> None:
    for status in ("trialing", "active", "past_due"):
        found = of_polar(status=status, current_period_end=end, trial_end=end)
        subscriptions.due(looked_at(found, NOW)[0], POLICY, NOW)
    with pytest.raises(InvalidInput):
        polar.snapshot(message(current_period_end="0001-01-01T00:00:00+14:00"), POLICY)


KEY = b"0123456789abcdef0123456789abcdef"
BODY = b'{"type":"subscription.updated"}'


def headers(key: bytes = KEY, id: str = "msg_1", at: datetime = NOW, body: bytes = BODY) -> dict[str, str]:
    seconds = int(at.timestamp())
    return {
        "Webhook-Id": id,
        "webhook-timestamp": str(seconds),
        "WEBHOOK-SIGNATURE": f"v1,b3RoZXI= {webhooks.signature(key, id, seconds, body)}",
    }


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """Made here by hand, from its specification."""
    mac = hmac.new(KEY, b"msg_1.1738317600." + BODY, hashlib.sha256).digest()
    assert webhooks.signature(KEY, "msg_1", 1738317600, BODY) == "v1," + base64.b64encode(mac).decode()
    assert webhooks.key_of("whsec_" + base64.b64encode(KEY).decode()) == KEY
    assert webhooks.key_of("polar_whs_abc") == b"polar_whs_abc"
    found = webhooks.verified(headers(), BODY, [b"an older key", KEY], NOW)
    assert found == webhooks.Webhook("msg_1", NOW, BODY)
    assert webhooks.verified(headers(), BODY.decode(), [KEY], NOW) == found


@given(st.integers(0, 7), st.integers(-301, 301))
def test_what_is_not_as_it_was_signed_is_refused(kind: int, seconds: int) -> None:
    good, body, keys, now = headers(), BODY, [KEY], NOW + timedelta(seconds=seconds)
    if kind == 1:
        body = BODY + b" "
    elif kind == 2:
        keys = [b"another key"]
    elif kind == 3:
        good["Webhook-Id"] = "msg_2"
    elif kind == 4:
        good["webhook-timestamp"] = str(int(NOW.timestamp()) + 1)
    elif kind == 5:
        del good["WEBHOOK-SIGNATURE"]
    elif kind == 6:
        keys = []
    elif kind == 7:
        good["WEBHOOK-SIGNATURE"] = good["WEBHOOK-SIGNATURE"].replace("v1,", "v2,")
    if kind == 0 and abs(seconds) <= webhooks.TOLERANCE:
        webhooks.verified(good, body, keys, now)
    else:
        with pytest.raises(Forbidden):
            webhooks.verified(good, body, keys, now)


@pytest.mark.parametrize("wrong", [None, 5, "", "short", "whsec_", "whsec_%%%%", "x" * 1025])
def test_a_secret_that_is_none_is_not_repeated(wrong: Any) -> None:
    with pytest.raises(ConfigurationError) as raised:
        webhooks.key_of(wrong)
    assert not wrong or str(wrong) not in str(raised.value) or wrong == "whsec_"


@pytest.mark.parametrize("body", [None, 5, b"x" * 1_000_001])
def test_a_body_that_is_none_is_refused(body: Any) -> None:
    with pytest.raises(Forbidden):
        webhooks.verified(headers(), body, [KEY], NOW)


def test_what_was_not_kept_is_not_restored() -> None:
    with pytest.raises(ValueError, match="not told of subscriptions"):
        subscriptions.restored("0 Nothing {}")
