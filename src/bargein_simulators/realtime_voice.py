"""The voices of a simulated realtime model: espeak's one voice, higher or lower for each name, faster or slower."""

from __future__ import annotations

from dataclasses import replace

from bargein.audio.pcm import Pcm
from bargein.audio.resample import resample
from bargein_simulators.realtime_events import Json
from bargein_simulators.speech import SynthesizedText

PITCH = {
    "alloy": 1.0,
    "ash": 0.92,
    "ballad": 0.96,
    "coral": 1.06,
    "echo": 0.9,
    "sage": 1.04,
    "shimmer": 1.1,
    "verse": 0.94,
    "marin": 1.02,
    "cedar": 0.88,
}
CUSTOM_PITCH = 0.98


def voiced(speech: SynthesizedText, voice: str | Json, speed: float) -> SynthesizedText:
    """The speech in a voice and at a speed. Both change pitch and length, as a faster tape does."""
    factor = (PITCH[voice] if isinstance(voice, str) else CUSTOM_PITCH) * speed
    if factor == 1.0 or not len(speech.pcm.samples):
        return speech
    rate = speech.pcm.rate
    pcm = Pcm(resample(Pcm(speech.pcm.samples, round(rate * factor)), rate).samples, rate)
    words = tuple(replace(w, start_ms=w.start_ms / factor, end_ms=w.end_ms / factor) for w in speech.words)
    return SynthesizedText(speech.text, pcm, words)
