"""Telnyx media streaming, both ways: mu-law at 8000 Hz, base64 in JSON text, much like Twilio's with other names.

It is to be asked for when streaming is started (`streaming_start`, `dial`, `answer` or TeXML `<Stream>`):
`stream_bidirectional_mode: "rtp"` (its own default takes whole mp3 files back), `stream_bidirectional_codec: "PCMU"`,
`stream_codec: "PCMU"` and `stream_track: "inbound_track"`.

Telnyx is the WebSocket's client: `connected`, `start`, `media`, `mark`, `dtmf`, `error`, `stop` come from it;
`media`, `mark` and `clear` go to it. Media may come out of order: `chunk` counts it. A piece of audio that goes to it
lasts 20 ms or more. A `clear` returns the marks that were waiting, and is not answered by itself. (Telnyx's
documentation of media streaming over WebSockets.)
"""

from __future__ import annotations

from binascii import b2a_base64

import msgspec
import numpy as np

from bargein.audio.mulaw import SILENCE, from_mulaw
from bargein.errors import ProtocolError
from bargein.protocols import WireSamples
from bargein.transports.telephone.transport import MarkBack, Media, Pressed, Said, Started, Stopped

RATE = 8000
LEAST = 160  # bytes: shorter pieces are not taken
MOST_MEDIA = 8000  # bytes in one message: a second; usual are 160
KEYS = frozenset("0123456789*#ABCD")
IGNORED = frozenset({"connected"})

Number = int | str | None


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


class _Media(msgspec.Struct):
    payload: bytes
    track: str = "inbound"
    chunk: Number = None


class _Mark(msgspec.Struct):
    name: str


class _Dtmf(msgspec.Struct):
    digit: str


class _Error(msgspec.Struct):
    code: Number = None
    title: str = ""
    detail: str = ""


class _Message(msgspec.Struct):
    event: str
    stream_id: str = ""
    start: _Start | None = None
    media: _Media | None = None
    mark: _Mark | None = None
    dtmf: _Dtmf | None = None
    payload: _Error | None = None


_decode = msgspec.json.Decoder(_Message).decode


class TelnyxDialect:
    """A telephone.Dialect by shape, for one stream."""

    name = "telnyx"
    rate = RATE
    mulaw = True
    binary = False
    returning = True
    acknowledges = False

    def __init__(self) -> None:
        self._stream = ""

    def read(self, message: str | bytes) -> Said | None:
        """What Telnyx says. Raises PeerNonsense for what it would never say, and for what it complains of."""
        try:
            m = _decode(message)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise ProtocolError(
                f"A message cannot be read: {error}", advice="Send media streaming's JSON as text", code="bad_message"
            ) from None
        if m.event == "start":
            return self._started(m)
        if self._stream and m.stream_id not in ("", self._stream):
            raise ProtocolError(
                f"{m.event[:40]} is of stream {m.stream_id[:40]!r}",
                advice="One socket, one stream",
                code="other_stream",
            )
        if m.event == "media" and m.media is not None:
            return self._heard(m.media)
        if m.event == "mark" and m.mark is not None:
            return MarkBack(m.mark.name)
        if m.event == "dtmf" and m.dtmf is not None:
            return self._pressed(m.dtmf.digit)
        if m.event == "stop":
            return Stopped("the caller hung up")
        if m.event == "error":
            raise _complaint(m.payload or _Error())
        if m.event in IGNORED:
            return None
        raise ProtocolError(f"Event {m.event[:40]!r}", advice="See media streaming's messages", code="unknown_event")

    def _started(self, m: _Message) -> Started:
        start = m.start
        if start is None or not m.stream_id:
            raise ProtocolError("A start without its stream_id", advice="Send what Telnyx sends", code="bad_start")
        form = start.media_format
        if form.encoding != "PCMU" or _number(form.sample_rate) != RATE or _number(form.channels) != 1:
            raise ProtocolError(
                f"The stream is {form.encoding[:20]} at {str(form.sample_rate)[:10]}",
                advice='Start it with stream_codec and stream_bidirectional_codec "PCMU", stream_bidirectional_mode '
                '"rtp" and a sampling rate of 8000',
                code="bad_format",
            )
        self._stream = self._stream or m.stream_id
        parameters = _parameters(start.custom_parameters)
        parameters |= {name: told for name, told in (("from", start.from_), ("to", start.to)) if told}
        extra = {"phone_session": start.call_session_id} if start.call_session_id else {}
        return Started(m.stream_id, start.call_control_id, start.user_id or "", parameters, extra)

    @staticmethod
    def _heard(media: _Media) -> Media | None:
        if not media.track.startswith("inbound"):
            return None  # our own sound, where somebody streams both tracks
        if not media.payload or len(media.payload) > MOST_MEDIA:
            raise ProtocolError(
                f"A frame of {len(media.payload)} bytes", advice="Send 160 bytes of PCMU every 20 ms", code="bad_media"
            )
        return Media(from_mulaw(media.payload), _number(media.chunk))

    @staticmethod
    def _pressed(digit: str) -> Pressed:
        if digit not in KEYS:
            raise ProtocolError(f"Key {digit[:10]!r}", advice="Send 0-9, *, # or A-D", code="bad_key")
        return Pressed(digit)

    def media(self, samples: WireSamples) -> bytes:
        """samples: mu-law codes, shape (n,), uint8.

        A resume may begin in the middle of a frame; silence before it makes it long enough, and moves no position."""
        if len(samples) < LEAST:
            samples = np.concatenate((np.full(LEAST - len(samples), SILENCE, np.uint8), samples))
        return b'{"event":"media","media":{"payload":"' + b2a_base64(samples.data, newline=False) + b'"}}'

    def mark(self, name: str) -> bytes:
        return b'{"event":"mark","mark":{"name":"' + name.encode() + b'"}}'

    def clear(self) -> bytes:
        return b'{"event":"clear"}'


def _parameters(told: dict[str, object] | list[_Parameter] | None) -> dict[str, str]:
    """They are given as a list of names and values; a mapping says the same."""
    if isinstance(told, list):
        return {each.name: each.value for each in told}
    return {name: value for name, value in (told or {}).items() if isinstance(value, str)}


def _complaint(error: _Error) -> ProtocolError:
    what = f"{error.title or 'error'} ({error.code})"
    return ProtocolError(
        f"Telnyx complains of {what[:80]}: {error.detail[:160]}",
        advice='Check that the stream was started with stream_bidirectional_mode "rtp" and PCMU both ways',
        code="vendor_error",
    )


def _number(told: Number) -> int | None:
    if isinstance(told, str):
        return int(told) if told.isdecimal() and len(told) < 15 else None
    return told
