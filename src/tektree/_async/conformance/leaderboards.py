"""What leaderboards promise, check by check."""

from datetime import timedelta
from functools import partial
from typing import Final

from tektree._async.conformance.samples import (
    NOON,
    NOW,
    Check,
    Race,
    Together,
    entry,
    fails,
    places,
    same,
)
from tektree._async.ports.bundles import AsyncBackends
from tektree.models.leaderboards import Board, BoardEntry
from tektree.rules.leaderboards import standings

__all__ = ["CHECKS", "RACES"]

_WEEK: Final = Board.weekly(NOON)
_BOARDS: Final = (Board.GLOBAL, _WEEK)


async def _stand(backends: AsyncBackends, *expected: tuple[str, int], board: Board = Board.GLOBAL) -> None:
    """Exactly these stand on the board, in this order, by every way of reading it."""
    wanted = [(rank, uid, score) for rank, (uid, score) in enumerate(expected, start=1)]
    same(f"the top of {board.name}", places(await backends.leaderboards.top(board, 100, NOW)), wanted)
    for rank, uid, score in wanted:
        found = await backends.leaderboards.rank(board, uid, NOW)
        same(f"the place of {uid} on {board.name}", places([found] if found else []), [(rank, uid, score)])


async def _absent(backends: AsyncBackends, uid: str, board: Board = Board.GLOBAL) -> None:
    same(f"the place of {uid} on {board.name}", await backends.leaderboards.rank(board, uid, NOW), None)
    around = places(await backends.leaderboards.around(board, uid, 5, NOW))
    same(f"around {uid} on {board.name}", around, [])
    if uid in [each.uid for each in await backends.leaderboards.top(board, 100, NOW)]:
        fails(f"{uid} is in the top of {board.name}")


async def a_board_that_nobody_is_on_is_empty(backends: AsyncBackends) -> None:
    """No places, and nobody is ranked."""
    for board in _BOARDS:
        await _stand(backends, board=board)
        await _absent(backends, "usr_nobody", board)


async def who_has_xp_stands_on_the_board(backends: AsyncBackends) -> None:
    """``put`` puts an entry; ``top`` and ``rank`` show it."""
    await backends.leaderboards.put([entry("usr_a", 30)], NOW)
    await _stand(backends, ("usr_a", 30))
    await backends.leaderboards.put([entry("usr_b", 40), entry("usr_c", 20)], NOW)
    await _stand(backends, ("usr_b", 40), ("usr_a", 30), ("usr_c", 20))


async def putting_nothing_is_nothing(backends: AsyncBackends) -> None:
    """``put`` takes an empty sequence."""
    await backends.leaderboards.put([], NOW)
    await _stand(backends)


async def who_has_none_stands_on_no_board(backends: AsyncBackends) -> None:
    """A score of 0 or below is no place."""
    await backends.leaderboards.put([entry("usr_a", 1), entry("usr_zero", 0), entry("usr_debt", -7)], NOW)
    await _stand(backends, ("usr_a", 1))
    await _absent(backends, "usr_zero")
    await _absent(backends, "usr_debt")


async def higher_scores_stand_first_then_the_earlier_then_the_smaller_uid(backends: AsyncBackends) -> None:
    """The order is `BoardEntry.order`; times differ by milliseconds, and no time counts as the earliest."""
    entries = [
        entry("usr_b", 50, at=2),
        entry("usr_a", 50, at=2),
        entry("usr_B", 50, at=2),
        entry("usr_-", 50, at=2),
        entry("usr_b-", 50, at=2),
        entry("usr_b1", 50, at=2),
        entry("usr_soon", 50, at=1.999),
        entry("usr_0_late", 50, at=2.001),
        entry("usr_old", 50, reached_at=None),
        entry("usr_ancient", 50, at=-1_700_000_000),
        entry("usr_high", 51, at=99),
    ]
    await backends.leaderboards.put(entries, NOW)
    await _stand(backends, *[(each.uid, each.score) for each in sorted(entries, key=lambda each: each.order)])


async def large_scores_are_exact(backends: AsyncBackends) -> None:
    """Up to 2**53, one XP more is one place higher."""
    scores = [2**53, 2**53 - 1, 2**53 - 2, 2**52 + 1, 2**52]
    await backends.leaderboards.put([entry(f"usr_{at}", score, at=-at) for at, score in enumerate(scores)], NOW)
    await _stand(backends, *[(f"usr_{at}", score) for at, score in enumerate(scores)])


async def a_newer_entry_takes_the_place_of_an_older_one(backends: AsyncBackends) -> None:
    """Of one user the entry of the highest ``seq`` counts, be its score higher or lower."""
    await backends.leaderboards.put([entry("usr_a", 30, 1), entry("usr_b", 20, 1)], NOW)
    await backends.leaderboards.put([entry("usr_a", 10, 2)], NOW)
    await _stand(backends, ("usr_b", 20), ("usr_a", 10))
    await backends.leaderboards.put([entry("usr_a", 25, 5)], NOW)
    await _stand(backends, ("usr_a", 25), ("usr_b", 20))


async def an_older_entry_changes_nothing(backends: AsyncBackends) -> None:
    """Entries may come late or twice, one by one or together."""
    await backends.leaderboards.put([entry("usr_a", 30, 3), entry("usr_a", 99, 2)], NOW)
    await backends.leaderboards.put([entry("usr_a", 98, 1)], NOW)
    await backends.leaderboards.put([entry("usr_a", 97, 0)], NOW)
    await _stand(backends, ("usr_a", 30))


async def an_entry_of_the_same_seq_is_written_again(backends: AsyncBackends) -> None:
    """Which heals a board that has drifted."""
    await backends.leaderboards.put([entry("usr_a", 999, 3), entry("usr_b", 50)], NOW)
    await backends.leaderboards.put([entry("usr_a", 30, 3)], NOW)
    await _stand(backends, ("usr_b", 50), ("usr_a", 30))


async def who_falls_to_nothing_leaves_and_older_entries_do_not_bring_them_back(backends: AsyncBackends) -> None:
    """The ``seq`` of who left is remembered."""
    await backends.leaderboards.put([entry("usr_a", 30, 1), entry("usr_b", 10)], NOW)
    await backends.leaderboards.put([entry("usr_a", 0, 3)], NOW)
    await _stand(backends, ("usr_b", 10))
    await _absent(backends, "usr_a")
    await backends.leaderboards.put([entry("usr_a", 30, 2)], NOW)
    await _absent(backends, "usr_a")
    await backends.leaderboards.put([entry("usr_a", 5, 4)], NOW)
    await _stand(backends, ("usr_b", 10), ("usr_a", 5))


async def boards_are_apart(backends: AsyncBackends) -> None:
    """Each board has its own scores and its own ``seq`` for each user."""
    other = Board("2025-W50")
    await backends.leaderboards.put(
        [entry("usr_a", 30, 9), entry("usr_a", 7, 2, _WEEK), entry("usr_b", 8, 1, _WEEK)], NOW
    )
    await backends.leaderboards.put([entry("usr_a", 4, 1, other)], NOW)
    await _stand(backends, ("usr_a", 30))
    await _stand(backends, ("usr_b", 8), ("usr_a", 7), board=_WEEK)
    await _stand(backends, ("usr_a", 4), board=other)


async def the_top_ends_at_its_limit(backends: AsyncBackends) -> None:
    """``top`` gives the first ``limit`` places."""
    await backends.leaderboards.put([entry(f"usr_{at}", 100 - at) for at in range(5)], NOW)
    for limit in (1, 2, 5, 6, 1000):
        found = [each.uid for each in await backends.leaderboards.top(Board.GLOBAL, limit, NOW)]
        same(f"the first {limit}", found, [f"usr_{at}" for at in range(5)][:limit])


async def around_shows_the_neighbours_on_either_side(backends: AsyncBackends) -> None:
    """``around`` gives the user's place with up to ``span`` places before and behind."""
    await backends.leaderboards.put([entry(f"usr_{at}", 100 - at) for at in range(7)], NOW)
    everybody = [(at + 1, f"usr_{at}", 100 - at) for at in range(7)]
    for at in range(7):
        for span in (0, 1, 2, 3, 9):
            found = places(await backends.leaderboards.around(Board.GLOBAL, f"usr_{at}", span, NOW))
            same(f"{span} around number {at + 1}", found, everybody[max(0, at - span) : at + span + 1])


async def ranks_have_no_gaps_and_all_readings_agree(backends: AsyncBackends) -> None:
    """Among many who come, rise, fall and tie, ``top``, ``rank`` and ``around`` tell one order."""
    newest: dict[str, BoardEntry] = {}
    for turn in range(4):
        batch = [
            entry(f"usr_{at:02d}", (at * 37 + turn * 11) % 23 - 2, turn + 1, at=(at * turn) % 5) for at in range(40)
        ]
        newest |= {each.uid: each for each in batch}
        await backends.leaderboards.put(batch, NOW)
    expected = places(standings(list(newest.values())))
    same("the top", places(await backends.leaderboards.top(Board.GLOBAL, 100, NOW)), expected)
    for rank, uid, score in expected:
        found = await backends.leaderboards.rank(Board.GLOBAL, uid, NOW)
        same(f"the place of {uid}", places([found] if found else []), [(rank, uid, score)])
        around = places(await backends.leaderboards.around(Board.GLOBAL, uid, 3, NOW))
        same(f"around {uid}", around, expected[max(0, rank - 4) : rank + 3])


async def who_hides_leaves_all_boards_at_once_and_ranks_close_up(backends: AsyncBackends) -> None:
    """``hide`` takes the user off all boards."""
    for board in _BOARDS:
        await backends.leaderboards.put([entry(f"usr_{name}", ord(name), 1, board) for name in "abc"], NOW)
    await backends.leaderboards.hide("usr_b", 1, True, NOW)
    for board in _BOARDS:
        await _stand(backends, ("usr_c", 99), ("usr_a", 97), board=board)
        await _absent(backends, "usr_b", board)


async def who_comes_back_has_the_xp_they_have_by_now(backends: AsyncBackends) -> None:
    """Entries of who is hidden are kept, and ``hide`` with ``hidden`` false shows them."""
    await backends.leaderboards.put([entry("usr_a", 30), entry("usr_b", 20)], NOW)
    await backends.leaderboards.hide("usr_b", 1, True, NOW)
    await backends.leaderboards.put([entry("usr_b", 50, 2), entry("usr_b", 3, 2, _WEEK)], NOW)
    await _absent(backends, "usr_b")
    await _absent(backends, "usr_b", _WEEK)
    await backends.leaderboards.hide("usr_b", 2, False, NOW)
    await _stand(backends, ("usr_b", 50), ("usr_a", 30))
    await _stand(backends, ("usr_b", 3), board=_WEEK)


async def an_older_version_of_the_settings_changes_nothing(backends: AsyncBackends) -> None:
    """``hide`` of an older version is too late."""
    await backends.leaderboards.put([entry("usr_a", 30)], NOW)
    await backends.leaderboards.hide("usr_a", 3, True, NOW)
    await backends.leaderboards.hide("usr_a", 2, False, NOW)
    await _absent(backends, "usr_a")
    await backends.leaderboards.hide("usr_a", 4, False, NOW)
    await backends.leaderboards.hide("usr_a", 1, True, NOW)
    await _stand(backends, ("usr_a", 30))


async def an_award_in_flight_does_not_bring_back_who_hides(backends: AsyncBackends) -> None:
    """An entry carries the version it read; an older one shows nobody, whenever it arrives and however new its row."""
    await backends.leaderboards.put([entry("usr_a", 30), entry("usr_b", 1)], NOW)
    await backends.leaderboards.hide("usr_a", 2, True, NOW)
    for version in (0, 1):
        late = entry("usr_a", 40 + version, 2 + version, settings_version=version, hidden=False)
        await backends.leaderboards.put([late, late._replace(board=_WEEK)], NOW)
        for board in _BOARDS:
            await _absent(backends, "usr_a", board)
    await _stand(backends, ("usr_b", 1))


async def who_hid_before_the_first_entry_is_hidden(backends: AsyncBackends) -> None:
    """``hide`` is remembered of who stands on no board yet."""
    await backends.leaderboards.hide("usr_a", 1, True, NOW)
    await backends.leaderboards.put([entry("usr_a", 30), entry("usr_b", 20), entry("usr_a", 5, 1, _WEEK)], NOW)
    await _stand(backends, ("usr_b", 20))
    await _absent(backends, "usr_a")
    await _absent(backends, "usr_a", _WEEK)


async def the_newest_settings_that_an_entry_carries_decide_on_all_boards(backends: AsyncBackends) -> None:
    """``put`` of a newer version hides or shows the user everywhere, even when the entry itself is too old."""
    await backends.leaderboards.put([entry("usr_a", 30, 5), entry("usr_a", 8, 5, _WEEK)], NOW)
    await backends.leaderboards.put([entry("usr_a", 1, 2, settings_version=1, hidden=True)], NOW)
    for board in _BOARDS:
        await _absent(backends, "usr_a", board)
    await backends.leaderboards.put([entry("usr_a", 9, 6, _WEEK, settings_version=2, hidden=False)], NOW)
    await _stand(backends, ("usr_a", 30))
    await _stand(backends, ("usr_a", 9), board=_WEEK)


async def a_week_stands_until_its_time_is_over_and_then_is_empty(backends: AsyncBackends) -> None:
    """Eight weeks after its week a board is empty; the board of all time is not touched."""
    over = _WEEK.over_at
    assert over is not None
    last = over - timedelta(milliseconds=1)
    await backends.leaderboards.put([entry("usr_a", 8, 1, _WEEK), entry("usr_a", 30)], NOW)
    found = places(await backends.leaderboards.top(_WEEK, 9, last))
    same("the top at its last moment", found, [(1, "usr_a", 8)])
    for at in (over, over + timedelta(days=400)):
        same("the top after it", list(await backends.leaderboards.top(_WEEK, 9, at)), [])
        same("the place", await backends.leaderboards.rank(_WEEK, "usr_a", at), None)
        same("around", list(await backends.leaderboards.around(_WEEK, "usr_a", 2, at)), [])
    found = places(await backends.leaderboards.top(Board.GLOBAL, 9, over))
    same("the board of all time", found, [(1, "usr_a", 30)])


async def a_week_that_is_over_takes_no_more_entries(backends: AsyncBackends) -> None:
    """``put`` passes over them; entries of other boards that come with them are taken."""
    old = Board("2025-W01")
    await backends.leaderboards.put([entry("usr_a", 8, 1, old), entry("usr_a", 30), entry("usr_b", 9, 1, old)], NOW)
    await _stand(backends, ("usr_a", 30))
    await _stand(backends, board=old)
    await _absent(backends, "usr_a", old)


async def of_many_entries_the_newest_stays(backends: AsyncBackends, together: Together) -> None:
    """``put`` compares and writes in one step."""
    entries = [entry("usr_a", 100 - seq, seq) for seq in (3, 1, 8, 2, 7, 5, 4, 6)]
    found = await together([partial(backends.leaderboards.put, [each], NOW) for each in entries])
    same("what they returned", list(found), [None] * 8)
    await _stand(backends, ("usr_a", 92))


async def whoever_meets_hiding_stays_hidden(backends: AsyncBackends, together: Together) -> None:
    """Awards that meet an opt-out do not bring the user back."""
    awards = [partial(backends.leaderboards.put, [entry("usr_a", seq, seq)], NOW) for seq in range(1, 8)]
    await together([*awards[:4], partial(backends.leaderboards.hide, "usr_a", 1, True, NOW), *awards[4:]])
    await _absent(backends, "usr_a")
    await backends.leaderboards.hide("usr_a", 2, False, NOW)
    await _stand(backends, ("usr_a", 7))


CHECKS: Final[tuple[Check, ...]] = (
    a_board_that_nobody_is_on_is_empty,
    who_has_xp_stands_on_the_board,
    putting_nothing_is_nothing,
    who_has_none_stands_on_no_board,
    higher_scores_stand_first_then_the_earlier_then_the_smaller_uid,
    large_scores_are_exact,
    a_newer_entry_takes_the_place_of_an_older_one,
    an_older_entry_changes_nothing,
    an_entry_of_the_same_seq_is_written_again,
    who_falls_to_nothing_leaves_and_older_entries_do_not_bring_them_back,
    boards_are_apart,
    the_top_ends_at_its_limit,
    around_shows_the_neighbours_on_either_side,
    ranks_have_no_gaps_and_all_readings_agree,
    who_hides_leaves_all_boards_at_once_and_ranks_close_up,
    who_comes_back_has_the_xp_they_have_by_now,
    an_older_version_of_the_settings_changes_nothing,
    an_award_in_flight_does_not_bring_back_who_hides,
    who_hid_before_the_first_entry_is_hidden,
    the_newest_settings_that_an_entry_carries_decide_on_all_boards,
    a_week_stands_until_its_time_is_over_and_then_is_empty,
    a_week_that_is_over_takes_no_more_entries,
)

RACES: Final[tuple[Race, ...]] = (of_many_entries_the_newest_stays, whoever_meets_hiding_stays_hidden)
