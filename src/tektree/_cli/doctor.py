"""``tektree doctor``: what is amiss with a Redis server, and what breaks by it."""

import argparse
import json
from collections.abc import Sequence
from typing import Final

from tektree import ConfigurationError
from tektree._cli.screen import Screen, shown
from tektree.clock import system_clock
from tektree.models.servers import Facts
from tektree.rules.servers import Finding, Severity, diagnosed, worst

__all__ = ["run"]

_CODES: Final = {None: 0, Severity.NOTE: 0, Severity.WARNING: 4, Severity.ERROR: 1}
_STYLES: Final = {Severity.NOTE: "dim", Severity.WARNING: "yellow", Severity.ERROR: "bold red"}


def run(arguments: argparse.Namespace) -> int:
    """0 when nothing breaks, 4 when something may, 1 when something does; a server that is away is raised."""
    facts = _facts(arguments.redis)
    findings = diagnosed(facts)
    code = _CODES[worst(findings)]
    if arguments.json:
        print(json.dumps(_document(facts, findings, code), indent=2))
    else:
        _show(Screen(), facts, findings)
    return code


def _facts(uri: str) -> Facts:
    try:
        from tektree.backends.redis import facts
    except ImportError:
        raise ConfigurationError("redis", 'needs the driver: pip install "tektree[redis]"') from None
    return facts(uri, system_clock)


def _document(facts: Facts, findings: Sequence[Finding], code: int) -> dict[str, object]:
    return {
        "ok": code == 0,
        "version": facts.info.get("redis_version"),
        "clock_offset_seconds": round(facts.offset, 6),
        "round_trip_seconds": round(facts.round_trip, 6),
        "findings": [each._asdict() for each in findings],
    }


def _show(screen: Screen, facts: Facts, findings: Sequence[Finding]) -> None:
    for each in findings:
        said = "; ".join([part for part in (each.found, each.breaks, each.mend and f"to mend it: {each.mend}") if part])
        screen.told(f"{each.severity:<9}", shown(f"{each.about}: {said}"), _STYLES[each.severity])
    version = shown(facts.info.get("redis_version", "?"))
    amiss = len([each for each in findings if each.severity is not Severity.NOTE])
    said = f"{amiss} amiss" if amiss else "nothing is amiss"
    aside = f"clock {facts.offset:+.3f} s, round trip {facts.round_trip * 1000:.1f} ms"
    screen.line((f"Redis {version}, {aside}: {said}", "bold" if amiss else "green"))
