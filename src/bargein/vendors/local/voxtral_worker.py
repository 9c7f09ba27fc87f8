"""The child process in which Voxtral runs. Requests: {"do": "state"} and {"do": "write"}, as voxtral_local.py sends.

It says at once that it is there and loads the model in its first request: fetching some gigabytes, or reading them
from a cold disk, takes longer than a worker is given to start.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bargein.audio.pcm import Pcm
from bargein.vendors.local.voxtral import STATE, TEXT
from bargein.vendors.local.worker_process import Ask, Frame, WorkerRefused, serve

if TYPE_CHECKING:
    from bargein.vendors.local.voxtral_generate import LoadedModel

# The thread that takes the stop from the pipe waits at most so long for the GIL. By default 5 ms: some tokens of a
# small model.
SWITCH_S = 0.000_5


class Worker:
    """Holds the one model that is loaded."""

    def __init__(self) -> None:
        self._model: LoadedModel | None = None
        self._loaded: tuple[object, ...] = ()
        self._load_s = 0.0

    def handle(self, ask: Ask) -> Iterator[Frame]:
        loaded = self._loaded_for(ask.payload)
        if ask.payload["do"] == "state":
            yield STATE, json.dumps(self._state(loaded)).encode()
            return
        want: dict[str, Any] = ask.payload
        sound = Pcm.from_bytes(ask.body, want["rate"]) if ask.body else None
        pieces = loaded.write(
            want["turns"],
            sound,
            max_tokens=want["max_tokens"],
            temperature=want["temperature"],
            top_p=want["top_p"],
            cancelled=ask.cancelled,
        )
        with closing(pieces):
            for piece in pieces:
                yield TEXT, piece.encode()

    def _loaded_for(self, want: dict[str, object]) -> LoadedModel:
        asked = (want["model"], want["device"], want["dtype"])
        if self._model is None or self._loaded != asked:
            self._model = None  # there may be no room for two
            began = time.monotonic()
            try:
                generate = importlib.import_module(
                    "bargein.vendors.local.voxtral_generate"
                )  # torch: seconds, from a cold disk
            except ImportError as error:
                raise WorkerRefused(
                    f"Voxtral needs {error.name}", "Install the extra: bargein[voxtral-local]"
                ) from error
            self._model = generate.load(*asked)
            self._load_s = time.monotonic() - began
            self._loaded = asked
        return self._model

    def _state(self, loaded: LoadedModel) -> dict[str, object]:
        return {
            "pid": os.getpid(),
            "device": loaded.device,
            "dtype": loaded.dtype,
            "rss_bytes": rss_bytes(),
            "gpu_bytes": loaded.gpu_bytes(),
            "load_s": self._load_s,
            "token_times_ms": loaded.token_times_ms,
            "cut": loaded.cut,
            "after_stop": loaded.after_stop,
        }


def rss_bytes() -> int | None:
    """Resident memory of this process; None where there is no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def prepare() -> Callable[[Ask], Iterator[Frame]]:
    sys.setswitchinterval(SWITCH_S)
    return Worker().handle


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    serve(prepare)
