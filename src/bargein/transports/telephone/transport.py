"""A telephone network's media stream over a WebSocket, whichever vendor's: what they all have in common.

    telephone = Telephone(wire, dialect, clock)     # wire: an open socket; dialect: one vendor's messages
    started = await telephone.handshake()           # None: it never began
    await Call(transport=telephone, ...).run()

The network plays what it gets at once, and cannot pause: a hold is a clear, after which we learn how far it came
(telephone_marks.py), and a resume sends again from there. It cannot be told of its mistakes either: they go to the
call's record and to the log, and the call goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, assert_never

from bargein import protocols as c
from bargein.audio.pcm import FRAME_MS, Samples
from bargein.clock import Clock
from bargein.errors import ProtocolError
from bargein.notices import Notice
from bargein.transports.rate_limit import RateLimit
from bargein.transports.telephone.marks import Marks
from bargein.transports.telephone.reorder import MediaReorderer

log = logging.getLogger(__name__)

HASTE = 1.001  # a network's clock may be so fast, all day long
NORMAL, PROTOCOL_ERROR, REFUSED, FLOODED, STUCK = 1000, 1002, 1008, 1008, 1011

# ------------------------------------------------------------------------------------- what a vendor's wire says


@dataclass(frozen=True, slots=True)
class Started:
    """The stream begins. stream, call, account: the vendor's ids; parameters: what the one who set it up gave along;
    extra: other facts worth keeping."""

    stream: str
    call: str
    account: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Media:
    """The caller's sound. number: of the frame, counted by the vendor; None: not told, or not to be trusted."""

    samples: Samples
    number: int | None


@dataclass(frozen=True, slots=True)
class MarkBack:
    name: str


@dataclass(frozen=True, slots=True)
class ClearDone:
    """The vendor says that a clear has taken effect."""


@dataclass(frozen=True, slots=True)
class Pressed:
    key: str


@dataclass(frozen=True, slots=True)
class Stopped:
    reason: str


Said = Started | Media | MarkBack | ClearDone | Pressed | Stopped


class TelephoneDialect(Protocol):
    """One vendor's messages, for one stream. Text goes out as ASCII bytes."""

    name: str
    rate: int  # Hz, both ways
    mulaw: bool  # what goes out: mu-law codes, else int16
    binary: bool  # media goes out as binary messages
    returning: bool  # a clear gives the marks back that were not played
    acknowledges: bool  # a clear is answered by itself; else a mark of ours follows it

    def read(self, message: str | bytes) -> Said | None:
        """What a message says; None: nothing that matters. Raises PeerNonsense."""
        ...

    def media(self, samples: c.WireSamples) -> bytes: ...

    def mark(self, name: str) -> bytes: ...

    def clear(self) -> bytes: ...


class Wire(Protocol):
    """An open WebSocket. Nothing here waits; what the peer does not take stands in `unsent`."""

    @property
    def unsent(self) -> int:
        """Bytes that the kernel would not take yet."""
        ...

    def text(self, data: bytes) -> None: ...

    def binary(self, data: bytes) -> None: ...

    def close(self, code: int, reason: str) -> None: ...


@dataclass(frozen=True, slots=True)
class TelephoneLimits:
    """What a network may do. Fifty frames and ten marks a second are usual; after a stall much may come at once."""

    messages: float = 200
    burst: float = 1000
    flood: float = 3000  # beyond this the socket is closed
    ahead_ms: float = 4_000  # audio that may come faster than it could be spoken
    start_ms: float = 10_000
    before_start: int = 100  # messages of other kinds
    unsent: int = 16_000  # bytes that may wait for a peer that does not read: a second of audio
    stuck_ms: float = 10_000  # so long the peer may take nothing at all


class TelephoneTransport:
    """A protocols.Transport by shape."""

    capabilities: c.TransportCapabilities
    rate_in: int
    rate_out: int

    def __init__(
        self, wire: Wire, dialect: TelephoneDialect, clock: Clock, limits: TelephoneLimits | None = None
    ) -> None:
        self.capabilities = c.TransportCapabilities(pause=False, reports=True, at_once=True, mulaw=dialect.mulaw)
        self.rate_in = self.rate_out = dialect.rate
        self.limits = limits or TelephoneLimits()
        self.started: Started | None = None
        self.faults = 0
        self._wire = wire
        self._dialect = dialect
        self._clock = clock
        self._marks = Marks(dialect.rate, returning=dialect.returning)
        self._order = MediaReorderer(dialect.rate * FRAME_MS // 1000)
        self._messages = RateLimit(clock, self.limits.messages, self.limits.burst)
        self._flood = RateLimit(clock, self.limits.flood, self.limits.flood)
        self._scolding = RateLimit(clock, 0.5, 3)
        self._early = 0
        self._began_ms: float | None = None  # when the first sound came
        self._stuck_since_ms: float | None = None
        self._inbox: deque[c.Inbound] = deque()
        self._news = asyncio.Event()
        self._lost: str | None = None
        self._code = NORMAL
        self._closed = False
        self._counted = True

    @property
    def name(self) -> str:
        """The vendor's."""
        return self._dialect.name

    @property
    def binary(self) -> bool:
        """Whether sound comes and goes in binary messages, and text is text."""
        return self._dialect.binary

    @property
    def rtt_ms(self) -> float | None:
        """How long the latest clear took to be acknowledged."""
        return self._marks.rtt_ms

    # -------------------------------------------------------------------------------------------- what comes in

    def incoming(self, message: str | bytes) -> None:
        """The socket's: a message came. Never waits, raises nothing for what is in it."""
        if self._lost is not None:
            return
        if not self._messages.take():
            if not self._flood.take():
                self._lose("the far end flooded us", FLOODED)
            else:
                self._fault("too_fast", f"More than {self.limits.messages:g} messages a second", "Send fewer")
            return
        try:
            said = self._dialect.read(message)
            if said is not None:
                self._take(said)
        except ProtocolError as error:
            self._fault(error.code, error.message, error.advice)

    def gone(self, reason: str) -> None:
        """The socket's: the peer has closed it, or is lost."""
        self._lose(reason, NORMAL)

    def _take(self, said: Said) -> None:
        if isinstance(said, Stopped):
            self._lose(said.reason, NORMAL)
            return
        if self.started is None and not isinstance(said, Started):
            self._early += 1
            if self._early > self.limits.before_start:
                self._lose("it never said start", PROTOCOL_ERROR)
            raise ProtocolError(
                f"{type(said).__name__} came before start", advice="Say start first", code="before_start"
            )
        match said:
            case Media(samples, number):
                self._hear(samples, number)
            case MarkBack(name):
                self._tell(self._marks.back(self._clock.now_ms(), name))
            case ClearDone():
                self._tell(self._marks.cleared(self._clock.now_ms()))
            case Pressed(key):
                self._tell(c.Key(key))
            case Started():
                if self.started is not None:
                    raise ProtocolError("The stream has begun already", advice="Say start once", code="start_again")
                self.started = said
                self._news.set()
            case _:
                assert_never(said)

    def _hear(self, samples: Samples, number: int | None) -> None:
        now = self._clock.now_ms()
        if self._began_ms is None:
            self._began_ms = now
        for at, frame in self._order.take(number, samples):
            end_ms = (at + len(frame)) * 1000 / self.rate_in
            if end_ms > (now - self._began_ms) * HASTE + self.limits.ahead_ms:
                raise ProtocolError(
                    f"Audio runs more than {self.limits.ahead_ms:g} ms ahead of real time",
                    advice="Send it as it is spoken",
                    code="audio_ahead",
                )
            self._tell(c.AudioIn(frame, at))
        if self._counted and not self._order.counted:
            self._counted = False
            self._fault("bad_numbers", "The frames' numbers make no sense", "Going by the order in which they come")

    def _tell(self, item: c.Inbound | None) -> None:
        if item is not None:
            self._inbox.append(item)
            self._news.set()

    def _fault(self, code: str, message: str, advice: str) -> None:
        """For the record and the log, but not so often that they become a fault of their own."""
        self.faults += 1
        if self._scolding.take():
            log.warning("%s stream: %s: %s. %s", self._dialect.name, code, message, advice)
            self._tell(c.ClientFault(code, message, advice))

    async def handshake(self) -> Started | None:
        """Until the stream has begun. None: it did not within the bound, or the far end is gone."""
        try:
            async with asyncio.timeout(self.limits.start_ms / 1000):
                while self.started is None and self._lost is None:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            self._lose(f"no start within {self.limits.start_ms / 1000:g} s", PROTOCOL_ERROR)
        self._news.set()  # what came meanwhile waits for `receive`
        return self.started

    async def receive(self) -> AsyncIterator[c.Inbound]:
        """What the far end sends, in order; ends after FarHangUp."""
        while True:
            while self._inbox:
                yield self._inbox.popleft()
            if self._lost is not None:
                yield c.ClientHangUp(self._lost)
                return
            self._news.clear()
            await self._news.wait()

    # --------------------------------------------------------------------------------------------- what goes out

    def send(self, frame: c.AudioOut) -> bool:
        """Hand a frame to the network. False: it takes none now."""
        wire = self._wire
        now = self._clock.now_ms()
        if wire.unsent > self.limits.unsent:
            if self._stuck_since_ms is None:
                self._stuck_since_ms = now
            elif now - self._stuck_since_ms > self.limits.stuck_ms:
                self._lose("the far end does not read", STUCK)
            return False
        self._stuck_since_ms = None
        if self._lost is not None or self._closed:
            return True  # nobody plays it any more; the call is about to hear of that
        if len(frame.samples):
            media = self._dialect.media(frame.samples)
            (wire.binary if self._dialect.binary else wire.text)(media)
        if (mark := self._marks.sent(now, frame)) is not None:
            wire.text(self._dialect.mark(mark))
        return True

    def hold(self, reply: int) -> c.AudioOut | None:
        """Clear the far end; `Held` follows."""
        self._clear(reply, cut=False)
        return None

    def flush(self, reply: int) -> int:
        """Clear the far end; `Flushed` follows. Nothing waits on our side."""
        self._clear(reply, cut=True)
        return 0

    def _clear(self, reply: int, *, cut: bool) -> None:
        if self._lost is not None or self._closed:
            return
        mark, known = self._marks.clear(self._clock.now_ms(), reply, cut=cut)
        if mark is not None:
            self._wire.text(self._dialect.clear())
            if not self._dialect.acknowledges:
                self._wire.text(self._dialect.mark(mark))
        self._tell(known)

    def notify(self, notice: Notice) -> None:
        """A telephone has no place for words."""

    # ----------------------------------------------------------------------------------------------------- ending

    def refuse(self, reason: str) -> None:
        """This stream is not to become a call."""
        self._lose(reason, REFUSED)

    def _lose(self, reason: str, code: int) -> None:
        if self._lost is None:
            self._lost, self._code = reason, code
            self._news.set()

    async def close(self, reason: str) -> None:
        """Close the socket. Once; again does nothing."""
        if not self._closed:
            self._closed = True
            order = self._order
            if order.gaps or order.late or self.faults:
                log.info(
                    "%s stream: %d frames never came, %d came too late, %d faults",
                    *(self._dialect.name, order.gaps, order.late, self.faults),
                )
            self._wire.close(self._code, (self._lost or reason)[:100])
