"""What the tests of the command line share."""

from collections.abc import Callable, Iterator

import pytest

from tektree.cli import main
from tests.backends.mongo.worlds import World
from tests.lanes import PYMONGO, enter

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def no_database_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEKTREE_MONGO", raising=False)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs ``tektree`` with some arguments in this process: the exit code, and what it wrote to stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        enter("memory")
        code = main(list(arguments))
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


class Database:
    """A database that the command line is sent to: its URI, and the world to look into it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.look = world.look
        self.uri = f"{world.uri}{world.name}"


@pytest.fixture
def database() -> Iterator[Database]:
    """An empty one on the wire server, without indexes, dropped in the end."""
    world = World.made(PYMONGO)
    try:
        yield Database(world)
    finally:
        world.over()


@pytest.fixture
def indexed(database: Database) -> Database:
    """The same, with the indexes of the services."""
    database.world.indexed()
    return database
