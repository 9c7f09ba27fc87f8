"""The browser's transport: `bargein.v1` over one WebSocket (docs/protocol.md), of any web server.

    async with BrowserTransport(socket, clock) as browser:      # owns the writer, and awaits its end
        hello = await browser.handshake()                       # None: no hello came
        browser.welcome(...)                                    # or refuse(), and wait for another hello
        await Call(transport=browser, ...).run()

A client's mistake is answered with an `error`, and changes nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Self, assert_never

from bargein import protocols as c
from bargein.audio.pcm import Samples
from bargein.clock import Clock
from bargein.errors import ProtocolError
from bargein.notices import Bye, Notice, Problem, ReplyBegins
from bargein.transports.browser import wire as w
from bargein.transports.browser.limits import BrowserLimits
from bargein.transports.browser.send_queue import BrowserSendQueue
from bargein.transports.browser.socket import Socket
from bargein.transports.positions import IncomingPositions
from bargein.transports.rate_limit import RateLimit
from bargein.transports.websocket import GOODBYES, REFUSED_CLOSES, TOO_BIG, close_reason, too_long

log = logging.getLogger(__name__)

MAX_CONTROLS = 1000  # messages in the queue for a client that does not read; a call sends some tens a second
MAX_BACK = 5  # frames in a row that were sent already, after which the client has begun to count anew
CLOSE_MS = 1_000  # the last messages may take this long to leave
PLACE_MS = 300  # a client is told of a better place if that is known so soon

NORMAL, PROTOCOL_ERROR, FLOODED, STUCK, INTERNAL, TRY_AGAIN_LATER = 1000, 1002, 1008, 1011, 1011, 1013
SERVICE_RESTART, TAKEN_OVER, GO_ELSEWHERE = 1012, 4001, 4003


async def _anywhere() -> str | None:
    return None


class BrowserTransport:
    """A `protocols.Transport` by shape. Enter it before use; leaving it closes the socket."""

    rate_in = w.RATE_IN
    rate_out = w.RATE_OUT

    def __init__(
        self,
        socket: Socket,
        clock: Clock,
        limits: BrowserLimits | None = None,
        *,
        close_code: Callable[[], int | None] = lambda: None,
        repair_ms: float = 0.0,
    ) -> None:
        """close_code: with which the client closed the connection; None: it is lost. repair_ms: of the capabilities."""
        self.limits = limits or BrowserLimits()
        self.capabilities = c.TransportCapabilities(True, True, backlog_ms=self.limits.backlog_ms, repair_ms=repair_ms)
        self._socket = socket
        self._close_code = close_code
        self._clock = clock
        self._send_queue = BrowserSendQueue(int(self.limits.unread_ms * self.rate_out / 1000), MAX_CONTROLS)
        self._messages = RateLimit(clock, self.limits.messages, self.limits.burst)
        self._flood = RateLimit(clock, self.limits.flood, self.limits.flood)
        self._typed = RateLimit(clock, self.limits.typed, self.limits.typed_burst)
        self._error_limit = RateLimit(clock, 1, 1)
        self._positions = IncomingPositions(clock, self.rate_in, self.limits.ahead_ms)
        self._mic_end = 0  # position after the newest microphone sample, as the client counts
        self._before = 0  # microphone samples that were spoken before this connection began
        self._takes_backlog = False
        self._placed_from: int | None = None  # where the call began, in audio that comes with its place
        self._back = 0  # frames in a row that were sent already
        self._reply = 0  # the newest reply that was announced to the client
        self._welcomed = False
        self._call_id = ""
        self.moves_to: Callable[[], Awaitable[str | None]] = _anywhere
        """Where a call that moves goes on: an address, a path, or None."""
        self._writer: asyncio.Task[None] | None = None
        self._reading: asyncio.Timeout | None = None
        self._lost: str | None = None
        self._broken = False  # nothing can be sent any more
        self._may_return = True  # unless the client or this side has ended the call
        self._code = NORMAL
        self._closed = False

    async def __aenter__(self) -> Self:
        self._writer = asyncio.create_task(self._write(), name="browser writer")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close(self._lost or "ended")

    # ------------------------------------------------------------------------------------------------ beginning

    async def handshake(self) -> w.Hello | None:
        """The client's hello. None: no hello came within `hello_ms`, or the connection is lost."""
        try:
            async with asyncio.timeout(self.limits.hello_ms / 1000):
                while (raw := await self._receive()) is not None:
                    if isinstance(message := self._read(raw), w.Hello):
                        return message
        except TimeoutError:
            self._lose(f"no hello within {self.limits.hello_ms / 1000:g} s", PROTOCOL_ERROR)
        return None

    def welcome(self, welcome: w.Welcome, newest_reply: int = 0) -> None:
        """Accept the hello: the call begins, or goes on, and the microphone's positions count from now. newest_reply:
        of a call that goes on; the client may report on it."""
        self._reply = newest_reply
        self._welcomed = True
        self._call_id = welcome.call_id
        self._takes_backlog = welcome.resumed
        self._positions.begin()
        self._send_queue.push_control(w.encode(welcome))

    def direct(self) -> None:
        """The client gets the agent's audio from the model by WebRTC, and only reports. Call this before the call."""
        self.capabilities = dataclasses.replace(self.capabilities, carries_audio=False)

    def drop(self) -> None:
        """End the wait for a hello."""
        self._lose("too many strangers", TRY_AGAIN_LATER)

    def send_elsewhere(self, at: str, why: str) -> None:
        """Refuse the hello, and tell the client to say it there."""
        self._code = GO_ELSEWHERE
        self._push_control(w.encode(w.SentElsewhere(at, why)))

    def refuse(self, problem: Problem, code: int = NORMAL) -> None:
        """Refuse the hello. After a problem that is not fatal the client may send another hello."""
        self._code = code
        self.notify(problem)

    # ------------------------------------------------------------------------------------------------- incoming

    async def receive(self) -> AsyncIterator[c.Inbound]:
        """The client's messages, in order. The last one is ClientHangUp."""
        while (raw := await self._receive()) is not None:
            message = self._read(raw)
            item = self._inbound(message) if isinstance(message, w.FromClient) else message
            if item is not None:
                yield item
                if isinstance(item, c.ClientHangUp):
                    return
        reason, lost = self._lost, self._may_return
        if reason is None:
            code = self._close_code()
            lost = code not in (*GOODBYES, *REFUSED_CLOSES)
            if code in REFUSED_CLOSES:
                reason = "the client's frames were refused"
            else:
                reason = "the connection is lost" if lost else "the client closed the connection"
        yield c.ClientHangUp(reason, lost=lost)

    async def _receive(self) -> str | bytes | c.AudioIn | None:
        """The next message within the limits. None: the connection is lost."""
        while self._lost is None:
            try:
                # Without a deadline. The writer sets one when it loses the client.
                async with asyncio.timeout(CLOSE_MS / 1000 if self._broken else None) as self._reading:
                    raw = await self._socket.receive()
            except TimeoutError:
                return None
            finally:
                self._reading = None
            if raw is None or isinstance(raw, c.AudioIn):
                return raw
            if too_long(raw):
                self._lose("a message is too long", TOO_BIG)
            elif not self._flood.take():
                self._lose("the client sent too many messages", FLOODED)
            elif self._messages.take():
                return raw
            else:
                if self._error_limit.take():
                    what = f"More than {self.limits.messages:g} messages a second came"
                    self._send_error(what, "Send fewer: one audio frame every 20 ms is enough", "too_fast")
                # One read may bring thousands of messages, and a queue with messages never waits. Without this pause
                # every other call would wait until the last surplus message is dropped.
                await asyncio.sleep(0)
        return None

    def _read(self, raw: str | bytes | c.AudioIn) -> w.FromClient | c.AudioIn | None:
        """Check one message. A fault in the message is sent to the client as an error."""
        try:
            if isinstance(raw, c.AudioIn):
                return self._placed(raw) if self._welcomed else None
            if not self._welcomed:
                return self._hello(raw)
            if isinstance(raw, bytes):
                return self._audio_in(*w.microphone(raw), w.loudspeaker(raw))
            message = w.decode(raw)
            if isinstance(message, w.AudioChunk):
                samples = w.pcm(message.audio_data)
                return self._audio_in(self._mic_end, samples, w.codes(message.loudspeaker, len(samples)))
        except ProtocolError as error:
            self._send_error(error.message, error.advice, error.code)
            return None
        return message

    def _placed(self, audio: c.AudioIn) -> c.AudioIn | None:
        """The audio at its place in the call. None: it is older than the call."""
        if self._placed_from is None:
            self._placed_from = audio.first_sample
        first = audio.first_sample - self._placed_from
        return None if first < 0 else dataclasses.replace(audio, first_sample=first)

    @staticmethod
    def _hello(raw: str | bytes) -> w.Hello:
        message = w.decode(raw) if isinstance(raw, str) else None
        if not isinstance(message, w.Hello):
            what = "A binary frame" if message is None else "A message"
            advice = "Send hello first, and wait for welcome"
            raise ProtocolError(f"{what} came before hello", advice=advice, code="hello_first")
        return message

    def _audio_in(self, first_sample: int, samples: Samples, loudspeaker: w.Codes | None) -> c.AudioIn:
        if first_sample < self._mic_end:
            self._back += 1
            what = f"Audio from sample {first_sample} came after sample {self._mic_end}"
            advice = "Count the samples up, and send each sample once"
            if self._back < MAX_BACK:
                raise ProtocolError(what, advice=advice, code="audio_back")
            self._mic_end = first_sample
        self._back, self._takes_backlog = 0, False
        first, believed = self._positions.place(len(samples), first_sample - self._mic_end)
        self._mic_end = first_sample + len(samples)
        if not (self._positions.in_pace(len(samples)) and believed) and self._error_limit.take():
            what = f"Audio runs more than {self.limits.ahead_ms:g} ms ahead of real time"
            self._send_error(what, "Send the audio as it is spoken", "audio_ahead")
        return c.AudioIn(samples, first - self._before, loudspeaker)

    def _begin_late(self, samples: int) -> None:
        """The microphone's next samples were spoken while there was no connection."""
        if not self._takes_backlog:
            advice = "Send it once, after a welcome with resumed, and before the first audio"
            self._send_error("A backlog is not expected here", advice, "bad_message")
        elif samples * 1000 > self.limits.backlog_ms * self.rate_in:
            advice = "Drop the oldest, and tell what is left"
            self._send_error(f"A backlog has at most {self.limits.backlog_ms:g} ms", advice, "bad_message")
        else:
            self._takes_backlog, self._before = False, samples
            self._positions.begin_late(samples)

    def _inbound(self, message: w.FromClient) -> c.Inbound | None:
        """A checked message as the call's event. None: the call has no part in the message."""
        match message:
            case w.LocalHoldMade() | w.PlayedSoFar() | w.HeldNow() | w.FlushedNow() | w.FinishedNow():
                return self._report(message)
            case w.Interrupt():
                return c.StopPressed()
            case w.ChangeSettings(policy, settings):
                return c.SettingsRequested(policy, settings or {})
            case w.Type(text):
                if not (text := text.strip()):
                    self._send_error("The text of `say` is empty", "Send some words", "bad_message")
                elif self._typed.take(len(text)):
                    return c.Typed(text)
                elif self._error_limit.take():
                    what = f"More than {self.limits.typed:g} characters a second were typed"
                    self._send_error(what, "Send fewer words", "too_fast")
            case w.BacklogBegins(samples):
                self._begin_late(samples)
            case w.RecordThis(on):
                return c.RecordingWished(on)
            case w.HangUpMessage():
                return c.ClientHangUp("the client hung up")
            case w.Ping(n):
                self._push_control(w.encode(w.Pong(n)))
            case w.Hello():
                self._send_error("The call has begun already", "Open a second socket for a second call", "hello_again")
            case w.AudioChunk():
                pass  # _read made it an AudioIn
            case _:
                assert_never(message)
        return None

    def _report(
        self, message: w.LocalHoldMade | w.PlayedSoFar | w.HeldNow | w.FlushedNow | w.FinishedNow
    ) -> c.Inbound | None:
        if not 0 < message.reply_id <= self._reply:
            self._send_error(f"Reply {message.reply_id} was not announced", "Name an announced reply", "unknown_reply")
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

    # ------------------------------------------------------------------------------------------------- outgoing

    def send(self, frame: c.AudioOut) -> bool:
        """Add a frame to the send queue. False: the queue is full."""
        self._reply = max(self._reply, frame.reply)
        return self._send_queue.push_audio(frame)

    def hold(self, reply: int) -> c.AudioOut | None:
        """Remove the reply's frames from the send queue. Returns the first of them."""
        removed = self._send_queue.discard_reply(reply)
        return removed[0] if removed else None

    def flush(self, reply: int) -> int:
        """Remove the reply's frames from the send queue. Returns their number."""
        return len(self._send_queue.discard_reply(reply))

    def notify(self, notice: Notice) -> None:
        """Send a notice to the client."""
        if isinstance(notice, ReplyBegins):
            self._reply = max(self._reply, notice.reply_id)
        elif isinstance(notice, Bye) and notice.reason == c.MOVED:
            return  # the call is not over: `close` tells where it goes on
        self._push_control(w.encode(notice))

    def _send_error(self, message: str, advice: str, code: str) -> None:
        log.debug("Client error %s: %s", code, message)
        self._push_control(w.encode(Problem(code, message, advice)))

    def _push_control(self, text: str) -> None:
        if not self._send_queue.push_control(text) and not self._closed:
            self._lose("the client does not read", STUCK, lost=True)

    async def _write(self) -> None:
        """The one writer. A client that stops reading delays its own writer and no other call."""
        try:
            while (item := await self._send_queue.next()) is not None:
                async with asyncio.timeout(self.limits.unread_ms / 1000):
                    if isinstance(item, str):
                        await self._socket.send_text(item)
                    else:
                        await self._socket.send_bytes(w.agent_frame(item))
        except TimeoutError:
            self._lose("the client does not read", STUCK, lost=True)
        except ConnectionError:
            self._broken = True  # the reader learns whether the client has said goodbye
            if self._reading is not None and not self._reading.expired():
                self._reading.reschedule(asyncio.get_running_loop().time() + CLOSE_MS / 1000)
        except Exception:
            log.exception("Writing to a browser failed")
            self._lose("an internal error", INTERNAL)

    # ----------------------------------------------------------------------------------------------------- ending

    def release(self, reason: str) -> None:
        """The call goes on over another connection: `receive` ends, and the client is told why."""
        self._lose(reason, TAKEN_OVER)

    def _lose(self, reason: str, code: int, *, lost: bool = False) -> None:
        """End the call from here: the call receives ClientHangUp with this reason. lost: the client may come back."""
        if self._lost is not None:
            return
        self._lost, self._code, self._may_return = reason, code, lost
        log.info("A browser is lost: %s", reason)
        if self._reading is not None and not self._reading.expired():
            self._reading.reschedule(asyncio.get_running_loop().time())

    async def _send_moved(self) -> None:
        at = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PLACE_MS / 1000):
                at = await self.moves_to()
        self._code = GO_ELSEWHERE
        self._send_queue.push_control(w.encode(w.Moved(self._call_id, at)))

    async def close(self, reason: str) -> None:
        """Send the last messages, await the writer, close the socket. A second close does nothing."""
        if self._closed:
            return
        self._closed = True
        if reason == c.SERVER_STOPPED and self._lost is None:
            self._code = SERVICE_RESTART
        elif reason == c.MOVED and self._lost is None:
            await self._send_moved()
        self._send_queue.close()
        if self._writer is not None:
            try:
                await asyncio.wait([self._writer], timeout=CLOSE_MS / 1000)
            finally:
                self._writer.cancel()
                await asyncio.wait([self._writer])
        text = close_reason(self._lost or reason)
        try:
            async with asyncio.timeout(CLOSE_MS / 1000):
                await self._socket.close(self._code, text)
        except (TimeoutError, ConnectionError):
            log.info("A browser's socket did not close properly (%s)", text)
