"""Which commands there are: our own, and those that installed packages add by the entry-point group `bargein.commands`.

An entry point's name is the command's ("bench"), with a dot for a command of a group ("simulate.twilio"); its value is
a function as Typer takes it ("bargein_bench.command:bench"). The line that `--help` shows is the first sentence of the
function's docstring, read from its source: no command is imported to be listed.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from bargein.errors import Unavailable

GROUP = "bargein.commands"
GROUPS = {"simulate": "Vendors' wire protocols, spoken locally"}


@dataclass(frozen=True, slots=True)
class Command:
    """A command that may not have been imported yet."""

    name: str
    """With a dot for a command of a group."""
    target: str
    """The function, as "module:function"."""

    @property
    def help(self) -> str:
        """The first sentence of the function's docstring, "" where there is none to read."""
        module, _, function = self.target.partition(":")
        return _help_lines(module).get(function, "").partition(". ")[0].rstrip(".")

    def load(self) -> Callable[..., Any]:
        """Raises Unavailable, naming what is missing, where the function cannot be imported."""
        module, _, function = self.target.partition(":")
        try:
            found: Callable[..., Any] = getattr(importlib.import_module(module), function)
        except ModuleNotFoundError as error:
            raise Unavailable(
                f"The command {self.name!r} needs the package {error.name}, which is not installed",
                advice="Install everything with pip install 'bargein[embedded]', or that package alone",
            ) from error
        except Exception as error:  # another package's module may do anything when it is imported
            raise broken(self, error) from error
        return found


def broken(command: Command, error: Exception) -> Unavailable:
    """The command's function is there, and cannot be a command."""
    return Unavailable(
        f"The command {command.name!r} cannot be loaded from {command.target}: {str(error).partition(chr(10))[0]}",
        advice="Install again the package that brings it, or remove it",
    )


OURS = (
    Command("serve", "bargein.cli.serve:serve"),
    Command("demo", "bargein.cli.demo:demo"),
    Command("dev", "bargein.cli.dev:dev"),
    Command("new", "bargein.cli.new:new"),
    Command("replay", "bargein.cli.replay:replay_command"),
    Command("show", "bargein.cli.show:show_command"),
    Command("export", "bargein.cli.export:export_command"),
    Command("console", "bargein.cli.console:console_command"),
    Command("call", "bargein.cli.call:call_command"),
    Command("drain", "bargein.cli.drain:drain_command"),
    Command("fleet", "bargein.cli.fleet:fleet_command"),
    Command("doctor", "bargein.server.doctor:doctor_command"),
)


def find_commands() -> dict[str, Command]:
    """All commands by name. Ours cannot be replaced."""
    found = {command.name: command for command in OURS}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        found.setdefault(point.name, Command(point.name, point.value.partition("[")[0].strip()))
    return found


@cache
def _help_lines(module: str) -> dict[str, str]:
    """The first line of each function's docstring. Finding a module imports the packages around it, nothing more."""
    try:
        spec = importlib.util.find_spec(module)
        source: str | None = spec.loader.get_source(module) if spec and spec.loader else None  # type: ignore[attr-defined]
        tree = ast.parse(source or "")
    except (ImportError, AttributeError, SyntaxError, ValueError):
        return {}
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {node.name: (ast.get_docstring(node) or "").partition("\n")[0] for node in functions}
