"""Connections: what two users are to each other, and what each of them may make of it.

The law: two users are connected when both have asked for it and neither blocks the other. To ask is one's own doing;
whoever asks whom has asked them accepts. Either of the two ends it for both. To block ends it, too, and as long as
somebody blocks, they are not connected: the other may ask, but neither is it told nor does the one who blocks see it,
and who asked cannot tell that from a request that nobody answers. To unblock connects nobody.

============  ========================================================================================
step          what becomes of it
============  ========================================================================================
``request``   I have asked; refused while I block
``accept``    I have asked, where the other has, and I do not block; refused else
``remove``    nobody has asked, where I see that somebody has
``block``     I block, and nobody has asked
``unblock``   I do not block
============  ========================================================================================
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from tektree.errors import InvalidTransition, NotFound
from tektree.ids import derived_id
from tektree.models.accounts import Principal
from tektree.models.connections import Connection, Contact, ContactStatus, contact
from tektree.models.payloads import (
    ConnectionAccepted,
    ConnectionBlocked,
    ConnectionRemoved,
    ConnectionRequested,
    ConnectionUnblocked,
    Payload,
)
from tektree.policy import Connections

__all__ = [
    "LISTED",
    "Decided",
    "Step",
    "accepted",
    "between",
    "blocked",
    "grown",
    "known",
    "removed",
    "requested",
    "unblocked",
]

LISTED: Final[tuple[ContactStatus, ...]] = ("connected", "sent", "received", "blocked")
"""What lists can be asked for."""


class Decided(NamedTuple):
    """What becomes of a connection, and what is told of it: nothing, or one thing."""

    connection: Connection
    told: Sequence[Payload] = ()


Step = Callable[[Connection, Principal, datetime], Decided | None]
"""One step by one of the two; None: it is so already."""


def between(by: Principal, user_id: str, uid: str | None, now: datetime) -> Connection:
    """The connection of two users who have had none. ``by`` is one of them, ``uid`` the other's, if it is known."""
    two = sorted([(by.id, by.uid), (user_id, uid or "")])
    users = tuple([id for id, _ in two])
    return Connection(id=derived_id("connection", *users), users=users, uids=tuple([uid for _, uid in two]), at=now)


def requested(old: Connection, by: Principal, now: datetime) -> Decided | None:
    """``by`` asks for it. Raises `InvalidTransition` while they block the other."""
    if by.id in old.blocked:
        raise InvalidTransition("connection", "you block this user; unblock them first")
    return None if by.id in old.asked else _asked(old, by, now)


def accepted(old: Connection, by: Principal, now: datetime) -> Decided | None:
    """``by`` accepts what the other asked for. Raises `NotFound` where they see no request."""
    seen = contact(old, by.id)
    if seen.status == "connected":
        return None
    if seen.status != "received":
        raise NotFound("request", seen.user_id)
    return _asked(old, by, now)


def _asked(old: Connection, by: Principal, now: datetime) -> Decided:
    asked = tuple([each for each in old.users if each in (*old.asked, by.id)])
    if len(asked) == len(old.users):
        new = old.evolve(asked=asked, status="connected", at=now)
        return Decided(new, [ConnectionAccepted(**_named(old, by))])
    new = old.evolve(asked=asked, status="requested", at=now)
    return Decided(new, () if old.blocked else [ConnectionRequested(**_named(old, by))])


def removed(old: Connection, by: Principal, now: datetime) -> Decided | None:
    """``by`` ends it: the connection, their request, or the other's."""
    if old.status == "none" or contact(old, by.id).status in ("none", "blocked"):
        return None
    new = old.evolve(asked=(), status="none", at=now)
    return Decided(new, () if old.blocked else [ConnectionRemoved(was=old.status, **_named(old, by))])


def blocked(old: Connection, by: Principal, now: datetime) -> Decided | None:
    """``by`` blocks the other."""
    if by.id in old.blocked:
        return None
    blocking = tuple([each for each in old.users if each in (*old.blocked, by.id)])
    new = old.evolve(asked=(), blocked=blocking, status="none", at=now)
    return Decided(new, [ConnectionBlocked(was=old.status, **_named(old, by))])


def unblocked(old: Connection, by: Principal, now: datetime) -> Decided | None:
    """``by`` blocks the other no more; what the other has asked meanwhile is then there."""
    if by.id not in old.blocked:
        return None
    left = tuple([each for each in old.blocked if each != by.id])
    return Decided(old.evolve(blocked=left, at=now), [ConnectionUnblocked(**_named(old, by))])


def _named(connection: Connection, by: Principal) -> dict[str, Any]:
    return {"user_id": by.uid, "connection_id": connection.id, "other_id": contact(connection, by.id).uid}


def grown(old: Connection, new: Connection, limits: Connections) -> Sequence[tuple[str, ContactStatus, int]]:
    """For whom a step makes a list longer: the user, which list, and how long it may be before that."""
    most = {"connected": limits.most, "sent": limits.requests, "blocked": limits.blocks}
    return [
        (user, now.status, most[now.status] - 1)
        for user in new.users
        if (now := contact(new, user)).status != _status(old, user) and now.status in most
    ]


def _status(connection: Connection, user_id: str) -> ContactStatus:
    seen: Contact = contact(connection, user_id)
    return seen.status


def known(old: Connection, by: Principal, uid: str | None) -> Connection:
    """The connection with the uids of who acts and of the other, where it lacks them."""
    uids = tuple(
        [had or (by.uid if user == by.id else uid or "") for user, had in zip(old.users, old.uids, strict=True)]
    )
    return old if uids == old.uids else old.evolve(uids=uids)
