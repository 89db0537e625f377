"""``tektree relay``: finishes what processes left, and tries again what handlers failed at."""

import argparse
import json
import re
from collections.abc import Callable
from importlib import import_module
from typing import Final

from tektree import TekTree
from tektree._cli.screen import Screen
from tektree._cli.storage import opened
from tektree.errors import InvalidInput, TekTreeError

__all__ = ["run"]

_PLACE: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def run(arguments: argparse.Namespace) -> int:
    """1 when something was given up in this run, else 0; what went wrong is raised."""
    register = None if arguments.load is None else _loaded(arguments.load)
    with opened(arguments.mongo) as tek:
        if register is not None:
            register(tek)
        swept = tek.events.relay.run_once()
    if arguments.json:
        print(json.dumps(swept._asdict(), indent=2))
    else:
        screen = Screen()
        for name, style in (("told", "green"), ("delivered", "green"), ("failed", "yellow"), ("dead", "red")):
            screen.told(f"  {name:<18}", f"{getattr(swept, name):,}", style)
        screen.told(f"  {'waiting':<18}", f"{swept.waiting:,}", "yellow" if swept.waiting else "green")
    return 1 if swept.dead else 0


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
