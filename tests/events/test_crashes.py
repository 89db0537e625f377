"""Hundreds of crashes over hundreds of awards: XP exact, no event lost, no effect doubled, order kept.

And two naive designs that everybody thinks of first lose in the same run what they are known to lose.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tektree import AsyncTekTree, Policy, TekTree
from tektree._async.backends.memory.bundles import memory_backends
from tektree.testing import Call, SeededIds
from tektree.testing.faults import around
from tektree.wire.collections import DELIVERIES
from tests.backends.mongo.worlds import USED, Awaited, World
from tests.events import variants
from tests.events.chaos import NOTHING_LOST, Chaos, Design, Job, Losses
from tests.events.effects import Effects, complaints, value
from tests.lanes import PYMONGO, enter
from tests.protocol import counts
from tests.protocol.worlds import RIGHT, Variant

POLICY = Policy(xp={"daily_cap": 100_000}, achievements=(), events={"attempts": 50}, reactions={})
SEEDS = range(20_251_216, 20_251_219)


@dataclass
class Ours:
    """Our services over any storage, with a handler of all events that every process registers."""

    tek: Callable[[Chaos, int, Policy], Any]
    effects: Effects = field(default_factory=Effects)

    def process(self, chaos: Chaos, number: int) -> "OurProcess":
        tek = self.tek(chaos, number, POLICY)
        getattr(tek, "inner", tek).events.on("*", name="effects")(self.effects)
        return OurProcess(tek)


@dataclass
class OurProcess:
    tek: Any

    async def do(self, job: Job) -> object:
        gamification = self.tek.gamification
        if job.amount is not None:
            return await gamification.award(job.user_id, "manual", amount=job.amount, key=job.key)
        return await (gamification.opt_out if job.hidden else gamification.opt_in)(job.principal)

    async def sweep(self) -> object:
        return await self.tek.events.relay.run_once()


def ours(chaos: Chaos, design: Ours, store: Any, tek: Any) -> list[str]:
    """What is wrong in the end. First a last award of each user: what only the next writer finds is found."""
    for uid in chaos.uids:
        job = Job(uid, f"last-{uid}", 1)
        chaos.jobs.append(job)
        value(tek.gamification.award(job.user_id, "manual", amount=1, key=job.key))
    value(tek.events.relay.run_once())
    found = list(complaints(tek, store, [Job(uid, "").user_id for uid in chaos.uids], design.effects))
    xp = {uid: value(tek.gamification.profile(Job(uid, "").user_id)).total_xp for uid in chaos.uids}
    ids = {row.transaction_id: row.key for row in _rows(chaos, store)}
    told = [
        ids[event.payload["transaction_id"]]
        for event in design.effects.known.values()
        if event.event_type == "xp.awarded"
    ]
    losses = Losses.of(chaos.jobs, xp, told)
    return found if losses == NOTHING_LOST else [*found, str(losses)]


def _rows(chaos: Chaos, store: Any) -> list[Any]:
    return [row for uid in chaos.uids for row in value(store.ledger.rows(Job(uid, "").user_id, 0, 10_000))]


async def _turn(attempt: int) -> None:
    await asyncio.sleep(0)


def in_memory(chaos: Chaos, variant: Variant = RIGHT) -> list[str]:
    store = memory_backends()
    around_it = variant.worker(around(store, chaos.step))

    def made(chaos: Chaos, number: int, policy: Policy) -> AsyncTekTree:
        tek = AsyncTekTree(around_it, policy, chaos.clock, SeededIds(number))
        tek.gamification.commits._pause = _turn  # not by a clock, so that a seed is always the same run
        return tek

    design = Ours(made)
    tek = AsyncTekTree(store, POLICY, chaos.clock, SeededIds(0))
    for uid in chaos.uids:
        value(tek.gamification.enroll(uid))
    asyncio.run(chaos.run(design))
    tek.events.on("*", name="effects")(design.effects)
    return ours(chaos, design, store, tek)


def on_a_server(chaos: Chaos) -> list[str]:
    world = World.made(PYMONGO).indexed((*USED, DELIVERIES))
    try:
        store = world.backends(world._looking)
        around_it = around(store, chaos.sync_step)

        def tek_of(backends: Any, number: int) -> Any:
            return TekTree(backends, POLICY, chaos.clock, SeededIds(number))

        design = Ours(lambda chaos, number, policy: Awaited(tek_of(around_it, number)))
        tek = tek_of(store, 0)
        for uid in chaos.uids:
            tek.gamification.enroll(uid)
        asyncio.run(chaos.run(design))
        tek.events.on("*", name="effects")(design.effects)
        return ours(chaos, design, store, tek)
    finally:
        world.over()


def held(chaos: Chaos, found: list[str], design: str, least: int) -> None:
    counts.tell(f"{design}: {chaos.crashes} crashes over {chaos.awards} awards, seed {chaos.seed}")
    assert found == [], f"seed {chaos.seed}, {chaos.crashes} crashes: {found}"
    assert chaos.crashes >= least, f"seed {chaos.seed}: only {chaos.crashes} crashes"


def test_crashes_in_memory() -> None:
    enter("memory")
    chaos = Chaos(SEEDS[0])
    held(chaos, in_memory(chaos), "crashes in memory", 60)


def test_crashes_on_a_server() -> None:
    chaos = Chaos(SEEDS[0], users=4, awards=45, workers=4)
    held(chaos, on_a_server(chaos), "crashes on the wire server", 30)


@pytest.mark.parametrize(
    ("variant", "said"),
    [
        (variants.UNMARKED_FIRST, "never reached the handler"),
        (variants.ADDED_LAST, "never reached the handler"),
        (variants.NOBODY_ASKED, "was heard of after"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_what_is_wrong_with_handlers_is_found_in_the_same_run(variant: Variant, said: str) -> None:
    """One run has some hundred crashes, and one of them has to come at the one call that matters: of a few runs one."""
    enter("memory")
    runs = (in_memory(Chaos(seed, users=2, awards=200), variant) for seed in range(SEEDS[0], SEEDS[0] + 12))
    assert any(said in each for found in runs for each in found)


@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS[1:])
def test_more_crashes_in_memory(seed: int) -> None:
    enter("memory")
    chaos = Chaos(seed, probability=0.09)
    held(chaos, in_memory(chaos), "crashes in memory", 500)


@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS)
def test_more_crashes_on_a_server(seed: int) -> None:
    chaos = Chaos(seed, probability=0.09)
    held(chaos, on_a_server(chaos), "crashes on the wire server", 500)


# What is known to lose.


@dataclass
class Naive:
    """Storage of the naive designs: each method is one write, or one look."""

    xp: dict[str, int] = field(default_factory=dict)
    rows: set[str] = field(default_factory=set)
    events: list[str] = field(default_factory=list)
    markers: set[str] = field(default_factory=set)

    async def has_row(self, job: Job) -> bool:
        return job.key in self.rows

    async def increment(self, job: Job) -> None:
        self.xp[job.uid] = self.xp.get(job.uid, 0) + (job.amount or 0)

    async def insert_row(self, job: Job) -> None:
        self.rows.add(job.key)

    async def insert_event(self, job: Job) -> None:
        self.events.append(job.key)

    async def mark(self, job: Job) -> bool:
        """Whether it was not marked yet."""
        new = job.key not in self.markers
        self.markers.add(job.key)
        return new


@dataclass
class NaiveProcess:
    store: Naive
    chaos: Chaos
    marks_first: bool

    async def call(self, method: Callable[[Job], Awaitable[Any]], job: Job) -> Any:
        return await self.chaos.step(Call("naive", method.__name__), lambda: method(job))

    async def do(self, job: Job) -> None:
        if job.amount is None:
            return
        if self.marks_first:
            if not await self.call(self.store.mark, job):
                return
        elif await self.call(self.store.has_row, job):
            return
        await self.call(self.store.increment, job)
        await self.call(self.store.insert_row, job)
        await self.call(self.store.insert_event, job)

    async def sweep(self) -> None:
        """There is nothing that says what was left."""


@dataclass
class NaiveDesign:
    marks_first: bool
    store: Naive = field(default_factory=Naive)

    def process(self, chaos: Chaos, number: int) -> NaiveProcess:
        return NaiveProcess(self.store, chaos, self.marks_first)


def naive(marks_first: bool) -> tuple[Chaos, Losses]:
    enter("memory")
    chaos, design = Chaos(SEEDS[0]), NaiveDesign(marks_first)
    checked: Design = design
    asyncio.run(chaos.run(checked))
    losses = Losses.of(chaos.jobs, design.store.xp, design.store.events)
    counts.tell(f"{'a marker first' if marks_first else 'check, increment, insert, insert'}: {losses}")
    return chaos, losses


def test_check_increment_insert_insert_invents_xp_and_loses_events() -> None:
    chaos, losses = naive(marks_first=False)
    assert chaos.crashes >= 60
    assert losses.wrong_users > chaos.users / 2
    assert losses.xp > 0
    assert losses.lost > 0


def test_a_marker_first_loses_xp_and_events() -> None:
    chaos, losses = naive(marks_first=True)
    assert chaos.crashes >= 60
    assert losses.wrong_users > chaos.users / 2
    assert losses.xp < 0
    assert losses.lost > 0
