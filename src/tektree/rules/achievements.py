"""Achievements: marks that users get for what they have done.

The law: every tier whose condition holds is granted, each once per user. A mark is kept for good, unless its
definition says ``while_true``; then it goes when the condition goes. A definition that is added later is granted at
the next award, silently and dated when its condition came true, for those who had it then already.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from math import inf
from operator import attrgetter
from typing import Final, NamedTuple

from tektree.errors import ConfigurationError, InvalidInput
from tektree.models.gamification import Counter, Folded, Streak, XPTransaction
from tektree.policy import Achievement

__all__ = [
    "Changes",
    "changes",
    "criteria",
    "featured",
    "holds",
    "Nearest",
    "is_near",
    "nearest_of",
    "progress",
    "reached",
    "since",
    "tier_ids",
    "xp_of",
]

_METRICS: Final[dict[str, Callable[[Folded], int]]] = {
    "total_xp": lambda state: max(0, state.total_xp),
    "level": attrgetter("current_level"),
    "streak": attrgetter("streak.current"),
    "longest_streak": attrgetter("streak.longest"),
}


@dataclass(frozen=True, slots=True)
class Changes:
    """What a row does to a user's marks. ``earlier`` are those among ``gained`` that were due before it."""

    gained: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    earlier: tuple[str, ...] = ()


NONE: Final = Changes()


def progress(definition: Achievement, state: Folded) -> int:
    """How far a user is: the number that is held against the tiers.

    Raises `ConfigurationError` for a metric that gives no int.
    """
    metric = definition.metric
    if metric == "count":
        counter = state.counters.get(definition.source or "")
        return counter.count if counter else 0
    if isinstance(metric, str):
        return _METRICS[metric](state)
    value = metric(state)
    if type(value) is not int:
        raise ConfigurationError(f"achievements.{definition.id}.metric", "must return an int")
    return value


def tier_ids(definition: Achievement) -> tuple[str, ...]:
    """The ids of its tiers: the plain id where there is one, else ``ach_x:1``, ``ach_x:2``, …"""
    if len(definition.tiers) == 1:
        return (definition.id,)
    return tuple([f"{definition.id}:{at}" for at in range(1, len(definition.tiers) + 1)])


def holds(definitions: Sequence[Achievement], state: Folded) -> Iterator[str]:
    """The ids of all tiers whose condition is true of ``state``."""
    for definition in definitions:
        reached = progress(definition, state)
        yield from [id for id, tier in zip(tier_ids(definition), definition.tiers, strict=True) if reached >= tier]


def changes(definitions: Sequence[Achievement], before: Folded, after: Folded) -> Changes:
    """What is gained and lost between two states; ``after.achievements`` are still those of ``before``."""
    have = after.achievements
    if not _near(definitions, have, after):
        return NONE
    gained: list[str] = []
    lost: list[str] = []
    for definition in definitions:
        if definition.id in have and definition.revoke == "keep":
            continue
        reached = progress(definition, after)
        if reached >= definition.tiers[0] or definition.revoke == "while_true":
            for id, tier in zip(tier_ids(definition), definition.tiers, strict=True):
                if reached >= tier and id not in have:
                    gained.append(id)
                elif reached < tier and id in have and definition.revoke == "while_true":
                    lost.append(id)
    if not gained and not lost:
        return NONE
    known = {each.id for each in before.unlocked}
    early = frozenset(holds(definitions, before)) - known if gained else frozenset[str]()
    return Changes(tuple(gained), tuple(lost), tuple([id for id in gained if id in early]))


class Nearest(NamedTuple):
    """The least that brings a user with certain marks another one. Most awards do not, and this tells it quickly."""

    total_xp: float
    level: float
    streak: float
    longest_streak: float
    counts: tuple[tuple[str, int], ...]
    always: bool
    """Whether some definition has to be looked at in any case."""


class _Near:
    """Whether a state may gain or lose a mark. The last definitions are known by identity, as curves are."""

    def __init__(self) -> None:
        self._last: tuple[Sequence[Achievement], Callable[[tuple[str, ...]], Nearest]] = ((), nearest_of(()))

    def __call__(self, definitions: Sequence[Achievement], have: tuple[str, ...], state: Folded) -> bool:
        last = self._last
        if last[0] is not definitions:
            self._last = last = (definitions, nearest_of(definitions))
        known = state.__dict__
        return is_near(last[1](have), known["total_xp"], known["current_level"], known["streak"], known["counters"])


def is_near(nearest: Nearest, total_xp: int, level: int, streak: Streak, counters: Mapping[str, Counter]) -> bool:
    """Whether a user for whom this is ``nearest`` may gain or lose a mark where they stand now."""
    least_xp, least_level, least_streak, least_longest, counts, always = nearest
    if always or total_xp >= least_xp or level >= least_level:
        return True
    active = streak.__dict__
    if active["longest"] >= least_longest or active["current"] >= least_streak:
        return True
    for source, least in counts:  # noqa: SIM110 - any() would cost as much again
        if source in counters and counters[source].count >= least:
            return True
    return False


def nearest_of(definitions: Sequence[Achievement]) -> Callable[[tuple[str, ...]], Nearest]:
    """What is nearest to a user with certain marks, remembered for some of them."""
    return lru_cache(maxsize=1024)(partial(_nearest, definitions))


def _nearest(definitions: Sequence[Achievement], have: tuple[str, ...]) -> Nearest:
    least = {"total_xp": inf, "level": inf, "streak": inf, "longest_streak": inf}
    counts: dict[str, int] = {}
    always = False
    for definition in definitions:
        open_tiers = [tier for id, tier in zip(tier_ids(definition), definition.tiers, strict=True) if id not in have]
        if definition.revoke == "while_true" or not isinstance(definition.metric, str):
            always = True
        elif not open_tiers or definition.id in have:
            continue
        elif definition.metric == "count":
            source = definition.source or ""
            counts[source] = min(counts.get(source, open_tiers[0]), open_tiers[0])
        else:
            least[definition.metric] = min(least[definition.metric], open_tiers[0])
    return Nearest(**least, counts=tuple(counts.items()), always=always)


_near: Final = _Near()


def criteria(definitions: Sequence[Achievement], id: str) -> dict[str, object]:
    """What a tier asks for, as its event tells it."""
    for definition in definitions:
        if id in (ids := tier_ids(definition)):
            metric = definition.metric if isinstance(definition.metric, str) else "custom"
            return {"metric": metric, "source": definition.source, "at_least": definition.tiers[ids.index(id)]}
    return {}


def reached(definitions: Sequence[Achievement], id: str, state: Folded) -> int:
    """How far a user is with what a tier asks for; 0 for a tier that is not defined."""
    return next((progress(definition, state) for definition in definitions if id in tier_ids(definition)), 0)


def xp_of(definitions: Sequence[Achievement], id: str) -> int:
    """The XP that an unlocked tier owes; 0 for none."""
    for definition in definitions:
        if id in (ids := tier_ids(definition)):
            at = ids.index(id)
            return definition.xp[at] if at < len(definition.xp) else 0
    return 0


def since(
    definitions: Sequence[Achievement], ids: Collection[str], rows: Iterable[XPTransaction]
) -> dict[str, datetime]:
    """When the conditions of these tiers first came true along ``rows``, oldest first."""
    found: dict[str, datetime] = {}
    for row in rows:
        if row.state is not None:
            for id in holds(definitions, row.state):
                if id in ids:
                    found.setdefault(id, row.timestamp)
        if len(found) == len(ids):
            break
    return found


def featured(ids: object, achievements: Collection[str]) -> tuple[str, ...]:
    """``ids`` as they may be featured: at most ten, each once, each one that the user has. Raises `InvalidInput`."""
    if isinstance(ids, str) or not isinstance(ids, Sequence) or len(ids) > 10:
        raise InvalidInput("ids", "must be a list of at most 10 achievement ids")
    if any(type(id) is not str or id not in achievements for id in ids):
        raise InvalidInput("ids", "must name achievements that the user has")
    if len(set(ids)) != len(ids):
        raise InvalidInput("ids", "must name each achievement once")
    return tuple(ids)
