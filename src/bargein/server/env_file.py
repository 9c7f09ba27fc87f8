"""The file `.env` beside an agent: variables for `bargein serve`, `demo`, `dev` and `doctor`."""

from __future__ import annotations

import os
from pathlib import Path

from dotenv import dotenv_values

from bargein.errors import UsageError

NAME = ".env"


def read_env_file(agent: str | None) -> Path | None:
    """Set the variables of `.env` that are not set, and return the file. None: there is none.

    agent: as `--agent` names it, or None: the variable BARGEIN_AGENT. `.env` lies in the folder of a FILE.py or
    FILE.toml, else in the working directory. Raises UsageError for a file that cannot be read.
    """
    file = _folder(agent or os.environ.get("BARGEIN_AGENT", "")) / NAME
    if not file.is_file():
        return None
    try:
        values = dotenv_values(file, interpolate=False, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read", advice="Write it in UTF-8, one NAME=value a line") from error
    for name, value in values.items():
        if value and not os.environ.get(name):
            os.environ[name] = value
    return file


def _folder(agent: str) -> Path:
    """The folder of FILE.py, FILE.py:NAME or FILE.toml; else the working directory."""
    for suffix in (".py", ".toml"):
        begin, found, _ = agent.rpartition(suffix)
        if found:
            return Path(begin + suffix).parent
    return Path()
