"""What the tests of the command line share."""

from collections.abc import Callable

import pytest

from tektree.cli import main
from tests.lanes import enter

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs ``tektree`` with some arguments in this process: the exit code, and what it wrote to stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        enter("memory")
        code = main(list(arguments))
        said = capsys.readouterr()
        return code, said.out, said.err

    return run
