"""A handler that ends the process, every time: the others are served, it is given up, and the relay lives on."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tektree import Policy, TekTree
from tektree.wire.collections import DELIVERIES
from tests.backends.mongo.worlds import USED, World
from tests.events.killer import ATTEMPTS, DEADLY, KILLED, listen
from tests.lanes import PYMONGO

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def world() -> Iterator[World]:
    made = World.made(PYMONGO).indexed((*USED, DELIVERIES))
    try:
        yield made
    finally:
        made.over()


def relay(world: World, minutes: int) -> int:
    """A process that runs the relay once, so long after the beginning. Gives how it ended."""
    command = [sys.executable, "-m", "tests.events.killer", f"{world.uri}{world.name}", str(minutes)]
    paths = os.pathsep.join([str(ROOT), *sys.path])
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": paths}, timeout=60, check=False
    ).returncode


def heard(world: World) -> set[tuple[str, int]]:
    """Which handler heard of which amount."""
    amounts = {event["event_id"]: event["payload"].get("amount") for event in world.look.events.find()}
    return {(each["handler"], amounts[each["event_id"]]) for each in world.look.heard.find()}


def test_a_handler_that_ends_the_process_is_given_up_and_the_others_are_served(world: World) -> None:
    tek = TekTree(
        world.backends(world._looking), Policy(events={"deliver": "relay"}, achievements=()), clock=world.clock
    )
    listen(tek, world.look.heard)
    ada, ben = [tek.gamification.enroll(uid).user_id for uid in ("usr_ada", "usr_ben")]
    for user_id, amount in ((ada, 1), (ada, DEADLY), (ada, 2), (ben, 3)):
        tek.gamification.award(user_id, "manual", amount=amount, key=f"key-{amount}")
    assert heard(world) == set()

    assert relay(world, 1) == KILLED
    assert relay(world, 1) == 0  # at once: nobody touches what the dead process had claimed
    others = {("other", amount) for amount in (1, DEADLY, 2, 3)} | {("killer", 1), ("killer", 3)}
    assert heard(world) == others
    assert [relay(world, minutes) for minutes in range(2, 2 + ATTEMPTS - 1)] == [KILLED] * (ATTEMPTS - 1)
    assert tek.events.dead_letters.list().items == ()

    assert relay(world, 20) == 0
    [dead] = tek.events.dead_letters.list().items
    assert (dead.handler, dead.attempts) == ("killer", ATTEMPTS)
    assert dead.event.payload["amount"] == DEADLY
    assert dead.reason == "the process ended while it ran"
    assert heard(world) == others | {("killer", 2)}

    tek.gamification.award(ada, "manual", amount=4, key="key-4")
    assert [relay(world, minutes) for minutes in (21, 30)] == [0, 0]
    assert heard(world) == others | {("killer", 2), ("killer", 4), ("other", 4)}
    assert world.look.heard.count_documents({}) == len(heard(world))
