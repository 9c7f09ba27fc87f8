"""Makes docs/reference/cli.md of the commands themselves: `python tools/cli_page.py`. A test keeps the page true."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any
from unittest.mock import patch

import typer.main

from bargein.cli import app
from bargein.cli.command_table import GROUP

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "cli.md"
HEAD = """\
<!-- Made by tools/cli_page.py from the commands in src/. Change those, and run the script. -->

# The command line

`bargein COMMAND --help` says the same in a terminal. Options that are settings stand in
[settings.md](../settings.md) with their variables and ranges. An error is one line with its remedy, and ends with 2;
`--verbose` shows more where a command has it.
"""


def page() -> str:
    """The page, whole. The commands of entry points are those of pyproject.toml, whatever else is installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    points = [EntryPoint(name, target, GROUP) for name, target in project["entry-points"][GROUP].items()]
    with patch("bargein.cli.command_table.entry_points", lambda *, group: points):
        root: Any = typer.main.get_command(app)
        return HEAD + "".join(_commands(root, root.make_context("bargein", [], resilient_parsing=True), "bargein"))


def _commands(group: Any, context: Any, path: str) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        inner = command.make_context(name, [], parent=context, resilient_parsing=True)
        if hasattr(command, "list_commands"):
            yield f"\n## {path} {name}\n\n{_prose(command.help)}.\n"
            yield from _commands(command, inner, f"{path} {name}")
        else:
            yield _command(command, inner, f"{path} {name}")


def _command(command: Any, context: Any, path: str) -> str:
    usage = " ".join(command.collect_usage_pieces(context))
    rows = [record for param in command.params if (record := param.get_help_record(context))]
    table = "".join(f"| `{_cell(names)}` | {_cell(text)} |\n" for names, text in rows if "--help" not in names)
    level = "#" * path.count(" ")
    head = f"\n#{level} {path}\n\n{_prose(command.help)}\n\n```text\n{path} {usage}\n```\n"
    return head + (f"\n| argument or option | |\n| --- | --- |\n{table}" if table else "")


def _prose(text: str | None) -> str:
    """A docstring's paragraphs, each on one line, without the control characters that keep line breaks."""
    paragraphs = re.split(r"\n\s*\n", (text or "").replace("\b", "").strip())
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
