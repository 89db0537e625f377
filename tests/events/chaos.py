"""Many processes, each of which ends at any call of storage with some probability, and starts again.

The same for our services and for two naive designs: what a design loses, it loses here.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Protocol

from tektree.errors import Stale
from tektree.ids import user_id_of
from tektree.models.accounts import Principal
from tektree.testing import Call, Crash, ManualClock

__all__ = ["Chaos", "Design", "Job", "Losses", "jobs"]


@dataclass(frozen=True)
class Job:
    """What a worker is to do, until it has come back once: XP, or (no ``amount``) the board left or joined."""

    uid: str
    key: str
    amount: int | None = None
    hidden: bool = False

    @property
    def user_id(self) -> str:
        return user_id_of(self.uid)

    @property
    def principal(self) -> Principal:
        return Principal(self.user_id, self.uid)


def jobs(rng: random.Random, users: int, awards: int) -> list[Job]:
    """So many awards, and a change of settings for every sixth."""
    made: list[Job] = []
    for number in range(awards):
        uid = f"usr_{number % users}"
        made.append(Job(uid, f"key-{number}", rng.randint(1, 9)))
        if number % 6 == 5:
            made.append(Job(f"usr_{rng.randrange(users)}", f"settings-{number}", hidden=rng.random() < 0.5))
    rng.shuffle(made)
    return made


class Process(Protocol):
    """A process that has just started."""

    async def do(self, job: Job) -> object: ...
    async def sweep(self) -> object: ...


class Design(Protocol):
    """A way to store what happens."""

    def process(self, chaos: "Chaos", number: int) -> Process: ...


@dataclass(frozen=True)
class Losses:
    """What came of it, against what was asked for."""

    wrong_users: int
    xp: int
    """More (above 0) or less XP than was asked for, over all users."""
    lost: int
    """Awards of which no event tells."""
    doubled: int
    """Awards of which more than one event tells."""

    @classmethod
    def of(cls, asked: Sequence[Job], xp: dict[str, int], told: Sequence[str]) -> "Losses":
        """``xp`` by uid; ``told`` the key of each event."""
        due: dict[str, int] = {}
        for job in asked:
            if job.amount is not None:
                due[job.uid] = due.get(job.uid, 0) + job.amount
        errors = [xp.get(uid, 0) - amount for uid, amount in due.items()]
        keys = {job.key for job in asked if job.amount is not None}
        return cls(
            sum([error != 0 for error in errors]), sum(errors), len(keys - set(told)), len(told) - len(set(told))
        )


NOTHING_LOST: Final = Losses(0, 0, 0, 0)


@dataclass
class Chaos:
    """One run. The same ``seed`` gives the same run, where storage is in memory."""

    seed: int
    users: int = 12
    awards: int = 600
    workers: int = 6
    probability: float = 0.06
    """That the process ends at a call of storage, before it or behind it."""
    clock: ManualClock = field(default_factory=ManualClock)
    crashes: int = 0
    quiet: bool = False
    """Nothing ends any more."""

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.jobs = jobs(self.rng, self.users, self.awards)
        self._started = 0

    @property
    def uids(self) -> list[str]:
        return [f"usr_{number}" for number in range(self.users)]

    def strikes(self, call: Call) -> None:
        """The process may end here."""
        if not self.quiet and self.rng.random() < self.probability / 2:
            self.crashes += 1
            raise Crash(str(call))

    async def step(self, call: Call, made: Callable[[], Awaitable[Any]]) -> Any:
        """A call of storage: others run before it and behind it, and before and behind it the process may end."""
        await asyncio.sleep(0)
        self.strikes(call)
        found = await made()
        await asyncio.sleep(0)
        self.strikes(call)
        return found

    def sync_step(self, call: Call, made: Callable[[], Any]) -> Any:
        self.strikes(call)
        found = made()
        self.strikes(call)
        return found

    def begun(self, design: Design) -> Process:
        """The next process."""
        self._started += 1
        return design.process(self, self._started)

    async def run(self, design: Design) -> None:
        """All jobs, by workers that start again whenever they end; a relay beside; then a relay whom nothing ends."""
        left = list(self.jobs)
        over = asyncio.Event()

        async def work() -> None:
            process = self.begun(design)
            while left:
                job = left.pop()
                self.clock.advance(timedelta(milliseconds=700))
                while True:
                    try:
                        await process.do(job)
                    except Crash:
                        process = self.begun(design)
                    except Stale:  # settings that kept changing
                        continue
                    else:
                        break

        async def relay() -> None:
            while not over.is_set():
                for _ in range(20):
                    await asyncio.sleep(0)
                with suppress(Crash):
                    await self.begun(design).sweep()

        beside = asyncio.create_task(relay())
        await asyncio.gather(*[work() for _ in range(self.workers)])
        over.set()
        await beside
        self.quiet = True
        for _ in range(6):
            self.clock.advance(timedelta(hours=1))
            await self.begun(design).sweep()
