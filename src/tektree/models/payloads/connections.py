"""What is told of connections. ``user_id`` is who acts, ``other_id`` the uid of the other, null where nobody knows it.

A request to somebody who blocks who asks is not told, nor is that it was taken back.
"""

from typing import Literal

from tektree.models.base import HexId, Uid
from tektree.models.payloads.base import Payload

__all__ = [
    "ConnectionAccepted",
    "ConnectionBlocked",
    "ConnectionRemoved",
    "ConnectionRequested",
    "ConnectionUnblocked",
]


class _Connection(Payload, by="user-service", stream="connection:{connection_id}"):
    user_id: Uid
    connection_id: HexId
    other_id: Uid | None


class ConnectionRequested(_Connection, event="connection.requested"):
    """The user asks the other for a connection."""


class ConnectionAccepted(_Connection, event="connection.accepted"):
    """Both have asked for it: from now on they are connected."""


class ConnectionRemoved(_Connection, event="connection.removed"):
    """The user ended a connection, or a request of either of them, which ``was`` says."""

    was: Literal["requested", "connected"]


class ConnectionBlocked(_Connection, event="connection.blocked"):
    """The user blocks the other, and with that ends what there ``was``."""

    was: Literal["none", "requested", "connected"]


class ConnectionUnblocked(_Connection, event="connection.unblocked"):
    """The user blocks the other no more. They are not connected by that."""
