"""A lane that did not run is named, with the reason."""

import pytest

from tests.lanes import Lane, close, enter, summary


def test_each_lane_says_whether_it_ran() -> None:
    lanes = {
        lane.name: lane for lane in [Lane("open"), Lane("bare", needs=("no_such_driver",)), Lane("idle"), Lane("down")]
    }
    enter("open", lanes)
    enter("open", lanes)
    with pytest.raises(pytest.skip.Exception, match="no_such_driver"):
        enter("bare", lanes)
    with pytest.raises(pytest.skip.Exception, match="does not start"):
        close("down", "the server does not start", lanes)
    with pytest.raises(pytest.skip.Exception, match="does not start"):
        enter("down", lanes)
    assert summary(lanes.values()) == [
        "open: tests that ran: 2",
        "bare: DID NOT RUN: not installed: no_such_driver",
        "idle: DID NOT RUN: no test of this run enters it",
        "down: DID NOT RUN: the server does not start",
    ]
