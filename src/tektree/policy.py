"""Every number that a host may change, in one frozen value.

``Policy()`` holds the defaults. Another one is made by naming what differs, or read from TOML or JSON:

>>> Policy(xp={"daily_cap": 300}).xp.cap("pro")
300

A policy that does not hold together raises `InvalidPolicy`, which is a `ConfigurationError` as much as an
`InvalidInput`.
"""

import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from tektree.errors import ConfigurationError, InvalidPolicy
from tektree.models.accounts import Tier
from tektree.models.base import FREEZE, INT53, Count, Frozen, Instant, Name, Value, first_fault, text
from tektree.models.gamification import Folded

__all__ = [
    "UNLIMITED",
    "Accounts",
    "Achievement",
    "Caches",
    "Connections",
    "Content",
    "Events",
    "Levels",
    "Multiplier",
    "Passwords",
    "Policy",
    "RateLimit",
    "RateLimits",
    "Sessions",
    "Source",
    "Streaks",
    "Subscriptions",
    "XP",
]

SinkName = Annotated[str, Field(max_length=32, pattern=r"^[a-z][a-z0-9_\-]*$")]

UNLIMITED: Final = "unlimited"
"""How "no limit" is written in TOML and JSON; in Python it is None."""


class Setting(Value):
    """A part of the policy. Lists and tables may be given as they come from TOML."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise _fault(error) from None


def _fault(error: ValidationError) -> InvalidPolicy:
    fault, first = first_fault(error), error.errors()[0]
    inner = first.get("ctx", {}).get("error")
    if isinstance(inner, InvalidPolicy):  # of a part, which was made on the way
        return InvalidPolicy(f"{fault.field}.{inner.field}".removesuffix(".policy"), inner.reason)
    return InvalidPolicy(fault.field if first["loc"] else "policy", fault.reason)


def _limit(value: Any) -> Any:
    return None if type(value) is str and value == UNLIMITED else value


def _tuple(value: Any) -> Any:
    return tuple(value) if type(value) is list else value


_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+|/[0-9]+)?")


def _exact(value: Any) -> Fraction:
    """A number as it is written, without the detour over binary floats. No powers: 1e999999999 is a long number."""
    written = str(value) if type(value) in {int, Fraction} and abs(value) < 10**40 else value
    if type(written) is str and len(written) <= 40 and _NUMBER.fullmatch(written):
        try:
            return Fraction(written)
        except ZeroDivisionError:
            pass
    raise ValueError("must be a whole number or a text such as '1.5' or '41/20'")


def _moment(value: Any) -> Any:
    """TOML has times, JSON writes them as text."""
    if type(value) is str and len(value) <= 40:
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("must be a time with its offset, such as 2025-12-16T14:00:00Z") from None
    return value


Limit = Annotated[Count | None, BeforeValidator(_limit)]
Exact = Annotated[Fraction, BeforeValidator(_exact)]
Moment = Annotated[Instant, BeforeValidator(_moment)]
Positive = Annotated[int, Field(ge=1, le=INT53)]
Signed = Annotated[int, Field(ge=-INT53, le=INT53)]
Label = Annotated[str, Field(min_length=1, max_length=200)]


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
    sources: Annotated[tuple[Name, ...] | None, BeforeValidator(_tuple)] = None
    tiers: Annotated[tuple[Tier, ...] | None, BeforeValidator(_tuple)] = None
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
    daily_cap: Annotated[Limit | Mapping[Tier, Limit], BeforeValidator(_limit)] = 500
    multipliers: Annotated[tuple[Multiplier, ...], BeforeValidator(_tuple)] = ()
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
    thresholds: Annotated[tuple[Count, ...], BeforeValidator(_tuple)] = ()
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
    milestones: Annotated[tuple[Positive, ...], BeforeValidator(_tuple)] = (7, 30, 100, 365)
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
    tiers: Annotated[tuple[Positive, ...], BeforeValidator(_tuple), Field(min_length=1, max_length=99)] = (1,)
    source: Name | None = None
    secret: bool = False
    xp: Annotated[tuple[Count, ...], BeforeValidator(_tuple)] = ()
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


_ACHIEVEMENTS: Final = (
    Achievement(id="ach_first_steps", name="First steps", metric="total_xp"),
    Achievement(id="ach_week_warrior", name="Week warrior", metric="longest_streak", tiers=(7,)),
    Achievement(id="ach_month_master", name="Month master", metric="longest_streak", tiers=(30,)),
    Achievement(id="ach_top_contributor", name="Top contributor", metric="total_xp", tiers=(10_000,)),
    Achievement(id="ach_first_insight", name="First insight", metric="count", source="insight_published"),
    Achievement(id="ach_first_accepted", name="First accepted answer", metric="count", source="answer_accepted"),
    Achievement(id="ach_level_10", name="Level 10", metric="level", tiers=(10,)),
)


class RateLimit(Setting):
    """At most ``limit`` requests in any ``window_seconds``; 0: none at all.

    ``away``: what happens while the store of the counts cannot be reached. ``open`` lets requests through uncounted,
    ``closed`` refuses them; None: open for endpoints, closed for log-ins.
    """

    limit: Count
    window_seconds: Annotated[int, Field(ge=1, le=86_400)] = 60
    away: Literal["open", "closed"] | None = None


def _rate_limits() -> Frozen[Tier, Frozen[str, RateLimit]]:
    limits: dict[Tier, int] = {"free": 60, "pro": 120, "team": 300, "enterprise": 600}
    return Frozen({tier: Frozen({"*": RateLimit(limit=limit)}) for tier, limit in limits.items()})


class RateLimits(Setting):
    """Requests per window: for each tier by endpoint pattern, in which ``*`` stands for any characters; and log-ins,
    per account and source.

    Each endpoint is counted on its own, also where one pattern covers many. Tiers may be named at once, as in
    ``{"free": {"*": {"limit": 60}}}``.
    """

    tiers: Annotated[Mapping[Tier, Mapping[Label, RateLimit]], FREEZE] = _rate_limits()
    login_per_account: RateLimit = RateLimit(limit=5)
    login_per_source: RateLimit = RateLimit(limit=20)

    @model_validator(mode="before")
    @classmethod
    def _at_once(cls, given: Any) -> Any:
        if not isinstance(given, Mapping) or given.keys().isdisjoint(get_args(Tier)):
            return given
        if "tiers" in given:
            raise ValueError("tiers: name all of them below it, or all without it")
        tiers = {tier: given[tier] for tier in get_args(Tier) if tier in given}
        return {"tiers": tiers, **{name: value for name, value in given.items() if name not in tiers}}


class Sessions(Setting):
    """Life times in seconds. ``idle`` None: a session does not end by rest. ``per_user``: the oldest makes room.

    ``grace``: for so long a token that was rotated away is only refused, as it may have been on its way.
    """

    lifetime: Positive = 7 * 86_400
    remembered: Positive = 30 * 86_400
    idle: Positive | None = None
    per_user: Positive = 20
    grace: Annotated[int, Field(ge=1, le=3_600)] = 10


class Caches(Setting):
    """For how many seconds records are cached: ``lifetime``, less up to ``spread``, drawn at random for each.

    Who loads a record that is not there is waited for ``lease`` seconds; then somebody else loads it.
    """

    lifetime: Annotated[int, Field(ge=1, le=86_400)] = 300
    spread: Annotated[int, Field(ge=0, le=86_400)] = 30
    lease: Annotated[int, Field(ge=1, le=60)] = 3

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.spread >= self.lifetime:
            raise ValueError("spread must be less than lifetime")
        return self


class Subscriptions(Setting):
    """For so many days after a payment failed, or should have been told of, a tier stays what it was. ``products`` says
    which tier a product of whoever bills is for, by its id. ``notice_days`` before a trial ends it is told.
    """

    grace_days: Annotated[int, Field(ge=0, le=90)] = 7
    notice_days: Annotated[int, Field(ge=0, le=90)] = 3
    products: Annotated[Mapping[Label, Tier], FREEZE] = Frozen()


class Passwords(Setting):
    """``min_length`` in characters.

    The most is 72 bytes, which is bcrypt's. ``bcrypt_cost`` is the power of two of its rounds. ``at_once`` hashes are
    computed at a time in this process, and ``waiting`` more may wait for their turn; who comes then is refused.
    ``refuse_common``: whether the most common passwords are, and those that are the user's own address or handle.
    """

    min_length: Annotated[int, Field(ge=1, le=72)] = 8
    bcrypt_cost: Annotated[int, Field(ge=10, le=31)] = 12
    at_once: Annotated[int, Field(ge=1, le=1_024)] = 4
    waiting: Annotated[int, Field(ge=0, le=100_000)] = 64
    refuse_common: bool = True


_HANDLES: Final = """
about abuse account accounts admin administrator anonymous api app assets auth billing blog bot cdn contact
dashboard deleted docs email erased everyone explore feed feedback help home hostmaster info login logout mail
me moderator my new news nobody none notifications null official password policy postmaster privacy profile
register report root search security settings signin signout signup static status support system team teams
tektree terms undefined unknown update user users webmaster www you
"""

Lifetime = Annotated[int, Field(ge=1, le=366 * 86_400)]
"""Seconds, a year at most."""


class Accounts(Setting):
    """Life times in seconds: of the tokens that are mailed, and of the hold on a handle that was given up.

    ``handle_hold``: nobody else gets such a handle before that has passed; 0: at once. ``held_handles``: so many may
    be held back for one user; who has more must wait before another change. ``reserved_handles`` are given to nobody,
    nor are they with underscores around them; capitals do not matter. ``require_verified``: whether who has not proved
    the address is refused at log-in.
    """

    verification_lifetime: Lifetime = 86_400
    reset_lifetime: Lifetime = 3_600
    change_lifetime: Lifetime = 3_600
    handle_hold: Annotated[int, Field(ge=0, le=3_660 * 86_400)] = 90 * 86_400
    held_handles: Annotated[int, Field(ge=1, le=100)] = 5
    reserved_handles: Annotated[
        tuple[Annotated[str, Field(max_length=30, pattern=r"^[A-Za-z0-9_]+$")], ...], BeforeValidator(_tuple)
    ] = tuple(_HANDLES.split())
    require_verified: bool = False


class Content(Setting):
    """Areas stand at most ``area_depth`` levels deep. Reading times assume so many ``words_per_minute``."""

    area_depth: Annotated[int, Field(ge=1, le=40)] = 10
    words_per_minute: Annotated[int, Field(ge=1, le=10_000)] = 200


class Connections(Setting):
    """At how many each user's connections stop: ``most`` that are accepted, ``requests`` of theirs that wait for an
    answer, ``blocks`` of others.
    """

    most: Annotated[int, Field(ge=1, le=10_000)] = 1_000
    requests: Annotated[int, Field(ge=1, le=10_000)] = 100
    blocks: Annotated[int, Field(ge=1, le=10_000)] = 1_000


class Events(Setting):
    """The way of events from a command to the log and to handlers.

    ``drain``: whether a command brings its events to the log itself, or leaves that to a relay. ``deliver``: the same
    for calling handlers and reactions. A call that fails is tried ``attempts`` times in all, the second time after
    ``backoff`` seconds, then after twice as many, at most an hour. ``lease``: for how many seconds a delivery is left
    to the process that began it. ``producer_id`` names this process in events. ``sinks`` are the names of those to whom
    a relay brings every event; the same in all processes, for who tells an event marks it for them. ``boards`` and
    ``caches``: whether a command writes the leaderboards, and reactions invalidate what is cached, or a consumer does.
    """

    drain: Literal["inline", "relay"] = "inline"
    deliver: Literal["inline", "relay"] = "inline"
    attempts: Annotated[int, Field(ge=1, le=100)] = 5
    backoff: Annotated[int, Field(ge=1, le=3_600)] = 1
    lease: Annotated[int, Field(ge=1, le=86_400)] = 30
    producer_id: Annotated[str, Field(max_length=128)] = ""
    boards: Literal["inline", "consumer"] = "inline"
    caches: Literal["inline", "consumer"] = "inline"
    sinks: Annotated[tuple[SinkName, ...], BeforeValidator(_tuple), Field(max_length=16)] = ()

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(set(self.sinks)) < len(self.sinks):
            raise ValueError("sinks must be different names")
        return self


class Reaction(Setting):
    """What follows from an event: XP given or taken back, a day of activity, a place on the boards hidden or shown, a
    record that is cached no more, or units of a quota.

    ``effect``: ``award`` gives XP of ``source``, or gives it again if it was taken back; ``reverse`` takes that back.
    ``to`` is the field of the payload with the uid of whom it is for. ``about`` is the kind of entity, whose id stands
    in the field of that name and ``_id``; without it, the first word of the event's type. ``by`` is the field with the
    uid of who did it: one's own doing gives nothing, and with ``each`` everybody's counts once. ``first`` is a field
    that must be true for XP to be given for the first time, ``when`` one that must be true for anything to follow.
    ``cache`` invalidates what is cached of the entity that it is about, a user or a question; of a user it is that of
    ``to``. ``quota`` counts ``units`` of that quota as used, also beyond its limit, or gives them back where they are
    below 0.
    """

    effect: Literal["award", "reverse", "activity", "hide", "show", "cache", "quota"] = "award"
    source: Name | None = None
    to: Name = "user_id"
    about: Name | None = None
    by: Name | None = None
    each: bool = False
    first: Name | None = None
    when: Name | None = None
    quota: Name | None = None
    units: Annotated[int, Field(ge=-(10**9), le=10**9)] = 1

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.source is not None) is not (self.effect in {"award", "reverse"}):
            raise ValueError("source must be given for award and reverse, and for nothing else")
        if self.each and self.by is None:
            raise ValueError("by must be given with each")
        if (self.quota is not None) is not (self.effect == "quota"):
            raise ValueError("quota must be given for the effect quota, and for nothing else")
        if self.units == 0 or (self.units != 1 and self.quota is None):
            raise ValueError("units must go with the effect quota, and must not be 0")
        if self.effect in {"cache", "quota"} and (self.by or self.first or self.when):
            raise ValueError(f"by, first and when do not go with the effect {self.effect}")
        return self


def _reactions(value: Any) -> Any:
    """The short forms: the name of a source, or one reaction alone."""
    if type(value) is str:
        value = {"source": value}
    if isinstance(value, Reaction | Mapping):
        value = (value,)
    return tuple([{"source": each} if type(each) is str else each for each in value]) if _listed(value) else value


def _listed(value: Any) -> bool:
    return type(value) is list or type(value) is tuple


def _quotas() -> Frozen[Tier, Frozen[str, int | None]]:
    rows: dict[Tier, tuple[int | None, ...]] = {
        "free": (20, 100, 5, 3),
        "pro": (200, 1000, 50, 30),
        "team": (1000, None, 250, 150),
        "enterprise": (None, None, None, None),
    }
    types: tuple[str, ...] = ("questions", "answers", "insights", "areas")
    return Frozen({tier: Frozen(zip(types, limits, strict=True)) for tier, limits in rows.items()})


def _voted(kind: str) -> dict[str, tuple[Reaction, ...]]:
    """A vote gives its XP, or takes it, once for each voter; a changed one takes the other direction back first."""
    given = {way: Reaction(source=f"{kind}_{way}", by="voter_id", each=True) for way in ("upvoted", "downvoted")}
    back = {
        way: Reaction(effect="reverse", source=f"{kind}_{way}", by="voter_id", each=True)
        for way in ("upvoted", "downvoted")
    }
    return {
        f"{kind}.upvoted": (back["downvoted"], given["upvoted"]),
        f"{kind}.downvoted": (back["upvoted"], given["downvoted"]),
        f"{kind}.vote_removed": (back["upvoted"], back["downvoted"]),
    }


def _accepted(effect: Literal["award", "reverse"]) -> tuple[Reaction, ...]:
    return (
        Reaction(effect=effect, source="answer_accepted", by="accepted_by"),
        Reaction(effect=effect, source="answer_chosen", to="accepted_by", about="question", by="user_id"),
    )


_CACHED: Final[Mapping[str, Sequence[str]]] = {
    "user": (
        "user.registered",
        "user.email_verified",
        "user.profile_updated",
        "user.handle_changed",
        "user.password_changed",
        "user.role_changed",
        "user.tier_changed",
        "user.suspended",
        "user.reinstated",
        "user.deleted",
        "user.erased",
    ),
    "question": (
        "question.asked",
        "question.updated",
        "question.deleted",
        "question.restored",
        "question.closed",
        "question.reopened",
        "question.resolved",
        "question.upvoted",
        "question.downvoted",
        "question.vote_removed",
        "answer.posted",
        "answer.deleted",
        "answer.restored",
        "answer.accepted",
        "answer.unaccepted",
    ),
}
"""The events that change what is cached of a user, and of a question. It goes behind all else that follows."""


def _invalidated() -> dict[str, tuple[Reaction, ...]]:
    return {each: (Reaction(effect="cache", about=kind),) for kind, types in _CACHED.items() for each in types}


def _joined(*tables: Mapping[str, tuple[Reaction, ...]]) -> Mapping[str, tuple[Reaction, ...]]:
    types = dict.fromkeys([each for table in tables for each in table])
    return Frozen({each: tuple([one for table in tables for one in table.get(each, ())]) for each in types})


_REACTIONS: Final[Mapping[str, tuple[Reaction, ...]]] = _joined(
    {
        "user.email_verified": (Reaction(source="email_verified"),),
        "user.suspended": (Reaction(effect="hide"),),
        "user.reinstated": (Reaction(effect="show"),),
        "area.created": (Reaction(source="area_created"),),
        "area.deleted": (Reaction(effect="reverse", source="area_created"),),
        "area.restored": (Reaction(source="area_created"),),
        "question.asked": (Reaction(source="question_asked"),),
        "question.deleted": (
            Reaction(effect="reverse", source="question_asked"),
            Reaction(effect="reverse", source="answer_chosen"),
        ),
        "question.restored": (
            Reaction(source="question_asked"),
            Reaction(source="answer_chosen", when="accepted"),
        ),
        **_voted("question"),
        "answer.posted": (Reaction(source="answer_posted"),),
        "answer.deleted": (Reaction(effect="reverse", source="answer_posted"),),
        "answer.restored": (Reaction(source="answer_posted"),),
        "answer.accepted": _accepted("award"),
        "answer.unaccepted": _accepted("reverse"),
        **_voted("answer"),
        "insight.published": (Reaction(source="insight_published", first="first_publication"),),
        "insight.unpublished": (Reaction(effect="reverse", source="insight_published"),),
        "insight.deleted": (Reaction(effect="reverse", source="insight_published"),),
        "insight.liked": (Reaction(source="insight_liked", by="by", each=True),),
        "insight.unliked": (Reaction(effect="reverse", source="insight_liked", by="by", each=True),),
    },
    _invalidated(),
)


class Policy(Setting):
    """All of it. ``version`` is the host's own name for these numbers; it stands on every ledger row they decided."""

    version: text(64, 1) = "default"  # type: ignore[valid-type]
    xp: XP = XP()
    levels: Levels = Levels()
    streaks: Streaks = Streaks()
    achievements: Annotated[tuple[Achievement, ...], BeforeValidator(_tuple)] = _ACHIEVEMENTS
    quotas: Annotated[Mapping[Tier, Mapping[Label, Limit]], FREEZE] = _quotas()
    """Units that a tier may consume in a billing month; None: no limit."""
    rate_limits: RateLimits = RateLimits()
    sessions: Sessions = Sessions()
    caches: Caches = Caches()
    subscriptions: Subscriptions = Subscriptions()
    passwords: Passwords = Passwords()
    accounts: Accounts = Accounts()
    content: Content = Content()
    connections: Connections = Connections()
    reactions: Annotated[Mapping[Label, Annotated[tuple[Reaction, ...], BeforeValidator(_reactions)]], FREEZE] = (
        _REACTIONS
    )
    """What follows from an event, by its type. The name of a source alone awards it."""
    events: Events = Events()

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        ids = [each.id for each in self.achievements]
        twice = {id for id in ids if ids.count(id) > 1}
        if twice:
            raise ValueError(f"achievements: {min(twice)!r} stands there twice")
        reactions = {each.source for table in self.reactions.values() for each in table if each.source}
        sources = {each.source for each in self.achievements if each.source} | reactions
        if sources - self.xp.sources.keys():
            raise ValueError(
                f"achievements and reactions: {min(sources - self.xp.sources.keys())!r} is no source of this policy"
            )
        counted = {each.quota for table in self.reactions.values() for each in table if each.quota}
        unknown = counted - {name for limits in self.quotas.values() for name in limits}
        if unknown:
            raise ValueError(f"reactions: {min(unknown)!r} is no quota of this policy")
        return self

    @classmethod
    def from_toml(cls, document: str) -> Self:
        """The policy that a TOML text describes; what it leaves out is the default. Raises `InvalidPolicy`."""
        try:
            fields = tomllib.loads(document)
        except (ValueError, RecursionError) as error:  # ValueError: also a number of more digits than Python reads
            raise InvalidPolicy("policy", f"is no TOML: {str(error)[:200]}") from None
        return cls(**fields)

    @classmethod
    def from_json(cls, document: str) -> Self:
        """The policy that a JSON text describes; what it leaves out is the default. Raises `InvalidPolicy`."""
        try:
            fields = json.loads(document, object_pairs_hook=_once)
        except (ValueError, RecursionError) as error:
            raise InvalidPolicy("policy", f"is no JSON: {str(error)[:200]}") from None
        if not isinstance(fields, dict):
            raise InvalidPolicy("policy", "must be a JSON object")
        return cls(**fields)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The policy in a ``.toml`` or ``.json`` file. Raises `InvalidPolicy`, also when there is no such file."""
        path = Path(path)
        if path.suffix not in {".toml", ".json"}:
            raise InvalidPolicy("policy", "must be a .toml or a .json file")
        try:
            document = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise InvalidPolicy("policy", f"the file {path.name!r} cannot be read") from None
        return cls.from_toml(document) if path.suffix == ".toml" else cls.from_json(document)

    def to_json(self) -> str:
        """This policy as JSON. Raises `ConfigurationError` when it holds a callable."""
        return json.dumps(_plain(self, ""), indent=2, ensure_ascii=False)

    def to_toml(self) -> str:
        """This policy as TOML. Raises `ConfigurationError` when it holds a callable."""
        return "".join(_toml(_plain(self, "")))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return fields


_UNSET_WHEN_NONE: Final = frozenset(
    {
        "amount",
        "sources",
        "tiers",
        "since",
        "until",
        "ceiling",
        "custom",
        "top",
        "source",
        "idle",
        "about",
        "by",
        "first",
        "when",
        "quota",
        "away",
    }
)
"""Fields whose None means "not there"; any other None is a limit that does not exist."""


def _plain(value: Any, path: str) -> Any:
    """``value`` in the terms of JSON."""
    if isinstance(value, Setting):
        fields = {name: getattr(value, name) for name in type(value).model_fields}
        return {
            name: _plain(item, f"{path}.{name}".lstrip("."))
            for name, item in fields.items()
            if not (item is None and name in _UNSET_WHEN_NONE)
        }
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{path}.{key}") for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item, f"{path}.{at}") for at, item in enumerate(value)]
    if value is None:
        return UNLIMITED
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if callable(value):
        raise ConfigurationError(path, "is a callable, which no file can hold; export a policy without it")
    return value


def _toml(table: dict[str, Any], path: tuple[str, ...] = (), listed: bool = False) -> list[str]:
    """The lines of a TOML table: plain values first, then the tables and lists of tables inside."""
    plain = {key: item for key, item in table.items() if not _tables(item)}
    name = f"[{'.'.join(path)}]"
    lines = [f"\n[{name}]\n" if listed else f"\n{name}\n"] if path and (plain or listed or not table) else []
    lines += [f"{_key(key)} = {_inline(item)}\n" for key, item in plain.items()]
    for key, item in table.items():
        for each in _tables(item):
            lines += _toml(each, (*path, _key(key)), listed=isinstance(item, list))
    return lines


def _tables(value: Any) -> list[dict[str, Any]]:
    """What of ``value`` TOML writes as tables: a map, or a list of maps."""
    if isinstance(value, dict):
        return [value]
    return value if isinstance(value, list) and value and isinstance(value[0], dict) else []


def _key(key: str) -> str:
    return key if key.isascii() and key.replace("_", "a").replace("-", "a").isalnum() else _text(key)


def _text(value: str) -> str:
    """A TOML text: JSON's escapes are TOML's, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _inline(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join([_inline(item) for item in value]) + "]"
    if isinstance(value, str):
        return _text(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
