"""Recounts of content: what is stored beside what it should be.

The law: what is counted, and what follows from something else, is compared field by field; a field is wrong only where
it was found to be so twice with nothing else in between, for whoever changes what is counted counts right behind it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tektree.models.recounts import Miscount
from tektree.rules import slugs

__all__ = ["compared", "led_to_by", "still"]

_LONGEST: Final = 200
"""Characters that are told of a value."""


def compared(kind: str, record: Any, expected: Mapping[str, object]) -> tuple[Miscount, ...]:
    """The fields of ``record`` that are not as ``expected``."""
    return tuple(
        [
            Miscount(kind=kind, id=record.id, field=field, expected=_told(value), found=_told(getattr(record, field)))
            for field, value in expected.items()
            if getattr(record, field) != value
        ]
    )


def still(before: Sequence[Miscount], now: Sequence[Miscount]) -> tuple[Miscount, ...]:
    """Those that are as they were a moment ago: what changed meanwhile is being counted by somebody."""
    return tuple([each for each in now if each in before])


def led_to_by(record: Any) -> tuple[str, ...]:
    """The slugs that should lead to a thing: those it had, and its own last. What was there before us has none."""
    held: tuple[str, ...] = record.slugs
    return (slugs.kept(held, record.slug) or held) if held else held


def _told(value: object) -> str:
    text = ", ".join(value) if isinstance(value, tuple) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
