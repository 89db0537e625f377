"""How events take effect for a consumer, each once: by calls, or by a fold.

The law: of each line the number of the last event that took effect is kept, and goes up by one. Of a fold it stands
with the state, in one write, so each event counts exactly once. Of calls it is written behind them: after a crash the
last ones are made again, with the same ``event_id``.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from tektree._async.services.handlers import AsyncHandlers, Registered
from tektree._flavour import async_call
from tektree.models.events import Change, Effect, Event

__all__ = ["AsyncBatches", "AsyncCalls", "AsyncFolds", "AsyncListener", "Failure", "Outcome", "Work"]


class Work(NamedTuple):
    """Events of a line that follow upon what took effect there, without a gap.

    ``old`` is the number that is kept: 0 where nothing took effect yet, though the line may begin later.
    """

    effect: Effect
    events: Sequence[Event]
    old: int


class Failure(NamedTuple):
    """The event that a line stands before, and why; no ``error``: it ended the process too often."""

    event: Event
    error: Exception | None


class Outcome(NamedTuple):
    """How far each line got, to be written; and what stopped it."""

    changes: list[Change]
    failures: dict[str, Failure]


class AsyncListener(Protocol):
    """What a consumer brings events to."""

    handler: Registered

    async def effect(self, work: Mapping[str, Work], doomed: Collection[str]) -> Outcome:
        """Lets the events of each line take effect, in their order, up to one that fails or is doomed, by its id."""
        ...


class AsyncCalls:
    """A function that is called with one event after the other."""

    def __init__(self, handler: Registered, handlers: AsyncHandlers) -> None:
        self.handler = handler
        self._handlers = handlers

    async def effect(self, work: Mapping[str, Work], doomed: Collection[str]) -> Outcome:
        outcome = Outcome([], {})
        for line, (before, events, old) in work.items():
            number = before.number
            for event in events:
                if event.event_id in doomed:
                    outcome.failures[line] = Failure(event, None)
                    break
                if self.handler.wants(event.event_type):
                    try:
                        await self._handlers.call(self.handler, event)
                    except Exception as error:
                        outcome.failures[line] = Failure(event, error)
                        break
                number += 1
            if number > before.number:
                outcome.changes.append(Change(line, old, number))
        return outcome


class AsyncBatches:
    """A function that is called with many events at once, those of a line in their order.

    Where it fails, it is called again with each event alone, to find out which it is.
    """

    def __init__(self, handler: Registered) -> None:
        self.handler = handler

    async def effect(self, work: Mapping[str, Work], doomed: Collection[str]) -> Outcome:
        outcome = Outcome([], {})
        if not doomed and await self._all(work):
            outcome.changes.extend(
                [Change(line, old, before.number + len(events)) for line, (before, events, old) in work.items()]
            )
            return outcome
        for line, (before, events, old) in work.items():
            number = before.number
            for event in events:
                failed = None if event.event_id in doomed else await self._failed([event])
                if failed is not None or event.event_id in doomed:
                    outcome.failures[line] = Failure(event, failed)
                    break
                number += 1
            if number > before.number:
                outcome.changes.append(Change(line, old, number))
        return outcome

    async def _all(self, work: Mapping[str, Work]) -> bool:
        return await self._failed([event for _, events, _ in work.values() for event in events]) is None

    async def _failed(self, events: Sequence[Event]) -> Exception | None:
        wanted = [event for event in events if self.handler.wants(event.event_type)]
        try:
            if wanted:
                await async_call(self.handler.function, wanted)
        except Exception as error:
            return error
        return None


class AsyncFolds:
    """A pure function of the state of a stream and its next event, which gives the state after it. States are JSON."""

    def __init__(self, handler: Registered, start: Any) -> None:
        self.handler = handler
        self._function: Callable[[Any, Event], Any] = handler.function
        self._start = _dumps(start)

    async def effect(self, work: Mapping[str, Work], doomed: Collection[str]) -> Outcome:
        outcome = Outcome([], {})
        for line, (before, events, old) in work.items():
            if "stream" not in events[0].metadata:  # it belongs to no state
                outcome.changes.append(Change(line, 0, 1))
                continue
            text = before.state or self._start
            number, text, failure = await self._folded(before.number, text, events, doomed)
            if failure is not None:
                outcome.failures[line] = failure
            if number > before.number:
                outcome.changes.append(Change(line, old, number, text))
        return outcome

    async def _folded(
        self, number: int, text: str, events: Sequence[Event], doomed: Collection[str]
    ) -> tuple[int, str, Failure | None]:
        """How far it gets, and the state there. A state that is no JSON is the fault of the event that made it."""
        wanted = [self.handler.wants(event.event_type) for event in events]
        if not doomed:
            state = json.loads(text)
            try:
                for event, wants in zip(events, wanted, strict=True):
                    if wants:
                        state = await async_call(self._function, state, event)
                return number + len(events), _dumps(state), None
            except Exception:
                state = None  # it is found out below whose fault it is: a fold has no effects but its state
        for event, wants in zip(events, wanted, strict=True):
            if event.event_id in doomed:
                return number, text, Failure(event, None)
            try:
                text = _dumps(await async_call(self._function, json.loads(text), event)) if wants else text
            except Exception as error:
                return number, text, Failure(event, error)
            number += 1
        return number, text, None


_dumps: Final[Callable[[Any], str]] = json.JSONEncoder(
    allow_nan=False, ensure_ascii=False, separators=(",", ":")
).encode
