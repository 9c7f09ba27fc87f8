"""Vonage Voice API WebSockets: int16 at 8000, 16000 or 24000 Hz as binary messages, commands and events as JSON text.

The call's NCCO connects the stream: `{"action":"connect","endpoint":[{"type":"websocket","uri":...,
"content-type":"audio/l16;rate=16000","headers":{...}}]}`. The `headers` arrive with the first message, beside its own
fields or under `headers`. Vonage sends no id of the call: put the `uuid` of the answer webhook among the headers.

Vonage is the WebSocket's client and sends `websocket:connected` first, then audio every 20 ms, and now and then
`websocket:dtmf`, `websocket:notify` and `websocket:cleared`. Vonage takes messages of 20 ms and the actions `notify`
and `clear`. A notify comes back when all audio before it was played. A clear is answered with `websocket:cleared`. The
end of a call has no message: the socket closes. (Vonage's documentation of WebSockets in the Voice API.)
"""

from __future__ import annotations

import msgspec

from bargein.errors import ProtocolError
from bargein.protocols import WireSamples
from bargein.transports.telephone.dialect import ClearDone, DialectEvent, MarkBack, Media, Started
from bargein.transports.telephone.formats import WireFormat, content_type, refused
from bargein.transports.telephone.json_dialect import (
    DtmfFields,
    MarkFields,
    as_number,
    as_parameters,
    is_event,
    pressed,
)

RATE = 16_000  # until the first message tells another
RATES = (8_000, 16_000, 24_000)
CONNECTED = "websocket:connected"
MESSAGES = 50  # a second: Vonage plays messages of exactly 20 ms
MAX_MEDIA_MS = 1000  # in one message; usual are 20
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
    binary = True
    batch = 1  # 20 ms in each message
    returning = True  # not documented; a stream that returns no notify early loses nothing by it
    acknowledges = True
    says_stop = False

    def __init__(self) -> None:
        self.incoming = self.outgoing = WireFormat("L16", RATE)
        self.started = False
        """The start has come."""

    @property
    def rate(self) -> int:
        """Hz, both ways."""
        return self.incoming.rate

    @property
    def mulaw(self) -> bool:
        """Outgoing audio is mu-law codes, else int16: Vonage takes int16."""
        return False

    def read(self, message: str | bytes) -> DialectEvent | None:
        """The event of a message. Bytes are audio. Raises ProtocolError for a message outside Vonage's protocol."""
        if isinstance(message, bytes):
            return self._caller_audio(message)
        try:
            m = _decode(message)
            if m.event == CONNECTED:
                return self._start(_decode_fields(message))
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise ProtocolError(
                f"A message cannot be read: {error}",
                advice="Send the Voice API's JSON as text",
                code="bad_start" if not self.started and is_event(message, CONNECTED) else "bad_message",
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

    def _start(self, fields: dict[str, object]) -> Started:
        form = str(fields.get("content-type", ""))
        kind, told = content_type(form)
        rate = as_number(told.get("rate")) or 0
        if kind != "audio/l16" or rate not in RATES or told.get("channels", "1") != "1":
            advice = 'Set "content-type": "audio/l16;rate=16000" in the NCCO\'s endpoint; 8000 and 24000 are taken, too'
            raise refused(form, rate or "no rate", advice)
        if not self.started:
            self.started = True
            self.incoming = self.outgoing = WireFormat("L16", rate)
        given = {name: value for name, value in fields.items() if name not in OWN_FIELDS}
        nested = fields.get("headers")
        given |= nested if isinstance(nested, dict) else {}
        parameters = as_parameters(given)
        return Started("", parameters.get("uuid", ""), parameters=parameters)

    def _caller_audio(self, data: bytes) -> Media:
        form = self.incoming
        if not data or len(data) > form.rate * 2 * MAX_MEDIA_MS // 1000:
            advice = f"Send {form.rate * 2 // MESSAGES} bytes every 20 ms"
            raise ProtocolError(f"A frame has {len(data)} bytes", advice=advice, code="bad_media")
        return Media(form.expand(data), None)

    def media(self, samples: WireSamples) -> bytes:
        """samples: int16, shape (n,).

        The first chunk after a resume may be shorter than a frame. Silence before it fills the frame up, and moves no
        position."""
        form = self.outgoing
        return bytes(form.compress(form.padded(samples, form.rate // MESSAGES)))

    def mark(self, name: str) -> bytes:
        return b'{"action":"notify","payload":{"name":"' + name.encode() + b'"}}'

    def clear(self) -> bytes:
        return b'{"action":"clear"}'
