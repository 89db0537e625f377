"""A process that consumes until it is ended: ``python -m tests.sinks.consuming MONGO REDIS NAME``."""

import signal
import sys
from typing import Any

from tektree import Policy, TekTree
from tektree.models.events import Event, Timing

__all__ = ["POLICY", "TIMING", "fold"]

POLICY = 'achievements = []\nreactions = {}\nevents = { sinks = ["streams"], boards = "consumer", lease = 1 }\n'
TIMING = Timing(idle=0.5, patience=0.1, check=1.0, settle=0.5)


def fold(tek: TekTree, name: str) -> Any:
    """A consumer with a fold of the numbers that took effect, and one with the boards, beside the streams."""
    numbers = tek.events.consumer("numbers", name=name, timing=TIMING)
    numbers.fold("*", name="fold", start=[])(lambda state, event: [*state, seq(event)])
    boards = tek.events.consumer("boards", name=name, keep="streams", timing=TIMING)
    boards.feed(tek.leaderboards, name="boards")
    return numbers, boards


def seq(event: Event) -> int:
    found: int = event.metadata["seq"]
    return found


if __name__ == "__main__":
    from threading import Thread

    mongo, redis, name = sys.argv[1:]
    with TekTree.connect(mongo, redis, Policy.from_toml(POLICY)) as tek:
        consumers = fold(tek, name)
        signal.signal(signal.SIGTERM, lambda *_: [each.stop() for each in consumers])
        works = [Thread(target=each.run) for each in consumers]
        for each in works:
            each.start()
        for each in works:
            each.join()
