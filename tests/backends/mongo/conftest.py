"""Each test gets a database of its own, in each lane that it is asked for, dropped when it is over."""

from collections.abc import Iterator

import pytest

from tests.backends.mongo.worlds import ALL, World


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """An empty database in the lane of the test's parameter, with the indexes of the services."""
    made = World.made(request.param)
    try:
        yield made.indexed()
    finally:
        made.over()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``@pytest.mark.lanes(*names)`` says in which lanes a test runs; without it, in all."""
    if "world" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("lanes")
        metafunc.parametrize("world", list(marker.args) if marker else ALL, indirect=True)
