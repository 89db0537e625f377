"""The event log in memory: what waits to be made is lost to nobody who is interrupted."""

import pytest

from tektree._sync.backends.memory.events import MemoryEventLog
from tektree.models.events import Event, Told
from tests.lanes import enter
from tests.models.test_told import of_an_award


@pytest.mark.parametrize("begins_again", [True, False])
def test_who_is_interrupted_while_events_are_made_begins_again(begins_again: bool) -> None:
    """The positive control takes them out first."""
    enter("memory")
    log, pressed = MemoryEventLog(), [True]

    def tell(*events: Event) -> tuple[Event, ...]:
        if pressed:
            pressed.clear()
            if not begins_again:
                log._waiting.clear()
            raise KeyboardInterrupt
        return events

    for event in of_an_award():
        log.append(Told(1, (tell, event)))
    with pytest.raises(KeyboardInterrupt):
        log.count()
    assert (log.count() == len(of_an_award())) is begins_again
