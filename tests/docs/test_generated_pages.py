"""The pages of the reference that are made of the code are what the code says now."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import bargein

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("tool", ["cli_page", "http_page", "vendors_page"])
def test_a_generated_page_is_what_the_code_says(tool: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    module = importlib.import_module(tool)
    assert module.PAGE.read_text("utf-8") == module.page(), f"Run: python tools/{tool}.py"


def test_the_table_of_vendors_is_what_they_declare() -> None:
    module = importlib.import_module("vendors_page")
    (shown,) = module.TABLE.findall(module.GUIDE.read_text("utf-8"))
    assert shown == module.table(), "Run: python tools/vendors_page.py"
    for name in ("anthropic", "assemblyai", "azure", "google", "xai"):
        assert f"`{name}." in shown


def test_llms_txt_is_what_the_pages_say_and_in_the_package() -> None:
    module = importlib.import_module("llms_txt")
    assert module.INDEX.read_text("utf-8") == module.index_text(), "Run: python tools/llms_txt.py"
    assert module.INDEX.parent == Path(bargein.__path__[0])
    assert len(module.index_text()) < 20_000  # a program reads it whole, beside its task


def test_make_pages_makes_every_page_that_a_script_makes() -> None:
    made = {path.stem for path in (ROOT / "tools").glob("*.py") if path.stem.endswith("_page")} | {"llms_txt"}
    (named,) = re.findall(r"^GENERATED := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(named.split()) == made
