"""The everyday award says what the law says, or nothing."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from tektree.errors import ConfigurationError, InvalidInput
from tektree.models.base import INT53
from tektree.models.gamification import AwardRequest, GamificationProfile
from tektree.policy import Policy
from tektree.rules import everyday, xp
from tests.rules.ledgers import DAY, HOUR, NOON, POLICIES, SOURCES, STEPS, USER, Ledger, play

MINUTE = timedelta(minutes=1)
USUAL = everyday.award

BUSY = st.lists(
    st.tuples(
        st.sampled_from(["award"] * 12 + ["reverse", "restore", "activity", "freezes", "move"]),
        st.sampled_from([0, 0, 0, 1, 1, 1, 13, 24]),
        st.integers(0, 7),
        st.integers(1, 60),
    ),
    max_size=40,
)
"""Lives with days on which much happens."""

UNSHRUNK = settings(phases=[Phase.generate], max_examples=10_000, database=None)
"""It is enough to know that there is one."""

HOUSES = (
    *POLICIES,
    Policy(
        xp={"daily_cap": {"free": 200, "pro": 60, "team": 0, "enterprise": "unlimited"}},
        levels={"kind": "linear", "first": 90, "rewards": {2: 5}, "down": "high_water"},
        achievements=[
            {"id": "ach_now", "name": "Now", "metric": "total_xp", "tiers": [150], "revoke": "while_true"},
            {"id": "ach_posts", "name": "Posts", "metric": "count", "source": "answer_posted", "tiers": [3, 6]},
        ],
    ),
    Policy(
        xp={"daily_cap": "unlimited"},
        levels={"kind": "table", "thresholds": [0, 400, 800]},
        achievements=[{"id": "ach_all", "name": "All", "metric": "total_xp", "tiers": [250, 500]}],
    ),
)


def by_law(*asked: Any) -> xp.Decision:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(everyday, "award", lambda *_: None)
        return xp.award(*asked)


class Beside:
    """In the place of the everyday award: what it said, and how many times that was not what the law says."""

    def __init__(self) -> None:
        self.said: list[xp.Decision] = []
        self.wrong = 0

    def __call__(
        self, profile: GamificationProfile, request: AwardRequest, policy: Policy, now: datetime
    ) -> xp.Decision | None:
        found = USUAL(profile, request, policy, now)
        if found is not None:
            law = by_law(profile, request, policy, now)
            self.said.append(found)
            self.wrong += not same(found, law)
            return law  # so that life goes on, and one fault is not the cause of the next
        return None


def same(found: xp.Decision, law: xp.Decision) -> bool:
    if found.row is None or law.row is None:
        return False
    orders = [[list(each.__dict__) for each in (row, row.state)] for row in (found.row, law.row)]
    return found == law and found.profile == law.profile and orders[0] == orders[1]


def lived(policy: Policy, steps: Sequence[tuple[str, int, int, int]]) -> Beside:
    beside = Beside()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(everyday, "award", beside)
        play(Ledger(policy), steps)
    return beside


@given(st.sampled_from(HOUSES), STEPS | BUSY)
def test_what_it_says_is_what_the_law_says(policy: Policy, steps: Any) -> None:
    assert lived(policy, steps).wrong == 0


@given(st.sampled_from(HOUSES), st.sampled_from(HOUSES), BUSY, st.sampled_from(SOURCES), st.integers(1, 60))
def test_nor_does_another_policy_than_that_of_yesterday_part_them(
    before: Policy, policy: Policy, steps: Any, source: str, amount: int
) -> None:
    """Levels and marks that a profile has may be those of another curve, and of other definitions."""
    ledger = Ledger(before)
    now = play(ledger, steps)
    named = None if source.endswith("downvoted") else amount
    asked = ledger.profile, AwardRequest(USER, source, "another", now, None, named), policy, now
    found = USUAL(*asked)
    assert found is None or same(found, by_law(*asked))


WRONG: dict[str, tuple[str, Any]] = {
    "forgets that the user was seen": ("streaks", type("", (), {"applied": staticmethod(lambda streak, *_: streak)})),
    "counts nothing": ("once_more", lambda counter, *_: counter),
    "does not look at marks": ("is_near", lambda *_: False),
    "does not look at levels": ("curve_of", lambda _: type("", (), {"low": [0, INT53]})),
    "ends all days alike": ("day_end", lambda *_: NOON),
    "has no end": ("INT53", 2**99),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_one_that_says_something_else_is_found(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Positive control."""
    monkeypatch.setattr(everyday, *WRONG[wrong])
    monkeypatch.setattr(everyday, "_KNOWN", {})
    try:
        find(st.tuples(st.sampled_from(HOUSES[3:]), BUSY), lambda life: lived(*life).wrong > 0, settings=UNSHRUNK)
    except NoSuchExample:
        pytest.fail(f"one that {wrong} was not found")


def award(ledger: Ledger, source: str = "answer_posted", minutes: int = 0, **asked: Any) -> bool:
    """Whether the next award is an everyday one."""
    beside = Beside()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(everyday, "award", beside)
        ledger.award(source, NOON + minutes * MINUTE, **asked)
    assert beside.wrong == 0
    return bool(beside.said)


def posted(policy: Policy = HOUSES[2], **fields: Any) -> Ledger:
    ledger = Ledger(policy, **fields)
    ledger.gives("answer_posted", NOON, about="first")
    return ledger


@pytest.mark.parametrize("source", [each for each in SOURCES if each != "answer_downvoted"])
def test_the_second_of_a_day_is_one(source: str) -> None:
    """Any source that gives, also one that does not count for the streak, or takes no room."""
    ledger = posted()
    asked = {"amount": 3} if source == "manual" else {}
    ledger.award(source, NOON, about="a", **asked)
    assert award(ledger, source, about="b", **asked) is (source != "email_verified")  # which is had once


UNUSUAL: dict[str, Callable[[], bool]] = {
    "the first of all": lambda: award(Ledger(HOUSES[2])),
    "the first of its source": lambda: award(posted(), "insight_published"),
    "the first of a day": lambda: award(posted(), minutes=24 * 60),
    "a late one": lambda: award(posted(), minutes=1, at=NOON - DAY),
    "a penalty": lambda: award(penalized(), "answer_downvoted", about="b"),
    "one that is too much for the day": lambda: award(posted(HOUSES[0]), amount=21),
    "one that raises the level": lambda: award(posted(), amount=200),
    "one that brings a mark": lambda: award(posted(HOUSES[3]), amount=90),
    "one that is multiplied": lambda: award(posted(HOUSES[1])),
}


def penalized() -> Ledger:
    ledger = posted()
    ledger.gives("answer_downvoted", NOON, about="a")
    return ledger


@pytest.mark.parametrize("case", UNUSUAL)
def test_what_is_none(case: str) -> None:
    assert UNUSUAL[case]() is False


@pytest.mark.parametrize(("source", "amount"), [("manual", None), ("manual", 0), ("answer_posted", -1)])
def test_an_amount_that_is_none_is_the_laws_to_refuse(source: str, amount: int | None) -> None:
    ledger = posted()
    ledger.gives("manual", NOON, amount=1)
    with pytest.raises(InvalidInput, match="amount"):
        award(ledger, source, amount=amount)


@pytest.mark.parametrize("field", ["total_xp", "weekly_xp", "daily_xp_earned"])
def test_a_sum_beyond_what_can_be_kept_is_the_laws_to_refuse(field: str) -> None:
    ledger = posted(Policy(xp={"daily_cap": "unlimited"}, levels={"kind": "table", "thresholds": [0, 1]}))
    ledger.profile = ledger.profile.evolve(**{field: INT53 - 3})
    with pytest.raises(InvalidInput, match="2\\*\\*53"):
        award(ledger)


def test_an_amount_beyond_what_can_be_kept_is_so_below_zero_too() -> None:
    """The sums hide it."""
    ledger = posted(Policy(xp={"daily_cap": "unlimited"}, levels={"kind": "table", "thresholds": [0, INT53]}))
    ledger.profile = ledger.profile.evolve(total_xp=-5, weekly_xp=-5, daily_xp_earned=0)
    with pytest.raises(InvalidInput, match="2\\*\\*53"):
        award(ledger, amount=INT53 + 1)


def test_the_first_row_of_an_adopted_profile_is_the_laws() -> None:
    """Also where others wrote fields of ours: that row says what there was before."""
    ledger = posted()
    adopted = ledger.profile.evolve(seq=0)
    request = AwardRequest(USER, "answer_posted", "k", NOON + MINUTE, None, 1)
    assert USUAL(ledger.profile, request, ledger.policy, NOON + MINUTE) is not None
    assert USUAL(adopted, request, ledger.policy, NOON + MINUTE) is None


def test_a_row_is_of_whom_the_profile_is_of() -> None:
    ledger = posted()
    request = AwardRequest("0" * 24, "answer_posted", "k", NOON + MINUTE, None, 1)
    found = USUAL(ledger.profile, request, ledger.policy, NOON + MINUTE)
    assert found is not None
    assert same(found, by_law(ledger.profile, request, ledger.policy, NOON + MINUTE))


def test_a_curve_that_is_broken_is_the_laws_to_refuse() -> None:
    """And only where one is needed: what lies ahead is denied before."""
    ledger = posted()
    broken = Policy(levels={"kind": "custom", "custom": lambda level: 5})
    late = AwardRequest(USER, "answer_posted", "k", NOON + HOUR, None, 1)
    assert xp.award(ledger.profile, late, broken, NOON).outcome == "denied"
    with pytest.raises(ConfigurationError):
        xp.award(ledger.profile, late, broken, NOON + HOUR)


def test_a_level_that_others_wrote_too_low_is_the_laws_to_mend() -> None:
    ledger = posted(Policy(levels={"kind": "linear", "first": 10}, achievements=[]))
    assert ledger.profile.current_level == 2
    ledger.profile = ledger.profile.evolve(peak_level=1)
    request = AwardRequest(USER, "answer_posted", "k", NOON + HOUR, None, 1)
    assert USUAL(ledger.profile, request, ledger.policy, NOON + HOUR) is None
