"""Who acts and who is meant, and what is kept of an account beside the data model's fields."""

from typing import Annotated, Any, Final, Literal, NamedTuple, NoReturn, NotRequired, Self, TypedDict

from pydantic import AfterValidator, Field, PrivateAttr, SecretStr

from tektree.models.base import (
    Count,
    Draft,
    HexId,
    Instant,
    Record,
    Text,
    Uid,
    Value,
    checked,
    made,
    plain_text,
)
from tektree.models.content import Visibility
from tektree.models.events import Posted

__all__ = [
    "Actor",
    "Digest",
    "HandleClaim",
    "InvitationFields",
    "PasswordHash",
    "Principal",
    "ProfileFields",
    "PublicUser",
    "Purpose",
    "RegistrationFields",
    "Role",
    "Status",
    "StoredUser",
    "Tier",
    "Token",
    "User",
    "resolved",
]

Tier = Literal["free", "pro", "team", "enterprise"]
Role = Literal["user", "moderator", "admin"]
Status = Literal["active", "disabled", "erasing", "erased"]
"""``disabled``: nobody logs in until it is enabled. ``erasing``: for good, and what is personal is being taken away."""
Purpose = Literal["verification", "reset", "change"]
"""What a mailed token is good for: proof of an address, a new password, a new address."""
Digest = Annotated[str, Field(max_length=64, pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256, in hex."""


class Principal(Draft):
    """A user as services see one: who it is, on which tier, in which role. Hosts may make one of what they know.

    ``id`` is the 24 hex digits of the user's ``_id``, ``uid`` the external ``usr_…``. Raises `InvalidInput`.
    """

    id: HexId
    uid: Uid
    tier: Tier = "free"
    role: Role = "user"

    def __init__(self, id: str, uid: str, tier: str = "free", role: str = "user") -> None:
        super().__init__(id=id, uid=uid, tier=tier, role=role)


class _Seal:
    """What an `Actor` of ours carries. A class, because a copy of it is itself."""


class Actor(Principal):
    """Who acts in a session. It comes from ``sessions.resolve`` alone, and is accepted wherever a `Principal` is.

    It cannot be made, changed or unpickled by hand: that raises ``TypeError``. One that was forced into being past its
    constructor is not `genuine`. This keeps hosts from mistakes; it is no wall against code in the same process.
    """

    session_id: Annotated[str, Text(128, 1)]
    """What the session is stored under; never the token."""
    _seal: Any = PrivateAttr(default=None)

    def __init__(self, *_: object, **__: object) -> None:
        raise TypeError("an Actor comes from sessions.resolve(token); for a user that you know, make a Principal")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("an Actor is not pickled; resolve the session's token again")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object = None) -> Self:
        return self

    @property
    def genuine(self) -> bool:
        """Whether `resolved` made it."""
        return (getattr(self, "__pydantic_private__", None) or {}).get("_seal") is _Seal


class _Resolved(Value):
    id: HexId
    uid: Uid
    tier: Tier
    role: Role
    session_id: Annotated[str, Text(128, 1)]


def resolved(*, id: str, uid: str, tier: str, role: str, session_id: str) -> Actor:
    """The `Actor` of a session that was resolved just now. For the service of sessions. Raises `InvalidInput`."""
    fields = {"id": id, "uid": uid, "tier": tier, "role": role, "session_id": session_id}
    actor = made(Actor, dict(checked(_Resolved, fields)))
    object.__setattr__(actor, "__pydantic_private__", {"_seal": _Seal})
    return actor


class PasswordHash(SecretStr):
    """The hash of a password. It shows as stars and is not pickled; who must compare calls `get_secret_value`."""

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a password hash is not pickled; store the document instead")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


def _plain_hash(value: PasswordHash) -> PasswordHash:
    plain_text(value.get_secret_value())
    return value


_HASH: Final = AfterValidator(_plain_hash)


class HandleClaim(Value):
    """A handle that is the user's alone: the present one, or one that is held back ``until`` then.

    It is kept as a digest, so that it can be held back for somebody whose data is gone.
    """

    digest: Digest
    until: Instant | None = None


class Token(Value):
    """A token that was mailed, as it is kept: a digest of it, which is useless to who reads the database.

    It stands on the user's document, not in a collection of its own: so the one guarded update that does what the
    token is for uses it up as well, and erasing the user takes it away. There is at most one for each purpose, so the
    list stays short, and a new one kills the one before.
    """

    purpose: Purpose
    digest: Digest = Field(repr=False)
    bound_to: Digest = Field(repr=False)
    """What must not have changed since: a digest of the user, the address and, but for a verification, the epoch."""
    made_at: Instant
    expires_at: Instant
    """From this instant on it is dead."""
    address: Annotated[str, Text(320)] | None = Field(default=None, repr=False)
    """The address that is asked for, where the purpose is ``change``."""


class User(Record):
    """An account. The password hash never shows: not in a repr, not in a dump, not in an error.

    ``password_hash`` is None where a user was read from somewhere that must not know it, a cache for instance, and of
    who was invited and has set no password yet.
    """

    id: HexId
    uid: Uid
    email: Annotated[str, Text(320)]
    email_verified: bool = False
    password_hash: Annotated[PasswordHash, Field(max_length=256), _HASH] | None = Field(
        default=None, exclude=True, repr=False
    )
    handle: Annotated[str, Text(64)]
    first_name: Annotated[str, Text(200)] = ""
    last_name: Annotated[str, Text(200)] = ""
    avatar: Annotated[str, Text(2_048)] | None = None
    bio: Annotated[str, Text(10_000)] | None = None
    tier: Tier = "free"
    role: Role = "user"
    created_at: Instant
    updated_at: Instant
    last_login_at: Instant | None = None
    email_canonical: Annotated[str, Text(320)] | None = None
    """The one form of the address that no second account may have. None: adopted and not logged in since, or erased."""
    handle_canonical: Annotated[str, Text(64)] | None = None
    handle_claims: Annotated[tuple[HandleClaim, ...], Field(max_length=200)] = ()
    """The handle, and those that were given up and are still held back. No other account claims any of them."""
    timezone: Annotated[str, Text(64, 1)] = "UTC"
    """The zone that was given at registration. The gamification profile is made with it and has the truth from then."""
    status: Status = "active"
    epoch: Count = 0
    """Raised by whatever ends all sessions: a new password or address, disabling, erasure. What is older is dead."""
    password_changed_at: Instant | None = None
    tokens: Annotated[tuple[Token, ...], Field(max_length=16)] = Field(default=(), exclude=True, repr=False)
    """Mailed and not used yet; at most one for each purpose."""
    erased_at: Instant | None = None
    tier_version: Count | None = None
    """Of which version of the user's subscription the tier is. What comes of an earlier one is too late."""
    profile_visibility: Visibility = "public"
    """Who may see what is public of the user: everybody, their connections too, or nobody else."""


class PublicUser(Value):
    """What anybody may know of a user. No address, no state, nothing of log-ins; a new field of `User` is not in it."""

    id: HexId
    uid: Uid
    handle: Annotated[str, Text(64)]
    first_name: Annotated[str, Text(200)]
    last_name: Annotated[str, Text(200)]
    avatar: Annotated[str, Text(2_048)] | None
    bio: Annotated[str, Text(10_000)] | None
    role: Role
    created_at: Instant


class StoredUser(NamedTuple):
    """A user as it stands in storage: with the number of its last change, and the events that are not told yet."""

    user: User
    version: int
    left: tuple[Posted, ...] = ()


class InvitationFields(TypedDict):
    """What an invitation is made of."""

    email: str
    handle: str
    first_name: NotRequired[str]
    last_name: NotRequired[str]
    timezone: NotRequired[str]


class RegistrationFields(InvitationFields):
    """What a registration is made of."""

    password: str


class ProfileFields(TypedDict, total=False):
    """What users say of themselves. A field that is left out stays as it is."""

    first_name: str
    last_name: str
    bio: str | None
    avatar: str | None
    profile_visibility: Visibility
