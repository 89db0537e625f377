"""``tektree recount``: what is counted on content is counted again, and set right if it is asked for."""

import argparse
import json

from tektree._cli.screen import Progress, Screen, shown
from tektree._cli.storage import opened
from tektree.models.recounts import Recount

__all__ = ["document", "run", "show"]

_SHOWN = 10


def run(arguments: argparse.Namespace) -> int:
    """0, or 1 when something is wrong that was not mended."""
    with opened(arguments.mongo) as tek, Progress("recounting") as progress:
        recount = tek.events.recount(
            arguments.mend, lambda kind, done: progress(done, None, f"{done:,} of kind {kind}")
        )
    if arguments.json:
        print(json.dumps(document(recount), indent=2))
    else:
        show(recount, Screen(), "")
    return 0 if recount else 1


def document(recount: Recount) -> dict[str, object]:
    """It in JSON's terms."""
    return {
        "ok": bool(recount),
        "records": dict(recount.records),
        "divergent": recount.divergent,
        "mended": recount.mended,
        "damaged": recount.damaged,
        "first": [each.model_dump() for each in recount.first],
    }


def show(recount: Recount, screen: Screen, label: str) -> None:
    """It on the screen, each line behind ``label``."""
    for each in recount.first[:_SHOWN]:
        said = f"{each.field}: {shown(each.expected)} expected, {shown(each.found)} found"
        mended = ", mended" if each.mended else ""
        screen.told(label, f"{each.kind} {each.id}, {said}{mended}", "yellow" if each.mended else "bold red")
    looked = ", ".join([f"{kind}: {count:,}" for kind, count in recount.records.items()])
    if recount.damaged:
        screen.told(label, f"{recount.damaged:,} cannot be read", "bold red")
    left = recount.divergent - recount.mended
    if left:
        screen.told(
            label, f"{left:,} of {recount.divergent:,} fields that are wrong are not mended; {looked}", "bold red"
        )
    elif recount.mended:
        screen.told(label, f"{recount.mended:,} fields mended; {looked}", "green")
    elif not recount.damaged:
        screen.told(label, f"all counts hold; {looked}", "green")
