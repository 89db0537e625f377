"""``tektree doctor``: what is amiss with a Redis server, and what breaks by it."""

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Final

from tektree import ConfigurationError
from tektree._cli.screen import Screen, shown
from tektree.clock import system_clock
from tektree.models.servers import Facts
from tektree.rules.servers import Finding, Severity, diagnosed_each, worst

__all__ = ["run"]

Servers = Mapping[str, Facts | None]
"""By their addresses what they say; None: away."""

_CODES: Final = {None: 0, Severity.NOTE: 0, Severity.WARNING: 4, Severity.ERROR: 1}
_STYLES: Final = {Severity.NOTE: "dim", Severity.WARNING: "yellow", Severity.ERROR: "bold red"}


def run(arguments: argparse.Namespace) -> int:
    """0 when nothing breaks, 4 when something may, 1 when something does; a server that is away is raised."""
    servers = _facts(arguments.redis)
    findings = diagnosed_each(servers)
    code = _CODES[worst(findings)]
    if arguments.json:
        print(json.dumps(_document(servers, findings, code), indent=2))
    else:
        _show(Screen(), servers, findings)
    return code


def _facts(uri: str) -> Servers:
    try:
        from tektree.backends.redis import facts_of_each
    except ImportError:
        raise ConfigurationError("redis", 'needs the driver: pip install "tektree[redis]"') from None
    return facts_of_each(uri, system_clock)


def _document(servers: Servers, findings: Sequence[Finding], code: int) -> dict[str, object]:
    """Of one server what it is, of several that of each."""
    said = {address: None if facts is None else _told(facts) for address, facts in servers.items()}
    one = next(iter(said.values())) if len(said) == 1 else None
    found = {"findings": [each._asdict() for each in findings]}
    return {"ok": code == 0, **(one or {"nodes": said}), **found}


def _told(facts: Facts) -> dict[str, object]:
    return {
        "version": facts.info.get("redis_version"),
        "clock_offset_seconds": round(facts.offset, 6),
        "round_trip_seconds": round(facts.round_trip, 6),
    }


def _show(screen: Screen, servers: Servers, findings: Sequence[Finding]) -> None:
    for each in findings:
        said = "; ".join([part for part in (each.found, each.breaks, each.mend and f"to mend it: {each.mend}") if part])
        screen.told(f"{each.severity:<9}", shown(f"{each.about}: {said}"), _STYLES[each.severity])
    told = {address: "away" if facts is None else _aside(facts) for address, facts in servers.items()}
    if len(told) == 1:
        about = next(iter(told.values()))
    else:
        about = f"{len(told)} primaries of a cluster"
        for address, said in told.items():
            screen.line(shown(f"{address}: {said}"))
    amiss = len([each for each in findings if each.severity is not Severity.NOTE])
    said = f"{amiss} amiss" if amiss else "nothing is amiss"
    screen.line((f"{about}: {said}", "bold" if amiss else "green"))


def _aside(facts: Facts) -> str:
    version = shown(facts.info.get("redis_version", "?"))
    return f"Redis {version}, clock {facts.offset:+.3f} s, round trip {facts.round_trip * 1000:.1f} ms"
