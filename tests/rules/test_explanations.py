"""Explanations, §1: in words and numbers, of a row from the row alone, of a denial from what was asked."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree.models.gamification import AwardRequest, Explanation, Reason, XPTransaction
from tektree.policy import Policy
from tektree.rules import explanations
from tests.rules.ledgers import DAY, HOMES, HOUR, NOON, POLICIES, STEPS, USER, Ledger, play, sound

SMALL = Policy(xp={"daily_cap": 30})


def text(row: XPTransaction) -> str:
    found = explanations.of_row(row)
    sound(found)
    return found.text


def test_a_clamped_award() -> None:
    """The result carries the explanation in words and numbers: what was asked, which rule, what room was left, when it
    resets; `explain(transaction_id)` tells the same of a row, from the row alone."""
    ledger = Ledger(SMALL, "Asia/Tokyo")
    ledger.gives("manual", NOON, amount=25)
    row = ledger.gives("manual", NOON, amount=20)
    said = explanations.of_row(row)
    assert said.text == (
        "manual: 20 XP asked, 5 granted. The cap of 30 XP for 2025-12-16 had room for 5; "
        "it resets at 2025-12-16T15:00:00+00:00."
    )
    assert dict(said.facts) == {
        "source": "manual",
        "asked": 20,
        "requested": 20,
        "granted": 5,
        "day": "2025-12-16",
        "daily_total": 30,
        "daily_cap": 30,
        "room_taken": 5,
        "resets_at": "2025-12-16T15:00:00+00:00",
        "reason": "daily_cap",
        "policy": "default",
    }


def test_granted_in_full() -> None:
    ledger = Ledger(SMALL)
    row = ledger.gives("answer_posted", NOON, about="a")
    assert text(row) == (
        "answer_posted: 10 XP asked, 10 granted. 10 of 30 XP are earned for 2025-12-16. The streak is 1. "
        "Unlocked: ach_first_steps."
    )
    assert text(ledger.gives("answer_accepted", NOON, about="a")) == (
        "answer_accepted: 15 XP asked, 15 granted. Unlocked: ach_first_accepted."
    )


def test_without_a_cap_none_is_spoken_of() -> None:
    ledger = Ledger(Policy(xp={"daily_cap": "unlimited"}))
    row = ledger.gives("manual", NOON, amount=5)
    assert "cap" not in text(row)
    assert "earned for" not in text(row)
    assert explanations.of_row(row).facts["daily_cap"] is None


def test_reversals_and_restores() -> None:
    """A row's explanation says what it took back, and whether the day's room came back."""
    ledger = Ledger(SMALL)
    row = ledger.gives("manual", NOON, amount=20)
    ledger.reverse(row, NOON)
    assert f"-20 XP, which takes back {row.transaction_id}, and 20 of the day's room came back." in text(
        ledger.rows[-1]
    )
    ledger.restore(row, NOON)
    assert f"+20 XP, which puts {row.transaction_id} in force again." in text(ledger.rows[-1])
    ledger.reverse(row, NOON + DAY)
    assert "room came back" not in text(ledger.rows[-1])
    ledger = Ledger(SMALL)
    row = ledger.gives("manual", NOON, amount=20)
    ledger.reverse(row, NOON)
    ledger.gives("manual", NOON, amount=25)
    ledger.restore(row, NOON)
    assert "+5 XP" in text(ledger.rows[-1])
    assert "The cap of 30 XP for 2025-12-16 had room for 5" in text(ledger.rows[-1])


def test_streaks() -> None:
    """Spent and earned freezes stand, with their dates, on the row of the fact that finds the gap; the explanation says
    so."""
    ledger = Ledger(Policy(streaks={"freeze_every": 3, "milestones": [3]}))
    for day in range(3):
        ledger.activity(NOON + day * DAY)
    assert text(ledger.rows[1]) == "activity: no XP. The streak is 2."
    assert text(ledger.rows[2]).endswith("The streak is 3. It earned a freeze. It reached the milestone of 3 days.")
    ledger.activity(NOON + 4 * DAY)
    assert "2025-12-19 cost a freeze. The streak is 4." in text(ledger.rows[-1])
    ledger.activity(NOON + 4 * DAY, at=NOON + 3 * DAY)
    assert "The freeze of 2025-12-19 came back. The streak is 5." in text(ledger.rows[-1])
    ledger.freezes(3, NOON + 4 * DAY)
    ledger.activity(NOON + 10 * DAY)
    assert "2025-12-21 to 2025-12-24 cost a freeze each. The streak of 5 had ended. The streak is 1." in text(
        ledger.rows[-1]
    )


def test_two_freezes_at_once() -> None:
    ledger = Ledger()
    ledger.freezes(2, NOON)
    ledger.activity(NOON)
    ledger.activity(NOON + 3 * DAY)
    assert text(ledger.rows[-1]).endswith("2025-12-17 and 2025-12-18 cost a freeze each. The streak is 2.")


def test_an_older_fact() -> None:
    """An older fact is awarded, its date is not counted, and the explanation says so."""
    ledger = Ledger()
    ledger.activity(NOON)
    row = ledger.gives("answer_posted", NOON, about="a", at=NOON - 8 * DAY)
    assert row.amount == 10
    assert "Its date, 2025-12-08, is too far in the past to count for the streak." in text(row)


def test_freezes() -> None:
    ledger = Ledger()
    ledger.freezes(9, NOON)
    assert text(ledger.rows[-1]).startswith("freezes_granted: 9 freezes.")
    ledger.freezes(3, NOON)
    assert text(ledger.rows[-1]).startswith("freezes_granted: 1 of 3 freezes, as many as there was room for.")
    ledger.freezes(1, NOON)
    assert "0 of 1 freeze, as many" in text(ledger.rows[-1])
    ledger = Ledger()
    ledger.freezes(1, NOON)
    assert text(ledger.rows[-1]).startswith("freezes_granted: 1 freeze.")
    ledger.freezes(3, NOON)
    assert "0 of 3 freezes" in text(ledger.rows[-1].evolve(streak=None))


def test_a_row_of_an_adopted_ledger() -> None:
    """`explain(transaction_id)` tells the same of a row, from the row alone: also of one that says little."""
    row = XPTransaction(
        id="0" * 24, transaction_id="xp_txn_old", user_id=USER, amount=10, source="answer_posted", timestamp=NOON
    )
    assert text(row) == "answer_posted: 10 XP granted."
    assert explanations.of_row(row).facts["resets_at"] is None
    assert text(row.evolve(reason=Reason.DAILY_CAP, daily_cap=9)).endswith("had room for 9.")


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.DAILY_CAP])
@pytest.mark.parametrize("again_at", [None, NOON + HOUR])
def test_denials_say_why_and_when(reason: Reason, again_at: Any) -> None:
    """The result carries the explanation in words and numbers: what was asked, which rule, … when it resets."""
    request = AwardRequest(user_id=USER, source="manual", key="k", at=NOON, amount=7)
    said = explanations.of_denial(request, reason, again_at)
    assert said.text.startswith("manual: denied, ")
    assert "Nothing was written." in said.text
    assert ("2025-12-16T13:00:00+00:00" in said.text) is (again_at is not None)
    assert (said.facts["asked"], said.facts["reason"]) == (7, reason)


def test_every_denial_is_worded_differently() -> None:
    request = AwardRequest(user_id=USER, source="manual", key="k", at=NOON)
    reasons = [reason for reason in Reason if reason is not Reason.DAILY_CAP]
    assert len({explanations.of_denial(request, reason, None).text for reason in reasons}) == len(reasons)


@given(st.sampled_from(POLICIES), st.sampled_from(HOMES), STEPS)
def test_every_row_explains_itself(policy: Policy, home: str, steps: list[tuple[str, int, int, int]]) -> None:
    """`explain(transaction_id)` tells the same of a row, from the row alone."""
    ledger = Ledger(policy, home)
    now = play(ledger, steps)
    for row in ledger.rows:
        said = explanations.of_row(row)
        sound(said)
        assert said == explanations.of_row(XPTransaction.model_validate(row.model_dump()))
        assert said.facts["granted"] == row.amount
        assert said.text.startswith(f"{row.source}: ")
        assert said.text.endswith(".")
        assert isinstance(said, Explanation)
        assert "None" not in said.text
    assert now - NOON >= timedelta(0)
