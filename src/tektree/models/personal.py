"""What is personal by its name, so that nothing is said of it where nobody asked."""

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["looks_personal", "masked"]

_LAST: Final = frozenset({"address", "avatar", "bio", "birthday", "email", "ip", "latitude", "longitude", "phone"})
_WHOLE: Final = frozenset(
    {"birth_date", "date_of_birth", "first_name", "full_name", "last_name", "location", "real_name", "user_agent"}
)


def looks_personal(name: str) -> bool:
    """Whether a field is personal by its name: ``new_email``, ``ip_hash``, ``last_name``."""
    name = name.lower().removesuffix("_hash")
    return name in _WHOLE or name.rpartition("_")[2] in _LAST


def masked(value: Any, name: str = "") -> Any:
    """``value`` as it may be shown: of what is personal by its name only that it is there."""
    if value is not None and name and looks_personal(name):
        return "***"
    if isinstance(value, Mapping):
        return {inner: masked(each, inner) for inner, each in value.items()}
    return tuple([masked(each) for each in value]) if isinstance(value, tuple) else value
