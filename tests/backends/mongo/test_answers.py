"""Answers on each driver: the promises of their port, what is sent, and one accepted whatever meets."""

import asyncio
from typing import Any

import pytest

from tektree.errors import NotFound
from tektree.ids import derived_id
from tektree.models.answers import AnswerDraft
from tektree.models.questions import QuestionDraft
from tektree.testing import checks
from tektree.wire.collections import ANSWERS, AREAS, CONNECTIONS, EVENTS, FOLLOWS, QUESTIONS, USERS
from tests.backends.mongo.test_areas import without_reactions
from tests.backends.mongo.worlds import MOTOR, PROMISED, PYMONGO, PYMONGO_ASYNC, RACED, REAL, Heard, World
from tests.content.test_areas import ADA, BEN
from tests.content.worlds import POLICY, enrolled, principal, refused

SERVERS = pytest.mark.lanes(PYMONGO, PYMONGO_ASYNC, MOTOR, REAL)


@pytest.fixture(autouse=True)
def indexed(world: World) -> None:
    """With the indexes of content as well."""
    world.indexed((AREAS, FOLLOWS, QUESTIONS, ANSWERS, CONNECTIONS))


@PROMISED
@pytest.mark.parametrize("check", checks("answers"))
def test_promise(check: str, world: World) -> None:
    world.keeps(check)


def test_a_life(world: World) -> None:
    """From the posting to the restoring: what each step stores is what the next one finds."""

    async def scenario(world: World) -> None:
        tek = world.tek(policy=POLICY)
        ada, ben = [await enrolled(tek, name) for name in ("ada", "ben")]
        question = await tek.questions.ask(ada, QuestionDraft(title="How?", body="b"))
        one, two = [await tek.answers.post(who, question.id, AnswerDraft(body="So")) for who in (ben, ada)]
        assert await tek.answers.get(None, one.id) == one
        await tek.answers.accept(ada, two.id)
        switched = await tek.answers.accept(ada, one.id)
        assert (switched.accepted_answer_id, switched.status) == (one.id, "resolved")
        stored = {str(each["_id"]): each for each in world.look[ANSWERS].find()}
        assert (stored[one.id]["is_accepted"], stored[two.id]["is_accepted"]) == (True, False)
        assert (await tek.gamification.profile(ben.id)).total_xp == 25
        await tek.answers.edit(ben, one.id, body="Thus", revision=1)
        await tek.answers.delete(ben, one.id)
        await refused(NotFound, tek.answers.get(ada, one.id))
        now = await tek.questions.get(ada, question.id)
        assert (now.accepted_answer_id, now.answer_count, now.status) == (None, 1, "open")
        assert (await tek.gamification.profile(ben.id)).total_xp == 0
        assert (await tek.answers.restore(ben, one.id)).is_accepted, "for nobody has decided otherwise"
        assert (await tek.gamification.profile(ben.id)).total_xp == 25
        page = await tek.answers.list(BEN, question.id, order="most_voted", limit=1)
        rest = await tek.answers.list(BEN, question.id, order="most_voted", after=page.next)
        assert {each.id for each in (*page, *rest)} == {one.id, two.id}
        for name in (ANSWERS, QUESTIONS):
            assert all(each["_outbox"] == [] for each in world.look[name].find())

    world.run(scenario)


@SERVERS
def test_round_trips(world: World) -> None:
    async def scenario(world: World) -> None:
        heard = Heard()
        plain = world.tek(policy=without_reactions())
        question = await plain.questions.ask(ADA, QuestionDraft(title="How?", body="b"))
        answer = await plain.answers.post(BEN, question.id, AnswerDraft(body="So"))
        tek = world.tek(world.client(event_listeners=[heard]), policy=without_reactions())
        asked, answered = f"find {QUESTIONS}", f"find {ANSWERS}"
        tell, who = [f"find {EVENTS}", f"insert {EVENTS}"], f"find {USERS}"
        count = [asked, f"aggregate {ANSWERS}", f"update {QUESTIONS}"]

        async def sent(call: Any) -> list[str]:
            await call
            return heard.names()

        posting = await sent(tek.answers.post(BEN, question.id, AnswerDraft(body="x")))
        quota = ["find subscriptions", f"aggregate {ANSWERS}", "find subscriptions"]
        assert posting == [asked, who, *quota, f"insert {ANSWERS}", asked, *count, *tell, f"update {ANSWERS}"]
        follows = [answered, asked, f"update {ANSWERS}", answered]
        assert await sent(tek.answers.accept(ADA, answer.id)) == [
            answered, asked, who, f"update {QUESTIONS}", *follows, *tell, *tell, f"update {QUESTIONS}"
        ]  # fmt: skip
        for call, expected in (
            (lambda: tek.answers.get(BEN, answer.id), [answered, asked]),
            (lambda: tek.answers.list(BEN, question.id), [asked, answered]),
            (lambda: tek.answers.accept(ADA, answer.id), [answered, asked, who]),
        ):
            assert await sent(call()) == expected
        await plain.questions.edit(ADA, question.id, visibility="private")
        for viewer, calls in ((None, []), (principal("cyd"), [f"find {CONNECTIONS}"])):
            for id in (answer.id, derived_id("nothing")):
                assert await sent(refused(NotFound, tek.answers.get(viewer, id))) == [answered, asked, *calls]
            for id in (question.id, derived_id("nothing")):
                assert await sent(refused(NotFound, tek.answers.list(viewer, id))) == [asked, *calls]

    world.run(scenario)


@RACED
def test_of_accepts_at_once_one_holds(world: World) -> None:
    """J33: the question says which, and the answers follow."""

    async def scenario(world: World) -> None:
        teks = [world.tek(policy=without_reactions()) for _ in range(2)]
        for turn in range(4):
            question = await teks[0].questions.ask(ADA, QuestionDraft(title=f"How {turn}?", body="b"))
            answers = [
                await teks[0].answers.post(principal(name), question.id, AnswerDraft(body="So")) for name in "xyz"
            ]
            await asyncio.gather(*[teks[at % 2].answers.accept(ADA, answers[at].id) for at in range(3)])
            truth = (await teks[0].questions.get(ADA, question.id)).accepted_answer_id
            said = {each.id: each.is_accepted for each in await teks[1].answers.list(ADA, question.id)}
            assert said == {each.id: each.id == truth for each in answers}
            assert truth is not None
            told = [
                (each["event_type"], each["payload"]["answer_id"])
                for each in world.look[EVENTS]
                .find({"metadata.stream": f"question:{question.id}"})
                .sort("metadata.seq", 1)
                if each["event_type"].startswith("answer.")
            ]
            held: list[str] = []
            for kind, id in told:
                held = [*held, id] if kind == "answer.accepted" else [each for each in held if each != id]
                assert len(held) <= 1
            assert held == [truth]

    world.run(scenario)
