"""The matrix of who sees what, as in memory: every cell, by the queries of MongoDB."""

from typing import Any

import pytest

from tektree.models.accounts import User
from tektree.wire.collections import ANSWERS, AREAS, CONNECTIONS, FOLLOWS, INSIGHTS, QUESTIONS, VOTES
from tektree.wire.documents import to_document
from tests.backends.mongo.worlds import MOCK, MOTOR, PYMONGO, PYMONGO_ASYNC, REAL, World
from tests.content.matrix import STATES, amiss, people, staged
from tests.content.worlds import POLICY


def stored(world: World, user: User) -> None:
    world.look["users"].insert_one(to_document(user))


async def whole(world: World, state: str, *, change: bool = False) -> list[str]:
    world.indexed((AREAS, FOLLOWS, QUESTIONS, ANSWERS, INSIGHTS, VOTES, CONNECTIONS))
    for user in people(world.clock(), state):
        stored(world, user)
    tek: Any = world.tek(policy=POLICY.evolve(reactions={}))
    return await amiss(await staged(tek, state, world.clock(), change=change))


SOME = pytest.mark.lanes(MOCK, PYMONGO, long=(PYMONGO_ASYNC, MOTOR, REAL))


@SOME
@pytest.mark.parametrize("state", STATES)
def test_every_cell(world: World, state: str) -> None:
    """E8, E9, G8, G9, G10, G11, G12, G14: as the oracle says."""

    async def scenario(world: World) -> None:
        assert await whole(world, state) == []

    world.run(scenario)


@SOME
@pytest.mark.long
@pytest.mark.parametrize("state", ["private", "connections"])
def test_every_cell_after_a_change(world: World, state: str) -> None:
    """G13: what was public shows nothing more of it, on no path."""

    async def scenario(world: World) -> None:
        assert await whole(world, state, change=True) == []

    world.run(scenario)
