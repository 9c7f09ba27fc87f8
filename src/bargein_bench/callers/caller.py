"""One caller on Twilio's side of a media stream: speaks a script, plays the agent's audio, and keeps the protocol.

The caller works with every server that speaks Media Streams. What the server does wrong is counted in `faults`.
"""

from __future__ import annotations

import asyncio
import secrets
from binascii import b2a_base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from json import dumps

import msgspec
from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from bargein.audio.mulaw import to_mulaw
from bargein.audio.pcm import Samples
from bargein.clock import Clock, MonotonicClock
from bargein.errors import VendorLost, VendorRefused
from bargein_bench.callers.caller_audio import CallerAudio, Echo, EndCallStep, SpokenLine, Step
from bargein_bench.callers.telephone import FRAME, RATE, SimulatedTelephone

CONNECT_S = 10.0


@dataclass
class Result:
    """What became of one call."""

    telephone: SimulatedTelephone
    """Keeps what the caller heard."""
    stream: str = ""
    """Id of the stream."""
    began_ms: float = 0.0
    """When the call began, by the clock."""
    spoken: list[SpokenLine] = field(default_factory=list)
    """Steps that were spoken."""
    connected_ms: float = 0.0
    """How long the handshake took."""
    lasted: int = 0
    """Samples."""
    closed_by: str = "us"
    faults: Counter[str] = field(default_factory=Counter)
    """Breaches of the protocol, by kind."""
    sent_bytes: int = 0
    got_bytes: int = 0
    clears: list[int] = field(default_factory=list)
    """Places at which a clear came."""
    caller_frames: list[Samples] = field(default_factory=list)
    """The caller's audio, frame by frame, if it is kept."""


class _Media(msgspec.Struct):
    payload: bytes


class _Mark(msgspec.Struct):
    name: str


class _FromServer(msgspec.Struct):
    event: str
    streamSid: str = ""  # noqa: N815  # a name of the wire
    media: _Media | None = None
    mark: _Mark | None = None


_decode = msgspec.json.Decoder(_FromServer).decode


class Caller:
    """Makes one call.

    lasts_ms: length of the call, unless one side ends it before. way_ms: delay of the network, one way. keep: keep the
    caller's audio for the record.
    """

    def __init__(
        self,
        url: str,
        steps: Sequence[Step],
        lasts_ms: float,
        *,
        echo: Echo | None = None,
        way_ms: float = 0.0,
        parameters: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        seed: int = 1,
        clock: Clock | None = None,
        keep: bool = False,
    ) -> None:
        self.result = Result(SimulatedTelephone(lasts_ms + 2000))
        self._url = url
        self._lasts = int(lasts_ms * RATE / 1000)
        self._way_s = way_ms / 1000
        self._keep = keep
        self._parameters = dict(parameters or {})
        self._headers = dict(headers or {})
        self._clock = clock or MonotonicClock()
        self._began_ms = 0.0
        self._stream = "MZ" + secrets.token_hex(16)
        self._sequence = 0
        self._chunk = 0
        self._caller_audio = CallerAudio(self.result.telephone, steps, RATE, FRAME, echo, seed, self.result.spoken)
        noise = self._caller_audio.noise
        self._quiet = [_payload(noise[i : i + FRAME]) for i in range(0, len(noise), FRAME)]
        self._transport: WSTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._over = asyncio.Event()

    async def run(self) -> Result:
        """Make the call, to its end.

        Raises VendorRefused when the server refuses it, VendorLost when no server answers.
        """
        began = self._clock.now_ms()
        try:
            transport, _ = await ws_connect(
                lambda: _StreamListener(self),
                self._url,
                websocket_handshake_timeout=CONNECT_S,
                extra_headers=self._headers,
            )
        except WSError as error:
            advice = "Look at the address, and at what the server demands"
            raise VendorRefused(f"{self._url} refused the stream: {error}", advice=advice) from None
        except (OSError, TimeoutError) as error:
            raise VendorLost(f"No server answers at {self._url}: {error}", advice="Start the server first") from None
        self._transport = transport
        self._began_ms = self.result.began_ms = self._clock.now_ms()
        self.result.stream = self._stream
        self.result.connected_ms = self._began_ms - began
        try:
            self._greet()
            await self._speak()
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self.result.lasted = self._now()
            self._over.set()  # the disconnect that follows is ours
            transport.disconnect()
            await transport.wait_disconnected()
        return self.result

    # ------------------------------------------------------------------------------------------------ to the server

    def _greet(self) -> None:
        self._send(b'{"event":"connected","protocol":"Call","version":"1.0.0"}')
        self._account, self._call = "AC" + secrets.token_hex(16), "CA" + secrets.token_hex(16)
        start = {
            "accountSid": self._account,
            "callSid": self._parameters.pop("CallSid", self._call),
            "streamSid": self._stream,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": self._parameters,
        }
        self._event("start", "start", start)

    def _event(self, event: str, key: str, body: Mapping[str, object]) -> None:
        self._sequence += 1
        message = {"event": event, "sequenceNumber": str(self._sequence), "streamSid": self._stream, key: body}
        self._send(dumps(message).encode())

    async def _speak(self) -> None:
        """Send a frame every 20 ms, on a grid that does not drift: the caller's audio of the 20 ms before."""
        place = 0
        while not self._over.is_set() and place < self._lasts:
            due = self._began_ms + (place + FRAME) * 1000 / RATE
            wait = (due - self._clock.now_ms()) / 1000
            if wait > 0:
                await asyncio.sleep(wait)
            if self._do_steps(place):
                break
            if self._caller_audio.sends(place):
                self._frame(place)
            elif self._keep:
                self.result.caller_frames.append(self._caller_audio.unsent)
            place += FRAME
        if not self._over.is_set():
            self._event("stop", "stop", {"accountSid": self._account, "callSid": self._call})

    def _do_steps(self, place: int) -> bool:
        """Do the steps of the frame at this place. Returns True where the caller hangs up."""
        for step in self._caller_audio.due(place):
            if isinstance(step, EndCallStep):
                return True
            self._event("dtmf", "dtmf", {"track": "inbound_track", "digit": step.key})
        return False

    def _frame(self, place: int) -> None:
        self._sequence += 1
        self._chunk += 1
        payload = self._payload_at(place)
        self._send(
            b'{"event":"media","sequenceNumber":"%d","streamSid":"%s","media":{"track":"inbound","chunk":"%d",'
            b'"timestamp":"%d","payload":"%s"}}'
            % (self._sequence, self._stream.encode(), self._chunk, place * 1000 // RATE, payload)
        )

    def _payload_at(self, place: int) -> bytes:
        """base64 of a frame."""
        if self._caller_audio.quiet and not self._keep:
            return self._quiet[(place // FRAME) % len(self._quiet)]
        samples = self._caller_audio.render(place)
        if self._keep:
            self.result.caller_frames.append(samples)
        return _payload(samples)

    def _send(self, data: bytes) -> None:
        if self._way_s:
            asyncio.get_running_loop().call_later(self._way_s, self._put, data)
        else:
            self._put(data)

    def _put(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_disconnected:
            self.result.sent_bytes += len(data)
            self._transport.send(WSMsgType.TEXT, data)

    # ---------------------------------------------------------------------------------------------- from the server

    def receive(self, data: bytes) -> None:
        """A message came."""
        self.result.got_bytes += len(data)
        if self._way_s:
            asyncio.get_running_loop().call_later(self._way_s, self._handle, data)
        else:
            self._handle(data)

    def disconnected(self, how: str) -> None:
        """The server has closed the stream."""
        if not self._over.is_set():
            self.result.closed_by = how
            self._over.set()

    def fault(self, what: str) -> None:
        self.result.faults[what] += 1

    def _handle(self, data: bytes) -> None:
        telephone = self.result.telephone
        try:
            message = _decode(data)
        except msgspec.MsgspecError:
            self.fault("a message that cannot be read")
            return
        if message.streamSid != self._stream:
            self.fault("another streamSid")
            return
        now = self._now()
        if message.event == "media" and message.media is not None:
            self._return(telephone.due(now))
            telephone.media(now, message.media.payload)
        elif message.event == "mark" and message.mark is not None:
            self._return(telephone.mark(now, message.mark.name))
        elif message.event == "clear":
            self._return(telephone.due(now))
            self.result.clears.append(now)
            self._return(telephone.clear(now))
        else:
            self.fault(f"event {message.event[:20]!r}")
        self._watch()

    def _watch(self) -> None:
        """Start the timer of the next mark, unless one runs. A timer that fires too early starts another."""
        due = self.result.telephone.next_mark
        if due is not None and self._timer is None:
            wait = max(0.0, self._began_ms + due * 1000 / RATE - self._clock.now_ms()) / 1000
            self._timer = asyncio.get_running_loop().call_later(wait, self._marks_due)

    def _marks_due(self) -> None:
        self._timer = None
        self._return(self.result.telephone.due(self._now()))
        self._watch()

    def _return(self, names: list[str]) -> None:
        for name in names:
            self._event("mark", "mark", {"name": name})

    def _now(self) -> int:
        return int((self._clock.now_ms() - self._began_ms) * RATE / 1000)


class _StreamListener(WSListener):
    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.TEXT and frame.fin:
            self._caller.receive(frame.get_payload_as_bytes())
        elif frame.msg_type is WSMsgType.CLOSE:
            reason = frame.get_close_reason()
            self._caller.disconnected(f"the server, {frame.get_close_code().value}{f' {reason}' if reason else ''}")
            transport.send_close()
            transport.disconnect()
        else:
            self._caller.fault("a message that is no text")

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._caller.disconnected("the server, without a word")


def _payload(samples: Samples) -> bytes:
    return b2a_base64(to_mulaw(samples), newline=False)
