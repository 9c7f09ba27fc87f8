"""The Moonshine model: sound in, words out, with everything that is no word folded away. Runs in the worker.

Three settings of the library, each found by measuring:
- MOONSHINE_ORT_SINGLE_THREAD: with its own threads a look at 0.6 s of speech costs 34 ms of CPU, with one it costs 19.
- vad_threshold 0: its own voice activity keeps state from one reading to the next, so that calls hear each other.
- return_audio_data false: else every reading gives the sound back as a list of floats.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bargein.errors import Unavailable
from bargein.vendors.local.moonshine_gate import RATE, SpeechGate, Wave, locate

# Read by the native library when it loads a model; the brief imports below load none.
os.environ.setdefault("MOONSHINE_ORT_SINGLE_THREAD", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

try:
    from moonshine_voice.download_file import get_cache_dir
    from moonshine_voice.moonshine_api import ModelArch
    from moonshine_voice.transcriber import Transcriber as MoonshineModel
    from moonshine_voice.utils import get_model_path

    INSTALLED = True
except (ImportError, OSError):  # not there, or a C library that it needs is not
    INSTALLED = False

OPTIONS = {"vad_threshold": "0", "return_audio_data": "false"}
MODEL_FILES = ("encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin")
MODEL_NAMES = ("tiny-en", "base-en")  # in the order of preference: tiny is twice as fast

# What the model writes where there is nothing to write. It was trained on subtitles.
_NOT_WORDS = re.compile(r"[♪🎵©]+|\[[^\]]*\]|\([^)]*\)|^\s*-+\s+")
_NOTHING = {"you", "thank you for watching", "thanks for watching"}

# A word cut short is written twice or as another: of 48 such, 6 were repeated without silence behind, 1 with.
SILENCE_BEHIND = np.zeros(RATE // 5, np.float32)


def find_model(model_dir: Path | None = None) -> tuple[Path, bool]:
    """The folder of an English model, and whether it is the base size.

    model_dir: this one and no other. Else the model inside the package (release 0.1.0 has it), else one that a later
    release has downloaded into its cache. Nothing is downloaded. Raises Unavailable.
    """
    if not INSTALLED:
        raise Unavailable(
            "The package moonshine-voice is not installed", advice="Install the extra: bargein[moonshine]"
        )
    places = [model_dir] if model_dir else [Path(get_model_path(name)) for name in MODEL_NAMES]
    if model_dir is None:
        cache = Path(get_cache_dir())
        places += [path for name in MODEL_NAMES for path in sorted(cache.rglob(name))]
    for place in places:
        if all((place / name).is_file() for name in MODEL_FILES):
            return place, "base" in place.name
    raise Unavailable(
        "No English Moonshine model is on this machine",
        advice="Install moonshine-voice==0.1.0, which carries one, or name the folder of a model",
    )


def fold(text: str) -> str:
    """The words in what the model wrote: "" for subtitles' marks and for what it writes when it hears nothing."""
    words = " ".join(_NOT_WORDS.sub(" ", text).split())
    plain = re.sub(r"[^\w\s]+", "", words.lower()).strip()
    return "" if not plain or plain in _NOTHING else words


class Recognizer:
    """The model, loaded and warm. model_dir: see `find_model`. Not for two threads at a time."""

    def __init__(self, model_dir: Path | None = None) -> None:
        place, base = find_model(model_dir)
        self._gate = SpeechGate()
        self._model = MoonshineModel(str(place), ModelArch.BASE if base else ModelArch.TINY, options=OPTIONS)
        noise = np.random.default_rng(0).normal(0, 0.05, RATE // 2).astype(np.float32)
        self._write(noise)  # the first reading takes 30 ms longer: not at a caller's interruption

    def read(self, samples: NDArray[np.int16]) -> str:
        """The words in mono samples at 16 kHz; "" for none, and for words that a noise may have made."""
        wave = samples.astype(np.float32) / np.float32(32768)
        speech = locate(self._gate.probabilities(wave), len(wave))
        if speech is None:
            return ""
        return fold(self._write(np.concatenate([wave[speech.begin : speech.end], SILENCE_BEHIND])))

    def _write(self, wave: Wave) -> str:
        lines = self._model.transcribe_without_streaming(wave.tolist(), RATE).lines
        return " ".join(line.text for line in lines)
