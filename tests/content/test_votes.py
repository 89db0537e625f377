"""Votes: one for each user and thing, counted, and worth what the policy says. In memory, in both flavours."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tektree import EntityRef, TekTree
from tektree.backends.memory import memory_backends
from tektree.errors import ConfigurationError, Forbidden, InvalidInput, NotFound
from tests.content.test_answers import posted, xp
from tests.content.test_areas import ADA, ADMIN, BEN, HOSTILE, MOD, STATES, VIEWERS, found, refused_as
from tests.content.test_questions import asked
from tests.content.worlds import POLICY, World, enrolled, principal, refused
from tests.rules.test_visibility import oracle


async def counts(tek: Any, thing: Any) -> tuple[int, int]:
    verb = tek.answers if hasattr(thing, "question_id") else tek.questions
    now = await verb.get(ADA, thing.id)
    return now.upvote_count, now.downvote_count


def test_a_vote_is_changed_and_taken_back(world: World) -> None:
    """The author's XP follows: +10, -2; the order does not matter, and a vote given again earns nothing more."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        ada, ben, cyd = [await enrolled(tek, name) for name in ("ada", "ben", "cyd")]
        question = await asked(tek, by=ada)
        answer = await posted(tek, question, ada)
        base = 15
        for value, gained, counted in (
            (1, 10, (1, 0)),
            (1, 10, (1, 0)),
            (-1, -2, (0, 1)),
            (1, 10, (1, 0)),
            (0, 0, (0, 0)),
        ):
            for thing, ref in ((question, question), (answer, EntityRef("answer", answer.id))):
                assert (await tek.votes.cast(ben, ref, value)).value == value
                assert await counts(tek, thing) == counted
            assert await xp(tek, ada) == [base + 2 * gained]
        await tek.votes.cast(ben, answer, 1)
        await tek.votes.cast(cyd, answer, -1)
        assert await counts(tek, answer) == (1, 1)
        assert await xp(tek, ada, ben, cyd) == [base + 8, 0, 0]
        assert (await tek.votes.cast(cyd, question, 0)).value == 0, "there was none to take back"
        assert await tek.gamification.verify(ada.id)

    world.run(scenario)


def test_voting_a_hundred_times_earns_once(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        ada, ben = [await enrolled(tek, name) for name in ("ada", "ben")]
        question = await asked(tek, by=ada)
        for _ in range(25 if world.is_async else 100):
            await tek.votes.cast(ben, question, 1)
            assert await xp(tek, ada) == [15]
            await tek.votes.cast(ben, question, 0)
            assert await xp(tek, ada) == [5]

    world.run(scenario)


def test_a_relay_whose_clock_is_behind_gives_what_is_due(world: World) -> None:
    """What has happened is not of the future, however far the clocks of two machines are apart."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY.evolve(events={"deliver": "relay"}))
        ada, ben = await enrolled(tek, "ada"), await enrolled(tek, "ben")
        await tek.votes.cast(ben, await asked(tek, by=ada), 1)
        world.clock.advance(timedelta(seconds=-5))
        assert (await tek.events.relay.run_once()).failed == 0
        assert await xp(tek, ada) == [15]
        assert await tek.gamification.verify(ada.id)

    world.run(scenario)


def test_deleting_takes_back_what_votes_earned(world: World) -> None:
    """A hundred times: never more than the first grants, of the question and of the answer; nobody votes meanwhile.

    What votes on an answer earned stays while its question is gone: that is somebody else's.
    """

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        ada, ben, cyd, dan = [await enrolled(tek, name) for name in ("ada", "ben", "cyd", "dan")]
        question = await asked(tek, by=ada)
        answer = await posted(tek, question, ben)
        for thing, other in ((question, ben), (answer, ada)):
            await tek.votes.cast(other, thing, 1)
            await tek.votes.cast(cyd, thing, -1)
            await tek.votes.cast(dan, thing, 1)
            await tek.votes.cast(dan, thing, 0)
        await tek.answers.accept(ada, answer.id)
        for _ in range(10 if world.is_async else 100):
            assert await xp(tek, ada, ben) == [5 + 8 + 2, 10 + 8 + 15]
            await tek.questions.delete(ada, question.id)
            assert await xp(tek, ada, ben) == [0, 10 + 8 + 15]
            for value in (1, 0):
                await refused(NotFound, tek.votes.cast(ben, question, value))
                await refused(NotFound, tek.votes.cast(cyd, answer, value))
            await tek.questions.restore(ada, question.id)
            await tek.answers.delete(ben, answer.id)
            assert await xp(tek, ada, ben) == [5 + 8, 0]
            await refused(NotFound, tek.votes.cast(cyd, answer, 0))
            await tek.answers.restore(ben, answer.id)
        assert [await counts(tek, each) for each in (question, answer)] == [(1, 1), (1, 1)]
        await tek.votes.cast(cyd, question, 0)
        await tek.votes.cast(cyd, answer, 1)
        assert await xp(tek, ada, ben) == [5 + 10 + 2, 10 + 20 + 15]
        for who in (ada, ben, cyd, dan):
            assert await tek.gamification.verify(who.id)

    world.run(scenario)


def test_what_was_unaccepted_before_stays_so(world: World) -> None:
    """The asker's XP for choosing comes back with the question only if an answer is chosen."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        ada, ben = [await enrolled(tek, name) for name in ("ada", "ben")]
        question = await asked(tek, by=ada)
        answer = await posted(tek, question, ben)
        await tek.answers.accept(ada, answer.id)
        await tek.answers.unaccept(ada, answer.id)
        await tek.questions.delete(ada, question.id)
        await tek.questions.restore(ada, question.id)
        assert await xp(tek, ada, ben) == [5, 10]

    world.run(scenario)


def test_votes_that_meet_a_deletion(world: World) -> None:
    """E18, J34: whatever is cast while it is deleted and restored, in the end XP is that of the votes there are."""

    async def scenario(world: World) -> None:
        teks = [world.rival(POLICY) for _ in range(2)]
        ada = await enrolled(teks[0], "ada")
        question = await asked(teks[0], by=ada)
        people = [principal(f"p{at}") for at in range(10)]

        async def turned() -> None:
            for _ in range(3):
                await teks[1].questions.delete(ada, question.id)
                await teks[1].questions.restore(ada, question.id)

        await asyncio.gather(
            *[teks[at % 2].votes.cast(who, question, 1 - 2 * (at % 2)) for at, who in enumerate(people)],
            turned(),
            return_exceptions=True,
        )
        world.clock.advance(timedelta(hours=1))  # what one process leaves behind the other waits for its lease
        await teks[0].events.relay.run_once()
        tally = await world.store.votes.of_target(question.id)
        assert await counts(teks[0], question) == tuple(tally)
        assert await xp(teks[0], ada) == [5 + 10 * tally.up - 2 * tally.down]

    world.run(scenario)


def test_nobody_votes_on_their_own(world: World) -> None:
    """E13: whatever their role."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        for who in (ADA, MOD, ADMIN):
            question = await asked(tek, by=who)
            answer = await posted(tek, question, who)
            for thing in (question, answer):
                await refused(Forbidden, tek.votes.cast(who, thing, 1))
                assert (await counts(tek, thing)) == (0, 0)

    world.run(scenario)


def test_64_votes_of_one_user_at_once(world: World) -> None:
    """E14, J34: one vote, by different processes; up and down mixed, the counts are the votes."""

    async def scenario(world: World) -> None:
        teks = [world.rival(POLICY.evolve(reactions={})) for _ in range(2)]
        question = await asked(teks[0])
        size = 64 if world.is_async else 16
        await asyncio.gather(*[teks[at % 2].votes.cast(BEN, question, 1) for at in range(size)])
        assert await counts(teks[0], question) == (1, 0)
        people = [principal(f"p{at}") for at in range(12)]
        await asyncio.gather(
            *[
                teks[at % 2].votes.cast(who, question, (-1, 0, 1)[at % 3])
                for at, who in enumerate([*people, *people[::-1]])
            ]
        )
        tally = await world.store.votes.of_target(question.id)
        assert await counts(teks[0], question) == tuple(tally)

    world.run(scenario)


@pytest.mark.parametrize("state", STATES)
def test_what_is_not_seen_is_not_voted_on(world: World, state: str) -> None:
    """E9, G20."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        question = await asked(tek, visibility="public" if state == "deleted" else state)
        answer = await posted(tek, question, ADA)
        if state == "deleted":
            await tek.questions.delete(ADA, question.id)
        for name, viewer in VIEWERS.items():
            if viewer is not None and viewer != ADA:
                for thing in (question, answer):
                    assert await found(tek.votes.cast(viewer, thing, 1)) is oracle(name, state, "question"), name
        if state == "public":
            await tek.answers.delete(ADA, answer.id)
            await refused(NotFound, tek.votes.cast(BEN, answer, 1))

    world.run(scenario)


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
def test_bad_input_is_refused(world: World, value: Any) -> None:
    """F1, F14, F15."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        await refused_as(InvalidInput, tek.votes.cast(BEN, value, 1))
        await refused_as(InvalidInput, tek.votes.cast(BEN, EntityRef("answer", ADA.id), value))
        await refused_as(InvalidInput, tek.votes.cast(value, EntityRef("answer", ADA.id), 1))

    world.run(scenario)


def test_storages_without_votes_say_so() -> None:
    with pytest.raises(ConfigurationError, match="keep no votes"):
        _ = TekTree(replace(memory_backends(), votes=None)).votes
