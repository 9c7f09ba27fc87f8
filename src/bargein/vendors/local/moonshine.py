"""STT that works offline: the Moonshine model, in one bounded process of its own.

A look at the first 350 ms of an interruption takes 15-25 ms there, a second of speech 25-35 ms, so one process serves
the verdicts of many calls. A caller that finds the process busy, or cannot wait, goes on without words. The process is
niced: VAD and playout of every call go first. The model inside the package is English only.
"""

from __future__ import annotations

import asyncio
import contextlib

from bargein.audio.pcm import Pcm
from bargein.errors import AudioShapeError, Unavailable, VendorLost
from bargein.protocols import BatchTranscript
from bargein.vendors.local.worker_process import OWN, WorkerProcess

RATE = 16_000
TEXT = OWN  # the worker's one frame: what it read, UTF-8

WAITING = 4  # in line behind the one that is being read: 5 looks take 0.1 s, and a verdict is wanted in 0.3 s
LONGEST_MS = 30_000  # of a longer stretch the end is read: that takes 0.6 s
SHORTEST_MS = 100  # nothing shorter is a word
NICE = 5


def worker() -> WorkerProcess:
    """The process that reads. One serves every call."""
    return WorkerProcess(
        "bargein.vendors.local.moonshine_worker",
        name="moonshine",
        max_waiting=1 + WAITING,
        nice=NICE,
        variables=("BARGEIN_MOONSHINE_MODEL",),
    )


class MoonshineSTT:
    """protocols.BatchSTT by shape.

    process: shared by several, and closed by its maker. None: a process of its own, closed with the STT.

    A model in a folder of its own (a later release's, say) is named by the environment's BARGEIN_MOONSHINE_MODEL.
    """

    name = "moonshine"
    rate = RATE
    small = True

    def __init__(self, process: WorkerProcess | None = None) -> None:
        self._process = process or worker()
        self._shared = process is not None
        self._starting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load and warm the model now (1-2 s), not at the first reading. Raises Unavailable or VendorLost."""
        await self._process.start()

    async def read(self, pcm: Pcm, *, deadline_ms: float) -> BatchTranscript:
        """The words in pcm (16 kHz; of more than 30 s, the last 30), "" for none, and for anything that may as well be
        a noise. Sound from about 150 ms before the onset reads best.

        Raises VendorLost when five are in line, when the deadline (from now) has passed or when the process is gone
        (the next reading starts it anew); AudioShapeError for another rate.
        """
        if pcm.rate != RATE:
            raise AudioShapeError(f"Moonshine got {pcm.rate} Hz", advice=f"Resample to {RATE} Hz")
        if pcm.ms < SHORTEST_MS:
            return BatchTranscript("")
        samples = pcm.samples[-LONGEST_MS * RATE // 1000 :]
        try:
            async with asyncio.timeout(deadline_ms / 1000):
                await self._started()
                return await self._asked(Pcm(samples, RATE).to_bytes())
        except TimeoutError:
            raise VendorLost("Moonshine is late", advice="Go on without words, or allow more time") from None
        except Unavailable as error:
            raise VendorLost(error.message, advice=error.advice) from error

    async def aclose(self) -> None:
        """End the process, if it is this STT's own. Readings under way then get VendorLost."""
        if self._starting is not None:
            with contextlib.suppress(VendorLost, Unavailable):
                await self._starting
        if not self._shared:
            await self._process.aclose()

    async def _started(self) -> None:
        """Start the process if it is not there: in a task of ours, since a caller whose time is up must not take the
        start away from those who come after it."""
        if self._process.pid is not None and self._starting is None:
            return
        if self._starting is None:
            self._starting = asyncio.create_task(self._process.start(), name="moonshine start")
            self._starting.add_done_callback(self._forget_start)
        await asyncio.shield(self._starting)

    def _forget_start(self, task: asyncio.Task[None]) -> None:
        self._starting = None
        if not task.cancelled():
            task.exception()  # retrieved, since no reading may be waiting; asyncio would log the error otherwise

    async def _asked(self, body: bytes) -> BatchTranscript:
        text = ""
        request = self._process.request({}, body)
        async with contextlib.aclosing(request) as frames:  # type: ignore[type-var]  # a generator by its making
            async for kind, data in frames:
                if kind == TEXT:
                    text = data.decode()
        return BatchTranscript(text)
