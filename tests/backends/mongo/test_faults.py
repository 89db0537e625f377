"""A fault at every command of an award: a broken connection, a lost reply, silence, a cancelled task.

Whatever it was, the same call with the same key gives one effect; and the error says whether that may be there already.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tektree import BackendError, OutcomeUnknown, TekTree, Unavailable
from tektree.models.gamification import AwardResult
from tests.backends.mongo.proxy import Proxy, Strike
from tests.backends.mongo.worlds import MOTOR, PYMONGO, PYMONGO_ASYNC, World
from tests.servers import shared_mongo

pytestmark = pytest.mark.lanes(PYMONGO, PYMONGO_ASYNC, MOTOR)

COMMANDS = ["find", "insert", "insert", "update", "update"]
"""Those of an award."""
COMMIT = 1
DEADLINE = 0.4
PATIENCE = 5.0


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    made = Proxy(shared_mongo().port)
    yield made
    made.close()


def whole(tek: TekTree, world: World, user_id: str) -> None:
    """One award of 7 is there, once, and nothing else."""
    [row] = tek.gamification.history(user_id).items
    profile = tek.gamification.profile(user_id)
    assert (row.amount, row.seq, profile.total_xp, profile.daily_xp_earned) == (7, 1, 7, 7)
    assert tek.gamification.verify(user_id)
    stored = world.look.xp_transactions.find_one({"transaction_id": row.transaction_id})
    assert "_outbox" not in stored
    told = [each["metadata"]["seq"] for each in world.look.events.find({"payload.user_id": profile.uid})]
    assert sorted(told) == list(range(1, row.told + 1))


async def struck(world: World, proxy: Proxy, at: int, strike: Strike, times: int, **options: Any) -> tuple[Any, str]:
    """What an award comes to whose command number ``at`` is struck, and who it was for."""
    plain = world.sync_tek()
    user_id = plain.gamification.enroll(f"usr_{strike.name.lower()}_{at}_{times}_{len(options)}").user_id
    client = world.client(proxy.uri, **options)
    await world.tek(client).gamification.profile(user_id)  # connects, which may take longer than the deadline
    tek = world.tek(client, deadline=DEADLINE if times > 1 else PATIENCE)
    proxy.arm(at, strike, times)
    began = asyncio.get_running_loop().time()
    try:
        found: Any = await tek.gamification.award(user_id, "manual", amount=7, key=f"key {user_id}")
    except BackendError as error:
        found = error
    took = asyncio.get_running_loop().time() - began
    assert took < PATIENCE
    assert proxy.struck.is_set()
    proxy.arm(-1, strike, 0)
    return found, user_id


def again(world: World, user_id: str, *, committed: bool | None) -> None:
    """The same call once more, from another process as it were."""
    tek = world.sync_tek()
    rows = len(tek.gamification.history(user_id).items)
    assert committed is None or rows == committed
    found = tek.gamification.award(user_id, "manual", amount=7, key=f"key {user_id}")
    if rows or committed is not None:  # else a cut-off command may come through meanwhile
        assert found.outcome == ("duplicate" if rows else "granted")
    whole(tek, world, user_id)


@pytest.mark.lanes(PYMONGO, long=[PYMONGO_ASYNC, MOTOR])
def test_a_broken_connection_is_mended_by_the_driver(world: World, proxy: Proxy) -> None:
    async def mended(world: World) -> None:
        for at in range(len(COMMANDS)):
            for strike in (Strike.BEFORE, Strike.AFTER):
                found, user_id = await struck(world, proxy, at, strike, 1)
                assert isinstance(found, AwardResult), found
                whole(world.sync_tek(), world, user_id)
                again(world, user_id, committed=True)

    world.run(mended)


@pytest.mark.lanes(PYMONGO_ASYNC, long=[PYMONGO, MOTOR])
def test_a_connection_that_keeps_breaking(world: World, proxy: Proxy) -> None:
    async def broken(world: World) -> None:
        for at in range(len(COMMANDS)):
            for strike in (Strike.BEFORE, Strike.AFTER):
                for times, options in ((999, {}), (1, {"retryWrites": False, "retryReads": False})):
                    found, user_id = await struck(world, proxy, at, strike, times, **options)
                    assert type(found) is _heard(at), (at, strike, found)
                    again(world, user_id, committed=at > COMMIT or (at == COMMIT and strike is Strike.AFTER))

    world.run(broken)


def _heard(at: int) -> type:
    """What an award comes to that has no reply to this command. Behind the commit it stands, whatever is away."""
    if at > COMMIT:
        return AwardResult
    return OutcomeUnknown if at == COMMIT else Unavailable


def test_silence_ends_at_the_deadline(world: World, proxy: Proxy) -> None:
    async def silent(world: World) -> None:
        for at in range(len(COMMANDS)):
            for strike in (Strike.HANG, Strike.HANG_AFTER):
                found, user_id = await struck(world, proxy, at, strike, 99)
                assert type(found) is _heard(at), (at, strike, found)
                again(world, user_id, committed=at > COMMIT or (at == COMMIT and strike is Strike.HANG_AFTER))

    world.run(silent)


@pytest.mark.lanes(PYMONGO_ASYNC, MOTOR)
def test_a_cancelled_award_leaves_nothing_half_done(world: World, proxy: Proxy) -> None:
    async def cancelled(world: World) -> None:
        plain = world.sync_tek()
        client = world.client(proxy.uri)
        await world.tek(client).gamification.enroll("usr_first")  # connects
        tek = world.tek(client, deadline=0.5)
        for at in range(len(COMMANDS)):
            for strike in (Strike.HANG, Strike.HANG_AFTER):
                user_id = plain.gamification.enroll(f"usr_{strike.name.lower()}_{at}").user_id
                await tek.gamification.profile(user_id)
                proxy.arm(at, strike)
                task = asyncio.create_task(tek.gamification.award(user_id, "manual", amount=7, key=f"key {user_id}"))
                await asyncio.to_thread(proxy.struck.wait, PATIENCE)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                proxy.arm(-1, strike, 0)
                again(world, user_id, committed=None if world.lane == MOTOR else at > COMMIT or _made(at, strike))
                # No lock is left behind, nor a connection that answers somebody else's question.
                assert (await tek.gamification.profile(user_id)).total_xp == 7
                assert (await tek.gamification.award(user_id, "manual", amount=1, key="next")).profile.total_xp == 8

    world.run(cancelled)


def _made(at: int, strike: Strike) -> bool | None:
    return None if strike is Strike.HANG_AFTER else at > COMMIT
