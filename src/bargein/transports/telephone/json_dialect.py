"""The JSON that Twilio, Telnyx and Plivo share: audio as base64 in text messages.

A vendor's file adds its names: the fields of its messages, the bytes of what goes out, the start and the events that
only this vendor sends. (Vonage sends audio as binary messages and stands apart.)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from binascii import b2a_base64
from collections.abc import Mapping
from json import dumps
from typing import ClassVar, Generic, TypeVar

import msgspec

from bargein.errors import ProtocolError
from bargein.protocols import WireSamples
from bargein.transports.telephone.dialect import KEYS, DialectEvent, Media, Pressed, Started, Stopped
from bargein.transports.telephone.formats import WireFormat

MAX_MEDIA_MS = 1000  # of audio in one message; usual are 20
MAX_NUMBER = 10**14
STREAM = b"%STREAM"  # in a template: the stream's id, as a JSON string

Number = int | float | str | None  # vendors write numbers as strings, too
Text = str | None  # what a network does not know is null, or left out


class MediaFields(msgspec.Struct):
    payload: bytes
    """Audio in the stream's format (base64 on the wire)."""
    track: str = "inbound"
    """Begins with `inbound` for the caller's audio."""
    chunk: object = None
    """The vendor's count of the chunks of audio. A value that is no number costs no audio."""
    timestamp: object = None
    """The vendor's time of the chunk, in ms. As `chunk`."""


class MarkFields(msgspec.Struct):
    name: str


class DtmfFields(msgspec.Struct):
    digit: str


class JsonMessage(msgspec.Struct):
    """A message from the network. A vendor's own struct names the stream's field and adds its other fields."""

    event: str
    stream: str = ""
    media: MediaFields | None = None
    dtmf: DtmfFields | None = None


class _AnyMessage(msgspec.Struct):
    event: object = None


Message = TypeVar("Message", bound=JsonMessage)
_decode_any = msgspec.json.Decoder(_AnyMessage).decode


class JsonDialect(ABC, Generic[Message]):
    """One stream's messages: the shared half of a `TelephoneDialect`."""

    name: str
    binary = False
    batch = 2
    returning: bool
    acknowledges: bool
    says_stop = True

    product: ClassVar[str]
    """The vendor's name for its streams, for errors."""
    media_template: ClassVar[bytes]
    """A media message up to its payload. The payload and `"}}` follow."""
    mark_template: ClassVar[tuple[bytes, bytes]]
    """A mark up to its name, and the rest of the message."""
    clear_template: ClassVar[bytes]

    def __init__(self, decoder: msgspec.json.Decoder[Message]) -> None:
        self._decode = decoder.decode
        self.incoming, self.outgoing = WireFormat(), WireFormat()
        """The stream's formats, known by its start."""
        self._stream = ""
        """The stream's id. Empty before the start."""
        self._media = self._mark = self._mark_end = self._clear = b""

    @property
    def started(self) -> bool:
        """The start has come."""
        return bool(self._stream)

    @property
    def rate(self) -> int:
        """Hz, both ways."""
        return self.incoming.rate

    @property
    def mulaw(self) -> bool:
        """Outgoing audio is mu-law codes, else int16."""
        return self.outgoing.mulaw

    # -------------------------------------------------------------------------------------- a vendor's own half

    @abstractmethod
    def start(self, message: Message) -> Started:
        """The vendor's `start`. Raises ProtocolError (bad_start, bad_format)."""

    @abstractmethod
    def other_event(self, message: Message) -> DialectEvent | None:
        """An event that is not shared: a mark, an answer to a clear. None: an event without meaning for the call.

        Raises ProtocolError (unknown_event, vendor_error)."""

    # ------------------------------------------------------------------------------------------ what comes in

    def read(self, message: str | bytes) -> DialectEvent | None:
        """The event of a message. None: an event without meaning for the call.

        Raises ProtocolError for a message outside the vendor's protocol."""
        try:
            m = self._decode(message)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            advice = f"Send {self.product}'s JSON as text"
            if not self._stream and is_event(message, "start"):
                raise ProtocolError(f"The start cannot be read: {error}", advice=advice, code="bad_start") from None
            raise ProtocolError(f"A message cannot be read: {error}", advice=advice, code="bad_message") from None
        event = m.event
        if event == "start":
            return self._start(m)
        if m.stream != self._stream and m.stream and self._stream:
            what = f"{event[:40]} is of stream {m.stream[:40]!r}"
            raise ProtocolError(what, advice="One socket, one stream", code="other_stream")
        if event == "media" and m.media is not None:
            return self._caller_audio(m.media)
        if event == "dtmf" and m.dtmf is not None:
            return pressed(m.dtmf.digit)
        if event == "stop":
            return Stopped("the caller hung up")
        return self.other_event(m)

    def _start(self, message: Message) -> Started:
        formats = self.incoming, self.outgoing
        started = self.start(message)
        if self._stream:
            self.incoming, self.outgoing = formats  # a second start changes nothing
        else:
            self._stream = started.stream
            quoted = dumps(started.stream).encode()
            self._media = self.media_template.replace(STREAM, quoted)
            self._mark, self._mark_end = (part.replace(STREAM, quoted) for part in self.mark_template)
            self._clear = self.clear_template.replace(STREAM, quoted)
        return started

    def _caller_audio(self, media: MediaFields) -> Media | None:
        """None: audio of the agent, from a stream of both tracks."""
        if not media.track.startswith("inbound"):
            return None
        payload, form = media.payload, self.incoming
        if not payload or len(payload) > form.rate * form.sample_bytes * MAX_MEDIA_MS // 1000:
            what = f"A frame has {len(payload)} bytes"
            advice = f"Send {form.rate * form.sample_bytes // 50} bytes of {form.codec} every 20 ms"
            raise ProtocolError(what, advice=advice, code="bad_media")
        return Media(form.expand(payload), as_number(media.chunk), as_number(media.timestamp))

    def unknown_event(self, event: str) -> ProtocolError:
        return ProtocolError(
            f"Event {event[:40]!r} is unknown", advice=f"See {self.product}'s messages", code="unknown_event"
        )

    # ------------------------------------------------------------------------------------------ what goes out

    def media(self, samples: WireSamples) -> bytes:
        """samples: mu-law codes, shape (n,), uint8; or int16 for another format."""
        return self._media + b2a_base64(self.outgoing.compress(samples), newline=False) + b'"}}'

    def mark(self, name: str) -> bytes:
        return self._mark + name.encode() + self._mark_end

    def clear(self) -> bytes:
        return self._clear


def is_event(message: str | bytes, event: str) -> bool:
    """Whether a message that cannot be read is of that event: without a start no stream can begin."""
    try:
        return _decode_any(message).event == event
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False


def as_parameters(given: Mapping[str, object] | None) -> dict[str, str]:
    """The parameters that are texts. A value of another kind costs no other parameter."""
    return {name: value for name, value in (given or {}).items() if isinstance(value, str)}


def pressed(digit: str) -> Pressed:
    """A key of the telephone. Raises ProtocolError (bad_key)."""
    if digit not in KEYS:
        raise ProtocolError(f"Key {digit[:10]!r} is unknown", advice="Send 0-9, *, # or A-D", code="bad_key")
    return Pressed(digit)


def as_number(value: object) -> int | None:
    """None: no number, or too long for one."""
    if isinstance(value, str):
        return int(value) if value.isdecimal() and len(value) < 15 else None
    if isinstance(value, float):
        return round(value) if abs(value) < MAX_NUMBER else None
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < MAX_NUMBER else None
