"""What is stored about who files something, and about what it names."""

from collections.abc import Sequence
from typing import NamedTuple

from tektree.models.accounts import User
from tektree.models.areas import Area

__all__ = ["Premises"]


class Premises(NamedTuple):
    """Who files something, the areas that it names, and those of its files that are somebody else's."""

    user: User | None
    areas: Sequence[Area] = ()
    taken: Sequence[str] = ()
