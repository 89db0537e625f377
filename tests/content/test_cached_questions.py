"""Questions that come from a cache: the same for all in it, and behind it for nobody who may not see them."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tektree import Policy
from tektree.backends.memory import AsyncMemoryCaches, MemoryCaches
from tektree.errors import NotFound
from tektree.ids import derived_id
from tektree.models.answers import AnswerDraft
from tektree.testing import Faulty
from tests.content.test_areas import ADA, BEN, STATES, VIEWERS, found, made
from tests.content.test_questions import asked, in_state
from tests.content.worlds import POLICY, World, refused
from tests.rules.test_visibility import oracle


def cached(world: World) -> Any:
    """Storages of this world, behind a cache."""
    kind = AsyncMemoryCaches if world.is_async else MemoryCaches
    return replace(world.backends, caches=kind(world.clock))


def test_a_question_is_read_once_for_all_who_see_it(world: World) -> None:
    """And its areas each time: who sees them is never cached. Views are counted all the same."""

    async def scenario(world: World) -> None:
        faulty = Faulty(cached(world))
        tek = world.tek(POLICY, faulty.backends)
        area = await made(tek, "Secret", visibility="private")
        plain, filed = await asked(tek), await asked(tek, "Filed", areas=[area.id])
        for question in (plain, filed):
            await tek.questions.get(BEN, question.id)
        faulty.calls.clear()
        for viewer in (BEN, None, ADA):
            assert await tek.questions.get(viewer, plain.id) == plain.evolve(slugs=plain.slugs if viewer is ADA else ())
        assert [str(each) for each in faulty.calls] == ["caches.read"] * 3
        faulty.calls.clear()
        assert [(await tek.questions.get(viewer, filed.id)).areas for viewer in (ADA, BEN)] == [(area.id,), ()]
        assert [str(each) for each in faulty.calls] == ["caches.read", "areas.by_ids"] * 2
        await tek.events.relay.run_once()
        assert (await world.store.questions.by_id(plain.id)).record.view_count == 3

    world.run(scenario)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("order", [1, -1])
def test_whoever_reads_first_the_oracle_holds(world: World, state: str, order: int) -> None:
    """G15: in either order of viewers, cold and warm."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY, cached(world))
        question = await in_state(tek, state)
        for _ in range(2):
            for name, viewer in list(VIEWERS.items())[::order]:
                assert await found(tek.questions.get(viewer, question.id)) is oracle(name, state, "question"), name

    world.run(scenario)


def test_a_stranger_hears_of_what_is_cached_as_of_what_is_absent(world: World) -> None:
    """E9, G16: the same error after the same calls, cold and warm; and the owner sees it all the same."""

    async def scenario(world: World) -> None:
        faulty = Faulty(cached(world))
        tek = world.tek(POLICY, faulty.backends)
        question = await asked(tek, visibility="private")
        for _ in range(2):
            said, sent = [], []
            for id in (question.id, derived_id("question", "absent")):
                faulty.calls.clear()
                said.append(str(await refused(NotFound, tek.questions.get(BEN, id))).replace(id, "…"))
                sent.append(list(faulty.calls))
            assert said[0] == said[1]
            assert sent[0] == sent[1]
            assert (await tek.questions.get(ADA, question.id)).id == question.id

    world.run(scenario)


RELAYED = [{}, {"drain": "relay"}, {"deliver": "relay"}]


@pytest.mark.parametrize("events", RELAYED, ids=lambda each: next(iter(each), "inline"))
def test_what_changes_is_seen_at_once(world: World, events: dict[str, str]) -> None:
    """G13: by the event; and where that comes later, what may be hidden does not wait for it."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY.evolve(events={**Policy().events.model_dump(), **events}), cached(world))
        question = await asked(tek)

        async def seen() -> bool:
            return await found(tek.questions.get(BEN, question.id))

        assert await seen()
        await tek.questions.edit(ADA, question.id, visibility="private")
        assert not await seen()
        await tek.questions.edit(ADA, question.id, visibility="public", title="Why?")
        assert (await tek.questions.get(BEN, question.id)).title == "Why?"
        await tek.questions.delete(ADA, question.id)
        assert not await seen()
        await tek.questions.restore(ADA, question.id)
        assert await seen()
        assert (await tek.questions.close(ADA, question.id)).status == "closed"
        assert (await tek.questions.get(BEN, question.id)).status == "closed"
        await tek.events.relay.run_once()
        assert (await tek.questions.get(BEN, question.id)).status == "closed"

    world.run(scenario)


def test_what_is_counted_is_seen_behind_its_event(world: World) -> None:
    """Votes, answers, what is accepted, and what a recount mends."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY, cached(world))
        question = await asked(tek)

        async def now() -> tuple[int, int, str | None]:
            read = await tek.questions.get(BEN, question.id)
            return read.upvote_count, read.answer_count, read.accepted_answer_id

        assert await now() == (0, 0, None)
        await tek.votes.cast(BEN, question, 1)
        assert await now() == (1, 0, None)
        answer = await tek.answers.post(BEN, question.id, AnswerDraft(body="x"))
        assert await now() == (1, 1, None)
        await tek.answers.accept(ADA, answer.id)
        assert await now() == (1, 1, answer.id)
        store = world.store.questions
        await store.counted(question.id, await store.tally(question.id), upvote_count=9)
        assert await now() == (1, 1, answer.id)
        world.clock.advance(timedelta(seconds=301))
        assert await now() == (9, 1, answer.id)
        await tek.events.recount(mend=True)
        assert await now() == (1, 1, answer.id)

    world.run(scenario)


def test_readers_of_what_becomes_hidden(world: World) -> None:
    """G13: while many read and its author hides and shows it, nobody sees what was hidden before they asked."""

    async def scenario(world: World) -> None:
        backends = cached(world)
        teks = [world.tek(POLICY, backends) for _ in range(3)]
        question = await asked(teks[0])
        for turn in range(6):
            hidden = turn % 2 == 0
            reading = [found(teks[at % 3].questions.get(BEN, question.id)) for at in range(6)]
            edit = teks[0].questions.edit(ADA, question.id, visibility="private" if hidden else "public")
            await asyncio.gather(*reading[:3], edit, *reading[3:])
            assert [await found(each.questions.get(BEN, question.id)) for each in teks] == [not hidden] * 3

    world.run(scenario)
