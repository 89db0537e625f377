"""The numbers of XP, levels, streaks and achievements."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from tektree.models.accounts import Tier
from tektree.models.base import FREEZE, Count, Frozen, Name
from tektree.models.gamification import Folded
from tektree.policy.settings import Exact, Label, Limit, Moment, Positive, Setting, Signed, as_limit, as_tuple

__all__ = ["ACHIEVEMENTS", "RESERVED", "XP", "Achievement", "Levels", "Multiplier", "Source", "Streaks"]


class Source(Setting):
    """Where XP comes from.

    ``amount``: what it gives, below zero for a penalty; None when the caller names it. ``own``: the user's own doing,
    so it counts for the streak. ``capped``: takes room of the daily cap. ``once``: what a key is made of when the
    caller gives none: the entity, or the ``user`` (then a second award is denied), or nothing (``key``). The rest are
    limits, None when there is none.
    """

    amount: Signed | None = None
    own: bool = False
    capped: bool = True
    once: Literal["entity", "user", "key"] = "entity"
    enabled: bool = True
    cooldown_seconds: Count = 0
    per_day: Limit = None
    in_all: Limit = None
    up_to_level: Limit = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.amount == 0:
            raise ValueError("amount must not be 0; leave the source out, or set enabled = false")
        return self


class Multiplier(Setting):
    """XP times ``factor`` while ``since ≤ at < until``.

    It is for some sources (None: every positive one) and tiers (None: all).
    """

    name: Label
    factor: Exact
    sources: Annotated[tuple[Name, ...] | None, BeforeValidator(as_tuple)] = None
    tiers: Annotated[tuple[Tier, ...] | None, BeforeValidator(as_tuple)] = None
    since: Moment | None = None
    until: Moment | None = None
    min_streak: Count = 0

    @field_validator("factor")
    @classmethod
    def _some(cls, factor: Fraction) -> Fraction:
        if not 0 < factor <= 1000:
            raise ValueError("must be above 0 and at most 1000")
        return factor


def _source(
    amount: int | None, own: bool = False, capped: bool = True, once: Literal["entity", "user", "key"] = "entity"
) -> Source:
    return Source(amount=amount, own=own, capped=capped, once=once)


_SOURCES: Final = {
    "insight_published": _source(25, own=True),
    "answer_posted": _source(10, own=True),
    "question_asked": _source(5, own=True),
    "area_created": _source(5, own=True),
    "question_upvoted": _source(10),
    "answer_upvoted": _source(10),
    "question_downvoted": _source(-2, capped=False),
    "answer_downvoted": _source(-2, capped=False),
    "answer_accepted": _source(15, capped=False),
    "answer_chosen": _source(2, own=True),
    "insight_liked": _source(5),
    "email_verified": _source(10, capped=False, once="user"),
    "streak_milestone": _source(10, capped=False),
    "achievement_unlocked": _source(None, capped=False),
    "level_reward": _source(None, capped=False),
    "manual": _source(None, once="key"),
}

RESERVED: Final = frozenset({"activity", "freezes_granted", "reversal", "restore"})
"""Sources of rows that the package writes itself; a policy cannot define them."""


class XP(Setting):
    """What is given for what, and how much a day. ``daily_cap`` is one number, or one for each tier."""

    sources: Annotated[Mapping[Name, Source], FREEZE] = Frozen(_SOURCES)
    daily_cap: Annotated[Limit | Mapping[Tier, Limit], BeforeValidator(as_limit)] = 500
    multipliers: Annotated[tuple[Multiplier, ...], BeforeValidator(as_tuple)] = ()
    stacking: Literal["compound", "additive", "highest"] = "compound"
    ceiling: Exact | None = None
    """The most that all multipliers together come to."""
    rounding: Literal["floor", "ceil", "half_up", "half_even"] = "floor"

    @model_validator(mode="before")
    @classmethod
    def _merged(cls, given: Any) -> Any:
        """Sources are named to change or add them; the others stay, and so do the fields that are not named."""
        if isinstance(given, dict) and isinstance(given.get("sources"), Mapping):
            named = {name: _amended(_SOURCES.get(name), source) for name, source in given["sources"].items()}
            return {**given, "sources": {**_SOURCES, **named}}
        return given

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        taken = RESERVED & self.sources.keys()
        if taken:
            raise ValueError(f"sources: {min(taken)!r} is written by the package itself; choose another name")
        if isinstance(self.daily_cap, Mapping):
            missing = {"free", "pro", "team", "enterprise"} - self.daily_cap.keys()
            if missing:
                raise ValueError(f"daily_cap: names no cap for the tier {min(missing)!r}")
        unknown = {name for each in self.multipliers for name in each.sources or ()} - self.sources.keys()
        if unknown:
            raise ValueError(f"multipliers: {min(unknown)!r} is no source of this policy")
        return self

    def cap(self, tier: str) -> int | None:
        """The most XP that ``tier`` may earn a day from capped sources; None: no cap."""
        cap = self.daily_cap
        return cap[tier] if isinstance(cap, dict) else cap  # type: ignore[return-value]


def _amended(old: Source | None, given: Any) -> Any:
    if old is not None and isinstance(given, Mapping):
        return {**{name: getattr(old, name) for name in Source.model_fields}, **given}
    return given


class Levels(Setting):
    """The level curve, as numbers; `tektree.rules.levels.Curve` computes with them.

    ``power``: threshold(n) = unit · round(factor · (n − 1)^exponent). ``linear``: first · (n − 1). ``geometric``:
    each step is ``ratio`` times the one before, the first is ``first``. ``table``: the thresholds themselves, from 0.
    ``custom``: a callable. ``top`` is the highest level, None: no end. ``down``: whether a level follows the total
    down or stays at its high water.
    """

    kind: Literal["power", "linear", "geometric", "table", "custom"] = "power"
    unit: Positive = 50
    factor: Positive = 4
    exponent: Exact = Fraction(41, 20)
    first: Positive = 100
    ratio: Exact = Fraction(3, 2)
    thresholds: Annotated[tuple[Count, ...], BeforeValidator(as_tuple)] = ()
    custom: Callable[[int], int] | None = None
    top: Positive | None = None
    down: Literal["follow", "high_water"] = "follow"
    rewards: Annotated[Mapping[Annotated[int, Field(ge=2)], Positive], FREEZE] = Frozen()
    """XP for reaching a level, once per user."""

    @field_validator("rewards", mode="before")
    @classmethod
    def _whole_levels(cls, given: Any) -> Any:
        """Keys of TOML and JSON are text."""
        if not isinstance(given, Mapping):
            return given
        return {
            int(key) if type(key) is str and key.isascii() and key.isdigit() else key: xp for key, xp in given.items()
        }

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.kind == "power" and not (1 <= self.exponent <= 8 and self.exponent.denominator <= 100):
            raise ValueError("exponent must be from 1 to 8, with a denominator of at most 100")
        if self.kind == "geometric" and not (1 < self.ratio <= 100 and self.ratio.denominator <= 100):
            raise ValueError("ratio must be above 1 and at most 100, with a denominator of at most 100")
        if (self.kind == "table") != bool(self.thresholds):
            raise ValueError("thresholds go with kind = 'table', and a table needs them")
        if self.thresholds and self.thresholds[0] != 0:
            raise ValueError("thresholds must begin with 0")
        if any(high <= low for low, high in zip(self.thresholds, self.thresholds[1:], strict=False)):
            raise ValueError("thresholds must rise from each level to the next")
        if (self.kind == "custom") != (self.custom is not None):
            raise ValueError("custom goes with kind = 'custom', which needs it")
        return self


class Streaks(Setting):
    """Freezes and late facts.

    A freeze is earned each time the streak reaches a multiple of ``freeze_every`` (0: never).
    """

    freeze_every: Annotated[int, Field(ge=0, le=3650)] = 7
    max_freezes: Annotated[int, Field(ge=0, le=1000)] = 10
    late_days: Annotated[int, Field(ge=0, le=60)] = 7
    milestones: Annotated[tuple[Positive, ...], BeforeValidator(as_tuple)] = (7, 30, 100, 365)
    """Lengths that earn the XP of the source ``streak_milestone``, once per run."""


Metric = Literal["total_xp", "level", "streak", "longest_streak", "count"]


class Achievement(Setting):
    """A mark that a user gets once ``metric`` reaches each of ``tiers``.

    With more than one tier their ids are ``ach_x:1``, ``ach_x:2``, …. ``metric`` may be a callable over the state.
    ``count`` counts the awards of ``source``. ``xp`` is owed per tier. ``while_true`` takes the mark away when the
    condition no longer holds.
    """

    id: Annotated[str, Field(max_length=64, pattern=r"^ach_[a-z0-9_]{1,60}$")]
    name: Label
    metric: Metric | Callable[[Folded], int]
    tiers: Annotated[tuple[Positive, ...], BeforeValidator(as_tuple), Field(min_length=1, max_length=99)] = (1,)
    source: Name | None = None
    secret: bool = False
    xp: Annotated[tuple[Count, ...], BeforeValidator(as_tuple)] = ()
    revoke: Literal["keep", "while_true"] = "keep"

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if any(high <= low for low, high in zip(self.tiers, self.tiers[1:], strict=False)):
            raise ValueError("tiers must rise")
        if len(self.xp) > len(self.tiers):
            raise ValueError("xp must not name more rewards than there are tiers")
        if (self.metric == "count") != (self.source is not None):
            raise ValueError("source goes with metric = 'count', which needs it")
        return self


ACHIEVEMENTS: Final = (
    Achievement(id="ach_first_steps", name="First steps", metric="total_xp"),
    Achievement(id="ach_week_warrior", name="Week warrior", metric="longest_streak", tiers=(7,)),
    Achievement(id="ach_month_master", name="Month master", metric="longest_streak", tiers=(30,)),
    Achievement(id="ach_top_contributor", name="Top contributor", metric="total_xp", tiers=(10_000,)),
    Achievement(id="ach_first_insight", name="First insight", metric="count", source="insight_published"),
    Achievement(id="ach_first_accepted", name="First accepted answer", metric="count", source="answer_accepted"),
    Achievement(id="ach_level_10", name="Level 10", metric="level", tiers=(10,)),
)
