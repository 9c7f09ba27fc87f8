"""Throats by arithmetic: coughs, hums, laughs and breaths. A source (vocal folds that swing, air that hisses) sounds
through a filter with resonances, the formants, as a vocal tract has them. All randomness comes from the generator that
is given.

Sources: D. H. Klatt, "Software for a cascade/parallel formant synthesizer" (1980), for the filter and the murmur of
nasals; J. Korpas, J. Sadlonova, M. Vrabec, "Analysis of the cough sound: an overview" (1996), for a cough's three
phases: a burst, the air that flows after it, and at times the folds that close on it with a voice.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bargein_bench.scenarios.clips import RATE

Floats = NDArray[np.float64]
Contour = Sequence[tuple[float, float]]  # (ms, value): straight lines between them
Resonances = Sequence[tuple[float, float]]  # (Hz, bandwidth in Hz)

HARMONICS_HZ = 7_000.0  # a voice has none above: half the rate is 8,000
NASAL: Resonances = ((270, 60), (1_000, 140), (1_700, 200), (2_300, 220), (3_300, 300), (4_500, 400))
NASAL_ZEROS: Resonances = ((750, 120),)  # closed lips absorb these frequencies
HIGH: Resonances = ((350, 110), (2_200, 260), (2_900, 300), (3_700, 400), (5_000, 600))  # as in "hee"
OPEN: Resonances = ((550, 210), (1_250, 255), (2_500, 360), (3_600, 450), (5_200, 750))


def contour(points: Contour, samples: int) -> Floats:
    """A value for each sample."""
    ms = np.arange(samples) * 1_000 / RATE
    return np.interp(ms, [at for at, _ in points], [value for _, value in points])


def tract(source: Floats, poles: Resonances, zeros: Resonances = ()) -> Floats:
    """The source through resonances in a row; zeros are what a side branch takes out. Gain 1 at 0 Hz."""
    size = 1 << int(np.ceil(np.log2(len(source) + RATE // 4)))  # 250 ms for the last resonance to die away in
    z = np.exp(-2j * np.pi * np.fft.rfftfreq(size))
    response = np.ones(len(z), np.complex128)
    for hz, bandwidth in poles:
        response /= _section(z, hz, bandwidth)
    for hz, bandwidth in zeros:
        response *= _section(z, hz, bandwidth)
    return np.asarray(np.fft.irfft(np.fft.rfft(source, size) * response, size)[: len(source)])


def _section(z: NDArray[np.complex128], hz: float, bandwidth: float) -> NDArray[np.complex128]:
    radius, angle = np.exp(-np.pi * bandwidth / RATE), 2 * np.pi * hz / RATE
    b, c = 2 * radius * np.cos(angle), radius * radius
    return np.asarray((1 - b * z + c * z * z) / (1 - b + c))


def folds(pitch_hz: Floats, rng: np.random.Generator, *, unsteady: float = 0.006) -> Floats:
    """Vocal folds at that pitch, as the lips radiate them: harmonics that fall by 6 dB an octave. unsteady: share by
    which the pitch wavers."""
    wavers = np.convolve(rng.normal(0, 1, len(pitch_hz)), np.ones(400) / 20, "same")  # over 25 ms, of deviation 1
    hz = pitch_hz * (1 + unsteady * wavers)
    phase = 2 * np.pi * np.cumsum(hz) / RATE
    swings = np.zeros(len(hz))
    for n in range(1, int(HARMONICS_HZ / hz.min()) + 1):
        swings += np.where(n * hz < HARMONICS_HZ, np.sin(n * phase) / n, 0.0)
    return swings


def mm_hmm(rng: np.random.Generator, *, pitch_hz: float = 112.0) -> Floats:
    """A hum, a breath through the nose, a hum that rises: 580 ms with closed lips."""
    first, second, last = 180.0, 260.0, 520.0  # ms: the first hum's end, the second's beginning, and its end
    samples = int(580 * RATE / 1_000)
    pitch = pitch_hz * contour(((0, 1.04), (first, 0.95), (second, 0.98), (416, 1.35), (580, 1.28)), samples)
    loud = contour(
        ((0, 0), (35, 1), (130, 0.85), (first, 0.05), (second, 0.05), (300, 1), (403, 0.9), (last, 0.05), (580, 0)),
        samples,
    )
    breath = contour(((130, 0), (190, 1), (250, 1), (300, 0.05), (580, 0)), samples)
    source = folds(pitch, rng) * loud + rng.normal(0, 1, samples) * (0.12 * breath + 0.01 * loud)
    return tract(source, NASAL, NASAL_ZEROS)


def mm(rng: np.random.Generator, *, pitch_hz: float = 112.0) -> Floats:
    """One hum that falls: 280 ms with closed lips."""
    samples = int(280 * RATE / 1_000)
    pitch = pitch_hz * contour(((0, 1.05), (90, 1.1), (280, 0.85)), samples)
    loud = contour(((0, 0), (40, 1), (160, 0.8), (240, 0.1), (280, 0)), samples)
    return tract((folds(pitch, rng) + rng.normal(0, 0.01, samples)) * loud, NASAL, NASAL_ZEROS)


def cough(rng: np.random.Generator, *, lasts_ms: float = 420.0, voiced: float = 0.08, again_ms: float = 0.0) -> Floats:
    """A burst, and the air after it, in which some slime flutters. voiced: how much of a voice closes it; again_ms:
    where a second, weaker burst comes, 0 for none."""
    samples = int(lasts_ms * RATE / 1_000)
    ms = np.arange(samples) * 1_000 / RATE
    air = contour(((0, 0), (20, 0.35), (60, 0.5), (160, 0.22), (300, 0.08), (lasts_ms, 0)), samples)
    strength = air + 1.6 * _burst(ms)
    if again_ms:
        strength += _burst(ms - again_ms) + np.interp(ms - again_ms, (0, 20, 60, 150), (0, 0.3, 0.25, 0))
    flutter = 1 + 4.2 * np.convolve(rng.normal(0, 1, samples), np.ones(40) / 40, "same")
    hiss = rng.normal(0, 1, samples) * strength * np.clip(flutter, 0, 3)
    pitch = contour(((0, 260), (0.55 * lasts_ms, 260), (lasts_ms, 150)), samples)
    closing = contour(((0.5 * lasts_ms, 0), (0.65 * lasts_ms, 1), (lasts_ms, 0)), samples)
    throat = tract(hiss + voiced * closing * folds(pitch, rng, unsteady=0.03), OPEN)
    return np.diff(throat, prepend=0.0) + 0.25 * throat  # wide open lips radiate the high sounds best


def laugh(rng: np.random.Generator, *, pitch_hz: float = 240.0, bursts: int = 6, vowel: Resonances = OPEN) -> Floats:
    """Bursts of voice on one breath, each after a puff of air: "ha ha ha". Pitch and strength fall from burst to burst.

    J.-A. Bachorowski, M. Smoski, M. Owren, "The acoustic features of human laughter" (2001): some 4.5 bursts a second,
    at twice the pitch of the same person's speech.
    """
    parts = []
    for number in range(bursts):
        puff, voice, gap = rng.uniform(35, 70), rng.uniform(70, 130), rng.uniform(40, 80)
        samples = int((puff + voice + gap) * RATE / 1_000)
        pitch = pitch_hz * 0.95**number * contour(((0, 1.1), (puff, 1.1), (puff + voice, 0.85)), samples)
        loud = contour(
            ((0, 0), (puff * 0.8, 0.05), (puff + 15, 1), (puff + voice * 0.7, 0.7), (puff + voice, 0)), samples
        )
        air = contour(
            ((0, 0), (puff * 0.5, 0.6), (puff + 20, 0.15), (puff + voice, 0.1), (puff + voice + gap, 0)), samples
        )
        source = folds(pitch, rng, unsteady=0.02) * loud + rng.normal(0, 0.5, samples) * air
        parts.append(source * 0.9**number)
    return tract(np.concatenate(parts), vowel)


def breath(rng: np.random.Generator, *, lasts_ms: float = 500.0) -> Floats:
    """Air into a microphone that is close."""
    samples = int(lasts_ms * RATE / 1_000)
    loud = contour(((0, 0), (0.3 * lasts_ms, 1), (0.6 * lasts_ms, 0.7), (lasts_ms, 0)), samples)
    return tract(rng.normal(0, 1, samples) * loud, OPEN)


def _burst(ms: Floats) -> Floats:
    """Up within a millisecond, down within 40."""
    since = np.maximum(ms, 0.0)
    return np.asarray(np.exp(-since / 14) * (1 - np.exp(-since / 0.6)))
