"""A worker's child that misbehaves on request: test_worker.py runs it as `python -m tests.vendors.local.odd_child`."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator

from bargein.vendors.local.worker_process import MAX_FRAME, OWN, Ask, Frame, WorkerRefused, serve


def handle(ask: Ask) -> Iterator[Frame]:
    """payload["do"]: what to do; ask.body comes back, one byte a frame, for "say"."""
    match ask.payload["do"]:
        case "say":
            for byte in ask.body:
                yield OWN, bytes([byte])
        case "print":
            os.write(1, b"a native library says hello\n")
            print("and so does Python")
            yield OWN, b"printed"
        case "endless":
            while True:
                yield OWN + 1, b"more"
        case "die":
            yield OWN, b"last words"
            os.kill(os.getpid(), signal.SIGKILL)
        case "sleep":
            yield OWN, b"asleep"
            signal.pause()
        case "stderr":
            for i in range(5_000):
                sys.stderr.write(f"line {i} {'x' * 600}\n")
            yield OWN, b"said"
        case "refuse":
            raise WorkerRefused("Not that", "Ask for something else")
        case "fail":
            raise ValueError("a secret that is in the log only")
        case "too much":
            yield OWN, bytes(MAX_FRAME + 1)
        case "environment":
            for name, value in os.environ.items():
                yield OWN, f"{name}={value}".encode()
        case "nice":
            yield OWN, str(os.nice(0)).encode()
        case unknown:
            raise WorkerRefused(f"No {unknown!r}", "See odd_child.py")


def prepare() -> Callable[[Ask], Iterator[Frame]]:
    match os.environ.get("ODD_CHILD"):
        case "refuses":
            raise WorkerRefused("The part is not there", "Install the extra")
        case "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hangs":
            signal.pause()
        case _:
            pass
    return handle


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    serve(prepare)
