"""Handlers and relays, tried out: all interleavings of two processes, one fault at every call.

After each: every event is in the log, every handler has heard of each, those of a line in order, or it stands in dead
letters with all its attempts counted. And what is known to be wrong must be found.
"""

from datetime import timedelta

import pytest

from tektree.testing.explorer import EVERY_STRIKE, explore
from tests.events.worlds import LATE, Listener, Meeting, award, opt_out, relay, sell
from tests.lanes import enter
from tests.protocol import counts

NONE = timedelta()

ONE = (Listener("only"),)
MEETINGS = {
    each.name: each
    for each in [
        Meeting("an award and a relay", [(award(30, "a"), NONE), (relay(), NONE)]),
        Meeting("an award and a relay behind its lease", [(award(30, "a"), NONE), (relay(), LATE)], once=False),
        Meeting("an opt-out and a relay", [(opt_out(), NONE), (relay(), NONE)], [award(30, "a")], ONE),
        Meeting("a sale and a relay", [(sell(1), NONE), (relay(), LATE)], once=False),
        Meeting("two awards", [(award(30, "a"), NONE), (award(30, "b"), NONE)], listeners=ONE),
        Meeting("two sales", [(sell(1), NONE), (sell(2), NONE)], listeners=ONE),
        Meeting("two opt-outs and zones", [(opt_out(), NONE), (award(30, "a"), NONE)], listeners=ONE),
        Meeting(
            "two relays over one delivery",
            [(relay(), NONE), (relay(), NONE)],
            [award(30, "a")],
            (Listener("only", "raises once"),),
        ),
        Meeting(
            "two relays over what fails for ever",
            [(relay(), NONE), (relay(), NONE)],
            [award(30, "a")],
            (Listener("only", "raises"),),
        ),
        Meeting(
            "an award behind a delivery, and a relay",
            [(award(30, "b"), NONE), (relay(), NONE)],
            [award(30, "a")],
            (Listener("only", "raises once"),),
        ),
    ]
}


@pytest.mark.parametrize("name", MEETINGS)
def test_two_processes_and_one_fault(name: str) -> None:
    enter("memory")
    found = explore(MEETINGS[name], EVERY_STRIKE)
    counts.tell(f"{name}: {found.told()}")
    assert not found.violations, found.story()
    assert found.schedules > found.states > 20, found.told()
