"""Cartesia: streaming speech (TTS)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bargein.vendors.common.option import Option
from bargein.vendors.common.short_names import short_names
from bargein.vendors.common.vendor import ApiKey, Part, Vendor, primary_language

if TYPE_CHECKING:
    from bargein.vendors.cartesia.speech import CartesiaSpeech as Speech

__all__ = ["VENDOR", "Speech"]

__getattr__ = short_names(__name__, {"Speech": "bargein.vendors.cartesia.speech:CartesiaSpeech"})

VENDOR = Vendor(
    name="cartesia",
    title="Cartesia",
    key=ApiKey(("CARTESIA_API_KEY",)),
    simulator="ws://{server}",
    parts=(
        Part(
            kind="tts",
            name="cartesia",
            title="Cartesia",
            factory="bargein.vendors.cartesia.speech:CartesiaSpeech",
            requirement="bargein",
            options=(
                Option("voice", "Voice's id", visitors=True),
                Option("model", "Model", "sonic-3", ("sonic-3", "sonic-2")),
                Option("language", "Language", visitors=True),
            ),
            language=primary_language,
            rank=2,
        ),
    ),
)
