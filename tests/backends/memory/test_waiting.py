"""What waits in memory until somebody looks is, whenever somebody looks, as if it had been taken in at once."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import find, given
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from tektree._sync.backends.memory import leaderboards as memory
from tektree.backends.memory import MemoryLeaderboards
from tektree.models.leaderboards import Board, BoardEntry, Entries
from tests.lanes import enter

NOW = datetime(2025, 12, 16, 14, tzinfo=UTC)
USERS = ("usr_a", "usr_b", "usr_c")
WEEKS = ("2025-W50", "2025-W51")
BOARDS = (Board.GLOBAL, *[Board(week) for week in WEEKS])


@dataclass(frozen=True)
class Put:
    """A row of a user is said, at once or late; settings are as the row's writer read them."""

    uid: str
    week: str
    seq: int
    score: int
    version: int

    def entries(self) -> Entries:
        return Entries(self.uid, self.week, self.seq, self.version, (self.said,))

    def said(self) -> tuple[BoardEntry, ...]:
        at, hidden = NOW + timedelta(minutes=self.seq), self.version % 2 == 1
        return tuple(
            [
                BoardEntry(board, self.uid, self.score, at, self.seq, self.version, hidden)
                for board in (Board.GLOBAL, Board(self.week))
            ]
        )


@dataclass(frozen=True)
class Hide:
    uid: str
    version: int


class Look:
    """Somebody looks at all boards."""


STEPS = st.lists(
    st.builds(
        Put,
        st.sampled_from(USERS),
        st.sampled_from(WEEKS),
        st.integers(1, 4),
        st.integers(-1, 3),
        st.sampled_from([0, 0, 0, 1, 2]),
    )
    | st.builds(Hide, st.sampled_from(USERS), st.integers(1, 3))
    | st.builds(Look),
    max_size=12,
)


def looked(boards: MemoryLeaderboards) -> list[Any]:
    return [(boards.top(board, 10, NOW), [boards.rank(board, uid, NOW) for uid in USERS]) for board in BOARDS]


def played(steps: list[Any], boards: MemoryLeaderboards, entries: Callable[[Put], Any]) -> list[Any]:
    """What all looks show, the last one at the end."""
    shown = []
    for step in [*steps, Look()]:
        if isinstance(step, Put):
            boards.put(entries(step), NOW)
        elif isinstance(step, Hide):
            boards.hide(step.uid, step.version, step.version % 2 == 1, NOW)
        else:
            shown.append(looked(boards))
    return shown


def same(steps: list[Any], boards: type[MemoryLeaderboards] = MemoryLeaderboards) -> bool:
    return played(steps, boards(), Put.entries) == played(steps, MemoryLeaderboards(), Put.said)


@given(STEPS)
def test_boards_are_as_if_nothing_had_waited(steps: list[Any]) -> None:
    enter("memory")
    assert same(steps)


@given(STEPS)
def test_no_more_wait_than_may(steps: list[Any]) -> None:
    """A full room is taken in, and the boards are the same."""
    enter("memory")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "_WAITING", 2)
        assert same(steps)
        boards = MemoryLeaderboards()
        for step in steps:
            if isinstance(step, Put):
                boards.put(step.entries(), NOW)
            assert len(boards._waiting) <= 2


class TheLastWordCounts(MemoryLeaderboards):
    """An older row takes the place of a newer one that waits."""

    def put(self, entries: Any, now: datetime) -> None:
        self._waiting[entries.uid, entries.week] = entries, now


class TheNewestRowCounts(MemoryLeaderboards):
    """A newer row takes the place of one that knows newer settings."""

    def put(self, entries: Any, now: datetime) -> None:
        before = self._waiting.get((entries.uid, entries.week))
        if before is None or before[0].seq <= entries.seq:
            self._waiting[entries.uid, entries.week] = entries, now


@pytest.mark.parametrize("wrong", [TheLastWordCounts, TheNewestRowCounts])
def test_a_room_that_forgets_is_found(wrong: type[MemoryLeaderboards]) -> None:
    """Positive control."""
    try:
        find(STEPS, lambda steps: not same(steps, wrong))
    except NoSuchExample:
        pytest.fail(f"{wrong.__name__} was not found")
