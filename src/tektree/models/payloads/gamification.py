"""What is told of XP, levels, streaks and achievements.

``user_id`` is the uid; of an adopted profile whose uid nobody knows, the id. What the ledger tells is counted along
``user:<uid>:xp``, what the user sets along ``user:<uid>:settings``.
"""

from typing import Annotated

from pydantic import Field

from tektree.models.base import INT53, LISTED, Count, Name, SafeInt, Text, Value
from tektree.models.gamification import AchievementId, TransactionId, Week
from tektree.models.payloads.base import Date, Moment, Payload, Why

__all__ = [
    "AchievementFeatured",
    "AchievementRevoked",
    "AchievementUnlocked",
    "Criteria",
    "LevelDown",
    "LevelUp",
    "StreakBroken",
    "StreakExtended",
    "StreakFreezeGranted",
    "StreakFrozen",
    "StreakStarted",
    "Subject",
    "XPAwarded",
    "XPCapped",
    "XPDailyReset",
    "XPRevoked",
]

Subject = Annotated[str, Field(max_length=64, pattern=r"^(usr_[A-Za-z0-9_\-]{1,60}|[0-9a-f]{24})$")]
Level = Annotated[int, Field(ge=1, le=INT53)]


class _Ledger(Payload, by="gamification-service", stream="user:{user_id}:xp"):
    user_id: Subject


class _Row(_Ledger):
    """What every row of the ledger says. Boards and profiles can be made of these alone: the sums are absolute."""

    transaction_id: TransactionId
    amount: SafeInt
    requested_amount: SafeInt | None
    """What the rules came to before the cap."""
    source: Name
    related_entity_type: Name | None
    related_entity_id: Annotated[str, Text(128, 1)] | None
    daily_total: Count
    daily_cap: Count
    total_xp: SafeInt
    day: Date
    week: Week
    weekly_xp: SafeInt
    row_seq: Annotated[int, Field(ge=1, le=INT53)]
    reached_at: Moment | None
    """When ``total_xp`` was reached; who was there first stands higher."""
    weekly_reached_at: Moment | None
    settings_version: Count
    at: Moment
    """When it happened."""
    is_activity: bool


class XPAwarded(_Row, event="xp.awarded"):
    """A row was written: XP given, also 0 or less, or given again (``restores``)."""

    rule_id: Name | None = None
    """The rule that answered an event with this award."""
    restores: TransactionId | None = None
    reason: Why | None = None
    """Why it was given again."""


class XPRevoked(_Row, event="xp.revoked"):
    """A row was written that takes back the one it ``reverses``."""

    reverses: TransactionId
    reason: Why


class XPCapped(_Ledger, event="xp.capped"):
    """An award came to less than was asked, because the day's cap is reached."""

    source: Name
    requested_amount: SafeInt
    granted: SafeInt
    daily_cap: Count
    resets_at: Moment


class XPDailyReset(_Ledger, event="xp.daily_reset"):
    """A day on which the user earned something is over. Told with the first row of a later day."""

    day: Date
    earned: Annotated[int, Field(ge=1, le=INT53)]


class _Level(_Ledger):
    old_level: Level
    new_level: Level
    total_xp: SafeInt
    xp_to_next_level: Count


class LevelUp(_Level, event="level.up"):
    """The user rose, perhaps by several levels at once."""


class LevelDown(_Level, event="level.down"):
    """The user fell, perhaps by several levels at once."""


class _Active(_Ledger):
    current: Count
    longest: Count
    day: Date
    is_record: bool


class StreakStarted(_Active, event="streak.started"):
    """The first active date of a run."""


class StreakExtended(_Active, event="streak.extended"):
    """One more active date of a run."""


class StreakFrozen(_Ledger, event="streak.frozen"):
    """A missed date was bridged by a freeze."""

    day: Date
    freezes_used: Count
    freezes_left: Count


class StreakFreezeGranted(_Ledger, event="streak.freeze_granted"):
    """The user has more freezes: ``earned``, ``granted`` by the host, or ``returned``."""

    granted: Count
    freezes_available: Count
    reason: Name


class StreakBroken(_Ledger, event="streak.broken"):
    """A run ended. ``last_activity_at`` is null when it began before our time."""

    length: Count
    longest: Count
    last_activity_at: Moment | None
    missed_days: Count


class Criteria(Value):
    """What an achievement asks for: so much of a metric, of one source where the metric is a count."""

    metric: Name
    source: Name | None
    at_least: SafeInt


class AchievementUnlocked(_Ledger, event="achievement.unlocked"):
    """The user did what an achievement asks for; ``progress`` is how much of it."""

    achievement_id: AchievementId
    criteria: Criteria
    progress: SafeInt


class AchievementRevoked(_Ledger, event="achievement.revoked"):
    """An achievement that lasts as long as its condition is gone with it."""

    achievement_id: AchievementId


class AchievementFeatured(_Ledger, event="achievement.featured", stream="user:{user_id}:settings"):
    """The user shows these achievements first."""

    featured: Annotated[tuple[AchievementId, ...], Field(max_length=50), LISTED]
