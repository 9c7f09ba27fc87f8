"""What the pages name is there: variables, targets of make, commands of python -m; and their data can be read."""

from __future__ import annotations

import importlib.util
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from docs_pages import pages

from bargein.server.settings import Settings
from tests.docs.shell_blocks import blocks

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *pages()]
TEXT = {page: page.read_text("utf-8") for page in PAGES}
VARIABLE = re.compile(r"\bBARGEIN_[A-Z0-9]+(?:_[A-Z0-9]+)*\b")


def read_by_the_code() -> set[str]:
    """Every variable of ours that the code, the deployment or the vendors' declarations name."""
    folders = ("src", "deploy", "benchmarks")
    kinds = (".py", ".yaml", ".example")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in kinds]
    named = {name for path in files for name in VARIABLE.findall(path.read_text("utf-8"))}
    return named | {Settings.variable(name) for name in Settings.model_fields}


def test_every_variable_of_the_pages_is_read_by_the_code() -> None:
    vendors = "|".join(path.name.upper() for path in (ROOT / "src" / "bargein" / "vendors").iterdir())
    address = re.compile(rf"BARGEIN_({vendors}|ACME)_URL")
    known = read_by_the_code()
    named = {(page.name, name) for page, text in TEXT.items() for name in VARIABLE.findall(text)}
    named -= {("asterisk.md", "BARGEIN_LANGUAGE")}  # a channel variable of Asterisk
    assert sorted(one for one in named if one[1] not in known and not address.fullmatch(one[1])) == []


def test_every_target_of_make_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {(page.name, name) for page, text in TEXT.items() for name in re.findall(r"[`\n]make ([a-z-]+)", text)}
    assert named
    assert sorted((page, name) for page, name in named if name not in targets) == []


def test_every_module_that_is_run_is_there() -> None:
    named = {(page.name, name) for page, text in TEXT.items() for name in re.findall(r"python -m ([\w.]+)", text)}
    ours = {(page, name) for page, name in named if name.split(".")[0] in ("bargein", "benchmarks", "tests")}
    assert ours
    assert sorted((page, name) for page, name in ours if importlib.util.find_spec(name) is None) == []


DATA = [
    pytest.param(block.language, block.text, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, block in enumerate(blocks(page))
    if block.language in ("toml", "json", "yaml")
]


@pytest.mark.parametrize(("language", "text"), DATA)
def test_data_in_a_page_can_be_read(language: str, text: str) -> None:
    read: dict[str, Any] = {"toml": tomllib.loads, "json": json.loads, "yaml": yaml.safe_load}
    assert read[language](text)
