"""Every promise of the ports that Redis serves, faked and real, in both flavours."""

from dataclasses import replace
from typing import Any

import pytest

from tektree._async.conformance.leaderboards import CHECKS, RACES
from tektree.testing import checks, run, run_async
from tests.backends.redis.worlds import World


def beside(backends: Any) -> Any:
    """With the effects that are kept beside the streams."""
    return replace(backends, effects=backends.stream_effects)


BOARDS = [each.__name__ for each in (*CHECKS, *RACES)]


@pytest.mark.parametrize(
    "check", [*BOARDS, *checks("caches", "quotas", "rate_limits", "sessions", "streams", "effects")]
)
def test_promise(check: str, world: World) -> None:
    async def asked(world: World) -> None:
        if world.is_async:
            await run_async(check, beside(world.backends()))
        else:
            run(check, beside(world.backends()))

    world.run(asked)
