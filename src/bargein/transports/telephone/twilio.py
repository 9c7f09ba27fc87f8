"""Twilio Media Streams, bidirectional (`<Connect><Stream>`): mu-law at 8000 Hz, base64 in JSON text.

Twilio is the WebSocket's client and sends `connected`, `start`, `media` every 20 ms, `mark`, `dtmf` and `stop`. Twilio
takes `media`, `mark` and `clear`. Its numbers are strings. A `clear` returns every mark that was waiting. (Twilio's
documentation of the Media Streams WebSocket messages.)
"""

from __future__ import annotations

import msgspec

from bargein.audio.mulaw import RATE
from bargein.errors import ProtocolError
from bargein.transports.telephone.dialect import DialectEvent, MarkBack, Started
from bargein.transports.telephone.formats import refused
from bargein.transports.telephone.json_dialect import (
    JsonDialect,
    JsonMessage,
    MarkFields,
    Number,
    Text,
    as_number,
)


class _Format(msgspec.Struct):
    encoding: Text = "audio/x-mulaw"
    rate: Number = msgspec.field(default=RATE, name="sampleRate")
    channels: Number = 1


class _Start(msgspec.Struct, rename="camel"):
    stream_sid: Text = None
    call_sid: Text = None
    account_sid: Text = None
    media_format: _Format | None = None
    custom_parameters: dict[str, object] | None = None


class _Message(JsonMessage):
    stream: str = msgspec.field(default="", name="streamSid")
    start: _Start | None = None
    mark: MarkFields | None = None


_DECODER = msgspec.json.Decoder(_Message)


class TwilioDialect(JsonDialect[_Message]):
    """A `TelephoneDialect` by shape, for one stream."""

    name = "twilio"
    returning = True
    acknowledges = False
    product = "Media Streams"
    media_template = b'{"event":"media","streamSid":%STREAM,"media":{"payload":"'
    mark_template = b'{"event":"mark","streamSid":%STREAM,"mark":{"name":"', b'"}}'
    clear_template = b'{"event":"clear","streamSid":%STREAM}'

    def __init__(self) -> None:
        super().__init__(_DECODER)

    def start(self, message: _Message) -> Started:
        start = message.start
        sid = (start.stream_sid or message.stream) if start is not None else ""
        if start is None or not sid:
            raise ProtocolError("A start has no streamSid", advice="Send what Twilio sends", code="bad_start")
        form = start.media_format or _Format()
        if (
            str(form.encoding).lower() != "audio/x-mulaw"
            or as_number(form.rate) != RATE
            or as_number(form.channels) != 1
        ):
            advice = "Stream mono mu-law at 8000 Hz (audio/x-mulaw), Twilio's only format"
            raise refused(str(form.encoding), form.rate, advice)
        given = (start.custom_parameters or {}).items()
        parameters = {name: str(value) for name, value in given if isinstance(value, str | int | float)}
        return Started(sid, start.call_sid or "", start.account_sid or "", parameters)

    def other_event(self, message: _Message) -> DialectEvent | None:
        if message.event == "mark" and message.mark is not None:
            return MarkBack(message.mark.name)
        if message.event == "connected":
            return None
        raise self.unknown_event(message.event)
