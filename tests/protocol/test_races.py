"""Many at once, and one fault at every call: the cap holds, a key has one effect, and who opted out stays out.

Races need calls that let others in between: storage in memory never waits, so it is put behind a wrapper that does.
Each promise is also held against storage that is known to be wrong, or the test would prove nothing.
"""

import asyncio
import inspect
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from tektree import AsyncTekTree, IdempotencyConflict, Outcome, OutcomeUnknown, Principal, TekTree, Unavailable
from tektree._async.backends.memory.bundles import memory_backends as async_memory
from tektree._async.services.gamification import AsyncGamification
from tektree._sync.backends.memory.bundles import memory_backends
from tektree._sync.conformance.samples import Story, enrolled
from tektree._sync.services import commits
from tektree._sync.services.gamification import Gamification
from tektree.errors import Conflict
from tektree.models.gamification import EntityRef
from tektree.models.leaderboards import Board
from tektree.policy import Policy
from tektree.rules import projections
from tektree.testing import Call, Crash, Fault, Faulty, SeededIds, yielding
from tests.lanes import enter
from tests.protocol import counts, variants
from tests.protocol.worlds import ADA, NOW, PRINCIPAL, Variant, row_id

POLICY = Policy()
Command = Callable[[Any], Any]


def clock() -> Any:
    return NOW


def value(found: Any) -> Any:
    """What a call of either flavour gives."""
    return asyncio.run(_awaited(found)) if inspect.isawaitable(found) else found


async def _awaited(found: Any) -> Any:
    return await found


def tek_over(store: Any, policy: Policy = POLICY) -> Any:
    kind: Any = AsyncTekTree if isinstance(store, type(async_memory())) else TekTree
    return kind(store, policy=policy, clock=clock, ids=SeededIds(0))


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads that take turns a thousand times as often as usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(before)


# The cap


def complaints(store: Any, rows: int, cap: int = 500) -> list[str]:
    """What is wrong after ``rows`` awards of 7 to one user."""
    found = value(store.ledger.rows(ADA, 0, 100_000))
    profile = value(store.gamification.profile(ADA))
    stream = value(store.events.stream("user:usr_ada:xp", 0, 1_000_000))
    expected = min(7 * rows, cap)
    checks = {
        f"{rows} rows": len(found) == rows,
        "a sequence without gaps": [row.seq for row in found] == list(range(1, len(found) + 1)),
        "one row for each key": len({row.key for row in found}) == len(found),
        "the cap, exactly": sum([row.amount for row in found]) == expected,
        "never above the cap": max([row.daily_total for row in found]) <= cap,
        "the profile is the sum": profile.total_xp == sum([row.amount for row in found]),
        "the profile is the fold": projections.compared(projections.fold(found), profile) is None,
        "every event once, in order": [event.metadata["seq"] for event in stream]
        == list(range(1, sum([row.told for row in found]) + 1)),
        "every event is of its row": [each.payload["transaction_id"] for each in stream if "amount" in each.payload]
        == [row.transaction_id for row in found],
        "the board shows the sum": value(store.leaderboards.rank(Board.GLOBAL, "usr_ada", NOW)).score == expected,
        "verify": bool(value(tek_over(store).gamification.verify(ADA))),
    }
    return [name for name, kept in checks.items() if not kept]


def in_threads(work: Sequence[Callable[[], Any]]) -> list[Any]:
    """All of ``work``, each in a thread of its own, from the same moment on."""
    gate = threading.Barrier(len(work))

    def started(each: Callable[[], Any]) -> Any:
        gate.wait(timeout=60)
        return each()

    with ThreadPoolExecutor(len(work)) as pool:
        return [future.result(timeout=120) for future in [pool.submit(started, each) for each in work]]


def awards(gamification: Any, worker: int, times: int) -> list[Any]:
    return [
        gamification.award(ADA, "manual", amount=7, key=f"{worker}-{time}").outcome is Outcome.DUPLICATE
        for time in range(times)
    ]


def test_64_threads_with_100_awards_of_7_come_to_the_cap_exactly(hasty_threads: None) -> None:
    enter("memory")
    store = memory_backends()
    tek = tek_over(store)
    tek.gamification.enroll("usr_ada")
    in_threads([partial(awards, tek.gamification, worker, 100) for worker in range(64)])
    assert complaints(store, 6400) == []


def test_threads_with_services_of_their_own_come_to_the_cap_exactly(hasty_threads: None) -> None:
    """As in processes of their own: no lock is shared, so storage decides every race."""
    enter("memory")
    store = memory_backends()
    TekTree(store).gamification.enroll("usr_ada")
    lost: list[int] = []
    own = [
        Gamification(yielding(store), POLICY, clock, SeededIds(worker), lambda attempt: lost.append(attempt))
        for worker in range(16)
    ]
    in_threads([partial(awards, each, worker, 8) for worker, each in enumerate(own)])
    assert complaints(store, 128) == []
    counts.tell(f"races: 16 threads with services of their own, 128 awards: {len(lost)} races lost and decided again")
    assert lost, "nobody met anybody, so nothing was proved"


async def tasks(store: Any, services: int, workers: int, times: int) -> int:
    """Awards of 7 by ``workers`` tasks that share so many services. Gives how many races were lost."""
    lost = 0

    async def pause(attempt: int) -> None:
        nonlocal lost
        lost += 1
        await asyncio.sleep(0)

    own = [AsyncGamification(store, POLICY, clock, SeededIds(number), pause) for number in range(services)]

    async def work(worker: int) -> None:
        for time in range(times):
            await own[worker % services].award(ADA, "manual", amount=7, key=f"{worker}-{time}")

    await own[0].enroll("usr_ada")
    await asyncio.gather(*[work(worker) for worker in range(workers)])
    return lost


def test_64_tasks_with_100_awards_of_7_come_to_the_cap_exactly() -> None:
    """Through a wrapper that lets others run before and after every call."""
    enter("memory")
    store = async_memory()
    asyncio.run(tasks(yielding(store), 1, 64, 100))
    assert complaints(store, 6400) == []


def test_tasks_with_services_of_their_own_come_to_the_cap_exactly() -> None:
    enter("memory")
    store = async_memory()
    lost = asyncio.run(tasks(yielding(store), 12, 12, 10))
    assert complaints(store, 120) == []
    counts.tell(f"races: 12 tasks with services of their own, 120 awards: {lost} races lost and decided again")
    assert lost > 50


@pytest.mark.long
@pytest.mark.parametrize("repetition", range(20))
def test_more_threads_with_services_of_their_own(repetition: int, hasty_threads: None) -> None:
    enter("memory")
    store = memory_backends()
    TekTree(store).gamification.enroll("usr_ada")
    own = [Gamification(yielding(store), POLICY, clock, SeededIds(worker)) for worker in range(16)]
    in_threads([partial(awards, each, worker, 40) for worker, each in enumerate(own)])
    assert complaints(store, 640) == []


@pytest.mark.parametrize(
    "variant",
    [
        variants.NO_UNIQUE_SEQ,
        variants.NEVER_TOLD,
    ],
    ids=lambda variant: variant.name,
)
def test_these_races_find_what_is_known_to_be_wrong(variant: Variant) -> None:
    enter("memory")
    store = async_memory()
    shared = yielding(variant.store(store))

    async def main() -> None:
        # Some storage is so wrong that writers never get past each other: that, too, is found.
        await asyncio.gather(tasks(variant.worker(shared), 4, 4, 5), return_exceptions=True)

    asyncio.run(main())
    assert complaints(store, 20) != []


# Exactly once


def test_a_key_that_many_use_at_once_has_one_effect(hasty_threads: None) -> None:
    enter("memory")
    store = memory_backends()
    TekTree(store).gamification.enroll("usr_ada")
    own = [Gamification(yielding(store), POLICY, clock, SeededIds(worker)) for worker in range(12)]
    results = in_threads([partial(each.award, ADA, "manual", amount=7, key="once") for each in own])
    assert sorted([result.outcome for result in results]) == [Outcome.DUPLICATE] * 11 + [Outcome.GRANTED]
    assert len({result.transaction for result in results}) == 1
    assert complaints(store, 1) == []


async def same_key(store: Any, variant: Variant | None = None) -> list[Any]:
    """Twelve tasks, each with services of its own, and one key."""
    shared = yielding(store if variant is None else variant.store(store))
    each = [shared if variant is None else variant.worker(shared) for _ in range(12)]
    own = [AsyncTekTree(one, clock=clock).gamification for one in each]
    await own[0].enroll("usr_ada")
    return await asyncio.gather(*[one.award(ADA, "manual", amount=7, key="once") for one in own])


def test_a_key_that_many_tasks_use_at_once_has_one_effect() -> None:
    enter("memory")
    store = async_memory()
    results = asyncio.run(same_key(store))
    assert [result.outcome for result in results].count(Outcome.GRANTED) == 1
    assert len({result.transaction for result in results}) == 1
    assert complaints(store, 1) == []


def test_that_race_finds_a_key_that_is_only_looked_up() -> None:
    """Uniqueness lives in the store, never in check-then-insert."""
    enter("memory")
    store = async_memory()
    asyncio.run(same_key(store, variants.KEY_LOOKED_UP_FIRST))
    assert "one row for each key" in complaints(store, 1)


def test_a_key_with_another_amount_is_a_conflict_for_all_but_one(hasty_threads: None) -> None:
    enter("memory")
    store = memory_backends()
    TekTree(store).gamification.enroll("usr_ada")

    def award(worker: int) -> Any:
        try:
            own = Gamification(yielding(store), POLICY, clock, SeededIds(worker))
            return own.award(ADA, "manual", amount=worker + 1, key="once").outcome
        except IdempotencyConflict as error:
            return error.differs

    outcomes = in_threads([partial(award, worker) for worker in range(8)])
    assert outcomes.count(Outcome.GRANTED) == 1
    assert outcomes.count(("amount",)) == 7
    assert len(store.ledger.rows(ADA, 0, 9)) == 1


# A fault at every call


def award(amount: int, key: str, **more: Any) -> Command:
    return lambda tek: tek.gamification.award(ADA, "manual", amount=amount, key=key, **more)


def _enroll(tek: Any) -> Any:
    return tek.gamification.enroll("usr_ada", timezone="Europe/Berlin")


def _week(tek: Any) -> Any:
    return [value(tek.gamification.record_activity(ADA, at=NOW - timedelta(days=6 - day))) for day in range(6)]


def _answer(tek: Any) -> Any:
    return tek.gamification.award(ADA, "answer_posted", about=EntityRef("answer", "1"))


REWARDING = Policy(levels={"rewards": {2: 5, 3: 6}})

# Of each command: what was before, the policy, and the command.
COMMANDS: dict[str, tuple[Sequence[Command], Policy, Command]] = {
    "enroll": ([], POLICY, _enroll),
    "award": ([_enroll], POLICY, award(300, "a")),
    "award at the cap": ([_enroll, award(300, "a")], POLICY, award(300, "b")),
    "award that owes a milestone": ([_enroll, _week], POLICY, _answer),
    "award that owes level rewards": ([_enroll], REWARDING.model_copy(), award(499, "a")),
    "record_activity": ([_enroll, _week], POLICY, lambda tek: tek.gamification.record_activity(ADA)),
    "grant_freezes": ([_enroll], POLICY, lambda tek: tek.gamification.grant_freezes(ADA, 3, "f")),
    "reverse": ([_enroll, award(300, "a")], POLICY, lambda tek: tek.gamification.reverse(row_id("a"), "why")),
    "reverse with a key": (
        [_enroll, award(300, "a")],
        POLICY,
        lambda tek: tek.gamification.reverse(row_id("a"), "why", key="r"),
    ),
    "restore": (
        [_enroll, award(300, "a"), lambda tek: tek.gamification.reverse(row_id("a"), "why"), award(400, "b")],
        POLICY,
        lambda tek: tek.gamification.restore(row_id("a"), "why"),
    ),
    "opt_out": ([_enroll, award(300, "a")], POLICY, lambda tek: tek.gamification.opt_out(PRINCIPAL)),
    "opt_in": (
        [_enroll, award(300, "a"), lambda tek: tek.gamification.opt_out(PRINCIPAL)],
        POLICY,
        lambda tek: tek.gamification.opt_in(PRINCIPAL),
    ),
    "set_timezone": ([_enroll, award(3, "a")], POLICY, lambda tek: tek.gamification.set_timezone(ADA, "Asia/Tokyo")),
    "feature_achievements": (
        [_enroll, award(3, "a")],
        POLICY,
        lambda tek: tek.gamification.feature_achievements(PRINCIPAL, ["ach_first_steps"]),
    ),
    "rebuild": ([_enroll, award(300, "a")], POLICY, lambda tek: tek.gamification.rebuild(ADA)),
    "rebuild of all": ([_enroll, award(300, "a")], POLICY, lambda tek: tek.gamification.rebuild()),
    "rebuild of a board": ([_enroll, award(300, "a")], POLICY, lambda tek: tek.leaderboards.rebuild(Board.GLOBAL)),
}

LEFT_OUT = {"settings_version", "updated_at"}
"""Setting a setting twice counts twice; nothing follows from that."""


def all_of(store: Any) -> dict[str, Any]:
    """All that storage holds of the user."""
    profile = value(store.gamification.profile(ADA))
    rows = value(store.ledger.rows(ADA, 0, 1000))
    boards = [Board.GLOBAL, *[Board(week) for week in sorted({row.week for row in rows})]]
    return {
        "profile": {name: part for name, part in dict(profile or ()).items() if name not in LEFT_OUT},
        "rows": list(rows),
        "events still on rows": [each for each in value(store.ledger.tail(ADA, 0, 1000)) if each.outbox],
        "events": list(value(store.events.stream("user:usr_ada:xp", 0, 1000))),
        "boards": [value(store.leaderboards.top(board, 9, NOW)) for board in boards],
    }


def prepared(store: Any, name: str) -> Any:
    before, policy, _ = COMMANDS[name]
    for each in before:
        value(each(tek_over(store, policy)))
    return store


def once(store: Any, name: str, make: Any, expected: Any, first: Any) -> Iterator[str]:
    """What is wrong after the retry of a command that was cut off on ``store``, ``make`` being what services get."""
    _, policy, command = COMMANDS[name]
    again = value(command(tek_over(make(store), policy)))
    found = all_of(store)
    yield from [f"{part} after the retry" for part in expected if found[part] != expected[part]]
    transaction = getattr(first, "transaction", None)
    if getattr(again, "transaction", None) != transaction:
        yield "the retry gave another row"
    if transaction is not None and again.profile != first.profile:
        yield "the retry gave another profile"
    if not value(tek_over(store, policy).gamification.verify(ADA)):
        yield "verify"


def swept(name: str, new: Callable[[], Any], faults: Sequence[Fault], variant: Variant | None = None) -> list[str]:
    """Every one of ``faults`` at every call of a command, then the command again. What was wrong, one line each."""
    _, policy, command = COMMANDS[name]

    def make(store: Any) -> Any:
        return store if variant is None else variant.worker(variant.store(store))

    counted = Faulty(prepared(new(), name))
    expected_store = prepared(new(), name)
    first = value(command(tek_over(expected_store, policy)))
    expected = all_of(expected_store)
    value(command(tek_over(make(counted.backends), policy)))
    wrong = []
    for at in range(len(counted.calls)):
        for fault in faults:
            store = prepared(new(), name)
            faulty = Faulty(store, at, fault)
            _struck(faulty, lambda tek: command(tek), make(faulty.backends), policy)
            assert faulty.struck == counted.calls[at]
            where = f"{fault} at {faulty.struck}"
            wrong += [f"{where}: {said}" for said in once(store, name, make, expected, first)]
    return wrong


def _struck(faulty: Faulty[Any], command: Command, backends: Any, policy: Policy) -> None:
    """The command meets its fault: behind its commit, what storage cannot do is no failure of it."""
    expected = {Fault.REFUSED: Unavailable, Fault.LOST: OutcomeUnknown}.get(faulty.fault, Crash)
    if faulty.fault in {Fault.HANG, Fault.HANG_AFTER}:
        asyncio.run(_cancelled(faulty, command, backends, policy))
        return
    try:
        found = value(command(tek_over(backends, policy)))
    except expected:
        assert expected is Crash or not _committed(faulty), faulty.struck
    else:
        assert expected is not Crash
        assert _committed(faulty), faulty.struck
        assert getattr(found, "outcome", Outcome.GRANTED) in {Outcome.GRANTED, Outcome.CLAMPED}


def _committed(faulty: Faulty[Any]) -> bool:
    """Whether the fault was met behind the commit."""
    commits = {Call("ledger", "append"), Call("gamification", "swap")}
    return not commits.isdisjoint(faulty.calls[: faulty.at])


async def _cancelled(faulty: Faulty[Any], command: Command, backends: Any, policy: Policy) -> None:
    task = asyncio.ensure_future(command(tek_over(backends, policy)))
    await faulty.hanging.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


FAULTS = [Fault.REFUSED, Fault.LOST, Fault.CRASH, Fault.CRASH_AFTER]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_fault_at_any_call_and_a_retry_have_one_effect(name: str) -> None:
    enter("memory")
    assert swept(name, memory_backends, FAULTS) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_a_cancellation_at_any_call_and_a_retry_have_one_effect(name: str) -> None:
    enter("memory")
    assert swept(name, async_memory, [*FAULTS, Fault.HANG, Fault.HANG_AFTER]) == []


@pytest.mark.parametrize(
    "variant",
    [variants.EVENTS_AFTER, variants.TOLD_FIRST, variants.PROJECTED_FIRST],
    ids=lambda variant: variant.name,
)
def test_these_faults_find_what_is_known_to_be_wrong(variant: Variant) -> None:
    enter("memory")
    assert swept("award", async_memory, [Fault.CRASH, Fault.HANG], variant) != []


def test_events_that_are_written_first_outlive_an_award_that_was_never_made() -> None:
    """The retry would make up for it; a caller who gives up does not."""
    enter("memory")

    def told(variant: Variant | None) -> int:
        store = prepared(async_memory(), "award")
        faulty = Faulty(store, 2, Fault.CRASH)
        backends = faulty.backends if variant is None else variant.worker(faulty.backends)
        _struck(faulty, COMMANDS["award"][2], backends, POLICY)
        return len(value(store.events.stream("user:usr_ada:xp", 0, 9))) - len(value(store.ledger.rows(ADA, 0, 9)))

    assert told(None) <= 0
    assert told(variants.EVENTS_BEFORE) > 0


@pytest.mark.parametrize("fault", FAULTS)
def test_after_a_fault_the_same_key_with_another_amount_is_a_conflict_or_a_new_award(fault: Fault) -> None:
    """Which of both, the ledger knows: the row is there or it is not."""
    enter("memory")
    for at in range(6):
        store = prepared(memory_backends(), "award")
        faulty = Faulty(store, at, fault)
        _struck(faulty, award(300, "a"), faulty.backends, POLICY)
        written = bool(store.ledger.rows(ADA, 0, 9))
        assert written is (at > 1 or (at == 1 and fault in {Fault.LOST, Fault.CRASH_AFTER})), faulty.struck
        if written:
            with pytest.raises(IdempotencyConflict):
                award(200, "a")(tek_over(store))
        assert award(300, "a")(tek_over(store)).outcome is (Outcome.DUPLICATE if written else Outcome.GRANTED)
        assert [row.amount for row in store.ledger.rows(ADA, 0, 9)] == [300]


def test_a_profile_that_lags_by_many_rows_is_caught_up_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cut at any call in between leaves nothing undone either."""
    enter("memory")
    monkeypatch.setattr(commits, "_PAGE", 2)
    story = Story("lagging")
    decisions = [story.award(f"k{number}") for number in range(5)]

    def lagging() -> Any:
        store = memory_backends()
        enrolled(store, "lagging", *decisions)
        return store

    counted = Faulty(lagging())
    tek_over(counted.backends).gamification.rebuild(story.user_id)
    assert [call.method for call in counted.calls].count("tail") == 3
    for at in [None, *range(len(counted.calls))]:
        store = lagging()
        if at is not None:
            with pytest.raises(Crash):
                tek_over(Faulty(store, at, Fault.CRASH).backends).gamification.rebuild(story.user_id)
        tek = tek_over(store)
        tek.gamification.award(story.user_id, "manual", amount=10, key="next")
        told = store.events.stream(f"user:{story.uid}:xp", 0, 100)
        assert [each for each in store.ledger.tail(story.user_id, 0, 100) if each.outbox] == []
        assert [event.metadata["seq"] for event in told] == list(
            range(1, tek.gamification.profile(story.user_id).event_seq + 1)
        )
        assert tek.gamification.verify(story.user_id).rows == 6
        assert tek.gamification.verify(story.user_id)


# Opting out


def test_an_opt_out_that_races_awards_stays(hasty_threads: None) -> None:
    enter("memory")
    for number in range(60):
        store = memory_backends()
        own = [Gamification(yielding(store), POLICY, clock, SeededIds(worker)) for worker in range(4)]
        own[0].enroll("usr_ada")
        own[0].award(ADA, "manual", amount=10, key="before")
        work: list[Callable[[], Any]] = [partial(awards, each, worker, 2) for worker, each in enumerate(own[:3])]
        work.insert(number % 4, partial(own[3].opt_out, PRINCIPAL))
        in_threads(work)
        tek = tek_over(store)
        assert tek.gamification.profile(ADA).leaderboard_opt_out
        for board in (Board.GLOBAL, Board.weekly(NOW)):
            assert tek.leaderboards.top(board) == []
            assert tek.leaderboards.rank(board, "usr_ada") is None
        tek.gamification.opt_in(PRINCIPAL)
        assert tek.leaderboards.rank(Board.GLOBAL, "usr_ada").score == 52
        assert tek.gamification.verify(ADA)


def test_that_race_finds_what_is_known_to_be_wrong() -> None:
    """By tasks, so in the same order every time: an opt-out at each moment of an award."""
    enter("memory")

    async def main(variant: Variant | None, moment: int) -> bool:
        store = async_memory()
        shared = yielding(store if variant is None else variant.store(store))
        wrap = (lambda each: each) if variant is None else variant.worker
        one, other = [AsyncGamification(wrap(shared), POLICY, clock, SeededIds(0)) for _ in range(2)]
        await one.enroll("usr_ada")

        async def late() -> None:
            for _ in range(moment):
                await asyncio.sleep(0)
            await other.opt_out(PRINCIPAL)

        await asyncio.gather(one.award(ADA, "manual", amount=10, key="k"), late())
        shown = await AsyncTekTree(store, clock=clock).leaderboards.rank(Board.GLOBAL, "usr_ada")
        profile = await store.gamification.profile(ADA)
        return shown is None and profile is not None and profile.leaderboard_opt_out

    def holds(variant: Variant | None) -> bool:
        return all(asyncio.run(main(variant, moment)) for moment in range(24))

    assert holds(None)
    assert not holds(variants.EVERY_ENTRY_DECIDES)
    assert not holds(variants.PROFILE_WRITTEN_WHOLE)


def test_settings_that_many_change_at_once_are_all_changed(hasty_threads: None) -> None:
    """Each change is made to what is in force by then; or it says that it was not made."""
    enter("memory")
    store = memory_backends()
    tek = TekTree(store, clock=clock)
    tek.gamification.enroll("usr_ada")
    own = [Gamification(yielding(store), POLICY, clock, SeededIds(worker)) for worker in range(4)]

    def change(worker: int) -> int:
        done = 0
        for number in range(10):
            try:
                zone = f"Etc/GMT-{1 + (worker + number) % 12}"
                own[worker].set_timezone(ADA, zone) if worker % 2 else own[worker].opt_out(PRINCIPAL)
                done += 1
            except Conflict:
                pass
        return done

    in_threads([partial(change, worker) for worker in range(4)])
    profile = tek.gamification.profile(ADA)
    assert profile.leaderboard_opt_out
    assert profile.timezone != "UTC"
    assert Principal(id=ADA, uid="usr_ada") == PRINCIPAL
