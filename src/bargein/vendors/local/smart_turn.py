"""smart-turn v3, a model that judges by the sound of a turn whether the turn is over: where a user has its file.

The file is not ours to ship. It is found at a path that is given, at BARGEIN_SMART_TURN_MODEL, or inside an installed
package pipecat-ai, of which nothing else is read. A look takes about 40 ms of one core, in one thread for all calls.
"""

from __future__ import annotations

import asyncio
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime as ort

from bargein.audio.log_mel import RATE, log_mel
from bargein.audio.pcm import Pcm
from bargein.audio.resample import resample
from bargein.errors import Unavailable

log = logging.getLogger(__name__)

MODEL_SETTING = "BARGEIN_SMART_TURN_MODEL"
LENGTH = 8 * RATE  # samples: what the model hears
WAITING = 4  # looks in line behind the one that runs; a later one would come too late anyway
IN_PIPECAT = "audio/turn/smart_turn/data"
EVEN = 1e-7  # added to a variance: silence has none


def find_model(path: Path | str | None = None) -> Path:
    """The model's file: this one, the environment's, or pipecat's. Raises Unavailable."""
    named = path or os.environ.get(MODEL_SETTING)
    if named:
        if Path(named).is_file():
            return Path(named)
        raise Unavailable(f"There is no smart-turn model at {named}", advice="Name the .onnx file of smart-turn v3")
    spec = find_spec("pipecat")  # finds the package, and imports nothing
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        for found in sorted(Path(folder, IN_PIPECAT).glob("smart-turn-v3*.onnx"), reverse=True):
            return found
    raise Unavailable(
        "No smart-turn model is on this machine",
        advice=f"Name the .onnx file of smart-turn v3 in {MODEL_SETTING}, or install pipecat-ai",
    )


class SmartTurn:
    """protocols.TurnModel by shape. Shared by all calls of the process.

    model: the file. None: see `find_model`. Raises Unavailable where there is none, or the file is no such model.
    """

    name = "smart-turn"

    def __init__(self, model: Path | str | None = None) -> None:
        place = find_model(model)
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            self._session = ort.InferenceSession(str(place), options, providers=["CPUExecutionProvider"])
            (taken,) = self._session.get_inputs()
        except Exception as error:  # onnxruntime has errors of many kinds
            raise Unavailable(f"{place} is no smart-turn model: {error}", advice="Give another file") from error
        self._input = taken.name
        self._thread = ThreadPoolExecutor(1, "smart-turn")
        self._waiting = 0
        self._broken = False

    async def judge(self, pcm: Pcm, *, deadline_ms: float) -> float | None:
        """How surely the turn is over, 0..1. None: late, busy, or broken."""
        if self._waiting > WAITING or self._broken or not len(pcm):
            return None
        self._waiting += 1
        look = asyncio.get_running_loop().run_in_executor(self._thread, self._look, pcm)
        look.add_done_callback(self._done)
        try:
            return await asyncio.wait_for(asyncio.shield(look), deadline_ms / 1000)
        except TimeoutError:
            return None
        except Exception as error:
            self._broken = True
            log.warning("smart-turn fails, and is asked no more: %s", error)
            return None

    async def aclose(self) -> None:
        """End the thread."""
        self._broken = True
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _done(self, look: asyncio.Future[float | None]) -> None:
        self._waiting -= 1
        if not look.cancelled():
            look.exception()  # retrieved: the caller may be gone

    def _look(self, pcm: Pcm) -> float | None:
        """In the thread."""
        wave = resample(pcm, RATE).samples[-LENGTH:].astype(np.float32) / np.float32(32768)
        heard = np.pad(wave, (LENGTH - len(wave), 0))
        even = (heard - heard.mean()) / np.sqrt(heard.var() + EVEN)
        (found,) = self._session.run(None, {self._input: log_mel(even)[None]})
        over = float(np.ravel(found)[0])
        return over if 0.0 <= over <= 1.0 else None  # NaN is neither
