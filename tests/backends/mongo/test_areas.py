"""Areas on each driver: the promises of their ports, what is sent, and a tree that stays one whatever meets."""

import asyncio
from typing import Any

import pytest
from bson import ObjectId

from tektree._sync.backends.mongo.documents import seen
from tektree.errors import CorruptDocument, InvalidTransition, NotFound, Stale
from tektree.ids import derived_id
from tektree.models.areas import Area
from tektree.models.visibility import Matter
from tektree.rules import areas as rules
from tektree.rules import visibility
from tektree.testing import checks
from tektree.wire.collections import AREAS, CONNECTIONS, EVENTS, FOLLOWS, USERS
from tests.backends.mongo.worlds import MOCK, MOTOR, PROMISED, PYMONGO, PYMONGO_ASYNC, RACED, REAL, Heard, World
from tests.content.test_areas import ADA, BEN, MOD, made
from tests.content.worlds import POLICY, enrolled, principal, refused
from tests.records import sample
from tests.rules.test_visibility import NOON, Graph

SERVERS = pytest.mark.lanes(PYMONGO, PYMONGO_ASYNC, MOTOR, REAL)
CONTENT = (AREAS, FOLLOWS, CONNECTIONS)


@pytest.fixture(autouse=True)
def indexed(world: World) -> None:
    """With the indexes of content as well."""
    world.indexed(CONTENT)


@PROMISED
@pytest.mark.parametrize("check", checks("areas"))
def test_promise(check: str, world: World) -> None:
    world.keeps(check)


def test_a_life(world: World) -> None:
    """From the making to the restoring: what each step stores is what the next one finds."""

    async def scenario(world: World) -> None:
        tek = world.tek(policy=POLICY)
        ada = await enrolled(tek, "ada")
        top = await made(tek, "Programming", by=ada)
        area = await made(tek, "C++", top, by=ada, tags=["Lang"], details="the second")
        assert await tek.areas.get(ada, area.id) == area
        assert (await tek.areas.by_slug(BEN, "C-PLUS-PLUS")).breadcrumbs == "Programming > C++"
        edited = await tek.areas.edit(ada, top.id, title="Code", visibility="private", revision=1)
        await refused(Stale, tek.areas.edit(ada, top.id, title="x", revision=1))
        assert edited.slug.startswith("code-")
        assert (await tek.areas.by_slug(ada, "programming")).id == top.id
        await refused(NotFound, tek.areas.by_slug(BEN, "programming"))
        assert (await tek.areas.get(BEN, area.id)).breadcrumbs == "C++"
        assert (await tek.areas.get(ada, area.id)).breadcrumbs == "Code > C++"
        assert world.look[AREAS].find_one({"_id": ObjectId(area.id)})["breadcrumbs"] == "C++"
        assert [each.id for each in await tek.areas.search(BEN, "sec")] == [area.id]
        assert [each.id for each in await tek.areas.children(ada, top.id)] == [area.id]
        await tek.areas.follow(BEN, area.id)
        await tek.areas.follow(BEN, area.id)
        assert (await tek.areas.get(BEN, area.id)).follower_count == 1
        assert (await tek.areas.move(ada, area.id, None)).path == ()
        await refused(InvalidTransition, tek.areas.move(ada, area.id, area.id))
        await tek.areas.delete(ada, area.id)
        await refused(NotFound, tek.areas.get(ada, area.id))
        assert (await tek.gamification.profile(ada.id)).total_xp == 5
        assert (await tek.areas.restore(ada, area.id)).follower_count == 1
        assert (await tek.gamification.profile(ada.id)).total_xp == 10
        for document in (*world.look[AREAS].find(), *world.look[FOLLOWS].find()):
            assert document["_outbox"] == []
        streams = {each["metadata"]["stream"] for each in world.look[EVENTS].find({"event_type": {"$regex": "^area"}})}
        assert streams == {f"area:{top.id}", f"area:{area.id}", f"area:{area.id}:follower:usr_ben"}

    world.run(scenario)


@SERVERS
def test_round_trips(world: World) -> None:
    """A read is one command, and one for what stands above; a change is read, written, told and taken off."""

    async def scenario(world: World) -> None:
        heard = Heard()
        find, tell = f"find {AREAS}", [f"find {EVENTS}", f"insert {EVENTS}", f"update {AREAS}"]
        quota = ["find subscriptions", f"aggregate {AREAS}", "find subscriptions"]

        async def sent(call: Any) -> list[str]:
            await call
            return heard.names()

        plain = world.tek(policy=without_reactions())
        top = await made(plain, "Top")
        area = await made(plain, "Leaf", top)
        quiet = world.tek(world.client(event_listeners=[heard]), policy=without_reactions())
        heard.names()
        hidden = await made(plain, "Hidden", visibility="private")
        who, known = f"find {USERS}", f"find {CONNECTIONS}"
        assert await sent(made(quiet, "New")) == [who, *quota, f"insert {AREAS}", *tell]
        assert await sent(made(quiet, "Below", top)) == [
            who, find, quota[0], f"insert {AREAS}", find, find, find, *tell
        ]  # fmt: skip
        for call, expected in (
            (lambda: quiet.areas.get(BEN, top.id), [find]),
            (lambda: quiet.areas.get(BEN, area.id), [find, find]),
            (lambda: quiet.areas.by_slug(BEN, "leaf"), [find, find]),
            (lambda: quiet.areas.children(None), [find]),
            (lambda: quiet.areas.children(BEN), [known, find]),
            (lambda: quiet.areas.children(BEN, area.id), [find, find, known, find]),
            (lambda: quiet.areas.search(BEN, "top"), [known, find]),
            (lambda: quiet.areas.search(BEN, "leaf"), [known, find, find]),
            (lambda: quiet.areas.edit(ADA, top.id, details="x"), [find, who, f"update {AREAS}", *tell]),
            (lambda: quiet.areas.edit(ADA, top.id, details="x"), [find, who]),
        ):
            assert await sent(call()) == expected
        for viewer, calls in ((None, [find]), (BEN, [find, known]), (MOD, [find])):
            for name in (hidden.id, derived_id("nothing")):
                assert await sent(refused(NotFound, quiet.areas.get(viewer, name))) == calls
            for slug in (hidden.slug, "nothing"):
                assert await sent(refused(NotFound, quiet.areas.by_slug(viewer, slug))) == calls

    world.run(scenario)


def without_reactions() -> Any:
    """A policy without reactions: what follows from an event is counted on its own."""
    return POLICY.evolve(reactions={})


@RACED
def test_moves_that_meet_make_no_circle(world: World) -> None:
    """J32: pairs, from different processes; what is left is a tree, and right."""

    async def scenario(world: World) -> None:
        teks = [world.tek(policy=without_reactions()) for _ in range(2)]
        for turn in range(4):
            ring = [await made(teks[0], f"R{turn}{at}") for at in range(2)]
            below = [await made(teks[0], f"L{turn}{at}", each) for at, each in enumerate(ring)]
            ends = await asyncio.gather(
                *[teks[at].areas.move(ADA, ring[at].id, below[1 - at].id) for at in range(2)], return_exceptions=True
            )
            assert sum([isinstance(end, Area) for end in ends]) == 1, ends
            assert sum([isinstance(end, InvalidTransition | Stale) for end in ends]) == 1, ends
        await teks[0].events.relay.run_once()
        every = {
            str(each["_id"]): (await teks[0].areas.get(ADA, str(each["_id"]))) for each in world.look[AREAS].find()
        }
        for area in every.values():
            chain = rules.above(area, every)
            assert rules.lacking(area, every) is None
            assert (chain or [area])[0].parent_id is None
            assert rules.place(area, chain) is area

    world.run(scenario)


@SERVERS
def test_of_one_title_made_at_once_each_has_its_slug(world: World) -> None:
    async def scenario(world: World) -> None:
        teks = [world.tek(policy=without_reactions()) for _ in range(2)]
        areas = await asyncio.gather(*[made(teks[at % 2], "C", by=principal(f"p{at}")) for at in range(12)])
        assert len({each.slug for each in areas}) == 12
        assert "c" in {each.slug for each in areas}
        for each in areas:
            assert (await teks[0].areas.by_slug(None, each.slug)).id == each.id

    world.run(scenario)


def test_one_damaged_document_leaves_the_page_whole(world: World) -> None:
    """F28, G21: it is named; what has a visibility that nobody knows is shown to nobody."""

    async def scenario(world: World) -> None:
        tek = world.tek(policy=without_reactions())
        areas = [await made(tek, f"Thing {at}") for at in range(5)]
        world.look[AREAS].update_one({"_id": ObjectId(areas[2].id)}, {"$set": {"title": 7}})
        world.look[AREAS].update_one({"_id": ObjectId(areas[3].id)}, {"$set": {"visibility": "PUBLIC"}})
        page = await tek.areas.children(BEN)
        assert {each.id for each in page} == {areas[at].id for at in (0, 1, 4)}
        assert [(each.id, each.field) for each in page.damaged] == [(areas[2].id, "title")]
        await refused(CorruptDocument, tek.areas.get(BEN, areas[2].id))

    world.run(scenario)


def test_what_was_there_before_is_adopted(world: World) -> None:
    """F27: the data model's sample, without any field of ours: found and edited; what others keep in it stays."""

    async def scenario(world: World) -> None:
        tek = world.tek(policy=without_reactions())
        owner = await enrolled(tek, "owner")
        parent = {**sample("areas"), "_id": ObjectId(), "parent_id": None, "title": "Old", "slug": "old"}
        child = {**sample("areas"), "_id": ObjectId(), "parent_id": parent["_id"], "theirs": 7}
        for each in (parent, child):
            world.look[AREAS].insert_one({**each, "created_by": ObjectId(owner.id)})
        found = await tek.areas.by_slug(BEN, child["slug"])
        assert (found.breadcrumbs, found.path) == (f"Old > {child['title']}", (str(parent["_id"]),))
        await refused(NotFound, tek.areas.edit(owner, found.id, title="New"))  # nobody knows the author's uid
        document = {**sample("users"), "_id": ObjectId(owner.id), "uid": owner.uid}
        world.look["users"].insert_one(document)
        edited = await tek.areas.edit(owner, found.id, title="New")
        assert (await tek.areas.by_slug(BEN, child["slug"])).id == (await tek.areas.by_slug(BEN, "new")).id == edited.id
        stored = world.look[AREAS].find_one({"_id": child["_id"]})
        assert (stored["theirs"], stored["author"], stored["_v"]) == (7, owner.uid, 2)
        assert stored["path"] == [parent["_id"]]
        assert (stored["follower_count"], stored["content_count"]) == (child["follower_count"], child["content_count"])

    world.run(scenario)


def test_the_query_is_the_rule(world: World) -> None:
    """G7, G13, G14: on random graphs, the query finds what the rule shows."""
    if world.lane not in (MOCK, PYMONGO):
        pytest.skip("one driver is enough: the query is the same")
    wrong = 0
    for seed in range(60 if world.lane == MOCK else 12):
        graph = Graph(seed)
        world.look["graphs"].delete_many({})
        world.look["graphs"].insert_many([document(at, each) for at, each in enumerate(graph.things)])
        for user in (None, *graph.users):
            viewer = visibility.ANYBODY if user is None else graph.viewer(user)
            query = seen(visibility.sight(viewer, NOON), drafts=True)
            found = {each["n"] for each in world.look["graphs"].find(query)}
            wrong += found != {at for at, each in enumerate(graph.things) if graph.expects(user, each)}
    assert wrong == 0


def document(at: int, thing: Matter) -> dict[str, Any]:
    """A thing of a graph, as it would be stored."""
    return {
        "n": at,
        "created_by": ObjectId(thing.author),
        "visibility": thing.visibility,
        "co_authors": [ObjectId(each) for each in thing.co_authors],
        **({"deleted_at": NOON} if thing.deleted else {}),
        "published_at": NOON if thing.published else (None if at % 2 else NOON.replace(year=2030)),
    }


def test_what_nobody_owns_nobody_reaches(world: World) -> None:
    """E7: a document that lost its author is named, whoever asks; no verb reaches it."""

    async def scenario(world: World) -> None:
        tek = world.tek(policy=without_reactions())
        area = await made(tek, "Go")
        world.look[AREAS].update_one({"_id": ObjectId(area.id)}, {"$unset": {"created_by": ""}})
        for who in (ADA, BEN, principal("root", "admin")):
            for call in (
                tek.areas.get(who, area.id),
                tek.areas.edit(who, area.id, title="x"),
                tek.areas.delete(who, area.id),
            ):
                await refused(CorruptDocument, call)
        assert world.look[AREAS].find_one({})["title"] == "Go"

    world.run(scenario)
