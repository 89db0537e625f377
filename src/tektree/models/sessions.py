"""Sessions: what is kept of a log-in."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Final, NamedTuple

from pydantic import AfterValidator

from tektree.models.accounts import Role, Tier
from tektree.models.base import Count, HexId, Instant, Record, Uid

__all__ = ["REMEMBERED", "Account", "Kept", "Marks", "OpenSession", "OpenedSession", "Rotated", "Session"]


def _whole_seconds(value: datetime) -> datetime:
    return value.replace(microsecond=0)


Second = Annotated[Instant, AfterValidator(_whole_seconds)]
"""An instant cut to whole seconds, as sessions keep it: a session never lasts longer than it was given."""


class Session(Record):
    """A log-in. ``user_id`` is the uid, as in the stored JSON. It holds neither the token nor its hash.

    What follows ``expires_at`` is ours. ``id``: the user's own id. ``epoch``: the account's when the session was
    opened; another one ends it. ``version``: that of the user's role and tier when they were read; at another one they
    are read anew. ``seen``: when it was last used, in milliseconds since 1970, kept only where sessions end by rest.
    """

    user_id: Uid
    tier: Tier
    role: Role
    created_at: Second
    expires_at: Second
    id: HexId | None = None
    epoch: Count | None = None
    version: Count | None = None
    remembered: bool | None = None
    seen: Count | None = None


class Marks(NamedTuple):
    """Two counters of a user: ``epoch`` rises when all sessions are ended, ``version`` when role or tier change."""

    epoch: int = 0
    version: int = 0


class Kept(NamedTuple):
    """A session as it is stored, and the user's marks at the same instant."""

    session: Session
    marks: Marks


REMEMBERED: Final = 64
"""Of so many sessions of a user it is known that their tokens were changed for others."""


class Rotated(NamedTuple):
    """A session whose token was changed for another, and when."""

    at: datetime


class Account(NamedTuple):
    """What sessions have to know of a user, as it is now. ``epoch`` rises when a password changes."""

    id: str
    uid: str
    tier: str
    role: str
    epoch: int = 0
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session that was just opened. The token is told once and kept nowhere; it does not show in a repr."""

    token: str = field(repr=False)
    session: Session


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One of a user's sessions. ``session_id`` is what it is stored under, of no use to log in with."""

    session_id: str
    session: Session
    current: bool
    """Whether it is that of the one who asks."""
