"""Recounts: what is wrong is named field by field and mended, nothing else is; with others at work. Row J34."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tektree import Principal
from tektree._async.services import content_recounts
from tektree.errors import InvalidInput
from tektree.ids import derived_id
from tektree.models.answers import Answer, AnswerDraft
from tektree.models.areas import Area
from tektree.models.insights import Insight, InsightDraft
from tektree.models.questions import Question
from tektree.models.recounts import Miscount
from tektree.testing import Faulty
from tests.content.test_areas import ADA, BEN, made
from tests.content.test_questions import asked
from tests.content.worlds import POLICY, World, principal, refused

WRITES = {"insert", "swap", "told", "counted", "viewed"}


class Community:
    """Two areas, one below the other, a question with two answers, of which one is accepted, an insight; votes, follows
    and likes."""

    top: Area
    leaf: Area
    question: Question
    answers: list[Answer]
    insight: Insight

    @classmethod
    async def made(cls, tek: Any) -> "Community":
        it = cls()
        it.top = await made(tek, "Top")
        it.leaf = await made(tek, "Leaf", it.top)
        it.question = await asked(tek, areas=[it.leaf.id])
        it.answers = [await tek.answers.post(BEN, it.question.id, AnswerDraft(body=f"A{at}")) for at in range(2)]
        await tek.answers.accept(ADA, it.answers[0].id)
        await tek.areas.follow(BEN, it.leaf.id)
        await tek.votes.cast(BEN, it.question, 1)
        await tek.votes.cast(ADA, it.answers[0], -1)
        draft = InsightDraft(title="Long", body="b", areas=[it.leaf.id])
        it.insight = await tek.insights.publish(ADA, (await tek.insights.draft(ADA, draft)).id)
        await tek.insights.like(BEN, it.insight.id)
        return it


async def counted(store: Any, id: str, **counts: Any) -> None:
    """Puts wrong counts in place."""
    assert await store.counted(id, await store.tally(id), **counts)


async def swapped(store: Any, id: str, **fields: Any) -> None:
    old = await store.by_id(id)
    await store.swap(old, old.record.evolve(**fields))


async def spoil(world: World, it: Community) -> None:
    """Everything that can be wrong, is."""
    store = world.store
    await counted(store.areas, it.leaf.id, follower_count=7, content_count=0)
    await swapped(store.areas, it.leaf.id, breadcrumbs="Elsewhere", path=(), slugs=("old",))
    await counted(store.questions, it.question.id, upvote_count=0, downvote_count=3, answer_count=9)
    await swapped(store.questions, it.question.id, slugs=(it.question.slug, "another"))
    await counted(store.answers, it.answers[0].id, is_accepted=False, upvote_count=1)
    await counted(store.answers, it.answers[1].id, is_accepted=True)
    await counted(store.insights, it.insight.id, like_count=0)
    await swapped(store.insights, it.insight.id, slugs=("another",))


WRONG = {
    ("area", "path", "", ""),
    ("area", "breadcrumbs", "Top > Leaf", "Elsewhere"),
    ("area", "slugs", "old, leaf", "old"),
    ("area", "follower_count", "1", "7"),
    ("area", "content_count", "2", "0"),
    ("question", "slugs", "another, how", "how, another"),
    ("question", "answer_count", "2", "9"),
    ("question", "upvote_count", "1", "0"),
    ("question", "downvote_count", "0", "3"),
    ("answer", "is_accepted", "True", "False"),
    ("answer", "is_accepted", "False", "True"),
    ("answer", "upvote_count", "0", "1"),
    ("insight", "like_count", "1", "0"),
    ("insight", "slugs", "another, long", "another"),
}


def told(found: tuple[Miscount, ...]) -> set[tuple[str, str, str, str]]:
    return {(each.kind, each.field, "" if each.field == "path" else each.expected, each.found) for each in found}


def test_what_is_wrong_is_named_and_nothing_is_written(world: World) -> None:
    async def scenario(world: World) -> None:
        faulty = Faulty(world.backends)
        tek = world.tek(POLICY, faulty.backends)
        it = await Community.made(tek)
        right = await tek.events.recount()
        assert (bool(right), right.first) == (True, ())
        assert dict(right.records) == {"area": 2, "question": 1, "answer": 2, "insight": 1}
        await spoil(world, it)
        faulty.calls.clear()
        progress: list[tuple[str, int]] = []
        found = await tek.events.recount(progress=lambda kind, done: progress.append((kind, done)))
        assert told(found.first) == WRONG
        assert (bool(found), found.divergent, found.mended) == (False, 14, 0)
        assert not {each.method for each in faulty.calls} & WRITES
        assert progress == [("area", 2), ("question", 1), ("answer", 2), ("insight", 1)]

    world.run(scenario)


def test_what_is_wrong_is_mended_and_stays_so(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        it = await Community.made(tek)
        before = [await tek.areas.get(ADA, it.leaf.id), await tek.questions.get(ADA, it.question.id)]
        before += [await tek.answers.get(ADA, each.id) for each in it.answers]
        await spoil(world, it)
        found = await tek.events.recount(mend=True)
        assert (bool(found), found.divergent, found.mended) == (True, 14, 14)
        assert all(each.mended for each in found.first)
        after = [await tek.areas.get(ADA, it.leaf.id), await tek.questions.get(ADA, it.question.id)]
        after += [await tek.answers.get(ADA, each.id) for each in it.answers]
        slugs = {it.leaf.id: ("old", "leaf"), it.question.id: ("another", "how")}
        for old, new in zip(before, after, strict=True):
            assert new == (old.evolve(slugs=slugs[old.id]) if old.id in slugs else old)
        again = await tek.events.recount()
        assert (bool(again), again.divergent) == (True, 0)

    world.run(scenario)


def test_an_answer_that_cannot_be_accepted_is_let_go(world: World) -> None:
    """One that is deleted. At one that is another question's, or not there, somebody has to look."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        it = await Community.made(tek)
        await swapped(world.store.answers, it.answers[0].id, deleted_at=world.clock(), deleted_by=BEN.id)
        found = await tek.events.recount(mend=True)
        assert {each.field for each in found.first} == {"accepted_answer_id", "answer_count"}
        assert bool(found)
        assert (await tek.questions.get(ADA, it.question.id)).status == "open"
        other = await asked(tek, "Other")
        for wrong in (it.answers[1].id, derived_id("answer", "nothing")):
            await swapped(world.store.questions, other.id, accepted_answer_id=wrong)
            found = await tek.events.recount(mend=True)
            assert (bool(found), [(each.id, each.expected, each.mended) for each in found.first]) == (
                False,
                [(other.id, "None", False)],
            )

    world.run(scenario)


def test_a_slug_that_is_anothers_stays_theirs(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        one, two = await asked(tek, "One"), await asked(tek, "Two")
        await swapped(world.store.questions, two.id, slug=one.slug)
        found = await tek.events.recount(mend=True)
        assert [(each.id, each.field, each.mended) for each in found.first] == [(two.id, "slugs", False)]
        assert (await tek.questions.by_slug(BEN, one.slug)).id == one.id

    world.run(scenario)


def test_recounts_and_changes_at_once_come_to_one_end(world: World) -> None:
    """J34: three processes recount, mending, while others vote, answer, follow, rename and file."""

    async def scenario(world: World) -> None:
        teks = [world.rival(POLICY) for _ in range(4)]
        it = await Community.made(teks[0])
        await spoil(world, it)

        async def live(at: int) -> None:
            tek, who = teks[at % 4], principal(f"p{at}")
            await tek.votes.cast(who, it.question, 1 - 2 * (at % 2))
            await tek.answers.post(who, it.question.id, AnswerDraft(body="x"))
            await tek.areas.follow(who, it.leaf.id)
            await asked(tek, f"Q{at}", who, areas=[it.leaf.id])
            await tek.areas.edit(ADA, it.top.id, title=f"Top {at}") if at == 0 else None

        await asyncio.gather(*[live(at) for at in range(6)], *[teks[at].events.recount(mend=True) for at in range(3)])
        await teks[0].events.recount(mend=True)
        right = await teks[1].events.recount()
        assert (bool(right), right.first) == (True, ())
        question, leaf = await teks[0].questions.get(ADA, it.question.id), await teks[0].areas.get(ADA, it.leaf.id)
        assert (question.upvote_count, question.downvote_count, question.answer_count) == (4, 3, 8)
        assert (leaf.follower_count, leaf.content_count, leaf.breadcrumbs) == (7, 8, "Top 0 > Leaf")

    world.run(scenario)


class Busy:
    """Votes, of which one comes in right after they were looked at for the first time, before it is counted."""

    def __init__(self, votes: Any, vote: Any) -> None:
        self.votes = votes
        self.vote = vote

    def __getattr__(self, name: str) -> Any:
        return getattr(self.votes, name)

    def meanwhile(self) -> Any:
        vote, self.vote = self.vote, lambda: None
        return vote()

    def of_targets(self, ids: Any) -> Any:
        self.meanwhile()
        return self.votes.of_targets(ids)


class AsyncBusy(Busy):
    async def of_targets(self, ids: Any) -> Any:
        voting = self.meanwhile()
        if voting is not None:
            await voting
        return await self.votes.of_targets(ids)


@pytest.mark.parametrize("again", [True, False])
def test_what_is_just_being_counted_is_not_wrong(world: World, again: bool) -> None:
    """A vote that comes in between is no divergence; who does not look again would take it for one."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        question, plain = await asked(tek), getattr(tek, "inner", tek)
        busy = (AsyncBusy if world.is_async else Busy)(world.backends.votes, lambda: plain.votes.cast(BEN, question, 1))
        looking = world.tek(POLICY, replace(world.backends, votes=busy))
        if not again:
            service = getattr(looking, "inner", looking).events._recounts
            service._still = at_once if world.is_async else lambda proof, id, suspect: suspect
        assert bool(await looking.events.recount()) is again
        assert bool(await looking.events.recount())

    world.run(scenario)


async def at_once(proof: Any, id: str, suspect: Any) -> Any:
    return suspect


def test_however_much_there_is_a_page_of_it_is_held(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And of what is wrong, the first hundred."""
    module = content_recounts
    if not world.is_async:
        from tektree._sync.services import content_recounts as module  # type: ignore[no-redef]
    monkeypatch.setattr(module, "_PAGE", 7)

    async def scenario(world: World) -> None:
        faulty = Faulty(world.backends)
        tek = world.tek(POLICY, faulty.backends)
        every = [await asked(tek, f"Q{at}") for at in range(120)]
        for each in every:
            await counted(world.store.questions, each.id, answer_count=1)
        faulty.calls.clear()
        found = await tek.events.recount(mend=True)
        assert (found.divergent, found.mended, len(found.first), found.records["question"]) == (120, 120, 100, 120)
        assert [each.method for each in faulty.calls].count("every") == 18 + 3

    world.run(scenario)


@pytest.mark.parametrize("given", [{"mend": 1}, {"mend": None}, {"progress": 7}])
def test_bad_input(world: World, given: dict[str, Any]) -> None:
    async def scenario(world: World) -> None:
        faulty = Faulty(world.backends)
        await refused(InvalidInput, world.tek(POLICY, faulty.backends).events.recount(**given))
        assert faulty.calls == []

    world.run(scenario)


def test_storages_without_content_have_nothing_to_recount(world: World) -> None:
    async def scenario(world: World) -> None:
        none = dict.fromkeys(("areas", "follows", "questions", "answers", "votes", "insights"))
        bare = replace(world.backends, **none)
        found = await world.tek(POLICY, bare).events.recount()
        assert (bool(found), dict(found.records)) == (True, {})
        part = replace(world.backends, answers=None, votes=None, insights=None)
        await asked(world.tek(POLICY, part), by=Principal(ADA.id, ADA.uid))
        assert dict((await world.tek(POLICY, part).events.recount()).records) == {"area": 0, "question": 1}

    world.run(scenario)
