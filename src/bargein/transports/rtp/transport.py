"""A call's transport over RTP: one UDP port, one codec, one far end.

    rtp = RtpTransport(port, agreed, clock, ticker)
    await rtp.start()
    await Call(transport=rtp, ...).run()

Signalling is another's: it tells of a new description (`apply`), of keys (`push_key`) and of the end (`over`). What the
far end has played it never says; a packet is heard when it has left for half a round trip and the far end's buffer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from bargein import protocols as c
from bargein.audio.ambience import Ambience
from bargein.clock import Clock
from bargein.errors import UsageError
from bargein.notices import Notice
from bargein.transports.rate_limit import RateLimit
from bargein.transports.rtp.agreed import AgreedAudio
from bargein.transports.rtp.codecs import Codec, codec_named
from bargein.transports.rtp.control import RtpControl
from bargein.transports.rtp.far_end import FarEnd
from bargein.transports.rtp.incoming import IncomingRtp
from bargein.transports.rtp.keys import KeyReader
from bargein.transports.rtp.limits import RtpLimits
from bargein.transports.rtp.pacer import RtpPacer
from bargein.transports.rtp.packets import RtpPacket, read_packet
from bargein.transports.rtp.ports import Address
from bargein.transports.rtp.srtp import Srtp

log = logging.getLogger(__name__)

REPAIR_MS = 60.0  # that the STT waits for packets that are late
HOLD_KEEP_MS = 30 * 60_000.0  # for so long a far end may hold the call
AT_ONCE = (c.AudioIn, c.Played)


class Port(Protocol):
    """What carries packets: an RtpPort, or another connection."""

    on_rtp: Callable[[bytes, Address], None]
    on_rtcp: Callable[[bytes, Address], None]

    async def open(self) -> None: ...

    def send(self, packet: bytes, to: Address) -> None: ...

    def send_rtcp(self, packet: bytes, to: Address) -> None: ...

    def close(self) -> None: ...


class Rounds(Protocol):
    """What calls every 20 ms (the process's ticker)."""

    def add(self, tick: Callable[[float], None], on_crash: Callable[[BaseException], None]) -> None: ...

    def remove(self, tick: Callable[[float], None]) -> None: ...


class RtpTransport:
    """A `protocols.Transport` by shape. far_buffer_ms: what the far end keeps of our audio before it sounds, as far as
    one can know; its reports replace it where they come. codec: instead of the one that `agreed` names. source: SSRC
    of our packets; None: any. Raises UsageError, Unavailable for a codec or a suite that cannot be had."""

    def __init__(
        self,
        port: Port,
        agreed: AgreedAudio,
        clock: Clock,
        rounds: Rounds,
        limits: RtpLimits | None = None,
        *,
        far_buffer_ms: float = 60.0,
        codec: Codec | None = None,
        source: int | None = None,
    ) -> None:
        codec = codec or codec_named(agreed.codec)
        self.limits = limits or RtpLimits()
        self.rate_in = self.rate_out = codec.rate
        self.capabilities = c.TransportCapabilities(
            pause=True, reports=True, plays_immediately=True, mulaw=codec.mulaw, repair_ms=REPAIR_MS
        )
        self.faults = 0
        self._port = port
        self._agreed = agreed
        self._clock = clock
        self._rounds = rounds
        self._codec = codec
        self._payloads = self._known_payloads()
        self._far = FarEnd((agreed.host, agreed.port), self.limits.quiet_ms)
        self._srtp = Srtp(agreed.srtp) if agreed.srtp is not None else None
        self._audio = IncomingRtp(clock, codec, self.limits.ahead_ms)
        self._keys = KeyReader()
        self._pacer = RtpPacer(codec, agreed.payload, self._send_packet, self._delay_ms)
        self._pacer.key_payload = agreed.key_payload
        self._pacer.source = self._pacer.source if source is None else source
        self._control = RtpControl(self._pacer, self._audio, far_buffer_ms, self.limits)
        self._rate = RateLimit(clock, self.limits.packets, self.limits.burst)
        self._fault_limit = RateLimit(clock, 0.5, 3)
        self._told: set[str] = set()  # faults that are told once
        self._heard_ms = clock.now_ms()  # when the newest packet came
        self._silent_told = False
        self._held_by_far = False
        self._incoming: deque[c.Inbound] = deque()
        self._changed = asyncio.Event()
        self._deliver: Callable[[c.AudioIn | c.Played], None] | None = None
        self._failed: Exception | None = None
        self._over: str | None = None
        self._closed = False

    async def start(self) -> None:
        """Send and receive from now on."""
        self._port.on_rtp, self._port.on_rtcp = self._on_rtp, self._on_rtcp
        await self._port.open()
        self._set_direction()
        self._rounds.add(self._tick, self._crashed)

    # ------------------------------------------------------------------------------------------------ signalling

    def apply(self, agreed: AgreedAudio) -> None:
        """The description has changed: address, payload types, codec of the same rate, or who listens."""
        if agreed.codec != self._agreed.codec:
            codec = codec_named(agreed.codec)
            self._codec = codec
            self._audio.change_codec(codec)
            self._pacer.change(codec, agreed.payload)
        self._pacer.payload, self._pacer.key_payload = agreed.payload, agreed.key_payload
        if agreed.srtp is not None and agreed.srtp != self._agreed.srtp:
            self._srtp = Srtp(agreed.srtp)
        self._far.announce((agreed.host, agreed.port))
        self._agreed = agreed
        self._payloads = self._known_payloads()
        self._heard_ms = self._clock.now_ms()
        self._set_direction()

    def _known_payloads(self) -> frozenset[int]:
        """Payload types that may come. A static one stands for its codec under whatever number was agreed on."""
        agreed = self._agreed
        known = (agreed.payload, self._codec.static_payload, agreed.key_payload, agreed.noise_payload)
        return frozenset(kind for kind in known if kind is not None)

    def _set_direction(self) -> None:
        held = not self._agreed.sends
        self._pacer.paused = held
        if held and not self._held_by_far:
            self._tell(c.ConnectionLost("the far end holds the call", HOLD_KEEP_MS))
        elif self._held_by_far and not held:
            self._tell(c.ConnectionBack())
        self._held_by_far = held

    def push_key(self, key: str) -> None:
        """A key that came by signalling."""
        self._tell(c.KeyPress(key))

    def send_keys(self, keys: str) -> None:
        """Press these keys at the far end; the reply waits meanwhile. Raises UsageError for what is no key, and where
        the far end takes none."""
        if self._pacer.key_payload is None:
            raise UsageError("The far end takes no telephone keys", advice="Send none to this call")
        self._pacer.keys.push(keys)

    def over(self, reason: str) -> None:
        """The call is over for the far end."""
        if self._over is None:
            self._over = reason
            self._changed.set()

    def release(self, reason: str) -> None:
        """The call goes on over another connection."""
        self.over(reason)

    def tell_round_trip(self, rtt_ms: float) -> None:
        """Another has measured it: RTCP does not come here."""
        self._control.rtt_ms = rtt_ms

    def facts(self) -> dict[str, float]:
        """What is known of the network: losses, jitter and round trip."""
        return self._control.facts() | {"foreign": self._far.foreign, "skipped": self._pacer.skipped}

    # ------------------------------------------------------------------------------------------------- incoming

    def _on_rtp(self, data: bytes, address: Address) -> None:
        if self._over is not None or not self._within_rate():
            return
        if self._agreed.rtcp_mux and len(data) > 1 and 192 <= data[1] <= 223:
            self._on_rtcp(data, address)
            return
        # Whose it is comes first: an address that is not believed costs no decryption.
        if self._srtp is not None:
            opened = self._srtp.unprotect(data)
            if opened is None:
                self._fault_once("bad_srtp", "A packet is not sealed with the key that was agreed on", "Use that key")
                return
            data = opened
        packet = read_packet(data)
        if packet is None:
            self._fault_once("bad_rtp", "A packet is no RTP", "Send RTP to this port")
            return
        if packet.payload_type not in self._payloads:
            what = f"Payload type {packet.payload_type} was not agreed on"
            self._fault_once("bad_payload_type", what, "Keep to the description")
            return
        now = self._clock.now_ms()
        if self._far.admit(now, address, packet.source, packet.sequence):
            self._heard_ms, self._silent_told = now, False
            self._take(packet)

    def _take(self, packet: RtpPacket) -> None:
        agreed = self._agreed
        kind = packet.payload_type
        if kind not in (agreed.key_payload, agreed.noise_payload):
            try:
                count = 0
                for audio in self._audio.take(packet, audio=True):
                    count += len(audio.samples)
                    self._tell(audio)
            except Exception:
                log.debug("A codec refused a packet", exc_info=True)
                self._fault_once("bad_payload", "A packet's audio cannot be read", "Send the codec that was agreed on")
                return
            if not self._audio.in_pace(count):
                self._fault("audio_ahead", "Audio came ahead of real time", "Send the audio as it is spoken")
            return
        for _ in self._audio.take(packet, audio=False):
            pass
        if kind == agreed.key_payload and (key := self._keys.take(packet.stamp, packet.payload)) is not None:
            self._tell(c.KeyPress(key))

    def _on_rtcp(self, data: bytes, address: Address) -> None:
        if self._over is not None or address[0] != self._far.address[0]:
            return
        if self._srtp is not None:
            opened = self._srtp.unprotect_rtcp(data)
            if opened is None:
                return
            data = opened
        self._control.take(self._clock.now_ms(), data)

    def _within_rate(self) -> bool:
        if self._rate.take():
            return True
        self._fault("too_fast", f"More than {self.limits.packets:g} packets a second came", "Send fewer")
        return False

    def _tell(self, item: c.Inbound) -> None:
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
        """As `protocols.DeliversAtOnce` says."""
        self._deliver = handle

    def _fault_once(self, code: str, message: str, advice: str) -> None:
        if code not in self._told:
            self._told.add(code)
            self._fault(code, message, advice)
        else:
            self.faults += 1

    def _fault(self, code: str, message: str, advice: str) -> None:
        self.faults += 1
        if self._fault_limit.take():
            log.warning("RTP stream from %s: %s: %s. %s", self._far.address[0], code, message, advice)
            self._tell(c.ClientFault(code, message, advice))

    async def receive(self) -> AsyncIterator[c.Inbound]:
        """What the far end sends, in order. The last item is ClientHangUp."""
        while True:
            while self._incoming:
                yield self._incoming.popleft()
            if self._failed is not None:
                failed, self._failed = self._failed, None
                raise failed
            if self._over is not None:
                yield c.ClientHangUp(self._over)
                return
            self._changed.clear()
            await self._changed.wait()

    # ------------------------------------------------------------------------------------------------- outgoing

    def _tick(self, now_ms: float) -> None:
        for said in self._pacer.tick(now_ms):
            self._tell(said)
        report = self._control.due(now_ms)
        if report is not None:
            self._send_report(report)
        silent_ms = now_ms - self._heard_ms
        if silent_ms > self.limits.silent_ms and not self._held_by_far:
            self._silence(silent_ms)

    def _silence(self, silent_ms: float) -> None:
        if not self._silent_told:
            self._silent_told = True
            advice = "Let its packets through to this server's UDP ports"
            self._fault("no_audio", f"No packet has come for {self.limits.silent_ms / 1000:g} s", advice)
        if silent_ms > self.limits.gone_ms:
            self.over("no packet has come from the far end")

    def _crashed(self, error: BaseException) -> None:
        self._failed = error if isinstance(error, Exception) else RuntimeError(str(error))
        self._changed.set()

    def _delay_ms(self) -> float:
        return self._control.delay_ms

    def _send_packet(self, packet: bytes) -> None:
        self._port.send(packet if self._srtp is None else self._srtp.protect(packet), self._far.address)

    def _send_report(self, packet: bytes) -> None:
        if self._srtp is not None:
            packet = self._srtp.protect_rtcp(packet)
        host, port = self._far.address
        if self._agreed.rtcp_mux:
            self._port.send(packet, (host, port))
        else:
            announced = (self._agreed.host, self._agreed.port) == (host, port)
            named = self._agreed.rtcp_port if announced else None
            self._port.send_rtcp(packet, (host, named if named is not None else min(port + 1, 65_535)))

    def send(self, frame: c.AudioOut) -> bool:
        """Queue a frame. False: the queue is full."""
        return True if self._over is not None or self._closed else self._pacer.push(frame)

    def hold(self, reply: int) -> c.AudioOut | None:
        """Nothing more of the reply leaves; `Held` follows."""
        first, held = self._pacer.hold(reply)
        self._tell(held)
        return first

    def play_background(self, background: Ambience) -> bool:
        """The pacer sends packets at every moment."""
        self._pacer.background = background
        return True

    def flush(self, reply: int) -> int:
        """Discard the reply's frames; `Flushed` follows."""
        count, flushed = self._pacer.flush(reply)
        self._tell(flushed)
        return count

    def notify(self, notice: Notice) -> None:
        """A telephone shows no text."""

    async def close(self, reason: str) -> None:
        """Say goodbye, and give the port back. A second close does nothing."""
        self._deliver = None
        if self._closed:
            return
        self._closed = True
        self._rounds.remove(self._tick)
        self._send_report(self._control.goodbye(self._clock.now_ms()))
        self._port.close()
        self._pacer.close()
        self.over(reason)
        log.info("RTP stream with %s: %s", self._far.address[0], self.facts())
