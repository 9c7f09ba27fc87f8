"""An agent from a Python file: FILE.py:NAME."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from bargein.agent import Agent
from bargein.errors import BargeinError, UsageError

FILE_MODULE = "bargein_agent_file"


def load_agent(where: str) -> Agent:
    """The Agent called NAME in FILE.py. where: "FILE.py:NAME". Raises UsageError that says what is wrong with it."""
    file, _, name = where.rpartition(":")
    if not file or not name.isidentifier():
        raise UsageError(f"{where!r} names no agent in a file", advice="Write it as FILE.py:NAME")
    path = Path(file).resolve()
    spec = importlib.util.spec_from_file_location(FILE_MODULE, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise UsageError(f"There is no Python file {file}", advice="Write the agent as FILE.py:NAME")
    module = importlib.util.module_from_spec(spec)
    sys.modules[FILE_MODULE] = module  # dataclasses in it look themselves up there
    try:
        spec.loader.exec_module(module)
    except BargeinError:
        raise
    except Exception as error:
        raise UsageError(
            f"{file} failed with {type(error).__name__}: {error}", advice="Run it by itself to see why"
        ) from error
    agent = getattr(module, name, None)
    if not isinstance(agent, Agent):
        found = "nothing" if agent is None else f"a {type(agent).__name__}"
        raise UsageError(f"{file} has {found} called {name}", advice=f"Let it say {name} = Agent(...)")
    return agent
