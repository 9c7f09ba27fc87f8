"""`--agent FILE.py:NAME`: the Agent in a user's Python file. Whatever goes wrong in that file is a UsageError."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from bargein.agent import Agent
from bargein.errors import BargeinError, UsageError

FILE_MODULE = "bargein_agent_file"


def is_agent_file(where: str) -> bool:
    """Whether `--agent` names a Python file, with or without the agent in it."""
    return where.endswith(".py") or ":" in where


def load_agent(where: str) -> Agent:
    """The agent that "FILE.py:NAME" names; "FILE.py" will do where the file has exactly one.

    Raises UsageError that names the file, what is wrong with it, and the remedy.
    """
    file, name = _split(where)
    module = _run(file)
    if name is None:
        return _only_agent(file, module)
    agent = getattr(module, name, None)
    if isinstance(agent, Agent):
        return agent
    found = "nothing" if agent is None else f"a {type(agent).__name__}"
    names = list(_agents(module))
    advice = f"Choose one of {', '.join(names)}" if names else f"Let it say {name} = Agent(...)"
    raise UsageError(f"{file} has {found} called {name}", advice=advice)


def _split(where: str) -> tuple[str, str | None]:
    if where.endswith(".py"):
        return where, None
    file, _, name = where.rpartition(":")
    if not file or not name.isidentifier():
        raise UsageError(f"{where!r} names no agent in a file", advice="Write it as FILE.py:NAME")
    return file, name


def _run(file: str) -> ModuleType:
    path = Path(file).resolve()
    spec = importlib.util.spec_from_file_location(FILE_MODULE, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise UsageError(f"There is no Python file {file}", advice="Write the agent as FILE.py:NAME")
    module = importlib.util.module_from_spec(spec)
    sys.modules[FILE_MODULE] = module  # dataclasses in it look themselves up there
    sys.path.insert(0, str(path.parent))  # its neighbours can be imported, as when Python runs the file itself
    try:
        spec.loader.exec_module(module)
    except BargeinError as error:
        line = _line(error, path)
        raise UsageError(f"{file}{line}: {error.message}", advice=error.advice) from error
    except (Exception, SystemExit) as error:
        line = _line(error, path)
        raise UsageError(
            f"{file}{line} failed with {type(error).__name__}: {error}", advice=f"Run `python {file}` to see more"
        ) from error
    finally:
        sys.path.remove(str(path.parent))
    return module


def _line(error: BaseException, path: Path) -> str:
    """Where in the user's file an error came up, as ":12"; "" where the file could not be read at all."""
    if isinstance(error, SyntaxError):
        return f":{error.lineno}"
    lines = [step.lineno for step in traceback.extract_tb(error.__traceback__) if step.filename == str(path)]
    return f":{lines[-1]}" if lines else ""


def _agents(module: ModuleType) -> dict[str, Agent]:
    """The module's agents by name; an agent with two names counts once."""
    found: dict[int, tuple[str, Agent]] = {}
    for name, value in vars(module).items():
        if isinstance(value, Agent) and not name.startswith("_"):
            found.setdefault(id(value), (name, value))
    return dict(found.values())


def _only_agent(file: str, module: ModuleType) -> Agent:
    agents = _agents(module)
    if len(agents) == 1:
        return next(iter(agents.values()))
    if not agents:
        raise UsageError(f"{file} has no agent", advice="Let it say agent = Agent(llm=..., tts=...)")
    raise UsageError(
        f"{file} has {len(agents)} agents: {', '.join(agents)}", advice=f"Name one: {file}:{next(iter(agents))}"
    )
