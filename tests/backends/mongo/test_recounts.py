"""Recounts on each driver: what is sent for a page, and what cannot be read."""

from typing import Any

import pytest
from bson import ObjectId

from tektree.wire.collections import ANSWERS, AREAS, FOLLOWS, INSIGHTS, QUESTIONS, VOTES
from tests.backends.mongo.test_areas import without_reactions
from tests.backends.mongo.worlds import MOTOR, PYMONGO, PYMONGO_ASYNC, REAL, Heard, World
from tests.content.test_areas import ADA
from tests.content.test_questions import asked
from tests.content.test_recounts import WRONG, Community, told


@pytest.fixture(autouse=True)
def indexed(world: World) -> None:
    """With the indexes of content as well."""
    world.indexed((AREAS, FOLLOWS, QUESTIONS, ANSWERS, INSIGHTS, VOTES))


def spoil(look: Any, it: Community) -> None:
    """Everything that can be wrong, is: past the package."""
    leaf, question = {"_id": ObjectId(it.leaf.id)}, {"_id": ObjectId(it.question.id)}
    one, two = [{"_id": ObjectId(each.id)} for each in it.answers]
    wrong = {"breadcrumbs": "Elsewhere", "path": [], "slugs": ["old"], "follower_count": 7, "content_count": 0}
    look[AREAS].update_one(leaf, {"$set": wrong})
    counts = {"upvote_count": 0, "downvote_count": 3, "answer_count": 9}
    look[QUESTIONS].update_one(question, {"$set": {**counts, "slugs": [it.question.slug, "another"]}})
    look[ANSWERS].update_one(one, {"$set": {"is_accepted": False, "upvote_count": 1}})
    look[ANSWERS].update_one(two, {"$set": {"is_accepted": True}})
    look[INSIGHTS].update_one({}, {"$set": {"like_count": 0, "slugs": ["another"]}})


def test_what_is_wrong_is_named_and_mended(world: World) -> None:
    """J34."""

    async def scenario(world: World) -> None:
        tek = world.tek(policy=without_reactions())
        it = await Community.made(tek)
        assert await tek.events.recount()
        spoil(world.look, it)
        found = await tek.events.recount()
        assert (bool(found), told(found.first)) == (False, WRONG)
        assert await tek.events.recount(mend=True)
        right = await tek.events.recount()
        assert (bool(right), right.divergent) == (True, 0)
        assert (await tek.areas.get(ADA, it.leaf.id)).breadcrumbs == "Top > Leaf"

    world.run(scenario)


def test_what_cannot_be_read_is_counted_and_passed_over(world: World) -> None:
    """F28: a question, so what hangs on it is proven by nothing; the rest is."""

    async def scenario(world: World) -> None:
        tek = world.tek(policy=without_reactions())
        it = await Community.made(tek)
        other = await asked(tek, "Other")
        world.look[QUESTIONS].update_one({"_id": ObjectId(it.question.id)}, {"$set": {"body": None}})
        world.look[QUESTIONS].update_one({"_id": ObjectId(other.id)}, {"$set": {"answer_count": 1}})
        found = await tek.events.recount(mend=True)
        assert (bool(found), found.damaged, found.divergent, found.mended) == (False, 1, 1, 1)
        assert dict(found.records) == {"area": 2, "question": 1, "answer": 2, "insight": 1}

    world.run(scenario)


@pytest.mark.lanes(PYMONGO, PYMONGO_ASYNC, MOTOR, REAL)
def test_a_page_is_a_command_for_each_proof(world: World) -> None:
    """However many things stand on it; fourteen for a small community."""

    async def scenario(world: World) -> None:
        heard = Heard()
        await Community.made(world.tek(policy=without_reactions()))
        tek = world.tek(world.client(event_listeners=[heard]), policy=without_reactions())
        assert await tek.events.recount()
        find, count = "find {}".format, "aggregate {}".format
        assert heard.names() == [
            *[find(AREAS), find(AREAS), count(FOLLOWS)],  # they, those above them, who follows
            *[count(QUESTIONS), count(INSIGHTS)],  # content
            *[find(QUESTIONS), count(ANSWERS), find(ANSWERS), count(VOTES)],
            *[find(ANSWERS), find(QUESTIONS), count(VOTES)],
            *[find(INSIGHTS), count(VOTES)],
        ]

    world.run(scenario)
