"""Who acts and who is meant."""

from typing import Annotated, Final, Literal, NoReturn, Self

from pydantic import AfterValidator, Field, SecretStr

from tektree.models.base import Draft, HexId, Instant, Record, Text, Uid, plain_text

__all__ = ["PasswordHash", "Principal", "Role", "Tier", "User"]

Tier = Literal["free", "pro", "team", "enterprise"]
Role = Literal["user", "moderator", "admin"]


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


class User(Record):
    """An account. The password hash never shows: not in a repr, not in a dump, not in an error.

    ``password_hash`` is None where a user was read from somewhere that must not know it, a cache for instance.
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
