"""Relays that meet over this backend: whatever comes in between, every event reaches its handler, those of a line in
order; what is due once, when nothing goes wrong. And it finds what is known to be wrong.
"""

from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pytest

from tektree._async.backends.mongo.deliveries import AsyncMongoDeliveries
from tektree._async.backends.mongo.events import AsyncMongoEventLog
from tektree._async.services.gamification import AsyncGamification
from tektree._async.services.handlers import AsyncHandlers, Registered
from tektree._async.services.relay import AsyncRelay
from tektree.catalog import CATALOG
from tektree.models.base import Frozen
from tektree.models.events import Delivery, Event, Posting
from tektree.ports import AsyncBackends
from tektree.testing import ManualClock, SeededIds
from tektree.testing.explorer import End, Strike, digest, explore, pause
from tests.backends.mongo.model import Data, Database, fresh
from tests.backends.mongo.test_explorer import Anywhere, Variant
from tests.lanes import enter
from tests.protocol import counts
from tests.protocol.worlds import NOW, POLICY, done

STREAM = "user:usr_ada:xp"


def event(seq: int) -> Event:
    return Event(
        id=f"{seq:024x}",
        event_id=f"evt_{seq:024x}",
        event_type="xp.awarded",
        timestamp=NOW,
        source_service="test",
        metadata=Frozen(stream=STREAM, seq=seq, recorded_at=NOW.isoformat()),
        payload=Frozen(user_id="usr_ada"),
    )


class Relays(Variant):
    """The backend, as it is or with one thing wrong."""

    log = AsyncMongoEventLog
    deliveries = AsyncMongoDeliveries

    @classmethod
    def over(cls, data: Data, stepping: bool) -> AsyncBackends:
        mongo = Anywhere(Database(data, stepping))
        good = cls.ports(data, stepping)
        return replace(good, events=cls.log(mongo), deliveries=cls.deliveries(mongo))


@cache
def left(events: int, marked: bool) -> Data:
    """What a process left that has ended: events of one line that its handler may not have got, or has still to get."""
    data = fresh()
    told = [event(seq) for seq in range(1, events + 1)]
    ports = Relays.over(data, stepping=False)
    done(ports.events.append(told, Posting([("mail",) if marked else ()] * events, "x", NOW)))
    if not marked:
        handlers = AsyncHandlers(ports.events, ports.deliveries, CATALOG, POLICY, ManualClock(NOW), SeededIds(0))
        done(ports.deliveries.add([handlers.delivery("mail", each) for each in told]))
    return data


class Meeting:
    """Relays over what was left, each in a process of its own."""

    def __init__(self, variant: type[Relays], relays: int, events: int, marked: bool) -> None:
        self.data = fresh(left(events, marked))
        self.once = relays == 1 or not marked
        self.variant = variant
        self.calls: list[tuple[int, int]] = []
        self.events = list(range(1, events + 1))
        self.workers: Sequence[Coroutine[Any, Any, object]] = [
            self._relay(number, stepping=True, now=NOW).run_once() for number in range(relays)
        ]

    def _relay(self, number: int, stepping: bool, now: datetime) -> AsyncRelay:
        """The relay of a process: its own services."""
        ports, clock, ids = self.variant.over(self.data, stepping), ManualClock(now), SeededIds(number)
        handlers = AsyncHandlers(ports.events, ports.deliveries, CATALOG, POLICY, clock, ids)

        def mail(event: Event) -> None:
            self.calls.append((number, event.metadata["seq"]))

        handlers.register(Registered("mail", ("xp.awarded",), mail))
        game = AsyncGamification(ports, POLICY, clock, ids, pause, handlers)
        return AsyncRelay(ports, handlers, (game.commits, game.settings), POLICY, clock, ids)

    def state(self) -> object:
        return digest([self.data, self.calls])

    def judge(self, ends: Sequence[End]) -> Iterator[str]:
        yield from [f"a relay raised {end.error!r}" for end in ends if end.error and not end.struck and _odd(end.error)]
        amiss = any(end.struck or end.error for end in ends)
        for run in range(2):  # when all leases are over
            later = self._relay(9 + run, stepping=False, now=NOW + timedelta(hours=1 + run))
            swept = done(later.run_once())
        got = [seq for _, seq in self.calls]
        if swept.waiting or swept.dead:
            yield f"still waiting: {swept}"
        if set(got) != set(self.events):
            yield f"the handler got {got} of {self.events}"
        if sorted(set(got), key=got.index) != sorted(set(got)):
            yield f"the handler got them in the order {got}"
        if self.once and not amiss and len(got) != len(self.events):
            yield f"with nothing amiss the handler got {got}"


def _odd(error: BaseException) -> bool:
    return type(error).__name__ not in {"Unavailable", "OutcomeUnknown"}


def meeting(variant: type[Relays], *about: Any) -> Callable[[], Meeting]:
    return lambda: Meeting(variant, *about)


@pytest.mark.parametrize(
    "strikes", [(Strike.CRASH,), pytest.param((Strike.LOST, Strike.REFUSED), marks=pytest.mark.long)], ids=len
)
@pytest.mark.parametrize(
    ("relays", "events", "marked"), [(1, 2, True), (2, 1, True), (2, 2, False)], ids=["one", "marked", "due"]
)
def test_relays_and_one_fault(relays: int, events: int, marked: bool, strikes: Sequence[Strike]) -> None:
    """Two relays that read one mark may both make a delivery of it, one after the other has been made; so then it is at
    least once.
    """
    enter("memory")
    found = explore(meeting(Relays, relays, events, marked), strikes)
    counts.tell(f"MongoDB: {relays} relays, {events} events: {found.told()}")
    assert not found.violations, found.story()
    assert found.states > 20, found.told()


class ClaimsWhatIsHeld(Relays):
    class deliveries(AsyncMongoDeliveries):  # noqa: N801 - in place of an attribute
        async def claim(self, id: str, token: str, now: datetime, until: datetime) -> Delivery | None:
            return await super().claim(id, token, until, until)


class LetsGoFirst(Relays):
    """The marks are taken off before the deliveries are there: they go with the reading of them."""

    class log(AsyncMongoEventLog):  # noqa: N801
        async def posted(self, by: str, now: datetime, limit: int) -> Any:
            found = await super().posted(by, now, limit)
            await super().delivered([each.event.event_id for each in found])
            return found


class AnyOfALine(Relays):
    """The newest one of a line is tried first."""

    class deliveries(AsyncMongoDeliveries):  # noqa: N801
        async def heads(self, handlers: Sequence[str], limit: int) -> Sequence[Delivery]:
            found = await self._mongo.listed(self._deliveries.find({"state": "waiting"}).sort("seq", -1))
            got = [await self.get(str(each["_id"])) for each in found]
            return [each for each in got if each is not None]


WRONG: list[tuple[type[Relays], tuple[int, int, bool], str]] = [
    (ClaimsWhatIsHeld, (2, 1, False), "with nothing amiss"),
    (LetsGoFirst, (1, 2, True), "the handler got [] of [1, 2]"),
    (AnyOfALine, (1, 2, True), "in the order [2, 1]"),
]


@pytest.mark.parametrize(("variant", "about", "what"), WRONG, ids=[each[0].__name__ for each in WRONG])
def test_what_is_known_to_be_wrong_is_found(variant: type[Relays], about: tuple[int, int, bool], what: str) -> None:
    enter("memory")
    found = explore(meeting(variant, *about), (Strike.CRASH,), first_only=True)
    assert found.violations, found.told()
    assert what in found.violations[0][0], found.story()
