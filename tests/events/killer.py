"""A process that runs the relay once, with a handler that ends it: ``python -m tests.events.killer URI MINUTES``.

What the handlers did stands in the collection ``heard``, whoever ended.
"""

import os
import sys
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from pymongo import MongoClient

from tektree import TekTree
from tektree.models.events import Event
from tektree.testing import ManualClock

__all__ = ["ATTEMPTS", "DEADLY", "KILLED", "listen"]

DEADLY: Final = 13
"""The amount of XP that the handler does not survive."""

ATTEMPTS: Final = 3
KILLED: Final = 9


def listen(tek: TekTree, heard: object) -> None:
    """Registers both handlers, which note in this collection what they have heard."""

    def note(handler: str, event: Event) -> None:
        heard.insert_one({"handler": handler, "event_id": event.event_id})  # type: ignore[attr-defined]

    @tek.events.on("xp.awarded", name="killer", attempts=ATTEMPTS)
    def kill(event: Event) -> None:
        if event.payload["amount"] == DEADLY:
            os._exit(KILLED)
        note("killer", event)

    @tek.events.on("xp.awarded", name="other")
    def other(event: Event) -> None:
        note("other", event)


if __name__ == "__main__":
    uri, minutes = sys.argv[1:]
    clock = ManualClock()
    clock.advance(timedelta(minutes=int(minutes)))
    with MongoClient[dict[str, object]](uri) as client, TekTree.connect(uri, clock=clock) as tek:
        listen(tek, client[urlsplit(uri).path[1:]].heard)
        tek.events.relay.run_once()
