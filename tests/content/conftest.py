"""A world in each flavour."""

import pytest

from tests.content.worlds import World


@pytest.fixture(params=["sync", "async"])
def world(request: pytest.FixtureRequest) -> World:
    """Empty storage in memory."""
    return World(request.param)
