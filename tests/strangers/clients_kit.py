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


def prepared(folder: Path, speech: bytes) -> Path:
    """The file that a client's user speaks. speech: PCM of 24 kHz."""
    assert PYTHON.exists(), f"{PYTHON} is missing: `make test` installs it"
    spoken = folder / "speech.pcm"
    spoken.write_bytes(speech)
    return spoken


async def saw(client: str, url: str, folder: Path, speech: bytes, *options: str) -> list[Json]:
    """What a client saw by its end. speech: what its user says. options: more arguments of the client."""
    spoken = prepared(folder, speech)
    process = await asyncio.create_subprocess_exec(
        PYTHON,
        CLIENTS / f"{client}.py",
        url,
        spoken,
        *options,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
    )
    try:
        async with asyncio.timeout(LIMIT_S):
            out, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode(errors="replace")[-4_000:]
    return [json.loads(line) for line in out.splitlines() if line.startswith(b'{"kind"')]


def of(seen: Sequence[Json], kind: str) -> list[Json]:
    """What was told of one kind."""
    return [each for each in seen if each["kind"] == kind]
