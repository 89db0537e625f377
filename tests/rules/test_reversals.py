"""Reversals and restores, §1 and §2: their algebra, over histories of every kind; and each sentence by example."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tektree.models.base import made
from tektree.models.gamification import GamificationProfile, XPTransaction
from tektree.policy import Policy
from tektree.rules import xp
from tests.rules.ledgers import (
    DAY,
    HOMES,
    HOUR,
    NOON,
    POLICIES,
    SOURCES,
    STEPS,
    UID,
    Ledger,
    limited,
    play,
    room_is_kept,
    used,
)

policies = st.sampled_from(POLICIES)
tiers = st.sampled_from(["free", "pro"])
homes = st.sampled_from(HOMES)
Steps = list[tuple[str, int, int, int]]


def totals(profile: GamificationProfile) -> dict[str, Any]:
    """Totals, day, level and board of a profile."""
    names = (
        "total_xp",
        "current_level",
        "xp_to_next_level",
        "daily_xp_earned",
        "daily_xp_reset_at",
        "day",
        "week",
        "weekly_xp",
        "reached_at",
        "weekly_reached_at",
    )
    return {name: getattr(profile, name) for name in names}


def cap_holds(ledger: Ledger) -> None:
    """The cap, over a ledger whose tier has one."""
    cap = ledger.policy.xp.cap(ledger.profile.tier)
    assert cap is not None
    room_is_kept(ledger.rows, limited(ledger.policy)(ledger.rows), cap)


@given(policies, tiers, homes, STEPS)
@example(
    POLICIES[0],
    "free",
    "UTC",
    [("award", 0, 0, 20), ("reverse", 0, 0, 1), ("award", 0, 0, 25), ("restore", 0, 1, 1), ("reverse", 0, 0, 1)],
)
def test_the_cap_holds_at_every_prefix(policy: Policy, tier: str, home: str, steps: Steps) -> None:
    """With nothing in between, a restore is as never reversed, day counter included; at every prefix `0 ≤ used(day) ≤
    cap`, and limited XP booked to a day ≤ cap. `fold(ledger) == profile` after any history, on every backend."""
    ledger = Ledger(policy, home, tier)
    play(ledger, steps)
    if policy.xp.cap(tier) is not None:
        cap_holds(ledger)


@given(policies, tiers, homes, STEPS, st.integers(0, 7), st.integers(1, 60), st.sampled_from([0, 1, 7, 30, 300]))
def test_an_award_that_is_reversed_leaves_all_as_before(
    policy: Policy, tier: str, home: str, steps: Steps, which: int, amount: int, hours: int
) -> None:
    """A reversal takes off what the row has in force and, only while that day is the current one, gives back the room
    the row took. A reversal that returns it to the reversed row's sum before takes back that row's stored `reached`
    as well. An award that owed no further row, then reversed, leaves totals, day, level and board as before."""
    ledger = Ledger(policy, home, tier)
    now = play(ledger, steps)
    before = ledger.profile
    source = SOURCES[which]
    named = amount if source == "manual" else None
    decision = ledger.award(source, now, amount=named, key="the award")
    assume(isinstance(decision, xp.Decision) and decision.row is not None and len(ledger.rows) == decision.row.seq)
    assert isinstance(decision, xp.Decision)
    row = decision.row
    assert row is not None
    given_day, given_week = row.day == before.day, row.week == before.week
    later = now + HOUR * hours
    same_day = ledger.shown(later).daily_xp_reset_at == ledger.profile.daily_xp_reset_at
    ledger.reverse(row, later)
    after, had = totals(ledger.profile), totals(before)
    fresh = {"day": row.day, "week": row.week, "daily_xp_reset_at": after["daily_xp_reset_at"]}
    fresh |= {} if given_day else {"daily_xp_earned": 0}
    fresh |= {} if given_week else {"weekly_xp": 0, "weekly_reached_at": None}
    fresh |= {} if same_day else {"daily_xp_earned": fresh.get("daily_xp_earned", had["daily_xp_earned"]) + row.room}
    if policy.levels.down == "high_water":
        fresh |= {"current_level": after["current_level"], "xp_to_next_level": after["xp_to_next_level"]}
    assert after == had | fresh
    if "global" in ledger.boards:
        entry = ledger.boards["global"]
        assert (entry.uid, entry.score, entry.reached_at) == (UID, before.total_xp, before.reached_at)


@given(policies, tiers, homes, STEPS, st.integers(0, 20), st.sampled_from([0, 1, 30, 300]), st.integers(0, 40))
def test_restore_after_reverse_is_as_never_reversed(
    policy: Policy, tier: str, home: str, steps: Steps, which: int, hours: int, later: int
) -> None:
    """With nothing in between, a restore is as never reversed, day counter included. Undo (unvote, unaccept, unlike,
    unpublish, delete) is `reverse` of that row and redo is `restore`. A restore that returns it to the sum before the
    reversal takes back that one."""
    ledger = Ledger(policy, home, tier)
    now = play(ledger, steps)
    in_force = [row for row in ledger.rows if not row.reverses and not row.restores]
    in_force = [row for row in in_force if not ledger.standing(row).reversed]
    assume(in_force)
    row = in_force[which % len(in_force)]
    before, marks, counters = totals(ledger.profile), ledger.profile.achievements, ledger.profile.counters
    streak, spent = ledger.profile.streak, used(ledger.rows, row.day or "")
    ledger.reverse(row, now + HOUR * hours)
    assume(ledger.rows[-1].reverses)  # else it owed something
    ledger.restore(row, now + HOUR * (hours + later))
    assert totals(ledger.profile) == before
    assert (set(marks), counters, streak) <= (set(marks), ledger.profile.counters, ledger.profile.streak)
    assert used(ledger.rows, row.day or "") == spent


@given(policies, tiers, homes, STEPS, st.integers(0, 20))
def test_reverse_twice_is_once(policy: Policy, tier: str, home: str, steps: Steps, which: int) -> None:
    """`reverse` … without a key, reversing what is reversed or restoring what is in force is a `duplicate`."""
    ledger = Ledger(policy, home, tier)
    now = play(ledger, steps)
    awards = [row for row in ledger.rows if not row.reverses and not row.restores]
    assume(awards)
    row = awards[which % len(awards)]
    ledger.reverse(row, now)
    rows, profile = list(ledger.rows), ledger.profile
    assert ledger.reverse(row, now + DAY) in rows
    assert (ledger.rows, ledger.profile) == (rows, profile)
    ledger.restore(row, now + DAY)
    rows, profile = list(ledger.rows), ledger.profile
    assert ledger.restore(row, now + DAY) in rows
    assert (ledger.rows, ledger.profile) == (rows, profile)


@given(
    st.sampled_from(["answer_posted", "answer_upvoted", "insight_published", "answer_accepted"]),
    st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=12),
)
def test_no_farming(source: str, turns: list[tuple[bool, int]]) -> None:
    """**No farming.** Vote/unvote, accept/unaccept, publish/unpublish: however often, never more than the first
    grant."""
    ledger, now = Ledger(), NOON
    first = ledger.gives(source, now, about="it")
    most = ledger.profile.total_xp
    for back, hours in turns:
        now += HOUR * hours
        (ledger.reverse if back else ledger.restore)(first, now)
        ledger.award(source, now, about="it")  # the event comes again
        assert 0 <= ledger.profile.total_xp <= most
        assert ledger.profile.daily_xp_earned <= most
    ledger.restore(first, now)
    assert ledger.profile.total_xp == most


def test_links_have_a_key_for_each_time() -> None:
    """Redo is `restore`, keyed by (transaction, id of the causing event): without one, by the row that it answers."""
    ledger = Ledger()
    row = ledger.gives("answer_posted", NOON, about="a")
    for _ in range(3):
        ledger.reverse(row, NOON)
        ledger.restore(row, NOON)
    keys = [each.key for each in ledger.rows]
    assert len(set(keys)) == len(keys) == 7
    assert keys[1] == f"~reverse:{row.transaction_id}"
    assert keys[2] == f"~restore:{ledger.rows[1].transaction_id}"


SMALL = Policy(xp={"daily_cap": 30})


def test_a_reversal_gives_room_back_on_its_day_only() -> None:
    """Negative sources make no room; only a reversal row gives room back, and only while the award's day is the current
    one."""
    ledger = Ledger(SMALL)
    first = ledger.gives("manual", NOON, amount=20)
    ledger.gives("answer_downvoted", NOON, about="v")
    assert ledger.profile.daily_xp_earned == 20
    ledger.reverse(first, NOON + HOUR)
    assert ledger.profile.daily_xp_earned == 0
    ledger.restore(first, NOON + HOUR)
    assert ledger.profile.daily_xp_earned == 20
    ledger.reverse(first, NOON + DAY)  # nobody has been active since: the profile's day is still yesterday
    assert (ledger.profile.daily_xp_earned, ledger.profile.total_xp) == (20, -2)
    assert ledger.rows[-1].room == 0
    assert ledger.rows[-1].day == first.day == "2025-12-16"


@pytest.mark.parametrize("advanced", [False, True])
def test_what_is_reversed_on_another_day_and_restored_touches_no_room(advanced: bool) -> None:
    """A restore whose reversal gave none back re-applies what was in force and touches no room."""
    ledger = Ledger(SMALL)
    row = ledger.gives("manual", NOON, amount=20)
    if advanced:
        ledger.gives("manual", NOON + DAY, amount=30)
    ledger.reverse(row, NOON + DAY)
    ledger.restore(row, NOON + 2 * DAY)
    assert [(each.amount, each.room) for each in ledger.rows[-2:]] == [(-20, 0), (20, 0)]
    assert used(ledger.rows, "2025-12-16") == 20
    cap_holds(ledger)


@pytest.mark.parametrize("days", [0, 1, 30])
def test_a_restore_gets_what_its_day_has_room_for(days: int) -> None:
    """A restore whose reversal gave room back re-applies `min(first effective amount, cap on the award's row −
    used(award's day))` and takes that room again (`used` of a past day is the `daily_total` of its last row; own index
    `(user_id, day, seq)`)."""
    ledger = Ledger(SMALL)
    row = ledger.gives("manual", NOON, amount=20)
    ledger.reverse(row, NOON)
    ledger.gives("manual", NOON, amount=25)
    if days:
        ledger.gives("manual", NOON + days * DAY, amount=30)
    ledger.restore(row, NOON + days * DAY)
    restored = ledger.rows[-1]
    assert (restored.amount, restored.room, restored.requested, restored.reason) == (5, 5, 20, "daily_cap")
    assert (restored.day, restored.daily_total, restored.daily_cap) == ("2025-12-16", 30, 30)
    ledger.reverse(row, NOON + days * DAY)
    assert ledger.rows[-1].amount == -5, "what is in force, not what was first"
    cap_holds(ledger)


def test_the_cap_on_the_row_counts_not_today_s() -> None:
    """Default cap 500, by tier if the policy says so; the cap in force is stored on the row, so replay is exact after
    the host changes it."""
    ledger = Ledger(SMALL)
    row = ledger.gives("manual", NOON, amount=30)
    ledger.reverse(row, NOON)
    ledger.policy = Policy(xp={"daily_cap": 3})
    ledger.restore(row, NOON)
    assert (ledger.rows[-1].amount, ledger.rows[-1].daily_cap) == (30, 30)
    assert ledger.gives("manual", NOON, amount=1).amount == 0


def test_a_zero_grant_is_undone_exactly() -> None:
    """**A zero grant is still a row**, so undoing it is exact."""
    ledger = Ledger(SMALL)
    ledger.gives("manual", NOON, amount=30)
    before = totals(ledger.profile)
    row = ledger.gives("manual", NOON + HOUR, amount=7)
    assert (row.amount, row.room, row.requested, row.reason) == (0, 0, 7, "daily_cap")
    ledger.reverse(row, NOON + HOUR)
    ledger.restore(row, NOON + HOUR)
    assert totals(ledger.profile) == before


def test_a_reversal_is_booked_to_the_award_s_day_and_week() -> None:
    """A reversal and a restore are booked to the **award's** day and week. A row for an earlier week (a reversal) sums
    that user's rows of that week."""
    ledger = Ledger()
    first = ledger.gives("manual", NOON, amount=20)
    ledger.gives("manual", NOON + HOUR, amount=5)
    ledger.gives("manual", NOON + 7 * DAY, amount=100)
    for rule, weekly in ((ledger.reverse, 5), (ledger.restore, 25)):
        rule(first, NOON + 8 * DAY)
        row = ledger.rows[-1]
        assert (row.day, row.week, row.weekly_xp) == ("2025-12-16", "2025-W51", weekly)
        assert (ledger.profile.day, ledger.profile.week) == ("2025-12-23", "2025-W52")
        assert ledger.profile.weekly_xp == 100
        assert ledger.boards["weekly:2025-W51"].score == weekly


def test_a_reversal_undoes_xp_only() -> None:
    """A reversal undoes that row's XP only: its activity, freezes, milestones and `keep` achievements stay."""
    ledger = Ledger(Policy(streaks={"freeze_every": 1, "milestones": [1]}))
    row = ledger.gives("insight_published", NOON, about="i")
    had = ledger.profile
    assert had.achievements == ("ach_first_steps", "ach_first_insight")
    ledger.reverse(row, NOON)
    after = ledger.profile
    assert (after.streak, after.achievements, after.counters) == (had.streak, had.achievements, had.counters)
    assert after.streak.freezes_available == 1
    assert after.total_xp == 10  # the milestone's


def test_reached_is_taken_back() -> None:
    """ "Reached" is the `at` of the row that last changed the sum; a reversal that returns it to the reversed row's sum
    before takes back that row's stored `reached` as well, and a restore that returns it to the sum before the reversal
    takes back that one."""
    ledger = Ledger()
    ledger.gives("manual", NOON, amount=20)
    second = ledger.gives("manual", NOON + HOUR, amount=5)
    assert ledger.profile.reached_at == NOON + HOUR
    ledger.reverse(second, NOON + 2 * HOUR)
    assert ledger.profile.reached_at == ledger.profile.weekly_reached_at == NOON
    ledger.restore(second, NOON + 3 * HOUR)
    assert ledger.profile.reached_at == ledger.profile.weekly_reached_at == NOON + HOUR
    ledger.gives("manual", NOON + 4 * HOUR, amount=1)
    ledger.reverse(second, NOON + 5 * HOUR)  # a sum that was not there before
    assert ledger.profile.reached_at == ledger.profile.weekly_reached_at == NOON + 5 * HOUR


def test_a_sum_that_does_not_change_is_not_reached_anew() -> None:
    ledger = Ledger(SMALL)
    ledger.gives("manual", NOON, amount=30)
    nothing = ledger.gives("manual", NOON + HOUR, amount=5)
    ledger.reverse(nothing, NOON + 2 * HOUR)
    ledger.activity(NOON + 3 * HOUR)
    assert ledger.profile.reached_at == ledger.profile.weekly_reached_at == NOON


def legacy(**fields: Any) -> XPTransaction:
    """A row of an adopted ledger: the data model's fields and no others."""
    return XPTransaction(
        id="0" * 24,
        transaction_id="xp_txn_old",
        user_id=Ledger().profile.user_id,
        amount=20,
        source="answer_posted",
        daily_total=20,
        daily_cap=500,
        timestamp=NOON - 100 * DAY,
        **fields,
    )


def test_rows_of_an_adopted_ledger_can_be_reversed() -> None:
    """(An adopted profile: `storage.md`.) Older rows are history: read and reversible, never folded."""
    ledger = Ledger()
    ledger.profile = ledger.profile.evolve(total_xp=100, daily_xp_earned=3, day="2025-12-16")
    row = legacy()
    ledger.reverse(row, NOON)
    assert (ledger.profile.total_xp, ledger.profile.daily_xp_earned) == (80, 3)
    assert (ledger.rows[-1].day, ledger.rows[-1].week, ledger.rows[-1].room) == ("2025-09-07", "2025-W36", 0)
    ledger.restore(row, NOON)
    assert (ledger.profile.total_xp, ledger.profile.daily_xp_earned) == (100, 3)


# What is broken on purpose, and caught by the same checks.


def broken_clamp(add: Callable[[int, int, int], int]) -> Callable[..., tuple[int, int]]:
    """`xp._clamped` with another idea of what fits: of requested, cap and used."""

    def clamped(requested: int, capped: bool, profile: GamificationProfile, day: str, policy: Policy) -> Any:
        cap = policy.xp.cap(profile.tier)
        if not capped or requested <= 0 or cap is None:
            return requested, 0
        amount = add(requested, cap, profile.daily_xp_earned if day == profile.day else 0)
        return amount, amount

    return clamped


def on_its_own_day(profile: GamificationProfile, request: xp.LinkRequest, *rest: Any) -> xp.Decision:
    """Broken: the room comes back whenever."""
    policy, _now, *more = rest
    return REVERSE(profile, request, policy, request.standing.row.timestamp, *more)


def gives_all_again(profile: GamificationProfile, request: xp.LinkRequest, *rest: Any) -> xp.Decision:
    """Broken: a restore re-applies the first amount, whether there is room or not."""
    row = request.standing.row
    whole = made(XPTransaction, {**row.__dict__, "daily_cap": 10**6})
    return RESTORE(profile, xp.LinkRequest(xp.Standing(whole, request.standing.linked), "", request.key), *rest)


REVERSE, RESTORE = xp.reverse, xp.restore
FULL = [("award", 0, 0, 25), ("award", 0, 0, 11), ("award", 0, 0, 12)]
NEXT_DAY = [("award", 0, 0, 25), ("reverse", 24, 0, 1)]
IN_BETWEEN = [("award", 0, 0, 20), ("reverse", 0, 0, 1), ("award", 0, 0, 25), ("restore", 0, 1, 1)]


@pytest.mark.parametrize(
    ("name", "broken", "life", "caught"),
    [
        ("_clamped", broken_clamp(lambda asked, cap, spent: asked if spent < cap else 0), FULL, "used of .* is 36"),
        ("_clamped", broken_clamp(lambda asked, cap, spent: min(asked, cap)), FULL, "used of .* is 36"),
        ("_clamped", broken_clamp(lambda asked, cap, spent: cap - spent - 40), FULL, "greater than or equal to 0"),
        ("reverse", on_its_own_day, NEXT_DAY, "gave back room of 2025-12-16 on 2025-12-17"),
        ("restore", gives_all_again, IN_BETWEEN, "used of .* is 45"),
    ],
)
def test_the_checks_catch_broken_rules(
    name: str, broken: Any, life: Steps, caught: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """(Apache Answer tests `earned < 200` and then adds it all: 195 + 10 = 205.) Positive controls; the real rules
    pass."""

    def lives() -> None:
        ledger = Ledger(SMALL, pays=False)
        play(ledger, life)
        cap_holds(ledger)

    lives()
    monkeypatch.setattr(xp, name, broken)
    with pytest.raises((AssertionError, ValueError), match=caught):
        lives()


@pytest.mark.long
@given(policies, tiers, homes, st.lists(STEPS, min_size=3, max_size=5))
def test_long_lives(policy: Policy, tier: str, home: str, lives: list[Steps]) -> None:
    """`fold(ledger) == profile` after any history, on every backend."""
    ledger, now = Ledger(policy, home, tier), NOON
    for steps in lives:
        now: datetime = play(ledger, steps, now) + timedelta(hours=1)
    if policy.xp.cap(tier) is not None:
        cap_holds(ledger)
