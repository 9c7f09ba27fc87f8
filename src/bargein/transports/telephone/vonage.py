"""Vonage Voice API WebSockets: int16 at 16000 Hz as binary messages, commands and events as JSON text.

The call's NCCO connects it: `{"action":"connect","endpoint":[{"type":"websocket","uri":...,
"content-type":"audio/l16;rate=16000","headers":{...}}]}`; what stands in `headers` arrives with the first message,
beside its own fields or under `headers`. Vonage tells no id of the call by itself: put its `uuid`, which the answer
webhook got, among them.

Vonage is the WebSocket's client: `websocket:connected` comes first, then 640 bytes every 20 ms, and now and then
`websocket:dtmf`, `websocket:notify`, `websocket:cleared`. Messages of 20 ms, and the actions `notify` and `clear`, go
to it: a notify comes back when all audio before it was played, a clear is answered with `websocket:cleared`. It says no
farewell: the socket closes. (Vonage's documentation of WebSockets in the Voice API.)
"""

from __future__ import annotations

import msgspec

from bargein.audio.pcm import Pcm
from bargein.errors import AudioShapeError, ProtocolError
from bargein.protocols import WireSamples
from bargein.transports.telephone.transport import ClearDone, MarkBack, Media, Pressed, Said, Started

RATE = 16_000
FRAME = 320  # samples: Vonage plays messages of exactly 20 ms
MOST_MEDIA = 32_000  # bytes in one message: a second; usual are 640
KEYS = frozenset("0123456789*#ABCD")
OWN = frozenset({"event", "content-type", "headers"})  # fields of the first message that no NCCO gave


class _Notified(msgspec.Struct):
    name: str


class _Dtmf(msgspec.Struct):
    digit: str


class _Message(msgspec.Struct):
    event: str
    payload: _Notified | None = None
    digit: str = ""
    dtmf: _Dtmf | None = None


_decode = msgspec.json.Decoder(_Message).decode
_decode_fields = msgspec.json.Decoder(dict[str, object]).decode


class VonageDialect:
    """A telephone.Dialect by shape, for one stream."""

    name = "vonage"
    rate = RATE
    mulaw = False
    binary = True
    returning = True  # not documented; where it is not so, none comes early, and nothing is lost by it
    acknowledges = True

    def read(self, message: str | bytes) -> Said | None:
        """What Vonage says: bytes are audio. Raises PeerNonsense for what it would never say."""
        if isinstance(message, bytes):
            return self._heard(message)
        try:
            m = _decode(message)
            if m.event == "websocket:connected":
                return self._started(_decode_fields(message))
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise ProtocolError(
                f"A message cannot be read: {error}", advice="Send the Voice API's JSON as text", code="bad_message"
            ) from None
        if m.event == "websocket:notify" and m.payload is not None:
            return MarkBack(m.payload.name)
        if m.event == "websocket:cleared":
            return ClearDone()
        if m.event == "websocket:dtmf":
            return self._pressed(m.dtmf.digit if m.dtmf is not None else m.digit)
        raise ProtocolError(f"Event {m.event[:40]!r}", advice="See the Voice API's messages", code="unknown_event")

    @staticmethod
    def _started(fields: dict[str, object]) -> Started:
        told = str(fields.get("content-type", ""))
        if told.replace(" ", "").lower() != f"audio/l16;rate={RATE}":
            raise ProtocolError(
                f"The stream is {told[:40]!r}",
                advice=f'Set "content-type": "audio/l16;rate={RATE}" in the NCCO\'s endpoint',
                code="bad_format",
            )
        given = {name: value for name, value in fields.items() if name not in OWN}
        nested = fields.get("headers")
        given |= nested if isinstance(nested, dict) else {}
        parameters = {name: value for name, value in given.items() if isinstance(value, str)}
        return Started("", parameters.get("uuid", ""), parameters=parameters)

    @staticmethod
    def _heard(data: bytes) -> Media:
        if not data or len(data) > MOST_MEDIA:
            raise ProtocolError(f"A frame of {len(data)} bytes", advice="Send 640 bytes every 20 ms", code="bad_media")
        try:
            return Media(Pcm.from_bytes(data, RATE).samples, None)
        except AudioShapeError as error:
            raise ProtocolError(error.message, advice=error.advice, code="bad_media") from None

    @staticmethod
    def _pressed(digit: str) -> Pressed:
        if digit not in KEYS:
            raise ProtocolError(f"Key {digit[:10]!r}", advice="Send 0-9, *, # or A-D", code="bad_key")
        return Pressed(digit)

    def media(self, samples: WireSamples) -> bytes:
        """samples: int16, shape (n,).

        A resume may begin in the middle of a frame; silence before it makes it whole, and moves no position."""
        data = samples.astype("<i2", copy=False).tobytes()
        return bytes(2 * max(0, FRAME - len(samples))) + data

    def mark(self, name: str) -> bytes:
        return b'{"action":"notify","payload":{"name":"' + name.encode() + b'"}}'

    def clear(self) -> bytes:
        return b'{"action":"clear"}'
