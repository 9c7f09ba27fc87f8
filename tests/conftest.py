"""What the searches of the floor saw is printed at the end of a run."""

from __future__ import annotations

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """By the reports, which come from every worker."""
    for report in terminalreporter.getreports("passed"):
        for name, line in report.user_properties:
            if name == "search":
                terminalreporter.write_line(str(line))
