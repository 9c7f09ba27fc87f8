"""`--agent FILE.py:NAME`: the Agent in a user's Python file. Whatever goes wrong in that file is a UsageError."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from bargein.agent import Agent
from bargein.errors import BargeinError, UsageError

FILE_MODULE = "bargein_agent_file"
_numbers = itertools.count(2)


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
    # A file that is loaded again is another module: calls that run keep the functions and classes of the former one.
    name = FILE_MODULE if FILE_MODULE not in sys.modules else f"{FILE_MODULE}_{next(_numbers)}"
    spec = importlib.util.spec_from_file_location(name, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise UsageError(f"There is no Python file {file}", advice="Write the agent as FILE.py:NAME")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses in it look themselves up there
    sys.path.insert(0, str(path.parent))  # its neighbours can be imported, as when Python runs the file itself
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        sys.modules.pop(name, None)
        raise _told(error, path, file) from error
    finally:
        sys.path.remove(str(path.parent))
    return module


def _told(error: BaseException, path: Path, file: str) -> BaseException:
    """What a user is told of a mistake in the file. A signal (KeyboardInterrupt) stays what it is."""
    if isinstance(error, BargeinError):
        return UsageError(f"{_place(error, path, file)}: {error.message}", advice=error.advice)
    if not isinstance(error, Exception | SystemExit):
        return error
    what = error.msg if isinstance(error, SyntaxError) else error
    return UsageError(
        f"{_place(error, path, file)} failed with {type(error).__name__}: {what}",
        advice=f"Run `python {file}` to see more",
    )


def _place(error: BaseException, path: Path, file: str) -> str:
    """Where in the user's files an error came up, as "agent.py:12": in FILE.py, or in a neighbour that it imports.

    file: FILE.py as the user names it. The line is left out where a file could not be read at all.
    """
    steps = [(step.filename, step.lineno) for step in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename is not None:
        steps.append((error.filename, error.lineno))
    own = [(Path(name), line) for name, line in steps if Path(name).is_absolute() and is_own(Path(name), path.parent)]
    if not own:
        return file
    name, line = own[-1]
    shown = Path(file).parent / name.relative_to(path.parent)
    return f"{shown}:{line}" if line else str(shown)


def is_own(file: Path, folder: Path) -> bool:
    """Whether a file is the user's own: in the folder, and in no environment or cache that lies there."""
    if not file.is_relative_to(folder):
        return False
    parts = file.relative_to(folder).parts[:-1]
    return not any(part.startswith(".") or part in ("site-packages", "node_modules", "__pycache__") for part in parts)


def file_modules() -> set[str]:
    """Names of the modules that agents' files are at present."""
    return {name for name in sys.modules if name.startswith(FILE_MODULE)}


@contextmanager
def fresh_neighbours(folder: Path) -> Iterator[None]:
    """Within the block, the modules in the folder are imported anew. They are put back as they were if it fails."""
    old: dict[str, ModuleType] = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        ours = name == "__main__" or name.startswith(FILE_MODULE)
        if not ours and isinstance(file, str) and is_own(Path(file), folder):
            old[name] = sys.modules.pop(name)
    importlib.invalidate_caches()
    try:
        yield
    except BaseException:
        sys.modules.update(old)
        raise


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
