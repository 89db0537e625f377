"""What follows a commit may be away: the command has done what it was asked for, says so, and nothing is lost or told
twice.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest

import tektree._async.services.commits as async_commits
import tektree._async.services.handlers as async_handlers
import tektree._async.services.settings as async_settings
import tektree._sync.services.commits as sync_commits
import tektree._sync.services.handlers as sync_handlers
import tektree._sync.services.settings as sync_settings
from tektree import AsyncTekTree, BackendError, OutcomeUnknown, Policy, TekTree, Unavailable
from tektree.backends.memory import async_memory_backends, memory_backends
from tektree.catalog import Payload
from tektree.models.leaderboards import Board
from tektree.testing import Call, Fault, Faulty, ManualClock
from tests.lanes import enter
from tests.protocol.test_races import ADA, PRINCIPAL, value
from tests.protocol.worlds import NOW

FLAVOURS: dict[str, tuple[Callable[[], Any], Any]] = {
    "sync": (memory_backends, TekTree),
    "async": (async_memory_backends, AsyncTekTree),
}
FAULTS = [Fault.REFUSED, Fault.LOST]
OWING = Policy(levels={"rewards": {2: 5, 3: 6}})
COMMITS = {Call("ledger", "append"), Call("gamification", "swap")}
READS = {Call("gamification", "profile"), Call("ledger", "row")}

COMMANDS: dict[str, Callable[[Any], Any]] = {
    "award": lambda tek: tek.gamification.award(ADA, "manual", amount=7),
    "award that owes": lambda tek: tek.gamification.award(ADA, "manual", amount=499),
    "opt out": lambda tek: tek.gamification.opt_out(PRINCIPAL),
}


class BellRung(Payload, event="bell.rung", by="tower-service"):
    tower: str


class Scene:
    """One storage in which Ada has 10 XP, a process that meets a fault at a call, and somebody who hears of all."""

    def __init__(self, flavour: str, at: int | None, fault: Fault) -> None:
        make, self._kind = FLAVOURS[flavour]
        self.store, self.clock, self.heard = make(), ManualClock(NOW), list[str]()
        value(self.tek().gamification.enroll("usr_ada"))
        value(self.tek().gamification.award(ADA, "manual", amount=10))
        self.faulty = Faulty(self.store, at, fault)

    def tek(self, backends: Any = None) -> Any:
        tek = self._kind(backends or self.store, OWING, clock=self.clock)
        tek.events.register(BellRung)
        tek.events.on("*", name="ears")(lambda event: self.heard.append(event.event_id))
        return tek

    def attempted(self, command: Callable[[Any], Any]) -> Any:
        """The result of the command, or its error."""
        try:
            return value(command(self.tek(self.faulty.backends)))
        except (Unavailable, OutcomeUnknown) as error:
            return error

    def swept(self) -> None:
        """What one process left is done by the relay of another, once the first might not be at it any more."""
        self.clock.advance(timedelta(hours=1))
        value(self.tek().events.relay.run_once())

    def rows(self) -> list[Any]:
        return list(value(self.store.ledger.rows(ADA, 0, 99)))

    def is_done(self, name: str) -> bool:
        if name == "opt out":
            return bool(value(self.store.gamification.profile(ADA)).leaderboard_opt_out)
        return len([row for row in self.rows() if row.source == "manual"]) == 2

    def unfinished(self) -> Iterator[str]:
        """What is wrong once the relay has run, and the user has done something else."""
        self.swept()
        value(self.tek().gamification.award(ADA, "manual", amount=1))
        self.swept()
        if not value(self.tek().gamification.verify(ADA)):
            yield "ledger, profile, log and boards do not agree"
        profile, rows = value(self.store.gamification.profile(ADA)), self.rows()
        if profile.owed:
            yield "XP is owed"
        told = value(self.store.events.stream("user:usr_ada:xp", 0, 99))
        if len(told) != sum([row.told for row in rows]):
            yield "not all that the rows tell is told once"
        if {each.event_id for each in told} - set(self.heard):
            yield "not all that was told was heard of"
        if any(each.outbox for each in value(self.store.ledger.tail(ADA, 0, 99))):
            yield "a row still carries its events"
        if value(self.store.gamification.outbox(ADA)):
            yield "the profile still carries events"


def scenes(flavour: str, command: Callable[[Any], Any]) -> Iterator[tuple[Scene, Any]]:
    """The command with each fault at each of its calls, and what came of it."""
    for fault in FAULTS:
        at = 0
        while True:
            scene = Scene(flavour, at, fault)
            found = scene.attempted(command)
            if scene.faulty.struck is None:
                break
            yield scene, found
            at += 1
        assert at > 2


def untrue(flavour: str, name: str) -> Iterator[str]:
    """Where a command says something that is not so, or leaves what nobody finishes."""
    for scene, found in scenes(flavour, COMMANDS[name]):
        where, done = f"{scene.faulty.fault} at {scene.faulty.struck}", scene.is_done(name)
        if isinstance(found, Unavailable) and done:
            yield f"{where}: it was done, and said that nothing was"
        if isinstance(found, OutcomeUnknown) and not COMMITS.isdisjoint(scene.faulty.calls[: scene.faulty.at]):
            yield f"{where}: it was done, and said that nobody knows"
        if not isinstance(found, Exception) and not done:
            yield f"{where}: it was not done, and said that it was"
        yield from [f"{where}: {said}" for said in scene.unfinished()]


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_whose_commit_stands_says_so_and_the_rest_follows(
    flavour: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    enter("memory")
    assert list(untrue(flavour, name)) == []
    left = [each for each in caplog.records if each.name == "tektree"]
    assert {each.levelno for each in left} == {logging.WARNING}
    assert {each.getMessage().rpartition(": ")[2] for each in left} == {"unavailable", "outcome_unknown"}


def raised(error: BackendError, *_: str) -> None:
    raise error


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_raises_what_follows_is_found(flavour: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The positive control."""
    enter("memory")
    for module in (async_settings, sync_settings):
        monkeypatch.setattr(module, "left_to", lambda *_: nullcontext())
    for module in (async_commits, sync_commits):
        monkeypatch.setattr(module, "leave", raised)
    wrong = "".join(untrue(flavour, name))
    assert "it was done, and said that nothing was" in wrong
    assert "it was done, and said that nobody knows" in wrong


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_repetition_while_boards_are_away_hears_of_the_first_one(flavour: str) -> None:
    enter("memory")

    def award(tek: Any) -> Any:
        return tek.gamification.award(ADA, "manual", amount=7, key="once")

    for scene, found in scenes(flavour, award):
        if isinstance(found, Exception):
            continue
        at = 0
        while True:
            struck = Faulty(scene.store, at, Fault.REFUSED)
            try:
                repeated = value(award(scene.tek(struck.backends)))
            except Unavailable:
                assert struck.struck in {
                    Call("gamification", "profile"),
                    Call("ledger", "row"),
                    Call("ledger", "append"),
                }
            else:
                assert (repeated.transaction, repeated.profile.total_xp) == (found.transaction, 17)
            if struck.struck is None:
                break
            at += 1


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("looks", [True, False])
def test_who_changes_settings_next_takes_off_the_boards_who_had_opted_out(
    flavour: str, looks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before what they left is told: then nobody would come to do it. The positive control does not look."""
    enter("memory")
    found = [scene for scene, _ in scenes(flavour, COMMANDS["opt out"]) if scene.faulty.fault is Fault.REFUSED]
    [scene] = [each for each in found if each.faulty.struck == Call("leaderboards", "hide")]
    tek = scene.tek()
    assert value(tek.leaderboards.rank(Board.GLOBAL, "usr_ada")) is not None
    if not looks:
        for module in (async_settings, sync_settings):
            monkeypatch.setattr(module, "any", lambda _: False, raising=False)
    value(tek.gamification.set_timezone(ADA, "Asia/Tokyo"))
    scene.swept()
    assert (value(tek.leaderboards.rank(Board.GLOBAL, "usr_ada")) is None) is looks


def unsaid(flavour: str) -> Iterator[str]:
    """Where who emits an event is told something that is not so, or somebody does not hear of it."""
    for scene, found in scenes(flavour, lambda tek: tek.events.emit(BellRung(tower="north"))):
        told = value(scene.tek().events.log(event_type="bell.rung")).items
        if isinstance(found, Unavailable) and told:
            yield f"{scene.faulty.struck}: it is in the log, and was said not to be"
        if not isinstance(found, Exception) and not told:
            yield f"{scene.faulty.struck}: it is not in the log"
        scene.swept()
        if {each.event_id for each in told} - set(scene.heard):
            yield f"{scene.faulty.struck}: it was not heard of"


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_who_emits_an_event_that_is_in_the_log_is_not_told_that_it_is_not(
    flavour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or they would tell it again. The positive control lets storage break off."""
    enter("memory")
    assert list(unsaid(flavour)) == []
    for module in (async_handlers, sync_handlers):
        monkeypatch.setattr(module, "left_to", lambda *_: nullcontext())
    assert any("was said not to be" in each for each in unsaid(flavour))


@pytest.mark.parametrize("leaves", [True, False])
def test_lines_behind_one_that_broke_off_are_left_to_the_relay_as_well(
    leaves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same process, too. The positive control keeps them for itself, and never comes to them."""
    enter("memory")
    elsewhere = TekTree.in_memory(clock=ManualClock(NOW))
    events = [elsewhere.events.emit(BellRung(tower=tower)) for tower in ("north", "south")]
    scene = Scene("sync", None, Fault.REFUSED)
    tek = scene.tek(scene.faulty.backends)
    handlers: Any = tek.events._handlers
    to = [("ears",)] * 2
    scene.store.events.append(events, handlers.posting(to, NOW))
    lines = handlers.queue(events, to)
    if not leaves:
        monkeypatch.setattr(handlers, "leave", lambda _: None)
    scene.faulty.at = len(scene.faulty.calls)
    handlers.run(lines)
    assert scene.faulty.struck is not None
    scene.clock.advance(timedelta(hours=1))
    tek.events.relay.run_once()
    assert ({each.event_id for each in events} <= set(scene.heard)) is leaves
