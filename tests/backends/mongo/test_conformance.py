"""Every promise of the ports, kept by each driver in its own flavour."""

import pytest

from tektree.testing import checks
from tests.backends.mongo.boards import fed
from tests.backends.mongo.worlds import World


@pytest.mark.parametrize("check", [*checks(), *checks("subscriptions", "sinks", "effects")])
def test_promise(check: str, world: World) -> None:
    world.keeps(check, lambda: fed(world.backends(), world.look, world.is_async))
