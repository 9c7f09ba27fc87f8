"""Parts that run on this machine: espeak-ng (TTS), Moonshine (STT), Voxtral's weights and Ollama (LLM)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from bargein.vendors.common import voxtral_agent
from bargein.vendors.common.option import Option, Value
from bargein.vendors.common.short_names import short_names
from bargein.vendors.common.vendor import AgentRecipe, Part, Setting, Vendor

if TYPE_CHECKING:
    from bargein.vendors.local.espeak import EspeakTTS as Espeak
    from bargein.vendors.local.moonshine import MoonshineSTT as Moonshine
    from bargein.vendors.local.ollama import OllamaChat as Ollama
    from bargein.vendors.local.voxtral import VoxtralLocal as Voxtral

__all__ = ["VENDOR", "Espeak", "Moonshine", "Ollama", "Voxtral"]

__getattr__ = short_names(
    __name__,
    {
        "Espeak": "bargein.vendors.local.espeak:EspeakTTS",
        "Moonshine": "bargein.vendors.local.moonshine:MoonshineSTT",
        "Ollama": "bargein.vendors.local.ollama:OllamaChat",
        "Voxtral": "bargein.vendors.local.voxtral:VoxtralLocal",
    },
)


def espeak_language(language: str) -> Mapping[str, Value]:
    """Espeak knows regions ("en-gb"). Its own default serves for English without one."""
    return {} if language == "en" else {"language": language.lower()}


VENDOR = Vendor(
    name="local",
    title="This machine",
    parts=(
        Part(
            kind="stt",
            name="moonshine",
            title="Moonshine, on this machine",
            factory="bargein.vendors.local.moonshine:MoonshineSTT",
            worker="bargein.vendors.local.moonshine:worker",
            packages=("moonshine_voice",),
            requirement="bargein[moonshine]",
            languages=("en",),
            local=True,
            fallback=True,
            rank=5,
        ),
        Part(
            kind="llm",
            name="ollama",
            title="Ollama, on this machine",
            factory="bargein.vendors.local.ollama:OllamaChat",
            packages=("openai",),
            requirement="bargein[ollama]",
            options=(Option("model", "Model", "its first"),),
            settings=(Setting("BARGEIN_OLLAMA_URL", "base_url"),),
            local=True,
            own_server=True,
            rank=4,
        ),
        Part(
            kind="llm",
            name="voxtral-local",
            title="Voxtral, on this machine",
            factory="bargein.vendors.local.voxtral:VoxtralLocal",
            packages=("torch", "transformers", "mistral_common", "soundfile"),
            requirement="bargein[voxtral-local]",
            options=(Option("model", "Folder or name", "BARGEIN_VOXTRAL_MODEL"),),
            settings=(Setting("BARGEIN_VOXTRAL_MODEL", "model", required=True),),
            local=True,
        ),
        Part(
            kind="tts",
            name="espeak",
            title="espeak-ng, on this machine",
            factory="bargein.vendors.local.espeak:EspeakTTS",
            worker="bargein.vendors.local.espeak:worker",
            packages=("espeakng_loader",),
            requirement="bargein[espeak]",
            options=(
                Option("language", "Language", "en-us", ("en-us", "en-gb", "de", "es", "fr", "it")),
                Option("variant", "Timbre", "+f3", ("+f3", "+f2", "+m1", "+m3")),
                Option("words_per_minute", "Words a minute", 165, kind="number", least=80, most=450),
            ),
            language=espeak_language,
            local=True,
            fallback=True,
            rank=6,
        ),
    ),
    agents=(AgentRecipe(voxtral_agent.NAME, {"llm": "voxtral-local"}, greeting=voxtral_agent.GREETING, rank=3),),
)
