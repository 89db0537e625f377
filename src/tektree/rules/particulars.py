"""Particulars: what people say of themselves, and which address or handle is the same as which.

The law: length comes first, before anything looks at a text. An address and a handle have one canonical form, which is
its own canonical form.

An address is kept as it was written, in NFC and with the domain in its own letters, and made canonical for comparison:
the part before the @ folded, the domain in its ASCII form. Letters that only look otherwise (full width, ligatures, the
Kelvin sign) are refused there rather than folded; tags (``user+tag``) and dots are the user's, and make another
address. No name server is asked. A handle is ASCII before it is folded to small letters.
"""

import re
import unicodedata
from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

from email_validator import validate_email

from tektree.errors import InvalidInput
from tektree.models.base import plain
from tektree.policy import Accounts

__all__ = [
    "Address",
    "Handle",
    "Sought",
    "address_of",
    "avatar",
    "bio",
    "email",
    "handle",
    "handle_of",
    "identifier",
    "named",
]

_MOST_EMAIL: Final = 254
_MOST_NAME: Final = 100
_MOST_BIO: Final = 2_000
_MOST_URL: Final = 2_048
_MOST_MARKS: Final = 4
"""So many marks may stand on one letter."""

_HANDLE: Final = re.compile(r"[A-Za-z0-9_]{3,30}")
_NOT_WRITTEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Controls, marks of direction, halves of pairs, private and unassigned characters, breaks of lines."""
_JOINERS: Final = frozenset("\u200c\u200d")
"""Persian and Indic writing need them, and so do emoji."""
_FILLERS: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters by name that show nothing."""
_URL: Final = re.compile(r"[!-~]{1,2048}")


class Address(NamedTuple):
    """An e-mail address as it was written, and the form that is compared."""

    written: str
    canonical: str


class Handle(NamedTuple):
    """A handle as it was written, and the form that is compared."""

    written: str
    canonical: str


class Sought(NamedTuple):
    """What somebody who logs in calls themself: the field, and its canonical value."""

    by: Literal["email", "handle"]
    canonical: str


def email(value: object, field: str = "email") -> Address:
    """An e-mail address. Raises `InvalidInput`, which never shows it."""
    read = address_of(value)
    again = None if read is None else address_of(read.canonical)
    if read is None or again is None or again.canonical != read.canonical:
        raise InvalidInput(field, "must be one e-mail address such as name@example.com, in ordinary letters")
    return read


def address_of(value: object) -> Address | None:
    """An address of that text, with a canonical form that need not be its own; None: it is none."""
    if type(value) is not str or not 3 <= len(value) <= _MOST_EMAIL or not plain(value):
        return None
    try:
        parts = validate_email(
            value,
            allow_smtputf8=True,
            allow_empty_local=False,
            allow_quoted_local=False,
            allow_domain_literal=False,
            allow_display_name=False,
            check_deliverability=False,
            test_environment=False,
            globally_deliverable=True,
        )
    except ValueError:  # also of what encodes the domain
        return None
    local = parts.local_part
    if parts.ascii_domain is None or len(local.encode()) > 64 or _looks_otherwise(value.rpartition("@")[0]):
        return None
    folded = unicodedata.normalize("NFC", local.casefold())
    domain = parts.ascii_domain.lower()
    return Address(f"{local}@{parts.domain}", f"{folded}@{domain}")


def _looks_otherwise(local: str) -> bool:
    """Whether there are characters that stand for others: full width, ligatures, the Kelvin sign, long s."""
    if local.isascii():
        return False
    if unicodedata.normalize("NFKC", local) != unicodedata.normalize("NFC", local):
        return True
    return any(not char.isascii() and not _stands_for_none_of_ascii(char) for char in local)


def _stands_for_none_of_ascii(char: str) -> bool:
    return not any(each.isascii() for each in unicodedata.normalize("NFKC", char))


def handle(value: object, policy: Accounts, field: str = "handle") -> Handle:
    """A handle that somebody wants to have. Raises `InvalidInput`."""
    found = handle_of(value)
    if found is None:
        raise InvalidInput(field, "must be 3 to 30 of the characters A-Z a-z 0-9 _")
    if found.canonical.strip("_") in {name.lower() for name in policy.reserved_handles}:
        raise InvalidInput(field, "is reserved; choose another")
    return found


def handle_of(value: object) -> Handle | None:
    """A handle of that text, be it reserved; None: it is none."""
    if type(value) is str and len(value) <= 30 and _HANDLE.fullmatch(value):
        return Handle(value, value.lower())
    return None


def identifier(value: object) -> Sought | None:
    """What who logs in is sought by: an address if there is an @, else a handle. None: nobody can be called so.

    Raises `InvalidInput` for what is no text: then nothing was tried.
    """
    if type(value) is not str:
        raise InvalidInput("identifier", "must be the text of an e-mail address or a handle")
    if "@" not in value[: _MOST_EMAIL + 1]:
        found = handle_of(value)
        return None if found is None else Sought("handle", found.canonical)
    try:
        return Sought("email", email(value).canonical)
    except InvalidInput:
        return None


def named(value: object, field: str) -> str:
    """A first or last name, or "": one line, in NFC, without spaces around it. Raises `InvalidInput`."""
    return _written(value, field, _MOST_NAME, "").strip()


def bio(value: object, field: str = "bio") -> str | None:
    """What a user says of themself, in lines; None: nothing. Raises `InvalidInput`."""
    return None if value is None else _written(value, field, _MOST_BIO, "\n\t")


def avatar(value: object, field: str = "avatar") -> str | None:
    """The https URL of a picture, percent-encoded; None: no picture. Raises `InvalidInput`."""
    if value is None:
        return None
    if type(value) is str and len(value) <= _MOST_URL and _URL.fullmatch(value) and _is_https(value):
        return value
    raise InvalidInput(field, "must be a URL such as 'https://cdn.example.com/a.png', or None")


def _is_https(url: str) -> bool:
    if "\\" in url or not url.lower().startswith("https://"):
        return False
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        return False


def _written(value: object, field: str, most: int, breaks: str) -> str:
    """A text in NFC. With ``breaks`` it has lines, and may join letters invisibly."""
    if type(value) is not str or len(value) > most:
        raise InvalidInput(field, f"must be a text of at most {most:,} characters")
    allowed = {*breaks, *(_JOINERS if breaks else ())}
    if any(char not in allowed and _is_no_writing(char) for char in value):
        raise InvalidInput(field, "must not hold characters that do not show, or that turn the direction of writing")
    text = unicodedata.normalize("NFC", value)
    if len(text) > most:
        raise InvalidInput(field, f"must be a text of at most {most:,} characters")
    if _heaped(text):
        raise InvalidInput(field, f"must not have more than {_MOST_MARKS} marks on one letter")
    return text


def _is_no_writing(char: str) -> bool:
    return unicodedata.category(char) in _NOT_WRITTEN or char in _FILLERS


def _heaped(text: str) -> bool:
    run = 0
    for char in text:
        run = run + 1 if unicodedata.category(char) in ("Mn", "Me") else 0
        if run > _MOST_MARKS:
            return True
    return False
