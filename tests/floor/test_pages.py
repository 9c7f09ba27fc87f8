"""The pages that are made from the floor's code say what the code says."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["policy"])
def test_a_page_is_as_its_script_makes_it(name: str) -> None:
    script = runpy.run_path(str(ROOT / "tools" / f"{name}_page.py"))
    made = script["page"]()
    assert (ROOT / "docs" / f"{name}.md").read_text("utf-8") == made, f"run python tools/{name}_page.py"
