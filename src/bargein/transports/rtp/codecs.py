"""Codecs of telephones by SIP: G.711 (mu-law and A-law) at 8000 Hz, G.722 at 16000 Hz."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bargein.audio.alaw import from_alaw, to_alaw
from bargein.audio.mulaw import from_mulaw
from bargein.audio.pcm import Samples
from bargein.errors import Unavailable, UsageError
from bargein.protocols import WireSamples

try:
    import G722 as G722_CODEC
except ImportError:
    G722_CODEC = None

CLOCK = 8000  # Hz of the timestamps, of each of them: G.722 keeps it by an old mistake


class Decoder(Protocol):
    """One stream's codec, on the way in."""

    rate: int
    """Hz of the audio."""
    clock: int
    """Hz of the timestamps."""

    def decode(self, payload: bytes) -> Samples:
        """The audio of the next packet."""
        ...

    def decode_late(self, payload: bytes) -> Samples | None:
        """The audio of a packet that comes after its successors. None: the codec cannot decode one."""
        ...


class Codec(Decoder, Protocol):
    """One call's codec, both ways."""

    name: str
    mulaw: bool
    """`encode` takes mu-law codes, else int16."""
    static_payload: int
    """The payload type by RFC 3551."""

    def encode(self, samples: WireSamples) -> bytes: ...


@dataclass(slots=True)
class Pcmu:
    """Mu-law passes through: what the TTS gave as mu-law is not transcoded."""

    name: str = "PCMU"
    rate: int = 8000
    mulaw: bool = True
    static_payload: int = 0
    clock: int = CLOCK

    def decode(self, payload: bytes) -> Samples:
        return from_mulaw(payload)

    def decode_late(self, payload: bytes) -> Samples | None:
        return from_mulaw(payload)

    def encode(self, samples: WireSamples) -> bytes:
        return samples.tobytes()


@dataclass(slots=True)
class Pcma:
    """A-law."""

    name: str = "PCMA"
    rate: int = 8000
    mulaw: bool = False
    static_payload: int = 8
    clock: int = CLOCK

    def decode(self, payload: bytes) -> Samples:
        return from_alaw(payload)

    def decode_late(self, payload: bytes) -> Samples | None:
        return from_alaw(payload)

    def encode(self, samples: WireSamples) -> bytes:
        return to_alaw(samples.astype(np.int16, copy=False))


class G722Codec:
    """Wideband. Each direction has a state: a call has a codec of its own. Raises Unavailable without the package."""

    name = "G722"
    rate = 16_000
    mulaw = False
    static_payload = 9
    clock = CLOCK

    def __init__(self) -> None:
        if G722_CODEC is None:
            raise Unavailable("G.722 needs the package G722", advice="Install it with pip install 'bargein[sip]'")
        self._codec = G722_CODEC.G722(16_000, 64_000)

    def decode(self, payload: bytes) -> Samples:
        return np.frombuffer(self._codec.decode(payload), np.int16)

    def decode_late(self, payload: bytes) -> Samples | None:
        """None: the decoder has a memory of what came before."""
        return None

    def encode(self, samples: WireSamples) -> bytes:
        encoded: bytes = self._codec.encode(samples.astype(np.int16, copy=False))
        return encoded


def known_codecs() -> tuple[str, ...]:
    """Names of the codecs that this machine has, wideband first."""
    return ("G722", "PCMU", "PCMA") if G722_CODEC is not None else ("PCMU", "PCMA")


def codec_named(name: str) -> Codec:
    """A new codec. Raises UsageError for an unknown name, Unavailable for one that is not installed."""
    match name:
        case "PCMU":
            return Pcmu()
        case "PCMA":
            return Pcma()
        case "G722":
            return G722Codec()
        case _:
            known = ", ".join(known_codecs())
            raise UsageError(f"There is no codec {name[:40]!r}", advice=f"Take one of {known}")
