"""A telephone network's media stream over a WebSocket, for every vendor.

    telephone = TelephoneTransport(wire, dialect, clock)    # wire: an open socket; dialect: one vendor's messages
    started = await telephone.handshake()                   # None: the stream never began
    await Call(transport=telephone, ...).run()

The network plays audio at once. Most networks cannot pause: there a hold is a clear, after which the marks give the
position that was heard (marks.py), and a resume sends again from that position. A network that pauses in place goes on
by itself (pausing.py). The network takes no error messages: its mistakes go to the call's record and to the log, and
the call goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import assert_never

from bargein import protocols as c
from bargein.audio.ambience import Ambience
from bargein.audio.pcm import Samples
from bargein.clock import Clock
from bargein.errors import ProtocolError
from bargein.foreign import printable
from bargein.notices import Notice, ResumeNow
from bargein.transports.rate_limit import RateLimit
from bargein.transports.telephone.dialect import (
    ClearDone,
    DialectEvent,
    MarkBack,
    Media,
    PausingDialect,
    Pressed,
    QueueDrained,
    QueueFlow,
    QueueStatus,
    Started,
    Stopped,
    TelephoneDialect,
)
from bargein.transports.telephone.incoming_audio import IncomingAudio
from bargein.transports.telephone.limits import TelephoneLimits
from bargein.transports.telephone.pausing import PausingPlayback
from bargein.transports.telephone.playback import ClearingPlayback, TelephonePlayback, Told
from bargein.transports.telephone.wire import PausesWithBackground, Wire
from bargein.transports.websocket import GOODBYES, REFUSED_CLOSES, close_reason

log = logging.getLogger(__name__)

NO_STREAM = ("bad_start", "bad_format")  # errors of a start, after which no stream can begin
AT_ONCE = (c.AudioIn, c.Played)  # come often, and go to the call without waking its task
UNSUPPORTED = 1003  # the stream's format
NORMAL, PROTOCOL_ERROR, REFUSED, FLOODED, STUCK = 1000, 1002, 1008, 1008, 1011
MAX_ID = 200  # characters of a stream's, a call's or an account's id: an id goes into each message to the network
PARAMETERS, NAME_CHARS, VALUE_CHARS = 50, 100, 1000  # of a start; what is more is left out


class TelephoneTransport:
    """A `protocols.Transport` by shape."""

    capabilities: c.TransportCapabilities
    rate_in: int
    rate_out: int

    def __init__(
        self, wire: Wire, dialect: TelephoneDialect, clock: Clock, limits: TelephoneLimits | None = None
    ) -> None:
        self.limits = limits or TelephoneLimits()
        self.started: Started | None = None
        self.faults = 0
        self._wire = wire
        self._dialect = dialect
        self._clock = clock
        self._messages = RateLimit(clock, self.limits.messages, self.limits.burst)
        self._flood = RateLimit(clock, self.limits.flood, self.limits.flood)
        self._fault_limit = RateLimit(clock, 0.5, 3)
        self._before_start = 0  # messages
        self._stuck_since_ms: float | None = None  # since when the network has read no audio
        self._incoming: deque[c.Inbound] = deque()
        self._changed = asyncio.Event()
        self._deliver: Callable[[c.AudioIn | c.Played], None] | None = None  # takes these at once
        self._failed: Exception | None = None  # that it has raised
        self._lost: str | None = None
        self._may_return = False  # the connection is lost, and the call was not ended
        self._code = NORMAL
        self._closed = False
        self._background: Ambience | None = None
        self._take_format()

    def _take_format(self) -> None:
        """The stream's audio format is known, or has changed by its start."""
        dialect = self._dialect
        self._playback: TelephonePlayback = (
            PausingPlayback(dialect) if isinstance(dialect, PausingDialect) else ClearingPlayback(dialect)
        )
        pausing = self._playback.pauses
        self.capabilities = c.TransportCapabilities(
            pause=pausing, reports=True, plays_immediately=True, mulaw=dialect.mulaw, batch=dialect.batch
        )
        self.rate_in = self.rate_out = dialect.rate
        self._audio = IncomingAudio(self._clock, dialect.rate, self.limits.ahead_ms)

    @property
    def name(self) -> str:
        """The vendor's name."""
        return self._dialect.name

    @property
    def binary(self) -> bool:
        """Audio is in binary messages, both ways."""
        return self._dialect.binary

    @property
    def rtt_ms(self) -> float | None:
        """The time from the latest clear, or status, to its answer."""
        return self._playback.rtt_ms

    # ------------------------------------------------------------------------------------------------- incoming

    def incoming(self, message: str | bytes) -> None:
        """For the socket: a message came. Never waits, and raises no error for any content."""
        if self._lost is not None or not self._within_rate():
            return
        try:
            event = self._dialect.read(message)
            if event is not None:
                self._handle(event)
        except ProtocolError as error:
            self._fault(error.code, error.message, error.advice)
            if error.code in NO_STREAM and self.started is None:
                self._lose(f"{error.message}. {error.advice}", UNSUPPORTED)

    def charge(self) -> bool:
        """For the socket: a frame came that is no message, such as a ping. False: do not answer the frame."""
        if self._lost is not None or not self._within_rate():
            return False
        if self._wire.unsent > self.limits.unsent:
            self._lose("the network does not read", STUCK, lost=True)
            return False
        return True

    def _within_rate(self) -> bool:
        if self._messages.take():
            return True
        if self._flood.take():
            self._fault("too_fast", f"More than {self.limits.messages:g} messages a second came", "Send fewer")
        else:
            self.flooded("the network sent too many messages")
        return False

    @property
    def closing(self) -> tuple[int, str] | None:
        """Code and reason with which the socket must be closed now. None: the stream goes on."""
        return None if self._lost is None else (self._code, close_reason(self._lost))

    def flooded(self, reason: str, code: int = FLOODED) -> None:
        """For the socket: the network sends what no call needs."""
        self._lose(reason, code)

    def gone(self, reason: str, code: int | None = None) -> None:
        """For the socket: the network closed it with this code, or (None) it is lost. A `stop` came before, or not."""
        ended = () if self._dialect.says_stop else GOODBYES
        self._lose(reason, NORMAL, lost=code not in (*ended, *REFUSED_CLOSES))

    def release(self, reason: str) -> None:
        """The call goes on over another connection."""
        self._lose(reason, NORMAL)

    def _handle(self, event: DialectEvent) -> None:
        if self.started is None and not isinstance(event, Started | Stopped):
            self._before_start += 1
            if self._before_start > self.limits.before_start:
                self._lose("the stream did not start", PROTOCOL_ERROR)
            raise ProtocolError(
                f"{type(event).__name__} came before start", advice="Send start first", code="before_start"
            )
        match event:
            case Media(samples, number, at_ms):
                self._push_audio(samples, number, at_ms)
            case MarkBack() | ClearDone() | QueueStatus() | QueueDrained() | QueueFlow():
                self._carry_out(self._playback.handle(self._clock.now_ms(), event))
            case Pressed(key):
                self._notify_call(c.KeyPress(key))
            case Started():
                if self.started is not None:
                    raise ProtocolError("The stream has started already", advice="Send start once", code="start_again")
                self._take_format()
                self.started = _bounded(event)
                self._changed.set()
                for message in self._playback.begin():
                    self._wire.text(message)
            case Stopped(reason):
                self._lose(reason, NORMAL)
            case _:
                assert_never(event)

    def _push_audio(self, samples: Samples, number: int | None, at_ms: float | None) -> None:
        for audio in self._audio.take(samples, number, at_ms):
            self._notify_call(audio)
        for fault in self._audio.faults(len(samples)):
            self._fault(fault.code, fault.message, fault.advice)

    def _notify_call(self, item: c.Inbound | None) -> None:
        if item is None:
            return
        if self._deliver is not None and not self._incoming and isinstance(item, AT_ONCE):
            try:
                self._deliver(item)
            except Exception as error:
                self._deliver, self._failed = None, error
                self._changed.set()
            return
        self._incoming.append(item)
        self._changed.set()

    def deliver_to(self, handle: Callable[[c.AudioIn | c.Played], None] | None) -> None:
        """As `protocols.DeliversAtOnce` says: a call gets 60 of these a second, and each wake-up of a task costs as
        much as what the call does with one."""
        self._deliver = handle

    def _fault(self, code: str, message: str, advice: str) -> None:
        """Write a fault to the record and the log, within a rate."""
        self.faults += 1
        if self._fault_limit.take():
            log.warning("%s stream: %s: %s. %s", self._dialect.name, code, message, advice)
            self._notify_call(c.ClientFault(code, message, advice))

    async def handshake(self) -> Started | None:
        """Wait for the start. None: no start came within `start_ms`, or the connection is lost."""
        try:
            async with asyncio.timeout(self.limits.start_ms / 1000):
                while self.started is None and self._lost is None:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            self._lose(f"no start within {self.limits.start_ms / 1000:g} s", PROTOCOL_ERROR)
        self._changed.set()  # events from before the call wait for `receive`
        return self.started

    async def receive(self) -> AsyncIterator[c.Inbound]:
        """The network's events, in order. The last one is ClientHangUp."""
        while True:
            while self._incoming:
                yield self._incoming.popleft()
            if self._failed is not None:
                failed, self._failed = self._failed, None
                raise failed
            if self._lost is not None:
                yield c.ClientHangUp(self._lost, lost=self._may_return)
                return
            self._changed.clear()
            await self._changed.wait()

    # ------------------------------------------------------------------------------------------------- outgoing

    def send(self, frame: c.AudioOut) -> bool:
        """Send a frame. False: the network takes no frame now."""
        wire, playback = self._wire, self._playback
        now = self._clock.now_ms()
        if wire.unsent > self.limits.unsent or playback.full:
            if self._stuck_since_ms is None:
                self._stuck_since_ms = now
            elif now - self._stuck_since_ms > self.limits.stuck_ms:
                self._lose("the network does not read", STUCK, lost=True)
            return False
        self._stuck_since_ms = None
        if not self._open:
            return True  # discarded: `receive` is about to end the call
        for message in playback.before():
            wire.text(message)
        if len(frame.samples):
            media = self._dialect.media(frame.samples if self._background is None else self._over_background(frame))
            (wire.binary if self._dialect.binary else wire.text)(media)
        for message in playback.sent(now, frame):
            wire.text(message)
        return True

    def play_background(self, background: Ambience) -> bool:
        """Under the replies, and by the wire in their pauses. False: a network that tells its queue's length counts
        each frame, and takes replies alone."""
        wire = self._wire
        if isinstance(self._dialect, PausingDialect) or not isinstance(wire, PausesWithBackground):
            return False
        self._background = background
        wire.play_background(background)
        return True

    def _over_background(self, frame: c.AudioOut) -> c.WireSamples:
        assert self._background is not None
        if self._dialect.mulaw:
            return self._background.under_mulaw(frame.samples)
        return self._background.under(frame.samples)

    def hold(self, reply: int) -> c.AudioOut | None:
        """Pause the network, or clear it where it cannot pause; `Held` follows."""
        self._stuck_since_ms = None  # a network that is paused takes nothing: this time does not count
        if self._open:
            self._carry_out(self._playback.hold(self._clock.now_ms(), reply))
        return None

    def flush(self, reply: int) -> int:
        """Clear the network; `Flushed` follows. This side queues no audio."""
        if self._open:
            self._carry_out(self._playback.cut(self._clock.now_ms(), reply))
        return 0

    @property
    def _open(self) -> bool:
        return self._lost is None and not self._closed

    def _carry_out(self, told: Told) -> None:
        for message in told.messages:
            self._wire.text(message)
        self._notify_call(told.report)

    def notify(self, notice: Notice) -> None:
        """A telephone shows no text. A network that was paused goes on by a resume."""
        if isinstance(notice, ResumeNow) and self._open:
            for message in self._playback.resume():
                self._wire.text(message)

    # ----------------------------------------------------------------------------------------------------- ending

    def refuse(self, reason: str) -> None:
        """Close the stream: the server accepts no call from it."""
        self._lose(reason, REFUSED)

    def _lose(self, reason: str, code: int, *, lost: bool = False) -> None:
        if self._lost is None:
            self._lost, self._code, self._may_return = reason, code, lost
            self._changed.set()

    async def close(self, reason: str) -> None:
        """Close the socket. A second close does nothing."""
        self._deliver = None
        if not self._closed:
            self._closed = True
            audio = self._audio
            if audio.lost or audio.late or self.faults:
                log.info(
                    "%s stream: %d frames lost, %d late, %d faults",
                    *(self._dialect.name, audio.lost, audio.late, self.faults),
                )
            self._wire.close(self._code, close_reason(self._lost or reason))


def _bounded(started: Started) -> Started:
    """A start without what no network sends. Raises ProtocolError (bad_start) for an id that cannot be one."""
    for each in (started.stream, started.call, started.account):
        if len(each) > MAX_ID or not each.isprintable():
            what = f"The id {printable(each, 40)!r} is none"
            raise ProtocolError(what, advice=f"Send at most {MAX_ID} printable characters", code="bad_start")
    kept = [(n, v) for n, v in started.parameters.items() if len(n) <= NAME_CHARS and len(v) <= VALUE_CHARS]
    extra = {name: printable(value, MAX_ID) for name, value in started.extra.items()}
    return replace(started, parameters=dict(kept[:PARAMETERS]), extra=extra)
