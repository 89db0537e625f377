"""What the store of sessions promises, check by check."""

from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any, Final

from tektree._async.conformance.samples import Check, Race, Together, fails, same
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.ports.sessions import AsyncSessionStore
from tektree.ids import derived_id
from tektree.models.sessions import REMEMBERED, Kept, Marks, Rotated, Session

__all__ = ["CHECKS", "RACES"]

_NOW: Final = datetime.fromisoformat("2099-12-16T12:00:00+00:00")
"""Far ahead, so a store that goes by a clock of its own keeps what is open here."""
_MOST: Final = 3


def _store(backends: AsyncBackends) -> AsyncSessionStore:
    if backends.sessions is None:
        fails("these storages have no sessions")
    return backends.sessions


def _session(name: str, days: int = 7, **more: Any) -> Session:
    fields = {"user_id": f"usr_{name}", "tier": "pro", "role": "user", "created_at": _NOW}
    ends = {"expires_at": _NOW + timedelta(days=days), "id": derived_id("user", name)}
    return Session.model_validate({**fields, **ends, **more})


def _id(name: str) -> str:
    return derived_id("session", name) * 2


async def _opened(store: AsyncSessionStore, name: str, *ids: str, epoch: int = 0, most: int = _MOST) -> list[bool]:
    return [await store.open(_id(each), _session(name), epoch, most, _NOW) for each in ids]


async def _ids(store: AsyncSessionStore, name: str) -> list[str]:
    return [id for id, _ in await store.all(f"usr_{name}", _NOW)]


async def a_session_comes_back_whole(backends: AsyncBackends) -> None:
    """``read`` gives what ``open`` took, and the user's marks."""
    store = _store(backends)
    session = _session("whole", epoch=4, version=2, remembered=True, seen=1)
    same("whether it was kept", await store.open(_id("whole"), session, 0, _MOST, _NOW), True)
    same("the session", await store.read("usr_whole", _id("whole"), _NOW), Kept(session, Marks(0, 0)))


async def a_session_is_found_for_its_user_alone(backends: AsyncBackends) -> None:
    """``read`` gives None for an id that was never opened, and for another user's."""
    store = _store(backends)
    await _opened(store, "mine", "mine")
    same("another's", await store.read("usr_other", _id("mine"), _NOW), None)
    same("one that was never opened", await store.read("usr_mine", _id("never"), _NOW), None)
    same("the marks of a stranger", await store.marks("usr_stranger"), Marks(0, 0))


async def an_id_is_opened_once(backends: AsyncBackends) -> None:
    """``open`` does not take the place of a session that is there."""
    store = _store(backends)
    same("twice", await _opened(store, "once", "once", "once"), [True, False])
    await store.end("usr_once", _id("once"))
    same("what is left", await store.read("usr_once", _id("once"), _NOW), None)


async def the_oldest_make_room(backends: AsyncBackends) -> None:
    """Of more than ``most`` sessions the oldest are ended when another is opened."""
    store = _store(backends)
    await _opened(store, "room", "a", "b", "c", "d")
    same("the sessions", await _ids(store, "room"), [_id("b"), _id("c"), _id("d")])
    same("the oldest", await store.read("usr_room", _id("a"), _NOW), None)
    await _opened(store, "room", "e", most=1)
    same("the sessions", await _ids(store, "room"), [_id("e")])


async def a_session_takes_the_place_of_another(backends: AsyncBackends) -> None:
    """``open`` with ``instead_of`` ends that one in the same step; without it nothing is opened."""
    store = _store(backends)
    await _opened(store, "swap", "first", "second")
    for expected in (True, False):
        found = await store.open(_id(f"third {expected}"), _session("swap"), 0, _MOST, _NOW, instead_of=_id("first"))
        same("whether it was opened", found, expected)
    same("the sessions", await _ids(store, "swap"), [_id("third True"), _id("second")])
    same("the refused one", await store.read("usr_swap", _id("third False"), _NOW), None)


async def _rotated(store: AsyncSessionStore, name: str, *ids: str) -> None:
    """Each takes the place of the one before it, a second later."""
    for at, (before, after) in enumerate(pairwise(ids)):
        now = _NOW + timedelta(seconds=at)
        await store.open(_id(after), _session(name), 0, _MOST, now, instead_of=_id(before))


async def whose_place_was_taken_is_remembered(backends: AsyncBackends) -> None:
    """``read`` says when it was, and ``end`` ends whoever has the place now, and nobody else."""
    store = _store(backends)
    await _opened(store, "place", "a", "z")
    await _rotated(store, "place", "a", "b", "c")
    same("the first", await store.read("usr_place", _id("a"), _NOW), Rotated(_NOW))
    same("the second", await store.read("usr_place", _id("b"), _NOW), Rotated(_NOW + timedelta(seconds=1)))
    same("another's", await store.read("usr_other", _id("a"), _NOW), None)
    for uid, id in (("usr_place", "never"), ("usr_stranger", "a")):
        same("whether there was one", await store.end(uid, _id(id)), False)
    same("the sessions", await _ids(store, "place"), [_id("c"), _id("z")])
    for expected in (True, False):
        same("whether there was one", await store.end("usr_place", _id("a")), expected)
        same("the sessions", await _ids(store, "place"), [_id("z")])
    for id in "abc":
        same(f"what is known of {id}", await store.read("usr_place", _id(id), _NOW), None)


async def a_place_is_taken_once_however_often_it_is_said(backends: AsyncBackends) -> None:
    """``open`` with all the same as before says that it is so, and does nothing; with anything else it is refused."""
    store = _store(backends)
    await _opened(store, "again", "first", "other")
    took = partial(store.open, _id("second"), _session("again"), 0, _MOST, instead_of=_id("first"))
    for _ in range(2):
        same("whether it was opened", await took(_NOW), True)
    same("whether it was, at another time", await took(_NOW + timedelta(seconds=1)), False)
    other = await store.open(_id("second"), _session("again"), 0, _MOST, _NOW, instead_of=_id("other"))
    same("whether it was, in another's place", other, False)
    same("the sessions", await _ids(store, "again"), [_id("second"), _id("other")])
    await store.end("usr_again", _id("second"))
    same("whether it was, after its end", await took(_NOW), False)
    same("the sessions", await _ids(store, "again"), [_id("other")])


async def no_more_are_remembered_than_are_needed(backends: AsyncBackends) -> None:
    """The newest 64, as long as somebody has their place; who is ended with its place is forgotten."""
    store = _store(backends)
    await _opened(store, "many", "0")
    await _rotated(store, "many", *map(str, range(REMEMBERED + 3)))
    known = [await store.read("usr_many", _id(str(at)), _NOW) for at in range(REMEMBERED + 2)]
    same("who is remembered", [each is not None for each in known], [False] * 2 + [True] * REMEMBERED)
    await store.end("usr_many", _id(str(REMEMBERED + 2)))
    await _opened(store, "many", "other")
    same("after the last was ended", await store.read("usr_many", _id("9"), _NOW), None)


async def an_ended_session_stays_so(backends: AsyncBackends) -> None:
    """``end`` ends one session, and says whether it was there; ``update`` does not bring it back."""
    store = _store(backends)
    await _opened(store, "end", "gone", "kept")
    for expected in (True, False):
        same("whether it was there", await store.end("usr_end", _id("gone")), expected)
        await store.update(_id("gone"), _session("end"), _NOW)
    same("the sessions", await _ids(store, "end"), [_id("kept")])
    same("the ended one", await store.read("usr_end", _id("gone"), _NOW), None)
    same("whether another's was there", await store.end("usr_other", _id("kept")), False)


async def an_update_is_read_back(backends: AsyncBackends) -> None:
    """``update`` replaces a session that is there."""
    store = _store(backends)
    await _opened(store, "update", "update")
    await store.update(_id("update"), _session("update", role="admin"), _NOW)
    kept = await store.read("usr_update", _id("update"), _NOW)
    same("the role", kept.session.role if isinstance(kept, Kept) else None, "admin")


async def all_of_a_user_end_at_once(backends: AsyncBackends) -> None:
    """``end_all`` ends every session but one, and none that was read before may join any more."""
    store = _store(backends)
    await _opened(store, "all", "a", "b", "c")
    await _opened(store, "bystander", "d")
    same("how many", await store.end_all("usr_all", but=_id("b")), 2)
    same("the sessions", await _ids(store, "all"), [_id("b")])
    same("one that was on its way", await _opened(store, "all", "late"), [False])
    same("the late one", await store.read("usr_all", _id("late"), _NOW), None)
    same("one that comes after", await _opened(store, "all", "next", epoch=1), [True])
    same("how many", await store.end_all("usr_all"), 2)
    same("the sessions", await _ids(store, "all"), [])
    same("those of another", await _ids(store, "bystander"), [_id("d")])
    same("the marks", await store.marks("usr_all"), Marks(2, 0))
    same("of somebody without any", await store.end_all("usr_nobody"), 0)


async def a_change_is_seen_with_the_session(backends: AsyncBackends) -> None:
    """``changed`` raises the version that ``read`` gives, also before the first session is there."""
    store = _store(backends)
    await store.changed("usr_change")
    await _opened(store, "change", "change")
    await store.changed("usr_change")
    kept = await store.read("usr_change", _id("change"), _NOW)
    same("the marks", kept.marks if isinstance(kept, Kept) else None, Marks(0, 2))


async def what_has_expired_is_not_there(backends: AsyncBackends) -> None:
    """A session is open before its end, and neither at it nor after; also when the clock goes back then."""
    store = _store(backends)
    ends = _NOW + timedelta(days=7)
    await _opened(store, "expiry", "expiry")
    same("before", await store.read("usr_expiry", _id("expiry"), ends - timedelta(milliseconds=1)) is None, False)
    same("listed before", len(await store.all("usr_expiry", ends - timedelta(milliseconds=1))), 1)
    same("listed at its end", list(await store.all("usr_expiry", ends)), [])
    same("opened too late", await store.open(_id("late"), _session("expiry"), 0, _MOST, ends), False)


async def no_more_than_the_most_are_open(backends: AsyncBackends, together: Together) -> None:
    """Opening and ending the oldest is one step."""
    store = _store(backends)
    await together([partial(store.open, _id(str(at)), _session("many"), 0, _MOST, _NOW) for at in range(64)])
    same("how many are open", len(await _ids(store, "many")), _MOST)


async def one_successor_takes_the_place(backends: AsyncBackends, together: Together) -> None:
    """Of many that take the place of one session at once, one does."""
    store = _store(backends)
    await _opened(store, "rotate", "first")
    calls = [
        partial(store.open, _id(f"next {at}"), _session("rotate"), 0, 9, _NOW, instead_of=_id("first"))
        for at in range(16)
    ]
    same("how many were opened", sorted(map(bool, await together(calls))), [False] * 15 + [True])
    same("how many are open", len(await _ids(store, "rotate")), 1)


async def nobody_has_the_place_of_one_that_is_ended(backends: AsyncBackends, together: Together) -> None:
    """Whoever takes the place of a session while it is ended is ended with it, or comes too late."""
    store = _store(backends)
    await _opened(store, "family", "first", "bystander", most=99)
    taking = [
        partial(store.open, _id(f"next {at}"), _session("family"), 0, 99, _NOW, instead_of=_id("first"))
        for at in range(16)
    ]
    await together([*taking[:8], partial(store.end, "usr_family", _id("first")), *taking[8:]])
    same("the sessions", await _ids(store, "family"), [_id("bystander")])


async def none_joins_while_all_are_ended(backends: AsyncBackends, together: Together) -> None:
    """Whoever opens a session while all are ended has it ended, or comes too late."""
    store = _store(backends)
    opening = [partial(store.open, _id(f"join {at}"), _session("join"), 0, 99, _NOW) for at in range(16)]
    await together([*opening[:8], partial(store.end_all, "usr_join"), *opening[8:]])
    same("the sessions", await _ids(store, "join"), [])


CHECKS: Final[tuple[Check, ...]] = (
    a_session_comes_back_whole,
    a_session_is_found_for_its_user_alone,
    an_id_is_opened_once,
    the_oldest_make_room,
    a_session_takes_the_place_of_another,
    whose_place_was_taken_is_remembered,
    a_place_is_taken_once_however_often_it_is_said,
    no_more_are_remembered_than_are_needed,
    an_ended_session_stays_so,
    an_update_is_read_back,
    all_of_a_user_end_at_once,
    a_change_is_seen_with_the_session,
    what_has_expired_is_not_there,
)

RACES: Final[tuple[Race, ...]] = (
    no_more_than_the_most_are_open,
    one_successor_takes_the_place,
    nobody_has_the_place_of_one_that_is_ended,
    none_joins_while_all_are_ended,
)
