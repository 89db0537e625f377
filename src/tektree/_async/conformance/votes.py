"""What the storage of votes promises, check by check."""

from typing import Any, Final

from tektree._async.conformance import documents
from tektree._async.conformance.documents import Kind
from tektree._async.conformance.samples import NOON, Check, Race, fails, later, same
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.ports.votes import AsyncVoteRepository
from tektree.ids import derived_id
from tektree.models.votes import Tally, Vote

__all__ = ["CHECKS", "RACES"]

_TARGET: Final = derived_id("question", "voted")


def vote(name: str, **more: Any) -> Vote:
    """The vote of somebody of that name."""
    fields: dict[str, Any] = {
        "id": derived_id("vote", name),
        "target_type": "question",
        "target_id": _TARGET,
        "user_id": derived_id("user", name),
        "uid": f"usr_{name}",
        "value": 1,
        "at": NOON,
    }
    return Vote(**{**fields, **more})


_VOTES: Final = Kind("votes", lambda backends: backends.votes, vote, {"value": -1, "at": later(1), "lapsed": True})


def _store(backends: AsyncBackends) -> AsyncVoteRepository:
    return backends.votes or fails("the storages have no votes")


async def votes_are_counted_as_they_are_now(backends: AsyncBackends) -> None:
    """``of_target`` counts the votes on one thing, for it and against it; what was taken back counts for neither.

    ``of_targets`` gives the same of several.
    """
    store = _store(backends)
    stored = [await store.insert(vote(name), []) for name in "abc"]
    await store.insert(vote("d", value=-1), [])
    await store.insert(vote("e", value=0), [])
    await store.insert(vote("f", target_id=derived_id("question", "other")), [])
    same("at first", await store.of_target(_TARGET), Tally(3, 1))
    changed = await store.swap(stored[0], stored[0].record.evolve(value=-1))
    same("after a change", await store.of_target(_TARGET), Tally(2, 2))
    await store.swap(changed, changed.record.evolve(value=0))
    same("after it was taken back", await store.of_target(_TARGET), Tally(2, 1))
    same("of nothing", await store.of_target(derived_id("x")), Tally(0, 0))
    other = derived_id("question", "other")
    found = await store.of_targets([_TARGET, derived_id("x"), other])
    told = {id: tally for id, tally in found.items() if any(tally)}
    same("of several", told, {_TARGET: Tally(2, 1), other: Tally(1, 0)})
    same("of none", dict(await store.of_targets([])), {})


async def votes_on_a_thing_are_found(backends: AsyncBackends) -> None:
    """``on_target`` gives the votes on one thing and no other, in pages, in the order of ids."""
    store = _store(backends)
    every = sorted([vote(name, value=value) for name, value in zip("abcd", (1, 0, -1, 1), strict=True)], key=_id)
    for each in (*every, vote("e", target_id=derived_id("question", "other"))):
        await store.insert(each, [])
    same("all", list(await store.on_target(_TARGET, None, 9)), every)
    same("a page", list(await store.on_target(_TARGET, None, 3)), every[:3])
    same("the next", list(await store.on_target(_TARGET, every[2].id, 3)), every[3:])
    same("on nothing", list(await store.on_target(derived_id("x"), None, 9)), [])


def _id(record: Vote) -> str:
    return record.id


CHECKS: Final[tuple[Check, ...]] = (
    *documents.checks_of(_VOTES),
    votes_are_counted_as_they_are_now,
    votes_on_a_thing_are_found,
)
RACES: Final[tuple[Race, ...]] = documents.races_of(_VOTES)
