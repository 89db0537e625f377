"""Leaderboards on Redis: what is stored, that no order of writes matters, what they cost, how they are made anew."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha1
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tektree._async.backends.redis.leaderboards as async_module
import tektree._sync.backends.redis.leaderboards as sync_module
from tektree import Board, EntityRef, Principal, TekTree
from tektree.backends.memory import MemoryLeaderboards
from tektree.errors import CorruptDocument, Unavailable
from tektree.models.leaderboards import BoardEntry, Shown, Standing
from tektree.wire.keys import companion, leaderboard
from tektree.wire.scripts import Script, script
from tests.backends.redis.lockstep import LONG_LANE, Steps, far
from tests.backends.redis.proxy import Proxy, Strike
from tests.backends.redis.worlds import SERVERS, World
from tests.examples import AGAINST_SERVERS
from tests.lanes import FAKE, MOCK, REDIS, REDIS_ASYNC, enter
from tests.records import REDIS as MODEL
from tests.servers import shared_redis

NOW = datetime(2025, 12, 16, 14, tzinfo=UTC)
WEEK = Board.weekly(NOW)
BOARDS = (Board.GLOBAL, WEEK)


def entry(uid: str, score: int, seq: int = 1, board: Board = Board.GLOBAL, **more: Any) -> BoardEntry:
    return BoardEntry(board, uid, score, NOW, seq)._replace(**more)


def plainly(found: Sequence[Standing]) -> list[tuple[int, str, int]]:
    return [(each.rank, each.uid, each.score) for each in found]


def stored(world: World, board: Board) -> list[Any]:
    """All that is kept of a board."""
    key = leaderboard(board)
    sets = [world.look.zrange(name, 0, -1, withscores=True) for name in (key, companion(key, "order"))]
    return [[(member, float(score)) for member, score in each] for each in sets] + [
        world.look.hgetall(companion(key, "rows"))
    ]


def test_what_is_stored_is_the_data_models(world: World) -> None:
    """Read with a plain client: uids with their XP as it is."""
    assert MODEL["leaderboard_global"]["key"] == leaderboard(Board.GLOBAL)
    assert MODEL["leaderboard_weekly"]["sample"] == leaderboard(Board("2025-W50"))

    async def written(world: World) -> None:
        boards = world.store("leaderboards")
        await boards.put([entry("usr_ada", 250), entry("usr_ben", 30, board=WEEK), entry("usr_cy", 0)], NOW)
        await boards.hide("usr_dot", 1, True, NOW)

    world.run(written)
    assert world.look.zrange("leaderboard:global", 0, -1, withscores=True) in ([("usr_ada", 250)], [["usr_ada", 250]])
    assert world.look.zscore("leaderboard:weekly:2025-W51", "usr_ben") == 30
    assert world.look.ttl("leaderboard:global") == -1
    over = WEEK.over_at
    assert over is not None
    for key in (leaderboard(WEEK), companion(leaderboard(WEEK), "order"), companion(leaderboard(WEEK), "rows")):
        assert 0 <= (over - NOW).total_seconds() - world.look.pttl(key) / 1000 < 60, (
            "it goes eight weeks after its week"
        )
    known = {key for key in world.look.scan_iter() if "rows" in key}
    assert len(known) == 11, "settings stand with all boards that are alive: of all time, the week's, eight older, next"


ENTRIES = st.lists(
    st.builds(
        lambda uid, score, seq, board, at, version: BoardEntry(
            board, uid, score, NOW + timedelta(milliseconds=at), seq, version, version % 2 == 1
        ),
        st.sampled_from(["usr_a", "usr_B", "usr_c"]),
        st.integers(-1, 4),
        st.integers(1, 6),
        st.sampled_from(BOARDS),
        st.integers(0, 2),
        st.integers(0, 3),
    ),
    max_size=12,
    unique_by=lambda each: (each.board, each.uid, each.seq),
)


async def either_way(entries: list[BoardEntry], again: list[BoardEntry], world: World) -> None:
    boards, found = world.store("leaderboards"), []
    for said in (entries, again):
        world.look.flushall()
        for each in said:
            await boards.put([each], NOW)
        found.append([stored(world, board) for board in BOARDS])
    assert found[0] == found[1]


@pytest.mark.lanes(FAKE, REDIS, REDIS_ASYNC)
@AGAINST_SERVERS
@given(ENTRIES, st.data())
def test_no_order_of_writes_matters(world: World, entries: list[BoardEntry], data: Any) -> None:
    """Twice, late and in any order, they end in the same board, to the byte."""
    again = data.draw(st.permutations([*entries, *entries]))
    world.run(partial(either_way, entries, again))


@contextmanager
def broken(before: str, after: str) -> Iterator[None]:
    """The script with a mistake in it."""
    real = script("leaderboards_put")
    text = real.text.replace(before, after)
    assert text != real.text
    wrong = Script("wrong", text, sha1(text.encode(), usedforsecurity=False).hexdigest())
    async_module._PUT = sync_module._PUT = wrong  # type: ignore[misc]
    try:
        yield
    finally:
        async_module._PUT = sync_module._PUT = real  # type: ignore[misc]


@pytest.mark.lanes(FAKE)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("tonumber(seq) < tonumber(old_seq)", "false"),
        ("tonumber(version) <= tonumber(known)", "false"),
        ("redis.call('ZREM', order, old_reached .. uid .. ' ' .. old_score)", ""),
    ],
)
def test_a_script_that_forgets_a_guard_is_found(world: World, before: str, after: str) -> None:
    first = entry("usr_a", 3, 1, settings_version=1, hidden=False)
    later = entry("usr_a", 5, 2, settings_version=2, hidden=False, reached_at=NOW + timedelta(seconds=1))
    world.run(partial(either_way, [first, later], [later, first]))
    with broken(before, after), pytest.raises(AssertionError):
        world.run(partial(either_way, [first, later], [later, first]))


async def alike(world: World) -> None:
    uids = ["usr_a", "usr_a-", "usr_a-b", "usr_a1", "usr_aB", "usr_a_", "usr_ab"]
    await world.store("leaderboards").put([entry(uid, 5, 1) for uid in reversed(uids)], NOW)
    members = world.look.zrange(companion(leaderboard(Board.GLOBAL), "order"), 0, -1)
    assert [each[15 : 15 + len(uid)] for each, uid in zip(members, uids, strict=True)] == uids


@pytest.mark.lanes(FAKE, REDIS)
def test_of_two_who_are_alike_the_smaller_uid_stands_first_also_where_it_begins_the_other(world: World) -> None:
    """Nothing that stands behind a uid gets between two of them."""
    world.run(alike)
    with broken("uid .. ' ' .. score)", "uid .. '=' .. score)"), pytest.raises(AssertionError):
        world.run(alike)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), ENTRIES),
        st.tuples(st.just("hide"), st.sampled_from(["usr_a", "usr_B", "usr_z"]), st.integers(0, 5), st.booleans()),
        st.tuples(st.just("top"), st.sampled_from(BOARDS), st.integers(1, 3)),
        st.tuples(st.just("rank"), st.sampled_from(BOARDS), st.sampled_from(["usr_a", "usr_B"])),
        st.tuples(st.just("around"), st.sampled_from(BOARDS), st.sampled_from(["usr_a", "usr_c"]), st.integers(0, 2)),
        st.tuples(st.just("later"), st.sampled_from([1, 6, 57, 70])),
    ),
    max_size=25,
)


async def compared(ours: MemoryLeaderboards, steps: list[Any], world: World) -> None:
    theirs, now = world.store("leaderboards"), NOW
    for name, *arguments in steps:
        if name == "later":
            now += timedelta(days=arguments[0])
            continue
        expected = getattr(ours, name)(*arguments, now)
        found = await getattr(theirs, name)(*arguments, now)
        assert found == expected, (name, arguments)


@pytest.mark.lanes(FAKE, REDIS, REDIS_ASYNC)
@AGAINST_SERVERS
@given(STEPS)
def test_memory_and_redis_in_lock_step(world: World, steps: list[Any]) -> None:
    """J20."""
    world.look.flushall()
    world.run(partial(compared, MemoryLeaderboards(), steps))


SAID = [
    [BoardEntry(board, uid, score, NOW + timedelta(milliseconds=at), seq, version, version % 2 == 1)]
    for board in BOARDS
    for uid in ("usr_a", "usr_B", "usr_c")
    for seq in range(1, 7)
    for score, at, version in [((seq * 7 + len(uid) + ord(uid[-1])) % 6 - 1, seq % 3, seq % 4)]
]
"""Of each user and board one entry for each number: two of one number would be two rows of the ledger."""


@pytest.mark.lanes(REDIS, REDIS_ASYNC)
@pytest.mark.parametrize("number", [1_000, pytest.param(LONG_LANE, marks=pytest.mark.long)])
def test_boards_a_long_way_in_lock_step(world: World, number: int) -> None:
    """J20: 10^5 steps."""
    choices: Steps = {
        "put": (SAID,),
        "hide": (["usr_a", "usr_B", "usr_z"], range(6), [False, True]),
        "top": (BOARDS, range(1, 4)),
        "rank": (BOARDS, ["usr_a", "usr_B"]),
        "around": (BOARDS, ["usr_a", "usr_c"], range(3)),
    }
    far(choices, MemoryLeaderboards, compared, number, world)


class Counted:
    """How many round trips a storage makes, and of how many commands."""

    def __init__(self, store: Any) -> None:
        self._inner = getattr(store, "inner", store)._redis._nodes
        self._exchange = self._inner.exchange
        self._inner.exchange = self._counted
        self.trips: list[int] = []

    def _counted(self, commands: Any, about: str) -> Any:
        self.trips.append(len(commands))
        return self._exchange(commands, about)

    def since(self) -> list[int]:
        found, self.trips = self.trips, []
        return found


@pytest.mark.lanes(FAKE, REDIS, REDIS_ASYNC)
def test_each_call_is_one_round_trip(world: World) -> None:
    async def counted(world: World) -> None:
        backends = world.backends()
        tek = world.over_backends(backends)
        trips = Counted(backends.leaderboards)
        ada = (await tek.gamification.enroll(uid="usr_ada")).user_id
        await tek.gamification.award(ada, "answer_posted", EntityRef("answer", "1"))
        trips.since()  # the first one sends the script
        await tek.gamification.award(ada, "answer_posted", EntityRef("answer", "2"))
        assert trips.since() == [2], "an award: both boards, in one pipeline"
        await tek.leaderboards.rank(Board.GLOBAL, "usr_ada")
        await tek.leaderboards.around(Board.GLOBAL, "usr_ada")
        trips.since()
        for reading in (
            partial(tek.leaderboards.top, Board.GLOBAL),
            partial(tek.leaderboards.rank, Board.GLOBAL, "usr_ada"),
            partial(tek.leaderboards.around, Board.GLOBAL, "usr_ada", 12),
        ):
            assert await reading()
            assert trips.since() == [1]
        await tek.gamification.opt_out(Principal(ada, "usr_ada"))
        assert trips.since() == [11], "all boards that are alive, in one pipeline"
        await tek.gamification.award(ada, "answer_posted", EntityRef("answer", "3"))
        assert trips.since() == [2], "what the settings say is known"
        world.clock.advance(timedelta(days=21))
        await tek.gamification.award(ada, "answer_posted", EntityRef("answer", "4"))
        assert trips.since() == [2], "also in a week that is new"
        world.look.script_flush()
        await tek.gamification.award(ada, "answer_posted", EntityRef("answer", "5"))
        assert trips.since() == [2, 2], "a server that forgot the script is told once"
        assert await tek.leaderboards.top(Board.GLOBAL) == []

    world.run(counted)


async def game(world: World, names: str = "abcdef") -> tuple[Any, dict[str, str]]:
    """A tek with some users, who have some XP."""
    tek = world.tek()
    users = {}
    for at, name in enumerate(names):
        users[name] = (await tek.gamification.enroll(uid=f"usr_{name}")).user_id
        for number in range(at % 4 + 1):
            await tek.gamification.award(users[name], "answer_posted", EntityRef("answer", f"{name}{number}"))
    return tek, users


def test_a_board_that_is_lost_is_made_again(world: World) -> None:
    """With its ties, its settings and its end, and with progress; for both boards."""

    async def rebuilt(world: World) -> None:
        tek, users = await game(world)
        await tek.gamification.opt_out(Principal(users["b"], "usr_b"))
        boards = Board.GLOBAL, Board.weekly(world.clock())
        expected = [stored(world, board) for board in boards]
        world.look.flushall()
        assert await tek.leaderboards.top(Board.GLOBAL) == []
        for board in boards:
            told: list[tuple[int, int]] = []
            assert await tek.leaderboards.rebuild(board, lambda done, of, told=told: told.append((done, of))) == 6
            assert told == [(done, 6) for done in range(1, 7)]
        assert [stored(world, board) for board in boards] == expected

    world.run(rebuilt)


@pytest.mark.lanes(FAKE, REDIS, REDIS_ASYNC)
def test_a_rebuild_that_meets_awards_ends_in_the_same_board(world: World) -> None:
    async def rebuilt(world: World) -> None:
        tek, users = await game(world)
        world.look.flushall()

        async def award(name: str) -> None:
            for number in range(6):
                await tek.gamification.award(users[name], "answer_posted", EntityRef("answer", f"more {name}{number}"))

        await asyncio.gather(tek.leaderboards.rebuild(Board.GLOBAL), *[award(name) for name in "abc"])
        live = stored(world, Board.GLOBAL)
        world.look.flushall()
        await tek.leaderboards.rebuild(Board.GLOBAL)
        assert stored(world, Board.GLOBAL) == live
        assert {each.uid: each.score for each in await tek.leaderboards.top(Board.GLOBAL)} == {
            f"usr_{name}": (await tek.gamification.profile(users[name])).total_xp for name in users
        }

    world.run(rebuilt)


def test_a_board_that_drifted_is_found_and_mended(world: World) -> None:
    """What others wrote to the board, or took off it, `verify` sees."""

    async def drifted(world: World) -> None:
        tek, users = await game(world)
        ada = users["a"]
        week = Board.weekly(world.clock())
        for board in (Board.GLOBAL, week):
            for wrong in ({"usr_a": 999}, None):
                assert await tek.gamification.verify(ada)
                if wrong:
                    world.look.zadd(leaderboard(board), wrong)
                else:
                    world.look.zrem(leaderboard(board), "usr_a")
                found = await tek.gamification.verify(ada)
                assert not found
                assert found.divergence.field == f"board {board.name}"
                await tek.leaderboards.rebuild(board)
        assert await tek.gamification.verify(ada)

    world.run(drifted)


FOREIGN = {
    "a score": lambda look, key: look.zadd(key, {"usr_b": 999}),
    "half a point": lambda look, key: look.zincrby(key, 0.5, "usr_b"),
    "no number": lambda look, key: look.zadd(key, {"usr_b": "inf"}),
    "who is hidden": lambda look, key: look.zadd(key, {"usr_d": 50}),
    "a stranger": lambda look, key: look.zadd(key, {"usr_ghost": 7777}),
    "no uid": lambda look, key: look.zadd(key, {"\x00 \u20ac": 1}),
    "many": lambda look, key: look.zadd(key, {f"usr_x{at}": at for at in range(1, 1500)}),
    "who has nothing": lambda look, key: look.zadd(key, {"usr_zero": 5}),
    "somebody less": lambda look, key: look.zrem(key, "usr_c"),
    "one for another": lambda look, key: (look.zrem(key, "usr_c"), look.zadd(key, {"usr_ghost": 1})),
    "nobody": lambda look, key: look.delete(key),
    "in the order": lambda look, key: look.zadd(companion(key, "order"), {"anything": -10_000}),
    "a place of before": lambda look, key: look.zadd(companion(key, "order"), {f"{'f' * 15}usr_b 9999": -9999}),
    "an order less": lambda look, key: look.delete(companion(key, "order")),
}


async def seen_by_others(what: str, world: World) -> None:
    """Whatever others write to a board, somebody's `verify` says so, and a rebuild leaves what belongs there."""
    tek, users = await game(world)
    users["zero"] = (await tek.gamification.enroll(uid="usr_zero")).user_id
    await tek.gamification.opt_out(Principal(users["d"], "usr_d"))
    for board in (Board.GLOBAL, Board.weekly(world.clock())):
        before = stored(world, board)
        assert all([await tek.gamification.verify(each) for each in users.values()])
        FOREIGN[what](world.look, leaderboard(board))
        assert stored(world, board) != before
        found = [await tek.gamification.verify(each) for each in users.values()]
        assert not all(found)
        assert {each.divergence.field for each in found if not each} <= {
            f"board {board.name}",
            f"members of board {board.name}",
        }
        await tek.leaderboards.rebuild(board)
        assert stored(world, board) == before
        assert all([await tek.gamification.verify(each) for each in users.values()])


@pytest.mark.parametrize("what", FOREIGN)
def test_what_others_put_on_a_board_is_seen_and_taken_off(world: World, what: str) -> None:
    world.run(partial(seen_by_others, what))


def shown_by_the_order(self: Any, board: Board, uid: str, now: datetime) -> Shown:
    """The mistake: what our own order says, whatever others see."""
    standing = self.rank(board, uid, now)
    return Shown(None if standing is None else standing.score, 0, 0)


@pytest.mark.lanes(FAKE)
@pytest.mark.parametrize(
    ("method", "wrong", "what"),
    [
        ("shown", shown_by_the_order, "a stranger"),
        ("shown", shown_by_the_order, "who is hidden"),
        ("shown", shown_by_the_order, "a score"),
        ("tidy", lambda *_: 0, "a stranger"),
        ("tidy", lambda *_: 0, "in the order"),
    ],
)
def test_a_board_that_does_not_look_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch, method: str, wrong: Any, what: str
) -> None:
    monkeypatch.setattr(sync_module.RedisLeaderboards, method, wrong)
    with pytest.raises(AssertionError):
        world.run(partial(seen_by_others, what))


@pytest.mark.lanes(FAKE, REDIS, REDIS_ASYNC)
def test_who_comes_while_a_board_is_tidied_stays(world: World) -> None:
    """What is taken off is decided when it is, by the rows."""

    async def tidied(world: World) -> None:
        boards = world.store("leaderboards")
        await boards.put([entry(f"usr_{at}", at, board=WEEK) for at in range(1, 700)], NOW)
        world.look.zadd(leaderboard(WEEK), {f"usr_x{at}": at for at in range(700)})
        late = [entry(f"usr_x{at}", at + 5, board=WEEK) for at in range(0, 700, 7)]
        await asyncio.gather(boards.tidy(WEEK, NOW), *[boards.put([each], NOW) for each in late])
        await boards.tidy(WEEK, NOW)
        assert world.look.zcard(leaderboard(WEEK)) == 699 + len(late)
        assert len(await boards.top(WEEK, 1000, NOW)) == 699 + len(late)
        assert await boards.tidy(WEEK, NOW) == 0
        over = NOW + timedelta(days=100)
        assert await boards.tidy(WEEK, over) == 0
        assert await boards.shown(WEEK, "usr_1", over) == Shown(None, 0, 0)

    world.run(tidied)


def test_who_opts_out_is_on_no_path(world: World) -> None:
    async def hidden(world: World) -> None:
        tek, users = await game(world)
        boards = Board.GLOBAL, Board.weekly(world.clock())
        await tek.gamification.opt_out(Principal(users["d"], "usr_d"))
        for board in boards:
            assert "usr_d" not in [each.uid for each in await tek.leaderboards.top(board)]
            assert await tek.leaderboards.rank(board, "usr_d") is None
            assert await tek.leaderboards.around(board, "usr_d") == []
            assert world.look.zscore(leaderboard(board), "usr_d") is None, "nor for those who read the key"
            assert world.look.zcard(companion(leaderboard(board), "order")) == 5
        await tek.gamification.opt_in(Principal(users["d"], "usr_d"))
        for board in boards:
            assert (await tek.leaderboards.rank(board, "usr_d")).rank == 1

    world.run(hidden)


@pytest.mark.lanes(FAKE, REDIS, REDIS_ASYNC)
def test_rows_that_were_thrown_away_leave_no_ghosts(world: World) -> None:
    """A key that is gone, as by an eviction policy: nobody stands twice, and a rebuild brings all back."""

    async def evicted(world: World) -> None:
        tek, users = await game(world)
        expected = stored(world, Board.GLOBAL)
        world.look.delete(companion(leaderboard(Board.GLOBAL), "rows"))
        await tek.gamification.award(users["a"], "answer_posted", EntityRef("answer", "another"))
        assert [each.uid for each in await tek.leaderboards.top(Board.GLOBAL)] == ["usr_a"]
        await tek.leaderboards.rebuild(Board.GLOBAL)
        assert len(await tek.leaderboards.top(Board.GLOBAL)) == 6
        for key in ("order", "rows"):
            world.look.delete(companion(leaderboard(Board.GLOBAL), key))
            await tek.leaderboards.rebuild(Board.GLOBAL)
            assert world.look.zcard(leaderboard(Board.GLOBAL)) == len(expected[0])

    world.run(evicted)


@pytest.mark.lanes(FAKE, REDIS, REDIS_ASYNC)
@pytest.mark.parametrize("value", ["", "1:2", "x:30:0:0:0"])
def test_a_row_that_is_none_shows_nobody(world: World, value: str) -> None:
    """Settings that cannot be read may say that the user is hidden."""

    async def asked(world: World) -> None:
        boards = world.store("leaderboards")
        world.look.hset(companion(leaderboard(Board.GLOBAL), "rows"), "usr_a", value)
        with pytest.raises(CorruptDocument):
            await boards.put([entry("usr_a", 5)], NOW)
        assert await boards.top(Board.GLOBAL, 5, NOW) == []

    world.run(asked)


@pytest.mark.lanes(FAKE, REDIS, REDIS_ASYNC)
def test_protocols_make_no_difference(world: World) -> None:
    async def asked(world: World) -> None:
        choices: list[dict[str, Any]] = [{"protocol": 2}, {"protocol": 3}, {"decode_responses": True}]
        for options in choices:
            boards = world.store("leaderboards", world.client(**options))
            await boards.put([entry("usr_a", 2**53), entry("usr_b", 2**53 - 1)], NOW)
            expected = [(1, "usr_a", 2**53), (2, "usr_b", 2**53 - 1)]
            assert plainly(await boards.top(Board.GLOBAL, 5, NOW)) == expected
            assert plainly(await boards.around(Board.GLOBAL, "usr_b", 5, NOW)) == expected
            assert (await boards.rank(Board.GLOBAL, "usr_a", NOW)).score == 2**53

    world.run(asked)


@pytest.mark.lanes(*SERVERS)
@pytest.mark.parametrize("strike", [Strike.BEFORE, Strike.AFTER])
def test_a_write_whose_connection_breaks_is_made_again(world: World, strike: Strike) -> None:
    """It does no harm twice, so the award goes through, and counts once."""
    proxy = Proxy(shared_redis().port)

    async def awarded(world: World) -> None:
        tek = world.tek(world.client(proxy.uri), deadline=5)
        ada = (await tek.gamification.enroll(uid="usr_ada")).user_id
        await tek.gamification.award(ada, "answer_posted", EntityRef("answer", "1"))
        proxy.arm(b"EVALSHA", strike)
        await tek.gamification.award(ada, "answer_posted", EntityRef("answer", "2"))
        assert plainly(await tek.leaderboards.top(Board.GLOBAL)) == [(1, "usr_ada", 20)]
        assert await tek.gamification.verify(ada)

    try:
        world.run(awarded)
    finally:
        proxy.close()


def test_an_award_that_finds_redis_away_is_finished_by_the_next(world: World) -> None:
    """The row is there; the same key again, or any other award, brings the boards up to it."""

    async def awarded(world: World) -> None:
        backends = world.backends()
        tek = world.over_backends(backends)
        ada = (await tek.gamification.enroll(uid="usr_ada")).user_id
        await tek.gamification.award(ada, "answer_posted", EntityRef("answer", "1"))
        nodes = backends.leaderboards._redis._nodes
        exchange, nodes.exchange = nodes.exchange, away
        given = await tek.gamification.award(ada, "answer_posted", EntityRef("answer", "2"))
        assert (given.outcome, given.profile.total_xp) == ("granted", 20)
        with pytest.raises(Unavailable):  # it would have to finish the one before it, so it does nothing
            await tek.gamification.award(ada, "answer_posted", EntityRef("answer", "3"))
        nodes.exchange = exchange
        assert (await tek.gamification.award(ada, "answer_posted", EntityRef("answer", "2"))).outcome == "duplicate"
        for board in (Board.GLOBAL, Board.weekly(world.clock())):
            assert plainly(await tek.leaderboards.top(board)) == [(1, "usr_ada", 20)]
        assert await tek.gamification.verify(ada)

    def away(*_: object) -> Any:
        raise OSError

    world.run(awarded)


def test_connect_takes_these_in_place_of_those_of_mongodb() -> None:
    import fakeredis
    import mongomock

    enter(MOCK)
    server = fakeredis.FakeServer()
    with TekTree.connect(mongomock.MongoClient()["app"], redis=fakeredis.FakeRedis(server=server)) as tek:
        ada = tek.gamification.enroll(uid="usr_ada").user_id
        tek.gamification.award(ada, "answer_posted", EntityRef("answer", "1"))
        assert plainly(tek.leaderboards.top(Board.GLOBAL)) == [(1, "usr_ada", 10)]
        assert tek.gamification.verify(ada)
        assert fakeredis.FakeRedis(server=server).zscore("leaderboard:global", "usr_ada") == 10
        fakeredis.FakeRedis(server=server).flushall()
        assert not tek.gamification.verify(ada)
        assert tek.leaderboards.rebuild(Board.GLOBAL) == 1
        assert tek.leaderboards.rebuild(Board.weekly(datetime.now(UTC))) == 1
        assert tek.gamification.verify(ada)
