"""A process that ends at any call of a command of accounts, on each driver: the stories of memory, told once more."""

from dataclasses import replace
from typing import Any

import pytest

from tektree.rules import passwords
from tektree.testing import Fault
from tests.accounts import test_crashes
from tests.accounts.test_crashes import FAULTS, HANGS, STORIES
from tests.accounts.worlds import POLICY, Hasher
from tests.accounts.worlds import World as Told
from tests.backends.mongo.worlds import PYMONGO, PYMONGO_ASYNC, REAL, USED, World

pytestmark = [pytest.mark.long, pytest.mark.lanes(PYMONGO, PYMONGO_ASYNC, REAL)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "bcrypt", Hasher())


@pytest.fixture
def stage(world: World, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Where stories are told: over this database, which is emptied before each."""
    found: dict[str, Any] = {}

    def made(flavour: str) -> Told:
        told = Told(flavour)
        if "backends" not in found:
            found["backends"] = world.backends()
        for name in USED:
            world.look[name].delete_many({})
        told.backends = replace(found["backends"])
        return told

    monkeypatch.setattr(test_crashes, "World", made)
    return found


@pytest.mark.parametrize("name", STORIES)
def test_a_crash_at_every_call(world: World, stage: dict[str, Any], name: str) -> None:
    """D12 D14: of every command, then a retry or the sweep."""
    flavour = "async" if world.is_async else "sync"
    faults: list[Fault] = [*FAULTS, *HANGS] if world.is_async else FAULTS

    async def scenario(world: World) -> int:
        return await test_crashes.everywhere(flavour, STORIES[name], faults, POLICY)

    assert world.run(scenario) >= 4
