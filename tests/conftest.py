"""What the searches of the floor saw is printed at the end of a run."""

from __future__ import annotations

import pytest
from hypothesis import settings

# A property is about values. How long one example takes depends on what else the machine does.
settings.register_profile("bargein", deadline=None)
settings.load_profile("bargein")

_SEARCHES: list[str] = []


@pytest.fixture
def record_search() -> list[str]:
    """Lines for the summary."""
    return _SEARCHES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in _SEARCHES:
        terminalreporter.write_line(line)
