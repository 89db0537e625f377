"""`rebuild` of everyone, while users come and go."""

from collections.abc import Callable
from typing import Any

import pytest

from tektree import Board, EntityRef, NotFound, TekTree
from tektree._sync.backends.memory.bundles import memory_backends
from tektree.testing.faults import Call, around
from tests.lanes import enter

GONE = "7" * 24


def listed(call: Call, made: Callable[[], Any]) -> Any:
    """Users are listed with one who is gone by the time they are looked at."""
    found = made()
    return sorted([*found, GONE]) if call.method == "users" and found else found


def test_who_leaves_meanwhile_is_passed_over() -> None:
    enter("memory")
    good = memory_backends()
    users = [TekTree(good).gamification.enroll(f"usr_{name}").user_id for name in ("ada", "ben", "cleo", "dan")]
    assert min(users) < GONE < max(users)
    for user_id in users:
        TekTree(good).gamification.award(user_id, "answer_posted", about=EntityRef("answer", "1"))
    told: list[tuple[int, int]] = []
    tek = TekTree(around(good, listed))
    assert tek.gamification.rebuild(progress=lambda done, total: told.append((done, total))) == 4
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    TekTree(good).gamification.enroll("usr_eve")  # who has no row yet, and so is on no board
    assert tek.leaderboards.rebuild(Board.GLOBAL) == 4
    with pytest.raises(NotFound):
        tek.gamification.rebuild(GONE)


def test_who_was_adopted_with_xp_stands_without_a_row() -> None:
    """Boards can be rebuilt at any time: the ledger of an adopted profile begins with what was found."""
    enter("memory")
    good = memory_backends()
    tek = TekTree(good)
    fresh = tek.gamification.enroll("usr_ada")
    good.gamification.enroll(fresh.evolve(id="8" * 24, user_id="9" * 24, uid="usr_old", total_xp=1500))
    assert tek.leaderboards.rank(Board.GLOBAL, "usr_old") is None
    assert tek.leaderboards.rebuild(Board.GLOBAL) == 1
    assert [(each.uid, each.score) for each in tek.leaderboards.top(Board.GLOBAL)] == [("usr_old", 1500)]
    tek.gamification.award("9" * 24, "manual", amount=5, key="a")
    assert [(each.uid, each.score) for each in tek.leaderboards.top(Board.GLOBAL)] == [("usr_old", 1505)]
