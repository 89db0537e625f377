"""Handlers and relays, tried out: all interleavings of two processes, one fault at every call.

After each: every event is in the log, every handler has heard of each, those of a line in order, or it stands in dead
letters with all its attempts counted. And what is known to be wrong must be found.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from tektree.testing.explorer import EVERY_STRIKE, Strike, explore
from tests.events import variants
from tests.events.worlds import LATE, Listener, Meeting, award, opt_out, relay, sell
from tests.lanes import enter
from tests.protocol import counts
from tests.protocol.worlds import Variant

NOW = timedelta()
ONE = (Listener("only"),)
RAISES_ONCE, RAISES = (Listener("only", "raises once"),), (Listener("only", "raises"),)
STARTED = [award(30, "a")]
"""What gives a listener that raises a line in which something waits."""

MEETINGS = {
    each.name: each
    for each in [
        Meeting("an award and a relay", [(award(30, "a"), NOW), (relay(), NOW)], listeners=ONE),
        Meeting(
            "an award and a relay behind its lease", [(award(30, "a"), NOW), (relay(), LATE)], listeners=ONE, once=False
        ),
        Meeting("an opt-out and a relay", [(opt_out(), NOW), (relay(), NOW)], STARTED),
        Meeting(
            "an opt-out and a relay behind its lease", [(opt_out(), NOW), (relay(), LATE)], STARTED, ONE, once=False
        ),
        Meeting("a sale and a relay", [(sell(1), NOW), (relay(), NOW)]),
        Meeting("a sale and a relay behind its lease", [(sell(1), NOW), (relay(), LATE)], listeners=ONE, once=False),
        Meeting("two awards", [(award(30, "a"), NOW), (award(30, "b"), NOW)], listeners=ONE),
        Meeting("two sales", [(sell(1), NOW), (sell(2), NOW)], listeners=ONE),
        Meeting("one sale twice", [(sell(1), NOW), (sell(1), NOW)], listeners=ONE),
        Meeting("two relays over a delivery", [(relay(), NOW), (relay(), NOW)], STARTED, RAISES_ONCE),
        Meeting("two relays over what fails for ever", [(relay(), NOW), (relay(), NOW)], STARTED, RAISES),
        Meeting("an award behind a delivery, and a relay", [(award(30, "b"), NOW), (relay(), NOW)], STARTED, RAISES),
    ]
}
WAYS = {"an award and a relay behind its lease"}
"""So many that they are all gone with `--long` only."""


def explored(name: str, strikes: Sequence[Strike]) -> None:
    enter("memory")
    found = explore(MEETINGS[name], strikes)
    counts.tell(f"{name}: {found.told()}")
    assert not found.violations, found.story()
    assert min(found.schedules, found.states) > 20, found.told()


@pytest.mark.parametrize("name", [name for name in MEETINGS if name not in WAYS])
def test_two_processes_and_a_crash(name: str) -> None:
    explored(name, [Strike.CRASH])


@pytest.mark.long
@pytest.mark.parametrize("name", MEETINGS)
def test_two_processes_and_any_fault(name: str) -> None:
    explored(name, EVERY_STRIKE)


WRONG = [
    (variants.UNMARKED_FIRST, "an award and a relay"),
    (variants.UNMARKED_FIRST, "a sale and a relay"),
    (variants.UNMARKED_FIRST, "an opt-out and a relay"),
    (variants.ADDED_LAST, "an award behind a delivery, and a relay"),
    (variants.UNGUARDED, "two relays over a delivery"),
    (variants.COUNTED_LATE, "two relays over what fails for ever"),
    (variants.NOBODY_ASKED, "two awards"),
    (variants.NOBODY_ASKED, "two sales"),
]


@pytest.mark.parametrize(("variant", "name"), WRONG, ids=[f"{variant.name}, {name}" for variant, name in WRONG])
def test_what_is_known_to_be_wrong_is_found(variant: Variant, name: str) -> None:
    enter("memory")
    found = explore(replace(MEETINGS[name], variant=variant), first_only=True)
    assert found.violations, f"nothing wrong was found with {variant.name!r}: {found.told()}"
    said, path = found.violations[0]
    counts.tell(f"found: {variant.name}: {said} (after {len(path)} calls, {found.ends} ends)")


@pytest.mark.parametrize("variant", dict.fromkeys([variant for variant, _ in WRONG]), ids=lambda variant: variant.name)
def test_what_is_wrong_goes_well_when_nobody_meets(variant: Variant) -> None:
    """So it takes an explorer to find it."""
    enter("memory")
    found = explore(Meeting("alone", [(award(30, "a"), NOW)], listeners=ONE, variant=variant), strikes=())
    assert not found.violations, found.story()
