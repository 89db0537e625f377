"""Votes on each driver: the promises of their port, what is sent, and counts that are the votes."""

import asyncio
from typing import Any

import pytest

from tektree.models.answers import AnswerDraft
from tektree.models.questions import QuestionDraft
from tektree.testing import checks
from tektree.wire.collections import ANSWERS, AREAS, EVENTS, FOLLOWS, QUESTIONS, USERS, VOTES
from tests.backends.mongo.test_areas import without_reactions
from tests.backends.mongo.worlds import MOTOR, PROMISED, PYMONGO, PYMONGO_ASYNC, RACED, REAL, Heard, World
from tests.content.test_areas import ADA, BEN
from tests.content.worlds import POLICY, enrolled, principal
from tests.examples import LONG_LANE

SERVERS = pytest.mark.lanes(PYMONGO, PYMONGO_ASYNC, MOTOR, REAL)


@pytest.fixture(autouse=True)
def indexed(world: World) -> None:
    """With the indexes of content as well."""
    world.indexed((AREAS, FOLLOWS, QUESTIONS, ANSWERS, VOTES))


@PROMISED
@pytest.mark.parametrize("check", checks("votes"))
def test_promise(check: str, world: World) -> None:
    world.keeps(check)


def test_a_life(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek(policy=POLICY)
        ada = await enrolled(tek, "ada")
        question = await tek.questions.ask(ada, QuestionDraft(title="How?", body="b"))
        answer = await tek.answers.post(ada, question.id, AnswerDraft(body="So"))
        for value, total in ((1, 35), (-1, 11), (-1, 11), (0, 15)):
            for thing in (question, answer):
                await tek.votes.cast(BEN, thing, value)
            assert (await tek.gamification.profile(ada.id)).total_xp == total
            wanted = (int(value == 1), int(value == -1))
            for name in (QUESTIONS, ANSWERS):
                stored = world.look[name].find_one()
                assert (stored["upvote_count"], stored["downvote_count"]) == wanted
        assert all(each["_outbox"] == [] for each in world.look[VOTES].find())
        await tek.votes.cast(BEN, answer, 1)
        assert [each.id for each in await tek.answers.list(None, question.id, order="most_voted")] == [answer.id]

    world.run(scenario)


@SERVERS
def test_round_trips(world: World) -> None:
    async def scenario(world: World) -> None:
        heard = Heard()
        plain = world.tek(policy=without_reactions())
        question = await plain.questions.ask(ADA, QuestionDraft(title="How?", body="b"))
        tek = world.tek(world.client(event_listeners=[heard]), policy=without_reactions())
        asked, voted = [f"find {USERS}", f"find {QUESTIONS}"], f"find {VOTES}"
        count = [asked[1], f"aggregate {VOTES}", f"update {QUESTIONS}", asked[1]]
        tell = [f"find {EVENTS}", f"insert {EVENTS}", f"update {VOTES}"]

        async def sent(call: Any) -> list[str]:
            await call
            return heard.names()

        assert await sent(tek.votes.cast(BEN, question, 1)) == [*asked, voted, f"insert {VOTES}", *count, *tell]
        assert await sent(tek.votes.cast(BEN, question, 1)) == [*asked, voted, voted]
        assert await sent(tek.votes.cast(BEN, question, -1)) == [
            *asked, voted, voted, f"update {VOTES}", *count, *tell
        ]  # fmt: skip

    world.run(scenario)


@RACED
def test_votes_at_once_are_counted(world: World) -> None:
    """E14, J34: of one user one; of many, as many as there are."""

    async def scenario(world: World) -> None:
        teks = [world.tek(policy=without_reactions()) for _ in range(2)]
        question = await teks[0].questions.ask(ADA, QuestionDraft(title="How?", body="b"))
        await asyncio.gather(*[teks[at % 2].votes.cast(BEN, question, 1) for at in range(64 if LONG_LANE else 16)])
        assert (await teks[0].questions.get(ADA, question.id)).upvote_count == 1
        await asyncio.gather(
            *[teks[at % 2].votes.cast(principal(f"p{at}"), question, 1 - 2 * (at % 2)) for at in range(8)]
        )
        now = await teks[0].questions.get(ADA, question.id)
        assert (now.upvote_count, now.downvote_count) == (5, 4)

    world.run(scenario)
