"""A model of voices where the user has one: Resemblyzer's encoder as ONNX, and its mel filters.

Two files in one folder: `speaker_dvector.onnx` (input `mels`, shape (1, frames, 40); output (1, 256)) with its weights
beside it, and `dvector_mel.npy`, shape (40, 201). The wheel livekit-plugins-speakerbeamss has both. The folder is
looked up without importing that package, which would load all of its framework.

The encoder's input is power in mel bands: 16 000 Hz, Hann windows of 25 ms every 10 ms, speech at -30 dBFS at least.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from bargein.audio.pcm import Pcm
from bargein.audio.resample import resample
from bargein.errors import Unavailable

Floats = NDArray[np.float32]

MODEL, FILTERS = "speaker_dvector.onnx", "dvector_mel.npy"
RATE, SIZE, HOP, MEL_BANDS, NUMBERS = 16_000, 400, 160, 40, 256
QUIETEST = 10 ** (-30 / 20)  # of full scale, root mean square: softer speech is made as loud as this
MOST_FRAMES = 160  # the encoder was made for 1.6 s
PACKAGE = ("plugins", "speakerbeamss", "models")  # in `livekit`


def find_folder() -> Path | None:
    """The folder of the model's files, where a package has brought them. Imports nothing."""
    spec = importlib.util.find_spec("livekit")
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        folder = Path(place, *PACKAGE)
        if (folder / MODEL).is_file():
            return folder
    return None


class SpeakerModel:
    """Pure and synchronous. Raises Unavailable for files that are missing, or are not what the text above says."""

    def __init__(self, folder: Path) -> None:
        try:
            filters = np.load(folder / FILTERS, allow_pickle=False)
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            options.log_severity_level = 4
            self._session = onnxruntime.InferenceSession(
                str(folder / MODEL), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime has an exception for every fault of a file, and no base
            raise _unusable(folder, error) from None
        if getattr(filters, "shape", None) != (MEL_BANDS, SIZE // 2 + 1) or not np.isfinite(filters).all():
            raise _unusable(folder, f"{FILTERS} holds no filters of shape ({MEL_BANDS}, {SIZE // 2 + 1})")
        self._filters = np.ascontiguousarray(filters.T, np.float32)
        self._window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(SIZE) / SIZE)).astype(np.float32)
        noise = np.random.default_rng(1).normal(0, 3000, RATE).astype(np.int16)
        try:
            tried = self._run(self._mels(noise))
        except Exception as error:  # as above
            raise _unusable(folder, error) from None
        if tried is None:
            raise _unusable(folder, f"it gives no {NUMBERS} numbers for a sound")

    def embed(self, pcm: Pcm) -> Floats | None:
        """A voice as NUMBERS numbers of length 1. None: too short, silent, or the model gave no numbers."""
        samples = resample(pcm, RATE).samples if pcm.rate != RATE else pcm.samples
        if len(samples) < SIZE + 10 * HOP or not samples.any():
            return None
        mels = self._mels(samples)
        count = max(1, round(len(mels) / MOST_FRAMES))
        found = [self._run(part) for part in np.array_split(mels, count)]
        known = [each for each in found if each is not None]
        return _direction(np.sum(known, axis=0)) if known else None

    def _mels(self, samples: NDArray[np.int16]) -> Floats:
        x = samples.astype(np.float32) / np.float32(32768)
        level = float(np.sqrt(np.mean(np.square(x))))
        if 0 < level < QUIETEST:
            x *= np.float32(QUIETEST / level)
        frames = np.lib.stride_tricks.sliding_window_view(np.pad(x, SIZE // 2, mode="reflect"), SIZE)[::HOP]
        spectra = np.fft.rfft(frames * self._window)
        power = (np.square(spectra.real) + np.square(spectra.imag)).astype(np.float32)
        found: Floats = power @ self._filters
        return found

    def _run(self, mels: Floats) -> Floats | None:
        out = np.asarray(self._session.run(None, {"mels": mels[None].astype(np.float32)})[0])
        return _direction(out[0]) if out.shape == (1, NUMBERS) else None


def _direction(numbers: Floats) -> Floats | None:
    length = float(np.linalg.norm(numbers))
    return (numbers / length).astype(np.float32) if np.isfinite(length) and length > 0 else None


def _unusable(folder: Path, why: object) -> Unavailable:
    text = str(why).splitlines()[0][:200] if str(why) else type(why).__name__
    return Unavailable(
        f"The voice model in {folder} cannot be used: {text}",
        advice=f"Name a folder with {MODEL}, its weights and {FILTERS}, as in livekit-plugins-speakerbeamss 0.2.6",
    )
