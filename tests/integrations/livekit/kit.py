"""Runs scenes in the environment that has LiveKit, and reads what they tell."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from tests.sounds import labels, load
from tests.strangers.clients_kit import Json, ran

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
    put_sounds(folder)
    path = SOURCE, SCENES.parents[1] / "moved"
    found: defaultdict[str, list[Json]] = defaultdict(list)
    for scene in await ran(SCENES / f"{script}.py", folder, *words, folder=folder, path=path, limit_s=LIMIT_S):
        found[scene["kind"]].append(scene)
    return found
