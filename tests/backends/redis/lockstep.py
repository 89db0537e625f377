"""Steps for two stores in lock step: a few of them for Hypothesis, or very many."""

import random
import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from hypothesis import strategies as st

from tests.backends.redis.worlds import World

__all__ = ["LONG_LANE", "Steps", "chosen", "far"]

LONG_LANE = 100_000
"""So many steps the long lane takes with each store."""
EPISODE = 200
"""After so many both begin anew: Redis remembers names of calls for a minute of its own clock."""

Steps = Mapping[str, tuple[Sequence[Any], ...]]
"""By its name, from what the parts of a step are chosen."""


def chosen(choices: Steps) -> st.SearchStrategy[list[Any]]:
    """Lists of such steps."""
    steps = [st.tuples(st.just(name), *map(st.sampled_from, parts)) for name, parts in choices.items()]
    return st.lists(st.one_of(steps), max_size=40)


def far(choices: Steps, ours: Callable[[], Any], walked: Callable[..., Any], number: int, world: World) -> None:
    """So many steps, in episodes, each against an empty store of ours. What fails says by which seed it came."""
    seed = secrets.randbits(64)
    draw = random.Random(seed)
    for _ in range(number // EPISODE):
        names = draw.choices(list(choices), k=EPISODE)
        steps = [(name, *[draw.choice(parts) for parts in choices[name]]) for name in names]
        world.look.flushall()
        try:
            world.run(partial(walked, ours(), steps))
        except AssertionError as error:
            error.add_note(f"seed {seed}")
            raise
