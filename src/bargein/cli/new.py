"""`bargein new`: a folder with an agent, its test, and all that it needs to run."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from bargein.cli.project_templates import TEMPLATES, ProjectTemplate, project_files
from bargein.errors import UsageError

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
TAKEN = ("bargein", "bargein_bench", "bargein_simulators")  # a folder of that name would be imported in place of ours


def new(
    name: Annotated[str, typer.Argument(help="The new folder's name")],
    template: Annotated[str, typer.Option(help=", ".join(TEMPLATES))] = "simple",
) -> None:
    """Make a folder with an agent, its test, and what it needs to run."""
    chosen = TEMPLATES.get(template)
    if chosen is None:
        raise UsageError(f"There is no template {template!r}", advice=f"Choose one of {', '.join(TEMPLATES)}")
    folder = Path(name)
    make_project(folder, chosen)
    typer.echo(f"Made {folder}: {chosen.summary}.")
    typer.echo("Next:")
    typer.echo(f"  cd {folder}")
    typer.echo("  pip install -r requirements-dev.txt && pytest")
    typer.echo("  bargein dev agent.py" + ("" if chosen.offline else "   # with the keys of .env.example in .env"))


def make_project(folder: Path, template: ProjectTemplate) -> None:
    """Make the folder, whole or not at all. Raises UsageError for a bad name, and for what is there already."""
    name = folder.name
    if not NAME.fullmatch(name) or name.lower() in TAKEN:
        raise UsageError(
            f"{name!r} cannot be the name of an agent's folder",
            advice="Begin with a letter, and use letters, digits, - and _ (64 at most), such as my-agent",
        )
    if folder.exists() or folder.is_symlink():
        raise UsageError(f"{folder} is there already", advice="Choose another name, or remove it")
    texts = project_files(template, name)
    try:
        building = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=folder.parent))
        try:
            for file, text in texts.items():
                (building / file).write_text(text, encoding="utf-8")
            building.chmod(0o755)  # a temporary folder is its owner's alone
            building.rename(folder)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be made: {error.strerror or error}", advice="Choose a folder that can be written to"
        ) from error
