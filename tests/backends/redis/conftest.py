"""Each test gets an empty Redis, in each lane that it is asked for."""

from collections.abc import Iterator

import pytest

from tests.backends.redis.worlds import ALL, World


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """An empty Redis in the lane of the test's parameter."""
    made = World(request.param)
    try:
        yield made
    finally:
        made.over()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``@pytest.mark.lanes(*names)`` says in which lanes a test runs. Without it, in all of them."""
    if "world" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("lanes")
        metafunc.parametrize("world", list(marker.args) if marker else ALL, indirect=True)
