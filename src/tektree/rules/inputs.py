"""What callers pass, checked before anything is read or written.

The law: every refusal names the argument and says what would do, types are exact (``True`` is no 1, ``"5"`` no 5),
length is looked at first, and no refusal repeats the value.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeVar

from tektree.errors import InvalidInput
from tektree.ids import hex_id
from tektree.models.accounts import Principal
from tektree.models.base import INT53, blank, instant, plain
from tektree.models.gamification import EntityRef
from tektree.models.leaderboards import Board

__all__ = [
    "amount",
    "at",
    "board",
    "choice",
    "declared",
    "entity",
    "event_id",
    "flag",
    "key",
    "name",
    "note",
    "principal",
    "required_key",
    "text",
    "transaction_id",
    "whole",
]

C = TypeVar("C", bound=str)

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_EVENT: Final = re.compile(r"evt_[A-Za-z0-9_\-]{1,60}")
_TRANSACTION: Final = re.compile(r"xp_txn_[A-Za-z0-9_\-]{1,64}")


def whole(value: object, field: str, least: int, most: int) -> int:
    """A whole number from ``least`` to ``most``."""
    if type(value) is int and least <= value <= most:
        return value
    raise InvalidInput(field, f"must be a whole number from {least} to {'2**53' if most == INT53 else f'{most:,}'}")


def amount(value: object) -> int | None:
    """An amount of XP, or None for the policy's."""
    return None if value is None else whole(value, "amount", 1, INT53)


def name(value: object, field: str) -> str:
    """A word such as ``answer_posted``."""
    if type(value) is str and len(value) <= 64 and _NAME.fullmatch(value):
        return value
    raise InvalidInput(field, "must be a lower-case name such as 'answer_posted'")


def text(value: object, field: str, least: int, most: int) -> str:
    """A text of so many characters, without NUL and lone surrogates."""
    if type(value) is not str or not least <= len(value) <= most:
        raise InvalidInput(field, f"must be a text of {least} to {most} characters")
    if "\0" in value or not (value.isascii() or plain(value)):
        raise InvalidInput(field, "must not hold NUL or half of a surrogate pair")
    return value


def key(value: object) -> str | None:
    """The key of a command; None when the caller has none. What begins with ``~`` is kept for keys that are derived."""
    if value is None:
        return None
    found = text(value, "key", 1, 200)
    if found[0] == "~":
        raise InvalidInput("key", "must not begin with '~'; such keys are made by the package")
    return found


def required_key(value: object) -> str:
    """The key of a command that needs one."""
    found = key(value)
    if found is None:
        raise InvalidInput("key", "must be given: it makes a repeated call harmless")
    return found


def note(value: object) -> str:
    """Why something is done, in the caller's words."""
    found = text(value, "reason", 1, 500)
    if blank(found):
        raise InvalidInput("reason", "must say why, in 1 to 500 characters")
    return found


def at(value: object, now: datetime) -> datetime:
    """The instant of a fact: ``now`` if none is given."""
    if value is None:
        return now
    if not isinstance(value, datetime):
        raise InvalidInput("at", "must be an aware datetime")
    found = instant(value, "at")
    if found.year < 1970:
        raise InvalidInput("at", "must not be before 1970")
    return found


def entity(value: object) -> EntityRef | None:
    """What an award is about."""
    if value is None or type(value) is EntityRef:
        return value
    raise InvalidInput("about", "must be an EntityRef, such as EntityRef('answer', 'a1'), or None")


def event_id(value: object) -> str:
    """The id of an event."""
    if type(value) is str and len(value) <= 64 and _EVENT.fullmatch(value):
        return value
    raise InvalidInput("event_id", "must be the id of an event: 'evt_' and 1 to 60 of the characters A-Z a-z 0-9 _ -")


def flag(value: object, field: str) -> bool:
    """Yes or no, and nothing that merely counts as one of them."""
    if type(value) is bool:
        return value
    raise InvalidInput(field, "must be True or False")


def choice(value: object, field: str, options: Sequence[C]) -> C:
    """One of these words, to the letter."""
    for option in options:
        if type(value) is str and value == option:
            return option
    raise InvalidInput(field, f"must be one of {', '.join(options)}")


def transaction_id(value: object) -> str:
    """The id of a ledger row."""
    if type(value) is str and len(value) <= 72 and _TRANSACTION.fullmatch(value):
        return value
    raise InvalidInput("transaction_id", "must be the transaction_id of a ledger row, such as 'xp_txn_…'")


def principal(value: object) -> str:
    """The id of the user who is meant: of a `Principal`, or of anything that has its ``id`` and ``uid``."""
    if isinstance(value, Principal):
        return value.id
    if getattr(value, "uid", None) is None:
        raise InvalidInput("principal", "must be a Principal, such as Principal(id=…, uid='usr_…')")
    return hex_id(getattr(value, "id", None), "principal.id")


def board(value: object) -> Board:
    """Which leaderboard."""
    if type(value) is Board:
        return value
    raise InvalidInput("board", "must be Board.GLOBAL or Board.weekly(date)")


def declared(given: Mapping[str, object], fields: Collection[str]) -> None:
    """Refuses whatever is not one of ``fields`` to the letter: ``Role``, ``role ``, ``$set``, ``a.b`` are none.

    Raises `InvalidInput` that names it, unless it is no name.
    """
    for name in given:
        if type(name) is not str or name not in fields:
            raise InvalidInput(_shown(name), f"is not a field here; the fields are {', '.join(fields)}")


def _shown(name: object) -> str:
    return name if type(name) is str and len(name) <= 64 and name.isascii() and name.isidentifier() else "input"
