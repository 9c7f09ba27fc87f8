"""How many workers `auto` means: what the system and the container allow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bargein.server.supervisor.processors import processors


@pytest.mark.parametrize(
    ("told", "count"),
    [
        ("max 100000", 8),
        ("200000 100000", 2),
        ("250000 100000", 2),
        ("50000 100000", 1),
        ("9000000 100000", 8),
        ("100000 0", 8),
        ("nonsense", 8),
        (None, 8),
    ],
)
def test_a_container_has_its_share(
    told: str | None, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    file = tmp_path / "cpu.max"
    if told is not None:
        file.write_text(told)
    assert processors(file) == count
