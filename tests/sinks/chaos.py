"""Writers, relays and consumers, each of which ends at any call of storage with some probability, and starts again."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tektree import Policy
from tektree.errors import BackendError, Stale
from tektree.models.events import Event, EventFilter, Timing
from tektree.models.leaderboards import Board
from tektree.testing import Crash
from tests.events.chaos import Chaos, Design, Job
from tests.events.effects import value

__all__ = ["POLICY", "Pipeline", "complaints"]

POLICY = Policy(
    xp={"daily_cap": 100_000},
    achievements=(),
    reactions={},
    events={"sinks": ["streams"], "boards": "consumer", "attempts": 50},
)
TIMING = Timing(idle=2.0, patience=0.0, check=20.0, settle=5.0)


def added(state: Any, event: Event) -> Any:
    """Numbers that took effect, and the XP they told of."""
    return {"seqs": [*state["seqs"], event.metadata["seq"]], "xp": state["xp"] + event.payload.get("amount", 0)}


def consumer_of(tek: Any, name: str, keep: str = "log") -> Any:
    """A consumer with a fold, and the boards."""
    made = tek.events.consumer("chaos", name=name, keep=keep, limit=5, timing=TIMING)
    made.fold("*", name="xp", start={"seqs": [], "xp": 0}, attempts=50)(added)
    made.feed(tek.leaderboards, name="boards", attempts=50)
    return made


@dataclass
class Pipeline(Chaos):
    """One run of all of them. The same ``seed`` gives the same run, where storage is in memory."""

    relays: int = 2
    consumers: int = 2
    keep: str = "log"
    started: int = field(default=0, init=False)

    async def run(self, design: Design) -> None:
        """All jobs; then relays and consumers whom nothing ends."""
        left = list(self.jobs)
        over = asyncio.Event()

        async def work() -> None:
            process: Any = self.begun(design)
            while left:
                job = left.pop()
                self.clock.advance(timedelta(milliseconds=700))
                while True:
                    try:
                        await process.do(job)
                    except Crash:
                        process = self.begun(design)
                    except Stale:
                        continue
                    else:
                        break

        async def relay() -> None:
            process: Any = self.begun(design)
            while not over.is_set():
                for _ in range(10):
                    await asyncio.sleep(0)
                try:
                    await process.sweep()
                except Crash:
                    process = self.begun(design)

        async def consume(name: str) -> None:
            made: Any = self.begun(design)
            consumer = made.consumer(name)
            while not over.is_set():
                for _ in range(10):
                    await asyncio.sleep(0)
                try:
                    await consumer.run_once()
                except Crash:
                    made = self.begun(design)
                    consumer = made.consumer(name)

        beside = [asyncio.create_task(relay()) for _ in range(self.relays)]
        beside += [asyncio.create_task(consume(f"c{at}")) for at in range(self.consumers)]
        await asyncio.gather(*[work() for _ in range(self.workers)])
        over.set()
        await asyncio.gather(*beside)
        self.quiet = True
        await self.settled(design)

    async def settled(self, design: Design) -> None:
        """Whatever was left is brought to an end."""
        last: Any = self.begun(design)
        consumer = last.consumer("c0")
        for _ in range(6):
            self.clock.advance(timedelta(hours=1))
            await last.sweep()
            with suppress(BackendError):
                await consumer.run_once()


def complaints(tek: Any, store: Any, jobs: list[Job], keep: str = "log") -> Iterator[str]:
    """What is wrong when nobody is at work any more."""
    effects = store.effects if keep == "log" else store.stream_effects
    if marked := value(store.events.behind("streams")):
        yield f"events are still marked for the streams, in {sorted(marked)}"
    for uid in sorted({job.uid for job in jobs}):
        due = sum([job.amount or 0 for job in jobs if job.uid == uid])
        stream = f"user:{uid}:xp"
        log = value(store.events.stream(stream, 0, 100_000))
        found = value(effects.read("chaos:xp", [stream])).get(stream)
        state = {"seqs": [], "xp": 0} if found is None else json.loads(found.state)
        if state["seqs"] != [event.metadata["seq"] for event in log]:
            yield f"of {uid} the events {state['seqs']} took effect, the log has {len(log)}"
        if state["xp"] != due:
            yield f"{uid} has {state['xp']} XP for consumers, {due} were given"
        profile = value(store.gamification.profile(Job(uid, "").user_id))
        standing = value(tek.leaderboards.rank(Board.GLOBAL, uid))
        expected = None if profile.leaderboard_opt_out or not profile.total_xp else profile.total_xp
        if (standing.score if standing else None) != expected:
            yield f"the board shows {standing} of {uid}, the profile {expected}"
    streams = getattr(store.streams, "_parts", None)
    if streams is not None:
        yield from _order([event for part in streams for event in part.entries.values()])
    if len(value(store.events.newest(EventFilter(), None, 100_000))) == 0:
        yield "nothing was told"


def _order(found: list[Event]) -> Iterator[str]:
    """Where what was published for the first time stands behind what comes after it in its stream."""
    last: dict[str, int] = {}
    for event in found:
        stream, number = event.metadata.get("stream"), event.metadata.get("seq", 0)
        if stream is not None:
            if number > last.get(stream, 0) + 1:
                yield f"number {number} of {stream} was published after {last.get(stream, 0)}"
            last[stream] = max(number, last.get(stream, 0))
