"""What holds for the whole suite: the long tests, the profiles of Hypothesis, and what is said at the end."""

import os
import secrets

import pytest
from hypothesis import HealthCheck, settings

from tests import lanes, servers
from tests.protocol import counts

# No deadline: a machine that is busy with something else is not a fault of the code. Failures come with the line that
# repeats them. In CI every run tries the same examples, and a third as many; here each run tries new ones.
settings.register_profile("here", deadline=None, print_blob=True)
settings.register_profile("ci", settings.get_profile("ci"), max_examples=30)
settings.register_profile(
    "long", deadline=None, print_blob=True, max_examples=2000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci" if "CI" in os.environ else "here")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long", action="store_true", help="also the tests marked long, and far more examples of each property"
    )


@pytest.hookimpl(tryfirst=True)  # before Hypothesis reads the same options
def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--long"):
        config.option.hypothesis_profile = config.option.hypothesis_profile or "long"
        config.option.hypothesis_seed = config.option.hypothesis_seed or str(secrets.randbits(64))


def pytest_report_header(config: pytest.Config) -> str:
    seed = config.option.hypothesis_seed
    return f"examples: profile {settings.get_current_profile_name()!r}" + (
        f", --hypothesis-seed={seed}" if seed else ""
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("long")]


def pytest_runtest_logfinish() -> None:
    servers.renew_mongo()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if counts.TOLD:
        terminalreporter.section("explored")
        for told in counts.TOLD:
            terminalreporter.line(told)
    terminalreporter.section("lanes")
    for line in lanes.summary():
        terminalreporter.line(line)
