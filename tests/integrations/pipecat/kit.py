"""Scenes for real calls of Pipecat, played side by side in Pipecat's own environment, and what was seen of each."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.sounds import labels, load
from tests.strangers.clients_kit import PYTHON

Json = dict[str, Any]

HERE = Path(__file__).parent
SOURCES = HERE.parents[2] / "src"
RATE = 16_000
WORD_MS = 250
LIMIT_S = 90


@dataclass(frozen=True)
class Scene:
    """One call. total_ms: of the user's audio. sounds: (ms, name of tests.sounds)."""

    total_ms: int
    sounds: Sequence[tuple[int, str]] = ()
    facts: Json = None  # type: ignore[assignment]  # of clients/calls.py

    def audio(self) -> bytes:
        whole = np.zeros(self.total_ms * RATE // 1000, np.int16)
        for at_ms, name in self.sounds:
            first = at_ms * RATE // 1000
            sound = load(name).samples[: len(whole) - first]
            whole[first : first + len(sound)] = sound
        return whole.tobytes()


def said(count: int, stem: str = "word") -> list[str]:
    """The first words that a reply of that stem has, as clients/scripted.py makes them."""
    return [f"{stem[:2]}{chr(97 + n // 10)}{chr(97 + n % 10)}" + "." * (n % 10 == 9) for n in range(count)]


def onset_ms(name: str) -> float:
    """Of a sound, from its first sample."""
    return next(label.onset_ms for label in labels() if label.file == name)


def run(folder: Path, scenes: dict[str, Scene], client: str = "calls") -> dict[str, Json]:
    """What each call saw, by its name; "log": what we said in the log."""
    assert PYTHON.exists(), f"{PYTHON} is missing: `make test` installs it"
    for name, scene in scenes.items():
        (folder / f"{name}.json").write_text(json.dumps({"replies": [], **(scene.facts or {})}))
        (folder / f"{name}.pcm").write_bytes(scene.audio())
    done = subprocess.run(
        [PYTHON, HERE / "clients" / f"{client}.py", folder],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (SOURCES, HERE.parent / "moved")))},
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-6_000:]
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith(b'{"kind"')]
    seen = {each["name"]: each for each in told if each["kind"] == "call"}
    return seen | {each["kind"]: each for each in told if each["kind"] != "call"}
