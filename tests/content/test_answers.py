"""Answers: posted, accepted, deleted, restored, by whom it may be. In memory, in both flavours."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tektree import AsyncTekTree, EntityRef, Policy, Principal, TekTree
from tektree.backends.memory import async_memory_backends, memory_backends
from tektree.errors import (
    ConfigurationError,
    Forbidden,
    InvalidCursor,
    InvalidInput,
    InvalidTransition,
    NotFound,
    OutcomeUnknown,
    QuotaExhausted,
    Stale,
    Unavailable,
)
from tektree.ids import derived_id
from tektree.models.answers import Answer, AnswerDraft
from tektree.models.questions import Question, QuestionDraft
from tektree.testing import Call, Faulty
from tektree.testing.faults import around
from tests.accounts.test_roles import reaches
from tests.content.test_areas import ADA, BEN, HOSTILE, MOD, ROLES, STATES, VIEWERS, found, refused_as
from tests.content.test_questions import asked
from tests.content.worlds import POLICY, World, enrolled, principal, refused, stored
from tests.rules.test_visibility import oracle


async def posted(tek: Any, question: Question, by: Principal = BEN, body: str = "So") -> Answer:
    answer: Answer = await tek.answers.post(by, question.id, AnswerDraft(body=body))
    return answer


async def xp(tek: Any, *who: Principal) -> list[int]:
    return [(await tek.gamification.profile(each.id)).total_xp for each in who]


async def accepted(world: World, question: Question, *answers: Answer) -> list[bool]:
    """Which of them say that they are accepted; the question must say the same."""
    truth = (await world.store.questions.by_id(question.id)).record.accepted_answer_id
    said = [(await world.store.answers.by_id(each.id)).record.is_accepted for each in answers]
    assert said == [each.id == truth for each in answers]
    return said


def test_a_life(world: World) -> None:
    """E13: the asker's own answer earns nothing by being accepted."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        ada, ben, cyd = [await enrolled(tek, name) for name in ("ada", "ben", "cyd")]
        question = await asked(tek, by=ada)
        one, two, own = [await posted(tek, question, who) for who in (ben, cyd, ada)]
        assert (await tek.questions.get(None, question.id)).answer_count == 3
        assert {each.id for each in await tek.answers.list(None, question.id)} == {one.id, two.id, own.id}
        assert await xp(tek, ada, ben, cyd) == [15, 10, 10]
        resolved = await tek.answers.accept(ada, one.id)
        assert (resolved.accepted_answer_id, resolved.status) == (one.id, "resolved")
        assert await xp(tek, ada, ben, cyd) == [17, 25, 10]
        assert await accepted(world, question, one, two, own) == [True, False, False]
        assert (await tek.answers.get(BEN, one.id)).is_accepted
        await tek.answers.accept(ada, two.id)
        assert await xp(tek, ada, ben, cyd) == [17, 10, 25]
        assert await accepted(world, question, one, two, own) == [False, True, False]
        await tek.answers.accept(ada, own.id)
        assert await xp(tek, ada, ben, cyd) == [15, 10, 10]
        await tek.answers.unaccept(ada, two.id)
        opened = await tek.answers.unaccept(ada, own.id)
        assert (opened.accepted_answer_id, opened.status) == (None, "open")
        await tek.answers.accept(ada, one.id)
        await tek.answers.delete(ben, one.id)
        now = await tek.questions.get(ada, question.id)
        assert (now.accepted_answer_id, now.answer_count, now.status) == (None, 2, "open"), "G11"
        assert await xp(tek, ada, ben) == [15, 0]
        await tek.answers.restore(ben, one.id)
        assert await xp(tek, ada, ben) == [17, 25], "it is accepted again, for nobody has decided otherwise"
        now = await tek.questions.get(ada, question.id)
        assert (now.accepted_answer_id, now.answer_count, now.status) == (one.id, 3, "resolved")
        await tek.answers.delete(ben, one.id)
        await tek.answers.accept(ada, two.id)
        await tek.answers.restore(ben, one.id)
        assert await accepted(world, question, one, two, own) == [False, True, False]
        assert await xp(tek, ada, ben, cyd) == [17, 10, 25], "another was accepted since"
        for who in (ada, ben, cyd):
            assert await tek.gamification.verify(who.id)

    world.run(scenario)


def test_accepting_a_hundred_times_earns_once(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        ada, ben = [await enrolled(tek, name) for name in ("ada", "ben")]
        question = await asked(tek, by=ada)
        answer = await posted(tek, question, ben)
        for _ in range(25 if world.is_async else 100):
            await tek.answers.accept(ada, answer.id)
            assert await xp(tek, ada, ben) == [7, 25]
            await tek.answers.unaccept(ada, answer.id)
            assert await xp(tek, ada, ben) == [5, 10]
        assert await tek.gamification.verify(ben.id)

    world.run(scenario)


def test_two_accepts_at_once(world: World) -> None:
    """J33: one is accepted in the end, the answers say so, and so does the log, at every point of it."""

    async def scenario(world: World) -> None:
        teks = [world.rival(POLICY) for _ in range(2)]
        ada, ben, cyd = [await enrolled(teks[0], name) for name in ("ada", "ben", "cyd")]
        for _ in range(5):
            question = await asked(teks[0], by=ada)
            answers = [await posted(teks[0], question, who) for who in (ben, cyd)]
            await asyncio.gather(*[teks[at].answers.accept(ada, answers[at].id) for at in range(2)])
            assert sum(await accepted(world, question, *answers)) == 1
            held: list[str] = []
            for each in await world.store.events.stream(f"question:{question.id}", 0, 99):
                if each.event_type.startswith("answer."):
                    id = each.payload["answer_id"]
                    kept = [one for one in held if one != id]
                    held = [*kept, id] if each.event_type == "answer.accepted" else kept
                    assert len(held) <= 1
            truth = await teks[0].questions.get(ada, question.id)
            assert held == [truth.accepted_answer_id]
        world.clock.advance(timedelta(hours=1))  # what one process leaves behind the other waits for its lease
        await teks[1].events.relay.run_once()
        assert await xp(teks[0], ada) == [5 * (5 + 2)]
        assert sum(await xp(teks[0], ben, cyd)) == 5 * (10 + 10 + 15)

    world.run(scenario)


def test_what_is_left_to_the_relay_earns_what_it_would_at_once(world: World) -> None:
    """Accepted, and another one instead: what takes back comes behind what gave, in whatever order lines are taken."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY.evolve(events={"deliver": "relay"}))
        ada, ben, cyd = [await enrolled(tek, name) for name in ("ada", "ben", "cyd")]
        for _ in range(8):
            question = await asked(tek, by=ada)
            answers = [await posted(tek, question, who) for who in (ben, cyd)]
            for each in answers:
                await tek.answers.accept(ada, each.id)
        while any(await tek.events.relay.run_once()):
            pass
        assert await xp(tek, ada, ben, cyd) == [8 * (5 + 2), 8 * 10, 8 * (10 + 15)]

    world.run(scenario)


def test_only_the_asker_accepts(world: World) -> None:
    """E8, E12: nobody else, whatever their role, and nothing of another question's."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        question = await asked(tek)
        answer = await posted(tek, question)
        for who in (BEN, MOD, principal("root", "admin")):
            await refused(Forbidden, tek.answers.accept(who, answer.id))
            await refused(Forbidden, tek.answers.unaccept(who, answer.id))
        mine = await asked(tek, "Mine", BEN)
        await refused(Forbidden, tek.answers.accept(BEN, answer.id))
        assert (await tek.questions.get(BEN, mine.id)).accepted_answer_id is None
        await refused(NotFound, tek.answers.accept(ADA, derived_id("answer", "absent")))

    world.run(scenario)


@pytest.mark.parametrize("state", STATES)
def test_answers_are_seen_with_their_question(world: World, state: str) -> None:
    """E9, G20: on every path."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        question = await asked(tek, f"Thing {state}", visibility="public" if state == "deleted" else state)
        answer = await posted(tek, question, ADA)
        if state == "deleted":
            await tek.questions.delete(ADA, question.id)
        for name, viewer in VIEWERS.items():
            expected = oracle(name, state, "question")
            assert await found(tek.answers.get(viewer, answer.id)) is expected, name
            assert await found(tek.answers.list(viewer, question.id)) is expected, name
            if viewer is not None:
                draft = AnswerDraft(body="x")
                assert await found(tek.answers.post(viewer, question.id, draft)) is expected, name
        if state != "public":
            for id in (answer.id, derived_id("answer", "absent")):
                errors = [
                    await refused(NotFound, tek.answers.get(BEN, id)),
                    await refused(NotFound, tek.answers.edit(BEN, id, body="x")),
                    await refused(NotFound, tek.answers.delete(BEN, id)),
                    await refused(NotFound, tek.answers.restore(BEN, id)),
                    await refused(NotFound, tek.answers.accept(BEN, id)),
                ]
                assert {(each.kind, each.id) for each in errors} == {("answer", id)}

    world.run(scenario)


@pytest.mark.parametrize("away", [False, True])
def test_an_answer_that_comes_while_its_question_is_closed_is_taken_back(away: bool) -> None:
    """Where storage is away just then, nobody knows what came of it."""

    async def scenario() -> None:
        store = async_memory_backends()
        plain = AsyncTekTree(store, POLICY)
        question = await asked(plain)

        async def step(call: Call, made: Callable[[], Awaitable[Any]]) -> Any:
            if away and str(call) == "answers.swap":
                raise Unavailable("answers")
            done = await made()
            if str(call) == "answers.insert":
                await plain.questions.close(ADA, question.id)
            return done

        tek = AsyncTekTree(around(store, step), POLICY)
        await refused(OutcomeUnknown if away else InvalidTransition, posted(tek, question))
        assert len(await plain.answers.list(None, question.id)) == away

    asyncio.run(scenario())


@pytest.mark.parametrize("state", ["private", "connections", "deleted", "public"])
def test_what_is_hidden_is_as_what_is_absent(world: World, state: str) -> None:
    """E9: the same error, after the same calls; also for one that is deleted below a question that everybody sees."""

    async def scenario(world: World) -> None:
        faulty = Faulty(world.backends)
        plain, tek = world.tek(POLICY), world.tek(POLICY, faulty.backends)
        question = await asked(plain, visibility="public" if state == "deleted" else state)
        answer = await posted(plain, question, ADA)
        if state == "deleted":
            await plain.questions.delete(ADA, question.id)
        elif state == "public":
            await plain.answers.delete(ADA, answer.id)
        absent = derived_id("answer", "absent")
        calls: dict[str, Any] = {
            "get": lambda id: tek.answers.get(BEN, id),
            "edit": lambda id: tek.answers.edit(BEN, id, body="x"),
            "delete": lambda id: tek.answers.delete(BEN, id),
            "restore": lambda id: tek.answers.restore(BEN, id),
            "accept": lambda id: tek.answers.accept(BEN, id),
            "vote": lambda id: tek.votes.cast(BEN, EntityRef("answer", id), 1),
        }
        for name, call in calls.items():
            said, sent = [], []
            for id in (answer.id, absent):
                faulty.calls.clear()
                error = await refused(NotFound, call(id))
                assert error.__context__ is None, "nor is there another error behind it"
                said.append(str(error).replace(id, "…"))
                sent.append(list(faulty.calls))
            assert said[0] == said[1], name
            assert sent[0] == sent[1], name

    world.run(scenario)


def test_a_closed_question_takes_none(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        question = await asked(tek)
        await tek.questions.close(ADA, question.id)
        await refused(InvalidTransition, posted(tek, question))
        await tek.questions.reopen(ADA, question.id)
        await posted(tek, question)
        assert (await tek.quotas.usage(BEN, "answers")).used == 1

    world.run(scenario)


ACTS: dict[str, Any] = {
    "answer.edit": lambda tek, actor, id: tek.answers.edit(actor, id, body="x"),
    "answer.delete": lambda tek, actor, id: tek.answers.delete(actor, id),
}


@pytest.mark.parametrize("verb", [*ACTS, "answer.restore"])
def test_every_cell_of_the_table(world: World, verb: str) -> None:
    """E8, E10: each role, to answers of each role and to one's own; by the stored roles."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        question = await tek.questions.ask(ADA, QuestionDraft(title="How?", body="b"))
        for at, role in enumerate(ROLES):
            for by, other in enumerate((*ROLES, None)):
                actor = await stored(world, f"a{at}{by}", role)
                owner = actor if other is None else await stored(world, f"b{at}{by}", other)
                who = Principal(actor.id, actor.uid, role="admin" if role != "admin" else "user")
                answer = await tek.answers.post(owner, question.id, AnswerDraft(body="b"))
                allowed = reaches(verb, role, owner.role, other is None)
                if verb == "answer.restore":
                    await tek.answers.delete(owner, answer.id)
                    call = tek.answers.restore(who if other is not None else actor, answer.id)
                    await (call if allowed else refused(NotFound, call))
                    continue
                call = ACTS[verb](tek, who if other is not None else actor, answer.id)
                await (call if allowed else refused(Forbidden, call))
        gone = await posted(tek, question)
        await tek.answers.delete(MOD, gone.id)
        await refused(Forbidden, tek.answers.restore(BEN, gone.id))

    world.run(scenario)


def test_edits_and_pages(world: World) -> None:
    """G3, J10."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        question = await asked(tek)
        every = [await posted(tek, question, body=str(at)) for at in range(5)]
        await tek.answers.edit(BEN, every[0].id, revision=1, body="first")
        await refused(Stale, tek.answers.edit(BEN, every[0].id, revision=1, body="second"))
        assert (await tek.answers.edit(BEN, every[0].id, body="first")).revision == 2
        await refused(InvalidInput, tek.answers.edit(BEN, every[0].id, is_accepted=True))
        one = await tek.answers.list(ADA, question.id, limit=2)
        two = await tek.answers.list(ADA, question.id, after=one.next)
        assert {each.id for each in (*one, *two)} == {each.id for each in every}
        assert two.next is None
        for call in (
            tek.answers.list(BEN, question.id, after=one.next),
            tek.answers.list(ADA, question.id, order="most_voted", after=one.next),
            tek.answers.list(ADA, (await asked(tek, "Other")).id, after=one.next),
        ):
            await refused(InvalidCursor, call)

    world.run(scenario)


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
def test_bad_input_is_refused(world: World, value: Any) -> None:
    """F1, F14, F15, F17, F25, G1."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        for call in (
            tek.answers.get(BEN, value),
            tek.answers.post(BEN, value, AnswerDraft(body="x")),
            tek.answers.post(BEN, ADA.id, value),
            tek.answers.edit(BEN, value, body="x"),
            tek.answers.accept(BEN, value),
            tek.answers.unaccept(BEN, value),
            tek.answers.delete(BEN, value),
            tek.answers.restore(BEN, value),
            tek.answers.list(BEN, value),
            tek.answers.list(BEN, ADA.id, order=value),
            tek.answers.list(BEN, ADA.id, limit=value if type(value) is not int else 0),
        ):
            await refused_as(InvalidInput, call)

    world.run(scenario)


def test_quotas_and_counts(world: World) -> None:
    """J34: 16 at once, by different processes; lost counts are what was posted."""

    async def scenario(world: World) -> None:
        policy = Policy(passwords={"bcrypt_cost": 10}, quotas={"free": {"questions": None, "answers": 16}})
        teks = [world.rival(policy) for _ in range(2)]
        question = await asked(teks[0])
        posts = [posted(teks[0], question, body=str(at)) for at in range(16)]
        answers = await asyncio.gather(*posts)
        await refused(QuotaExhausted, posted(teks[0], question))
        await refused(QuotaExhausted, posted(teks[1], question))
        assert (await teks[0].questions.get(ADA, question.id)).answer_count == 16
        await asyncio.gather(*[teks[at % 2].answers.delete(BEN, each.id) for at, each in enumerate(answers[:6])])
        assert (await teks[0].questions.get(ADA, question.id)).answer_count == 10

    world.run(scenario)


def test_storages_without_answers_say_so() -> None:
    with pytest.raises(ConfigurationError, match="keep no answers"):
        _ = TekTree(replace(memory_backends(), answers=None)).answers


def test_what_follows_is_the_relays_when_it_cannot_be_done(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The change itself is made, and whoever made it hears so: also when what follows is stale all the time."""
    from tektree._async.services.answers import AsyncAnswers
    from tektree._sync.services.answers import Answers

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        question = await asked(tek)

        async def fails(self: Any, stored: Any) -> None:
            raise Stale("question", question.id)

        def fails_at_once(self: Any, stored: Any) -> None:
            raise Stale("question", question.id)

        with monkeypatch.context() as patch:
            patch.setattr(AsyncAnswers, "_after", fails)
            patch.setattr(Answers, "_after", fails_at_once)
            other = world.tek(POLICY)
            answer = await posted(other, question)
            assert (await other.answers.edit(BEN, answer.id, body="x")).body == "x"
        assert (await tek.questions.get(ADA, question.id)).answer_count == 0
        await tek.events.relay.run_once()
        assert (await tek.questions.get(ADA, question.id)).answer_count == 1

    world.run(scenario)
