"""Insights on each driver: the promises of their port, and what is sent."""

from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from tektree.errors import NotFound, Stale
from tektree.ids import derived_id
from tektree.models.insights import InsightDraft
from tektree.testing import checks
from tektree.wire.collections import ANSWERS, AREAS, CONNECTIONS, EVENTS, FOLLOWS, INSIGHTS, QUESTIONS, USERS, VOTES
from tests.backends.mongo.test_areas import without_reactions
from tests.backends.mongo.worlds import MOTOR, PROMISED, PYMONGO, PYMONGO_ASYNC, REAL, Heard, World
from tests.content.test_areas import ADA, BEN, made
from tests.content.worlds import POLICY, enrolled, principal, refused
from tests.records import sample

SERVERS = pytest.mark.lanes(PYMONGO, PYMONGO_ASYNC, MOTOR, REAL)


@pytest.fixture(autouse=True)
def indexed(world: World) -> None:
    """With the indexes of content as well."""
    world.indexed((AREAS, FOLLOWS, QUESTIONS, ANSWERS, VOTES, INSIGHTS, CONNECTIONS))


@PROMISED
@pytest.mark.parametrize("check", checks("insights"))
def test_promise(check: str, world: World) -> None:
    world.keeps(check)


def test_a_life(world: World) -> None:
    """From the draft to the restoration: what each step stores is what the next one finds."""

    async def scenario(world: World) -> None:
        tek = world.tek(policy=POLICY)
        ada = await enrolled(tek, "ada")
        area = await made(tek, "Go", by=ada)
        draft = InsightDraft(title="Event Sourcing", body="in Go", tags=["GO"], areas=[area.id])
        insight = await tek.insights.draft(ada, draft)
        assert await tek.insights.get(ada, insight.id) == insight
        await refused(NotFound, tek.insights.get(BEN, insight.id))
        await tek.insights.invite(ada, insight.id, BEN.id)
        await tek.insights.consent(BEN, insight.id)
        edited = await tek.insights.edit(BEN, insight.id, title="Event Sourcing in Go", revision=3)
        await refused(Stale, tek.insights.edit(ada, insight.id, body="x", revision=3))
        at = world.clock() + timedelta(hours=1)
        assert (await tek.insights.publish(ada, insight.id, at)).published_at == at
        assert len(await tek.insights.list(None)) == 0
        world.clock.advance(timedelta(hours=1))
        assert [each.id for each in await tek.insights.list(None)] == [insight.id]
        await tek.events.relay.run_once()
        assert (await tek.areas.get(None, area.id)).content_count == 1
        assert (await tek.gamification.profile(ada.id)).total_xp == 30
        cyd = principal("cyd")
        await tek.insights.like(cyd, insight.id)
        await tek.insights.feature(principal("mod", "moderator"), insight.id)
        for which in ({"area": area.id}, {"tag": "gO"}, {"author": ada.id}, {"status": "published"}, {}):
            for order in ("newest", "most_liked", "featured"):
                page = await tek.insights.list(cyd, **which, order=order)
                assert [(each.id, each.like_count) for each in page] == [(insight.id, 1)]
        assert [each.id for each in await tek.insights.search(cyd, "sourc go")] == [insight.id]
        for slug in (insight.slug, edited.slug, "event-sourcing-in-go"):
            assert (await tek.insights.by_slug(cyd, slug)).id == insight.id
        await tek.events.relay.run_once()
        assert (await tek.insights.get(ada, insight.id)).view_count == 3
        for _ in range(2):
            await tek.insights.delete(ada, insight.id)
            assert (await tek.areas.get(None, area.id)).content_count == 0
            assert (await tek.gamification.profile(ada.id)).total_xp == 5
            assert (await tek.insights.restore(ada, insight.id)).view_count == 3
            assert (await tek.areas.get(None, area.id)).content_count == 1
            assert (await tek.gamification.profile(ada.id)).total_xp == 35
        await tek.insights.unpublish(ada, insight.id)
        assert (await tek.gamification.profile(ada.id)).total_xp == 10
        assert world.look[INSIGHTS].find_one({})["_outbox"] == []
        assert (await tek.quotas.reconcile(ada, "insights")).used == 1

    world.run(scenario)


@SERVERS
def test_round_trips(world: World) -> None:
    """A read is one command, and one for the areas that it names; a publication is a read, its commit, and the rest."""

    async def scenario(world: World) -> None:
        heard = Heard()
        plain = world.tek(policy=without_reactions())
        area = await made(plain, "Go")
        bare = await plain.insights.draft(ADA, InsightDraft(title="Bare", body="x"))
        filed = await plain.insights.draft(ADA, InsightDraft(title="Filed", body="x", areas=[area.id]))
        await plain.insights.publish(ADA, filed.id)
        tek = world.tek(world.client(event_listeners=[heard]), policy=without_reactions())
        find, areas, update = f"find {INSIGHTS}", f"find {AREAS}", f"update {INSIGHTS}"
        who, known = f"find {USERS}", f"find {CONNECTIONS}"
        look = f"aggregate {USERS}"
        tell = [f"find {EVENTS}", f"insert {EVENTS}", update]
        count = [areas, f"aggregate {QUESTIONS}", f"aggregate {INSIGHTS}", f"update {AREAS}"]
        quota = ["find subscriptions", f"aggregate {INSIGHTS}", "find subscriptions"]

        async def sent(call: Any) -> list[str]:
            await call
            return heard.names()

        for call, expected in (
            (lambda: tek.insights.draft(ADA, InsightDraft(title="New", body="x")), [look, f"insert {INSIGHTS}", *tell]),
            (lambda: tek.insights.publish(ADA, bare.id), [find, who, *quota, find, who, update, *tell]),
            (lambda: tek.insights.publish(ADA, bare.id), [find, who, find, who]),
            (lambda: tek.insights.get(BEN, bare.id), [find]),
            (lambda: tek.insights.get(BEN, filed.id), [find, areas]),
            (lambda: tek.insights.by_slug(BEN, "filed"), [find, areas]),
            (lambda: tek.insights.list(None, author=ADA.id), [find, areas]),
            (lambda: tek.insights.list(BEN, author=ADA.id), [known, find, areas]),
            (lambda: tek.insights.list(BEN, area=area.id, tag="x"), [known, find, areas]),
            (lambda: tek.insights.search(BEN, "bare"), [known, find]),
            (lambda: tek.insights.edit(ADA, bare.id, body="y"), [find, who, update, *tell]),
            (lambda: tek.insights.edit(ADA, bare.id, body="y"), [find, who]),
            (lambda: tek.insights.delete(ADA, filed.id), [find, who, update, *count, f"find {VOTES}", *tell, areas]),
        ):
            assert await sent(call()) == expected
        hidden = await plain.insights.draft(ADA, InsightDraft(title="Hidden", body="x", visibility="connections"))
        for viewer, calls in ((None, [find]), (BEN, [find, known])):
            for id in (hidden.id, derived_id("nothing")):
                assert await sent(refused(NotFound, tek.insights.get(viewer, id))) == calls
            for slug in (hidden.slug, "nothing"):
                assert await sent(refused(NotFound, tek.insights.by_slug(viewer, slug))) == calls

    world.run(scenario)


def test_damaged_documents_leave_the_page_whole(world: World) -> None:
    """F28."""

    async def scenario(world: World) -> None:
        tek = world.tek(policy=without_reactions())
        drafts = [await tek.insights.draft(ADA, InsightDraft(title=f"I{at}", body="x")) for at in range(4)]
        world.look[INSIGHTS].update_one({"_id": ObjectId(drafts[1].id)}, {"$set": {"body": None}})
        page = await tek.insights.list(ADA)
        assert {each.id for each in page} == {drafts[at].id for at in (0, 2, 3)}
        assert [each.id for each in page.damaged] == [drafts[1].id]

    world.run(scenario)


def test_what_was_there_before_is_adopted(world: World) -> None:
    """The data model's sample, without any field of ours: it is published, and uses no quota."""

    async def scenario(world: World) -> None:
        tek = world.tek(policy=without_reactions())
        owner = await enrolled(tek, "owner")
        world.look["users"].insert_one({**sample("users"), "_id": ObjectId(owner.id), "uid": owner.uid})
        world.look[INSIGHTS].insert_one({**sample("insights"), "created_by": ObjectId(owner.id), "theirs": 7})
        slug = sample("insights")["slug"]
        found = await tek.insights.by_slug(BEN, slug)
        assert (found.areas, found.like_count) == ((), sample("insights")["like_count"])
        await tek.insights.unpublish(owner, found.id)
        await refused(NotFound, tek.insights.get(BEN, found.id))
        await tek.insights.publish(owner, found.id)
        assert (await tek.insights.by_slug(BEN, slug)).id == found.id
        events = [each for each in (await tek.events.log()).items if each.event_type == "insight.published"]
        assert [each.payload["first_publication"] for each in events] == [False]
        stored = world.look[INSIGHTS].find_one({})
        assert (stored["theirs"], stored["author"], stored["_v"]) == (7, owner.uid, 2)
        assert (await tek.quotas.usage(owner, "insights")).used == 1

    world.run(scenario)
