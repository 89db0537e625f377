"""64 writers, two awards of 7 each, one user: the cap is 500, and 896 were asked for."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tektree import Principal
from tests.backends.mongo.worlds import MOCK, MOTOR, PYMONGO, PYMONGO_ASYNC, RACED, REAL, World
from tests.servers import MongoServer

WRITERS, EACH, XP, CAP = 64, 2, 7, 500


async def raced(world: World, teks: list[Any], writers: int = WRITERS, each: int = EACH) -> None:
    user_id = (await teks[0].gamification.enroll("usr_ada")).user_id

    async def write(number: int) -> int:
        game, got = teks[number % len(teks)].gamification, 0
        for turn in range(each):
            got += (await game.award(user_id, "manual", amount=XP, key=f"{number}:{turn}")).amount
        return got

    granted = await asyncio.gather(*[write(number) for number in range(writers)])
    assert sum(granted) == min(CAP, writers * each * XP)
    whole(world, user_id, writers * each)


def whole(world: World, user_id: str, rows: int) -> None:
    tek = world.sync_tek()
    profile, verification = tek.gamification.profile(user_id), tek.gamification.verify(user_id)
    assert verification
    assert (verification.rows, profile.total_xp, profile.daily_xp_earned) == (rows, CAP, CAP)
    told = [each["metadata"]["seq"] for each in world.look.events.find({"metadata.stream": "user:usr_ada:xp"})]
    assert sorted(told) == list(range(1, len(told) + 1))
    assert len(told) >= rows
    assert world.look.xp_transactions.count_documents({"_outbox": {"$exists": True}}) == 0


@RACED
def test_with_one_client(world: World) -> None:
    async def scenario(world: World) -> None:
        await raced(world, [world.tek()])

    world.run(scenario)


@pytest.mark.lanes(PYMONGO, REAL, long=[PYMONGO_ASYNC, MOTOR])
def test_with_one_client_per_writer(world: World) -> None:
    """Their locks do not know of each other, so storage alone decides. Fewer writers ask for as much."""

    async def scenario(world: World) -> None:
        await raced(world, [world.tek(world.client()) for _ in range(8)], writers=8, each=10)

    world.run(scenario)


@pytest.mark.long
@RACED
def test_with_one_client_for_each_of_64_writers(world: World) -> None:
    async def scenario(world: World) -> None:
        await raced(world, [world.tek(world.client()) for _ in range(WRITERS)])

    world.run(scenario)


@contextmanager
def anew(world: World) -> Iterator[World]:
    """The same on a server of its own. After some ten thousand writes the wire server takes several times as long for
    each, and a hundred races on one would never end. A real one is as good as new.
    """
    if world.lane == REAL:
        yield world
        return
    server = MongoServer().start()
    try:
        own = World(world.lane, server.uri).indexed()
        yield own
        own.over()
    finally:
        server.stop()


@pytest.mark.long
@pytest.mark.parametrize("tenth", range(10))
@RACED
def test_a_hundred_times(world: World, tenth: int) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek()
        for _ in range(10):
            for name in ("gamification_profiles", "xp_transactions", "events"):
                world.look[name].delete_many({})
            await raced(world, [tek])

    with anew(world) as own:
        own.run(scenario)


_WRITER = """
import asyncio, sys, warnings
from datetime import UTC, datetime
from tektree import AsyncTekTree, TekTree

uri, name, driver, user_id, first, last = sys.argv[1:]
clock = lambda: datetime(2025, 12, 16, 14, tzinfo=UTC)
keys = [f"{number}:{turn}" for number in range(int(first), int(last)) for turn in range(2)]

async def awaited(database):
    tek = AsyncTekTree.connect(database, clock=clock)
    rows = await asyncio.gather(*[tek.gamification.award(user_id, "manual", amount=7, key=key) for key in keys])
    print(sum(row.amount for row in rows))

async def with_pymongo():
    from pymongo import AsyncMongoClient
    async with AsyncMongoClient(uri) as client:
        await awaited(client[name])

async def with_motor():
    from motor.motor_asyncio import AsyncIOMotorClient
    warnings.simplefilter("ignore", DeprecationWarning)
    client = AsyncIOMotorClient(uri)
    await awaited(client[name])
    client.close()

if driver.endswith("Async"):
    asyncio.run(with_pymongo())
elif driver.endswith("Motor"):
    asyncio.run(with_motor())
else:
    from pymongo import MongoClient
    with MongoClient(uri) as client:
        tek = TekTree.connect(client[name], clock=clock)
        print(sum(tek.gamification.award(user_id, "manual", amount=7, key=key).amount for key in keys))
"""


@pytest.mark.lanes(PYMONGO, REAL, long=[PYMONGO_ASYNC, MOTOR])
def test_with_several_processes(world: World, tmp_path: Path) -> None:
    script = tmp_path / "writer.py"
    script.write_text(_WRITER, encoding="utf-8")
    user_id = world.sync_tek().gamification.enroll("usr_ada").user_id
    command = [sys.executable, str(script), world.uri, world.name, world.lane, user_id]
    spans = [(number, number + 16) for number in range(0, WRITERS, 16)]
    writers = [
        subprocess.Popen([*command, str(first), str(last)], stdout=subprocess.PIPE, text=True) for first, last in spans
    ]
    granted = [int(writer.communicate(timeout=100)[0]) for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * len(spans)
    assert sum(granted) == CAP
    whole(world, user_id, WRITERS * EACH)


def test_one_key_of_many_writers_is_one_row(world: World) -> None:
    async def scenario(world: World) -> None:
        teks = [world.tek(world.client()) for _ in range(1 if world.lane == MOCK else 8)]
        user_id = (await teks[0].gamification.enroll("usr_ada")).user_id
        calls = [tek.gamification.award(user_id, "manual", amount=XP, key="one") for tek in teks]
        found = await asyncio.gather(*calls)
        assert [each.outcome for each in found].count("granted") == 1
        assert len({each.transaction.transaction_id for each in found}) == 1
        assert (await teks[0].gamification.profile(user_id)).total_xp == XP

    world.run(scenario)


@RACED
def test_settings_and_awards_do_not_undo_each_other(world: World) -> None:
    async def scenario(world: World) -> None:
        teks = [world.tek(world.client()) for _ in range(4)]
        user_id = (await teks[0].gamification.enroll("usr_ada")).user_id
        calls = [
            *[teks[at % 4].gamification.award(user_id, "manual", amount=1, key=f"k{at}") for at in range(12)],
            teks[1].gamification.opt_out(Principal(user_id, "usr_ada")),
            teks[2].gamification.set_timezone(user_id, "Asia/Tokyo"),
        ]
        await asyncio.gather(*calls)
        profile = await teks[3].gamification.profile(user_id)
        assert (profile.total_xp, profile.leaderboard_opt_out, profile.timezone) == (12, True, "Asia/Tokyo")
        assert await teks[0].gamification.verify(user_id)

    world.run(scenario)
