"""Audio formats of a session: the ones that we ask for, and the ones that OpenAI, or a server like it, grants.

A server that grants another format than the one asked for is spoken to in its own: audio is converted here. Taken for
the format asked for, two seconds of PCM are fifteen of noise in mu-law.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bargein.audio.alaw import from_alaw, to_alaw
from bargein.audio.mulaw import RATE as G711_RATE
from bargein.audio.mulaw import from_mulaw, to_mulaw
from bargein.audio.pcm import Samples
from bargein.audio.resample import HotResampler
from bargein.errors import UsageError, VendorRefused
from bargein.vendors.common.openai_realtime.items import Json

PCM_RATE = 24_000
PCM, PCMU, PCMA = "audio/pcm", "audio/pcmu", "audio/pcma"


@dataclass(frozen=True, slots=True)
class RealtimeFormat:
    """One direction's format."""

    kind: str = PCM
    rate: int = PCM_RATE
    """Hz."""

    def as_json(self) -> Json:
        """As a session names the format."""
        return {"type": self.kind, "rate": self.rate} if self.kind == PCM else {"type": self.kind}

    def __str__(self) -> str:
        return f"{self.kind} at {self.rate} Hz"

    def encode(self, samples: Samples) -> bytes:
        """samples: int16 at `rate`."""
        if self.kind == PCM:
            return samples.astype("<i2", copy=False).tobytes()
        return (to_mulaw if self.kind == PCMU else to_alaw)(samples.astype(np.int16, copy=False))

    def decode(self, data: bytes) -> Samples:
        """Int16 at `rate`. Half a sample at the end is dropped."""
        if self.kind == PCM:
            return np.frombuffer(data[: len(data) // 2 * 2], "<i2")
        return (from_mulaw if self.kind == PCMU else from_alaw)(data)


MULAW = RealtimeFormat(PCMU, G711_RATE)


@dataclass(frozen=True, slots=True)
class SessionFormats:
    """Both directions."""

    input: RealtimeFormat
    output: RealtimeFormat

    @classmethod
    def asked(cls, rate: int, *, mulaw: bool) -> SessionFormats:
        """rate: Hz of the user's audio. mulaw: the client takes mu-law."""
        return cls(MULAW if rate == G711_RATE else RealtimeFormat(), MULAW if mulaw else RealtimeFormat())

    def granted(self, session: Json) -> SessionFormats:
        """The formats of `session.updated`. A format that the session does not name is the one asked for.

        Raises VendorRefused for a format that we do not speak."""
        audio = session.get("audio")
        sides = audio if isinstance(audio, dict) else {}
        return SessionFormats(_granted(sides, "input", self.input), _granted(sides, "output", self.output))


class FormatConverter:
    """One stream of audio from a format to another. From a format to itself, data pass as they are."""

    def __init__(self, source: RealtimeFormat, target: RealtimeFormat) -> None:
        self._source, self._target = source, target
        self._resampler = HotResampler(source.rate, target.rate)

    def push_audio(self, data: bytes) -> bytes:
        """The next piece, of any length."""
        if self._source == self._target:
            return data
        return self._target.encode(self._resampler.push_audio(self._source.decode(data)))


class NegotiatedFormats:
    """A connection's formats. rate: Hz of the user's audio. mulaw: the client takes mu-law."""

    def __init__(self, rate: int, *, mulaw: bool) -> None:
        self.asked = self.granted = SessionFormats.asked(rate, mulaw=mulaw)

    def grant(self, session: Json) -> None:
        """Take the formats of `session.updated`. Raises VendorRefused."""
        self.granted = self.asked.granted(session)

    def output_converter(self) -> FormatConverter:
        """From the granted format of the model's audio to the one that the call takes."""
        return FormatConverter(self.granted.output, self.asked.output)


def _granted(sides: Json, side: str, asked: RealtimeFormat) -> RealtimeFormat:
    given = sides[side].get("format") if isinstance(sides.get(side), dict) else None
    if given is None:
        return asked
    kind = given.get("type") if isinstance(given, dict) else None
    rate = given.get("rate") or PCM_RATE if kind == PCM else G711_RATE
    if kind in (PCM, PCMU, PCMA) and isinstance(rate, int) and rate > 0:
        try:
            for other in {PCM_RATE, G711_RATE, 16_000}:
                HotResampler(rate, other)
        except UsageError:
            pass
        else:
            return RealtimeFormat(kind, rate)
    raise VendorRefused(
        f"The server granted {str(given)[:80]!r} as the {side} format, and {asked} was asked for",
        advice="Use a model or server that takes audio/pcm at 24000 Hz, audio/pcmu or audio/pcma",
    )
