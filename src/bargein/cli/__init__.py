"""The command line. A command's module is imported when that command is called, so that `bargein --help` is quick."""

from __future__ import annotations

from typing import Annotated

import typer

from bargein import __version__
from bargein.cli.lazy_group import Commands

__all__ = ["app"]

app = typer.Typer(
    cls=Commands,
    help="Voice agents that can be interrupted as a person can.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich takes a tenth of a second to import
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bargein {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Voice agents that can be interrupted as a person can."""
