"""An existing database, as the data model has it: read, healed by the first write, never rewritten wholesale."""

from datetime import UTC, datetime
from typing import Any

from bson import ObjectId

from tektree import Board, EntityRef, Principal
from tektree.models.gamification import Outcome
from tektree.models.leaderboards import Standing
from tests.backends.mongo.worlds import World
from tests.records import DATA_MODEL, sample

USER = str(sample("users")["_id"])
ROW = sample("xp_transactions")["transaction_id"]
LATE = datetime(2025, 12, 16, 21, tzinfo=UTC)


def adopted(world: World) -> World:
    for collection in DATA_MODEL:
        world.look[collection].insert_one(sample(collection))
    world.clock.set(LATE)
    return world


def stored(world: World, collection: str) -> dict[str, Any]:
    found: dict[str, Any] = world.look[collection].find_one({"_id": sample(collection)["_id"]})
    return {name: _aware(value) for name, value in found.items()}


def _aware(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    if isinstance(value, dict):
        return {name: _aware(each) for name, each in value.items()}
    return [_aware(each) for each in value] if isinstance(value, list) else value


def untouched(world: World) -> None:
    assert {name: stored(world, name) for name in DATA_MODEL} == {name: sample(name) for name in DATA_MODEL}


def test_it_is_read_as_it_is_and_nothing_is_written(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek()
        profile = await tek.gamification.profile(USER)
        assert (profile.uid, profile.total_xp, profile.current_level) == ("usr_abc123", 50_000, 15)
        assert (profile.streak.current, profile.streak.freezes_available, profile.daily_xp_earned) == (42, 6, 150)
        assert [row.transaction_id for row in (await tek.gamification.history(USER)).items] == [ROW]
        assert await tek.gamification.verify(USER)
        assert await tek.gamification.rebuild() == 1
        assert (await tek.gamification.explain(ROW)).text
        assert await tek.leaderboards.top(Board.GLOBAL) == [Standing(1, "usr_abc123", 50_000)]
        assert await tek.leaderboards.rank(Board.GLOBAL, "usr_abc123") == Standing(1, "usr_abc123", 50_000)
        assert await tek.leaderboards.around(Board.GLOBAL, "usr_abc123") == [Standing(1, "usr_abc123", 50_000)]
        assert await tek.leaderboards.rank(Board.GLOBAL, "usr_nobody") is None
        untouched(world)

    adopted(world).run(scenario)


def test_setup_rewrites_no_document(world: World) -> None:
    async def scenario(world: World) -> None:
        await world.tek().setup()
        untouched(world)

    adopted(world).run(scenario)


def test_the_first_write_heals_and_carries_what_was_found(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek()
        first = await tek.gamification.award(USER, "insight_published", EntityRef("insight", "1"))
        assert first.transaction.seq == 1
        opening = first.transaction.opening
        assert (opening.total_xp, opening.daily_xp_earned, opening.streak.current) == (50_000, 150, 42)
        assert (first.transaction.daily_total, first.profile.total_xp) == (175, 50_025)
        profile = stored(world, "gamification_profiles")
        assert (profile["uid"], profile["seq"], profile["total_xp"]) == ("usr_abc123", 1, 50_025)
        assert set(sample("gamification_profiles")) <= set(profile)
        assert profile["featured_achievements"] == sample("gamification_profiles")["featured_achievements"]
        for collection in set(DATA_MODEL) - {"gamification_profiles"}:
            assert stored(world, collection) == sample(collection)
        second = await tek.gamification.award(USER, "insight_published", EntityRef("insight", "2"))
        assert second.transaction.opening is None
        assert await tek.gamification.verify(USER)
        assert await tek.gamification.rebuild(USER) == 1
        assert (await tek.gamification.profile(USER)).total_xp == 50_050
        ids = [first.transaction.transaction_id, second.transaction.transaction_id]
        assert [row.transaction_id for row in (await tek.gamification.history(USER)).items] == [*reversed(ids), ROW]

    adopted(world).run(scenario)


def test_a_change_of_settings_heals_too(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek()
        await tek.gamification.opt_out(Principal(USER, "usr_abc123"))
        profile = stored(world, "gamification_profiles")
        assert (profile["uid"], profile["leaderboard_opt_out"]) == ("usr_abc123", True)
        assert "seq" not in profile
        assert profile["total_xp"] == 50_000
        assert await tek.leaderboards.top(Board.GLOBAL) == []
        await tek.gamification.opt_in(Principal(USER, "usr_abc123"))
        assert await tek.leaderboards.top(Board.GLOBAL) == [Standing(1, "usr_abc123", 50_000)]

    adopted(world).run(scenario)


def test_to_enroll_who_is_there_names_them(world: World) -> None:
    async def scenario(world: World) -> None:
        profile = await world.tek().gamification.enroll("usr_abc123", user_id=USER)
        assert (profile.total_xp, profile.uid) == (50_000, "usr_abc123")
        assert stored(world, "gamification_profiles") == sample("gamification_profiles") | {"uid": "usr_abc123"}

    adopted(world).run(scenario)


def test_a_row_of_before_is_reversed_and_restored_by_its_id(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek()
        undone = await tek.gamification.reverse(ROW, "a mistake")
        assert (undone.amount, undone.profile.total_xp) == (-25, 49_975)
        assert (await tek.gamification.reverse(ROW, "a mistake")).outcome is Outcome.DUPLICATE
        assert (await tek.gamification.restore(ROW, "it was none")).profile.total_xp == 50_000
        assert await tek.gamification.verify(USER)
        assert stored(world, "xp_transactions") == sample("xp_transactions")

    adopted(world).run(scenario)


def test_a_ledger_of_before_is_read_page_by_page(world: World) -> None:
    """Also where many rows have the same time."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        for at in range(9):
            minute = datetime(2025, 12, 16, 13, at // 4, tzinfo=UTC)
            row = {"_id": ObjectId(f"{at + 1:024x}"), "transaction_id": f"xp_txn_old_{at}", "timestamp": minute}
            world.look.xp_transactions.insert_one(sample("xp_transactions") | row)
        for at in range(3):
            await tek.gamification.award(USER, "manual", amount=1, key=f"k{at}")
        found, after = [], None
        while True:
            page = await tek.gamification.history(USER, after, limit=2)
            found += [row.transaction_id for row in page.items]
            after = page.next
            if after is None:
                break
        assert found[3:] == [ROW, *[f"xp_txn_old_{at}" for at in range(8, -1, -1)]]
        assert len(set(found)) == 13

    adopted(world).run(scenario)


def test_those_of_before_and_ours_stand_on_one_board(world: World) -> None:
    async def scenario(world: World) -> None:
        for at in range(4):
            user_id, uid = ObjectId(f"{at + 1:024x}"), f"usr_old_{at}"
            names = {"uid": uid, "email": f"{at}@example.org", "handle": f"handle{at}"}
            world.look.users.insert_one(sample("users") | {"_id": user_id} | names)
            profile = {"_id": user_id, "user_id": user_id, "total_xp": 100 + at // 2}
            world.look.gamification_profiles.insert_one(sample("gamification_profiles") | profile)
        tek = world.tek()
        new = (await tek.gamification.enroll("usr_new")).user_id
        await tek.gamification.award(new, "manual", amount=100, key="k")
        order = ["usr_abc123", "usr_old_2", "usr_old_3", "usr_old_0", "usr_old_1", "usr_new"]
        top = await tek.leaderboards.top(Board.GLOBAL)
        assert [each.uid for each in top] == order
        assert [each.rank for each in top] == [1, 2, 3, 4, 5, 6]
        for place in top:
            assert await tek.leaderboards.rank(Board.GLOBAL, place.uid) == place
            around = await tek.leaderboards.around(Board.GLOBAL, place.uid, 1)
            assert around == top[max(0, place.rank - 2) : place.rank + 1]

    adopted(world).run(scenario)


def test_a_uid_that_somebody_else_has_does_not_stop_awards(world: World) -> None:
    """The user's document and another profile claim one uid: the profile goes without it."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        await tek.gamification.enroll("usr_abc123")
        found = await tek.gamification.award(USER, "manual", amount=1, key="k")
        assert found.profile.total_xp == 50_001
        profile = stored(world, "gamification_profiles")
        assert profile["total_xp"] == 50_001
        assert "uid" not in profile

    adopted(world).run(scenario)
