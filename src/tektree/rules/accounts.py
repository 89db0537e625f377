"""Accounts: who may have one, and how a user changes.

The law: no two accounts share an address or a handle. Only the declared input fields are ever taken, by their exact
names. Whatever is decided here is a whole new `User`; what is told of it names no personal value.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from tektree.errors import InvalidInput, InvalidTransition
from tektree.models.accounts import HandleClaim, PasswordHash, PublicUser, Role, Tier, User
from tektree.models.base import checked
from tektree.models.payloads.accounts import (
    UserEmailVerified,
    UserErased,
    UserHandleChanged,
    UserPasswordChanged,
    UserProfileUpdated,
    UserRegistered,
    UserReinstated,
    UserRoleChanged,
    UserSuspended,
    UserTierChanged,
)
from tektree.models.payloads.base import Change
from tektree.models.visibility import EVERY
from tektree.policy import Accounts, Policy
from tektree.rules import inputs, particulars, passwords, periods, tokens
from tektree.rules.particulars import Address, Handle

__all__ = [
    "INVITATION_FIELDS",
    "PROFILE_FIELDS",
    "REGISTRATION_FIELDS",
    "Registration",
    "admitted",
    "adopted",
    "claim",
    "disabled",
    "edited",
    "enabled",
    "erased",
    "erasing",
    "freed",
    "held_back",
    "invitation",
    "new_user",
    "public",
    "refusal",
    "registration",
    "rehashed",
    "role",
    "standing",
    "uid",
    "verified",
    "with_address",
    "with_handle",
    "with_password",
    "with_role",
]

INVITATION_FIELDS: Final = ("email", "handle", "first_name", "last_name", "timezone")
REGISTRATION_FIELDS: Final = (*INVITATION_FIELDS, "password")
PROFILE_FIELDS: Final = ("first_name", "last_name", "bio", "avatar", "profile_visibility")
"""What `edited` takes. The handle, the address and the time zone have calls of their own."""

_ROLES: Final = ("user", "moderator", "admin")


# -- what is taken ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Registration:
    """A registration whose every field is taken. The password does not show; who is invited has none."""

    email: Address
    handle: Handle
    password: str = field(repr=False)
    first_name: str
    last_name: str
    timezone: str


def role(value: object) -> Role:
    """A role, by its exact name. Raises `InvalidInput`."""
    if type(value) is str and value in _ROLES:
        return value  # type: ignore[return-value]
    raise InvalidInput("role", "must be one of user, moderator, admin")


def registration(given: Mapping[str, object], policy: Policy) -> Registration:
    """The registration that ``given`` fields ask for; names and zone may be left out. Raises `InvalidInput`."""
    inputs.declared(given, REGISTRATION_FIELDS)
    _needed(given, "email", "handle", "password")
    address, called = _called(given, policy)
    password = passwords.new(given["password"], policy.passwords, (*address, called.canonical))
    return _registration(address, called, password, given)


def invitation(given: Mapping[str, object], policy: Policy) -> Registration:
    """The registration of somebody who is to set a password later. Raises `InvalidInput`."""
    inputs.declared(given, INVITATION_FIELDS)
    _needed(given, "email", "handle")
    return _registration(*_called(given, policy), "", given)


def _called(given: Mapping[str, object], policy: Policy) -> tuple[Address, Handle]:
    return particulars.email(given["email"]), particulars.handle(given["handle"], policy.accounts)


def _needed(given: Mapping[str, object], *names: str) -> None:
    missing = [name for name in names if name not in given]
    if missing:
        raise InvalidInput(missing[0], "is missing")


def _registration(address: Address, called: Handle, password: str, given: Mapping[str, object]) -> Registration:
    return Registration(
        email=address,
        handle=called,
        password=password,
        first_name=particulars.named(given.get("first_name", ""), "first_name"),
        last_name=particulars.named(given.get("last_name", ""), "last_name"),
        timezone=periods.zone(given.get("timezone", "UTC")).key,
    )


# -- who -------------------------------------------------------------------------------------------------------------


def uid(digits: str) -> str:
    """The uid of a new user, of 24 fresh random hex digits: not those of its id, so neither tells the other."""
    return f"usr_{digits}"


def claim(canonical: str) -> str:
    """The digest that a handle is claimed by."""
    return hashlib.sha256(f"handle:{canonical}".encode()).hexdigest()


def new_user(
    asked: Registration, hash: PasswordHash | None, id: str, uid: str, now: datetime
) -> tuple[User, UserRegistered]:
    """The user that a registration makes, and what is told of it. Tier and role are the least there are.

    Without a ``hash`` nobody logs in until one is set.
    """
    user = User(
        id=id,
        uid=uid,
        email=asked.email.written,
        password_hash=hash,
        handle=asked.handle.written,
        first_name=asked.first_name,
        last_name=asked.last_name,
        created_at=now,
        updated_at=now,
        email_canonical=asked.email.canonical,
        handle_canonical=asked.handle.canonical,
        handle_claims=(HandleClaim(digest=claim(asked.handle.canonical)),),
        timezone=asked.timezone,
        password_changed_at=None if hash is None else now,
    )
    return user, UserRegistered(user_id=uid, email=user.email, handle=user.handle, tier=user.tier)


def adopted(user: User) -> User | None:
    """A ``user`` from before us with the canonical forms and the claim that it lacks; None when it lacks none.

    What cannot be read as an address or a handle of ours stays without: it is found by what it is to the letter. Where
    somebody else has the canonical form already, the write is refused, and the user stays as found.
    """
    address, called = particulars.address_of(user.email), particulars.handle_of(user.handle)
    fields: dict[str, Any] = {}
    if user.email_canonical is None and address is not None:
        fields["email_canonical"] = address.canonical
    if user.handle_canonical is None and called is not None:
        fields["handle_canonical"] = called.canonical
        fields["handle_claims"] = (HandleClaim(digest=claim(called.canonical)), *user.handle_claims)
    return user.evolve(**fields) if fields and user.status in ("active", "disabled") else None


def admitted(user: User | None, policy: Accounts) -> bool:
    """Whether a user may log in at all, whatever the password."""
    return user is not None and user.status == "active" and (user.email_verified or not policy.require_verified)


def refusal(user: User | None, policy: Accounts, *, readable: bool = True) -> str:
    """Why a log-in failed, in a word: for who reads the log of events, never for who tried.

    ``readable``: whether what is stored could be read at all.
    """
    if not readable:
        return "unreadable"
    if user is None:
        return "unknown"
    if user.status != "active":
        return user.status
    return "password" if admitted(user, policy) else "unverified"


def public(user: User) -> PublicUser:
    """What whoever sees the profile of ``user`` may know of them."""
    return PublicUser(**{name: getattr(user, name) for name in PublicUser.model_fields})


# -- changes ---------------------------------------------------------------------------------------------------------

_TAKEN_BY: Final[Mapping[str, Callable[[object], str | None]]] = {
    "first_name": lambda value: particulars.named(value, "first_name"),
    "last_name": lambda value: particulars.named(value, "last_name"),
    "bio": particulars.bio,
    "avatar": particulars.avatar,
    "profile_visibility": lambda value: inputs.choice(value, "profile_visibility", EVERY),
}


def edited(user: User, given: Mapping[str, object], now: datetime) -> tuple[User, UserProfileUpdated] | None:
    """``user`` with the ``given`` fields, and what is told of it: which fields changed, never their values.

    None when nothing changes. A field that is not given stays; None clears a bio or an avatar, and nothing else.
    Raises `InvalidInput`.
    """
    inputs.declared(given, PROFILE_FIELDS)
    wanted = {name: _TAKEN_BY[name](value) for name, value in given.items()}
    changed = {name: value for name, value in wanted.items() if getattr(user, name) != value}
    if not changed:
        return None
    told = UserProfileUpdated(user_id=user.uid, changed={name: Change() for name in changed})
    return user.evolve(**changed, updated_at=now), told


def with_handle(user: User, wanted: Handle, now: datetime, policy: Accounts) -> tuple[User, UserHandleChanged] | None:
    """``user`` under another handle, and what is told of it. None when it is the same to the letter.

    The one before is held back for the time that the policy says; its user may take it again, nobody else. Raises
    `InvalidTransition` when as many are held back as may be.
    """
    if wanted.written == user.handle:
        return None
    before = user.handle_canonical or user.handle.lower()
    held = [each for each in _held(user, now) if each.digest != claim(wanted.canonical)]
    if before != wanted.canonical and policy.handle_hold:
        held.append(HandleClaim(digest=claim(before), until=now + timedelta(seconds=policy.handle_hold)))
    if len(held) > policy.held_handles:
        raise InvalidTransition("handle", "has changed too often; change it when an earlier one is free again")
    changed = user.evolve(
        handle=wanted.written,
        handle_canonical=wanted.canonical,
        handle_claims=(HandleClaim(digest=claim(wanted.canonical)), *held),
        updated_at=now,
    )
    return changed, UserHandleChanged(user_id=user.uid, old=user.handle, new=wanted.written)


def held_back(user: User, canonical: str, now: datetime) -> bool:
    """Whether ``user`` has the handle, or had it and it is held back still. From ``until`` on it is free."""
    wanted = claim(canonical)
    return any(each.digest == wanted and _in_force(each, now) for each in user.handle_claims)


def freed(user: User, now: datetime) -> User | None:
    """``user`` without the holds that have passed, for who found one of them in the way; None: there are none."""
    kept = tuple([each for each in user.handle_claims if _in_force(each, now)])
    return None if kept == user.handle_claims else user.evolve(handle_claims=kept)


def _held(user: User, now: datetime) -> list[HandleClaim]:
    return [each for each in user.handle_claims if each.until is not None and now < each.until]


def _in_force(each: HandleClaim, now: datetime) -> bool:
    return each.until is None or now < each.until


def standing(user: User) -> tuple[int, str, str, str]:
    """What sessions go by: of another epoch or status there are none, another role or tier shows on them."""
    return user.epoch, user.status, user.role, user.tier


def with_password(user: User, hash: PasswordHash, now: datetime) -> tuple[User, UserPasswordChanged]:
    """``user`` with another password: sessions end, and so do resets and changes of address under way."""
    changed = user.evolve(
        password_hash=hash,
        password_changed_at=now,
        epoch=user.epoch + 1,
        tokens=tokens.without(user, "reset", "change"),
        updated_at=now,
    )
    return changed, UserPasswordChanged(user_id=user.uid)


def rehashed(user: User, hash: PasswordHash) -> User:
    """``user`` with the same password, hashed at another cost. Nothing ends.

    It is written guarded by the hash that the password was checked against, so a change of password in between wins.
    """
    return user.evolve(password_hash=hash)


def verified(user: User, now: datetime) -> tuple[User, UserEmailVerified] | None:
    """``user`` whose address is proved, by a token that is now used up. None when it was before."""
    if user.email_verified:
        return None
    changed = user.evolve(email_verified=True, tokens=tokens.without(user, "verification"), updated_at=now)
    return changed, UserEmailVerified(user_id=user.uid, email=user.email)


def with_address(user: User, address: Address, now: datetime) -> tuple[User, UserEmailVerified]:
    """``user`` at another address, proved by the token that was sent there. Sessions end, and no token is left."""
    changed = user.evolve(
        email=address.written,
        email_canonical=address.canonical,
        email_verified=True,
        epoch=user.epoch + 1,
        tokens=(),
        updated_at=now,
    )
    return changed, UserEmailVerified(user_id=user.uid, email=address.written)


def with_role(user: User, wanted: Role, by: str | None, now: datetime) -> tuple[User, UserRoleChanged] | None:
    """``user`` in another role, given by the user with the uid ``by``. None when it is the same."""
    if user.role == wanted:
        return None
    told = UserRoleChanged(user_id=user.uid, old=user.role, new=wanted, by=by)
    return user.evolve(role=wanted, updated_at=now), told


def with_tier(
    user: User, wanted: Tier, version: int, subscription_id: str, now: datetime
) -> tuple[User, UserTierChanged | None] | None:
    """``user`` on the tier of this version of the subscription. None where a later one has spoken, or who is erased."""
    if user.status in ("erasing", "erased") or (user.tier_version or 0) >= version:
        return None
    new = user.evolve(tier=wanted, tier_version=version, updated_at=now)
    if user.tier == wanted:
        return new, None
    return new, UserTierChanged(user_id=user.uid, old=user.tier, new=wanted, subscription_id=subscription_id)


def disabled(user: User, reason: str, now: datetime) -> tuple[User, UserSuspended] | None:
    """``user`` who may not log in until enabled: sessions end, and no token is left. None when it is so already.

    Raises `InvalidTransition` for a user that is erased.
    """
    _not_erased(user)
    if user.status == "disabled":
        return None
    changed = user.evolve(status="disabled", epoch=user.epoch + 1, tokens=(), updated_at=now)
    return changed, UserSuspended(user_id=user.uid, reason=reason)


def enabled(user: User, reason: str, now: datetime) -> tuple[User, UserReinstated] | None:
    """``user`` who may log in again. None when it is so already. Raises `InvalidTransition` for one that is erased."""
    _not_erased(user)
    if user.status == "active":
        return None
    return user.evolve(status="active", updated_at=now), UserReinstated(user_id=user.uid, reason=reason)


def _not_erased(user: User) -> None:
    if user.status in ("erasing", "erased"):
        raise InvalidTransition("user", "is erased, which is for good")


# -- the end ---------------------------------------------------------------------------------------------------------


def erasing(user: User, now: datetime, policy: Accounts) -> User:
    """``user`` at the first step of an erasure: whatever is personal on the document is gone, and nobody logs in.

    The handle is held back as one that was given up. Fields that we do not know may be personal too: they are not in
    the result, so it is written in place of the document, not into it. Erasing again changes nothing.
    """
    if user.status in ("erasing", "erased"):
        return user
    fields: dict[str, Any] = {
        "id": user.id,
        "uid": user.uid,
        "email": f"{user.id}@erased.invalid",
        "handle": f"erased_{user.id}",
        "tier": user.tier,
        "created_at": user.created_at,
        "updated_at": now,
        "handle_claims": _claims_left(user, now, policy),
        "status": "erasing",
        "epoch": user.epoch + 1,
        "erased_at": now,
    }
    return checked(User, fields)


def _claims_left(user: User, now: datetime, policy: Accounts) -> tuple[HandleClaim, ...]:
    if not policy.handle_hold:
        return tuple(_held(user, now))
    present = claim(user.handle_canonical or user.handle.lower())
    held = [each for each in _held(user, now) if each.digest != present]
    return (*held, HandleClaim(digest=present, until=now + timedelta(seconds=policy.handle_hold)))


def erased(user: User, now: datetime) -> tuple[User, UserErased] | None:
    """``user`` when the erasure has come to its end everywhere else. None when it was before.

    Raises `InvalidTransition` for one whose erasure has not begun.
    """
    if user.status == "erased":
        return None
    if user.status != "erasing":
        raise InvalidTransition("user", "is not being erased")
    return user.evolve(status="erased", updated_at=now), UserErased(user_id=user.uid)
