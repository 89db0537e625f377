"""What hosts test with holds what it promises itself."""

import asyncio
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from math import comb
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tektree.models
from tektree import AsyncTekTree, Outcome, TekTree
from tektree._async.backends.memory.bundles import memory_backends as async_memory
from tektree._sync.backends.memory.bundles import memory_backends
from tektree.errors import ConfigurationError, OutcomeUnknown, TekTreeError, Unavailable
from tektree.models.accounts import Actor
from tektree.models.base import Value, checked
from tektree.models.gamification import AwardResult
from tektree.models.leaderboards import Board
from tektree.rules.periods import zone
from tektree.testing import Call, Crash, Fault, Faulty, ManualClock, SeededIds, explore, strategies, yielding
from tektree.testing.explorer import End, Strike, World, digest, pause, stepping
from tests.lanes import enter

NOON = datetime(2025, 12, 16, 12, tzinfo=UTC)


# Clocks and ids


def test_a_manual_clock_stands_until_it_is_moved() -> None:
    clock = ManualClock(NOON)
    assert clock() == clock() == clock.now == NOON
    assert clock.advance(timedelta(hours=-1)) == clock() == NOON - timedelta(hours=1)
    assert clock.set(datetime(2026, 1, 1, 1, tzinfo=zone("Europe/Berlin"))) == datetime(2026, 1, 1, tzinfo=UTC)
    assert clock.now.tzinfo is UTC


@pytest.mark.parametrize("now", [datetime(2026, 1, 1), "2026-01-01", None, 0])  # noqa: DTZ001 - that is the point
def test_a_clock_without_a_zone_is_refused(now: Any) -> None:
    with pytest.raises(ConfigurationError, match="aware"):
        ManualClock(now)


def test_seeded_ids_are_the_same_for_the_same_seed() -> None:
    first, again, other = SeededIds("x"), SeededIds("x"), SeededIds("y")
    made = [first() for _ in range(1000)]
    assert made == [again() for _ in range(1000)]
    assert len(set(made)) == 1000
    assert other() not in made
    assert all(re.fullmatch("[0-9a-f]{24}", id) for id in made)


# Strategies


def models() -> list[type[Value]]:
    found = []
    for module in pkgutil.iter_modules(tektree.models.__path__):
        names = vars(importlib.import_module(f"tektree.models.{module.name}")).values()
        found += [each for each in names if inspect.isclass(each) and issubclass(each, Value) and each.model_fields]
    return sorted(set(found) - {Actor}, key=lambda each: each.__name__)  # an Actor is made by no hand


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_every_model_has_sound_values(model: type[Value]) -> None:
    @settings(max_examples=15)
    @given(strategies.records(model))
    def sound(value: Value) -> None:
        assert type(value) is model
        assert checked(model, {name: getattr(value, name) for name in model.model_fields}) == value

    sound()


@settings(max_examples=50)
@given(strategies.boards(), strategies.entries(), strategies.standings(), strategies.requests())
def test_values_that_are_no_models_are_sound(board: Board, entry: Any, standing: Any, request: Any) -> None:
    assert Board(board.week) == board
    assert Board(entry.board.week) == entry.board
    assert standing.rank >= 1
    assert request._replace() == request


@settings(max_examples=20)
@given(strategies.results(), strategies.pages(strategies.ids()))
def test_results_and_pages_are_sound(result: AwardResult, page: Any) -> None:
    assert (result.transaction is None) is (result.outcome is Outcome.DENIED)
    assert result.explanation.text is not None
    assert len(page.items) <= 3


@given(strategies.zones())
def test_zones_are_zones(name: str) -> None:
    assert zone(name).key == name


@settings(max_examples=60)
@given(strategies.histories())
def test_a_history_is_legal_and_leaves_a_ledger_that_adds_up(history: strategies.History) -> None:
    assert list(history.deeds) == sorted(history.deeds, key=lambda deed: deed.now)
    clock = ManualClock()
    tek = TekTree.in_memory(clock=clock, ids=SeededIds(0))
    results = history.play(tek, clock)
    assert len(results) == len(history.deeds)
    assert tek.gamification.verify(tek.gamification.enroll("usr_ada").user_id)


def test_without_hypothesis_the_error_says_what_to_install() -> None:
    code = (
        "import sys\n"
        "sys.modules['hypothesis'] = None\n"
        "import tektree.testing as kit\n"
        "kit.ManualClock(), kit.SeededIds(), kit.checks()\n"
        "try:\n    kit.strategies\nexcept Exception as error:\n    print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert (
        'ConfigurationError tektree.testing: strategies need Hypothesis: pip install "tektree[testing]"' in done.stdout
    )


def test_every_name_of_the_kit_is_there() -> None:
    import tektree.testing as kit

    assert [name for name in kit.__all__ if getattr(kit, name, None) is None] == []
    assert set(kit.__all__) <= set(dir(kit))
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = kit.Nonsense


# Faults


def award(tek: TekTree) -> AwardResult:
    return tek.gamification.award(tek.gamification.enroll("usr_ada").user_id, "manual", amount=5, key="k")


def test_a_wrapper_without_a_fault_counts_and_changes_nothing() -> None:
    enter("memory")
    faulty = Faulty(memory_backends())
    assert award(TekTree(faulty.backends)).outcome is Outcome.GRANTED
    assert faulty.calls[0] == Call("gamification", "enroll") == ("gamification", "enroll")
    assert [str(call) for call in faulty.calls[1:3]] == ["gamification.profile", "ledger.append"]
    assert faulty.struck is None
    TekTree(faulty.backends).setup()
    assert TekTree(faulty.backends).check() == []
    TekTree(faulty.backends).close()


@pytest.mark.parametrize(
    ("fault", "error", "rows"),
    [
        (Fault.REFUSED, Unavailable, 0),
        (Fault.LOST, OutcomeUnknown, 1),
        (Fault.CRASH, Crash, 0),
        (Fault.CRASH_AFTER, Crash, 1),
    ],
)
def test_the_nth_call_meets_its_fault(fault: Fault, error: type[BaseException], rows: int) -> None:
    enter("memory")
    store = memory_backends()
    faulty = Faulty(store, 2, fault)
    with pytest.raises(error):
        award(TekTree(faulty.backends))
    assert faulty.struck == Call("ledger", "append")
    assert len(faulty.calls) == 3
    user = TekTree(store).gamification.enroll("usr_ada").user_id
    assert len(store.ledger.rows(user, 0, 9)) == rows


@pytest.mark.parametrize(("fault", "rows"), [(Fault.HANG, 0), (Fault.HANG_AFTER, 1)])
def test_a_call_that_hangs_is_cancelled_with_its_task(fault: Fault, rows: int) -> None:
    enter("memory")

    async def main() -> int:
        store = async_memory()
        user = (await AsyncTekTree(store).gamification.enroll("usr_ada")).user_id
        faulty = Faulty(store, 1, fault)
        task = asyncio.create_task(
            AsyncTekTree(faulty.backends).gamification.award(user, "manual", amount=5, key="k")  # type: ignore[arg-type]
        )
        await faulty.hanging.wait()
        task.cancel()
        assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)
        return len(await store.ledger.rows(user, 0, 9))

    assert asyncio.run(main()) == rows


def test_nothing_hangs_where_nobody_can_cancel() -> None:
    with pytest.raises(ConfigurationError, match="async"):
        Faulty(memory_backends(), 0, Fault.HANG)


def test_behind_a_yielding_wrapper_others_run_at_every_call() -> None:
    enter("memory")
    order: list[str] = []

    async def work(name: str, call: Callable[[], Awaitable[object]]) -> None:
        for _ in range(3):
            await call()
            order.append(name)

    async def main(wrap: Callable[[Any], Any]) -> list[str]:
        order.clear()
        backends = wrap(async_memory())
        await asyncio.gather(*[work(name, backends.gamification.count) for name in "ab"])
        return list(order)

    assert asyncio.run(main(lambda backends: backends)) == list("aaabbb")
    assert asyncio.run(main(yielding)) == list("ababab")
    assert yielding(memory_backends()).gamification.count() == 0


# The explorer


class Counters:
    """Workers that raise a counter; each call is atomic, the way they use it may not be."""

    def __init__(self, raise_by: Callable[[Any], Awaitable[object]], workers: int = 2) -> None:
        self.cells = {"n": 0}
        cells = self.cells

        class Store:
            async def get(self) -> int:
                return cells["n"]

            async def set(self, value: int) -> None:
                cells["n"] = value

            async def add(self) -> None:
                cells["n"] += 1

        stored: Any = Store()
        store = stepping(replace(async_memory(), gamification=stored)).gamification

        async def work() -> object:
            return await raise_by(store)

        self.workers = [work() for _ in range(workers)]

    def state(self) -> object:
        return digest(self.cells)

    def judge(self, ends: Sequence[End]) -> list[str]:
        done = sum([not end.struck and end.error is None for end in ends])
        return [] if self.cells["n"] >= done else [f"{done} raised it, it is {self.cells['n']}"]


async def adds(store: Any) -> None:
    await store.add()
    await store.get()


async def gets_then_sets(store: Any) -> None:
    value = await store.get()
    await store.set(value + 1)


def test_the_explorer_covers_every_interleaving() -> None:
    """Of two workers with 2 calls each there are 6, of three 90; together they raise the counter whatever happens."""
    assert explore(lambda: Counters(adds), strikes=()).schedules == comb(4, 2)
    assert explore(lambda: Counters(adds, 3), strikes=()).schedules == 90
    assert not explore(lambda: Counters(adds)).violations


def test_the_explorer_finds_a_lost_update_and_tells_how() -> None:
    found = explore(lambda: Counters(gets_then_sets), strikes=())
    assert found.schedules == comb(4, 2)
    assert {said for said, _ in found.violations} == {"2 raised it, it is 1"}
    _, path = explore(lambda: Counters(gets_then_sets), strikes=(), first_only=True).violations[0]
    assert [choice.worker for choice in path] in ([0, 1, 0, 1], [0, 1, 1, 0], [1, 0, 0, 1], [1, 0, 1, 0])
    assert "0: gamification.get" in found.story()
    assert "violations" in found.told()


def test_each_worker_has_context_variables_of_its_own() -> None:
    """As tasks have: what one sets before a call, the others do not see behind theirs."""
    acting: ContextVar[str] = ContextVar("acting", default="nobody")
    numbers, found = count(), list[bool]()

    async def acts(store: Any) -> None:
        mine = f"worker {next(numbers)}"
        found.append(acting.get() == "nobody")
        acting.set(mine)
        await store.get()
        found.append(acting.get() == mine)
        await store.add()

    explore(lambda: Counters(acts), strikes=())
    assert len(found) > 10
    assert all(found)
    assert acting.get() == "nobody"


def test_merging_leaves_nothing_out() -> None:
    """With every state told apart, the same ends are found, and the same number of schedules."""

    numbers = count()

    def ends(apart: bool) -> tuple[int, set[str]]:
        def make() -> World:
            world = Counters(gets_then_sets)
            if apart:
                world.state = lambda: next(numbers)  # type: ignore[method-assign]
            return world

        found = explore(make, most_strikes=1)
        return found.schedules, {said for said, _ in found.violations}

    assert ends(apart=False) == ends(apart=True)


def test_every_strike_is_made() -> None:
    """One worker of two calls: no strike, or each of five at each of two calls."""
    seen: set[tuple[Strike | None, int, str]] = set()

    class Watched(Counters):
        def judge(self, ends: Sequence[End]) -> list[str]:
            [end] = ends
            seen.add((None, self.cells["n"], "struck" if end.struck else type(end.error).__name__))
            return []

    found = explore(lambda: Watched(adds, 1))
    assert found.schedules == 1 + 2 * 5
    assert {(n, how) for _, n, how in seen} == {
        (1, "NoneType"),
        (0, "struck"),
        (1, "struck"),
        (0, "Unavailable"),
        (1, "Unavailable"),
        (1, "OutcomeUnknown"),
    }


def test_waiting_for_ever_is_a_violation() -> None:
    async def waits(store: Any) -> None:
        while True:
            await pause(1)
            await store.add()

    found = explore(lambda: Counters(waits, 1), strikes=(), longest=20)
    assert found.violations[0][0] == "does not end within 20 calls"


def test_an_error_of_the_package_ends_a_worker_and_is_handed_to_the_judge() -> None:
    async def refuses(store: Any) -> None:
        await store.get()
        raise TekTreeError("no")

    class Judged(Counters):
        def judge(self, ends: Sequence[End]) -> list[str]:
            return [str(end.error) for end in ends]

    assert [said for said, _ in explore(lambda: Judged(refuses, 1), strikes=()).violations] == ["no"]


@given(st.dictionaries(st.text(), st.integers()))
def test_a_digest_is_equal_for_equal_contents(contents: dict[str, int]) -> None:
    assert digest([contents, {1, 2}]) == digest([dict(reversed(contents.items())), {2, 1}])
    assert digest(contents) != digest({**contents, "\0": 1})


class Slotted:
    __slots__ = ("__held", "empty")

    def __init__(self, held: object) -> None:
        self.__held = held


class Further(Slotted):
    """With a dictionary of its own."""


class Named(list[int]):
    """A list that says one thing more."""

    def __init__(self, held: list[int]) -> None:
        super().__init__(held[:1])
        self.rest = held[1:]


@pytest.mark.parametrize("kind", [list, tuple, deque, lambda held: dict(enumerate(held)), set, Slotted, Further, Named])
def test_a_digest_looks_into_whatever_holds_something(kind: Callable[[list[int]], object]) -> None:
    assert digest(kind([1, 2])) == digest(kind([1, 2]))
    assert digest(kind([1, 2])) != digest(kind([1, 3]))


@pytest.mark.parametrize("value", [bytearray(b"1"), iter([1]), count(3)])
def test_what_a_digest_cannot_look_into_is_no_digest(value: object) -> None:
    with pytest.raises(TypeError, match=f"what a {type(value).__name__} holds cannot be told"):
        digest({"store": value})
