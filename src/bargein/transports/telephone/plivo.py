"""Plivo audio streaming, both ways: base64 in JSON text.

The call's XML starts the stream: `<Stream bidirectional="true" keepCallAlive="true"
contentType="audio/x-mulaw;rate=8000">`. The default content type is `audio/x-l16;rate=8000`, and
`audio/x-l16;rate=16000` is the third. The `extraHeaders` arrive as parameters.

Plivo is the WebSocket's client and sends `start`, `media`, `dtmf`, `playedStream`, `clearedAudio` and perhaps `stop`.
Plivo takes `playAudio`, `checkpoint` and `clearAudio`. A checkpoint comes back, as `playedStream`, only after all audio
before it was played: a checkpoint that a clear overtakes never comes back. The clear is answered with `clearedAudio`.
The timestamp of media is unix time in ms, not the stream's time, so `chunk` gives the order. (Plivo's documentation of
audio streaming.)
"""

from __future__ import annotations

import re

import msgspec

from bargein.audio.mulaw import RATE
from bargein.errors import ProtocolError
from bargein.transports.telephone.dialect import ClearDone, DialectEvent, MarkBack, Started
from bargein.transports.telephone.formats import Codec, WireFormat, content_type, refused
from bargein.transports.telephone.json_dialect import JsonDialect, JsonMessage, Number, Text, as_number, as_parameters

CODECS: dict[str, tuple[Codec, tuple[int, ...]]] = {
    "audio/x-mulaw": ("PCMU", (RATE,)),
    "audio/x-l16": ("L16", (8000, 16000)),
}
ADVICE = 'Set contentType="audio/x-mulaw;rate=8000" in the <Stream>, or audio/x-l16 with rate 8000 or 16000'
FORM = b"%FORM"  # in the template: the format's fields
PREFIX = "x-ph-"  # Plivo puts it before the names of extraHeaders


class _Format(msgspec.Struct):
    encoding: Text = None
    rate: Number = msgspec.field(default=None, name="sampleRate")


class _Start(msgspec.Struct, rename="camel"):
    stream_id: Text = None
    call_id: Text = None
    account_id: Number = None
    media_format: _Format | None = None


class _Message(JsonMessage):
    stream: str = msgspec.field(default="", name="streamId")
    start: _Start | None = None
    name: str | None = None
    extra_headers: dict[str, object] | str | None = None


_DECODER = msgspec.json.Decoder(_Message)


class PlivoDialect(JsonDialect[_Message]):
    """A `TelephoneDialect` by shape, for one stream."""

    name = "plivo"
    returning = False
    acknowledges = True
    product = "audio streaming"
    media_template = b'{"event":"playAudio","media":{%FORM,"payload":"'
    mark_template = b'{"event":"checkpoint","streamId":%STREAM,"name":"', b'"}'
    clear_template = b'{"event":"clearAudio","streamId":%STREAM}'

    def __init__(self) -> None:
        super().__init__(_DECODER)

    def start(self, message: _Message) -> Started:
        start = message.start
        stream = (start.stream_id or message.stream) if start is not None else ""
        if start is None or not stream:
            raise ProtocolError("A start has no streamId", advice="Send what Plivo sends", code="bad_start")
        form = start.media_format or _Format()
        encoding, told = content_type(form.encoding or "")  # the whole contentType of the <Stream>, or its first half
        codec, rates = CODECS.get(encoding, ("PCMU", ()))
        rate = as_number(form.rate if form.rate is not None else told.get("rate"))
        if rate is None or rate not in rates:
            raise refused(form.encoding or "no encoding", form.rate, ADVICE)
        self.incoming = self.outgoing = WireFormat(codec, rate)
        fields = b'"contentType":"%s","sampleRate":%d' % (encoding.encode(), rate)
        self.media_template = type(self).media_template.replace(FORM, fields)  # type: ignore[misc]  # of this stream
        account = "" if start.account_id is None else str(start.account_id)
        return Started(stream, start.call_id or "", account, _parameters(message.extra_headers))

    def other_event(self, message: _Message) -> DialectEvent | None:
        if message.event == "playedStream" and message.name is not None:
            return MarkBack(message.name)
        if message.event == "clearedAudio":
            return ClearDone()
        raise self.unknown_event(message.event)


def _parameters(headers: dict[str, object] | str | None) -> dict[str, str]:
    """Plivo sends the headers as one string, `{name: value, ...}` without quotes. JSON is taken, too."""
    if isinstance(headers, str):
        try:
            fields = msgspec.json.decode(headers, type=dict[str, object])
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            pairs = (re.split("[:=]", part, maxsplit=1) for part in re.split("[,;]", headers.strip().strip("{}")))
            fields = {pair[0].strip(): pair[1].strip() for pair in pairs if len(pair) == 2}
    else:
        fields = headers or {}
    given = as_parameters(fields)
    return {name[len(PREFIX) :] if name.lower().startswith(PREFIX) else name: value for name, value in given.items()}
