"""Connections: what two users are to each other."""

from typing import Annotated, Literal

from pydantic import Field

from tektree.models.base import LISTED, HexId, Instant, Record, Text, Uid, Value

__all__ = ["Connection", "Contact", "ContactStatus", "contact"]

ContactStatus = Literal["none", "connected", "sent", "received", "blocked"]
"""What another user is to somebody: ``sent`` and ``received`` are requests that wait for an answer, ``blocked`` is whom
one blocks oneself. Who is blocked by the other is not told."""

_Two = Annotated[tuple[HexId, ...], Field(min_length=2, max_length=2), LISTED]
_Any = Annotated[tuple[HexId, ...], Field(max_length=2), LISTED]


class Connection(Record):
    """Two users: one document for each pair, whoever began, so that what one of them does is one write for both.

    ``users`` are their ids, the smaller one first, and ``uids`` stand beside them, empty where nobody knows it.
    ``asked`` are those of them who want the connection, ``blocked`` those who block the other.
    """

    id: HexId
    users: _Two
    uids: Annotated[tuple[Annotated[str, Text(64)], ...], Field(min_length=2, max_length=2), LISTED]
    asked: _Any = ()
    blocked: _Any = ()
    status: Literal["none", "requested", "connected"] = "none"
    """How many have asked, in words."""
    at: Instant
    """Since when it is so."""


class Contact(Value):
    """A connection as one of the two sees it: who the other one is, and what they are to each other."""

    user_id: HexId
    uid: Uid | None
    """None where nobody knows it."""
    status: ContactStatus
    at: Instant
    """Since when it is so."""


def contact(connection: Connection, user_id: str) -> Contact:
    """What ``user_id``, one of the two, may know of a connection. That the other one blocks them does not show."""
    other = 1 - connection.users.index(user_id)
    mine, theirs = user_id in connection.asked, connection.users[other] in connection.asked
    status: ContactStatus = "none"
    if user_id in connection.blocked:
        status = "blocked"
    elif mine:
        status = "connected" if theirs else "sent"
    elif theirs:
        status = "received"
    uid = connection.uids[other] or None
    return Contact(user_id=connection.users[other], uid=uid, status=status, at=connection.at)
