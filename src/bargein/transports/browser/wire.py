"""`bargein.v1` on the wire (docs/protocol.md): the client's messages, the header of an audio frame, the welcome.

msgspec decodes and checks text in one pass. A message that does not fit becomes a ProtocolError with one of the
protocol's codes.
"""

from __future__ import annotations

import struct
from typing import Annotated, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from bargein.audio.pcm import Samples
from bargein.errors import ProtocolError
from bargein.notices import Notice
from bargein.protocols import AudioOut

PROTOCOL = "bargein.v1"
RATE_IN = 16_000
RATE_OUT = 24_000

HEADER = struct.Struct("<BBHIII")  # kind, flags, reserved, reply, sequence, sample: 16 bytes
MICROPHONE, AGENT, MICROPHONE_AND_LOUDSPEAKER = 1, 2, 3
LAST = 1  # flag: the last audio of this reply

Count = Annotated[int, msgspec.Meta(ge=0, lt=2**32)]
Number = bool | int | float | str | list[str] | None  # a policy's number in JSON
Settings = dict[str, Number]
Codes = NDArray[np.uint8]


class _FromClient(msgspec.Struct, frozen=True, tag_field="type"):
    pass


class ResumeCall(msgspec.Struct, frozen=True):
    """A call whose connection the client has lost, and that it takes up again."""

    call_id: Annotated[str, msgspec.Meta(max_length=80)]
    secret: Annotated[str, msgspec.Meta(max_length=100)]
    """As the latest `welcome` gave it."""


class Hello(_FromClient, frozen=True, tag="hello"):
    """The first message. The server chooses the fields that are left out."""

    protocol: Literal["bargein.v1"]
    agent: str | None = None
    policy: str | None = None
    settings: Settings | None = None
    language: Annotated[str, msgspec.Meta(min_length=2, max_length=35)] | None = None
    direct: Annotated[str, msgspec.Meta(max_length=80)] | None = None
    """A call that POST /openai/calls made. The agent's audio goes there by WebRTC; this connection carries the
    microphone's audio, for the floor."""
    resume: ResumeCall | None = None
    """Go on with this call. The other fields are the call's own then."""
    record: bool | None = None
    """The user agrees to a recording of the call's audio, or refuses it. None: the user was not asked."""
    follows: bool = False
    """The client goes where `elsewhere` sends it."""


class AudioChunk(_FromClient, frozen=True, tag="audio_chunk"):
    audio_data: bytes  # base64 on the wire
    chunk_id: int | None = None
    timestamp: float | None = None
    loudspeaker: bytes | None = None  # mu-law codes, base64 on the wire


class BacklogBegins(_FromClient, frozen=True, tag="backlog"):
    samples: Count
    """So many of the microphone's samples come next that were spoken while there was no connection."""


class LocalHoldMade(_FromClient, frozen=True, tag="local_hold"):
    reply_id: Count
    played: Count
    level_db: float
    age_ms: Annotated[float, msgspec.Meta(ge=0, le=60_000)]


class PlayedSoFar(_FromClient, frozen=True, tag="played"):
    reply_id: Count
    played: Count
    playing: bool


class HeldNow(_FromClient, frozen=True, tag="held"):
    reply_id: Count
    played: Count


class FlushedNow(_FromClient, frozen=True, tag="flushed"):
    reply_id: Count
    played: Count


class FinishedNow(_FromClient, frozen=True, tag="finished"):
    reply_id: Count
    played: Count


class Interrupt(_FromClient, frozen=True, tag="interrupt"):
    pass


class ChangeSettings(_FromClient, frozen=True, tag="settings"):
    policy: str | None = None
    settings: Settings | None = None


class Type(_FromClient, frozen=True, tag="say"):
    text: Annotated[str, msgspec.Meta(max_length=4000)]


class RecordThis(_FromClient, frozen=True, tag="record"):
    on: bool
    """The user agrees to a recording of the call's audio, or refuses it."""


class HangUpMessage(_FromClient, frozen=True, tag="hangup"):
    pass


class Ping(_FromClient, frozen=True, tag="ping"):
    n: Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]


FromClient = (
    Hello
    | AudioChunk
    | BacklogBegins
    | LocalHoldMade
    | PlayedSoFar
    | HeldNow
    | FlushedNow
    | FinishedNow
    | Interrupt
    | ChangeSettings
    | Type
    | RecordThis
    | HangUpMessage
    | Ping
)


class Pong(msgspec.Struct, frozen=True, tag_field="type", tag="pong"):
    n: int


class SentElsewhere(msgspec.Struct, frozen=True, tag_field="type", tag="elsewhere"):
    """The answer to a `hello` that another server should get. This connection closes."""

    at: str
    """An address, or a path before the paths of this server."""
    why: str


class Moved(msgspec.Struct, frozen=True, tag_field="type", tag="moved"):
    """The call goes on at another server, where the client takes it up again. This connection closes."""

    call_id: str
    at: str | None
    """As in SentElsewhere. None: where the client reaches any server."""


class AgentParts(msgspec.Struct, frozen=True, omit_defaults=True):
    """The agent that answers, and the names of its parts."""

    name: str
    stt: str
    """Empty for an agent without STT."""
    llm: str
    tts: str
    scripted: bool
    """The LLM is a script."""
    simulated: bool = False
    """Simulators stand in for the vendors. Sent only where they do."""


class Welcome(msgspec.Struct, frozen=True, tag_field="type", tag="welcome"):
    """The answer to `hello`."""

    call_id: str
    conversation_id: str
    rate_in: int
    rate_out: int
    lead_ms: float
    agent: AgentParts
    policy: dict[str, object]
    """Every number of the policy, by name."""
    limits: dict[str, float]
    """The bounds that the client should keep."""
    resume: str | None = None
    """The secret to take the call up again with, once, when the connection is lost. None: this call cannot be."""
    keep_ms: float = 0.0
    """How long a call without a connection waits for its client."""
    resumed: bool = False
    """This call was taken up again."""
    restored: bool = False
    """The server that had the call is gone, and this one goes on with it."""
    at: str | None = None
    """Where the call is, as in Elsewhere. None: this server is alone."""
    restores_ms: float = 0.0
    """How long another server can go on with the call when this one is gone. 0: none can."""
    loudspeaker: bool | msgspec.UnsetType = msgspec.UNSET
    """The server takes what the client's loudspeaker plays, with the microphone's audio."""


_decoder: msgspec.json.Decoder[FromClient] = msgspec.json.Decoder(FromClient)
_encoder = msgspec.json.Encoder()


def decode(text: str) -> FromClient:
    """A text frame's message. Raises ProtocolError with code bad_json, unknown_type, bad_audio or bad_message."""
    try:
        return _decoder.decode(text)
    except msgspec.ValidationError as error:
        where = str(error)
        if where.endswith("`$.type`") and "Invalid value" in where:
            code, advice = "unknown_type", f"Send one of the messages of {PROTOCOL}"
        elif where.endswith(("`$.audio_data`", "`$.loudspeaker`")):
            code, advice = "bad_audio", "Send 16-bit PCM as base64"
        else:
            code, advice = "bad_message", f"Send the fields that {PROTOCOL} names, in their types"
        raise ProtocolError(where, advice=advice, code=code) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        advice = "Send one JSON object in each text frame"
        raise ProtocolError(f"A text frame is no JSON: {error}", advice=advice, code="bad_json") from None


def encode(message: Notice | Pong | SentElsewhere | Moved | Welcome) -> str:
    return _encoder.encode(message).decode()


def microphone(data: bytes) -> tuple[int, Samples]:
    """A binary frame from the client: the position of its first sample, and the samples, which share its memory.

    Raises ProtocolError with code bad_frame (header) or bad_audio (payload).
    """
    if len(data) < HEADER.size:
        what = f"A binary frame of {len(data)} bytes has no whole header"
        raise ProtocolError(
            what, advice=f"Begin each frame with the {HEADER.size} bytes of the header", code="bad_frame"
        )
    kind, flags, reserved, reply, _, sample = HEADER.unpack_from(data)
    if kind not in (MICROPHONE, MICROPHONE_AND_LOUDSPEAKER) or flags or reserved or reply:
        what = f"A frame of kind {kind}, flags {flags}, reply {reply} is no microphone frame"
        raise ProtocolError(what, advice=f"Set kind {MICROPHONE} and the rest to 0", code="bad_frame")
    if kind == MICROPHONE:
        return sample, pcm(data, HEADER.size)
    size = len(data) - HEADER.size
    if size == 0 or size % 3:
        what = f"{size} bytes are no whole number of samples of a microphone and a loudspeaker"
        advice = "Send 16-bit PCM of the microphone, then one mu-law code for each of its samples"
        raise ProtocolError(what, advice=advice, code="bad_audio")
    return sample, np.frombuffer(data, "<i2", count=size // 3, offset=HEADER.size)


def loudspeaker(data: bytes) -> Codes | None:
    """What the client's loudspeaker played at the samples of a binary frame that `microphone` has read, as mu-law
    codes. None: it was silent, or the client does not tell."""
    if data[0] != MICROPHONE_AND_LOUDSPEAKER:
        return None
    return np.frombuffer(data, np.uint8, offset=HEADER.size + (len(data) - HEADER.size) // 3 * 2)


def codes(data: bytes | None, samples: int) -> Codes | None:
    """The mu-law codes of a message. Raises ProtocolError (bad_audio) unless there is one for each sample."""
    if data is None:
        return None
    if len(data) != samples:
        what = f"{len(data)} codes of the loudspeaker came with {samples} samples of the microphone"
        raise ProtocolError(what, advice="Send one mu-law code for each sample of the microphone", code="bad_audio")
    return np.frombuffer(data, np.uint8)


def pcm(data: bytes, offset: int = 0) -> Samples:
    """16-bit little-endian samples from offset on, without a copy. Raises ProtocolError (bad_audio)."""
    size = len(data) - offset
    if size == 0 or size % 2:
        what = f"{size} bytes are no whole number of 16-bit samples" if size else "A frame has no audio"
        raise ProtocolError(what, advice="Send an even number of bytes of PCM, at least two", code="bad_audio")
    return np.frombuffer(data, "<i2", offset=offset)


def agent_frame(frame: AudioOut) -> bytes:
    """A reply's frame on the wire: header and samples, copied once."""
    header = HEADER.pack(AGENT, LAST if frame.last else 0, 0, frame.reply, frame.sequence, frame.first_sample)
    return b"".join((header, np.ascontiguousarray(frame.samples, "<i2").data))
