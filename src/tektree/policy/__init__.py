"""Every number that a host may change, in one frozen value.

``Policy()`` holds the defaults. Another one is made by naming what differs, or read from TOML or JSON:

>>> Policy(xp={"daily_cap": 300}).xp.cap("pro")
300

A policy that does not hold together raises `InvalidPolicy`, which is a `ConfigurationError` as much as an
`InvalidInput`.
"""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, model_validator

from tektree.errors import InvalidPolicy
from tektree.models.accounts import Tier
from tektree.models.base import FREEZE, text
from tektree.policy.files import as_plain, as_toml, once
from tektree.policy.gamification import (
    ACHIEVEMENTS,
    RESERVED,
    XP,
    Achievement,
    Levels,
    Multiplier,
    Source,
    Streaks,
)
from tektree.policy.reactions import REACTIONS, Reaction, as_reactions
from tektree.policy.services import (
    Accounts,
    Caches,
    Connections,
    Content,
    Events,
    Passwords,
    RateLimit,
    RateLimits,
    Sessions,
    Subscriptions,
    default_quotas,
)
from tektree.policy.settings import UNLIMITED, Label, Limit, Setting, as_tuple

__all__ = [
    "RESERVED",
    "UNLIMITED",
    "XP",
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
    "Reaction",
    "Sessions",
    "Source",
    "Streaks",
    "Subscriptions",
]


class Policy(Setting):
    """All of it. ``version`` is the host's own name for these numbers; it stands on every ledger row they decided."""

    version: text(64, 1) = "default"  # type: ignore[valid-type]
    xp: XP = XP()
    levels: Levels = Levels()
    streaks: Streaks = Streaks()
    achievements: Annotated[tuple[Achievement, ...], BeforeValidator(as_tuple)] = ACHIEVEMENTS
    quotas: Annotated[Mapping[Tier, Mapping[Label, Limit]], FREEZE] = default_quotas()
    """Units that a tier may consume in a billing month; None: no limit."""
    rate_limits: RateLimits = RateLimits()
    sessions: Sessions = Sessions()
    caches: Caches = Caches()
    subscriptions: Subscriptions = Subscriptions()
    passwords: Passwords = Passwords()
    accounts: Accounts = Accounts()
    content: Content = Content()
    connections: Connections = Connections()
    reactions: Annotated[Mapping[Label, Annotated[tuple[Reaction, ...], BeforeValidator(as_reactions)]], FREEZE] = (
        REACTIONS
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
            fields = json.loads(document, object_pairs_hook=once)
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
        return json.dumps(as_plain(self, ""), indent=2, ensure_ascii=False)

    def to_toml(self) -> str:
        """This policy as TOML. Raises `ConfigurationError` when it holds a callable."""
        return "".join(as_toml(as_plain(self, "")))
