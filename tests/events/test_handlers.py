"""Handlers: who is called with what, in which order, and what becomes of a call that fails."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tektree import (
    AsyncTekTree,
    Board,
    ConfigurationError,
    EntityRef,
    IdempotencyConflict,
    InvalidInput,
    InvalidTransition,
    NotFound,
    Principal,
    TekTree,
)
from tektree._sync.services import handlers
from tektree.catalog import Payload
from tektree.models.events import Event, Swept
from tektree.models.payloads import (
    LevelUp,
    QuestionAsked,
    QuestionUpvoted,
    QuestionVoteRemoved,
    UserReinstated,
    UserSuspended,
    XPAwarded,
)
from tektree.policy import Events, Policy
from tektree.testing.ids import SeededIds
from tests.lanes import enter

NOON = datetime(2025, 12, 16, 12, tzinfo=UTC)
QUESTION = "65f0c0ffee65f0c0ffee65f0"


class QuizPassed(Payload, event="quiz.passed", by="quiz-service", stream="quiz:{quiz_id}"):
    user_id: str
    quiz_id: str
    score: int = 0


class QuizSeen(Payload, event="quiz.seen", by="quiz-service"):
    user_id: str
    quiz_id: str


@dataclass
class World:
    """A TekTree with a clock that is moved by hand, and a user."""

    policy: Policy = field(default_factory=Policy)
    now: datetime = NOON
    tek: TekTree = field(init=False)
    user: str = field(init=False)

    def __post_init__(self) -> None:
        self.tek = TekTree.in_memory(policy=self.policy, clock=lambda: self.now, ids=SeededIds(0))
        self.tek.events.register(QuizPassed, QuizSeen)
        self.user = self.tek.gamification.enroll("usr_ada").user_id

    def pass_quiz(self, score: int, quiz: str = "q1") -> Event:
        return self.tek.events.emit(QuizPassed(user_id="usr_ada", quiz_id=quiz, score=score))

    def run(self, after: float = 0) -> Any:
        self.now += timedelta(seconds=after)
        return self.tek.events.relay.run_once()


@pytest.fixture
def world() -> World:
    enter("memory")
    return World()


class Flaky:
    """Fails so often for each score, and then takes it."""

    def __init__(self, failures: dict[int, int]) -> None:
        self.failures = failures
        self.taken: list[int] = []
        self.calls: list[int] = []

    def __call__(self, passed: QuizPassed) -> None:
        self.calls.append(passed.score)
        if self.failures.get(passed.score, 0) > 0:
            self.failures[passed.score] -= 1
            raise RuntimeError(f"secret: {passed.user_id}")
        self.taken.append(passed.score)


# -- who is called with what -------------------------------------------------------------------------------------------


def test_a_handler_gets_the_event_of_its_type(world: World) -> None:
    seen: list[Event] = []

    @world.tek.events.on("xp.awarded")
    def heard(event: Event) -> None:
        seen.append(event)

    result = world.tek.gamification.award(world.user, "manual", amount=5)
    assert seen == [event for event in result.events if event.event_type == "xp.awarded"]


def test_a_handler_of_a_payload_gets_it_typed_and_the_event_too_if_it_asks(world: World) -> None:
    payloads: list[object] = []
    both: list[tuple[object, object]] = []
    world.tek.events.on(LevelUp, name="one")(payloads.append)

    @world.tek.events.on(LevelUp)
    def two(payload: LevelUp, event: Event) -> None:
        both.append((payload, event))

    world.tek.gamification.award(world.user, "manual", amount=500)
    assert [type(each) for each in payloads] == [LevelUp]
    assert [(type(payload), type(event)) for payload, event in both] == [(LevelUp, Event)]


def test_patterns(world: World) -> None:
    everything: list[str] = []
    levels: list[str] = []
    world.tek.events.on("*", name="everything")(lambda event: everything.append(event.event_type))
    world.tek.events.on("level.*", name="levels")(lambda event: levels.append(event.event_type))
    world.tek.gamification.award(world.user, "manual", amount=500)
    assert levels == ["level.up"]
    assert {"xp.awarded", "level.up", "achievement.unlocked"} <= set(everything)


def test_async_handlers_and_plain_ones() -> None:
    enter("memory")
    asyncio.run(_async_handlers_and_plain_ones())


async def _async_handlers_and_plain_ones() -> None:
    tek = AsyncTekTree.in_memory()
    user = (await tek.gamification.enroll("usr_ada")).user_id
    seen: list[str] = []

    @tek.events.on("xp.awarded")
    async def awaited(event: Event) -> None:
        seen.append("awaited")

    @tek.events.on("xp.awarded")
    def plain(event: Event) -> None:
        seen.append("plain")

    await tek.gamification.award(user, "manual", amount=5)
    assert seen == ["awaited", "plain"]


def test_they_are_called_behind_the_commit_in_the_order_of_registration(world: World) -> None:
    order: list[tuple[str, int]] = []
    for name in ("b", "a", "c"):

        def heard(event: Event, name: str = name) -> None:
            order.append((name, world.tek.gamification.profile(world.user).total_xp))

        world.tek.events.on("xp.awarded", name=name)(heard)
    world.tek.gamification.award(world.user, "manual", amount=5)
    assert order == [("b", 5), ("a", 5), ("c", 5)]


def test_a_handler_may_award_the_same_user(world: World) -> None:
    """It runs outside of the user's lock, and what it causes on the same line is delivered after it."""
    order: list[tuple[str, int]] = []

    @world.tek.events.on(XPAwarded)
    def bonus(payload: XPAwarded) -> None:
        order.append(("begin", payload.total_xp))
        if payload.total_xp < 15:
            world.tek.gamification.award(world.user, "manual", amount=5)
        order.append(("end", payload.total_xp))

    world.tek.gamification.award(world.user, "manual", amount=5)
    assert order == [("begin", 5), ("end", 5), ("begin", 10), ("end", 10), ("begin", 15), ("end", 15)]
    assert world.tek.gamification.verify(world.user)


def test_threads_keep_the_order_of_a_stream(world: World) -> None:
    seen: list[int] = []
    world.tek.events.on("xp.awarded", name="seq")(lambda event: seen.append(event.metadata["seq"]))

    def work() -> None:
        for _ in range(20):
            world.tek.gamification.award(world.user, "manual", amount=1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    world.run()
    assert seen == sorted(seen)
    assert len(seen) == 160


def test_what_is_off_is_not_called(world: World) -> None:
    seen: list[Event] = []

    @world.tek.events.on("xp.awarded")
    def heard(event: Event) -> None:
        seen.append(event)

    world.tek.events.off(heard)
    world.tek.gamification.award(world.user, "manual", amount=5)
    assert seen == []
    with pytest.raises(InvalidInput, match="no handler that is registered"):
        world.tek.events.off(heard)


def test_a_duplicate_command_tells_nothing(world: World) -> None:
    seen: list[Event] = []
    world.tek.events.on("*", name="all")(seen.append)
    world.tek.gamification.award(world.user, "manual", amount=5, key="once")
    before = len(seen)
    again = world.tek.gamification.award(world.user, "manual", amount=5, key="once")
    assert (again.outcome, len(seen)) == ("duplicate", before)
    first = world.tek.events.emit(QuizSeen(user_id="usr_ada", quiz_id="q"), key="k")
    before = len(seen)
    assert world.tek.events.emit(QuizSeen(user_id="usr_ada", quiz_id="q"), key="k") == first
    assert len(seen) == before
    with pytest.raises(IdempotencyConflict):
        world.tek.events.emit(QuizSeen(user_id="usr_ada", quiz_id="other"), key="k")


# -- what fails --------------------------------------------------------------------------------------------------------


def test_a_handler_that_raises_neither_undoes_nor_hides_the_command(world: World) -> None:
    @world.tek.events.on("xp.awarded")
    def broken(event: Event) -> None:
        raise ValueError("no")

    result = world.tek.gamification.award(world.user, "manual", amount=5)
    assert (result.outcome, result.profile.total_xp) == ("granted", 5)
    assert world.tek.gamification.profile(world.user).total_xp == 5


def test_one_that_raises_once_gets_it_again_and_the_others_are_served_at_once(world: World) -> None:
    flaky, others = Flaky({1: 1}), Flaky({})
    world.tek.events.on(QuizPassed, name="flaky")(flaky)
    world.tek.events.on(QuizPassed, name="others")(others)
    world.pass_quiz(1)
    assert (flaky.taken, others.taken) == ([], [1])
    assert world.run(1).delivered == 1
    assert flaky.taken == [1]
    assert world.run(60) == Swept(0, 0, 0, 0, 0)
    assert world.tek.events.dead_letters.list().items == ()


def test_what_comes_behind_waits_and_other_lines_go_on(world: World) -> None:
    flaky = Flaky({1: 2})
    world.tek.events.on(QuizPassed, name="flaky")(flaky)
    world.pass_quiz(1)
    world.pass_quiz(2)
    world.pass_quiz(9, quiz="other")
    assert flaky.taken == [9]
    assert world.run().failed == 1
    assert world.run().delivered == 2
    assert flaky.taken == [9, 1, 2]
    assert flaky.calls == [1, 9, 1, 1, 2], "those behind burn no attempts"


def test_due_only_waits_for_its_time(world: World) -> None:
    """1 s after the first failure, then twice as long each time."""
    flaky = Flaky({1: 3})
    world.tek.events.on(QuizPassed, name="flaky")(flaky)
    world.pass_quiz(1)
    tries = []
    for second in range(1, 9):
        world.now = NOON + timedelta(seconds=second)
        before = len(flaky.calls)
        world.tek.events.relay.run_once(due_only=True)
        if len(flaky.calls) > before:
            tries.append(second)
    assert tries == [1, 3, 7]


@pytest.mark.parametrize(
    ("on_failure", "taken"), [("skip", [2, 9]), ("park", [9]), ("halt", [])], ids=["skip", "park", "halt"]
)
def test_after_n_attempts_it_is_a_dead_letter(on_failure: Any, taken: list[int]) -> None:
    enter("memory")
    world = World()
    broken = Flaky({1: 99})
    world.tek.events.on(QuizPassed, name="broken", on_failure=on_failure, attempts=3)(broken)
    event = world.pass_quiz(1)
    for _ in range(2):
        world.run(60)
    (dead,) = world.tek.events.dead_letters.list().items
    assert (dead.handler, dead.event, dead.attempts) == ("broken", event, 3)
    assert dead.reason.startswith("RuntimeError at tests.events.test_handlers:")
    world.pass_quiz(2)
    world.pass_quiz(9, quiz="other")
    for _ in range(5):
        world.run(3_600)
    assert broken.taken == taken
    assert broken.calls.count(1) == 3
    told = world.tek.events.log(event_type="event.dead_lettered").items
    assert [each.payload["event_id"] for each in told] == [event.event_id]


@pytest.mark.parametrize("on_failure", ["park", "halt"])
def test_redrive_hands_it_over_again_and_the_line_resumes_in_order(on_failure: Any) -> None:
    enter("memory")
    world = World()
    broken = Flaky({1: 2})
    world.tek.events.on(QuizPassed, name="broken", on_failure=on_failure, attempts=2)(broken)
    for score in (1, 2, 3):
        world.pass_quiz(score)
    world.run(60)
    (dead,) = world.tek.events.dead_letters.list(handler="broken").items
    world.run(60)
    assert broken.taken == []
    world.tek.events.dead_letters.redrive(dead.id)
    assert broken.taken == [1, 2, 3]
    assert world.tek.events.dead_letters.list().items == ()
    assert world.tek.events.log(event_type="event.redriven").items[0].payload["handler"] == "broken"
    with pytest.raises(NotFound):
        world.tek.events.dead_letters.redrive(dead.id)


def test_discard_gives_it_up_and_the_line_goes_on(world: World) -> None:
    broken = Flaky({1: 99})
    world.tek.events.on(QuizPassed, name="broken", on_failure="park", attempts=1)(broken)
    world.pass_quiz(1)
    world.pass_quiz(2)
    (dead,) = world.tek.events.dead_letters.list().items
    world.tek.events.dead_letters.discard(dead.id)
    assert broken.taken == [2]
    with pytest.raises(NotFound):
        world.tek.events.dead_letters.discard(dead.id)


def test_dead_letters_come_in_pages(world: World) -> None:
    broken = Flaky(dict.fromkeys(range(10), 99))
    world.tek.events.on(QuizPassed, name="broken", attempts=1)(broken)
    for score in range(10):
        world.pass_quiz(score)
    page = world.tek.events.dead_letters.list(limit=4)
    found = list(page.items)
    while page.next:
        page = world.tek.events.dead_letters.list(after=page.next, limit=4)
        found += page.items
    assert sorted([each.event.payload.get("score", 0) for each in found]) == list(range(10))


def test_a_handler_of_dead_letters_that_fails_goes_on_for_ever_nowhere(world: World) -> None:
    world.tek.events.on("*", name="broken", attempts=1)(lambda event: 1 / 0)
    world.pass_quiz(1)
    for _ in range(5):
        world.run(60)
    assert len(world.tek.events.log(event_type="event.dead_lettered").items) == 1


def test_a_handler_that_is_not_here_keeps_its_deliveries(world: World) -> None:
    """Registered again under its name, in this process or another, it gets what it is due."""
    broken = Flaky({1: 1})
    world.tek.events.on(QuizPassed, name="mine")(broken)
    world.pass_quiz(1)
    world.tek.events.off("mine")
    assert world.run(60) == Swept(0, 0, 0, 0, 1)
    world.tek.events.on(QuizPassed, name="mine")(broken)
    assert world.run(60).delivered == 1


# -- left to the relay -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("events", [Events(deliver="relay"), Events(drain="relay", deliver="relay")], ids=repr)
def test_what_is_left_to_the_relay_is_done_by_it(events: Events) -> None:
    enter("memory")
    world = World(Policy(events=events))
    seen: list[int] = []
    world.tek.events.on("xp.awarded", name="seq")(lambda event: seen.append(event.metadata["seq"]))
    for _ in range(3):
        world.tek.gamification.award(world.user, "manual", amount=5)
    world.tek.gamification.opt_out(Principal(world.user, "usr_ada"))
    assert seen == []
    assert world.tek.gamification.verify(world.user), "events that wait on their rows are no divergence"
    swept = world.run()
    assert len(seen) == 3
    assert seen == sorted(seen)
    assert swept.delivered == 3
    assert world.run() == Swept(0, 0, 0, 0, 0)


# -- mistakes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("register", "field"),
    [
        (lambda on: on("no.such"), "event_type"),
        (lambda on: on("nothing.*"), "event_type"),
        (lambda on: on(5), "event_type"),
        (lambda on: on("xp.awarded", on_failure="explode"), "on_failure"),
        (lambda on: on("xp.awarded", attempts=0), "attempts"),
        (lambda on: on("xp.awarded", attempts=True), "attempts"),
        (lambda on: on("xp.awarded", emits=["no.such"]), "event_type"),
        (lambda on: on("xp.awarded", name="")(print), "name"),
        (lambda on: on("xp.awarded")("no function"), "handler"),
    ],
)
def test_a_mistake_in_registering_is_said(world: World, register: Callable[[Any], object], field: str) -> None:
    with pytest.raises((InvalidInput, ConfigurationError)) as raised:
        register(world.tek.events.on)
    assert raised.value.field == field


def test_an_async_handler_of_the_sync_flavour_is_refused(world: World) -> None:
    with pytest.raises(ConfigurationError, match="AsyncTekTree"):

        @world.tek.events.on("xp.awarded")
        async def heard(event: Event) -> None:
            pass


def test_one_name_is_one_handler(world: World) -> None:
    world.tek.events.on("xp.awarded", name="x")(print)
    with pytest.raises(ConfigurationError, match="registered already"):
        world.tek.events.on("level.up", name="x")(print)


@pytest.mark.parametrize(
    "payload",
    [None, "text", {"user_id": "usr_ada"}, XPAwarded, 5],
)
def test_only_payloads_are_emitted(world: World, payload: Any) -> None:
    with pytest.raises(InvalidInput):
        world.tek.events.emit(payload)


def test_what_the_package_tells_is_told_by_nobody_else(world: World) -> None:
    with pytest.raises(InvalidInput, match="by the package alone"):
        world.tek.events.emit(LevelUp(user_id="usr_ada", old_level=1, new_level=99, total_xp=0, xp_to_next_level=1))


# -- circles -----------------------------------------------------------------------------------------------------------


def test_a_circle_of_handlers_is_found_when_it_is_built(world: World) -> None:
    world.tek.events.on("quiz.passed", name="a", emits=["quiz.seen"])(print)
    with pytest.raises(ConfigurationError, match=r"quiz\.seen → b → quiz\.passed → a → quiz\.seen|quiz\.passed → a"):
        world.tek.events.on("quiz.seen", name="b", emits=["quiz.passed"])(print)


@pytest.mark.parametrize("event_type", ["xp.awarded", "level.up", "streak.extended", "achievement.unlocked"])
def test_xp_that_makes_xp_is_found(event_type: str) -> None:
    enter("memory")
    with pytest.raises(ConfigurationError, match="circle"):
        TekTree.in_memory(policy=Policy(reactions={event_type: "answer_posted"}))


def test_a_circle_that_nobody_declared_ends(world: World) -> None:
    """After 32 events that caused one another; however often it is tried again."""

    @world.tek.events.on(QuizPassed, name="again", attempts=2)
    def again(passed: QuizPassed) -> None:
        world.pass_quiz(passed.score + 1, quiz=str(passed.score + 1))

    world.pass_quiz(0, quiz="0")
    for _ in range(5):
        world.run(60)
    assert len(world.tek.events.log(event_type="quiz.passed", limit=100).items) == 33
    (dead,) = world.tek.events.dead_letters.list().items
    assert dead.reason.startswith("ConfigurationError")


# -- reactions ---------------------------------------------------------------------------------------------------------


def upvoted(voter: str, previous: Any = 0) -> QuestionUpvoted:
    return QuestionUpvoted(user_id="usr_ada", question_id=QUESTION, voter_id=voter, value=1, previous=previous)


def withdrawn(voter: str) -> QuestionVoteRemoved:
    return QuestionVoteRemoved(user_id="usr_ada", question_id=QUESTION, voter_id=voter, value=0, previous=1)


def asked() -> QuestionAsked:
    return QuestionAsked(user_id="usr_ada", question_id=QUESTION, slug="why", areas=(), tags=(), visibility="public")


def test_an_event_awards_what_the_table_says_once(world: World) -> None:
    world.tek.events.emit(asked())
    assert world.tek.gamification.profile(world.user).total_xp == 5
    world.tek.events.emit(asked())
    assert world.tek.gamification.profile(world.user).total_xp == 5
    row = world.tek.gamification.history(world.user).items[0]
    assert row.cause == world.tek.events.log(event_type="question.asked").items[1].event_id
    result = world.tek.gamification.award(world.user, "question_asked", about=EntityRef("question", QUESTION))
    assert result.outcome == "duplicate", "the key is that of a direct award"


def test_two_voters_are_two_awards_one_voter_twice_is_one_and_nobody_votes_for_themselves(world: World) -> None:
    for voter in ("usr_bob", "usr_cat", "usr_bob", "usr_ada"):
        world.tek.events.emit(upvoted(voter))
    assert world.tek.gamification.profile(world.user).total_xp == 20


def test_a_vote_that_comes_and_goes_never_earns_more_than_the_first(world: World) -> None:
    for _ in range(100):
        world.tek.events.emit(upvoted("usr_bob"))
        assert world.tek.gamification.profile(world.user).total_xp == 10
        world.tek.events.emit(withdrawn("usr_bob"))
        assert world.tek.gamification.profile(world.user).total_xp == 0
    assert world.tek.gamification.verify(world.user)


def test_an_event_that_is_delivered_again_later_changes_nothing(world: World) -> None:
    """A vote that was withdrawn since does not count again because its event is seen a second time."""
    first = world.tek.events.emit(upvoted("usr_bob"))
    world.tek.events.emit(withdrawn("usr_bob"))
    handlers: Any = world.tek.events._handlers
    for name in handlers.recipients("question.upvoted"):
        handlers.call(handlers.named(name), first)
    assert world.tek.gamification.profile(world.user).total_xp == 0


def test_a_reaction_that_fails_is_owed_and_its_line_waits(world: World) -> None:
    """The user is not enrolled yet; enrolled, they get it in the end."""
    world.tek.events.emit(QuestionAsked(**{**asked().model_dump(), "user_id": "usr_eve"}))
    world.tek.events.emit(
        QuestionUpvoted(user_id="usr_eve", question_id=QUESTION, voter_id="usr_bob", value=1, previous=0)
    )
    eve = world.tek.gamification.enroll("usr_eve").user_id
    world.run(60)
    assert world.tek.gamification.profile(eve).total_xp == 15


def test_a_host_adds_its_own() -> None:
    enter("memory")
    policy = Policy(
        xp={"sources": {**Policy().xp.sources, "quiz_passed": {"amount": 7, "own": True}}},
        reactions={**Policy().reactions, "quiz.passed": "quiz_passed"},
    )
    world = World(policy)
    world.pass_quiz(1)
    world.pass_quiz(2)
    assert world.tek.gamification.profile(world.user).total_xp == 7, "once for each quiz"
    assert Policy.from_toml(policy.to_toml()) == policy


def test_suspension_hides_and_reinstatement_shows(world: World) -> None:
    world.tek.gamification.award(world.user, "manual", amount=5)
    ada = Principal(world.user, "usr_ada")
    world.tek.events.emit(UserSuspended(user_id="usr_ada", reason="spam"))
    assert world.tek.leaderboards.top(Board.GLOBAL) == []
    with pytest.raises(InvalidTransition, match="suspended"):
        world.tek.gamification.opt_in(ada)
    world.tek.events.emit(UserReinstated(user_id="usr_ada", reason="it was none"))
    assert len(world.tek.leaderboards.top(Board.GLOBAL)) == 1


def test_what_a_user_features_is_told(world: World) -> None:
    world.tek.gamification.award(world.user, "manual", amount=5)
    ada = Principal(world.user, "usr_ada")
    world.tek.gamification.feature_achievements(ada, ["ach_first_steps"])
    world.tek.gamification.feature_achievements(ada, ["ach_first_steps"])
    told = world.tek.events.log(event_type="achievement.featured").items
    assert [event.payload["featured"] for event in told] == [("ach_first_steps",)]


@pytest.mark.parametrize(
    "payload",
    [
        QuizPassed(user_id="usr_ada", quiz_id="q" * 300),
        QuizPassed(user_id="usr_ada", quiz_id="q", score=2**63),
        QuizSeen(user_id="usr_ada", quiz_id="q" * 20_000),
        QuizSeen(user_id="usr_ada", quiz_id="a\0b"),
        QuizSeen.model_construct(user_id="usr_ada", quiz_id="\ud800"),
    ],
    ids=["a long stream", "a large number", "a long text", "NUL", "half of a pair"],
)
def test_what_no_event_can_hold(world: World, payload: Payload) -> None:
    with pytest.raises(InvalidInput):
        world.tek.events.emit(payload)
    assert world.tek.events.log().items == ()


def test_who_is_registered_while_an_award_finds_out_who_hears_is_heard_of_by_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was found before the registration is forgotten with it, also where it was not written down yet."""
    enter("memory")
    tek, heard, registered, wants = TekTree.in_memory(clock=lambda: NOON), list[Event](), list[str](), handlers._wants
    ada = tek.gamification.enroll("usr_ada").user_id
    tek.events.on("question.*", name="other")(lambda _: None)

    def late(patterns: tuple[str, ...], event_type: str) -> bool:
        found = wants(patterns, event_type)
        if event_type == "xp.awarded" and not registered:
            registered.append("late")
            tek.events.on("xp.awarded", name="late")(heard.append)
        return found

    monkeypatch.setattr(handlers, "_wants", late)
    tek.gamification.award(ada, "manual", amount=1)
    assert heard == []
    tek.gamification.award(ada, "manual", amount=1)
    assert len(heard) == 1
