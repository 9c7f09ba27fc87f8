"""Plivo audio streaming, both ways: mu-law at 8000 Hz, base64 in JSON text.

The call's XML asks for it: `<Stream bidirectional="true" keepCallAlive="true" contentType="audio/x-mulaw;rate=8000">`
(int16 is its default), and may give `extraHeaders`, which come along as parameters.

Plivo is the WebSocket's client: `start`, `media`, `dtmf`, `playedStream`, `clearedAudio` and perhaps `stop` come from
it; `playAudio`, `checkpoint` and `clearAudio` go to it. A checkpoint comes back, as `playedStream`, only if all audio
before it was really played: those that a clear overtakes never do. The clear itself is answered with `clearedAudio`.
Media carries the unix time in ms, and not that of the stream, so it is `chunk` that orders it. (Plivo's documentation
of audio streaming.)
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from json import dumps

import msgspec

from bargein.audio.mulaw import from_mulaw
from bargein.errors import ProtocolError
from bargein.protocols import WireSamples
from bargein.transports.telephone.transport import ClearDone, MarkBack, Media, Pressed, Said, Started, Stopped

RATE = 8000
MOST_MEDIA = 8000  # bytes in one message: a second; usual are 160
KEYS = frozenset("0123456789*#ABCD")
PREFIX = "x-ph-"  # before the names of what the XML gave along

Number = int | str | None

_PLAY = b'{"event":"playAudio","media":{"contentType":"audio/x-mulaw","sampleRate":8000,"payload":"'


class _Format(msgspec.Struct):
    encoding: str = ""
    sampleRate: Number = None  # noqa: N815  # names of the wire


class _Start(msgspec.Struct):
    streamId: str = ""  # noqa: N815
    callId: str = ""  # noqa: N815
    accountId: Number = None  # noqa: N815
    mediaFormat: _Format = msgspec.field(default_factory=_Format)  # noqa: N815


class _Media(msgspec.Struct):
    payload: bytes
    track: str = "inbound"
    chunk: Number = None


class _Dtmf(msgspec.Struct):
    digit: str


class _Message(msgspec.Struct):
    event: str
    streamId: str = ""  # noqa: N815
    start: _Start | None = None
    media: _Media | None = None
    dtmf: _Dtmf | None = None
    name: str | None = None
    extra_headers: dict[str, object] | str | None = None


_decode = msgspec.json.Decoder(_Message).decode


class PlivoDialect:
    """A telephone.Dialect by shape, for one stream."""

    name = "plivo"
    rate = RATE
    mulaw = True
    binary = False
    returning = False
    acknowledges = True

    def __init__(self) -> None:
        self._stream = ""
        self._mark = self._clear = b""

    def read(self, message: str | bytes) -> Said | None:
        """What Plivo says. Raises PeerNonsense for what it would never say."""
        try:
            m = _decode(message)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise ProtocolError(
                f"A message cannot be read: {error}", advice="Send audio streaming's JSON as text", code="bad_message"
            ) from None
        if m.event == "start":
            return self._started(m)
        if self._stream and m.streamId not in ("", self._stream):
            raise ProtocolError(
                f"{m.event[:40]} is of stream {m.streamId[:40]!r}", advice="One socket, one stream", code="other_stream"
            )
        if m.event == "media" and m.media is not None:
            return self._heard(m.media)
        if m.event == "playedStream" and m.name is not None:
            return MarkBack(m.name)
        if m.event == "clearedAudio":
            return ClearDone()
        if m.event == "dtmf" and m.dtmf is not None:
            return self._pressed(m.dtmf.digit)
        if m.event == "stop":
            return Stopped("the caller hung up")
        raise ProtocolError(f"Event {m.event[:40]!r}", advice="See audio streaming's messages", code="unknown_event")

    def _started(self, m: _Message) -> Started:
        start = m.start
        stream = (start.streamId or m.streamId) if start is not None else ""
        if start is None or not stream:
            raise ProtocolError("A start without its streamId", advice="Send what Plivo sends", code="bad_start")
        form = start.mediaFormat
        if form.encoding != "audio/x-mulaw" or _number(form.sampleRate) != RATE:
            raise ProtocolError(
                f"The stream is {form.encoding[:40]!r} at {str(form.sampleRate)[:10]}",
                advice='Set contentType="audio/x-mulaw;rate=8000" in the <Stream>; its default is another',
                code="bad_format",
            )
        if not self._stream:
            self._stream = stream
            quoted = dumps(stream).encode()
            self._mark = b'{"event":"checkpoint","streamId":' + quoted + b',"name":"'
            self._clear = b'{"event":"clearAudio","streamId":' + quoted + b"}"
        account = "" if start.accountId is None else str(start.accountId)
        return Started(stream, start.callId, account, _parameters(m.extra_headers))

    @staticmethod
    def _heard(media: _Media) -> Media | None:
        if not media.track.startswith("inbound"):
            return None  # our own sound, where somebody streams both tracks
        if not media.payload or len(media.payload) > MOST_MEDIA:
            raise ProtocolError(
                f"A frame of {len(media.payload)} bytes",
                advice="Send 160 bytes of mu-law every 20 ms",
                code="bad_media",
            )
        return Media(from_mulaw(media.payload), _number(media.chunk))

    @staticmethod
    def _pressed(digit: str) -> Pressed:
        if digit not in KEYS:
            raise ProtocolError(f"Key {digit[:10]!r}", advice="Send 0-9, *, # or A-D", code="bad_key")
        return Pressed(digit)

    def media(self, samples: WireSamples) -> bytes:
        """samples: mu-law codes, shape (n,), uint8."""
        return _PLAY + b2a_base64(samples.data, newline=False) + b'"}}'

    def mark(self, name: str) -> bytes:
        return self._mark + name.encode() + b'"}'

    def clear(self) -> bytes:
        return self._clear


def _parameters(told: dict[str, object] | str | None) -> dict[str, str]:
    """Headers come as one string, `{name: value, ...}` without quotes; JSON's way of saying it is taken as well."""
    if isinstance(told, str):
        try:
            fields = msgspec.json.decode(told, type=dict[str, object])
        except (msgspec.MsgspecError, RecursionError):
            pairs = (re.split("[:=]", part, maxsplit=1) for part in re.split("[,;]", told.strip().strip("{}")))
            fields = {pair[0].strip(): pair[1].strip() for pair in pairs if len(pair) == 2}
    else:
        fields = told or {}
    given = {name: value for name, value in fields.items() if isinstance(value, str)}
    return {name[len(PREFIX) :] if name.lower().startswith(PREFIX) else name: value for name, value in given.items()}


def _number(told: Number) -> int | None:
    if isinstance(told, str):
        return int(told) if told.isdecimal() and len(told) < 15 else None
    return told
