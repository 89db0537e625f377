"""What the store of caches promises, check by check."""

from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from tektree._async.conformance.samples import Check, Race, Together, fails, same
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.ports.caches import AsyncCacheStore
from tektree.ids import derived_id
from tektree.models.accounts import PasswordHash, Token, User
from tektree.models.caches import Found, Place
from tektree.models.questions import Question

__all__ = ["CHECKS", "RACES"]

_NOW: Final = datetime(2025, 12, 16, 14, tzinfo=UTC)
_LONG: Final = 60_000


def _store(backends: AsyncBackends) -> AsyncCacheStore:
    if backends.caches is None:
        fails("these storages have no caches")
    return backends.caches


def _user(name: str, bio: str | None = None) -> User:
    return User(
        id=derived_id("cached", name),
        uid=f"usr_{name}",
        email=f"{name}@example.com",
        handle=name,
        bio=bio,
        created_at=_NOW,
        updated_at=_NOW,
    )


def _question(name: str) -> Question:
    return Question(
        id=derived_id("cached", name),
        title="How?",
        slug="how",
        body='"\\\u2028é\U0001f600"',
        visibility="private",
        created_by=derived_id("author"),
        created_at=_NOW,
        updated_at=_NOW,
        tags=("go", "é"),
        view_count=2**53,
    )


def _of(user: User) -> Place:
    return Place("user", user.uid)


async def what_was_loaded_is_read(backends: AsyncBackends) -> None:
    """``read`` gives what ``keep`` kept, and nothing before it."""
    store, user, question = _store(backends), _user("read"), _question("read")
    for place, record in ((_of(user), user), (Place("question", question.id), question)):
        same("before", await store.read(place), None)
        same("the load", await store.begin(place, "a", _LONG), True)
        same("before it is kept", await store.read(place), None)
        same("that it is kept", await store.keep(place, record, "a", _LONG), True)
        same("what is read", await store.read(place), Found(record))
        same("what who would load is given", await store.begin(place, "b", _LONG), Found(record))


async def one_loads_at_a_time(backends: AsyncBackends) -> None:
    """A load is one token's until it has ended; to begin it again is to have it still."""
    store, place = _store(backends), _of(_user("one"))
    found = [await store.begin(place, token, _LONG) for token in ("a", "b", "a", "b")]
    same("whose it is", found, [True, False, True, False])
    await store.leave(place, "b")
    same("what another leaves", await store.begin(place, "b", _LONG), False)
    await store.leave(place, "a")
    same("when it was left", [await store.begin(place, token, _LONG) for token in ("b", "a")], [True, False])
    same("what was left is kept nowhere", await store.read(place), None)


async def only_who_loads_keeps(backends: AsyncBackends) -> None:
    """``keep`` of a load that was never begun, is another's, or has ended changes nothing, and says so."""
    store, user = _store(backends), _user("keeps")
    place = _of(user)
    same("never begun", await store.keep(place, user, "a", _LONG), False)
    await store.begin(place, "a", _LONG)
    same("another's", await store.keep(place, user, "b", _LONG), False)
    same("what is read", await store.read(place), None)
    same("its own", await store.keep(place, user, "a", _LONG), True)
    same("ended", await store.keep(place, _user("keeps", "another"), "a", _LONG), False)
    same("the same once more", await store.keep(place, user, "a", _LONG), True)
    same("what stays", await store.read(place), Found(user))


async def an_invalidation_takes_away_what_is_kept(backends: AsyncBackends) -> None:
    """``invalidate`` leaves nothing there; again, and where nothing is, nothing happens."""
    store, user, other = _store(backends), _user("kept"), _user("other")
    for each in (user, other):
        await store.begin(_of(each), "a", _LONG)
        await store.keep(_of(each), each, "a", _LONG)
    for _ in range(2):
        await store.invalidate(_of(user))
        same("what is read", await store.read(_of(user)), None)
    same("what is read of another", await store.read(_of(other)), Found(other))


async def an_invalidation_wins_over_the_load(backends: AsyncBackends) -> None:
    """What was read before ``invalidate`` is not kept after it, whether another load has begun since or not."""
    store, old, new = _store(backends), _user("wins", "old"), _user("wins", "new")
    place = _of(old)
    await store.begin(place, "a", _LONG)
    await store.invalidate(place)
    same("that the old one is kept", await store.keep(place, old, "a", _LONG), False)
    same("what is read", await store.read(place), None)
    await store.begin(place, "b", _LONG)
    await store.invalidate(place)
    same("a load behind it", await store.begin(place, "c", _LONG), True)
    same("that the old one is kept now", await store.keep(place, old, "b", _LONG), False)
    same("what is read during the load", await store.read(place), None)
    same("that the new one is kept", await store.keep(place, new, "c", _LONG), True)
    same("what is read at last", await store.read(place), Found(new))


async def a_load_that_took_too_long_keeps_nothing(backends: AsyncBackends) -> None:
    """A lease of nothing is over at once: the load is the next one's, and the first one's ``keep`` is refused."""
    store, user = _store(backends), _user("late")
    place = _of(user)
    same("a lease", await store.begin(place, "a", 1), True)
    for _ in range(10_000):  # a millisecond, however it passes
        if await store.begin(place, "b", _LONG) is True:
            break
    else:
        fails("a lease of a millisecond never ends")
    same("that the first one keeps", await store.keep(place, user, "a", _LONG), False)
    same("that the second one keeps", await store.keep(place, user, "b", _LONG), True)


async def that_there_is_none_is_kept_as_well(backends: AsyncBackends) -> None:
    """``Found(None)`` is an answer; it is invalidated as others are."""
    store, place = _store(backends), Place("question", derived_id("none"))
    await store.begin(place, "a", _LONG)
    same("that it is kept", await store.keep(place, None, "a", _LONG), True)
    same("what is read", await store.read(place), Found(None))
    same("who would load", await store.begin(place, "b", _LONG), Found(None))
    await store.invalidate(place)
    same("what is read after that", await store.read(place), None)


async def no_secret_is_kept(backends: AsyncBackends) -> None:
    """A user comes back without password hash and tokens."""
    store, user = _store(backends), _user("secret")
    token = Token(purpose="reset", digest="d" * 64, bound_to="b" * 64, made_at=_NOW, expires_at=_NOW)
    whole = user.evolve(password_hash=PasswordHash("$2b$12$planted"), tokens=(token,))
    await store.begin(_of(user), "a", _LONG)
    await store.keep(_of(user), whole, "a", _LONG)
    same("what is read", await store.read(_of(user)), Found(user))


async def places_are_apart(backends: AsyncBackends) -> None:
    """A place is its kind and its name, whatever the name holds."""
    store = _store(backends)
    names = ["a", "a:b", "{a}", "%7Ba%7D", "A", "a\x00", "é", "question:a"]
    places = [Place("user", name) for name in names] + [Place("question", name) for name in names]
    for at, place in enumerate(places):
        await store.begin(place, f"t{at}", _LONG)
        if at % 2:
            await store.keep(place, None, f"t{at}", _LONG)
    found = [await store.read(place) for place in places]
    same("what is read", found, [Found(None) if at % 2 else None for at in range(len(places))])
    same("who loads", [await store.begin(place, "b", _LONG) for place in places[::2]], [False] * len(names))


async def of_many_that_miss_one_loads(backends: AsyncBackends, together: Together) -> None:
    """``begin`` looks and begins in one step."""
    store, place = _store(backends), _of(_user("race"))
    found: Any = await together([partial(store.begin, place, f"t{at}", _LONG) for at in range(32)])
    same("those that load", sorted(found), [False] * 31 + [True])


async def keep_and_invalidate_never_leave_what_is_old(backends: AsyncBackends, together: Together) -> None:
    """Of the two the later one counts; what was invalidated is not there in the end, whoever came first."""
    store = _store(backends)
    for at in range(8):
        user = _user(f"both{at}")
        place = _of(user)
        await store.begin(place, "a", _LONG)
        calls: list[Any] = [partial(store.keep, place, user, "a", _LONG), partial(store.invalidate, place)]
        await together(calls[:: 1 if at % 2 else -1])
        same("what is left", await store.read(place), None)


CHECKS: Final[tuple[Check, ...]] = (
    what_was_loaded_is_read,
    one_loads_at_a_time,
    only_who_loads_keeps,
    an_invalidation_takes_away_what_is_kept,
    an_invalidation_wins_over_the_load,
    a_load_that_took_too_long_keeps_nothing,
    that_there_is_none_is_kept_as_well,
    no_secret_is_kept,
    places_are_apart,
)

RACES: Final[tuple[Race, ...]] = (of_many_that_miss_one_loads, keep_and_invalidate_never_leave_what_is_old)
