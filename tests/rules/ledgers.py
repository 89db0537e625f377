"""A user's ledger over the pure rules alone: what the service does, without storage, and everything checked at each step.

``Ledger`` keeps the rows, decides like the service, and after every row asks what must hold of any history. The checks
are functions of their own, so that a test can show each of them catching a rule that is broken on purpose.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from tektree.ids import derived_id, transaction_id, user_id_of
from tektree.models.events import Event
from tektree.models.gamification import AwardRequest, EntityRef, Folded, GamificationProfile, XPTransaction
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


def room_comes_back_on_its_day_only(rows: Sequence[XPTransaction]) -> None:
    """A row with negative room is a reversal, made while the award's day was the current one."""
    for row in rows:
        if row.room < 0:
            assert row.reverses, "only a reversal row gives room back"
            assert row.recorded_at is not None
            today = row.recorded_at.astimezone(ZoneInfo(row.timezone or "UTC")).date().isoformat()
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
        return self._write(named, lambda dated: xp.award(self.profile, request, self.policy, now, dated))

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
        return self._write(key, lambda dated: xp.activity(self.profile, request, self.policy, now, dated))

    def freezes(self, freezes: int, now: datetime, key: str | None = None) -> xp.Decision | XPTransaction:
        """As `gamification.grant_freezes`."""
        key = key or self._random()
        request = AwardRequest(user_id=USER, source="freezes_granted", key=key, at=now, amount=freezes)
        return self._write(key, lambda dated: xp.freezes(self.profile, request, self.policy, now, dated))

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
            owed = self.profile.owed[0]
            self._commit(self._decided(lambda dated: xp.payout(self.profile, owed, self.policy, now, dated)))

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
        return self._write(request.key, lambda dated: rule(self.profile, request, self.policy, now, dated))

    def _write(
        self, key: str, decide: Callable[[Mapping[str, datetime]], xp.Decision]
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
        self._commit(decision)
        if self.pays:
            self.pay(decision.row.recorded_at or NOON)
        return decision

    def _decided(self, decide: Callable[[Mapping[str, datetime]], xp.Decision]) -> xp.Decision:
        decision = decide({})
        if not decision.earlier:
            return decision
        dated = achievements.since(self.policy.achievements, decision.earlier, self.rows)
        return decide({id: dated.get(id, self.profile.updated_at) for id in decision.earlier})

    def _commit(self, decision: xp.Decision) -> None:
        row, before = decision.row, self.profile
        assert row is not None
        self.rows.append(row)
        self.events += decision.events
        self.profile = decision.profile
        sound(row)
        sound(self.profile)
        for event in decision.events:
            sound(event)
        events_are_gapless(self.events)
        assert row.seq == len(self.rows)
        assert row.told == len(decision.events) >= 1
        assert [event.event_type for event in decision.events if event.event_type in {"xp.awarded", "xp.revoked"}] == [
            decision.events[0].event_type
        ]
        folds(self.rows, self.profile, self.policy)
        assert projections.row_divergence(_state(before), row, projections.fold(self.rows, self.policy)) is None
        assert self.profile.streak.longest >= self.profile.streak.current
        assert max(self.profile.day or "", row.day or "") == self.profile.day
        assert (before.day or "") <= self.profile.day
        room_comes_back_on_its_day_only(self.rows)
        for entry in leaderboards.entries(row, self.profile):
            assert (self.boards.get(entry.board.name) or entry).seq <= entry.seq
            self.boards[entry.board.name] = entry


def _state(profile: GamificationProfile) -> Folded:
    return Folded.model_construct(**{name: getattr(profile, name) for name in Folded.model_fields})
