"""The write protocol, tried out: the real services, all interleavings of two workers, one fault at every call.

A crash, a refused call, a lost reply, a cancellation before or after the call: after each, every command is repeated
with its key, and all must be whole: one row a key, no gap, the cap kept, the profile its rows' fold, every event told
once, the boards those of the ledger, who opted out opted out. And it must find what is known to be wrong.
"""

from datetime import timedelta

import pytest

from tektree.policy import Policy
from tektree.testing.explorer import EVERY_STRIKE, Strike, explore
from tests.lanes import enter
from tests.protocol import counts, variants
from tests.protocol.worlds import (
    NOW,
    Plot,
    Variant,
    activity,
    answered,
    award,
    freezes,
    move,
    opt_out,
    rebuild,
    restore,
    reverse,
)

REWARDING = Policy(version="rewarding", levels={"rewards": {2: 5}}, achievements=())
"""Level 2 is worth 5 XP: an award that reaches it makes a second row due."""

PLOTS = {
    plot.name: plot
    for plot in [
        Plot("two awards at the cap", award(300, "a"), award(300, "b")),
        Plot("one key twice", award(300, "a"), award(300, "a")),
        Plot("one key with two amounts", award(300, "a"), award(200, "a")),
        Plot("an award and a reversal", award(300, "b"), reverse("a"), before=[award(300, "a")]),
        Plot("one reversal twice", reverse("a"), reverse("a"), before=[award(300, "a")]),
        Plot("one reversal twice with a key", reverse("a", "r"), reverse("a", "r"), before=[award(300, "a")]),
        Plot("a restoring and an award", restore("a"), award(300, "b"), before=[award(300, "a"), reverse("a")]),
        Plot("an award and an opt-out", award(30, "b"), opt_out(), before=[award(100, "a")]),
        Plot("an opt-out and a change of zone", opt_out(), move("Asia/Tokyo"), before=[award(100, "a")]),
        Plot("an award and a change of zone", award(30, "b"), move("Asia/Tokyo"), before=[award(100, "a")]),
        Plot("an activity twice", activity(0), activity(0), before=[activity(-1)]),
        Plot("an activity and freezes", activity(0), freezes(2, "f"), before=[activity(-3)]),
        Plot("an award and a rebuild", award(30, "b"), rebuild(), before=[award(100, "a")]),
        Plot(
            "two days at once", award(400, "b", at=NOW - timedelta(days=1)), award(400, "c"), before=[award(300, "a")]
        ),
    ]
}
OWING = [
    Plot("an award that owes, and another", award(250, "a"), award(300, "b"), policy=REWARDING),
    Plot("a milestone, and an award", answered("1"), award(10, "b"), before=[activity(day) for day in range(-6, 0)]),
]
"""More rows, so more ways: these meet the strikes that leave different traces."""


def explored(plot: Plot, *strikes: Strike, most: int = 1) -> None:
    enter("memory")
    found = explore(plot, strikes, most)
    counts.tell(f"{plot.name}: {found.told()}")
    assert not found.violations, found.story()
    assert found.schedules > found.states > 20, found.told()


@pytest.mark.parametrize("name", PLOTS)
def test_two_workers_and_a_crash(name: str) -> None:
    explored(PLOTS[name], Strike.CRASH)


@pytest.mark.long
@pytest.mark.parametrize("name", PLOTS)
def test_two_workers_and_any_fault(name: str) -> None:
    explored(PLOTS[name], *EVERY_STRIKE)


@pytest.mark.long
@pytest.mark.parametrize("plot", OWING, ids=lambda plot: plot.name)
def test_two_workers_one_of_whom_owes_a_second_row(plot: Plot) -> None:
    explored(plot, Strike.CRASH)


@pytest.mark.long
@pytest.mark.parametrize("plot", OWING, ids=lambda plot: plot.name)
def test_two_workers_one_of_whom_owes_a_second_row_and_any_fault(plot: Plot) -> None:
    explored(plot, *EVERY_STRIKE)


@pytest.mark.long
@pytest.mark.parametrize("name", PLOTS)
def test_two_workers_and_two_faults(name: str) -> None:
    explored(PLOTS[name], Strike.CRASH, Strike.LOST, most=2)


@pytest.mark.long
@pytest.mark.parametrize(
    "plot",
    [
        Plot("three awards", award(300, "a"), award(300, "b"), award(300, "c")),
        Plot("one key twice and another", award(300, "a"), award(300, "a"), award(300, "c")),
        Plot("an award, a reversal, an opt-out", award(300, "b"), reverse("a"), opt_out(), before=[award(300, "a")]),
    ],
    ids=lambda plot: plot.name,
)
def test_three_workers_and_a_crash(plot: Plot) -> None:
    explored(plot, Strike.CRASH)


WRONG = [
    (variants.NO_UNIQUE_SEQ, "two awards at the cap"),
    (variants.KEY_LOOKED_UP_FIRST, "one key twice"),
    (variants.PROFILE_FIRST, "two awards at the cap"),
    (variants.PROFILE_FIRST, "one key twice"),
    (variants.LAST_PROFILE_WINS, "two awards at the cap"),
    (variants.PROFILE_WRITTEN_WHOLE, "an award and an opt-out"),
    (variants.PROFILE_WRITTEN_WHOLE, "an award and a change of zone"),
    (variants.LAST_SETTINGS_WIN, "an opt-out and a change of zone"),
    (variants.EVENTS_BEFORE, "two awards at the cap"),
    (variants.EVENTS_AFTER, "two awards at the cap"),
    (variants.TOLD_FIRST, "two awards at the cap"),
    (variants.PROJECTED_FIRST, "two awards at the cap"),
    (variants.NEVER_TOLD, "two awards at the cap"),
    (variants.LAST_ENTRY_WINS, "two awards at the cap"),
    (variants.EVERY_ENTRY_DECIDES, "an award and an opt-out"),
]


@pytest.mark.parametrize(("variant", "name"), WRONG, ids=[f"{variant.name}, {name}" for variant, name in WRONG])
def test_what_is_known_to_be_wrong_is_found(variant: Variant, name: str) -> None:
    enter("memory")
    found = explore(PLOTS[name].with_variant(variant), first_only=True)
    assert found.violations, f"nothing wrong was found with {variant.name!r}: {found.told()}"
    said, path = found.violations[0]
    counts.tell(f"found: {variant.name}: {said} (after {len(path)} calls, {found.ends} ends)")


@pytest.mark.parametrize("variant", dict.fromkeys([variant for variant, _ in WRONG]), ids=lambda variant: variant.name)
def test_what_is_wrong_goes_well_when_nobody_meets(variant: Variant) -> None:
    """So it takes an explorer to find it. One worker, no fault: nothing is amiss, unless events are never told."""
    enter("memory")
    found = explore(Plot("alone", award(30, "b"), before=[award(100, "a")]).with_variant(variant), strikes=())
    amiss = [said for said, _ in found.violations if said.startswith("with nothing amiss")]
    assert bool(amiss) is (variant is variants.NEVER_TOLD), found.story()
