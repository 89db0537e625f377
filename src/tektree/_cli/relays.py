"""``tektree relay``: finishes what processes left, tries again what failed, and brings events to sinks."""

import argparse
import json
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from tektree import Policy, TekTree
from tektree._cli.screen import Screen
from tektree._cli.storage import opened
from tektree.errors import ConfigurationError, InvalidInput, TekTreeError
from tektree.models.events import Swept

__all__ = ["run"]

_PLACE: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def run(arguments: argparse.Namespace) -> int:
    """1 when something was given up in this run, else 0; what went wrong is raised."""
    register = None if arguments.load is None else _loaded(arguments.load)
    with opened(arguments.mongo, redis=arguments.redis, policy=_policy(arguments)) as tek:
        if register is not None:
            register(tek)
        swept = _once(tek, arguments.json) if arguments.once else _on(tek, arguments)
    return 1 if swept.dead else 0


def _once(tek: TekTree, as_json: bool) -> Swept:
    swept = tek.events.relay.run_once()
    if as_json:
        print(json.dumps(swept._asdict(), indent=2))
    else:
        screen = Screen()
        styles = {"told": "green", "published": "green", "delivered": "green", "failed": "yellow", "dead": "red"}
        for name, style in styles.items():
            screen.told(f"  {name:<18}", f"{getattr(swept, name):,}", style)
        screen.told(f"  {'waiting':<18}", f"{swept.waiting:,}", "yellow" if swept.waiting else "green")
    return swept


def _on(tek: TekTree, arguments: argparse.Namespace) -> Swept:
    """Goes on until it is interrupted or terminated."""
    relay = tek.events.relay
    line = _Line(tek, arguments.json)
    with _ended_by(relay.stop):
        relay.run(arguments.poll, line, arguments.every)
    return line.last


class _Line:
    """Writes what came of it so far, in one line."""

    def __init__(self, tek: TekTree, as_json: bool) -> None:
        self.last = Swept()
        self._tek = tek
        self._as_json = as_json
        self._screen = Screen()
        self._then = time.monotonic()

    def __call__(self, swept: Swept) -> None:
        now = time.monotonic()
        speed = round(
            (swept.published + swept.delivered - self.last.published - self.last.delivered)
            / max(now - self._then, 0.001)
        )
        self.last, self._then = swept, now
        facts: dict[str, Any] = {**swept._asdict(), "a_second": speed, "by": self._tek.events.relay.how}
        if self._as_json:
            print(json.dumps(facts), flush=True)
        else:
            self._screen.line("  ".join([f"{name} {value}" for name, value in facts.items()]))


@contextmanager
def _ended_by(stop: Callable[[], None]) -> Iterator[None]:
    """SIGTERM and SIGINT stop it, and nothing else, as long as this lasts."""
    before = {each: signal.signal(each, lambda *_: stop()) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _policy(arguments: argparse.Namespace) -> Policy:
    """That of the file, with the sinks that are named here. Raises `InvalidInput`, `ConfigurationError`."""
    policy = Policy()
    if arguments.policy is not None:
        try:
            policy = Policy.from_toml(Path(arguments.policy).read_text(encoding="utf-8"))
        except (OSError, UnicodeError):
            raise InvalidInput("--policy", "cannot be read; name a TOML file") from None
    named = [each.strip() for each in arguments.sinks.split(",") if each.strip()]
    if not named and arguments.redis is not None and arguments.policy is None:
        named = ["streams"]
    if not named:
        return policy
    if "streams" in named and arguments.redis is None:
        raise ConfigurationError("--redis", "must say where the streams are")
    return policy.evolve(events=policy.events.evolve(sinks=tuple(named)))


def _loaded(place: str) -> Callable[[TekTree], object]:
    """The function that registers a host's handlers. Raises `InvalidInput` where there is none."""
    if not _PLACE.fullmatch(place):
        raise InvalidInput("--load", "must be module:function, such as shop.handlers:register")
    module, _, name = place.partition(":")
    try:
        found = getattr(import_module(module), name, None)
    except TekTreeError:
        raise
    except Exception as error:
        raise InvalidInput("--load", f"cannot import the module {module!r}: {type(error).__name__}") from None
    if not callable(found):
        raise InvalidInput("--load", f"names no function of the module {module!r}")
    register: Callable[[TekTree], object] = found
    return register
