"""Vonage Voice API WebSockets: int16 at 16000 Hz as binary messages, commands and events as JSON text.

The call's NCCO connects the stream: `{"action":"connect","endpoint":[{"type":"websocket","uri":...,
"content-type":"audio/l16;rate=16000","headers":{...}}]}`. The `headers` arrive with the first message, beside its own
fields or under `headers`. Vonage sends no id of the call: put the `uuid` of the answer webhook among the headers.

Vonage is the WebSocket's client and sends `websocket:connected` first, then 640 bytes every 20 ms, and now and then
`websocket:dtmf`, `websocket:notify` and `websocket:cleared`. Vonage takes messages of 20 ms and the actions `notify`
and `clear`. A notify comes back when all audio before it was played. A clear is answered with `websocket:cleared`. The
end of a call has no message: the socket closes. (Vonage's documentation of WebSockets in the Voice API.)
"""

from __future__ import annotations

import msgspec

from bargein.audio.pcm import Pcm
from bargein.errors import AudioShapeError, ProtocolError
from bargein.protocols import WireSamples
from bargein.transports.telephone.json_dialect import DtmfFields, MarkFields, pressed
from bargein.transports.telephone.transport import ClearDone, DialectEvent, MarkBack, Media, Started

RATE = 16_000
FRAME = 320  # samples: Vonage plays messages of exactly 20 ms
MAX_MEDIA_BYTES = 32_000  # in one message: a second; usual are 640
OWN_FIELDS = frozenset({"event", "content-type", "headers"})  # of the first message; other fields come from the NCCO


class _Message(msgspec.Struct):
    event: str
    payload: MarkFields | None = None
    digit: str = ""
    dtmf: DtmfFields | None = None


_decode = msgspec.json.Decoder(_Message).decode
_decode_fields = msgspec.json.Decoder(dict[str, object]).decode


class VonageDialect:
    """A `TelephoneDialect` by shape, for one stream."""

    name = "vonage"
    rate = RATE
    mulaw = False
    binary = True
    returning = True  # not documented; a stream that returns no notify early loses nothing by it
    acknowledges = True
    says_stop = False

    def read(self, message: str | bytes) -> DialectEvent | None:
        """The event of a message. Bytes are audio. Raises ProtocolError for a message outside Vonage's protocol."""
        if isinstance(message, bytes):
            return self._caller_audio(message)
        try:
            m = _decode(message)
            if m.event == "websocket:connected":
                return self._start(_decode_fields(message))
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise ProtocolError(
                f"A message cannot be read: {error}", advice="Send the Voice API's JSON as text", code="bad_message"
            ) from None
        if m.event == "websocket:notify" and m.payload is not None:
            return MarkBack(m.payload.name)
        if m.event == "websocket:cleared":
            return ClearDone()
        if m.event == "websocket:dtmf":
            return pressed(m.dtmf.digit if m.dtmf is not None else m.digit)
        raise ProtocolError(
            f"Event {m.event[:40]!r} is unknown", advice="See the Voice API's messages", code="unknown_event"
        )

    @staticmethod
    def _start(fields: dict[str, object]) -> Started:
        content_type = str(fields.get("content-type", ""))
        if content_type.replace(" ", "").lower() != f"audio/l16;rate={RATE}":
            raise ProtocolError(
                f"The stream is {content_type[:40]!r}",
                advice=f'Set "content-type": "audio/l16;rate={RATE}" in the NCCO\'s endpoint',
                code="bad_format",
            )
        given = {name: value for name, value in fields.items() if name not in OWN_FIELDS}
        nested = fields.get("headers")
        given |= nested if isinstance(nested, dict) else {}
        parameters = {name: value for name, value in given.items() if isinstance(value, str)}
        return Started("", parameters.get("uuid", ""), parameters=parameters)

    @staticmethod
    def _caller_audio(data: bytes) -> Media:
        if not data or len(data) > MAX_MEDIA_BYTES:
            raise ProtocolError(f"A frame has {len(data)} bytes", advice="Send 640 bytes every 20 ms", code="bad_media")
        try:
            return Media(Pcm.from_bytes(data, RATE).samples, None)
        except AudioShapeError as error:
            raise ProtocolError(error.message, advice=error.advice, code="bad_media") from None

    def media(self, samples: WireSamples) -> bytes:
        """samples: int16, shape (n,).

        The first chunk after a resume may be shorter than a frame. Silence before it fills the frame up, and moves no
        position."""
        data = samples.astype("<i2", copy=False).tobytes()
        return bytes(2 * max(0, FRAME - len(samples))) + data

    def mark(self, name: str) -> bytes:
        return b'{"action":"notify","payload":{"name":"' + name.encode() + b'"}}'

    def clear(self) -> bytes:
        return b'{"action":"clear"}'
