"""A policy in the terms of TOML and JSON."""

import json
from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from typing import Any, Final

from tektree.errors import ConfigurationError
from tektree.policy.settings import UNLIMITED, Setting

__all__ = ["as_plain", "as_toml", "once"]


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose keys are different. Raises ``ValueError``."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return fields


_UNSET_WHEN_NONE: Final = frozenset(
    {
        "amount",
        "sources",
        "tiers",
        "since",
        "until",
        "ceiling",
        "custom",
        "top",
        "source",
        "idle",
        "about",
        "by",
        "first",
        "when",
        "quota",
        "away",
    }
)
"""Fields whose None means "not there"; any other None is a limit that does not exist."""


def as_plain(value: Any, path: str) -> Any:
    """``value`` in the terms of JSON."""
    if isinstance(value, Setting):
        fields = {name: getattr(value, name) for name in type(value).model_fields}
        return {
            name: as_plain(item, f"{path}.{name}".lstrip("."))
            for name, item in fields.items()
            if not (item is None and name in _UNSET_WHEN_NONE)
        }
    if isinstance(value, Mapping):
        return {str(key): as_plain(item, f"{path}.{key}") for key, item in value.items()}
    if isinstance(value, tuple):
        return [as_plain(item, f"{path}.{at}") for at, item in enumerate(value)]
    if value is None:
        return UNLIMITED
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if callable(value):
        raise ConfigurationError(path, "is a callable, which no file can hold; export a policy without it")
    return value


def as_toml(table: dict[str, Any], path: tuple[str, ...] = (), listed: bool = False) -> list[str]:
    """The lines of a TOML table: plain values first, then the tables and lists of tables inside."""
    plain = {key: item for key, item in table.items() if not _tables(item)}
    name = f"[{'.'.join(path)}]"
    lines = [f"\n[{name}]\n" if listed else f"\n{name}\n"] if path and (plain or listed or not table) else []
    lines += [f"{_key(key)} = {_inline(item)}\n" for key, item in plain.items()]
    for key, item in table.items():
        for each in _tables(item):
            lines += as_toml(each, (*path, _key(key)), listed=isinstance(item, list))
    return lines


def _tables(value: Any) -> list[dict[str, Any]]:
    """What of ``value`` TOML writes as tables: a map, or a list of maps."""
    if isinstance(value, dict):
        return [value]
    return value if isinstance(value, list) and value and isinstance(value[0], dict) else []


def _key(key: str) -> str:
    return key if key.isascii() and key.replace("_", "a").replace("-", "a").isalnum() else _text(key)


def _text(value: str) -> str:
    """A TOML text: JSON's escapes are TOML's, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _inline(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join([_inline(item) for item in value]) + "]"
    if isinstance(value, str):
        return _text(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
