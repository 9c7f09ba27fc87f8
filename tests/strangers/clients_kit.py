"""Runs a client of another framework in that framework's own environment, and reads what it saw.

`make test` makes the environment (`.venv/strangers`). STRANGERS_PYTHON names the Python of another one.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Json = dict[str, Any]

CLIENTS = Path(__file__).parent / "clients"
PYTHON = Path(os.environ.get("STRANGERS_PYTHON") or Path(sys.prefix) / "strangers" / "bin" / "python")
LIMIT_S = 60.0


def installed() -> Path:
    """The Python of that environment."""
    assert PYTHON.exists(), f"{PYTHON} is missing: `make test` installs it"
    return PYTHON


def prepared(folder: Path, speech: bytes) -> Path:
    """The file that a client's user speaks. speech: PCM of 24 kHz."""
    spoken = folder / "speech.pcm"
    spoken.write_bytes(speech)
    return spoken


async def ran(
    script: Path, *words: str | Path, folder: Path, path: Sequence[Path] = (), limit_s: float = LIMIT_S
) -> list[Json]:
    """What a script told in that environment, once it has ended well. path: where its imports are."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))} if path else None
    process = await asyncio.create_subprocess_exec(
        installed(),
        script,
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
        env=env,
    )
    try:
        async with asyncio.timeout(limit_s):
            out, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode(errors="replace")[-4_000:]
    return [json.loads(line) for line in out.splitlines() if line.startswith(b'{"kind"')]


async def saw(client: str, url: str, folder: Path, speech: bytes, *options: str) -> list[Json]:
    """What a client saw by its end. speech: what its user says. options: more arguments of the client."""
    spoken = prepared(folder, speech)
    return await ran(CLIENTS / f"{client}.py", url, spoken, *options, folder=folder)


def of(seen: Sequence[Json], kind: str) -> list[Json]:
    """What was told of one kind."""
    return [each for each in seen if each["kind"] == kind]
