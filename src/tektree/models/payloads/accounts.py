"""What is told of users."""

from typing import Annotated, Literal

from pydantic import Field

from tektree.models.accounts import Role, Tier
from tektree.models.base import INT53, HexId, Name, Text, Uid
from tektree.models.payloads.base import Changed, Moment, Payload, Personal, SessionId, Why

__all__ = [
    "UserDeleted",
    "UserEmailVerified",
    "UserErased",
    "UserHandleChanged",
    "UserLoggedIn",
    "UserLoggedOut",
    "UserLoginFailed",
    "UserPasswordChanged",
    "UserProfileUpdated",
    "UserRegistered",
    "UserReinstated",
    "UserRoleChanged",
    "UserSuspended",
    "UserTierChanged",
]

Email = Annotated[str, Text(320)]
Handle = Annotated[str, Text(64)]


class _User(Payload, by="user-service", stream="user:{user_id}"):
    user_id: Uid


class UserRegistered(_User, event="user.registered"):
    """Somebody opened an account."""

    email: Personal[Email]
    handle: Personal[Handle]
    tier: Tier


class UserEmailVerified(_User, event="user.email_verified"):
    """The user proved that the address is theirs."""

    email: Personal[Email]


class UserLoggedIn(_User, event="user.logged_in", stream=None):
    """The user opened a session."""

    session_id: SessionId
    method: Name
    ip_hash: Personal[Annotated[str, Text(128)]]


class UserLoginFailed(_User, event="user.login_failed", stream=None):
    """Somebody tried to log in, and could not. ``user_id`` is null when nobody is called so."""

    user_id: Uid | None  # type: ignore[assignment]
    handle: Personal[Email]
    reason: Name
    attempt: Annotated[int, Field(ge=1, le=INT53)]


class UserLoggedOut(_User, event="user.logged_out", stream=None):
    """The user closed a session."""

    session_id: SessionId


class UserProfileUpdated(_User, event="user.profile_updated"):
    """The user changed what they say of themselves. Of personal fields it is only told that something changed."""

    changed: Changed


class UserHandleChanged(_User, event="user.handle_changed"):
    """The user is called otherwise."""

    old: Personal[Handle]
    new: Personal[Handle]


class UserPasswordChanged(_User, event="user.password_changed"):
    """The user has another password; sessions end."""


class UserRoleChanged(_User, event="user.role_changed"):
    """The user may do more, or less. ``by`` is null when the system decided."""

    old: Role
    new: Role
    by: Uid | None


class UserTierChanged(_User, event="user.tier_changed"):
    """The user is on another tier. ``subscription_id`` is null when no subscription is the cause."""

    old: Tier
    new: Tier
    subscription_id: HexId | None


class UserSuspended(_User, event="user.suspended"):
    """The user may not log in, ``until`` then or until further notice."""

    reason: Why
    until: Moment | None = None


class UserReinstated(_User, event="user.reinstated"):
    """The user may log in again."""

    reason: Why


class UserDeleted(_User, event="user.deleted"):
    """The account is closed: softly, so that it can come back, or for good."""

    mode: Literal["soft", "hard"]


class UserErased(_User, event="user.erased"):
    """All that was personal of the user is gone, from the log of events too."""
