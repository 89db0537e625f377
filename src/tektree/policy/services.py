"""The numbers of everything around gamification: limits, quotas, life times, and the way of events."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import BeforeValidator, Field, model_validator

from tektree.models.accounts import Tier
from tektree.models.base import FREEZE, Count, Frozen
from tektree.policy.settings import Label, Positive, Setting, as_tuple

__all__ = [
    "Accounts",
    "Caches",
    "Connections",
    "Content",
    "Events",
    "Passwords",
    "RateLimit",
    "RateLimits",
    "Sessions",
    "Subscriptions",
    "default_quotas",
]

SinkName = Annotated[str, Field(max_length=32, pattern=r"^[a-z][a-z0-9_\-]*$")]


def default_quotas() -> Frozen[Tier, Frozen[str, int | None]]:
    """Units a month, by tier and type."""
    rows: dict[Tier, tuple[int | None, ...]] = {
        "free": (20, 100, 5, 3),
        "pro": (200, 1000, 50, 30),
        "team": (1000, None, 250, 150),
        "enterprise": (None, None, None, None),
    }
    types: tuple[str, ...] = ("questions", "answers", "insights", "areas")
    return Frozen({tier: Frozen(zip(types, limits, strict=True)) for tier, limits in rows.items()})


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
        tuple[Annotated[str, Field(max_length=30, pattern=r"^[A-Za-z0-9_]+$")], ...], BeforeValidator(as_tuple)
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
    sinks: Annotated[tuple[SinkName, ...], BeforeValidator(as_tuple), Field(max_length=16)] = ()

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(set(self.sinks)) < len(self.sinks):
            raise ValueError("sinks must be different names")
        return self
