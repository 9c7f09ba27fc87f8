"""The voices of a simulated realtime model: espeak's one voice, higher or lower for each name, faster or slower."""

from __future__ import annotations

from bargein_simulators.realtime_events import Json
from bargein_simulators.speech import SynthesizedText, stretched

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
    """The speech in a voice and at a speed."""
    return stretched(speech, (PITCH[voice] if isinstance(voice, str) else CUSTOM_PITCH) * speed)
