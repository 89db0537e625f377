"""What has to be known before something is filed: the promises of its port on each driver, and what is sent."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from bson import ObjectId

from tektree import AsyncTekTree, TekTree
from tektree._async.sdk import memory_backends as async_memory_backends
from tektree._sync.sdk import memory_backends
from tektree.errors import CorruptDocument, Forbidden, InvalidInput, NotFound
from tektree.models.accounts import Principal
from tektree.models.insights import InsightDraft
from tektree.models.questions import QuestionDraft
from tektree.testing import checks
from tektree.wire.collections import AREAS, CONNECTIONS, FOLLOWS, INSIGHTS, QUESTIONS, USERS
from tests.backends.mongo.test_areas import without_reactions
from tests.backends.mongo.worlds import MOTOR, PYMONGO, PYMONGO_ASYNC, REAL, Heard, World
from tests.content.test_areas import BEN, made
from tests.content.worlds import principal, refused
from tests.records import sample

SERVERS = pytest.mark.lanes(PYMONGO, PYMONGO_ASYNC, MOTOR, REAL)


@pytest.fixture(autouse=True)
def indexed(world: World) -> None:
    """With the indexes of content as well."""
    world.indexed((AREAS, FOLLOWS, QUESTIONS, INSIGHTS, CONNECTIONS))


@pytest.mark.parametrize("check", checks("filings"))
def test_promise(check: str, world: World) -> None:
    world.keeps(check)


def account(world: World, name: str, status: str = "active") -> Principal:
    """Somebody whose account is stored."""
    who = principal(name)
    own = {"_id": ObjectId(who.id), "uid": who.uid, "email": f"{name}@example.com", "handle": name, "tier": who.tier}
    world.look[USERS].insert_one({**sample("users"), **own, "status": status})
    return who


@SERVERS
def test_one_command_asks_for_all(world: World) -> None:
    """Whoever asks, and whatever the question names: one command besides the quota, and the commit."""

    async def scenario(world: World) -> None:
        heard = Heard()
        tek = world.tek(world.client(event_listeners=[heard]), policy=without_reactions())
        user, cy = account(world, "ada"), principal("cy")
        area = await made(tek, "Go", by=user)
        actor = await tek.sessions.resolve((await tek.sessions.open(user)).token)
        names: dict[str, Any] = {"areas": [area.id], "files": ["f1"]}
        for each, files in ((user, ["f1"]), (cy, ["f2"])):
            draft = QuestionDraft(title="First", body="b", areas=[area.id], files=files)
            await tek.questions.ask(each, draft)  # what was used of the quota is counted once
        for by, some, read in (
            (user, ("areas", "files"), [f"aggregate {USERS}"]),
            (cy, ("areas",), [f"aggregate {USERS}"]),
            (user, ("areas",), [f"aggregate {USERS}"]),
            (user, (), [f"aggregate {USERS}"]),
            (actor, ("areas", "files"), [f"aggregate {AREAS}"]),
            (actor, ("areas",), [f"aggregate {AREAS}"]),
            (actor, ("files",), [f"aggregate {QUESTIONS}"]),
            (actor, (), []),
        ):
            heard.names()
            await tek.questions.ask(by, QuestionDraft(title="T", body="b", **{name: names[name] for name in some}))
            sent = heard.names()
            before = [name for name in sent[: sent.index(f"insert {QUESTIONS}")] if name != "find subscriptions"]
            assert before == read, (by, some)
        heard.names()
        await tek.insights.draft(user, InsightDraft(title="T", body="b", insight_type="article", areas=[area.id]))
        assert heard.names()[:2] == [f"aggregate {USERS}", f"insert {INSIGHTS}"]

    world.run(scenario)


def test_what_is_refused(world: World) -> None:
    """F5, B20: an area that is hidden, absent or cannot be read, another's file, an account that is not active."""

    async def scenario(world: World) -> None:
        tek = world.tek(policy=without_reactions())
        ada, dan = account(world, "ada"), account(world, "dan", "disabled")
        good, bad, hidden = [await made(tek, title, by=ada) for title in ("Good", "Bad", "Hidden")]
        await tek.areas.edit(ada, hidden.id, visibility="private")
        world.look[AREAS].update_one({"_id": ObjectId(bad.id)}, {"$set": {"title": 7}})
        await tek.questions.ask(ada, QuestionDraft(title="Mine", body="b", areas=[good.id, hidden.id], files=["f1"]))

        def asked(by: Any, *areas: str, files: Sequence[str] = ()) -> Any:
            return tek.questions.ask(by, QuestionDraft(title="T", body="b", areas=areas, files=files))

        for areas in ([hidden.id], [good.id, bad.id], [good.id, str(ObjectId())]):
            assert (await refused(NotFound, asked(BEN, *areas))).id == areas[-1]
        await refused(NotFound, asked(BEN, hidden.id, files=["f1"]))
        await refused(InvalidInput, asked(BEN, good.id, files=["f0", "f1"]))
        await refused(Forbidden, asked(dan))
        await refused(Forbidden, asked(dan, hidden.id, files=["f1"]))
        await refused(Forbidden, asked(Principal(ada.id, "usr_other"), good.id))
        world.look[USERS].update_one({"_id": ObjectId(ada.id)}, {"$set": {"status": "asleep"}})
        await refused(CorruptDocument, asked(ada, good.id))
        assert world.look[QUESTIONS].count_documents({}) == 1

    world.run(scenario)


def test_what_was_put_in_the_place_of_another_is_asked(world: World) -> None:
    """B20: a host that keeps its accounts elsewhere is not answered out of ours."""

    async def scenario(world: World) -> None:
        own, user = world.backends(), account(world, "ada", "disabled")
        elsewhere: Any = (async_memory_backends() if world.is_async else memory_backends()).accounts
        kind: Any = AsyncTekTree if world.is_async else TekTree
        tek: Any = kind(replace(own, accounts=elsewhere, on_setup=None, on_close=None), policy=without_reactions())
        asking = QuestionDraft(title="T", body="b")
        asked = tek.questions.ask(user, asking)
        assert (await asked if world.is_async else asked).author == user.uid
        await refused(Forbidden, world.tek(policy=without_reactions()).questions.ask(user, asking))

    world.run(scenario)
