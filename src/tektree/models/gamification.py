"""XP and what follows from it: the profile, the ledger's rows, and the values that awarding speaks in.

The ledger is the truth. A row carries the state after it (`Folded`), so the newest
row alone brings a profile up to date.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, NamedTuple, NoReturn

from pydantic import Field

from tektree.models.base import (
    FREEZE,
    INT53,
    Count,
    Day,
    Draft,
    Frozen,
    HexId,
    Instant,
    Name,
    Record,
    SafeInt,
    StoredAs,
    Text,
    Uid,
    Value,
)
from tektree.models.events import Event, EventId, Recipients

__all__ = [
    "AchievementId",
    "AwardRequest",
    "AwardResult",
    "Committed",
    "Counter",
    "Divergence",
    "EntityRef",
    "Explanation",
    "Folded",
    "GamificationProfile",
    "Grant",
    "Key",
    "Milestone",
    "Opening",
    "Outcome",
    "Owed",
    "Reason",
    "Run",
    "Streak",
    "StreakEffect",
    "TransactionId",
    "Unlock",
    "Verification",
    "Week",
    "WeekSum",
    "XPTransaction",
    "Zone",
]


EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Outcome(StrEnum):
    """What an award came to."""

    GRANTED = "granted"
    """A row with all that was asked."""
    CLAMPED = "clamped"
    """A row with less than was asked, perhaps 0: the day's cap is reached. It still counts as activity."""
    DUPLICATE = "duplicate"
    """The key was used before: nothing happened now, and the first row comes back."""
    DENIED = "denied"
    """No row; the key stays free. ``reason`` says which rule refused."""


class Reason(StrEnum):
    """Why an award was denied, or gave less than was asked."""

    DAILY_CAP = "daily_cap"
    COOLDOWN = "cooldown"
    SOURCE_MAX = "source_max"
    SELF_ACTION = "self_action"
    NON_REPEATABLE = "non_repeatable"
    LEVEL_CAP = "level_cap"
    EXCLUDED = "excluded"
    FUTURE_EVENT = "future_event"


TransactionId = Annotated[str, Field(max_length=72, pattern=r"^xp_txn_[A-Za-z0-9_\-]{1,64}$")]
AchievementId = Annotated[str, Field(max_length=72, pattern=r"^ach_[a-z0-9_]{1,60}(:[1-9][0-9]?)?$")]
Week = Annotated[str, Field(max_length=8, pattern=r"^[0-9]{4}-W[0-5][0-9]$")]
"""An ISO week: ``2025-W50``."""
Zone = Annotated[str, Text(64, 1)]
Key = Annotated[str, Text(200, 1)]
EntityId = Annotated[str, Text(128, 1), StoredAs.OBJECT_ID_IF_HEX]
Note = Annotated[str, Text(500)]


class EntityRef(Draft):
    """What an award is about: a kind of thing and its id. The id may be any text; a document's id is 24 hex digits.

    >>> EntityRef("insight", "676000000000000000000007").type
    'insight'
    """

    type: Name
    id: EntityId

    def __init__(self, type: str, id: str) -> None:
        super().__init__(type=type, id=id)


class Grant(Value):
    """Freezes that a host granted, and the date from which they act."""

    day: Day
    freezes: Count


class Milestone(Value):
    """A streak length whose reward was owed once, and the first date of the run that reached it."""

    started: Day
    length: Count


class Run(Value):
    """A streak as it stood when the date ``through`` was over: what a late fact is replayed from."""

    through: Day
    current: Count = 0
    longest: Count = 0
    freezes: Count = 0
    day: Day | None = None
    """The newest active date up to then."""
    started: Day | None = None


class Streak(Record):
    """Active dates in a row, as of the newest active date; `tektree.rules.streaks.as_of` tells it as of another.

    ``current`` counts active dates only. ``freezes_available`` missed dates can still be bridged.
    """

    current: Count = 0
    longest: Count = 0
    last_activity_at: Instant | None = None
    freezes_available: Count = 0
    day: Day | None = None
    """The newest active date, in the user's own calendar."""
    started: Day | None = None
    """The first date of the run."""
    through: Day | None = None
    """The last date that is settled: active, bridged, paused, or the end of a run."""
    base: Run | None = None
    """The state before the window of late facts."""
    dates: tuple[Day, ...] = ()
    """The active dates in the window, oldest first."""
    grants: tuple[Grant, ...] = ()
    """Freezes granted in the window, oldest first."""
    paid: tuple[Milestone, ...] = ()
    """Milestones whose reward was owed, of runs that a late fact may still touch."""


class StreakEffect(Value):
    """What one ledger row did to the streak: the decision that a fold repeats."""

    day: Day
    """The date of the fact."""
    counted: bool
    """False when the date was counted before, or is too old to count."""
    current: Count
    longest: Count
    started: Day | None = None
    spent: tuple[Day, ...] = ()
    """Missed dates that were bridged by a freeze each."""
    returned: tuple[Day, ...] = ()
    """Bridged dates that turned out to be active after all: the freeze came back."""
    freezes: SafeInt = 0
    """By how much the number of freezes at hand changed, all in all."""
    earned: Count = 0
    granted: Count = 0
    broke: Count = 0
    """The length of the run that ended before this date, 0 if none did."""
    milestones: tuple[Milestone, ...] = ()
    """The lengths reached now whose reward is owed."""
    base: Run | None = None
    """The state before the window of late facts, where this row moved it."""


class Counter(Value):
    """How often a source has awarded, for cooldowns and limits."""

    count: Count = 0
    today: Count = 0
    day: Day
    last_at: Instant


class Owed(Value):
    """XP that a row made due. It stands until the row with its ``key`` is in the ledger."""

    key: Key
    source: Name
    amount: SafeInt
    about: EntityRef
    at: Instant


class Unlock(Value):
    """An achievement, and when its condition became true."""

    id: AchievementId
    at: Instant


class Folded(Record):
    """All that the ledger says of a user: the fold of their rows, and what each row carries as the state after it."""

    total_xp: SafeInt = 0
    """The true sum; it may be below zero. What is shown is ``max(0, total_xp)``."""
    current_level: Annotated[int, Field(ge=1, le=INT53)] = 1
    xp_to_next_level: Count = 0
    daily_xp_earned: Count = 0
    """What was taken of the cap on ``day``."""
    daily_xp_reset_at: Instant | None = None
    """When that day ends: the next midnight where the user lives."""
    streak: Streak = Streak()
    achievements: tuple[AchievementId, ...] = ()
    updated_at: Instant = EPOCH
    seq: Count = 0
    """The number of the newest row, counted per user from 1 without gaps."""
    event_seq: Count = 0
    """The number of the newest event of the user's ledger stream."""
    day: Day | None = None
    """The cap's day: the newest date that the ledger has seen. It never moves back."""
    week: Week | None = None
    weekly_xp: SafeInt = 0
    reached_at: Instant | None = None
    weekly_reached_at: Instant | None = None
    counters: Annotated[Mapping[str, Counter], FREEZE] = Frozen()
    unlocked: tuple[Unlock, ...] = ()
    owed: tuple[Owed, ...] = ()
    peak_level: Annotated[int, Field(ge=1, le=INT53)] = 1
    """The highest level ever reached; level rewards are owed once up to here."""


class GamificationProfile(Folded):
    """A user's XP, level, streak and achievements, with the settings beside: opt-out, featured, time zone, tier."""

    id: HexId
    user_id: HexId
    featured_achievements: tuple[AchievementId, ...] = ()
    leaderboard_opt_out: bool = False
    uid: Uid | None = None
    timezone: Zone = "UTC"
    tier: Annotated[str, Field(pattern=r"^(free|pro|team|enterprise)$")] = "free"
    settings_version: Count = 0
    """Raised by every change of these settings; the newest one seen decides whether a board shows the user."""
    skipped_dates: tuple[Day, ...] = ()
    """Dates that a move across the date line left out; they count as paused."""
    suspended: Literal["in", "out"] | None = None
    """Set while others keep the user off the boards: whether the user is to be on them, or not, afterwards."""
    settings_told: Count = 0
    """The number of the newest event of the stream of these settings."""
    tier_version: Count | None = None
    """Of which version of the user's subscription the tier is."""


class Opening(Value):
    """What an adopted profile had before its first row of ours: the fold starts here."""

    total_xp: SafeInt = 0
    daily_xp_earned: Count = 0
    day: Day | None = None
    """The day of that counter."""
    streak: Streak = Streak()
    achievements: tuple[AchievementId, ...] = ()
    level: Annotated[int, Field(ge=1, le=INT53)] = 1


class XPTransaction(Record):
    """A row of the ledger. Rows are never changed and never deleted.

    ``amount`` is what took effect and ``requested`` what the rules came to before the cap; ``room`` is what it took
    of the day's cap (below zero: gave back). ``timestamp`` is the instant of the fact.
    """

    id: HexId
    transaction_id: TransactionId
    user_id: HexId
    amount: SafeInt
    source: Name
    related_entity_type: Name | None = None
    related_entity_id: EntityId | None = None
    daily_total: Count = 0
    daily_cap: Count = 0
    timestamp: Instant
    recorded_at: Instant | None = None
    """When the row was written."""
    requested: SafeInt | None = None
    asked: SafeInt | None = None
    """The amount that the caller named; None when the policy decided."""
    reason: Reason | None = None
    note: Note | None = None
    """Why it was reversed or restored, in the caller's words."""
    cause: EventId | None = None
    """The event that this row answers."""
    key: Key | None = None
    day: Day | None = None
    timezone: Zone | None = None
    week: Week | None = None
    seq: Count = 0
    policy_version: Annotated[str, Text(64)] | None = None
    room: SafeInt = 0
    reverses: TransactionId | None = None
    restores: TransactionId | None = None
    weekly_xp: SafeInt = 0
    weekly_reached_at: Instant | None = None
    reached_at: Instant | None = None
    reached_before: Instant | None = None
    weekly_reached_before: Instant | None = None
    activity: bool = False
    streak: StreakEffect | None = None
    unlocked: tuple[Unlock, ...] = ()
    lost: tuple[AchievementId, ...] = ()
    owes: tuple[Owed, ...] = ()
    pays: Key | None = None
    opening: Opening | None = None
    told: Count = 0
    """How many events the row carries."""
    state: Folded | None = None
    """The state after this row. None only on rows of an adopted ledger."""

    @property
    def about(self) -> EntityRef | None:
        """What the row is about, as it was passed to ``award``."""
        if self.related_entity_type is None or self.related_entity_id is None:
            return None
        return EntityRef(type=self.related_entity_type, id=self.related_entity_id)


class AwardRequest(NamedTuple):
    """What is asked of the rule: already validated, with the key settled."""

    user_id: str
    source: str
    key: str
    at: datetime
    about: EntityRef | None = None
    amount: int | None = None


class Explanation(Value):
    """Why an award came out as it did, in words and numbers."""

    text: str
    facts: Annotated[Mapping[str, Any], FREEZE] = Frozen()


class AwardResult:
    """What came of an award, a reversal or a restore. It never changes.

    ``profile`` may be given as what makes it: most callers do not look at it, and it is put together when one does. So
    is the explanation, by ``explain`` of ``facts``.
    """

    __slots__ = ("_facts", "_profile")
    __match_args__ = ("outcome", "profile", "transaction", "reason", "events")

    _facts: tuple[
        Outcome, XPTransaction | None, Reason | None, Sequence[Event], Callable[..., Explanation], tuple[object, ...]
    ]
    _profile: GamificationProfile | Callable[[], GamificationProfile]

    def __init__(
        self,
        outcome: Outcome,
        profile: GamificationProfile | Callable[[], GamificationProfile],
        transaction: XPTransaction | None = None,
        reason: Reason | None = None,
        events: Sequence[Event] = (),
        *,
        explain: Callable[..., Explanation],
        facts: tuple[object, ...] = (),
    ) -> None:
        _set_facts(self, (outcome, transaction, reason, events, explain, facts))
        _set_profile(self, profile)

    @property
    def outcome(self) -> Outcome:
        """What it came to."""
        return self._facts[0]

    @property
    def profile(self) -> GamificationProfile:
        """The state after it."""
        profile = self._profile
        if not isinstance(profile, GamificationProfile):
            profile = profile()
            _set_profile(self, profile)
        return profile

    @property
    def transaction(self) -> XPTransaction | None:
        """The row; None when denied."""
        return self._facts[1]

    @property
    def reason(self) -> Reason | None:
        """Why it was denied, or gave less than was asked."""
        return self._facts[2]

    @property
    def events(self) -> Sequence[Event]:
        """What was told, by rows that followed (a milestone's XP) too; empty for a duplicate."""
        return self._facts[3]

    @property
    def explanation(self) -> Explanation:
        """Why it came out so, in words and numbers."""
        return self._facts[4](*self._facts[5])

    @property
    def amount(self) -> int:
        """The XP that this call moved: 0 when denied or a duplicate."""
        row = self.transaction
        return 0 if row is None or self.outcome is Outcome.DUPLICATE else row.amount

    def _compared(self) -> tuple[object, ...]:
        return self.outcome, self.profile, self.transaction, self.reason, self.events

    def __eq__(self, other: object) -> bool:
        return self._compared() == other._compared() if type(other) is AwardResult else NotImplemented

    def __hash__(self) -> int:
        return hash(self._compared())

    def __repr__(self) -> str:
        fields = [f"{name}={value!r}" for name, value in zip(self.__match_args__, self._compared(), strict=True)]
        return f"AwardResult({', '.join(fields)})"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def __reduce__(self) -> tuple[Callable[..., "AwardResult"], tuple[object, ...]]:
        return _award_result, (*self._compared(), *self._facts[4:])


def _award_result(*facts: Any) -> AwardResult:
    """A result from a pickle or for a copy."""
    return AwardResult(*facts[:-2], explain=facts[-2], facts=facts[-1])


# Its slots, past its own refusal.
_set_facts: Final = vars(AwardResult)["_facts"].__set__
_set_profile: Final = vars(AwardResult)["_profile"].__set__


class Divergence(Value):
    """Where a recount and what is stored part: the row (None: the profile), the field, and both values."""

    transaction_id: TransactionId | None = None
    seq: Count = 0
    field: str
    expected: str
    found: str


class Verification(Value):
    """The outcome of recounting a user from the ledger. True when all is well."""

    user_id: HexId
    rows: Count
    divergence: Divergence | None = None

    def __bool__(self) -> bool:
        return self.divergence is None


class Committed(NamedTuple):
    """A row of the ledger and those of its events that are not known to be in the event log.

    ``to`` says for each of them whom it is for; empty: nobody.
    """

    row: XPTransaction
    outbox: Sequence[Event] = ()
    to: Sequence[Recipients] = ()


class WeekSum(NamedTuple):
    """A user's XP of one ISO week, and when that sum was reached."""

    xp: int = 0
    reached_at: datetime | None = None
