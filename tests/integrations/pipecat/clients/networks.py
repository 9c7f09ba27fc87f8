"""How telephone networks and Pipecat's own clients speak over a WebSocket: the serializer, and the caller's side."""

from __future__ import annotations

import audioop
import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipecat.frames.protobufs import frames_pb2 as codec_frames
from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.serializers.exotel import ExotelFrameSerializer
from pipecat.serializers.genesys import GenesysAudioHookSerializer
from pipecat.serializers.plivo import PlivoFrameSerializer
from pipecat.serializers.protobuf import ProtobufFrameSerializer
from pipecat.serializers.telnyx import TelnyxFrameSerializer
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.serializers.vonage import VonageFrameSerializer

Wire = str | bytes
Heard = bytes | str | None
"""PCM of the agent; the word "clear"; None: something else."""


@dataclass(frozen=True)
class Network:
    """rate: of the wire. mulaw: 8 bits a sample. opens: what a caller says first."""

    rate: int
    mulaw: bool
    serializer: Callable[[], FrameSerializer]
    say: Callable[[bytes], Wire]
    hear: Callable[[Wire], Heard]
    opens: str = ""


def _json(make: Callable[[str], dict[str, Any]], *, mulaw: bool) -> Callable[[bytes], Wire]:
    def say(pcm: bytes) -> Wire:
        return json.dumps(make(base64.b64encode(audioop.lin2ulaw(pcm, 2) if mulaw else pcm).decode()))

    return say


def _hear(event: str, cleared: str, *, mulaw: bool) -> Callable[[Wire], Heard]:
    def hear(wire: Wire) -> Heard:
        message = json.loads(wire)
        kind = message.get("event")
        if kind == cleared:
            return "clear"
        if kind != event:
            return None
        audio = base64.b64decode(message["media"]["payload"])
        return audioop.ulaw2lin(audio, 2) if mulaw else audio

    return hear


def _media(payload: str) -> dict[str, Any]:
    return {"event": "media", "streamSid": "S", "stream_sid": "S", "media": {"payload": payload}}


def _hear_vonage(wire: Wire) -> Heard:
    if isinstance(wire, bytes):
        return wire
    return "clear" if json.loads(wire).get("action") == "clear" else None


def _hear_genesys(wire: Wire) -> Heard:
    if isinstance(wire, bytes):
        return audioop.ulaw2lin(wire, 2)
    message = json.loads(wire)
    barged = any(each.get("type") == "barge_in" for each in message.get("parameters", {}).get("entities", ()))
    return "clear" if barged else None


def keeping() -> FrameSerializer:
    """Twilio's, that keeps what its resampler has in a hold."""
    off = TwilioFrameSerializer.InputParams(auto_hang_up=False, resampler_clear_after_secs=None)
    return TwilioFrameSerializer("S", params=off)


def _off() -> Any:
    return TwilioFrameSerializer.InputParams(auto_hang_up=False)


def protobuf(rate: int) -> Network:
    """Pipecat's own clients."""

    def say(pcm: bytes) -> Wire:
        frame = codec_frames.Frame()
        frame.audio.audio, frame.audio.sample_rate, frame.audio.num_channels = pcm, rate, 1
        return bytes(frame.SerializeToString())

    def hear(wire: Wire) -> Heard:
        frame = codec_frames.Frame.FromString(wire)
        kind = frame.WhichOneof("frame")
        return bytes(frame.audio.audio) if kind == "audio" else kind

    return Network(rate, False, ProtobufFrameSerializer, say, hear)


OPEN = {
    "version": "2",
    "id": "5f0b9f4c-7d5c-4c1e-b8a0-0a7d6b7f3b52",
    "type": "open",
    "seq": 1,
    "serverseq": 0,
    "position": "PT0S",
    "parameters": {
        "organizationId": "o",
        "conversationId": "c",
        "participant": {"id": "p", "ani": "", "aniName": "", "dnis": ""},
        "media": [{"type": "audio", "format": "PCMU", "channels": ["external"], "rate": 8000}],
        "language": "en-US",
    },
}

NETWORKS: dict[str, Network] = {
    "twilio": Network(
        8000,
        True,
        lambda: TwilioFrameSerializer("S", params=_off()),
        _json(_media, mulaw=True),
        _hear("media", "clear", mulaw=True),
    ),
    "telnyx": Network(
        8000,
        True,
        lambda: TelnyxFrameSerializer(
            "S", "PCMU", "PCMU", params=TelnyxFrameSerializer.InputParams(auto_hang_up=False)
        ),
        _json(_media, mulaw=True),
        _hear("media", "clear", mulaw=True),
    ),
    "plivo": Network(
        8000,
        True,
        lambda: PlivoFrameSerializer("S", params=PlivoFrameSerializer.InputParams(auto_hang_up=False)),
        _json(_media, mulaw=True),
        _hear("playAudio", "clearAudio", mulaw=True),
    ),
    "vonage": Network(16_000, False, VonageFrameSerializer, lambda pcm: pcm, _hear_vonage),
    "exotel": Network(
        8000,
        False,
        lambda: ExotelFrameSerializer("S"),
        _json(_media, mulaw=False),
        _hear("media", "clear", mulaw=False),
    ),
    "genesys": Network(
        8000,
        True,
        GenesysAudioHookSerializer,
        lambda pcm: audioop.lin2ulaw(pcm, 2),
        _hear_genesys,
        json.dumps(OPEN),
    ),
    "protobuf": protobuf(16_000),
}
