"""Memory and Redis in lock step: the same calls get the same answers, in any order (J20)."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree.backends.memory import MemoryCaches, MemoryQuotas, MemorySessions
from tektree.ids import derived_id
from tektree.models.accounts import User
from tektree.models.caches import Place
from tektree.models.questions import Question
from tektree.models.quotas import Counter, Taken
from tektree.models.sessions import Session
from tests.backends.redis.worlds import World
from tests.examples import AGAINST_SERVERS
from tests.lanes import FAKE, REDIS, REDIS_ASYNC

START = datetime(2025, 12, 16, 14, tzinfo=UTC)
USERS = st.sampled_from(["usr_a", "usr_b"])
IDS = st.integers(0, 5)
SMALL = st.integers(0, 3)


def session(uid: str, now: datetime, days: int) -> Session:
    fields = {"user_id": uid, "tier": "pro", "role": "user", "created_at": now}
    return Session.model_validate({**fields, "expires_at": now + timedelta(days=days), "id": derived_id(uid)})


SESSION_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("open"), USERS, IDS, SMALL, st.none() | IDS),
        st.tuples(st.just("read"), USERS, IDS),
        st.tuples(st.just("update"), USERS, IDS),
        st.tuples(st.just("end"), USERS, IDS),
        st.tuples(st.just("end_all"), USERS, st.none() | IDS),
        st.tuples(st.just("changed"), USERS),
        st.tuples(st.just("all"), USERS),
        st.tuples(st.just("marks"), USERS),
        st.tuples(st.just("later"), st.integers(1, 40)),
    ),
    max_size=40,
)


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
@given(SESSION_STEPS)
def test_sessions(world: World, steps: list[Any]) -> None:
    async def compared(world: World) -> None:
        theirs, ours, now = world.store("sessions"), MemorySessions(), START
        for step in steps:
            if step[0] == "later":
                # Redis lets go by its own clock; what the services ask for has not expired by theirs.
                now += timedelta(seconds=step[1])
                continue
            name, arguments = session_call(step, now)
            expected, found = getattr(ours, name)(*arguments), await getattr(theirs, name)(*arguments)
            assert found == expected, (name, arguments)

    world.look.flushall()
    world.run(compared)


QUOTA_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), USERS, st.integers(1, 4), st.none() | st.integers(0, 9), IDS),
        st.tuples(st.just("give"), USERS, st.integers(1, 4), IDS),
        st.tuples(st.just("load"), USERS, SMALL),
        st.tuples(st.just("put"), USERS, SMALL),
        st.tuples(st.just("hold"), USERS, st.integers(1, 4), st.none() | SMALL, SMALL, st.sampled_from([0, 3600])),
        st.tuples(st.just("settle"), USERS, st.integers(1, 4), SMALL, st.booleans(), st.none() | st.integers(0, 9)),
        st.tuples(st.just("read"), USERS),
        st.tuples(st.just("count"), USERS, st.integers(-4, 4), st.none() | st.integers(0, 9), IDS),
    ),
    max_size=40,
)


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
@given(QUOTA_STEPS)
def test_quotas(world: World, steps: list[Any]) -> None:
    world.look.flushall()
    world.run(partial(compared, MemoryQuotas(), steps))


async def compared(ours: MemoryQuotas, steps: list[Any], world: World) -> None:
    theirs = world.store("quotas")
    for step in steps:
        name, arguments = quota_call(step)
        expected, found = getattr(ours, name)(*arguments), await getattr(theirs, name)(*arguments)
        assert found == expected, (name, arguments)


TOKENS = st.sampled_from("abc")
PLACES = st.sampled_from([Place("user", "usr_a"), Place("question", derived_id("a"))])
CACHE_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), PLACES),
        st.tuples(st.just("begin"), PLACES, TOKENS),
        st.tuples(st.just("keep"), PLACES, TOKENS, st.none() | IDS),
        st.tuples(st.just("leave"), PLACES, TOKENS),
        st.tuples(st.just("invalidate"), PLACES),
    ),
    max_size=40,
)


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
@given(CACHE_STEPS)
def test_caches(world: World, steps: list[Any]) -> None:
    world.look.flushall()
    world.run(partial(cached, MemoryCaches(lambda: START), steps))


async def cached(ours: MemoryCaches, steps: list[Any], world: World) -> None:
    theirs = world.store("caches")
    for step in steps:
        name, arguments = cache_call(step)
        expected, found = getattr(ours, name)(*arguments), await getattr(theirs, name)(*arguments)
        assert found == expected, (name, arguments)


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
