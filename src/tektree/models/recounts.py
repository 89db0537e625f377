"""What a recount of content comes to."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from tektree.models.base import FREEZE, Count, HexId, Value

__all__ = ["Miscount", "Recount"]


class Miscount(Value):
    """A field of a stored thing that is not what a recount says: of which ``kind`` and ``id``, and both values.

    ``mended``: it is now.
    """

    kind: str
    id: HexId
    field: str
    expected: str
    found: str
    mended: bool = False


class Recount(Value):
    """The outcome of a recount. True when all is well, by now.

    ``records`` says how many things of each kind were looked at, ``divergent`` how many fields were not what they
    should be, ``mended`` how many of these are now; ``first`` are the first hundred of them. ``damaged`` things cannot
    be read, so nothing is known of them.
    """

    records: Annotated[Mapping[str, Count], FREEZE]
    divergent: Count = 0
    mended: Count = 0
    damaged: Count = 0
    first: Annotated[tuple[Miscount, ...], Field(max_length=100)] = ()

    def __bool__(self) -> bool:
        return self.divergent == self.mended and not self.damaged
