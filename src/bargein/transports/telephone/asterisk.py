"""Asterisk's WebSocket channel (chan_websocket): raw audio as binary messages, commands and events as text.

Asterisk queues our audio in frames of 20 ms, and pauses in place. Its events are JSON (`f(json)`, from 20.18, 22.8 and
23.2) or plain words; the first event tells which, and the commands follow it. Releases before those know no marks, and
are asked for their status instead. (Facts: asterisk/asterisk, channels/chan_websocket.c.)

- A binary message must be a multiple of the frame: the rest of one is thrown away, or joined to later audio.
- A text over 128 bytes is dropped without a word: ours are short.
- FLUSH_MEDIA ends no pause, and throws waiting marks away: a CONTINUE_MEDIA follows each.
- Audio may come before MEDIA_START: it is kept, and stands before the first audio after the start.
- While the caller's telephone sends nothing, nothing comes, and no frame has a time: the call makes silence of audio
  that is missing.
- Neither end says goodbye: the call is over when the socket is closed.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from bargein.errors import ProtocolError
from bargein.foreign import printable
from bargein.protocols import WireSamples
from bargein.transports.telephone.dialect import (
    DialectEvent,
    MarkBack,
    Media,
    QueueDrained,
    QueueFlow,
    QueueStatus,
    Started,
)
from bargein.transports.telephone.formats import Codec, WireFormat, refused
from bargein.transports.telephone.json_dialect import as_number, as_parameters, pressed

FORMATS: Mapping[str, tuple[Codec, int]] = {
    "ulaw": ("PCMU", 8_000),
    "alaw": ("PCMA", 8_000),
    "slin": ("L16", 8_000),
    "slin16": ("L16", 16_000),
    "slin24": ("L16", 24_000),
}
MAX_MEDIA_MS = 1000  # in one message; usual are 20
EARLY_BYTES = 48_000  # kept of the audio before the start: a second of slin24
MAX_QUEUE = 100_000  # frames; Asterisk's queue takes 1000
VARIABLE = "bargein_"  # a channel variable BARGEIN_AGENT is the parameter `agent`


class _Event(msgspec.Struct):
    event: str
    channel_id: str = ""
    connection_id: str = ""
    channel: str = ""
    format: str = ""
    optimal_frame_size: object = None
    channel_variables: dict[str, object] | None = None
    queue_length: object = None
    correlation_id: str = ""
    digit: str = ""
    error_text: str = ""


_decode = msgspec.json.Decoder(_Event).decode


class AsteriskDialect:
    """A `PausingDialect` by shape, for one stream. given: parameters from the address that Asterisk called."""

    name = "asterisk"
    binary = True
    batch = 1  # the first frame waits for no other
    returning = False
    acknowledges = False
    says_stop = False

    def __init__(self, given: Mapping[str, str] | None = None) -> None:
        self.incoming = self.outgoing = WireFormat("L16", 16_000)
        self.started = False
        """MEDIA_START has come."""
        self.frame_samples = 320
        self.marks = True
        self._given = dict(given or {})
        self._json = True
        self._early = bytearray()

    @property
    def rate(self) -> int:
        """Hz, both ways."""
        return self.incoming.rate

    @property
    def mulaw(self) -> bool:
        """Outgoing audio is mu-law codes, else int16."""
        return self.outgoing.mulaw

    # ------------------------------------------------------------------------------------------------- incoming

    def read(self, message: str | bytes) -> DialectEvent | None:
        """The event of a message. Bytes are audio. Raises ProtocolError for a message that Asterisk does not send."""
        if isinstance(message, bytes):
            return self._caller_audio(message)
        m = self._event(message)
        match m.event:
            case "MEDIA_START":
                return self._start(m, is_json=message.lstrip()[:1] == "{")
            case "STATUS":
                frames = as_number(m.queue_length)
                if frames is None or not 0 <= frames <= MAX_QUEUE:
                    what = f"A STATUS has the queue length {printable(m.queue_length, 30)!r}"
                    raise ProtocolError(what, advice="Send STATUS as Asterisk does", code="bad_message")
                return QueueStatus(frames)
            case "MEDIA_MARK_PROCESSED":
                return MarkBack(m.correlation_id)
            case "MEDIA_XOFF":
                return QueueFlow(full=True)
            case "MEDIA_XON":
                return QueueFlow(full=False)
            case "QUEUE_DRAINED":
                return QueueDrained()
            case "DTMF_END":
                return pressed(m.digit)
            case "MEDIA_BUFFERING_COMPLETED":
                return None
            case "ERROR":
                what = f"Asterisk refused a command: {printable(m.error_text, 80)}"
                raise ProtocolError(what, advice="See Asterisk's log", code="vendor_error")
            case _:
                what = f"Event {printable(m.event, 40)!r} is unknown"
                raise ProtocolError(what, advice="See the events of chan_websocket", code="unknown_event")

    def _event(self, message: str) -> _Event:
        try:
            if message.lstrip()[:1] == "{":
                return _decode(message)
            event, *rest = message.split()
            pairs = (each.partition(":") for each in rest)
            fields = {name: value for name, _, value in pairs}
            return msgspec.convert({**fields, "event": event, "channel_variables": None}, _Event)
        except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError) as error:
            is_start = not self.started and "MEDIA_START" in message[:200]
            raise ProtocolError(
                f"A message cannot be read: {error}",
                advice="Let Asterisk's WebSocket channel send its own events",
                code="bad_start" if is_start else "bad_message",
            ) from None

    def _start(self, m: _Event, *, is_json: bool) -> Started:
        known = FORMATS.get(m.format)
        if known is None:
            advice = f"Dial with c(slin16); {', '.join(FORMATS)} are taken"
            raise refused(m.format or "no format", "its rate", advice)
        codec, rate = known
        form = WireFormat(codec, rate)
        size = as_number(m.optimal_frame_size) or 0
        frame = size // form.sample_bytes
        if frame <= 0 or size % form.sample_bytes or (rate // 50) % frame:
            what = f"Frames of {printable(m.optimal_frame_size, 30)} bytes of {m.format} do not fill 20 ms"
            raise ProtocolError(what, advice="Leave the packet time of the codec at 20 ms", code="bad_format")
        if not self.started:
            self.started, self._json, self.frame_samples = True, is_json, frame
            self.incoming = self.outgoing = form
            self.marks = is_json or bool(m.channel_id)  # both are as old as marks
        parameters = {
            name.lower().removeprefix(VARIABLE): value for name, value in as_parameters(m.channel_variables).items()
        }
        extra = {"connection": m.connection_id, "channel": m.channel, "format": m.format}
        return Started(
            m.channel_id or m.connection_id,
            "",  # a call ends with its socket: no other stream takes it up
            parameters=parameters | self._given,
            extra={name: value for name, value in extra.items() if value},
        )

    def _caller_audio(self, data: bytes) -> Media | None:
        if not self.started:
            self._early += data
            del self._early[:-EARLY_BYTES]
            return None
        if self._early:
            data, self._early = bytes(self._early) + data, bytearray()
            data = data[len(data) % self.incoming.sample_bytes :]
        form = self.incoming
        most = form.rate * form.sample_bytes * MAX_MEDIA_MS // 1000
        if not data or len(data) > most + EARLY_BYTES:
            what = f"A frame has {len(data)} bytes"
            advice = f"Send {form.rate * form.sample_bytes // 50} bytes every 20 ms"
            raise ProtocolError(what, advice=advice, code="bad_media")
        return Media(form.expand(data), None)

    # ------------------------------------------------------------------------------------------------- outgoing

    def media(self, samples: WireSamples) -> bytes:
        """samples: shape (n,); mu-law codes for ulaw, else int16. Silence behind them fills the last frame up."""
        missing = -len(samples) % self.frame_samples
        if missing:
            quiet = np.full(missing, 0xFF if self.mulaw else 0, samples.dtype)
            samples = np.concatenate((samples, quiet))
        return bytes(self.outgoing.compress(samples))

    def mark(self, name: str) -> bytes:
        return self._command("MARK_MEDIA", name)

    def clear(self) -> bytes:
        return self._command("FLUSH_MEDIA")

    def opening(self) -> tuple[bytes, ...]:
        """A channel that was dialled with `n` must be answered: the parameter `answer` says so."""
        return (self._command("ANSWER"),) if self._given.get("answer") == "1" else ()

    def pause(self) -> bytes:
        return self._command("PAUSE_MEDIA")

    def go_on(self) -> bytes:
        return self._command("CONTINUE_MEDIA")

    def status(self) -> bytes:
        return self._command("GET_STATUS")

    def report_drained(self) -> bytes:
        return self._command("REPORT_QUEUE_DRAINED")

    def _command(self, name: str, id_: str = "") -> bytes:
        if not self._json:
            return f"{name} {id_}".rstrip().encode()
        given = f',"correlation_id":"{id_}"' if id_ else ""
        return f'{{"command":"{name}"{given}}}'.encode()
