"""Typer groups whose commands are imported when they are called, and whose errors are one line each."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from bargein.cli.command_table import GROUPS, Command, broken, find_commands
from bargein.errors import BargeinError


class Commands(TyperGroup):
    """The root group: commands without a dot, and a group for each word before one.

    Types of the command-line library that Typer brings along are named `Any`: it has moved between versions.
    """

    prefix = ""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self._help())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        table = find_commands()
        command = table.get(self.prefix + cmd_name)
        if command is not None:
            return _made(command, cmd_name)
        if any(name.startswith(f"{self.prefix}{cmd_name}.") for name in table):
            group = type("Group", (Commands,), {"prefix": f"{self.prefix}{cmd_name}."})
            return group(
                name=cmd_name, help=_group_help(self.prefix + cmd_name), no_args_is_help=True, rich_markup_mode=None
            )
        return None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list in `--help`, of which nothing is imported."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._help().items()))

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BargeinError as error:
            typer.secho(f"{type(error).__name__}: ", fg="red", err=True, nl=False)
            typer.echo(str(error), err=True)
            raise typer.Exit(2) from None

    def _help(self) -> dict[str, str]:
        """The names of this group's commands, with a line of help each."""
        found: dict[str, str] = {}
        for name, command in find_commands().items():
            if not name.startswith(self.prefix):
                continue
            first, dot, _ = name.removeprefix(self.prefix).partition(".")
            found.setdefault(first, _group_help(self.prefix + first) if dot else command.help)
        return found


def _group_help(name: str) -> str:
    return GROUPS.get(name, f"More commands: see `bargein {name.replace('.', ' ')} --help`")


def _made(command: Command, name: str) -> Any:
    """The command itself, of the function that is imported now."""
    alone = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None, add_completion=False)
    alone.command(name)(command.load())
    try:
        return typer.main.get_command(alone)
    except Exception as error:  # parameters that Typer cannot read raise errors of many kinds
        raise broken(command, error) from error
