"""What a Redis server says of itself, as far as it matters here."""

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["Facts", "Keys"]


class Keys(NamedTuple):
    """Of keys that were ``looked`` at, of ``all`` there are: those of ours that last for ever, or are no such keys.

    ``endless`` and ``strange`` are names, a few of them; ``many_endless`` and ``many_strange`` say how many.
    """

    looked: int = 0
    all: int = 0
    endless: tuple[str, ...] = ()
    many_endless: int = 0
    strange: tuple[str, ...] = ()
    many_strange: int = 0


class Facts(NamedTuple):
    """A server at one moment.

    ``info`` and ``config`` are as it tells them; ``config`` is None where it does not. ``offset`` is how many seconds
    its clock is ahead of ours, within half of ``round_trip`` seconds. ``scripts``: whether it runs ours. ``keys`` is
    None where it does not show them.
    """

    info: Mapping[str, str]
    config: Mapping[str, str] | None
    offset: float
    round_trip: float
    scripts: bool
    keys: Keys | None
