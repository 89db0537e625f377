"""Every promise of the ports that Redis serves, faked and real, in both flavours."""

import pytest

from tektree._async.conformance.leaderboards import CHECKS, RACES
from tektree.testing import checks, run, run_async
from tests.backends.redis.worlds import World

BOARDS = [each.__name__ for each in (*CHECKS, *RACES)]


@pytest.mark.parametrize("check", [*BOARDS, *checks("caches", "quotas", "rate_limits", "sessions")])
def test_promise(check: str, world: World) -> None:
    async def asked(world: World) -> None:
        if world.is_async:
            await run_async(check, world.backends())
        else:
            run(check, world.backends())

    world.run(asked)
