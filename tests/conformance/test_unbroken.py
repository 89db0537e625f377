"""Memory commits with all that follows in one step; a step that leaves something out is found, and so is a service that
takes such a step for storages that are not its own."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tektree import Board, Policy, TekTree, Unavailable
from tektree._async.sdk import memory_backends as async_memory_backends
from tektree._sync.backends.memory.leaderboards import MemoryLeaderboards
from tektree._sync.backends.memory.unbroken import MemoryUnbroken
from tektree._sync.sdk import memory_backends
from tektree._sync.services import commits
from tektree.models.base import made
from tektree.models.events import Event
from tektree.models.gamification import GamificationProfile, XPTransaction
from tektree.models.leaderboards import BoardEntry
from tektree.ports import Backends
from tektree.testing import ManualClock, checks, run, run_async
from tests.lanes import enter

NOON = datetime(2025, 12, 16, 12, tzinfo=UTC)
CHECKS = checks("unbroken")


@pytest.mark.parametrize("check", CHECKS)
def test_memory_keeps(check: str) -> None:
    enter("memory")
    run(check, memory_backends)


@pytest.mark.parametrize("check", CHECKS)
def test_async_memory_keeps(check: str) -> None:
    enter("memory")
    asyncio.run(run_async(check, async_memory_backends))


def test_storages_without_it_are_found() -> None:
    for check in CHECKS:
        with pytest.raises(AssertionError, match="nothing that commits in one step"):
            run(check, replace(memory_backends(), unbroken=None))


class ForgetsTheLog(MemoryUnbroken):
    def commit(self, row: XPTransaction, events: Sequence[Event], *rest: Any) -> None:
        super().commit(row, (), *rest)


class ForgetsTheBoards(MemoryUnbroken):
    def commit(self, row: XPTransaction, events: Sequence[Event], entries: Sequence[BoardEntry], now: datetime) -> None:
        super().commit(row, events, (), now)


class ForgetsTheProfile(MemoryUnbroken):
    def commit(self, *committed: Any) -> None:
        before = dict(self.profiles._profiles)
        super().commit(*committed)
        self.profiles._profiles.update(before)


class LeavesTheEvents(MemoryUnbroken):
    def commit(self, row: XPTransaction, events: Sequence[Event], *rest: Any) -> None:
        super().commit(row, events, *rest)
        self.ledger._outbox[row.transaction_id] = tuple(events), ()


class TellsBeforeItLooks(MemoryUnbroken):
    def commit(self, row: XPTransaction, events: Sequence[Event], *rest: Any) -> None:
        self.log.append(tuple(events))
        super().commit(row, events, *rest)


class RanksBeforeItLooks(MemoryUnbroken):
    def commit(self, row: XPTransaction, events: Sequence[Event], entries: Sequence[BoardEntry], now: datetime) -> None:
        self.boards.put(tuple(entries), now)
        super().commit(row, events, entries, now)


class WritesTheProfileWhole(MemoryUnbroken):
    def commit(self, row: XPTransaction, *rest: Any) -> None:
        super().commit(row, *rest)
        known = self.profiles._profiles[row.user_id].__dict__
        settings = {"leaderboard_opt_out": False, "settings_version": 0}
        self.profiles._profiles[row.user_id] = made(GamificationProfile, known | settings)


class PutsProfilesBack(MemoryUnbroken):
    def commit(self, row: XPTransaction, *rest: Any) -> None:
        super().commit(row, *rest)
        assert row.state is not None
        known = self.profiles._profiles[row.user_id].__dict__
        self.profiles._profiles[row.user_id] = made(GamificationProfile, known | row.state.__dict__)


class ForgetsLinks(MemoryUnbroken):
    def commit(self, *committed: Any) -> None:
        super().commit(*committed)
        self.ledger._linked.clear()


class IsOfOthers(MemoryUnbroken):
    @property
    def parts(self) -> Any:
        return MemoryUnbroken().parts


class IsOfNone(MemoryUnbroken):
    @property
    def parts(self) -> Any:
        return ()


BROKEN: list[type[MemoryUnbroken]] = [
    ForgetsTheLog,
    ForgetsTheBoards,
    ForgetsTheProfile,
    LeavesTheEvents,
    TellsBeforeItLooks,
    RanksBeforeItLooks,
    WritesTheProfileWhole,
    PutsProfilesBack,
    ForgetsLinks,
    IsOfOthers,
]


def storages(kind: type[MemoryUnbroken]) -> Callable[[], Backends]:
    def made_so() -> Backends:
        whole = kind()
        gamification, ledger, leaderboards, events = whole.profiles, whole.ledger, whole.boards, whole.log
        own = {"gamification": gamification, "ledger": ledger, "leaderboards": leaderboards, "events": events}
        return replace(memory_backends(), unbroken=whole, **own)

    return made_so


@pytest.mark.parametrize("kind", BROKEN, ids=[kind.__name__ for kind in BROKEN])
def test_a_step_that_leaves_something_out_is_found(kind: type[MemoryUnbroken]) -> None:
    """Positive control."""
    enter("memory")
    said = []
    for check in CHECKS:
        try:
            run(check, storages(kind))
        except AssertionError as error:
            said.append(str(error))
    assert said
    assert all(len(each) > 10 for each in said), "a check that fails says what is wrong"


class Steps(MemoryUnbroken):
    """Counts its commits."""

    count = 0

    def commit(self, *committed: Any) -> None:
        self.count += 1
        super().commit(*committed)


def taken(policy: Policy | None = None, **other: Any) -> tuple[int, TekTree]:
    """How many commits of two awards are one step, and where they were made."""
    enter("memory")
    backends = storages(Steps)()
    tek = TekTree(replace(backends, **other), policy, ManualClock(NOON))
    ada = tek.gamification.enroll("usr_ada").user_id
    for key in ("one", "two"):
        tek.gamification.award(ada, "manual", amount=5, key=key)
    assert isinstance(backends.unbroken, Steps)
    return backends.unbroken.count, tek


def test_awards_are_one_step_where_storages_can_do_so() -> None:
    count, tek = taken()
    assert count == 2
    assert tek.gamification.verify(tek.gamification.enroll("usr_ada").user_id)


@pytest.mark.parametrize(
    "events",
    [{"drain": "relay"}, {"boards": "consumer"}, {"sinks": ["stream"]}],
    ids=str,
)
def test_what_is_left_to_the_relay_is_not_done_in_one_step(events: dict[str, Any]) -> None:
    assert taken(Policy(events=events))[0] == 0  # type: ignore[arg-type] # a policy takes what it is made of


def test_what_handlers_hear_is_told_to_them_step_by_step() -> None:
    enter("memory")
    backends, heard = storages(Steps)(), []
    tek = TekTree(backends, None, ManualClock(NOON))
    tek.events.on("xp.awarded", name="hears")(lambda event: heard.append(event.event_id))
    tek.gamification.award(tek.gamification.enroll("usr_ada").user_id, "manual", amount=5)
    assert (len(heard), backends.unbroken.count) == (1, 0)  # type: ignore[union-attr]


class Elsewhere(MemoryLeaderboards):
    """Boards that a host has put in their place."""


@pytest.mark.parametrize("looks", [True, False])
def test_with_a_storage_of_the_hosts_own_it_is_step_by_step(looks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The positive control takes the step for storages that are not its own: the host's boards stay empty."""
    if not looks:
        monkeypatch.setattr(commits, "is_", lambda *_: True)
    count, tek = taken(leaderboards=Elsewhere())
    assert (count == 0) is looks
    assert bool(tek.leaderboards.top(Board.GLOBAL)) is looks


@pytest.mark.parametrize("kind", [IsOfOthers, IsOfNone])
def test_what_is_not_of_these_storages_commits_nothing(kind: type[MemoryUnbroken]) -> None:
    enter("memory")
    backends = replace(memory_backends(), unbroken=kind())
    tek = TekTree(backends, None, ManualClock(NOON))
    ada = tek.gamification.enroll("usr_ada").user_id
    tek.gamification.award(ada, "manual", amount=5)
    assert len(backends.ledger.rows(ada, 0, 9)) == 1


class LeavesNoTrace(MemoryUnbroken):
    """Its rows carry nothing, not even until the log has it."""

    def commit(self, row: XPTransaction, events: Sequence[Event], entries: Sequence[BoardEntry], now: datetime) -> None:
        self.ledger.add(row, ())
        self.log.add(events)
        self.boards.add(entries, now)
        assert row.state is not None
        self.profiles.bring(row.user_id, row.state)


STEPS = [("log", "add"), ("boards", "add"), ("ledger", "let_go"), ("profiles", "bring")]


def whole_after(kind: type[MemoryUnbroken], part: str, method: str) -> bool:
    """Whether all is as it should be when somebody presses Ctrl-C in the middle, and the user goes on."""
    backends = storages(kind)()
    tek = TekTree(backends, None, ManualClock(NOON))
    ada = tek.gamification.enroll("usr_ada").user_id
    tek.gamification.award(ada, "manual", amount=5, key="before")
    with pytest.MonkeyPatch.context() as patch:

        def pressed(*_: Any) -> None:
            raise KeyboardInterrupt

        patch.setattr(getattr(backends.unbroken, part), method, pressed)
        with pytest.raises(KeyboardInterrupt):
            tek.gamification.award(ada, "manual", amount=5, key="cut off")
    assert tek.gamification.award(ada, "manual", amount=5, key="cut off").outcome == "duplicate"
    tek.gamification.award(ada, "manual", amount=5, key="behind")
    return bool(tek.gamification.verify(ada)) and tek.gamification.profile(ada).total_xp == 15


@pytest.mark.parametrize(("part", "method"), STEPS)
def test_who_is_interrupted_in_the_middle_leaves_what_is_finished_later(part: str, method: str) -> None:
    enter("memory")
    assert whole_after(MemoryUnbroken, part, method)


def test_events_that_stand_nowhere_are_found() -> None:
    """Positive control."""
    enter("memory")
    assert not whole_after(LeavesNoTrace, "log", "add")


def test_who_looks_at_the_log_holds_up_awards_alone() -> None:
    """However long it takes to make what waits there."""
    enter("memory")
    backends = storages(MemoryUnbroken)()
    whole = backends.unbroken
    assert isinstance(whole, MemoryUnbroken)
    assert whole.log._lock not in {whole.ledger._lock, whole.boards._lock, whole.profiles._lock}
    tek = TekTree(backends, None, ManualClock(NOON))
    ada = tek.gamification.enroll("usr_ada").user_id
    tek.gamification.award(ada, "manual", amount=5)
    with whole.log._lock:
        assert tek.gamification.history(ada).items[0].amount == 5
        assert tek.leaderboards.top(Board.GLOBAL)[0].score == 5
        assert tek.gamification.set_timezone(ada, "Asia/Tokyo").timezone == "Asia/Tokyo"


def test_an_error_of_the_step_is_the_commits() -> None:
    """Nothing was given, so nothing is said to be."""

    class Away(Steps):
        def commit(self, *committed: Any) -> None:
            raise Unavailable("ledger")

    enter("memory")
    tek = TekTree(storages(Away)(), None, ManualClock(NOON))
    ada = tek.gamification.enroll("usr_ada").user_id
    with pytest.raises(Unavailable):
        tek.gamification.award(ada, "manual", amount=5)
    assert tek.gamification.profile(ada).total_xp == 0
