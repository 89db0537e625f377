"""What storages promise that commit with all that follows in one step, check by check."""

from functools import partial
from typing import Final

from tektree._async.conformance.samples import (
    NOON,
    NOW,
    Check,
    Race,
    Story,
    Together,
    committed,
    fails,
    later,
    newcomer,
    one_of,
    places,
    refused,
    row_of,
    same,
)
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.ports.unbroken import AsyncUnbroken
from tektree.errors import Stale, Taken
from tektree.models.gamification import Folded, GamificationProfile
from tektree.models.leaderboards import Board
from tektree.rules import leaderboards, xp

__all__ = ["CHECKS", "RACES"]

_ALL: Final = tuple(Folded.model_fields)


async def _there(backends: AsyncBackends, name: str) -> AsyncUnbroken:
    await backends.gamification.enroll(newcomer(name))
    return backends.unbroken or fails("the storages have nothing that commits in one step")


async def _commit(unbroken: AsyncUnbroken, decision: xp.Decision) -> None:
    row, events = committed(decision)
    await unbroken.commit(row, events, leaderboards.entries(row, decision.before), NOW)


async def _everywhere(backends: AsyncBackends, story: Story, *decisions: xp.Decision) -> None:
    """These rows and no others, in the ledger, in the log, on the boards and in the profile."""
    rows = [row_of(each) for each in decisions]
    told = [event for each in decisions for event in each.events]
    tail = await backends.ledger.tail(story.user_id, 0, 99)
    same("the ledger", [each.row for each in tail], rows)
    same("what rows still carry", [event for each in tail for event in each.outbox], [])
    same("rows that are not finished", list(await backends.ledger.unfinished(9)), [])
    same("the log", list(await backends.events.stream(f"user:{story.uid}:xp", 0, 99)), told)
    same("how many events there are", await backends.events.count(), len(told))
    state = rows[-1].state
    same("the profile", _state(await backends.gamification.profile(story.user_id)), _state(state))
    total = state.total_xp if state is not None else 0
    for board, score in ((Board.GLOBAL, total), (Board.weekly(NOON.date()), rows[-1].weekly_xp)):
        found = places(await backends.leaderboards.top(board, 9, NOW))
        same(f"the board {board.name}", found, [(1, story.uid, score)])


def _state(found: Folded | GamificationProfile | None) -> dict[str, object]:
    return {name: getattr(found, name) for name in _ALL}


async def a_commit_is_everywhere_at_once(backends: AsyncBackends) -> None:
    """Row, events, places on the boards and the profile, and nothing is left to be finished."""
    unbroken, story = await _there(backends, "whole"), Story("whole")
    decisions = [story.award("one", amount=30), story.award("two", amount=7, at=later(seconds=5))]
    for each in decisions:
        await _commit(unbroken, each)
    decisions.append(story.turn(row_of(decisions[0]), None, later(seconds=9)))
    await _commit(unbroken, decisions[-1])
    await _everywhere(backends, story, *decisions)
    link = await backends.ledger.linked(story.user_id, row_of(decisions[0]).transaction_id)
    same("what reversed the first row", link, row_of(decisions[-1]))


async def a_key_that_is_used_commits_nothing(backends: AsyncBackends) -> None:
    """`Taken`, as of the ledger itself: also the log, the boards and the profile are as they were."""
    unbroken, story = await _there(backends, "key"), Story("key")
    first = story.award("once")
    await _commit(unbroken, first)
    await refused("a second row with the same key", Taken, _commit, unbroken, Story("key", story.profile).award("once"))
    await _everywhere(backends, story, first)


async def a_seq_that_is_used_commits_nothing(backends: AsyncBackends) -> None:
    """`Stale`, in the same way; so is a row that leaves numbers out."""
    unbroken, story = await _there(backends, "seq"), Story("seq")
    first = story.award("one")
    await _commit(unbroken, first)
    ahead = Story("seq", story.profile.evolve(seq=5, event_seq=20))
    await refused("a row that leaves numbers out", Stale, _commit, unbroken, ahead.award("six", amount=99))
    await refused("a second row with the same seq", Stale, _commit, unbroken, Story("seq").award("two", amount=99))
    await _everywhere(backends, story, first)


async def a_commit_leaves_the_settings_alone(backends: AsyncBackends) -> None:
    """Who opted out meanwhile stays opted out, in the profile and on the boards."""
    unbroken, story = await _there(backends, "shy"), Story("shy")
    decision, before = story.award("one"), newcomer("shy")
    after = before.evolve(leaderboard_opt_out=True, settings_version=1)
    await backends.gamification.swap(before, after)
    await backends.leaderboards.hide(story.uid, 1, hidden=True, now=NOW)
    await _commit(unbroken, decision)
    profile = await backends.gamification.profile(story.user_id)
    same("opted out", profile is not None and profile.leaderboard_opt_out, True)
    same("the total", profile and profile.total_xp, 10)
    same("the board", places(await backends.leaderboards.top(Board.GLOBAL, 9, NOW)), [])


async def a_profile_is_never_put_back(backends: AsyncBackends) -> None:
    """A profile that is further than the row already stays so."""
    unbroken, story = await _there(backends, "ahead"), Story("ahead")
    first, second = row_of(one := story.award("one")), row_of(story.award("two"))
    assert second.state is not None
    await backends.gamification.project(story.user_id, second.state)
    await _commit(unbroken, one)
    profile = await backends.gamification.profile(story.user_id)
    same("the number of the profile", profile and profile.seq, second.seq)
    same("the ledger", list(await backends.ledger.rows(story.user_id, 0, 9)), [first])


async def its_parts_are_those_of_the_bundle(backends: AsyncBackends) -> None:
    """Else services would not use it."""
    unbroken = await _there(backends, "parts")
    stores = backends.gamification, backends.ledger, backends.leaderboards, backends.events
    same("the parts", [part is store for part, store in zip(unbroken.parts, stores, strict=True)], [True] * 4)


async def of_many_commits_with_one_seq_one_is_everywhere(backends: AsyncBackends, together: Together) -> None:
    """All others are `Stale`, and nothing of theirs is anywhere."""
    unbroken, story = await _there(backends, "many"), Story("many")
    decisions = [Story("many").award(f"k{number}", amount=number + 1) for number in range(8)]
    found = await together([partial(_commit, unbroken, each) for each in decisions])
    one_of(found, Stale)
    won = decisions[list(found).index(None)]
    await _everywhere(backends, story, won)


CHECKS: Final[tuple[Check, ...]] = (
    a_commit_is_everywhere_at_once,
    a_key_that_is_used_commits_nothing,
    a_seq_that_is_used_commits_nothing,
    a_commit_leaves_the_settings_alone,
    a_profile_is_never_put_back,
    its_parts_are_those_of_the_bundle,
)
RACES: Final[tuple[Race, ...]] = (of_many_commits_with_one_seq_one_is_everywhere,)
