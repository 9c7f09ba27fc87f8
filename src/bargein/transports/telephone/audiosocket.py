"""Asterisk's AudioSocket: bare audio over TCP. Asterisk plays what comes, and tells nothing of it.

So each frame leaves when it is due, and none before: a hold or a cut stops what has not left, and the position is what
has left. Silence leaves where the reply has no audio, so that the caller's line keeps its pace.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import numpy as np

from bargein import protocols as c
from bargein.audio.pcm import FRAME_MS
from bargein.clock import Clock
from bargein.errors import ProtocolError
from bargein.notices import Notice
from bargein.transports.rate_limit import RateLimit
from bargein.transports.telephone.audiosocket_wire import (
    HANG_UP_MESSAGE,
    AudioSocketReader,
    SocketAudio,
    SocketEnd,
    SocketId,
    SocketKey,
    audio_message,
)
from bargein.transports.telephone.dialect import Started
from bargein.transports.telephone.incoming_audio import IncomingAudio
from bargein.transports.telephone.limits import TelephoneLimits

log = logging.getLogger(__name__)

QUEUED = 60  # frames: the longest lead, and some more
BEHIND_MS = 200.0  # later than this, frames of silence are skipped: their time is over
REPORT_FRAMES = 5  # a position is told each 100 ms
BOUND_MS = float(FRAME_MS)  # the frame that left last may sound yet, or not


class TcpWire(Protocol):
    """An open connection. No method waits."""

    @property
    def unsent(self) -> int:
        """Bytes that the kernel has not taken yet."""
        ...

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...


class AudioSocketRounds(Protocol):
    """What calls every 20 ms (the process's ticker)."""

    def add(self, tick: Callable[[float], None], on_crash: Callable[[BaseException], None]) -> None: ...

    def remove(self, tick: Callable[[float], None]) -> None: ...


class AudioSocketTransport:
    """A `protocols.Transport` by shape. The rate is that of Asterisk's first audio."""

    name = "audiosocket"

    def __init__(
        self, wire: TcpWire, clock: Clock, rounds: AudioSocketRounds, limits: TelephoneLimits | None = None
    ) -> None:
        self.limits = limits or TelephoneLimits()
        self.capabilities = c.TransportCapabilities(pause=True, reports=True, plays_immediately=True)
        self.faults = 0
        self.started: Started | None = None
        self.skipped = 0
        """Frames of silence that were not sent because we were too late."""
        self._wire = wire
        self._clock = clock
        self._rounds = rounds
        self._reader = AudioSocketReader()
        self._messages = RateLimit(clock, self.limits.messages, self.limits.burst)
        self._fault_limit = RateLimit(clock, 0.5, 3)
        self._id = ""
        self._set_rate(8_000)
        self._queue: deque[c.AudioOut] = deque()
        self._left: tuple[int, int] | None = None  # the newest reply, and how much of it has left
        self._ended: c.Finished | None = None  # told when the last frame has sounded
        self._unreported = 0  # frames
        self._due_ms: float | None = None
        self._stuck_since_ms: float | None = None
        self._incoming: deque[c.Inbound] = deque()
        self._changed = asyncio.Event()
        self._over: str | None = None
        self._closed = False

    def _set_rate(self, rate: int) -> None:
        self.rate_in = self.rate_out = rate
        self._quiet = audio_message(np.zeros(rate * FRAME_MS // 1000, np.int16), rate)
        self._audio = IncomingAudio(self._clock, rate, self.limits.ahead_ms)

    # ------------------------------------------------------------------------------------------------- incoming

    def push(self, data: bytes) -> None:
        """For the connection: bytes came. Never waits, and raises no error for any content."""
        if self._over is not None:
            return
        self._reader.push(data)
        while self._over is None:
            try:
                message = self._reader.next()
            except ProtocolError as error:
                self._fault(error)
                continue
            if message is None:
                return
            if not self._messages.take():
                self.over("Asterisk sent too many messages")
                return
            self._handle(message)

    def _handle(self, message: SocketId | SocketAudio | SocketKey | SocketEnd) -> None:
        match message:
            case SocketEnd(reason):
                self.over(reason)
            case SocketId(id_):
                if self._id:
                    self._fault(ProtocolError("A second id came", advice="Send it once", code="start_again"))
                else:
                    self._id = str(id_)
            case _ if not self._id:
                self.over("no id came first")
            case SocketKey(key):
                self._tell(c.KeyPress(key))
            case SocketAudio(samples, rate):
                if self.started is None:
                    self._set_rate(rate)
                    self.started = Started(self._id[:8], "", parameters={"uuid": self._id}, extra={"rate": str(rate)})
                if rate != self.rate_in:
                    what = f"Audio at {rate} Hz came into a call at {self.rate_in} Hz"
                    self._fault(ProtocolError(what, advice="Keep to one rate", code="bad_media"))
                    return
                for audio in self._audio.take(samples, None, None):
                    self._tell(audio)
                for fault in self._audio.faults(len(samples)):
                    self._fault(ProtocolError(fault.message, advice=fault.advice, code=fault.code))

    def over(self, reason: str) -> None:
        """The call is over for Asterisk."""
        if self._over is None:
            self._over = reason
            self._changed.set()

    def _tell(self, item: c.Inbound) -> None:
        self._incoming.append(item)
        self._changed.set()

    def _fault(self, error: ProtocolError) -> None:
        self.faults += 1
        if error.code in ("bad_format", "bad_start") and self.started is None:
            self.over(f"{error.message}. {error.advice}")
        if self._fault_limit.take():
            log.warning("AudioSocket: %s: %s. %s", error.code, error.message, error.advice)
            self._tell(c.ClientFault(error.code, error.message, error.advice))

    async def handshake(self) -> Started | None:
        """Wait for the id and the first audio, whose rate is the call's. None: they did not come in time, or the
        connection is lost."""
        try:
            async with asyncio.timeout(self.limits.start_ms / 1000):
                while self.started is None and self._over is None:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            self.over(f"no audio within {self.limits.start_ms / 1000:g} s")
        self._changed.set()
        if self.started is not None and not self._closed:
            self._rounds.add(self._tick, self._crashed)
        return self.started

    async def receive(self) -> AsyncIterator[c.Inbound]:
        """What Asterisk sends, in order. The last item is ClientHangUp."""
        while True:
            while self._incoming:
                yield self._incoming.popleft()
            if self._over is not None:
                yield c.ClientHangUp(self._over)
                return
            self._changed.clear()
            await self._changed.wait()

    # ------------------------------------------------------------------------------------------------- outgoing

    def send(self, frame: c.AudioOut) -> bool:
        """Queue a frame. False: the queue is full."""
        if self._over is not None or self._closed:
            return True
        if len(self._queue) >= QUEUED:
            return False
        self._queue.append(frame)
        return True

    def hold(self, reply: int) -> c.AudioOut | None:
        """Nothing more of the reply leaves; `Held` follows."""
        first = next((frame for frame in self._queue if frame.reply == reply), None)
        self._discard(reply)
        self._tell(c.Held(reply, self._left_of(reply), BOUND_MS))
        return first

    def flush(self, reply: int) -> int:
        """Discard the reply's frames; `Flushed` follows."""
        count = self._discard(reply)
        self._tell(c.Flushed(reply, self._left_of(reply), BOUND_MS))
        return count

    def _discard(self, reply: int) -> int:
        before = len(self._queue)
        self._queue = deque(frame for frame in self._queue if frame.reply != reply)
        return before - len(self._queue)

    def _left_of(self, reply: int) -> int:
        return self._left[1] if self._left is not None and self._left[0] == reply else 0

    def notify(self, notice: Notice) -> None:
        """A telephone shows no text."""

    def _tick(self, now_ms: float) -> None:
        if self._over is not None:
            return
        if self._wire.unsent > self.limits.unsent:
            self._stuck(now_ms)
            return
        self._stuck_since_ms = None
        if self._due_ms is None:
            self._due_ms = now_ms
        if now_ms - self._due_ms > BEHIND_MS:
            missed = int((now_ms - self._due_ms) // FRAME_MS)
            self.skipped += missed
            self._due_ms += missed * FRAME_MS
        while self._due_ms <= now_ms:
            self._due_ms += FRAME_MS
            self._send_next()

    def _stuck(self, now_ms: float) -> None:
        """Asterisk reads nothing: what is due meanwhile waits, and no message is left half."""
        if self._stuck_since_ms is None:
            self._stuck_since_ms = now_ms
        elif now_ms - self._stuck_since_ms > self.limits.stuck_ms:
            self.over("Asterisk does not read")

    def _send_next(self) -> None:
        """Send one frame, of the reply or of silence. The frame before it has sounded."""
        if self._ended is not None:
            self._tell(self._ended)
            self._ended = None
        elif self._left is not None and self._unreported >= REPORT_FRAMES:
            self._unreported = 0
            self._tell(c.Played(*self._left, playing=True))
        frame = self._queue.popleft() if self._queue else None
        if frame is not None and not len(
            frame.samples
        ):  # the reply's end, without audio: a message of none is an error
            self._tell(c.Finished(frame.reply, frame.first_sample))
            frame = self._queue.popleft() if self._queue else None
        if frame is None:
            self._wire.write(self._quiet)
            return
        samples, reply = frame.samples, frame.reply
        self._left = (reply, frame.first_sample + len(samples))
        self._unreported += 1
        if frame.last:
            self._ended = c.Finished(*self._left)
            self._unreported = 0
        self._wire.write(audio_message(samples.astype(np.int16, copy=False), self.rate_out))

    def _crashed(self, error: BaseException) -> None:
        log.error("AudioSocket: the call's pace failed: %r", error)
        self.over("an error of ours")

    # --------------------------------------------------------------------------------------------------- ending

    def refuse(self, reason: str) -> None:
        """The server accepts no call from this connection."""
        self.over(reason)

    def release(self, reason: str) -> None:
        """The call goes on over another connection."""
        self.over(reason)

    async def close(self, reason: str) -> None:
        """Hang up, and close the connection. A second close does nothing."""
        if self._closed:
            return
        self._closed = True
        self._rounds.remove(self._tick)
        if self.started is not None:
            self._wire.write(HANG_UP_MESSAGE)
        self._wire.close()
