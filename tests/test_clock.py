"""Time, as the package reads it."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tektree.clock import microseconds, system_clock
from tektree.testing import ManualClock

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(st.datetimes(timezones=st.just(UTC)))
def test_microseconds_are_those_that_a_clock_says(at: datetime) -> None:
    assert EPOCH + timedelta(microseconds=microseconds(lambda: at)()) == at


def test_a_clock_that_is_moved_is_followed() -> None:
    clock = ManualClock()
    now = microseconds(clock)
    before = now()
    clock.advance(timedelta(microseconds=7))
    assert now() == before + 7


def test_the_systems_microseconds_are_those_of_its_clock() -> None:
    def since(at: datetime) -> int:
        return (at - EPOCH) // timedelta(microseconds=1)

    before, now, after = since(system_clock()), microseconds(system_clock)(), since(system_clock())
    assert before <= now <= after
