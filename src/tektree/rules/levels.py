"""Levels: which one a total stands for, and how far it is to the next.

The law: ``level_at(xp)`` is the highest ``n`` with ``threshold(n) ≤ xp``; ``threshold(1)`` is 0; thresholds rise
strictly; all of it in whole numbers. So ``level_at(threshold(n)) == n`` and ``level_at(threshold(n) − 1) == n − 1``.
"""

from bisect import bisect_right
from functools import cache
from typing import Final

from tektree.errors import ConfigurationError, InvalidInput
from tektree.models.base import INT53
from tektree.policy import Levels

__all__ = ["Curve", "curve_of"]

_CACHED: Final = 512
"""Thresholds kept in memory: past any level that people reach."""

_STEEP: Final = 16_384
"""The last level of a geometric curve that is asked for: past 2**53 XP even at a ratio of 1.01, the lowest there is."""


class Curve:
    """A level curve. ``Curve()`` is the default one, ``Curve(Levels(...))`` any other.

    The default is ``threshold(n) = 50 · round(4 · (n − 1)^2.05)``, computed in whole numbers as the rounded 20th root
    of ``4²⁰ · (n − 1)⁴¹``. Negative totals count as 0.

    >>> curve = Curve()
    >>> curve.threshold(16), curve.level_at(50_000), curve.xp_to_next(50_000)
    (51500, 15, 1500)

    Raises `ConfigurationError` when a custom curve does not begin with 0 or does not rise.
    """

    def __init__(self, levels: Levels | None = None) -> None:
        self._levels = levels or Levels()
        self.top = self._top()
        """The highest level; None: there is always another."""
        self.low: list[int] = []
        """The thresholds of the levels that people reach."""
        self._begin()

    def level_at(self, xp: int) -> int:
        """The level of a total of ``xp``. Raises `InvalidInput` unless it is an int."""
        return self._at(_whole(xp, "xp"))[0]

    def threshold(self, level: int) -> int:
        """The total at which ``level`` begins. Raises `InvalidInput` for a level that the curve does not have."""
        if _whole(level, "level") < 1 or (self.top is not None and level > self.top):
            raise InvalidInput("level", f"must be from 1 to {self.top}" if self.top else "must be at least 1")
        if self._levels.kind == "geometric" and level > _STEEP:
            raise InvalidInput("level", f"must be at most {_STEEP} on a geometric curve")
        return self._threshold(level)

    def xp_to_next(self, xp: int) -> int:
        """How much is missing to the next level, at most 2**53; 0 at the top."""
        return self.place(_whole(xp, "xp"))[1]

    def progress(self, xp: int) -> float:
        """How far ``xp`` is from its level to the next, from 0 up to 1. At the top it is 1."""
        level, following = self._at(_whole(xp, "xp"))
        if following is None:
            return 1.0
        low = self._threshold(level)
        return (max(0, xp) - low) / (following - low)

    def place(self, xp: int) -> tuple[int, int]:
        """Level and XP to the next, of a total that is known to be an int."""
        level = bisect_right(self.low, xp) or 1
        if level < len(self.low):  # as `_at`, for all that people reach
            missing = self.low[level] - (xp if xp > 0 else 0)
            return level, missing if missing < INT53 else INT53
        level, following = self._at(xp)
        return level, 0 if following is None else min(INT53, following - max(0, xp))

    def _at(self, xp: int) -> tuple[int, int | None]:
        level = bisect_right(self.low, xp) or 1
        if level < len(self.low):
            return level, self.low[level]
        if self.top is not None and level >= self.top:
            return self.top, None
        return self._far(xp)

    def _far(self, xp: int) -> tuple[int, int | None]:
        """A search past the thresholds in memory: double, then halve."""
        low, high, top = len(self.low), len(self.low) * 2, self.top or INT53
        while high < top and self._threshold(high) <= xp:
            low, high = high, high * 2
        high = min(high, top)
        if self._threshold(high) <= xp:
            return high, None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._threshold(middle) <= xp else (low, middle)
        return low, self._threshold(high)

    def _threshold(self, level: int) -> int:
        return self.low[level - 1] if level <= len(self.low) else self._compute(level)

    def _compute(self, level: int) -> int:
        spec, steps = self._levels, level - 1
        if spec.kind == "power":
            p, q = spec.exponent.numerator, spec.exponent.denominator
            return spec.unit * _rounded_root(spec.factor**q * steps**p, q)
        if spec.kind == "linear":
            return spec.first * steps
        if spec.kind == "geometric":
            # first · (ratioⁿ − 1) / (ratio − 1), rounded down: each step is at least 1, so it still rises.
            return int(spec.first * (spec.ratio**steps - 1) / (spec.ratio - 1))
        return self._custom(level)

    def _custom(self, level: int) -> int:
        assert self._levels.custom is not None
        xp = self._levels.custom(level)
        if type(xp) is not int:
            raise ConfigurationError("levels.custom", f"must return an int; for level {level} it does not")
        if self.low and xp < self.low[-1] + level - len(self.low):  # one more for each level, at the least
            raise ConfigurationError("levels", f"must rise from each level to the next; it does not up to {level}")
        return xp

    def _top(self) -> int | None:
        thresholds, top = self._levels.thresholds, self._levels.top
        return min(len(thresholds), top or len(thresholds)) if thresholds else top

    def _begin(self) -> None:
        known = self._levels.thresholds
        count = min(self.top or _CACHED, len(known) if known else _CACHED)
        self.low = list(known[:count]) if known else [self._compute(level) for level in range(1, count + 1)]
        if self.low[0] != 0:
            raise ConfigurationError("levels.custom", "must return 0 for level 1")
        for level, (low, high) in enumerate(zip(self.low, self.low[1:], strict=False), start=1):
            if high <= low:
                raise ConfigurationError(
                    "levels", f"must rise from each level to the next; it does not from {level} to {level + 1}"
                )


class _Curves:
    """Curves by their settings.

    Awards come in long runs under one policy, so the last one is found without hashing it.
    """

    def __init__(self) -> None:
        self._made = cache(Curve)
        self._last: tuple[Levels | None, Curve] = (None, Curve())

    def __call__(self, levels: Levels) -> Curve:
        last = self._last
        if last[0] is not levels:
            made = self._made(levels)  # pyright: ignore[reportArgumentType] # frozen, and so hashable
            self._last = last = (levels, made)
        return last[1]


def _whole(value: object, field: str) -> int:
    if type(value) is not int or abs(value) > INT53:
        raise InvalidInput(field, "must be an int of at most 2**53")
    return value


def _rounded_root(number: int, degree: int) -> int:
    """The ``degree``-th root of a whole number, rounded to the nearest.

    It is never exactly between two: that would be a fraction.
    """
    root = _floor_root(number, degree)
    higher: bool = (2 * root + 1) ** degree <= number << degree
    return root + higher


def _floor_root(number: int, degree: int) -> int:
    if number < 2 or degree == 1:
        return number
    root = 1 << -(-number.bit_length() // degree)  # above the root; Newton's steps come down to it
    while True:
        lower = ((degree - 1) * root + number // root ** (degree - 1)) // degree
        if lower >= root:
            return root
        root = lower


curve_of: Final = _Curves()
"""The curve of these settings, made once."""
