"""Runs scenes in the environment that has LiveKit, and reads what they tell."""

from __future__ import annotations

import asyncio
import json
import os
from collections import defaultdict
from pathlib import Path

from tests.sounds import labels, load
from tests.strangers.clients_kit import PYTHON, Json

SCENES = Path(__file__).parent / "scenes"
SOURCE = Path(__file__).parents[3] / "src"
SOUNDS = {
    "cough": "cough-3.wav",
    "hum": "backchannel-1.wav",
    "interruption": "interruption-3.wav",
    "speech": "speech.wav",
}
LIMIT_S = 90.0


def put_sounds(folder: Path) -> None:
    """The sounds from their onset on, as scenes read them."""
    onsets = {label.file: label.onset_ms for label in labels()}
    for name, file in SOUNDS.items():
        pcm = load(file)
        (folder / f"{name}.pcm").write_bytes(pcm.samples[round(onsets[file] * pcm.rate / 1000) :].tobytes())


async def told(script: str, folder: Path, *words: str) -> dict[str, list[Json]]:
    """What the scenes of a script told, by kind. words: more arguments of the script."""
    assert PYTHON.exists(), f"{PYTHON} is missing: `make test` installs it"
    put_sounds(folder)
    process = await asyncio.create_subprocess_exec(
        PYTHON,
        SCENES / f"{script}.py",
        folder,
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (SOURCE, SCENES.parents[1] / "moved")))},
    )
    try:
        async with asyncio.timeout(LIMIT_S):
            out, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode(errors="replace")[-4_000:]
    found: defaultdict[str, list[Json]] = defaultdict(list)
    for line in out.splitlines():
        if line.startswith(b'{"kind"'):
            scene = json.loads(line)
            found[scene["kind"]].append(scene)
    return found
