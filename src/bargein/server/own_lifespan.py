"""The lifespan of an app that is mounted in another app, where the outer app does not run it.

Starlette runs the lifespan of the outermost app only. An app that was mounted without more ado therefore starts with
its first request, and ends with the event loop: a server that stops cancels what is left on its loop, and the lifespan
ends in good order then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from bargein.errors import BargeinError
from bargein.server.refusals import Refusal

log = logging.getLogger(__name__)

AGAIN_S = 5  # so long after a start that failed, requests are refused without another try


class OwnLifespan:
    """lifespan: the app's."""

    def __init__(self, lifespan: Callable[[], AbstractAsyncContextManager[None]]) -> None:
        self._lifespan = lifespan
        self._task: asyncio.Task[None] | None = None
        self._started: asyncio.Future[None] | None = None
        self._failed_s = 0.0
        self._refusal: Refusal | None = None

    async def started(self) -> None:
        """Until the lifespan has started, by this request or by another. Raises Refusal where it could not."""
        loop = asyncio.get_running_loop()
        if self._refusal is not None and loop.time() - self._failed_s < AGAIN_S:
            raise self._refusal
        if self._task is None or self._task.done() or self._started is None or self._started.get_loop() is not loop:
            self._started = loop.create_future()
            # The loop's end awaits this task: asyncio.run() and servers cancel and gather what is left.
            self._task = loop.create_task(self._run(self._started), name="the mounted app's lifespan")
        await asyncio.shield(self._started)
        if self._refusal is not None:
            raise self._refusal

    async def _run(self, started: asyncio.Future[None]) -> None:
        self._refusal = None
        try:
            async with self._lifespan():
                log.info("The outer app does not run this app's lifespan: it runs from the first request on")
                started.set_result(None)
                await asyncio.get_running_loop().create_future()  # until it is cancelled
        except BargeinError as error:
            log.warning("Bargein could not start: %s", error)
            self._refusal = Refusal(503, "not_started", error.message, advice=error.advice)
        except Exception as error:
            log.exception("Bargein could not start")
            message = f"Bargein could not start: {type(error).__name__}"
            self._refusal = Refusal(503, "not_started", message, advice="See the server's log")
        finally:
            self._failed_s = asyncio.get_running_loop().time()
            if not started.done():
                started.set_result(None)
