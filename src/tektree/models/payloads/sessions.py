"""What is told of sessions."""

from tektree.models.base import Name, Uid
from tektree.models.payloads.base import Moment, Payload, SessionId

__all__ = ["SessionCreated", "SessionExpired", "SessionRevoked"]


class _Session(Payload, by="user-service"):
    user_id: Uid
    session_id: SessionId


class SessionCreated(_Session, event="session.created"):
    """A session begins."""

    expires_at: Moment


class SessionRevoked(_Session, event="session.revoked"):
    """A session was ended before its time."""

    reason: Name


class SessionExpired(_Session, event="session.expired"):
    """A session came to its end."""

    expires_at: Moment
