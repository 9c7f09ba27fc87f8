"""ElevenLabs: streaming speech (TTS)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bargein.vendors.common.option import Option
from bargein.vendors.common.short_names import short_names
from bargein.vendors.common.vendor import ApiKey, Part, Vendor

if TYPE_CHECKING:
    from bargein.vendors.elevenlabs.speech import ElevenLabsSpeech as Speech

__all__ = ["VENDOR", "Speech"]

__getattr__ = short_names(__name__, {"Speech": "bargein.vendors.elevenlabs.speech:ElevenLabsSpeech"})

VENDOR = Vendor(
    name="elevenlabs",
    title="ElevenLabs",
    key=ApiKey(("ELEVENLABS_API_KEY", "ELEVEN_API_KEY")),
    simulator="ws://{server}",
    parts=(
        Part(
            kind="tts",
            name="elevenlabs",
            title="ElevenLabs",
            factory="bargein.vendors.elevenlabs.speech:ElevenLabsSpeech",
            requirement="bargein",
            options=(
                Option("voice", "Voice's id", visitors=True),
                Option("model", "Model", "eleven_flash_v2_5", ("eleven_flash_v2_5", "eleven_turbo_v2_5")),
            ),
            rank=1,
        ),
    ),
)
