"""What areas, questions, answers and insights have in common: who may see them, and how much they may hold.

Records are bounded widely, drafts narrowly: what was stored before a limit was lowered can still be read and changed.
"""

from typing import Annotated, Final, Generic, Literal, NamedTuple, TypeVar

from pydantic import AfterValidator, Field

from tektree.models.base import LISTED, HexId, Text, Value, blank
from tektree.models.events import Posted

__all__ = [
    "BODY",
    "AreaIds",
    "Body",
    "FileIds",
    "NewBody",
    "NewTitle",
    "Slug",
    "Slugs",
    "Stored",
    "Title",
    "Visibility",
]

R = TypeVar("R", bound=Value)

Visibility = Literal["public", "private", "connections"]
"""Who may see it: everybody, its author, or its author's connections too. What is none of these is shown to nobody."""

BODY: Final = 100_000
"""The characters of the longest body that is taken: at most 400 kB, far from the 16 MB of a document."""


def _shows_something(value: str) -> str:
    if blank(value):
        raise ValueError("must hold something that can be seen")
    return value


_VISIBLE: Final = AfterValidator(_shows_something)

Title = Annotated[str, Text(1_000)]
Slug = Annotated[str, Text(1_000)]
Slugs = Annotated[tuple[Slug, ...], Field(max_length=100), LISTED]
"""The present one, and those that were given up: they still lead to the thing. The present one stands last."""
Body = Annotated[str, Text(1_000_000)]
AreaIds = Annotated[tuple[HexId, ...], Field(max_length=50), LISTED]
FileIds = Annotated[tuple[Annotated[str, Text(128, 1)], ...], Field(max_length=50), LISTED]

NewTitle = Annotated[str, Text(200, 1), _VISIBLE]
NewBody = Annotated[str, Text(BODY, 1), _VISIBLE]


class Stored(NamedTuple, Generic[R]):
    """A record as it stands in storage: with the number of its last write, and the events that are not told yet."""

    record: R
    version: int
    left: tuple[Posted, ...] = ()
