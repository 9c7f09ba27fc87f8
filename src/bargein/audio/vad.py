"""Voice activity detection for all calls of the process, in batches.

A window costs a third where 32 streams share a run of the network. So one worker thread runs the network on all windows
that came since its last run. The event loop hands samples over, and gets the results once for each run. The event loop
never waits for the network.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from bargein.audio.pcm import Samples
from bargein.audio.silero import CONTEXT, STATE, WINDOW, Floats, SileroModel, WindowModel
from bargein.errors import AudioShapeError, UsageError

__all__ = ["CONTEXT", "WINDOW", "SileroModel", "SileroVAD", "SileroVADStream", "VADStats", "VADWindow"]

log = logging.getLogger(__name__)

MAX_PENDING = 32  # windows (1 s) of a stream that may wait; then its oldest window is dropped, and counted
GATHER_ABOVE = 4  # with more streams than this, the worker waits a moment, so that windows meet in one batch
MAX_SKIP_WINDOWS = 8  # of a gap, as many windows of silence are judged; the rest only moves the position


@dataclass(frozen=True, slots=True)
class VADWindow:
    """One judged window."""

    first_sample: int
    """Position since the stream was opened."""
    last_sample: int
    """Position after the window's last sample."""
    speech: float
    """Probability of speech, 0..1."""


@dataclass(slots=True)
class VADStats:
    """What the VAD has done since it started."""

    windows: int = 0
    """Windows that were judged."""
    batches: int = 0
    """Runs of the network."""
    busy_ms: float = 0.0
    """Wall time of the runs."""
    failures: int = 0
    """Callbacks (`on_window`) that raised."""

    @property
    def mean_batch(self) -> float:
        """Windows in a run, 0 before the first run."""
        return self.windows / self.batches if self.batches else 0.0


@dataclass(slots=True, eq=False)
class Memory:
    """The network's state of one stream. Only the worker thread reads and writes it."""

    state: Floats = field(default_factory=lambda: np.zeros((2, STATE), np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Pending:
    """A window to be judged."""

    memory: Memory
    at: int
    """Position of the window's first sample."""
    samples: Samples
    """The context, then the window."""


class SileroVADStream:
    """One call's stream. Used on the event loop; the windows come back there, in order."""

    def __init__(self, vad: SileroVAD, rate: int, on_window: Callable[[VADWindow], None]) -> None:
        self.rate = rate
        self.dropped = 0  # windows that were never judged
        self.pending: deque[Pending] = deque()  # belongs to the SileroVAD, under its lock
        self._vad = vad
        self._on_window = on_window
        self._size, self._context = WINDOW[rate], CONTEXT[rate]
        self._closed = False
        self._memory = Memory()
        self._rest: Samples = np.zeros(self._context, np.int16)  # the context, and samples that fill no window yet
        self._at = 0  # position of the first sample after the context

    def push_audio(self, samples: Samples) -> None:
        """Take any number of samples, shape (n,), int16. Never waits. Raises AudioShapeError for others."""
        if samples.dtype != np.int16 or samples.ndim != 1:
            raise AudioShapeError(
                f"Audio came as {samples.dtype} with shape {samples.shape}",
                advice="Give mono int16 samples of shape (n,)",
            )
        if self._closed:
            return
        joined = np.concatenate((self._rest, samples))
        whole = (len(joined) - self._context) // self._size
        if whole:
            size, length = self._size, self._context + self._size
            cuts = range(0, whole * size, size)
            self._vad.hand_over(self, [Pending(self._memory, self._at + i, joined[i : i + length]) for i in cuts])
            self._at += whole * size
            joined = joined[whole * size :]
        self._rest = joined

    def skip(self, samples: int) -> None:
        """`samples` are missing here. The network gets silence for them, MAX_SKIP_WINDOWS at the most."""
        shown = min(samples, MAX_SKIP_WINDOWS * self._size)
        if shown > 0:
            self.push_audio(np.zeros(shown, np.int16))
            self._at += samples - shown

    def reset(self) -> None:
        """Discard the network's state: the audio that follows is another speaker's. Positions go on."""
        self._at += len(self._rest) - self._context
        self._rest = np.zeros(self._context, np.int16)
        self._memory = Memory()  # pending windows keep the old state

    def close(self) -> None:
        """No window comes after this, pending ones included."""
        self._closed = True
        self._vad.forget(self)

    def deliver(self, window: VADWindow) -> bool:
        """For SileroVAD: give a window to the call. False: the callback raised, and the error is logged."""
        if self._closed:
            return True
        try:
            self._on_window(window)
        except Exception:
            log.exception("A call failed on its VAD window")
            return False
        return True


class SileroVAD:
    """The VAD of a process: `async with SileroVAD() as vad`, then `vad.open(...)` for each call."""

    def __init__(self, gather_ms: float = 3.0, model: WindowModel | None = None) -> None:
        """gather_ms: how long a run may wait for the windows of other streams, where more than GATHER_ABOVE are open.
        model: None is Silero's network."""
        self.stats = VADStats()
        self.dropped = 0  # windows of all streams that were never judged
        self._model = model or SileroModel()
        self._gather_s = gather_ms / 1000
        self._wake = threading.Condition()  # guards the attributes below
        self._streams: set[SileroVADStream] = set()
        self._ready: dict[SileroVADStream, None] = {}  # streams with pending windows, the longest wait first
        self._stop = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> SileroVAD:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def start(self) -> None:
        """Start the worker. Windows come on the running event loop. Raises UsageError the second time."""
        if self._thread is not None:
            raise UsageError("The VAD was started before", advice="Start it once per process")
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work, name="vad", daemon=True)
        self._thread.start()

    async def aclose(self) -> None:
        """Stop the worker, and wait for its end. No window comes after this."""
        with self._wake:
            self._stop = True
            self._wake.notify()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def open(self, rate: int, on_window: Callable[[VADWindow], None]) -> SileroVADStream:
        """A new stream. rate: Hz, 8000 or 16000; raises UsageError for others. on_window: called on the event loop, in
        order."""
        if rate not in WINDOW:
            raise UsageError(
                f"The VAD takes no {rate} Hz", advice="Give it 8000 or 16000 Hz, through HotResampler if need be"
            )
        stream = SileroVADStream(self, rate, on_window)
        with self._wake:
            self._streams.add(stream)
        return stream

    def hand_over(self, stream: SileroVADStream, windows: list[Pending]) -> None:
        """For SileroVADStream: queue these windows for the worker."""
        with self._wake:
            if self._stop:
                return
            stream.pending.extend(windows)
            self._drop(stream, len(stream.pending) - MAX_PENDING)
            self._ready[stream] = None
            # The worker waits for the first stream, and then perhaps for the last. The others need not wake the worker.
            if len(self._ready) == 1 or len(self._ready) >= len(self._streams):
                self._wake.notify()

    def forget(self, stream: SileroVADStream) -> None:
        """For SileroVADStream: the stream was closed."""
        with self._wake:
            self._streams.discard(stream)
            self._ready.pop(stream, None)
            stream.pending.clear()

    # ------------------------------------------------------------------------------------------- the worker

    def _work(self) -> None:
        while (work := self._gather()) is not None:
            began = time.perf_counter()
            if not work:
                continue
            told = [one for rate in WINDOW for one in self._judge(rate, [w for w in work if w[0].rate == rate])]
            self.stats.windows += len(told)
            self.stats.batches += 1
            self.stats.busy_ms += (time.perf_counter() - began) * 1000
            try:
                assert self._loop is not None
                self._loop.call_soon_threadsafe(self._deliver, told)
            except RuntimeError:
                log.warning("The event loop was closed before the VAD, which stops now")
                return

    def _gather(self) -> list[tuple[SileroVADStream, Pending]] | None:
        """Wait for pending windows, and take one of each stream (an empty list: the streams were closed meanwhile).
        None: the worker must stop."""
        with self._wake:
            self._wake.wait_for(lambda: self._ready or self._stop)
            if len(self._streams) > GATHER_ABOVE:
                self._wake.wait_for(lambda: self._stop or len(self._ready) >= len(self._streams), self._gather_s)
            if self._stop:
                return None
            work = [(stream, stream.pending.popleft()) for stream in self._ready]
            self._ready = {stream: None for stream, _ in work if stream.pending}
            return work

    def _judge(self, rate: int, work: list[tuple[SileroVADStream, Pending]]) -> list[tuple[SileroVADStream, VADWindow]]:
        if not work:
            return []
        batch = np.stack([window.samples for _, window in work]).astype(np.float32)
        batch *= np.float32(1 / 32768)
        try:
            speech, state = self._model.run(batch, np.stack([w.memory.state for _, w in work], axis=1), rate)
        except Exception:
            log.exception("The VAD failed on a batch of %d windows", len(work))
            with self._wake:
                for stream, _ in work:
                    stream.dropped += 1
                self.dropped += len(work)
            return []
        told = []
        for i, (stream, window) in enumerate(work):
            window.memory.state = state[:, i].copy()  # a copy: a view would keep the whole batch alive
            told.append((stream, VADWindow(window.at, window.at + WINDOW[rate], float(speech[i]))))
        return told

    # ------------------------------------------------------------------------------------------- both sides

    def _drop(self, stream: SileroVADStream, count: int) -> None:
        for _ in range(count):
            stream.pending.popleft()
            stream.dropped += 1
            self.dropped += 1

    def _deliver(self, told: list[tuple[SileroVADStream, VADWindow]]) -> None:
        if self._stop:
            return
        for stream, window in told:
            if not stream.deliver(window):
                self.stats.failures += 1
