"""Rooms for the echo trials: a loudspeaker, the way through a room to the microphone, a caller, and what the browser's
own echo canceller leaves. Seeded, offline.

Levels: the caller speaks at CALLER_DB on average, the echo lies GAINS_DB above or below.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

RATE = 16_000
CALLER_DB = -28.0
"""Mean level of the caller's speech at the microphone, in dB of full scale."""
GAINS_DB = (-30.0, 6.0)

Signal = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Room:
    """A loudspeaker and a microphone."""

    name: str
    delay_ms: tuple[float, float]
    """From the playing worklet to the capturing one, beside the way of the sound."""
    direct_db: tuple[float, float]
    """The direct sound, in dB of all reflections."""
    tail_ms: tuple[float, float]
    """The time in which the reflections fall by 60 dB."""
    low_hz: float = 100.0
    """The loudspeaker gives little below this."""
    drive: tuple[float, float] = (0.0, 0.3)
    """How far the loudspeaker is driven into its limit."""
    noise_db: tuple[float, float] = (-70.0, -60.0)
    rumble: bool = False
    """The noise is that of a car."""
    codec_db: float | None = None
    """Noise of a lossy codec on the way, in dB of the signal."""
    residue_db: tuple[float, float] | None = None
    """A canceller stands before us, and leaves so much of the echo. None: there is none."""


ROOMS = (
    Room("laptop", (30, 120), (2, 10), (200, 500), low_hz=250, drive=(0.2, 1.5)),
    Room("car", (60, 200), (-4, 4), (60, 150), drive=(0.0, 0.5), noise_db=(-55, -45), rumble=True),
    Room("Bluetooth loudspeaker", (100, 400), (-3, 5), (250, 600), low_hz=150, drive=(0.1, 0.8), codec_db=-18),
    Room("hands-free, far", (30, 150), (-8, 0), (300, 700), drive=(0.0, 0.4)),
    Room("laptop, canceller's residue", (30, 120), (2, 10), (200, 500), 250, (0.2, 1.5), residue_db=(-30, -15)),
    Room("laptop, no echo left", (30, 120), (2, 10), (200, 500), 250, (0.2, 1.5), residue_db=(-200, -200)),
)


def response(room: Room, rng: np.random.Generator) -> Signal:
    """From the loudspeaker to the microphone, of energy 1."""
    size = int(rng.uniform(*room.tail_ms) * RATE / 1000)
    tail = rng.normal(0, 1, size) * 10 ** (-3 * np.arange(size) / size)
    tail[: int(0.001 * RATE)] = 0
    tail *= 10 ** (-rng.uniform(*room.direct_db) / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return np.asarray(tail / np.sqrt(np.sum(tail**2)))


def recorded_responses(folder: Path) -> list[Signal]:
    """Measured responses of a folder, each from its direct sound on, of energy 1."""
    found = []
    for path in sorted(folder.glob("*.flac")):
        samples, _ = soundfile.read(path)
        samples = samples if samples.ndim == 1 else samples[:, 0]
        samples = samples[max(0, int(np.argmax(np.abs(samples))) - 16) :][: RATE // 2]
        found.append(samples / np.sqrt(np.sum(samples**2)))
    return found


def level(x: Signal) -> float:
    """RMS of the 20 ms frames within 30 dB of the loudest."""
    frames = x[: len(x) // 320 * 320].reshape(-1, 320)
    energies = np.mean(frames**2, axis=1)
    return float(np.sqrt(np.mean(energies[energies > energies.max() * 1e-3])))


def at_level(x: Signal, db: float) -> Signal:
    return x * (32768 * 10 ** (db / 20) / max(level(x), 1e-9))


def echo_of(
    room: Room,
    sent: Signal,
    db: float,
    rng: np.random.Generator,
    path: Signal | None = None,
    scale: float | None = None,
) -> Signal:
    """The agent's sound at the microphone, at a mean level of db."""
    x = sent / 32768
    x = _filtered(x, room.low_hz, 7000)
    drive = rng.uniform(*room.drive)
    if drive > 0:
        peak = np.percentile(np.abs(x[x != 0]), 99) if np.any(x) else 1.0
        x = np.tanh(x / peak * drive) / drive * peak
    if room.codec_db is not None:
        x = x + _shaped(x, rng) * 10 ** (room.codec_db / 20)
    y = _convolved(x, response(room, rng) if path is None else path)
    shift = int(rng.uniform(*room.delay_ms) * RATE / 1000)
    y = np.concatenate((np.zeros(shift), y))[: len(sent)]
    return at_level(y, db)


def suppressed(echo: Signal, room: Room, rng: np.random.Generator) -> Signal:
    """What a canceller leaves of an echo: bands come and go, and their phases are no more the loudspeaker's."""
    assert room.residue_db is not None
    size, hop = 512, 256
    window = np.sqrt(np.hanning(size + 1)[:size])
    out = np.zeros(len(echo) + size)
    gain = 10 ** (rng.uniform(*room.residue_db) / 20)
    bands = np.repeat(np.eye(32), 8, axis=1)
    state, phase = np.ones(32), np.zeros(32)
    for at in range(0, len(echo) - size, hop):
        spectrum = np.fft.rfft(echo[at : at + size] * window)
        state = 0.7 * state + 0.3 * np.exp(rng.normal(-0.5, 1.5, 32))
        phase = phase + rng.normal(0, 0.5, 32)
        shape = (state * np.exp(1j * phase)) @ bands
        out[at : at + size] += np.fft.irfft(spectrum * np.append(shape, shape[-1]) * gain, size) * window
    return out[: len(echo)]


def noise(room: Room, size: int, rng: np.random.Generator) -> Signal:
    white = rng.normal(0, 1, size)
    if room.rumble:
        white = 3 * _filtered(white, 20, 300) + 0.3 * white
    return np.asarray(white * (32768 * 10 ** (rng.uniform(*room.noise_db) / 20) / np.sqrt(np.mean(white**2))))


def _filtered(x: Signal, low_hz: float, high_hz: float) -> Signal:
    spectrum = np.fft.rfft(x)
    hz = np.fft.rfftfreq(len(x), 1 / RATE)
    gain = 1 / np.sqrt(1 + (low_hz / np.maximum(hz, 1)) ** 4) / np.sqrt(1 + (hz / high_hz) ** 8)
    return np.fft.irfft(spectrum * gain, len(x))


def _convolved(x: Signal, path: Signal) -> Signal:
    size = 1 << int(np.ceil(np.log2(len(x) + len(path))))
    return np.fft.irfft(np.fft.rfft(x, size) * np.fft.rfft(path, size), size)[: len(x)]


def _shaped(x: Signal, rng: np.random.Generator) -> Signal:
    """Noise with the spectrum that x has at the time, as a codec makes it."""
    size, hop = 512, 256
    window = np.sqrt(np.hanning(size + 1)[:size])
    out = np.zeros(len(x) + size)
    for at in range(0, len(x) - size, hop):
        spectrum = np.fft.rfft(x[at : at + size] * window)
        turned = np.abs(spectrum) * np.exp(2j * np.pi * rng.uniform(0, 1, len(spectrum)))
        out[at : at + size] += np.fft.irfft(turned, size) * window
    return out[: len(x)]
