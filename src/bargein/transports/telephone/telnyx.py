"""Telnyx media streaming, both ways: mu-law at 8000 Hz, base64 in JSON text, much like Twilio's with other names.

The stream is started (`streaming_start`, `dial`, `answer` or TeXML `<Stream>`) with these settings:
`stream_bidirectional_mode: "rtp"` (the default takes whole mp3 files), `stream_bidirectional_codec: "PCMU"`,
`stream_codec: "PCMU"` and `stream_track: "inbound_track"`.

Telnyx is the WebSocket's client and sends `connected`, `start`, `media`, `mark`, `dtmf`, `error` and `stop`. Telnyx
takes `media`, `mark` and `clear`. Media may come out of order: `chunk` counts its chunks. A chunk that goes to Telnyx
lasts 20 ms or more. A `clear` returns the marks that were waiting, and has no answer of its own. (Telnyx's
documentation of media streaming over WebSockets.)
"""

from __future__ import annotations

from binascii import b2a_base64

import msgspec
import numpy as np

from bargein.audio.mulaw import RATE, SILENCE
from bargein.errors import ProtocolError
from bargein.protocols import WireSamples
from bargein.transports.telephone.json_dialect import JsonDialect, JsonMessage, MarkFields, Number, as_number
from bargein.transports.telephone.transport import DialectEvent, MarkBack, Started

MIN_MEDIA_BYTES = 160  # Telnyx refuses shorter chunks


class _Parameter(msgspec.Struct):
    name: str
    value: str = ""


class _Format(msgspec.Struct):
    encoding: str = "PCMU"
    sample_rate: Number = RATE
    channels: Number = 1


class _Start(msgspec.Struct):
    call_control_id: str = ""
    call_session_id: str | None = None
    user_id: str | None = None
    media_format: _Format = msgspec.field(default_factory=_Format)
    custom_parameters: dict[str, object] | list[_Parameter] | None = None
    from_: str | None = msgspec.field(default=None, name="from")
    to: str | None = None


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
        form = start.media_format
        if form.encoding != "PCMU" or as_number(form.sample_rate) != RATE or as_number(form.channels) != 1:
            raise ProtocolError(
                f"The stream is {form.encoding[:20]} at {str(form.sample_rate)[:10]}",
                advice='Start it with stream_codec and stream_bidirectional_codec "PCMU", stream_bidirectional_mode '
                '"rtp" and a sampling rate of 8000',
                code="bad_format",
            )
        parameters = _parameters(start.custom_parameters)
        parameters |= {name: value for name, value in (("from", start.from_), ("to", start.to)) if value}
        extra = {"phone_session": start.call_session_id} if start.call_session_id else {}
        return Started(message.stream, start.call_control_id, start.user_id or "", parameters, extra)

    def other_event(self, message: _Message) -> DialectEvent | None:
        if message.event == "mark" and message.mark is not None:
            return MarkBack(message.mark.name)
        if message.event == "error":
            raise _refusal(message.payload or _Error())
        if message.event == "connected":
            return None
        raise self.unknown_event(message.event)

    def media(self, samples: WireSamples) -> bytes:
        """samples: mu-law codes, shape (n,), uint8.

        The first chunk after a resume may be shorter than a frame. Silence before it fills the frame up, and moves no
        position."""
        if len(samples) < MIN_MEDIA_BYTES:
            samples = np.concatenate((np.full(MIN_MEDIA_BYTES - len(samples), SILENCE, np.uint8), samples))
        return self._media + b2a_base64(samples.data, newline=False) + b'"}}'


def _parameters(given: dict[str, object] | list[_Parameter] | None) -> dict[str, str]:
    """Telnyx sends a list of names and values. An object of names and values is taken, too."""
    if isinstance(given, list):
        return {each.name: each.value for each in given}
    return {name: value for name, value in (given or {}).items() if isinstance(value, str)}


def _refusal(error: _Error) -> ProtocolError:
    what = f"{error.title or 'error'} ({error.code})"
    return ProtocolError(
        f"Telnyx refused a message with {what[:80]}: {error.detail[:160]}",
        advice='Check that the stream was started with stream_bidirectional_mode "rtp" and PCMU both ways',
        code="vendor_error",
    )
