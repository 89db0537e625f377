"""Leaderboards, §6: what a row says of which board, and the one order of places."""

import itertools
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree.errors import InvalidInput
from tektree.models.leaderboards import Board, BoardEntry, Standing, ranked
from tektree.rules import leaderboards, projections
from tests.rules.ledgers import DAY, HOMES, HOUR, NOON, STEPS, UID, Ledger, enrolled, play

entries = st.lists(
    st.builds(
        BoardEntry,
        st.just(Board.GLOBAL),
        st.text("abz_", min_size=1, max_size=3).map("usr_".__add__),
        st.integers(-3, 6),
        st.none() | st.sampled_from([NOON, NOON + HOUR, NOON + DAY]),
        st.integers(1, 9),
        st.integers(0, 2),
        st.booleans(),
    ),
    max_size=8,
    unique_by=lambda entry: entry.uid,
)


def stands(standings: list[Standing], found: list[BoardEntry]) -> None:
    """One total order, without gaps, of who has something and is not hidden."""
    by_uid = {entry.uid: entry for entry in found}
    assert {standing.uid for standing in standings} == {
        each.uid for each in found if each.score > 0 and not each.hidden
    }
    assert [standing.rank for standing in standings] == list(range(1, len(standings) + 1))
    for high, low in itertools.pairwise(standings):
        first, second = by_uid[high.uid], by_uid[low.uid]
        assert first.score >= second.score
        if first.score == second.score:
            earlier, later = first.reached_at or NOON - 99 * DAY, second.reached_at or NOON - 99 * DAY
            assert earlier < later or (earlier == later and first.uid < second.uid)


@given(entries, st.randoms(use_true_random=False))
def test_one_total_order(found: list[BoardEntry], random: Random) -> None:
    """One total order behind top, rank and around-me: score descending, then who reached it first, then `uid`; the same
    on every backend. Members are `uid`s, as in the data model. A user stands on a board while the score is > 0.
    Opt-out hides a user from every read path at once: top, rank, around-me, counts; ranks close up."""
    standings = ranked(found)
    stands(standings, found)
    shuffled = list(found)
    random.shuffle(shuffled)
    assert ranked(shuffled) == standings
    assert [standing.score for standing in standings] == [
        each.score for standing in standings for each in found if each.uid == standing.uid
    ]


@pytest.mark.parametrize(
    "broken",
    [
        lambda each: (-each.score, each.uid),
        lambda each: (each.score, each.reached_at, each.uid),
        lambda each: (-each.score, each.reached_at, [-ord(letter) for letter in each.uid]),
    ],
)
def test_the_check_catches_other_orders(broken: Any) -> None:
    """Positive controls: by name alone, ascending, and with ties the other way round."""
    found = [
        BoardEntry(Board.GLOBAL, uid, score, at, 1)
        for uid, score, at in (("usr_b", 5, NOON), ("usr_a", 5, NOON + HOUR), ("usr_c", 9, NOON), ("usr_d", 5, NOON))
    ]
    stands(ranked(found), found)
    assert [each.uid for each in ranked(found)] == ["usr_c", "usr_b", "usr_d", "usr_a"]
    wrong = [Standing(at, each.uid, each.score) for at, each in enumerate(sorted(found, key=broken), start=1)]
    with pytest.raises(AssertionError):
        stands(wrong, found)


def test_who_is_hidden_leaves_no_gap() -> None:
    """Opt-out hides a user from every read path at once: top, rank, around-me, counts; ranks close up."""
    found = [BoardEntry(Board.GLOBAL, f"usr_{at}", 10 - at, NOON, 1, hidden=at == 1) for at in range(3)]
    assert ranked(found) == [Standing(1, "usr_0", 10), Standing(2, "usr_2", 8)]


@pytest.mark.parametrize(
    ("day", "name"),
    [
        ("2025-12-29", "weekly:2026-W01"),
        ("2027-01-01", "weekly:2026-W53"),
        (date(2025, 12, 16), "weekly:2025-W51"),
        (datetime(2025, 12, 28, 23, tzinfo=UTC), "weekly:2025-W52"),
    ],
)
def test_boards_have_the_names_of_the_data_model(day: Any, name: str) -> None:
    """`leaderboard:global` and `leaderboard:weekly:{ISO year}-W{ISO week}` (2025-12-29 is 2026-W01; 2027-01-01 is
    2026-W53)."""
    assert Board.weekly(day).name == name
    assert Board.GLOBAL.name == "global"


@pytest.mark.parametrize("wrong", [None, 5, "2025-13-01", "20251216", "x" * 10**6, datetime(2025, 1, 1)])  # noqa: DTZ001
def test_no_week_of_anything_else(wrong: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        Board.weekly(wrong)
    assert caught.value.field == "day"


@pytest.mark.parametrize("week", ["2025-W00", "2025-W53", "2025-W54", "2025W50", "", 5, "2025-W5٠", "0000-W01"])
def test_weeks_that_the_calendar_does_not_have(week: Any) -> None:
    with pytest.raises(InvalidInput):
        Board(week)
    assert Board("2026-W53").week == "2026-W53"


def test_a_row_belongs_to_the_week_of_its_award_day() -> None:
    """A row belongs to the ISO week of its award day. The snapshot carries total, `week`, the week's XP and when each
    was reached."""
    sunday = datetime(2025, 12, 28, 20, tzinfo=UTC)  # Monday in Tokyo, which is 2026-W01
    ledger = Ledger(timezone="Asia/Tokyo")
    ledger.gives("manual", sunday - DAY, amount=7)
    row = ledger.gives("manual", sunday, amount=20)
    assert (row.day, row.week) == ("2025-12-29", "2026-W01")
    profile = ledger.profile
    assert (profile.total_xp, profile.week, profile.weekly_xp) == (27, "2026-W01", 20)
    assert profile.reached_at == profile.weekly_reached_at == sunday
    assert leaderboards.entries(row, profile) == (
        BoardEntry(Board.GLOBAL, UID, 27, sunday, 2),
        BoardEntry(Board("2026-W01"), UID, 20, sunday, 2),
    )


@given(st.sampled_from(HOMES), STEPS)
def test_entries_are_absolute_values(home: str, steps: list[tuple[str, int, int, int]]) -> None:
    """Scores are written as **absolute values guarded by the row's `seq`** (kept beside the score, compared in the same
    step), so lost, repeated and reordered writes all heal; never increments, never `GT` (a reversal lowers the score).
    Boards can be rebuilt from the ledger at any time, with progress shown; a rebuilt board equals the live one."""
    ledger = Ledger(timezone=home)
    play(ledger, steps)
    totals: dict[str, int] = {}
    for row in ledger.rows:
        totals[f"weekly:{row.week}"] = totals.get(f"weekly:{row.week}", 0) + row.amount
    live = {name: entry.score for name, entry in ledger.boards.items() if name != "global"}
    assert live == totals
    if ledger.rows:
        assert ledger.boards["global"].score == sum([row.amount for row in ledger.rows]) == ledger.profile.total_xp
    for row in ledger.rows:
        last = [each for each in ledger.rows if each.week == row.week][-1]
        entry = ledger.boards[f"weekly:{row.week}"]
        assert (entry.score, entry.seq, entry.reached_at) == (last.weekly_xp, last.seq, last.weekly_reached_at)


@given(st.lists(st.integers(0, 9), max_size=12), st.randoms(use_true_random=False))
def test_writes_that_are_lost_repeated_or_reordered_heal(amounts: list[int], random: Random) -> None:
    """So lost, repeated and reordered writes all heal; never increments, never `GT` (a reversal lowers the score).
    Positive controls: increments, the greater score, and the last writer do not heal."""
    ledger = Ledger()
    writes = []
    for at, amount in enumerate(amounts):
        row = ledger.gives("manual", NOON + at * HOUR, amount=amount + 1)
        writes.append(leaderboards.entries(row, ledger.profile)[0])
        if amount % 3 == 0:
            ledger.reverse(row, NOON + at * HOUR)
            writes.append(leaderboards.entries(ledger.rows[-1], ledger.profile)[0])
    noisy = [*writes, *random.sample(writes, len(writes) // 2)]
    random.shuffle(noisy)
    board: BoardEntry | None = None
    for write in noisy:
        board = write if board is None or write.seq > board.seq else board
    assert (board.score if board else 0) == ledger.profile.total_xp


def test_the_other_ways_to_write_do_not_heal() -> None:
    """Never increments, never `GT` (a reversal lowers the score)."""
    ledger = Ledger()
    row = ledger.gives("manual", NOON, amount=5)
    first = leaderboards.entries(row, ledger.profile)[0]
    ledger.reverse(row, NOON)
    second = leaderboards.entries(ledger.rows[-1], ledger.profile)[0]
    assert (first.score, second.score, first.seq < second.seq) == (5, 0, True)
    assert max(first.score, second.score) != ledger.profile.total_xp
    assert first.score + second.score != ledger.profile.total_xp


def test_entries_carry_the_version_of_the_settings() -> None:
    """Opt-out and opt-in raise a settings version on the profile; every board write carries the version it read and is
    refused when a newer one has been seen, so no award in flight brings a user back."""
    ledger = Ledger()
    ledger.profile = ledger.profile.evolve(settings_version=3, leaderboard_opt_out=True)
    row = ledger.gives("manual", NOON, amount=5)
    for entry in leaderboards.entries(row, ledger.profile):
        assert (entry.settings_version, entry.hidden) == (3, True)
        assert ranked([entry]) == []


def test_scores_of_zero_or_less_are_entries_but_no_places() -> None:
    """A user stands on a board while the score is > 0; a write of ≤ 0 removes the member (its companion and `seq`
    stay)."""
    ledger = Ledger()
    row = ledger.gives("answer_downvoted", NOON, about="v")
    found = leaderboards.entries(row, ledger.profile)
    assert [entry.score for entry in found] == [-2, -2]
    assert ranked(found) == []


def test_who_has_no_uid_and_rows_without_a_week_say_nothing() -> None:
    ledger = Ledger()
    row = ledger.gives("manual", NOON, amount=5)
    assert leaderboards.entries(row, ledger.profile.evolve(uid=None)) == ()
    assert leaderboards.entries(row.evolve(week=None), ledger.profile) == ()


def test_a_profile_that_lags_is_brought_ahead() -> None:
    """Boards can be rebuilt from the ledger at any time."""
    ledger = Ledger()
    row = ledger.gives("manual", NOON, amount=5)
    assert leaderboards.ahead(enrolled(), row) == ledger.profile
    assert leaderboards.ahead(enrolled(), row.evolve(state=None)) == enrolled()
    assert leaderboards.global_entry(ledger.profile, UID).score == projections.fold(ledger.rows).total_xp


@pytest.mark.parametrize("name", ["weekly:2025-W51", "weekly:2026-W53"])
def test_a_weekly_board_lasts_eight_weeks(name: str) -> None:
    """A weekly board expires 8 weeks after its week ends; older weeks are served from the ledger, so all backends
    answer alike."""
    week = name[7:]
    ends = datetime.combine(date.fromisocalendar(int(week[:4]), int(week[6:]), 7), datetime.min.time(), UTC) + DAY
    board = Board(week)
    assert board.over_at == ends + 8 * 7 * DAY
    assert not board.is_over(board.over_at - timedelta(milliseconds=1))
    assert board.is_over(board.over_at)
    assert Board.GLOBAL.over_at is None
    assert not Board.GLOBAL.is_over(datetime.max.replace(tzinfo=UTC))
    assert Board("9999-W52").over_at is not None
