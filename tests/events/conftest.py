"""What the explorer looked at is printed at the end of every run that explored."""

import pytest

from tests.protocol import counts


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if counts.TOLD:
        terminalreporter.section("explored")
        for line in counts.TOLD:
            terminalreporter.line(line)
