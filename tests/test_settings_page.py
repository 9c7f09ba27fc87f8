"""docs/settings.md lists every setting that the code reads, as the code declares it."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

from bargein.server.settings import Settings

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "settings.md").read_text("utf-8")
# From the server to its own worker; of a vendor that is an example.
UNLISTED = {"BARGEIN_NICE", "BARGEIN_ACME_URL", "BARGEIN_LANGUAGE"}  # the last: a channel variable of Asterisk


def test_the_page_is_as_its_script_makes_it() -> None:
    made = runpy.run_path(str(ROOT / "tools" / "settings_page.py"))["page"]()
    assert made == PAGE, "run python tools/settings_page.py"


def test_every_setting_says_what_it_is_for() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_every_variable_that_the_code_or_a_page_names_is_listed() -> None:
    texts = [*(ROOT / "src").rglob("*.py"), *(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"]
    named = {name for path in texts for name in re.findall(r"\bBARGEIN_[A-Z0-9_]*[A-Z0-9]\b", path.read_text("utf-8"))}
    assert "BARGEIN_LEAD_MS" in PAGE
    assert {name for name in named - UNLISTED if f"`{name}`" not in PAGE} == set()
