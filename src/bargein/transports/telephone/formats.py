"""Audio formats of telephone streams: G.711 (mu-law, A-law) at 8000 Hz, and int16 (L16).

A stream announces its format in its start. A format that we cannot take is refused at once, by name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bargein.audio.alaw import from_alaw, to_alaw
from bargein.audio.mulaw import RATE as G711_RATE
from bargein.audio.mulaw import SILENCE as MULAW_SILENCE
from bargein.audio.mulaw import from_mulaw
from bargein.audio.pcm import Samples
from bargein.errors import ProtocolError
from bargein.foreign import printable
from bargein.protocols import WireSamples

Codec = Literal["PCMU", "PCMA", "L16"]

VOTES = 3  # frames that are smooth in one byte order alone, before that order is believed
SMOOTHER = 4.0  # times less energy in the differences of neighbours: in the wrong order speech is noise
LEAST_ENERGY = 1000.0  # of those differences, mean square in the wrong order: digital silence has no order


@dataclass(slots=True)
class WireFormat:
    """The audio of one direction of a stream."""

    codec: Codec = "PCMU"
    rate: int = G711_RATE
    """Hz."""
    swapped: bool = False
    """L16 in network byte order. Little-endian is usual, and RTP's own order is the other: `learn` finds it out."""
    _votes: int = field(default=0, repr=False)  # for the other order

    @property
    def mulaw(self) -> bool:
        """Audio for the wire is mu-law codes, else int16."""
        return self.codec == "PCMU"

    @property
    def sample_bytes(self) -> int:
        return 2 if self.codec == "L16" else 1

    def expand(self, data: bytes) -> Samples:
        """Audio from the wire. Raises ProtocolError (bad_media)."""
        if self.codec == "PCMU":
            return from_mulaw(data)
        if self.codec == "PCMA":
            return from_alaw(data)
        if len(data) % 2:
            what = f"{len(data)} bytes are no whole number of 16-bit samples"
            raise ProtocolError(what, advice="Send L16 with two bytes a sample", code="bad_media")
        samples = np.frombuffer(data, "<i2")
        self.learn(samples)
        return samples.byteswap() if self.swapped else samples

    def compress(self, samples: WireSamples) -> bytes | memoryview:
        """Audio for the wire. samples: mu-law codes (uint8) for PCMU, else int16."""
        if self.codec == "PCMU":
            return samples.data
        if self.codec == "PCMA":
            return to_alaw(samples.astype(np.int16, copy=False))
        return samples.astype(">i2" if self.swapped else "<i2", copy=False).tobytes()

    def padded(self, samples: WireSamples, least: int) -> WireSamples:
        """At least so many samples, filled up by silence in front."""
        missing = least - len(samples)
        if missing <= 0:
            return samples
        silence: NDArray[np.uint8] | Samples = (
            np.full(missing, MULAW_SILENCE, np.uint8) if self.mulaw else np.zeros(missing, np.int16)
        )
        return np.concatenate((silence, samples))

    def learn(self, samples: Samples) -> None:
        """Find out the byte order of L16 from the first audio. samples: read as little-endian."""
        if abs(self._votes) >= VOTES or len(samples) < 2:
            return
        plain = float(np.mean(np.square(np.diff(samples.astype(np.float64)))))
        other = float(np.mean(np.square(np.diff(samples.byteswap().astype(np.float64)))))
        if max(plain, other) < LEAST_ENERGY:
            return
        if other * SMOOTHER < plain:
            self._votes = max(1, self._votes + 1)
        elif plain * SMOOTHER < other:
            self._votes = min(-1, self._votes - 1)
        self.swapped = self._votes > 0


def content_type(told: str) -> tuple[str, dict[str, str]]:
    """A type such as `audio/l16;rate=16000`, and its parameters, in small letters."""
    kind, *rest = told.lower().split(";")
    pairs = (each.partition("=") for each in rest)
    return kind.strip(), {name.strip(): value.strip().strip('"') for name, _, value in pairs}


def refused(codec: str, rate: object, advice: str) -> ProtocolError:
    """The stream's format cannot be taken."""
    what = f"{printable(codec, 30)} at {printable(rate, 30)} cannot be taken"
    return ProtocolError(what, advice=advice, code="bad_format")
