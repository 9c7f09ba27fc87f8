"""Voice activity detection (VAD) for every call of the process, in batches.

A window costs a third when 32 streams share a run of the model. So one worker thread runs all windows that have come
since its last run. The event loop hands samples over and gets the scores once for each run: the event loop never waits
for the model.

A process of few calls may ask for another way (`inline_streams`): to wake a thread and then the loop costs more than a
run of the model for one window, so the loop runs the model itself; and the windows of calm lines wait and share a run.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Condition, Thread

import numpy as np

from bargein.audio.calm import MOST_WAITING, CalmLine
from bargein.audio.pcm import Samples
from bargein.audio.silero import CONTEXT, STATE, WINDOW, Floats, SileroModel, WindowModel
from bargein.errors import AudioShapeError, UsageError

__all__ = ["CONTEXT", "WINDOW", "SileroModel", "SileroVAD", "SileroVADStream", "VADStats", "VADWindow"]

log = logging.getLogger(__name__)

MAX_PENDING = 32  # windows (1 s) of a stream that may wait; beyond this the oldest is dropped and counted
GATHER_ABOVE = 4  # with more streams than this the worker waits up to gather_ms, so windows share a batch
MAX_INLINE = 10  # windows of a stream that the event loop scores at once; a burst goes to the worker
MAX_SKIP_WINDOWS = 8  # windows of silence that the model gets for a gap; a longer gap only moves the position


@dataclass(frozen=True, slots=True)
class VADWindow:
    """A scored window. Positions count samples since the stream was opened."""

    first_sample: int
    last_sample: int
    """Exclusive."""
    speech: float
    """Probability of speech, 0..1."""


@dataclass(slots=True)
class VADStats:
    """Counts since the VAD was made."""

    windows: int = 0
    """Scored windows."""
    batches: int = 0
    """Runs of the model."""
    busy_ms: float = 0.0
    """Wall time of those runs."""
    failures: int = 0
    """Callbacks that raised."""

    @property
    def mean_batch(self) -> float:
        """Windows in a run, on average."""
        return self.windows / self.batches if self.batches else 0.0


@dataclass(slots=True, eq=False)
class StreamState:
    """The model's state of a stream. Only the worker reads and writes it."""

    state: Floats = field(default_factory=lambda: np.zeros((2, STATE), np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class PendingWindow:
    """A window that waits for its score."""

    state: StreamState
    at: int
    """Position of the first sample."""
    samples: Samples
    """The context and the window."""


def _unheard(_: VADWindow) -> None:
    """The stream is closed, and holds its owner no longer."""


def _unmeasured(_: float) -> None:
    """No part measures how late the scores come."""


class SileroVADStream:
    """One call's stream. Call its methods on the event loop; the scores come back there, in order."""

    def __init__(self, vad: SileroVAD, rate: int, on_window: Callable[[VADWindow], None]) -> None:
        self.rate = rate
        self.dropped = 0
        """Windows without a score."""
        self.pending: deque[PendingWindow] = deque()  # for the VAD, under its lock
        self.inline = False  # for the VAD: windows wait for the event loop's own run
        self.in_worker = 0  # for the VAD, under its lock: windows on their way to the model and back
        self._calm = CalmLine() if vad.patient else None
        self._waiting: list[PendingWindow] = []  # of a calm line
        self._vad = vad
        self._on_window = on_window
        self._size, self._context = WINDOW[rate], CONTEXT[rate]
        self._closed = False
        self._state = StreamState()
        self._next: Samples = np.zeros(self._context + self._size, np.int16)  # the context, and the window that fills
        self._filled = self._context  # samples of it
        self._at = 0  # position of the first sample after the context

    def push_audio(self, samples: Samples) -> None:
        """Take any number of int16 samples. Never waits. Raises AudioShapeError for another dtype or rank."""
        if samples.dtype != np.int16 or samples.ndim != 1:
            raise AudioShapeError(
                f"Audio came as {samples.dtype} with shape {samples.shape}",
                advice="Give mono int16 samples of shape (n,)",
            )
        if self._closed:
            return
        filled = self._filled + len(samples)
        if filled < len(self._next):
            self._next[self._filled : filled] = samples
            self._filled = filled
            return
        windows: list[PendingWindow] = []
        while filled >= len(self._next):
            window, room = self._next, len(self._next) - self._filled
            window[self._filled :] = samples[:room]
            windows.append(PendingWindow(self._state, self._at, window))
            self._next = np.empty_like(window)
            self._next[: self._context] = window[self._size :]
            self._at += self._size
            self._filled = self._context
            samples, filled = samples[room:], filled - self._size
        self._next[self._context : filled] = samples
        self._filled = filled
        self._take(windows)

    def _take(self, windows: list[PendingWindow]) -> None:
        if self._calm is None:
            self._vad.hand_over(self, windows)
            return
        waits = [self._calm.may_wait(window.samples[self._context :]) for window in windows]  # each is told of
        self._waiting += windows
        if not all(waits) or len(self._waiting) >= MOST_WAITING:
            self._vad.hand_over_all()

    def take_waiting(self) -> list[PendingWindow]:
        """For the VAD: the windows of a calm line, which wait no longer."""
        windows, self._waiting = self._waiting, []
        return windows

    def skip(self, samples: int) -> None:
        """A gap of this many samples. The model gets silence, at most MAX_SKIP_WINDOWS of it."""
        shown = min(samples, MAX_SKIP_WINDOWS * self._size)
        if shown > 0:
            self.push_audio(np.zeros(shown, np.int16))
            self._at += samples - shown

    def reset(self) -> None:
        """Discard the model's state: another speaker, or another connection. Positions go on."""
        self._at += self._filled - self._context
        self._next, self._filled = np.zeros_like(self._next), self._context
        self._state = StreamState()  # waiting windows keep the old state

    def close(self) -> None:
        """Stop: no score comes after this, not even for a window in the model."""
        self._closed = True
        self._waiting = []
        self._vad.discard_stream(self)
        self._on_window = _unheard

    def deliver(self, window: VADWindow) -> bool:
        """For the VAD: give a score to the owner. False: the owner raised, and the error was logged."""
        if self._closed:
            return True
        if self._calm is not None:
            self._calm.scored(window.speech)
        try:
            self._on_window(window)
        except Exception:
            log.exception("A call failed on its VAD window")
            return False
        return True


class SileroVAD:
    """The process's one detector: `async with SileroVAD() as vad`, then `vad.open(...)` for each call.

    gather_ms: with more than GATHER_ABOVE open streams, a run waits this long for the windows of all streams.
    inline_streams: with no more open streams than this, the event loop runs the model itself, and windows of calm lines
    wait for each other (up to 256 ms; audio.calm), however many streams there are. 0: neither.
    """

    def __init__(self, gather_ms: float = 3.0, model: WindowModel | None = None, *, inline_streams: int = 0) -> None:
        self.stats = VADStats()
        self.dropped = 0
        """Windows of all streams without a score."""
        self.on_late: Callable[[float], None] = _unmeasured
        """Gets, for each run of the worker, the ms from its first waiting window to the scores on the event loop."""
        self._model = model or SileroModel()
        self._gather_s = gather_ms / 1000
        self.patient = inline_streams > 0
        """Whether the windows of calm lines wait."""
        self._inline_streams = inline_streams
        self._inline: list[tuple[SileroVADStream, PendingWindow]] = []  # for the event loop's next run
        self._wake = Condition()  # guards the fields below
        self._streams: set[SileroVADStream] = set()
        self._ready: dict[SileroVADStream, None] = {}  # streams with waiting windows, the longest wait first
        self._since_s = 0.0  # since when the first of them waits
        self._stop = False
        self._thread: Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> SileroVAD:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def start(self) -> None:
        """Start the worker. Scores come on the running event loop. Raises UsageError the second time."""
        if self._thread is not None:
            raise UsageError("The VAD was started before", advice="Start one VAD in a process, once")
        self._loop = asyncio.get_running_loop()
        self._thread = Thread(target=self._work, name="vad", daemon=True)
        self._thread.start()

    async def aclose(self) -> None:
        """Stop the worker and wait for its end. No score comes after this."""
        with self._wake:
            self._stop = True
            self._wake.notify()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def open(self, rate: int, on_window: Callable[[VADWindow], None]) -> SileroVADStream:
        """A new stream at 8000 or 16000 Hz. on_window: called on the event loop, in order.

        Raises UsageError for another rate."""
        if rate not in WINDOW:
            raise UsageError(f"The VAD takes no {rate} Hz", advice="Open it at 8000 or 16000 Hz, behind a HotResampler")
        stream = SileroVADStream(self, rate, on_window)
        with self._wake:
            self._streams.add(stream)
        return stream

    def hand_over(self, stream: SileroVADStream, windows: list[PendingWindow]) -> None:
        """For a stream: queue windows for the model."""
        few = len(self._streams) <= self._inline_streams and len(windows) <= MAX_INLINE
        with_worker = stream.pending or stream.in_worker  # in this order: the worker counts a window before it takes it
        if stream.inline or (few and not with_worker):
            self._hand_inline(stream, windows)
            return
        with self._wake:
            if self._stop:
                return
            if not self._ready:
                self._since_s = time.monotonic()
            stream.pending.extend(windows)
            self._drop(stream, len(stream.pending) - MAX_PENDING)
            self._ready[stream] = None
            # The worker waits for the first window, and then perhaps for the last: only these two wake it.
            if len(self._ready) == 1 or len(self._ready) >= len(self._streams):
                self._wake.notify()

    def discard_stream(self, stream: SileroVADStream) -> None:
        """For a stream that closes: discard its windows."""
        with self._wake:
            self._streams.discard(stream)
            self._ready.pop(stream, None)
            stream.pending.clear()

    # ------------------------------------------------------------------------------------------- the worker

    def _work(self) -> None:
        while (gathered := self._gather()) is not None:
            work, since_s = gathered
            if not work:
                continue
            scored = self._score_all(work)
            try:
                assert self._loop is not None
                self._loop.call_soon_threadsafe(self._take_back, scored, [stream for stream, _ in work], since_s)
            except RuntimeError:
                log.warning("The event loop was closed before the VAD, which stops now")
                return
            del gathered, work, scored  # the wait for the next windows must hold no stream of a call that is over

    def _gather(self) -> tuple[list[tuple[SileroVADStream, PendingWindow]], float] | None:
        """Wait for work: one window of each stream that has one (empty: the streams were closed during the wait), and
        since when the first of them waits. None: stop."""
        with self._wake:
            self._wake.wait_for(lambda: self._ready or self._stop)
            if len(self._streams) > GATHER_ABOVE:
                self._wake.wait_for(lambda: self._stop or len(self._ready) >= len(self._streams), self._gather_s)
            if self._stop:
                return None
            for stream in self._ready:
                stream.in_worker += 1
            work = [(stream, stream.pending.popleft()) for stream in self._ready]
            self._ready = {stream: None for stream, _ in work if stream.pending}
            since_s, self._since_s = self._since_s, time.monotonic()
            return work, since_s

    def _score_all(self, work: list[tuple[SileroVADStream, PendingWindow]]) -> list[tuple[SileroVADStream, VADWindow]]:
        """One window of each stream."""
        began = time.perf_counter()
        scored = [one for rate in WINDOW for one in self._score(rate, [w for w in work if w[0].rate == rate])]
        self.stats.windows += len(scored)
        self.stats.batches += 1
        self.stats.busy_ms += (time.perf_counter() - began) * 1000
        return scored

    def _score(
        self, rate: int, work: list[tuple[SileroVADStream, PendingWindow]]
    ) -> list[tuple[SileroVADStream, VADWindow]]:
        if not work:
            return []
        batch = np.stack([window.samples for _, window in work]).astype(np.float32)
        batch *= np.float32(1 / 32768)
        try:
            speech, state = self._model.run(batch, np.stack([w.state.state for _, w in work], axis=1), rate)
        except Exception:
            log.exception("The VAD failed on a batch of %d windows", len(work))
            with self._wake:
                for stream, _ in work:
                    stream.dropped += 1
                self.dropped += len(work)
            return []
        scored = []
        for i, (stream, window) in enumerate(work):
            window.state.state = state[:, i].copy()  # a copy: a view would keep the whole batch in memory
            scored.append((stream, VADWindow(window.at, window.at + WINDOW[rate], float(speech[i]))))
        return scored

    # ------------------------------------------------------------------------------------------- both sides

    def _drop(self, stream: SileroVADStream, count: int) -> None:
        for _ in range(count):
            stream.pending.popleft()
            stream.dropped += 1
            self.dropped += 1

    def hand_over_all(self) -> None:
        """For a stream whose windows wait no longer: those of the other calm lines share its run."""
        for other in self._streams:
            if windows := other.take_waiting():
                self.hand_over(other, windows)

    def _hand_inline(self, stream: SileroVADStream, windows: list[PendingWindow]) -> None:
        if not self._inline and self._loop is not None:
            self._loop.call_soon(self._run_inline)
        stream.inline = True
        self._inline += [(stream, window) for window in windows]

    def _run_inline(self) -> None:
        """On the event loop: all windows that have come since the loop's last round."""
        work, self._inline = self._inline, []
        for stream, _ in work:
            stream.inline = False
        while work and not self._stop:
            # A stream's next window needs the state after the one before it.
            first = dict(reversed([(stream, window) for stream, window in work]))
            batch = [(stream, window) for stream, window in work if first[stream] is window]
            work = [(stream, window) for stream, window in work if first[stream] is not window]
            self._deliver(self._score_all(batch))

    def _take_back(
        self, scored: list[tuple[SileroVADStream, VADWindow]], streams: list[SileroVADStream], since_s: float
    ) -> None:
        self.on_late((time.monotonic() - since_s) * 1000)
        with self._wake:
            for stream in streams:
                stream.in_worker -= 1
        self._deliver(scored)

    def _deliver(self, scored: list[tuple[SileroVADStream, VADWindow]]) -> None:
        if self._stop:
            return
        for stream, window in scored:
            if not stream.deliver(window):
                self.stats.failures += 1
