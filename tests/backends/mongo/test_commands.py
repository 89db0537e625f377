"""What is sent: how many commands, none of the kinds that are not safe or not fast, each served by an index."""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from itertools import combinations
from typing import Any

import pytest
from bson import ObjectId

from tektree import Board, EntityRef, Policy, Principal
from tektree.catalog import Payload
from tektree.models.answers import AnswerDraft
from tektree.models.areas import AreaDraft
from tektree.models.base import Frozen, Uid
from tektree.models.events import Event
from tektree.models.insights import InsightDraft
from tektree.models.questions import QuestionDraft
from tektree.testing import SeededIds
from tektree.wire.collections import ANSWERS, AREAS, CONNECTIONS, FOLLOWS, INDEXES, INSIGHTS, QUESTIONS, VOTES
from tests.backends.mongo.worlds import MOTOR, PYMONGO, PYMONGO_ASYNC, RACED, REAL, Heard, World
from tests.records import sample

pytestmark = pytest.mark.lanes(PYMONGO, PYMONGO_ASYNC, MOTOR, REAL)

PROFILES, ROWS, EVENTS, USERS = "gamification_profiles", "xp_transactions", "events", "users"
DELIVERIES, SUBSCRIPTIONS = "deliveries", "subscriptions"
AWARD = [f"find {PROFILES}", f"insert {ROWS}", f"insert {EVENTS}", f"update {ROWS}", f"update {PROFILES}"]
HEADS = [f"find {DELIVERIES}", f"aggregate {DELIVERIES}"]
"""Who is halted, and the heads of the others' lines."""
LEFT = [
    *[f"find {each}" for each in (ROWS, PROFILES, USERS, SUBSCRIPTIONS, AREAS, FOLLOWS, QUESTIONS, ANSWERS, VOTES)],
    f"find {CONNECTIONS}",
    *[f"find {INSIGHTS}"] * 2,
    f"find {EVENTS}",
]
"""What is left on documents, of insights also what is due, and what is marked."""
IDLE = [*LEFT, *HEADS, f"aggregate {DELIVERIES}"]
"""A run of the relay that finds nothing to do: what is left, due, waiting."""


class ShopOpened(Payload, event="shop.opened", by="shop"):
    """A shop opened its doors."""

    user_id: Uid


class ShopPriced(Payload, event="shop.priced", by="shop", stream="shop:{shop_id}"):
    """A shop changed its prices."""

    user_id: Uid
    shop_id: str


def on(tek: Any, which: Any, handler: Callable[[Event], object], **options: Any) -> None:
    """Registers a handler in either flavour."""
    events = getattr(tek, "inner", tek).events
    events.register(ShopOpened, ShopPriced)
    events.on(which, name=handler.__name__, **options)(handler)


async def listened(world: World) -> tuple[Any, Heard, str]:
    heard = Heard()
    tek = world.tek(world.client(event_listeners=[heard]))
    profile = await tek.gamification.enroll("usr_ada")
    heard.names()
    return tek, heard, profile.user_id


def test_round_trips(world: World) -> None:
    async def counted(world: World) -> None:
        tek, heard, ada = await listened(world)
        game, boards = tek.gamification, tek.leaderboards

        await game.award(ada, "answer_posted", EntityRef("answer", "1"))
        assert heard.names() == AWARD  # 3, and 2 for the drain
        await game.award(ada, "answer_posted", EntityRef("answer", "2"))
        assert heard.names() == AWARD
        await game.record_activity(ada)
        assert heard.names() == [f"find {PROFILES}", *AWARD]  # the date is the user's own
        await game.profile(ada)
        assert heard.names() == [f"find {PROFILES}"]
        await game.history(ada, limit=1)
        assert heard.names() == [f"find {ROWS}"]
        page = await game.history(ada, limit=1)
        await game.history(ada, after=page.next, limit=1)
        assert heard.names() == [f"find {ROWS}"] * 2

        await game.award((await game.enroll("usr_ben")).user_id, "answer_posted", EntityRef("answer", "3"))
        heard.names()
        await boards.top(Board.GLOBAL)
        assert heard.names() == [f"aggregate {PROFILES}"]
        await boards.rank(Board.GLOBAL, "usr_ben")
        assert heard.names() == [f"find {PROFILES}", f"aggregate {PROFILES}"]
        await boards.around(Board.GLOBAL, "usr_ben")
        assert heard.names() == [f"find {PROFILES}", f"aggregate {PROFILES}", f"aggregate {PROFILES}"]
        week = Board.weekly(world.clock())
        for reading in (boards.top(week), boards.rank(week, "usr_ben"), boards.around(week, "usr_ben")):
            await reading
            assert heard.names() == [f"aggregate {ROWS}"]
        await game.opt_out(Principal(ada, "usr_ada"))
        assert heard.names() == [
            f"find {PROFILES}",
            f"update {PROFILES}",  # the commit, with its event
            f"find {PROFILES}",
            f"insert {EVENTS}",
            f"update {PROFILES}",
        ]

    world.run(counted)


def test_round_trips_with_handlers(world: World) -> None:
    async def counted(world: World) -> None:
        tek, heard, ada = await listened(world)
        told: list[Event] = []

        def listen(event: Event) -> None:
            told.append(event)

        def fail(event: Event) -> None:
            raise ValueError

        await tek.events.emit(ShopOpened(user_id="usr_ada"))
        assert heard.names() == [f"insert {EVENTS}"]
        for _ in range(2):
            await tek.events.emit(ShopPriced(user_id="usr_ada", shop_id="1"))
            assert heard.names() == [f"find {EVENTS}", f"insert {EVENTS}"]  # behind which number, and there
        await tek.events.relay.run_once()
        assert heard.names() == IDLE

        on(tek, "xp.awarded", listen)
        await tek.gamification.award(ada, "answer_posted", EntityRef("answer", "1"))
        told_to = [f"find {DELIVERIES}", f"update {EVENTS}"]  # is it blocked; it has it
        assert heard.names() == [*AWARD, *told_to]
        await tek.gamification.record_activity(ada, world.clock() - timedelta(days=1))
        assert heard.names()[-3:] == [f"find {EVENTS}", *told_to]  # before this one there is another: is it delivered
        on(tek, "shop.*", fail, attempts=2)
        await tek.events.relay.run_once()
        assert heard.names() == [*LEFT, *HEADS, IDLE[-1]]
        assert [event.event_type for event in told] == ["xp.awarded"] * 2

        await tek.events.emit(ShopOpened(user_id="usr_ada"))
        called = [f"insert {EVENTS}", f"find {DELIVERIES}"]
        assert heard.names() == [*called, f"insert {DELIVERIES}", f"update {EVENTS}"]
        await tek.events.relay.run_once()
        tried = [f"update {DELIVERIES}", f"find {DELIVERIES}", f"find {EVENTS}", f"update {DELIVERIES}"]
        mourned = [f"insert {EVENTS}"]
        assert heard.names() == [*LEFT, *HEADS, *tried, *mourned, *HEADS, IDLE[-1]]
        [dead] = (await tek.events.dead_letters.list()).items
        assert heard.names() == [f"find {DELIVERIES}", f"find {EVENTS}"]
        await tek.events.dead_letters.discard(dead.id)
        assert heard.names() == [f"find {DELIVERIES}", f"delete {DELIVERIES}", *HEADS]

        event = told[0]
        await tek.events.get(event.event_id)
        assert heard.names() == [f"find {EVENTS}"]
        await tek.events.explain(event.event_id)
        assert heard.names() == [f"find {EVENTS}"] * 3  # it, what followed from it, and from that
        page = await tek.events.log(event_type="xp.awarded", limit=1)
        assert heard.names() == [f"find {EVENTS}"]
        await tek.events.log(event_type="xp.awarded", after=page.next, limit=1)
        assert heard.names() == [f"find {EVENTS}"] * 2  # the rest of an instant, and what is older

    world.run(counted)


async def everything(world: World) -> list[tuple[str, dict[str, Any]]]:
    """All commands of a community in which everything happens once: also what is rare, and what was adopted."""
    world.look[USERS].insert_one(sample("users"))
    world.look[PROFILES].insert_one(sample("gamification_profiles"))
    world.look[ROWS].insert_one(sample("xp_transactions"))
    old = str(sample("gamification_profiles")["user_id"])
    heard = Heard()
    tek = world.tek(world.client(event_listeners=[heard]), ids=SeededIds(1))
    game, boards = tek.gamification, tek.leaderboards
    ada = (await game.enroll("usr_ada")).user_id
    await game.enroll("usr_ada")
    await game.enroll("usr_abc123", old)
    for turn in range(3):
        first = await game.award(ada, "manual", amount=7, key=f"k{turn}")
        await game.award(old, "manual", amount=7, key=f"k{turn}")
        world.clock.advance(timedelta(days=1))
    await game.award(ada, "manual", amount=7, key="k1")
    world.clock.advance(timedelta(days=9))
    await game.reverse(first.transaction.transaction_id, "a test")
    await game.restore(first.transaction.transaction_id, "a test")
    await game.reverse("xp_txn_abc123", "a test")
    await game.explain(first.transaction.transaction_id)
    await game.grant_freezes(ada, 1, "f")
    await game.set_timezone(ada, "Asia/Tokyo")
    await game.opt_out(Principal(ada, "usr_ada"))
    await game.opt_in(Principal(ada, "usr_ada"))
    await game.verify(ada)
    await game.rebuild()
    world.look[PROFILES].update_one({"uid": "usr_ada"}, {"$set": {"seq": 1}})
    await game.award(ada, "manual", amount=7, key="k9")  # the profile lags: the ledger's tail is read
    after = None
    while True:
        page = await game.history(old, after, limit=1)
        after = page.next
        if after is None:
            break
    for board in (Board.GLOBAL, Board.weekly(world.clock())):
        await boards.top(board)
        for uid in ("usr_ada", "usr_nobody"):
            await boards.rank(board, uid)
            await boards.around(board, uid)
        await boards.rebuild(board)
    ports = world.backends(world.client(event_listeners=[heard]))
    found = ports.events.stream("user:usr_ada:xp", 0, 9)
    assert await found if world.is_async else found
    await everything_of_events(world, tek, heard)
    await everything_of_content(world, tek)
    return heard.commands


async def everything_of_content(world: World, tek: Any) -> None:
    """But for the search by words, which looks at all that there is."""
    world.indexed((AREAS, FOLLOWS, QUESTIONS, ANSWERS, VOTES, CONNECTIONS, INSIGHTS))
    ada = Principal(str(sample("users")["_id"]), "usr_abc123")
    top = await tek.areas.create(ada, AreaDraft(title="Top"))
    areas = [await tek.areas.create(ada, AreaDraft(title="Same", parent_id=top.id)) for _ in range(2)]
    await tek.areas.edit(ada, top.id, title="New")
    await tek.areas.move(ada, areas[0].id, areas[1].id)
    await tek.areas.move(ada, areas[0].id, None)
    await tek.areas.follow(ada, top.id)
    await tek.areas.unfollow(ada, top.id)
    await tek.areas.delete(ada, areas[0].id)
    await tek.areas.restore(ada, areas[0].id)
    await tek.areas.by_slug(ada, "top")
    page = await tek.areas.children(ada, limit=1)
    await tek.areas.children(None, after=None, limit=1)
    await tek.areas.children(ada, after=page.next)
    await tek.quotas.reconcile(ada, "areas")
    draft = QuestionDraft(title="Same", body="b", areas=[top.id], tags=["t"], files=["f"])
    asked = [await tek.questions.ask(ada, draft) for _ in range(2)]
    await tek.questions.edit(ada, asked[0].id, areas=[areas[1].id])
    await tek.questions.close(ada, asked[0].id)
    await tek.questions.get(None, asked[0].id)
    await tek.questions.by_slug(None, "same")
    for which in ({}, {"area": top.id}, {"tag": "t"}, {"author": ada.id}, {"status": "open"}):
        for viewer, order in ((None, "newest"), (ada, "most_voted"), (ada, "newest")):
            page = await tek.questions.list(viewer, **which, order=order, limit=1)
            if page.next:
                await tek.questions.list(viewer, **which, order=order, after=page.next)
    await tek.quotas.reconcile(ada, "questions")
    answers = [await tek.answers.post(ada, asked[1].id, AnswerDraft(body="b")) for _ in range(2)]
    for each in answers:
        await tek.answers.accept(ada, each.id)
    await tek.answers.edit(ada, answers[0].id, body="c")
    await tek.answers.delete(ada, answers[1].id)
    await tek.answers.restore(ada, answers[1].id)
    for order in ("newest", "most_voted"):
        page = await tek.answers.list(ada, asked[1].id, order=order, limit=1)
        await tek.answers.list(ada, asked[1].id, order=order, after=page.next)
    ben = Principal("b" * 24, "usr_ben")
    for value in (1, -1, 0):
        await tek.votes.cast(ben, asked[1], value)
        await tek.votes.cast(ben, answers[0], value)
    for other in (Principal("c" * 24, "usr_cyd"), Principal("d" * 24, "usr_dan")):
        await tek.connections.request(ben, other.id)
        await tek.connections.accept(other, ben.id)
        await tek.connections.block(other, "e" * 24)
    for status in ("connected", "sent", "received", "blocked"):
        page = await tek.connections.list(ben, status=status, limit=1)
        await tek.connections.list(ben, status=status, after=page.next)
    await tek.questions.list(ben)
    await tek.quotas.reconcile(ada, "answers")
    await everything_of_insights(world, tek, ada, ben, top.id)
    await tek.events.recount(mend=True)
    await tek.events.relay.run_once()


async def everything_of_insights(world: World, tek: Any, ada: Principal, ben: Principal, area: str) -> None:
    draft = InsightDraft(title="Same", body="b", areas=[area], tags=["t"])
    kept = [await tek.insights.draft(ada, draft) for _ in range(3)]
    await tek.insights.invite(ada, kept[0].id, ben.id)
    await tek.insights.consent(ben, kept[0].id)
    for each in kept[:2]:
        await tek.insights.publish(ada, each.id)
    await tek.insights.publish(ada, kept[2].id, world.clock() + timedelta(minutes=1))
    for each in kept[:2]:
        await tek.insights.feature(Principal("c" * 24, "usr_mod", role="moderator"), each.id)
    await tek.insights.by_slug(None, "same")
    cyd = Principal("d" * 24, "usr_cyd")
    await tek.insights.like(cyd, kept[0].id)
    await tek.insights.delete(ada, kept[0].id)
    await tek.insights.restore(ada, kept[0].id)
    for which in ({}, {"area": area}, {"tag": "t"}, {"author": ada.id}, {"status": "published"}):
        for viewer, order in ((None, "newest"), (ada, "most_liked"), (ada, "newest"), (ben, "featured")):
            page = await tek.insights.list(viewer, **which, order=order, limit=1)
            if page.next:
                await tek.insights.list(viewer, **which, order=order, after=page.next)
    for status in ("draft", "scheduled"):
        await tek.insights.list(ada, status=status)
    await tek.quotas.reconcile(ada, "insights")
    world.clock.advance(timedelta(minutes=1))


async def everything_of_events(world: World, tek: Any, heard: Heard) -> None:
    def mail(event: Event) -> None:
        raise ValueError

    def audit(event: Event) -> None:
        raise ValueError

    events, letters = tek.events, tek.events.dead_letters
    on(tek, "shop.*", mail, attempts=1, on_failure="park")
    on(tek, "*", audit, attempts=2, on_failure="halt")
    for number in range(3):
        await events.emit(ShopPriced(user_id="usr_ada", shop_id="1"), key=f"k{number}")
        await events.emit(ShopOpened(user_id="usr_ada"))
    await events.emit(ShopOpened(user_id="usr_ada"), key="once")
    await events.emit(ShopOpened(user_id="usr_ada"), key="once")
    ada = (await tek.gamification.enroll("usr_ada")).user_id
    await tek.gamification.opt_out(Principal(ada, "usr_ada"))
    await tek.gamification.award(ada, "manual", amount=7, key="heard")
    later = world.tek(
        world.client(event_listeners=[heard]), policy=Policy(events={"drain": "relay", "deliver": "relay"})
    )
    on(later, "shop.*", mail)
    await later.gamification.award(ada, "manual", amount=7, key="left")
    await later.gamification.opt_in(Principal(ada, "usr_ada"))
    await later.events.emit(ShopOpened(user_id="usr_ada"))
    world.clock.advance(timedelta(minutes=9))
    swept = await events.relay.run_once()
    assert swept.told >= 2
    assert swept.dead >= 2
    first = await letters.list(limit=1)
    await letters.list("mail", after=first.next)
    for _ in range(3):
        [dead] = (await letters.list("mail", limit=1)).items
        await letters.redrive(dead.id)
    await letters.discard(dead.id)
    since = world.clock() - timedelta(days=99)
    for which in ({}, {"user_id": "usr_ada"}, {"user_id": ada, "event_type": "xp.awarded"}, {"correlation_id": "c"}):
        page = await events.log(**which, limit=2)
        if page.next:
            await events.log(**which, after=page.next)
    for which in ({}, {"which": "xp.awarded"}, {"user_id": ada}, {"user_id": ada, "which": ShopOpened}):
        await events.replay(lambda event: None, since=since, progress=lambda done, total: None, **which)
    await events.explain((await events.log("usr_ada", "xp.awarded")).items[0].event_id)


COMMANDS: dict[str, list[tuple[str, dict[str, Any]]]] = {}
"""All commands of `everything`, by lane: it takes long, and is the same each time."""


def commands_of(world: World) -> list[tuple[str, dict[str, Any]]]:
    if world.lane not in COMMANDS:
        COMMANDS[world.lane] = world.run(everything)
    return COMMANDS[world.lane]


@RACED
def test_nothing_is_skipped_upserted_or_found_and_modified(world: World) -> None:
    commands = commands_of(world)
    assert {name for name, _ in commands} == {"find", "insert", "update", "delete", "aggregate", "count"}
    for name, command in commands:
        told = repr(command)
        assert "'skip':" not in told
        assert "$skip" not in told
        assert "upsert': True" not in told
        if name in {"insert", "update", "delete"}:
            assert command["writeConcern"] == {"w": "majority", "j": True}
        elif name != "count" or "readConcern" in command:
            assert command["readConcern"]["level"] == "majority"


ONE = pytest.mark.lanes(PYMONGO, REAL)
"""The filters are the same by every driver."""


@ONE
def test_every_write_and_what_it_depends_on_carries_the_shard_key(world: World) -> None:
    """Of ``gamification_profiles`` and ``xp_transactions`` that is ``user_id``."""
    for name, command in commands_of(world):
        if name == "insert" and command["insert"] in {PROFILES, ROWS}:
            assert all("user_id" in each for each in command["documents"])
        if name == "update" and command["update"] in {PROFILES, ROWS}:
            assert all("user_id" in each["q"] for each in command["updates"])


Query = tuple[str, dict[str, Any], dict[str, int]]


def queries(commands: list[tuple[str, dict[str, Any]]]) -> Iterator[Query]:
    """Collection, filter and order of all that looks for something, those inside of pipelines too.

    Of a filter with ``$or`` each branch is a query: a server may look for them one by one.
    """
    for collection, query, order in _asked(commands):
        rest = {name: rule for name, rule in query.items() if name != "$or"}
        yield from [(collection, {**rest, **branch}, order) for branch in query.get("$or", ({},))]


def _asked(commands: list[tuple[str, dict[str, Any]]]) -> Iterator[Query]:
    for name, command in commands:
        if name == "find":
            yield command["find"], command["filter"], dict(command.get("sort", {}))
        elif name == "update":
            yield from [(command["update"], each["q"], {}) for each in command["updates"]]
        elif name == "delete":
            yield from [(command["delete"], each["q"], {}) for each in command["deletes"]]
        elif name == "aggregate":
            yield from _of_pipeline(command["aggregate"], command["pipeline"])


def _of_pipeline(collection: str, pipeline: list[Mapping[str, Any]]) -> Iterator[Query]:
    yield collection, pipeline[0]["$match"], {}
    for stage in pipeline:
        if "$unionWith" in stage:
            yield from _of_pipeline(stage["$unionWith"]["coll"], stage["$unionWith"]["pipeline"])
        if "$lookup" in stage:
            yield stage["$lookup"]["from"], {stage["$lookup"]["foreignField"]: ObjectId()}, {}


@ONE
def test_every_query_is_served_by_an_index(world: World) -> None:
    """The wire server names an index for the clauses it looks up; others only narrow down what was found.

    So some of the clauses have to be served there, and a real server has to serve the query as it is.
    """
    commands, served = world.run(everything), dict[str, bool]()  # the plans need what is there
    distinct = {repr((_shape(query), order)) + name: (name, query, order) for name, query, order in queries(commands)}
    assert len(distinct) > 40
    for name, query, order in distinct.values():
        if name in (QUESTIONS, INSIGHTS) and order and _is_ordered(name, {}, order):
            continue  # a list of all that somebody sees walks along the index of its order, and passes over the rest
        if world.lane != REAL and set(query) <= {"_id"} and order == {"_id": 1}:
            continue  # all that there is, page by page: the wire server says nothing of its own index of ids
        order = {} if query else order  # who asks for nothing walks along the index of the order
        for part in _parts(world, query):
            shape = repr((name, _shape(part), order))
            if shape not in served:
                served[shape] = _is_served(world, name, part, order)
            if served[shape]:
                break
        else:
            raise AssertionError((name, query, order))


def _parts(world: World, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
    fewest = len(query) if world.lane == REAL else min(1, len(query))
    for size in range(len(query), fewest - 1, -1):
        yield from [dict(part) for part in combinations(query.items(), size)]


def _is_served(world: World, collection: str, query: dict[str, Any], order: Mapping[str, int] = Frozen()) -> bool:
    asked = {"find": collection, "filter": query, **({"sort": dict(order)} if order else {})}
    plan = world.look.command("explain", asked, verbosity="queryPlanner")
    told = repr(plan["queryPlanner"]["winningPlan"])
    return "COLLSCAN" not in told and ("IXSCAN" in told or "IDHACK" in told or "EXPRESS" in told)


def _shape(query: Any) -> Any:
    if isinstance(query, Mapping):
        return {key: _shape(value) for key, value in query.items()}
    return None if query is None else type(query).__name__


def orders(commands: list[tuple[str, dict[str, Any]]]) -> Iterator[tuple[str, dict[str, Any], dict[str, int]]]:
    """Whatever is asked for in an order: the collection, the filter before it, the order."""
    for name, command in commands:
        if name == "find" and command.get("sort"):
            yield command["find"], command["filter"], dict(command["sort"])
        elif name == "aggregate":
            yield from _orders_of(command["aggregate"], command["pipeline"])


def _orders_of(
    collection: str, pipeline: list[Mapping[str, Any]]
) -> Iterator[tuple[str, dict[str, Any], dict[str, int]]]:
    query: dict[str, Any] = {}
    for stage in pipeline:
        query |= stage.get("$match", {})
        if "$sort" in stage:
            yield collection, query, dict(stage["$sort"])
        if "$unionWith" in stage:
            yield from _orders_of(stage["$unionWith"]["coll"], stage["$unionWith"]["pipeline"])


def _is_ordered(collection: str, query: Mapping[str, Any], order: Mapping[str, int]) -> bool:
    """Whether an index has the fields that are equal first, and then the order, or all of it the other way round."""
    equal = {name for name, rule in query.items() if not isinstance(rule, Mapping) and not name.startswith("$")}
    for keys in [[*index.keys] for index in INDEXES[collection]] + [[("_id", 1)]]:
        while keys and keys[0][0] in equal:
            keys.pop(0)
        wanted = [(name, direction) for name, direction in order.items() if name not in equal]
        if keys[: len(wanted)] in (wanted, [(name, -direction) for name, direction in wanted]):
            return True
    return False


@ONE
def test_every_order_is_that_of_an_index(world: World) -> None:
    """So nothing is sorted in the server's memory: but the rows of before us, whose index is the data model's, and the
    heads of lines, which are there only when they are grouped."""
    asked = {
        repr((collection, list(order))): (collection, query, order)
        for collection, query, order in orders(commands_of(world))
    }
    unordered = [
        (collection, order) for collection, query, order in asked.values() if not _is_ordered(collection, query, order)
    ]
    assert unordered == [(ROWS, {"timestamp": -1, "_id": -1}), (DELIVERIES, {"head.due": 1, "head._id": 1})]
    assert len(asked) >= 5
    assert not _is_ordered(PROFILES, {}, {"total_xp": -1, "uid": 1})


def test_a_query_without_an_index_would_be_noticed(world: World) -> None:
    assert not _is_served(world, ROWS, {"note": "x"})
    assert _is_served(world, ROWS, {"transaction_id": "x"})
