"""``tektree setup`` and ``tektree check``: the indexes of a database, made, and compared with what is there."""

import argparse
import json
from collections.abc import Sequence
from typing import Any

from tektree._cli.screen import Screen
from tektree._cli.storage import opened

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """0, or 1 when an index that is needed is not as it should be."""
    with opened(arguments.mongo, make=arguments.make) as tek:
        drift = tek.check()
    good = not any(each.required for each in drift)
    if arguments.json:
        print(json.dumps({"ok": good, "drift": [_document(each) for each in drift]}, indent=2))
    else:
        _show(Screen(), drift)
    return 0 if good else 1


def _document(drift: Any) -> dict[str, Any]:
    return {name: getattr(drift, name) for name in ("collection", "keys", "what", "required")}


def _show(screen: Screen, drift: Sequence[Any]) -> None:
    for each in drift:
        if each.required:
            screen.line((f"{each.what:<9}  ", "bold red"), f"{each.collection}  {each.keys}")
        else:
            note = "searches do without this text index"
            screen.line((f"note       {each.collection}  {each.keys}  {each.what}: {note}", "dim"))
    amiss = len([each for each in drift if each.required])
    if amiss:
        screen.line(
            (f"amiss: {amiss}; tektree setup makes what is missing, after what is different is dropped", "bold")
        )
    else:
        screen.line(("all indexes that are needed are there", "green"))
