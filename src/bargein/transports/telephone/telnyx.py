"""Telnyx media streaming, both ways: base64 in JSON text, much like Twilio's with other names.

The stream is started (`streaming_start`, `dial`, `answer` or TeXML `<Stream>`) with these settings:
`stream_bidirectional_mode: "rtp"` (the default takes whole mp3 files), `stream_track: "inbound_track"`, and one codec
for `stream_codec` and `stream_bidirectional_codec`: PCMU, PCMA (8000 Hz) or L16 (8000, 16000 or 24000 Hz).

The start announces the format of the caller's audio (that of the telephone line, where `stream_codec` is not set), and
not the format of the audio that Telnyx takes. That is assumed to be the same. A custom parameter `bidirectional_codec`
tells another one of the same rate.

Telnyx is the WebSocket's client and sends `connected`, `start`, `media`, `mark`, `dtmf`, `error` and `stop`. Telnyx
takes `media`, `mark` and `clear`. Media may come out of order: `chunk` counts its chunks. A chunk that goes to Telnyx
lasts 20 ms or more. A `clear` returns the marks that were waiting, and has no answer of its own. (Telnyx's
documentation of media streaming over WebSockets.)
"""

from __future__ import annotations

from binascii import b2a_base64

import msgspec

from bargein.audio.mulaw import RATE
from bargein.errors import ProtocolError
from bargein.protocols import WireSamples
from bargein.transports.telephone.dialect import DialectEvent, MarkBack, Started
from bargein.transports.telephone.formats import Codec, WireFormat, refused
from bargein.transports.telephone.json_dialect import (
    JsonDialect,
    JsonMessage,
    MarkFields,
    Number,
    Text,
    as_number,
    as_parameters,
)

CHUNKS = 50  # a second: Telnyx refuses shorter ones
CODECS: dict[str, tuple[Codec, tuple[int, ...]]] = {
    "PCMU": ("PCMU", (RATE,)),
    "PCMA": ("PCMA", (RATE,)),
    "L16": ("L16", (8000, 16000, 24000)),
}
ADVICE = (
    "Use PCMU, PCMA or L16: set stream_codec and stream_bidirectional_codec both to one of these, and "
    'stream_bidirectional_mode to "rtp"'
)


class _Parameter(msgspec.Struct):
    name: str
    value: object = ""


class _Format(msgspec.Struct):
    encoding: Text = "PCMU"
    sample_rate: Number = RATE
    channels: Number = 1


class _Start(msgspec.Struct):
    call_control_id: Text = None
    call_session_id: Text = None
    user_id: Text = None
    media_format: _Format | None = None
    custom_parameters: dict[str, object] | list[_Parameter] | None = None
    from_: Text = msgspec.field(default=None, name="from")
    to: Text = None


class _Error(msgspec.Struct):
    code: Number = None
    title: str = ""
    detail: str = ""


class _Message(JsonMessage):
    stream: str = msgspec.field(default="", name="stream_id")
    start: _Start | None = None
    mark: MarkFields | None = None
    payload: _Error | None = None


_DECODER = msgspec.json.Decoder(_Message)


class TelnyxDialect(JsonDialect[_Message]):
    """A `TelephoneDialect` by shape, for one stream."""

    name = "telnyx"
    returning = True
    acknowledges = False
    product = "media streaming"
    media_template = b'{"event":"media","media":{"payload":"'
    mark_template = b'{"event":"mark","mark":{"name":"', b'"}}'
    clear_template = b'{"event":"clear"}'

    def __init__(self) -> None:
        super().__init__(_DECODER)

    def start(self, message: _Message) -> Started:
        start = message.start
        if start is None or not message.stream:
            raise ProtocolError("A start has no stream_id", advice="Send what Telnyx sends", code="bad_start")
        form = start.media_format or _Format()
        self.incoming = _format(form.encoding, form.sample_rate, form.channels)
        parameters = _parameters(start.custom_parameters)
        told = parameters.get("bidirectional_codec")
        self.outgoing = _format(told, self.rate, 1) if told and told.upper() != self.incoming.codec else self.incoming
        parameters |= {name: value for name, value in (("from", start.from_), ("to", start.to)) if value}
        extra = {"phone_session": start.call_session_id} if start.call_session_id else {}
        return Started(message.stream, start.call_control_id or "", start.user_id or "", parameters, extra)

    def other_event(self, message: _Message) -> DialectEvent | None:
        if message.event == "mark" and message.mark is not None:
            return MarkBack(message.mark.name)
        if message.event == "error":
            raise _refusal(message.payload or _Error())
        if message.event == "connected":
            return None
        raise self.unknown_event(message.event)

    def media(self, samples: WireSamples) -> bytes:
        """samples: mu-law codes, shape (n,), uint8; or int16 for another format.

        The first chunk after a resume may be shorter than a frame. Silence before it fills the frame up, and moves no
        position."""
        form = self.outgoing
        whole = form.padded(samples, form.rate // CHUNKS)
        return self._media + b2a_base64(form.compress(whole), newline=False) + b'"}}'


def _format(encoding: Text, rate: Number, channels: Number) -> WireFormat:
    """Raises ProtocolError (bad_format)."""
    codec, rates = CODECS.get(str(encoding).upper(), ("PCMU", ()))
    hz = as_number(rate)
    if hz is None or hz not in rates or (channels is not None and as_number(channels) != 1):
        raise refused(str(encoding), rate, ADVICE)
    return WireFormat(codec, hz)


def _parameters(given: dict[str, object] | list[_Parameter] | None) -> dict[str, str]:
    """Telnyx sends a list of names and values. An object of names and values is taken, too."""
    return as_parameters({each.name: each.value for each in given} if isinstance(given, list) else given)


def _refusal(error: _Error) -> ProtocolError:
    what = f"{error.title or 'error'} ({error.code})"
    return ProtocolError(
        f"Telnyx refused a message with {what[:80]}: {error.detail[:160]}",
        advice='Check that the stream was started with stream_bidirectional_mode "rtp" and one codec both ways',
        code="vendor_error",
    )
