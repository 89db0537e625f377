"""Questions on each driver: the promises of their port, and what is sent."""

import asyncio
from itertools import combinations
from typing import Any

import fakeredis
import pytest
from bson import ObjectId

from tektree import AsyncTekTree, TekTree
from tektree._async.backends.mongo.questions import _asked
from tektree._async.backends.redis.connecting import with_redis as async_with_redis
from tektree._sync.backends.redis.connecting import with_redis
from tektree.errors import InvalidInput, NotFound, Stale
from tektree.ids import derived_id
from tektree.models.questions import Question, QuestionDraft, QuestionFilter
from tektree.testing import checks
from tektree.wire.collections import AREAS, CONNECTIONS, EVENTS, FOLLOWS, INDEXES, INSIGHTS, QUESTIONS, USERS
from tests.backends.mongo.test_areas import without_reactions
from tests.backends.mongo.worlds import MOTOR, PROMISED, PYMONGO, PYMONGO_ASYNC, REAL, Awaited, Heard, World
from tests.content.test_areas import ADA, BEN, MOD, made
from tests.content.worlds import POLICY, enrolled, principal, refused
from tests.records import sample

SERVERS = pytest.mark.lanes(PYMONGO, PYMONGO_ASYNC, MOTOR, REAL)


@pytest.fixture(autouse=True)
def indexed(world: World) -> None:
    """With the indexes of content as well."""
    world.indexed((AREAS, FOLLOWS, QUESTIONS, INSIGHTS, CONNECTIONS))


@PROMISED
@pytest.mark.parametrize("check", checks("questions"))
def test_promise(check: str, world: World) -> None:
    world.keeps(check)


def test_a_life(world: World) -> None:
    """From the asking to the restoring: what each step stores is what the next one finds."""

    async def scenario(world: World) -> None:
        tek = world.tek(policy=POLICY)
        ada = await enrolled(tek, "ada")
        area = await made(tek, "Go", by=ada)
        draft = QuestionDraft(title="How?", body="Event sourcing in Go", tags=["GO"], areas=[area.id], files=["f1"])
        question = await tek.questions.ask(ada, draft)
        assert (await tek.areas.get(None, area.id)).content_count == 1
        assert await tek.questions.get(ada, question.id) == question
        edited = await tek.questions.edit(ada, question.id, title="How so?", revision=1)
        await refused(Stale, tek.questions.edit(ada, question.id, body="x", revision=1))
        for slug in ("how", "HOW-SO"):
            assert (await tek.questions.by_slug(BEN, slug)).id == question.id
        await refused(InvalidInput, tek.questions.ask(BEN, QuestionDraft(title="x", body="y", files=["f1"])))
        assert (await tek.questions.close(ada, question.id, "done")).status == "closed"
        for which in ({"area": area.id}, {"tag": "gO"}, {"author": ada.id}, {"status": "closed"}, {}):
            for order in ("newest", "most_voted"):
                page = await tek.questions.list(BEN, **which, order=order)
                assert [each.id for each in page] == [question.id]
        assert [each.id for each in await tek.questions.search(BEN, "sourc how")] == [question.id]
        await tek.events.relay.run_once()
        assert (await tek.questions.get(ada, question.id)).view_count == 2
        await tek.questions.edit(ada, question.id, visibility="private")
        await refused(NotFound, tek.questions.get(BEN, question.id))
        assert (await tek.areas.get(None, area.id)).content_count == 0
        assert len(await tek.questions.list(BEN)) == 0
        await tek.questions.edit(ada, question.id, visibility="public")
        await tek.questions.delete(ada, question.id)
        assert (await tek.areas.get(None, area.id)).content_count == 0
        assert (await tek.gamification.profile(ada.id)).total_xp == 5
        assert (await tek.questions.restore(ada, question.id)).view_count == 2
        assert (await tek.areas.get(None, area.id)).content_count == 1
        assert (await tek.gamification.profile(ada.id)).total_xp == 10
        assert edited.slugs == ("how", "how-so")
        assert world.look[QUESTIONS].find_one({})["_outbox"] == []

    world.run(scenario)


@SERVERS
def test_round_trips(world: World) -> None:
    """``ask`` is one look at who asks and what it names, and its commit; a read is one command, and one for areas."""

    async def scenario(world: World) -> None:
        heard = Heard()
        plain = world.tek(policy=without_reactions())
        area = await made(plain, "Go")
        bare = await plain.questions.ask(ADA, QuestionDraft(title="Bare", body="x"))
        filed = await plain.questions.ask(ADA, QuestionDraft(title="Filed", body="x", areas=[area.id]))
        tek = world.tek(world.client(event_listeners=[heard]), policy=without_reactions())
        find, areas = f"find {QUESTIONS}", f"find {AREAS}"
        tell = [f"find {EVENTS}", f"insert {EVENTS}", f"update {QUESTIONS}"]
        quota = ["find subscriptions", f"aggregate {QUESTIONS}", "find subscriptions"]
        count = [areas, f"aggregate {QUESTIONS}", f"aggregate {INSIGHTS}", f"update {AREAS}"]

        async def sent(call: Any) -> list[str]:
            await call
            return heard.names()

        draft = QuestionDraft(title="New", body="x", areas=[area.id])
        who, known = f"find {USERS}", f"find {CONNECTIONS}"
        look = f"aggregate {USERS}"
        assert await sent(tek.questions.ask(ADA, draft)) == [look, *quota, f"insert {QUESTIONS}", *count, *tell]
        draft = QuestionDraft(title="Newer", body="x")
        assert await sent(tek.questions.ask(ADA, draft)) == [look, quota[0], f"insert {QUESTIONS}", *tell]
        for call, expected in (
            (lambda: tek.questions.get(BEN, bare.id), [find]),
            (lambda: tek.questions.get(BEN, filed.id), [find, areas]),
            (lambda: tek.questions.by_slug(BEN, "filed"), [find, areas]),
            (lambda: tek.questions.list(None, author=ADA.id), [find, areas]),
            (lambda: tek.questions.list(MOD, author=ADA.id), [find, areas]),
            (lambda: tek.questions.list(BEN, author=ADA.id), [known, find, areas]),
            (lambda: tek.questions.list(BEN, area=area.id, tag="x"), [known, find, areas]),
            (lambda: tek.questions.search(BEN, "bare"), [known, find]),
            (lambda: tek.questions.edit(ADA, bare.id, body="y"), [find, who, f"update {QUESTIONS}", *tell]),
            (lambda: tek.questions.edit(ADA, bare.id, body="y"), [find, who]),
            (lambda: tek.questions.close(ADA, bare.id), [find, who, f"update {QUESTIONS}", *tell]),
        ):
            assert await sent(call()) == expected
        shared = await plain.questions.ask(ADA, QuestionDraft(title="Shared", body="x", visibility="connections"))
        for viewer, calls in ((None, [find]), (BEN, [find, known]), (principal("root", "admin"), [find])):
            if viewer is None or viewer is BEN:
                assert await sent(refused(NotFound, tek.questions.get(viewer, shared.id))) == calls
                assert await sent(refused(NotFound, tek.questions.by_slug(viewer, shared.slug))) == calls
            assert await sent(refused(NotFound, tek.questions.get(viewer, derived_id("nothing")))) == calls
            assert await sent(refused(NotFound, tek.questions.by_slug(viewer, "nothing"))) == calls
        await plain.connections.request(ADA, BEN.id)
        await plain.connections.accept(BEN, ADA.id)
        assert await sent(tek.questions.get(BEN, shared.id)) == [find, known]

    world.run(scenario)


@pytest.mark.lanes(PYMONGO, PYMONGO_ASYNC, REAL)
def test_every_list_is_one_query_in_the_order_of_an_index(world: World) -> None:
    """G2: each combination of filters and each order, first page and next, whoever asks: no skip, nothing sorted."""

    async def scenario(world: World) -> list[tuple[str, dict[str, Any]]]:
        heard = Heard()
        plain = world.tek(policy=without_reactions())
        area = await made(plain, "Go")
        for at in range(2):
            await plain.questions.ask(ADA, QuestionDraft(title=f"Q{at}", body="x", areas=[area.id], tags=["t"]))
        tek = world.tek(world.client(event_listeners=[heard]), policy=without_reactions())
        filters = {"area": area.id, "tag": "t", "author": ADA.id, "status": "open"}
        for chosen in [which for size in range(5) for which in combinations(filters.items(), size)]:
            for order, viewer in (("newest", None), ("most_voted", BEN)):
                one = await tek.questions.list(viewer, **dict(chosen), order=order, limit=1)
                two = await tek.questions.list(viewer, **dict(chosen), order=order, limit=1, after=one.next)
                assert (len(one), len(two), two.next) == (1, 1, None), chosen
                shared = [] if viewer is None else [f"find {CONNECTIONS}"]  # whose things the viewer sees
                assert heard.names() == [*shared, f"find {QUESTIONS}", f"find {AREAS}"] * 2
        return heard.commands

    world.run(scenario)


ORDERS = {"newest": "created_at", "most_voted": "upvote_count"}


@pytest.mark.lanes(PYMONGO, REAL)
@pytest.mark.parametrize("order", ORDERS)
def test_a_list_of_one_thing_is_served_by_an_index(world: World, order: Any) -> None:
    """Of what is sought an index leads to it; an index has each order, and of what is sought the newest."""
    for which in ({"area": "a" * 24}, {"tag": "t"}, {"author": "a" * 24}, {"status": "open"}, {}):
        query = _asked(QuestionFilter(**which))
        asked = {"find": QUESTIONS, "filter": query, "sort": {ORDERS[order]: -1, "_id": -1}}
        plan = repr(world.look.command("explain", asked, verbosity="queryPlanner")["queryPlanner"]["winningPlan"])
        assert "COLLSCAN" not in plan
        assert "IXSCAN" in plan
        keys = [[(name, 1) for name in query] if order == "newest" else [], [(ORDERS[order], -1), ("_id", -1)]]
        assert [*keys[0], *keys[1]] in [[*index.keys] for index in INDEXES[QUESTIONS]]


@SERVERS
def test_what_is_cached_costs_redis_one_command_and_mongodb_none(world: World) -> None:
    """But for the areas that it names: who sees them is read each time."""

    async def scenario(world: World) -> None:
        heard, trips = Heard(), list[str]()
        plain = world.tek(policy=without_reactions())
        area = await made(plain, "Go")
        bare = await plain.questions.ask(ADA, QuestionDraft(title="Bare", body="x"))
        filed = await plain.questions.ask(ADA, QuestionDraft(title="Filed", body="x", areas=[area.id]))
        redis = (fakeredis.FakeAsyncRedis if world.is_async else fakeredis.FakeRedis)()
        connected = async_with_redis if world.is_async else with_redis
        backends = connected(world.backends(world.client(event_listeners=[heard])), redis)
        nodes = backends.caches._redis._nodes
        exchange = nodes.exchange

        def counting(commands: Any, about: str) -> Any:
            trips.extend([str(command[0]) for command in commands])
            return exchange(commands, about)

        nodes.exchange = counting
        tek: Any = AsyncTekTree(backends) if world.is_async else Awaited(TekTree(backends))
        for question, areas in ((bare, []), (filed, [f"find {AREAS}"])):
            await tek.questions.get(BEN, question.id)
            assert heard.names() == [f"find {QUESTIONS}", *areas]
            trips.clear()
            for viewer in (BEN, None, ADA):
                assert (await tek.questions.get(viewer, question.id)).title == question.title
            assert (heard.names(), trips) == (areas * 3, ["GET"] * 3)
        await (redis.aclose() if world.is_async else asyncio.to_thread(redis.close))

    world.run(scenario)


def test_damaged_documents_leave_the_page_whole(world: World) -> None:
    """F28: a question that cannot be read, and an area that one names."""

    async def scenario(world: World) -> None:
        tek = world.tek(policy=without_reactions())
        area, other = await made(tek, "Go"), await made(tek, "Rust")
        asked = [
            await tek.questions.ask(ADA, QuestionDraft(title=f"Q{at}", body="x", areas=[area.id, other.id]))
            for at in range(4)
        ]
        world.look[QUESTIONS].update_one({"_id": ObjectId(asked[1].id)}, {"$set": {"body": None}})
        world.look[AREAS].update_one({"_id": ObjectId(area.id)}, {"$set": {"title": 7}})
        page = await tek.questions.list(BEN)
        assert {each.id for each in page} == {asked[at].id for at in (0, 2, 3)}
        assert [each.id for each in page.damaged] == [asked[1].id]
        assert {each.areas for each in page} == {(other.id,)}

    world.run(scenario)


def test_what_was_there_before_is_adopted(world: World) -> None:
    """The data model's sample, without any field of ours."""

    async def scenario(world: World) -> None:
        tek = world.tek(policy=without_reactions())
        owner = await enrolled(tek, "owner")
        world.look["users"].insert_one({**sample("users"), "_id": ObjectId(owner.id), "uid": owner.uid})
        world.look[QUESTIONS].insert_one({**sample("questions"), "created_by": ObjectId(owner.id), "theirs": 7})
        slug = sample("questions")["slug"]
        found = await tek.questions.by_slug(BEN, slug)
        assert (found.areas, found.view_count) == ((), 234)
        await tek.questions.edit(owner, found.id, title="New")
        assert (await tek.questions.by_slug(BEN, slug)).id == (await tek.questions.by_slug(BEN, "new")).id
        stored = world.look[QUESTIONS].find_one({})
        assert (stored["theirs"], stored["author"], stored["_v"], len(stored["areas"])) == (7, owner.uid, 1, 2)

    world.run(scenario)


@SERVERS
def test_of_edits_at_once_one_holds_and_the_others_must_look(world: World) -> None:
    """J10: based on one revision, one of them is made; of those based on none, none is lost in silence."""

    async def scenario(world: World) -> None:
        teks = [world.tek(policy=without_reactions()) for _ in range(2)]
        question = await teks[0].questions.ask(ADA, QuestionDraft(title="How?", body="b"))
        for based in (question.revision, None):
            calls = [
                teks[at % 2].questions.edit(ADA, question.id, body=f"{based} {at}", revision=based) for at in range(6)
            ]
            before = await teks[0].questions.get(ADA, question.id)
            ends = await asyncio.gather(*calls, return_exceptions=True)
            made = [each for each in ends if not isinstance(each, Stale)]
            assert all(isinstance(each, Question) for each in made), ends
            now = await teks[0].questions.get(ADA, question.id)
            assert now.revision - before.revision == len(made) >= 1
            assert now.body in [each.body for each in made]
            if based is not None:
                assert len(made) == 1
        told = world.look[EVENTS].count_documents({"event_type": "question.updated"})
        assert told == now.revision - question.revision

    world.run(scenario)
