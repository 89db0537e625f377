"""Passwords: which are taken, how they are hashed, and what it costs to be wrong.

The law: a password is the text that was given, to the byte: nothing is trimmed, cut or normalised, so two spellings of
an accent are two passwords. It has as many characters as the policy asks for, at most 72 bytes, which is all that
bcrypt reads, and no NUL. Whoever fails to log in has cost the same work: an unknown user, a disabled one, a hash that
cannot be read, a password that nobody could have, each exactly one hash at the policy's cost. A hash that was made at
a lower cost makes up for the difference when the password is wrong.

This is the one file that calls bcrypt, and it does so in one place. It takes a tenth of a second or more: services
call `hashed` and `verified` off the event loop.
"""

import base64
import hmac
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

import bcrypt

from tektree.errors import InvalidInput
from tektree.models.accounts import PasswordHash
from tektree.models.base import plain
from tektree.policy import Passwords

__all__ = ["MOST_BYTES", "SALT_BYTES", "Verdict", "attempted", "hashed", "needs_rehash", "new", "verified"]

MOST_BYTES: Final = 72
"""What bcrypt reads of a password. More is refused, never cut off."""

SALT_BYTES: Final = 16
"""The random bytes that `hashed` needs."""

_STORED: Final = re.compile(r"\$2[aby]\$(?P<cost>0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
_SALTED: Final = 29
"""The characters of a hash that say how it was made; the rest is the outcome."""
_DEARER: Final = 4
"""A stored cost may be this much above the policy's. What asks for more work is a way to stop the service."""
_NOBODYS: Final = "." * 22
"""The salt of a hash that is computed for nobody."""
_NO_OUTCOME: Final = b"-" * 31
"""What no hash comes to."""
_ALPHABET: Final = str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
)

_WORDS: Final = """
00000000 0123456789 11111111 111111111 1111111111 11223344 1122334455 12121212 123123123 1234512345 12345678
123456789 1234567890 123456789a 123456abc 1234qwer 12qwaszx 147258369 1q2w3e4r 1q2w3e4r5t 1q2w3e4r5t6y
1qaz2wsx 1qazxsw2 22222222 55555555 66666666 77777777 87654321 88888888 987654321 9876543210 99999999 a1234567
a12345678 a123456789 aa123456 aaaaaaaa abc12345 abc123456 abcd1234 abcdefgh access14 admin123 admin1234
administrator asdf1234 asdfasdf asdfghjk asdfghjkl azerty123 baseball basketball butterfly caroline changeme
changeme123 charlie1 chocolate computer corvette danielle dragon123 einstein elizabeth facebook football
football1 freedom1 google123 gwerty123 hello123 iloveyou iloveyou1 iloveyou2 internet jennifer jonathan
jordan23 letmein1 letmein123 liverpool liverpool1 lovelove marlboro master123 maverick mercedes metallica
michael1 michelle midnight monkey123 mustang1 mypassword nicholas nintendo p@ssw0rd p@ssword pa55word passw0rd
passw0rd1 password password! password01 password1 password1! password11 password12 password123 password123!
password1234 password12345 password2 password99 pokemon1 princess princess1 q1w2e3r4 q1w2e3r4t5 qazwsxedc
qqqqqqqq qwer1234 qwerasdf qwert123 qwerty12 qwerty123 qwerty1234 qwerty12345 qwertyui qwertyuiop rainbow1
samantha samsung1 scorpion secret123 shadow12 slipknot starwars starwars1 steelers sunshine sunshine1 superman
superman1 test1234 testtest trustno1 victoria welcome1 welcome123 whatever william1 xxxxxxxx zaq12wsx zxcvbnm1
zxcvbnm123
"""
_COMMON: Final = frozenset(_WORDS.split())
"""The most common passwords of eight characters and more, in small letters."""


class Verdict(NamedTuple):
    """What one check of a password came to."""

    right: bool
    rehash: bool = False
    """Right, and the stored hash was made at a lower cost than the policy's: hash again while the password is known."""
    corrupt: bool = False
    """A hash is stored that cannot be one: worth a warning, which does not show it."""


def new(value: object, policy: Passwords, names: Iterable[str] = (), field: str = "password") -> str:
    """A password that somebody wants to have. ``names`` are theirs, such as address and handle: no password is one.

    Raises `InvalidInput`, which never shows it.
    """
    if type(value) is not str:
        raise InvalidInput(field, "must be text")
    if not policy.min_length <= len(value) <= MOST_BYTES:
        raise InvalidInput(field, f"must have at least {policy.min_length} characters, and at most 72 bytes in UTF-8")
    if not plain(value):
        raise InvalidInput(field, "must not hold NUL or half of a surrogate pair")
    if len(value.encode()) > MOST_BYTES:
        raise InvalidInput(field, "must have at most 72 bytes in UTF-8, where many letters take two to four bytes")
    if policy.refuse_common:
        _refuse_common(value, names, field)
    return value


def _refuse_common(value: str, names: Iterable[str], field: str) -> None:
    folded = value.casefold()
    if folded in _COMMON:
        raise InvalidInput(field, "is among the most common passwords; choose another")
    theirs = {part.casefold() for name in names for part in (name, name.partition("@")[0])}
    if folded in theirs:
        raise InvalidInput(field, "must not be the address or the handle of its user; choose another")


def attempted(value: object, field: str = "password") -> str:
    """A password that somebody tries: any text, for what nobody can have is only wrong. Raises `InvalidInput`."""
    if type(value) is not str:
        raise InvalidInput(field, "must be text")
    return value


def hashed(password: str, salt: bytes, policy: Passwords) -> PasswordHash:
    """The hash of a password that `new` took, at the policy's cost.

    ``salt`` is 16 fresh bytes from the operating system's source of randomness. Raises `InvalidInput`.
    """
    secret = _bytes_of(password)
    if secret is None:
        raise InvalidInput("password", "must have at most 72 bytes in UTF-8, and no NUL")
    if type(salt) is not bytes or len(salt) != SALT_BYTES:
        raise InvalidInput("salt", "must be 16 random bytes")
    digits = base64.b64encode(salt).decode("ascii").rstrip("=").translate(_ALPHABET)
    return PasswordHash(_bcrypt(secret, policy.bcrypt_cost, digits).decode("ascii"))


def verified(password: str, stored: PasswordHash | None, policy: Passwords, *, admitted: bool = True) -> Verdict:
    """Whether ``password`` is the one that ``stored`` was made of.

    ``stored`` is None where nobody is called so; ``admitted`` says whether this user may log in at all. If not, the
    answer is no, at the same price.
    """
    secret = _bytes_of(password)
    found = None if stored is None else _STORED.fullmatch(stored.get_secret_value())
    cost = int(found["cost"]) if found else policy.bcrypt_cost
    readable = found is not None and cost <= policy.bcrypt_cost + _DEARER
    if found and readable and secret is not None:
        outcome = bcrypt.hashpw(secret, found[0][:_SALTED].encode("ascii"))[_SALTED:]
        expected = found[0][_SALTED:].encode("ascii")
    else:
        cost = policy.bcrypt_cost
        outcome, expected = _bcrypt(secret or b"-", cost, _NOBODYS), _NO_OUTCOME
    right = hmac.compare_digest(outcome, expected) and admitted
    if not right:
        _make_up_for(cost, policy.bcrypt_cost)
    corrupt = stored is not None and not readable
    return Verdict(right, rehash=right and cost < policy.bcrypt_cost, corrupt=corrupt)


def needs_rehash(stored: PasswordHash | None, policy: Passwords) -> bool:
    """Whether a stored hash was made at a lower cost than the policy's. One that cannot be read is not made better."""
    found = None if stored is None else _STORED.fullmatch(stored.get_secret_value())
    return found is not None and int(found["cost"]) < policy.bcrypt_cost


def _bytes_of(password: str) -> bytes | None:
    """What bcrypt gets; None for what nobody can have as a password. The length is looked at first."""
    if len(password) > MOST_BYTES or not plain(password):
        return None
    secret = password.encode()
    return secret if len(secret) <= MOST_BYTES else None


def _make_up_for(spent: int, due: int) -> None:
    """The work that a hash of cost ``due`` takes more than one of ``spent``: 2^spent + … + 2^(due − 1)."""
    for cost in range(spent, due):
        _bcrypt(b"-", cost, _NOBODYS)


def _bcrypt(secret: bytes, cost: int, salt: str) -> bytes:
    return bcrypt.hashpw(secret, f"$2b${cost:02}${salt}".encode("ascii"))
