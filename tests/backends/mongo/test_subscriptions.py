"""Subscriptions in MongoDB: what is stored is the data model's, and each call costs what it must."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from tektree import Principal
from tektree.errors import InvalidTransition
from tests.backends.mongo.worlds import MOTOR, PYMONGO, PYMONGO_ASYNC, REAL, Heard, World
from tests.records import sample

pytestmark = pytest.mark.lanes(PYMONGO, PYMONGO_ASYNC, MOTOR, REAL)

SUBSCRIPTIONS = "subscriptions"


async def enrolled(world: World, tek: Any) -> Principal:
    return Principal((await tek.gamification.enroll(uid="usr_ada")).user_id, "usr_ada")


def test_what_is_stored_is_the_data_models(world: World) -> None:
    async def lived(world: World) -> None:
        tek = world.tek()
        ada = await enrolled(world, tek)
        await tek.subscriptions.start(ada, "pro", "annual", trial_days=14)
        await tek.subscriptions.cancel(ada)
        document = world.look[SUBSCRIPTIONS].find_one({"user_id": ObjectId(ada.id)})
        assert document is not None
        model = sample(SUBSCRIPTIONS)
        assert list(document)[: len(model)] == list(model)
        assert (document["tier"], document["status"], document["billing_cycle"]) == ("pro", "trialing", "annual")
        assert document["cancel_at"] == document["trial_ends_at"]
        assert "untold" not in document, "it was told"
        world.clock.advance(timedelta(days=15))
        assert (await tek.subscriptions.advance(ada.id)).status == "canceled"
        told = [each.event_type for each in (await tek.events.log(user_id="usr_ada")).items]
        assert sorted(told) == [
            "subscription.canceled",
            "subscription.created",
            "subscription.revoked",
            "subscription.trial_started",
        ]

    world.run(lived)


def test_one_that_was_there_before_us_is_read_and_changed(world: World) -> None:
    async def adopted(world: World) -> None:
        tek = world.tek()
        ada = await enrolled(world, tek)
        world.look[SUBSCRIPTIONS].insert_one(
            {**sample(SUBSCRIPTIONS), "user_id": ObjectId(ada.id), "polar_subscription_id": None, "house": "theirs"}
        )
        assert (await tek.subscriptions.get(ada.id)).tier == "pro"
        assert (await tek.subscriptions.change(ada, tier="team")).tier == "team"
        document = world.look[SUBSCRIPTIONS].find_one({"user_id": ObjectId(ada.id)})
        assert document is not None
        assert (document["tier"], document["house"]) == ("team", "theirs")

    world.run(adopted)


def test_round_trips(world: World) -> None:
    async def counted(world: World) -> None:
        heard = Heard()
        tek = world.tek(world.client(event_listeners=[heard]))
        ada = await enrolled(world, tek)
        await tek.subscriptions.start(ada, "pro")
        heard.names()
        await tek.subscriptions.get(ada.id)
        await tek.subscriptions.entitlements(ada)
        assert heard.names() == [f"find {SUBSCRIPTIONS}"] * 2
        await tek.subscriptions.change(ada)
        assert heard.names() == [f"find {SUBSCRIPTIONS}"], "nothing to change"
        await tek.subscriptions.cancel(ada)
        names = heard.names()
        assert names[:2] == [f"find {SUBSCRIPTIONS}", f"update {SUBSCRIPTIONS}"]
        assert names[-1] == f"update {SUBSCRIPTIONS}"
        assert len(names) == 5, "what is told has its number in the stream: one more find, and the insert"

    world.run(counted)


def test_of_many_who_start_one_gets_through(world: World) -> None:
    async def raced(world: World) -> None:
        tek = world.tek()
        ada = await enrolled(world, tek)
        found = await asyncio.gather(
            *[tek.subscriptions.start(ada, "pro", trial_days=7) for _ in range(8)], return_exceptions=True
        )
        assert len([each for each in found if isinstance(each, InvalidTransition)]) == 7
        told = [each.event_type for each in (await tek.events.log(user_id="usr_ada")).items]
        assert sorted(told) == ["subscription.created", "subscription.trial_started"]

    world.run(raced)
