"""Export and erasure: all that is stored of a person, and then nothing of it."""

import asyncio
import json
from datetime import timedelta
from typing import Annotated, Any

import pytest

from tektree import Board, Policy
from tektree.catalog import Payload, Personal
from tektree.errors import Forbidden, NotFound, Taken
from tektree.models.accounts import User
from tektree.models.base import Frozen, Text, Uid
from tektree.models.events import Event
from tektree.models.payloads import UserLoginFailed
from tests.accounts.worlds import POLICY, ROOT, World, names, refused, registered, whole

PLANTED = "Zaphod"


class Quiz(Payload, event="quiz.finished", by="quiz-service"):
    """A host's own, with something personal in it."""

    user_id: Uid
    phone: Personal[Annotated[str, Text(40)]]
    place: Annotated[str, Text(40)]


async def planted(tek: Any) -> User:
    """Somebody whose every text holds the planted one."""
    user = await tek.accounts.register(
        email=f"{PLANTED}@example.com",
        handle=f"{PLANTED}_1",
        password=f"{PLANTED}'s password",
        first_name=PLANTED,
        last_name=f"{PLANTED} B.",
    )
    await tek.accounts.update_profile(user, bio=f"I am {PLANTED}", avatar=f"https://example.com/{PLANTED}.png")
    await tek.accounts.verify_email(await tek.accounts.request_email_verification(user.id))
    await tek.accounts.change_handle(user, f"{PLANTED}_2")
    await tek.accounts.request_email_change(user, f"{PLANTED}@other.example.com", f"{PLANTED}'s password")
    await tek.accounts.authenticate(f"{PLANTED}_2", f"{PLANTED}'s password")
    await tek.events.emit(Quiz(user_id=user.uid, phone=f"{PLANTED} 42", place="3"))
    await tek.events.emit(
        UserLoginFailed(user_id=user.uid, handle=f"{PLANTED}@example.com", reason="wrong", attempt=1), key="f"
    )
    await tek.gamification.award(user.id, "manual", amount=90, key="k")
    return user


def everything(value: Any, seen: dict[int, Any] | None = None) -> str:
    """All text in storage in memory, however it is kept. What was seen is held, so that no id is used again."""
    seen = {} if seen is None else seen
    if isinstance(value, str | bytes | int | float | None):
        return repr(value)
    if id(value) in seen:
        return ""
    seen[id(value)] = value
    if hasattr(value, "get_secret_value"):
        return str(value.get_secret_value())
    if isinstance(value, dict):
        return "\n".join([everything(each, seen) for pair in value.items() for each in pair])
    if isinstance(value, list | tuple | set | frozenset):
        return "\n".join([everything(each, seen) for each in value])
    return everything(getattr(value, "__dict__", ()), seen)


def stored_text(world: World) -> str:
    ports = world.backends
    return everything([getattr(ports, name) for name in type(ports).__dataclass_fields__ if name[:3] != "on_"])


def test_after_an_erasure_nothing_personal_is_left(world: World) -> None:
    """The scan finds what was planted before, and nothing after: in no store, no outbox, no event."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        user, ben = await planted(tek), await registered(tek, "ben")
        await tek.gamification.award(ben.id, "manual", amount=5, key="k")
        before = await tek.gamification.profile(user.id)
        assert PLANTED in stored_text(world)
        await tek.accounts.erase(user, user.id)
        assert PLANTED.lower() not in stored_text(world).lower()
        await check_ends(world, tek, user, ben, before.total_xp)

    world.run(scenario)


async def check_ends(world: World, tek: Any, user: User, ben: User, xp: int) -> None:
    """What stays: sums, uid, others."""
    assert (await tek.gamification.profile(user.id)).total_xp == xp == 100
    assert await tek.gamification.verify(user.id)
    assert await tek.gamification.verify(ben.id)
    assert [each.uid for each in await tek.leaderboards.top(Board.GLOBAL)] == [ben.uid]
    gone = await tek.accounts.get(user.id)
    assert (gone.status, gone.uid, gone.first_name) == ("erased", user.uid, "")
    assert await whole(world, user, ben) == []
    quiz = (await tek.events.log(event_type="quiz.finished")).items
    assert [dict(event.payload) for event in quiz] == [{"user_id": user.uid, "phone": None, "place": "3"}]
    await refused(Taken, tek.accounts.register(**names("cyd", handle=f"{PLANTED}_2")))
    await refused(NotFound, tek.accounts.by_handle(f"{PLANTED}_2"))
    await registered(tek, "dan", email=f"{PLANTED}@example.com")


def test_erasing_again_changes_nothing(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek()
        user = await planted(tek)
        await tek.accounts.erase(user, user.id)
        once = await world.store.accounts.by_id(user.id)
        await tek.accounts.erase(user, user.id)
        await tek.accounts.erase(ROOT, user.id)
        assert await world.store.accounts.by_id(user.id) == once
        told = [each.event_type for each in (await tek.events.log(user_id=user.uid)).items]
        assert told.count("user.deleted") == told.count("user.erased") == 1
        await refused(NotFound, tek.accounts.erase(ROOT, "d" * 24))

    world.run(scenario)


def test_many_erase_at_once(world: World) -> None:
    async def scenario(world: World) -> None:
        teks = [world.rival() for _ in range(6)]
        user = await planted(teks[0])
        await asyncio.gather(*[tek.accounts.erase(ROOT, user.id) for tek in teks])
        assert (await teks[0].accounts.get(user.id)).status == "erased"
        assert PLANTED.lower() not in stored_text(world).lower()
        assert await whole(world, user) == []

    world.run(scenario)


def test_who_holds_an_event_when_it_is_erased_cannot_bring_it_back(world: World) -> None:
    """A process that read the events of a user and was held up tells them when all is over: they are told already."""

    async def scenario(world: World) -> None:
        relayed = world.tek(POLICY.evolve(events=POLICY.events.evolve(drain="relay")))
        user = await registered(relayed, "ada", email=f"{PLANTED}@example.com", handle=f"{PLANTED}_1")
        held = (await world.store.accounts.by_id(user.id)).left
        assert PLANTED in str(held)
        await world.tek().accounts.erase(user, user.id)
        for event, _ in held:
            await world.store.events.tell(event)
        await world.store.accounts.told(user.id, [event.event_id for event, _ in held])
        assert PLANTED.lower() not in stored_text(world).lower()
        assert await whole(world, user) == []

    world.run(scenario)


def test_an_event_of_an_unknown_type_keeps_nothing(world: World) -> None:
    """Of what no catalog here knows, only whom it is about is kept: what of it is personal cannot be told."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        user = await registered(tek)
        event = Event(
            id="e" * 24,
            event_id="evt_" + "e" * 24,
            event_type="strange.happened",
            timestamp=world.clock(),
            source_service="elsewhere",
            payload=Frozen(user_id=user.uid, remark=PLANTED),
        )
        await world.store.events.append([event])
        await tek.accounts.erase(user, user.id)
        left = await world.store.events.event(event.event_id)
        assert dict(left.payload) == {"user_id": user.uid, "remark": None}

    world.run(scenario)


def test_an_address_that_was_kept_with_an_event_goes_with_who_left_it(world: World) -> None:
    """S17: that of the user on events about others; theirs on events about them; and nobody else's."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        ada, ben = await registered(tek, "ada"), await registered(tek, "ben")
        events = [
            Event(
                id=f"{at:024x}",
                event_id=f"evt_{at:024x}",
                event_type="user.email_verified",
                timestamp=world.clock(),
                source_service="user-service",
                metadata=Frozen(user_id=actor.uid, ip_address=f"203.0.113.{at}"),
                payload=Frozen(user_id=about.uid, email=about.email),
            )
            for at, (actor, about) in enumerate([(ada, ben), (ada, ada), (ben, ben)])
        ]
        await world.store.events.append(events)
        await tek.accounts.erase(ada, ada.id)
        left = [await world.store.events.event(event.event_id) for event in events]
        assert [each.metadata["ip_address"] for each in left] == [None, None, "203.0.113.2"]
        assert [each.payload["email"] for each in left] == [ben.email, None, ben.email]

    world.run(scenario)


def test_the_hold_on_the_handle_ends(world: World) -> None:
    """D16: the handle of somebody who is gone is free after its time."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        user = await registered(tek)
        await tek.accounts.erase(user, user.id)
        await refused(Taken, registered(tek))
        world.clock.advance(timedelta(seconds=POLICY.accounts.handle_hold))
        assert (await registered(tek)).id != user.id

    world.run(scenario)


def test_without_a_hold_it_is_free_at_once(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek(Policy(passwords={"bcrypt_cost": 10}, accounts={"handle_hold": 0}))
        user = await registered(tek)
        await tek.accounts.erase(user, user.id)
        assert (await registered(tek)).id != user.id

    world.run(scenario)


def test_an_export_is_everything_and_no_secret(world: World) -> None:
    """K1 K4: JSON, of the user's own, without hash and tokens."""

    async def scenario(world: World) -> None:
        tek = world.tek()
        user = await planted(tek)
        opened = await tek.sessions.open(user)
        found = json.loads(json.dumps(await tek.accounts.export(user, user.id)))
        content = {"areas", "follows", "questions", "answers", "votes", "connections", "insights"}
        assert set(found) == {"user", "profile", "subscription", "sessions", "ledger", "events"} | content
        assert [session["user_id"] for session in found["sessions"]] == [user.uid]
        assert opened.token not in json.dumps(found)
        assert found["user"]["email"] == f"{PLANTED}@example.com"
        assert found["user"]["bio"] == f"I am {PLANTED}"
        assert found["profile"]["total_xp"] == sum([row["amount"] for row in found["ledger"]]) == 100
        assert found["subscription"]["tier"] == "free"
        types = {event["event_type"] for event in found["events"]}
        assert {"user.registered", "user.handle_changed", "quiz.finished", "xp.awarded"} <= types
        assert len(found["events"]) == len(await everything_about(tek, user))
        text = json.dumps(found)
        stored = await world.store.accounts.by_id(user.id)
        assert stored.user.password_hash.get_secret_value() not in text
        assert stored.user.tokens[0].digest not in text
        ben = await registered(tek, "ben")
        await refused(Forbidden, tek.accounts.export(ben, user.id))
        assert (await tek.accounts.export(ROOT, user.id))["user"] == found["user"]

    world.run(scenario)


async def everything_about(tek: Any, user: User) -> list[Event]:
    found: list[Event] = []
    after = None
    while True:
        page = await tek.events.log(user_id=user.uid, after=after, limit=7)
        found += page.items
        after = page.next
        if after is None:
            return found


def test_an_export_of_who_has_much_is_whole(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek()
        user = await registered(tek)
        for at in range(230):
            await tek.gamification.award(user.id, "manual", amount=1, key=f"k{at}")
        found = await tek.accounts.export(user, user.id)
        assert len(found["ledger"]) == 230
        assert [row["seq"] for row in found["ledger"]] == list(range(230, 0, -1))
        assert len({event["event_id"] for event in found["events"]}) == len(found["events"]) > 230

    world.run(scenario)


def test_an_erasure_that_forgets_the_log_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The positive control of the scan."""
    from tektree._async.services.followers import AsyncFollowers
    from tektree._sync.services.followers import Followers

    async def async_clean(self: Any, uid: str) -> None:
        pass

    monkeypatch.setattr(AsyncFollowers, "_clean", async_clean)
    monkeypatch.setattr(Followers, "_clean", lambda self, uid: None)
    with pytest.raises(AssertionError):
        test_after_an_erasure_nothing_personal_is_left(world)
