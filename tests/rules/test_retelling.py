"""The fold of a user's events: as the ledger has it, and what does not follow from what came before."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree.models.base import Frozen
from tektree.models.events import Event
from tektree.models.gamification import Divergence, Folded
from tektree.policy import Policy
from tektree.rules import retelling
from tests.rules.ledgers import NOON, Ledger


def heard(events: Any) -> retelling.Heard | Divergence:
    state: retelling.Heard | Divergence = retelling.START
    for event in events:
        assert isinstance(state, retelling.Heard)
        state = retelling.heard(state, event)
        if isinstance(state, Divergence):
            break
    return state


@given(st.lists(st.integers(1, 400), min_size=1, max_size=12))
def test_the_events_come_to_the_same_as_the_rows(amounts: list[int]) -> None:
    """Profile = fold(ledger) = fold(events)."""
    ledger = Ledger(Policy())
    for at, amount in enumerate(amounts):
        ledger.gives("manual", NOON, amount=amount, key=str(at)) if at % 3 else ledger.gives(
            "answer_posted", NOON, about=str(at)
        )
    said = heard(ledger.events)
    assert isinstance(said, retelling.Heard)
    assert retelling.compared(ledger.profile, said) is None
    assert (said.rows, said.total_xp, said.events) == (
        ledger.profile.seq,
        ledger.profile.total_xp,
        ledger.profile.event_seq,
    )


def told(kind: str, seq: Any, **payload: Any) -> Event:
    id = f"{seq if type(seq) is int else 0:024x}"
    return Event(
        id=id,
        event_id=f"evt_{id}",
        event_type=kind,
        timestamp=NOON,
        source_service="gamification-service",
        metadata=Frozen(seq=seq),
        payload=Frozen(user_id="usr_ada", **payload),
    )


def row(seq: int, number: int, amount: int, total: int, weekly: int | None = None) -> Event:
    return told(
        "xp.awarded",
        seq,
        row_seq=number,
        amount=amount,
        total_xp=total,
        weekly_xp=total if weekly is None else weekly,
        week="2025-W51",
        day="2025-12-16",
        daily_total=0,
        transaction_id=f"xp_txn_{number}",
    )


@pytest.mark.parametrize(
    ("events", "field"),
    [
        ([row(2, 1, 5, 5)], "events.seq"),
        ([told("xp.awarded", "1")], "events.seq"),
        ([row(1, 2, 5, 5)], "events.row_seq"),
        ([row(1, 1, 5, 5), row(2, 3, 5, 10)], "events.row_seq"),
        ([row(1, 1, 5, 5), row(2, 2, 5, 11)], "events.total_xp"),
        ([row(1, 1, 5, 5), row(2, 2, 5, 10, weekly=5)], "events.weekly_xp"),
    ],
)
def test_what_does_not_follow_is_named(events: list[Event], field: str) -> None:
    said = heard(events)
    assert isinstance(said, Divergence)
    assert said.field == field


def test_levels_and_achievements_are_heard() -> None:
    said = heard(
        [
            row(1, 1, 500, 500),
            told("level.up", 2, new_level=2),
            told("achievement.unlocked", 3, achievement_id="ach_a"),
            told("achievement.unlocked", 4, achievement_id="ach_b"),
            told("achievement.revoked", 5, achievement_id="ach_a"),
            told("streak.started", 6),
        ]
    )
    assert isinstance(said, retelling.Heard)
    assert (said.level, said.unlocked) == (2, {"ach_b"})
    state = Folded(total_xp=500, current_level=2, seq=1, event_seq=6, achievements=("ach_b", "ach_silent"))
    assert retelling.compared(state, said) is None
    for changes, field in (
        ({"event_seq": 7}, "events.seq"),
        ({"seq": 2}, "events.row_seq"),
        ({"total_xp": 499}, "events.total_xp"),
        ({"current_level": 3}, "events.level"),
        ({"achievements": ()}, "events.achievements"),
    ):
        divergence = retelling.compared(state.evolve(**changes), said)
        assert divergence is not None
        assert divergence.field == field
