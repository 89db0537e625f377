"""Memory and MongoDB side by side: the same commands, the same results, the same errors, in the same order."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tektree import Board, EntityRef, Principal, TekTree, TekTreeError
from tektree._sync.backends.mongo.connecting import mongo_backends
from tektree.errors import facts
from tektree.ids import transaction_id, user_id_of
from tektree.models.gamification import AwardResult
from tektree.testing import Call, ManualClock, SeededIds
from tektree.testing.faults import around
from tests.backends.mongo.worlds import MOCK, MOTOR, PYMONGO, PYMONGO_ASYNC, REAL, World

NAMES = ("usr_ada", "usr_ben", "usr_cy", "usr_nobody")
USERS = st.sampled_from(NAMES)
SOURCES = st.sampled_from(["answer_posted", "insight_published", "answer_accepted", "question_downvoted", "unheard_of"])
KEYS = st.sampled_from(["a", "b", "c", "d", "e", "f"])
ENTITIES = st.sampled_from("123").map(lambda id: EntityRef("answer", id))


def told(call: Callable[[], Any]) -> Any:
    """What a call comes to, as a value that can be compared."""
    try:
        found = call()
    except TekTreeError as error:
        return type(error), facts(error)
    if isinstance(found, AwardResult):
        names = ("outcome", "reason", "transaction", "profile")
        return [getattr(found, name) for name in names], list(found.events), found.explanation
    return found


class Lockstep(RuleBasedStateMachine):
    """Every command goes to both."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        for name in ("gamification_profiles", "xp_transactions", "events"):
            self.world.look[name].delete_many({})
        self.memory = TekTree.in_memory(clock=self.clock, ids=SeededIds(7))
        self.mongo = self.over()

    def over(self) -> Any:
        return TekTree(self.backends(), clock=self.clock, ids=SeededIds(7))

    def backends(self) -> Any:
        return mongo_backends(self.world.look)

    def both(self, call: Callable[[Any], Any]) -> Any:
        expected, found = told(lambda: call(self.memory)), told(lambda: call(self.mongo))
        assert found == expected
        return expected

    @initialize(zones=st.tuples(*[st.sampled_from(["UTC", "Asia/Tokyo"])] * 2))
    def two_are_there(self, zones: tuple[str, str]) -> None:
        """Or most commands would be for nobody."""
        for name, zone in zip(NAMES, zones, strict=False):
            self.enroll(name, zone)

    @rule(name=USERS, zone=st.sampled_from(["UTC", "Asia/Tokyo", "nowhere"]))
    def enroll(self, name: str, zone: str) -> None:
        self.both(lambda tek: tek.gamification.enroll(name, timezone=zone))

    @rule(name=st.sampled_from(NAMES[:3]), other=st.sampled_from(NAMES[:3]))
    def enroll_under_another_id(self, name: str, other: str) -> None:
        self.both(lambda tek: tek.gamification.enroll(name, user_id=user_id_of(other)))

    @rule(name=USERS, amount=st.integers(1, 400), key=KEYS, back=st.integers(0, 9))
    def award(self, name: str, amount: int, key: str, back: int) -> None:
        at = self.clock() - timedelta(days=back if back < 3 else 0)
        self.both(lambda tek: tek.gamification.award(user_id_of(name), "manual", amount=amount, key=key, at=at))

    @rule(name=USERS, source=SOURCES, about=ENTITIES, key=st.none() | KEYS)
    def earn(self, name: str, source: str, about: EntityRef, key: str | None) -> None:
        self.both(lambda tek: tek.gamification.award(user_id_of(name), source, about, key=key))

    @rule(name=USERS, key=KEYS, named=st.none() | KEYS, back=st.booleans())
    def turn(self, name: str, key: str, named: str | None, back: bool) -> None:
        id = transaction_id(user_id_of(name), key)
        method = "restore" if back else "reverse"
        self.both(lambda tek: getattr(tek.gamification, method)(id, "a test", key=named))

    @rule(name=USERS)
    def record_activity(self, name: str) -> None:
        self.both(lambda tek: tek.gamification.record_activity(user_id_of(name)))

    @rule(name=USERS, n=st.integers(0, 3), key=KEYS)
    def grant_freezes(self, name: str, n: int, key: str) -> None:
        self.both(lambda tek: tek.gamification.grant_freezes(user_id_of(name), n, key))

    @rule(name=USERS, zone=st.sampled_from(["UTC", "Asia/Tokyo", "Pacific/Apia", "nowhere"]))
    def move(self, name: str, zone: str) -> None:
        self.both(lambda tek: tek.gamification.set_timezone(user_id_of(name), zone))

    @rule(name=USERS, out=st.booleans())
    def opt(self, name: str, out: bool) -> None:
        principal = Principal(user_id_of(name), name)
        self.both(lambda tek: (tek.gamification.opt_out if out else tek.gamification.opt_in)(principal))

    @rule(name=USERS)
    def feature(self, name: str) -> None:
        principal = Principal(user_id_of(name), name)
        self.both(lambda tek: tek.gamification.feature_achievements(principal, ["ach_first_steps"]))

    @rule(hours=st.sampled_from([1, 12, 24, 24, 30, 24 * 8, -1]))
    def time_passes(self, hours: int) -> None:
        self.clock.advance(timedelta(hours=hours))

    @rule(name=USERS, limit=st.integers(1, 3))
    def page(self, name: str, limit: int) -> None:
        after = None
        for _ in range(40):
            page = self.both(lambda tek, after=after: tek.gamification.history(user_id_of(name), after, limit))
            after = getattr(page, "next", None)
            if after is None:
                return

    @rule(name=USERS, key=KEYS)
    def explain(self, name: str, key: str) -> None:
        self.both(lambda tek: tek.gamification.explain(transaction_id(user_id_of(name), key)))

    @rule(name=st.none() | USERS)
    def rebuild(self, name: str | None) -> None:
        self.both(lambda tek: tek.gamification.rebuild(name and user_id_of(name)))

    @precondition(lambda self: self.world.lane != MOCK)
    @rule()
    def another_process(self) -> None:
        """Nothing of ours is remembered between commands."""
        self.mongo = self.over()

    @invariant()
    def profiles_and_boards_are_the_same(self) -> None:
        for name in NAMES[:3]:
            self.both(lambda tek, name=name: tek.gamification.profile(user_id_of(name)))
        for board in (Board.GLOBAL, Board.weekly(self.clock())):
            self.both(lambda tek, board=board: tek.leaderboards.top(board))

    @rule(name=USERS, span=st.integers(0, 2), weeks=st.integers(0, 10))
    def look(self, name: str, span: int, weeks: int) -> None:
        for board in (Board.GLOBAL, Board.weekly(self.clock() - timedelta(weeks=weeks))):
            self.both(lambda tek, board=board: tek.leaderboards.top(board, 2))
            self.both(lambda tek, board=board: tek.leaderboards.rank(board, name))
            self.both(lambda tek, board=board: tek.leaderboards.around(board, name, span))
        self.both(lambda tek: bool(tek.gamification.verify(user_id_of(name))))

    def teardown(self) -> None:
        for name in NAMES[:3]:
            stream = f"user:{name}:xp"
            events = [tek._backends.events.stream(stream, 0, 1000) for tek in (self.memory, self.mongo)]
            assert list(events[0]) == list(events[1])
            self.both(lambda tek, name=name: tek.gamification.history(user_id_of(name), limit=100))
            assert told(lambda name=name: bool(self.mongo.gamification.verify(user_id_of(name)))) is not False


def walked(world: World, examples: int, steps: int, kind: type[Lockstep] = Lockstep) -> None:
    machine = type("Machine", (kind,), {"world": world})
    options = settings(
        max_examples=examples,
        stateful_step_count=steps,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate, *([Phase.shrink] if kind is Lockstep else [])],
        report_multiple_bugs=False,
        deadline=None,
    )
    run_state_machine_as_test(machine, settings=options)


@pytest.mark.lanes(MOCK)
def test_in_lock_step_with_memory(world: World) -> None:
    walked(world, 40, 30)


WRONG: dict[str, Callable[[Call, Callable[[], Any]], Any]] = {
    "a projection that is lost": lambda call, made: None if call.method == "project" else made(),
    "a history from its beginning": lambda call, made: made()[::-1] if call.method == "history" else made(),
    "a setting that is not kept": lambda call, made: None if call.method == "swap" else made(),
    "events that are not told": lambda call, made: None if call == ("events", "append") else made(),
}


@pytest.mark.lanes(MOCK)
@pytest.mark.parametrize("wrong", WRONG)
def test_what_differs_is_noticed(world: World, wrong: str) -> None:
    class Wrong(Lockstep):
        def backends(self) -> Any:
            return around(super().backends(), WRONG[wrong])

    with pytest.raises(AssertionError):
        walked(world, 200, 30, Wrong)  # more than it needs: it ends at the first that differs


@pytest.mark.lanes(PYMONGO, REAL)
def test_in_lock_step_with_memory_on_a_server(world: World) -> None:
    walked(world, 10, 25)


@pytest.mark.long
@pytest.mark.lanes(MOCK, PYMONGO, REAL)
def test_in_lock_step_for_long(world: World) -> None:
    walked(world, 200 if world.lane == MOCK else 40, 50)


@pytest.mark.lanes(PYMONGO_ASYNC, MOTOR)
def test_one_story_in_lock_step_with_memory(world: World) -> None:
    """The other drivers run the same source; here they tell one story."""

    async def scenario(world: World) -> None:
        memory = TekTree.in_memory(clock=world.clock, ids=SeededIds(7))
        tek = world.tek(ids=SeededIds(7))

        async def both(call: Callable[[Any], Any]) -> Any:
            try:
                found: Any = await call(tek)
            except TekTreeError as error:
                found = error
            expected = told(lambda: call(memory))
            assert told(lambda: _raised(found)) == expected
            return expected

        ada, ben = user_id_of("usr_ada"), user_id_of("usr_ben")
        await both(lambda each: each.gamification.award(ada, "answer_posted"))
        for name in ("usr_ada", "usr_ben", "usr_ada"):
            await both(lambda each, name=name: each.gamification.enroll(name))
        for day in range(9):
            world.clock.advance(timedelta(days=1))
            for user, amount in ((ada, 300), (ben, 40)):
                for key in (f"a{day}", f"b{day}", f"a{day}"):
                    await both(
                        lambda each, user=user, amount=amount, key=key: each.gamification.award(
                            user, "manual", amount=amount, key=key
                        )
                    )
        for method in ("reverse", "reverse", "restore", "restore", "reverse"):
            for key in ("a3", "b8"):
                id = transaction_id(ada, key)
                await both(lambda each, method=method, id=id: getattr(each.gamification, method)(id, "a test"))
        await both(lambda each: each.gamification.award(ada, "manual", amount=9, key="a3"))
        await both(lambda each: each.gamification.opt_out(Principal(ben, "usr_ben")))
        await both(lambda each: each.gamification.set_timezone(ada, "Pacific/Apia"))
        await both(lambda each: each.gamification.rebuild())
        for board in (Board.GLOBAL, Board.weekly(world.clock())):
            await both(lambda each, board=board: each.leaderboards.top(board))
            await both(lambda each, board=board: each.leaderboards.around(board, "usr_ada"))
            await both(lambda each, board=board: each.leaderboards.rank(board, "usr_ben"))
        await both(lambda each: each.gamification.history(ada, limit=100))
        await both(lambda each: each.gamification.profile(ada))

    world.run(scenario)


def _raised(found: Any) -> Any:
    if isinstance(found, TekTreeError):
        raise found
    return found


def test_who_falls_to_nothing_in_a_week_leaves_its_board(world: World) -> None:
    """The newest row has no field for a sum of 0; what is not there must not be looked for in an older row."""
    tek = world.sync_tek()
    user_id = tek.gamification.enroll("usr_ada").user_id
    row = tek.gamification.award(user_id, "manual", amount=1, key="a").transaction
    assert row is not None
    week = Board.weekly(world.clock())
    assert [each.score for each in tek.leaderboards.top(week)] == [1]
    tek.gamification.reverse(row.transaction_id, "a test")
    assert tek.leaderboards.top(week) == tek.leaderboards.top(Board.GLOBAL) == []
