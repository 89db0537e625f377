"""What is amiss with a Redis server, and what breaks by it.

The law: each finding names what was found, what breaks by it, and what to do. An ``error`` breaks a promise as soon as
the server is used; a ``warning`` breaks one when something happens that happens; a ``note`` is good to know.
What the server does not tell is a note, never a guess.
"""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from tektree.models.servers import Facts

__all__ = ["Finding", "Severity", "diagnosed", "diagnosed_each", "worst"]

_OLDEST: Final = (6, 2)
_FULL: Final = 90
"""Percent of its memory from which on a server is nearly full."""

_ASIDE, _AWAY = 2.0, 60.0
"""Seconds that clocks may differ: until it shows, and until sessions are given up too early."""


class Severity(StrEnum):
    """How bad it is."""

    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


class Finding(NamedTuple):
    """Something about a server. ``breaks`` and ``mend`` are empty where nothing does, and nothing is to be done."""

    severity: Severity
    about: str
    found: str
    breaks: str = ""
    mend: str = ""


_GONE: Final = Finding(
    Severity.ERROR,
    "role",
    "a primary that could not be reached",
    "whatever has its keys there is Unavailable",
    "start it, or let a replica take its place",
)


def diagnosed(facts: Facts) -> tuple[Finding, ...]:
    """All findings, the worst first."""
    return _sorted([each for look in _LOOKS for each in look(facts)])


def diagnosed_each(servers: Mapping[str, Facts | None]) -> tuple[Finding, ...]:
    """All findings of several servers, by their addresses; None: one could not be reached. The worst first.

    What is found of all of them is said once, anything else with the addresses.
    """
    where: dict[Finding, list[str]] = {}
    for address, facts in servers.items():
        for each in (_GONE,) if facts is None else diagnosed(facts):
            where.setdefault(each, []).append(address)
    every = len(servers)
    return _sorted(
        [
            each if len(those) == every else each._replace(found=f"{', '.join(those)}: {each.found}")
            for each, those in where.items()
        ]
    )


def _sorted(found: list[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(found, key=lambda each: -_order(each.severity)))


def worst(findings: tuple[Finding, ...]) -> Severity | None:
    """The worst of them; None where there are none."""
    return max((each.severity for each in findings), key=_order, default=None)


def _order(severity: Severity) -> int:
    return list(Severity).index(severity)


def _version(facts: Facts) -> Iterator[Finding]:
    said = facts.info.get("redis_version", "")
    numbers = [int(part) for part in said.split(".")[:2] if part.isascii() and part.isdigit() and len(part) < 9]
    if len(numbers) < 2:
        yield Finding(Severity.NOTE, "version", "the server does not say which version it is")
    elif tuple(numbers) < _OLDEST:
        breaks = "commands that our scripts give are unknown to it"
        yield Finding(Severity.ERROR, "version", f"Redis {said}", breaks, "run Redis 6.2 or newer")
    if not facts.scripts:
        breaks = "limits, quotas, sessions and boards are scripts, and all of them are refused"
        yield Finding(
            Severity.ERROR, "scripts", "the server runs no scripts", breaks, "allow the user EVAL and EVALSHA"
        )


def _role(facts: Facts) -> Iterator[Finding]:
    if facts.info.get("role") == "slave":
        yield Finding(Severity.ERROR, "role", "a replica", "it refuses every write", "connect to its primary")
    if facts.info.get("loading") == "1":
        yield Finding(
            Severity.ERROR, "role", "still loading its data", "every call is Unavailable", "wait, and ask again"
        )
    if facts.info.get("cluster_enabled") == "1":
        breaks = "over its URI alone, calls for keys of other nodes are a ConfigurationError"
        mend = "pass a redis.RedisCluster to connect"
        yield Finding(Severity.WARNING, "cluster", "a node of a cluster", breaks, mend)


def _memory(facts: Facts) -> Iterator[Finding]:
    policy, most = facts.info.get("maxmemory_policy"), _number(facts.info, "maxmemory")
    if policy is None or most is None:
        yield Finding(Severity.NOTE, "eviction", "the server does not say what it does when it is full")
        return
    found = f"maxmemory-policy {policy}" + ("" if most else ", and no maxmemory")
    mend = "set maxmemory-policy noeviction, or volatile-ttl"
    if policy.startswith("allkeys"):
        breaks = "when it is full it throws away what counts: quotas begin anew, sessions end, boards lose users"
        yield Finding(Severity.ERROR if most else Severity.WARNING, "eviction", found, breaks, mend)
    elif policy.startswith("volatile") and policy != "volatile-ttl":
        breaks = "when it is full it throws away sessions and quotas that are in use, as they all have a TTL"
        yield Finding(Severity.WARNING, "eviction", found, breaks, mend)
    elif policy == "volatile-ttl":
        breaks = "when it is full it throws away first what ends first: limits, then quotas and sessions"
        yield Finding(Severity.NOTE, "eviction", found, breaks)
    if not most:
        breaks = "it grows until the system ends it, and what is not persisted is lost then"
        yield Finding(Severity.NOTE, "memory", "no maxmemory", breaks, "set maxmemory to what the machine has for it")
    yield from _fill(facts.info, policy, most)


def _fill(info: Mapping[str, str], policy: str, most: int) -> Iterator[Finding]:
    used, evicted = _number(info, "used_memory") or 0, _number(info, "evicted_keys") or 0
    if most and used * 100 >= most * _FULL:
        breaks = "soon every write is Unavailable" if policy == "noeviction" else "soon it throws keys away"
        found = f"{used * 100 // most} % of maxmemory are used"
        yield Finding(Severity.WARNING, "memory", found, breaks, "give it more memory")
    if evicted:
        breaks = "a quota among them was loaded anew, or began anew where nobody counts; a session ended"
        found = f"{evicted} keys were thrown away since it was started"
        yield Finding(Severity.WARNING, "eviction", found, breaks, "give it more memory")


def _persistence(facts: Facts) -> Iterator[Finding]:
    info, config = facts.info, facts.config
    for name, what in (("rdb_last_bgsave_status", "snapshot"), ("aof_last_write_status", "write of its log")):
        if info.get(name, "ok") != "ok":
            breaks = "it may refuse every write, and forgets what was written since when it ends"
            yield Finding(
                Severity.ERROR, "persistence", f"the last {what} failed", breaks, "look at its disk and its log"
            )
    revoked = "sessions that were ended are open again, and counts go back"
    if info.get("aof_enabled") == "1":
        fsync = None if config is None else config.get("appendfsync")
        if fsync == "no":
            breaks = f"after a crash what the system had not written is gone: {revoked}"
            yield Finding(
                Severity.WARNING, "persistence", "appendfsync no", breaks, "set appendfsync everysec, or always"
            )
        elif fsync == "everysec":
            yield Finding(Severity.NOTE, "persistence", "appendfsync everysec", "a crash takes back up to two seconds")
        return
    if config is None or "save" not in config:
        found = "no append-only file, and the server does not say when it makes snapshots"
        yield Finding(Severity.NOTE, "persistence", found, f"after a restart it is as at the last one: {revoked}")
    elif config["save"]:
        breaks = f"after a restart it is as at the last snapshot: {revoked}"
        found = f"snapshots only (save {config['save']})"
        yield Finding(Severity.WARNING, "persistence", found, breaks, "set appendonly yes")
    else:
        breaks = "a restart logs everybody out, and quotas that nobody counts begin anew; rebuild the boards then"
        yield Finding(Severity.WARNING, "persistence", "nothing is persisted", breaks, "set appendonly yes")


def _clock(facts: Facts) -> Iterator[Finding]:
    unsure = facts.round_trip / 2
    aside = abs(facts.offset) - unsure
    if aside <= _ASIDE:
        return
    found = f"its clock is {abs(facts.offset):.1f} s {'ahead of' if facts.offset > 0 else 'behind'} ours"
    mend = "let the clocks of both be set by NTP"
    if aside <= _AWAY:
        breaks = "sessions and quotas end by our clock, and their keys by its: so much too early"
        yield Finding(Severity.WARNING, "clock", found, breaks, mend)
    else:
        breaks = "sessions of processes with another clock are given up while they last"
        yield Finding(Severity.ERROR, "clock", found, breaks, mend)


def _keys(facts: Facts) -> Iterator[Finding]:
    keys = facts.keys
    if keys is None:
        yield Finding(Severity.NOTE, "keys", "the server does not show its keys")
        return
    if keys.many_strange:
        breaks = "whatever needs one of them is a CorruptDocument, or logs its user out"
        found = f"{keys.many_strange} keys hold something else than their name says: {', '.join(keys.strange)}"
        yield Finding(Severity.ERROR, "keys", found, breaks, "find out who writes them, and delete them")
    if keys.many_endless:
        breaks = "they stay for ever, and take memory"
        found = f"{keys.many_endless} keys have lost their TTL: {', '.join(keys.endless)}"
        yield Finding(Severity.WARNING, "keys", found, breaks, "find out who writes them without one, and delete them")
    if keys.looked < keys.all:
        yield Finding(Severity.NOTE, "keys", f"{keys.looked} of {keys.all} keys were looked at")


def _number(info: Mapping[str, str], name: str) -> int | None:
    value = info.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else None


_LOOKS: Final[tuple[Callable[[Facts], Iterator[Finding]], ...]] = (
    _version,
    _role,
    _memory,
    _persistence,
    _clock,
    _keys,
)
