"""The matrix of who sees what: every viewer, every kind of thing, every state, every way to look. In memory."""

from collections.abc import Callable
from typing import Any

import pytest

from tektree._async.services.filing import AsyncFiling
from tektree._async.services.owned import AsyncOwned
from tektree._async.services.viewers import AsyncViewers
from tektree.rules import visibility
from tests.content.matrix import STATES, VIEWERS, amiss, people, staged
from tests.content.worlds import POLICY, World


async def on_stage(world: World, state: str, *, change: bool = False) -> Any:
    for user in people(world.clock(), state):
        await world.store.accounts.insert(user, [])
    return await staged(world.tek(POLICY), state, world.clock(), change=change)


@pytest.mark.parametrize("state", STATES)
def test_every_cell(world: World, state: str) -> None:
    """E8, E9, G8, G9, G10, G11, G12, G14: as the oracle says."""

    async def scenario(world: World) -> None:
        stage = await on_stage(world, state)
        assert await amiss(stage) == []
        cells = len(VIEWERS) * sum([len(looks) for looks in stage.looks.values()])
        assert cells >= (100 if state in ("draft", "scheduled") else 400)

    world.run(scenario)


@pytest.mark.parametrize("state", ["private", "connections"])
def test_every_cell_after_a_change(world: World, state: str) -> None:
    """G13: what was public shows nothing more of it, on no path."""

    async def scenario(world: World) -> None:
        assert await amiss(await on_stage(world, state, change=True)) == []

    world.run(scenario)


# -- what is wrong is found --------------------------------------------------------------------------------------------


def everybody_is_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    async def known(self: Any, viewer: Any) -> Any:
        from tests.content.matrix import OWNER

        return viewer if viewer.connected is not None else viewer._replace(connected=frozenset({OWNER.id}))

    monkeypatch.setattr(AsyncViewers, "known", known)


def nobody_is_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    async def known(self: Any, viewer: Any) -> Any:
        return viewer._replace(connected=frozenset())

    monkeypatch.setattr(AsyncViewers, "known", known)


def requests_count(monkeypatch: pytest.MonkeyPatch) -> None:
    from tektree._async.backends.memory.connections import AsyncMemoryConnections

    async def connected(self: Any, user_id: str, limit: int) -> Any:
        found = [each.record for each in self._stored.values() if user_id in each.record.users and each.record.asked]
        return [other for each in found for other in each.users if other != user_id]

    monkeypatch.setattr(AsyncMemoryConnections, "connected", connected)


def blocks_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    from tektree.rules import connections

    def blocked(old: Any, by: Any, now: Any) -> Any:
        return None

    monkeypatch.setattr(connections, "blocked", blocked)


def areas_are_named_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    async def seen_of(self: Any, ids: Any, viewer: Any) -> Any:
        return set(ids)

    monkeypatch.setattr(AsyncFiling, "seen", seen_of)


def lists_forget_the_viewer(monkeypatch: pytest.MonkeyPatch) -> None:
    def sight(self: Any, viewer: Any) -> Any:
        return visibility.sight(visibility.Viewer(None, "moderator"), self._clock())

    monkeypatch.setattr(AsyncOwned, "sight", sight)


def single_things_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    async def shown(self: Any, record: Any, viewer: Any) -> bool:
        return record is not None

    monkeypatch.setattr(AsyncOwned, "shown", shown)


@pytest.mark.parametrize(
    ("broken", "state"),
    [
        (everybody_is_connected, "connections"),
        (nobody_is_connected, "connections"),
        (requests_count, "connections"),
        (blocks_do_not_count, "connections"),
        (areas_are_named_to_all, "private"),
        (lists_forget_the_viewer, "connections"),
        (single_things_are_shown, "deleted"),
    ],
)
def test_what_is_done_wrong_is_found(
    broken: Callable[[pytest.MonkeyPatch], None], state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The positive controls."""
    world = World("async")
    broken(monkeypatch)

    async def scenario(world: World) -> None:
        assert await amiss(await on_stage(world, state))

    world.run(scenario)
