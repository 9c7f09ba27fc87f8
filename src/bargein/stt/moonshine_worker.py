"""The child process that reads words: 16-bit PCM at 16 kHz in, text out, one at a time."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from bargein.errors import Unavailable
from bargein.stt.moonshine import TEXT
from bargein.stt.moonshine_ears import Ears
from bargein.worker import Ask, Frame, Refused, serve

MODEL_SETTING = "BARGEIN_MOONSHINE_MODEL"  # the folder of a model; unset: see `find_model`


def prepare() -> Callable[[Ask], Iterator[Frame]]:
    """Loads and warms the model."""
    folder = os.environ.get(MODEL_SETTING)
    try:
        ears = Ears(Path(folder) if folder else None)
    except Unavailable as error:
        raise Refused(error.message, error.advice) from error

    def read(ask: Ask) -> Iterator[Frame]:
        yield TEXT, ears.read(np.frombuffer(ask.body, "<i2").astype(np.int16, copy=False)).encode()

    return read


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    serve(prepare)
