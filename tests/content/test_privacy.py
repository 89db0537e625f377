"""What is stored of a person's content is in the export, and what of it goes when they are erased. In memory, in both
flavours.
"""

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from tektree import Principal
from tektree.errors import NotFound
from tektree.models.areas import AreaDraft
from tektree.testing import Crash, Fault, Faulty
from tests.accounts.test_privacy import PLANTED, stored_text
from tests.content.test_answers import posted
from tests.content.test_areas import ADMIN, made
from tests.content.test_insights import HOUR, drafted, published
from tests.content.test_questions import asked
from tests.content.worlds import POLICY, World, enrolled, refused, stored


def test_an_export_holds_what_the_user_made(world: World) -> None:
    """K4: what was deleted and taken back, too; nothing that is another's."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        ada = await tek.accounts.register(email="ada@example.com", handle="ada_l", password="correct horse")
        ben = await enrolled(tek, "ben")
        area = await tek.areas.create(ada, AreaDraft(title="Sums"))
        theirs = await tek.areas.create(ben, AreaDraft(title="Theirs"))
        await tek.areas.follow(ada, theirs.id)
        mine = [await asked(tek, title, ada) for title in ("One", "Two")]
        other = await asked(tek, "Not mine", ben)
        await tek.questions.delete(ada, mine[1].id)
        answer = await posted(tek, other, ada)
        for value in (1, 0):
            await tek.votes.cast(ada, other, value)
        drafts = [await drafted(tek, "Draft", ada), await published(tek, "Out", ada)]
        found = await tek.accounts.export(ada, ada.id)
        made = {kind: {each["id"] for each in found[kind]} for kind in ("areas", "questions", "answers")}
        assert made == {"areas": {area.id}, "questions": {each.id for each in mine}, "answers": {answer.id}}
        assert [each["area_id"] for each in found["follows"]] == [theirs.id]
        assert [(each["target_id"], each["value"]) for each in found["votes"]] == [(other.id, 0)]
        assert {each["id"] for each in found["insights"]} == {each.id for each in drafts}

    world.run(scenario)


# -- erasure -----------------------------------------------------------------------------------------------------------


async def hidden(world: World, tek: Any, ada: Any) -> list[Any]:
    """What only she and a few may see, in which the planted word stands."""
    text = {"title": f"My {PLANTED}", "body": PLANTED, "tags": [PLANTED]}
    area = await tek.areas.create(ada, AreaDraft(title=PLANTED, details=PLANTED, visibility="private"))
    asked_ = [await asked(tek, by=ada, **text, visibility=each, files=[PLANTED]) for each in ("private", "connections")]
    gone = await asked(tek, by=ada, **text, visibility="private")
    await tek.questions.delete(ada, gone.id)
    answer = await posted(tek, asked_[0], ada, body=PLANTED)
    drafts = [await drafted(tek, by=ada, **text) for _ in range(3)]
    await tek.insights.publish(ada, drafts[1].id, world.clock() + HOUR)
    await tek.insights.delete(ada, drafts[2].id)
    return [area, *asked_, gone, answer, *drafts, await published(tek, by=ada, **text, visibility="private")]


def test_what_only_few_could_see_goes_with_an_erasure(world: World) -> None:
    """J35: of every kind; what everybody may read, what others wrote and what they earned stay, and are consistent."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        ada, ben = await stored(world, "ada"), await enrolled(tek, "ben")
        await tek.gamification.enroll(ada.uid, ada.id)
        area = await made(tek, "Open", by=ada)
        question = await asked(tek, "Open", ada, areas=[area.id])
        theirs = await asked(tek, "Theirs", ben)
        answers = [await posted(tek, question, ben), await posted(tek, theirs, ada)]
        await tek.answers.accept(ada, answers[0].id)
        insight, shared = await published(tek, "Read", ada, areas=[area.id]), await drafted(tek, "Shared", ada)
        await tek.insights.invite(ada, shared.id, ben.id)
        await tek.insights.consent(ben, shared.id)
        others = [await drafted(tek, f"Ben's {at}", ben) for at in range(2)]
        for each in others:
            await tek.insights.invite(ben, each.id, ada.id)
        await tek.insights.consent(ada, others[0].id)
        await tek.votes.cast(ada, theirs, 1)
        await tek.areas.follow(ada, (elsewhere := await made(tek, "Elsewhere", by=ben)).id)
        gone = await hidden(world, tek, ada)
        before = (await tek.gamification.profile(ben.id)).total_xp
        assert PLANTED in stored_text(world)

        await tek.accounts.erase(ADMIN, ada.id)
        assert PLANTED.lower() not in stored_text(world).lower()
        for each in gone:
            await refused(NotFound, getattr(tek, f"{type(each).__name__.lower()}s").get(ADMIN, each.id))
        assert (await tek.areas.get(None, area.id)).content_count == 2
        assert (await tek.areas.get(None, elsewhere.id)).follower_count == 0
        seen = await tek.questions.get(None, question.id)
        assert (seen.accepted_answer_id, seen.author) == (answers[0].id, ada.uid)
        assert (await tek.answers.get(None, answers[1].id)).body == answers[1].body
        assert (await tek.questions.get(None, theirs.id)).upvote_count == 1
        assert (await tek.insights.get(None, insight.id)).title == "Read"
        assert (await tek.insights.get(ben, shared.id)).title == "Shared", "it is his as well"
        for each in others:
            now = await tek.insights.get(ben, each.id)
            assert (now.co_authors, now.invitations) == ((), ())
        assert (await tek.gamification.profile(ben.id)).total_xp == before
        for who in (ada, ben):
            assert await tek.gamification.verify(who.id)
        assert await tek.insights.restore(ADMIN, gone[-1].id), "an empty one, which nobody but admins sees"
        assert PLANTED.lower() not in stored_text(world).lower()

    world.run(scenario)


def test_a_co_authorship_of_before_us_ends_as_well(world: World) -> None:
    """J35: also where nobody knows the uid of the author, to whom it would be told."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        ada = await stored(world, "ada")
        theirs = await drafted(tek, by=await enrolled(tek, "ben"))
        before = theirs.evolve(id="a" * 24, slug="x", slugs=(), author=None, created_by="b" * 24, co_authors=(ada.id,))
        await world.store.insights.insert(before, [])
        await tek.accounts.erase(ADMIN, ada.id)
        assert (await world.store.insights.by_id(before.id)).record.co_authors == ()
        types = {each.event_type for each in (await tek.events.log()).items}
        assert "insight.co_author_left" not in types

    world.run(scenario)


@pytest.mark.parametrize(
    ("fault", "step"),
    [
        (Fault.CRASH_AFTER, 7),
        pytest.param(Fault.CRASH_AFTER, 1, marks=pytest.mark.long),
        pytest.param(Fault.CRASH, 1, marks=pytest.mark.long),
    ],
)
def test_an_erasure_is_brought_to_its_end(world: World, fault: Fault, step: int) -> None:
    """J35: cut off at any call (at one of seven in the short lane), the relay finishes it; again changes nothing."""

    async def begun(world: World) -> tuple[Any, Principal]:
        tek = world.tek(POLICY)
        ada, ben = await stored(world, "ada"), await enrolled(tek, "ben")
        await tek.gamification.enroll(ada.uid, ada.id)
        await asked(tek, PLANTED, ada, visibility="private")
        await tek.areas.follow(ada, (await made(tek, "Elsewhere", by=ben)).id)
        shared = await drafted(tek, "Shared", ben)
        await tek.insights.invite(ben, shared.id, ada.id)
        return ada, ben

    async def scenario(number: int) -> bool:
        world = World("async" if is_async else "sync")
        ada, _ = await begun(world)
        faulty = Faulty(world.backends, number, fault)
        with suppress(Crash):
            await world.tek(POLICY, faulty.backends).accounts.erase(ADMIN, ada.id)
        tek = world.tek(POLICY)
        if (await world.store.accounts.by_id(ada.id)).user.status == "active":
            await tek.accounts.erase(ADMIN, ada.id)
        for _ in range(2):
            world.clock.advance(HOUR)  # what the process was delivering is anybody's by now
            await tek.events.relay.run_once()
            assert PLANTED.lower() not in stored_text(world).lower(), faulty.struck
        await tek.accounts.erase(ADMIN, ada.id)
        assert (await world.store.accounts.by_id(ada.id)).user.status == "erased"
        assert list(await world.store.insights.shared_with(ada.id, 9)) == []
        told = [each.event_type for each in (await tek.events.log(user_id=ada.uid)).items]
        assert [told.count(each) for each in ("question.deleted", "area.unfollowed", "user.erased")] == [1, 1, 1]
        assert await tek.gamification.verify(ada.id), faulty.struck
        return faulty.struck is not None

    is_async = world.is_async
    number = 0
    while asyncio.run(scenario(number)):
        number += step
    assert number > 40
