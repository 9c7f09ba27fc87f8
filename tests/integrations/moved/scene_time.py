"""Scenes of seconds in the time that they compute: when all tasks wait, the clock jumps to the next timer.

So a scene does the same on a machine that has other work. `time.monotonic` and its brothers go with the loop's clock.
Threads and sockets are waited for in real time, and no time passes meanwhile.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Coroutine
from concurrent.futures import Executor
from typing import Any

STEP_S = 0.0005  # real time between two looks at a thread
LEAST_S = 1e-7  # that each round takes: a rest of time that is lost in a float would never pass


class JumpingSelector(selectors.DefaultSelector):
    """Where select would wait, time moves on."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1_000.0
        self.threads = 0
        """That are awaited."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        self.now_s += LEAST_S
        while not ready and timeout != 0 and (self.threads or timeout is None):
            ready = super().select(STEP_S)
            if timeout is None:
                break
        if not ready and timeout:
            self.now_s += timeout
        return ready


class MovedTimeLoop(asyncio.SelectorEventLoop):
    """An event loop that never waits for time."""

    def __init__(self) -> None:
        self.jumping = JumpingSelector()
        super().__init__(self.jumping)
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self.jumping.now_s

    def run_in_executor(self, executor: Executor | None, func: Any, *args: Any) -> Any:  # type: ignore[override]
        running = super().run_in_executor(executor, func, *args)
        self.jumping.threads += 1
        running.add_done_callback(self._thread_done)
        return running

    def _thread_done(self, _: object) -> None:
        self.jumping.threads -= 1


_loops: list[MovedTimeLoop] = []  # the one that runs, if one runs
_real_s, _wall_s = time.monotonic, time.time() - JumpingSelector().now_s


def _now_s() -> float:
    return _loops[0].time() if _loops else _real_s()


# At once, since a class may keep the function itself: import this before the framework.
time.monotonic = time.perf_counter = _now_s
time.monotonic_ns = time.perf_counter_ns = lambda: round(_now_s() * 1e9)
time.time = lambda: _wall_s + _now_s()
time.time_ns = lambda: round((_wall_s + _now_s()) * 1e9)


def run(main: Coroutine[Any, Any, None]) -> None:
    """`asyncio.run`, in moved time."""
    with asyncio.Runner(loop_factory=MovedTimeLoop) as runner:
        _loops.append(runner.get_loop())  # type: ignore[arg-type]  # made above
        try:
            runner.run(main)
        finally:
            _loops.clear()
