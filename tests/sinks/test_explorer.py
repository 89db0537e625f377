"""Relays and consumers, tried out: all interleavings, with a crash at every call, behind leases that are over.

After each: every event is in the streams, those of a line in order, and took effect exactly once. And what is known to
be wrong must be found.
"""

from dataclasses import replace

import pytest

from tektree.testing.explorer import Strike, explore
from tests.lanes import enter
from tests.protocol import counts
from tests.protocol.worlds import Variant
from tests.sinks import variants
from tests.sinks.worlds import LATE, Meeting, calling, consumer, relay

MEETINGS = {
    each.name: each
    for each in [
        Meeting("two relays", [relay(), relay()]),
        Meeting("two relays, one behind the other's lease", [relay(), relay(LATE)]),
        Meeting("two relays in batches, and something refused", [relay(), relay(LATE)], 3, batch=2, refuses=True),
        Meeting("two consumers", [consumer(), consumer()], published=2),
        Meeting("a relay and a consumer", [relay(), consumer()]),
    ]
}
IN_LONG = {
    each.name: each
    for each in [
        Meeting("a relay and two consumers", [relay(), consumer(), consumer()]),
        Meeting("two relays and a consumer", [relay(), relay(LATE), consumer()]),
        Meeting("two relays and two consumers", [relay(), relay(LATE), consumer(), consumer()], 1),
    ]
}
CALLS = Meeting(
    "two consumers that call", [consumer(calling), consumer(calling)], published=2, make=calling, called=True
)
MARKED_FIRST = replace(
    CALLS,
    name="two consumers that mark first",
    workers=[consumer(variants.marking_first), consumer(variants.marking_first)],
    make=variants.marking_first,
)


def explored(meeting: Meeting, most: int = 1) -> None:
    enter("memory")
    found = explore(meeting, [Strike.CRASH], most)
    counts.tell(f"{meeting.name}, {most} crashes: {found.told()}")
    assert not found.violations, found.story()
    assert found.schedules > found.states > 20, found.told()


@pytest.mark.parametrize("name", MEETINGS)
def test_all_ways_with_a_crash(name: str) -> None:
    explored(MEETINGS[name])


@pytest.mark.long
@pytest.mark.parametrize("name", MEETINGS)
def test_all_ways_with_two_crashes(name: str) -> None:
    explored(MEETINGS[name], 2)


@pytest.mark.long
@pytest.mark.parametrize("name", IN_LONG)
def test_all_ways_of_more_workers(name: str) -> None:
    explored(IN_LONG[name])


WRONG = [
    (variants.MARK_FIRST, MEETINGS["two relays"], "marked as published, but not in the streams"),
    (variants.NO_HEAD, MEETINGS["two relays in batches, and something refused"], "the streams have"),
    (variants.TWO_IN_FLIGHT, MEETINGS["two relays"], "the streams have"),
]


@pytest.mark.parametrize(("variant", "meeting", "said"), WRONG, ids=[f"{each[0].name}" for each in WRONG])
def test_what_is_known_to_be_wrong_is_found(variant: Variant, meeting: Meeting, said: str) -> None:
    enter("memory")
    found = explore(replace(meeting, variant=variant), [Strike.CRASH], first_only=True)
    assert found.violations, found.told()
    assert any(said in each for each, _ in found.violations), found.story()
    counts.tell(f"found: {variant.name}: {found.violations[0][0]}")


@pytest.mark.parametrize(
    ("meeting", "said"), [(CALLS, "came twice"), (MARKED_FIRST, "is lost")], ids=["marker after", "marker before"]
)
def test_a_marker_that_is_not_part_of_the_effect_is_found(meeting: Meeting, said: str) -> None:
    """A marker behind the effect repeats it, one before it loses it; only what is written with it counts once."""
    enter("memory")
    found = explore(meeting, [Strike.CRASH], first_only=True)
    assert any(said in each for each, _ in found.violations), found.told()
    counts.tell(f"found: {meeting.name}: {found.violations[0][0]}")
