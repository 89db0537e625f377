"""Both flavours, step by step: the same commands at the same moments give the same results, errors and ledgers.

The sync flavour is generated, so they differ in nothing that is written; this shows it of what runs. Beside them goes a
model that only knows totals and the cap.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from tektree import AsyncTekTree, AwardResult, Board, EntityRef, Outcome, Principal, TekTree, TekTreeError
from tektree.errors import facts
from tektree.models.gamification import XPTransaction
from tektree.policy import Policy
from tektree.testing import ManualClock, SeededIds, strategies
from tests.lanes import enter

CAP = 100
POLICY = Policy(
    xp={"daily_cap": CAP, "sources": {"answer_posted": {"cooldown_seconds": 60, "per_day": 3}}},
    levels={"rewards": {2: 20}},
)
USERS = ("usr_ada", "usr_bob", "usr_eve")
AMOUNTS = st.sampled_from([1, 7, 30, CAP - 1, CAP, CAP + 1, 2**53])
SOURCES = st.sampled_from(["answer_posted", "question_downvoted", "email_verified", "insight_liked", "no_such_source"])
KEYS = st.sampled_from(["k1", "k2", "k3", "", "~k"]) | st.none()
STEPS = st.sampled_from([timedelta(seconds=s) for s in (0, 59, 3600, 86_399, 86_400, 3 * 86_400, 9 * 86_400, -7200)])
LATE = st.sampled_from([None, *[timedelta(hours=h) for h in (-1, 0, 20, 49, 300)]])


class Model:
    """Totals and caps of manual awards, told in a few lines. A day never moves back."""

    def __init__(self) -> None:
        self.day, self.used, self.total = "", 0, 0

    def award(self, at: datetime, timezone: str, amount: int) -> int:
        day = max(self.day, at.astimezone(ZoneInfo(timezone)).date().isoformat())
        if day != self.day:
            self.day, self.used = day, 0
        granted = min(amount, CAP - self.used)
        self.used += granted
        return granted


class Twins(RuleBasedStateMachine):
    """One sync and one async TekTree, each over memory of its own, on one clock."""

    rows = Bundle("rows")

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.sync = TekTree.in_memory(POLICY, self.clock, SeededIds("twins"))
        self.other = AsyncTekTree.in_memory(POLICY, self.clock, SeededIds("twins"))
        self.runner = asyncio.Runner()
        self.ids: dict[str, str] = {}
        self.models = {uid: Model() for uid in USERS}

    def teardown(self) -> None:
        self.runner.close()

    def both(self, call: Callable[[Any], Any]) -> Any:
        """What both come to, which must be the same; a typed error comes back as its facts."""
        ours, theirs = _outcome(lambda: call(self.sync)), self.runner.run(_async_outcome(lambda: call(self.other)))
        assert ours == theirs
        if isinstance(ours, AwardResult):
            assert ours.explanation == theirs.explanation
        return ours

    def moved(self, uid: str, result: Any) -> Any:
        """Keeps the model's total: what the rows say that were written now."""
        self.models[uid].total = self.sync.gamification.profile(self.ids[uid]).total_xp
        row = result.transaction if isinstance(result, AwardResult) else None
        return multiple() if row is None else row

    @initialize(zones=st.tuples(*[strategies.zones() for _ in USERS]))
    def enrol(self, zones: tuple[str, ...]) -> None:
        for uid, zone in zip(USERS, zones, strict=True):
            self.ids[uid] = self.both(
                lambda tek, uid=uid, zone=zone: tek.gamification.enroll(uid, timezone=zone)
            ).user_id

    @rule(by=STEPS)
    def time_goes_by(self, by: timedelta) -> None:
        self.clock.advance(by)

    @rule(target=rows, uid=st.sampled_from(USERS), amount=AMOUNTS, key=KEYS, late=LATE)
    def award_an_amount(self, uid: str, amount: int, key: str | None, late: timedelta | None) -> Any:
        user, before = self.ids[uid], self.sync.gamification.profile(self.ids[uid])
        at = None if late is None else self.clock.now - late
        result = self.both(lambda tek: tek.gamification.award(user, "manual", amount=amount, key=key, at=at))
        if isinstance(result, AwardResult) and result.outcome in {Outcome.GRANTED, Outcome.CLAMPED}:
            model = self.models[uid]
            row = result.transaction
            assert row is not None
            expected = model.award(row.timestamp, before.timezone, amount)
            assert result.amount == expected
            assert (result.outcome is Outcome.CLAMPED) is (expected < amount)
            assert row.daily_total == model.used <= CAP
        return self.moved(uid, result)

    @rule(target=rows, uid=st.sampled_from(USERS), source=SOURCES, about=st.integers(0, 3), late=LATE)
    def award_a_source(self, uid: str, source: str, about: int, late: timedelta | None) -> Any:
        at = None if late is None else self.clock.now - late
        ref = EntityRef("answer", str(about)) if about else None
        result = self.both(lambda tek: tek.gamification.award(self.ids[uid], source, about=ref, at=at))
        self._follow(uid)
        return self.moved(uid, result)

    @rule(target=rows, uid=st.sampled_from(USERS), late=LATE)
    def record_activity(self, uid: str, late: timedelta | None) -> Any:
        at = None if late is None else self.clock.now - late
        result = self.both(lambda tek: tek.gamification.record_activity(self.ids[uid], at=at))
        self._follow(uid)
        return self.moved(uid, result)

    @rule(uid=st.sampled_from(USERS), n=st.sampled_from([0, 1, 5, 1000, 1001]), key=st.sampled_from(["f1", "f2", ""]))
    def grant_freezes(self, uid: str, n: int, key: str) -> None:
        self.both(lambda tek: tek.gamification.grant_freezes(self.ids[uid], n, key))
        self._follow(uid)

    @rule(target=rows, row=rows, key=KEYS, reason=st.sampled_from(["why", " "]), restoring=st.booleans())
    def turn(self, row: XPTransaction, key: str | None, reason: str, restoring: bool) -> Any:
        name = "restore" if restoring else "reverse"
        result = self.both(lambda tek: getattr(tek.gamification, name)(row.transaction_id, reason, key=key))
        uid = next(uid for uid, id in self.ids.items() if id == row.user_id)
        self._follow(uid)
        return self.moved(uid, result)

    @rule(row=consumes(rows))
    def explain(self, row: XPTransaction) -> None:
        self.both(lambda tek: tek.gamification.explain(row.transaction_id))

    @rule(uid=st.sampled_from(USERS), zone=strategies.zones() | st.just("Mars/Base"))
    def move(self, uid: str, zone: str) -> None:
        self.both(lambda tek: tek.gamification.set_timezone(self.ids[uid], zone))

    @rule(uid=st.sampled_from(USERS), hidden=st.booleans())
    def opt(self, uid: str, hidden: bool) -> None:
        principal = Principal(id=self.ids[uid], uid=uid)
        self.both(lambda tek: (tek.gamification.opt_out if hidden else tek.gamification.opt_in)(principal))

    @rule(uid=st.sampled_from(USERS), ids=st.lists(st.sampled_from(["ach_first_steps", "ach_none"]), max_size=2))
    def feature(self, uid: str, ids: list[str]) -> None:
        principal = Principal(id=self.ids[uid], uid=uid)
        self.both(lambda tek: tek.gamification.feature_achievements(principal, ids))

    @rule(one=st.booleans())
    def rebuild(self, one: bool) -> None:
        self.both(lambda tek: tek.gamification.rebuild(self.ids["usr_ada"] if one else None))
        self.both(lambda tek: tek.leaderboards.rebuild(Board.weekly(self.clock.now)))

    @rule()
    def ask_for_a_stranger(self) -> None:
        self.both(lambda tek: tek.gamification.profile("f" * 24))

    def _follow(self, uid: str) -> None:
        """What other sources took of the day, as the ledger has it; the model goes on from there."""
        profile = self.sync._backends.gamification.profile(self.ids[uid])
        assert profile is not None
        model = self.models[uid]
        model.day, model.used = profile.day or "", profile.daily_xp_earned

    @invariant()
    def ledgers_are_equal_and_add_up(self) -> None:
        for uid, user in self.ids.items():
            page = self.both(lambda tek, user=user: tek.gamification.history(user, limit=100))
            profile = self.both(lambda tek, user=user: tek.gamification.profile(user))
            if page.next is None:
                assert profile.total_xp == sum([row.amount for row in page.items]) == self.models[uid].total
            assert self.both(lambda tek, user=user: tek.gamification.verify(user))
            stream = f"user:{uid}:xp"
            assert self.both(lambda tek, stream=stream: tek._backends.events.stream(stream, 0, 10_000)) is not None

    @invariant()
    def boards_are_equal_and_right(self) -> None:
        places = self.both(lambda tek: tek.leaderboards.top(Board.GLOBAL))
        profiles = [self.sync.gamification.profile(user) for user in self.ids.values()]
        shown = {each.uid: each.total_xp for each in profiles if each.total_xp > 0 and not each.leaderboard_opt_out}
        assert {place.uid: place.score for place in places} == shown
        assert [place.rank for place in places] == list(range(1, len(shown) + 1))
        for uid in self.ids:
            self.both(lambda tek, uid=uid: tek.leaderboards.rank(Board.weekly(self.clock.now), uid))
            self.both(lambda tek, uid=uid: tek.leaderboards.around(Board.GLOBAL, uid, 1))


def _told(error: TekTreeError) -> tuple[type, str, dict[str, object]]:
    return type(error), str(error), dict(facts(error))


def _outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except TekTreeError as error:
        return _told(error)


async def _async_outcome(call: Callable[[], Awaitable[Any]]) -> Any:
    try:
        return await call()
    except TekTreeError as error:
        return _told(error)


class TestTwins(Twins.TestCase):  # type: ignore[name-defined,misc]
    """Hypothesis runs the machine."""

    settings = settings(max_examples=40, stateful_step_count=25)

    def setUp(self) -> None:
        enter("memory")


def test_the_machine_notices_a_twin_that_differs() -> None:
    """By one XP, by an error, by its text: each is seen."""
    machine = Twins()
    try:
        machine.enrol(("UTC",) * 3)
        machine.clock.set(datetime(2026, 1, 1, tzinfo=UTC))
        seen = []
        for call in (
            lambda tek: tek.gamification.award(machine.ids["usr_ada"], "manual", amount=_differs(tek, 1, 2), key="a"),
            lambda tek: tek.gamification.award(machine.ids["usr_ada"], "manual", amount=_differs(tek, 1, 0), key="b"),
            lambda tek: tek.gamification.profile(_differs(tek, "0" * 24, "1" * 24)),
        ):
            try:
                machine.both(call)
            except AssertionError:
                seen.append(call)
        assert len(seen) == 3
    finally:
        machine.teardown()


def _differs(tek: Any, sync: Any, other: Any) -> Any:
    return sync if isinstance(tek, TekTree) else other
