"""XP, §1 and §2: what an award comes to. Reversals and restores have a file of their own."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree.errors import InvalidInput, InvalidPolicy
from tektree.models.base import INT53, Frozen
from tektree.models.gamification import AwardRequest, EntityRef, GamificationProfile, Outcome, Reason, XPTransaction
from tektree.policy import XP, Multiplier, Policy, Source
from tektree.rules import explanations, inputs, xp
from tests.rules.ledgers import DAY, HOMES, HOUR, NOON, SOURCES, STEPS, USER, Ledger, enrolled, limited, play, used
from tests.rules.zones import instant, local, zones

MINUTE = timedelta(minutes=1)


def request(source: str = "manual", at: datetime = NOON, **fields: Any) -> AwardRequest:
    return AwardRequest(user_id=USER, source=source, key=fields.pop("key", "k"), at=at, **fields)


def decided(policy: Policy, profile: GamificationProfile | None = None, **fields: Any) -> xp.Decision:
    return xp.award(profile or enrolled(policy), request(**fields), policy, NOON)


def denied(decision: xp.Decision | XPTransaction) -> xp.Decision:
    assert isinstance(decision, xp.Decision)
    assert (decision.outcome, decision.row, decision.events) == (Outcome.DENIED, None, ())
    return decision


# The order, and the row.


def test_the_one_order() -> None:
    """validate → amount for the source → idempotency → abuse checks → multiply → round once → clamp to the daily room →
    ledger row → totals → level, streak, achievements → events (one commit). One order, no exceptions."""
    policy = Policy(
        xp={
            "daily_cap": 20,
            "multipliers": [{"name": "a", "factor": "3/2"}, {"name": "b", "factor": "1.1"}],
            "sources": {"answer_posted": {"amount": 13, "cooldown_seconds": 60}},
        },
        levels={"kind": "linear", "first": 20},
    )
    ledger = Ledger(policy)
    row = ledger.gives("answer_posted", NOON, about="a")
    assert (row.asked, row.requested, row.amount, row.reason) == (None, 21, 20, "daily_cap")  # 13 · 3/2 · 11/10 = 21.45
    assert (ledger.profile.total_xp, ledger.profile.current_level, ledger.profile.streak.current) == (20, 2, 1)
    assert [event.event_type for event in ledger.events] == [
        "xp.awarded",
        "xp.capped",
        "level.up",
        "streak.started",
        "achievement.unlocked",
    ]
    assert (
        denied(ledger.award("answer_posted", NOON + 59_000 * timedelta(milliseconds=1), about="b")).reason == "cooldown"
    )
    assert ledger.gives("answer_posted", NOON + MINUTE, about="b").amount == 0


def test_a_row_says_what_was_decided_and_why() -> None:
    """A row keeps the data model's fields and, additively: the requested and the effective amount (`amount` is the
    effective one), the reason when they differ, the idempotency key, the award day and the time zone used, the cap in
    force, the sequence number per user, the policy version, and for a reversal the row it reverses."""
    ledger = Ledger(Policy(version="2025-12", xp={"daily_cap": 30}), timezone="Asia/Tokyo")
    evening = NOON + 6 * HOUR  # the 17th in Tokyo
    row = ledger.gives("manual", evening, amount=50, about=EntityRef("answer", "a1"), key="k1")
    assert (row.user_id, row.source, row.timestamp, row.recorded_at) == (USER, "manual", evening, evening)
    assert (row.related_entity_type, row.related_entity_id) == ("answer", "a1")
    assert row.about == EntityRef("answer", "a1")
    assert (row.daily_total, row.daily_cap) == (30, 30)
    assert (row.requested, row.amount, row.asked, row.reason) == (50, 30, 50, Reason.DAILY_CAP)
    assert (row.key, row.day, row.timezone, row.week) == ("k1", "2025-12-17", "Asia/Tokyo", "2025-W51")
    assert (row.seq, row.policy_version) == (1, "2025-12")
    assert ledger.gives("answer_accepted", evening, about="a").reason is None
    ledger.reverse(row, evening, "spam")
    assert (ledger.rows[-1].reverses, ledger.rows[-1].note) == (row.transaction_id, "spam")
    assert ledger.rows[-1].about == row.about


def test_activity_and_freezes_are_rows() -> None:
    """`record_activity` and **granted** freezes are rows of amount 0 (sources `activity`, keyed by (user, day), and
    `freezes_granted`; `reversal` and `restore` are sources too); **spent** and earned freezes stand, with their
    dates, on the row of the fact that finds the gap."""
    ledger = Ledger()
    ledger.activity(NOON)
    first = ledger.rows[0]
    assert (first.source, first.amount, first.room, first.activity) == ("activity", 0, 0, True)
    assert first.key == "~activity:2025-12-16"
    assert ledger.activity(NOON + HOUR) is first
    ledger.freezes(2, NOON, "gift")
    assert ledger.freezes(2, NOON, "gift") is ledger.rows[1]
    assert (ledger.rows[1].source, ledger.rows[1].amount, ledger.rows[1].activity) == ("freezes_granted", 0, False)
    ledger.activity(NOON + 2 * DAY)
    effect = ledger.rows[2].streak
    assert effect is not None
    assert (effect.spent, effect.freezes) == (("2025-12-17",), -1)
    row = ledger.gives("manual", NOON + 2 * DAY, amount=1)
    ledger.reverse(row, NOON + 2 * DAY)
    ledger.restore(row, NOON + 2 * DAY)
    assert [each.source for each in ledger.rows[-2:]] == ["reversal", "restore"]


def test_activity_in_the_future_is_denied() -> None:
    ledger = Ledger()
    decision = denied(ledger.activity(NOON, NOON + HOUR))
    assert (decision.reason, decision.again_at) == ("future_event", NOON + HOUR)
    assert ledger.rows == []


# Outcomes and reasons.

CASES: dict[str, tuple[dict[str, Any], list[tuple[int, str]], str, int | None]] = {
    # fields of the source, awards before (minutes, entity), the reason, minutes after which it can be tried again
    "future_event": ({}, [], "future_event", 30),
    "excluded": ({"enabled": False}, [], "excluded", None),
    "level_cap": ({"up_to_level": 1, "amount": 200}, [(0, "a")], "level_cap", None),
    "cooldown": ({"cooldown_seconds": 3600}, [(0, "a")], "cooldown", 60),
    "source_max of a day": ({"per_day": 2}, [(0, "a"), (0, "b")], "source_max", 720),
    "source_max in all": ({"in_all": 1}, [(0, "a")], "source_max", None),
    "none a day": ({"per_day": 0}, [], "source_max", None),
    "none at all": ({"in_all": 0}, [], "source_max", None),
    "non_repeatable": ({"once": "user"}, [(0, "a")], "non_repeatable", None),
}


@pytest.mark.parametrize("case", CASES)
def test_denials(case: str) -> None:
    """**Outcome**: `granted`; `clamped` (a row, possibly of amount 0: the cap is full; activity still counts);
    `duplicate`; or `denied` (no row, the key stays free: a future `at`, a cooldown …), with a reason from a closed set
    (`daily_cap`, `cooldown`, `source_max`, `self_action`, `non_repeatable`, `level_cap`, `excluded`, `future_event`).
    Cooldowns and per-source limits are decided from per-source counters in the snapshot, not from a read of the
    history."""
    fields, before, reason, minutes = CASES[case]
    policy = Policy(xp={"sources": {"answer_posted": fields}})
    ledger = Ledger(policy)
    for at, about in before:
        ledger.gives("answer_posted", NOON + MINUTE * at, about=about)
    at = NOON + 30 * MINUTE if case == "future_event" else NOON
    decision = denied(ledger.award("answer_posted", NOON, about="z", at=at, key="k"))
    assert decision.reason == reason
    assert decision.again_at == (None if minutes is None else NOON + MINUTE * minutes)
    told = explanations.of_denial(request("answer_posted"), Reason(reason), decision.again_at)
    assert (str(decision.again_at.isoformat()) in told.text) if decision.again_at else "again" not in told.text
    if decision.again_at:  # and then it succeeds, under the same key
        assert ledger.gives("answer_posted", decision.again_at, about="z", key="k").key == "k"
    else:
        ledger.policy = Policy()
        ledger.gives("answer_posted", NOON, about="z", key="k")


def test_the_reasons_are_a_closed_set() -> None:
    """With a reason from a closed set (`daily_cap`, `cooldown`, `source_max`, `self_action`, `non_repeatable`,
    `level_cap`, `excluded`, `future_event`)."""
    assert {reason.value for reason in Reason} == {
        "daily_cap",
        "cooldown",
        "source_max",
        "self_action",
        "non_repeatable",
        "level_cap",
        "excluded",
        "future_event",
    }
    assert {outcome.value for outcome in Outcome} == {"granted", "clamped", "duplicate", "denied"}


def test_a_limit_of_none_a_day_holds_on_every_day() -> None:
    """Cooldowns and per-source limits are decided from per-source counters: those of yesterday do not lift a limit."""
    ledger = Ledger()
    ledger.gives("answer_posted", NOON, about="a")
    ledger.policy = Policy(xp={"sources": {"answer_posted": {"per_day": 0}}})
    assert denied(ledger.award("answer_posted", NOON + DAY, about="b")).reason == "source_max"


def test_limits_of_a_day_begin_anew() -> None:
    """Cooldowns and per-source limits are decided from per-source counters in the snapshot, not from a read of the
    history."""
    ledger = Ledger(Policy(xp={"sources": {"answer_posted": {"per_day": 1, "in_all": 3}}}))
    for day in range(3):
        ledger.gives("answer_posted", NOON + day * DAY, about=str(day))
        assert denied(ledger.award("answer_posted", NOON + day * DAY, about="x")).reason == "source_max"
    assert denied(ledger.award("answer_posted", NOON + 9 * DAY, about="x")).again_at is None
    counter = ledger.profile.counters["answer_posted"]
    assert (counter.count, counter.today, counter.day, counter.last_at) == (3, 1, "2025-12-18", NOON + 2 * DAY)


def test_a_full_cap_still_counts_as_activity() -> None:
    """`clamped` (a row, possibly of amount 0: the cap is full; activity still counts)."""
    ledger = Ledger(Policy(xp={"daily_cap": 0}))
    decision = ledger.award("answer_posted", NOON, about="a")
    assert isinstance(decision, xp.Decision)
    assert (decision.outcome, decision.reason) == (Outcome.CLAMPED, Reason.DAILY_CAP)
    assert decision.row is not None
    assert (decision.row.amount, ledger.profile.streak.current) == (0, 1)
    assert ledger.profile.counters["answer_posted"].count == 1


def test_own_doing_is_activity_and_others_is_not() -> None:
    """An award whose source is the user's own doing counts as activity for the streak; one that others cause (a vote
    received) does not: a flag of the source."""
    ledger = Ledger()
    ledger.gives("answer_upvoted", NOON, about="v")
    assert ledger.profile.streak.current == 0
    ledger.gives("answer_posted", NOON, about="a")
    assert ledger.profile.streak.current == 1


# Keys.


def test_keys() -> None:
    """**Exactly once.** The key is the caller's; else, when `about` is given, derived from (source, user, entity); else
    random (a retry is then a new award, and the docs say so)."""
    policy, about = Policy(), EntityRef("answer", "a1")
    assert xp.key_of(USER, "answer_posted", about, policy) == "~answer_posted:answer:a1"
    assert xp.key_of(USER, "answer_posted", None, policy) is None
    assert xp.key_of(USER, "manual", about, policy) is None
    assert xp.key_of(USER, "email_verified", None, policy) == "~email_verified"
    long = EntityRef("answer", "a" * 128), EntityRef("b" * 64, "a" * 128)
    keys = [xp.key_of(USER, "x" * 60, each, Policy(xp={"sources": {"x" * 60: {"amount": 1}}})) for each in long]
    assert all(key is not None and len(key) <= 200 for key in keys)
    assert len({*keys, xp.key_of("f" * 24, "x" * 60, long[1], Policy(xp={"sources": {"x" * 60: {"amount": 1}}}))}) == 3
    ledger = Ledger()
    first = ledger.gives("answer_posted", NOON, about="a")
    assert ledger.award("answer_posted", NOON + HOUR, about="a") is first
    assert ledger.gives("answer_posted", NOON, about="b") is not first
    assert ledger.gives("manual", NOON, amount=1).key != ledger.gives("manual", NOON, amount=1).key


@given(st.lists(st.tuples(st.text("ab:~", min_size=1, max_size=4), st.sampled_from("ab")), min_size=2, max_size=2))
def test_no_two_entities_share_a_key(entities: list[tuple[str, str]]) -> None:
    """Reactions key an award by (rule, actor, target), so two voters on one answer are two awards and one voter twice
    is one."""
    keys = [xp.key_of(USER, "answer_posted", EntityRef(kind, id), Policy()) for id, kind in entities]
    assert (keys[0] == keys[1]) is (entities[0] == entities[1])


# Multipliers.


def exact(base: int, factors: Sequence[Fraction], stacking: str, ceiling: Fraction | None, rounding: str) -> int:
    """What the multipliers come to, said another way: numerators and denominators."""
    if not factors:
        return base
    if stacking == "compound":
        top, bottom = 1, 1
        for each in factors:
            top, bottom = top * each.numerator, bottom * each.denominator
        factor = Fraction(top, bottom)
    elif stacking == "additive":
        factor = max(Fraction(0), sum(factors, Fraction(1 - len(factors))))
    else:
        factor = sorted(factors)[-1]
    if ceiling is not None and factor > ceiling:
        factor = ceiling
    whole, rest = divmod(base * factor.numerator, factor.denominator)
    half = 2 * rest - factor.denominator
    up = {
        "floor": False,
        "ceil": rest > 0,
        "half_up": half >= 0,
        "half_even": half > 0 or (half == 0 and whole % 2 == 1),
    }
    return whole + up[rounding]


fractions = st.fractions(Fraction(1, 100), 5, max_denominator=100)


@given(
    st.integers(1, 10**6),
    st.lists(fractions, max_size=4),
    st.sampled_from(["compound", "additive", "highest"]),
    st.none() | fractions,
    st.sampled_from(["floor", "ceil", "half_up", "half_even"]),
)
def test_multipliers_are_exact_and_rounded_once(
    base: int, factors: list[Fraction], stacking: Any, ceiling: Fraction | None, rounding: Any
) -> None:
    """Multipliers are conditions with a half-open window `[from, until)`; stacking `compound`, `additive` or `highest`,
    with a ceiling. Exact arithmetic (`Fraction`/`Decimal`), one rounding at the end (floor by default; the mode is
    named)."""
    policy = Policy(
        xp=XP(
            daily_cap=None,
            multipliers=tuple([Multiplier(name="m", factor=factor) for factor in factors]),
            stacking=stacking,
            ceiling=ceiling,
            rounding=rounding,
        )
    )
    row = decided(policy, amount=base).row
    assert row is not None
    assert row.requested == row.amount == exact(base, factors, stacking, ceiling, rounding)
    assert row.asked == base
    assert XP().rounding == "floor"


@pytest.mark.parametrize(
    ("fields", "matches"),
    [
        ({}, True),
        ({"since": NOON}, True),
        ({"since": NOON + timedelta(milliseconds=1)}, False),
        ({"until": NOON}, False),
        ({"until": NOON + timedelta(milliseconds=1)}, True),
        ({"sources": ["manual"]}, True),
        ({"sources": ["answer_posted"]}, False),
        ({"sources": []}, False),
        ({"tiers": ["pro", "free"]}, True),
        ({"tiers": ["pro"]}, False),
        ({"min_streak": 1}, False),
        ({"min_streak": 0}, True),
    ],
)
def test_conditions_of_multipliers(fields: dict[str, Any], matches: bool) -> None:
    """Multipliers are conditions with a half-open window `[from, until)`."""
    row = decided(Policy(xp={"multipliers": [{"name": "m", "factor": 3, **fields}]}), amount=10).row
    assert row is not None
    assert row.amount == (30 if matches else 10)


def test_penalties_are_not_multiplied() -> None:
    ledger = Ledger(Policy(xp={"multipliers": [{"name": "m", "factor": 3}]}))
    assert ledger.gives("answer_downvoted", NOON, about="v").amount == -2


def the_cap_is_not_passed(amounts: Sequence[int], cap: int) -> None:
    """What is booked to one day is at most its cap."""
    assert sum(amounts) <= cap, f"{sum(amounts)} pass the cap of {cap}"


def test_multiply_before_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    """**Multiply before the cap** (GamifyKit does it after: 60 × 2 passes its cap of 100). Positive control: done
    after, it is caught."""
    policy = Policy(xp={"daily_cap": 100, "multipliers": [{"name": "double", "factor": 2}]})

    def amount() -> int:
        row = decided(policy, amount=60).row
        assert row is not None
        assert row.requested == 120
        return row.amount

    the_cap_is_not_passed([amount()], 100)
    clamped = xp._clamped

    def after(requested: int, *rest: Any) -> tuple[int, int]:
        amount, room = clamped(requested // 2, *rest)
        return amount * 2, room

    monkeypatch.setattr(xp, "_clamped", after)
    with pytest.raises(AssertionError, match="120 pass the cap of 100"):
        the_cap_is_not_passed([amount()], 100)


# Amounts.


@pytest.mark.parametrize("wrong", [True, 1.5, "5", float("nan"), -1, 0, INT53 + 1, 10**30, b"5", [5], float("inf")])
def test_only_integers_are_amounts(wrong: Any) -> None:
    """`award()` takes integers `1 … 2^53`; `True`, `1.5`, `"5"`, `NaN`, negatives and larger are typed errors before
    anything is written."""
    with pytest.raises(InvalidInput) as caught:
        inputs.amount(wrong)
    assert caught.value.field == "amount"


@pytest.mark.parametrize("amount", [1, INT53])
def test_the_smallest_and_the_largest_amount(amount: int) -> None:
    """`award()` takes integers `1 … 2^53`."""
    policy = Policy(xp={"daily_cap": "unlimited"})
    assert inputs.amount(amount) == amount
    decision = decided(policy, amount=amount)
    assert decision.row is not None
    assert (decision.row.amount, decision.row.daily_cap) == (amount, INT53)


def test_amounts_of_sources() -> None:
    """`amount=` overrides a positive source's amount. Sources of the policy may be negative (a downvote)."""
    row = decided(Policy(), source="answer_posted", amount=12).row
    assert row is not None
    assert (row.amount, row.asked) == (12, 12)
    for fields, field in (
        ({"source": "answer_downvoted", "amount": 2}, "amount"),
        ({"source": "manual"}, "amount"),
        ({"source": "manual", "amount": 0}, "amount"),
        ({"source": "manual", "amount": -3}, "amount"),
        ({"source": "nothing_known"}, "source"),
    ):
        with pytest.raises(InvalidInput) as caught:
            decided(Policy(), **fields)
        assert caught.value.field == field
    with pytest.raises(InvalidInput):
        xp.key_of(USER, "nothing_known", None, Policy())


def test_totals_stay_within_what_is_exact() -> None:
    """Negatives and larger are typed errors before anything is written: no sum passes 2⁵³ either."""
    ledger = Ledger(Policy(xp={"daily_cap": "unlimited", "multipliers": [{"name": "m", "factor": 2, "min_streak": 1}]}))
    ledger.gives("manual", NOON, amount=INT53 - 2)
    with pytest.raises(InvalidInput) as caught:
        ledger.award("manual", NOON, amount=3)
    assert caught.value.field == "amount"
    ledger.gives("answer_downvoted", NOON, about="v")
    with pytest.raises(InvalidInput):
        ledger.award("manual", NOON, amount=5)
    with pytest.raises(InvalidInput):  # the total would do, the day's would not
        ledger.award("manual", NOON, amount=4)
    ledger.gives("manual", NOON + 8 * DAY, amount=4)
    assert ledger.profile.total_xp == INT53


def test_what_was_requested_stays_exact_too() -> None:
    """The requested amount stands on the row: more than 2⁵³ of it is refused even where the cap would leave little."""
    policy = Policy(xp={"multipliers": [{"name": "m", "factor": 1000}]})
    with pytest.raises(InvalidInput) as caught:
        decided(policy, amount=INT53)
    assert caught.value.field == "amount"


def test_totals_may_fall_below_zero() -> None:
    """`total_xp` is the true sum and may fall below zero; levels, boards and everything shown use `max(0, total)`. The
    ledger keeps true sums; a floor at zero is applied when shown, so the order of votes never matters."""
    ends = []
    for votes in (["down", "down", "up"], ["up", "down", "down"]):
        ledger = Ledger(Policy(achievements=()))
        for at, vote in enumerate(votes):
            ledger.gives(f"answer_{vote}voted", NOON, about=str(at))
        ends.append((ledger.profile.total_xp, ledger.profile.current_level))
    assert ends == [(6, 1), (6, 1)]
    ledger = Ledger()
    ledger.gives("answer_downvoted", NOON, about="v")
    assert (ledger.profile.total_xp, ledger.profile.current_level, ledger.profile.xp_to_next_level) == (-2, 1, 200)
    assert ledger.profile.achievements == ()


# What is owed.


def test_what_is_owed_stands_until_it_is_paid() -> None:
    """XP that an achievement or a level owes is a further row with a deterministic key; what is owed stands in the
    snapshot until that row is there, so a crash between the two is made good by the next award or the sweep."""
    policy = Policy(
        achievements=[{"id": "ach_rich", "name": "Rich", "metric": "total_xp", "tiers": [5, 50], "xp": [3]}],
        levels={"kind": "linear", "first": 10, "rewards": {2: 7}},
    )
    ledger = Ledger(policy, pays=False)
    ledger.gives("manual", NOON, amount=10)
    owed = [(each.key, each.source, each.amount) for each in ledger.profile.owed]
    assert owed == [
        ("~achievement_unlocked:ach_rich:1", "achievement_unlocked", 3),
        ("~level_reward:2", "level_reward", 7),
    ]
    ledger.gives("manual", NOON + HOUR, amount=1)  # cut off, and another award
    assert [(each.key, each.source, each.amount) for each in ledger.profile.owed] == owed
    ledger.pay(NOON + DAY)
    assert ledger.profile.owed == ()
    assert [(row.pays, row.key, row.amount, row.timestamp) for row in ledger.rows[2:]] == [
        (key, key, amount, NOON) for key, _, amount in owed
    ]
    assert ledger.profile.total_xp == 21


def test_what_is_owed_of_a_capped_source_is_clamped() -> None:
    """XP that an achievement or a level owes is a further row: it takes room if its source does, and gives what
    fits."""
    policy = Policy(
        xp={"daily_cap": 12, "sources": {"level_reward": {"capped": True}}},
        levels={"kind": "linear", "first": 10, "rewards": {2: 7}},
    )
    ledger = Ledger(policy)
    ledger.gives("manual", NOON, amount=10)
    paid = ledger.rows[-1]
    assert (paid.requested, paid.amount, paid.room, paid.reason, paid.daily_total) == (7, 2, 2, "daily_cap", 12)


def test_a_source_that_is_gone_still_pays() -> None:
    ledger = Ledger(Policy(streaks={"milestones": [1]}), pays=False)
    ledger.activity(NOON)
    owed = ledger.profile.owed[0].model_copy(update={"source": "streak_gone"})
    decision = xp.payout(ledger.profile, owed, Policy(), NOON)
    assert decision.row is not None
    assert (decision.row.amount, decision.row.room) == (10, 0)


@pytest.mark.parametrize("fields", [{"enabled": False}, {"amount": None}])
def test_a_milestone_without_an_amount_owes_nothing(fields: dict[str, Any]) -> None:
    policy = Policy(xp=XP(sources={"streak_milestone": Source(**{"amount": 10, "capped": False, **fields})}))
    ledger = Ledger(policy)
    for day in range(8):
        ledger.activity(NOON + day * DAY)
    assert ledger.profile.streak.current == 8
    assert not [row for row in ledger.rows if row.pays]


# The daily cap.


def test_the_default_cap() -> None:
    """Default cap 500, by tier if the policy says so; the cap in force is stored on the row, so replay is exact after
    the host changes it."""
    assert [Policy().xp.cap(tier) for tier in ("free", "pro", "team", "enterprise")] == [500] * 4
    caps = {"free": 1, "pro": 2, "team": 3, "enterprise": "unlimited"}
    policy = Policy(xp={"daily_cap": caps})
    for tier, cap in (("free", 1), ("pro", 2), ("team", 3), ("enterprise", INT53)):
        row = decided(policy, enrolled(policy, tier=tier), amount=10).row
        assert row is not None
        assert (row.daily_cap, row.amount) == (cap, min(cap, 10))


def test_a_lower_cap_in_the_middle_of_a_day_gives_nothing_and_takes_nothing() -> None:
    """`effective = min(requested, cap − used(day))`, never negative."""
    ledger = Ledger()
    ledger.gives("manual", NOON, amount=400)
    ledger.policy = Policy(xp={"daily_cap": 100})
    row = ledger.gives("manual", NOON, amount=5)
    assert (row.amount, row.room, row.daily_total) == (0, 0, 400)


def effective(cap: int, spent: int, requested: int) -> tuple[int, int]:
    """What an award gives after ``spent`` of the day's ``cap``, and the room it takes."""
    ledger = Ledger(Policy(xp={"daily_cap": cap}, achievements=()))
    if spent:
        ledger.gives("manual", NOON, amount=spent)
    row = ledger.gives("manual", NOON, amount=requested)
    return row.amount, row.room


@given(st.integers(0, 50), st.integers(0, 60), st.integers(1, 60))
def test_the_cap(cap: int, spent: int, requested: int) -> None:
    """`effective = min(requested, cap − used(day))`, never negative; at every prefix of the ledger `0 ≤ used(day) ≤
    cap`. (Apache Answer tests `earned < 200` and then adds it all: 195 + 10 = 205.)"""
    fits = min(requested, cap - min(cap, spent))
    assert effective(cap, spent, requested) == (fits, fits)
    assert effective(200, 195, 10) == (5, 5)


@pytest.mark.parametrize("source", ["answer_accepted", "email_verified", "answer_downvoted"])
def test_exempt_and_negative_sources(source: str) -> None:
    """Exempt sources take no room and are not limited. Negative sources make no room."""
    ledger = Ledger(Policy(xp={"daily_cap": 10, "sources": {"answer_downvoted": {"capped": True}}}))
    ledger.gives("manual", NOON, amount=10)
    row = ledger.gives(source, NOON, about="v")
    assert (row.amount, row.room, row.daily_total) == (Policy().xp.sources[source].amount, 0, 10)
    assert ledger.gives("manual", NOON, amount=5).amount == 0


@given(
    st.lists(st.tuples(st.integers(-80, 80), st.sampled_from(HOMES), st.integers(1, 40), st.booleans()), max_size=12)
)
def test_neither_clock_nor_zone_gives_a_second_cap(steps: list[tuple[int, str, int, bool]]) -> None:
    """It never moves back: `day = max(previous day, local date)`, so neither a change of zone nor a clock set back nor
    a late fact gives a second cap. (A streak's date may be earlier than the cap's day: §4.)"""
    ledger, now = Ledger(Policy(xp={"daily_cap": 30}, achievements=())), NOON
    given_by_day: dict[str, int] = {}
    for hours, home, amount, moves in steps:
        now += HOUR * hours
        if moves:
            ledger.moves(home, now)
        before = ledger.profile.day or ""
        row = ledger.gives("manual", now, amount=amount)
        assert row.day == max(before, local(now, ledger.profile.timezone).isoformat())
        given_by_day[row.day] = given_by_day.get(row.day, 0) + row.amount
    assert all(amount <= 30 for amount in given_by_day.values())


def test_a_cap_s_day_that_went_back_would_give_a_second_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Positive control: the day of the clock alone, and a move to and fro earns twice on one date."""

    def earned() -> int:
        ledger = Ledger(Policy(xp={"daily_cap": 30}, achievements=()))
        for home in ("Pacific/Kiritimati", "UTC", "Pacific/Kiritimati"):
            ledger.moves(home, NOON)
            ledger.award("manual", NOON, amount=30)
        return sum([row.amount for row in ledger.rows if row.day == "2025-12-17"])

    assert earned() == 30
    monkeypatch.setattr(
        "builtins.max", lambda *given, **by: given[-1] if isinstance(given[0], str) else MAX(*given, **by)
    )
    with pytest.raises(AssertionError):
        assert earned() == 30


MAX = max


def test_days_of_the_cap_are_local() -> None:
    """The cap's day is the user's local day (IANA zone, default UTC) and is stored on the row. Dates are the local
    dates of the fact's `at`, for cap and streak alike."""
    assert enrolled().timezone == "UTC"
    for name, day in (("UTC", "2025-12-16"), ("Pacific/Kiritimati", "2025-12-17"), ("Etc/GMT+12", "2025-12-16")):
        ledger = Ledger(timezone=name)
        row = ledger.gives("answer_posted", NOON, about="a")
        assert (row.day, row.timezone) == (day, name)
        assert row.streak is not None
        assert row.streak.day == day


@given(zones, st.dates(date(1990, 1, 1), date(2060, 1, 1)), st.integers(0, 86_399), st.integers(0, 400))
def test_a_late_fact_has_the_cap_s_day(name: str, day: date, second: int, hours: int) -> None:
    """(A streak's date may be earlier than the cap's day: §4.)"""
    ledger = Ledger(timezone=name)
    now = instant(day, second, name)
    ledger.gives("manual", now, amount=1)
    row = ledger.gives("answer_posted", now, about="a", at=now - HOUR * hours)
    assert row.day == local(now, name).isoformat()
    assert row.streak is None or row.streak.day == local(now - HOUR * hours, name).isoformat()


# Exactness of the whole.


@given(STEPS, st.sampled_from(HOMES))
def test_rules_are_pure(steps: list[tuple[str, int, int, int]], home: str) -> None:
    """Every rule is a pure function in `rules/`; every number is a default in `Policy`: the same asked again is the
    same said again, and nothing that was passed has changed."""
    ledger = Ledger(Policy(xp={"daily_cap": 40}), home)
    now = play(ledger, steps)
    profile = ledger.profile
    before = profile.model_dump()
    for source in SOURCES:
        asked = request(source, at=now, amount=5 if source == "manual" else None, key=f"pure:{source}")
        decisions = [xp.award(profile, asked, ledger.policy, now) for _ in range(2)]
        assert decisions[0] == decisions[1]
        assert profile.model_dump() == before


def test_a_decision_takes_dates_of_earlier_marks() -> None:
    decision = xp.award(enrolled(), request(amount=5), Policy(), NOON, Frozen())
    assert decision.earlier == ()


def test_policies_cannot_write_the_package_s_rows() -> None:
    """`reversal` and `restore` are sources too: of rows that the package writes itself."""
    for source in ("activity", "freezes_granted", "reversal", "restore"):
        with pytest.raises(InvalidPolicy):
            Policy(xp={"sources": {source: {"amount": 1}}})


def test_the_helpers_of_these_tests_count_right() -> None:
    ledger = Ledger(Policy(xp={"daily_cap": 30}))
    row = ledger.gives("manual", NOON, amount=25)
    ledger.gives("answer_accepted", NOON, about="a")
    ledger.reverse(row, NOON)
    is_limited = limited(ledger.policy)(ledger.rows)
    assert [is_limited(each) for each in ledger.rows] == [True, False, True]
    assert used(ledger.rows, "2025-12-16") == 0
    assert exact(5, [Fraction(1, 2)], "compound", None, "half_even") == 2
