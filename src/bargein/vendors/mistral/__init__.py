"""Mistral: Voxtral as an LLM that hears, as streaming STT and as TTS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bargein.vendors.common import voxtral_agent
from bargein.vendors.common.option import Option
from bargein.vendors.common.short_names import short_names
from bargein.vendors.common.vendor import AgentRecipe, ApiKey, Part, Vendor, primary_language

if TYPE_CHECKING:
    from bargein.vendors.mistral.chat import VoxtralChat as Voxtral
    from bargein.vendors.mistral.realtime import VoxtralRealtime
    from bargein.vendors.mistral.speech import MistralSpeech as Speech

__all__ = ["VENDOR", "Speech", "Voxtral", "VoxtralRealtime"]

__getattr__ = short_names(
    __name__,
    {
        "Voxtral": "bargein.vendors.mistral.chat:VoxtralChat",
        "VoxtralRealtime": "bargein.vendors.mistral.realtime:VoxtralRealtime",
        "Speech": "bargein.vendors.mistral.speech:MistralSpeech",
    },
    extra="mistral",
)

_REALTIME = "voxtral-mini-transcribe-realtime-3-0"

VENDOR = Vendor(
    name="mistral",
    title="Mistral",
    key=ApiKey(("MISTRAL_API_KEY",)),
    simulator="http://{server}",
    parts=(
        Part(
            kind="stt",
            name="voxtral-realtime",
            title="Voxtral realtime",
            factory="bargein.vendors.mistral.realtime:VoxtralRealtime",
            requirement="bargein",
            options=(
                Option("model", "Model", _REALTIME, (_REALTIME,)),
                Option("language", "Language", visitors=True),
                Option("target_streaming_delay_ms", "Delay, ms", 480, kind="number", least=80, most=2400),
            ),
            language=primary_language,
            streams=True,
        ),
        Part(
            kind="llm",
            name="voxtral",
            title="Voxtral: hears the user itself",
            factory="bargein.vendors.mistral.chat:VoxtralChat",
            packages=("mistralai",),
            requirement="bargein[mistral]",
            options=(Option("model", "Model", "voxtral-small-latest", ("voxtral-small-latest",)),),
        ),
        Part(
            kind="tts",
            name="mistral",
            title="Mistral speech",
            factory="bargein.vendors.mistral.speech:MistralSpeech",
            requirement="bargein",
            options=(
                Option("voice", "Voice's id", visitors=True),
                Option("model", "Model", "voxtral-mini-tts-3-0", ("voxtral-mini-tts-3-0",)),
            ),
        ),
    ),
    agents=(
        AgentRecipe(
            voxtral_agent.NAME,
            {"stt": "voxtral-realtime", "llm": "voxtral", "tts": "mistral"},
            greeting=voxtral_agent.GREETING,
            rank=1,
        ),
    ),
)
