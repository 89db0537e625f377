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
    """``@pytest.mark.lanes(*names, long=names)`` says in which lanes a test runs, and in which with ``--long`` only.

    Without it, a test runs in all of them.
    """
    if "world" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("lanes")
        always = list(marker.args) if marker else ALL
        rest = [
            pytest.param(name, marks=pytest.mark.long) for name in (marker.kwargs if marker else {}).get("long", ())
        ]
        metafunc.parametrize("world", [*always, *rest], indirect=True)
