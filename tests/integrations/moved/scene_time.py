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

    def run_in_executor(self, executor: Executor | None, func: Any, *args: Any) -> Any:
        running = super().run_in_executor(executor, func, *args)
        self.jumping.threads += 1
        running.add_done_callback(self._thread_done)
        return running

    def _thread_done(self, _: object) -> None:
        self.jumping.threads -= 1


def run(main: Coroutine[Any, Any, None]) -> None:
    """`asyncio.run`, in moved time."""
    loop = MovedTimeLoop()
    wall_s = time.time() - loop.time()
    clocks = {
        "monotonic": loop.time,
        "perf_counter": loop.time,
        "time": lambda: wall_s + loop.time(),
        "monotonic_ns": lambda: round(loop.time() * 1e9),
        "perf_counter_ns": lambda: round(loop.time() * 1e9),
        "time_ns": lambda: round((wall_s + loop.time()) * 1e9),
    }
    kept = {name: getattr(time, name) for name in clocks}
    for name, clock in clocks.items():
        setattr(time, name, clock)
    try:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(main)
    finally:
        for name, clock in kept.items():
            setattr(time, name, clock)
