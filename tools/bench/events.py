"""What telling an event costs in memory, and reading it again, beside the least there can be: medians of one run.

Run it: ``python tools/bench/events.py``. The floor is a validated envelope that is appended to a list.

- *emit*: ``tek.events.emit`` with one handler: the payload is checked against the catalog, the event goes to the log,
  the handler is called in the context of the event. Awaited, it is the same on a running event loop.
- *emit, nobody listens*: the same without a handler.
- *replay*: ``tek.events.replay`` to a handler that takes the typed payload. For each event.
- *blinker*: the dispatch alone, to one receiver, of an object that is there already.
- *eventsourcing, replay*: ``Application.repository.get`` of an aggregate of as many events. For each event.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any

from measuring import arguments, medians, optional, show

from tektree import AsyncTekTree, TekTree
from tektree.catalog import Payload
from tektree.models.events import Event

NOW = datetime(2025, 12, 16, 14, tzinfo=UTC)


class QuizPassed(Payload, event="quiz.passed", by="quiz-service"):
    """An event of a host."""

    user_id: str
    quiz_id: str
    score: int


PASSED = QuizPassed(user_id="usr_ada", quiz_id="q7", score=9)
FACTS = {"user_id": "usr_ada", "quiz_id": "q7", "score": 9}


def floor() -> Callable[[], object]:
    """An envelope, made and appended."""
    log: list[Event] = []
    numbers = count()

    def work() -> object:
        id = f"{next(numbers):024x}"
        event = Event(
            id=id,
            event_id=f"evt_{id}",
            event_type="quiz.passed",
            timestamp=NOW,
            source_service="quiz-service",
            payload=FACTS,
        )
        log.append(event)
        return event

    return work


def heard(event: Event) -> None:
    """A handler that does nothing."""


def emitting(listening: bool) -> Callable[[], object]:
    """``emit``, with or without a handler."""
    tek = TekTree.in_memory()
    tek.events.register(QuizPassed)
    if listening:
        tek.events.on("quiz.passed")(heard)
    return lambda: tek.events.emit(PASSED)


def awaited(calls: int) -> float:
    """Microseconds for each of so many calls of ``emit`` on one event loop."""

    async def run() -> float:
        tek = AsyncTekTree.in_memory()
        tek.events.register(QuizPassed)
        tek.events.on("quiz.passed")(heard)
        start = time.perf_counter()
        for _ in range(calls):
            await tek.events.emit(PASSED)
        return (time.perf_counter() - start) / calls * 1e6

    return asyncio.run(run())


def replayed(calls: int) -> Callable[[], float]:
    """Microseconds for each of so many events that are replayed as typed payloads."""
    tek = TekTree.in_memory()
    for _ in range(calls):
        tek.events.emit(PASSED)

    def work() -> float:
        start = time.perf_counter()
        done = tek.events.replay(lambda passed: None, which=QuizPassed)
        return (time.perf_counter() - start) / done * 1e6

    return work


def blinked() -> Callable[[], object] | None:
    """A signal with one receiver."""
    blinker = optional("blinker")
    if blinker is None:
        return None
    signal: Any = blinker.Signal()
    signal.connect(heard, weak=False)
    return lambda: signal.send(PASSED)


def eventsourced(calls: int) -> Callable[[], float] | None:
    """Microseconds for each event of an aggregate that is read again."""
    application, domain = optional("eventsourcing.application"), optional("eventsourcing.domain")
    if application is None or domain is None:
        return None

    def add(self: Any, user_id: str, quiz_id: str, score: int) -> None:
        self.score += score

    class Quiz(domain.Aggregate):  # type: ignore[misc, name-defined] # what is not installed has no type
        def __init__(self) -> None:
            self.score = 0

        passed = domain.event("Passed")(add)

    app, quiz = application.Application(), Quiz()
    for _ in range(calls):
        quiz.passed(**FACTS)
    app.save(quiz)

    def work() -> float:
        start = time.perf_counter()
        app.repository.get(quiz.id)
        return (time.perf_counter() - start) / calls * 1e6

    return work


def main() -> None:
    """Prints the table."""
    quick = arguments(__doc__).quick
    rounds, calls = (3, 50) if quick else (15, 2_000)
    ways = {
        "floor: an envelope in a list": floor(),
        "emit": emitting(listening=True),
        "emit, nobody listens": emitting(listening=False),
        "blinker, dispatch alone": blinked(),
    }
    found = medians({name: work for name, work in ways.items() if work is not None}, rounds, calls)
    of_themselves = {
        "emit, awaited": lambda: awaited(calls),
        "replay, typed": replayed(calls * 5),
        "eventsourcing, replay": eventsourced(calls),
    }
    for name, work in of_themselves.items():
        if work is not None:
            found[name] = sorted([work() for _ in range(rounds)])[rounds // 2]
    least = found["floor: an envelope in a list"]
    rows = [(each, 1e6 / each, each / least, name) for name, each in found.items()]
    show("an event in memory; the ratio is to the floor", ("µs", "a second", "ratio", "what"), rows)


if __name__ == "__main__":
    main()
