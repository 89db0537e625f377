"""What the storage of subscriptions promises, check by check."""

from functools import partial
from typing import Final

from tektree._async.conformance.samples import NOON, Check, Race, Together, fails, later, refused, same
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.ports.subscriptions import AsyncSubscriptionRepository
from tektree.errors import Stale
from tektree.ids import user_id_of
from tektree.models.subscriptions import Subscription
from tektree.rules.subscriptions import free, started

__all__ = ["CHECKS", "RACES"]

_ADA: Final = user_id_of("usr_ada")
_BEN: Final = user_id_of("usr_ben")


def _store(backends: AsyncBackends) -> AsyncSubscriptionRepository:
    if backends.subscriptions is None:
        fails("these storages have no subscriptions")
    return backends.subscriptions


def _paid(version: int, tier: str = "pro") -> Subscription:
    made = started(free(_ADA, NOON), _ADA, "pro", "annual", 14, later(days=version))
    return made.evolve(tier=tier, version=version, pending_tier="team", polar_subscription_id="sub_polar_xyz")


async def who_has_none_has_none(backends: AsyncBackends) -> None:
    """``get`` gives None for a user without one."""
    same("a subscription that was never written", await _store(backends).get(_ADA), None)


async def what_was_written_is_read(backends: AsyncBackends) -> None:
    """``swap`` writes the first one and each that follows, with all of their fields, and of that user alone."""
    store, first = _store(backends), free(_ADA, NOON).evolve(version=1)
    await store.swap(None, first)
    same("the first", await store.get(_ADA), first)
    await store.swap(first, _paid(2))
    same("the second", await store.get(_ADA), _paid(2))
    third = first.evolve(version=3, canceled_at=later(days=9))
    await store.swap(_paid(2), third)
    same("the third, which lacks what the second had", await store.get(_ADA), third)
    same("that of somebody else", await store.get(_BEN), None)


async def one_that_others_wrote_has_no_version_and_is_changed(backends: AsyncBackends) -> None:
    """No version is version 0: it was written by others, or before there were versions."""
    store, first = _store(backends), free(_ADA, NOON)
    await store.swap(None, first)
    same("the first", await store.get(_ADA), first)
    await store.swap(first, _paid(1))
    same("the second", await store.get(_ADA), _paid(1))


async def what_is_stale_is_refused(backends: AsyncBackends) -> None:
    """``swap`` raises `Stale` for another version than the stored one, and for a first where there is one."""
    store = _store(backends)
    await refused("a change of none", Stale, store.swap, _paid(1), _paid(2))
    same("after that", await store.get(_ADA), None)
    await store.swap(None, _paid(1))
    await store.swap(_paid(1), _paid(2))
    for what, old, new in (
        ("a second first", None, _paid(1, "team")),
        ("an older one", _paid(1), _paid(2, "team")),
        ("a newer one", _paid(3), _paid(4, "team")),
        ("one without version", _paid(1).evolve(version=None), _paid(1, "team")),
    ):
        await refused(what, Stale, store.swap, old, new)
        same(f"after {what}", await store.get(_ADA), _paid(2))


async def what_is_due_is_found(backends: AsyncBackends) -> None:
    """``due`` gives the users whose subscriptions are due by then, those that wait longest first, and no others."""
    store, names = _store(backends), ("ada", "ben", "cyn", "dan")
    users = [user_id_of(f"usr_{name}") for name in names]
    made = [free(user, NOON).evolve(version=1, due=due) for user, due in zip(users, (7, 3, None, 9), strict=True)]
    for each in made:
        await store.swap(None, each)
    same("before any is", list(await store.due(2, 9)), [])
    same("at the very millisecond", list(await store.due(7, 9)), [users[1], users[0]])
    same("all", list(await store.due(99, 9)), [users[1], users[0], users[3]])
    same("one of them", list(await store.due(99, 1)), [users[1]])
    await store.swap(made[1], made[1].evolve(version=2, due=None))
    same("after one was done", list(await store.due(99, 9)), [users[0], users[3]])


async def of_many_first_ones_one_is_written(backends: AsyncBackends, together: Together) -> None:
    """A user has one subscription."""
    store = _store(backends)
    found = await together([partial(store.swap, None, _paid(at)) for at in range(1, 9)])
    same("who was refused", len([each for each in found if isinstance(each, Stale)]), 7)
    same("what it says", await store.get(_ADA), _paid(1 + [isinstance(each, Stale) for each in found].index(False)))


async def of_many_changes_of_one_version_one_is_written(backends: AsyncBackends, together: Together) -> None:
    """``swap`` compares and writes in one step."""
    store = _store(backends)
    await store.swap(None, _paid(1))
    tiers = ["free", "pro", "team", "enterprise"]
    found = await together([partial(store.swap, _paid(1), _paid(2, tier)) for tier in tiers])
    refusals = [isinstance(each, Stale) for each in found]
    same("who was refused", sum(refusals), 3)
    same("what it says", await store.get(_ADA), _paid(2, tiers[refusals.index(False)]))


CHECKS: Final[tuple[Check, ...]] = (
    who_has_none_has_none,
    what_was_written_is_read,
    one_that_others_wrote_has_no_version_and_is_changed,
    what_is_stale_is_refused,
    what_is_due_is_found,
)

RACES: Final[tuple[Race, ...]] = (of_many_first_ones_one_is_written, of_many_changes_of_one_version_one_is_written)
