"""Twilio Media Streams, bidirectional (`<Connect><Stream>`): mu-law at 8000 Hz, base64 in JSON text.

Twilio is the WebSocket's client: `connected`, `start`, `media` every 20 ms, `mark`, `dtmf`, `stop` come from it;
`media`, `mark` and `clear` go to it, and nothing else. All its numbers are strings. A `clear` returns every mark that
was waiting. (Twilio's documentation of the Media Streams WebSocket messages.)
"""

from __future__ import annotations

from binascii import b2a_base64
from json import dumps

import msgspec

from bargein.audio.mulaw import from_mulaw
from bargein.errors import ProtocolError
from bargein.protocols import WireSamples
from bargein.transports.telephone.transport import MarkBack, Media, Pressed, Said, Started, Stopped

RATE = 8000
MOST_MEDIA = 8000  # bytes in one message: a second; usual are 160
KEYS = frozenset("0123456789*#ABCD")
IGNORED = frozenset({"connected"})

Number = int | str | None


class _Format(msgspec.Struct):
    encoding: str = "audio/x-mulaw"
    sampleRate: Number = RATE  # noqa: N815  # names of the wire
    channels: Number = 1


class _Start(msgspec.Struct):
    streamSid: str = ""  # noqa: N815
    callSid: str = ""  # noqa: N815
    accountSid: str = ""  # noqa: N815
    mediaFormat: _Format = msgspec.field(default_factory=_Format)  # noqa: N815
    customParameters: dict[str, str | int | float | bool | None] = msgspec.field(default_factory=dict)  # noqa: N815


class _Media(msgspec.Struct):
    payload: bytes
    track: str = "inbound"
    chunk: Number = None


class _Mark(msgspec.Struct):
    name: str


class _Dtmf(msgspec.Struct):
    digit: str


class _Message(msgspec.Struct):
    event: str
    sequenceNumber: Number = None  # noqa: N815
    streamSid: str = ""  # noqa: N815
    start: _Start | None = None
    media: _Media | None = None
    mark: _Mark | None = None
    dtmf: _Dtmf | None = None


_decode = msgspec.json.Decoder(_Message).decode


class TwilioDialect:
    """A telephone.Dialect by shape, for one stream. lost: events whose numbers never came."""

    name = "twilio"
    rate = RATE
    mulaw = True
    binary = False
    returning = True
    acknowledges = False

    def __init__(self) -> None:
        self.lost = 0
        self._stream = ""
        self._sequence: int | None = None
        self._media = self._mark = self._clear = b""

    def read(self, message: str | bytes) -> Said | None:
        """What Twilio says. Raises PeerNonsense for what it would never say."""
        try:
            m = _decode(message)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise ProtocolError(
                f"A message cannot be read: {error}", advice="Send Media Streams' JSON as text", code="bad_message"
            ) from None
        if m.event == "start":
            return self._started(m)
        if self._stream and m.streamSid not in ("", self._stream):
            raise ProtocolError(
                f"{m.event[:40]} is of stream {m.streamSid[:40]!r}",
                advice="One socket, one stream",
                code="other_stream",
            )
        if m.sequenceNumber is not None:
            self._count(m.sequenceNumber)
        if m.event == "media" and m.media is not None:
            return self._heard(m.media)
        if m.event == "mark" and m.mark is not None:
            return MarkBack(m.mark.name)
        if m.event == "dtmf" and m.dtmf is not None:
            return self._pressed(m.dtmf.digit)
        if m.event == "stop":
            return Stopped("the caller hung up")
        if m.event in IGNORED:
            return None
        raise ProtocolError(f"Event {m.event[:40]!r}", advice="See Media Streams' messages", code="unknown_event")

    def _started(self, m: _Message) -> Started:
        start = m.start
        sid = (start.streamSid or m.streamSid) if start is not None else ""
        if start is None or not sid:
            raise ProtocolError("A start without its streamSid", advice="Send what Twilio sends", code="bad_start")
        form = start.mediaFormat
        if form.encoding != "audio/x-mulaw" or _number(form.sampleRate) != RATE or _number(form.channels) != 1:
            raise ProtocolError(
                f"The stream is {form.encoding} at {form.sampleRate}", advice="Stream mu-law at 8000", code="bad_format"
            )
        if not self._stream:
            self._stream = sid
            quoted = dumps(sid).encode()
            self._media = b'{"event":"media","streamSid":' + quoted + b',"media":{"payload":"'
            self._mark = b'{"event":"mark","streamSid":' + quoted + b',"mark":{"name":"'
            self._clear = b'{"event":"clear","streamSid":' + quoted + b"}"
        self._sequence = _number(m.sequenceNumber)
        return Started(
            sid, start.callSid, start.accountSid, {name: str(value) for name, value in start.customParameters.items()}
        )

    def _count(self, told: Number) -> None:
        """Over a WebSocket nothing is lost by itself: a gap says that Twilio, or a proxy, dropped something."""
        number, expected = _number(told), self._sequence
        if number is not None and expected is not None and number > expected + 1:
            self.lost += number - expected - 1
        self._sequence = number

    @staticmethod
    def _heard(media: _Media) -> Media | None:
        if not media.track.startswith("inbound"):
            return None  # our own sound, where somebody streams both
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
        return self._media + b2a_base64(samples.data, newline=False) + b'"}}'

    def mark(self, name: str) -> bytes:
        return self._mark + name.encode() + b'"}}'

    def clear(self) -> bytes:
        return self._clear


def _number(told: Number) -> int | None:
    if isinstance(told, str):
        return int(told) if told.isdecimal() and len(told) < 15 else None
    return told
