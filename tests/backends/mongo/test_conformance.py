"""Every promise of the ports, kept by each driver in its own flavour."""

from dataclasses import replace

import pytest

from tektree.testing import checks, run, run_async
from tests.backends.mongo.boards import fed
from tests.backends.mongo.worlds import World


@pytest.mark.parametrize("check", [*checks(), *checks("subscriptions", "sinks", "effects")])
def test_promise(check: str, world: World) -> None:
    async def asked(world: World) -> None:
        backends = replace(
            fed(world.backends(), world.look, world.is_async), on_setup=None
        )  # the world has its indexes
        if world.is_async:
            await run_async(check, backends)
        else:
            run(check, backends)

    world.run(asked)
