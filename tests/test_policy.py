"""The policy: its defaults, number by number; through TOML and JSON and back; and what it refuses, naming the field."""

import json
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tektree.errors import ConfigurationError, InvalidInput, InvalidPolicy
from tektree.models.base import INT53
from tektree.policy import (
    UNLIMITED,
    XP,
    Accounts,
    Achievement,
    Caches,
    Events,
    Levels,
    Multiplier,
    Passwords,
    Policy,
    RateLimit,
    RateLimits,
    Reaction,
    Sessions,
    Source,
    Streaks,
)
from tests.records import REDIS

TIERS = ("free", "pro", "team", "enterprise")

# Defaults


@pytest.mark.parametrize(
    ("sources", "amount", "own", "capped", "once"),
    [
        (["insight_published"], 25, True, True, "entity"),
        (["answer_posted"], 10, True, True, "entity"),
        (["question_asked"], 5, True, True, "entity"),
        (["area_created"], 5, True, True, "entity"),
        (["question_upvoted", "answer_upvoted"], 10, False, True, "entity"),
        (["question_downvoted", "answer_downvoted"], -2, False, False, "entity"),
        (["answer_accepted"], 15, False, False, "entity"),
        (["answer_chosen"], 2, True, True, "entity"),
        (["insight_liked"], 5, False, True, "entity"),
        (["email_verified"], 10, False, False, "user"),
        (["streak_milestone"], 10, False, False, "entity"),
        (["achievement_unlocked"], None, False, False, "entity"),
        (["manual"], None, False, True, "key"),
    ],
)
def test_the_sources(sources: list[str], amount: int | None, own: bool, capped: bool, once: str) -> None:
    """The table of sources: amount, own activity, takes room of the cap, once per."""
    for name in sources:
        source = Policy().xp.sources[name]
        assert (source.amount, source.own, source.capped, source.once) == (amount, own, capped, once)
        assert (source.enabled, source.cooldown_seconds) == (True, 0)
        assert (source.per_day, source.in_all, source.up_to_level) == (None, None, None)


def test_there_are_no_other_sources() -> None:
    """… and what a level owes, which the package pays itself."""
    assert len(Policy().xp.sources) == 16
    assert "level_reward" in Policy().xp.sources


def test_the_numbers_of_xp_streaks_and_levels() -> None:
    """Daily cap 500 on every tier. `streak_milestone` (7, 30, 100, 365 days). `levels` is a curve and optional
    `rewards` (level → XP), empty by default."""
    policy = Policy()
    assert [policy.xp.cap(tier) for tier in TIERS] == [500] * 4
    assert (policy.xp.multipliers, policy.xp.stacking, policy.xp.ceiling, policy.xp.rounding) == (
        (),
        "compound",
        None,
        "floor",
    )
    streaks = policy.streaks
    assert (streaks.freeze_every, streaks.max_freezes, streaks.late_days) == (7, 10, 7)
    assert streaks.milestones == (7, 30, 100, 365)
    levels = policy.levels
    assert (levels.kind, levels.unit, levels.factor, levels.exponent) == ("power", 50, 4, Fraction("2.05"))
    assert (levels.rewards, levels.down, levels.top) == ({}, "follow", None)
    assert policy.version == "default"


def test_the_quotas() -> None:
    """Quotas a month (free / pro / team / enterprise): `questions` 20/200/1000/∞, `answers` 100/1000/∞/∞, `insights`
    5/50/250/∞, `areas` 3/30/150/∞."""
    quotas = Policy().quotas
    assert {kind: [quotas[tier][kind] for tier in TIERS] for kind in quotas["free"]} == {
        "questions": [20, 200, 1000, None],
        "answers": [100, 1000, None, None],
        "insights": [5, 50, 250, None],
        "areas": [3, 30, 150, None],
    }


def test_the_rate_limits() -> None:
    """Rate limits per 60 s: every endpoint 60/120/300/600, `login` 5 per account and 20 per source."""
    limits = Policy().rate_limits
    assert [dict(limits.tiers[tier]) for tier in TIERS] == [
        {"*": RateLimit(limit=limit, window_seconds=60)} for limit in (60, 120, 300, 600)
    ]
    assert limits.login_per_account == RateLimit(limit=5, window_seconds=60)
    assert limits.login_per_source == RateLimit(limit=20, window_seconds=60)


def test_limits_are_named_by_tier_at_once_or_below_tiers() -> None:
    """`rate_limits` (tier → endpoint pattern → limit per window)."""
    limits = {"free": {"/search": {"limit": 10, "window_seconds": 30}}, "pro": {"*": {"limit": 7}}}
    at_once, below = Policy(rate_limits=limits), Policy(rate_limits={"tiers": limits})
    assert at_once == below == Policy.from_json(at_once.to_json()) == Policy.from_toml(at_once.to_toml())
    more = Policy(rate_limits={**limits, "login_per_account": {"limit": 3}}).rate_limits
    assert (more.tiers, more.login_per_account.limit) == (below.rate_limits.tiers, 3)
    with pytest.raises(InvalidPolicy, match="all of them below it, or all without it"):
        Policy(rate_limits={"tiers": limits, "free": {}})


def test_the_achievements() -> None:
    """Achievements: `ach_first_steps` (first XP), `ach_week_warrior` (streak 7), `ach_month_master` (30),
    `ach_top_contributor` (10,000 XP), `ach_first_insight`, `ach_first_accepted`, `ach_level_10`; none of them
    carries XP by default."""
    assert [(each.id, each.metric, each.tiers, each.source) for each in Policy().achievements] == [
        ("ach_first_steps", "total_xp", (1,), None),
        ("ach_week_warrior", "longest_streak", (7,), None),
        ("ach_month_master", "longest_streak", (30,), None),
        ("ach_top_contributor", "total_xp", (10_000,), None),
        ("ach_first_insight", "count", (1,), "insight_published"),
        ("ach_first_accepted", "count", (1,), "answer_accepted"),
        ("ach_level_10", "level", (10,), None),
    ]
    assert all((each.xp, each.secret, each.revoke) == ((), False, "keep") for each in Policy().achievements)


def test_sessions_and_passwords() -> None:
    """Sessions 7 days, 30 remembered, 20 per user. Passwords: at least 8 characters, at most 72 bytes, no NUL; bcrypt
    cost 12."""
    policy = Policy()
    assert policy.sessions == Sessions(lifetime=7 * 86_400, remembered=30 * 86_400, idle=None, per_user=20)
    assert policy.passwords == Passwords(min_length=8, bcrypt_cost=12)
    assert policy.events == Events(drain="inline", deliver="inline", attempts=5, backoff=1, lease=30, producer_id="")
    sources = {each.source for table in policy.reactions.values() for each in table}
    assert sources - {None} <= set(policy.xp.sources)


def test_caches() -> None:
    """Five minutes, as the data model has it, less up to half a minute."""
    assert Policy().caches == Caches(lifetime=300, spread=30, lease=3)
    kinds = ("cache_user", "cache_question")
    assert {REDIS[kind]["ttl_seconds"] for kind in kinds} == {Policy().caches.lifetime}


def test_accounts() -> None:
    """Tokens of a day, an hour and an hour; handles held back for 90 days."""
    policy = Policy()
    found = policy.accounts
    assert (found.verification_lifetime, found.reset_lifetime, found.change_lifetime) == (86_400, 3_600, 3_600)
    assert (found.handle_hold, found.held_handles, found.require_verified) == (90 * 86_400, 5, False)
    assert {"admin", "root", "me", "new", "api", "null", "undefined", "support"} <= set(found.reserved_handles)
    assert (policy.passwords.at_once, policy.passwords.waiting, policy.passwords.refuse_common) == (4, 64, True)
    other = Policy(accounts={"reserved_handles": ["Acme"], "handle_hold": 0}, passwords={"at_once": 2})
    assert other.accounts == Accounts(reserved_handles=("Acme",), handle_hold=0)
    assert Policy.from_toml(other.to_toml()) == Policy.from_json(other.to_json()) == other


def test_a_policy_is_frozen() -> None:
    """One frozen value."""
    policy = Policy()
    assert policy == Policy()
    with pytest.raises(ValidationError):
        policy.version = "other"
    with pytest.raises(TypeError):
        policy.quotas["free"]["questions"] = 5  # type: ignore[index]
    with pytest.raises(TypeError):
        policy.xp.sources["x"] = Source(amount=1)  # type: ignore[index]


def test_what_is_not_named_stays() -> None:
    """Another one is made by naming what differs."""
    policy = Policy(xp={"sources": {"answer_posted": {"amount": 12}, "answer_edited": {"amount": 1, "own": True}}})
    assert policy.xp.sources["answer_posted"] == Source(amount=12, own=True)
    assert policy.xp.sources["answer_edited"] == Source(amount=1, own=True)
    assert policy.xp.sources["question_asked"] == Policy().xp.sources["question_asked"]
    assert policy.xp.daily_cap == 500
    assert Policy(xp=XP(sources={"answer_posted": Source(amount=3)})).xp.sources["answer_posted"] == Source(amount=3)


# Through files and back

_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
_NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)
_COUNTS = st.integers(0, INT53)
_LIMITS = st.none() | _COUNTS
_FACTORS = st.fractions(Fraction(1, 1000), 1000, max_denominator=10**6)
_INSTANTS = st.none() | st.datetimes(
    datetime(1, 1, 2),  # noqa: DTZ001
    datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5, minutes=-30))]),
)
_RISING = st.sets(st.integers(1, INT53), min_size=1, max_size=4).map(lambda found: tuple(sorted(found)))


def _per_tier(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(dict.fromkeys(TIERS, values))


_SOURCES = st.builds(
    Source,
    amount=st.none() | st.integers(1, INT53) | st.integers(-INT53, -1),
    own=st.booleans(),
    capped=st.booleans(),
    once=st.sampled_from(["entity", "user", "key"]),
    enabled=st.booleans(),
    cooldown_seconds=_COUNTS,
    per_day=_LIMITS,
    in_all=_LIMITS,
    up_to_level=_LIMITS,
)
_MULTIPLIERS = st.builds(
    Multiplier,
    name=_TEXTS,
    factor=_FACTORS,
    sources=st.none() | st.lists(st.sampled_from(["manual", "answer_posted"]), max_size=2),
    tiers=st.none() | st.lists(st.sampled_from(TIERS), max_size=2),
    since=_INSTANTS,
    until=_INSTANTS,
    min_streak=_COUNTS,
)
_LEVELS = st.one_of(
    st.builds(
        Levels,
        unit=st.integers(1, INT53),
        factor=st.integers(1, INT53),
        exponent=st.fractions(1, 8, max_denominator=100),
        top=st.none() | st.integers(1, INT53),
        down=st.sampled_from(["follow", "high_water"]),
        rewards=st.dictionaries(st.integers(2, 10**6), st.integers(1, INT53), max_size=3),
    ),
    st.builds(Levels, kind=st.just("table"), thresholds=_RISING.map(lambda rest: (0, *rest))),
    st.builds(
        Levels,
        kind=st.just("geometric"),
        first=st.integers(1, INT53),
        ratio=st.fractions(Fraction(101, 100), 100, max_denominator=100),
    ),
    st.builds(Levels, kind=st.just("linear"), first=st.integers(1, INT53)),
)
_ACHIEVEMENTS = st.lists(
    st.builds(
        Achievement,
        id=st.from_regex(r"ach_[a-z0-9_]{1,12}", fullmatch=True),
        name=_TEXTS,
        metric=st.sampled_from(["total_xp", "level", "streak", "longest_streak"]),
        tiers=_RISING,
        secret=st.booleans(),
        xp=st.lists(_COUNTS, max_size=1),
        revoke=st.sampled_from(["keep", "while_true"]),
    ),
    max_size=3,
    unique_by=lambda each: each.id,
)
_RATES = st.builds(RateLimit, limit=_COUNTS, window_seconds=st.integers(1, 86_400))
POLICIES = st.builds(
    Policy,
    version=_TEXTS,
    xp=st.builds(
        XP,
        sources=st.dictionaries(
            _NAMES.filter(lambda name: name not in {"activity", "reversal", "restore"}), _SOURCES, max_size=3
        ),
        daily_cap=_LIMITS | _per_tier(_LIMITS),
        multipliers=st.lists(_MULTIPLIERS, max_size=2),
        stacking=st.sampled_from(["compound", "additive", "highest"]),
        ceiling=st.none() | _FACTORS,
        rounding=st.sampled_from(["floor", "ceil", "half_up", "half_even"]),
    ),
    levels=_LEVELS,
    streaks=st.builds(
        Streaks,
        freeze_every=st.integers(0, 3650),
        max_freezes=st.integers(0, 1000),
        late_days=st.integers(0, 60),
        milestones=st.lists(st.integers(1, INT53), max_size=3),
    ),
    achievements=_ACHIEVEMENTS,
    quotas=_per_tier(st.dictionaries(_TEXTS, _LIMITS, max_size=2)),
    rate_limits=st.builds(
        RateLimits,
        tiers=_per_tier(st.dictionaries(_TEXTS, _RATES, max_size=2)),
        login_per_account=_RATES,
        login_per_source=_RATES,
    ),
    sessions=st.builds(Sessions, lifetime=st.integers(1, INT53), idle=st.none() | st.integers(1, INT53)),
    passwords=st.builds(
        Passwords,
        min_length=st.integers(1, 72),
        bcrypt_cost=st.integers(10, 31),
        at_once=st.integers(1, 1_024),
        waiting=st.integers(0, 100_000),
        refuse_common=st.booleans(),
    ),
    accounts=st.builds(
        Accounts,
        verification_lifetime=st.integers(1, 366 * 86_400),
        reset_lifetime=st.integers(1, 366 * 86_400),
        change_lifetime=st.integers(1, 366 * 86_400),
        handle_hold=st.integers(0, 3_660 * 86_400),
        held_handles=st.integers(1, 100),
        reserved_handles=st.lists(st.from_regex(r"[A-Za-z0-9_]{1,30}", fullmatch=True), max_size=3),
        require_verified=st.booleans(),
    ),
    caches=st.builds(Caches, lifetime=st.integers(301, 86_400), spread=st.integers(0, 300), lease=st.integers(1, 60)),
    reactions=st.dictionaries(_TEXTS, st.sampled_from(["manual", Reaction(effect="cache")]), max_size=2),
    events=st.builds(Events, drain=st.sampled_from(["inline", "relay"]), producer_id=_TEXTS),
)


@given(POLICIES)
def test_through_toml_and_json_and_back(policy: Policy) -> None:
    """TOML/JSON in, TOML/JSON out (unlimited is written `"unlimited"`)."""
    written = policy.to_toml()
    tomllib.loads(written)
    assert Policy.from_toml(written) == policy
    assert Policy.from_json(policy.to_json()) == policy
    assert Policy.from_toml(written).to_toml() == written
    assert tomllib.loads(written).keys() <= json.loads(policy.to_json()).keys()


def test_the_defaults_through_toml_and_json_and_back() -> None:
    assert Policy.from_toml(Policy().to_toml()) == Policy.from_json(Policy().to_json()) == Policy()
    assert Policy.from_toml("") == Policy.from_json("{}") == Policy()


def test_unlimited() -> None:
    """Unlimited is written `"unlimited"`; in Python it is None."""
    policy = Policy(xp={"daily_cap": UNLIMITED, "sources": {"manual": {"per_day": UNLIMITED}}})
    assert policy.xp.daily_cap is None
    assert policy.xp.cap("free") is None
    assert policy.xp.sources["manual"].per_day is None
    written = json.loads(policy.to_json())
    assert written["xp"]["daily_cap"] == written["quotas"]["enterprise"]["areas"] == "unlimited"
    assert 'daily_cap = "unlimited"' in policy.to_toml()
    for wrong in ("Unlimited", "none", "", "∞"):
        with pytest.raises(InvalidPolicy):
            Policy(xp={"daily_cap": wrong})


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        (Policy(levels={"kind": "custom", "custom": lambda level: level - 1}), "levels.custom"),
        (
            Policy(achievements=[{"id": "ach_own", "name": "Own", "metric": lambda state: 1}]),
            "achievements.0.metric",
        ),
    ],
)
def test_callables_are_refused_on_export(policy: Policy, field: str) -> None:
    """A policy that holds a callable is a `ConfigurationError` on export."""
    for export in (policy.to_json, policy.to_toml):
        with pytest.raises(ConfigurationError) as caught:
            export()
        assert caught.value.field == field
        assert "callable" in caught.value.reason


def test_numbers_are_exact_as_they_are_written() -> None:
    """A number is taken as it is written, without the detour over binary floats."""
    for written, exact in (("1.1", Fraction(11, 10)), (2, Fraction(2)), ("41/20", Fraction(41, 20))):
        assert Multiplier(name="m", factor=written).factor == exact
    document = '[[xp.multipliers]]\nname = "weekend"\nfactor = "1.5"\nsince = 2025-12-20T00:00:00Z\n'
    multiplier = Policy.from_toml(document).xp.multipliers[0]
    assert (multiplier.factor, multiplier.since) == (Fraction(3, 2), datetime(2025, 12, 20, tzinfo=UTC))


def test_files(tmp_path: Path) -> None:
    """The policy in a `.toml` or `.json` file."""
    policy = Policy(xp={"daily_cap": 7}, version="é")
    (tmp_path / "p.toml").write_text(policy.to_toml(), encoding="utf-8")
    (tmp_path / "p.json").write_text(policy.to_json(), encoding="utf-8")
    assert Policy.load(tmp_path / "p.toml") == Policy.load(str(tmp_path / "p.json")) == policy
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "d.json").mkdir()
    for name in ("p.yaml", "p", "none.toml", "b.toml", "d.json"):
        with pytest.raises(InvalidPolicy) as caught:
            Policy.load(tmp_path / name)
        assert caught.value.field == "policy"
        assert str(tmp_path) not in str(caught.value)


# What is refused

LARGE = 10**400
BAD: list[tuple[dict[str, Any], str]] = [
    ({"xpp": {}}, "xpp"),
    ({"version": ""}, "version"),
    ({"version": "x" * 65}, "version"),
    ({"version": 5}, "version"),
    ({"version": "a\0"}, "version"),
    ({"xp": 5}, "xp"),
    ({"xp": None}, "xp"),
    ({"xp": {"caps": 5}}, "xp.caps"),
    *[({"xp": {"daily_cap": bad}}, "xp.daily_cap") for bad in (-1, True, 1.5, "500", INT53 + 1, LARGE, float("nan"))],
    ({"xp": {"daily_cap": float("inf")}}, "xp.daily_cap"),
    ({"xp": {"daily_cap": {"free": 5}}}, "xp"),
    ({"xp": {"daily_cap": dict.fromkeys(TIERS, -1)}}, "xp.daily_cap"),
    ({"xp": {"daily_cap": {**dict.fromkeys(TIERS, 1), "gold": 1}}}, "xp.daily_cap"),
    ({"xp": {"stacking": "all"}}, "xp.stacking"),
    ({"xp": {"rounding": "up"}}, "xp.rounding"),
    ({"xp": {"ceiling": 1.5}}, "xp.ceiling"),
    ({"xp": {"sources": []}}, "xp.sources"),
    ({"xp": {"sources": {"Bad": {"amount": 1}}}}, "xp.sources"),
    ({"xp": {"sources": {"manual": 5}}}, "xp.sources.manual"),
    ({"xp": {"sources": {"manual": {"amount": 0}}}}, "xp.sources.manual"),
    ({"xp": {"sources": {"manual": {"amount": 1.0}}}}, "xp.sources.manual.amount"),
    ({"xp": {"sources": {"manual": {"amount": LARGE}}}}, "xp.sources.manual.amount"),
    ({"xp": {"sources": {"manual": {"amount": -INT53 - 1}}}}, "xp.sources.manual.amount"),
    ({"xp": {"sources": {"manual": {"own": 1}}}}, "xp.sources.manual.own"),
    ({"xp": {"sources": {"manual": {"once": "always"}}}}, "xp.sources.manual.once"),
    ({"xp": {"sources": {"manual": {"cooldown_seconds": -1}}}}, "xp.sources.manual.cooldown_seconds"),
    ({"xp": {"sources": {"manual": {"per_day": "many"}}}}, "xp.sources.manual.per_day"),
    ({"xp": {"sources": {"manual": {"colour": "red"}}}}, "xp.sources.manual.colour"),
    ({"xp": {"sources": {"activity": {"amount": 1}}}}, "xp"),
    ({"xp": {"multipliers": [{"factor": 2}]}}, "xp.multipliers.0.name"),
    *[
        ({"xp": {"multipliers": [{"name": "m", "factor": bad}]}}, "xp.multipliers.0.factor")
        for bad in (
            0,
            -1,
            1001,
            1.5,
            "x",
            "1/0",
            True,
            "9" * 41,
            10**41,
            "1e1",
            " 1",
            "1_0",
            "٣",
            LARGE,
            10**5000,
            float("nan"),
            "nan",
            "inf",
            None,
            "1e999999999",
        )
    ],
    ({"xp": {"multipliers": [{"name": "m", "factor": 2, "since": "soon"}]}}, "xp.multipliers.0.since"),
    ({"xp": {"multipliers": [{"name": "m", "factor": 2, "until": "2025-12-16T12:00:00"}]}}, "xp.multipliers.0.until"),
    ({"xp": {"multipliers": [{"name": "m", "factor": 2, "since": 5}]}}, "xp.multipliers.0.since"),
    ({"xp": {"multipliers": [{"name": "m", "factor": 2, "sources": ["nothing"]}]}}, "xp"),
    ({"xp": {"multipliers": [{"name": "m", "factor": 2, "tiers": ["gold"]}]}}, "xp.multipliers.0.tiers.0"),
    ({"xp": {"multipliers": {"name": "m"}}}, "xp.multipliers"),
    ({"levels": {"kind": "curvy"}}, "levels.kind"),
    ({"levels": {"unit": 0}}, "levels.unit"),
    ({"levels": {"unit": LARGE}}, "levels.unit"),
    ({"levels": {"exponent": "0.5"}}, "levels"),
    ({"levels": {"exponent": 9}}, "levels"),
    ({"levels": {"exponent": "2.0501"}}, "levels"),
    ({"levels": {"exponent": 2.05}}, "levels.exponent"),
    ({"levels": {"kind": "geometric", "ratio": 1}}, "levels"),
    ({"levels": {"kind": "geometric", "ratio": 101}}, "levels"),
    ({"levels": {"kind": "geometric", "ratio": "1.00000001"}}, "levels"),
    ({"levels": {"kind": "table"}}, "levels"),
    ({"levels": {"thresholds": [0, 1]}}, "levels"),
    ({"levels": {"kind": "table", "thresholds": [1, 2]}}, "levels"),
    ({"levels": {"kind": "table", "thresholds": [0, 5, 5]}}, "levels"),
    ({"levels": {"kind": "table", "thresholds": [0, "5"]}}, "levels.thresholds.1"),
    ({"levels": {"kind": "custom"}}, "levels"),
    ({"levels": {"custom": lambda level: level}}, "levels"),
    ({"levels": {"kind": "custom", "custom": 5}}, "levels.custom"),
    ({"levels": {"top": 0}}, "levels.top"),
    ({"levels": {"down": "up"}}, "levels.down"),
    ({"levels": {"rewards": {1: 5}}}, "levels.rewards"),
    ({"levels": {"rewards": {"two": 5}}}, "levels.rewards"),
    ({"levels": {"rewards": {"٢": 5}}}, "levels.rewards"),
    ({"levels": {"rewards": {2: 0}}}, "levels.rewards.2"),
    ({"levels": {"rewards": [5]}}, "levels.rewards"),
    ({"streaks": {"freeze_every": -1}}, "streaks.freeze_every"),
    ({"streaks": {"max_freezes": 1001}}, "streaks.max_freezes"),
    ({"streaks": {"late_days": 61}}, "streaks.late_days"),
    ({"streaks": {"milestones": [0]}}, "streaks.milestones.0"),
    ({"streaks": {"milestones": 7}}, "streaks.milestones"),
    ({"achievements": [{"id": "first", "name": "F", "metric": "level"}]}, "achievements.0.id"),
    ({"achievements": [{"id": "ach_a", "name": "F", "metric": "luck"}]}, "achievements.0.metric"),
    ({"achievements": [{"id": "ach_a", "name": "F", "metric": "level", "tiers": []}]}, "achievements.0.tiers"),
    ({"achievements": [{"id": "ach_a", "name": "F", "metric": "level", "tiers": [2, 1]}]}, "achievements.0"),
    ({"achievements": [{"id": "ach_a", "name": "F", "metric": "level", "xp": [1, 2]}]}, "achievements.0"),
    ({"achievements": [{"id": "ach_a", "name": "F", "metric": "count"}]}, "achievements.0"),
    ({"achievements": [{"id": "ach_a", "name": "F", "metric": "level", "source": "manual"}]}, "achievements.0"),
    ({"achievements": [{"id": "ach_a", "name": "F", "metric": "count", "source": "nothing"}]}, "policy"),
    ({"achievements": [{"id": "ach_a", "name": "F", "metric": "level"}] * 2}, "policy"),
    ({"quotas": {"gold": {}}}, "quotas"),
    ({"quotas": {"free": {"questions": -1}}}, "quotas.free.questions"),
    ({"quotas": {"free": {"questions": "20"}}}, "quotas.free.questions"),
    ({"quotas": {"free": {"questions": float("nan")}}}, "quotas.free.questions"),
    ({"rate_limits": {"tiers": {"free": {"*": 60}}}}, "rate_limits.tiers.free.*"),
    (
        {"rate_limits": {"login_per_account": {"limit": 5, "window_seconds": 0}}},
        "rate_limits.login_per_account.window_seconds",
    ),
    ({"sessions": {"lifetime": 0}}, "sessions.lifetime"),
    ({"sessions": {"lifetime": "7 days"}}, "sessions.lifetime"),
    ({"passwords": {"min_length": 0}}, "passwords.min_length"),
    ({"passwords": {"min_length": 73}}, "passwords.min_length"),
    ({"passwords": {"bcrypt_cost": 9}}, "passwords.bcrypt_cost"),
    ({"passwords": {"bcrypt_cost": 32}}, "passwords.bcrypt_cost"),
    ({"passwords": {"at_once": 0}}, "passwords.at_once"),
    ({"passwords": {"waiting": -1}}, "passwords.waiting"),
    ({"passwords": {"refuse_common": 1}}, "passwords.refuse_common"),
    ({"accounts": {"reset_lifetime": 0}}, "accounts.reset_lifetime"),
    ({"accounts": {"change_lifetime": 366 * 86_400 + 1}}, "accounts.change_lifetime"),
    ({"accounts": {"handle_hold": -1}}, "accounts.handle_hold"),
    ({"accounts": {"held_handles": 0}}, "accounts.held_handles"),
    ({"accounts": {"reserved_handles": ["a-b"]}}, "accounts.reserved_handles.0"),
    ({"accounts": {"require_verified": None}}, "accounts.require_verified"),
    ({"reactions": {"answer.posted": "nothing"}}, "policy"),
    ({"reactions": {"answer.posted": 5}}, "reactions.answer.posted"),
    ({"reactions": {"answer.posted": {"effect": "quota", "quota": "nothing"}}}, "policy"),
    ({"caches": {"lifetime": 0}}, "caches.lifetime"),
    ({"caches": {"lease": 61}}, "caches.lease"),
    ({"caches": {"lifetime": 30}}, "caches"),
    ({"caches": {"spread": 300}}, "caches"),
    ({"events": {"drain": "later"}}, "events.drain"),
    ({"events": {"producer_id": "x" * 129}}, "events.producer_id"),
]


@pytest.mark.parametrize(("fields", "field"), BAD)
def test_bad_settings_name_their_path(fields: dict[str, Any], field: str) -> None:
    """`Policy` raises `InvalidInput` (pydantic's error is converted where they are made): a `ConfigurationError` as
    much as an `InvalidInput`, which names the field's path."""
    with pytest.raises(InvalidPolicy) as caught:
        Policy(**fields)
    error = caught.value
    assert isinstance(error, ConfigurationError)
    assert isinstance(error, InvalidInput)
    assert isinstance(error, ValueError)
    assert error.field == field or error.field.startswith(f"{field}."), str(error)
    assert error.reason
    assert len(str(error)) < 400
    assert error.__cause__ is None


def test_parts_refuse_too() -> None:
    """A part that a host makes on its own names the field as it knows it; in a whole, the whole path stands."""
    with pytest.raises(InvalidPolicy) as caught:
        Source(amount=1.5)
    assert caught.value.field == "amount"
    with pytest.raises(InvalidPolicy) as caught:
        Source(amount=0)
    assert caught.value.field == "policy"
    with pytest.raises(InvalidPolicy) as caught:
        Policy(xp=5)
    assert caught.value.field == "xp"


@pytest.mark.parametrize(
    ("read", "document"),
    [
        (Policy.from_json, ""),
        (Policy.from_json, "[]"),
        (Policy.from_json, "null"),
        (Policy.from_json, "{"),
        (Policy.from_json, '{"version": "a", "version": "b"}'),
        (Policy.from_json, '{"xp": {"daily_cap": 1, "daily_cap": 2}}'),
        (Policy.from_json, '{"xp": {"daily_cap": NaN}}'),
        (Policy.from_json, '{"xp": {"daily_cap": Infinity}}'),
        (Policy.from_json, '{"xp": {"daily_cap": 1e400}}'),
        (Policy.from_json, '{"xp": {"daily_cap": ' + "9" * 5000 + "}}"),
        (Policy.from_json, '{"xp": ' + "[" * 100_000),
        (Policy.from_json, '{"\ud800": 1}'),
        (Policy.from_toml, "version ="),
        (Policy.from_toml, 'version = "a"\nversion = "b"'),
        (Policy.from_toml, "[xp]\ndaily_cap = nan"),
        (Policy.from_toml, "[xp]\ndaily_cap = inf"),
        (Policy.from_toml, "[xp]\ndaily_cap = " + "9" * 5000),
        (Policy.from_toml, "x = " + "[" * 100_000),
        (Policy.from_toml, "[xp]\ndaily_cap = 2025-12-16"),
    ],
)
def test_documents_that_are_no_policy(read: Callable[[str], Policy], document: str) -> None:
    """Duplicate keys, numbers that are none or too large, and what is not TOML or JSON at all."""
    with pytest.raises(InvalidPolicy) as caught:
        read(document)
    assert len(str(caught.value)) < 400
    assert "99999" not in str(caught.value)
