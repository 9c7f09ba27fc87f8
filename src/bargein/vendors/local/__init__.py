"""Parts that run on this machine: espeak-ng (TTS), Moonshine (STT), Voxtral's weights and Ollama (LLM).

The worker processes of these parts start by importing this package, so it imports next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bargein.vendors.common.short_names import short_names

if TYPE_CHECKING:
    from bargein.vendors.local.espeak import EspeakTTS as Espeak
    from bargein.vendors.local.moonshine import MoonshineSTT as Moonshine
    from bargein.vendors.local.ollama import OllamaChat as Ollama
    from bargein.vendors.local.smart_turn import SmartTurn
    from bargein.vendors.local.vendor import VENDOR
    from bargein.vendors.local.voxtral import VoxtralLocal as Voxtral

__all__ = ["VENDOR", "Espeak", "Moonshine", "Ollama", "SmartTurn", "Voxtral"]

__getattr__ = short_names(
    __name__,
    {
        "Espeak": "bargein.vendors.local.espeak:EspeakTTS",
        "Moonshine": "bargein.vendors.local.moonshine:MoonshineSTT",
        "Ollama": "bargein.vendors.local.ollama:OllamaChat",
        "SmartTurn": "bargein.vendors.local.smart_turn:SmartTurn",
        "VENDOR": "bargein.vendors.local.vendor:VENDOR",
        "Voxtral": "bargein.vendors.local.voxtral:VoxtralLocal",
    },
)
