"""The child process that reads words: 16-bit PCM at 16 kHz in, text out, one at a time."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from bargein.errors import Unavailable
from bargein.vendors.local.moonshine import TEXT
from bargein.vendors.local.moonshine_recognizer import Recognizer
from bargein.vendors.local.worker_process import Ask, Frame, WorkerRefused, serve

MODEL_SETTING = "BARGEIN_MOONSHINE_MODEL"  # the folder of a model; unset: see `find_model`


def prepare() -> Callable[[Ask], Iterator[Frame]]:
    """Loads and warms the model."""
    folder = os.environ.get(MODEL_SETTING)
    try:
        recognizer = Recognizer(Path(folder) if folder else None)
    except Unavailable as error:
        raise WorkerRefused(error.message, error.advice) from error

    def read(ask: Ask) -> Iterator[Frame]:
        yield TEXT, recognizer.read(np.frombuffer(ask.body, "<i2").astype(np.int16, copy=False)).encode()

    return read


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    serve(prepare)
