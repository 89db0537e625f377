"""Questions: asked, edited, closed, deleted, restored and found, by whom it may be. In memory, in both flavours."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tektree import AsyncTekTree, Policy, Principal, TekTree
from tektree.backends.memory import async_memory_backends, memory_backends
from tektree.errors import (
    ConfigurationError,
    Forbidden,
    InvalidCursor,
    InvalidInput,
    InvalidTransition,
    NotFound,
    QuotaExhausted,
    Stale,
)
from tektree.ids import derived_id
from tektree.models.areas import AreaDraft
from tektree.models.questions import Question, QuestionDraft
from tektree.testing import Faulty
from tests.accounts.test_roles import reaches
from tests.content.test_areas import ADA, ADMIN, BEN, HOSTILE, MOD, ROLES, STATES, VIEWERS, found, made, refused_as
from tests.content.worlds import POLICY, World, enrolled, principal, refused, stored
from tests.rules.test_visibility import oracle


async def asked(tek: Any, title: str = "How?", by: Principal = ADA, **more: Any) -> Question:
    question: Question = await tek.questions.ask(by, QuestionDraft(**{"title": title, "body": "Because", **more}))
    return question


async def in_state(tek: Any, state: str, **more: Any) -> Question:
    question = await asked(tek, f"Thing {state}", visibility="public" if state == "deleted" else state, **more)
    if state == "deleted":
        await tek.questions.delete(ADA, question.id)
    return question


def test_a_life(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        ada = await enrolled(tek, "ada")
        question = await asked(tek, "C++ or C#?", ada, tags=["C++", "c#", "C#"])
        assert (question.slug, question.tags, question.status) == ("c-plus-plus-or-c-sharp", ("c++", "c#"), "open")
        assert await tek.questions.get(ada, question.id) == question
        assert (await tek.gamification.profile(ada.id)).total_xp == 5
        assert (await tek.questions.resolve(ada, question.id)).status == "resolved"
        assert (await tek.questions.close(ada, question.id, "enough")).status == "closed"
        assert (await tek.questions.close(ada, question.id)).revision == 3, "it is closed"
        await refused(InvalidTransition, tek.questions.resolve(ada, question.id))
        assert (await tek.questions.reopen(ada, question.id)).status == "open"
        stream = await world.store.events.stream(f"question:{question.id}", 0, 9)
        assert [(each.metadata["seq"], each.event_type.partition(".")[2]) for each in stream] == [
            *enumerate(["asked", "resolved", "closed", "reopened"], 1)
        ]

    world.run(scenario)


@pytest.mark.parametrize("state", STATES)
def test_the_matrix_on_every_path(world: World, state: str) -> None:
    """E8, E9, G7, G9, G20: by id, slug, every list and search, every viewer sees what the oracle says."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        area = await made(tek, "Area")
        question = await in_state(tek, state, areas=[area.id], tags=["t"])
        for name, viewer in VIEWERS.items():
            expected = oracle(name, state, "question")
            assert await found(tek.questions.get(viewer, question.id)) is expected, name
            assert await found(tek.questions.by_slug(viewer, question.slug)) is expected, name
            for which in ({}, {"area": area.id}, {"tag": "T"}, {"author": ADA.id}, {"status": "open"}):
                for order in ("newest", "most_voted"):
                    page = await tek.questions.list(viewer, **which, order=order)
                    assert [each.id for each in page] == [question.id] * expected, (name, which)
            assert [each.id for each in await tek.questions.search(viewer, "thing")] == [question.id] * expected, name
        counted = (await tek.areas.get(None, area.id)).content_count
        assert counted == (1 if state == "public" else 0), "G8: counts only over what everybody sees"

    world.run(scenario)


@pytest.mark.parametrize("state", ["private", "connections", "deleted"])
def test_what_is_hidden_is_as_what_is_absent(world: World, state: str) -> None:
    """E9: the same error, after the same calls."""

    async def scenario(world: World) -> None:
        faulty = Faulty(world.backends)
        plain, tek = world.tek(POLICY), world.tek(POLICY, faulty.backends)
        question = await in_state(plain, state)
        absent = derived_id("question", "absent")
        calls: dict[str, Any] = {
            "get": lambda id: tek.questions.get(BEN, id),
            "edit": lambda id: tek.questions.edit(BEN, id, title="x"),
            "close": lambda id: tek.questions.close(BEN, id),
            "delete": lambda id: tek.questions.delete(BEN, id),
            "restore": lambda id: tek.questions.restore(BEN, id),
        }
        for name, call in calls.items():
            said, sent = [], []
            for id in (question.id, absent):
                faulty.calls.clear()
                error = await refused(NotFound, call(id))
                assert error.__context__ is None, "nor is there another error behind it"
                said.append(str(error).replace(id, "…"))
                sent.append(list(faulty.calls))
            assert said[0] == said[1], name
            assert sent[0] == sent[1], name

    world.run(scenario)


def test_areas_that_are_hidden_are_not_named(world: World) -> None:
    """E16, G11: nor can anything be filed under them, nor listed by them."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        open_, secret = await made(tek, "Open"), await made(tek, "Secret", visibility="private")
        question = await asked(tek, areas=[secret.id, open_.id])
        for viewer, areas in ((BEN, (open_.id,)), (None, (open_.id,)), (ADA, (secret.id, open_.id))):
            assert (await tek.questions.get(viewer, question.id)).areas == areas
            [listed] = await tek.questions.list(viewer)
            [searched] = await tek.questions.search(viewer, "how")
            assert listed.areas == searched.areas == areas
        for area in (secret.id, derived_id("area", "absent")):
            errors = [
                await refused(NotFound, tek.questions.list(BEN, area=area)),
                await refused(NotFound, tek.questions.ask(BEN, QuestionDraft(title="x", body="y", areas=[area]))),
            ]
            assert {(each.kind, each.id) for each in errors} == {("area", area)}
        mine = await asked(tek, "Mine", BEN)
        await refused(NotFound, tek.questions.edit(BEN, mine.id, areas=[secret.id]))
        assert (await tek.quotas.usage(BEN, "questions")).used == 1

    world.run(scenario)


def test_files_are_ones_own(world: World) -> None:
    """E17: what somebody else's question holds is not, whether one can see it or not."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        await asked(tek, files=["f1"], visibility="private")
        for call in (
            tek.questions.ask(BEN, QuestionDraft(title="x", body="y", files=["f2", "f1"])),
            tek.questions.edit(BEN, (await asked(tek, "Mine", BEN, files=["f3"])).id, files=["f3", "f1"]),
        ):
            error = await refused(InvalidInput, call)
            assert (error.field, "f1" in str(error)) == ("files", False)
        assert (await asked(tek, "Again", files=["f1"])).files == ("f1",)

    world.run(scenario)


def test_counts_follow_the_areas(world: World) -> None:
    """J34: filed, moved, hidden, deleted, restored; and 16 asked at once, by different processes."""

    async def scenario(world: World) -> None:
        tek, rival = world.rival(POLICY), world.rival(POLICY)
        a, b = await made(tek, "A"), await made(tek, "B")

        async def counts() -> tuple[int, int]:
            return tuple([(await tek.areas.get(None, each.id)).content_count for each in (a, b)])  # type: ignore[return-value]

        question = await asked(tek, areas=[a.id])
        assert await counts() == (1, 0)
        await tek.questions.edit(ADA, question.id, areas=[b.id])
        assert await counts() == (0, 1)
        await tek.questions.edit(ADA, question.id, areas=[a.id], visibility="private")
        assert await counts() == (0, 0)
        await tek.questions.edit(ADA, question.id, visibility="public", areas=[a.id, b.id])
        assert await counts() == (1, 1)
        await tek.questions.delete(ADA, question.id)
        assert await counts() == (0, 0)
        await tek.questions.restore(ADA, question.id)
        assert await counts() == (1, 1)
        await asyncio.gather(*[asked((tek, rival)[at % 2], f"Q{at}", areas=[a.id]) for at in range(16)])
        assert await counts() == (17, 1)

    world.run(scenario)


def test_deleting_takes_back_and_restoring_gives_again(world: World) -> None:
    """A hundred times: never more than the first grant."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        ada = await enrolled(tek, "ada")
        question = await asked(tek, by=ada)
        for _ in range(25 if world.is_async else 100):
            assert (await tek.gamification.profile(ada.id)).total_xp == 5
            await tek.questions.delete(ada, question.id)
            assert (await tek.gamification.profile(ada.id)).total_xp == 0
            await tek.questions.restore(ada, question.id)
        assert await tek.gamification.verify(ada.id)

    world.run(scenario)


def test_quotas(world: World) -> None:
    """What fails uses nothing; lost counts are what was asked."""

    async def scenario(world: World) -> None:
        policy = Policy(passwords={"bcrypt_cost": 10}, quotas={"free": {"questions": 2}})
        tek = world.tek(policy)
        await asked(tek)
        await refused(NotFound, asked(tek, areas=[derived_id("nothing")]))
        await asked(tek)
        error = await refused(QuotaExhausted, asked(tek))
        assert (error.quota_type, error.limit) == ("questions", 2)
        await refused(QuotaExhausted, asked(world.tek(policy)))
        assert (await world.tek(policy).quotas.reconcile(ADA, "questions")).used == 2

    world.run(scenario)


def test_edits_that_meet(world: World) -> None:
    """J10: of the same field one is stale or came after; different fields are both set."""

    async def scenario(world: World) -> None:
        teks = [world.rival(POLICY) for _ in range(2)]
        question = await asked(teks[0])
        await teks[0].questions.edit(ADA, question.id, revision=1, body="first")
        await refused(Stale, teks[1].questions.edit(ADA, question.id, revision=1, body="second"))
        for turn in range(5):
            ends = await asyncio.gather(
                teks[0].questions.edit(ADA, question.id, body=f"left {turn}"),
                teks[1].questions.edit(ADA, question.id, title=f"right {turn}"),
                return_exceptions=True,
            )
            assert [type(end) for end in ends] == [Question, Question], ends
            now = await teks[0].questions.get(ADA, question.id)
            assert (now.body, now.title) == (f"left {turn}", f"right {turn}")
        ends = await asyncio.gather(
            *[teks[at].questions.edit(ADA, question.id, body=f"mine {at}") for at in range(2)], return_exceptions=True
        )
        won = [at for at, end in enumerate(ends) if isinstance(end, Question)]
        assert all(isinstance(end, Question | Stale) for end in ends)
        assert (await teks[0].questions.get(ADA, question.id)).body in [f"mine {at}" for at in won]

    world.run(scenario)


ACTS: dict[str, Any] = {
    "question.edit": lambda tek, actor, id: tek.questions.edit(actor, id, body="x"),
    "question.close": lambda tek, actor, id: tek.questions.close(actor, id),
    "question.resolve": lambda tek, actor, id: tek.questions.resolve(actor, id),
    "question.reopen": lambda tek, actor, id: tek.questions.reopen(actor, id),
    "question.delete": lambda tek, actor, id: tek.questions.delete(actor, id),
}


@pytest.mark.parametrize("verb", [*ACTS, "question.restore"])
def test_every_cell_of_the_table(world: World, verb: str) -> None:
    """E8, E10: each role, to questions of each role and to one's own; by the stored roles."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        for at, role in enumerate(ROLES):
            for by, other in enumerate((*ROLES, None)):
                actor = await stored(world, f"a{at}{by}", role)
                owner = actor if other is None else await stored(world, f"b{at}{by}", other)
                who = Principal(actor.id, actor.uid, role="admin" if role != "admin" else "user")
                question = await tek.questions.ask(owner, QuestionDraft(title=f"T{at}{by}", body="b"))
                if verb == "question.reopen":
                    await tek.questions.close(owner, question.id)
                allowed = reaches(verb, role, owner.role, other is None)
                if verb == "question.restore":
                    await tek.questions.delete(owner, question.id)
                    call = tek.questions.restore(who if other is not None else actor, question.id)
                    await (call if allowed else refused(NotFound, call))
                    continue
                call = ACTS[verb](tek, who if other is not None else actor, question.id)
                await (call if allowed else refused(Forbidden, call))
        gone = await asked(tek)
        await tek.questions.delete(MOD, gone.id)
        await refused(Forbidden, tek.questions.restore(ADA, gone.id))
        assert (await tek.questions.restore(ADMIN, gone.id)).deleted_at is None

    world.run(scenario)


def test_cursors_fit_their_own_list(world: World) -> None:
    """G3, G5, G6: of the same viewer, filters and order; while others are asked and deleted."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        every = [await asked(tek, f"Q{at}", tags=["t"]) for at in range(9)]  # all of one instant
        one = await tek.questions.list(BEN, tag="t", limit=4)
        await tek.questions.delete(ADA, one.items[0].id)
        await tek.questions.delete(ADA, one.items[3].id)
        world.clock.advance(timedelta(seconds=1))
        await asked(tek, "newer", tags=["t"])
        two = await tek.questions.list(BEN, tag="t", after=one.next, limit=4)
        three = await tek.questions.list(BEN, tag="T", after=two.next, limit=4)
        assert sorted([each.id for each in (*one, *two, *three)]) == sorted([each.id for each in every])
        assert three.next is None
        for call in (
            tek.questions.list(ADA, tag="t", after=one.next),
            tek.questions.list(BEN, tag="u", after=one.next),
            tek.questions.list(BEN, after=one.next),
            tek.questions.list(BEN, tag="t", order="most_voted", after=one.next),
            tek.questions.list(BEN, tag="t", status="open", after=one.next),
            tek.questions.search(BEN, "t", after=one.next),
        ):
            await refused(InvalidCursor, call)

    world.run(scenario)


def test_what_becomes_private_is_gone_behind_a_cursor(world: World) -> None:
    """G13."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        every = [await asked(tek, f"Q{at}") for at in range(4)]
        page = await tek.questions.list(BEN, limit=1)
        left = [each for each in every if each.id != page.items[0].id]
        for each in left[:2]:
            await tek.questions.edit(ADA, each.id, visibility="private")
        assert [each.id for each in await tek.questions.list(BEN, after=page.next)] == [left[2].id]

    world.run(scenario)


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
def test_bad_input_is_refused_before_anything_is_read(world: World, value: Any) -> None:
    """F1, F4, F14, F15, F17, F25, G1, G21: in every parameter."""

    async def scenario(world: World) -> None:
        faulty = Faulty(world.backends)
        tek = world.tek(POLICY, faulty.backends)
        calls = [
            tek.questions.get(BEN, value),
            tek.questions.edit(BEN, value, title="x"),
            tek.questions.close(BEN, value),
            tek.questions.delete(BEN, value),
            tek.questions.restore(BEN, value),
            tek.questions.ask(BEN, value),
            tek.questions.list(BEN, order=value),
            tek.questions.list(BEN, limit=value if type(value) is not int else 101),
            tek.questions.edit(BEN, ADA.id, visibility=value),
        ]
        if value is not None:
            calls += [tek.questions.list(BEN, after=value), tek.questions.list(BEN, status=value)]
            calls += [tek.questions.list(BEN, area=value), tek.questions.list(BEN, author=value)]
            if type(value) is not str or not value:
                calls += [tek.questions.list(BEN, tag=value), tek.questions.close(BEN, ADA.id, reason=value)]
        if type(value) is not str:
            calls += [tek.questions.search(BEN, value), tek.questions.by_slug(BEN, value)]
        for call in calls:
            await refused_as(InvalidInput, call)
        assert faulty.calls == []

    world.run(scenario)


def test_views_are_counted_without_a_write(world: World) -> None:
    """By others than the author; written when the relay runs, once."""

    async def scenario(world: World) -> None:
        faulty = Faulty(world.backends)
        tek = world.tek(POLICY, faulty.backends)
        one, two = await asked(tek), await asked(tek, "Two")
        faulty.calls.clear()
        for viewer in (BEN, None, ADA, BEN):
            await tek.questions.get(viewer, one.id)
        await tek.questions.by_slug(BEN, two.slug)
        assert {each.method for each in faulty.calls} == {"by_id", "by_slug"}
        await tek.events.relay.run_once()
        assert [(await tek.questions.get(ADA, each.id)).view_count for each in (one, two)] == [3, 1]
        await tek.events.relay.run_once()
        assert [(await tek.questions.get(ADA, each.id)).view_count for each in (one, two)] == [3, 1]

    world.run(scenario)


def test_storages_without_questions_say_so() -> None:
    with pytest.raises(ConfigurationError, match="keep no questions"):
        _ = TekTree(replace(memory_backends(), questions=None)).questions
    with pytest.raises(ConfigurationError, match="keep no questions"):
        _ = AsyncTekTree(replace(async_memory_backends(), areas=None)).questions


def test_areas_may_be_deleted_under_questions(world: World) -> None:
    """G11: then they are not named."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        area = await tek.areas.create(ADA, AreaDraft(title="Go"))
        question = await asked(tek, areas=[area.id])
        await tek.areas.delete(ADA, area.id)
        assert (await tek.questions.get(ADA, question.id)).areas == ()
        await refused(NotFound, tek.questions.list(ADA, area=area.id))
        await tek.areas.restore(ADA, area.id)
        assert (await tek.questions.get(principal("x"), question.id)).areas == (area.id,)

    world.run(scenario)
