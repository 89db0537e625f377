"""Indexes: made once, by however many at once; compared with what is there; never over what is in the way."""

import asyncio
from collections.abc import Iterator

import pytest

from tektree import ConfigurationError
from tektree._sync.backends.mongo.setup import Drift
from tektree.wire.collections import INDEXES
from tests.backends.mongo.worlds import ALL, MOCK, World

REQUIRED = sum([len([index for index in indexes if not index.text]) for indexes in INDEXES.values()])


@pytest.fixture(params=ALL)
def bare(request: pytest.FixtureRequest) -> Iterator[World]:
    """An empty database without an index."""
    made = World.made(request.param)
    yield made
    made.over()


def required(drift: list[Drift]) -> list[tuple[str, str, str]]:
    return [(each.collection, each.keys, each.what) for each in drift if each.required]


def test_setup_makes_every_index_and_again_does_nothing(bare: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek()
        assert len(required(await tek.check())) == REQUIRED
        await tek.setup()
        assert required(await tek.check()) == []
        before = [sorted(world.look[name].index_information()) for name in INDEXES]
        await tek.setup()
        assert [sorted(world.look[name].index_information()) for name in INDEXES] == before

    bare.run(scenario)


def test_eight_set_up_at_once(bare: World) -> None:
    if bare.lane == MOCK:
        return  # proves nothing about races

    async def scenario(world: World) -> None:
        teks = [world.tek(world.client()) for _ in range(8)]
        await asyncio.gather(*[tek.setup() for tek in teks])
        assert required(await teks[0].check()) == []

    bare.run(scenario)


def test_what_drifted_is_named(bare: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek()
        await tek.setup()
        rows = world.look.xp_transactions
        rows.drop_index("user_id_1_seq_1")
        rows.drop_index("source_1")
        rows.create_index([("source", 1)], unique=True)
        rows.create_index([("somebody", 1), ("elses", -1)])
        assert required(await tek.check()) == [
            ("xp_transactions", "source:1", "different"),
            ("xp_transactions", "user_id:1,seq:1", "missing"),
        ]

    bare.run(scenario)


def test_an_index_in_the_way_is_named(bare: World) -> None:
    async def scenario(world: World) -> None:
        world.look.gamification_profiles.create_index([("user_id", 1)])
        with pytest.raises(ConfigurationError, match=r"index on user_id:1 that is not as it should be") as caught:
            await world.tek().setup()
        assert caught.value.field == "mongo.gamification_profiles"

    bare.run(scenario)


def test_an_index_of_ours_that_covers_everything_is_in_the_way(bare: World) -> None:
    if bare.lane == MOCK:
        return  # does not say what an index covers

    async def scenario(world: World) -> None:
        world.look.xp_transactions.create_index([("user_id", 1), ("key", 1)], unique=True)
        tek = world.tek()
        assert ("xp_transactions", "user_id:1,key:1", "different") in required(await tek.check())
        with pytest.raises(ConfigurationError, match="user_id:1,key:1"):
            await tek.setup()

    bare.run(scenario)


def test_documents_that_are_not_unique_are_told(bare: World) -> None:
    async def scenario(world: World) -> None:
        world.look.users.insert_many([{"email": "ada@example.org", "handle": at, "uid": at} for at in ("a", "b")])
        with pytest.raises(ConfigurationError, match="not unique in email:1") as caught:
            await world.tek().setup()
        assert caught.value.field == "mongo.users"
        assert "ada@example.org" not in repr(caught.value)
        assert caught.value.__cause__ is None

    bare.run(scenario)


def test_setup_goes_on_where_it_was_cut_off(bare: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek()
        await tek.setup()
        world.look.events.drop_index("trace_id_1")
        world.look.subscriptions.drop()
        assert len(required(await tek.check())) == 1 + len(INDEXES["subscriptions"])
        await tek.setup()
        assert required(await tek.check()) == []

    bare.run(scenario)
