"""What the searches of the floor saw is printed at the end of a run."""

from __future__ import annotations

import pytest
from hypothesis import settings

# A property is about values. How long one example takes depends on what else the machine does.
settings.register_profile("bargein", deadline=None)
settings.load_profile("bargein")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """By the reports, which come from every worker."""
    for report in terminalreporter.getreports("passed"):
        for name, line in report.user_properties:
            if name == "search":
                terminalreporter.write_line(str(line))
