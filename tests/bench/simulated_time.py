"""Time that only passes when every task waits: a call of 30 seconds takes as long as its computing.

`simulated_time` runs an async test on an event loop of its own. Where no socket is ready, the loop moves its clock on
to the next timer, and does not wait. Both ends of a connection must live in that loop; a thread or another process is
not waited for.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


STEP_S = 1e-6  # of each turn of the loop: a timer that fires a rounding error too early is set again, and must end


class _Selector(selectors.DefaultSelector):
    """Returns at once, and moves the loop's clock on by the time that it should have waited."""

    now_s = 1_000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now_s += STEP_S
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            return super().select(None)  # no timer is set: only a socket can wake the loop
        self.now_s += timeout
        return []


class SimulatedTimeLoop(asyncio.SelectorEventLoop):
    """An event loop with a clock of its own. Work for a thread is done at once, in the loop."""

    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now_s

    def run_in_executor(self, executor: object, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # as an executor does
            done.set_exception(error)
        return done


class LoopClock:
    """A Clock: the time of the running loop."""

    def now_ms(self) -> float:
        return asyncio.get_running_loop().time() * 1000


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, in simulated time."""
    with asyncio.Runner(loop_factory=SimulatedTimeLoop) as runner:
        return runner.run(work)


def simulated_time(test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Run an async test in simulated time. Its fixtures are made outside of the loop."""

    @functools.wraps(test)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        async def body() -> None:
            await test(*args, **kwargs)

        run(body())

    return wrapper
