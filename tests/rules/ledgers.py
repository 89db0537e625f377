"""A user's ledger over the pure rules alone: what the service does, without storage, and everything checked at each
step.

``Ledger`` keeps the rows, decides like the service, and after every row asks what must hold of any history. The
checks are functions of their own, so that a test can show each of them catching a rule that is broken on purpose.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from pydantic import BaseModel

from tektree.ids import derived_id, transaction_id, user_id_of
from tektree.models.events import Event
from tektree.models.gamification import AwardRequest, EntityRef, Folded, GamificationProfile, Owed, XPTransaction
from tektree.models.leaderboards import BoardEntry
from tektree.policy import Policy
from tektree.rules import achievements, leaderboards, projections, xp
from tektree.rules.periods import left_out

NOON = datetime(2025, 12, 16, 12, tzinfo=UTC)
"""A Tuesday, in 2025-W51."""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DEFAULT = Policy()
UID = "usr_a"
USER = user_id_of(UID)


def enrolled(policy: Policy = DEFAULT, timezone: str = "UTC", tier: str = "free") -> GamificationProfile:
    """A user who has nothing yet."""
    return GamificationProfile(
        id=derived_id("profile", USER),
        user_id=USER,
        uid=UID,
        timezone=timezone,
        tier=tier,
        updated_at=NOON - DAY,
        xp_to_next_level=projections.xp_to_second_level(policy),
    )


def sound(value: BaseModel) -> None:
    """``value``, which a rule made without validation, is what its model accepts, down to the last part of it."""
    assert set(value.__dict__) == set(type(value).model_fields)
    assert type(value).model_validate(value.model_dump()) == value


def used(rows: Sequence[XPTransaction], day: str) -> int:
    """What the rows took of a day's room, counted from the beginning."""
    return sum([row.room for row in rows if row.day == day])


def room_is_kept(rows: Sequence[XPTransaction], limited: Callable[[XPTransaction], bool], cap: int) -> None:
    """``0 ≤ used(day) ≤ cap``, and limited XP booked to a day ≤ cap, at every prefix of the ledger."""
    room, booked = Counter[str](), Counter[str]()
    for row in rows:
        assert row.day is not None
        room[row.day] += row.room
        booked[row.day] += row.amount if limited(row) else 0
        assert 0 <= room[row.day] <= cap, f"used of {row.day} is {room[row.day]} after row {row.seq}"
        assert row.daily_total == room[row.day], f"row {row.seq} says another used than its day's rows"
        assert booked[row.day] <= cap, f"{booked[row.day]} XP are booked to {row.day} after row {row.seq}"


def room_comes_back_on_its_day_only(rows: Sequence[XPTransaction], written: Sequence[tuple[datetime, str]]) -> None:
    """A row with negative room is a reversal, ``written`` (when, and where the user was) on the award's own day."""
    for row, (now, timezone) in zip(rows, written, strict=True):
        if row.room < 0:
            assert row.reverses, "only a reversal row gives room back"
            today = now.astimezone(ZoneInfo(timezone)).date().isoformat()
            assert today <= (row.day or ""), f"row {row.seq} gave back room of {row.day} on {today}"


def events_are_gapless(events: Sequence[Event]) -> None:
    """Events of the stream are numbered 1, 2, 3 …, each id once."""
    assert [event.metadata["seq"] for event in events] == list(range(1, len(events) + 1))
    assert len({event.event_id for event in events}) == len(events)


def folds(rows: Sequence[XPTransaction], profile: GamificationProfile, policy: Policy) -> None:
    """``fold(ledger) == profile``, and the snapshot on the newest row says the same."""
    state = projections.fold(rows, policy)
    assert {name: getattr(profile, name) for name in Folded.model_fields} == dict(state)
    assert projections.compared(state, profile) is None
    if rows:
        assert rows[-1].state == state


class Ledger:
    """The rows of one user, and the profile after the newest."""

    def __init__(
        self,
        policy: Policy = DEFAULT,
        timezone: str = "UTC",
        tier: str = "free",
        profile: GamificationProfile | None = None,
        pays: bool = True,
    ) -> None:
        self.policy, self.pays = policy, pays
        self.profile = profile or enrolled(policy, timezone, tier)
        self.rows: list[XPTransaction] = []
        self.written: list[tuple[datetime, str]] = []
        self.events: list[Event] = []
        self.boards: dict[str, BoardEntry] = {}
        self.random = 0

    def award(
        self,
        source: str,
        now: datetime,
        *,
        amount: int | None = None,
        about: str | EntityRef | None = None,
        key: str | None = None,
        at: datetime | None = None,
    ) -> xp.Decision | XPTransaction:
        """As `gamification.award`. A duplicate gives the first row."""
        ref = EntityRef("thing", about) if isinstance(about, str) else about
        named = key or xp.key_of(USER, source, ref, self.policy) or self._random()
        request = AwardRequest(user_id=USER, source=source, key=named, at=at or now, about=ref, amount=amount)
        return self._write(named, now, lambda dated: xp.award(self.profile, request, self.policy, now, dated))

    def gives(self, source: str, now: datetime, **asked: object) -> XPTransaction:
        """The row of an award that must have one."""
        decision = self.award(source, now, **asked)  # type: ignore[arg-type]
        assert isinstance(decision, xp.Decision)
        assert decision.row is not None, decision.reason
        return decision.row

    def activity(self, now: datetime, at: datetime | None = None) -> xp.Decision | XPTransaction:
        """As `gamification.record_activity`."""
        key = xp.activity_key(self.profile, at or now)
        request = AwardRequest(user_id=USER, source="activity", key=key, at=at or now)
        return self._write(key, now, lambda dated: xp.activity(self.profile, request, self.policy, now, dated))

    def freezes(self, freezes: int, now: datetime, key: str | None = None) -> xp.Decision | XPTransaction:
        """As `gamification.grant_freezes`."""
        key = key or self._random()
        request = AwardRequest(user_id=USER, source="freezes_granted", key=key, at=now, amount=freezes)
        return self._write(key, now, lambda dated: xp.freezes(self.profile, request, self.policy, now, dated))

    def reverse(self, row: XPTransaction, now: datetime, note: str = "undone") -> xp.Decision | XPTransaction:
        """As `gamification.reverse`: of what is reversed, the row that did it."""
        return self._link(row, now, note, restoring=False)

    def restore(self, row: XPTransaction, now: datetime, note: str = "redone") -> xp.Decision | XPTransaction:
        """As `gamification.restore`: of what is in force, the row that is."""
        return self._link(row, now, note, restoring=True)

    def moves(self, timezone: str, now: datetime) -> None:
        """As `gamification.set_timezone`."""
        skipped = (*self.profile.skipped_dates, *left_out(now, self.profile.timezone, timezone))
        self.profile = self.profile.evolve(timezone=timezone, skipped_dates=skipped)

    def standing(self, row: XPTransaction) -> xp.Standing:
        """As the service reads it from the ledger."""
        linked = [each for each in self.rows if row.transaction_id in {each.reverses, each.restores}]
        day, week = xp.day_of_row(row, self.profile), xp.week_of_row(row, self.profile)
        last = {each.day: each for each in self.rows}.get(day)
        weekly = {each.week: each for each in self.rows}.get(week)
        spent = 0 if day == self.profile.day or last is None else last.daily_total
        newest = linked[-1] if linked else None
        if week == self.profile.week or weekly is None:
            return xp.Standing(row, newest, spent)
        return xp.Standing(row, newest, spent, weekly.weekly_xp, weekly.weekly_reached_at)

    def pay(self, now: datetime) -> None:
        """Rows for all that is owed."""
        while self.profile.owed:
            self._commit(self._decided(partial(self._payout, self.profile.owed[0], now)), now)

    def _payout(self, owed: Owed, now: datetime, dated: Mapping[str, datetime]) -> xp.Decision:
        return xp.payout(self.profile, owed, self.policy, now, dated)

    def shown(self, now: datetime) -> GamificationProfile:
        """As `gamification.profile`."""
        return projections.as_of(self.profile, now, self.policy)

    def _random(self) -> str:
        self.random += 1
        return f"~{self.random}"

    def _link(self, row: XPTransaction, now: datetime, note: str, restoring: bool) -> xp.Decision | XPTransaction:
        standing = self.standing(row)
        if standing.reversed is not restoring:
            return standing.linked or row
        request = xp.LinkRequest(standing, note, xp.link_key(standing))
        rule = xp.restore if restoring else xp.reverse
        return self._write(request.key, now, lambda dated: rule(self.profile, request, self.policy, now, dated))

    def _write(
        self, key: str, now: datetime, decide: Callable[[Mapping[str, datetime]], xp.Decision]
    ) -> xp.Decision | XPTransaction:
        for row in self.rows:
            if row.transaction_id == transaction_id(USER, key):
                return row
        decision = self._decided(decide)
        if decision.row is None:
            assert decision.profile is self.profile
            assert decision.reason is not None
            assert not decision.events
            return decision
        self._commit(decision, now)
        if self.pays:
            self.pay(now)
        return decision

    def _decided(self, decide: Callable[[Mapping[str, datetime]], xp.Decision]) -> xp.Decision:
        decision = decide({})
        if not decision.earlier:
            return decision
        dated = achievements.since(self.policy.achievements, decision.earlier, self.rows)
        return decide({id: dated.get(id, self.profile.updated_at) for id in decision.earlier})

    def _commit(self, decision: xp.Decision, now: datetime) -> None:
        row, before, told = decision.row, self.profile, tuple(decision.events)
        assert row is not None
        self.rows.append(row)
        self.written.append((now, before.timezone))
        self.events += told
        self.profile = decision.profile
        sound(row)
        sound(self.profile)
        for event in told:
            sound(event)
        events_are_gapless(self.events)
        assert row.seq == len(self.rows)
        assert row.told == len(told) >= 1
        about_xp = [event.event_type for event in told if event.event_type in {"xp.awarded", "xp.revoked"}]
        assert about_xp == [told[0].event_type]
        folds(self.rows, self.profile, self.policy)
        assert projections.row_divergence(_state(before), row, projections.fold(self.rows, self.policy)) is None
        assert self.profile.streak.longest >= self.profile.streak.current
        assert max(self.profile.day or "", row.day or "") == self.profile.day
        assert (before.day or "") <= self.profile.day
        room_comes_back_on_its_day_only(self.rows, self.written)
        for entry in leaderboards.entries(row, self.profile):
            assert (self.boards.get(entry.board.name) or entry).seq <= entry.seq
            self.boards[entry.board.name] = entry


def _state(profile: GamificationProfile) -> Folded:
    return Folded.model_construct(**{name: getattr(profile, name) for name in Folded.model_fields})


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["award"] * 6 + ["reverse"] * 4 + ["restore"] * 4 + ["activity", "freezes", "move", "pay"]),
        st.sampled_from([0, 0, 1, 5, 13, 24, 24, 50, 24 * 8]),
        st.integers(0, 11),
        st.integers(1, 60),
    ),
    max_size=30,
)
"""Random lives: what happens, how many hours later, to which row or from which source, and how much."""

SOURCES = (
    "manual",
    "answer_posted",
    "answer_upvoted",
    "answer_downvoted",
    "answer_accepted",
    "insight_published",
    "email_verified",
    "insight_liked",
)
HOMES = ("UTC", "Asia/Kolkata", "Pacific/Apia", "America/Santiago", "Pacific/Kiritimati", "Etc/GMT+12")

POLICIES = (
    Policy(xp={"daily_cap": 30}),
    Policy(
        xp={
            "daily_cap": {"free": 50, "pro": 60, "team": 0, "enterprise": "unlimited"},
            "multipliers": [{"name": "double", "factor": 2}, {"name": "long", "factor": "3/2", "min_streak": 2}],
            "sources": {"streak_milestone": {"capped": True}},
        },
        levels={"kind": "linear", "first": 40, "rewards": {2: 5, 3: 9}, "down": "high_water"},
        streaks={"freeze_every": 2, "max_freezes": 2, "late_days": 3, "milestones": [2, 3]},
        achievements=[
            {"id": "ach_tiers", "name": "Tiers", "metric": "total_xp", "tiers": [10, 60, 200], "xp": [3, 0, 7]},
            {"id": "ach_now", "name": "Now", "metric": "level", "tiers": [2], "revoke": "while_true", "xp": [4]},
            {"id": "ach_posts", "name": "Posts", "metric": "count", "source": "answer_posted", "tiers": [2, 3]},
        ],
    ),
    Policy(xp={"daily_cap": "unlimited"}, streaks={"freeze_every": 1}),
)


def limited(policy: Policy) -> Callable[[Sequence[XPTransaction]], Callable[[XPTransaction], bool]]:
    """Which rows hold XP that the cap limits: those of capped sources, and what takes it back or gives it again."""

    def of(rows: Sequence[XPTransaction]) -> Callable[[XPTransaction], bool]:
        sources = {row.transaction_id: row.source for row in rows}

        def is_limited(row: XPTransaction) -> bool:
            source = policy.xp.sources.get(sources.get(row.reverses or row.restores or row.transaction_id, ""))
            return source is not None and source.capped

        return is_limited

    return of


def play(ledger: Ledger, steps: Sequence[tuple[str, int, int, int]], start: datetime = NOON) -> datetime:
    """Lives ``steps``. What the ledger checks, it checks after each. Gives the time at the end."""
    now = start
    for kind, hours, which, amount in steps:
        now += HOUR * hours
        awards = [row for row in ledger.rows if not row.reverses and not row.restores]
        if kind == "award":
            source = SOURCES[which % len(SOURCES)]
            named = amount if source == "manual" or (amount % 5 == 0 and not source.endswith("downvoted")) else None
            ledger.award(source, now, amount=named, about=str(amount % 13), at=now - HOUR * (which // 8) * 9)
        elif kind in {"reverse", "restore"} and awards:
            row = awards[-1 - which % len(awards)]
            (ledger.reverse if kind == "reverse" else ledger.restore)(row, now)
        elif kind == "activity":
            ledger.activity(now, now - DAY * (which % 5))
        elif kind == "freezes":
            ledger.freezes(which + 1, now)
        elif kind == "move":
            ledger.moves(HOMES[which % len(HOMES)], now)
        elif kind == "pay":
            ledger.pay(now)
    return now
