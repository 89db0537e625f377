"""Sessions: tokens, how long a session lasts, and when it is over.

The law: a session is over at its end, which nothing moves; at the end of its rest, where the policy says so; and for
good. Whoever is in doubt refuses.
"""

import re
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, NamedTuple

from tektree.errors import InvalidSession
from tektree.models.base import milliseconds
from tektree.models.sessions import Account, Marks, Rotated, Session
from tektree.policy import Policy

__all__ = ["Ticket", "is_late", "is_over", "opened", "refreshed", "ticket", "token", "touched"]

_TOKEN: Final = re.compile(r"(usr_[A-Za-z0-9_\-]{1,60})\.([A-Za-z0-9_\-]{43})")
_LONGEST: Final = 64 + 1 + 43


class Ticket(NamedTuple):
    """What a token says: whose it is meant to be, and what its session is stored under."""

    uid: str
    session_id: str


def token(uid: str, secret: str) -> str:
    """The token of a user's secret."""
    return f"{uid}.{secret}"


def ticket(value: object) -> Ticket:
    """The ticket of a token. Raises `InvalidSession` for what no token can be, before anything is looked up."""
    if type(value) is str and len(value) <= _LONGEST:
        found = _TOKEN.fullmatch(value)
        if found is not None:
            return Ticket(found[1], sha256(found[2].encode()).hexdigest())
    raise InvalidSession


def opened(account: Account, version: int, remember_me: bool, policy: Policy, now: datetime) -> Session:
    """A session that begins now."""
    lifetime = policy.sessions.remembered if remember_me else policy.sessions.lifetime
    return Session.model_validate(
        {
            "user_id": account.uid,
            "tier": account.tier,
            "role": account.role,
            "created_at": now,
            "expires_at": now.replace(microsecond=0) + timedelta(seconds=lifetime),
            "id": account.id,
            "epoch": account.epoch,
            "version": version,
            "remembered": True if remember_me else None,
            "seen": milliseconds(now) if policy.sessions.idle else None,
        }
    )


def is_over(session: Session, policy: Policy, now: datetime) -> bool:
    """Whether it is past its end, or past its rest: at that very instant it is."""
    if now >= session.expires_at:
        return True
    idle = policy.sessions.idle
    if idle is None:
        return False
    seen = milliseconds(session.created_at) if session.seen is None else session.seen
    return milliseconds(now) - seen >= idle * 1000


def is_late(rotated: Rotated, policy: Policy, now: datetime) -> bool:
    """Whether a token that was rotated away cannot have been on its way any more: at the end of the grace it cannot."""
    return now - rotated.at >= timedelta(seconds=policy.sessions.grace)


def touched(session: Session, now: datetime) -> Session:
    """It, used now. Time that goes back makes it no younger."""
    return session.evolve(seen=max(session.seen or 0, milliseconds(now)))


def refreshed(session: Session, account: Account | None, marks: Marks) -> Session:
    """It, with role and tier as they are now. Raises `InvalidSession` for an account that may not have one any more."""
    if account is None or not account.enabled or account.epoch != session.epoch:
        raise InvalidSession
    return session.evolve(tier=account.tier, role=account.role, version=marks.version)
