"""What boards hear of events is what they were written by the rows themselves."""

from datetime import UTC, datetime

import pytest

from tektree import Board, TekTree
from tektree.models.events import Event
from tektree.rules import leaderboards

NOW = datetime(2025, 12, 16, 14, tzinfo=UTC)


def told() -> list[Event]:
    tek = TekTree.in_memory(clock=lambda: NOW)
    ada = tek.gamification.enroll(uid="usr_ada").user_id
    first = tek.gamification.award(ada, "manual", amount=30, key="a")
    back = tek.gamification.reverse(first.transaction.transaction_id, "a test") if first.transaction else first
    return [*first.events, *back.events]


def test_each_row_says_its_two_sums() -> None:
    events = [event for event in told() if event.event_type in leaderboards.HEARD]
    assert [
        [(each.board, each.uid, each.score, each.seq) for each in leaderboards.heard(event)] for event in events
    ] == [
        [(Board.GLOBAL, "usr_ada", 30, 1), (Board("2025-W51"), "usr_ada", 30, 1)],
        [(Board.GLOBAL, "usr_ada", 0, 2), (Board("2025-W51"), "usr_ada", 0, 2)],
    ]
    assert leaderboards.heard(events[0])[0].reached_at == NOW
    assert all(each.settings_version == 0 and not each.hidden for each in leaderboards.heard(events[0]))


@pytest.mark.parametrize("event_type", ["streak.started", "leaderboard.opted_out"])
def test_what_is_about_no_row_says_nothing(event_type: str) -> None:
    event = told()[0].evolve(event_type=event_type)
    assert leaderboards.heard(event) == ()


def test_who_has_no_uid_stands_on_no_board() -> None:
    event = told()[0]
    assert leaderboards.heard(event.evolve(payload={**event.payload, "user_id": "65f0c0ffee65f0c0ffee65f0"})) == ()


def test_when_a_sum_was_reached_may_be_unknown() -> None:
    event = told()[0]
    assert leaderboards.heard(event.evolve(payload={**event.payload, "reached_at": None}))[0].reached_at is None
