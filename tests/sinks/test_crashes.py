"""Hundreds of crashes of writers, relays and consumers: no event lost, none twice, order kept, boards as profiles.

And the orders of steps that everybody thinks of first lose in the same run what they are known to lose.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import redis

from tektree import AsyncTekTree, TekTree
from tektree._async.backends.memory.bundles import memory_backends
from tektree._async.backends.memory.streams import AsyncMemoryEffects, AsyncMemoryStreams
from tektree._sync.backends.redis.connecting import with_redis
from tektree.models.events import Event
from tektree.testing import Call, SeededIds
from tektree.testing.faults import around
from tektree.wire.collections import DELIVERIES
from tests.backends.mongo.worlds import USED, Awaited, World
from tests.backends.redis.worlds import World as RedisWorld
from tests.events.effects import value
from tests.lanes import PYMONGO, REDIS, enter
from tests.protocol import counts
from tests.protocol.worlds import RIGHT, Variant
from tests.sinks import variants
from tests.sinks.chaos import POLICY, TIMING, Pipeline, complaints, consumer_of

SEEDS = range(20_251_216, 20_251_219)


@dataclass
class Ours:
    """Our services over any storage."""

    tek: Callable[[int], Any]
    keep: str
    make: Callable[[Any, str, str], Any] = consumer_of

    def process(self, chaos: Any, number: int) -> "OurProcess":
        return OurProcess(self.tek(number), self)


@dataclass
class OurProcess:
    tek: Any
    design: Ours

    async def do(self, job: Any) -> object:
        gamification = self.tek.gamification
        if job.amount is not None:
            return await gamification.award(job.user_id, "manual", amount=job.amount, key=job.key)
        return await (gamification.opt_out if job.hidden else gamification.opt_in)(job.principal)

    async def sweep(self) -> object:
        return await self.tek.events.relay.run_once()

    def consumer(self, name: str) -> Any:
        inner = getattr(self.tek, "inner", None)
        made = self.design.make(self.tek if inner is None else inner, name, self.design.keep)
        return made if inner is None else Awaited(made)


async def _turn(attempt: int) -> None:
    await asyncio.sleep(0)


def last_awards(chaos: Pipeline, tek: Any) -> None:
    """What only the next writer finds is found."""
    from tests.events.chaos import Job

    for uid in chaos.uids:
        chaos.jobs.append(Job(uid, f"last-{uid}", 1))
        value(tek.gamification.award(chaos.jobs[-1].user_id, "manual", amount=1, key=f"last-{uid}"))


def in_memory(chaos: Pipeline, variant: Variant = RIGHT, make: Any = consumer_of) -> list[str]:
    store = replace(memory_backends(), streams=AsyncMemoryStreams(chaos.clock), stream_effects=AsyncMemoryEffects())
    around_it = variant.worker(around(variant.store(store), chaos.step))

    def made(number: int, backends: Any = around_it) -> AsyncTekTree:
        tek = AsyncTekTree(backends, POLICY, chaos.clock, SeededIds(number))
        tek.gamification.commits._pause = _turn
        return tek

    tek = made(0, store)
    for uid in chaos.uids:
        value(tek.gamification.enroll(uid))
    asyncio.run(chaos.run(Ours(made, chaos.keep, make)))
    last_awards(chaos, tek)
    asyncio.run(chaos.settled(Ours(lambda number: made(number, store), chaos.keep, make)))
    return list(complaints(tek, store, chaos.jobs, chaos.keep))


def on_servers(chaos: Pipeline) -> list[str]:
    other = RedisWorld(REDIS)  # where there is none the test is skipped, and nothing is open yet
    world = World.made(PYMONGO).indexed((*USED, DELIVERIES))
    client = redis.Redis.from_url(other.uri)
    store = with_redis(world.backends(world._looking), client)
    try:
        around_it = around(store, chaos.sync_step)

        def made(number: int, backends: Any = around_it) -> Any:
            return Awaited(TekTree(backends, POLICY, chaos.clock, SeededIds(number)))

        tek = made(0, store).inner
        for uid in chaos.uids:
            tek.gamification.enroll(uid)
        asyncio.run(chaos.run(Ours(made, chaos.keep)))
        last_awards(chaos, tek)
        asyncio.run(chaos.settled(Ours(lambda number: made(number, store), chaos.keep)))
        return list(complaints(tek, store, chaos.jobs, chaos.keep))
    finally:
        TekTree(store, POLICY).close()
        client.close()
        other.over()
        world.over()


def held(chaos: Pipeline, found: list[str], where: str, least: int) -> None:
    counts.tell(f"streams {where}: {chaos.crashes} crashes over {chaos.awards} awards, seed {chaos.seed}")
    assert found == [], f"seed {chaos.seed}, {chaos.crashes} crashes: {found}"
    assert chaos.crashes >= least, f"seed {chaos.seed}: only {chaos.crashes} crashes"


@pytest.mark.parametrize("keep", ["log", "streams"])
def test_crashes_in_memory(keep: str) -> None:
    enter("memory")
    chaos = Pipeline(SEEDS[0], users=4, awards=60, workers=4, probability=0.08, keep=keep)
    held(chaos, in_memory(chaos), "in memory", 60)


def test_crashes_on_servers() -> None:
    chaos = Pipeline(SEEDS[0], users=3, awards=12, workers=2, relays=1, consumers=1, probability=0.04)
    held(chaos, on_servers(chaos), "on servers", 8)


@pytest.mark.long
@pytest.mark.parametrize("keep", ["log", "streams"])
@pytest.mark.parametrize("seed", SEEDS)
def test_more_crashes_in_memory(seed: int, keep: str) -> None:
    enter("memory")
    chaos = Pipeline(seed, probability=0.085, keep=keep)
    held(chaos, in_memory(chaos), "in memory", 500)


@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS)
def test_more_crashes_on_servers(seed: int) -> None:
    chaos = Pipeline(seed, users=8, probability=0.06)
    held(chaos, on_servers(chaos), "on servers", 500)


@pytest.mark.parametrize(
    ("variant", "said"), [(variants.MARK_FIRST, "was published after")], ids=lambda value: getattr(value, "name", "")
)
def test_what_is_known_to_lose_loses_in_the_same_run(variant: Variant, said: str) -> None:
    """Where a consumer heals, effects are whole all the same; what is lost is lost in the streams."""
    enter("memory")
    runs = (in_memory(Pipeline(seed, users=3, awards=60, workers=3), variant) for seed in range(SEEDS[0], SEEDS[0] + 8))
    found = next((each for each in runs if any(said in one for one in each)), None)
    assert found is not None
    counts.tell(f"found in chaos: {variant.name}: {len(found)} complaints, such as {found[-1]}")


def marking(tek: Any, name: str, keep: str) -> Any:
    """A consumer that writes its marker, and then lets its effect come."""
    made = tek.events.consumer("chaos", name=name, keep=keep, limit=5, timing=TIMING)
    made._progress.__class__ = variants.MarkerFirst
    return made


class Counted:
    """An effect that nobody guards: XP added up by calls, of which a crash may cut off any."""

    def __init__(self, chaos: Pipeline, marker_first: bool) -> None:
        self.chaos, self.marker_first, self.xp = chaos, marker_first, dict[str, int]()

    def __call__(self, tek: Any, name: str, keep: str) -> Any:
        made = (marking if self.marker_first else consumer_of)(tek, name, keep)

        @made.on("xp.awarded", name="count", attempts=50)
        async def count(event: Event) -> None:
            async def adding() -> None:
                uid = event.payload["user_id"]
                self.xp[uid] = self.xp.get(uid, 0) + event.payload["amount"]

            await self.chaos.step(Call("handler", "count"), adding)

        return made


@pytest.mark.parametrize("marker_first", [True, False], ids=["marker before", "marker after"])
def test_an_effect_that_is_not_guarded_is_lost_or_doubled(marker_first: bool) -> None:
    enter("memory")
    chaos = Pipeline(SEEDS[0], users=4, awards=60, workers=4)
    counted = Counted(chaos, marker_first)
    in_memory(chaos, make=counted)
    due = {uid: sum([job.amount or 0 for job in chaos.jobs if job.uid == uid]) for uid in chaos.uids}
    wrong = {uid: counted.xp.get(uid, 0) - due[uid] for uid in chaos.uids if counted.xp.get(uid, 0) != due[uid]}
    counts.tell(f"{'a marker before' if marker_first else 'a marker after'} an unguarded effect: {wrong}")
    assert wrong
    assert all(error < 0 for error in wrong.values()) if marker_first else sum(wrong.values()) > 0
