"""The storages that the suite runs against. A test enters a lane; the summary says which lanes did not run, and why.

Skips are easy to overlook, and a lane that is skipped everywhere looks like one that passes. So each has its line.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from os import environ

import pytest


@dataclass
class Lane:
    """One storage: the modules it needs, what else stands in its way here, and how many tests entered it."""

    name: str
    needs: tuple[str, ...] = ()
    obstacle: str | None = None
    entered: int = 0

    def closed(self) -> str | None:
        """Why nobody can enter; None when it is open."""
        absent = [module for module in self.needs if find_spec(module) is None]
        return f"not installed: {', '.join(absent)}" if absent else self.obstacle

    def line(self) -> str:
        """What the summary says of this lane."""
        if self.entered:
            return f"{self.name}: tests that ran: {self.entered}"
        return f"{self.name}: DID NOT RUN: {self.closed() or 'no test of this run enters it'}"


MOCK = "mongomock"
PYMONGO = "wire server: PyMongo"
PYMONGO_ASYNC = "wire server: PyMongo Async"
MOTOR = "wire server: Motor"
REAL = "real MongoDB (TEKTREE_TEST_MONGO)"
FAKE = "fakeredis"
FAKE_ASYNC = "fakeredis: asyncio"
REDIS = "redis-server"
REDIS_ASYNC = "redis-server: asyncio"
CLUSTER = "redis cluster"
CLUSTER_ASYNC = "redis cluster: asyncio"

LANES = {
    lane.name: lane
    for lane in [
        Lane("memory"),
        Lane(MOCK, ("pymongo", "mongomock")),
        Lane(PYMONGO, ("pymongo", "secantus")),
        Lane(PYMONGO_ASYNC, ("pymongo", "secantus")),
        Lane(MOTOR, ("motor", "secantus")),
        Lane(REAL, ("pymongo",), None if "TEKTREE_TEST_MONGO" in environ else "TEKTREE_TEST_MONGO is not set"),
        Lane(FAKE, ("redis", "fakeredis", "lupa")),
        Lane(FAKE_ASYNC, ("redis", "fakeredis", "lupa")),
        Lane(REDIS, ("redis",)),
        Lane(REDIS_ASYNC, ("redis",)),
        Lane(CLUSTER, ("redis",)),
        Lane(CLUSTER_ASYNC, ("redis",)),
    ]
}


def enter(name: str, lanes: dict[str, Lane] = LANES) -> None:
    """Counts the running test as one of lane ``name``, or skips it when the lane is closed here."""
    lane = lanes[name]
    if reason := lane.closed():
        pytest.skip(f"lane {name}: {reason}")
    lane.entered += 1


def close(name: str, obstacle: str, lanes: dict[str, Lane] = LANES) -> None:
    """Closes a lane for this run, such as when its server does not start, and skips the running test."""
    lanes[name].obstacle = obstacle
    pytest.skip(f"lane {name}: {obstacle}")


def summary(lanes: Iterable[Lane] = LANES.values()) -> list[str]:
    """One line for each lane."""
    return [lane.line() for lane in lanes]
