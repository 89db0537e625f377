"""What every part of the policy is made of: how it is checked, and how its numbers are written."""

import re
from datetime import datetime
from fractions import Fraction
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError

from tektree.errors import InvalidPolicy
from tektree.models.base import INT53, Count, Instant, Value, first_fault

__all__ = [
    "UNLIMITED",
    "Exact",
    "Label",
    "Limit",
    "Moment",
    "Positive",
    "Setting",
    "Signed",
    "as_limit",
    "as_tuple",
]

UNLIMITED: Final = "unlimited"
"""How "no limit" is written in TOML and JSON; in Python it is None."""


class Setting(Value):
    """A part of the policy. Lists and tables may be given as they come from TOML."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise _fault(error) from None


def _fault(error: ValidationError) -> InvalidPolicy:
    fault, first = first_fault(error), error.errors()[0]
    inner = first.get("ctx", {}).get("error")
    if isinstance(inner, InvalidPolicy):  # of a part, which was made on the way
        return InvalidPolicy(f"{fault.field}.{inner.field}".removesuffix(".policy"), inner.reason)
    return InvalidPolicy(fault.field if first["loc"] else "policy", fault.reason)


def as_limit(value: Any) -> Any:
    """No limit, where it is written so."""
    return None if type(value) is str and value == UNLIMITED else value


def as_tuple(value: Any) -> Any:
    """A list as it comes from TOML or JSON, as a tuple."""
    return tuple(value) if type(value) is list else value


_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+|/[0-9]+)?")


def _exact(value: Any) -> Fraction:
    """A number as it is written, without the detour over binary floats. No powers: 1e999999999 is a long number."""
    written = str(value) if type(value) in {int, Fraction} and abs(value) < 10**40 else value
    if type(written) is str and len(written) <= 40 and _NUMBER.fullmatch(written):
        try:
            return Fraction(written)
        except ZeroDivisionError:
            pass
    raise ValueError("must be a whole number or a text such as '1.5' or '41/20'")


def _moment(value: Any) -> Any:
    """TOML has times, JSON writes them as text."""
    if type(value) is str and len(value) <= 40:
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("must be a time with its offset, such as 2025-12-16T14:00:00Z") from None
    return value


Limit = Annotated[Count | None, BeforeValidator(as_limit)]
Exact = Annotated[Fraction, BeforeValidator(_exact)]
Moment = Annotated[Instant, BeforeValidator(_moment)]
Positive = Annotated[int, Field(ge=1, le=INT53)]
Signed = Annotated[int, Field(ge=-INT53, le=INT53)]
Label = Annotated[str, Field(min_length=1, max_length=200)]
