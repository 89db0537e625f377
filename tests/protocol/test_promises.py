"""Sentences of §1 and §6 that only a whole service can keep, in memory, by example."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tektree import Board, ConfigurationError, EntityRef, IdempotencyConflict, Outcome, Policy, Principal, TekTree
from tektree._sync.backends.memory.bundles import memory_backends
from tektree.testing import ManualClock
from tests.lanes import enter

NOON = datetime(2025, 12, 16, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ONE, TWO = EntityRef("answer", "1"), EntityRef("answer", "2")
FIRST: dict[str, Any] = {"source": "answer_posted", "about": ONE, "key": "k", "at": NOON}


def world(policy: Policy | None = None) -> tuple[TekTree, ManualClock, str]:
    enter("memory")
    clock = ManualClock(NOON)
    tek = TekTree(memory_backends(), policy, clock)
    return tek, clock, tek.gamification.enroll("usr_ada").user_id


@pytest.mark.parametrize("change", [{}, {"at": NOON - DAY}, {"at": None}, {"at": NOON + 300 * DAY}], ids=str)
def test_the_same_key_again_returns_the_first_result(change: dict[str, Any]) -> None:
    """The same key again returns the first result; … compared are …; never `at`, the policy in force or the clock."""
    tek, clock, ada = world()
    first = tek.gamification.award(ada, **FIRST)
    clock.advance(40 * DAY)
    other = Policy(xp={"daily_cap": 1, "sources": {"answer_posted": {"amount": 99}}})
    for again in (tek, TekTree(tek._backends, other, clock)):
        found = again.gamification.award(ada, **{**FIRST, **change})
        assert (found.outcome, found.transaction) == (Outcome.DUPLICATE, first.transaction)
    assert tek.gamification.profile(ada).total_xp == 10


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"amount": 10}, ("amount",)),  # as much as the policy gives, but it was not said before
        ({"source": "question_asked"}, ("source",)),
        ({"about": TWO}, ("about",)),
        ({"about": None}, ("about",)),
        ({"source": "question_asked", "amount": 5, "about": TWO}, ("source", "amount", "about")),
    ],
    ids=str,
)
def test_the_same_key_for_something_else_is_a_conflict(change: dict[str, Any], differs: tuple[str, ...]) -> None:
    """The same key with other parameters is an `IdempotencyConflict`: compared are source, `amount` as the caller gave
    it (None stays None) and `about`."""
    tek, _, ada = world()
    tek.gamification.award(ada, **FIRST)
    with pytest.raises(IdempotencyConflict) as caught:
        tek.gamification.award(ada, **{**FIRST, **change})
    assert caught.value.differs == differs
    assert tek.gamification.profile(ada).total_xp == 10


def test_so_it_is_with_a_row_that_others_wrote_under_the_id_of_the_key() -> None:
    """It says no key, but one id is of one key."""
    tek, _, ada = world()
    row = tek.gamification.award(ada, **FIRST).transaction
    assert row is not None
    tek._backends.ledger._by_id[row.transaction_id] = row.evolve(key=None)  # type: ignore[attr-defined]
    assert tek.gamification.award(ada, **FIRST).outcome is Outcome.DUPLICATE
    with pytest.raises(IdempotencyConflict):
        tek.gamification.award(ada, **{**FIRST, "amount": 10})


def test_opting_in_restores_from_the_ledger() -> None:
    """Opting in restores from the ledger: what was earned meanwhile is there, on every board."""
    tek, clock, ada = world()
    principal, boards = Principal(id=ada, uid="usr_ada"), (Board.GLOBAL, Board.weekly(NOON))
    tek.gamification.award(ada, "manual", amount=7, key="a")
    tek.gamification.opt_out(principal)
    clock.advance(DAY)
    tek.gamification.award(ada, "manual", amount=5, key="b")
    assert [tek.leaderboards.top(board) for board in boards] == [[], []]
    tek.gamification.opt_in(principal)
    assert [[each.score for each in tek.leaderboards.top(board)] for board in boards] == [[12], [12]]


def test_a_finished_week_is_not_made_again() -> None:
    """A finished week that has expired is not made again; older weeks are served from the ledger."""
    tek, clock, ada = world()
    week = Board.weekly(NOON)
    tek.gamification.award(ada, "manual", amount=7, key="a")
    assert tek.leaderboards.rebuild(week) == 1
    clock.advance(70 * DAY)
    assert tek.leaderboards.rebuild(week) == 0
    assert list(tek._backends.leaderboards.top(week, 10, clock())) == []
    assert [(each.uid, each.score) for each in tek.leaderboards.top(week)] == [("usr_ada", 7)]
    assert tek.leaderboards.rank(week, "usr_ada") == tek.leaderboards.around(week, "usr_ada")[0]


@pytest.mark.parametrize("given", ["", "5", 5, None, "A" * 24], ids=repr)
def test_ids_that_are_none_are_a_configuration_error(given: Any) -> None:
    """Raises `ConfigurationError` for ids that are none: two awards without a key might be taken for one."""
    enter("memory")
    tek = TekTree.in_memory(ids=lambda: given)
    ada = tek.gamification.enroll("usr_ada").user_id
    with pytest.raises(ConfigurationError, match="ids: must return 24 lowercase hex digits"):
        tek.gamification.award(ada, "manual", amount=7)
    assert tek.gamification.history(ada).items == ()
    assert tek.gamification.award(ada, "manual", amount=7, key="k").outcome is Outcome.GRANTED
