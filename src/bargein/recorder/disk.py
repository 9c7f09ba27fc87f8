"""One thread for everything that the server writes to disk.

A disk that is slow, frozen or gone stops that thread alone: the event loop puts jobs into a bounded queue, and never
waits for one.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import TypeVar

log = logging.getLogger(__name__)

MOST_BYTES = 16 * 1024 * 1024  # that wait for the disk: half a minute of a hundred calls
CLOSE_S = 5.0  # for what still waits at the end

Result = TypeVar("Result")
Job = Callable[[], object]


class DiskThread:
    """Does jobs in the order in which they come. Start the thread by its first job; end it by `aclose`."""

    def __init__(self, most_bytes: int = MOST_BYTES, name: str = "disk") -> None:
        self._most = most_bytes
        self._name = name
        self._jobs: deque[tuple[Job, int]] = deque()
        self._bytes = 0
        self._idle = False
        self._ending = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @property
    def waiting_bytes(self) -> int:
        """Bytes of the jobs that wait."""
        return self._bytes

    def put(self, job: Job, size: int = 0) -> bool:
        """Have a job done. size: bytes that wait with it; a job of none is always taken. False: there is no room."""
        with self._changed:
            if size and self._bytes + size > self._most:
                return False
            if self._ending:
                return False
            self._jobs.append((job, size))
            self._bytes += size
            if self._thread is None:
                # A daemon: a disk that never answers must not keep the process.
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()
            elif self._idle:
                self._changed.notify()
        return True

    async def run(self, job: Callable[[], Result]) -> Result:
        """Have a job done, and wait for its result. Raises what the job raises, RuntimeError after the end."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Result] = loop.create_future()

        def tell(result: Result | None, error: Exception | None) -> None:
            if done.done():
                return
            if error is not None:
                done.set_exception(error)
            else:
                done.set_result(result)  # type: ignore[arg-type]  # the job's own, without an error

        def work() -> None:
            result, failed = None, None
            try:
                result = job()
            except Exception as error:
                failed = error
            if not loop.is_closed():
                loop.call_soon_threadsafe(tell, result, failed)

        if not self.put(work):
            raise RuntimeError("The disk's thread has ended")
        return await done

    async def reached(self, within_s: float) -> bool:
        """Wait until all jobs before this moment are done. False: they were not within the bound."""
        try:
            async with asyncio.timeout(within_s):
                await self.run(lambda: None)
        except (TimeoutError, RuntimeError):
            return False
        return True

    async def aclose(self, within_s: float = CLOSE_S) -> None:
        """Do what waits, within a bound, and end the thread."""
        if self._thread is None:
            return
        if not await self.reached(within_s):
            log.error("The disk did not answer within %g s: the end of some records is lost", within_s)
        with self._changed:
            self._ending = True
            self._jobs.clear()
            self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._idle = True
                while not self._jobs and not self._ending:
                    self._changed.wait()
                self._idle = False
                if not self._jobs:
                    return
                job, size = self._jobs.popleft()
                self._bytes -= size
            try:
                job()
            except Exception:
                log.exception("A job of the disk failed")
