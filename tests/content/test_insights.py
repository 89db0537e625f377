"""Insights: drafted, published now or later, shared, liked, deleted, restored and found, by whom it may be. In memory,
in both flavours.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tektree import Policy, Principal, TekTree
from tektree.backends.memory import memory_backends
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
from tektree.models.insights import Insight, InsightDraft
from tektree.testing import Faulty
from tests.accounts.test_roles import reaches
from tests.content.test_areas import ADA, ADMIN, BEN, HOSTILE, MOD, ROLES, VIEWERS, found, made, refused_as
from tests.content.worlds import POLICY, World, enrolled, principal, refused, stored
from tests.rules.test_visibility import oracle

CYD = principal("cyd")
HOUR = timedelta(hours=1)
MOMENT = timedelta(milliseconds=1)
WATCHERS = {**VIEWERS, "co-author": CYD}
STATES = ("public", "private", "connections", "draft", "scheduled", "deleted")


async def drafted(tek: Any, title: str = "How", by: Principal = ADA, **more: Any) -> Insight:
    insight: Insight = await tek.insights.draft(by, InsightDraft(**{"title": title, "body": "Thus", **more}))
    return insight


async def published(tek: Any, title: str = "How", by: Principal = ADA, **more: Any) -> Insight:
    insight: Insight = await tek.insights.publish(by, (await drafted(tek, title, by, **more)).id)
    return insight


async def in_state(world: World, tek: Any, state: str, **more: Any) -> Insight:
    """With a co-author."""
    visibility = state if state in ("private", "connections") else "public"
    insight = await drafted(tek, f"Thing {state}", visibility=visibility, **more)
    await tek.insights.invite(ADA, insight.id, CYD.id)
    await tek.insights.consent(CYD, insight.id)
    if state != "draft":
        await tek.insights.publish(ADA, insight.id, world.clock() + MOMENT if state == "scheduled" else None)
    if state == "deleted":
        await tek.insights.delete(ADA, insight.id)
    now: Insight = (await world.store.insights.by_id(insight.id)).record
    return now


async def xp(tek: Any, *people: Principal) -> list[int]:
    return [(await tek.gamification.profile(who.id)).total_xp for who in people]


async def told(world: World, insight: Insight) -> list[str]:
    stream = await world.store.events.stream(f"insight:{insight.id}", 0, 999)
    assert [each.metadata["seq"] for each in stream] == list(range(1, len(stream) + 1))
    return [each.event_type.partition(".")[2] for each in stream]


def test_a_life(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        ada = await enrolled(tek, "ada")
        area = await made(tek, "Go", by=BEN)
        insight = await drafted(tek, "C++ or C#", ada, tags=["C++"], areas=[area.id], body="w " * 201)
        assert insight.slug.startswith("c-plus-plus-or-c-sharp-")
        assert (insight.tags, insight.estimated_read_time_minutes) == (("c++",), 2)
        assert await tek.insights.get(ada, insight.id) == insight
        assert (await tek.areas.get(None, area.id)).content_count == 0
        assert await xp(tek, ada) == [0]
        out = await tek.insights.publish(ada, insight.id)
        assert (out.slug, out.published_at) == ("c-plus-plus-or-c-sharp", world.clock())
        assert (await tek.areas.get(None, area.id)).content_count == 1
        assert await xp(tek, ada) == [25]
        for slug in (insight.slug, "C-plus-plus-OR-c-sharp"):
            assert (await tek.insights.by_slug(BEN, slug)).id == insight.id
        edited = await tek.insights.edit(ada, insight.id, title="Rust", body="short")
        assert (edited.slug, edited.estimated_read_time_minutes) == ("rust", 1)
        assert (await tek.insights.by_slug(BEN, "c-plus-plus-or-c-sharp")).slug == "rust"
        assert (await tek.insights.feature(MOD, insight.id)).featured
        assert [each.id for each in await tek.insights.list(None, order="featured")] == [insight.id]
        assert not (await tek.insights.unfeature(MOD, insight.id)).featured
        await tek.insights.unpublish(ada, insight.id)
        assert (await tek.areas.get(None, area.id)).content_count == 0
        assert await xp(tek, ada) == [0]
        types = ["created", "published", "updated", "featured", "updated", "unpublished"]
        assert await told(world, insight) == types
        assert await tek.gamification.verify(ada.id)

    world.run(scenario)


@pytest.mark.parametrize("state", STATES)
def test_the_matrix_on_every_path(world: World, state: str) -> None:
    """E8, E9, G7, G9, G12, G20: by id, slug, every list and search, every viewer sees what the oracle says."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        area = await made(tek, "Area")
        insight = await in_state(world, tek, state, areas=[area.id], tags=["t"])
        status = {"draft": "draft", "scheduled": "scheduled"}.get(state, "published")
        for name, viewer in WATCHERS.items():
            expected = oracle(name, state, "insight")
            assert await found(tek.insights.get(viewer, insight.id)) is expected, name
            for slug in insight.slugs:
                assert await found(tek.insights.by_slug(viewer, slug)) is expected, name
            for which in ({}, {"area": area.id}, {"tag": "T"}, {"author": ADA.id}, {"status": status}):
                for order in ("newest", "most_liked"):
                    page = await tek.insights.list(viewer, **which, order=order)
                    assert [each.id for each in page] == [insight.id] * expected, (name, which)
            searched = await tek.insights.search(viewer, "thing")
            assert [each.id for each in searched] == [insight.id] * expected, name
            if name in ("stranger", "moderator", "admin"):
                assert await found(tek.insights.like(viewer, insight.id)) is expected, name
        counted = (await tek.areas.get(None, area.id)).content_count
        assert counted == (1 if state == "public" else 0), "G8: counts only over what everybody sees"

    world.run(scenario)


@pytest.mark.parametrize("state", ["private", "connections", "draft", "scheduled", "deleted"])
def test_what_is_hidden_is_as_what_is_absent(world: World, state: str) -> None:
    """E9: the same error, after the same calls."""

    async def scenario(world: World) -> None:
        faulty = Faulty(world.backends)
        plain, tek = world.tek(POLICY), world.tek(POLICY, faulty.backends)
        insight = await in_state(world, plain, state)
        absent = derived_id("insight", "absent")
        calls: dict[str, Any] = {
            "get": lambda id: tek.insights.get(BEN, id),
            "edit": lambda id: tek.insights.edit(BEN, id, title="x"),
            "publish": lambda id: tek.insights.publish(BEN, id),
            "unpublish": lambda id: tek.insights.unpublish(BEN, id),
            "like": lambda id: tek.insights.like(BEN, id),
            "consent": lambda id: tek.insights.consent(BEN, id),
            "decline": lambda id: tek.insights.decline(BEN, id),
            "feature": lambda id: tek.insights.feature(BEN, id),
            "delete": lambda id: tek.insights.delete(BEN, id),
            "restore": lambda id: tek.insights.restore(BEN, id),
        }
        for name, call in calls.items():
            said, sent = [], []
            for id in (insight.id, absent):
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
        insight = await published(tek, areas=[secret.id, open_.id])
        for viewer, areas in ((BEN, (open_.id,)), (None, (open_.id,)), (ADA, (secret.id, open_.id))):
            assert (await tek.insights.get(viewer, insight.id)).areas == areas
            [listed] = await tek.insights.list(viewer)
            [searched] = await tek.insights.search(viewer, "how")
            assert listed.areas == searched.areas == areas
        for area in (secret.id, derived_id("area", "absent")):
            await refused(NotFound, tek.insights.list(BEN, area=area))
            await refused(NotFound, drafted(tek, by=BEN, areas=[area]))
        mine = await drafted(tek, by=BEN)
        await refused(NotFound, tek.insights.edit(BEN, mine.id, areas=[secret.id]))

    world.run(scenario)


# -- publishing --------------------------------------------------------------------------------------------------------


def test_what_is_planned_comes_at_its_time(world: World) -> None:
    """G12: at the millisecond, whoever looks; told behind it, once, and dated so."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        ada = await enrolled(tek, "ada")
        area = await made(tek, "Go", by=BEN)
        insight = await drafted(tek, by=ada, areas=[area.id])
        at = world.clock() + HOUR
        assert (await tek.insights.publish(ada, insight.id, at)).published_at == at
        await tek.insights.publish(ada, insight.id, at)
        assert await told(world, insight) == ["created", "updated"]
        world.clock.advance(HOUR - MOMENT)
        await tek.events.relay.run_once()
        await refused(NotFound, tek.insights.get(BEN, insight.id))
        assert len(await tek.insights.list(BEN)) == 0
        world.clock.advance(MOMENT)
        assert [each.id for each in await tek.insights.list(BEN)] == [insight.id]
        assert await xp(tek, ada) == [0]
        world.clock.advance(HOUR)
        await asyncio.gather(*[each.events.relay.run_once() for each in (tek, world.rival(POLICY))])
        await tek.events.relay.run_once()
        assert await told(world, insight) == ["created", "updated", "published"]
        [event] = [each for each in (await tek.events.log()).items if each.event_type == "insight.published"]
        assert event.timestamp == at
        assert await xp(tek, ada) == [25]
        assert (await tek.insights.get(BEN, insight.id)).slug == "how"
        assert (await tek.areas.get(None, area.id)).content_count == 1

    world.run(scenario)


CHANGES: dict[str, Any] = {
    "edit": (lambda tek, id: tek.insights.edit(ADA, id, body="x"), ["published", "updated"], 25),
    "unpublish": (lambda tek, id: tek.insights.unpublish(ADA, id), ["published", "unpublished"], 0),
    "delete": (lambda tek, id: tek.insights.delete(ADA, id), ["published", "deleted"], 0),
    "publish": (lambda tek, id: tek.insights.publish(ADA, id), ["published"], 25),
    "feature": (lambda tek, id: tek.insights.feature(MOD, id), ["published", "featured"], 25),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_due_is_told_before_it_is_changed(world: World, change: str) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        ada = await enrolled(tek, "ada")
        insight = await drafted(tek, by=ada)
        await tek.insights.publish(ada, insight.id, world.clock() + HOUR)
        world.clock.advance(HOUR * 2)
        call, types, total = CHANGES[change]
        await call(tek, insight.id)
        await tek.events.relay.run_once()
        assert (await told(world, insight))[2:] == types
        assert await xp(tek, ada) == [total]

    world.run(scenario)


def test_a_plan_may_change(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        ada = await enrolled(tek, "ada")
        insight = await drafted(tek, by=ada)
        now = world.clock()
        await tek.insights.publish(ada, insight.id, now + HOUR)
        await tek.insights.publish(ada, insight.id, now + HOUR * 3)
        world.clock.advance(HOUR * 2)
        await tek.events.relay.run_once()
        await refused(NotFound, tek.insights.get(BEN, insight.id))
        assert (await tek.insights.unpublish(ada, insight.id)).published_at is None
        world.clock.advance(HOUR * 2)
        await tek.events.relay.run_once()
        assert await told(world, insight) == ["created", "updated", "updated", "updated"]
        passed = await tek.insights.publish(ada, insight.id, now)
        assert passed.published_at == world.clock(), "a time that has passed is now"
        await refused(InvalidTransition, tek.insights.publish(ada, insight.id, world.clock() + HOUR))
        assert await xp(tek, ada) == [25]
        assert (await tek.quotas.usage(ada, "insights")).used == 1

    world.run(scenario)


def test_what_was_planned_and_deleted_is_not_told(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        ada = await enrolled(tek, "ada")
        insight = await drafted(tek, by=ada)
        await tek.insights.publish(ada, insight.id, world.clock() + HOUR)
        await tek.insights.delete(ada, insight.id)
        world.clock.advance(HOUR)
        await tek.events.relay.run_once()
        assert await told(world, insight) == ["created", "updated", "deleted"]
        await tek.insights.restore(ada, insight.id)
        await tek.events.relay.run_once()
        assert await told(world, insight) == ["created", "updated", "deleted", "restored", "published"]
        assert await xp(tek, ada) == [25]

    world.run(scenario)


def test_publishing_a_hundred_times_earns_once(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        ada = await enrolled(tek, "ada")
        insight = await drafted(tek, by=ada)
        for _ in range(25 if world.is_async else 100):
            await tek.insights.publish(ada, insight.id)
            assert await xp(tek, ada) == [25]
            await tek.insights.unpublish(ada, insight.id)
            assert await xp(tek, ada) == [0]
        assert (await tek.quotas.usage(ada, "insights")).used == 1
        assert await tek.gamification.verify(ada.id)

    world.run(scenario)


def test_quotas(world: World) -> None:
    """Drafts use nothing, and what fails uses nothing; lost counts are what was handed in."""

    async def scenario(world: World) -> None:
        policy = Policy(passwords={"bcrypt_cost": 10}, quotas={"free": {"insights": 2}})
        tek = world.tek(policy)
        drafts = [await drafted(tek, f"I{at}") for at in range(4)]
        await refused(NotFound, tek.insights.publish(BEN, drafts[0].id))
        await tek.insights.publish(ADA, drafts[0].id)
        await tek.insights.publish(ADA, drafts[1].id, world.clock() + HOUR)
        error = await refused(QuotaExhausted, tek.insights.publish(ADA, drafts[2].id))
        assert (error.quota_type, error.limit) == ("insights", 2)
        assert (await tek.insights.get(ADA, drafts[2].id)).published_at is None
        await tek.insights.publish(ADA, drafts[1].id)
        await refused(QuotaExhausted, world.tek(policy).insights.publish(ADA, drafts[3].id))
        assert (await world.tek(policy).quotas.reconcile(ADA, "insights")).used == 2

    world.run(scenario)


def test_sixteen_publications_at_once(world: World) -> None:
    """By different processes: it is told once, and uses one unit of the quota."""

    async def scenario(world: World) -> None:
        teks = [world.rival(POLICY) for _ in range(2)]
        ada = await enrolled(teks[0], "ada")
        insight = await drafted(teks[0], by=ada)
        await asyncio.gather(*[teks[at % 2].insights.publish(ada, insight.id) for at in range(16)])
        assert await told(world, insight) == ["created", "published"]
        assert await xp(teks[0], ada) == [25]
        used = [(await each.quotas.usage(ada, "insights")).used for each in teks]
        assert sorted(used) in ([0, 1], [1, 1]), (
            "each has counts of its own, one of which may be loaded from what is there"
        )
        assert [(await each.quotas.reconcile(ada, "insights")).used for each in teks] == [1, 1]

    world.run(scenario)


# -- co-authors --------------------------------------------------------------------------------------------------------


def test_co_authors_consent(world: World) -> None:
    """E15: who is invited sees nothing more; who consented sees and edits; nothing else is theirs."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        insight = await drafted(tek, "Shared")
        await refused(InvalidInput, tek.insights.invite(ADA, insight.id, ADA.id))
        await refused(NotFound, tek.insights.consent(BEN, insight.id))
        invited = await tek.insights.invite(ADA, insight.id, BEN.id)
        assert (invited.co_authors, [each.user_id for each in invited.invitations]) == ((), [BEN.id])
        await refused(NotFound, tek.insights.get(BEN, insight.id))
        await refused(NotFound, tek.insights.edit(BEN, insight.id, title="x"))
        joined = await tek.insights.consent(BEN, insight.id)
        assert (joined.co_authors, joined.invitations, joined.slugs) == ((BEN.id,), (), ())
        assert (await tek.insights.edit(BEN, insight.id, title="Ours")).title == "Ours"
        for call in (
            tek.insights.edit(BEN, insight.id, visibility="private"),
            tek.insights.edit(BEN, insight.id, body="x", visibility="public"),
            tek.insights.publish(BEN, insight.id),
            tek.insights.unpublish(BEN, insight.id),
            tek.insights.invite(BEN, insight.id, CYD.id),
            tek.insights.withdraw(BEN, insight.id, BEN.id),
            tek.insights.feature(BEN, insight.id),
            tek.insights.delete(BEN, insight.id),
        ):
            await refused(Forbidden, call)
        await tek.insights.publish(ADA, insight.id)
        await refused(Forbidden, tek.insights.like(BEN, insight.id))
        await tek.insights.delete(ADA, insight.id)
        await refused(NotFound, tek.insights.restore(BEN, insight.id))
        await refused(NotFound, tek.insights.consent(BEN, insight.id))
        await tek.insights.restore(ADA, insight.id)
        await tek.insights.decline(BEN, insight.id)
        await refused(Forbidden, tek.insights.edit(BEN, insight.id, title="x"))
        [event] = [each for each in (await tek.events.log()).items if each.event_type == "insight.co_author_left"]
        assert (event.payload["co_author"], event.payload["by"]) == (BEN.uid, BEN.uid)

    world.run(scenario)


def test_invitations_are_declined_and_withdrawn(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        insight = await drafted(tek)
        await tek.insights.invite(ADA, insight.id, BEN.id)
        await tek.insights.decline(BEN, insight.id)
        await refused(NotFound, tek.insights.consent(BEN, insight.id))
        for consents in (False, True):
            await tek.insights.invite(ADA, insight.id, BEN)
            if consents:
                await tek.insights.consent(BEN, insight.id)
            gone = await tek.insights.withdraw(ADA, insight.id, BEN if consents else BEN.id)
            assert (gone.co_authors, gone.invitations) == ((), ())
            await refused(NotFound, tek.insights.consent(BEN, insight.id))
            await refused(NotFound, tek.insights.get(BEN, insight.id))
        assert (await tek.insights.withdraw(ADA, insight.id, BEN.id)).revision == gone.revision

    world.run(scenario)


def test_a_co_author_who_is_disabled_edits_nothing(world: World) -> None:
    """E18: by what is stored of them."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        ben = await stored(world, "b2")
        insight = await drafted(tek)
        await tek.insights.invite(ADA, insight.id, ben.id)
        await tek.insights.consent(ben, insight.id)
        await tek.accounts.disable(ADMIN, ben.id)
        await refused(Forbidden, tek.insights.edit(ben, insight.id, title="x"))

    world.run(scenario)


# -- likes -------------------------------------------------------------------------------------------------------------


def test_likes(world: World) -> None:
    """E13: one for each user, never one's own; worth what the policy says, once."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        ada, ben, cyd = [await enrolled(tek, name) for name in ("ada", "ben", "cyd")]
        insight = await published(tek, by=ada)
        await refused(Forbidden, tek.insights.like(ada, insight.id))
        for _ in range(25 if world.is_async else 100):
            await tek.insights.like(ben, insight.id)
            assert await xp(tek, ada, ben) == [30, 0]
            await tek.insights.unlike(ben, insight.id)
            assert await xp(tek, ada, ben) == [25, 0]
        for who in (ben, ben, cyd):
            await tek.insights.like(who, insight.id)
        assert (await tek.insights.get(ada, insight.id)).like_count == 2
        assert await xp(tek, ada) == [35]
        await tek.insights.invite(ada, insight.id, cyd.id)
        await tek.insights.consent(cyd, insight.id)
        assert (await tek.insights.get(ada, insight.id)).like_count == 1, "a co-author's like counts no more"
        assert await xp(tek, ada) == [30]
        assert await tek.gamification.verify(ada.id)

    world.run(scenario)


def test_deleting_takes_back_likes_as_well(world: World) -> None:
    """A hundred times: never more than the first grants; what was liked before is when it is back."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        ada, ben, cyd = [await enrolled(tek, name) for name in ("ada", "ben", "cyd")]
        insight = await published(tek, by=ada)
        for who in (ben, cyd):
            await tek.insights.like(who, insight.id)
        await tek.insights.unlike(cyd, insight.id)
        for _ in range(10 if world.is_async else 100):
            assert await xp(tek, ada) == [30]
            await tek.insights.delete(ada, insight.id)
            assert await xp(tek, ada) == [0]
            await refused(NotFound, tek.insights.unlike(ben, insight.id))
            await refused(NotFound, tek.insights.like(cyd, insight.id))
            await tek.insights.restore(ada, insight.id)
        assert (await tek.insights.get(ada, insight.id)).like_count == 1
        assert await tek.gamification.verify(ada.id)

    world.run(scenario)


def test_likes_at_once_are_counted(world: World) -> None:
    """E14, J34: while it is deleted and restored."""

    async def scenario(world: World) -> None:
        teks = [world.rival(POLICY) for _ in range(2)]
        ada = await enrolled(teks[0], "ada")
        insight = await published(teks[0], by=ada)
        people = [principal(f"p{at}") for at in range(12)]

        async def gone_and_back() -> None:
            await teks[0].insights.delete(ada, insight.id)
            await teks[0].insights.restore(ada, insight.id)

        await asyncio.gather(
            *[teks[at % 2].insights.like(who, insight.id) for at, who in enumerate(people)],
            gone_and_back(),
            return_exceptions=True,
        )
        world.clock.advance(HOUR)  # what one process leaves behind the other waits for its lease
        await teks[1].events.relay.run_once()
        likes = (await world.store.votes.of_target(insight.id)).up
        assert (await teks[0].insights.get(ada, insight.id)).like_count == likes
        assert await xp(teks[0], ada) == [25 + 5 * likes]

    world.run(scenario)


# -- who may -----------------------------------------------------------------------------------------------------------


ACTS: dict[str, Any] = {
    "insight.edit": lambda tek, actor, id: tek.insights.edit(actor, id, body="x"),
    "insight.share": lambda tek, actor, id: tek.insights.edit(actor, id, visibility="connections"),
    "insight.publish": lambda tek, actor, id: tek.insights.publish(actor, id),
    "insight.unpublish": lambda tek, actor, id: tek.insights.unpublish(actor, id),
    "insight.invite": lambda tek, actor, id: tek.insights.invite(actor, id, derived_id("user", "x")),
    "insight.feature": lambda tek, actor, id: tek.insights.feature(actor, id),
    "insight.like": lambda tek, actor, id: tek.insights.like(actor, id),
    "insight.delete": lambda tek, actor, id: tek.insights.delete(actor, id),
}


@pytest.mark.parametrize("verb", [*ACTS, "insight.restore"])
def test_every_cell_of_the_table(world: World, verb: str) -> None:
    """E8, E10: each role, to insights of each role and to one's own; by the stored roles."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        for at, role in enumerate(ROLES):
            for by, other in enumerate((*ROLES, None)):
                actor = await stored(world, f"a{at}{by}", role)
                owner = actor if other is None else await stored(world, f"b{at}{by}", other)
                who = Principal(actor.id, actor.uid, role="admin" if role != "admin" else "user")
                insight = await published(tek, f"T{at}{by}", owner)
                allowed = reaches(verb, role, owner.role, other is None)
                if verb == "insight.restore":
                    await tek.insights.delete(owner, insight.id)
                    call = tek.insights.restore(who if other is not None else actor, insight.id)
                    await (call if allowed else refused(NotFound, call))
                    continue
                call = ACTS[verb](tek, who if other is not None else actor, insight.id)
                await (call if allowed else refused(Forbidden, call))
        gone = await published(tek)
        await tek.insights.delete(MOD, gone.id)
        await refused(Forbidden, tek.insights.restore(ADA, gone.id))
        assert (await tek.insights.restore(ADMIN, gone.id)).deleted_at is None

    world.run(scenario)


def test_edits_that_meet(world: World) -> None:
    """J10: of the author and a co-author; of the same field one is stale or came after, different ones are both set."""

    async def scenario(world: World) -> None:
        teks = [world.rival(POLICY) for _ in range(2)]
        insight = await drafted(teks[0])
        await teks[0].insights.invite(ADA, insight.id, BEN.id)
        await teks[0].insights.consent(BEN, insight.id)
        now = (await teks[0].insights.edit(ADA, insight.id, body="first")).revision
        await refused(Stale, teks[1].insights.edit(BEN, insight.id, revision=now - 1, body="second"))
        for turn in range(5):
            ends = await asyncio.gather(
                teks[0].insights.edit(ADA, insight.id, body=f"left {turn}"),
                teks[1].insights.edit(BEN, insight.id, title=f"right {turn}"),
                return_exceptions=True,
            )
            assert [type(end) for end in ends] == [Insight, Insight], ends
            found = await teks[0].insights.get(ADA, insight.id)
            assert (found.body, found.title) == (f"left {turn}", f"right {turn}")

    world.run(scenario)


# -- lists -------------------------------------------------------------------------------------------------------------


def test_lists_are_in_their_order(world: World) -> None:
    """As they were published; the actor's drafts behind all else."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        mine = [await drafted(tek, f"D{at}") for at in range(2)]
        out = []
        for at in range(3):
            world.clock.advance(HOUR)
            out.append(await tek.insights.publish(ADA, (await drafted(tek, f"I{at}")).id))
        later = await drafted(tek, "Later")
        await tek.insights.publish(ADA, later.id, world.clock() + HOUR)
        await tek.insights.like(BEN, out[1].id)
        drafts = sorted([each.id for each in mine], reverse=True)
        newest = [each.id for each in reversed(out)]
        for viewer, expected in ((ADA, [later.id, *newest, *drafts]), (BEN, newest)):
            ids: list[str] = []
            after = None
            while True:
                page = await tek.insights.list(viewer, after=after, limit=2)
                ids, after = ids + [each.id for each in page], page.next
                if after is None:
                    break
            assert ids == expected
        for status, expected in (("draft", drafts), ("scheduled", [later.id]), ("published", newest)):
            assert [each.id for each in await tek.insights.list(ADA, status=status)] == expected
        assert (await tek.insights.list(BEN, order="most_liked")).items[0].id == out[1].id

    world.run(scenario)


def test_cursors_fit_their_own_list(world: World) -> None:
    """G3, G5, G6: of the same viewer, filters and order; while others are published and deleted."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        every = [await published(tek, f"Q{at}", tags=["t"]) for at in range(9)]  # all of one instant
        one = await tek.insights.list(BEN, tag="t", limit=4)
        await tek.insights.delete(ADA, one.items[0].id)
        await tek.insights.unpublish(ADA, one.items[3].id)
        world.clock.advance(HOUR)
        await published(tek, "newer", tags=["t"])
        two = await tek.insights.list(BEN, tag="t", after=one.next, limit=4)
        three = await tek.insights.list(BEN, tag="T", after=two.next, limit=4)
        assert sorted([each.id for each in (*one, *two, *three)]) == sorted([each.id for each in every])
        assert three.next is None
        for call in (
            tek.insights.list(ADA, tag="t", after=one.next),
            tek.insights.list(BEN, tag="u", after=one.next),
            tek.insights.list(BEN, after=one.next),
            tek.insights.list(BEN, tag="t", order="most_liked", after=one.next),
            tek.insights.list(BEN, tag="t", status="published", after=one.next),
            tek.insights.search(BEN, "t", after=one.next),
            tek.questions.list(BEN, tag="t", after=one.next),
        ):
            await refused(InvalidCursor, call)

    world.run(scenario)


def test_what_is_hidden_is_gone_behind_a_cursor(world: World) -> None:
    """G13: made private, or a draft again."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        every = [await published(tek, f"Q{at}") for at in range(4)]
        page = await tek.insights.list(BEN, limit=1)
        left = [each for each in every if each.id != page.items[0].id]
        await tek.insights.edit(ADA, left[0].id, visibility="private")
        await tek.insights.unpublish(ADA, left[1].id)
        assert [each.id for each in await tek.insights.list(BEN, after=page.next)] == [left[2].id]

    world.run(scenario)


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
def test_bad_input_is_refused_before_anything_is_read(world: World, value: Any) -> None:
    """F1, F4, F14, F15, F17, F19, F23, F25, G1, G21: in every parameter."""

    async def scenario(world: World) -> None:
        faulty = Faulty(world.backends)
        tek = world.tek(POLICY, faulty.backends)
        verbs = (
            "get",
            "publish",
            "unpublish",
            "consent",
            "decline",
            "feature",
            "unfeature",
            "like",
            "unlike",
            "delete",
        )
        calls = [getattr(tek.insights, verb)(BEN, value) for verb in (*verbs, "restore", "draft")]
        calls += [
            tek.insights.edit(BEN, value, title="x"),
            tek.insights.invite(BEN, ADA.id, value),
            tek.insights.withdraw(BEN, ADA.id, value),
            tek.insights.list(BEN, order=value),
            tek.insights.list(BEN, limit=value if type(value) is not int else 101),
            tek.insights.edit(BEN, ADA.id, visibility=value),
        ]
        if value is not None:
            calls += [tek.insights.list(BEN, after=value), tek.insights.list(BEN, status=value)]
            calls += [tek.insights.list(BEN, area=value), tek.insights.list(BEN, author=value)]
            calls += [tek.insights.publish(BEN, ADA.id, value)]
            calls += [tek.insights.publish(BEN, ADA.id, world.clock().replace(tzinfo=None))]
            if type(value) is not str or not value:
                calls += [tek.insights.list(BEN, tag=value)]
        if type(value) is not str:
            calls += [tek.insights.search(BEN, value), tek.insights.by_slug(BEN, value)]
        for call in calls:
            await refused_as(InvalidInput, call)
        assert faulty.calls == []

    world.run(scenario)


def test_views_are_counted_without_a_write(world: World) -> None:
    """By others than its authors; written when the relay runs, once."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        insight = await in_state(world, tek, "public")
        for viewer in (BEN, None, ADA, CYD, BEN):
            await tek.insights.get(viewer, insight.id)
        await tek.insights.by_slug(BEN, insight.slug)
        for _ in range(2):
            await tek.events.relay.run_once()
            assert (await tek.insights.get(ADA, insight.id)).view_count == 4

    world.run(scenario)


def test_storages_without_insights_say_so() -> None:
    for missing in ("insights", "votes", "questions"):
        with pytest.raises(ConfigurationError, match="keep no insights"):
            _ = TekTree(replace(memory_backends(), **{missing: None})).insights
