"""The browser's transport: `bargein.v1` over one WebSocket (docs/protocol.md), whoever serves that socket.

    async with BrowserTransport(socket, clock) as browser:      # owns the writer, and awaits it
        hello = await browser.handshake()                       # None: the client never said it
        browser.welcome(...)                                    # or refuse(), and ask again
        await Call(transport=browser, ...).run()

Whatever a client does wrong is answered with an `error`, and changes nothing else.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol, Self, assert_never

from bargein import protocols as c
from bargein.audio.pcm import Samples
from bargein.clock import Clock
from bargein.errors import ProtocolError
from bargein.notices import Notice, Problem, ReplyBegins
from bargein.transports.browser import wire as w
from bargein.transports.browser.send_queue import BrowserSendQueue
from bargein.transports.rate_limit import RateLimit

log = logging.getLogger(__name__)

CONTROLS = 1000  # messages that may wait for a client that does not read; a call makes some tens a second
HASTE = 1.001  # a client's clock may be so fast, all day long
CLOSE_MS = 1_000  # how long the last words may take on their way out
REASON_BYTES = 120  # a close frame has room for 123

NORMAL, PROTOCOL_ERROR, FLOODED, STUCK, INTERNAL = 1000, 1002, 1008, 1011, 1011


class Socket(Protocol):
    """A WebSocket that was accepted. send_*, close: raise ConnectionError when it is gone."""

    async def receive(self) -> str | bytes | None:
        """The next message; None when the connection is over, however that came."""
        ...

    async def send_text(self, text: str) -> None: ...

    async def send_bytes(self, data: bytes) -> None: ...

    async def close(self, code: int, reason: str) -> None: ...


@dataclass(frozen=True, slots=True)
class BrowserLimits:
    """What a client may do. Rates in messages a second; the socket itself bounds one message's size."""

    messages: float = 200
    burst: float = 400
    flood: float = 2000  # beyond this the socket is closed
    ahead_ms: float = 2_000  # audio that may come faster than it could be spoken
    hello_ms: float = 10_000
    unread_ms: float = 4_000

    def as_told(self) -> dict[str, float]:
        """For `welcome`."""
        return {
            "message_bytes": w.MESSAGE_BYTES,
            "messages_per_s": self.messages,
            "messages_burst": self.burst,
            "audio_ahead_ms": self.ahead_ms,
            "unread_ms": self.unread_ms,
        }


class BrowserTransport:
    """A protocols.Transport by shape. To be entered before use; leaving it closes the socket."""

    rate_in = w.RATE_IN
    rate_out = w.RATE_OUT

    def __init__(self, socket: Socket, clock: Clock, limits: BrowserLimits | None = None) -> None:
        self.capabilities = c.TransportCapabilities(pause=True, reports=True)
        self.limits = limits or BrowserLimits()
        self._socket = socket
        self._clock = clock
        self._line = BrowserSendQueue(int(self.limits.unread_ms * self.rate_out / 1000), CONTROLS)
        self._messages = RateLimit(clock, self.limits.messages, self.limits.burst)
        self._flood = RateLimit(clock, self.limits.flood, self.limits.flood)
        self._scolding = RateLimit(clock, 1, 1)
        self._audio = RateLimit(clock, self.rate_in * HASTE, self.limits.ahead_ms * self.rate_in / 1000)
        self._mic_end = 0  # position after the newest sample that came
        self._reply = 0  # the newest reply that the client was told of
        self._welcomed = False
        self._welcomed_ms = 0.0
        self._writer: asyncio.Task[None] | None = None
        self._reading: asyncio.Timeout | None = None
        self._lost: str | None = None
        self._code = NORMAL
        self._closed = False

    async def __aenter__(self) -> Self:
        self._writer = asyncio.create_task(self._write(), name="browser writer")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close(self._lost or "ended")

    # ------------------------------------------------------------------------------------------------ beginning

    async def handshake(self) -> w.Hello | None:
        """The client's hello. None: it did not come within the bound, or the client is gone."""
        try:
            async with asyncio.timeout(self.limits.hello_ms / 1000):
                while (raw := await self._receive()) is not None:
                    if isinstance(message := self._read(raw), w.Hello):
                        return message
        except TimeoutError:
            self._lose(f"no hello within {self.limits.hello_ms / 1000:g} s", PROTOCOL_ERROR)
        return None

    def welcome(self, welcome: w.Welcome) -> None:
        """The hello was good: the call begins, and the microphone's positions count from now."""
        self._welcomed = True
        self._welcomed_ms = self._clock.now_ms()
        self._line.control(w.encode(welcome))

    def direct(self) -> None:
        """The client gets the agent's sound from the model itself, by WebRTC, and only reports. Before the call."""
        self.capabilities = dataclasses.replace(self.capabilities, carries=False)

    def refuse(self, problem: Problem, code: int = NORMAL) -> None:
        """The hello was not good. The client may try another, if the problem is not fatal."""
        self._code = code
        self.notify(problem)

    # -------------------------------------------------------------------------------------------- what comes in

    async def receive(self) -> AsyncIterator[c.Inbound]:
        """What the client sends, in order; ends after FarHangUp."""
        while (raw := await self._receive()) is not None:
            message = self._read(raw)
            item = self._inbound(message) if isinstance(message, w.FromClient) else message
            if item is not None:
                yield item
                if isinstance(item, c.ClientHangUp):
                    return
        yield c.ClientHangUp(self._lost or "the connection is gone")

    async def _receive(self) -> str | bytes | None:
        """The next message that is not too many. None: there is nobody any more."""
        while self._lost is None:
            try:
                # Without a deadline, until the writer finds that the client is gone and sets one.
                async with asyncio.timeout(None) as self._reading:
                    raw = await self._socket.receive()
            except TimeoutError:
                return None
            finally:
                self._reading = None
            if raw is None:
                return None
            if not self._flood.take():
                self._lose("the client flooded us", FLOODED)
            elif self._messages.take():
                return raw
            else:
                if self._scolding.take():
                    what = f"More than {self.limits.messages:g} messages a second"
                    self._complain(what, "Send fewer: one audio frame every 20 ms is enough", "too_fast")
                # Thousands of messages may have come in one read, and a queue that is not empty never waits: without
                # this the other calls would stand still until the last of them is dropped.
                await asyncio.sleep(0)
        return None

    def _read(self, raw: str | bytes) -> w.FromClient | c.AudioIn | None:
        """Check one message; what is wrong with it is told to the client."""
        try:
            if not self._welcomed:
                return self._hello(raw)
            if isinstance(raw, bytes):
                return self._audio_in(*w.microphone(raw))
            message = w.decode(raw)
            if isinstance(message, w.AudioChunk):
                return self._audio_in(self._mic_end, w.pcm(message.audio_data))
        except ProtocolError as error:
            self._complain(error.message, error.advice, error.code)
            return None
        return message

    @staticmethod
    def _hello(raw: str | bytes) -> w.Hello:
        message = w.decode(raw) if isinstance(raw, str) else None
        if not isinstance(message, w.Hello):
            what = "A binary frame" if message is None else "A message"
            advice = "Send hello first, and wait for welcome"
            raise ProtocolError(f"{what} came before hello", advice=advice, code="hello_first")
        return message

    def _audio_in(self, first_sample: int, samples: Samples) -> c.AudioIn:
        if first_sample < self._mic_end:
            what = f"Audio from sample {first_sample} came after sample {self._mic_end}"
            raise ProtocolError(what, advice="Count the samples up, and send each once", code="audio_back")
        end = first_sample + len(samples)
        # The bucket bounds how much comes, the position how far a gap may lead.
        most = (self._clock.now_ms() - self._welcomed_ms) * HASTE + self.limits.ahead_ms
        if end * 1000 / self.rate_in > most or not self._audio.take(len(samples)):
            what = f"Audio runs more than {self.limits.ahead_ms:g} ms ahead of real time"
            raise ProtocolError(what, advice="Send it as it is spoken", code="audio_ahead")
        self._mic_end = end
        return c.AudioIn(samples, first_sample)

    def _inbound(self, message: w.FromClient) -> c.Inbound | None:
        """A checked message, as the call knows it."""
        match message:
            case w.LocalHoldMade() | w.PlayedSoFar() | w.HeldNow() | w.FlushedNow() | w.FinishedNow():
                return self._report(message)
            case w.Interrupt():
                return c.StopPressed()
            case w.ChangeSettings(policy, settings):
                return c.SettingsRequested(policy, settings or {})
            case w.Type(text):
                if text.strip():
                    return c.Typed(text.strip())
                self._complain("There are no words in it", "Say something", "bad_message")
            case w.HangUpMessage():
                return c.ClientHangUp("the client hung up")
            case w.Ping(n):
                self._put(w.encode(w.Pong(n)))
            case w.Hello():
                self._complain("The call has begun already", "Open another socket for another call", "hello_again")
            case w.AudioChunk():
                pass  # has become AudioIn in _read
            case _:
                assert_never(message)
        return None

    def _report(
        self, message: w.LocalHoldMade | w.PlayedSoFar | w.HeldNow | w.FlushedNow | w.FinishedNow
    ) -> c.Inbound | None:
        if not 0 < message.reply_id <= self._reply:
            what = f"There was no reply {message.reply_id}"
            self._complain(what, "Name a reply that `reply` has announced", "unknown_reply")
            return None
        match message:
            case w.LocalHoldMade(reply, played, _, age_ms):
                return c.LocalHold(reply, played, age_ms)
            case w.PlayedSoFar(reply, played, playing):
                return c.Played(reply, played, playing)
            case w.HeldNow(reply, played):
                return c.Held(reply, played)
            case w.FlushedNow(reply, played):
                return c.Flushed(reply, played)
            case w.FinishedNow(reply, played):
                return c.Finished(reply, played)
            case _:
                assert_never(message)

    # --------------------------------------------------------------------------------------------- what goes out

    def send(self, frame: c.AudioOut) -> bool:
        """Put a frame into the line. False: it is full."""
        self._reply = max(self._reply, frame.reply)
        return self._line.audio(frame)

    def hold(self, reply: int) -> c.AudioOut | None:
        """Take the reply's frames back out of the line; the first of them."""
        taken = self._line.take_back(reply)
        return taken[0] if taken else None

    def flush(self, reply: int) -> int:
        """Drop every frame of the reply that is still in the line."""
        return len(self._line.take_back(reply))

    def notify(self, notice: Notice) -> None:
        """Tell the client."""
        if isinstance(notice, ReplyBegins):
            self._reply = max(self._reply, notice.reply_id)
        self._put(w.encode(notice))

    def _complain(self, message: str, advice: str, code: str) -> None:
        log.debug("Client error %s: %s", code, message)
        self._put(w.encode(Problem(code, message, advice)))

    def _put(self, text: str) -> None:
        if not self._line.control(text) and not self._closed:
            self._lose("the client does not read", STUCK)

    async def _write(self) -> None:
        """The one writer. A client that stops reading stops it, and nobody else."""
        try:
            while (item := await self._line.next()) is not None:
                async with asyncio.timeout(self.limits.unread_ms / 1000):
                    if isinstance(item, str):
                        await self._socket.send_text(item)
                    else:
                        await self._socket.send_bytes(w.agent_frame(item))
        except TimeoutError:
            self._lose("the client does not read", STUCK)
        except ConnectionError:
            self._lose("the connection is gone", NORMAL)
        except Exception:
            log.exception("Writing to a browser failed")
            self._lose("an error of ours", INTERNAL)

    # ----------------------------------------------------------------------------------------------------- ending

    def _lose(self, reason: str, code: int) -> None:
        """There is nobody any more, or nobody whom we want: the call hears of it as a hang-up."""
        if self._lost is not None:
            return
        self._lost, self._code = reason, code
        log.info("A browser is lost: %s", reason)
        if self._reading is not None and not self._reading.expired():
            self._reading.reschedule(asyncio.get_running_loop().time())

    async def close(self, reason: str) -> None:
        """Let the last messages out, close the socket, await the writer. Once; again does nothing."""
        if self._closed:
            return
        self._closed = True
        self._line.end()
        if self._writer is not None:
            try:
                await asyncio.wait([self._writer], timeout=CLOSE_MS / 1000)
            finally:
                self._writer.cancel()
                await asyncio.wait([self._writer])
        said = (self._lost or reason).encode()[:REASON_BYTES].decode(errors="ignore")
        try:
            async with asyncio.timeout(CLOSE_MS / 1000):
                await self._socket.close(self._code, said)
        except (TimeoutError, ConnectionError):
            log.info("A browser's socket did not close properly (%s)", said)
