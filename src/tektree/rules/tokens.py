"""Tokens that are mailed: to prove an address, to set a new password, to move to another address.

The law: a token is 256 random bits, of which only a digest is stored. The digest is made with the purpose, so a token
is found for no other purpose than its own. It works once, before it expires, and as long as what it was made for has
not changed: the user, the address, and but for a verification the epoch, which every change of password raises. A new
token kills the one of the same purpose before it. Whatever is wrong with a token, the answer is the same.

Where it is stored and why is told at `tektree.models.accounts.Token`.
"""

import base64
import hashlib
import hmac
import re
from datetime import datetime, timedelta
from typing import Final

from tektree.errors import InvalidInput, InvalidToken
from tektree.models.accounts import Purpose, Token, User
from tektree.policy import Accounts

__all__ = ["TOKEN_BYTES", "digest", "issued", "lifetime", "redeemed", "without", "written"]

TOKEN_BYTES: Final = 32
"""The random bytes that a token is made of."""

_FORM: Final = re.compile(r"[A-Za-z0-9_\-]{43}")


def written(entropy: bytes) -> str:
    """The token of 32 fresh bytes from the operating system's source of randomness: 43 characters that need no quoting.

    Raises `InvalidInput`.
    """
    if type(entropy) is not bytes or len(entropy) != TOKEN_BYTES:
        raise InvalidInput("entropy", "must be 32 random bytes")
    return base64.urlsafe_b64encode(entropy).decode("ascii").rstrip("=")


def digest(token: object, purpose: Purpose) -> str:
    """What a token is found by. Raises `InvalidInput` for what is no text, `InvalidToken` for what cannot be one."""
    if type(token) is not str:
        raise InvalidInput("token", "must be text")
    if len(token) != 43 or not _FORM.fullmatch(token):
        raise InvalidToken
    return _digest("token", purpose, token)


def lifetime(purpose: Purpose, policy: Accounts) -> timedelta:
    """How long a token is good."""
    seconds = {
        "verification": policy.verification_lifetime,
        "reset": policy.reset_lifetime,
        "change": policy.change_lifetime,
    }
    return timedelta(seconds=seconds[purpose])


def issued(
    user: User, purpose: Purpose, token: str, now: datetime, policy: Accounts, address: str | None = None
) -> User:
    """``user`` with a new ``token``, `written` just now; the one of this purpose before it is gone, and what expired.

    ``address`` is the one that is moved to, where the purpose is ``change``. Raises `InvalidInput`.
    """
    made = Token(
        purpose=purpose,
        digest=digest(token, purpose),
        bound_to=_bound(user, purpose),
        made_at=now,
        expires_at=now + lifetime(purpose, policy),
        address=address,
    )
    others = [each for each in user.tokens if each.purpose != purpose and now < each.expires_at]
    return user.evolve(tokens=(*others, made), updated_at=now)


def redeemed(user: User | None, purpose: Purpose, token: object, now: datetime) -> Token:
    """The stored token that ``token`` is, if it is good now; ``user`` is who was found by its `digest`.

    Who uses it goes on with `without`, in the same write. Raises `InvalidToken`, whatever is wrong with it.
    """
    wanted = digest(token, purpose)
    if user is None or user.status != "active":
        raise InvalidToken
    for each in user.tokens:
        if each.purpose == purpose and _same(each.digest, wanted):
            if now < each.expires_at and _same(each.bound_to, _bound(user, purpose)):
                return each
            break
    raise InvalidToken


def without(user: User, *purposes: Purpose) -> tuple[Token, ...]:
    """The tokens of ``user`` but for those of ``purposes``."""
    return tuple([each for each in user.tokens if each.purpose not in purposes])


def _bound(user: User, purpose: Purpose) -> str:
    epoch = "" if purpose == "verification" else str(user.epoch)
    return _digest("bound", purpose, user.id, user.email_canonical or user.email, epoch)


def _digest(*parts: str) -> str:
    """SHA-256 of parts that are framed by their lengths."""
    framed = "".join([f"{len(part)}:{part}" for part in ("tektree", *parts)])
    return hashlib.sha256(framed.encode("utf-8", "surrogatepass")).hexdigest()


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
