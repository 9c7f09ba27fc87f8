"""The file `.env` beside an agent: variables for `bargein serve`, `demo`, `dev` and `doctor`."""

from __future__ import annotations

import os
from pathlib import Path

from dotenv import dotenv_values

from bargein.errors import UsageError

NAME = ".env"
_ours: dict[str, str] = {}  # variables of this process that an earlier reading has set


def read_env_file(agent: str | None) -> Path | None:
    """Set the variables of `.env` that the process does not have, and return the file. None: there is none.

    agent: as `--agent` names it, or None: the variable BARGEIN_AGENT. `.env` lies in the folder of a FILE.py or
    FILE.toml, else in the working directory. Read again, the file's new values count, and what it has no more is gone.
    Raises UsageError for a file that cannot be read.
    """
    file = agent_folder(agent or os.environ.get("BARGEIN_AGENT", "")) / NAME
    try:
        values = dotenv_values(file, interpolate=False, encoding="utf-8-sig") if file.is_file() else {}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read", advice="Write it in UTF-8, one NAME=value a line") from error
    for name, value in list(_ours.items()):
        if os.environ.get(name) == value:
            del os.environ[name]
    _ours.clear()
    for name, given in values.items():
        if given and not os.environ.get(name):
            os.environ[name] = _ours[name] = given
    return file if file.is_file() else None


def agent_file(agent: str) -> Path | None:
    """The file of FILE.py, FILE.py:NAME or FILE.toml. None: the agent is named otherwise."""
    for suffix in (".py", ".toml"):
        begin, found, _ = agent.rpartition(suffix)
        if found:
            return Path(begin + suffix)
    return None


def agent_folder(agent: str) -> Path:
    """The folder of the agent's file; else the working directory."""
    file = agent_file(agent)
    return Path() if file is None else file.parent
