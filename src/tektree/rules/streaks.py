"""Streaks: active dates in a row, held together by freezes.

The law: a streak is a function of local dates, never of elapsed hours. Going date by date from the first activity on,

- an active date adds 1; each time the count reaches a multiple of ``freeze_every`` a freeze is earned, up to
  ``max_freezes``;
- a date that does not exist in the user's calendar, or that a move left out, is paused: it adds nothing and costs
  nothing;
- any other date is missed: while a streak runs it takes one freeze, and where there is none it ends the streak;
- freezes that a host grants on a date are at hand on that date, not before.

Only dates that are over can be missed, so a streak lives through today. It is evaluated when somebody looks; because
it depends on dates alone, looking never changes it. A late fact is put where it belongs, as long as it is at most
``late_days`` older than the newest date the ledger has seen: the streak keeps its state before that window and what
happened in it, and walks it again.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from tektree.models.base import made
from tektree.models.gamification import Grant, Milestone, Run, Streak, StreakEffect
from tektree.policy import Streaks
from tektree.rules.periods import date_exists, day_of, ordinal_of

__all__ = ["Fact", "Paused", "applied", "as_of", "paused_dates", "record", "replay"]

Paused = Callable[[str], bool]
"""Whether a date that nobody was active on counts as paused."""


def paused_dates(timezone: str, skipped: Collection[str] = ()) -> Paused:
    """Paused are the dates that ``timezone`` left out, and those that moves of this user ``skipped``."""
    if timezone == "UTC":
        return skipped.__contains__
    return lambda day: day in skipped or not date_exists(day, timezone)


class _Walk:
    """A streak on its way through the dates. Ordinals inside, for arithmetic."""

    def __init__(self, start: Run | Streak | None, policy: Streaks, paused: Paused) -> None:
        self.policy, self.paused = policy, paused
        self.through = ordinal_of(start.through) if start and start.through else 0
        self.current = start.current if start else 0
        self.longest = start.longest if start else 0
        self.freezes = 0 if start is None else start.freezes if isinstance(start, Run) else start.freezes_available
        self.day = start.day if start else None
        self.started = start.started if start else None
        self.spent: list[str] = []
        self.broke = 0
        self.hits: list[tuple[str, int, str]] = []
        """Milestones met: the first date of the run, the length, the date."""

    def settle(self, until: int) -> None:
        """All dates before ``until`` are over, and nobody was active on those not yet seen."""
        ordinal = self.through + 1
        while self.current and ordinal < until:
            day = day_of(ordinal)
            if self.paused(day):
                pass
            elif self.freezes:
                self.freezes -= 1
                self.spent.append(day)
            else:
                self.broke, self.current, self.started = self.current, 0, None
            ordinal += 1
        self.through = max(self.through, until - 1)

    def mark(self, day: str) -> None:
        """An active date."""
        ordinal = ordinal_of(day)
        self.settle(ordinal)
        self.current += 1
        self.started = self.started if self.started and self.current > 1 else day
        self.longest = max(self.longest, self.current)
        if self.policy.freeze_every and self.current % self.policy.freeze_every == 0:
            self.add(1)
        if self.current in self.policy.milestones:
            self.hits.append((self.started, self.current, day))
        self.day, self.through = day, max(self.through, ordinal)

    def grant(self, day: str, freezes: int) -> None:
        """Freezes from a host, at hand from ``day`` on."""
        self.settle(ordinal_of(day))
        self.add(freezes)

    def add(self, freezes: int) -> None:
        self.freezes = max(self.freezes, min(self.policy.max_freezes, self.freezes + freezes))

    def run(self) -> Run:
        return Run(
            through=day_of(self.through),
            current=self.current,
            longest=self.longest,
            freezes=self.freezes,
            day=self.day,
            started=self.started,
        )


def replay(start: Run | None, dates: Iterable[str], grants: Iterable[Grant], policy: Streaks, paused: Paused) -> Run:
    """The state after ``dates`` and ``grants``, from ``start`` on. The law above, said as code."""
    return _walked(start, dates, grants, policy, paused).run()


def _walked(start: Run | None, dates: Iterable[str], grants: Iterable[Grant], policy: Streaks, paused: Paused) -> _Walk:
    walk = _Walk(start, policy, paused)
    facts: list[tuple[str, int]] = [*((each.day, each.freezes) for each in grants), *((day, -1) for day in dates)]
    for day, group in groupby(sorted(facts, key=_by_day), key=_by_day):
        numbers = [number for _, number in group]
        granted = sum([number for number in numbers if number >= 0])
        if granted:
            walk.grant(day, granted)
        if -1 in numbers:
            walk.mark(day)
    return walk


def _by_day(fact: tuple[str, int]) -> str:
    return fact[0]


def as_of(streak: Streak, today: str, policy: Streaks, paused: Paused) -> Streak:
    """``streak`` as it stands on ``today``, which is not missed yet. The same value when nothing is to be settled."""
    until = ordinal_of(today)
    if streak.through is None or ordinal_of(streak.through) >= until - 1:
        return streak
    walk = _Walk(streak, policy, paused)
    walk.settle(until)
    changes = {"current": walk.current, "freezes_available": walk.freezes, "started": walk.started}
    return made(Streak, {**streak.__dict__, **changes, "through": day_of(walk.through)})


@dataclass(frozen=True, slots=True)
class Fact:
    """What a streak is told: the date and the instant, and the newest date that the ledger has seen by then.

    ``freezes`` None: an activity. A number: so many freezes are granted.
    """

    day: str
    at: datetime
    newest: str
    freezes: int | None = None


def record(streak: Streak, fact: Fact, policy: Streaks, paused: Paused) -> StreakEffect | None:
    """What ``fact`` does to ``streak``.

    None: the date was active before. ``counted`` false: the fact is too old to count.
    """
    if fact.freezes is None and (fact.day == streak.day or fact.day in streak.dates):
        return None
    if ordinal_of(fact.day) < ordinal_of(fact.newest) - policy.late_days or _is_settled(streak, fact):
        return StreakEffect(
            day=fact.day, counted=False, current=streak.current, longest=streak.longest, started=streak.started
        )
    if streak.through is None or fact.day > streak.through:
        walk, returned = _Walk(streak, policy, paused), frozenset[str]()
        walk.settle(ordinal_of(fact.day))
        held = walk.freezes
        walk.grant(fact.day, fact.freezes) if fact.freezes is not None else walk.mark(fact.day)
    else:
        before = _walked(streak.base, streak.dates, streak.grants, policy, paused)
        walk = _walked(streak.base, *_told(streak, fact), policy, paused)
        returned, held = frozenset(before.spent) - frozenset(walk.spent), before.freezes
        walk.spent = [day for day in walk.spent if day not in before.spent]
        walk.broke = 0  # that end was told when it came
    return _effect(streak, fact, walk, returned, walk.freezes - held, _base(streak, fact, policy, paused))


def _is_settled(streak: Streak, fact: Fact) -> bool:
    """Whether the date lies in what an adopted streak began with, of which no single dates are known."""
    return streak.base is not None and fact.day <= streak.base.through


def _told(streak: Streak, fact: Fact) -> tuple[tuple[str, ...], tuple[Grant, ...]]:
    """The dates and the grants in the window, the new one among them."""
    if fact.freezes is None:
        return tuple(sorted({*streak.dates, fact.day})), streak.grants
    grants = [*streak.grants, Grant(day=fact.day, freezes=fact.freezes)]
    return streak.dates, tuple(sorted(grants, key=lambda each: each.day))


def _base(streak: Streak, fact: Fact, policy: Streaks, paused: Paused) -> Run | None:
    """The state before the window, if the window has moved past something it held."""
    edge = ordinal_of(fact.newest) - policy.late_days - 1
    dates, grants = _told(streak, fact)
    over = [day for day in dates if ordinal_of(day) <= edge], [each for each in grants if ordinal_of(each.day) <= edge]
    if not any(over):
        return None
    walk = _walked(streak.base, *over, policy, paused)
    walk.settle(edge + 1)
    return walk.run()


def _effect(
    streak: Streak, fact: Fact, walk: _Walk, returned: Collection[str], gained: int, base: Run | None
) -> StreakEffect:
    freezes = walk.freezes - streak.freezes_available
    granted = max(0, gained) if fact.freezes is not None else 0
    return StreakEffect(
        day=fact.day,
        counted=True,
        current=walk.current,
        longest=walk.longest,
        started=walk.started,
        spent=tuple(walk.spent),
        returned=tuple(sorted(returned)),
        freezes=freezes,
        granted=granted,
        earned=max(0, freezes + len(walk.spent) - len(returned) - granted),
        broke=walk.broke,
        milestones=tuple([Milestone(started=hit[0], length=hit[1]) for hit in walk.hits if not _paid(streak, *hit)]),
        base=base,
    )


def _paid(streak: Streak, started: str, length: int, day: str) -> bool:
    """Whether this run, or a part of it that was a run of its own before a late fact, has had the milestone."""
    return any(each.length == length and started <= each.started <= day for each in streak.paid)


def applied(streak: Streak, effect: StreakEffect | None, at: datetime, freezes: int | None = None) -> Streak:
    """``streak`` after ``effect``, which is all that a fold needs: no policy, no calendar.

    ``freezes`` None: the effect is an activity's at the instant ``at``. A number: so many freezes were granted.
    """
    state = streak.__dict__
    last = state["last_activity_at"]
    newer = freezes is None and (last is None or at > last)
    if effect is None or not effect.counted:
        if not newer:
            return streak
        fields = state.copy()
        fields["last_activity_at"] = at
        return made(Streak, fields)
    base = effect.base or streak.base
    edge = (base.through or "") if base else ""
    dates, grants = _told(streak, Fact(effect.day, at, effect.day, freezes))
    through = effect.day if freezes is None else day_of(ordinal_of(effect.day) - 1)
    alive = base.started if base and base.current and base.started else edge
    fields = {
        **state,
        "current": effect.current,
        "longest": effect.longest,
        "last_activity_at": at if newer else last,
        "freezes_available": streak.freezes_available + effect.freezes,
        "day": max(streak.day or "", effect.day) if freezes is None else streak.day,
        "started": effect.started,
        "through": max(streak.through or "", through),
        "base": base,
        "dates": tuple([day for day in dates if day > edge]),
        "grants": tuple([each for each in grants if each.day > edge]),
        "paid": tuple([each for each in (*streak.paid, *effect.milestones) if each.started >= alive]),
    }
    return made(Streak, fields)
