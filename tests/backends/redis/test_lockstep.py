"""Memory and Redis in lock step: the same calls get the same answers, in any order (J20)."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given

from tektree.backends.memory import MemoryCaches, MemoryQuotas, MemorySessions
from tektree.ids import derived_id
from tektree.models.accounts import User
from tektree.models.caches import Place
from tektree.models.questions import Question
from tektree.models.quotas import Counter, Taken
from tektree.models.sessions import Session
from tests.backends.redis.lockstep import LONG_LANE, Steps, chosen, far
from tests.backends.redis.worlds import World
from tests.examples import AGAINST_SERVERS
from tests.lanes import FAKE, REDIS, REDIS_ASYNC

START = datetime(2025, 12, 16, 14, tzinfo=UTC)
USERS = ["usr_a", "usr_b"]
IDS = range(6)
SMALL = range(4)
AMOUNTS = range(1, 5)


def session(uid: str, now: datetime, days: int) -> Session:
    fields = {"user_id": uid, "tier": "pro", "role": "user", "created_at": now}
    return Session.model_validate({**fields, "expires_at": now + timedelta(days=days), "id": derived_id(uid)})


SESSION_STEPS: Steps = {
    "open": (USERS, IDS, SMALL, [None, *IDS]),
    "read": (USERS, IDS),
    "update": (USERS, IDS),
    "end": (USERS, IDS),
    "end_all": (USERS, [None, *IDS]),
    "changed": (USERS,),
    "all": (USERS,),
    "marks": (USERS,),
    "later": (range(1, 41),),
}


def session_call(step: Any, now: datetime) -> tuple[str, tuple[Any, ...]]:
    """A step as a call. Each user's ids are its own, as digests of secrets are."""
    name, uid, *rest = step

    def id_of(at: int | None) -> str | None:
        return None if at is None else derived_id(uid, str(at)) * 2

    if name == "open":
        id, epoch, before = rest
        return name, (id_of(id), session(uid, now, 7 + id), epoch, 3, now, id_of(before))
    if name == "update":
        return name, (id_of(rest[0]), session(uid, now, 5).evolve(role="admin"), now)
    arguments = (uid, *[id_of(each) for each in rest])
    return name, (*arguments, now) if name in {"read", "all"} else arguments


@pytest.mark.lanes(FAKE, REDIS, REDIS_ASYNC)
@AGAINST_SERVERS
@given(chosen(SESSION_STEPS))
def test_sessions(world: World, steps: list[Any]) -> None:
    world.look.flushall()
    world.run(partial(opened, MemorySessions(), steps))


async def opened(ours: MemorySessions, steps: list[Any], world: World) -> None:
    theirs, now = world.store("sessions"), START
    for step in steps:
        if step[0] == "later":
            # Redis lets go by its own clock; what the services ask for has not expired by theirs.
            now += timedelta(seconds=step[1])
            continue
        name, arguments = session_call(step, now)
        expected, found = getattr(ours, name)(*arguments), await getattr(theirs, name)(*arguments)
        assert found == expected, (name, arguments)


QUOTA_STEPS: Steps = {
    "take": (USERS, AMOUNTS, [None, *range(10)], IDS),
    "give": (USERS, AMOUNTS, IDS),
    "load": (USERS, SMALL),
    "put": (USERS, SMALL),
    "hold": (USERS, AMOUNTS, [None, *SMALL], SMALL, [0, 3600]),
    "settle": (USERS, AMOUNTS, SMALL, [False, True], [None, *range(10)]),
    "read": (USERS,),
    "count": (USERS, range(-4, 5), [None, *range(10)], IDS),
}


def quota_call(step: Any) -> tuple[str, tuple[Any, ...]]:
    name, uid, *rest = step
    counter = Counter(uid, "questions", "2025-12", START + timedelta(days=18))
    if name == "take":
        n, limit, request = rest
        return name, (counter, n, limit, 80, f"{uid} take {request}", START)
    if name == "count":
        n, limit, cause = rest
        return name, (counter, n, limit, 80, f"{uid} cause {cause}", START)
    if name == "give":
        return name, (counter, rest[0], f"{uid} give {rest[1]}", START)
    if name == "hold":
        n, limit, request, seconds = rest
        return name, (counter, n, limit, f"{uid} hold {request} {n}", seconds, START)
    if name == "settle":
        n, request, used, limit = rest
        return name, (counter, n, f"{uid} hold {request} {n}", used, limit, 80, START)
    return (name, ([counter], START)) if name == "read" else (name, (counter, *rest, START))


@pytest.mark.lanes(FAKE, REDIS, REDIS_ASYNC)
@AGAINST_SERVERS
@given(chosen(QUOTA_STEPS))
def test_quotas(world: World, steps: list[Any]) -> None:
    world.look.flushall()
    world.run(partial(compared, MemoryQuotas(), steps))


async def compared(ours: MemoryQuotas, steps: list[Any], world: World) -> None:
    theirs = world.store("quotas")
    for step in steps:
        name, arguments = quota_call(step)
        expected, found = getattr(ours, name)(*arguments), await getattr(theirs, name)(*arguments)
        assert found == expected, (name, arguments)


TOKENS = "abc"
PLACES = [Place("user", "usr_a"), Place("question", derived_id("a"))]
CACHE_STEPS: Steps = {
    "read": (PLACES,),
    "begin": (PLACES, TOKENS),
    "keep": (PLACES, TOKENS, [None, *IDS]),
    "leave": (PLACES, TOKENS),
    "invalidate": (PLACES,),
}


def cache_call(step: Any) -> tuple[str, tuple[Any, ...]]:
    """A step as a call. What is kept tells by its version which one it is."""
    name, place, *rest = step
    if name == "begin":
        return name, (place, *rest, 60_000)
    if name == "keep":
        return name, (place, None if rest[1] is None else record(place, rest[1]), rest[0], 60_000)
    return name, (place, *rest)


def record(place: Place, version: int) -> User | Question:
    at = {"created_at": START, "updated_at": START}
    if place.kind == "user":
        return User(id=derived_id("a"), uid=place.name, email="a@example.com", handle="a", bio=str(version), **at)
    return Question(
        id=place.name, title=str(version), slug="a", body="", visibility="public", created_by=derived_id("a"), **at
    )


@pytest.mark.lanes(FAKE, REDIS, REDIS_ASYNC)
@AGAINST_SERVERS
@given(chosen(CACHE_STEPS))
def test_caches(world: World, steps: list[Any]) -> None:
    world.look.flushall()
    world.run(partial(cached, MemoryCaches(lambda: START), steps))


async def cached(ours: MemoryCaches, steps: list[Any], world: World) -> None:
    theirs = world.store("caches")
    for step in steps:
        name, arguments = cache_call(step)
        expected, found = getattr(ours, name)(*arguments), await getattr(theirs, name)(*arguments)
        assert found == expected, (name, arguments)


ROOMS: Mapping[str, tuple[Steps, Callable[[], Any], Callable[..., Any]]] = {
    "sessions": (SESSION_STEPS, MemorySessions, opened),
    "quotas": (QUOTA_STEPS, MemoryQuotas, compared),
    "caches": (CACHE_STEPS, lambda: MemoryCaches(lambda: START), cached),
}


@pytest.mark.lanes(REDIS, REDIS_ASYNC)
@pytest.mark.parametrize("number", [1_000, pytest.param(LONG_LANE, marks=pytest.mark.long)])
@pytest.mark.parametrize("room", ROOMS)
def test_a_long_way_in_lock_step(world: World, room: str, number: int) -> None:
    """J20: three backends, sync and asyncio against memory, 10^5 steps."""
    far(*ROOMS[room], number, world)


class Alone(MemoryCaches):
    """The control: an invalidation lets the load go on."""

    def invalidate(self, place: Place) -> None:
        self._texts.pop(place, None)


class OneMore(MemoryQuotas):
    """The control: a limit that is one too high."""

    def take(self, counter: Counter, n: int, limit: int | None, percent: int, request: str, now: datetime) -> Taken:
        return super().take(counter, n, None if limit is None else limit + 1, percent, request, now)


@pytest.mark.lanes(FAKE)
def test_a_store_that_is_out_of_step_is_found(world: World) -> None:
    place = Place("user", "usr_a")
    steps = [("begin", place, "a"), ("invalidate", place), ("keep", place, "a", 1)]
    with pytest.raises(AssertionError, match="keep"):
        world.run(partial(cached, Alone(lambda: START), steps))
    with pytest.raises(AssertionError, match="take"):
        world.run(partial(compared, OneMore(), [("load", "usr_a", 0), ("take", "usr_a", 4, 3, 0)]))


@pytest.mark.lanes(REDIS)
def test_a_long_way_out_of_step_is_found(world: World) -> None:
    """The control: a limit that is one too high, among a thousand steps."""
    with pytest.raises(AssertionError, match="take") as raised:
        far(QUOTA_STEPS, OneMore, compared, 1_000, world)
    assert raised.value.__notes__[0].startswith("seed ")
