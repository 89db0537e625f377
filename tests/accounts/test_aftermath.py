"""A change of an account that stands is not said to be undone, whatever is away behind it."""

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import pytest

import tektree._async.services.accounts as async_accounts
import tektree._sync.services.accounts as sync_accounts
from tektree import Policy
from tektree.backends.memory import AsyncMemoryRateLimits, MemoryRateLimits
from tektree.errors import OutcomeUnknown, Unavailable
from tektree.testing import Fault, Faulty
from tests.accounts.worlds import COST, ROOT, World, names, registered

POLICY = Policy(passwords={"bcrypt_cost": COST, "waiting": 1_000})
NEW = "battery staple"


@dataclass(frozen=True)
class Story:
    """A change, what it needs before, and what is other once it stands."""

    command: Callable[[Any, Any, Any], Awaitable[Any]]
    before: Callable[[Any, Any], Awaitable[Any]]
    field: str


async def _nothing(tek: Any, user: Any) -> None:
    return None


async def _reset(tek: Any, user: Any) -> Any:
    return await tek.accounts.request_password_reset(user.email)


STORIES = {
    "reset": Story(lambda tek, user, token: tek.accounts.reset_password(token, NEW), _reset, "epoch"),
    "change": Story(
        lambda tek, user, _: tek.accounts.change_password(user, names()["password"], NEW), _nothing, "epoch"
    ),
    "disable": Story(lambda tek, user, _: tek.accounts.disable(ROOT, user.id), _nothing, "status"),
    "role": Story(lambda tek, user, _: tek.accounts.set_role(ROOT, user.id, "moderator"), _nothing, "role"),
    "erase": Story(lambda tek, user, _: tek.accounts.erase(user, user.id), _nothing, "status"),
}


async def attempted(flavour: str, story: Story, at: int, fault: Fault) -> tuple[Faulty[Any], Any, bool]:
    """What came of a change that meets a fault, and whether it stands."""
    world = World(flavour)
    limits: Any = AsyncMemoryRateLimits if world.is_async else MemoryRateLimits
    world.backends = replace(world.backends, rate_limits=limits(world.clock))
    user = await registered(world.tek(POLICY))
    given = await story.before(world.tek(POLICY), user)
    faulty = Faulty(world.backends, at, fault)
    found: Any = None
    try:
        found = await story.command(world.tek(POLICY, faulty.backends), user, given)
    except (Unavailable, OutcomeUnknown) as error:
        found = error
    after = await world.tek(POLICY).accounts.get(user.id)
    return faulty, found, getattr(after, story.field) != getattr(user, story.field)


async def untrue(flavour: str, story: Story) -> list[str]:
    wrong, at = [], 0
    while True:
        for fault in (Fault.REFUSED, Fault.LOST):
            faulty, found, stands = await attempted(flavour, story, at, fault)
            if isinstance(found, Unavailable) and stands:
                wrong.append(f"{faulty.struck}: it stands, and was said not to")
            if not isinstance(found, Exception) and not stands:
                wrong.append(f"{faulty.struck}: it does not stand, and was said to")
        if faulty.struck is None:
            return wrong
        at += 1


@pytest.mark.parametrize("flavour", ["sync", "async"])
@pytest.mark.parametrize("name", STORIES)
def test_a_change_that_stands_is_not_said_to_be_undone(flavour: str, name: str) -> None:
    assert World(flavour).run(lambda _: untrue(flavour, STORIES[name])) == []


@pytest.mark.parametrize("flavour", ["sync", "async"])
def test_a_reset_that_raises_what_follows_is_found(flavour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The positive control."""
    for module in (async_accounts, sync_accounts):
        monkeypatch.setattr(module, "left_to", lambda *_: nullcontext())
    found = World(flavour).run(lambda _: untrue(flavour, STORIES["reset"]))
    assert set(found) == {"rate_limits.clear: it stands, and was said not to"}


@pytest.mark.parametrize("flavour", ["sync", "async"])
def test_an_erasure_that_says_nothing_of_what_has_begun_is_found(flavour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The positive control."""
    for module in (async_accounts, sync_accounts):
        monkeypatch.setattr(module, "OutcomeUnknown", Unavailable)
    assert len(World(flavour).run(lambda _: untrue(flavour, STORIES["erase"]))) > 3
