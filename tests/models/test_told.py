"""`Told`: events that are made when somebody looks, and otherwise like the tuple of them."""

import copy
import pickle
from collections.abc import Sequence
from datetime import UTC, datetime

from tektree import EntityRef, TekTree
from tektree.models.events import Event, Told

NOW = datetime(2025, 12, 16, 14, tzinfo=UTC)


def of_an_award() -> Sequence[Event]:
    """The events of a first award: XP, a streak, a mark."""
    tek = TekTree.in_memory(clock=lambda: NOW, ids=lambda: "0" * 24)
    user_id = tek.gamification.enroll(uid="usr_ada").user_id
    return tek.gamification.award(user_id, "answer_posted", EntityRef("answer", "a1")).events


def test_it_is_made_once_and_only_when_somebody_looks() -> None:
    made: list[tuple[Event, ...]] = []

    def tell(*events: Event) -> tuple[Event, ...]:
        made.append(events)
        return events

    told = Told(3, (tell, *of_an_award()))
    assert (len(told), bool(told), made) == (3, True, [])
    assert told[0] is next(iter(told))
    assert len(made) == 1


def test_it_equals_the_tuple_of_its_events() -> None:
    told, again = of_an_award(), of_an_award()
    events = tuple(told)
    assert told is not again
    assert told == again == events == told
    assert told != events[:1]
    assert hash(told) == hash(events)
    assert repr(told) == repr(events)
    assert told[1:] == events[1:]
    assert len(told) == len(events)


def test_it_is_copied_and_pickled_as_the_tuple() -> None:
    told = of_an_award()
    assert pickle.loads(pickle.dumps(told)) == tuple(told)  # noqa: S301 - our own
    assert copy.deepcopy(told) == told


def test_its_events_are_sound() -> None:
    """They are made without validation; here they get it."""
    for event in of_an_award():
        assert Event.model_validate(event.model_dump()) == event
