"""Streaks, §4: against a naive oracle over sets of dates, in every IANA zone; and every sentence by example."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import product
from random import Random
from typing import Any, Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tektree.models.base import made
from tektree.models.gamification import GamificationProfile, Grant, Run, Streak, StreakEffect
from tektree.policy import Policy, Streaks
from tektree.rules import explanations, streaks, xp
from tektree.rules.periods import day_of, local_day, ordinal_of
from tests.rules.ledgers import DAY, HOUR, NOON, Ledger, sound
from tests.rules.zones import CRITICAL, TRICKY, ZONES, existed, instant, local, starts, zones

DEFAULT = Streaks()
NEVER = frozenset[str]().__contains__
"""No date is paused."""

Seen = tuple[int, int, int]
"""``current``, ``longest`` and ``freezes_available``."""


def naive(
    active: set[date], granted: Mapping[date, int], today: date, policy: Streaks, paused: Callable[[date], bool]
) -> Seen:
    """The law, date by date from the first fact up to today. Nothing is kept, nothing is windowed."""
    current = longest = freezes = 0
    for ordinal in range(min([*active, *granted, today]).toordinal(), today.toordinal() + 1):
        day = date.fromordinal(ordinal)
        freezes = max(freezes, min(policy.max_freezes, freezes + granted.get(day, 0)))
        if day in active:
            current += 1
            longest = max(longest, current)
            if policy.freeze_every and current % policy.freeze_every == 0:
                freezes = max(freezes, min(policy.max_freezes, freezes + 1))
        elif day == today or paused(day):
            continue
        elif current and freezes:
            freezes -= 1
        else:
            current = 0
    return current, longest, freezes


class Rule(Protocol):
    """What is held against the oracle: ours, or one that is broken on purpose."""

    def tell(self, at: datetime, newest: date, freezes: int | None) -> bool | None: ...
    def seen(self, today: date) -> Seen: ...


class Ours:
    """`streaks` in the way that the ledger uses them."""

    def __init__(self, policy: Streaks, name: str) -> None:
        self.policy, self.name = policy, name
        self.streak = Streak()
        self.paused = streaks.paused_dates(name)

    def tell(self, at: datetime, newest: date, freezes: int | None) -> bool | None:
        """Whether it counted; None when the date was active before."""
        day = local_day(at, self.name)
        effect = streaks.record(
            self.streak, streaks.Fact(day, at, newest.isoformat(), freezes), self.policy, self.paused
        )
        before, self.streak = self.streak, streaks.applied(self.streak, effect, at, freezes)
        sound(self.streak)
        if effect is None:
            return None
        sound(effect)
        assert effect.day == day
        if effect.counted:
            adds_up(before, effect, self.streak)
        return effect.counted

    def seen(self, today: date) -> Seen:
        shown = streaks.as_of(self.streak, today.isoformat(), self.policy, self.paused)
        sound(shown)
        again = streaks.as_of(shown, today.isoformat(), self.policy, self.paused)
        assert again == shown
        return shown.current, shown.longest, shown.freezes_available


class ReadDaily(Ours):
    """Ours, looked at on every date in between; and what was seen is what is kept."""

    def tell(self, at: datetime, newest: date, freezes: int | None) -> bool | None:
        own = ordinal_of(local_day(at, self.name))
        for ordinal in range(ordinal_of(self.streak.through or day_of(own)), own + 1):
            self.streak = streaks.as_of(self.streak, day_of(ordinal), self.policy, self.paused)
        return super().tell(at, newest, freezes)


def adds_up(before: Streak, effect: StreakEffect, after: Streak) -> None:
    """What a row tells of a streak is what changed."""
    assert (after.current, after.longest, after.started) == (effect.current, effect.longest, effect.started)
    assert after.freezes_available == before.freezes_available + effect.freezes
    assert after.longest >= after.current
    assert not set(effect.spent) & set(effect.returned)
    assert list(effect.spent) == sorted(effect.spent), "oldest first"
    assert after.day is None or after.through is not None
    assert list(after.dates) == sorted(set(after.dates))


@dataclass
class History:
    """A random life. Each step is a gap in days, a second of the day, and what happens: see `live`."""

    start: date
    name: str
    policy: Streaks
    steps: list[tuple[int, int, int, int]] = field(default_factory=list)


def live(history: History, rule: Rule, peeks: bool = True) -> Seen:
    """Plays a history to a rule and holds it against the oracle after every step. Gives what is seen at the end."""
    active: set[date] = set()
    granted: dict[date, int] = {}
    name, policy = history.name, history.policy
    day, newest = history.start, date.min

    def seen(today: date) -> Seen:
        ours = rule.seen(today)
        oracle = naive(active, granted, today, policy, lambda each: not existed(each, name))
        assert ours == oracle, f"on {today} in {name} it says {ours}, the dates say {oracle}"
        return ours

    for gap, second, kind, extra in history.steps:
        day += DAY * gap
        late = extra if kind == 1 else 0
        at = instant(day - DAY * late, second, name)
        own = local(at, name)
        newest = max(newest, own)
        if kind == 3:  # somebody else's doing: the ledger sees the date, the streak does not
            continue
        within = newest - own <= DAY * policy.late_days
        counted = rule.tell(at, newest, 1 + extra % 3 if kind == 2 else None)
        if kind == 2:
            assert counted is within
            granted[own] = granted.get(own, 0) + (1 + extra % 3 if within else 0)
        elif own in active:
            assert counted is (None if within else counted)
        else:
            assert counted is within
            active |= {own} if within else set()
        if peeks:
            seen(newest)
            seen(newest + DAY * (extra % 5))
    return seen(max(newest, history.start) + 2 * DAY)


policies = st.builds(
    Streaks,
    freeze_every=st.sampled_from([0, 1, 2, 3, 7]),
    max_freezes=st.sampled_from([0, 1, 2, 10]),
    late_days=st.sampled_from([0, 1, 2, 7]),
)
gaps = st.sampled_from([0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 3, 5])
kinds = st.sampled_from([0, 0, 0, 0, 0, 1, 1, 2, 3])
steps = st.lists(st.tuples(gaps, st.integers(0, 86_399), kinds, st.integers(0, 9)), max_size=40)
histories = st.builds(History, starts, zones, policies, steps)


@given(histories)
def test_streaks_are_what_the_dates_say(history: History) -> None:
    """A streak is a function of local **dates**, never of elapsed hours. `current` = number of active dates in the
    maximal run ending today or yesterday in which every date is active, frozen or paused. `longest ≥ current`
    always. It may repair a run and gives the freeze spent on that date back. A late fact replays the window; freezes
    granted act from their own date."""
    live(history, Ours(history.policy, history.name))


def random_history(seed: str, name: str, length: int = 30) -> History:
    random = Random(seed + name)
    start = random.choice([*CRITICAL, date(1975, 1, 1) + DAY * random.randrange(45_000)])
    policy = Streaks(
        freeze_every=random.choice([0, 2, 3, 7]),
        max_freezes=random.choice([1, 2, 10]),
        late_days=random.choice([0, 2, 7]),
    )
    made_steps = [
        (
            random.choice([0, 0, 1, 1, 1, 1, 1, 1, 2, 3, 5]),
            random.choice([0, 59, 1800, 3599, 86_399, random.randrange(86_400)]),
            random.choice([0, 0, 0, 0, 0, 1, 1, 2, 3]),
            random.randrange(10),
        )
        for _ in range(length)
    ]
    return History(start, name, policy, made_steps)


def test_every_zone() -> None:
    """Zones and calendars: IANA names; days of 22 to 25 hours, midnights that do not exist (Santiago, Beirut, Cairo,
    Havana), dates that do not exist (Apia 2011-12-30 counts as paused), leap days, 53-week years."""
    for name in ZONES:
        history = random_history("streaks", name)
        live(history, Ours(history.policy, name))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_every_zone_many_times(seed: int) -> None:
    for name in ZONES:
        history = random_history(str(seed), name, 60)
        live(history, Ours(history.policy, name))


@given(histories)
def test_reading_in_between_never_changes_the_outcome(history: History) -> None:
    """Evaluated lazily, so the result does not depend on *when* anyone looks: the same activity gives the same state
    whether it is read daily or never in between."""
    in_order = [(gap, second, kind if kind != 1 else 0, extra) for gap, second, kind, extra in history.steps]
    history = History(history.start, history.name, history.policy, in_order)
    never, daily = Ours(history.policy, history.name), ReadDaily(history.policy, history.name)
    assert live(history, never, peeks=False) == live(history, daily)


@given(histories, st.lists(st.integers(0, 30), max_size=5))
def test_looking_twice_is_looking_once(history: History, days: list[int]) -> None:
    """Evaluated lazily, so the result does not depend on *when* anyone looks."""
    ours = Ours(history.policy, history.name)
    live(history, ours, peeks=False)
    shown = ours.streak
    last = ordinal_of(ours.streak.through or history.start.isoformat())
    for later in sorted(days):
        shown = streaks.as_of(shown, day_of(last + later), history.policy, ours.paused)
    end = day_of(last + max(days, default=0))
    assert shown == (streaks.as_of(ours.streak, end, history.policy, ours.paused) if days else ours.streak)


class ByHours(Ours):
    """Broken: a day is 24 hours, a streak ends when 48 of them passed."""

    last: datetime | None = None
    current = longest = 0

    def tell(self, at: datetime, newest: date, freezes: int | None) -> bool | None:
        passed = at - (self.last or at)
        if self.last is None or passed >= 48 * HOUR:
            self.current = 1
        elif passed >= 24 * HOUR:
            self.current += 1
        else:
            return None
        self.last, self.longest = at, max(self.longest, self.current)
        return True

    def seen(self, today: date) -> Seen:
        return self.current, self.longest, 0


def test_nobody_loses_a_streak_by_being_early() -> None:
    """The hour-based peers lose a person active at 09:00, 08:00, 07:00. Positive control: that rule is caught."""
    policy = Streaks(freeze_every=0)
    history = History(date(2025, 12, 1), "Europe/Berlin", policy, [(1, hour * 3600, 0, 0) for hour in (9, 8, 7)])
    assert live(history, Ours(policy, history.name)) == (0, 3, 0)
    with pytest.raises(AssertionError):
        live(history, ByHours(policy, history.name))


class NoPauses(Ours):
    """Broken: a date that nobody could be active on is missed."""

    def __init__(self, policy: Streaks, name: str) -> None:
        super().__init__(policy, name)
        self.paused = NEVER


class InUTC(Ours):
    """Broken: days of Greenwich."""

    def __init__(self, policy: Streaks, name: str) -> None:
        super().__init__(policy, "UTC")


class ForgetsReturns(Ours):
    """Broken: a late fact repairs the run, and the freeze that was spent stays spent."""

    def tell(self, at: datetime, newest: date, freezes: int | None) -> bool | None:
        held, known = self.streak.freezes_available, self.streak.through or ""
        counted = super().tell(at, newest, freezes)
        if freezes is None and local_day(at, self.name) < known:
            self.streak = made(Streak, {**self.streak.__dict__, "freezes_available": held})
        return counted


class AllOrNothing(Ours):
    """Broken: a gap takes freezes only if there is one for each date of it."""

    def seen(self, today: date) -> Seen:
        streak = self.streak
        missed = today.toordinal() - ordinal_of(streak.through or today.isoformat()) - 1
        if missed > streak.freezes_available and streak.current:
            return 0, streak.longest, streak.freezes_available
        return super().seen(today)


@pytest.mark.parametrize("broken", [NoPauses, InUTC, ForgetsReturns, AllOrNothing, ByHours])
def test_the_oracle_catches_broken_rules(broken: type[Ours]) -> None:
    caught = 0
    for name in TRICKY:
        for start in CRITICAL[:3]:
            history = random_history("control", name)
            history.start = start
            try:
                live(history, broken(history.policy, name))
            except AssertionError:
                caught += 1
    assert caught


def walked(pattern: tuple[bool, ...], freezes: int, reads: bool, nightly: bool) -> Seen:
    """A small world: some days, active or not, and so many freezes at the start; read at every midnight or never."""
    policy = Streaks(freeze_every=0)
    streak = Streak(current=3, longest=3, freezes_available=freezes, day="2025-01-01", through="2025-01-01")
    for at, active in enumerate(pattern, start=2):
        day = date(2025, 1, at).isoformat()
        if active:
            streak = nightly_job(streak, day) if nightly else streak
            effect = streaks.record(streak, streaks.Fact(day, NOON, day), policy, NEVER)
            streak = streaks.applied(streak, effect, NOON)
        elif reads:
            streak = nightly_job(streak, day) if nightly else streaks.as_of(streak, day, policy, NEVER)
    end = date(2025, 1, len(pattern) + 2).isoformat()
    streak = nightly_job(streak, end) if nightly else streaks.as_of(streak, end, policy, NEVER)
    return streak.current, streak.longest, streak.freezes_available


def nightly_job(streak: Streak, today: str) -> Streak:
    """The peer's rule: each time it runs, the whole gap is bridged or the streak ends."""
    missed = ordinal_of(today) - ordinal_of(streak.through or today) - 1
    fields: dict[str, Any] = {"through": day_of(ordinal_of(today) - 1)}
    if missed > 0 and streak.current:
        if missed <= streak.freezes_available:
            fields["freezes_available"] = streak.freezes_available - missed
        else:
            fields |= {"current": 0, "started": None}
    return made(Streak, {**streak.__dict__, **fields}) if missed > 0 else streak


def test_small_worlds() -> None:
    """daily.dev's nightly all-or-nothing rule is schedule-dependent in 110 of 384 small worlds; greedy in none."""
    worlds = [*product(product([False, True], repeat=7), range(3))]
    assert len(worlds) == 384

    def dependent(nightly: bool) -> int:
        return sum([walked(*world, True, nightly) != walked(*world, False, nightly) for world in worlds])

    assert dependent(nightly=False) == 0
    assert dependent(nightly=True) > 50


def told(dates: list[str], policy: Streaks = DEFAULT, streak: Streak | None = None) -> Streak:
    """A streak after activity on these dates, each as the newest of the ledger so far."""
    streak, newest = streak or Streak(), ""
    for day in dates:
        newest = max(newest, day)
        effect = streaks.record(streak, streaks.Fact(day, NOON, newest), policy, NEVER)
        streak = streaks.applied(streak, effect, NOON)
    return streak


def december(*days: int) -> list[str]:
    return [f"2025-12-{day:02d}" for day in days]


def shown(streak: Streak, day: int, policy: Streaks = DEFAULT) -> Seen:
    seen = streaks.as_of(streak, december(day)[0], policy, NEVER)
    return seen.current, seen.longest, seen.freezes_available


def test_same_date_next_date_and_gap() -> None:
    """Same date again: nothing. Next date: +1. Gap: one freeze per missed date, oldest first, until none is left
    (`greedy`); a gap not fully covered ends the run and the next activity starts at 1."""
    assert told(december(1)).current == 1
    assert told(december(1, 1)) == told(december(1))
    assert told(december(1, 2)).current == 2
    assert told(december(1, 3)).current == 1
    had = told(december(1), streak=Streak(freezes_available=3))
    assert shown(had, 5) == (1, 1, 0)
    effect = streaks.record(had, streaks.Fact("2025-12-04", NOON, "2025-12-04"), DEFAULT, NEVER)
    assert effect is not None
    assert (effect.spent, effect.current, effect.freezes, effect.broke) == (("2025-12-02", "2025-12-03"), 2, -2, 0)
    effect = streaks.record(had, streaks.Fact("2025-12-06", NOON, "2025-12-06"), DEFAULT, NEVER)
    assert effect is not None
    assert (effect.spent, effect.current, effect.broke) == (tuple(december(2, 3, 4)), 1, 1)


def test_frozen_and_paused_dates_add_nothing() -> None:
    """Frozen and paused dates hold the run together and add nothing."""
    had = Streak(freezes_available=1)
    assert told(december(1, 3), streak=had).current == 2
    paused = frozenset(december(4)).__contains__
    streak = told(december(1, 3), streak=had)
    effect = streaks.record(streak, streaks.Fact("2025-12-05", NOON, "2025-12-05"), DEFAULT, paused)
    assert effect is not None
    assert (effect.current, effect.spent) == (3, ())


def test_a_streak_lives_through_today() -> None:
    """`current` = number of active dates in the maximal run ending today or yesterday in which every date is active,
    frozen or paused."""
    streak = told(december(1, 2, 3))
    assert [shown(streak, day)[0] for day in (3, 4, 5)] == [3, 3, 0]
    assert shown(streak, 2)[0] == 3  # never before the newest active date


def test_freezes_are_earned() -> None:
    """Freezes: one earned each time `current` reaches a multiple of 7, at most 10 held (the data model's example:
    streak 42, 6 freezes), numbers in the policy."""
    first = date(2025, 1, 1)
    streak = told([(first + DAY * at).isoformat() for at in range(42)])
    assert (streak.current, streak.freezes_available) == (42, 6)
    streak = told([(first + DAY * at).isoformat() for at in range(100)])
    assert streak.freezes_available == 10
    assert told(december(*range(1, 7)), Streaks(freeze_every=3, max_freezes=1)).freezes_available == 1
    assert told(december(*range(1, 9)), Streaks(freeze_every=0)).freezes_available == 0


def test_a_gap_of_five_with_two_freezes_spends_both_then_ends_the_run() -> None:
    """Spent automatically, dated on the missed date, never at streak 0 (so a gap of 5 with 2 freezes spends both, then
    ends the run); a host may also grant them."""
    ledger = Ledger()
    ledger.freezes(2, NOON)
    ledger.activity(NOON)
    assert ledger.profile.streak.freezes_available == 2
    decision = ledger.activity(NOON + 6 * DAY)
    assert isinstance(decision, xp.Decision)
    assert decision.row is not None
    effect = decision.row.streak
    assert effect is not None
    assert (effect.spent, effect.broke, effect.current) == (tuple(december(17, 18)), 1, 1)
    assert ledger.profile.streak.freezes_available == 0
    ledger.freezes(3, NOON + 7 * DAY)
    seen = ledger.shown(NOON + 20 * DAY).streak
    assert (seen.current, seen.freezes_available) == (0, 0)
    ledger.freezes(3, NOON + 20 * DAY)
    assert ledger.shown(NOON + 40 * DAY).streak.freezes_available == 3  # the streak is 0: none is spent


def test_granted_freezes_have_room_for_ten() -> None:
    """At most 10 held; a host may also grant them. Positive control: nine more and two more are ten, not eleven."""
    ledger = Ledger()
    for freezes, held, granted in ((9, 9, 9), (2, 10, 1), (1000, 10, 0)):
        decision = ledger.freezes(freezes, NOON)
        assert isinstance(decision, xp.Decision)
        assert decision.row is not None
        assert decision.row.streak is not None
        assert (ledger.profile.streak.freezes_available, decision.row.streak.granted) == (held, granted)
        assert (decision.row.amount, decision.row.asked, decision.row.source) == (0, freezes, "freezes_granted")


def test_granted_freezes_act_from_their_own_date() -> None:
    """Freezes granted act from their own date."""
    ledger = Ledger()
    ledger.activity(NOON)
    ledger.freezes(5, NOON + 2 * DAY)
    assert ledger.shown(NOON + 2 * DAY).streak.current == 0
    ledger.activity(NOON + 3 * DAY, at=NOON + DAY)  # late: now the grant lies on the date after
    assert ledger.shown(NOON + 4 * DAY).streak.current == 2


def test_more_freezes_than_a_new_policy_allows_are_not_taken_away() -> None:
    streak = told(december(1, 2), Streaks(freeze_every=1, max_freezes=1), Streak(freezes_available=5))
    assert streak.freezes_available == 5


def test_apia() -> None:
    """Dates that do not exist (Apia 2011-12-30 counts as paused)."""
    ledger = Ledger(timezone="Pacific/Apia")
    ledger.activity(datetime(2011, 12, 30, 9, tzinfo=UTC))  # the 29th, 23:00
    ledger.activity(datetime(2011, 12, 30, 11, tzinfo=UTC))  # the 31st, 01:00
    assert ledger.profile.streak.dates == ("2011-12-29", "2011-12-31")
    assert ledger.profile.streak.current == 2
    assert ledger.rows[-1].streak is not None
    assert ledger.rows[-1].streak.spent == ()


@pytest.mark.parametrize("name", ["America/Santiago", "Asia/Beirut", "Africa/Cairo", "America/Havana", *TRICKY])
def test_consecutive_dates_keep_the_streak(name: str) -> None:
    """Days of 22 to 25 hours, midnights that do not exist (Santiago, Beirut, Cairo, Havana), leap days, 53-week years:
    every date of a year and a bit, at its first and at its last moment in turn."""
    ours, day, count = Ours(DEFAULT, name), date(2023, 12, 30), 0
    while day <= date(2025, 1, 5):
        at = instant(day, (0, 86_399)[day.toordinal() % 2], name)
        own = local(at, name)
        count += ours.tell(at, own, None) is True
        assert ours.streak.current == count
        day += DAY
    assert count == 373


def test_every_zone_keeps_a_streak_over_dates_of_ten_years() -> None:
    """Zones and calendars: consecutive local dates keep the streak, in every IANA zone."""
    random, policy = Random("ten years"), Streaks(freeze_every=0)
    for name in ZONES:
        start = date(2016, 1, 1) + DAY * random.randrange(3640)
        ours = Ours(policy, name)
        for at in range(10):
            moment = instant(start + DAY * at, random.randrange(86_400), name)
            ours.tell(moment, local(moment, name), None)
        assert ours.streak.current == 10


def test_travel_both_ways_across_the_date_line() -> None:
    """Travel both ways across the date line."""
    ledger = Ledger(timezone="Etc/GMT+12")
    now = datetime(2025, 6, 1, 10, 30, tzinfo=UTC)
    ledger.activity(now)  # 2025-05-31
    ledger.moves("Pacific/Kiritimati", now)  # 2025-06-02: there was no 1st
    assert ledger.profile.skipped_dates == ("2025-06-01",)
    ledger.activity(now + HOUR)
    assert ledger.profile.streak.current == 2
    ledger.moves("Etc/GMT+12", now + 2 * HOUR)  # back on the 1st
    assert ledger.shown(now + 2 * HOUR).streak.current == 2
    ledger.activity(now + 2 * HOUR)
    assert ledger.profile.streak.current == 3  # a 1st after all
    assert ledger.profile.day == "2025-06-02"
    ledger.activity(now + 3 * DAY)  # the 3rd
    assert ledger.profile.streak.current == 4


def test_a_move_without_its_skipped_date_would_break_the_streak() -> None:
    """Positive control of travel: had the move left nothing out, the date between would be missed."""
    ledger = Ledger(Policy(streaks={"freeze_every": 0}), timezone="Etc/GMT+12")
    now = datetime(2025, 6, 1, 10, 30, tzinfo=UTC)
    ledger.activity(now)
    ledger.profile = ledger.profile.evolve(timezone="Pacific/Kiritimati")
    ledger.activity(now + HOUR)
    assert ledger.profile.streak.current == 1


@pytest.mark.parametrize(("at", "day"), [(NOON - DAY, "2025-12-15"), (NOON - 3 * DAY, "2025-12-13")])
def test_dates_are_those_of_the_fact(at: datetime, day: str) -> None:
    """Dates are the local dates of the fact's `at`, for cap and streak alike. The clock decides only `future_event` and
    what "as of now" shows."""
    ledger = Ledger()
    row = ledger.gives("answer_posted", NOON, about="a", at=at)
    assert row.day == ledger.profile.streak.day == day
    assert row.timestamp == at
    assert row.recorded_at == NOON


def test_today_is_never_before_the_newest_active_date() -> None:
    """ "Today" is `max(local date, newest active date)`: somebody else's award of a later date does not end a day."""
    ledger = Ledger(Policy(streaks={"freeze_every": 0}), timezone="Pacific/Kiritimati")
    noon = datetime(2025, 6, 1, 12, tzinfo=UTC)  # the 2nd in Kiritimati, the 1st in Honolulu
    ledger.activity(noon - 2 * DAY)  # the 31st
    ledger.gives("answer_upvoted", noon, about="v")
    assert ledger.profile.day == "2025-06-02"
    ledger.moves("Pacific/Honolulu", noon)
    assert ledger.shown(noon).streak.current == 1, "the 1st is not over in Honolulu"
    assert ledger.shown(noon).daily_xp_earned == 10, "the cap's day never moves back"
    assert ledger.shown(noon + DAY).streak.current == 0
    # and the clock set back to before the newest active date ends nothing either
    ledger.activity(noon)
    assert ledger.shown(noon - 30 * DAY).streak.current == ledger.profile.streak.current == 2


LATE = Streaks(freeze_every=0)


def test_a_late_fact_repairs_a_run() -> None:
    """A late fact (an offline client's activity of yesterday) counts to its own local date, up to 7 days (policy)
    before the newest date the user's ledger has seen. It may repair a run and gives the freeze spent on that date
    back."""
    assert told(december(1, 3), LATE).current == 1
    assert told(december(1, 3, 2), LATE) == told(december(1, 2, 3), LATE)
    had = Streak(freezes_available=1, through="2025-11-30", base=Run(through="2025-11-30", freezes=1))
    spent = told(december(1, 3), LATE, had)
    assert (spent.current, spent.freezes_available) == (2, 0)
    effect = streaks.record(spent, streaks.Fact("2025-12-02", NOON, "2025-12-03"), LATE, NEVER)
    assert effect is not None
    assert (effect.returned, effect.freezes, effect.current) == (("2025-12-02",), 1, 3)


@pytest.mark.parametrize(("days", "counted"), [(7, True), (8, False)])
def test_how_late_a_fact_may_be(days: int, counted: bool) -> None:
    """Up to 7 days (policy) before the newest date the user's ledger has seen — never measured from the clock, so
    imports of old activity work. An older fact is awarded, its date is not counted, and the explanation says so."""
    now = NOON + 3000 * DAY  # an import, years later
    ledger = Ledger()
    ledger.activity(now, at=NOON)
    row = ledger.gives("answer_posted", now, about="a", at=NOON - days * DAY)
    assert row.amount == 10
    assert row.streak is not None
    assert row.streak.counted is counted
    assert row.day == "2025-12-16"
    assert ("too far in the past" in explanations.of_row(row).text) is not counted


def test_the_newest_date_is_that_of_the_ledger_not_of_the_streak() -> None:
    """Up to 7 days (policy) before the newest date the user's ledger has seen."""
    ledger = Ledger()
    ledger.activity(NOON)
    ledger.gives("answer_upvoted", NOON + 9 * DAY, about="v")  # not the user's own doing, but a date seen
    row = ledger.gives("answer_posted", NOON + 9 * DAY, about="a", at=NOON + DAY)
    assert row.streak is not None
    assert not row.streak.counted
    row = ledger.gives("answer_posted", NOON + 9 * DAY, about="b", at=NOON + 2 * DAY)
    assert row.streak is not None
    assert row.streak.counted


def test_the_snapshot_keeps_the_window() -> None:
    """The snapshot keeps the streak state before the window, and the window's active dates and granted freezes; a late
    fact replays the window."""
    streak = told(december(*range(1, 21)))
    assert streak.base == Run(
        through="2025-12-12", current=12, longest=12, freezes=1, day="2025-12-12", started="2025-12-01"
    )
    assert streak.dates == tuple(december(*range(13, 21)))
    replayed = streaks.replay(streak.base, streak.dates, streak.grants, DEFAULT, NEVER)
    assert (replayed.current, replayed.longest, replayed.freezes) == (20, 20, 2)
    fact = streaks.Fact("2025-12-20", NOON, "2025-12-20", 4)
    streak = streaks.applied(streak, streaks.record(streak, fact, DEFAULT, NEVER), NOON, 4)
    assert streak.grants == (Grant(day="2025-12-20", freezes=4),)
    assert streaks.replay(streak.base, streak.dates, streak.grants, DEFAULT, NEVER).freezes == 6
    assert streaks.replay(None, (), (), DEFAULT, NEVER) == Run(through="0001-01-01")


def test_milestones_are_owed_once_per_run() -> None:
    """`streak_milestone` (7, 30, 100, 365 days), 10 each, once per run and length."""
    ledger = Ledger()
    for day in range(8):
        ledger.activity(NOON + day * DAY)
    paid = [row for row in ledger.rows if row.source == "streak_milestone"]
    assert [(row.amount, row.related_entity_id) for row in paid] == [(10, "2025-12-16:7")]
    for day in range(20, 28):  # another run
        ledger.activity(NOON + day * DAY)
    assert len([row for row in ledger.rows if row.source == "streak_milestone"]) == 2


def test_a_late_fact_does_not_owe_a_milestone_again() -> None:
    """Once per run and length, also when a late fact joins two runs."""
    ledger = Ledger(Policy(streaks={"freeze_every": 0, "milestones": [2, 5]}))
    for day in (0, 1, 3, 4):
        ledger.activity(NOON + day * DAY)
    assert [row.related_entity_id for row in ledger.rows if row.pays] == ["2025-12-16:2", "2025-12-19:2"]
    ledger.activity(NOON + 4 * DAY, at=NOON + 2 * DAY)
    assert ledger.profile.streak.current == 5
    assert [row.related_entity_id for row in ledger.rows if row.pays][2:] == ["2025-12-16:5"]
    ledger.activity(NOON + 5 * DAY, at=NOON - DAY)
    assert ledger.profile.streak.current == 6
    assert len([row for row in ledger.rows if row.pays]) == 3


def test_last_activity_is_the_newest_instant() -> None:
    ledger = Ledger()
    ledger.activity(NOON)
    ledger.gives("answer_posted", NOON + 2 * HOUR, about="a", at=NOON + HOUR)
    assert ledger.profile.streak.last_activity_at == NOON + HOUR
    ledger.gives("answer_posted", NOON + 2 * HOUR, about="b", at=NOON - HOUR)
    assert ledger.profile.streak.last_activity_at == NOON + HOUR
    ledger.gives("answer_posted", NOON + 2 * HOUR, about="c", at=NOON - 100 * DAY)
    assert ledger.profile.streak.last_activity_at == NOON + HOUR


@given(
    zones,
    starts,
    st.lists(
        st.tuples(
            st.integers(0, 50),
            st.sampled_from(["activity", "answer_posted", "answer_upvoted", "freezes", "move", "late"]),
            st.integers(0, 9),
            zones,
        ),
        max_size=20,
    ),
)
@settings(max_examples=60)
def test_whole_ledgers_with_moves_agree_with_the_dates(
    name: str, start: date, steps: list[tuple[int, str, int, str]]
) -> None:
    """Travel both ways across the date line; dates are the local dates of the fact's `at`; rows fold in order of
    `seq`. So streaks fold too."""
    ledger = Ledger(Policy(achievements=(), streaks={"milestones": [], "freeze_every": 3}), timezone=name)
    now = instant(start, 43_200, name)
    active: set[date] = set()
    granted: dict[date, int] = {}
    for hours, kind, extra, other in steps:
        now += HOUR * hours
        if kind == "move":
            ledger.moves(other, now)
            continue
        at = now - (DAY * extra if kind == "late" else timedelta(0))
        own = local(at, ledger.profile.timezone)
        newest = max(own, date.fromisoformat(ledger.profile.day or own.isoformat()))
        within = newest - own <= 7 * DAY
        if kind == "freezes":
            ledger.freezes(extra + 1, now)
            granted[own] = granted.get(own, 0) + (extra + 1 if within else 0)
        elif kind == "answer_upvoted":
            ledger.gives(kind, now)
        else:
            ledger.gives(kind, now, at=at) if kind == "answer_posted" else ledger.activity(now, at)
            active |= {own} if within and kind != "answer_upvoted" else set()
        agrees(ledger, now, active, granted)


def agrees(ledger: Ledger, now: datetime, active: set[date], granted: Mapping[date, int]) -> None:
    """The stored streak, as of now, is what the sets of dates say."""
    profile: GamificationProfile = ledger.shown(now)
    today = max([local(now, profile.timezone), *active])
    skipped = set(profile.skipped_dates)
    paused = lambda day: day.isoformat() in skipped or not existed(day, profile.timezone)  # noqa: E731
    oracle = naive(active, granted, today, ledger.policy.streaks, paused)
    assert (profile.streak.current, profile.streak.longest, profile.streak.freezes_available) == oracle
