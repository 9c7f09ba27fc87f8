"""A background sound, such as an office, that goes on under an agent's voice, in its pauses and in its holds.

It is no speech: positions, heard words and the floor know nothing of it. The office is made here, of noise: no
recording of other people's rooms is needed. A loop is made once for each rate, and mixing is one addition a frame.
"""

from __future__ import annotations

import wave
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bargein.audio.mulaw import SILENCE, from_mulaw, mulaw_codes
from bargein.audio.pcm import Pcm, Samples
from bargein.audio.resample import resample
from bargein.errors import UsageError

Integers = NDArray[np.integer[Any]]
OFFICE = "office"
LOOP_S = 20
SEAM_S = 0.5  # over which the loop's end fades into its beginning
LONGEST_S = 120  # of a user's file; the rest is not used
_RATE = 16_000  # at which the office is made


class Ambience:
    """One call's background. Goes on from where it was, whichever part asks for it."""

    __slots__ = ("_at", "_loop")

    def __init__(self, loop: Samples) -> None:
        self._loop = loop
        self._at = 0

    @classmethod
    def of(cls, kind: str, rate: int, level_db: float) -> Ambience:
        """kind: "office", or the path of a WAV file. level_db: rms, of full scale. Raises UsageError."""
        return cls(_loop(kind, rate, level_db))

    def next(self, count: int) -> Samples:
        """The next samples."""
        at, size = self._at, len(self._loop)
        self._at = (at + count) % size
        if at + count <= size:
            return self._loop[at : at + count]
        return np.take(self._loop, np.arange(at, at + count), mode="wrap")

    def under(self, samples: Integers) -> Samples:
        """These samples, with the background under them."""
        mixed = samples.astype(np.int32)
        mixed += self.next(len(samples))
        return np.clip(mixed, -32768, 32767, out=mixed).astype(np.int16)

    def under_mulaw(self, codes: Integers) -> NDArray[np.uint8]:
        """The same, for mu-law codes."""
        return mulaw_codes(self.under(from_mulaw(codes.tobytes())))

    def quiet_mulaw(self, count: int) -> NDArray[np.uint8]:
        """The background alone, as mu-law codes."""
        return self.under_mulaw(np.full(count, SILENCE, np.uint8))


@cache
def _loop(kind: str, rate: int, level_db: float) -> Samples:
    made = office() if kind == OFFICE else _file(Path(kind))
    samples = resample(made, rate).samples.astype(np.float64)
    samples = _seamless(samples, int(SEAM_S * rate))
    rms = float(np.sqrt(np.square(samples).mean()))
    if rms < 1.0:
        raise UsageError(f"The background {kind} is silent", advice="Give a file with a sound, or no background")
    scaled = samples * (10 ** (level_db / 20) * 32768 / rms)
    loop: Samples = np.clip(np.round(scaled), -32768, 32767).astype(np.int16)
    loop.flags.writeable = False
    return loop


def _seamless(samples: NDArray[np.float64], seam: int) -> NDArray[np.float64]:
    if len(samples) <= 3 * seam:
        return samples
    up = np.sqrt(np.linspace(0.0, 1.0, seam))
    joined = samples[:-seam].copy()
    joined[:seam] = joined[:seam] * up + samples[-seam:] * up[::-1]
    return joined


def _file(path: Path) -> Pcm:
    """Raises UsageError."""
    advice = 'Give "office", or a WAV file of 16-bit PCM'
    try:
        with wave.open(str(path)) as file:
            if file.getsampwidth() != 2:
                raise UsageError(f"The background {path} has {8 * file.getsampwidth()} bits a sample", advice=advice)
            rate = file.getframerate()
            data = np.frombuffer(file.readframes(LONGEST_S * rate), "<i2")
            samples = data.reshape(-1, file.getnchannels()).mean(axis=1).astype(np.int16)
    except (OSError, wave.Error, EOFError) as error:
        why = str(error)[:100] or "it is empty"
        raise UsageError(f"The background {path} cannot be read: {why}", advice=advice) from None
    if not len(samples):
        raise UsageError(f"The background {path} is empty", advice=advice)
    return Pcm(samples, rate)


def office() -> Pcm:
    """A room with a ventilation, keyboards, and murmur behind a wall, in which no word can be made out."""
    chance = np.random.default_rng(20)
    count = LOOP_S * _RATE
    hum = _shaped(chance.normal(size=count), lambda hz: 1 / np.maximum(hz, 60) * (hz < 1200))
    murmur = np.zeros(count)
    for _ in range(5):  # people: noise in the band of voices behind a wall, swelling a few times a second
        voice = _shaped(chance.normal(size=count), lambda hz: np.exp(-(((hz - 350) / 180) ** 2)))
        swell = _shaped(chance.normal(size=count), lambda hz: (hz > 0.1) & (hz < 4.0))
        murmur += voice * np.clip(swell, 0.0, None) * chance.uniform(0.3, 1.0)
    keys = np.zeros(count)
    at = 0
    while (at := at + int(chance.exponential(0.35) * _RATE) + 900) < count - 600:
        click = chance.normal(size=500) * np.exp(-np.arange(500) / 60.0)
        keys[at : at + 500] += click * chance.uniform(0.2, 1.0)
    keys = _shaped(keys, lambda hz: (hz > 1500) & (hz < 5000))
    mixed = _unit(hum) + 0.5 * _unit(murmur) + 0.25 * _unit(keys)
    return Pcm((mixed / np.abs(mixed).max() * 20_000).astype(np.int16), _RATE)


def _shaped(noise: NDArray[np.float64], gain: object) -> NDArray[np.float64]:
    assert callable(gain)
    spectrum = np.fft.rfft(noise)
    hz = np.fft.rfftfreq(len(noise), 1 / _RATE)
    return _unit(np.fft.irfft(spectrum * gain(hz), len(noise)))


def _unit(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    rms = float(np.sqrt(np.square(samples).mean()))
    return samples / max(rms, 1e-12)
