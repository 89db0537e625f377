"""Reactions: what follows from an event, as a table; and what must not follow from itself.

The law: a reaction is known by what it is about, never by when it ran, so it takes effect once however often its event
is delivered. No event may lead back to itself: XP that makes XP has no end.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple, cast, get_args

from tektree.errors import ConfigurationError, InvalidPolicy
from tektree.ids import transaction_id
from tektree.models.caches import Kind, Place
from tektree.models.events import Event
from tektree.models.gamification import EntityRef
from tektree.policy import Events, Policy, Reaction
from tektree.rules.catalog import CATALOG, Catalog

__all__ = [
    "LEDGER",
    "OWN",
    "Rule",
    "about",
    "check",
    "fits",
    "key",
    "needs_profile",
    "place",
    "receiver",
    "table",
    "tries",
    "wait",
]

LEDGER: Final = frozenset([kind.event_type for kind in CATALOG if kind.stream == "user:{user_id}:xp"])
"""The types that rows of the ledger tell."""

_BOARDS: Final = frozenset({"leaderboard.opted_in", "leaderboard.opted_out"})
_USED: Final = frozenset({"quota.threshold_reached", "quota.exceeded"})
_GIVEN_BACK: Final = frozenset({"quota.refunded"})
_TELLS: Final[Mapping[str, frozenset[str]]] = {
    "award": LEDGER,
    "reverse": LEDGER,
    "activity": LEDGER,
    "hide": _BOARDS,
    "show": _BOARDS,
    "cache": frozenset(),
}
_LONGEST_WAIT: Final = 3_600
_KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

OWN: Final = frozenset({"gamification-service", "system"})
"""Services whose events nobody else tells."""


class Rule(NamedTuple):
    """A line of the table."""

    event_type: str
    reaction: Reaction

    @property
    def name(self) -> str:
        """What the rule is called in events, and its handler in deliveries."""
        reaction = self.reaction
        what = self.kind if reaction.effect == "cache" else reaction.quota or reaction.source
        return ":".join([part for part in ("reaction", self.event_type, reaction.effect, what) if part])

    @property
    def handler(self) -> str:
        """Who carries it out. What gives and what takes back is one, so that it hears of both in their order."""
        reaction = self.reaction
        if reaction.effect == "cache":
            return self.name
        if reaction.effect in {"award", "reverse"}:
            return f"reaction:xp:{reaction.source}"
        if reaction.effect == "quota":
            return f"reaction:quota:{reaction.quota}"
        return "reaction:activity" if reaction.effect == "activity" else "reaction:boards"

    @property
    def kind(self) -> str:
        """The kind of entity that it is about."""
        return self.reaction.about or self.event_type.partition(".")[0]

    @property
    def tells(self) -> frozenset[str]:
        """The types of events that come of it."""
        if self.reaction.effect == "quota":
            return _USED if self.reaction.units > 0 else _GIVEN_BACK
        return _TELLS[self.reaction.effect]


def table(policy: Policy, catalog: Catalog) -> Sequence[Rule]:
    """All rules of a policy, in the order in which they run.

    Raises `InvalidPolicy` for a field that the payload of a known event lacks, for what has no cache, for one rule
    twice, and for a circle.
    """
    return _table(tuple(policy.reactions.items()), catalog)


def by_handler(policy: Policy, catalog: Catalog) -> Mapping[str, Sequence[Rule]]:
    """The rules of `table` that each handler carries out. Raises `InvalidPolicy` as that does."""
    return _by_handler(tuple(policy.reactions.items()), catalog)


@lru_cache(maxsize=32)
def _by_handler(lines: tuple[tuple[str, Sequence[Reaction]], ...], catalog: Catalog) -> Mapping[str, Sequence[Rule]]:
    found: dict[str, list[Rule]] = {}
    for rule in _table(lines, catalog):
        found.setdefault(rule.handler, []).append(rule)
    return found


@lru_cache(maxsize=32)
def _table(lines: tuple[tuple[str, Sequence[Reaction]], ...], catalog: Catalog) -> Sequence[Rule]:
    """The same, found once: that there is no circle takes longer to find than all else that a ``tek`` is made of."""
    rules = tuple([Rule(event_type, each) for event_type, reactions in lines for each in reactions])
    names: set[str] = set()
    for rule in rules:
        name = rule.name
        if name in names:
            raise InvalidPolicy(f"reactions.{rule.event_type}", "has the same effect twice")
        names.add(name)
        if rule.reaction.effect == "cache" and rule.kind not in _KINDS:
            raise InvalidPolicy(
                f"reactions.{rule.event_type}", f"there is no cache of {rule.kind!r}; say about = {' or '.join(_KINDS)}"
            )
        _known_fields(rule, catalog)
    check(rules, {})
    return rules


def check(rules: Iterable[Rule], handlers: Mapping[str, tuple[str, Sequence[str]]]) -> None:
    """Raises `InvalidPolicy` where an event leads back to itself.

    ``handlers`` are the pattern of each handler, and the types that it says it emits.
    """
    steps: dict[str, list[tuple[str, str]]] = {}
    for rule in rules:
        if rule.tells:
            name = rule.name
            steps.setdefault(rule.event_type, []).extend([(tells, name) for tells in sorted(rule.tells)])
    for name, (pattern, emits) in handlers.items():
        steps.setdefault(pattern, []).extend([(tells, name) for tells in emits])
    wide = [pattern for pattern in steps if pattern.endswith("*")]
    behind = {
        told: [step for pattern in (told, *wide) if fits(pattern, told) for step in steps.get(pattern, ())]
        for told in dict.fromkeys([tells for first in steps.values() for tells, _ in first])
    }
    for start, first in steps.items():
        path = _way_back(start, first, behind)
        if path:
            raise InvalidPolicy("reactions", f"go round in a circle: {' → '.join(path)}")


def _way_back(
    start: str, first: Sequence[tuple[str, str]], behind: Mapping[str, Sequence[tuple[str, str]]]
) -> list[str]:
    """How an event that fits ``start`` leads to one that fits it again; empty: it does not.

    ``first`` are the types that follow from it, each with who tells it; ``behind`` those that follow from these.
    """
    ways: list[tuple[str, list[str]]] = [(tells, [start, name, tells]) for tells, name in first]
    seen: set[str] = set()
    while ways:
        told, path = ways.pop(0)
        if fits(start, told):
            return path
        if told not in seen:
            seen.add(told)
            ways += [(tells, [*path, name, tells]) for tells, name in behind[told]]
    return []


def fits(pattern: str, event_type: str) -> bool:
    """Whether a type is of a pattern: the type itself, ``xp.*``, or ``*`` for all."""
    if pattern.endswith(".*"):
        return event_type.startswith(pattern[:-1])
    return pattern in ("*", event_type)


def _known_fields(rule: Rule, catalog: Catalog) -> None:
    if rule.event_type not in catalog:  # a host's, which may be registered later
        return
    fields, reaction = catalog.kind(rule.event_type).fields, rule.reaction
    named = (_named(rule),) if reaction.effect == "cache" else (reaction.to, reaction.by, reaction.first, reaction.when)
    for field in named:
        if field is not None and field not in fields:
            raise InvalidPolicy(f"reactions.{rule.event_type}", f"names the field {field!r}, which its payload lacks")


def _named(rule: Rule) -> str:
    """The field that holds the name of what is cached: of a user the uid."""
    return rule.reaction.to if rule.kind == "user" else f"{rule.kind}_id"


def needs_profile(policy: Policy, event_type: str) -> bool:
    """Whether what follows from an event needs its user's gamification profile."""
    return any(each.effect != "cache" for each in policy.reactions.get(event_type, ()))


def wait(settings: Events, attempts: int) -> int:
    """The seconds between an attempt that failed, the first, second, third …, and the next one."""
    return min(settings.backoff << min(attempts - 1, 32), _LONGEST_WAIT)


def tries(rule: Rule, policy: Policy) -> int:
    """How often a rule is tried in all; to invalidate, until what is cached has expired by itself."""
    attempts, passed = policy.events.attempts, 0
    if rule.reaction.effect == "cache":
        least = 1
        while passed < policy.caches.lifetime:
            passed += wait(policy.events, least)
            least += 1
        attempts = max(attempts, least)
    return attempts


def place(rule: Rule, event: Event) -> Place | None:
    """Where that is cached which a rule invalidates; None: the event does not name it."""
    name = event.payload.get(_named(rule))
    return Place(cast(Kind, rule.kind), name) if isinstance(name, str) and name else None


def receiver(rule: Rule, event: Event) -> str | None:
    """The uid of whom the reaction is for; None: nobody, because it is their own doing, the event names nobody, or
    what the reaction asks for is not so.
    """
    if rule.reaction.when is not None and event.payload.get(rule.reaction.when) is not True:
        return None
    uid = event.payload.get(rule.reaction.to)
    by = event.payload.get(rule.reaction.by) if rule.reaction.by else None
    return uid if isinstance(uid, str) and uid != by else None


def about(rule: Rule, event: Event) -> EntityRef | None:
    """What the reaction is about: the entity whose id the payload holds."""
    kind = rule.kind
    id = event.payload.get(f"{kind}_id")
    return EntityRef(kind, id) if isinstance(id, str) and kind != "user" else None


def key(rule: Rule, event: Event, user_id: str, policy: Policy) -> str:
    """The key of the award that a rule gives or takes back: of the source, the entity and, with ``each``, the doer."""
    source, ref = rule.reaction.source, about(rule, event)
    if source is None:
        raise ConfigurationError(rule.name, "has no source to award")
    once = policy.xp.sources[source].once
    if once == "user":
        return f"~{source}"
    by = event.payload.get(rule.reaction.by) if rule.reaction.each and rule.reaction.by else None
    parts = [source, *([ref.type, ref.id] if ref else [event.event_id]), *([by] if by else [])]
    found = "~" + ":".join([str(part) for part in parts])
    return found if len(found) <= 200 else "~" + transaction_id(user_id, found)
