"""What the ledger promises, check by check."""

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from typing import Final

from tektree._async.conformance.samples import (
    NOON,
    Check,
    Race,
    Story,
    Together,
    committed,
    enrolled,
    fails,
    later,
    one_of,
    refused,
    row_of,
    same,
)
from tektree._async.ports.bundles import AsyncBackends
from tektree.errors import Stale, Taken
from tektree.models.events import Recipients
from tektree.models.gamification import Committed
from tektree.models.leaderboards import BoardEntry
from tektree.rules import xp

__all__ = ["CHECKS", "RACES"]


async def an_appended_row_comes_back_whole(backends: AsyncBackends) -> None:
    """What ``append`` takes, ``row``, ``rows``, ``history`` and ``tail`` give."""
    story = Story("rows")
    decisions = [
        story.award("answer", source="answer_posted"),
        story.award("much", amount=2**53 - 100_000),
        story.award("down", source="answer_downvoted"),
    ]
    decisions.append(story.turn(row_of(decisions[0]), None, later(seconds=5)))
    await enrolled(backends, "rows", *decisions)
    rows = [row_of(each) for each in decisions]
    for row in rows:
        same(f"row {row.seq}", await backends.ledger.row(row.transaction_id), row)
    same("rows", list(await backends.ledger.rows(story.user_id, 0, 10)), rows)
    same("history", list(await backends.ledger.history(story.user_id, None, 10)), rows[::-1])
    tail = await backends.ledger.tail(story.user_id, 0, 9)
    same("the rows of the tail", [each.row for each in tail], rows)
    same("their events", [list(each.outbox) for each in tail], [list(each.events) for each in decisions])


async def a_row_that_is_not_there_is_none(backends: AsyncBackends) -> None:
    """``row`` is None for an id that no row has."""
    same("a row", await backends.ledger.row(row_of(Story("unwritten").award("k")).transaction_id), None)


async def a_user_without_rows_has_empty_lists(backends: AsyncBackends) -> None:
    """No rows, no sums; and nothing is raised."""
    user_id = (await enrolled(backends, "fresh")).user_id
    same("rows", list(await backends.ledger.rows(user_id, 0, 10)), [])
    same("history", list(await backends.ledger.history(user_id, None, 10)), [])
    same("tail", list(await backends.ledger.tail(user_id, 0, 9)), [])
    same("used", await backends.ledger.used(user_id, "2025-12-16"), 0)
    week = await backends.ledger.week(user_id, "2025-W51")
    same("the sum of a week, and when it was reached", (week.xp, week.reached_at), (0, None))


async def a_used_key_is_taken(backends: AsyncBackends) -> None:
    """``append`` raises `Taken` when the user's ledger has a row with this key."""
    story = Story("key")
    first = story.award("once")
    await enrolled(backends, "key", first)
    again = story.award("once", amount=20)
    await refused("a second row with the same key", Taken, backends.ledger.append, *committed(again))
    await _untouched(backends, story.user_id, first)


async def a_used_seq_is_stale(backends: AsyncBackends) -> None:
    """``append`` raises `Stale` when the user's ledger has a row with this ``seq``."""
    first, second = Story("seq").award("one"), Story("seq").award("two")
    await enrolled(backends, "seq", first)
    await refused("a second row with the same seq", Stale, backends.ledger.append, *committed(second))
    await _untouched(backends, row_of(first).user_id, first)
    same("the row that lost", await backends.ledger.row(row_of(second).transaction_id), None)


async def a_row_that_is_written_twice_is_refused(backends: AsyncBackends) -> None:
    """Key and ``seq`` are both used: either error will do."""
    first = Story("twice").award("k")
    await enrolled(backends, "twice", first)
    await refused("the same row again", (Taken, Stale), backends.ledger.append, *committed(first))
    await _untouched(backends, row_of(first).user_id, first)


async def _untouched(backends: AsyncBackends, user_id: str, decision: xp.Decision) -> None:
    """A refused append left neither a row nor events."""
    tail = await backends.ledger.tail(user_id, 0, 9)
    found = [(each.row, tuple(each.outbox)) for each in tail]
    same("the ledger after a refusal", found, [(decision.row, decision.events)])


async def keys_and_seqs_are_each_users_own(backends: AsyncBackends) -> None:
    """Another user's row may have the same key and the same ``seq``."""
    for name in ("left", "right"):
        decision = Story(name).award("shared")
        await enrolled(backends, name, decision)
        same(f"the rows of {name}", list(await backends.ledger.rows(row_of(decision).user_id, 0, 9)), [decision.row])


async def events_stay_on_their_row_until_they_are_told(backends: AsyncBackends) -> None:
    """``told`` takes the events off the rows it is given, and off no other."""
    story = Story("outbox")
    decisions = [story.award(f"k{number}") for number in range(3)]
    await enrolled(backends, "outbox", *decisions)
    await backends.ledger.told([row_of(decisions[1])])
    left = [list(each.outbox) for each in await backends.ledger.tail(story.user_id, 0, 9)]
    same("the events left", left, [list(decisions[0].events), [], list(decisions[2].events)])


async def telling_again_does_nothing(backends: AsyncBackends) -> None:
    """``told`` again, or of a row that is not there, or of none: nothing happens, and rows stay as they are."""
    story = Story("told")
    decisions = [story.award(f"k{number}") for number in range(2)]
    await enrolled(backends, "told", *decisions)
    rows = [row_of(each) for each in decisions]
    unwritten = row_of(Story("told").award("elsewhere"))
    for _ in range(2):
        await backends.ledger.told([*rows, unwritten])
        await backends.ledger.told([])
        same("the rows", list(await backends.ledger.rows(story.user_id, 0, 9)), rows)
        same("the events left", [len(each.outbox) for each in await backends.ledger.tail(story.user_id, 0, 9)], [0, 0])
    same("the row that is not there", await backends.ledger.row(unwritten.transaction_id), None)


async def whom_events_are_for_stays_with_them(backends: AsyncBackends) -> None:
    """``append`` takes for each event whom it is for; ``tail`` and ``unfinished`` give it back."""
    story = Story("addressed")
    decisions = [story.award(f"k{number}", amount=150) for number in range(4)]
    counts = [len(each.events) for each in decisions]
    if max(counts) < 2:
        fails("a check asked the rules for a row of several events and got none; that is the check's fault")
    mixed: list[list[Recipients]] = [[("mail", "audit"), (), ("mail",)][:count] for count in counts]
    tos: list[Sequence[Recipients]] = [mixed[0], mixed[1], [()] * counts[2], ()]
    await enrolled(backends, "addressed")
    for decision, to in zip(decisions, tos, strict=True):
        await backends.ledger.append(*committed(decision), to)
    expected = [list(to or [()] * count) for to, count in zip(tos, counts, strict=True)]
    tail = await backends.ledger.tail(story.user_id, 0, 9)
    same("of the tail", [_addressed(each) for each in tail], expected)
    same("their events", [list(each.outbox) for each in tail], [list(each.events) for each in decisions])
    same("of what is unfinished", [_addressed(each) for each in await backends.ledger.unfinished(9)], expected)
    await backends.ledger.told([row_of(decisions[0])])
    [first, *rest] = await backends.ledger.tail(story.user_id, 0, 9)
    same("behind told", (list(first.outbox), list(first.to)), ([], []))
    same("of the others", [_addressed(each) for each in rest], expected[1:])


def _addressed(committed: Committed) -> list[Recipients]:
    """Whom each event of a row is for. Nobody of any may be said by nothing at all."""
    return [tuple(each) for each in committed.to] or [()] * len(committed.outbox)


async def rows_that_carry_events_are_unfinished(backends: AsyncBackends) -> None:
    """``unfinished`` gives up to ``limit`` rows with their events, those of a user in the order of ``seq``."""
    decisions = []
    for name in ("one", "two", "three"):
        story = Story(name)
        mine = [story.award(f"k{number}") for number in range(4)]
        await enrolled(backends, name, *mine)
        decisions += mine[1:]
        await backends.ledger.told([row_of(mine[0])])
    left = sorted([committed(each) for each in decisions], key=lambda each: (each[0].user_id, each[0].seq))
    found = await backends.ledger.unfinished(99)
    users = sorted({row.user_id for row, _ in left})
    for user_id in users:
        rows = [(each.row, tuple(each.outbox)) for each in found if each.row.user_id == user_id]
        same("a user's rows", rows, [(row, tuple(events)) for row, events in left if row.user_id == user_id])
    same("how many", len(found), len(left))
    grouped = [user_id for user_id, _ in groupby(found, lambda each: each.row.user_id)]
    same("whether a user's rows stand together", len(grouped), len(users))
    for number in range(5):
        page = await backends.ledger.unfinished(2)
        same("2 rows, or what is left", len(page), min(2, len(left) - 2 * number))
        for each in page:
            await backends.ledger.told([each.row])
    same("when all is told", list(await backends.ledger.unfinished(9)), [])


async def the_tail_begins_behind_a_seq(backends: AsyncBackends) -> None:
    """``tail`` gives up to ``limit`` of the user's rows behind ``seq``, oldest first."""
    story = Story("tail")
    decisions = [story.award(f"k{number}") for number in range(4)]
    await enrolled(backends, "tail", *decisions)
    await enrolled(backends, "bystander", Story("bystander").award("k"))
    for seq in range(6):
        for limit in (1, 3, 9):
            found = [each.row.seq for each in await backends.ledger.tail(story.user_id, seq, limit)]
            same(f"{limit} of the tail behind {seq}", found, list(range(seq + 1, 5))[:limit])


async def rows_come_oldest_first_page_by_page(backends: AsyncBackends) -> None:
    """``rows`` gives up to ``limit`` of the user's rows behind ``after``, oldest first."""
    story = Story("pages")
    await enrolled(backends, "pages", *[story.award(f"k{number}") for number in range(5)])
    await enrolled(backends, "neighbour", Story("neighbour").award("k"))
    for after, limit, expected in (
        (0, 2, [1, 2]),
        (2, 2, [3, 4]),
        (4, 2, [5]),
        (5, 2, []),
        (9, 2, []),
        (1, 99, [2, 3, 4, 5]),
    ):
        found = [row.seq for row in await backends.ledger.rows(story.user_id, after, limit)]
        same(f"{limit} rows behind {after}", found, expected)


async def history_comes_newest_first_page_by_page(backends: AsyncBackends) -> None:
    """``history`` gives up to ``limit`` of the user's rows before ``before``, newest first, by ``seq``, not by time."""
    story = Story("history")
    await enrolled(backends, "history", *[story.award(f"k{number}", at=later(seconds=-number)) for number in range(5)])
    await enrolled(backends, "passer_by", Story("passer_by").award("k"))
    for before, limit, expected in (
        (None, 2, [5, 4]),
        (4, 2, [3, 2]),
        (2, 2, [1]),
        (1, 2, []),
        (99, 9, [5, 4, 3, 2, 1]),
    ):
        found = [row.seq for row in await backends.ledger.history(story.user_id, before, limit)]
        same(f"{limit} rows before {before}", found, expected)


async def the_newest_link_of_a_row_is_found(backends: AsyncBackends) -> None:
    """``linked`` gives the newest row that reverses or restores a row; None when there is none."""
    story = Story("linked")
    award, other = story.award("turned"), story.award("left")
    await enrolled(backends, "linked", award, other)
    id = row_of(award).transaction_id
    same("the link of a row that has none", await backends.ledger.linked(story.user_id, id), None)
    linked = None
    for turn in range(3):
        decision = story.turn(row_of(award), linked, later(seconds=turn + 1))
        await backends.ledger.append(*committed(decision))
        linked = row_of(decision)
        same(f"after turn {turn + 1}", await backends.ledger.linked(story.user_id, id), linked)
        same("the link of a link", await backends.ledger.linked(story.user_id, linked.transaction_id), None)
    same("the link of another", await backends.ledger.linked(story.user_id, row_of(other).transaction_id), None)


async def what_is_used_of_a_day_is_what_its_newest_row_says(backends: AsyncBackends) -> None:
    """``used`` is ``daily_total`` of the newest row of that day, by ``seq``; 0 when there is none."""
    story = Story("used")
    first = story.award("monday", amount=100, at=later(-1))
    decisions = [first, story.award("more", amount=50, at=later(-1)), story.award("tuesday", amount=7)]
    await enrolled(backends, "used", *decisions)
    await enrolled(backends, "thrifty", Story("thrifty").award("k", amount=400))
    for day, expected in (("2025-12-15", 150), ("2025-12-16", 7), ("2025-12-17", 0)):
        same(f"used of {day}", await backends.ledger.used(story.user_id, day), expected)
    late = story.award("afterwards", amount=3, at=later(seconds=9))
    undone = story.turn(row_of(late), None, later(seconds=10))
    for decision in (late, undone):
        await backends.ledger.append(*committed(decision))
    same("used after a reversal", await backends.ledger.used(story.user_id, "2025-12-16"), row_of(undone).daily_total)


async def a_week_adds_up_all_rows_that_are_booked_to_it(backends: AsyncBackends) -> None:
    """``week`` is what the user's rows of that ISO week come to, a later reversal of one of them included."""
    story = Story("week")
    first = story.award("before", amount=30, at=later(-7))
    decisions = [first, story.award("also", amount=5, at=later(-7, 60)), story.award("now", amount=9)]
    await enrolled(backends, "week", *decisions)
    await enrolled(backends, "busy", Story("busy").award("k", amount=400))
    for week, total, reached in (("2025-W50", 35, later(-7, 60)), ("2025-W51", 9, NOON), ("2025-W52", 0, None)):
        found = await backends.ledger.week(story.user_id, week)
        same(f"the sum of {week}", (found.xp, found.reached_at), (total, reached))
    decision = story.award("tuesday", amount=1, at=later(seconds=30))
    await backends.ledger.append(*committed(decision))
    undone = story.turn(row_of(decision), None, later(seconds=40))
    await backends.ledger.append(*committed(undone))
    found, row = await backends.ledger.week(story.user_id, "2025-W51"), row_of(undone)
    same("after a reversal", (found.xp, found.reached_at), (9, row.weekly_reached_at))


async def standings_are_every_users_sum_with_their_settings(backends: AsyncBackends) -> None:
    """``standings`` is what every user's rows of that week add up to, with their settings as they are now."""
    expected = {}
    for number, name in enumerate(("ann", "bob", "cleo")):
        story = Story(name)
        decisions = [story.award("old", at=later(-7)), story.award("a", amount=number + 1), story.award("b", amount=5)]
        profile = await enrolled(backends, name, *decisions)
        hidden = name == "bob"
        if hidden:
            await backends.gamification.swap(profile, profile.evolve(leaderboard_opt_out=True, settings_version=1))
        row = row_of(decisions[-1])
        expected[story.uid] = (number + 6, row.weekly_reached_at, row.seq, int(hidden), hidden)
    found = {each.uid: _said(each) for each in await backends.ledger.standings("2025-W51")}
    same("the standings", {uid: said for uid, said in found.items() if uid in expected}, expected)
    boards = {each.board.week for each in await backends.ledger.standings("2025-W51")}
    same("their board", boards, {"2025-W51"})
    same("a week without rows", list(await backends.ledger.standings("2024-W01")), [])


def _said(entry: BoardEntry) -> tuple[object, ...]:
    return entry.score, entry.reached_at, entry.seq, entry.settings_version, entry.hidden


# Calls that meet


async def of_many_rows_with_one_seq_one_is_appended(backends: AsyncBackends, together: Together) -> None:
    """The ``seq`` is unique in the store, not by looking first."""
    decisions = [Story("race_seq").award(f"k{number}") for number in range(8)]
    await enrolled(backends, "race_seq")
    found = await together([partial(backends.ledger.append, *committed(each)) for each in decisions])
    one_of(found, Stale)
    [row] = await backends.ledger.rows(row_of(decisions[0]).user_id, 0, 9)
    same(
        "who won and what is stored",
        [each.row for each, back in zip(decisions, found, strict=True) if back is None],
        [row],
    )


async def of_many_rows_with_one_key_one_is_appended(backends: AsyncBackends, together: Together) -> None:
    """The key is unique in the store, not by looking first."""
    story = Story("race_key")
    decisions = []
    before = story.profile
    for seq in range(8):
        story.profile = before.evolve(seq=seq)
        decisions.append(story.award("one"))
    await enrolled(backends, "race_key")
    found = await together([partial(backends.ledger.append, *committed(each)) for each in decisions])
    won = [each.row for each, back in zip(decisions, found, strict=True) if back is None]
    if len(won) > 1:
        fails(f"{len(won)} rows with one key were appended")
    for back in found:
        if back is not None and not isinstance(back, Taken | Stale):
            fails(f"a loser got {back!r}, not Taken or Stale")
    same("what is stored", list(await backends.ledger.rows(story.user_id, 0, 9)), won)


CHECKS: Final[tuple[Check, ...]] = (
    an_appended_row_comes_back_whole,
    a_row_that_is_not_there_is_none,
    a_user_without_rows_has_empty_lists,
    a_used_key_is_taken,
    a_used_seq_is_stale,
    a_row_that_is_written_twice_is_refused,
    keys_and_seqs_are_each_users_own,
    events_stay_on_their_row_until_they_are_told,
    telling_again_does_nothing,
    whom_events_are_for_stays_with_them,
    rows_that_carry_events_are_unfinished,
    the_tail_begins_behind_a_seq,
    rows_come_oldest_first_page_by_page,
    history_comes_newest_first_page_by_page,
    the_newest_link_of_a_row_is_found,
    what_is_used_of_a_day_is_what_its_newest_row_says,
    a_week_adds_up_all_rows_that_are_booked_to_it,
    standings_are_every_users_sum_with_their_settings,
)

RACES: Final[tuple[Race, ...]] = (
    of_many_rows_with_one_seq_one_is_appended,
    of_many_rows_with_one_key_one_is_appended,
)
